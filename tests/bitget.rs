//! Both tellings of Bitget, written apart from each other: what kraite's codec says the emulator understands, and what
//! the emulator answers and tells the codec reads, for both kinds of accounts, in both position modes, for both sides.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use futures_util::{SinkExt as _, StreamExt as _};
use kraite_bitget::codec::calls::{Placement, classic, market, unified};
use kraite_bitget::codec::frame::Frame;
use kraite_bitget::codec::{
    Answer, Call, Credentials, Generation, Interpreter, KEY_HEADER, PASSPHRASE_HEADER, Product, SIGN_HEADER, Signer,
    Stamp, TIMESTAMP_HEADER, Terms, WireRequest, balances, classic_setup, encode, encode_account_channels,
    encode_logon, marks, positions, server_time, unified_setup,
};
use kraite_bitget::{Contracts, read_brackets};
use kraite_core::exchange::{
    Direction, Lookup, MarginMode, NewOrder, OrderRef, OrderReport, OrderShape, Outcome, PairLeg, PairOutcome,
    PositionMode, PositionRef, PositionTpsl, Purpose, RejectKind, ReportStatus, ReportedId, Service, StreamEvent,
    TriggerBy,
};
use kraite_core::id::{
    AccountTag, Attempt, ClientOrderId, Epoch, LogicalOrder, OrderKey, PositionNo, Revision, Role, Symbol,
};
use kraite_core::time::VenueMillis;
use kraite_sim::emulator::{Emulator, Protocol, Settings};
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

const SYMBOL: &str = "SOLUSDT";

struct Side {
    generation: Generation,
    mode: PositionMode,
    direction: Direction,
    emulator: Emulator,
    credentials: Credentials,
    interpreter: Interpreter,
}

struct Replied {
    status: u16,
    body: String,
}

impl Replied {
    fn answer(&self) -> Answer<'_> {
        Answer { status: self.status, body: self.body.as_bytes() }
    }
}

impl Side {
    async fn new(generation: Generation, mode: PositionMode, direction: Direction) -> Self {
        let protocol = match generation {
            Generation::Classic => Protocol::BitgetClassic,
            Generation::Unified => Protocol::BitgetUnified,
        };
        let emulator = Emulator::start(Settings { protocol, ..Settings::default() }).await.unwrap();
        let credentials = Credentials::new("k".into(), "p".into(), Signer::hmac(&"s".into()).unwrap());
        Self { generation, mode, direction, emulator, credentials, interpreter: Interpreter::new() }
    }

    fn now(&self) -> VenueMillis {
        VenueMillis(self.emulator.clock().now().0)
    }

    async fn send(&self, request: &WireRequest) -> Replied {
        let body = request.body.clone().unwrap_or_default();
        let mut head =
            format!("{} {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", request.method.as_str(), request.target());
        if let (Some(at), Some(signature)) = (request.timestamp(), request.signature()) {
            for (name, value) in [
                (KEY_HEADER, self.credentials.api_key().expose_secret().to_owned()),
                (PASSPHRASE_HEADER, self.credentials.passphrase().expose_secret().to_owned()),
                (TIMESTAMP_HEADER, at.0.to_string()),
                (SIGN_HEADER, signature.expose_secret().to_owned()),
            ] {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        let text = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        let mut stream = TcpStream::connect(self.emulator.address()).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        stream.read_to_end(&mut read).await.unwrap();
        let text = String::from_utf8(read).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Replied { status, body: body.to_owned() }
    }

    async fn call<C: Call>(&self, call: &C) -> Replied {
        self.send(&encode(call, Stamp::of_read(self.now()), &self.credentials).unwrap()).await
    }

    fn id(&self, role: Role, revision: u16) -> ClientOrderId {
        ClientOrderId::encode(&OrderKey {
            account: AccountTag::new(7).unwrap(),
            position: PositionNo::new(3).unwrap(),
            logical: LogicalOrder { role, revision: Revision::new(revision).unwrap() },
            attempt: Attempt::new(0).unwrap(),
            epoch: Epoch::new(1).unwrap(),
        })
    }

    fn order(&self, role: Role, shape: OrderShape) -> Placement {
        let order = NewOrder {
            id: self.id(role, 0),
            symbol: Symbol::new(SYMBOL),
            side: if role.is_exit() { self.direction.closing_side() } else { self.direction.opening_side() },
            direction: self.direction,
            mode: self.mode,
            purpose: if role.is_exit() { Purpose::Close } else { Purpose::Open },
            shape,
        };
        let terms = Terms { generation: self.generation, product: Product::Usdt, margin: MarginMode::Cross };
        Placement::of(&order, terms).unwrap()
    }

    async fn place(&mut self, placement: &Placement) -> Outcome {
        let sent = self.now();
        let replied = match (placement, self.generation) {
            (Placement::Regular(order), Generation::Classic) => self.call(&classic::PlaceOrder(order.clone())).await,
            (Placement::Regular(order), Generation::Unified) => self.call(&unified::PlaceOrder(order.clone())).await,
            (Placement::Plan(plan), Generation::Classic) => self.call(&classic::PlacePlan(plan.clone())).await,
            (Placement::Plan(plan), Generation::Unified) => self.call(&unified::PlacePlan(plan.clone())).await,
        };
        self.interpreter.placed(placement, self.generation, sent, replied.answer())
    }

    fn named(&self, role: Role, service: Service) -> OrderRef {
        OrderRef { symbol: Symbol::new(SYMBOL), service, id: self.id(role, 0), venue_id: None }
    }

    async fn look_up(&self, role: Role) -> OrderReport {
        let order = self.named(role, Service::Regular);
        let sent = self.now();
        let replied = match self.generation {
            Generation::Classic => self.call(&classic::QueryOrder::of(&order, Product::Usdt)).await,
            Generation::Unified => self.call(&unified::QueryOrder::of(&order)).await,
        };
        match self.interpreter.looked_up(&order, self.generation, sent, replied.answer()).unwrap() {
            Lookup::Found(mut reports) => reports.remove(0),
            other => panic!("{role:?}: {other:?} {}", replied.body),
        }
    }

    async fn open_orders(&self) -> Vec<OrderReport> {
        let (product, symbol) = (Product::Usdt, Some(Symbol::new(SYMBOL)));
        let replied = match self.generation {
            Generation::Classic => {
                let state = classic::OpenState::Live;
                self.call(&classic::OpenOrders { product, symbol, state, before: None }).await
            }
            Generation::Unified => self.call(&unified::OpenOrders { product, symbol, cursor: None }).await,
        };
        let rows = self.interpreter.orders(self.generation, self.now(), replied.answer()).unwrap();
        assert!(rows.complete, "{}", replied.body);
        rows.rows
    }

    fn pair(&self, revision: u16, stop: &str, target: &str) -> PositionTpsl {
        let leg = |role, trigger: &str| PairLeg {
            id: self.id(role, revision),
            trigger: trigger.parse().unwrap(),
            by: TriggerBy::Mark,
        };
        PositionTpsl {
            symbol: Symbol::new(SYMBOL),
            direction: self.direction,
            mode: self.mode,
            stop: leg(Role::Stop, stop),
            target: leg(Role::Target, target),
        }
    }

    async fn protect(&mut self, pair: &PositionTpsl, strategy: Option<&str>) -> PairOutcome {
        let sent = self.now();
        match (self.generation, strategy) {
            (Generation::Classic, _) => {
                let call = classic::PlacePair::of(pair, Product::Usdt).unwrap();
                let replied = self.call(&call).await;
                self.interpreter.placed_pair(&call, sent, replied.answer())
            }
            (Generation::Unified, None) => {
                let call = unified::PlacePair::of(pair, Product::Usdt).unwrap();
                let replied = self.call(&call).await;
                self.interpreter.placed_strategy(&call, sent, replied.answer())
            }
            (Generation::Unified, Some(strategy)) => {
                let call = unified::ModifyPair { strategy: strategy.into(), pair: pair.clone() };
                let replied = self.call(&call).await;
                self.interpreter.changed_strategy(&call, sent, replied.answer())
            }
        }
    }

    async fn plans(&mut self, open: bool) -> Vec<OrderReport> {
        let (product, symbol, now) = (Product::Usdt, Symbol::new(SYMBOL), self.now());
        let replied = match (self.generation, open) {
            (Generation::Classic, true) => {
                self.call(&classic::PendingPlans { product, symbol: Some(symbol), before: None }).await
            }
            (Generation::Classic, false) => {
                self.call(&classic::PlanHistory { product, symbol, window: None, before: None }).await
            }
            (Generation::Unified, true) => self.call(&unified::OpenStrategies { product }).await,
            (Generation::Unified, false) => {
                let from = VenueMillis(now.0 - 3_600_000);
                self.call(&unified::StrategyHistory { product, from, to: now, cursor: None }).await
            }
        };
        let rows = self.interpreter.plans(self.generation, now, replied.answer()).unwrap();
        assert!(rows.complete, "{}", replied.body);
        rows.rows
    }

    async fn exposure(&self) -> Option<(Direction, String)> {
        let product = Product::Usdt;
        let replied = match self.generation {
            Generation::Classic => self.call(&classic::GetPositions { product }).await,
            Generation::Unified => self.call(&unified::GetPositions { product, symbol: None }).await,
        };
        let rows = positions(self.generation, self.now(), replied.answer()).unwrap();
        assert!(rows.complete && rows.rows.len() <= 1, "{}", replied.body);
        rows.rows.first().map(|row| (row.direction, row.qty.to_string()))
    }

    async fn set_up(&self) {
        let (symbol, product, mode) = (Symbol::new(SYMBOL), Product::Usdt, self.mode);
        let margin = MarginMode::Cross;
        let setup = match self.generation {
            Generation::Classic => {
                self.call(&classic::SetPositionMode { product, mode }).await;
                let leverage = classic::SetLeverage { symbol: symbol.clone(), product, margin, mode, leverage: 9 };
                self.call(&leverage).await;
                classic_setup(self.call(&classic::GetAccount { symbol, product }).await.answer()).unwrap()
            }
            Generation::Unified => {
                self.call(&unified::SetHoldMode { mode }).await;
                let leverage = unified::SetLeverage { symbol: symbol.clone(), product, margin, mode, leverage: 9 };
                self.call(&leverage).await;
                unified_setup(&symbol, product, self.call(&unified::GetSettings).await.answer()).unwrap()
            }
        };
        assert_eq!((setup.mode, setup.margin, setup.leverage), (mode, Some(margin), Some((9, 9))));
        let replied = match self.generation {
            Generation::Classic => self.call(&classic::GetBalances { product }).await,
            Generation::Unified => self.call(&unified::GetAssets).await,
        };
        let balances = balances(self.generation, replied.answer()).unwrap();
        assert_eq!((balances[0].currency.as_str(), balances[0].wallet.to_string()), ("USDT", "10000".to_owned()));
    }

    /// Signs in on the private socket and subscribes to everything; every frame from then on.
    async fn listen(&self) -> tokio::task::JoinHandle<Vec<String>> {
        let path = if self.generation == Generation::Classic { "/v2/ws/private" } else { "/v3/ws/private" };
        let stream = TcpStream::connect(self.emulator.address()).await.unwrap();
        let url = format!("{}{path}", self.emulator.ws());
        let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        let logon = encode_logon(self.now(), &self.credentials).unwrap();
        let channels = encode_account_channels(self.generation, &[Product::Usdt]);
        for text in [logon.text, channels.text] {
            socket.send(Message::text(text)).await.unwrap();
        }
        let mut frames = Vec::new();
        // Signed in, and the acknowledgements.
        while frames.len() < 6 {
            if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
                frames.push(text.to_string());
            }
        }
        tokio::spawn(async move {
            while let Ok(Some(Ok(frame))) = tokio::time::timeout(std::time::Duration::from_secs(1), socket.next()).await
            {
                if let Message::Text(text) = frame {
                    frames.push(text.to_string());
                }
            }
            frames
        })
    }
}

fn accepted(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Accepted(ack) => ack.report.as_ref().map(|report| report.venue_id.as_str().to_owned()),
        other => panic!("{other:?}"),
    }
}

fn of(reports: &[OrderReport], id: ClientOrderId) -> &OrderReport {
    reports
        .iter()
        .find(|r| r.id == ReportedId::Ours(id) && r.parent.is_none())
        .unwrap_or_else(|| panic!("{reports:#?}"))
}

async fn life(generation: Generation, mode: PositionMode, direction: Direction) {
    let mut side = Side::new(generation, mode, direction).await;
    let long = direction == Direction::Long;
    let pick = |for_long: &'static str, for_short: &'static str| if long { for_long } else { for_short };
    side.set_up().await;
    let frames = side.listen().await;

    let entry = side.order(Role::Entry, OrderShape::Market { qty: "2".parse().unwrap() });
    accepted(&side.place(&entry).await).expect("an id");
    let report = side.look_up(Role::Entry).await;
    assert_eq!((report.status, report.direction), (ReportStatus::Filled, direction));
    assert_eq!(report.average_price.map(|p| p.to_string()).as_deref(), Some("150.24"));
    assert_eq!(side.exposure().await, Some((direction, "2".to_owned())));

    let rung = Role::Rung(1);
    let price = pick("145", "155").parse().unwrap();
    let limit = side.order(rung, OrderShape::Limit { price, qty: "1".parse().unwrap() });
    accepted(&side.place(&limit).await).expect("an id");
    let open = side.open_orders().await;
    let found = of(&open, side.id(rung, 0));
    assert_eq!((found.status, found.side), (ReportStatus::New, direction.opening_side()));
    // The same id while it is open is in doubt, never refused.
    assert!(matches!(side.place(&limit).await, Outcome::Unknown(_)));

    let outcome = side.protect(&side.pair(0, pick("140", "160"), pick("160", "140")), None).await;
    let stop = accepted(&outcome.stop).expect("an id");
    accepted(&outcome.target).expect("an id");
    let plans = side.plans(true).await;
    for (role, trigger) in [(Role::Stop, pick("140", "160")), (Role::Target, pick("160", "140"))] {
        let report = of(&plans, side.id(role, 0));
        assert_eq!((report.status, report.direction), (ReportStatus::New, direction));
        assert_eq!(report.stated.and_then(|s| s.price).map(|p| p.to_string()).as_deref(), Some(trigger));
    }
    // Restated: the numbers stay. A strategy goes by its number without the leg.
    let strategy: String = stop.chars().filter(char::is_ascii_digit).collect();
    let again = side.pair(1, pick("141", "159"), pick("158", "142"));
    let outcome = side.protect(&again, Some(&strategy)).await;
    accepted(&outcome.stop);
    accepted(&outcome.target);
    let plans = side.plans(true).await;
    let prices: Vec<String> = plans.iter().filter_map(|r| r.stated?.price).map(|p| p.to_string()).collect();
    assert!(prices.contains(&pick("141", "159").to_owned()) && prices.len() == 2, "{plans:#?}");

    let order = side.named(rung, Service::Regular);
    let cancel = async || match generation {
        Generation::Classic => side.call(&classic::CancelOrder::of(&order, Product::Usdt)).await,
        Generation::Unified => side.call(&unified::CancelOrder::of(&order, Product::Usdt)).await,
    };
    assert!(matches!(side.interpreter.cancelled(&order, cancel().await.answer()), Outcome::Accepted(_)));
    let gone = side.interpreter.cancelled(&order, cancel().await.answer());
    assert!(matches!(gone, Outcome::Rejected(reject) if reject.kind == RejectKind::UnknownOrder));
    assert_eq!(side.look_up(rung).await.status, ReportStatus::Cancelled);

    let symbol = Symbol::new(SYMBOL);
    let at = pick("141", "159").parse().unwrap();
    let now = side.now();
    side.emulator.with_venue(|venue| venue.price(&symbol, at, at, now));
    assert_eq!(side.exposure().await, None, "the stop has fired");
    let history = side.plans(false).await;
    assert!(history.iter().any(|r| r.status == ReportStatus::Triggered), "{history:#?}");

    let close_again = match generation {
        Generation::Classic => {
            let position = PositionRef { symbol: symbol.clone(), direction, mode };
            side.call(&classic::ClosePosition { product: Product::Usdt, position }).await
        }
        Generation::Unified => {
            let position = PositionRef { symbol: symbol.clone(), direction, mode };
            side.call(&unified::ClosePosition { product: Product::Usdt, position }).await
        }
    };
    let nothing = kraite_bitget::codec::closed(&symbol, close_again.answer());
    assert!(matches!(nothing, Outcome::Rejected(reject) if reject.kind == RejectKind::NoPosition));
    let from = VenueMillis(side.now().0 - 3_600_000);
    let replied = match generation {
        Generation::Classic => {
            let fills = classic::GetFills { product: Product::Usdt, symbol, order: None, window: None, before: None };
            side.call(&fills).await
        }
        Generation::Unified => {
            let to = side.now();
            side.call(&unified::GetFills { product: Product::Usdt, order: None, from, to, cursor: None }).await
        }
    };
    let fills = side.interpreter.fills(generation, replied.answer()).unwrap();
    assert!(fills.complete && fills.rows.len() == 2, "{}", replied.body);
    let costs = fills.rows.iter().all(|fill| fill.trade.fee.is_positive());
    assert!(costs, "a cost is positive in the core, whatever its sign was on the wire");
    let (opened, closed) = (direction.opening_side(), direction.closing_side());
    assert_eq!((fills.rows[1].side, fills.rows[0].side), (opened, closed));

    heard(frames.await.unwrap(), &side, rung);
}

/// Every frame is read, none is left over, and together they tell the whole life.
fn heard(frames: Vec<String>, side: &Side, rung: Role) {
    let mut interpreter = Interpreter::new();
    let mut events = Vec::new();
    for text in &frames {
        let frame = Frame::read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert!(!matches!(frame, Frame::Other(_) | Frame::Refused { .. }), "{text}");
        let told = interpreter.events(&frame);
        assert!(told.skipped.is_empty(), "{:?}: {text}", told.skipped);
        events.extend(told.events);
    }
    let told = |id: ClientOrderId, status: ReportStatus| {
        events
            .iter()
            .any(|event| matches!(event, StreamEvent::Order(r) if r.id == ReportedId::Ours(id) && r.status == status))
    };
    assert!(told(side.id(Role::Entry, 0), ReportStatus::Filled), "{events:#?}");
    assert!(told(side.id(rung, 0), ReportStatus::New));
    assert!(told(side.id(rung, 0), ReportStatus::Cancelled));
    let triggered = |event: &StreamEvent| matches!(event, StreamEvent::Order(r) if r.status == ReportStatus::Triggered);
    assert!(events.iter().any(triggered), "{events:#?}");
    let trades = events.iter().filter(|event| matches!(event, StreamEvent::Order(r) if r.trade.is_some())).count();
    assert!(trades >= 2, "{events:#?}");
}

#[tokio::test]
async fn a_classic_account_in_one_way_mode() {
    life(Generation::Classic, PositionMode::OneWay, Direction::Long).await;
    life(Generation::Classic, PositionMode::OneWay, Direction::Short).await;
}

#[tokio::test]
async fn a_classic_account_in_hedge_mode() {
    life(Generation::Classic, PositionMode::Hedge, Direction::Long).await;
    life(Generation::Classic, PositionMode::Hedge, Direction::Short).await;
}

#[tokio::test]
async fn a_unified_account_in_one_way_mode() {
    life(Generation::Unified, PositionMode::OneWay, Direction::Long).await;
    life(Generation::Unified, PositionMode::OneWay, Direction::Short).await;
}

#[tokio::test]
async fn a_unified_account_in_hedge_mode() {
    life(Generation::Unified, PositionMode::Hedge, Direction::Long).await;
    life(Generation::Unified, PositionMode::Hedge, Direction::Short).await;
}

#[tokio::test]
async fn rules_tiers_marks_and_the_clock_are_read() {
    let side = Side::new(Generation::Unified, PositionMode::OneWay, Direction::Long).await;
    let open = async |request: WireRequest| side.send(&request).await;
    let product = Product::Usdt;
    let symbol = Symbol::new(SYMBOL);
    let contracts = open(kraite_bitget::codec::encode_unsigned(&market::GetContracts { product })).await;
    let tiers = market::GetPositionTiers { product, symbol: symbol.clone() };
    let tiers = open(kraite_bitget::codec::encode_unsigned(&tiers)).await;
    let contracts = Contracts::read(&contracts.body).unwrap();
    let brackets = read_brackets(&tiers.body).unwrap();
    let rules = contracts.instrument(SYMBOL, Some(&brackets)).unwrap();
    assert_eq!((rules.tick.to_string(), rules.lot.to_string()), ("0.01".to_owned(), "0.01".to_owned()));
    assert_eq!(rules.brackets.len(), 6);
    let price = market::GetSymbolPrice { product, symbol };
    let price = open(kraite_bitget::codec::encode_unsigned(&price)).await;
    assert_eq!(marks(price.answer()).unwrap().rows[0].price.to_string(), "150.24");
    let time = open(kraite_bitget::codec::encode_unsigned(&market::GetServerTime)).await;
    assert!((server_time(time.answer()).unwrap().0 - side.now().0).abs() < 5_000);
}
