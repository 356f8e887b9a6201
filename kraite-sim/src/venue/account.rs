//! Accounts: wallet, positions, settings, and which orders belong to them.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash as _, Hasher};

use kraite_core::exchange::{Direction, MarginMode, Payment, PositionMode, PositionReport, Side};
use kraite_core::id::{AccountTag, ClientOrderId, Symbol};
use kraite_core::number::{ArithmeticError, Notional, Price, Qty};
use kraite_core::time::{Millis, VenueMillis};

use super::money::portion;
use super::object::ObjectId;

/// One side of one contract on one account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Position {
    /// How much is open; never negative.
    pub qty: Qty,
    /// What that cost when it was entered.
    pub cost: Notional,
    /// The money set aside for it; zero under cross margin.
    pub margin: Notional,
    /// When it last appeared out of nothing.
    pub opened_at: VenueMillis,
    /// When it last changed.
    pub changed_at: VenueMillis,
    /// Earlier states, for reads that lag.
    trail: Vec<(VenueMillis, Qty, Notional)>,
}

impl Position {
    /// The average entry.
    #[must_use]
    pub fn entry(&self) -> Option<Price> {
        self.cost.checked_div_qty(self.qty).ok()
    }

    /// Profit of the open position at a price, before fees.
    pub fn unrealized(&self, direction: Direction, price: Price) -> Result<Notional, ArithmeticError> {
        let worth = price.checked_mul(self.qty)?;
        match direction {
            Direction::Long => worth.checked_sub(self.cost),
            Direction::Short => self.cost.checked_sub(worth),
        }
    }

    fn remember(&mut self, lag: Millis, now: VenueMillis) {
        if lag.0 <= 0 {
            return;
        }
        let horizon = now.minus(lag);
        let keep = self.trail.iter().rposition(|(at, ..)| *at <= horizon).unwrap_or(0);
        self.trail.drain(..keep);
        self.trail.push((now, self.qty, self.cost));
    }

    fn seen_at(&self, at: VenueMillis, lag: Millis) -> (Qty, Notional) {
        if lag.0 <= 0 {
            return (self.qty, self.cost);
        }
        self.trail.iter().rev().find(|(from, ..)| *from <= at).map_or((Qty::ZERO, Notional::ZERO), |(_, q, c)| (*q, *c))
    }
}

/// How one contract is set up on one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Settings {
    /// The leverage.
    pub leverage: u32,
    /// Cross or isolated.
    pub margin_mode: MarginMode,
}

/// One account at the venue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Account {
    /// Which account.
    pub tag: AccountTag,
    /// How it nets positions.
    pub mode: PositionMode,
    /// What was paid in.
    pub deposit: Notional,
    /// Realised profit before fees.
    pub realized: Notional,
    /// Fees paid, less rebates.
    pub fees: Notional,
    /// Funding received, negative where paid.
    pub funding: Notional,
    /// What the venue bore of losses beyond isolated margin.
    pub insurance: Notional,
    /// Every funding payment, oldest first.
    pub(super) payments: Vec<(Symbol, Direction, Payment)>,
    pub(super) positions: BTreeMap<(Symbol, Direction), Position>,
    pub(super) settings: BTreeMap<Symbol, Settings>,
    pub(super) open: BTreeSet<ObjectId>,
    pub(super) closed: BTreeSet<(VenueMillis, ObjectId)>,
    pub(super) by_client: BTreeMap<ClientOrderId, Vec<ObjectId>>,
}

/// What a fill did to the positions of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Change {
    pub(super) realized: Notional,
    /// Which side was reduced, if one was.
    pub(super) reduced: Option<Direction>,
    /// Which side was added to, if one was.
    pub(super) added: Option<Direction>,
    /// Which side went flat, if one did.
    pub(super) flat: Option<Direction>,
}

impl Account {
    pub(super) fn new(tag: AccountTag, mode: PositionMode, deposit: Notional) -> Self {
        Self {
            tag,
            mode,
            deposit,
            realized: Notional::ZERO,
            fees: Notional::ZERO,
            funding: Notional::ZERO,
            insurance: Notional::ZERO,
            payments: Vec::new(),
            positions: BTreeMap::new(),
            settings: BTreeMap::new(),
            open: BTreeSet::new(),
            closed: BTreeSet::new(),
            by_client: BTreeMap::new(),
        }
    }

    /// Deposit and everything that was booked since.
    pub fn wallet(&self) -> Result<Notional, ArithmeticError> {
        self.deposit
            .checked_add(self.realized)?
            .checked_sub(self.fees)?
            .checked_add(self.funding)?
            .checked_add(self.insurance)
    }

    /// The open positions by contract and side.
    pub fn positions(&self) -> impl Iterator<Item = (&Symbol, Direction, &Position)> {
        self.positions.iter().filter(|(_, p)| !p.qty.is_zero()).map(|((s, d), p)| (s, *d, p))
    }

    /// How much is open on one side.
    #[must_use]
    pub fn qty(&self, symbol: &Symbol, direction: Direction) -> Qty {
        self.position(symbol, direction).map_or(Qty::ZERO, |p| p.qty)
    }

    /// One side of one contract, if it was ever open.
    #[must_use]
    pub fn position(&self, symbol: &Symbol, direction: Direction) -> Option<&Position> {
        self.positions.get(&(symbol.clone(), direction))
    }

    /// How a contract is set up, if somebody ever set it up.
    #[must_use]
    pub fn settings_on(&self, symbol: &Symbol) -> Option<Settings> {
        self.settings.get(symbol).copied()
    }

    /// Every funding payment, oldest first.
    pub fn payments(&self) -> impl Iterator<Item = &(Symbol, Direction, Payment)> {
        self.payments.iter()
    }

    /// Every funding payment on one side of a contract, oldest first.
    pub fn paid_on(&self, symbol: &Symbol, direction: Direction) -> impl Iterator<Item = Payment> {
        let here = move |(on, side, _): &&(Symbol, Direction, Payment)| *side == direction && on == symbol;
        self.payments.iter().filter(here).map(|(_, _, payment)| *payment)
    }

    /// The orders that can still do something by themselves.
    pub fn open(&self) -> impl Iterator<Item = ObjectId> {
        self.open.iter().copied()
    }

    /// Every object under one client id, oldest first.
    #[must_use]
    pub fn under(&self, id: ClientOrderId) -> &[ObjectId] {
        self.by_client.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Everything but what is derived from its orders.
    pub(super) fn fingerprint(&self, hasher: &mut impl Hasher) {
        let Self {
            tag,
            mode,
            deposit,
            realized,
            fees,
            funding,
            insurance,
            payments,
            positions,
            settings,
            open: _,
            closed: _,
            by_client: _,
        } = self;
        (tag, mode, deposit, realized, fees, funding, insurance, payments, positions, settings).hash(hasher);
    }

    pub(super) fn report(&self, symbol: &Symbol, direction: Direction, now: VenueMillis) -> PositionReport {
        let position = self.position(symbol, direction);
        PositionReport {
            symbol: symbol.clone(),
            direction,
            qty: position.map_or(Qty::ZERO, |p| p.qty),
            entry_price: position.and_then(Position::entry),
            at: position.map_or(now, |p| p.changed_at),
        }
    }

    /// The open positions as a read shows them that lags behind.
    pub(super) fn reports(&self, now: VenueMillis, lag: Millis) -> Vec<PositionReport> {
        let at = now.minus(lag);
        let seen = |p: &Position| p.seen_at(at, lag);
        self.positions
            .iter()
            .map(|(key, p)| (key, p, seen(p)))
            .filter(|(.., (qty, _))| !qty.is_zero())
            .map(|((symbol, direction), p, (qty, cost))| PositionReport {
                symbol: symbol.clone(),
                direction: *direction,
                qty,
                entry_price: cost.checked_div_qty(qty).ok(),
                at: p.changed_at.min(at),
            })
            .collect()
    }

    /// The side of a contract that an order of this side and direction reduces first.
    pub(super) fn reduces(&self, symbol: &Symbol, side: Side, direction: Direction) -> Option<Direction> {
        let closes = match self.mode {
            PositionMode::Hedge => (side == direction.closing_side()).then_some(direction),
            PositionMode::OneWay => Some(if side == Side::Sell { Direction::Long } else { Direction::Short }),
        };
        closes.filter(|d| self.qty(symbol, *d).is_positive())
    }

    /// Books an execution into the positions; `margin_of` says what isolated margin a notional needs.
    pub(super) fn book(
        &mut self,
        fill: &Fill<'_>,
        margin_of: impl Fn(Notional) -> Result<Notional, ArithmeticError>,
    ) -> Result<Change, ArithmeticError> {
        let mut change = Change::default();
        let mut left = fill.qty;
        if let Some(reduced) = self.reduces(fill.symbol, fill.side, fill.direction)
            && let Some(position) = self.positions.get_mut(&(fill.symbol.clone(), reduced))
        {
            let part = left.min(position.qty);
            let cost = portion(position.cost, part, position.qty)?;
            let freed = portion(position.margin, part, position.qty)?;
            let worth = fill.price.checked_mul(part)?;
            change.realized = match reduced {
                Direction::Long => worth.checked_sub(cost)?,
                Direction::Short => cost.checked_sub(worth)?,
            };
            position.qty = position.qty.checked_sub(part)?;
            position.cost = position.cost.checked_sub(cost)?;
            position.margin = position.margin.checked_sub(freed)?;
            position.changed_at = fill.at;
            position.remember(fill.lag, fill.at);
            change.reduced = Some(reduced);
            change.flat = position.qty.is_zero().then_some(reduced);
            left = left.checked_sub(part)?;
        }
        if left.is_positive() && fill.may_add {
            let added = if fill.side == Side::Buy { Direction::Long } else { Direction::Short };
            let worth = fill.price.checked_mul(left)?;
            let position = self.positions.entry((fill.symbol.clone(), added)).or_default();
            if position.qty.is_zero() {
                position.opened_at = fill.at;
            }
            position.qty = position.qty.checked_add(left)?;
            position.cost = position.cost.checked_add(worth)?;
            position.margin = position.margin.checked_add(margin_of(worth)?)?;
            position.changed_at = fill.at;
            position.remember(fill.lag, fill.at);
            change.added = Some(added);
        }
        self.realized = self.realized.checked_add(change.realized)?;
        self.fees = self.fees.checked_add(fill.fee)?;
        Ok(change)
    }
}

/// One execution on its way into the positions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fill<'a> {
    pub(super) symbol: &'a Symbol,
    pub(super) side: Side,
    pub(super) direction: Direction,
    pub(super) qty: Qty,
    pub(super) price: Price,
    pub(super) fee: Notional,
    pub(super) may_add: bool,
    pub(super) maker: bool,
    pub(super) lag: Millis,
    pub(super) at: VenueMillis,
}
