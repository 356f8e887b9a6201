// A life of orders through ccxt, unchanged but for the addresses, against a running emulator of a classic account or,
// as the ready line says, of a unified one.
// Usage: node ccxt_bitget.mjs READY_LINE, where READY_LINE is what `kraite emulate --venue bitget` printed.
import assert from "node:assert/strict";
import ccxt from "ccxt";

const ready = JSON.parse(process.argv[2]);
const uta = ready.account === "unified";
const exchange = new ccxt.pro.bitget({
  apiKey: process.env.KRAITE_KEY ?? "k",
  secret: process.env.KRAITE_SECRET ?? "s",
  password: process.env.KRAITE_PASSPHRASE ?? "p",
  options: { defaultType: "swap", uta },
});
const api = exchange.urls.api;
for (const name of Object.keys(api)) {
  if (typeof api[name] === "string") api[name] = ready.http;
}
for (const name of Object.keys(api.ws)) api.ws[name] = api.ws[name].replace(/^wss:\/\/[^/]+/, ready.ws);

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
  await step("contracts of every product type", async () => {
    await exchange.loadMarkets();
    assert.ok(exchange.markets[symbol].swap);
    assert.equal(exchange.markets[symbol].precision.price, 0.01);
    assert.equal(exchange.markets[symbol].limits.cost.min, 5);
  });
  await step("server time", async () => assert.ok(Math.abs((await exchange.fetchTime()) - Date.now()) < 3_600_000));
  await step("one-way mode", () => exchange.setPositionMode(false, symbol));
  if (!uta) await step("margin mode", () => exchange.setMarginMode("cross", symbol));
  await step("leverage", () => exchange.setLeverage(10, symbol));
  const balance = await step("balance", () => exchange.fetchBalance());
  assert.ok(balance.USDT.total > 0);
  const price = (await step("ticker", () => exchange.fetchTicker(symbol))).last;
  assert.ok(price > 0);
  await step("candles", async () => assert.ok((await exchange.fetchOHLCV(symbol, "1m")).length > 0));
  await step("order book", async () => assert.ok((await exchange.fetchOrderBook(symbol)).bids.length > 0));

  const heard = exchange.watchOrders(symbol);
  await step("login and subscription", async () => new Promise((resolve) => setTimeout(resolve, 1000)));
  const market = await step("market order", () =>
    exchange.createOrder(symbol, "market", "buy", 1, undefined, { clientOid: "ccxt-entry" }));
  assert.equal(market.clientOrderId, "ccxt-entry");
  await step("a received order event", async () => {
    const orders = await heard;
    assert.ok(orders.some((order) => order.clientOrderId === "ccxt-entry"), JSON.stringify(orders));
  });
  await step("position", async () => {
    const open = (await exchange.fetchPositions([symbol])).filter((position) => position.contracts > 0);
    assert.equal(open.length, 1);
    assert.equal(open[0].side, "long");
    assert.equal(open[0].contracts, 1);
  });

  const limitPrice = Number(exchange.priceToPrecision(symbol, price * 0.97));
  const limit = await step("limit order", () =>
    exchange.createOrder(symbol, "limit", "buy", 1, limitPrice, { clientOid: "ccxt-rung" }));
  await step("look-up by number", async () => {
    const found = await exchange.fetchOrder(limit.id, symbol);
    assert.equal(found.status, "open");
    assert.equal(found.clientOrderId, "ccxt-rung");
    assert.equal(found.price, limitPrice);
  });
  await step("open orders", async () => {
    const open = await exchange.fetchOpenOrders(symbol);
    assert.deepEqual(open.map((order) => order.id), [limit.id]);
  });
  await step("a client id that is open is refused as the venue refuses it", async () =>
    assert.rejects(
      () => exchange.createOrder(symbol, "limit", "buy", 1, limitPrice, { clientOid: "ccxt-rung" }),
      (error) => String(error).includes(uta ? "25212" : "40786"),
    ));

  const stopPrice = Number(exchange.priceToPrecision(symbol, price * 0.9));
  const stop = await step("stop of the position", () =>
    exchange.createOrder(symbol, "market", "sell", 1, undefined, {
      stopLossPrice: stopPrice, reduceOnly: true, clientOid: "ccxt-stop", ...(uta ? { posSide: "long" } : { oneWayMode: true }),
    }));
  await step("open stops", async () => {
    const open = await exchange.fetchOpenOrders(symbol, undefined, undefined, { trigger: true, planType: "profit_loss" });
    assert.deepEqual(open.map((order) => order.id), [stop.id]);
  });
  await step("the verdict knows the stop", async () => {
    const audit = await (await fetch(`${ready.admin}/audit`)).json();
    assert.equal(audit.ok, true, JSON.stringify(audit));
    assert.deepEqual(audit.naked_now, []);
  });
  await step("cancel of the stop", () => exchange.cancelOrder(stop.id, symbol, { trigger: true, planType: "pos_loss" }));
  await step("cancel of the limit order", () => exchange.cancelOrder(limit.id, symbol));
  await step("nothing is open any more", async () => {
    assert.equal((await exchange.fetchOpenOrders(symbol)).length, 0);
    const stops = await exchange.fetchOpenOrders(symbol, undefined, undefined, { trigger: true, planType: "profit_loss" });
    assert.equal(stops.length, 0);
  });
  await step("an unknown order is refused as the venue refuses it", async () =>
    assert.rejects(
      () => exchange.cancelOrder("987654321987", symbol),
      (error) => (uta ? String(error).includes("25204") : error instanceof ccxt.OrderNotFound),
    ));
  await step("several orders at once", async () => {
    const order = (id) => ({ symbol, type: "limit", side: "buy", amount: 1, price: limitPrice, params: { clientOid: id } });
    const placed = await exchange.createOrders([order("ccxt-b1"), order("ccxt-b2")]);
    assert.equal(placed.length, 2);
    await exchange.cancelAllOrders(symbol);
    assert.equal((await exchange.fetchOpenOrders(symbol)).length, 0);
  });
  await step("close", () =>
    exchange.createOrder(symbol, "market", "sell", 1, undefined, { reduceOnly: true, clientOid: "ccxt-close" }));
  await step("trades", async () => assert.equal((await exchange.fetchMyTrades(symbol)).length, 2));
  await step("closed orders", async () => {
    const closed = await exchange.fetchClosedOrders(symbol);
    assert.ok(closed.some((order) => order.clientOrderId === "ccxt-close"));
  });
  await step("flat", async () => {
    const open = (await exchange.fetchPositions([symbol])).filter((position) => position.contracts > 0);
    assert.equal(open.length, 0);
  });
  await step("hedge mode: both sides open, each closed by its own", async () => {
    await exchange.setPositionMode(true, symbol);
    const sides = () => exchange.fetchPositions([symbol]).then((all) => all.map((position) => position.side).sort());
    const trade = (side, close, position) =>
      exchange.createOrder(symbol, "market", side, 1, undefined, {
        ...(uta ? { posSide: position } : { hedged: true, reduceOnly: close }),
      });
    await trade("buy", false, "long");
    await trade("sell", false, "short");
    assert.deepEqual(await sides(), ["long", "short"]);
    await trade("sell", true, "long");
    assert.deepEqual(await sides(), ["short"]);
    await exchange.closePosition(symbol, uta ? undefined : "short", uta ? { posSide: "short" } : {});
    assert.deepEqual(await sides(), []);
  });
} finally {
  await exchange.close();
}
console.log(`${passed} steps, all passed`);
process.exit(0);
