//! From what is certain to records: the same facts that a worker would have written, in the words of the journal.
//!
//! A position is opened by a command that kraite made up, its orders are told by a reading, and what was decided on them
//! stands as it rests. What cannot be gone on with is put down as one that needs a human: it blocks its contract.

use std::collections::BTreeSet;

use kraite_core::engine::{Answer, Command, CommandId, Config, Engine, Event, InputKind, OpenRequest, State};
use kraite_core::exchange::{Endpoint, MarginMode, Mark, OrderReport, Reading, Service, TriggerBy};
use kraite_core::id::{AccountTag, ClientOrderId, Epoch, PositionNo, Role};
use kraite_core::instrument::Instrument;
use kraite_core::journal::{Loaded, Record};
use kraite_core::number::{Notional, Price, Qty};
use kraite_core::plan::{self, Goal, MarginSetup, Sequence, Shape, TargetStyle};
use kraite_core::position::{Phase, PhaseEvent, Protective, Why};
use kraite_core::sizing::{self, Budget, EntryPlan, Ladder, LadderSpec, RungPlan};
use kraite_core::time::VenueMillis;
use kraite_core::{Capabilities, invariant};

use super::judge::{Found, Rebuilt, Verdict, shape_of};
use super::look::Seen;
use crate::live::intake::RECOVERED_IDS;

/// Writes down one account.
pub(super) struct Scribe<'a> {
    pub(super) seen: &'a Seen,
    pub(super) capabilities: &'a Capabilities,
    pub(super) account: AccountTag,
}

/// What the orders of a position come to, in the shape of a sized ladder.
struct Outline {
    spec: LadderSpec,
    rungs: Vec<RungPlan>,
    stop: Price,
    target: Price,
}

impl Scribe<'_> {
    /// All records of an account: each position, and the halt. `highest` is the highest number seen under our tag: the
    /// next one is beyond it.
    pub(super) fn records(
        &self,
        epoch: Epoch,
        all: &[Found],
        highest: Option<PositionNo>,
    ) -> Result<Vec<Record>, String> {
        let mut steps = Vec::new();
        let open = || all.iter().filter(|found| !matches!(found.verdict, Verdict::Finished));
        for found in open() {
            steps.extend(self.position(found)?);
        }
        let last = open().map(|found| found.no).max();
        if let Some(found) = all.iter().find(|found| Some(found.no) == highest && last < highest) {
            steps.push(self.number_taken(found)?);
        }
        let halt = InputKind::Command(CommandId(RECOVERED_IDS), Command::Halt);
        steps.push((halt, vec![Event::AccountHalted]));
        let records =
            (1..).zip(steps).map(|(seq, (input, events))| Record { seq, epoch, at: self.seen.at, input, events });
        Ok(records.collect())
    }

    /// What the records fold to.
    pub(super) fn fold(&self, epoch: Epoch, records: Vec<Record>) -> Result<State, String> {
        let loaded = Loaded { snapshot: None, records };
        Engine::restore(Config::default(), self.capabilities.clone(), self.account, epoch, loaded)
            .map(Engine::into_state)
            .map_err(|error| error.to_string())
    }

    /// Why a position that is to be gone on with does not fold to what it has to be.
    pub(super) fn fault(&self, found: &Found) -> Option<String> {
        if !matches!(found.verdict, Verdict::Rebuilt(_)) {
            return None;
        }
        let epoch = Epoch::default();
        let folded =
            self.records(epoch, std::slice::from_ref(found), None).and_then(|records| self.fold(epoch, records));
        let state = match folded {
            Ok(state) => state,
            Err(why) => return Some(why),
        };
        let position = state.positions.get(&found.no)?;
        if let Some(fault) = invariant::check(position).first() {
            return Some(fault.to_string());
        }
        let is_sound = position.phase == Phase::Active
            && position.exposure() == found.shown
            && position.stop() == Protective::Open
            && position.max_loss.is_some();
        (!is_sound).then(|| "what its orders come to does not add up".to_owned())
    }

    /// What a position uses of the account's limits. One that was not seen from its entry on uses what is shown.
    fn used(&self, found: &Found) -> Notional {
        let beyond = found.shown.checked_sub(found.exposure()).unwrap_or_default();
        let here = self.seen.exposures.iter().filter(|s| s.symbol == found.symbol && s.direction == found.direction);
        let price = here.filter_map(|shown| shown.entry_price).next().filter(|_| beyond.is_positive());
        let more = price.and_then(|price| price.checked_mul(beyond).ok()).unwrap_or_default();
        committed(found).checked_add(more).unwrap_or(more)
    }

    fn position(&self, found: &Found) -> Result<Vec<(InputKind, Vec<Event>)>, String> {
        let request = self.request(found)?;
        let ladder = Outline::of(found, &request).ladder(found, self.used(found));
        let rungs = ladder.rungs.iter().map(|rung| rung.rung).max().unwrap_or(0);
        let missing: Vec<u8> = (1..=rungs).filter(|no| !ladder.rungs.iter().any(|rung| rung.rung == *no)).collect();
        let shape = Shape {
            rungs,
            sequence: request.sequence,
            target_style: request.target_style,
            margin_setup: MarginSetup::Confirmed,
        };
        let plan = plan::lower(&plan::plan(Goal::Open, &shape).without_rungs(&missing), self.capabilities);
        let stop_by = request.stop_by;
        let (position, max_loss) = (found.no, ladder.max_loss);
        let opened = Event::Opened { position, ladder: Box::new(ladder), plan };
        let moved = |on, why| Event::Moved { position, on, why };
        let (begun, told) = match &found.verdict {
            Verdict::Rebuilt(rebuilt) => {
                let mut told = known(found, rebuilt, stop_by);
                let Rebuilt { rungs, left_out, stop, .. } = &**rebuilt;
                let dropped = left_out.iter().copied().collect();
                told.push(Event::Rebuilt { position, rungs: rungs.clone(), dropped, stop: *stop });
                told.push(Event::LossFrozen { position, max_loss });
                told.push(moved(PhaseEvent::Activated, Why::Planned));
                (moved(PhaseEvent::Admitted, Why::Planned), told)
            }
            _ => {
                let mut told: Vec<Event> = found.rows.keys().map(|id| Event::Adopted { id: *id }).collect();
                told.push(Event::Halted { position });
                told.push(moved(PhaseEvent::Unproven, Why::Unproven));
                (moved(PhaseEvent::Abandoned, Why::Unproven), told)
            }
        };
        let reading = Reading {
            value: found.rows.values().flat_map(|row| row.reports.iter().cloned()).collect(),
            sent_at: self.seen.at.venue,
            endpoint: Endpoint::History,
            complete: self.seen.depth.get(&found.symbol).is_some_and(|depth| depth.whole),
        };
        let from = self.seen.depth.get(&found.symbol).map_or(self.seen.at.venue, |depth| depth.from);
        let answer = Answer::History(found.symbol.clone(), from, Ok(reading));
        let asked = InputKind::Command(command_of(found.no), Command::Open(Box::new(request)));
        Ok(vec![(asked, vec![opened, begun]), (InputKind::Answer(answer), told)])
    }

    /// A number that is used up, and nothing else: the position left the state long ago.
    fn number_taken(&self, found: &Found) -> Result<(InputKind, Vec<Event>), String> {
        let request = self.request(found)?;
        let ladder = Outline::of(found, &request).ladder(found, Notional::ZERO);
        let shape = Shape {
            rungs: 0,
            sequence: request.sequence,
            target_style: request.target_style,
            margin_setup: MarginSetup::Confirmed,
        };
        let position = found.no;
        let moved = |on| Event::Moved { position, on, why: Why::External };
        let events = vec![
            Event::Opened {
                position,
                ladder: Box::new(ladder),
                plan: plan::lower(&plan::plan(Goal::Open, &shape), self.capabilities),
            },
            moved(PhaseEvent::Abandoned),
            moved(PhaseEvent::Finished),
            Event::Archived { position },
        ];
        Ok((InputKind::Command(command_of(position), Command::Open(Box::new(request))), events))
    }

    /// What the position must have been asked for with, as far as that decides anything from now on. What was allotted
    /// is not told by any exchange: what entry and rungs cost stands for it.
    fn request(&self, found: &Found) -> Result<OpenRequest, String> {
        let instrument = self.rules(found)?;
        let entered_at = found.of(Role::Entry).flat_map(|row| &row.reports).map(|report| report.at).min();
        let first = found.rows.values().flat_map(|row| &row.reports).map(|report| report.at).min();
        let price =
            found.entered.average().or_else(|| found.rungs().first().and_then(|n| found.rung(*n)).map(|r| r.0.price));
        let at = entered_at.or(first).unwrap_or(VenueMillis(0));
        let mark = Mark { symbol: found.symbol.clone(), price: price.unwrap_or_default(), at };
        let budget = |leverage_cap| Budget { margin: self.used(found), leverage_cap };
        Ok(match &found.verdict {
            Verdict::Rebuilt(rebuilt) => OpenRequest {
                instrument,
                spec: rebuilt.terms.spec.clone(),
                budget: budget(rebuilt.terms.leverage_cap),
                sequence: rebuilt.terms.sequence,
                target_style: rebuilt.terms.target_style,
                stop_by: rebuilt.terms.stop_by,
                mode: self.seen.mode,
                margin_mode: rebuilt.terms.margin_mode,
                mark,
            },
            _ => OpenRequest {
                instrument,
                spec: LadderSpec::default_for(found.direction),
                budget: budget(1),
                sequence: Sequence::LadderFirst,
                target_style: style_of(found),
                stop_by: TriggerBy::Mark,
                mode: self.seen.mode,
                margin_mode: MarginMode::Cross,
                mark,
            },
        })
    }

    /// Rules of its contract; of one that is not listed any more, those of another where nothing is placed on it.
    fn rules(&self, found: &Found) -> Result<Instrument, String> {
        let own = self.seen.rules.get(&found.symbol).cloned();
        let other = || {
            let listed = self.seen.listed.first().cloned();
            listed.map(|listed| Instrument { symbol: found.symbol.clone(), ..listed })
        };
        let stands_still = matches!(found.verdict, Verdict::Finished);
        own.or_else(|| other().filter(|_| stands_still))
            .ok_or_else(|| format!("the exchange does not list {} any more, so its rules are unknown", found.symbol))
    }
}

impl Outline {
    fn of(found: &Found, request: &OpenRequest) -> Self {
        let spec = request.spec.clone();
        let resting = |role| found.resting(role).and_then(kraite_core::order::Order::stated_price);
        let target = resting(Role::Target).unwrap_or(request.mark.price);
        match &found.verdict {
            Verdict::Rebuilt(rebuilt) => Self { spec, rungs: rebuilt.rungs.clone(), stop: rebuilt.stop, target },
            _ => {
                let rungs: Vec<RungPlan> =
                    found.rungs().iter().filter_map(|rung| found.rung(*rung)).map(|r| r.0).collect();
                // Only a close that a user asked for and that does not get through looks at it.
                let anchor = rungs.last().map_or(request.mark.price, |rung| rung.price);
                let planned = sizing::stop_price(spec.direction, anchor, spec.stop, &request.instrument);
                let stop = resting(Role::Stop).or_else(|| planned.ok()).unwrap_or(anchor);
                Self { spec, rungs, stop, target }
            }
        }
    }

    fn ladder(self, found: &Found, total: Notional) -> Ladder {
        let Self { spec, rungs, stop, target } = self;
        let entry = found.of(Role::Entry).map(|row| &row.order).filter(|order| order.executed_qty().is_positive());
        let (mut qty, mut cost) = (Qty::ZERO, Notional::ZERO);
        for order in entry {
            qty = qty.checked_add(order.executed_qty()).unwrap_or(qty);
            cost = order.executed().cost.and_then(|more| cost.checked_add(more).ok()).unwrap_or(cost);
        }
        let reference_price = cost.checked_div_qty(qty).unwrap_or_default();
        let legs = rungs.iter().map(|rung| (rung.price, rung.qty)).chain([(reference_price, qty)]);
        let max_loss = sizing::max_loss(spec.direction, legs, stop).unwrap_or_default();
        Ladder {
            direction: spec.direction,
            model: spec.model,
            leverage: 1,
            capital: total,
            entry: EntryPlan { qty, reference_price, notional: cost },
            rungs,
            dropped: Vec::new(),
            clamped: Vec::new(),
            target,
            stop,
            max_loss,
            full_ladder_profit: Notional::ZERO,
            total_notional: total,
        }
    }
}

/// The command that stands for the one that nobody knows any more.
fn command_of(no: PositionNo) -> CommandId {
    CommandId(RECOVERED_IDS.saturating_add(u64::from(no.get())))
}

/// What its fills cost, and what its resting rungs can add.
fn committed(found: &Found) -> Notional {
    let filled = found.entered.cost.unwrap_or_default();
    let rests = found.rows.values().map(|row| &row.order);
    let rests = rests.filter(|order| matches!(order.role(), Role::Rung(_)) && order.life.is_open());
    let rests = rests.filter_map(|order| {
        let left = order.stated_qty()?.checked_sub(order.executed_qty()).ok()?;
        order.stated_price()?.checked_mul(left).ok()
    });
    rests.fold(filled, |sum, more| sum.checked_add(more).unwrap_or(sum))
}

fn style_of(found: &Found) -> TargetStyle {
    let limit = found.of(Role::Target).any(|row| row.order.service == Service::Regular);
    if limit { TargetStyle::Limit } else { TargetStyle::TriggerMarket }
}

/// Its orders as what they are: taken over, and what protects with what it was decided for.
fn known(found: &Found, rebuilt: &Rebuilt, stop_by: TriggerBy) -> Vec<Event> {
    let serving = rebuilt.target.map(|(id, _)| id);
    let mut events = Vec::new();
    for (id, row) in &found.rows {
        match row.reports.first().filter(|_| id.role().is_protective()) {
            None => events.push(Event::Adopted { id: *id }),
            Some(first) => {
                let basis = if Some(*id) == serving { rebuilt.basis } else { Qty::ZERO };
                events.extend(intended(*id, first, stop_by, basis));
            }
        }
    }
    events
}

fn intended(id: ClientOrderId, first: &OrderReport, stop_by: TriggerBy, basis: Qty) -> [Event; 2] {
    let shape = shape_of(id.role(), first, stop_by);
    let (side, service, not_after) = (first.side, first.service, first.at);
    [Event::Intended { id, side, shape, service, basis, not_after }, Event::Merged { id }]
}

/// The highest epoch and the highest position number under our tag.
pub(super) fn highest(seen: &Seen, account: AccountTag) -> Option<(PositionNo, Epoch)> {
    let ids: BTreeSet<ClientOrderId> = seen
        .ours(account)
        .into_values()
        .flatten()
        .filter_map(|report| match report.id {
            kraite_core::exchange::ReportedId::Ours(id) => Some(id),
            _ => None,
        })
        .collect();
    let epoch = ids.iter().map(|id| id.key().epoch).max()?;
    ids.last().map(|id| (id.position(), epoch))
}
