//! ORDER_TRADE_UPDATE and the reply to an order in one pass: they are on the way from a fill to its consequences.
//!
//! Takes the plain form in which the venue sends them and leaves everything else to the general reader: blanks between
//! values, escapes, fractions without quotes, nested values, a field that comes twice, a value that is wrong. So there
//! is one meaning of every text, and one place that says what is wrong with one.

use kraite_core::time::VenueMillis;

use super::frame::{OrderUpdate, OrderUpdateBody};
use super::reply::OrderReply;
use super::scalar::FromWire;
use super::word::{ExecutionType, OrderStatus, OrderType, PositionSide, SideWord};

/// More digits than this may not fit 64 bits without a sign, from where on a JSON reader sees a float.
const MAX_WHOLE: usize = 19;

/// Reads the frame, or leaves it to the general reader.
pub(super) fn order_update(text: &str) -> Option<OrderUpdate> {
    let mut scan = Scan::of(text)?;
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
            "S" => o.side = scan.once(&mut seen, 2)?.word(SideWord::of)?,
            "o" => o.kind = scan.once(&mut seen, 3)?.word(OrderType::of)?,
            "ot" => o.orig_type = scan.once(&mut seen, 4)?.word(OrderType::of)?,
            "q" => o.qty = scan.once(&mut seen, 5)?.wire()?,
            "p" => o.price = scan.once(&mut seen, 6)?.wire()?,
            "ap" => o.average_price = scan.once(&mut seen, 7)?.wire()?,
            "x" => o.execution = scan.once(&mut seen, 8)?.word(ExecutionType::of)?,
            "X" => o.status = scan.once(&mut seen, 9)?.word(OrderStatus::of)?,
            "i" => o.order_id = scan.once(&mut seen, 10)?.wire()?,
            "l" => o.last_qty = scan.once(&mut seen, 11)?.wire()?,
            "z" => o.executed_qty = scan.once(&mut seen, 12)?.wire()?,
            "L" => o.last_price = scan.once(&mut seen, 13)?.wire()?,
            "N" => o.fee_asset = scan.once(&mut seen, 14)?.wire()?,
            "n" => o.fee = scan.once(&mut seen, 15)?.wire()?,
            "t" => o.trade_id = scan.once(&mut seen, 16)?.wire()?,
            "m" => o.maker = scan.once(&mut seen, 17)?.truth()?,
            "R" => o.reduce_only = scan.once(&mut seen, 18)?.truth()?,
            "ps" => o.position_side = scan.once(&mut seen, 19)?.word(PositionSide::of)?,
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

/// Reads the reply to an order, or leaves it to the general reader.
pub(super) fn order_reply(text: &str) -> Option<OrderReply> {
    let mut scan = Scan::of(text)?;
    let mut o = OrderReply::default();
    let mut seen = 0u32;
    scan.object(|scan, key| {
        match key {
            "orderId" => o.order_id = scan.once(&mut seen, 0)?.wire()?,
            "clientOrderId" => o.client_order_id = scan.once(&mut seen, 1)?.wire()?,
            "symbol" => o.symbol = scan.once(&mut seen, 2)?.wire()?,
            "side" => o.side = scan.once(&mut seen, 3)?.word(SideWord::of)?,
            "positionSide" => o.position_side = scan.once(&mut seen, 4)?.word(PositionSide::of)?,
            "status" => o.status = scan.once(&mut seen, 5)?.word(OrderStatus::of)?,
            "type" => o.kind = scan.once(&mut seen, 6)?.word(OrderType::of)?,
            "origType" => o.orig_type = scan.once(&mut seen, 7)?.word(OrderType::of)?,
            "price" => o.price = scan.once(&mut seen, 8)?.wire()?,
            "origQty" => o.orig_qty = scan.once(&mut seen, 9)?.wire()?,
            "executedQty" => o.executed_qty = scan.once(&mut seen, 10)?.wire()?,
            "avgPrice" => o.avg_price = scan.once(&mut seen, 11)?.wire()?,
            "cumQuote" => o.cum_quote = scan.once(&mut seen, 12)?.wire()?,
            "reduceOnly" => o.reduce_only = scan.once(&mut seen, 13)?.truth()?,
            "closePosition" => o.close_position = scan.once(&mut seen, 14)?.truth()?,
            "time" => o.time = scan.once(&mut seen, 15)?.instant()?,
            "updateTime" => o.update_time = scan.once(&mut seen, 16)?.instant()?,
            _ => {
                scan.value()?;
            }
        }
        Some(())
    })?;
    (scan.at == text.len()).then_some(o)
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
    /// Of a text without escapes and without line breaks or other control characters.
    fn of(text: &'a str) -> Option<Self> {
        let is_plain = |plain, byte: &u8| plain & (*byte >= 0x20) & (*byte != b'\\');
        text.as_bytes().iter().fold(true, is_plain).then_some(Self { text, at: 0 })
    }

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
        let len = rest.iter().position(|byte| *byte == b'"')?;
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

    const FULL: &str = include_str!("../../tests/golden/frames/order_all_keys.json");
    const FILLED: &str = include_str!("../../tests/golden/frames/order_filled.json");
    const PLACED: &str = include_str!("../../tests/golden/replies/order_placed.json");
    const QUERIED: &str = include_str!("../../tests/golden/replies/order_queried.json");

    /// As the venue sends it: without blanks between values.
    fn compact(text: &str) -> String {
        let (mut quoted, mut kept) = (false, String::new());
        for letter in text.chars() {
            quoted ^= letter == '"';
            if quoted || !letter.is_whitespace() {
                kept.push(letter);
            }
        }
        kept
    }

    #[test]
    fn both_readers_read_the_venues_own_frames_alike() {
        for text in [FULL, FILLED, include_str!("../../tests/golden/frames/order_amended.json")] {
            let plain = order_update(text.trim()).expect("the plain form");
            assert_eq!(Some(plain), general(text));
        }
        for text in [PLACED, QUERIED] {
            let plain = order_reply(&compact(text)).expect("the plain form");
            assert_eq!(Some(plain), serde_json::from_str(text).ok());
        }
    }

    #[test]
    fn c09_what_the_plain_reader_takes_the_general_one_takes_for_the_same() {
        changed(&[FULL.trim(), FILLED.trim()], order_update);
        changed(&[&compact(PLACED), &compact(QUERIED)], order_reply);
    }

    /// Every change of a few bytes anywhere: what the plain reader takes, the general one takes for the same.
    fn changed<T>(texts: &[&str], read: impl Fn(&str) -> Option<T>)
    where
        T: serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
    {
        let mut taken = 0;
        let pieces = [
            "", "\"", "0", "-", "\\", "}", "{", ",", ":", "null", "true", "1.5", "\"\"", "01", "\"1e5\"", "[", " ",
            "é", "\u{1}",
        ];
        for text in texts {
            let places: Vec<usize> = (0..text.len()).filter(|at| text.is_char_boundary(*at)).collect();
            for from in places.iter().copied() {
                for len in [0, 1, 2, 5] {
                    let Some(rest) = text.get(from + len..) else { continue };
                    for piece in pieces {
                        let changed = format!("{}{piece}{rest}", &text[..from]);
                        if let Some(plain) = read(&changed) {
                            taken += 1;
                            assert_eq!(Some(plain), serde_json::from_str(&changed).ok(), "{changed}");
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
