//! What leaves: verbs, paths, parameters, signatures.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use common::{SECRET, credentials, id, new_order, order_ref};
use kraite_binance::codec::calls::*;
use kraite_binance::codec::{
    Call, Carrier, Host, Method, OrderName, Params, Session, Signer, Stamp, UnsignedCall, WireRequest, encode,
    encode_logon, encode_socket, encode_unsigned,
};
use kraite_core::exchange::{
    Amend, Direction, MarginMode, OrderShape, PositionMode, PositionRef, Purpose, RejectKind, Service, Side, TriggerBy,
    TriggerSize,
};
use kraite_core::id::{Role, Symbol};
use kraite_core::time::{Millis, VenueMillis};

fn ada() -> Symbol {
    Symbol::new("ADAUSDT")
}

fn stamp() -> Stamp {
    Stamp::of_read(VenueMillis(1_591_702_613_943), Millis(5_000))
}

fn text<C: Call>(call: &C) -> String {
    let mut params = Params::new();
    call.parameters(&mut params);
    format!("{} {} {}", C::METHOD.as_str(), C::PATH, params.encoded())
}

fn placed(role: Role, direction: Direction, mode: PositionMode, shape: OrderShape) -> String {
    match Placement::of(&new_order(role, direction, mode, shape)).unwrap() {
        Placement::Regular(call) => text(&call),
        Placement::Algo(call) => text(&call),
    }
}

fn market(qty: &str) -> OrderShape {
    OrderShape::Market { qty: qty.parse().unwrap() }
}

fn limit(price: &str, qty: &str) -> OrderShape {
    OrderShape::Limit { price: price.parse().unwrap(), qty: qty.parse().unwrap() }
}

fn stop(trigger: &str, size: TriggerSize) -> OrderShape {
    OrderShape::StopMarket { trigger: trigger.parse().unwrap(), by: TriggerBy::Mark, size }
}

#[test]
fn r34_the_orders_of_a_life_in_one_way_mode_close_by_the_flag() {
    let (long, mode) = (Direction::Long, PositionMode::OneWay);
    let (e, d, t, s, x) =
        (id(Role::Entry, 3), id(Role::Rung(2), 3), id(Role::Target, 3), id(Role::Stop, 3), id(Role::Close, 3));
    assert_eq!(
        placed(Role::Entry, long, mode, market("30")),
        format!(
            "POST /fapi/v1/order symbol=ADAUSDT&side=BUY&type=MARKET&quantity=30&newOrderRespType=RESULT&newClientOrderId={e}"
        )
    );
    assert_eq!(
        placed(Role::Rung(2), long, mode, limit("0.3710", "60")),
        format!(
            "POST /fapi/v1/order symbol=ADAUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=60&price=0.371&newClientOrderId={d}"
        )
    );
    assert_eq!(
        placed(Role::Stop, long, mode, stop("0.34", TriggerSize::ClosePosition)),
        format!(
            "POST /fapi/v1/algoOrder algoType=CONDITIONAL&symbol=ADAUSDT&side=SELL&type=STOP_MARKET&triggerPrice=0.34&closePosition=true&workingType=MARK_PRICE&priceProtect=FALSE&clientAlgoId={s}"
        )
    );
    assert_eq!(
        placed(Role::Stop, long, mode, stop("0.34", TriggerSize::Qty("30".parse().unwrap()))),
        format!(
            "POST /fapi/v1/algoOrder algoType=CONDITIONAL&symbol=ADAUSDT&side=SELL&reduceOnly=true&type=STOP_MARKET&triggerPrice=0.34&quantity=30&workingType=MARK_PRICE&priceProtect=FALSE&clientAlgoId={s}"
        )
    );
    assert_eq!(
        placed(Role::Target, long, mode, limit("0.401", "30")),
        format!(
            "POST /fapi/v1/order symbol=ADAUSDT&side=SELL&reduceOnly=true&type=LIMIT&timeInForce=GTC&quantity=30&price=0.401&newClientOrderId={t}"
        )
    );
    assert_eq!(
        placed(Role::Close, long, mode, market("90")),
        format!(
            "POST /fapi/v1/order symbol=ADAUSDT&side=SELL&reduceOnly=true&type=MARKET&quantity=90&newOrderRespType=RESULT&newClientOrderId={x}"
        )
    );
}

#[test]
fn r34_hedge_orders_carry_a_side_and_never_the_flag() {
    let sized = TriggerSize::Qty("5".parse().unwrap());
    let target = OrderShape::TakeProfitMarket { trigger: "1".parse().unwrap(), by: TriggerBy::Last, size: sized };
    for (direction, word) in [(Direction::Long, "LONG"), (Direction::Short, "SHORT")] {
        for (role, shape) in [
            (Role::Entry, market("5")),
            (Role::Rung(1), limit("1", "5")),
            (Role::Target, limit("1", "5")),
            (Role::Target, target),
            (Role::Stop, stop("1", TriggerSize::ClosePosition)),
            (Role::Stop, stop("1", sized)),
            (Role::Close, market("5")),
        ] {
            let hedge = placed(role, direction, PositionMode::Hedge, shape);
            assert!(hedge.contains(&format!("&positionSide={word}&")), "{hedge}");
            assert!(!hedge.contains("reduceOnly"), "{hedge}");
            let one_way = placed(role, direction, PositionMode::OneWay, shape);
            assert!(!one_way.contains("positionSide"), "{one_way}");
            let closes_whatever_is_open = one_way.contains("closePosition=true");
            assert_eq!(one_way.contains("reduceOnly=true") || closes_whatever_is_open, role.is_exit(), "{one_way}");
            assert!(!(one_way.contains("reduceOnly") && closes_whatever_is_open), "-4138: {one_way}");
        }
    }
}

#[test]
fn s07_orders_that_contradict_themselves_do_not_leave() {
    let mut order = new_order(Role::Target, Direction::Long, PositionMode::OneWay, limit("1", "1"));
    order.side = Side::Buy;
    assert_eq!(Placement::of(&order).unwrap_err().kind, RejectKind::Other);
    order.purpose = Purpose::Open;
    assert!(Placement::of(&order).is_ok());
    let mut opens =
        new_order(Role::Entry, Direction::Short, PositionMode::Hedge, stop("1", TriggerSize::ClosePosition));
    assert_eq!(Placement::of(&opens).unwrap_err().kind, RejectKind::Other);
    opens.shape = stop("1", TriggerSize::Qty("1".parse().unwrap()));
    assert!(Placement::of(&opens).is_ok());
}

#[test]
fn r90_changes_and_cancellations_name_one_order() {
    let t = id(Role::Target, 3);
    let mut change = Amend {
        order: order_ref(Role::Target, Service::Regular, None),
        side: Side::Sell,
        price: "0.3890".parse().unwrap(),
        qty: "90".parse().unwrap(),
    };
    assert_eq!(
        text(&AmendOrder::of(&change)),
        format!("PUT /fapi/v1/order symbol=ADAUSDT&origClientOrderId={t}&side=SELL&quantity=90&price=0.389")
    );
    change.order = order_ref(Role::Target, Service::Regular, Some("9223372036854775807"));
    assert_eq!(
        text(&AmendOrder::of(&change)),
        "PUT /fapi/v1/order symbol=ADAUSDT&orderId=9223372036854775807&side=SELL&quantity=90&price=0.389"
    );
    let regular = order_ref(Role::Target, Service::Regular, Some("8389765530121592356"));
    assert_eq!(text(&CancelOrder::of(&regular)), "DELETE /fapi/v1/order symbol=ADAUSDT&orderId=8389765530121592356");
    assert_eq!(text(&QueryOrder::of(&regular)), "GET /fapi/v1/order symbol=ADAUSDT&orderId=8389765530121592356");
    let algo = order_ref(Role::Stop, Service::Conditional, Some("algo:1000001270850379"));
    assert_eq!(text(&CancelAlgo::of(&algo)), "DELETE /fapi/v1/algoOrder algoId=1000001270850379");
    assert_eq!(text(&QueryAlgo::of(&algo)), "GET /fapi/v1/algoOrder algoId=1000001270850379");
    // A number of one service is never passed to the other: our id names the order then.
    let s = id(Role::Stop, 3);
    let child = order_ref(Role::Stop, Service::Conditional, Some("974828356187"));
    assert_eq!(text(&QueryAlgo::of(&child)), format!("GET /fapi/v1/algoOrder clientAlgoId={s}"));
    let wrong = order_ref(Role::Stop, Service::Regular, Some("algo:7"));
    assert_eq!(text(&QueryOrder::of(&wrong)), format!("GET /fapi/v1/order symbol=ADAUSDT&origClientOrderId={s}"));
}

#[test]
fn every_other_call_has_its_path_and_parameters() {
    let all = |symbol: Option<Symbol>| (OpenOrders { symbol: symbol.clone() }, OpenAlgoOrders { symbol });
    let (open, algo) = all(Some(ada()));
    assert_eq!(text(&open), "GET /fapi/v1/openOrders symbol=ADAUSDT");
    assert_eq!(text(&algo), "GET /fapi/v1/openAlgoOrders symbol=ADAUSDT");
    assert_eq!((open.weight(), algo.weight()), (1, 1));
    let (open, algo) = all(None);
    assert_eq!(text(&open), "GET /fapi/v1/openOrders ");
    assert_eq!((open.weight(), algo.weight()), (40, 40));
    let (from, to) = (VenueMillis(1), VenueMillis(2));
    assert_eq!(
        text(&AllOrders { symbol: ada(), from_id: Some(5), from, to }),
        "GET /fapi/v1/allOrders symbol=ADAUSDT&orderId=5&startTime=1&endTime=2&limit=1000"
    );
    assert_eq!(
        text(&AllAlgoOrders { symbol: ada(), from_id: None, from, to, page: Some(2) }),
        "GET /fapi/v1/allAlgoOrders symbol=ADAUSDT&startTime=1&endTime=2&page=2&limit=1000"
    );
    assert_eq!(
        text(&UserTrades { symbol: ada(), order: Some(9), window: Some((from, to)), from_id: Some(3) }),
        "GET /fapi/v1/userTrades symbol=ADAUSDT&orderId=9&startTime=1&endTime=2&limit=1000"
    );
    assert_eq!(
        text(&UserTrades { symbol: ada(), order: None, window: None, from_id: Some(3) }),
        "GET /fapi/v1/userTrades symbol=ADAUSDT&fromId=3&limit=1000"
    );
    let funding = GetFunding { symbol: ada(), from, to };
    assert_eq!(
        (text(&funding).as_str(), funding.weight()),
        ("GET /fapi/v1/income symbol=ADAUSDT&incomeType=FUNDING_FEE&startTime=1&endTime=2&limit=1000", 30)
    );
    assert_eq!(text(&GetPositions { symbol: None }), "GET /fapi/v3/positionRisk ");
    assert_eq!(text(&GetBalances), "GET /fapi/v3/balance ");
    assert_eq!(text(&GetAccount), "GET /fapi/v3/account ");
    assert_eq!(text(&SetLeverage { symbol: ada(), leverage: 21 }), "POST /fapi/v1/leverage symbol=ADAUSDT&leverage=21");
    assert_eq!(
        text(&SetMarginType { symbol: ada(), mode: MarginMode::Isolated }),
        "POST /fapi/v1/marginType symbol=ADAUSDT&marginType=ISOLATED"
    );
    assert_eq!(
        text(&SetMarginType { symbol: ada(), mode: MarginMode::Cross }),
        "POST /fapi/v1/marginType symbol=ADAUSDT&marginType=CROSSED"
    );
    assert_eq!(text(&GetPositionMode), "GET /fapi/v1/positionSide/dual ");
    assert_eq!(
        text(&SetPositionMode { mode: PositionMode::Hedge }),
        "POST /fapi/v1/positionSide/dual dualSidePosition=true"
    );
    assert_eq!(text(&GetLeverageBrackets { symbol: Some(ada()) }), "GET /fapi/v1/leverageBracket symbol=ADAUSDT");
    assert_eq!(text(&GetCommissionRate { symbol: ada() }), "GET /fapi/v1/commissionRate symbol=ADAUSDT");
    assert_eq!(text(&GetKeyRestrictions), "GET /sapi/v1/account/apiRestrictions ");
    assert_eq!(GetKeyRestrictions::HOST, Host::Account);
    assert_eq!(text(&GetServerTime), "GET /fapi/v1/time ");
    assert_eq!(text(&GetExchangeInfo), "GET /fapi/v1/exchangeInfo ");
    assert_eq!(text(&GetPremiumIndex { symbol: Some(ada()) }), "GET /fapi/v1/premiumIndex symbol=ADAUSDT");
    assert_eq!(text(&CreateListenKey), "POST /fapi/v1/listenKey ");
    assert_eq!(text(&KeepListenKey), "PUT /fapi/v1/listenKey ");
    assert_eq!(text(&CloseListenKey), "DELETE /fapi/v1/listenKey ");
    let position = PositionRef { symbol: ada(), direction: Direction::Short, mode: PositionMode::Hedge };
    assert_eq!(
        text(&Placement::close(&position, "7".parse().unwrap())),
        "POST /fapi/v1/order symbol=ADAUSDT&side=BUY&positionSide=SHORT&type=MARKET&quantity=7&newOrderRespType=RESULT"
    );
}

#[test]
fn r115_what_each_call_costs() {
    let (from, to) = (VenueMillis(1), VenueMillis(2));
    let name = OrderName::Venue(1);
    let change = Amend {
        order: order_ref(Role::Target, Service::Regular, None),
        side: Side::Sell,
        price: "1".parse().unwrap(),
        qty: "1".parse().unwrap(),
    };
    let costs = [
        ("amend", AmendOrder::of(&change).weight(), 0),
        ("cancel", CancelOrder { symbol: ada(), name }.weight(), 1),
        ("query", QueryOrder { symbol: ada(), name }.weight(), 1),
        ("cancel algo", CancelAlgo { name }.weight(), 1),
        ("query algo", QueryAlgo { name }.weight(), 1),
        ("all orders", AllOrders { symbol: ada(), from_id: None, from, to }.weight(), 5),
        ("all algos", AllAlgoOrders { symbol: ada(), from_id: None, from, to, page: None }.weight(), 5),
        ("trades", UserTrades { symbol: ada(), order: None, window: None, from_id: None }.weight(), 5),
        ("positions", GetPositions { symbol: None }.weight(), 5),
        ("balances", GetBalances.weight(), 5),
        ("account", GetAccount.weight(), 5),
        ("leverage", SetLeverage { symbol: ada(), leverage: 1 }.weight(), 1),
        ("margin", SetMarginType { symbol: ada(), mode: MarginMode::Cross }.weight(), 1),
        ("mode", GetPositionMode.weight(), 30),
        ("set mode", SetPositionMode { mode: PositionMode::OneWay }.weight(), 1),
        ("brackets", GetLeverageBrackets { symbol: None }.weight(), 1),
        ("commission", GetCommissionRate { symbol: ada() }.weight(), 20),
        ("time", GetServerTime.weight(), 1),
        ("rules", GetExchangeInfo.weight(), 1),
        ("mark", GetPremiumIndex { symbol: Some(ada()) }.weight(), 1),
        ("marks", GetPremiumIndex { symbol: None }.weight(), 10),
        ("create key", CreateListenKey.weight(), 1),
        ("keep key", KeepListenKey.weight(), 1),
        ("close key", CloseListenKey.weight(), 1),
    ];
    for (call, weight, expected) in costs {
        assert_eq!(weight, expected, "{call}");
    }
    assert_eq!(Call::orders(&AmendOrder::of(&change)), (1, 1));
    assert_eq!(Call::orders(&CancelOrder { symbol: ada(), name }), (0, 0), "a cancellation is not counted");
    for (role, shape) in [(Role::Entry, market("1")), (Role::Stop, stop("1", TriggerSize::ClosePosition))] {
        let costs = match Placement::of(&new_order(role, Direction::Long, PositionMode::OneWay, shape)).unwrap() {
            Placement::Regular(call) => (call.weight(), Call::orders(&call)),
            Placement::Algo(call) => (call.weight(), Call::orders(&call)),
        };
        assert_eq!(costs, (0, (1, 1)));
    }
}

#[test]
fn b13_a_batch_is_a_list_of_texts_and_holds_five_at_most() {
    let order = |n| match Placement::of(&new_order(
        Role::Rung(n),
        Direction::Long,
        PositionMode::OneWay,
        limit("0.3710", "60"),
    ))
    .unwrap()
    {
        Placement::Regular(call) => call,
        Placement::Algo(_) => panic!("a rung is regular"),
    };
    assert!(PlaceBatch::new(Vec::new()).is_none());
    assert!(PlaceBatch::new((1..=6).map(order).collect()).is_none());
    let batch = PlaceBatch::new((1..=5).map(order).collect()).unwrap();
    assert_eq!((batch.weight(), Call::orders(&batch)), (5, (5, 1)));
    let sent = encode(&batch, Carrier::Query, stamp(), &credentials()).unwrap();
    assert!(!sent.query.contains(['[', '{', '"', ' ']), "percent-encoded: {}", sent.query);
    let list = decode(&sent.query).remove(0);
    assert_eq!(list.0, "batchOrders");
    let rows: Vec<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(&list.1).unwrap();
    assert_eq!(rows.len(), 5);
    for (n, row) in (1..).zip(&rows) {
        assert!(row.values().all(serde_json::Value::is_string), "{row:?}");
        assert_eq!(row["newClientOrderId"], id(Role::Rung(n), 3).to_string());
        assert_eq!(row["price"], "0.371");
    }
}

/// A query string read again, independently of the encoder.
fn decode(query: &str) -> Vec<(String, String)> {
    let part = |text: &str| {
        let (mut bytes, mut rest) = (Vec::new(), text.bytes());
        while let Some(byte) = rest.next() {
            if byte == b'%' {
                let hex = [rest.next().unwrap(), rest.next().unwrap()];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
            } else {
                bytes.push(byte);
            }
        }
        String::from_utf8(bytes).unwrap()
    };
    query.split('&').map(|pair| pair.split_once('=').unwrap()).map(|(k, v)| (part(k), part(v))).collect()
}

/// The signature of a text, as the venue would check it.
fn signature_holds(text: &str) -> bool {
    let Some((payload, signature)) = text.rsplit_once("&signature=") else { return false };
    Signer::hmac(&SECRET.into()).unwrap().sign(payload).unwrap() == signature
}

#[test]
fn r19_the_signature_is_over_exactly_what_is_sent_and_last() {
    let call = SetLeverage { symbol: Symbol::new("币安USDT"), leverage: 3 };
    for carrier in [Carrier::Query, Carrier::Form] {
        let sent = encode(&call, carrier, stamp(), &credentials()).unwrap();
        let text = if carrier == Carrier::Query { &sent.query } else { sent.form.as_ref().unwrap() };
        assert!(signature_holds(text), "{text}");
        assert!(!signature_holds(&text.replace("leverage=3", "leverage=4")));
        assert_eq!(sent.form.is_some(), carrier == Carrier::Form);
        assert_eq!((sent.keyed, sent.mutates, sent.method), (true, true, Method::Post));
        let names: Vec<String> = decode(text).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["symbol", "leverage", "recvWindow", "timestamp", "signature"]);
        assert_eq!(decode(text)[0].1, "币安USDT");
    }
    // A GET has no body to carry a form.
    let read = encode(&GetBalances, Carrier::Form, stamp(), &credentials()).unwrap();
    assert!(read.form.is_none() && signature_holds(&read.query) && !read.mutates);
    assert_eq!(read.target(), format!("/fapi/v3/balance?{}", read.query));
    // Another attempt is stamped and signed anew.
    let later = Stamp::of_read(VenueMillis(1_591_702_613_944), Millis(5_000));
    let again = encode(&GetBalances, Carrier::Query, later, &credentials()).unwrap();
    assert!(again != read && signature_holds(&again.query));
}

#[test]
fn calls_without_a_signature_have_none() {
    fn unsigned<C: UnsignedCall>(call: &C) -> WireRequest {
        let sent = encode_unsigned(call);
        assert!(!sent.query.contains("signature") && !sent.query.contains("timestamp"));
        sent
    }
    assert!(!unsigned(&GetServerTime).keyed);
    assert!(!unsigned(&GetExchangeInfo).keyed);
    assert_eq!(unsigned(&GetPremiumIndex { symbol: Some(ada()) }).target(), "/fapi/v1/premiumIndex?symbol=ADAUSDT");
    assert_eq!(unsigned(&GetPremiumIndex { symbol: None }).target(), "/fapi/v1/premiumIndex", "no bare question mark");
    for keyed in [unsigned(&CreateListenKey), unsigned(&KeepListenKey), unsigned(&CloseListenKey)] {
        assert!(keyed.keyed && keyed.form.is_none());
    }
}

#[test]
fn r109_no_signature_and_no_key_is_printed() {
    let sent = encode(&GetBalances, Carrier::Query, stamp(), &credentials()).unwrap();
    let signature = sent.query.rsplit_once('=').unwrap().1.to_owned();
    let form = encode(&SetLeverage { symbol: ada(), leverage: 3 }, Carrier::Form, stamp(), &credentials()).unwrap();
    let frame = encode_socket(&GetLike(ada()), 1, stamp(), Session::Anonymous, &credentials()).unwrap().unwrap();
    assert!(frame.text.contains("the-api-key"), "it has to be sent");
    let printed = format!("{sent:?} {form:?} {frame:?} {:?}", credentials());
    for secret in [signature.as_str(), "the-api-key", SECRET, form.form.as_ref().unwrap().rsplit_once('=').unwrap().1] {
        assert!(!printed.contains(secret), "{printed}");
    }
    assert!(printed.contains("leverage=3"));
}

/// A call that is made to look like one of the WebSocket API's examples.
struct GetLike(Symbol);

impl Call for GetLike {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/none";
    const SECURITY: kraite_binance::codec::Security = kraite_binance::codec::Security::Signed;
    const MUTATES: bool = true;
    const SOCKET_METHOD: Option<&'static str> = Some("order.place");
    fn weight(&self) -> u32 {
        0
    }
    fn parameters(&self, params: &mut Params) {
        params.push("symbol", &self.0);
        params.push("side", "BUY");
        params.push("quantity", "0.1");
    }
}

#[test]
fn socket_frames_are_signed_in_alphabetical_order_and_unencoded() {
    let frame = encode_socket(&GetLike(Symbol::new("币/USDT")), 7, stamp(), Session::Anonymous, &credentials())
        .unwrap()
        .unwrap();
    let json: serde_json::Value = serde_json::from_str(&frame.text).unwrap();
    assert_eq!((json["id"].as_u64(), json["method"].as_str()), (Some(7), Some("order.place")));
    let payload = "apiKey=the-api-key&quantity=0.1&recvWindow=5000&side=BUY&symbol=币/USDT&timestamp=1591702613943";
    let expected = Signer::hmac(&SECRET.into()).unwrap().sign(payload).unwrap();
    assert_eq!(json["params"]["signature"], expected);
    assert!(json["params"]["timestamp"].is_i64() && json["params"]["quantity"].is_string());
    let logged_on = encode_socket(&GetLike(ada()), 8, stamp(), Session::LoggedOn, &credentials()).unwrap().unwrap();
    assert!(!logged_on.text.contains("signature") && !logged_on.text.contains("apiKey"));
    assert!(logged_on.text.contains(r#""timestamp":1591702613943"#));
    let logon = encode_logon(9, stamp(), &credentials()).unwrap();
    assert!(logon.text.contains("session.logon") && logon.text.contains("signature") && !logon.mutates);
    assert!(encode_socket(&GetBalances, 1, stamp(), Session::LoggedOn, &credentials()).unwrap().is_none());
}
