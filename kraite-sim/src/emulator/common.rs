//! Everything that a server answers from, whatever language it speaks, behind one lock.

use std::collections::BTreeMap;

use kraite_core::exchange::{PositionMode, Service};
use kraite_core::id::{AccountTag, ClientOrderId, Symbol};
use kraite_core::time::{Millis, VenueMillis};
use kraite_engine::Clock;

use super::Settings;
use super::audit::Audit;
use super::credentials::Credentials;
use super::faults::Faults;
use super::listing::{Contract, Listing};
use super::mover::Mover;
use super::tape::Tape;
use crate::venue::{ObjectId, OrderObject, Owner, ReadLag, Venue, VenueProfile};

/// How many trades of the account are kept for those who ask.
const KEPT_TRADES: usize = 100_000;
const HOUR: i64 = 3_600_000;

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
    PostOnly,
}

/// How orders go by on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) struct Naming {
    /// The number of an order.
    pub(super) id: fn(&OrderObject) -> u64,
    /// Its client id.
    pub(super) name: fn(&OrderObject) -> String,
}

impl Naming {
    /// True when an order goes by this client id.
    pub(super) fn is_named(&self, object: &OrderObject, name: &str) -> bool {
        match &object.owner {
            Owner::Ours(id) if object.parent.is_none() => name.parse::<ClientOrderId>().is_ok_and(|named| named == *id),
            Owner::Ours(_) | Owner::Untagged | Owner::User(_) | Owner::Venue(_) => (self.name)(object) == name,
        }
    }
}

/// The emulated venue and what every protocol needs beside it.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) venue: Venue,
    pub(super) clock: Clock,
    pub(super) account: AccountTag,
    pub(super) credentials: Credentials,
    pub(super) listing: Listing,
    pub(super) naming: Naming,
    pub(super) faults: Faults,
    pub(super) tape: Tape,
    pub(super) audit: Audit,
    pub(super) mover: Mover,
    pub(super) tifs: BTreeMap<ObjectId, Tif>,
    /// How many of the next triggers have their order refused.
    pub(super) child_refusals: u32,
    /// How long a replaced order is gone before the one that replaces it comes, where the venue replaces.
    pub(super) replace_gap: Millis,
    /// The hour in which what is too old was let go of.
    forgot: i64,
    /// Orders of the batch at hand that are refused, by their place, with the code.
    pub(super) refused_legs: BTreeMap<usize, i64>,
}

impl Common {
    /// A venue of these settings, its clock at `clock`. Reads do not lag unless they are told to.
    pub(super) fn new(
        settings: &Settings,
        mut profile: VenueProfile,
        naming: Naming,
        credentials: Credentials,
        listing: Listing,
        mover: Mover,
        clock: Clock,
    ) -> Self {
        let now = VenueMillis(clock.now().0);
        profile.quirks.read_lag = ReadLag::default();
        profile.quirks.position_unseen = Millis(0);
        let account = AccountTag::new(1).unwrap_or_default();
        let mut venue = Venue::new(profile, now);
        venue.keep_trades(KEPT_TRADES);
        venue.open_account(account, PositionMode::OneWay, settings.balance);
        let mut tape = Tape::default();
        for contract in listing.iter() {
            let symbol = &contract.instrument.symbol;
            venue.list(contract.instrument.clone());
            venue.price(symbol, contract.opening, contract.opening, now);
            tape.opened(symbol, contract.opening, now);
        }
        venue.drain();
        Self {
            venue,
            clock,
            account,
            credentials,
            listing,
            naming,
            faults: Faults::new(settings.seed),
            tape,
            audit: Audit::default(),
            mover,
            tifs: BTreeMap::new(),
            child_refusals: 0,
            replace_gap: Millis(0),
            forgot: 0,
            refused_legs: BTreeMap::new(),
        }
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

    /// Every order of the account, oldest first.
    pub(super) fn orders(&self, service: Service) -> impl DoubleEndedIterator<Item = &OrderObject> {
        let account = self.account;
        self.venue.objects().filter(move |o| o.account == account && o.service == service)
    }

    /// The prices that are due now.
    pub(super) fn due_prices(&mut self) -> Vec<(Symbol, kraite_core::number::Price)> {
        let now = self.now();
        let all: Vec<Symbol> = self.symbols();
        let (venue, listing) = (&self.venue, &self.listing);
        let last = |symbol: &Symbol| Some((venue.last(symbol)?, listing.get(symbol)?.instrument.tick));
        self.mover.due(now, last, &all)
    }

    /// The names of all contracts.
    pub(super) fn symbols(&self) -> Vec<Symbol> {
        self.listing.iter().map(|c| c.instrument.symbol.clone()).collect()
    }

    /// A trigger had its order refused as it was told to; the next ones do not once enough had.
    pub(super) fn child_was_refused(&mut self) {
        if self.child_refusals > 0 {
            self.child_refusals = self.child_refusals.saturating_sub(1);
            self.venue.quirks_mut().child_refused = self.child_refusals > 0;
        }
    }

    /// Once an hour lets go of what no endpoint shows any more; says whether it did.
    pub(super) fn forget(&mut self) -> bool {
        let now = self.now();
        let hour = now.0.div_euclid(HOUR);
        if std::mem::replace(&mut self.forgot, hour) == hour {
            return false;
        }
        self.venue.forget_before(now.minus(self.venue.quirks().retention.any));
        let venue = &self.venue;
        self.tifs.retain(|id, _| venue.object(*id).is_some());
        true
    }
}
