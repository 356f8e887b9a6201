//! What each position number under our tag came to: rebuilt with certainty, or declared. Decides on readings alone.

use std::collections::{BTreeMap, BTreeSet};

use kraite_core::exchange::{Direction, OrderReport, OrderShape, ReportedId, Service, TriggerBy, TriggerSize};
use kraite_core::id::{AccountTag, ClientOrderId, PositionNo, Role, Symbol};
use kraite_core::instrument::Instrument;
use kraite_core::number::{Notional, Price, Qty};
use kraite_core::order::{Life, LifeEvent, Order};
use kraite_core::plan::TargetStyle;
use kraite_core::sizing::{self, RungPlan, TargetRequest};
use kraite_engine::Terms;

use super::look::Seen;

/// One order under an id of ours, and everything that was said of it.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) order: Order,
    /// What is no child of another object first.
    pub(super) reports: Vec<OrderReport>,
}

/// One position number under our tag.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) no: PositionNo,
    pub(super) symbol: Symbol,
    pub(super) direction: Direction,
    pub(super) rows: BTreeMap<ClientOrderId, Row>,
    pub(super) entered: Sum,
    pub(super) exited: Sum,
    /// What the exchange shows on this side of the contract, whoever's it is.
    pub(super) shown: Qty,
    pub(super) verdict: Verdict,
}

/// What orders executed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) qty: Qty,
    /// `None` where something has no price.
    pub(super) cost: Option<Notional>,
}

/// What can be said of a position.
#[derive(Debug, Clone)]
pub(super) enum Verdict {
    /// Nothing of it is open any more.
    Finished,
    /// Its own fills are what the exchange shows, and it stands behind a stop of ours.
    Rebuilt(Box<Rebuilt>),
    /// Orders of ours rest, and no exposure belongs to them.
    Orphaned,
    /// Something of it cannot be known, and why.
    LeftAlone(Vec<String>),
}

/// What the journal has to say of a position that is certain.
#[derive(Debug, Clone)]
pub(super) struct Rebuilt {
    /// The plan of the configuration that it is managed by from now on.
    pub(super) plan: String,
    pub(super) terms: Terms,
    pub(super) rungs: Vec<RungPlan>,
    /// Rungs up to the last one seen that nothing rests of and that did not fill: they are not placed again.
    pub(super) left_out: BTreeSet<u8>,
    pub(super) stop: Price,
    pub(super) target: Option<(ClientOrderId, Price)>,
    /// What had been entered when the target was priced.
    pub(super) basis: Qty,
    /// The target is not where the plan has it, and stays there until the next fill.
    pub(super) target_differs: bool,
}

/// The plans that a position may have been opened by.
#[derive(Debug, Clone)]
pub(super) struct Offer {
    pub(super) plans: Vec<(String, Terms)>,
    /// The one plan was named for this position by whoever recovers.
    pub(super) is_named: bool,
}

impl Sum {
    const NOTHING: Self = Self { qty: Qty::ZERO, cost: Some(Notional::ZERO) };

    fn and(self, order: &Order) -> Option<Self> {
        let executed = order.executed();
        let cost = match (self.cost, executed.cost) {
            (Some(sum), Some(cost)) => Some(sum.checked_add(cost).ok()?),
            _ => None,
        };
        Some(Self { qty: self.qty.checked_add(executed.qty).ok()?, cost })
    }

    /// The average price; `None` where nothing executed or something has no price.
    pub(super) fn average(self) -> Option<Price> {
        self.cost.and_then(|cost| cost.checked_div_qty(self.qty).ok())
    }
}

impl Row {
    /// Whether it rests. One that has fired is over, or its exposure says that it is not.
    fn is_live(&self) -> bool {
        self.order.life.is_open()
    }
}

impl Found {
    /// What its own fills leave open.
    pub(super) fn exposure(&self) -> Qty {
        self.entered.qty.checked_sub(self.exited.qty).unwrap_or_default().max(Qty::ZERO)
    }

    pub(super) fn of(&self, role: Role) -> impl DoubleEndedIterator<Item = &Row> {
        self.rows.values().filter(move |row| row.order.role() == role)
    }

    /// The newest order of a role that rests.
    pub(super) fn resting(&self, role: Role) -> Option<&Order> {
        self.of(role).map(|row| &row.order).rfind(|order| order.life.is_open())
    }

    pub(super) fn live_orders(&self) -> usize {
        self.rows.values().filter(|row| row.is_live()).count()
    }

    /// What the rung numbers are that anything was seen of.
    pub(super) fn rungs(&self) -> BTreeSet<u8> {
        let rungs = self.rows.values().filter_map(|row| match row.order.role() {
            Role::Rung(rung) => Some(rung),
            _ => None,
        });
        rungs.collect()
    }

    /// Price, whole size and what filled of a rung.
    pub(super) fn rung(&self, rung: u8) -> Option<(RungPlan, Qty)> {
        let rows = || self.of(Role::Rung(rung)).map(|row| &row.order);
        let price = rows().rev().find_map(Order::stated_price)?;
        let filled = rows().map(Order::executed_qty).try_fold(Qty::ZERO, Qty::checked_add).ok()?;
        let rest = match rows().find(|order| order.life.is_open()) {
            Some(open) => open.stated_qty()?.checked_sub(open.executed_qty()).ok()?,
            None => Qty::ZERO,
        };
        Some((RungPlan { rung, price, qty: filled.checked_add(rest).ok()? }, filled))
    }
}

/// Everything under our tag, each by its number.
pub(super) fn judge(
    seen: &Seen,
    account: AccountTag,
    offer: &dyn Fn(PositionNo, Direction) -> Result<Offer, String>,
) -> Vec<Found> {
    let groups = seen.ours(account).into_iter();
    let mut all: Vec<Found> = groups.filter_map(|(no, reports)| gathered(seen, no, &reports)).collect();
    let exposed: Vec<(PositionNo, Symbol)> = all
        .iter()
        .filter(|found| found.exposure().is_positive() && found.live_orders() > 0)
        .map(|found| (found.no, found.symbol.clone()))
        .collect();
    for found in &mut all {
        let beside = exposed.iter().find(|(no, symbol)| *no != found.no && *symbol == found.symbol);
        found.verdict = verdict(seen, found, beside.map(|(no, _)| *no), offer);
    }
    all
}

fn gathered(seen: &Seen, no: PositionNo, reports: &[&OrderReport]) -> Option<Found> {
    let mut by_id: BTreeMap<ClientOrderId, Vec<OrderReport>> = BTreeMap::new();
    for report in reports {
        if let ReportedId::Ours(id) = report.id {
            by_id.entry(id).or_default().push((*report).clone());
        }
    }
    let (symbol, direction) = reports.first().map(|first| (first.symbol.clone(), first.direction))?;
    let mut wrong: Vec<String> = Vec::new();
    if reports.iter().any(|report| report.symbol != symbol || report.direction != direction) {
        wrong.push("its orders are on more than one contract or side".to_owned());
    }
    let (mut rows, mut entered, mut exited) = (BTreeMap::new(), Sum::NOTHING, Sum::NOTHING);
    for (id, mut reports) in by_id {
        reports.sort_by_key(|report| (report.parent.is_some(), report.venue_id.clone(), report.at));
        let Some(first) = reports.first() else { continue };
        let shape = shape_of(id.role(), first, TriggerBy::Mark);
        let mut order = Order::new(id, first.side, shape, first.service, seen.at.local, first.at);
        order.apply(LifeEvent::HandedToWire);
        let merged = reports.iter().try_for_each(|report| order.merge(report).map(drop));
        let sum = if id.role().is_exit() { &mut exited } else { &mut entered };
        match sum.and(&order).filter(|_| merged.is_ok()) {
            Some(more) => *sum = more,
            None => wrong.push(format!("what {id} executed cannot be added up")),
        }
        rows.insert(id, Row { order, reports });
    }
    let shown = shown(seen, &symbol, direction);
    let verdict = Verdict::LeftAlone(wrong);
    Some(Found { no, symbol, direction, rows, entered, exited, shown, verdict })
}

/// What an order of this role must have asked for, by its report.
pub(super) fn shape_of(role: Role, report: &OrderReport, by: TriggerBy) -> OrderShape {
    let price = report.stated.and_then(|stated| stated.price).unwrap_or_default();
    let qty = report.stated.and_then(|stated| stated.qty).or(report.executed).unwrap_or_default();
    let size = if qty.is_positive() { TriggerSize::Qty(qty) } else { TriggerSize::ClosePosition };
    match role {
        Role::Entry | Role::Close => OrderShape::Market { qty },
        Role::Rung(_) => OrderShape::Limit { price, qty },
        Role::Target if report.service == Service::Regular => OrderShape::Limit { price, qty },
        Role::Target => OrderShape::TakeProfitMarket { trigger: price, by, size },
        Role::Stop => OrderShape::StopMarket { trigger: price, by, size },
    }
}

/// What the exchange shows on one side of a contract.
pub(super) fn shown(seen: &Seen, symbol: &Symbol, direction: Direction) -> Qty {
    let here = seen.exposures.iter().filter(|shown| shown.symbol == *symbol && shown.direction == direction);
    here.map(|shown| shown.qty).try_fold(Qty::ZERO, Qty::checked_add).unwrap_or_default()
}

fn verdict(
    seen: &Seen,
    found: &Found,
    beside: Option<PositionNo>,
    offer: &dyn Fn(PositionNo, Direction) -> Result<Offer, String>,
) -> Verdict {
    let Verdict::LeftAlone(mut wrong) = found.verdict.clone() else { return found.verdict.clone() };
    let has_entry = found.of(Role::Entry).any(|row| row.order.executed_qty().is_positive());
    if found.live_orders() == 0 && wrong.is_empty() {
        // One that other hands took off is over as well: a later one begins on a contract that is clear (R30).
        if found.exposure().is_zero() || found.shown.is_zero() || beside.is_some() {
            return Verdict::Finished;
        }
    }
    if wrong.is_empty() && found.shown.is_zero() {
        return Verdict::Orphaned;
    }
    if wrong.is_empty() && has_entry && found.exposure().is_zero() {
        return Verdict::Orphaned;
    }
    unexplained(seen, found, beside, has_entry, &mut wrong);
    unprotected(found, &mut wrong);
    if !wrong.is_empty() {
        return Verdict::LeftAlone(wrong);
    }
    match rebuilt(seen, found, offer) {
        Ok(rebuilt) => Verdict::Rebuilt(Box::new(rebuilt)),
        Err(why) => Verdict::LeftAlone(vec![why]),
    }
}

/// Why its fills are not what is open.
fn unexplained(seen: &Seen, found: &Found, beside: Option<PositionNo>, has_entry: bool, wrong: &mut Vec<String>) {
    if let Some(other) = beside {
        wrong.push(format!("position {other} has exposure of its own on {}", found.symbol));
    }
    if shown(seen, &found.symbol, found.direction.opposite()).is_positive() {
        wrong.push(format!("{} shows exposure on both sides", found.symbol));
    }
    if seen.depth.get(&found.symbol).is_some_and(|depth| !depth.whole) {
        wrong.push("the exchange did not tell all of its orders".to_owned());
    }
    if !has_entry {
        wrong.push("its entry is not told any more: what it entered with, and at what price, is unknown".to_owned());
    } else if found.exposure() != found.shown {
        let (ours, shown) = (found.exposure(), found.shown);
        wrong.push(format!("its own fills leave {ours} open and the exchange shows {shown}"));
    } else if found.entered.average().is_none() {
        wrong.push("a fill of it has no price".to_owned());
    }
    if found.of(Role::Close).any(|row| row.is_live() || row.order.executed_qty().is_positive()) {
        wrong.push("a close of it was sent: whether all of it was to be taken off is unknown".to_owned());
    }
}

/// Why it does not stand behind orders that can be gone on with.
fn unprotected(found: &Found, wrong: &mut Vec<String>) {
    let fired = |role| found.of(role).any(|row| row.order.life == Life::Triggered);
    if fired(Role::Stop) || fired(Role::Target) {
        wrong.push("its stop or its target has fired".to_owned());
    } else if found.resting(Role::Stop).is_none() {
        wrong.push("no stop of ours rests: IT IS NOT PROTECTED".to_owned());
    } else if found.resting(Role::Stop).and_then(Order::stated_price).is_none() {
        wrong.push("its stop does not say where it triggers".to_owned());
    }
    for rung in found.rungs() {
        let rests = found.of(Role::Rung(rung)).filter(|row| row.is_live()).count();
        if rests > 1 {
            wrong.push(format!("rung {rung} rests {rests} times"));
        } else if found.rung(rung).is_none() {
            wrong.push(format!("rung {rung} does not say its price and size"));
        }
    }
}

fn rebuilt(
    seen: &Seen,
    found: &Found,
    offer: &dyn Fn(PositionNo, Direction) -> Result<Offer, String>,
) -> Result<Rebuilt, String> {
    let instrument = seen.rules.get(&found.symbol).ok_or("the exchange does not list its contract any more")?;
    let stop = found.resting(Role::Stop).and_then(Order::stated_price).ok_or("its stop has no price")?;
    let target = found.resting(Role::Target).and_then(|order| Some((order, order.stated_price()?)));
    let Offer { plans, is_named } = offer(found.no, found.direction)?;
    let mut fitting: Vec<(String, Terms, Option<Qty>)> = Vec::new();
    for (name, terms) in plans {
        let style = target.map(|(order, _)| style_of(order));
        if style.is_some_and(|style| style != terms.target_style) {
            continue;
        }
        let basis = target.and_then(|(_, price)| priced_for(found, instrument, &terms, price));
        if is_named || basis.is_some() {
            fitting.push((name, terms, basis));
        }
    }
    let hint = "name the plan that it is to be managed by with --plan";
    let (plan, terms, basis) = match (fitting.first().cloned(), target) {
        (None, None) => return Err(format!("no target of ours rests, so its plan cannot be told: {hint}")),
        (None, Some((_, price))) if is_named => {
            return Err(format!("its target at {price} rests in another style than that of the plan that was named"));
        }
        (None, Some((_, price))) => {
            return Err(format!("no plan of the configuration has its target at {price}: {hint}"));
        }
        (Some(first), _) => first,
    };
    let manages = |terms: &Terms| (terms.spec.profit, terms.spec.basis, terms.stop_by);
    if fitting.iter().any(|(_, other, _)| manages(other) != manages(&terms)) {
        let names: Vec<&str> = fitting.iter().map(|(name, ..)| name.as_str()).collect();
        return Err(format!("the plans {} all fit it: {hint}", names.join(", ")));
    }
    let known = found.rungs();
    let seen_of = |rung: &u8| found.rung(*rung).map(|(plan, _)| plan).filter(|plan| plan.qty.is_positive());
    let rungs: Vec<RungPlan> = known.iter().filter_map(seen_of).collect();
    let last = known.last().copied().unwrap_or(0).max(terms.spec.rungs);
    // A rung that filled in part and then ended was ended by somebody, and is as large as it filled.
    let left_out = (1..=last).filter(|rung| !rungs.iter().any(|plan| plan.rung == *rung)).collect();
    Ok(Rebuilt {
        plan,
        terms,
        rungs,
        left_out,
        stop,
        target: target.map(|(order, price)| (order.id, price)),
        basis: basis.unwrap_or(found.entered.qty),
        target_differs: target.is_some() && basis.is_none(),
    })
}

const fn style_of(target: &Order) -> TargetStyle {
    match target.service {
        Service::Regular => TargetStyle::Limit,
        Service::Conditional | Service::PositionPlan => TargetStyle::TriggerMarket,
    }
}

/// What had been entered when a target of this plan was priced where it rests; `None` where no fills of this position
/// bring it there. The fills as they are come first, then those without the last rungs: the process may have died
/// between a fill and the change of the target. One tick is given, since averages are told rounded.
fn priced_for(found: &Found, instrument: &Instrument, terms: &Terms, rests_at: Price) -> Option<Qty> {
    let opening: Vec<&Order> = found.rows.values().map(|row| &row.order).filter(|o| !o.role().is_exit()).collect();
    let filled: BTreeSet<Role> =
        opening.iter().filter(|order| order.executed_qty().is_positive()).map(|order| order.role()).collect();
    (1..=filled.len()).rev().find_map(|count| {
        let counted: BTreeSet<Role> = filled.iter().take(count).copied().collect();
        let fills = opening.iter().filter(|order| counted.contains(&order.role()));
        let sum = fills.copied().try_fold(Sum::NOTHING, Sum::and)?;
        let price = target_of(terms, instrument, sum.average()?)?;
        let apart = price.checked_sub(rests_at).ok()?.abs();
        (apart <= instrument.tick).then_some(sum.qty)
    })
}

fn target_of(terms: &Terms, instrument: &Instrument, average: Price) -> Option<Price> {
    sizing::target_price(&TargetRequest::at(&terms.spec, instrument, average).ok()?).ok()
}
