//! Several contracts and their data, as tables of a file.

use std::path::{Path, PathBuf};

use kraite_core::time::VenueMillis;
use kraite_sim::data::instant;
use serde::{Deserialize, Deserializer};
use toml::{Table, Value};

use super::MarketArgs;
use crate::exit::{Exit, Failed};
use crate::settings::{Settings, line_and_column};

/// What the contracts of a file have in common, and each of them. Paths are seen from the folder of the file.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Markets {
    exchange_info: PathBuf,
    brackets: Option<PathBuf>,
    #[serde(default)]
    allow_gaps: bool,
    #[serde(default, deserialize_with = "time")]
    from: Option<VenueMillis>,
    #[serde(default, deserialize_with = "time")]
    to: Option<VenueMillis>,
    #[serde(rename = "market")]
    pub(crate) tables: Vec<MarketTable>,
    #[serde(skip)]
    folder: PathBuf,
}

/// One contract.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MarketTable {
    pub(crate) symbol: String,
    #[serde(default)]
    klines: Vec<PathBuf>,
    #[serde(default)]
    mark_klines: Vec<PathBuf>,
    #[serde(default)]
    pub(crate) trades: Vec<PathBuf>,
    funding: Option<PathBuf>,
    signals: Option<PathBuf>,
    /// Its own, which stand before those of all.
    #[serde(default)]
    pub(crate) settings: Table,
}

/// As at `--from`: text, or milliseconds since 1970.
fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<VenueMillis>, D::Error> {
    let text = match Value::deserialize(from)? {
        Value::String(text) => text,
        Value::Integer(ms) => ms.to_string(),
        Value::Datetime(time) => time.to_string(),
        other => {
            return Err(serde::de::Error::custom(format!(
                "a time is text or milliseconds, and no {}",
                other.type_str()
            )));
        }
    };
    instant(&text).map(Some).map_err(serde::de::Error::custom)
}

impl Markets {
    /// What the file has of contracts and data.
    pub(crate) const KEYS: [&'static str; 6] = ["exchange_info", "brackets", "allow_gaps", "from", "to", "market"];

    /// Reads a file, and gives what it has beside the contracts and their data. Without any `[[market]]` there are none,
    /// and nothing is taken out.
    pub(crate) fn read(path: &Path) -> Result<(Option<Self>, Table), Failed> {
        let wrong = |why: String| Failed::new(Exit::Configuration, format!("{}: {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let at = |error: toml::de::Error| {
            let (line, _) = line_and_column(&text, error.span().map_or(0, |span| span.start));
            wrong(format!("line {line}: {}", error.message()))
        };
        let mut others: Table = text.parse().map_err(at)?;
        if !others.contains_key("market") {
            return Ok((None, others));
        }
        let mut markets: Self = toml::from_str(&text).map_err(at)?;
        markets.folder = path.parent().unwrap_or(Path::new("")).to_owned();
        for key in Self::KEYS {
            others.remove(key);
        }
        for (place, table) in markets.tables.iter().enumerate() {
            let twin = markets.tables.iter().take(place).any(|other| other.symbol == table.symbol);
            let why = match (table.klines.is_empty(), table.trades.is_empty()) {
                _ if twin => "is there twice",
                (true, true) => "has no klines",
                (true, false) if !table.mark_klines.is_empty() => "has mark_klines beside trades; they go with klines",
                (false, false) => "has klines and trades; leave one of them out",
                _ => continue,
            };
            return Err(wrong(format!("{} {why}", table.symbol)));
        }
        Ok((Some(markets), others))
    }

    /// The same as flags.
    pub(crate) fn args(&self, table: &MarketTable) -> MarketArgs {
        let at = |file: &PathBuf| self.folder.join(file);
        MarketArgs {
            klines: table.klines.iter().map(at).collect(),
            mark_klines: table.mark_klines.iter().map(at).collect(),
            trades: table.trades.iter().map(at).collect(),
            exchange_info: at(&self.exchange_info),
            brackets: self.brackets.as_ref().map(at),
            symbol: table.symbol.clone(),
            funding: table.funding.as_ref().map(at),
            from: self.from,
            to: self.to,
            allow_gaps: self.allow_gaps,
        }
    }

    /// The file of a contract's entries.
    pub(crate) fn signals(&self, table: &MarketTable) -> Option<PathBuf> {
        table.signals.as_ref().map(|file| self.folder.join(file))
    }
}

/// The settings of a table of TOML, for a backtest.
pub(crate) fn settings_of(table: Table) -> Result<Settings, String> {
    let settings: Settings = table.try_into().map_err(in_one_line)?;
    settings.check().map_err(|wrong| wrong.why)?;
    if let Some(key) = settings.of_running_accounts() {
        return Err(format!("{key} is a setting of running accounts; a backtest has none"));
    }
    Ok(settings)
}

/// What is wrong and at which key.
pub(crate) fn in_one_line(error: toml::de::Error) -> String {
    error.to_string().trim().replace('\n', " ")
}
