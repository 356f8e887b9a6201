//! How single values are read: decimals from their text alone, integers of 64 bits, booleans in both spellings.
//!
//! A decimal that arrives as a JSON number with a fraction has been, or would be, a float: it is refused, and with
//! it the message. Nothing here ever holds one.

use std::fmt;
use std::marker::PhantomData;

use compact_str::{CompactString, format_compact};
use kraite_core::number::{Factor, Notional, Price, Qty};
use kraite_core::time::VenueMillis;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// What a text on the wire stands for.
pub trait FromWire: Sized {
    /// The value of a text that is not empty.
    ///
    /// # Errors
    ///
    /// Why it is none.
    fn from_wire(text: &str) -> Result<Self, CompactString>;

    /// The value of a whole number without quotes; `None` leaves it to its text.
    #[inline]
    fn from_whole(_: i64) -> Option<Self> {
        None
    }
}

macro_rules! from_wire {
    ($($name:ident)*) => {
        $(impl FromWire for $name {
            #[inline]
            fn from_wire(text: &str) -> Result<Self, CompactString> {
                if let Some(exact) = small_decimal(text).and_then(|(units, scale)| Self::from_units(units, scale)) {
                    return Ok(exact);
                }
                text.parse().map_err(|error| format_compact!("{error}"))
            }

            fn from_whole(whole: i64) -> Option<Self> {
                Self::from_units(whole, 0)
            }
        })*
    };
}

from_wire! { Price Qty Notional Factor }

impl FromWire for i64 {
    #[inline]
    fn from_wire(text: &str) -> Result<Self, CompactString> {
        text.parse().map_err(|_| format_compact!("not a whole number of 64 bits"))
    }

    fn from_whole(whole: i64) -> Option<Self> {
        Some(whole)
    }
}

impl FromWire for CompactString {
    #[inline]
    fn from_wire(text: &str) -> Result<Self, CompactString> {
        Ok(Self::new(text))
    }
}

/// A plain decimal of up to 18 digits as units and scale; `None` leaves it to the core's own reader, which takes the
/// same texts for the same values and more, and says why it refuses one.
#[inline]
fn small_decimal(text: &str) -> Option<(i64, u32)> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.len() > 19 {
        return None;
    }
    let (mut units, mut point) = (0i64, None);
    for (at, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => units = units.checked_mul(10)?.checked_add(i64::from(*byte - b'0'))?,
            b'.' if point.is_none() && at > 0 && at + 1 < digits.len() => point = Some(at),
            _ => return None,
        }
    }
    if digits.is_empty() || (negative && units == 0) {
        return None;
    }
    let scale = point.map_or(0, |at| digits.len() - at - 1);
    Some((if negative { -units } else { units }, u32::try_from(scale).ok()?))
}

/// A value that may be missing, `null` or empty, and is read from text or from a whole number.
struct FromText<T> {
    what: &'static str,
    holds: PhantomData<T>,
}

impl<T: FromWire> Visitor<'_> for FromText<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<T>, E> {
        if text.is_empty() {
            return Ok(None);
        }
        T::from_wire(text).map(Some).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, whole: i64) -> Result<Option<T>, E> {
        match T::from_whole(whole) {
            Some(value) => Ok(Some(value)),
            None => T::from_wire(&format_compact!("{whole}")).map(Some).map_err(E::custom),
        }
    }

    fn visit_u64<E: Error>(self, whole: u64) -> Result<Option<T>, E> {
        match i64::try_from(whole) {
            Ok(whole) => self.visit_i64(whole),
            Err(_) => T::from_wire(&format_compact!("{whole}")).map(Some).map_err(E::custom),
        }
    }

    fn visit_f64<E: Error>(self, float: f64) -> Result<Option<T>, E> {
        Err(E::invalid_type(Unexpected::Float(float), &self))
    }

    fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_none<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }
}

/// A decimal: text, or a whole JSON number. Missing, `null` and `""` are `None`; fractions without quotes are refused.
///
/// # Errors
///
/// That of the deserializer where it is something else.
pub fn decimal<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromWire,
{
    from.deserialize_any(FromText { what: "a decimal in quotes", holds: PhantomData })
}

/// A whole number of 64 bits, in quotes or not.
///
/// # Errors
///
/// That of the deserializer where it is something else.
pub fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    from.deserialize_any(FromText { what: "a whole number of 64 bits", holds: PhantomData })
}

/// An instant of the venue's clock.
///
/// # Errors
///
/// That of the deserializer where it is something else.
pub fn instant<'de, D: Deserializer<'de>>(from: D) -> Result<Option<VenueMillis>, D::Error> {
    whole(from).map(|at| at.map(VenueMillis))
}

/// A text, or a number kept as the text it was sent as; missing, `null` and `""` are `None`.
///
/// # Errors
///
/// That of the deserializer where it is something else.
pub fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<CompactString>, D::Error> {
    from.deserialize_any(FromText { what: "a text", holds: PhantomData })
}

/// A word that may be missing, `null` or empty.
///
/// # Errors
///
/// That of the deserializer where it is something else.
pub fn word<'de, D: Deserializer<'de>, T: FromWire>(from: D) -> Result<Option<T>, D::Error> {
    from.deserialize_any(FromText { what: "a word", holds: PhantomData })
}

struct Truth;

impl Visitor<'_> for Truth {
    type Value = Option<bool>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true or false, in quotes or not")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Option<bool>, E> {
        Ok(Some(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<bool>, E> {
        match text {
            "true" | "TRUE" => Ok(Some(true)),
            "false" | "FALSE" => Ok(Some(false)),
            "" => Ok(None),
            other => Err(E::invalid_value(Unexpected::Str(other), &self)),
        }
    }

    fn visit_unit<E: Error>(self) -> Result<Option<bool>, E> {
        Ok(None)
    }

    fn visit_none<E: Error>(self) -> Result<Option<bool>, E> {
        Ok(None)
    }
}

/// A boolean, in quotes or not.
///
/// # Errors
///
/// That of the deserializer where it is something else.
pub fn truth<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    from.deserialize_any(Truth)
}

/// A list that may be missing or `null`.
///
/// # Errors
///
/// That of the deserializer where it is something else.
pub fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Option::<Vec<T>>::deserialize(from).map(Option::unwrap_or_default)
}

/// A list that may be missing or `null`, where that is not the same as empty.
///
/// # Errors
///
/// That of the deserializer where it is something else.
pub fn some_list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Vec<T>>, D::Error> {
    Option::deserialize(from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kraite_core::number::Price;

    #[derive(Debug, Deserialize)]
    struct Row {
        #[serde(default, deserialize_with = "decimal")]
        p: Option<Price>,
        #[serde(default, deserialize_with = "whole")]
        i: Option<i64>,
        #[serde(default, deserialize_with = "truth")]
        b: Option<bool>,
        #[serde(default, deserialize_with = "text")]
        t: Option<CompactString>,
    }

    fn read(json: &str) -> Result<Row, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn r22_decimals_come_from_their_text_and_never_from_a_float() {
        // 2^53 + 1 and 20 digits: both change when they pass through a float.
        for text in ["9007199254740993.1", "0.12345678901234567891", "0.3713000", "-45.04000000"] {
            let price = read(&format!(r#"{{"p":"{text}"}}"#)).unwrap().p.unwrap();
            assert_eq!(price, text.parse().unwrap());
        }
        assert_eq!(read(r#"{"p":42088}"#).unwrap().p, "42088".parse().ok());
        assert_eq!(read(r#"{"p":9007199254740993}"#).unwrap().p, "9007199254740993".parse().ok());
        for empty in [r#"{}"#, r#"{"p":null}"#, r#"{"p":""}"#] {
            assert_eq!(read(empty).unwrap().p, None);
        }
        for bad in [r#"{"p":0.5}"#, r#"{"p":1e3}"#, r#"{"p":"1e3"}"#, r#"{"p":"NaN"}"#, r#"{"p":[]}"#, r#"{"p":true}"#]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
        let huge = format!(r#"{{"p":"{}"}}"#, "9".repeat(4_000));
        assert!(read(&huge).is_err());
    }

    #[test]
    fn r22_the_short_way_reads_what_the_core_reads() {
        let mut taken = 0;
        let parts = ["", "-", "0", "00", "7", "10", "123456789", "9223372036854775807", ".", "e", " ", "+", "9"];
        for a in parts {
            for b in parts {
                for c in parts {
                    for d in parts {
                        let text = format!("{a}{b}{c}{d}");
                        let Some((units, scale)) = small_decimal(&text) else { continue };
                        taken += 1;
                        let core: Price = text.parse().unwrap();
                        let short = Price::from_units(units, scale).unwrap();
                        assert_eq!((short, short.to_string()), (core, core.to_string()), "{text}");
                    }
                }
            }
        }
        assert!(taken > 1_000, "{taken}");
    }

    #[test]
    fn ids_reach_the_end_of_64_bits() {
        for (text, id) in [
            ("9223372036854775807", i64::MAX),
            ("8389765530121592356", 8_389_765_530_121_592_356),
            ("9007199254740993", 9_007_199_254_740_993),
        ] {
            assert_eq!(read(&format!(r#"{{"i":{text}}}"#)).unwrap().i, Some(id));
            assert_eq!(read(&format!(r#"{{"i":"{text}"}}"#)).unwrap().i, Some(id));
        }
        for bad in ["9223372036854775808", "1.5", "1e30", "\"x\""] {
            assert!(read(&format!(r#"{{"i":{bad}}}"#)).is_err(), "{bad}");
        }
    }

    #[test]
    fn booleans_and_texts_come_in_both_spellings() {
        assert_eq!(read(r#"{"b":true}"#).unwrap().b, Some(true));
        assert_eq!(read(r#"{"b":"false"}"#).unwrap().b, Some(false));
        assert_eq!(read(r#"{"b":null}"#).unwrap().b, None);
        assert!(read(r#"{"b":1}"#).is_err());
        assert_eq!(read(r#"{"t":200}"#).unwrap().t.as_deref(), Some("200"));
        assert_eq!(read(r#"{"t":"200"}"#).unwrap().t.as_deref(), Some("200"));
        assert_eq!(read(r#"{"t":"\u4e2d\/"}"#).unwrap().t.as_deref(), Some("中/"));
    }
}
