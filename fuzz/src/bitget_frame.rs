//! Frames of the sockets of both APIs of Bitget: any bytes are a frame or none, mean the same twice and with blanks
//! between, and an order whose standing is not known is never taken for one that is.
//!
//! Frames are told apart by line breaks, which JSON has no need of.

use kraite_bitget::codec::frame::{Frame, FrameError};
use kraite_bitget::codec::{Events, Interpreter, MAX_LINKS, OrderStatus, PlanStatus};
use kraite_core::exchange::StreamEvent;
use serde_json::Value;

use crate::wire::within_memory;

/// Frames of one input that are read.
const MAX_FRAMES: usize = 64;
/// The channels whose rows are orders or plans, and the fields that say how those stand.
const STANDING: [(&str, &[&str]); 4] = [
    ("orders", &["status"]),
    ("orders-algo", &["status"]),
    ("order", &["orderStatus"]),
    ("strategy-order", &["status", "orderStatus"]),
];

/// What a frame becomes; the tests give some that are wrong.
type Take = fn(&mut Interpreter, &[u8]) -> (String, Events);

fn read(interpreter: &mut Interpreter, bytes: &[u8]) -> (Result<Frame, FrameError>, Events) {
    let frame = Frame::read(bytes);
    let events = frame.as_ref().map(|frame| interpreter.events(frame)).unwrap_or_default();
    (frame, events)
}

fn take(interpreter: &mut Interpreter, bytes: &[u8]) -> (String, Events) {
    let (frame, events) = read(interpreter, bytes);
    (format!("{frame:?}"), events)
}

fn is_known(word: &str) -> bool {
    !matches!(OrderStatus::of(word), OrderStatus::Other(_)) || !matches!(PlanStatus::of(word), PlanStatus::Other(_))
}

/// How many rows of a frame about orders say nothing known of how they stand, and how many there are; none where the
/// frame is no such one.
fn rows(text: &str) -> Option<(usize, usize)> {
    let frame: Value = serde_json::from_str(text).ok()?;
    let arg = frame.get("arg")?;
    let channel = arg.get("channel").or_else(|| arg.get("topic"))?.as_str()?;
    let (_, fields) = STANDING.iter().find(|(name, _)| *name == channel)?;
    let data = frame.get("data")?.as_array()?;
    let stands = |row: &&Value| fields.iter().filter_map(|field| row.get(field)?.as_str()).any(is_known);
    Some((data.iter().filter(|row| !stands(row)).count(), data.len()))
}

/// What no frame may make the core believe.
fn sane(events: &Events, from: &str) {
    for event in &events.events {
        if let StreamEvent::Order(report) = event {
            let trade = report.trade.as_ref();
            assert!(report.executed.is_none_or(|qty| !qty.is_negative()), "{report:?} from {from}");
            assert!(trade.is_none_or(|trade| trade.qty.is_positive() && trade.price.is_positive()), "{report:?}");
        }
        if let StreamEvent::Position(report) = event {
            assert!(!report.qty.is_negative(), "{report:?} from {from}");
        }
    }
}

fn judge(data: &[u8], take: Take) {
    let mut interpreter = Interpreter::new();
    for bytes in data.split(|byte| *byte == b'\n').take(MAX_FRAMES) {
        let mut again = interpreter.clone();
        let text = String::from_utf8_lossy(bytes);
        // Without the text that only this comparison needs.
        within_memory(bytes.len(), || drop(read(&mut interpreter.clone(), bytes)));
        let (frame, events) = take(&mut interpreter, bytes);
        assert_eq!(
            (&frame, &events),
            (&take(&mut again.clone(), bytes).0, &take(&mut again.clone(), bytes).1),
            "{text}"
        );
        if let Some(rest) = bytes.strip_prefix(b"{") {
            let (other, _) = take(&mut again, &[b"{ ", rest].concat());
            let refused = |frame: &str| frame.starts_with("Err");
            assert!(refused(&frame) && refused(&other) || frame == other, "{frame} or {other}: {text}");
        }
        sane(&events, &text);
        if let Some((unknown, all)) = rows(&text) {
            let orders = events.events.iter().filter(|event| matches!(event, StreamEvent::Order(_))).count();
            assert!(unknown < all || orders == 0, "{unknown} of {all} rows are not known: {events:?} from {text}");
        }
        assert!(interpreter.links().len() <= MAX_LINKS);
    }
}

/// Reads the lines of an input as the frames of one stream.
///
/// # Panics
///
/// When a frame means two things, an order of unknown standing becomes an event, or reading takes more memory than the
/// frame's size explains.
pub fn bitget_frame(data: &[u8]) {
    judge(data, take);
}

/// How many events an input comes to.
#[cfg(test)]
pub(crate) fn events_in(data: &[u8]) -> usize {
    let mut interpreter = Interpreter::new();
    data.split(|byte| *byte == b'\n').map(|bytes| take(&mut interpreter, bytes).1.events.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a standing that it does not know for the end of the order.
    fn unknown_is_dead(interpreter: &mut Interpreter, bytes: &[u8]) -> (String, Events) {
        let text = String::from_utf8_lossy(bytes).replace("\"paused\"", "\"cancelled\"");
        take(interpreter, text.as_bytes())
    }

    /// Counts what it has read into what it reads.
    fn remembers(interpreter: &mut Interpreter, bytes: &[u8]) -> (String, Events) {
        use std::sync::atomic::{AtomicU64, Ordering};
        static READ: AtomicU64 = AtomicU64::new(0);
        let (frame, events) = take(interpreter, bytes);
        (format!("{frame} {}", READ.fetch_add(1, Ordering::Relaxed)), events)
    }

    #[test]
    fn mutant_a_reader_of_both_generations_that_guesses_or_remembers_is_caught() {
        let seeds = crate::tests::seeds_of("bitget_frame");
        let wrong: [(&str, Take); 2] = [("unknown is dead", unknown_is_dead), ("remembers", remembers)];
        for (name, take) in wrong {
            let caught = seeds.iter().any(|(_, seed)| std::panic::catch_unwind(|| judge(seed, take)).is_err());
            assert!(caught, "{name}");
        }
    }
}
