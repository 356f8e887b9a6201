//! What inputs, events and orders are called when people are told about them.

use kraite_core::engine::{
    Adjustment, Alert, Answer, Command, CommandId, CommandRefusal, Event, InputKind, OpenRequest, Query, Request, Sent,
    Setup,
};
use kraite_core::exchange::{
    Books, Cause, Direction, Endpoint, Lookup, OrderReport, OrderShape, Outcome, ReadError, Reading, Reject,
    RejectKind, ReportStatus, ReportedId, Side, StreamEvent, TriggerBy, TriggerSize, VenueCause,
};
use kraite_core::id::{ClientOrderId, Role};
use kraite_core::order::{Life, Order, Terminal};
use kraite_core::position::{PhaseEvent, Why};
use kraite_core::sizing::Ladder;

use crate::live::intake::RECOVERED_IDS;

/// A count and what is counted.
pub(crate) fn many(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// The first word of a `Debug` text: the name of a variant.
pub(crate) fn name(debug: &impl std::fmt::Debug) -> String {
    let text = format!("{debug:?}");
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// An input in a few words, for lists.
pub(crate) fn input(input: &InputKind) -> String {
    match input {
        InputKind::Started => "process started".into(),
        InputKind::Deadline => "deadline".into(),
        InputKind::Command(id, command) => format!("command {} {}", id.0, name(command)),
        InputKind::Outcome(sent, outcome) => format!("outcome of {}: {}", name(sent), name(outcome)),
        InputKind::Answer(answer) => format!("answer to {}", name(answer)),
        InputKind::Push(event) => format!("push {}", name(event)),
    }
}

/// An event in a few words, for lists.
pub(crate) fn event(event: &Event) -> String {
    match event {
        Event::Moved { position, on, why } => format!("position {position}: {on:?} ({why:?})"),
        Event::Intended { id, .. } => format!("intended {} {id}", id.role()),
        Event::OutcomeNoted { id } | Event::Merged { id } | Event::ProvenAbsent { id } | Event::Superseded { id } => {
            format!("{} {} {id}", name(event), id.role())
        }
        Event::CancelIntended { id, .. } => format!("cancel intended {} {id}", id.role()),
        other => name(other),
    }
}

/// What a request asks of the venue.
pub(crate) fn request(request: &Request) -> String {
    match request {
        Request::Place(order) => {
            let at = order.shape.price().map_or_else(|| "the market".to_owned(), |price| price.to_string());
            let qty = order.shape.qty().map_or_else(|| "everything".to_owned(), |qty| qty.to_string());
            format!("sending {}: {qty} at {at}", order.id.role())
        }
        Request::PlacePair(pair) => {
            format!("sending stop {} and target {} in one call", pair.stop.trigger, pair.target.trigger)
        }
        Request::Amend(change, _) => format!("amending to {} at {}", change.qty, change.price),
        Request::Cancel(order) => format!("cancelling {}", order.id.role()),
        Request::SetMarginMode(_, _, mode) => format!("setting margin mode {mode:?}"),
        Request::SetLeverage(_, _, leverage) => format!("setting leverage {leverage}x"),
        Request::ClosePosition(..) => "closing the whole position: less than a lot is left".into(),
    }
}

/// What a query asks the venue for.
pub(crate) fn query(query: &Query) -> String {
    match query {
        Query::Lookup(order, _) => format!("looking up {}", order.id.role()),
        Query::OpenOrders(symbol) => format!("reading the open orders of {symbol}"),
        Query::AllOpenOrders => "reading all open orders".into(),
        Query::Positions => "reading all positions".into(),
        Query::History(symbol, _) => format!("reading past orders of {symbol}"),
        Query::Mark(symbol) => format!("reading the mark of {symbol}"),
        Query::Rules(symbol) => format!("reading the rules of {symbol}"),
        Query::Books(symbol, ..) => format!("reading fees and funding of {symbol}"),
    }
}

/// An order by its role, and which one of it where there was more than one.
pub(crate) fn order(id: ClientOrderId) -> String {
    let key = id.key();
    let (revision, attempt) = (key.logical.revision.get(), key.attempt.get());
    match (revision, attempt) {
        (0, 0) => key.logical.role.to_string(),
        (_, 0) => format!("{} (revision {revision})", key.logical.role),
        (0, _) => format!("{} (attempt {attempt})", key.logical.role),
        _ => format!("{} (revision {revision}, attempt {attempt})", key.logical.role),
    }
}

/// [`order`] as a sentence has it.
fn the(id: ClientOrderId) -> String {
    match id.role() {
        Role::Rung(_) => order(id),
        _ => format!("the {}", order(id)),
    }
}

/// Long or short, as tables have it.
pub(crate) const fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Long => "LONG",
        Direction::Short => "SHORT",
    }
}

/// What an order does, and when.
pub(crate) fn shape(side: Side, shape: &OrderShape) -> String {
    let verb = match side {
        Side::Buy => "buys",
        Side::Sell => "sells",
    };
    let watched = |by: &TriggerBy| match by {
        TriggerBy::Mark => "mark",
        TriggerBy::Last => "last",
    };
    let size = |size: &TriggerSize| match size {
        TriggerSize::Qty(qty) => qty.to_string(),
        TriggerSize::ClosePosition => "everything".to_owned(),
    };
    match shape {
        OrderShape::Market { qty } => format!("{verb} {qty} at the market"),
        OrderShape::Limit { price, qty } => format!("{verb} {qty} at {price}"),
        OrderShape::StopMarket { trigger, by, size: much }
        | OrderShape::TakeProfitMarket { trigger, by, size: much } => {
            format!("{verb} {} at the market once the {} price is {trigger}", size(much), watched(by))
        }
    }
}

/// Entry, rungs, stop, target and leverage of a sized ladder.
pub(crate) fn ladder(ladder: &Ladder) -> String {
    format!("{}, leverage {}x", ladder_orders(ladder), ladder.leverage)
}

/// Entry, rungs, stop and target of a ladder.
pub(crate) fn ladder_orders(ladder: &Ladder) -> String {
    let rungs: Vec<String> = ladder.rungs.iter().map(|rung| format!("{} at {}", rung.qty, rung.price)).collect();
    let rungs = if rungs.is_empty() { "none".to_owned() } else { rungs.join(", ") };
    format!(
        "entry {} at about {}, rungs {rungs}, target {}, stop {}",
        ladder.entry.qty, ladder.entry.reference_price, ladder.target, ladder.stop
    )
}

/// True for a command that stands for one that a lost journal has taken with it.
pub(crate) const fn is_recovered(id: CommandId) -> bool {
    id.0 >= RECOVERED_IDS
}

/// What a user asked for.
pub(crate) fn wish(request: &OpenRequest) -> String {
    format!("{} {}", request.instrument.symbol, direction(request.spec.direction))
}

/// Where an order stands.
pub(crate) const fn life(life: Life) -> &'static str {
    match life {
        Life::Planned => "not sent",
        Life::PendingNew => "sent, not answered",
        Life::InDoubt => "in doubt",
        Life::Working => "open",
        Life::PendingAmend => "open, an amendment not answered",
        Life::PendingCancel => "open, a cancellation not answered",
        Life::Triggered => "triggered",
        Life::Done(Terminal::Refused) => "refused",
        Life::Done(Terminal::Absent) => "proven never to have arrived",
        Life::Done(Terminal::Vanished) => "gone from every list",
        Life::Done(Terminal::Rejected) => "rejected by the venue",
        Life::Done(Terminal::Cancelled) => "cancelled",
        Life::Done(Terminal::Expired) => "expired",
        Life::Done(Terminal::Filled) => "filled",
    }
}

/// What changed of an order from before an event to after it; nothing where nothing can be seen.
pub(crate) fn change(before: Option<&Order>, after: &Order) -> String {
    let mut told = Vec::new();
    if before.is_none_or(|before| before.life != after.life) {
        told.push(match before {
            Some(before) => format!("{} (before: {})", life(after.life), life(before.life)),
            None => life(after.life).to_owned(),
        });
    }
    let executed = |order: &Order| order.executed_qty();
    if before.map(executed).unwrap_or_default() != executed(after) {
        let done = after.executed();
        let average = done.cost.filter(|_| done.qty.is_positive()).and_then(|cost| cost.checked_div_qty(done.qty).ok());
        let price = average.map_or_else(|| " at a price not told yet".to_owned(), |price| format!(" at {price}"));
        let of = after.shape.qty().filter(|qty| *qty != done.qty).map_or_else(String::new, |qty| format!(" of {qty}"));
        told.push(format!("{}{of} executed{price}", done.qty));
    }
    let named = |order: &Order| order.exchange_order_id().map(ToString::to_string);
    if let Some(id) = named(after).filter(|_| before.and_then(named).is_none()) {
        told.push(format!("the venue calls it {id}"));
    }
    let stated = |order: &Order| (order.stated_price(), order.stated_qty());
    if before.is_some_and(|before| stated(before) != stated(after) && before.exchange_order_id().is_some()) {
        let (price, qty) = stated(after);
        let word = |value: Option<String>| value.unwrap_or_else(|| "unsaid".to_owned());
        let (price, qty) = (price.map(|p| p.to_string()), qty.map(|q| q.to_string()));
        told.push(format!("the venue states price {} and quantity {}", word(price), word(qty)));
    }
    told.join("; ")
}

/// What caused a record, as the end of a sentence that says "because".
pub(crate) fn cause(input: &InputKind) -> String {
    match input {
        InputKind::Started => "the process started".into(),
        InputKind::Deadline => "an instant came that the engine had set itself".into(),
        InputKind::Command(id, Command::Open(request)) if is_recovered(*id) => {
            format!("kraite recover found {} at the exchange", wish(request))
        }
        InputKind::Command(id, Command::Halt) if is_recovered(*id) => "kraite recover halts what it rebuilt".into(),
        InputKind::Command(id, Command::Open(request)) => format!("command {} asked to open {}", id.0, wish(request)),
        InputKind::Command(id, Command::Adopt(request, held)) => {
            format!("command {} asked to take over {} at {} on {}", id.0, held.qty, held.price, wish(request))
        }
        InputKind::Command(id, Command::Close(no)) => format!("command {} asked to close position {no}", id.0),
        InputKind::Command(id, Command::Halt) => format!("command {} asked to halt new exposure", id.0),
        InputKind::Command(id, Command::Resume) => format!("command {} asked to resume", id.0),
        InputKind::Command(id, Command::Adjust(no, what)) => {
            format!("command {} asked for position {no} to {}", id.0, adjustment(what))
        }
        InputKind::Outcome(sent, outcome) => outcome_of(sent, outcome),
        InputKind::Answer(answer) => answered(answer),
        InputKind::Push(event) => pushed(event),
    }
}

fn outcome_of(sent: &Sent, outcome: &Outcome) -> String {
    let what = match sent {
        Sent::Place(id) => the(*id),
        Sent::Amend(id, number) => format!("amendment {number} of {}", the(*id)),
        Sent::Cancel(id, None) => format!("the cancellation of {}", the(*id)),
        Sent::Cancel(id, Some(object)) => format!("the cancellation of object {object} under {}", the(*id)),
        Sent::Setup(_, setup) => format!("the {}", setting(*setup)),
        Sent::ClosePosition(position) => format!("the close of all of position {position}"),
    };
    match outcome {
        Outcome::Accepted(_) => format!("the venue accepted {what}"),
        Outcome::Rejected(reject) if reject.kind == RejectKind::NotSent => format!("the request for {what} never left"),
        Outcome::Rejected(reject) => format!("the venue refused {what}: {}", refusal(reject)),
        Outcome::Unknown(cause) => format!("it is unknown what became of {what}: {}", unknown(*cause)),
    }
}

/// A setting of the contract.
pub(crate) const fn setting(setup: Setup) -> &'static str {
    match setup {
        Setup::MarginMode => "margin mode",
        Setup::Leverage => "leverage",
    }
}

fn refusal(reject: &Reject) -> String {
    let words = if reject.message.is_empty() { String::new() } else { format!(", {}", reject.message) };
    format!("{} (code {}{words})", reject_kind(reject.kind), reject.code)
}

/// Why something was refused.
pub(crate) const fn reject_kind(kind: RejectKind) -> &'static str {
    match kind {
        RejectKind::NotSent => "it never left",
        RejectKind::RateLimited => "a rate limit",
        RejectKind::ClockSkew => "the timestamp was outside the window",
        RejectKind::WouldTrigger => "it would trigger at once",
        RejectKind::NoPosition => "there is no position yet",
        RejectKind::ReduceOnly => "it would close more than is open",
        RejectKind::AlreadyExists => "there is one of this kind already",
        RejectKind::UnknownOrder => "no such order is open",
        RejectKind::ChangePending => "another change of it is running",
        RejectKind::Filter => "a rule of the contract",
        RejectKind::Margin => "not enough margin",
        RejectKind::OrderLimit => "too many open orders",
        RejectKind::Account => "the account's configuration",
        RejectKind::Other => "another reason",
        RejectKind::PriceBand => "too far from the market",
    }
}

const fn unknown(cause: Cause) -> &'static str {
    match cause {
        Cause::Timeout => "no answer came in time",
        Cause::Disconnected => "the connection broke",
        Cause::ServerError => "the venue does not know itself",
        Cause::Undecodable => "the answer cannot be read",
        Cause::DuplicateId => "an order with this id exists",
        Cause::Interrupted => "the process ended before the answer",
    }
}

fn answered(answer: &Answer) -> String {
    match answer {
        Answer::Lookup(order_ref, endpoint, result) => {
            let place = match endpoint {
                Endpoint::Order => "by its id",
                Endpoint::OpenOrders => "among the open orders",
                Endpoint::History => "in the history",
                Endpoint::Positions => "among the positions",
                Endpoint::Fills => "among the trades",
                Endpoint::Other => "elsewhere",
            };
            let name = the(order_ref.id);
            match result.as_ref().map(|reading| &reading.value) {
                Ok(Lookup::Found(reports)) => {
                    let seen: Vec<String> = reports.iter().map(seen).collect();
                    format!("{name} was looked up {place} and found: {}", seen.join(", "))
                }
                Ok(Lookup::NotFound) => format!("{name} was looked up {place} and not found"),
                Ok(Lookup::Unknowable) => {
                    format!("{name} was looked up {place}, which does not know that long ago")
                }
                Err(error) => format!("{name} could not be looked up {place}: {error}"),
            }
        }
        Answer::OpenOrders(symbol, result) => list(&format!("the open orders of {symbol}"), result),
        Answer::AllOpenOrders(result) => list("the open orders of every contract", result),
        Answer::History(symbol, _, result) => list(&format!("the orders of {symbol} of late"), result),
        Answer::Positions(Ok(reading)) => {
            let open = reading.value.iter().filter(|report| report.qty.is_positive());
            let open: Vec<String> = open
                .map(|report| format!("{} {} {}", report.qty, report.symbol, direction(report.direction)))
                .collect();
            let open = if open.is_empty() { "none is open".to_owned() } else { open.join(", ") };
            format!("the positions were read: {open}")
        }
        Answer::Positions(Err(error)) => format!("the positions could not be read: {error}"),
        Answer::Mark(_, Ok(mark)) => format!("the mark of {} was read: {}", mark.symbol, mark.price),
        Answer::Mark(symbol, Err(error)) => format!("the mark of {symbol} could not be read: {error}"),
        Answer::Rules(symbol, Ok(_)) => format!("the rules of {symbol} were read"),
        Answer::Rules(symbol, Err(error)) => format!("the rules of {symbol} could not be read: {error}"),
        Answer::Books(symbol, .., Ok(reading)) => {
            let Books { trades, funding } = &reading.value;
            let part = if reading.complete { "" } else { ", in part" };
            let (trades, funding) = (trades.len(), funding.len());
            format!("the books of {symbol} were read{part}: {trades} trades, {funding} funding payments")
        }
        Answer::Books(symbol, .., Err(error)) => format!("the books of {symbol} could not be read: {error}"),
    }
}

fn list(what: &str, result: &Result<Reading<Vec<OrderReport>>, ReadError>) -> String {
    match result {
        Ok(reading) => {
            let part = if reading.complete { "" } else { ", in part" };
            format!("{what} were read{part}: {} there", reading.value.len())
        }
        Err(error) => format!("{what} could not be read: {error}"),
    }
}

fn seen(report: &OrderReport) -> String {
    let status = match report.status {
        ReportStatus::New => "open",
        ReportStatus::PartiallyFilled => "partly filled",
        ReportStatus::Triggered => "triggered",
        ReportStatus::Rejected => "rejected",
        ReportStatus::Cancelled => "cancelled",
        ReportStatus::Expired => "expired",
        ReportStatus::Filled => "filled",
    };
    match report.executed.filter(|qty| qty.is_positive()) {
        Some(qty) => format!("{status}, {qty} executed"),
        None => status.to_owned(),
    }
}

fn pushed(event: &StreamEvent) -> String {
    match event {
        StreamEvent::Connected => "the account stream came up".into(),
        StreamEvent::Disconnected => "the account stream broke".into(),
        StreamEvent::Order(report) => {
            let whose = match &report.id {
                ReportedId::Ours(id) => the(*id),
                ReportedId::Venue(VenueCause::Liquidation) => "a liquidation by the venue".into(),
                ReportedId::Venue(VenueCause::AutoDeleverage) => "an auto-deleverage by the venue".into(),
                ReportedId::Venue(VenueCause::Settlement) => "a settlement by the venue".into(),
                ReportedId::Foreign(id) => format!("order {id} of somebody else"),
            };
            format!("the account stream told of {whose}: {}", seen(report))
        }
        StreamEvent::Position(report) => {
            format!("the account stream told of {} {} {}", report.qty, report.symbol, direction(report.direction))
        }
        StreamEvent::Mark(mark) => format!("the mark of {} moved to {}", mark.symbol, mark.price),
        StreamEvent::Funding { symbol, amount, .. } => format!("funding of {amount} was booked on {symbol}"),
    }
}

/// Why a position left the state it wanted to be in.
pub(crate) const fn why(why: Why) -> &'static str {
    match why {
        Why::Planned => "as planned",
        Why::Command => "a user asked",
        Why::TargetFilled => "the target filled",
        Why::StopFilled => "the stop filled",
        Why::StopFailed => "the stop triggered and could not take everything off",
        Why::StopWouldTrigger => "the price is beyond the stop already",
        Why::StopRefused => "the stop was refused for good",
        Why::Unprotected => "too long without a stop",
        Why::External => "the exposure left without an order of ours",
        Why::EntryRefused => "the entry was refused",
        Why::EntryEmpty => "the entry filled nothing",
        Why::NotClear => "the venue shows a position or an order on the contract already",
        Why::StaleMark => "the mark is too old",
        Why::PlanRefused => "the ladder no longer fits the rules at the fresh mark",
        Why::SetupRefused => "the contract could not be set up",
        Why::OpeningOverdue => "it stayed in its first state for too long",
        Why::LateFill => "a fill was told late",
        Why::Unproven => "it could not be proven flat and clean in time",
        Why::TargetRefused => "the target was refused for good",
        Why::Halted => "new exposure is halted",
        Why::Limited => "a limit stands against it",
        Why::HandedBack => "a user took it back",
    }
}

/// What happened to a position.
pub(crate) const fn phase_event(on: PhaseEvent) -> &'static str {
    match on {
        PhaseEvent::Admitted => "it is admitted, the opening begins",
        PhaseEvent::Abandoned => "the opening is given up",
        PhaseEvent::Activated => "every order of the plan is in place, it is active",
        PhaseEvent::CloseBegan => "its closing begins",
        PhaseEvent::ExposureFound => "exposure turned up after the end, it is being closed",
        PhaseEvent::Finished => "it is finished: flat, and no order is left",
        PhaseEvent::Unproven => "it could not be proven flat and clean in time, a human must look",
    }
}

/// What a notice is about.
pub(crate) const fn alert(alert: Alert) -> &'static str {
    match alert {
        Alert::Unprotected => "exposure without an accepted stop",
        Alert::EmergencyClose => "too long without a stop, it is being closed",
        Alert::RungDropped => "a rung is left out for good",
        Alert::StopRefused => "the stop was refused for good",
        Alert::WireDuplicate => "the wire doubled a request, the excess is taken off",
        Alert::Mismatch => "an order under our id is not what we asked for",
        Alert::Unknowable => "the venue cannot say any more what became of an order",
        Alert::ProofBroken => "an order believed gone turned up",
        Alert::ForeignExposure => "the venue shows more than our fills explain",
        Alert::ExternalClose => "exposure left without an order of ours",
        Alert::OpeningRefused => "the opening was given up",
        Alert::NeedsAttention => "a human must look",
        Alert::Unproven => "the closing could not be completed in time",
        Alert::Invariant => "an invariant does not hold",
        Alert::TargetRefused => "the target is refused again and again, the stop stands",
        Alert::RungHeld => "a rung is too far from the market and is held",
        Alert::RungWithheld => "a rung is withheld while new exposure is halted or a limit stands against it",
        Alert::HandedBack => "what was open was handed back, and no order of ours protects it",
    }
}

/// Why a command was refused.
pub(crate) fn command_refusal(refusal: &CommandRefusal) -> String {
    match refusal {
        CommandRefusal::SymbolBusy(no) => format!("position {no} on the contract is not finished"),
        CommandRefusal::Plan(refusal) => refusal.message.clone(),
        CommandRefusal::StaleMark => "the mark is too old".into(),
        CommandRefusal::NoSuchPosition(no) => format!("there is no position {no}, or it is finished"),
        CommandRefusal::Quarantined => "the venue shows orders of ours that the journal cannot explain".into(),
        CommandRefusal::NumbersExhausted => "all position numbers are used up".into(),
        CommandRefusal::Halted => "new exposure is halted".into(),
        CommandRefusal::Limit(limit) => limit.to_string(),
        CommandRefusal::Adoption(why) => format!("nothing is taken over: {why}"),
        CommandRefusal::Adjustment(no, why) => format!("position {no} stays as it is: {why}"),
    }
}

/// What a change by hand asks for, after "to".
pub(crate) fn adjustment(what: &Adjustment) -> String {
    match what {
        Adjustment::MoveStop { trigger, .. } => format!("move its stop to {trigger}"),
        Adjustment::ClosePart(qty) => format!("close a part of {qty}"),
        Adjustment::DropRung(rung) => format!("leave out rung {rung}"),
        Adjustment::Retarget(profit) => format!("aim {profit} % past its basis"),
        Adjustment::HoldTarget => "hold its target where it is".into(),
        Adjustment::ReleaseTarget => "price its target from the average entry again".into(),
        Adjustment::AddRung { price, qty, .. } => format!("add a rung of {qty} at {price}"),
        Adjustment::HandBack => "take our orders off and hand back what is open".into(),
    }
}
