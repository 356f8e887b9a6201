//! Which contracts there are: from a saved answer of the venue, or a handful of built-in ones.

use std::collections::BTreeMap;
use std::path::Path;

use kraite_core::id::Symbol;
use kraite_core::instrument::{Instrument, LeverageBracket};
use kraite_core::number::{Notional, Price};
use serde_json::Value;

use super::StartError;

/// The largest file that is read.
const LARGEST_FILE: u64 = 64 << 20;
/// Where prices of a contract from a file begin unless they are moved: the middle of nowhere, but on every grid.
pub(super) const UNKNOWN_PRICE: &str = "100";
/// No number has more decimals than this.
pub(super) const MOST_DECIMALS: usize = 12;

/// A contract as it is listed, and its rules.
#[derive(Debug, Clone)]
pub(super) struct Contract {
    /// The rules that orders are judged by.
    pub(super) instrument: Instrument,
    /// Its row in the venue's own list of contracts.
    pub(super) row: Value,
    /// Decimals of prices.
    pub(super) price_decimals: usize,
    /// Decimals of quantities.
    pub(super) qty_decimals: usize,
    /// The first price.
    pub(super) opening: Price,
}

/// Every contract, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Listing(BTreeMap<Symbol, Contract>);

impl FromIterator<Contract> for Listing {
    fn from_iter<T: IntoIterator<Item = Contract>>(contracts: T) -> Self {
        Self(contracts.into_iter().map(|contract| (contract.instrument.symbol.clone(), contract)).collect())
    }
}

impl Listing {
    /// The contracts of a saved answer; `read` makes them of it. Those that are built in too begin at the price that
    /// they have there.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is not JSON, or is no such answer; says which and why.
    pub(super) fn from_file(
        path: &Path,
        built_in: &Self,
        read: impl FnOnce(&Value) -> Result<Vec<Contract>, String>,
    ) -> Result<Self, StartError> {
        let wrong = |reason: String| StartError::BadData(format!("{}: {reason}", path.display()));
        let size = std::fs::metadata(path).map_err(|e| wrong(e.to_string()))?.len();
        if size > LARGEST_FILE {
            return Err(wrong(format!("{size} bytes; a list of contracts has at most {LARGEST_FILE}")));
        }
        let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
        let body: Value = serde_json::from_str(&text).map_err(|e| wrong(format!("not JSON: {e}")))?;
        let mut all: Self = read(&body).map_err(wrong)?.into_iter().collect();
        for contract in built_in.iter() {
            if let Some(listed) = all.0.get_mut(&contract.instrument.symbol) {
                listed.opening = contract.opening;
            }
        }
        Ok(all)
    }

    /// One contract.
    pub(super) fn get(&self, symbol: &Symbol) -> Option<&Contract> {
        self.0.get(symbol)
    }

    /// All of them by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Contract> {
        self.0.values()
    }
}

/// The leverage table of every contract, since lists of contracts have none: the shape and the first rows of a large one.
pub(super) fn brackets() -> Vec<LeverageBracket> {
    let row = |max_leverage: u32, floor: i64, cap: i64, ratio: &str, cum: i64| LeverageBracket {
        max_leverage,
        notional_floor: Notional::from_units(floor, 0).unwrap_or_default(),
        notional_cap: Notional::from_units(cap, 0).unwrap_or_default(),
        maintenance_ratio: ratio.parse().unwrap_or_default(),
        maintenance_deduction: Notional::from_units(cum, 0).unwrap_or_default(),
    };
    vec![
        row(125, 0, 50_000, "0.004", 0),
        row(100, 50_000, 600_000, "0.005", 50),
        row(75, 600_000, 3_000_000, "0.0065", 950),
        row(50, 3_000_000, 12_000_000, "0.01", 11_450),
        row(20, 12_000_000, 70_000_000, "0.025", 191_450),
        row(10, 70_000_000, 100_000_000, "0.05", 1_941_450),
    ]
}
