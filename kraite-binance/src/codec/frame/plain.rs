//! ORDER_TRADE_UPDATE in one pass: this frame is on the way from a fill to its consequences.
//!
//! Takes the plain form in which the venue sends it and leaves everything else to the general reader: blanks between
//! values, escapes, fractions without quotes, nested values, a field that comes twice, a value that is wrong. So there
//! is one meaning of every frame, and one place that says what is wrong with one.

use kraite_core::time::VenueMillis;

use super::order::{OrderUpdate, OrderUpdateBody};
use crate::codec::scalar::FromWire;

/// More digits than this may not fit 64 bits without a sign, from where on a JSON reader sees a float.
const MAX_WHOLE: usize = 19;

/// Reads the frame, or leaves it to the general reader.
pub(super) fn order_update(text: &str) -> Option<OrderUpdate> {
    let mut scan = Scan { text, at: 0 };
    let (mut event_at, mut at, mut order) = (None, None, None);
    let mut seen = 0u32;
    scan.object(|scan, key| {
        match key {
            "E" => event_at = scan.once(&mut seen, 0)?.instant()?,
            "T" => at = scan.once(&mut seen, 1)?.instant()?,
            "o" if order.is_none() => order = Some(body(scan)?),
            "o" => return None,
            _ => {
                scan.value()?;
            }
        }
        Some(())
    })?;
    if scan.at != text.len() {
        return None;
    }
    Some(OrderUpdate { event_at, at, order: order? })
}

fn body(scan: &mut Scan<'_>) -> Option<OrderUpdateBody> {
    let mut o = OrderUpdateBody::default();
    let mut seen = 0u32;
    scan.object(|scan, key| {
        match key {
            "s" => o.symbol = scan.once(&mut seen, 0)?.wire()?,
            "c" => o.client_id = scan.once(&mut seen, 1)?.wire()?,
            "S" => o.side = scan.once(&mut seen, 2)?.word(crate::codec::SideWord::of)?,
            "o" => o.kind = scan.once(&mut seen, 3)?.word(crate::codec::OrderType::of)?,
            "ot" => o.orig_type = scan.once(&mut seen, 4)?.word(crate::codec::OrderType::of)?,
            "q" => o.qty = scan.once(&mut seen, 5)?.wire()?,
            "p" => o.price = scan.once(&mut seen, 6)?.wire()?,
            "ap" => o.average_price = scan.once(&mut seen, 7)?.wire()?,
            "x" => o.execution = scan.once(&mut seen, 8)?.word(crate::codec::ExecutionType::of)?,
            "X" => o.status = scan.once(&mut seen, 9)?.word(crate::codec::OrderStatus::of)?,
            "i" => o.order_id = scan.once(&mut seen, 10)?.wire()?,
            "l" => o.last_qty = scan.once(&mut seen, 11)?.wire()?,
            "z" => o.executed_qty = scan.once(&mut seen, 12)?.wire()?,
            "L" => o.last_price = scan.once(&mut seen, 13)?.wire()?,
            "N" => o.fee_asset = scan.once(&mut seen, 14)?.wire()?,
            "n" => o.fee = scan.once(&mut seen, 15)?.wire()?,
            "t" => o.trade_id = scan.once(&mut seen, 16)?.wire()?,
            "m" => o.maker = scan.once(&mut seen, 17)?.truth()?,
            "R" => o.reduce_only = scan.once(&mut seen, 18)?.truth()?,
            "ps" => o.position_side = scan.once(&mut seen, 19)?.word(crate::codec::PositionSide::of)?,
            "cp" => o.close_position = scan.once(&mut seen, 20)?.truth()?,
            "er" => o.expiry_reason = scan.once(&mut seen, 21)?.wire()?,
            _ => {
                scan.value()?;
            }
        }
        Some(())
    })?;
    Some(o)
}

/// A value without parts.
enum Value<'a> {
    Text(&'a str),
    Whole(&'a str),
    Truth(bool),
    Null,
}

impl Value<'_> {
    /// As `scalar::decimal`, `scalar::whole` and `scalar::text` read it.
    fn wire<T: FromWire>(self) -> Option<Option<T>> {
        match self {
            Self::Text("") | Self::Null => Some(None),
            Self::Text(text) | Self::Whole(text) => T::from_wire(text).ok().map(Some),
            Self::Truth(_) => None,
        }
    }

    fn instant(self) -> Option<Option<VenueMillis>> {
        self.wire().map(|at| at.map(VenueMillis))
    }

    fn word<T>(self, of: impl Fn(&str) -> T) -> Option<Option<T>> {
        match self {
            Self::Text(text) => Some(Some(of(text))),
            Self::Null => Some(None),
            Self::Whole(_) | Self::Truth(_) => None,
        }
    }

    /// In quotes it is left to the general reader.
    fn truth(self) -> Option<Option<bool>> {
        match self {
            Self::Truth(value) => Some(Some(value)),
            Self::Null => Some(None),
            Self::Text(_) | Self::Whole(_) => None,
        }
    }
}

/// A place in a frame.
struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    /// An object of at least one field; `field` reads the value of each.
    fn object(&mut self, mut field: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.take(b'{')?;
        loop {
            let key = self.string()?;
            self.take(b':')?;
            field(self, key)?;
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let from = self.at;
        let rest = self.text.as_bytes().get(from..)?;
        let len = rest.iter().position(|byte| *byte == b'"' || *byte == b'\\' || *byte < 0x20)?;
        if rest.get(len) != Some(&b'"') {
            return None;
        }
        self.at = from + len + 1;
        self.text.get(from..from + len)
    }

    /// The value of a field that has not come before.
    fn once(&mut self, seen: &mut u32, bit: u32) -> Option<Value<'a>> {
        let mask = 1 << bit;
        if *seen & mask != 0 {
            return None;
        }
        *seen |= mask;
        self.value()
    }

    fn value(&mut self) -> Option<Value<'a>> {
        match self.peek()? {
            b'"' => self.string().map(Value::Text),
            b'0'..=b'9' => self.whole().map(Value::Whole),
            b't' => self.literal("true").map(|()| Value::Truth(true)),
            b'f' => self.literal("false").map(|()| Value::Truth(false)),
            b'n' => self.literal("null").map(|()| Value::Null),
            _ => None,
        }
    }

    fn literal(&mut self, word: &str) -> Option<()> {
        self.text.get(self.at..)?.starts_with(word).then(|| self.at += word.len())
    }

    /// A whole number without a sign; what follows it must end it.
    fn whole(&mut self) -> Option<&'a str> {
        let rest = self.text.get(self.at..)?;
        let len = rest.bytes().position(|byte| !byte.is_ascii_digit())?;
        let digits = rest.get(..len)?;
        let ends = matches!(rest.as_bytes().get(len), Some(b',' | b'}'));
        if !ends || len > MAX_WHOLE || (len > 1 && digits.starts_with('0')) {
            return None;
        }
        self.at += len;
        Some(digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn general(text: &str) -> Option<OrderUpdate> {
        serde_json::from_str(text).ok()
    }

    const FULL: &str = include_str!("../../../tests/golden/frames/order_all_keys.json");
    const FILLED: &str = include_str!("../../../tests/golden/frames/order_filled.json");

    #[test]
    fn both_readers_read_the_venues_own_frames_alike() {
        for text in [FULL, FILLED, include_str!("../../../tests/golden/frames/order_amended.json")] {
            let plain = order_update(text.trim()).expect("the plain form");
            assert_eq!(Some(plain), general(text));
        }
    }

    #[test]
    fn c09_what_the_plain_reader_takes_the_general_one_takes_for_the_same() {
        let mut taken = 0;
        let pieces = [
            "", "\"", "0", "-", "\\", "}", "{", ",", ":", "null", "true", "1.5", "\"\"", "01", "\"1e5\"", "[", " ",
            "é", "\u{1}",
        ];
        for text in [FULL.trim(), FILLED.trim()] {
            let places: Vec<usize> = (0..text.len()).filter(|at| text.is_char_boundary(*at)).collect();
            for from in places.iter().copied() {
                for len in [0, 1, 2, 5] {
                    let Some(rest) = text.get(from + len..) else { continue };
                    for piece in pieces {
                        let changed = format!("{}{piece}{rest}", &text[..from]);
                        if let Some(plain) = order_update(&changed) {
                            taken += 1;
                            assert_eq!(Some(plain), general(&changed), "{changed}");
                        }
                    }
                }
            }
        }
        assert!(taken > 1_000, "{taken}");
    }

    #[test]
    fn c09_a_field_that_comes_twice_is_left_to_the_general_reader() {
        for (from, to) in [(r#""z":"20""#, r#""z":"20","z":"30""#), (r#""o":{"#, r#""o":{"s":"A"},"o":{"#)] {
            let twice = FILLED.trim().replace(from, to);
            assert_ne!(twice, FILLED.trim());
            assert_eq!((order_update(&twice), general(&twice)), (None, None));
        }
        // Blanks: rare, and not refused. The ids of some contracts have 19 digits: those are common.
        let long = FILLED.trim().replace("246411433", "9223372036854775807");
        let blank = long.replace("\"t\":", "\"t\": ");
        assert_eq!((order_update(&blank), general(&blank)), (None, order_update(&long)));
        assert_eq!(order_update(&long).and_then(|update| update.order.order_id), Some(i64::MAX));
        for beyond in ["9223372036854775808", "9999999999999999999", "10000000000000000000"] {
            let text = FILLED.trim().replace("246411433", beyond);
            assert_eq!((order_update(&text), general(&text)), (None, None), "{beyond}");
        }
    }
}
