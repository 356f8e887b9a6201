//! Parameters: the query string of a GET, the JSON body of a POST. Words are read in any case.

use std::str::FromStr;

use serde_json::{Map, Value};

use super::errors::Problem;
use super::text::decoded;

/// The parameters of a request, or of one item of a list in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Params(Value);

impl Params {
    /// Of a request; a body that is no JSON is refused.
    pub(super) fn read(method: &str, query: &str, body: &str) -> Result<Self, Problem> {
        if method != "GET" {
            let body: Value = if body.is_empty() { Value::Object(Map::new()) } else { parsed(body)? };
            return Ok(Self(body));
        }
        let mut all = Map::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            all.insert(decoded(name), decoded(value).into());
        }
        Ok(Self(Value::Object(all)))
    }

    /// Of a JSON value.
    pub(super) const fn of(value: Value) -> Self {
        Self(value)
    }

    /// The items of a bare list.
    pub(super) fn items(&self) -> Result<Vec<Self>, Problem> {
        self.0.as_array().map(|rows| rows.iter().cloned().map(Self).collect()).ok_or_else(|| Problem::of(40_017))
    }

    /// The items of a list in it; nothing where there is none.
    pub(super) fn list(&self, name: &str) -> Vec<Self> {
        self.0[name].as_array().map_or(Vec::new(), |rows| rows.iter().cloned().map(Self).collect())
    }

    /// This with what `outer` says where it says nothing itself.
    pub(super) fn within(&self, outer: &Self, names: &[&str]) -> Self {
        let mut all = self.0.clone();
        if let Some(fields) = all.as_object_mut() {
            for name in names {
                if !outer.0[*name].is_null() && !fields.contains_key(*name) {
                    fields.insert((*name).to_owned(), outer.0[*name].clone());
                }
            }
        }
        Self(all)
    }

    /// A parameter that may be missing; an empty one counts as missing, and a number as its text.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        match &self.0[name] {
            Value::Null => None,
            Value::String(text) => (!text.is_empty()).then(|| text.clone()),
            other => Some(other.to_string()),
        }
    }

    /// A parameter that must be there.
    pub(super) fn need(&self, name: &str) -> Result<String, Problem> {
        self.get(name).ok_or_else(|| Problem::missing(name))
    }

    /// A word in lower case that may be missing.
    pub(super) fn word(&self, name: &str) -> Option<String> {
        self.get(name).map(|word| word.to_ascii_lowercase())
    }

    /// A parameter of some form that may be missing.
    pub(super) fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, Problem> {
        self.get(name).map(|text| text.parse().map_err(|_| Problem::odd(name))).transpose()
    }

    /// `yes` or `no`, in any case; no where it is missing.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.word(name).as_deref() {
            None | Some("no" | "false") => Ok(false),
            Some("yes" | "true") => Ok(true),
            Some(_) => Err(Problem::odd(name)),
        }
    }
}

fn parsed(body: &str) -> Result<Value, Problem> {
    serde_json::from_str(body).map_err(|_| Problem::saying(40_017, "Parameter verification failed: not JSON"))
}
