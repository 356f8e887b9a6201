//! Parameters, wherever a client put them: the query string, a form body, or both.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::errors::Problem;
use super::text::decoded;

/// The decoded parameters of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Params(BTreeMap<String, String>);

impl Params {
    /// From the bytes of query string and body; where both have a name, the query's value counts.
    pub(super) fn read(query: &str, body: &str) -> Self {
        let mut all = BTreeMap::new();
        for part in [body, query] {
            for pair in part.split('&').filter(|pair| !pair.is_empty()) {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                all.insert(decoded(name), decoded(value));
            }
        }
        Self(all)
    }

    /// From names and values.
    pub(super) fn of(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    /// A parameter that may be missing; an empty one counts as missing.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A parameter that must be there.
    pub(super) fn need(&self, name: &str) -> Result<&str, Problem> {
        self.get(name).ok_or_else(|| Problem::malformed(name))
    }

    /// A parameter of some form that may be missing.
    pub(super) fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, Problem> {
        self.get(name).map(|text| text.parse().map_err(|_| Problem::malformed(name))).transpose()
    }

    /// A number in its plain form that may be missing. Other forms (`.5`, `1e-5`, `+5`) are refused in the venue's
    /// words.
    pub(super) fn decimal<T: FromStr>(&self, name: &str) -> Result<Option<T>, Problem> {
        let illegal = || {
            let range = r"^([0-9]{1,20})(\.[0-9]{1,20})?$";
            Problem::saying(-1100, format!("Illegal characters found in parameter '{name}'; legal range is '{range}'."))
        };
        self.get(name).map(|text| text.parse().map_err(|_| illegal())).transpose()
    }

    /// `true` or `false` in any case; false where it is missing.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::malformed(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_query_and_body_counts_from_the_query_and_escapes_are_decoded() {
        let params = Params::read("symbol=BTCUSDT&x=%5B1%2C2%5D&e=", "symbol=ETHUSDT&price=1+2&odd=%zz");
        assert_eq!(params.get("symbol"), Some("BTCUSDT"));
        assert_eq!(params.get("x"), Some("[1,2]"));
        assert_eq!((params.get("price"), params.get("odd"), params.get("e")), (Some("1 2"), Some("%zz"), None));
    }
}
