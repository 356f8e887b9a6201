//! One order: the intent we made durable, where it stands, and what the venue showed of it.

mod ledger;
mod life;
mod stored;

use serde::{Deserialize, Serialize};

pub use ledger::{Executed, Ledger, MAX_OBJECTS, MAX_TRADES, VenueObject};
pub use life::{Life, LifeEvent, Terminal};

use crate::exchange::{OrderRef, OrderReport, OrderShape, RejectKind, ReportStatus, Service, Side};
use crate::id::{ClientOrderId, Role, Symbol};
use crate::number::{ArithmeticError, Price, Qty};
use crate::table::{Machine, Verdict};
use crate::time::{LocalMillis, VenueMillis};

/// One exchange-side instruction with one client id (S1, R1). A re-send is another order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Order {
    /// Its identity; says role, rung, revision and attempt.
    pub id: ClientOrderId,
    /// Buy or sell.
    pub side: Side,
    /// What we want it to state: changes with an amendment of ours, never with an echo (R56, R80).
    pub shape: OrderShape,
    /// Which service holds it.
    pub service: Service,
    /// When the intent was made.
    pub intended_at: LocalMillis,
    /// Venue time after which its request cannot be accepted any more.
    pub not_after: VenueMillis,
    /// What had been entered when its price and size were decided; a target is out of date once that changes.
    pub basis: Qty,
    /// Where it stands.
    pub life: Life,
    /// Why it was refused, if it was.
    pub refusal: Option<RejectKind>,
    /// We want it gone: saved before the cancel call, so that its echo starts no replacement (R68).
    pub cancel_wanted: bool,
    /// A newer pair call overwrote it, or it went away with its position: whatever is open under its id does
    /// not count any more.
    pub superseded: bool,
    /// How many amendments were made.
    pub amends: u32,
    /// What the venue showed.
    pub ledger: Ledger,
}

/// An order's status in the words of S11.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Not yet known to be at the venue.
    New,
    /// At the venue.
    Placed,
    /// Filled.
    Filled,
    /// Cancelled.
    Canceled,
    /// Ended by the venue.
    Expired,
    /// Refused, or proven never to have existed.
    Rejected,
}

impl Order {
    /// A fresh intent.
    #[must_use]
    #[inline]
    pub fn new(
        id: ClientOrderId,
        side: Side,
        shape: OrderShape,
        service: Service,
        at: LocalMillis,
        not_after: VenueMillis,
    ) -> Self {
        Self {
            id,
            side,
            shape,
            service,
            intended_at: at,
            not_after,
            basis: Qty::ZERO,
            life: Life::Planned,
            refusal: None,
            cancel_wanted: false,
            superseded: false,
            amends: 0,
            ledger: Ledger::default(),
        }
    }

    /// What it is for.
    #[must_use]
    pub fn role(&self) -> Role {
        self.id.role()
    }

    /// Its status in the words of S11.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self.life {
            Life::Planned | Life::PendingNew | Life::InDoubt => Status::New,
            Life::Working | Life::PendingAmend | Life::PendingCancel | Life::Triggered => Status::Placed,
            Life::Done(Terminal::Filled) => Status::Filled,
            Life::Done(Terminal::Cancelled | Terminal::Vanished) => Status::Canceled,
            Life::Done(Terminal::Expired) => Status::Expired,
            Life::Done(Terminal::Rejected | Terminal::Refused | Terminal::Absent) => Status::Rejected,
        }
    }

    /// Applies one event of its table; a refused or repeated one changes nothing.
    pub fn apply(&mut self, event: LifeEvent) -> Verdict<Life> {
        let verdict = self.life.on(event);
        if let Verdict::Applied(next) = verdict {
            self.life = next;
        }
        verdict
    }

    /// Merges a report of one of its objects; says whether anything changed (R60). An error changes nothing.
    ///
    /// Neither this nor [`Order::apply`] asks for memory while an order has up to eight trades and two objects.
    pub fn merge(&mut self, report: &OrderReport) -> Result<bool, ArithmeticError> {
        if !self.ledger.merge(report)? {
            return Ok(false);
        }
        let Some(status) = self.ledger.status() else { return Ok(true) };
        let seen = match status {
            ReportStatus::New | ReportStatus::PartiallyFilled => LifeEvent::SeenWorking,
            ReportStatus::Triggered if zoo!(TriggeredIsFilled) => LifeEvent::SeenFilled,
            ReportStatus::Triggered => LifeEvent::SeenTriggered,
            ReportStatus::Rejected => LifeEvent::SeenRejected,
            ReportStatus::Cancelled => LifeEvent::SeenCancelled,
            ReportStatus::Expired => LifeEvent::SeenExpired,
            ReportStatus::Filled => LifeEvent::SeenFilled,
        };
        // The ledger is a join, so its status is the whole truth of the reports; what it decided before counts
        // no more. Only our own open questions, and a plan that was overwritten, stand beside it.
        let asked = matches!(self.life, Life::PendingAmend | Life::PendingCancel) && seen == LifeEvent::SeenWorking;
        if !asked && (!self.superseded || status.is_terminal()) {
            self.life = Life::PendingNew;
            self.apply(seen);
        }
        if self.life == Life::PendingAmend && self.states_what_we_want() {
            self.apply(LifeEvent::AmendSettled);
        }
        Ok(true)
    }

    /// Whether merging a report would change anything, or fail: an unchanged echo says nothing (R60).
    #[must_use]
    pub fn is_news(&self, report: &OrderReport) -> bool {
        self.ledger.is_news(report).unwrap_or(true)
    }

    /// The price the venue states, if it said one.
    #[must_use]
    pub fn stated_price(&self) -> Option<Price> {
        self.ledger.primary().and_then(|o| o.price).map(|(_, price)| price)
    }

    /// When the venue stated its price last, if it ever did.
    #[must_use]
    pub fn stated_at(&self) -> Option<VenueMillis> {
        self.ledger.primary().and_then(|o| o.price).map(|(at, _)| at)
    }

    /// The quantity the venue states, if it said one.
    #[must_use]
    pub fn stated_qty(&self) -> Option<Qty> {
        self.ledger.primary().and_then(|o| o.qty).map(|(_, qty)| qty)
    }

    /// True when the venue states the price and quantity we want; a value the venue never said agrees.
    #[must_use]
    pub fn states_what_we_want(&self) -> bool {
        let price = match (self.stated_price(), self.shape.price()) {
            (Some(stated), Some(wanted)) => stated == wanted,
            _ => true,
        };
        let qty = match (self.stated_qty(), self.shape.qty()) {
            (Some(stated), Some(wanted)) => stated == wanted,
            _ => true,
        };
        price && qty
    }

    /// What it executed so far.
    #[must_use]
    pub fn executed(&self) -> Executed {
        // `merge` refuses a report whose totals overflow, so this cannot fail on merged state.
        self.ledger.executed().unwrap_or_default()
    }

    /// How much it executed so far: the quantity of [`Order::executed`], which is asked for most.
    #[must_use]
    pub fn executed_qty(&self) -> Qty {
        self.ledger.executed_qty().unwrap_or_default()
    }

    /// How to name it to the venue.
    #[must_use]
    pub fn reference(&self, symbol: &Symbol) -> OrderRef {
        OrderRef {
            symbol: symbol.clone(),
            service: self.service,
            id: self.id,
            venue_id: self.ledger.primary().map(|o| o.venue_id.clone()),
        }
    }

    /// The anchor of S2: present once the venue gave the order an id; nothing with an anchor is sent again.
    #[must_use]
    pub fn exchange_order_id(&self) -> Option<&crate::id::VenueOrderId> {
        self.ledger.primary().map(|o| &o.venue_id)
    }

    /// True when the venue gave it an id and its life says that it never came to be. Merging a report always
    /// moves both, so only damage or other code leaves such a row; nothing is placed on its word (S2, S3).
    #[must_use]
    pub fn denies_its_id(&self) -> bool {
        self.exchange_order_id().is_some() && !self.life.was_accepted()
    }
}
