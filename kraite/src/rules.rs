//! Contract rules from files, as the venues' public endpoints give them.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use kraite_core::Instrument;
use kraite_core::id::Symbol;

use crate::exit::{Exit, Failed};
use crate::flags::VenueName;

/// The largest rules file: every contract of a venue is about 1 MB.
const MAX_RULES: u64 = 256 * 1_024 * 1_024;

fn read(path: &Path) -> Result<String, Failed> {
    let mut text = String::new();
    let input = kraite_sim::data::open_text(path)?;
    let read = input.take(MAX_RULES + 1).read_to_string(&mut text);
    read.map_err(|error| Failed::new(Exit::BadData, format!("{}: {error}", path.display())))?;
    if text.len() as u64 > MAX_RULES {
        return Err(Failed::new(Exit::BadData, format!("{}: larger than {MAX_RULES} bytes", path.display())));
    }
    Ok(text)
}

/// A table that was named and does not say anything about the contract is not the one that was meant.
fn row<T>(table: &BTreeMap<Symbol, T>, path: &Path, symbol: &str) -> Result<(), Failed> {
    if table.contains_key(&Symbol::new(symbol)) {
        return Ok(());
    }
    let message = format!("{}: {symbol} is not among the {} contracts with brackets", path.display(), table.len());
    Err(Failed::new(Exit::BadData, message))
}

/// The rules of one contract.
pub(crate) fn instrument(
    venue: VenueName,
    exchange_info: &Path,
    brackets: Option<&Path>,
    symbol: &str,
) -> Result<Instrument, Failed> {
    let in_file = |path: &Path| {
        let path = path.display().to_string();
        move |error: String| Failed::new(Exit::BadData, format!("{path}: {error}"))
    };
    let info = read(exchange_info)?;
    let table = brackets.map(|path| read(path).map(|text| (path, text))).transpose()?;
    match venue {
        VenueName::Binance => {
            let table = table
                .map(|(path, text)| kraite_binance::read_brackets(&text).map_err(|e| in_file(path)(e.to_string())))
                .transpose()?;
            let found = kraite_binance::ExchangeInfo::read(&info)
                .and_then(|info| info.instrument(symbol, table.as_ref()))
                .map_err(|error| in_file(exchange_info)(error.to_string()))?;
            if let (Some(table), Some(path)) = (&table, brackets) {
                row(table, path, symbol)?;
            }
            Ok(found)
        }
        VenueName::Bitget => {
            let table = table
                .map(|(path, text)| kraite_bitget::read_brackets(&text).map_err(|e| in_file(path)(e.to_string())))
                .transpose()?;
            let found = kraite_bitget::Contracts::read(&info)
                .and_then(|info| info.instrument(symbol, table.as_ref()))
                .map_err(|error| in_file(exchange_info)(error.to_string()))?;
            if let (Some(table), Some(path)) = (&table, brackets) {
                row(table, path, symbol)?;
            }
            Ok(found)
        }
    }
}
