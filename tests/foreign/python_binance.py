"""A life of orders through python-binance, unchanged but for the addresses, against a running emulator.

Usage: python python_binance.py READY_LINE, where READY_LINE is what `kraite emulate` printed.
"""

import asyncio
import json
import os
import sys

from binance import AsyncClient, BinanceSocketManager
from binance.exceptions import BinanceAPIException

READY = json.loads(sys.argv[1])
SYMBOL = "SOLUSDT"
passed = 0


def ok(name, holds=True, seen=None):
    global passed
    assert holds, f"{name}: {seen!r}"
    passed += 1
    print(f"ok  {name}")


def at(price, factor):
    return f"{float(price) * factor:.2f}"


async def main():
    # Its constructor pings the spot exchange; a client without that is its own documented way in.
    client = AsyncClient(os.environ.get("KRAITE_KEY", "k"), os.environ.get("KRAITE_SECRET", "s"))
    client.FUTURES_URL = READY["http"] + "/fapi"
    streams = BinanceSocketManager(client)
    streams.FSTREAM_URL = READY["ws"] + "/"
    try:
        await life(client, streams)
    finally:
        await client.close_connection()
    print(f"{passed} steps, all passed")


async def life(client, streams):
    info = await client.futures_exchange_info()
    rules = [contract for contract in info["symbols"] if contract["symbol"] == SYMBOL]
    ok("exchangeInfo", len(rules) == 1 and rules[0]["status"] == "TRADING", rules)
    time = await client.futures_time()
    ok("server time", time["serverTime"] > 0, time)
    leverage = await client.futures_change_leverage(symbol=SYMBOL, leverage=10)
    ok("leverage", leverage["leverage"] == 10, leverage)
    balances = await client.futures_account_balance()
    ok("balance", any(b["asset"] == "USDT" and float(b["balance"]) > 0 for b in balances), balances)
    mark = (await client.futures_mark_price(symbol=SYMBOL))["markPrice"]
    ok("mark price", float(mark) > 0, mark)

    async with streams.futures_user_socket() as user:
        ok("listen key and stream")
        entry = await client.futures_create_order(
            symbol=SYMBOL, side="BUY", type="MARKET", quantity=1, newClientOrderId="py-entry", newOrderRespType="RESULT"
        )
        ok("market order", entry["status"] == "FILLED" and entry["clientOrderId"] == "py-entry", entry)
        while True:
            frame = await asyncio.wait_for(user.recv(), 10)
            if frame.get("e") == "ORDER_TRADE_UPDATE" and frame["o"]["c"] == "py-entry":
                break
        ok("a received order event", frame["o"]["S"] == "BUY", frame)

    positions = await client.futures_position_information(symbol=SYMBOL)
    ok("position", [float(p["positionAmt"]) for p in positions if float(p["positionAmt"])] == [1.0], positions)

    limit = await client.futures_create_order(
        symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC", quantity=1, price=at(mark, 0.9), newClientOrderId="py-rung"
    )
    ok("limit order", limit["status"] == "NEW", limit)
    found = await client.futures_get_order(symbol=SYMBOL, origClientOrderId="py-rung")
    ok("look-up by client id", found["orderId"] == limit["orderId"], found)
    changed = await client.futures_modify_order(
        symbol=SYMBOL, origClientOrderId="py-rung", side="BUY", quantity=1, price=at(mark, 0.88)
    )
    ok("edit of a limit order", changed["orderId"] == limit["orderId"], changed)

    stop = await client.futures_create_order(
        symbol=SYMBOL, side="SELL", type="STOP_MARKET", triggerPrice=at(mark, 0.8), closePosition="true",
        workingType="MARK_PRICE", clientAlgoId="py-stop",
    )
    ok("conditional stop", stop["algoStatus"] == "NEW" and stop["clientAlgoId"] == "py-stop", stop)
    found = await client.futures_get_algo_order(clientAlgoId="py-stop")
    ok("look-up of a stop by client id", found["algoId"] == stop["algoId"], found)
    try:
        await client.futures_create_order(
            symbol=SYMBOL, side="SELL", type="STOP_MARKET", triggerPrice=at(mark, 0.79), closePosition="true"
        )
        ok("a second stop is refused", False)
    except BinanceAPIException as refused:
        ok("a second stop is refused", refused.code == -4130, refused)
    regular = await client.futures_get_open_orders(symbol=SYMBOL)
    ok("open orders", [o["clientOrderId"] for o in regular] == ["py-rung"], regular)
    conditional = await client.futures_get_open_algo_orders(symbol=SYMBOL)
    ok("open conditional orders", [o["clientAlgoId"] for o in conditional] == ["py-stop"], conditional)

    cancelled = await client.futures_cancel_order(symbol=SYMBOL, origClientOrderId="py-rung")
    ok("cancel of a limit order", cancelled["status"] == "CANCELED", cancelled)
    await client.futures_cancel_algo_order(clientAlgoId="py-stop")
    ok("cancel of a conditional order", await client.futures_get_open_algo_orders(symbol=SYMBOL) == [])
    try:
        await client.futures_get_order(symbol=SYMBOL, origClientOrderId="py-nobody")
        ok("an unknown order is not found", False)
    except BinanceAPIException as refused:
        ok("an unknown order is not found", refused.code == -2013, refused)

    closed = await client.futures_create_order(
        symbol=SYMBOL, side="SELL", type="MARKET", quantity=1, reduceOnly="true", newOrderRespType="RESULT"
    )
    ok("close", closed["status"] == "FILLED", closed)
    trades = await client.futures_account_trades(symbol=SYMBOL)
    ok("trades", len(trades) == 2, trades)
    positions = await client.futures_position_information(symbol=SYMBOL)
    ok("flat", not [p for p in positions if float(p["positionAmt"])], positions)


asyncio.run(main())
