//! What leaves: verbs, paths, queries, bodies, signatures.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use common::{BOTH, SECRET, credentials, id, limit, market, new_order, order, order_ref, pair, revised, terms};
use kraite_bitget::codec::calls::classic::OpenState;
use kraite_bitget::codec::calls::unified::StrategyName;
use kraite_bitget::codec::calls::{MAX_BATCH, Placement, classic, market as open, unified};
use kraite_bitget::codec::{
    Call, Generation, PairName, Product, Signer, Stamp, WireRequest, encode, encode_account_channels, encode_logon,
    encode_mark_channel, encode_unsigned,
};
use kraite_core::exchange::{
    Amend, Direction, MarginMode, OrderShape, PositionMode, PositionRef, Purpose, RejectKind, Service, Side, TriggerBy,
    TriggerSize,
};
use kraite_core::id::{Role, Symbol};
use kraite_core::time::VenueMillis;
use secrecy::ExposeSecret;

fn ada() -> Symbol {
    Symbol::new("ADAUSDT")
}

fn sent<C: Call>(call: &C) -> WireRequest {
    encode(call, Stamp::of_read(VenueMillis(1_695_806_875_837)), &credentials()).unwrap()
}

fn text<C: Call>(call: &C) -> String {
    let request = sent(call);
    let body = request.body.as_deref().map(|body| format!(" {body}")).unwrap_or_default();
    format!("{} {}{body}", request.method.as_str(), request.target())
}

/// A body of texts, read again.
fn fields<C: Call>(call: &C) -> serde_json::Map<String, serde_json::Value> {
    let fields: serde_json::Map<_, _> = serde_json::from_str(sent(call).body.as_ref().unwrap()).unwrap();
    for (name, value) in &fields {
        assert!(value.is_string() || value.is_array(), "{name}: {value}");
    }
    fields
}

fn trigger(stop: bool, size: TriggerSize) -> OrderShape {
    let (trigger, by) = ("0.34".parse().unwrap(), TriggerBy::Mark);
    if stop { OrderShape::StopMarket { trigger, by, size } } else { OrderShape::TakeProfitMarket { trigger, by, size } }
}

#[test]
fn r34_classic_orders_exactly() {
    let entry = order(Role::Entry, Direction::Long, PositionMode::Hedge, market("30"));
    assert_eq!(
        text(&classic::PlaceOrder(entry)),
        format!(
            r#"POST /api/v2/mix/order/place-order {{"symbol":"ADAUSDT","productType":"USDT-FUTURES","marginCoin":"USDT","marginMode":"crossed","side":"buy","tradeSide":"open","orderType":"market","size":"30","clientOid":"{}","stpMode":"none"}}"#,
            id(Role::Entry)
        )
    );
    let rung = order(Role::Rung(2), Direction::Short, PositionMode::OneWay, limit("0.3710", "60"));
    assert_eq!(
        text(&classic::PlaceOrder(rung)),
        format!(
            r#"POST /api/v2/mix/order/place-order {{"symbol":"ADAUSDT","productType":"USDT-FUTURES","marginCoin":"USDT","marginMode":"crossed","side":"sell","reduceOnly":"NO","orderType":"limit","force":"gtc","size":"60","price":"0.371","clientOid":"{}","stpMode":"none"}}"#,
            id(Role::Rung(2))
        )
    );
}

#[test]
fn r34_unified_orders_exactly() {
    let entry = order(Role::Entry, Direction::Long, PositionMode::Hedge, market("30"));
    assert_eq!(
        text(&unified::PlaceOrder(entry)),
        format!(
            r#"POST /api/v3/trade/place-order {{"category":"USDT-FUTURES","symbol":"ADAUSDT","side":"buy","posSide":"long","orderType":"market","qty":"30","marginMode":"crossed","clientOid":"{}","stpMode":"none"}}"#,
            id(Role::Entry)
        )
    );
    let close = order(Role::Close, Direction::Short, PositionMode::OneWay, limit("0.3710", "60"));
    assert_eq!(
        text(&unified::PlaceOrder(close)),
        format!(
            r#"POST /api/v3/trade/place-order {{"category":"USDT-FUTURES","symbol":"ADAUSDT","side":"buy","reduceOnly":"yes","orderType":"limit","timeInForce":"gtc","qty":"60","price":"0.371","marginMode":"crossed","clientOid":"{}","stpMode":"none"}}"#,
            id(Role::Close)
        )
    );
}

#[test]
fn r34_r108_both_matrices_of_direction() {
    // Direction, closes: classic hedge, classic one-way, unified hedge, unified one-way.
    let matrix = [
        (Direction::Long, Role::Entry, "buy open", "buy NO", "buy long", "buy -"),
        (Direction::Long, Role::Close, "buy close", "sell YES", "sell long", "sell yes"),
        (Direction::Short, Role::Entry, "sell open", "sell NO", "sell short", "sell -"),
        (Direction::Short, Role::Close, "sell close", "buy YES", "buy short", "buy yes"),
    ];
    for (direction, role, classic_hedge, classic_net, unified_hedge, unified_net) in matrix {
        for (mode, expected_classic, expected_unified) in
            [(PositionMode::Hedge, classic_hedge, unified_hedge), (PositionMode::OneWay, classic_net, unified_net)]
        {
            for shape in [market("5"), limit("1", "5")] {
                let order = order(role, direction, mode, shape);
                let word = |fields: &serde_json::Map<String, serde_json::Value>, names: [&str; 2]| {
                    let found: Vec<&str> = names.iter().filter_map(|name| fields.get(*name)?.as_str()).collect();
                    assert!(found.len() < 2, "never both: {fields:?}");
                    format!("{} {}", fields["side"].as_str().unwrap(), found.first().unwrap_or(&"-"))
                };
                let classic = fields(&classic::PlaceOrder(order.clone()));
                assert_eq!(word(&classic, ["tradeSide", "reduceOnly"]), expected_classic);
                assert_eq!(classic["marginMode"], "crossed");
                let unified = fields(&unified::PlaceOrder(order));
                assert_eq!(word(&unified, ["posSide", "reduceOnly"]), expected_unified);
                assert_eq!((&unified["marginMode"], &unified["stpMode"]), (&"crossed".into(), &"none".into()));
            }
        }
    }
}

#[test]
fn r108_the_margin_mode_is_stated_and_r105_so_is_the_product() {
    for generation in BOTH {
        let mut terms = terms(generation, MarginMode::Isolated);
        terms.product = Product::Usdc;
        let new = new_order(Role::Entry, Direction::Long, PositionMode::Hedge, market("1"));
        let Placement::Regular(order) = Placement::of(&new, terms).unwrap() else { panic!("regular") };
        let fields = match generation {
            Generation::Classic => fields(&classic::PlaceOrder(order)),
            Generation::Unified => fields(&unified::PlaceOrder(order)),
        };
        assert_eq!(fields["marginMode"], "isolated");
        match generation {
            Generation::Classic => {
                assert_eq!((&fields["productType"], &fields["marginCoin"]), (&"USDC-FUTURES".into(), &"USDC".into()));
            }
            Generation::Unified => assert_eq!(fields["category"], "USDC-FUTURES"),
        }
    }
}

#[test]
fn s07_orders_that_contradict_themselves_do_not_leave() {
    let terms = terms(Generation::Classic, MarginMode::Cross);
    let mut order = new_order(Role::Target, Direction::Long, PositionMode::OneWay, limit("1", "1"));
    order.side = Side::Buy;
    assert_eq!(Placement::of(&order, terms).unwrap_err().kind, RejectKind::Other);
    order.purpose = Purpose::Open;
    assert!(Placement::of(&order, terms).is_ok());
    let sized = TriggerSize::Qty("1".parse().unwrap());
    let opens = new_order(Role::Entry, Direction::Short, PositionMode::Hedge, trigger(true, sized));
    assert_eq!(Placement::of(&opens, terms).unwrap_err().kind, RejectKind::Other);
    let whole = trigger(true, TriggerSize::ClosePosition);
    let alone = new_order(Role::Stop, Direction::Short, PositionMode::Hedge, whole);
    assert_eq!(Placement::of(&alone, terms).unwrap_err().kind, RejectKind::Other);
}

#[test]
fn r42_a_classic_pair_states_both_legs_with_both_ids() {
    let (stop, target) = (id(Role::Stop), id(Role::Target));
    let call = classic::PlacePair::of(&pair(0, Direction::Long, PositionMode::Hedge), Product::Usdt).unwrap();
    assert_eq!(
        text(&call),
        format!(
            r#"POST /api/v2/mix/order/place-pos-tpsl {{"symbol":"ADAUSDT","productType":"USDT-FUTURES","marginCoin":"USDT","holdSide":"long","stopSurplusTriggerPrice":"0.401","stopSurplusTriggerType":"fill_price","stopSurplusExecutePrice":"0","stopSurplusClientOid":"{target}","stopLossTriggerPrice":"0.34","stopLossTriggerType":"mark_price","stopLossExecutePrice":"0","stopLossClientOid":"{stop}","stpMode":"none"}}"#
        )
    );
    for (direction, mode, hold) in [
        (Direction::Long, PositionMode::Hedge, "long"),
        (Direction::Short, PositionMode::Hedge, "short"),
        (Direction::Long, PositionMode::OneWay, "buy"),
        (Direction::Short, PositionMode::OneWay, "sell"),
    ] {
        let fields = fields(&classic::PlacePair::of(&pair(0, direction, mode), Product::Usdt).unwrap());
        assert_eq!(fields["holdSide"], hold);
        assert!(!fields.keys().any(|name| name.ends_with("Size")), "it follows the position");
    }
    let mut wrong = pair(0, Direction::Long, PositionMode::Hedge);
    wrong.stop.id = wrong.target.id;
    assert_eq!(classic::PlacePair::of(&wrong, Product::Usdt).unwrap_err().kind, RejectKind::Other);
}

#[test]
fn r107_a_unified_pair_is_one_strategy_under_one_id() {
    let whole = pair(0, Direction::Long, PositionMode::Hedge);
    let name = PairName::of(&whole).unwrap().text();
    assert_eq!(
        text(&unified::PlacePair::of(&whole, Product::Usdt).unwrap()),
        format!(
            r#"POST /api/v3/trade/place-strategy-order {{"category":"USDT-FUTURES","symbol":"ADAUSDT","type":"tpsl","tpslMode":"full","side":"sell","posSide":"long","takeProfit":"0.401","stopLoss":"0.34","tpTriggerBy":"market","slTriggerBy":"mark","tpOrderType":"market","slOrderType":"market","clientOid":"{name}"}}"#
        )
    );
    let net = fields(&unified::PlacePair::of(&pair(0, Direction::Short, PositionMode::OneWay), Product::Usdc).unwrap());
    assert_eq!((&net["side"], &net["reduceOnly"]), (&"buy".into(), &"yes".into()));
    assert!(!net.contains_key("posSide"));
    let change = unified::ModifyPair { strategy: "77".into(), pair: pair(1, Direction::Long, PositionMode::Hedge) };
    assert_eq!(
        text(&change),
        r#"POST /api/v3/trade/modify-strategy-order {"orderId":"77","takeProfit":"0.401","stopLoss":"0.34","tpTriggerBy":"market","slTriggerBy":"mark","tpOrderType":"market","slOrderType":"market"}"#
    );
    let by = |name| text(&unified::CancelStrategy { name });
    let path = "POST /api/v3/trade/cancel-strategy-order";
    assert_eq!(by(StrategyName::Venue("77".into())), format!(r#"{path} {{"orderId":"77"}}"#));
    assert_eq!(by(StrategyName::Pair(PairName::of(&whole).unwrap())), format!(r#"{path} {{"clientOid":"{name}"}}"#));
    let leg = order_ref(Role::Target, Service::PositionPlan, Some("strategy:77:target"));
    assert_eq!(StrategyName::of(&leg), Some(StrategyName::Venue("77".into())));
    assert_eq!(StrategyName::of(&order_ref(Role::Target, Service::PositionPlan, None)), None);
}

#[test]
fn plans_over_a_quantity() {
    let sized = TriggerSize::Qty("30".parse().unwrap());
    let terms = terms(Generation::Classic, MarginMode::Cross);
    let of =
        |role, stop, mode| match Placement::of(&new_order(role, Direction::Long, mode, trigger(stop, sized)), terms)
            .unwrap()
        {
            Placement::Plan(plan) => plan,
            Placement::Regular(_) => panic!("a plan"),
        };
    let stop = of(Role::Stop, true, PositionMode::Hedge);
    assert_eq!(
        text(&classic::PlacePlan(stop.clone())),
        format!(
            r#"POST /api/v2/mix/order/place-tpsl-order {{"symbol":"ADAUSDT","productType":"USDT-FUTURES","marginCoin":"USDT","planType":"loss_plan","holdSide":"long","triggerPrice":"0.34","triggerType":"mark_price","executePrice":"0","size":"30","clientOid":"{}","stpMode":"none"}}"#,
            id(Role::Stop)
        )
    );
    assert_eq!(
        text(&unified::PlacePlan(stop)),
        format!(
            r#"POST /api/v3/trade/place-strategy-order {{"category":"USDT-FUTURES","symbol":"ADAUSDT","type":"tpsl","tpslMode":"partial","qty":"30","side":"sell","posSide":"long","stopLoss":"0.34","slTriggerBy":"mark","slOrderType":"market","clientOid":"{}"}}"#,
            id(Role::Stop)
        )
    );
    let target = of(Role::Target, false, PositionMode::OneWay);
    assert_eq!(fields(&classic::PlacePlan(target.clone()))["planType"], "profit_plan");
    let unified = fields(&unified::PlacePlan(target));
    assert_eq!((&unified["takeProfit"], &unified["reduceOnly"]), (&"0.34".into(), &"yes".into()));
}

#[test]
fn r90_changes_and_cancellations_name_one_order() {
    let mut change = Amend {
        order: order_ref(Role::Rung(1), Service::Regular, None),
        side: Side::Buy,
        price: "0.3890".parse().unwrap(),
        qty: "90".parse().unwrap(),
    };
    let (old, new) = (id(Role::Rung(1)), revised(Role::Rung(1), 1, 0));
    assert_eq!(
        text(&classic::ModifyOrder::of(&change, Product::Usdt, new)),
        format!(
            r#"POST /api/v2/mix/order/modify-order {{"symbol":"ADAUSDT","productType":"USDT-FUTURES","marginCoin":"USDT","clientOid":"{old}","newClientOid":"{new}","newSize":"90","newPrice":"0.389"}}"#
        )
    );
    change.order = order_ref(Role::Rung(1), Service::Regular, Some("1190384645049036801"));
    assert_eq!(
        text(&unified::ModifyOrder::of(&change, Product::Usdt)),
        r#"POST /api/v3/trade/modify-order {"category":"USDT-FUTURES","symbol":"ADAUSDT","orderId":"1190384645049036801","qty":"90","price":"0.389","autoCancel":"no"}"#
    );
    let order = order_ref(Role::Entry, Service::Regular, Some("1190384645049036801"));
    assert_eq!(
        text(&classic::CancelOrder::of(&order, Product::Usdt)),
        r#"POST /api/v2/mix/order/cancel-order {"symbol":"ADAUSDT","productType":"USDT-FUTURES","marginCoin":"USDT","orderId":"1190384645049036801"}"#
    );
    assert_eq!(
        text(&unified::CancelOrder::of(&order, Product::Usdt)),
        r#"POST /api/v3/trade/cancel-order {"category":"USDT-FUTURES","orderId":"1190384645049036801"}"#
    );
    let stop = order_ref(Role::Stop, Service::PositionPlan, Some("plan:1272849518383902721"));
    assert_eq!(
        text(&classic::CancelPlan::of(&stop, Product::Usdt).unwrap()),
        r#"POST /api/v2/mix/order/cancel-plan-order {"symbol":"ADAUSDT","productType":"USDT-FUTURES","marginCoin":"USDT","planType":"pos_loss","orderIdList":[{"orderId":"1272849518383902721"}]}"#
    );
    for (role, service, kind) in [
        (Role::Target, Service::PositionPlan, "pos_profit"),
        (Role::Stop, Service::Conditional, "loss_plan"),
        (Role::Target, Service::Conditional, "profit_plan"),
    ] {
        let call = classic::CancelPlan::of(&order_ref(role, service, None), Product::Usdt).unwrap();
        let fields = fields(&call);
        assert_eq!(fields["planType"], kind);
        assert_eq!(fields["orderIdList"][0]["clientOid"], id(role).to_string());
    }
    assert!(classic::CancelPlan::of(&order, Product::Usdt).is_none());
    assert!(classic::CancelPlan::of(&order_ref(Role::Entry, Service::Conditional, None), Product::Usdt).is_none());
}

#[test]
fn every_classic_reading_and_setting() {
    let (product, symbol) = (Product::Usdt, ada());
    let window = Some((VenueMillis(1), VenueMillis(2)));
    let order = order_ref(Role::Entry, Service::Regular, None);
    let e = id(Role::Entry);
    let mix = "/api/v2/mix";
    for (request, expected) in [
        (
            text(&classic::QueryOrder::of(&order, product)),
            format!("GET {mix}/order/detail?clientOid={e}&productType=USDT-FUTURES&symbol=ADAUSDT"),
        ),
        (
            text(&classic::OpenOrders { product, symbol: Some(ada()), state: OpenState::Live, before: None }),
            format!("GET {mix}/order/orders-pending?limit=100&productType=USDT-FUTURES&status=live&symbol=ADAUSDT"),
        ),
        (
            text(&classic::OpenOrders {
                product,
                symbol: None,
                state: OpenState::PartiallyFilled,
                before: Some("7".into()),
            }),
            format!(
                "GET {mix}/order/orders-pending?idLessThan=7&limit=100&productType=USDT-FUTURES&status=partially_filled"
            ),
        ),
        (
            text(&classic::OrderHistory { product, symbol: ada(), id: Some(e), window, before: None }),
            format!(
                "GET {mix}/order/orders-history?clientOid={e}&endTime=2&limit=100&productType=USDT-FUTURES&startTime=1&symbol=ADAUSDT"
            ),
        ),
        (
            text(&classic::GetFills { product, symbol: ada(), order: Some("9".into()), window: None, before: None }),
            format!("GET {mix}/order/fills?limit=100&orderId=9&productType=USDT-FUTURES&symbol=ADAUSDT"),
        ),
        (
            text(&classic::PastPositions {
                product,
                symbol: ada(),
                from: VenueMillis(1),
                to: VenueMillis(2),
                before: Some("7".into()),
            }),
            "GET /api/v2/mix/position/history-position?endTime=2&idLessThan=7&limit=100&productType=USDT-FUTURES&startTime=1&symbol=ADAUSDT".to_owned(),
        ),
        (
            text(&classic::PendingPlans { product, symbol: Some(ada()), before: None }),
            format!(
                "GET {mix}/order/orders-plan-pending?limit=100&planType=profit_loss&productType=USDT-FUTURES&symbol=ADAUSDT"
            ),
        ),
        (
            text(&classic::PlanHistory { product, symbol: ada(), window, before: Some("7".into()) }),
            format!(
                "GET {mix}/order/orders-plan-history?endTime=2&idLessThan=7&limit=100&planType=profit_loss&productType=USDT-FUTURES&startTime=1&symbol=ADAUSDT"
            ),
        ),
        (
            text(&classic::GetAccount { product, symbol: ada() }),
            format!("GET {mix}/account/account?marginCoin=USDT&productType=USDT-FUTURES&symbol=ADAUSDT"),
        ),
        (text(&classic::GetBalances { product }), format!("GET {mix}/account/accounts?productType=USDT-FUTURES")),
        (
            text(&classic::GetPositions { product }),
            format!("GET {mix}/position/all-position?marginCoin=USDT&productType=USDT-FUTURES"),
        ),
        (
            text(&classic::GetPosition { product, symbol: ada() }),
            format!("GET {mix}/position/single-position?marginCoin=USDT&productType=USDT-FUTURES&symbol=ADAUSDT"),
        ),
        (
            text(&classic::GetTradeRate { symbol: ada() }),
            "GET /api/v2/common/trade-rate?businessType=mix&symbol=ADAUSDT".to_owned(),
        ),
        (text(&classic::ProbeAccount), "GET /api/v2/spot/account/info".to_owned()),
        (
            text(&classic::SetMarginMode { product, symbol: ada(), margin: MarginMode::Isolated }),
            format!(
                r#"POST {mix}/account/set-margin-mode {{"symbol":"ADAUSDT","productType":"USDT-FUTURES","marginCoin":"USDT","marginMode":"isolated"}}"#
            ),
        ),
        (
            text(&classic::SetPositionMode { product, mode: PositionMode::Hedge }),
            format!(r#"POST {mix}/account/set-position-mode {{"productType":"USDT-FUTURES","posMode":"hedge_mode"}}"#),
        ),
    ] {
        assert_eq!(request, expected);
    }
    for (margin, mode, tail) in [
        (MarginMode::Cross, PositionMode::Hedge, r#""leverage":"21"}"#),
        (MarginMode::Isolated, PositionMode::OneWay, r#""leverage":"21"}"#),
        (MarginMode::Isolated, PositionMode::Hedge, r#""longLeverage":"21","shortLeverage":"21"}"#),
    ] {
        let request = text(&classic::SetLeverage { product, symbol: symbol.clone(), margin, mode, leverage: 21 });
        assert!(request.starts_with("POST /api/v2/mix/account/set-leverage ") && request.ends_with(tail), "{request}");
    }
    let close = |mode| classic::ClosePosition {
        product,
        position: PositionRef { symbol: ada(), direction: Direction::Short, mode },
    };
    assert_eq!(
        text(&close(PositionMode::Hedge)),
        format!(
            r#"POST {mix}/order/close-positions {{"symbol":"ADAUSDT","productType":"USDT-FUTURES","holdSide":"short"}}"#
        )
    );
    assert_eq!(
        text(&close(PositionMode::OneWay)),
        format!(r#"POST {mix}/order/close-positions {{"symbol":"ADAUSDT","productType":"USDT-FUTURES"}}"#)
    );
}

#[test]
fn every_unified_reading_and_setting() {
    let (product, from, to) = (Product::Usdc, VenueMillis(1), VenueMillis(2));
    let order = order_ref(Role::Entry, Service::Regular, None);
    let e = id(Role::Entry);
    for (request, expected) in [
        (text(&unified::QueryOrder::of(&order)), format!("GET /api/v3/trade/order-info?clientOid={e}")),
        (text(&unified::OpenOrders { product, symbol: Some(ada()), cursor: None }), "GET /api/v3/trade/unfilled-orders?category=USDC-FUTURES&limit=100&symbol=ADAUSDT".to_owned()),
        (text(&unified::OrderHistory { product, from, to, cursor: Some("c/1".into()) }), "GET /api/v3/trade/history-orders?category=USDC-FUTURES&cursor=c%2F1&endTime=2&limit=100&startTime=1".to_owned()),
        (text(&unified::GetFills { product, order: Some("9".into()), from, to, cursor: None }), "GET /api/v3/trade/fills?category=USDC-FUTURES&endTime=2&limit=100&orderId=9&startTime=1".to_owned()),
        (text(&unified::OpenStrategies { product }), "GET /api/v3/trade/unfilled-strategy-orders?category=USDC-FUTURES".to_owned()),
        (text(&unified::StrategyHistory { product, from, to, cursor: None }), "GET /api/v3/trade/history-strategy-orders?category=USDC-FUTURES&endTime=2&limit=100&startTime=1&type=tpsl".to_owned()),
        (text(&unified::SubOrders { strategy: "7".into(), cursor: None }), "GET /api/v3/trade/strategy-sub-orders?limit=100&orderId=7".to_owned()),
        (text(&unified::GetPositions { product, symbol: None }), "GET /api/v3/position/current-position?category=USDC-FUTURES".to_owned()),
        (
            text(&unified::PastPositions { product, symbol: ada(), from, to, cursor: Some("7".into()) }),
            "GET /api/v3/position/history-position?category=USDC-FUTURES&cursor=7&endTime=2&limit=100&startTime=1&symbol=ADAUSDT".to_owned(),
        ),
        (text(&unified::GetAssets), "GET /api/v3/account/assets".to_owned()),
        (text(&unified::GetSettings), "GET /api/v3/account/settings".to_owned()),
        (text(&unified::SetHoldMode { mode: PositionMode::OneWay }), r#"POST /api/v3/account/set-hold-mode {"holdMode":"one_way_mode"}"#.to_owned()),
        (text(&unified::SetLeverage { symbol: ada(), product, margin: MarginMode::Cross, mode: PositionMode::Hedge, leverage: 5 }), r#"POST /api/v3/account/set-leverage {"category":"USDC-FUTURES","symbol":"ADAUSDT","leverage":"5","marginMode":"crossed"}"#.to_owned()),
    ] {
        assert_eq!(request, expected);
    }
    let position = PositionRef { symbol: ada(), direction: Direction::Long, mode: PositionMode::Hedge };
    assert_eq!(
        text(&unified::ClosePosition { product, position }),
        r#"POST /api/v3/trade/close-positions {"category":"USDC-FUTURES","symbol":"ADAUSDT","posSide":"long"}"#
    );
}

#[test]
fn open_calls_are_not_signed() {
    let product = Product::Usdt;
    for (request, expected) in [
        (encode_unsigned(&open::GetServerTime), "/api/v2/public/time"),
        (encode_unsigned(&open::GetContracts { product }), "/api/v2/mix/market/contracts?productType=USDT-FUTURES"),
        (
            encode_unsigned(&open::GetPositionTiers { product, symbol: ada() }),
            "/api/v2/mix/market/query-position-lever?productType=USDT-FUTURES&symbol=ADAUSDT",
        ),
        (
            encode_unsigned(&open::GetSymbolPrice { product, symbol: ada() }),
            "/api/v2/mix/market/symbol-price?productType=USDT-FUTURES&symbol=ADAUSDT",
        ),
    ] {
        assert_eq!(request.target(), expected);
        assert!(request.signature().is_none() && request.timestamp().is_none() && !request.mutates);
    }
}

#[test]
fn b13_batches() {
    let rungs = |mode| -> Vec<_> {
        (1..=3).map(|n| order(Role::Rung(n), Direction::Long, mode, limit("0.3710", "60"))).collect()
    };
    let batch = classic::PlaceBatch::new(rungs(PositionMode::Hedge)).unwrap();
    let body = fields(&batch);
    assert_eq!((&body["symbol"], &body["marginMode"]), (&"ADAUSDT".into(), &"crossed".into()));
    let rows = body["orderList"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    for (n, row) in (1..).zip(rows) {
        assert_eq!(row["clientOid"], id(Role::Rung(n)).to_string());
        assert_eq!(
            (&row["tradeSide"], &row["price"], &row["stpMode"]),
            (&"open".into(), &"0.371".into(), &"none".into())
        );
    }
    let batch = unified::PlaceBatch::new(rungs(PositionMode::OneWay)).unwrap();
    let rows: Vec<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_str(sent(&batch).body.as_ref().unwrap()).unwrap();
    assert_eq!(rows.len(), 3, "a bare list");
    assert!(rows.iter().all(|row| row["marginMode"] == "crossed" && !row.contains_key("reduceOnly")));
    let close = order(Role::Close, Direction::Long, PositionMode::OneWay, market("1"));
    assert!(unified::PlaceBatch::new(vec![close.clone()]).is_none(), "no flag in a batch");
    assert!(classic::PlaceBatch::new(vec![close]).is_some());
    assert!(classic::PlaceBatch::new(Vec::new()).is_none());
    let rung = rungs(PositionMode::Hedge).remove(0);
    assert!(classic::PlaceBatch::new(vec![rung.clone(); MAX_BATCH + 1]).is_none());
    let mut other = rung.clone();
    other.symbol = Symbol::new("BTCUSDT");
    assert!(unified::PlaceBatch::new(vec![rung.clone(), other]).is_none());
    let mut other = rung.clone();
    other.margin = MarginMode::Isolated;
    assert!(classic::PlaceBatch::new(vec![rung, other]).is_none());
}

#[test]
fn r19_signatures_are_those_of_another_implementation() {
    // HMAC-SHA256 in base64 over timestamp, verb, target and body, computed apart from this crate.
    let vectors = include_str!("golden/signatures.tsv");
    let signer = Signer::hmac(&SECRET.into()).unwrap();
    let mut seen = 0;
    for line in vectors.lines().filter(|line| !line.starts_with('#')) {
        let (payload, signature) = line.split_once('\t').unwrap();
        assert_eq!(signer.sign(payload).unwrap(), signature, "{payload}");
        seen += 1;
    }
    assert_eq!(seen, 4);
    let request = sent(&classic::GetBalances { product: Product::Usdt });
    let line = vectors.lines().find(|line| line.contains("account/accounts")).unwrap();
    assert_eq!(request.signature().unwrap().expose_secret(), line.split_once('\t').unwrap().1);
    let request = sent(&unified::CancelStrategy { name: StrategyName::Venue("77".into()) });
    let line = vectors.lines().find(|line| line.contains("cancel-strategy")).unwrap();
    assert_eq!(request.signature().unwrap().expose_secret(), line.split_once('\t').unwrap().1);
    assert_eq!(request.timestamp(), Some(VenueMillis(1_695_806_875_837)));
    // Another attempt is stamped and signed anew.
    let later = Stamp::of_read(VenueMillis(1_695_806_875_838));
    let again = encode(&classic::GetBalances { product: Product::Usdt }, later, &credentials()).unwrap();
    assert_ne!(
        again.signature().unwrap().expose_secret(),
        sent(&classic::GetBalances { product: Product::Usdt }).signature().unwrap().expose_secret()
    );
}

#[test]
fn signing_in_takes_seconds_and_subscribing_every_channel() {
    let logon = encode_logon(VenueMillis(1_538_054_050_999), &credentials()).unwrap();
    let json: serde_json::Value = serde_json::from_str(&logon.text).unwrap();
    let line = include_str!("golden/signatures.tsv").lines().find(|line| line.contains("/user/verify")).unwrap();
    assert_eq!(
        json,
        serde_json::json!({"op": "login", "args": [{"apiKey": "the-api-key", "passphrase": "the-passphrase",
            "timestamp": "1538054050", "sign": line.split_once('\t').unwrap().1}]})
    );
    let classic = encode_account_channels(Generation::Classic, &Product::ALL);
    let json: serde_json::Value = serde_json::from_str(&classic.text).unwrap();
    assert_eq!(json["args"].as_array().unwrap().len(), 10);
    assert_eq!(
        json["args"][0],
        serde_json::json!({"instType": "USDT-FUTURES", "channel": "orders", "instId": "default"})
    );
    assert_eq!(
        json["args"][9],
        serde_json::json!({"instType": "USDC-FUTURES", "channel": "account", "coin": "default"})
    );
    assert!(classic.text.len() < 4_096);
    let unified = encode_account_channels(Generation::Unified, &Product::ALL);
    let json: serde_json::Value = serde_json::from_str(&unified.text).unwrap();
    assert_eq!(json["args"][0], serde_json::json!({"instType": "UTA", "topic": "order"}));
    assert_eq!(json["args"].as_array().unwrap().len(), 5);
    assert_eq!(
        encode_mark_channel(Generation::Classic, Product::Usdt, &ada()).text,
        r#"{"op":"subscribe","args":[{"instType":"USDT-FUTURES","channel":"ticker","instId":"ADAUSDT"}]}"#
    );
    assert_eq!(
        encode_mark_channel(Generation::Unified, Product::Usdc, &ada()).text,
        r#"{"op":"subscribe","args":[{"instType":"usdc-futures","topic":"ticker","symbol":"ADAUSDT"}]}"#
    );
}

#[test]
fn r109_no_signature_no_key_and_no_passphrase_is_printed() {
    let request = sent(&classic::SetPositionMode { product: Product::Usdt, mode: PositionMode::Hedge });
    let logon = encode_logon(VenueMillis(1_538_054_050_000), &credentials()).unwrap();
    assert!(logon.text.contains("the-api-key") && logon.text.contains("the-passphrase"), "they have to be sent");
    let printed = format!("{request:?} {logon:?} {:?}", credentials());
    let signature = request.signature().unwrap().expose_secret().to_owned();
    for secret in [signature.as_str(), "the-api-key", "the-passphrase", SECRET] {
        assert!(!printed.contains(secret), "{printed}");
    }
    assert!(printed.contains("hedge_mode"));
}

#[test]
fn r115_what_each_call_may_be_made_in_a_second() {
    assert_eq!(<classic::PlaceOrder as Call>::PER_SECOND, 10);
    assert_eq!(<classic::PlaceBatch as Call>::PER_SECOND, 5);
    assert_eq!(<classic::ClosePosition as Call>::PER_SECOND, 1);
    assert_eq!(<classic::GetPositions as Call>::PER_SECOND, 5);
    assert_eq!(<unified::QueryOrder as Call>::PER_SECOND, 20);
    assert_eq!(<unified::ClosePosition as Call>::PER_SECOND, 5);
    let mutates = [
        <classic::PlacePair as Call>::MUTATES,
        <classic::CancelPlan as Call>::MUTATES,
        <unified::ModifyPair as Call>::MUTATES,
        <unified::SetLeverage as Call>::MUTATES,
    ];
    assert_eq!(mutates, [true; 4]);
    let reads = [<classic::QueryOrder as Call>::MUTATES, <unified::OpenStrategies as Call>::MUTATES];
    assert_eq!(reads, [false; 2]);
}
