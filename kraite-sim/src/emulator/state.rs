//! Everything that the server answers from, behind one lock.

use std::collections::BTreeMap;

use compact_str::CompactString;
use kraite_core::exchange::{PositionMode, Service};
use kraite_core::id::{AccountTag, ClientOrderId, Symbol};
use kraite_core::number::Price;
use kraite_core::time::{Millis, VenueMillis};
use kraite_engine::Clock;
use serde_json::Value;

use super::Settings;
use super::audit::Audit;
use super::auth::Credentials;
use super::events::Pushes;
use super::faults::Faults;
use super::limits::Limits;
use super::listing::{Contract, Listing};
use super::market::Mover;
use super::streams::Streams;
use super::tape::Tape;
use crate::presets;
use crate::venue::{ObjectId, OrderObject, Owner, ReadLag, Venue};

/// Order ids of most contracts start here.
const ORDER_IDS: u64 = 900_000_000_000;
/// Order ids of contracts on ether start here: beyond what a float holds exactly, as at the venue.
const LARGE_ORDER_IDS: u64 = 8_389_765_500_000_000_000;
/// Ids of conditional orders start here; a number space of their own.
const ALGO_IDS: u64 = 4_000_000_000_000_000;
/// How many trades of the account are kept for userTrades.
const KEPT_TRADES: usize = 100_000;
/// A listen key lives this long. Source: "User Data Streams".
const LISTEN_KEY_LIFE: Millis = Millis(60 * 60_000);
/// Length of a listen key at the venue.
const LISTEN_KEY_LEN: usize = 64;

/// How long an order that cannot execute at once may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Tif {
    /// Until it is cancelled.
    #[default]
    Gtc,
    /// Not at all; what is left expires.
    Ioc,
    /// Not at all; it fills as a whole or is refused.
    Fok,
    /// Until cancelled, and only if it rests.
    Gtx,
}

impl Tif {
    /// The venue's word.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Gtc => "GTC",
            Self::Ioc => "IOC",
            Self::Fok => "FOK",
            Self::Gtx => "GTX",
        }
    }
}

/// The key of the account's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListenKey {
    pub(super) key: String,
    pub(super) until: VenueMillis,
}

/// The emulated venue and what the protocol adds to it.
#[derive(Debug)]
pub(super) struct State {
    pub(super) venue: Venue,
    pub(super) clock: Clock,
    pub(super) account: AccountTag,
    pub(super) credentials: Credentials,
    pub(super) listing: Listing,
    pub(super) limits: Limits,
    pub(super) streams: Streams,
    pub(super) pushes: Pushes,
    pub(super) faults: Faults,
    pub(super) tape: Tape,
    pub(super) audit: Audit,
    pub(super) mover: Mover,
    pub(super) tifs: BTreeMap<ObjectId, Tif>,
    pub(super) modifications: BTreeMap<ObjectId, i64>,
    pub(super) listen: Option<ListenKey>,
    /// How many of the next triggers have their order refused.
    pub(super) child_refusals: u32,
    /// The hour in which what is too old was let go of.
    pub(super) forgot: i64,
    /// Orders of the batch at hand that are refused, by their place, with the code.
    pub(super) refused_legs: BTreeMap<usize, i64>,
    keys_made: u64,
    names_made: u64,
}

impl State {
    /// A venue of these settings, its clock at `clock`.
    pub(super) fn new(
        settings: &Settings,
        credentials: Credentials,
        listing: Listing,
        mover: Mover,
        clock: Clock,
    ) -> Self {
        let now = VenueMillis(clock.now().0);
        let mut profile = presets::binance();
        profile.quirks.read_lag = ReadLag::default();
        let account = AccountTag::new(1).unwrap_or_default();
        let mut venue = Venue::new(profile, now);
        venue.keep_trades(KEPT_TRADES);
        venue.open_account(account, PositionMode::OneWay, settings.balance);
        let mut state = Self {
            venue,
            clock,
            account,
            credentials,
            listing,
            limits: Limits::default(),
            streams: Streams::default(),
            pushes: Pushes::default(),
            faults: Faults::new(settings.seed),
            tape: Tape::default(),
            audit: Audit::default(),
            mover,
            tifs: BTreeMap::new(),
            modifications: BTreeMap::new(),
            listen: None,
            child_refusals: 0,
            forgot: 0,
            refused_legs: BTreeMap::new(),
            keys_made: settings.seed,
            names_made: 0,
        };
        let contracts: Vec<Contract> = state.listing.iter().cloned().collect();
        for contract in contracts {
            let symbol = contract.instrument.symbol.clone();
            state.venue.list(contract.instrument);
            state.venue.price(&symbol, contract.opening, contract.opening, now);
            state.tape.opened(&symbol, contract.opening, now);
        }
        state.venue.drain();
        state
    }

    /// The venue's time.
    pub(super) fn now(&self) -> VenueMillis {
        VenueMillis(self.clock.now().0)
    }

    /// The venue's clock moves on at once; what is due by then happens with the next tick.
    pub(super) fn skip(&self, span: Millis) {
        self.clock.advance(span);
    }

    /// The contract of an object; only listed ones can be ordered.
    pub(super) fn contract(&self, symbol: &Symbol) -> Option<&Contract> {
        self.listing.get(symbol)
    }

    /// Whether the account has a long and a short side per contract.
    pub(super) fn is_hedged(&self) -> bool {
        self.venue.mode(self.account) == PositionMode::Hedge
    }

    /// Last and mark of a contract move, with everything that follows.
    pub(super) fn move_price(&mut self, symbol: &Symbol, last: Price, mark: Price) {
        let now = self.now();
        self.venue.price(symbol, last, mark, now);
        let trade = self.tape.traded(symbol, last, now);
        self.tell_market(symbol, trade.as_ref());
        self.settle();
    }

    /// Turns what happened into frames and has the auditor look.
    pub(super) fn settle(&mut self) {
        let now = self.now();
        for (account, event) in self.venue.drain() {
            if account == self.account {
                self.push(event, now);
            }
        }
        self.audit.look(&self.venue, self.account, now);
    }

    /// Sends an event of the account to whoever listens.
    pub(super) fn tell_user(&mut self, frame: &Value) {
        if let Some(listen) = self.listen.as_ref().filter(|listen| self.clock.now().0 < listen.until.0) {
            self.streams.push_user(&listen.key, frame);
        }
    }

    /// The account's listen key, made or extended.
    pub(super) fn listen_key(&mut self) -> String {
        let until = self.now().plus(LISTEN_KEY_LIFE);
        let key = match self.listen.take().filter(|listen| self.clock.now().0 < listen.until.0) {
            Some(listen) => listen.key,
            None => {
                self.keys_made = self.keys_made.wrapping_add(1);
                token("listen", self.keys_made, LISTEN_KEY_LEN)
            }
        };
        self.listen = Some(ListenKey { key: key.clone(), until });
        key
    }

    /// A client id for an order that came without one.
    pub(super) fn made_name(&mut self) -> CompactString {
        self.names_made = self.names_made.wrapping_add(1);
        token("order", self.names_made, 22).into()
    }

    /// Every order of the account, oldest first.
    pub(super) fn orders(&self, service: Service) -> impl DoubleEndedIterator<Item = &OrderObject> {
        let account = self.account;
        self.venue.objects().filter(move |o| o.account == account && o.service == service)
    }
}

/// A text of letters and digits that is the same for the same number.
fn token(kind: &str, number: u64, len: usize) -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::with_capacity(len);
    let mut round = 0u64;
    while text.len() < len {
        let mut bits = twox_hash::XxHash3_64::oneshot(format!("{kind}{number}/{round}").as_bytes());
        round = round.wrapping_add(1);
        for _ in 0..10 {
            let at = usize::try_from(bits % 62).unwrap_or(0);
            text.push(char::from(LETTERS.get(at).copied().unwrap_or(b'A')));
            bits /= 62;
        }
    }
    text.truncate(len);
    text
}

/// The client id of an order as the wire shows it.
pub(super) fn name_of(object: &OrderObject) -> String {
    use kraite_core::exchange::VenueCause;
    match &object.owner {
        Owner::Ours(id) => id.to_string(),
        Owner::User(text) => text.to_string(),
        Owner::Venue(VenueCause::Liquidation) => format!("autoclose-{}", object.id.0),
        Owner::Venue(VenueCause::AutoDeleverage) => "adl_autoclose".into(),
        Owner::Venue(VenueCause::Settlement) => format!("settlement_autoclose-{}", object.id.0),
    }
}

/// True when an order goes by this client id.
pub(super) fn is_named(object: &OrderObject, name: &str) -> bool {
    match &object.owner {
        Owner::Ours(id) => name.parse::<ClientOrderId>().is_ok_and(|named| named == *id),
        Owner::User(text) => text == name,
        Owner::Venue(_) => name_of(object) == name,
    }
}

/// The number of an order on the wire.
pub(super) fn wire_id(object: &OrderObject) -> u64 {
    let base = match object.service {
        Service::Regular if object.symbol.as_str().starts_with("ETH") => LARGE_ORDER_IDS,
        Service::Regular => ORDER_IDS,
        Service::Conditional | Service::PositionPlan => ALGO_IDS,
    };
    base.saturating_add(object.id.0)
}
