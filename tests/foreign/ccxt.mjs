// A life of orders through ccxt, unchanged but for the addresses, against a running emulator.
// Usage: node ccxt.mjs READY_LINE, where READY_LINE is what `kraite emulate` printed.
import assert from "node:assert/strict";
import ccxt from "ccxt";

const ready = JSON.parse(process.argv[2]);
const exchange = new ccxt.pro.binanceusdm({
  apiKey: process.env.KRAITE_KEY ?? "k",
  secret: process.env.KRAITE_SECRET ?? "s",
  options: { fetchCurrencies: false },
});
const api = exchange.urls.api;
for (const name of Object.keys(api)) {
  if (name.startsWith("fapi")) api[name] = api[name].replace(/^https:\/\/[^/]+/, ready.http);
}
api.ws.future = `${ready.ws}/ws`;

let passed = 0;
const step = async (name, run) => {
  const value = await run();
  passed += 1;
  console.log(`ok  ${name}`);
  return value;
};

const symbol = "SOL/USDT:USDT";
try {
  // Its own demand before it speaks to a socket without TLS.
  await exchange.loadHttpProxyAgent();
  await step("exchangeInfo", async () => {
    await exchange.loadMarkets();
    assert.ok(exchange.markets[symbol].swap);
    assert.ok(exchange.markets[symbol].precision.price > 0);
  });
  await step("server time", async () => assert.ok(Math.abs((await exchange.fetchTime()) - Date.now()) < 3_600_000));
  await step("leverage", async () => assert.equal(Number((await exchange.setLeverage(10, symbol)).leverage), 10));
  await step("margin mode, and once more", async () => {
    await exchange.setMarginMode("isolated", symbol);
    await exchange.setMarginMode("cross", symbol);
    await assert.rejects(() => exchange.setMarginMode("cross", symbol), ccxt.MarginModeAlreadySet);
  });
  const balance = await step("balance", () => exchange.fetchBalance());
  assert.ok(balance.USDT.total > 0);
  const ticker = await step("ticker", () => exchange.fetchTicker(symbol));
  const price = ticker.last;
  assert.ok(price > 0);

  const heard = exchange.watchOrders();
  await step("listen key and stream", async () => new Promise((resolve) => setTimeout(resolve, 1000)));

  const market = await step("market order", () =>
    exchange.createOrder(symbol, "market", "buy", 1, undefined, { newClientOrderId: "ccxt-entry" }));
  assert.equal(market.clientOrderId, "ccxt-entry");
  await step("a received order event", async () => {
    const orders = await heard;
    assert.ok(orders.some((order) => order.clientOrderId === "ccxt-entry"), JSON.stringify(orders.map((o) => o.clientOrderId)));
  });
  await step("position", async () => {
    const open = (await exchange.fetchPositions([symbol])).filter((position) => position.contracts > 0);
    assert.equal(open.length, 1);
    assert.equal(open[0].side, "long");
    assert.equal(open[0].contracts, 1);
  });

  const limitPrice = exchange.priceToPrecision(symbol, price * 0.9);
  const limit = await step("limit order", () =>
    exchange.createOrder(symbol, "limit", "buy", 1, Number(limitPrice), { newClientOrderId: "ccxt-rung" }));
  assert.equal(limit.status, "open");
  await step("look-up by client id", async () => {
    const found = await exchange.fetchOrder(undefined, symbol, { origClientOrderId: "ccxt-rung" });
    assert.equal(found.id, limit.id);
    assert.equal(found.status, "open");
  });
  await step("edit of a limit order", async () => {
    const lower = Number(exchange.priceToPrecision(symbol, price * 0.88));
    const edited = await exchange.editOrder(limit.id, symbol, "limit", "buy", 1, lower);
    assert.equal(edited.id, limit.id);
    assert.equal(edited.price, lower);
  });
  const stopPrice = Number(exchange.priceToPrecision(symbol, price * 0.8));
  const stop = await step("conditional stop", () =>
    exchange.createOrder(symbol, "STOP_MARKET", "sell", 1, undefined, {
      stopPrice, reduceOnly: true, workingType: "MARK_PRICE", clientOrderId: "ccxt-stop",
    }));
  await step("open orders of both services", async () => {
    const regular = await exchange.fetchOpenOrders(symbol);
    assert.deepEqual(regular.map((order) => order.id), [limit.id]);
    const conditional = await exchange.fetchOpenOrders(symbol, undefined, undefined, { trigger: true });
    assert.deepEqual(conditional.map((order) => order.id), [stop.id]);
  });
  await step("cancel of a limit order", async () => exchange.cancelOrder(limit.id, symbol));
  await step("cancel of a conditional order", async () => exchange.cancelOrder(stop.id, symbol, { trigger: true }));
  await step("nothing is open any more", async () => {
    assert.equal((await exchange.fetchOpenOrders(symbol)).length, 0);
    assert.equal((await exchange.fetchOpenOrders(symbol, undefined, undefined, { trigger: true })).length, 0);
  });
  await step("an order twice is refused as the venue refuses it", async () => {
    const place = () => exchange.createOrder(symbol, "limit", "buy", 1, Number(limitPrice), { newClientOrderId: "ccxt-twice" });
    const first = await place();
    await assert.rejects(place, (error) => String(error).includes("-4116"));
    await exchange.cancelOrder(first.id, symbol);
  });
  await step("an unknown order is refused as the venue refuses it", async () =>
    assert.rejects(() => exchange.cancelOrder("987654321987", symbol), ccxt.OrderNotFound));
  await step("close", async () =>
    exchange.createOrder(symbol, "market", "sell", 1, undefined, { reduceOnly: true, newClientOrderId: "ccxt-close" }));
  await step("trades", async () => {
    const trades = await exchange.fetchMyTrades(symbol);
    assert.equal(trades.length, 2);
  });
  await step("flat", async () => {
    const open = (await exchange.fetchPositions([symbol])).filter((position) => position.contracts > 0);
    assert.equal(open.length, 0);
  });
} finally {
  await exchange.close();
}
console.log(`${passed} steps, all passed`);
process.exit(0);
