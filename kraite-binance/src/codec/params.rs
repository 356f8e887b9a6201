//! Parameters of one request, in the order in which they are sent and signed.

use std::fmt::{Display, Write as _};

use kraite_wire::percent_encode;

/// A value as the WebSocket API wants it: there, whole numbers are JSON numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamValue<'a> {
    /// A text, a word, a decimal, a boolean.
    Text(&'a str),
    /// A whole number, in digits.
    Whole(&'a str),
}

impl<'a> ParamValue<'a> {
    /// As it is sent, before it is encoded.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        match self {
            Self::Text(text) | Self::Whole(text) => text,
        }
    }
}

/// The parameters of one request. Never holds a secret: a signature is added to the text that is sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Params {
    /// All values, one after the other.
    text: String,
    fields: Vec<Field>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    name: &'static str,
    /// Where its value ends, and the next one begins.
    end: usize,
    whole: bool,
}

impl Params {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        // A request has about a dozen.
        Self { text: String::with_capacity(160), fields: Vec::with_capacity(14) }
    }

    /// Adds one that is sent as it displays.
    pub fn push(&mut self, name: &'static str, value: impl Display) {
        self.add(name, value, false);
    }

    /// Adds a whole number.
    pub fn push_whole(&mut self, name: &'static str, value: i64) {
        self.add(name, value, true);
    }

    fn add(&mut self, name: &'static str, value: impl Display, whole: bool) {
        // Writing to a string does not fail.
        let _ = write!(self.text, "{value}");
        self.fields.push(Field { name, end: self.text.len(), whole });
    }

    /// Adds one if there is one.
    pub fn push_some(&mut self, name: &'static str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.push(name, value);
        }
    }

    /// Adds a whole number if there is one.
    pub fn push_some_whole(&mut self, name: &'static str, value: Option<i64>) {
        if let Some(value) = value {
            self.push_whole(name, value);
        }
    }

    /// The parameters, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, ParamValue<'_>)> {
        let mut from = 0;
        self.fields.iter().map(move |field| {
            let value = self.text.get(from..field.end).unwrap_or_default();
            from = field.end;
            (field.name, if field.whole { ParamValue::Whole(value) } else { ParamValue::Text(value) })
        })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// `name=value&…`, percent-encoded: a query string and a form are the same text.
    #[must_use]
    pub fn encoded(&self) -> String {
        // With room for a signature.
        let names = self.fields.len().saturating_mul(18);
        let mut text = String::with_capacity(self.text.len().saturating_add(names).saturating_add(80));
        for (at, (name, value)) in self.iter().enumerate() {
            if at > 0 {
                text.push('&');
            }
            text.push_str(name);
            text.push('=');
            percent_encode(value.as_str(), &mut text);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_care_is_percent_encoded() {
        let mut params = Params::new();
        params.push("symbol", "币安USDT");
        params.push("id", "a/b:c-1_2.3");
        params.push("list", r#"["a","b"]"#);
        params.push_whole("timestamp", 7);
        params.push_some("none", None::<&str>);
        assert_eq!(
            params.encoded(),
            "symbol=%E5%B8%81%E5%AE%89USDT&id=a%2Fb%3Ac-1_2.3&list=%5B%22a%22%2C%22b%22%5D&timestamp=7"
        );
    }
}
