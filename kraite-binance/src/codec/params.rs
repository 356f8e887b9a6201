//! Parameters of one request, in the order in which they are sent and signed.

use std::fmt::{Display, Write as _};

use kraite_wire::percent_encode;

/// A value as the WebSocket API wants it: there, whole numbers are JSON numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParamValue {
    /// A text, a word, a decimal, a boolean.
    Text(String),
    /// A whole number.
    Whole(i64),
}

impl Display for ParamValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Whole(whole) => Display::fmt(whole, f),
        }
    }
}

/// The parameters of one request. Never holds a secret: a signature is added to the text that is sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Params(Vec<(&'static str, ParamValue)>);

impl Params {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds one that is sent as it displays.
    pub fn push(&mut self, name: &'static str, value: impl Display) {
        self.0.push((name, ParamValue::Text(value.to_string())));
    }

    /// Adds a whole number.
    pub fn push_whole(&mut self, name: &'static str, value: i64) {
        self.0.push((name, ParamValue::Whole(value)));
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
    #[must_use]
    pub fn as_slice(&self) -> &[(&'static str, ParamValue)] {
        &self.0
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `name=value&…`, percent-encoded: a query string and a form are the same text.
    #[must_use]
    pub fn encoded(&self) -> String {
        let mut text = String::with_capacity(self.0.len().saturating_mul(24));
        for (at, (name, value)) in self.0.iter().enumerate() {
            if at > 0 {
                text.push('&');
            }
            text.push_str(name);
            text.push('=');
            match value {
                ParamValue::Text(value) => percent_encode(value, &mut text),
                ParamValue::Whole(value) => {
                    // Writing to a string does not fail.
                    let _ = write!(text, "{value}");
                }
            }
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
