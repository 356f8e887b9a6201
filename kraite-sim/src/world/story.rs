//! What crossed the wire, in a few words each.

use kraite_core::engine::{Answer, InputKind, Request};
use kraite_core::exchange::{Lookup, Outcome, StreamEvent};

pub(super) fn brief(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted(_) => "accepted".into(),
        Outcome::Rejected(reject) => format!("rejected: {:?} {}", reject.kind, reject.message),
        Outcome::Unknown(cause) => format!("unknown: {cause:?}"),
    }
}

pub(super) fn brief_input(kind: &InputKind) -> String {
    match kind {
        InputKind::Outcome(sent, outcome) => format!("{sent:?} {}", brief(outcome)),
        InputKind::Answer(answer) => format!("answer {}", brief_answer(answer)),
        InputKind::Push(event) => brief_event(event),
        InputKind::Started | InputKind::Deadline => format!("{kind:?}"),
        InputKind::Command(id, _) => format!("command {}", id.0),
    }
}

pub(super) fn brief_request(request: &Request) -> String {
    match request {
        Request::Place(order) => format!("place {:?} {:?} {:?}", order.id, order.side, order.shape),
        Request::PlacePair(pair) => {
            format!(
                "pair stop {:?} at {}, target {:?} at {}",
                pair.stop.id, pair.stop.trigger, pair.target.id, pair.target.trigger
            )
        }
        Request::Amend(change, n) => format!("amend #{n} {:?} to {} x {}", change.order.id, change.qty, change.price),
        Request::Cancel(order) => format!("cancel {:?} {:?}", order.id, order.venue_id),
        Request::SetMarginMode(..) | Request::SetLeverage(..) | Request::ClosePosition(..) => format!("{request:?}"),
    }
}

pub(super) fn brief_answer(answer: &Answer) -> String {
    match answer {
        Answer::Lookup(order, endpoint, Ok(reading)) => match &reading.value {
            Lookup::Found(reports) => format!(
                "lookup {:?} on {endpoint:?}: {:?}",
                order.id,
                reports.iter().map(|r| (r.status, r.executed)).collect::<Vec<_>>()
            ),
            other => format!("lookup {:?} on {endpoint:?}: {other:?} sent {}", order.id, reading.sent_at.0),
        },
        Answer::OpenOrders(_, Ok(reading)) | Answer::AllOpenOrders(Ok(reading)) => {
            format!("{} open orders", reading.value.len())
        }
        Answer::History(_, _, Ok(reading)) => format!("{} orders in history", reading.value.len()),
        Answer::Positions(Ok(reading)) => {
            format!("positions {:?}", reading.value.iter().map(|p| (p.direction, p.qty)).collect::<Vec<_>>())
        }
        Answer::Books(_, _, _, Ok(reading)) => {
            format!("books of {} trades and {} payments", reading.value.trades.len(), reading.value.funding.len())
        }
        Answer::Rules(symbol, Ok(rules)) => {
            format!("rules of {symbol}: tick {}, lot {}, at least {}", rules.tick, rules.lot, rules.min_notional)
        }
        other => format!("{other:?}"),
    }
}

pub(super) fn brief_event(event: &StreamEvent) -> String {
    match event {
        StreamEvent::Order(r) => {
            format!("{:?} {:?} executed {:?} trade {:?}", r.id, r.status, r.executed, r.trade.as_ref().map(|t| t.qty))
        }
        StreamEvent::Position(p) => format!("position {:?} {}", p.direction, p.qty),
        other => format!("{other:?}"),
    }
}
