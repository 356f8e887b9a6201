//! From answers to the outcomes of requests that may have changed something.
//!
//! A success is believed only as far as it can be read and is about what was asked (R21). Where it cannot, the outcome
//! is unknown, never a refusal; where it can but leaves something out, it is accepted without a report (R15). An id in
//! it says that the request was taken and numbered, not what became of it: the status of its report is the least one.

use compact_str::CompactString;
use kraite_core::exchange::{
    Ack, Cause, MarginMode, OrderRef, OrderReport, Outcome, PairLeg, PairOutcome, PositionTpsl, Reject, RejectKind,
    ReportStatus, ReportedId, Service, Side,
};
use kraite_core::id::{ClientOrderId, Symbol, VenueOrderId};
use kraite_core::time::VenueMillis;
use serde::Deserialize;

use super::calls::{Order, PartialPlan, Placement, classic as v2, unified as v3};
use super::failure::{Answer, Failure, Verdict};
use super::ids::{Leg, OrderName, plan_id, regular_id, strategy_id};
use super::interpret::Interpreter;
use super::reply::{IdReply, ItemReply, ListsReply, Rows, Success, classic, object, open, rows_of};
use super::terms::{Generation, margin_mode_of};
use super::word::HoldMode;

const UNDECODABLE: Outcome = Outcome::Unknown(Cause::Undecodable);

fn accepted(report: Option<OrderReport>) -> Outcome {
    Outcome::Accepted(Ack { report: report.map(Box::new) })
}

fn opened(answer: Answer<'_>) -> Result<Success<'_>, Outcome> {
    open(answer).map_err(|failure| failure.outcome())
}

/// The data of a success; an outcome where there is none.
fn success<'a, T: Deserialize<'a>>(answer: Answer<'a>) -> Result<(T, Option<VenueMillis>), Outcome> {
    let success = opened(answer)?;
    let data = success.data.ok_or(UNDECODABLE)?;
    Ok((object(data).map_err(|_| UNDECODABLE)?, success.at))
}

/// Whether an answer names an order by our id; `None` where it leaves that out.
fn names(reply: Option<&CompactString>, id: &str) -> Option<bool> {
    reply.map(|client| client == id)
}

impl ItemReply {
    /// Why it was not done, if it was not.
    fn failure(&self) -> Option<Failure> {
        let code = self.error_code.or(self.code).filter(|code| *code != 0)?;
        let words = self.error_msg.as_deref().or(self.msg.as_deref());
        Some(Failure::embedded(Some(code), words.unwrap_or_default()))
    }
}

/// The least that is known of an order that was just numbered.
fn numbered(
    id: ClientOrderId,
    venue_id: VenueOrderId,
    service: Service,
    (symbol, side, direction): (&Symbol, Side, kraite_core::exchange::Direction),
    at: VenueMillis,
) -> OrderReport {
    OrderReport {
        id: ReportedId::Ours(id),
        venue_id,
        parent: None,
        service,
        symbol: symbol.clone(),
        side,
        direction,
        status: ReportStatus::New,
        stated: None,
        executed: None,
        average_price: None,
        trade: None,
        at,
    }
}

fn numbered_order(order: &Order, order_id: Option<&CompactString>, at: VenueMillis) -> Outcome {
    let way = (&order.symbol, order.side, order.direction);
    accepted(order_id.map(|number| numbered(order.id, regular_id(number), Service::Regular, way, at)))
}

impl Interpreter {
    /// What became of a placed order, of either API.
    pub fn placed(
        &mut self,
        order: &Placement,
        generation: Generation,
        sent_at: VenueMillis,
        answer: Answer<'_>,
    ) -> Outcome {
        match order {
            Placement::Regular(order) => self.placed_order(order, sent_at, answer),
            Placement::Plan(plan) => self.placed_plan(plan, generation, sent_at, answer),
        }
    }

    /// What became of a placed regular order, of either API.
    ///
    /// Without an exchange id it is accepted if it names our id: an order that made the venue cancel others has none.
    pub fn placed_order(&self, order: &Order, sent_at: VenueMillis, answer: Answer<'_>) -> Outcome {
        let (reply, at) = match success::<IdReply>(answer) {
            Ok(reply) => reply,
            Err(outcome) => return outcome,
        };
        match (names(reply.client_id.as_ref(), &order.id.to_string()), &reply.order_id) {
            (Some(false), _) | (None, None) => UNDECODABLE,
            (Some(true), number) | (None, number @ Some(_)) => {
                numbered_order(order, number.as_ref(), at.unwrap_or(sent_at))
            }
        }
    }

    /// What became of each order of a batch, in order: always as many as were sent. Items are matched by our id alone;
    /// one that is in no list, or in both, is unknown.
    pub fn placed_batch(&self, orders: &[Order], sent_at: VenueMillis, answer: Answer<'_>) -> Vec<Outcome> {
        let opened = match opened(answer) {
            Ok(opened) => opened,
            Err(outcome) => return vec![outcome; orders.len()],
        };
        let Some(data) = opened.data else { return vec![UNDECODABLE; orders.len()] };
        let (mut done, mut failed): (Vec<ItemReply>, Vec<ItemReply>) = (Vec::new(), Vec::new());
        if let Ok(ListsReply { success_list: Some(success), failure_list }) = object(data) {
            done.extend(success);
            failed.extend(failure_list.unwrap_or_default());
        } else if let Ok(rows) = rows_of::<ItemReply>(data) {
            (failed, done) = rows.rows.into_iter().partition(|row| row.failure().is_some());
        }
        let at = opened.at.unwrap_or(sent_at);
        let of = |order: &Order| {
            let id = order.id.to_string();
            let mut mine = done.iter().filter(|row| names(row.client_id.as_ref(), &id) == Some(true));
            let refused = failed.iter().find(|row| names(row.client_id.as_ref(), &id) == Some(true));
            match (mine.next(), refused) {
                (Some(row), None) => numbered_order(order, row.order_id.as_ref(), at),
                (None, Some(row)) => row.failure().map_or(Outcome::Unknown(Cause::ServerError), |f| f.outcome()),
                (None, None) | (Some(_), Some(_)) => UNDECODABLE,
            }
        };
        orders.iter().map(of).collect()
    }

    /// What became of a stop or target over a quantity, of either API.
    pub fn placed_plan(
        &mut self,
        plan: &PartialPlan,
        generation: Generation,
        sent_at: VenueMillis,
        answer: Answer<'_>,
    ) -> Outcome {
        let (reply, at) = match success::<IdReply>(answer) {
            Ok(reply) => reply,
            Err(outcome) => return outcome,
        };
        let named = names(reply.client_id.as_ref(), &plan.id.to_string());
        match (named, &reply.order_id) {
            (Some(false), _) | (None, None) => UNDECODABLE,
            (Some(true), None) => accepted(None),
            (_, Some(number)) => {
                let venue_id = match generation {
                    Generation::Classic => plan_id(number),
                    Generation::Unified => strategy_id(number, plan.leg),
                };
                self.links.learn(&venue_id, Some(plan.id), None);
                let way = (&plan.symbol, plan.direction.closing_side(), plan.direction);
                accepted(Some(numbered(plan.id, venue_id, Service::Conditional, way, at.unwrap_or(sent_at))))
            }
        }
    }

    /// What became of a pair of the classic API, leg by leg.
    ///
    /// Rows are bound by client id and never by their place: a row that names one leg alone is that leg's, under the id
    /// that was asked for, or under an earlier one of the same position and role, which an overwrite may keep. A leg
    /// without a row of its own is accepted without a report where another row may be its, and unknown where none is.
    pub fn placed_pair(&mut self, call: &v2::PlacePair, sent_at: VenueMillis, answer: Answer<'_>) -> PairOutcome {
        let both = |outcome: Outcome| PairOutcome { stop: outcome.clone(), target: outcome };
        let opened = match opened(answer) {
            Ok(opened) => opened,
            Err(outcome) => return both(outcome),
        };
        let rows: Rows<classic::PairRow> = match opened.data.map(rows_of) {
            Some(Ok(rows)) => rows,
            Some(Err(_)) | None => return both(UNDECODABLE),
        };
        let (pair, at) = (call.pair(), opened.at.unwrap_or(sent_at));
        let (mut stop, mut target) = (Slot::default(), Slot::default());
        for row in &rows.rows {
            let Some(number) = &row.order_id else { continue };
            match (is_legs(row.stop.as_ref(), &pair.stop), is_legs(row.target.as_ref(), &pair.target)) {
                (Some(true), None) => stop.bind(number),
                (None, Some(true)) => target.bind(number),
                // The ids of both: either leg's row.
                (Some(true), Some(true)) => (stop.ambiguous, target.ambiguous) = (true, true),
                _ => {}
            }
        }
        let mut leg = |slot: Slot<'_>, leg: &PairLeg| match (slot.number, slot.ambiguous) {
            (Some(number), false) => accepted(Some(self.set_leg(plan_id(number), leg, pair, at))),
            (_, true) => accepted(None),
            (None, false) => UNDECODABLE,
        };
        PairOutcome { stop: leg(stop, &pair.stop), target: leg(target, &pair.target) }
    }

    /// The report of a leg that stands under `venue_id` from now on.
    fn set_leg(&mut self, venue_id: VenueOrderId, leg: &PairLeg, pair: &PositionTpsl, at: VenueMillis) -> OrderReport {
        self.links.learn(&venue_id, Some(leg.id), None);
        let way = (&pair.symbol, pair.direction.closing_side(), pair.direction);
        numbered(leg.id, venue_id, Service::PositionPlan, way, at)
    }

    /// What became of a pair of the unified API: one strategy, and so one fate for both legs (R107). Where one exists
    /// (25594) both are refused as `AlreadyExists`: list the strategies, and change that one.
    pub fn placed_strategy(&mut self, call: &v3::PlacePair, sent_at: VenueMillis, answer: Answer<'_>) -> PairOutcome {
        let outcome = match success::<IdReply>(answer) {
            Err(outcome) => outcome,
            Ok((reply, at)) => match (names(reply.client_id.as_ref(), &call.name().text()), reply.order_id) {
                (Some(false), _) | (None, None) => UNDECODABLE,
                (Some(true), None) => accepted(None),
                (_, Some(number)) => return self.set_both(&number, call.pair(), at.unwrap_or(sent_at)),
            },
        };
        PairOutcome { stop: outcome.clone(), target: outcome }
    }

    /// What became of other prices for a pair of the unified API. The answer has the ids, or nothing.
    ///
    /// Where the prices were so already (25600) it is accepted without a report, and read back under the new ids.
    pub fn changed_strategy(&mut self, call: &v3::ModifyPair, sent_at: VenueMillis, answer: Answer<'_>) -> PairOutcome {
        let outcome = match open(answer) {
            Ok(opened) => match opened.data.map(object::<IdReply>) {
                Some(Ok(IdReply { order_id: Some(number), .. })) if number != call.strategy => UNDECODABLE,
                Some(Err(_)) => UNDECODABLE,
                _ => return self.set_both(&call.strategy, &call.pair, opened.at.unwrap_or(sent_at)),
            },
            Err(failure) => {
                if failure.verdict == Verdict::NoChange {
                    self.set_both(&call.strategy, &call.pair, sent_at);
                }
                failure.outcome()
            }
        };
        PairOutcome { stop: outcome.clone(), target: outcome }
    }

    fn set_both(&mut self, number: &str, pair: &PositionTpsl, at: VenueMillis) -> PairOutcome {
        let stop = self.set_leg(strategy_id(number, Leg::Stop), &pair.stop, pair, at);
        let target = self.set_leg(strategy_id(number, Leg::Target), &pair.target, pair, at);
        PairOutcome { stop: accepted(Some(stop)), target: accepted(Some(target)) }
    }

    /// What became of a cancellation of a regular order, of either API. Accepted says that the venue took it; what the
    /// order came to is still to be read.
    #[must_use]
    pub fn cancelled(&self, order: &OrderRef, answer: Answer<'_>) -> Outcome {
        match success::<IdReply>(answer) {
            Ok((reply, _)) if is_named(order, &reply) => accepted(None),
            Ok(_) => UNDECODABLE,
            Err(outcome) => outcome,
        }
    }

    /// What became of a cancellation of a plan of the classic API. Two empty lists are no success: nothing matched.
    #[must_use]
    pub fn cancelled_plan(&self, order: &OrderRef, answer: Answer<'_>) -> Outcome {
        let lists = match success::<ListsReply>(answer) {
            Ok((lists, _)) => lists,
            Err(outcome) => return outcome,
        };
        let (Some(done), Some(failed)) = (lists.success_list, lists.failure_list) else { return UNDECODABLE };
        let is = |row: &&ItemReply| {
            let reply = IdReply { order_id: row.order_id.clone(), client_id: row.client_id.clone() };
            is_named(order, &reply)
        };
        match (done.iter().find(is), failed.iter().find(is)) {
            (Some(_), None) => accepted(None),
            (None, Some(row)) => row.failure().map_or(Outcome::Unknown(Cause::ServerError), |f| f.outcome()),
            (None, None) if done.is_empty() && failed.is_empty() => {
                let message = "no plan of that id and kind".into();
                Outcome::Rejected(Reject { kind: RejectKind::UnknownOrder, code: 0, message })
            }
            (None, None) | (Some(_), Some(_)) => UNDECODABLE,
        }
    }

    /// What became of a cancellation of a strategy of the unified API, whose answer has no data: both legs went.
    #[must_use]
    pub fn cancelled_strategy(&self, order: &OrderRef, answer: Answer<'_>) -> Outcome {
        match opened(answer) {
            Err(outcome) => outcome,
            Ok(Success { data: None, .. }) => accepted(None),
            Ok(Success { data: Some(data), .. }) => match object::<IdReply>(data) {
                Ok(reply) if is_other(order, &reply) != Some(true) => accepted(None),
                _ => UNDECODABLE,
            },
        }
    }

    /// What became of a change of a regular order of the classic API: the old order ends, another one comes under
    /// `new_id` later, and neither is reported yet.
    #[must_use]
    pub fn replaced(&self, call: &v2::ModifyOrder, answer: Answer<'_>) -> Outcome {
        match success::<IdReply>(answer) {
            Ok((reply, _)) if names(reply.client_id.as_ref(), &call.new_id.to_string()) == Some(true) => accepted(None),
            Ok(_) => UNDECODABLE,
            Err(outcome) => outcome,
        }
    }

    /// What became of a change of a regular order of the unified API: in place, and not done yet.
    #[must_use]
    pub fn amended(&self, order: &OrderRef, answer: Answer<'_>) -> Outcome {
        self.cancelled(order, answer)
    }
}

/// Whether a field names this leg, now or before it was overwritten; `None` where it is left out.
fn is_legs(text: Option<&CompactString>, leg: &PairLeg) -> Option<bool> {
    let same = |id: ClientOrderId| id.position() == leg.id.position() && id.role() == leg.id.role() && id <= leg.id;
    text.map(|text| text.parse().is_ok_and(same))
}

/// The row of one leg in the answer to a pair.
#[derive(Default)]
struct Slot<'a> {
    number: Option<&'a CompactString>,
    ambiguous: bool,
}

impl<'a> Slot<'a> {
    fn bind(&mut self, number: &'a CompactString) {
        self.ambiguous |= self.number.is_some_and(|bound| bound != number);
        self.number = Some(number);
    }
}

/// True where the answer names an order, and no other than this one.
fn is_named(order: &OrderRef, reply: &IdReply) -> bool {
    (reply.order_id.is_some() || reply.client_id.is_some()) && is_other(order, reply) != Some(true)
}

/// Whether an answer is about another order than the one it was asked for; `None` where it does not say.
fn is_other(order: &OrderRef, reply: &IdReply) -> Option<bool> {
    match OrderName::of(order) {
        OrderName::Venue(number) => reply.order_id.as_ref().map(|id| *id != number),
        OrderName::Client(id) => names(reply.client_id.as_ref(), &id.to_string()).map(|same| !same),
    }
}

/// What became of closing a position at the market, of either API. It carries no id of ours: what it did is read from
/// the position. Nothing done and nothing refused means that nothing was open.
#[must_use]
pub fn closed(symbol: &Symbol, answer: Answer<'_>) -> Outcome {
    let data = match opened(answer) {
        Ok(Success { data: Some(data), .. }) => data,
        Ok(Success { data: None, .. }) => return UNDECODABLE,
        Err(outcome) => return outcome,
    };
    let items: Vec<(ItemReply, bool)> = if let Ok(ListsReply { success_list: Some(done), failure_list: Some(failed) }) =
        object(data)
    {
        done.into_iter().map(|row| (row, true)).chain(failed.into_iter().map(|row| (row, false))).collect()
    } else {
        match rows_of::<ItemReply>(data) {
            Ok(rows) if rows.complete => {
                rows.rows.into_iter().map(|row| (row.failure().is_none(), row)).map(|(done, row)| (row, done)).collect()
            }
            Ok(_) | Err(_) => return UNDECODABLE,
        }
    };
    let of = |row: &ItemReply| row.symbol.as_deref().is_none_or(|of| of.eq_ignore_ascii_case(symbol.as_str()));
    if items.iter().any(|(row, done)| *done && of(row)) {
        return accepted(None);
    }
    match items.iter().find(|(row, _)| of(row)) {
        Some((row, _)) => row.failure().map_or(Outcome::Unknown(Cause::ServerError), |failure| failure.outcome()),
        None if items.is_empty() => {
            let message = "nothing was open".into();
            Outcome::Rejected(Reject { kind: RejectKind::NoPosition, code: 0, message })
        }
        None => UNDECODABLE,
    }
}

/// What became of a change of the leverage in the classic API: the answer has to show what was asked for (R35).
#[must_use]
pub fn leverage_set(call: &v2::SetLeverage, answer: Answer<'_>) -> Outcome {
    let reply = match success::<classic::LeverageReply>(answer) {
        Ok((reply, _)) => reply,
        Err(outcome) => return outcome,
    };
    let wanted = Some(i64::from(call.leverage));
    let shown = match call.margin {
        MarginMode::Cross => reply.crossed == wanted,
        MarginMode::Isolated => {
            let sides = [reply.long, reply.short];
            sides.contains(&wanted) && sides.iter().all(|side| side.is_none() || *side == wanted)
        }
    };
    let symbol = reply.symbol.as_deref().is_none_or(|of| of.eq_ignore_ascii_case(call.symbol.as_str()));
    let margin = reply.margin_mode.as_deref().is_none_or(|word| margin_mode_of(word) == Some(call.margin));
    if shown && symbol && margin { accepted(None) } else { UNDECODABLE }
}

/// What became of a change of the margin mode in the classic API.
#[must_use]
pub fn margin_set(call: &v2::SetMarginMode, answer: Answer<'_>) -> Outcome {
    match success::<classic::ModeReply>(answer) {
        Ok((reply, _)) if reply.margin_mode.as_deref().is_none_or(|word| margin_mode_of(word) == Some(call.margin)) => {
            accepted(None)
        }
        Ok(_) => UNDECODABLE,
        Err(outcome) => outcome,
    }
}

/// What became of a change of the position mode in the classic API.
#[must_use]
pub fn mode_set(call: &v2::SetPositionMode, answer: Answer<'_>) -> Outcome {
    let wanted = match call.mode {
        kraite_core::exchange::PositionMode::OneWay => HoldMode::OneWay,
        kraite_core::exchange::PositionMode::Hedge => HoldMode::Hedge,
    };
    match success::<classic::ModeReply>(answer) {
        Ok((reply, _)) if reply.hold_mode.as_ref().is_none_or(|mode| *mode == wanted) => accepted(None),
        Ok(_) => UNDECODABLE,
        Err(outcome) => outcome,
    }
}

/// What became of a change of leverage, margin or position mode in the unified API, which only says that it was done.
#[must_use]
pub fn setting_set(answer: Answer<'_>) -> Outcome {
    match opened(answer) {
        Ok(Success { data: Some(data), .. }) if data.get().eq_ignore_ascii_case("\"success\"") => accepted(None),
        Ok(_) => UNDECODABLE,
        Err(outcome) => outcome,
    }
}
