"""backtesting.py on the drawn bars.

    backtesting_side.py FOLDER below    five limit buys below the close
    backtesting_side.py FOLDER market   kraite's own ladder: one buy at the next open, four limit buys below it

Every trade has a target of its own there, which is how a target that follows the average is said in it.
"""

import sys
import warnings
from importlib.metadata import version

from backtesting import Backtest, Strategy

from side import Data, clock, serve


class Ladder(Strategy):
    market = False

    def init(self):
        self.open = ()
        self.placed = False
        self.round_trips = 0

    def next(self):
        trades = self.trades
        if trades:
            if trades != self.open:
                self.open = trades
                size = sum(trade.size for trade in trades)
                average = sum(trade.size * trade.entry_price for trade in trades) / size
                for trade in trades:
                    trade.tp = average * 1.006
            return
        if self.open:
            self.open = ()
            self.round_trips += 1
            self.placed = False
            for order in self.orders:
                order.cancel()
        if not self.placed:
            self.placed = True
            close = self.data.Close[-1]
            if self.market:
                self.buy(size=1)
            for rung in range(1 if self.market else 0, 5):
                below = rung if self.market else rung + 1
                self.buy(size=2**rung, limit=close * (1 - 0.003 * below))


def main():
    folder, first = sys.argv[1:]
    warnings.simplefilter("ignore")
    bars = Data(folder).bars().rename(columns=str.capitalize)
    bars.index = bars.index.tz_localize(None)
    strategy = type("Ladder", (Ladder,), {"market": first == "market"})

    def turn():
        backtest = Backtest(bars, strategy, cash=1_000_000, commission=0.0002)
        took, stats = clock(backtest.run)
        # A trade is one buy.
        buys = len(stats._trades) + len(stats._strategy.trades)
        return took, {"items": len(bars), "round_trips": stats._strategy.round_trips, "buys": buys}

    serve(version("backtesting"), turn)


main()
