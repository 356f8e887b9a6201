//! I16: the limits that an account has, held against what leaves, with sums of the auditor's own.
//!
//! They are made from requests, the venue's book and its trades, never from what the engine adds up. Where the venue
//! can know less than the worker, the sum is the least that is certain: a finding is never a difference of opinion.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash as _, Hasher};

use kraite_core::engine::{Engine, Limits};
use kraite_core::exchange::{Direction, NewOrder, OrderShape};
use kraite_core::id::{AccountTag, ClientOrderId, PositionNo, Role, Symbol};
use kraite_core::number::{Notional, Price, Qty};
use kraite_core::position::{Phase, Position};
use kraite_core::time::{Millis, VenueMillis};

use super::{Auditor, Finding};
use crate::venue::{OrderObject, Venue};

const MINUTE: Millis = Millis::from_secs(60);
/// A worker may size on a mark of this age; the least of them is what is certain.
const MARKS: Millis = Millis::from_secs(35);
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// What may be risked, and what was sent of entries and rungs.
#[derive(Debug, Clone, Default)]
pub(super) struct Watch {
    limits: Limits,
    sent: BTreeMap<AccountTag, VecDeque<VenueMillis>>,
    /// The entries and rungs of each position.
    ids: BTreeMap<(AccountTag, PositionNo), BTreeSet<ClientOrderId>>,
}

impl Watch {
    pub(super) fn fingerprint(&self, hasher: &mut impl Hasher) {
        let Self { limits, sent, ids } = self;
        if *limits != Limits::default() {
            (sent, ids).hash(hasher);
        }
    }
}

/// Orders of ours at the venue that are not a copy or a child.
fn ours<'v>(auditor: &'v Auditor, venue: &'v Venue, account: AccountTag) -> impl Iterator<Item = &'v OrderObject> {
    venue.open(account).filter(|object| {
        object.parent.is_none() && object.client_id().is_some_and(|id| !auditor.wire.doubled.contains(&id))
    })
}

fn plus(sum: Notional, price: Price, qty: Qty) -> Notional {
    price.checked_mul(qty).and_then(|cost| sum.checked_add(cost)).unwrap_or(sum)
}

fn is_over(position: &Position) -> bool {
    matches!(position.phase, Phase::Closed | Phase::Cancelled)
}

/// What is lost from a price to the stop.
fn lost(direction: Direction, price: Price, qty: Qty, stop: Price) -> Notional {
    let (high, low) = if direction == Direction::Long { (price, stop) } else { (stop, price) };
    if high > low {
        high.checked_sub(low).map_or(Notional::ZERO, |d| plus(Notional::ZERO, d, qty))
    } else {
        Notional::ZERO
    }
}

fn total(amounts: impl Iterator<Item = Notional>) -> Notional {
    amounts.fold(Notional::ZERO, |sum, one| sum.checked_add(one).unwrap_or(sum))
}

impl Auditor {
    /// From now on these limits are watched.
    pub fn watch(&mut self, limits: Limits) {
        self.watch.limits = limits;
    }

    /// An order that adds exposure leaves: nothing that is configured may stand against it.
    pub(super) fn look_at_limits(
        &mut self,
        account: AccountTag,
        engine: &Engine,
        order: &NewOrder,
        venue: &Venue,
        at: VenueMillis,
    ) {
        if engine.state().halted {
            self.over(at, "a halt", "an order");
        }
        let limits = self.watch.limits.clone();
        if limits == Limits::default() {
            return;
        }
        let (no, role) = (order.id.key().position, order.id.key().logical.role);
        let price = order.shape.price().unwrap_or_else(|| self.least_mark(venue, &order.symbol, at));
        let cost = plus(Notional::ZERO, price, order.shape.qty().unwrap_or(Qty::ZERO));
        let sent = self.watch.sent.entry(account).or_default();
        sent.push_back(at);
        while sent.front().is_some_and(|first| at.since(*first) >= MINUTE) {
            sent.pop_front();
        }
        let in_a_minute = sent.len();
        let opens: BTreeSet<PositionNo> = ours(self, venue, account)
            .filter_map(OrderObject::client_id)
            .map(|id| id.key().position)
            .filter(|other| *other != no)
            .collect();
        let own = total([self.cost_of(venue, account, no), cost].into_iter());
        let all = total(opens.iter().map(|no| self.cost_of(venue, account, *no)));
        self.watch.ids.entry((account, no)).or_default().insert(order.id);
        let orders = ours(self, venue, account).count() + 1;
        let number = |most: Option<u32>| most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
        let above = |amount: Notional, most: Option<Notional>| most.is_some_and(|most| amount > most);
        let mut broken: Vec<(&'static str, String)> = Vec::new();
        let mut judge = |what, found: String, is_broken: bool| {
            if is_broken {
                broken.push((what, found));
            }
        };
        judge("notional of an order", cost.to_string(), above(cost, limits.max_order_notional));
        judge("notional of a position", own.to_string(), above(own, limits.max_position_notional));
        let everything = total([own, all].into_iter());
        judge("notional of the account", everything.to_string(), above(everything, limits.max_account_notional));
        judge("open orders", orders.to_string(), orders > number(limits.max_open_orders));
        let most = number(limits.max_exposing_orders_per_minute);
        judge("entries and rungs in a minute", in_a_minute.to_string(), in_a_minute > most);
        if role == Role::Entry {
            let listed = limits.symbols.as_ref().is_none_or(|listed| listed.contains(&order.symbol));
            judge("contracts", order.symbol.to_string(), !listed);
            judge("positions", (opens.len() + 1).to_string(), opens.len() + 1 > number(limits.max_positions));
            if limits.max_worst_loss.is_some() {
                let others = opens.iter().map(|no| self.certain_loss(venue, account, *no));
                let loss = total(others.chain(engine.state().positions.get(&no).map(planned_loss)));
                judge("worst loss", loss.to_string(), above(loss, limits.max_worst_loss));
            }
            if limits.max_daily_loss.is_some() {
                let loss = lost_today(venue, account, engine, at);
                judge("daily loss", loss.to_string(), above(loss, limits.max_daily_loss));
            }
        }
        for (what, found) in broken {
            self.over(at, what, &found);
        }
    }

    /// What entries and rungs of a position have cost, and what those that rest can add.
    fn cost_of(&self, venue: &Venue, account: AccountTag, no: PositionNo) -> Notional {
        let ids = self.watch.ids.get(&(account, no)).into_iter().flatten();
        let objects = ids.filter(|id| !self.wire.doubled.contains(id)).flat_map(|id| venue.under(account, *id));
        total(objects.map(|object| match object.shape {
            OrderShape::Limit { price, .. } if object.is_open() => plus(object.cost, price, object.leaves()),
            _ => object.cost,
        }))
    }

    fn over(&mut self, at: VenueMillis, what: &'static str, found: &str) {
        self.report(at, Finding::LimitBroken { what, found: found.into() });
    }

    fn least_mark(&self, venue: &Venue, symbol: &Symbol, at: VenueMillis) -> Price {
        let young = self.marks.get(symbol).into_iter().flatten().filter(|(then, _)| at.since(*then) <= MARKS);
        let before = self.marks.get(symbol).and_then(|all| all.iter().rfind(|(then, _)| at.since(*then) > MARKS));
        let all = young.chain(before).map(|(_, mark)| *mark).chain(venue.mark(symbol));
        all.min().unwrap_or(Price::ZERO)
    }

    /// What is lost when the rungs of a position that rest fill and then its stop: nothing where it has none yet.
    fn certain_loss(&self, venue: &Venue, account: AccountTag, no: PositionNo) -> Notional {
        let mine = || ours(self, venue, account).filter(|o| o.client_id().is_some_and(|id| id.key().position == no));
        let role = |o: &OrderObject| o.client_id().map(|id| id.key().logical.role);
        let stop = mine().find(|o| role(o) == Some(Role::Stop)).and_then(|o| Some((o, o.trigger()?.0)));
        let Some((stop, trigger)) = stop else { return Notional::ZERO };
        let rungs = mine().filter(|o| matches!(role(o), Some(Role::Rung(_)))).map(|o| match o.shape {
            OrderShape::Limit { price, .. } => lost(o.direction, price, o.leaves(), trigger),
            _ => Notional::ZERO,
        });
        let held = venue.account(account).and_then(|a| a.position(&stop.symbol, stop.direction));
        let open = held.and_then(|p| Some(lost(stop.direction, p.entry()?, p.qty, trigger)));
        total(rungs.chain(open))
    }
}

/// The worst loss of what is being opened, from the legs of its ladder.
fn planned_loss(position: &Position) -> Notional {
    let ladder = &position.ladder;
    let entry = (ladder.entry.reference_price, ladder.entry.qty);
    let legs = core::iter::once(entry).chain(ladder.rungs.iter().map(|rung| (rung.price, rung.qty)));
    total(legs.map(|(price, qty)| lost(position.direction(), price, qty, ladder.stop)))
}

/// What the trades of positions came to of which the last was today and that their worker knows to be over.
fn lost_today(venue: &Venue, account: AccountTag, engine: &Engine, at: VenueMillis) -> Notional {
    let day = |at: VenueMillis| at.0.div_euclid(DAY_MS);
    let mut results: BTreeMap<PositionNo, (VenueMillis, Notional)> = BTreeMap::new();
    for trade in venue.trades().filter(|trade| trade.account == account) {
        let Some(id) = venue.object(trade.object).and_then(OrderObject::client_id) else { continue };
        let (last, lost) = results.entry(id.key().position).or_insert((trade.at, Notional::ZERO));
        let paid = trade.fee.checked_sub(trade.realized).unwrap_or(Notional::ZERO);
        (*last, *lost) = (trade.at, lost.checked_add(paid).unwrap_or(*lost));
    }
    let over = |no: &PositionNo| engine.state().positions.get(no).is_none_or(is_over);
    let today = results.into_iter().filter(|(no, (last, _))| over(no) && day(*last) == day(at));
    total(today.map(|(_, (_, lost))| lost))
}
