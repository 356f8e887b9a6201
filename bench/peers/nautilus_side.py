"""nautilus_trader on the drawn bars or trades.

    nautilus_side.py FOLDER bars|trades below    five limit buys below the close, or the last trade
    nautilus_side.py FOLDER bars market          kraite's own ladder: one market buy, four limit buys below it
    nautilus_side.py FOLDER bars|trades idle     no orders: what it takes to hand every bar or trade to a strategy

Logging is bypassed; what is left of a run is as the library has it by default.
"""

import sys
from decimal import Decimal
from importlib.metadata import version

from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.objects import Money
from nautilus_trader.persistence.wranglers import BarDataWrangler, TradeTickDataWrangler
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

from side import Data, clock, serve


class Ladder(Strategy):
    def __init__(self, instrument, bar_type, first):
        super().__init__()
        self.instrument = instrument
        self.bar_type = bar_type
        self.first = first
        self.placed = first == "idle"
        self.target = None
        self.size = 0.0
        self.cost = 0.0
        self.buys = 0
        self.round_trips = 0

    def on_start(self):
        if self.bar_type:
            self.subscribe_bars(self.bar_type)
        else:
            self.subscribe_trade_ticks(self.instrument.id)

    def on_bar(self, bar):
        if not self.placed:
            self.place(float(bar.close))

    def on_trade_tick(self, trade):
        if not self.placed:
            self.place(float(trade.price))

    def place(self, price):
        self.placed = True
        make_qty, limit = self.instrument.make_qty, self.limit
        if self.first == "market":
            self.submit_order(self.order_factory.market(self.instrument.id, OrderSide.BUY, make_qty(1)))
            for rung in range(1, 5):
                limit(OrderSide.BUY, make_qty(2**rung), price * (1 - 0.003 * rung))
        else:
            for rung in range(5):
                limit(OrderSide.BUY, make_qty(2**rung), price * (1 - 0.003 * (rung + 1)))

    def limit(self, side, qty, price, reduce_only=False):
        price = self.instrument.make_price(price)
        order = self.order_factory.limit(self.instrument.id, side, qty, price, reduce_only=reduce_only)
        self.submit_order(order)
        return order

    def on_order_filled(self, event):
        qty, price = float(event.last_qty), float(event.last_px)
        if event.order_side == OrderSide.SELL:
            self.size -= qty
            return
        self.buys += 1
        self.size += qty
        self.cost += qty * price
        if self.target and not self.target.is_closed:
            self.cancel_order(self.target)
        average = self.cost / self.size
        self.target = self.limit(OrderSide.SELL, self.instrument.make_qty(self.size), average * 1.006, True)

    def on_position_closed(self, event):
        self.round_trips += 1
        self.size = self.cost = 0.0
        self.target = None
        self.cancel_all_orders(self.instrument.id)
        self.placed = False


def main():
    folder, what, first = sys.argv[1:]
    instrument = TestInstrumentProvider.ethusdt_perp_binance()
    data = Data(folder)
    if what == "bars":
        bar_type = BarType.from_str(f"{instrument.id}-1-MINUTE-LAST-EXTERNAL")
        items = BarDataWrangler(bar_type, instrument).process(data.bars())
    else:
        import pandas as pd

        bar_type = None
        frame = pd.DataFrame(
            {
                "price": data.array("trades.price", "i32") / 100,
                "quantity": data.array("trades.qty", "i64") / 100,
                "buyer_maker": data.array("trades.buys", "i8") == 0,
                "trade_id": range(len(data.array("trades.buys", "i8"))),
            },
            index=pd.to_datetime(data.array("trades.time", "i64"), unit="ms", utc=True),
        )
        items = TradeTickDataWrangler(instrument).process(frame)

    def turn():
        engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
        engine.add_venue(
            venue=instrument.id.venue,
            oms_type=OmsType.NETTING,
            account_type=AccountType.MARGIN,
            starting_balances=[Money(1_000_000, USDT)],
            default_leverage=Decimal(10),
        )
        engine.add_instrument(instrument)
        engine.add_data(items)
        ladder = Ladder(instrument, bar_type, first)
        engine.add_strategy(ladder)
        took, _ = clock(engine.run)
        told = {"items": len(items), "round_trips": ladder.round_trips, "buys": ladder.buys}
        engine.dispose()
        return took, told

    serve(version("nautilus_trader"), turn)


main()
