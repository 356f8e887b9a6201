//! Leverage brackets, as in "Binance USD-M, Notional and Leverage Brackets" (`/fapi/v1/leverageBracket`).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;

use kraite_core::id::Symbol;
use kraite_core::instrument::LeverageBracket;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::RulesError;

/// The leverage brackets of every contract, each list by notional cap ascending.
pub type Brackets = BTreeMap<Symbol, Vec<LeverageBracket>>;

#[derive(Deserialize)]
struct Contract<'a> {
    #[serde(borrow)]
    symbol: Cow<'a, str>,
    #[serde(borrow)]
    brackets: Vec<Row<'a>>,
}

/// Numbers are kept as their text: a ratio of 0.0065 must not pass through a float.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    initial_leverage: u32,
    #[serde(borrow)]
    notional_cap: &'a RawValue,
    #[serde(borrow)]
    notional_floor: &'a RawValue,
    #[serde(borrow)]
    maint_margin_ratio: &'a RawValue,
    #[serde(borrow)]
    cum: &'a RawValue,
}

fn exact<T: FromStr>(symbol: &str, field: &'static str, raw: &RawValue) -> Result<T, RulesError>
where
    T::Err: ToString,
{
    raw.get().trim_matches('"').parse().map_err(|error: T::Err| RulesError::Field {
        symbol: symbol.to_owned(),
        field,
        reason: error.to_string(),
    })
}

/// Reads the body of a leverageBracket answer: a list, or one contract alone where it was asked for alone.
///
/// # Errors
///
/// [`RulesError`] when it is not that JSON, a number cannot be held exactly, or a bracket cannot be.
pub fn read_brackets(body: &str) -> Result<Brackets, RulesError> {
    let not_json = RulesError::not_json("leverageBracket");
    let contracts: Vec<Contract<'_>> = if body.trim_ascii_start().starts_with('{') {
        vec![serde_json::from_str(body).map_err(not_json)?]
    } else {
        serde_json::from_str(body).map_err(not_json)?
    };
    let mut all = Brackets::new();
    for contract in contracts {
        let of = contract.symbol.as_ref();
        let mut rows = Vec::with_capacity(contract.brackets.len());
        for row in &contract.brackets {
            let row = LeverageBracket {
                max_leverage: row.initial_leverage,
                notional_floor: exact(of, "notionalFloor", row.notional_floor)?,
                notional_cap: exact(of, "notionalCap", row.notional_cap)?,
                maintenance_ratio: exact(of, "maintMarginRatio", row.maint_margin_ratio)?,
                maintenance_deduction: exact(of, "cum", row.cum)?,
            };
            if let Some((field, reason)) = row.contradiction() {
                return Err(RulesError::Field { symbol: of.to_owned(), field, reason });
            }
            rows.push(row);
        }
        rows.sort_by_key(|row| row.notional_cap);
        all.insert(Symbol::new(of), rows);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r36_brackets_keep_every_digit_and_are_sorted() {
        let body = r#"[{"symbol":"ABCUSDT","brackets":[
            {"bracket":2,"initialLeverage":50,"notionalCap":25000,"notionalFloor":5000,"maintMarginRatio":0.01,"cum":17.5},
            {"bracket":1,"initialLeverage":75,"notionalCap":5000,"notionalFloor":0,"maintMarginRatio":0.0065,"cum":0.0}]}]"#;
        let all = read_brackets(body).unwrap();
        let rows = &all[&Symbol::new("ABCUSDT")];
        assert_eq!(rows.iter().map(|r| r.max_leverage).collect::<Vec<_>>(), [75, 50]);
        assert_eq!(rows[0].maintenance_ratio.to_string(), "0.0065");
        assert_eq!(rows[1].maintenance_deduction.to_string(), "17.5");
    }

    #[test]
    fn one_contract_alone_is_read_like_a_list_of_one() {
        let one = r#"{"symbol":"\u5e01USDT","notionalCoef":1.5,"brackets":[{"bracket":1,"initialLeverage":75,"notionalCap":10000,
            "notionalFloor":0,"maintMarginRatio":0.0065,"cum":0.0}]}"#;
        let alone = read_brackets(one).unwrap();
        assert_eq!(alone, read_brackets(&format!("[{one}]")).unwrap());
        assert_eq!(alone[&Symbol::new("币USDT")][0].max_leverage, 75);
    }

    #[test]
    fn brackets_that_are_not_brackets_say_so() {
        let error = read_brackets(r#"{"symbols":[]}"#).unwrap_err().to_string();
        assert!(error.contains("leverageBracket"), "{error}");
        let error = read_brackets(
            r#"[{"symbol":"A","brackets":[{"bracket":1,"initialLeverage":5,"notionalCap":"many","notionalFloor":0,"maintMarginRatio":0.1,"cum":0}]}]"#,
        )
        .unwrap_err()
        .to_string();
        assert!(error.contains("A: notionalCap"), "{error}");
        let error = read_brackets(
            r#"[{"symbol":"A","brackets":[{"bracket":1,"initialLeverage":5,"notionalCap":9,"notionalFloor":0,"maintMarginRatio":1.5,"cum":0}]}]"#,
        )
        .unwrap_err()
        .to_string();
        assert_eq!(error, "A: maintenance ratio: 1.5 is not between 0 and 1");
    }
}
