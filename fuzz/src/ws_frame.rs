//! Frames of the streams: any bytes are a frame or none, mean the same twice, and a word that is not known is never
//! taken for one that is.
//!
//! Frames are told apart by line breaks, which JSON has no need of.

use kraite_binance::codec::frame::{Frame, FrameError};
use kraite_binance::codec::{
    AlgoStatus, Events, ExecutionType, Interpreter, MAX_LINKS, OrderStatus, PositionSide, SideWord,
};
use kraite_core::exchange::StreamEvent;

use crate::wire::{Fields, text_of, within_memory};

/// Frames of one input that are read.
const MAX_FRAMES: usize = 64;
/// Events that the codec has a use for, or answers apart.
const KNOWN_EVENTS: [&str; 7] = [
    "ORDER_TRADE_UPDATE",
    "ALGO_UPDATE",
    "ACCOUNT_UPDATE",
    "TRADE_LITE",
    "MARGIN_CALL",
    "listenKeyExpired",
    "markPriceUpdate",
];

/// Why a frame that names its event twice is refused.
const TWICE: &str = "duplicate field `e`";
/// A frame whose event has no letters.
const UNNAMED: &str = "Ok(Other(\"\"))";

/// What a frame becomes; the tests give some that are wrong.
type Take = fn(&mut Interpreter, &[u8]) -> (String, Events);

fn shown(frame: &Result<Frame, FrameError>) -> String {
    format!("{frame:?}")
}

fn take(interpreter: &mut Interpreter, bytes: &[u8]) -> (String, Events) {
    let frame = Frame::read(bytes);
    let events = frame.as_ref().map(|frame| interpreter.events(frame)).unwrap_or_default();
    (shown(&frame), events)
}

/// The words of a payload that the codec does not know, by field; none where the payload cannot be told by its fields
/// alone, as where one comes twice.
fn unknown_words(text: &str) -> Vec<String> {
    let mut unknown = Vec::new();
    let Some(frame) = Fields::of(text) else { return unknown };
    let word = |name: &str, of: &Fields<'_>| of.get(name).and_then(text_of).filter(|word| !word.is_empty());
    let Some(event) = word("e", &frame) else { return unknown };
    if !KNOWN_EVENTS.contains(&event.as_str()) {
        unknown.push(event);
        return unknown;
    }
    let Some(order) = frame.get("o").and_then(|order| Fields::of(order.get())) else { return unknown };
    let mut look = |name: &str, known: &dyn Fn(&str) -> bool| {
        unknown.extend(word(name, &order).filter(|word| !known(word)));
    };
    look("S", &|word| SideWord::KNOWN.iter().any(|known| known.as_str() == word));
    look("ps", &|word| PositionSide::KNOWN.iter().any(|known| known.as_str() == word));
    if event == "ORDER_TRADE_UPDATE" {
        look("X", &|word| OrderStatus::KNOWN.iter().any(|known| known.as_str() == word));
        look("x", &|word| ExecutionType::KNOWN.iter().any(|known| known.as_str() == word));
    }
    if event == "ALGO_UPDATE" {
        look("X", &|word| AlgoStatus::KNOWN.iter().any(|known| known.as_str() == word));
    }
    unknown
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

/// A frame with a blank at its beginning means the same: there are two readers for order updates, and one meaning.
fn spaced(bytes: &[u8]) -> Option<Vec<u8>> {
    let rest = bytes.strip_prefix(b"{")?;
    Some([b"{ ", rest].concat())
}

fn judge(data: &[u8], take: Take) {
    let mut interpreter = Interpreter::new();
    for bytes in data.split(|byte| *byte == b'\n').take(MAX_FRAMES) {
        let mut again = interpreter.clone();
        let text = String::from_utf8_lossy(bytes);
        let (frame, events) = within_memory(bytes.len(), || take(&mut interpreter, bytes));
        let (frame_again, events_again) = take(&mut again, bytes);
        assert_eq!((&frame, &events), (&frame_again, &events_again), "{text}");
        if let Some(spaced) = spaced(bytes) {
            let (other, other_events) = take(&mut again, &spaced);
            let refused = |frame: &str| frame.starts_with("Err");
            // An event that is named twice, or with no letters, is told apart by where it stands; no venue sends either.
            if !other.contains(TWICE) && frame != UNNAMED {
                assert!(refused(&frame) && refused(&other) || frame == other, "{frame} or {other}: {text}");
                assert_eq!(events.skipped, other_events.skipped, "{text}");
            }
        }
        sane(&events, &text);
        let unknown = unknown_words(&text);
        assert!(unknown.is_empty() || events.events.is_empty(), "{unknown:?} became {events:?}");
        assert!(interpreter.links().len() <= MAX_LINKS);
    }
}

/// Reads the lines of an input as the frames of one stream.
///
/// # Panics
///
/// When a frame means two things, an unknown word becomes an event, or reading takes more memory than the frame's
/// size explains.
pub fn ws_frame(data: &[u8]) {
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

    /// Takes a status that it does not know for the end of the order.
    fn unknown_is_dead(interpreter: &mut Interpreter, bytes: &[u8]) -> (String, Events) {
        let text = String::from_utf8_lossy(bytes);
        let words = unknown_words(&text);
        let known = words.iter().fold(text.clone().into_owned(), |text, word| text.replace(word.as_str(), "CANCELED"));
        take(interpreter, known.as_bytes())
    }

    /// Counts what it has read into what it reads.
    fn remembers(interpreter: &mut Interpreter, bytes: &[u8]) -> (String, Events) {
        use std::sync::atomic::{AtomicU64, Ordering};
        static READ: AtomicU64 = AtomicU64::new(0);
        let (frame, events) = take(interpreter, bytes);
        (format!("{frame} {}", READ.fetch_add(1, Ordering::Relaxed)), events)
    }

    #[test]
    fn mutant_a_reader_that_guesses_or_remembers_is_caught() {
        let seeds = crate::tests::seeds_of("ws_frame");
        let wrong: [(&str, Take); 2] = [("unknown is dead", unknown_is_dead), ("remembers", remembers)];
        for (name, take) in wrong {
            let caught = seeds.iter().any(|(_, seed)| std::panic::catch_unwind(|| judge(seed, take)).is_err());
            assert!(caught, "{name}");
        }
    }
}
