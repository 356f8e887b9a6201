//! A world at rest: nothing is under way, every answer was given, every poll was made. What protects a position must
//! fit it then, and of what is finished nothing may be left, whoever is to blame.

use std::collections::BTreeMap;

use kraite_core::engine::Engine;
use kraite_core::exchange::{Direction, OrderShape};
use kraite_core::id::{AccountTag, ClientOrderId, LogicalOrder, Role};
use kraite_core::number::{Notional, Percent, Price, Qty};
use kraite_core::position::{Cover, Phase, Position};
use kraite_core::sizing::TargetBasis;
use kraite_core::time::{Millis, VenueMillis};

use super::{Auditor, Finding};
use crate::venue::{OrderObject, Venue};

/// A target this much off what the average entry asks for is priced from something else.
fn near() -> Percent {
    Percent::from_units(1, 1).unwrap_or_default()
}

/// A mark that is decided on is no older than this, the way to the worker and a turn of it included.
const MARK_AGE: Millis = Millis::from_secs(40);

impl Auditor {
    /// Looks at a world at rest. Contracts on which other hands traded are theirs to explain, and so are accounts
    /// whose journal lost records.
    pub fn look_at_rest<'a>(
        &mut self,
        venue: &Venue,
        workers: impl Iterator<Item = (AccountTag, Option<&'a Engine>)>,
        now: VenueMillis,
    ) {
        let mut findings = Vec::new();
        for (account, engine) in workers {
            let Some(engine) = engine.filter(|_| !self.lost.contains(&account)) else { continue };
            for position in engine.state().positions.values() {
                if self.books.other_hands(account, position.symbol()) || position.halted {
                    continue;
                }
                let ours: Vec<&OrderObject> = venue
                    .open(account)
                    .filter(|o| o.parent.is_none() && o.client_id().is_some_and(|id| id.key().position == position.no))
                    .collect();
                let what = match (position.phase, position.cover) {
                    (Phase::Closed | Phase::Cancelled, _) => self.left_over(venue, account, engine, position, &ours),
                    (Phase::Active, Cover::Armed) => self.misfit(venue, account, position, &ours),
                    _ => None,
                };
                findings.extend(what.map(|what| Finding::Misfit { account, position: position.no, what }));
            }
        }
        self.report_all(now, findings);
    }

    fn left_over(
        &self,
        venue: &Venue,
        account: AccountTag,
        engine: &Engine,
        position: &Position,
        ours: &[&OrderObject],
    ) -> Option<String> {
        let (symbol, direction) = (position.symbol(), position.direction());
        let mut others = engine.state().positions.values().filter(|p| p.no != position.no && p.symbol() == symbol);
        if !ours.is_empty() {
            return Some("it is finished, and an order of it is open".into());
        }
        let alone = others.all(|p| matches!(p.phase, Phase::Closed | Phase::Cancelled));
        let open = venue.position(account, symbol, direction).is_positive();
        (alone && open).then(|| "it is finished, and exposure of it is open".into())
    }

    fn misfit(&self, venue: &Venue, account: AccountTag, position: &Position, ours: &[&OrderObject]) -> Option<String> {
        let (symbol, direction) = (position.symbol(), position.direction());
        let rules = &venue.market(symbol)?.instrument;
        let open = venue.position(account, symbol, direction);
        let mut of_each: BTreeMap<LogicalOrder, u32> = BTreeMap::new();
        for logical in ours.iter().filter_map(|o| o.client_id()).map(|id| id.key().logical) {
            *of_each.entry(logical).or_insert(0) += 1;
        }
        let as_role = |role: Role| ours.iter().filter(move |o| has_role(o, role));
        if of_each.values().any(|n| *n > 1) || [Role::Stop, Role::Target].iter().any(|role| as_role(*role).count() > 1)
        {
            return Some("two orders do the work of one".into());
        }
        if self.books.planned(account, position.no).is_some_and(|planned| open > planned) {
            return Some(format!("{open} is open, more than was planned"));
        }
        let beyond = |a: Price, b: Price| if direction == Direction::Long { a < b } else { a > b };
        let stop = as_role(Role::Stop).next()?;
        let target = as_role(Role::Target).next()?;
        let mut rungs = ours.iter().filter(|o| matches!(role(o), Some(Role::Rung(_))));
        if !rungs.all(|rung| beyond(stop.shape.price().unwrap_or_default(), rung.shape.price().unwrap_or_default())) {
            return Some("the stop lies before a rung".into());
        }
        if position.hands.outdated_stop.is_some() && stop.shape.price() != Some(position.stop_price) {
            return Some(format!("the stop is at {:?}, and was moved to {}", stop.shape.price(), position.stop_price));
        }
        if ours.iter().any(|o| matches!(role(o), Some(Role::Rung(rung)) if position.dropped.contains(&rung))) {
            return Some("a rung that was left out rests".into());
        }
        let parts = position.hands.parts;
        if self.books.closed(account, position.no) < parts {
            return Some(format!("parts of {parts} in all were to be closed, and less was"));
        }
        for order in [stop, target] {
            let stated = order.shape.qty().and_then(|stated| match order.shape {
                OrderShape::Limit { .. } => stated.checked_sub(order.executed).ok(),
                _ => Some(stated),
            });
            let differs = |qty: Qty| qty.checked_sub(open).is_ok_and(|d| d >= rules.lot || d.negated() >= rules.lot);
            if stated.is_some_and(differs) {
                return Some(format!("the stop or the target states {stated:?}, and {open} is open"));
            }
        }
        let spec = &position.request.spec;
        if spec.basis == TargetBasis::AverageEntry {
            let (average, since) = opened(venue, account, position)?;
            let distance = position.hands.profit.unwrap_or(spec.profit);
            let profit = if direction == Direction::Long { distance } else { distance.negated() };
            let wanted = average.shifted_by(profit).ok()?;
            if let Some(held) = position.hands.held_target {
                let price = target.shape.price()?;
                return (price != held).then(|| format!("the target is at {price}, and is to be held at {held}"));
            }
            // A target that the market had passed before it was placed is placed beyond the market (R83), as the worker
            // knew it: a mark may be half a minute old (R29).
            let marks = self.marks.get(symbol)?;
            let then = marks.iter().rposition(|(at, _)| *at <= since.minus(MARK_AGE)).unwrap_or(0);
            // It is placed on the grid, and passed there.
            let tick = if direction == Direction::Long { rules.tick.negated() } else { rules.tick };
            let passed = wanted.checked_add(tick).ok()?;
            if marks.iter().skip(then).any(|(_, mark)| !beyond(*mark, passed)) {
                return None;
            }
            let near = average.shifted_by(near()).ok()?.checked_sub(average).ok()?.checked_add(rules.tick).ok()?;
            let off = target.shape.price()?.checked_sub(wanted).ok()?;
            if off > near || off < near.negated() {
                return Some(format!("the target is {off} off {wanted}, which an average of {average} asks for"));
            }
        }
        None
    }
}

/// The average price of all trades of a position's opening orders, whatever was taken off since, and when the last of
/// them was.
fn opened(venue: &Venue, account: AccountTag, position: &Position) -> Option<(Price, VenueMillis)> {
    let opening = |id: ClientOrderId| id.key().position == position.no && !id.key().logical.role.is_exit();
    let of_position = |object| venue.object(object).and_then(OrderObject::client_id).is_some_and(opening);
    let (mut cost, mut qty, mut last) = (Notional::ZERO, Qty::ZERO, None);
    if let Some(held) = position.adoption.filter(|adoption| adoption.is_done).map(|adoption| adoption.held) {
        (cost, qty) = (held.price.checked_mul(held.qty).ok()?, held.qty);
    }
    for trade in venue.trades().filter(|trade| trade.account == account && of_position(trade.object)) {
        cost = cost.checked_add(trade.price.checked_mul(trade.qty).ok()?).ok()?;
        qty = qty.checked_add(trade.qty).ok()?;
        last = Some(trade.at);
    }
    Some((cost.checked_div_qty(qty).ok()?, last?))
}

fn role(object: &OrderObject) -> Option<Role> {
    object.client_id().map(|id| id.key().logical.role)
}

fn has_role(object: &OrderObject, wanted: Role) -> bool {
    role(object) == Some(wanted)
}
