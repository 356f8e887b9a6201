//! Parameters of one request: the query of a reading, the JSON body of everything else.

use std::fmt::Display;

use compact_str::{CompactString, ToCompactString};
use kraite_wire::percent_encode;

/// A value of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParamValue {
    /// A text, a word, a decimal, a number: all of them are texts here.
    Text(CompactString),
    /// Rows of a batch; only a body has these.
    List(Vec<Params>),
}

/// The parameters of one request. Never holds a secret: the signature travels in a header.
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
        self.0.push((name, ParamValue::Text(value.to_compact_string())));
    }

    /// Adds one if there is one.
    pub fn push_some(&mut self, name: &'static str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.push(name, value);
        }
    }

    /// Adds rows.
    pub fn push_list(&mut self, name: &'static str, rows: Vec<Self>) {
        self.0.push((name, ParamValue::List(rows)));
    }

    /// The parameters, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[(&'static str, ParamValue)] {
        &self.0
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `name=value&…`, percent-encoded and in alphabetical order: the one order that both generations were shown to
    /// take.
    #[must_use]
    pub fn query(&self) -> String {
        let mut pairs: Vec<(&str, &str)> = Vec::with_capacity(self.0.len());
        for (name, value) in &self.0 {
            if let ParamValue::Text(text) = value {
                pairs.push((name, text));
            }
        }
        pairs.sort_unstable();
        let mut text = String::with_capacity(self.0.len().saturating_mul(24));
        for (at, (name, value)) in pairs.into_iter().enumerate() {
            if at > 0 {
                text.push('&');
            }
            text.push_str(name);
            text.push('=');
            percent_encode(value, &mut text);
        }
        text
    }

    /// The JSON object of these, every value a text.
    #[must_use]
    pub fn json(&self) -> String {
        let mut text = String::with_capacity(self.0.len().saturating_mul(32));
        self.add_json(&mut text);
        text
    }

    fn add_json(&self, into: &mut String) {
        into.push('{');
        for (at, (name, value)) in self.0.iter().enumerate() {
            into.push_str(if at > 0 { ",\"" } else { "\"" });
            into.push_str(name);
            into.push_str("\":");
            match value {
                ParamValue::Text(text) => add_quoted(text, into),
                ParamValue::List(rows) => add_rows(rows, into),
            }
        }
        into.push('}');
    }
}

/// The JSON array of these.
pub(crate) fn json_rows(rows: &[Params]) -> String {
    let mut text = String::with_capacity(rows.len().saturating_mul(256));
    add_rows(rows, &mut text);
    text
}

fn add_rows(rows: &[Params], into: &mut String) {
    into.push('[');
    for (at, row) in rows.iter().enumerate() {
        if at > 0 {
            into.push(',');
        }
        row.add_json(into);
    }
    into.push(']');
}

fn add_quoted(text: &str, into: &mut String) {
    into.push_str(&serde_json::Value::String(text.to_owned()).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_care_is_encoded_and_queries_are_in_order() {
        let mut params = Params::new();
        params.push("symbol", "币安USDT");
        params.push("id", "a/b:c-1_2.3");
        params.push_some("none", None::<&str>);
        assert_eq!(params.query(), "id=a%2Fb%3Ac-1_2.3&symbol=%E5%B8%81%E5%AE%89USDT");
        let mut row = Params::new();
        row.push("q", "\"\\\n");
        params.push_list("list", vec![row.clone(), row.clone()]);
        assert_eq!(params.json(), r#"{"symbol":"币安USDT","id":"a/b:c-1_2.3","list":[{"q":"\"\\\n"},{"q":"\"\\\n"}]}"#);
        assert_eq!(json_rows(&[row.clone(), row]), r#"[{"q":"\"\\\n"},{"q":"\"\\\n"}]"#);
        assert_eq!(json_rows(&[]), "[]");
    }
}
