"""hftbacktest on the drawn trades.

    hftbacktest_side.py FOLDER hash|roi    with its hash-map depth, or its vector for a range of prices

Each trade is three events: a bid and an ask one cent beside it, and itself. They arrive 1 ms later; orders take 10 ms
each way. The strategy looks every 100 ms.
"""

import sys
from importlib.metadata import version
from math import ceil, floor

import numpy as np
from hftbacktest import (
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    GTC,
    LIMIT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    BacktestAsset,
    HashMapMarketDepthBacktest,
    ROIVectorMarketDepthBacktest,
    event_dtype,
)
from numba import njit

from side import Data, clock, serve

MS = 1_000_000


def events(data):
    times = data.array("trades.time", "i64") * MS
    prices = data.array("trades.price", "i32")
    buys = data.array("trades.buys", "i8") == 1
    rows = np.zeros(len(times) * 3, dtype=event_dtype)
    both = EXCH_EVENT | LOCAL_EVENT
    kinds = (DEPTH_EVENT | BUY_EVENT, DEPTH_EVENT | SELL_EVENT, TRADE_EVENT | np.where(buys, BUY_EVENT, SELL_EVENT))
    sizes = (10.0, 10.0, data.array("trades.qty", "i64") / 100)
    for place, (kind, beside, size) in enumerate(zip(kinds, (-1, 1, 0), sizes)):
        some = rows[place::3]
        some["ev"] = kind | both
        some["exch_ts"] = times
        some["local_ts"] = times + MS
        some["px"] = (prices + beside) / 100
        some["qty"] = size
    return rows


@njit
def ladder(hbt):
    number, target, held, placed = 1, 0, 0.0, False
    balance, round_trips = 0.0, 0
    while hbt.elapse(100_000_000) == 0:
        hbt.clear_inactive_orders(0)
        position = hbt.position(0)
        if position != held:
            orders = hbt.orders(0)
            if position == 0:
                round_trips += 1
                placed = False
                balance = hbt.state_values(0).balance
                values = orders.values()
                while values.has_next():
                    order = values.get()
                    if order.cancellable:
                        hbt.cancel(0, order.order_id, False)
            else:
                if target in orders and orders.get(target).cancellable:
                    hbt.cancel(0, target, False)
                average = (balance - hbt.state_values(0).balance) / position
                target = number
                number += 1
                price = ceil(average * 1.006 * 100 - 1e-6) / 100
                hbt.submit_sell_order(0, target, price, position, GTC, LIMIT, False)
            held = position
        if held == 0 and not placed and len(hbt.orders(0)) == 0:
            close = hbt.depth(0).best_bid
            if not np.isnan(close):
                placed = True
                for rung in range(5):
                    price = floor(close * (1 - 0.003 * (rung + 1)) * 100 + 1e-6) / 100
                    hbt.submit_buy_order(0, number, price, float(2**rung), GTC, LIMIT, False)
                    number += 1
    return round_trips


def main():
    folder, depth = sys.argv[1:]
    data = Data(folder)
    rows = events(data)
    lowest, highest = rows["px"].min(), rows["px"].max()

    def prepared(rows):
        asset = (
            BacktestAsset()
            .data(rows)
            .linear_asset(1.0)
            .constant_order_latency(10 * MS, 10 * MS)
            .power_prob_queue_model(3.0)
            .no_partial_fill_exchange()
            .trading_value_fee_model(0.0002, 0.0005)
            .tick_size(0.01)
            .lot_size(0.01)
        )
        if depth == "hash":
            return HashMapMarketDepthBacktest([asset])
        return ROIVectorMarketDepthBacktest([asset.roi_lb(lowest * 0.9).roi_ub(highest * 1.1)])

    def turn(rows=rows):
        hbt = prepared(rows)
        took, round_trips = clock(lambda: ladder(hbt))
        # Nothing fills in part, and the target is the only order that sells.
        buys = hbt.state_values(0).num_trades - round_trips
        hbt.close()
        return took, {"items": len(rows) // 3, "events": len(rows), "round_trips": round_trips, "buys": int(buys)}

    # It is compiled here.
    turn(rows[:3_000])
    serve(version("hftbacktest"), turn)


main()
