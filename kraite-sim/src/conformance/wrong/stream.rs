//! What is streamed wrongly.

use futures_util::stream::{BoxStream, StreamExt as _};
use kraite_core::exchange::{OrderReport, ReportedId, StreamEvent};

use super::writes::next_attempt;
use super::{Wrong, WrongExchange};

/// The stream with one thing wrong.
pub(super) fn wrong(events: BoxStream<'static, StreamEvent>, wrong: Wrong) -> BoxStream<'static, StreamEvent> {
    let mut connected = false;
    events
        .filter_map(move |event| {
            let told = match event {
                StreamEvent::Connected => {
                    let again = std::mem::replace(&mut connected, true);
                    let hidden = wrong == Wrong::NeverConnects || (wrong == Wrong::SwallowsReconnects && again);
                    (!hidden).then_some(StreamEvent::Connected)
                }
                StreamEvent::Order(report) => order(report, wrong).map(StreamEvent::Order),
                StreamEvent::Position(_) if wrong == Wrong::HidesPositions => None,
                event => Some(event),
            };
            std::future::ready(told)
        })
        .boxed()
}

fn order(mut report: OrderReport, wrong: Wrong) -> Option<OrderReport> {
    match wrong {
        Wrong::DropsFills if report.trade.is_some() => return None,
        Wrong::DropsEnds if report.status.is_terminal() => return None,
        Wrong::StreamsAnotherId => {
            if let ReportedId::Ours(id) = report.id {
                report.id = ReportedId::Ours(next_attempt(id));
            }
        }
        Wrong::TradeIsTotal => {
            if let (Some(trade), Some(executed)) = (report.trade.as_mut(), report.executed) {
                trade.qty = executed;
            }
        }
        _ => {}
    }
    WrongExchange::row(wrong, report)
}
