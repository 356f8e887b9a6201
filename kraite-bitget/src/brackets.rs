//! Leverage brackets, as in "Bitget, Get Position Tier" (`/api/v2/mix/market/query-position-lever`).

use std::collections::BTreeMap;
use std::str::FromStr;

use kraite_core::id::Symbol;
use kraite_core::instrument::LeverageBracket;
use kraite_core::number::Notional;
use serde::Deserialize;

use crate::RulesError;

/// The leverage brackets of every contract, each list by notional cap ascending.
pub type Brackets = BTreeMap<Symbol, Vec<LeverageBracket>>;

#[derive(Deserialize)]
struct Answer {
    data: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    symbol: String,
    start_unit: String,
    end_unit: String,
    leverage: String,
    keep_margin_rate: String,
}

fn exact<T: FromStr>(symbol: &str, field: &'static str, text: &str) -> Result<T, RulesError>
where
    T::Err: ToString,
{
    text.parse().map_err(|error: T::Err| RulesError::Field {
        symbol: symbol.to_owned(),
        field,
        reason: error.to_string(),
    })
}

/// Reads the body of a position tier answer. Bitget states no deduction (`cum`): it is worked out so that
/// the maintenance margin has no step where one tier ends and the next begins.
///
/// # Errors
///
/// [`RulesError`] when it is not that JSON, a number cannot be held exactly, or a tier cannot be.
pub fn read_brackets(body: &str) -> Result<Brackets, RulesError> {
    let answer: Answer = serde_json::from_str(body).map_err(RulesError::not_json("position tier"))?;
    let mut all = Brackets::new();
    for row in &answer.data {
        let of = row.symbol.as_str();
        let row = LeverageBracket {
            max_leverage: exact(of, "leverage", &row.leverage)?,
            notional_floor: exact(of, "startUnit", &row.start_unit)?,
            notional_cap: exact(of, "endUnit", &row.end_unit)?,
            maintenance_ratio: exact(of, "keepMarginRate", &row.keep_margin_rate)?,
            maintenance_deduction: Notional::ZERO,
        };
        if let Some((field, reason)) = row.contradiction() {
            return Err(RulesError::Field { symbol: of.to_owned(), field, reason });
        }
        all.entry(Symbol::new(of)).or_default().push(row);
    }
    for (symbol, rows) in &mut all {
        rows.sort_by_key(|row| row.notional_cap);
        deduct(rows).map_err(|error| RulesError::Field {
            symbol: symbol.to_string(),
            field: "keepMarginRate",
            reason: error.to_string(),
        })?;
    }
    Ok(all)
}

/// Deduction n = deduction n-1 + floor n x (ratio n - ratio n-1).
fn deduct(rows: &mut [LeverageBracket]) -> Result<(), kraite_core::number::ArithmeticError> {
    let mut before = None;
    for row in rows {
        if let Some((ratio, deduction)) = before {
            let step = row.notional_floor.scaled_by(row.maintenance_ratio.checked_sub(ratio)?)?;
            row.maintenance_deduction = Notional::checked_add(deduction, step)?;
        }
        before = Some((row.maintenance_ratio, row.maintenance_deduction));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r36_tiers_become_brackets_without_a_step_in_maintenance_margin() {
        let body = r#"{"code":"00000","data":[
            {"symbol":"ABCUSDT","level":"2","startUnit":"5000","endUnit":"25000","leverage":"50","keepMarginRate":"0.01"},
            {"symbol":"ABCUSDT","level":"1","startUnit":"0","endUnit":"5000","leverage":"75","keepMarginRate":"0.0065"}]}"#;
        let rows = read_brackets(body).unwrap().remove(&Symbol::new("ABCUSDT")).unwrap();
        assert_eq!(rows.iter().map(|r| r.max_leverage).collect::<Vec<_>>(), [75, 50]);
        let wrong = body.replace("0.0065", "6.5");
        assert_eq!(
            read_brackets(&wrong).unwrap_err().to_string(),
            "ABCUSDT: maintenance ratio: 6.5 is not between 0 and 1"
        );
        // 5000 x 0.0065 = 32.5 on both sides of the edge: 5000 x 0.01 - 17.5.
        assert_eq!(rows[1].maintenance_deduction, "17.5".parse().unwrap());
    }
}
