//! The settings of a position as TOML: in a file of their own for a backtest, under a name in `kraite.toml`.

use std::path::Path;

use kraite_core::exchange::Direction;
use kraite_core::number::{Factor, Notional, Percent};
use kraite_core::sizing::{LadderSpec, SizingModel};
use serde::Deserialize;

use crate::exit::{Exit, Failed};
use crate::flags::{
    BasisWord, DirectionWord, LatencyWord, MAX_LEVERAGE, MarginWord, SequenceWord, SizingWord, TargetWord, TriggerWord,
    VenueName, check_headroom,
};

/// Everything has a default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// Of a backtest only.
    pub(crate) venue: Option<VenueName>,
    /// Of a backtest only.
    pub(crate) wallet: Option<Notional>,
    /// Of a running account only.
    pub(crate) share: Option<Percent>,
    pub(crate) stop_by: Option<TriggerWord>,
    /// Of a backtest only: percent of the price.
    pub(crate) slippage: Option<Percent>,
    /// Of a backtest only.
    pub(crate) latency: Option<LatencyWord>,
    pub(crate) margin_mode: Option<MarginWord>,
    pub(crate) direction: Option<DirectionWord>,
    pub(crate) margin: Option<Notional>,
    pub(crate) leverage_cap: Option<u32>,
    pub(crate) rungs: Option<u8>,
    pub(crate) gap: Option<Percent>,
    pub(crate) multipliers: Option<Vec<Factor>>,
    pub(crate) profit: Option<Percent>,
    pub(crate) stop: Option<Percent>,
    pub(crate) sizing: Option<SizingWord>,
    pub(crate) sequence: Option<SequenceWord>,
    pub(crate) target: Option<TargetWord>,
    pub(crate) basis: Option<BasisWord>,
    pub(crate) headroom: Option<Percent>,
}

/// A setting that cannot be, by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) key: &'static str,
    pub(crate) why: String,
}

/// The leverage cap of an account that names none.
pub(crate) const LEVERAGE_CAP: u32 = 20;

/// Line and column, from 1, of a byte of a text.
pub(crate) fn line_and_column(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.split('\n').count();
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    (line, column)
}

impl Settings {
    /// Reads the settings of a backtest.
    pub(crate) fn read(path: &Path) -> Result<Self, Failed> {
        let at = |error: String| Failed::new(Exit::Configuration, format!("{}: {error}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| at(error.to_string()))?;
        let settings: Self = toml::from_str(&text).map_err(|error| {
            // The parser draws the line it means; one sentence says where instead.
            let (line, _) = line_and_column(&text, error.span().map_or(0, |span| span.start));
            at(format!("line {line}: {}", error.message()))
        })?;
        if let Some(key) = settings.of_running_accounts() {
            return Err(at(format!("{key} is a setting of running accounts; a backtest has none")));
        }
        settings.check().map_err(|wrong| at(wrong.why))?;
        Ok(settings)
    }

    /// The first setting that is there and that only running accounts have.
    pub(crate) fn of_running_accounts(&self) -> Option<&'static str> {
        self.share.is_some().then_some("share")
    }

    /// The settings that are there and that only backtests have.
    pub(crate) fn of_backtests(&self) -> Option<&'static str> {
        let foreign = [
            ("venue", self.venue.is_some()),
            ("wallet", self.wallet.is_some()),
            ("slippage", self.slippage.is_some()),
            ("latency", self.latency.is_some()),
        ];
        foreign.iter().find(|(_, given)| *given).map(|(key, _)| *key)
    }

    pub(crate) fn check(&self) -> Result<(), Wrong> {
        let wrong = |key, why: String| Err(Wrong { key, why });
        let zero = |key| wrong(key, format!("{key} must be above zero"));
        for (key, amount) in [("margin", self.margin), ("wallet", self.wallet)] {
            if amount.is_some_and(|amount| !amount.is_positive()) {
                return zero(key);
            }
        }
        for (key, percent) in [("gap", self.gap), ("profit", self.profit), ("stop", self.stop), ("share", self.share)] {
            if percent.is_some_and(|percent| !percent.is_positive()) {
                return zero(key);
            }
        }
        let whole = Percent::from_units(100, 0).unwrap_or_default();
        if let Some(slippage) = self.slippage.filter(|slippage| *slippage < Percent::default() || *slippage >= whole) {
            return wrong("slippage", format!("slippage: {slippage} is not between 0 and {whole} percent"));
        }
        if let Some(share) = self.share.filter(|share| *share > whole) {
            return wrong("share", format!("share: {share} is more than {whole} percent"));
        }
        if let Some(headroom) = self.headroom
            && let Err(why) = check_headroom(headroom)
        {
            return wrong("headroom", format!("headroom: {why}"));
        }
        if self.multipliers.iter().flatten().any(|m| !m.is_positive()) {
            return wrong("multipliers", "each of multipliers must be above zero".to_owned());
        }
        if let Some(cap) = self.leverage_cap.filter(|cap| !(1..=MAX_LEVERAGE).contains(cap)) {
            return wrong("leverage_cap", format!("leverage_cap: {cap} is not between 1 and {MAX_LEVERAGE}"));
        }
        if self.rungs.is_some_and(|rungs| rungs > kraite_core::MAX_RUNGS) {
            return wrong("rungs", format!("rungs must be at most {}", kraite_core::MAX_RUNGS));
        }
        Ok(())
    }

    /// The shape of a position of that direction.
    pub(crate) fn spec(&self, direction: Direction) -> LadderSpec {
        let default = LadderSpec::default_for(direction);
        LadderSpec {
            direction,
            rungs: self.rungs.unwrap_or(default.rungs),
            gap: self.gap.unwrap_or(default.gap),
            multipliers: self.multipliers.clone().unwrap_or(default.multipliers),
            profit: self.profit.unwrap_or(default.profit),
            stop: self.stop.unwrap_or(default.stop),
            model: self.sizing.map_or(default.model, SizingModel::from),
            basis: self.basis.map_or(default.basis, BasisWord::into),
            headroom: self.headroom.unwrap_or(default.headroom),
        }
    }

    pub(crate) fn sequence(&self) -> SequenceWord {
        self.sequence.unwrap_or(SequenceWord::LadderFirst)
    }

    pub(crate) fn target(&self) -> TargetWord {
        self.target.unwrap_or(TargetWord::TriggerMarket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_in_the_settings_names_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kraite.toml");
        std::fs::write(&path, "rungs = 3\nprofitt = \"0.36\"\n").unwrap();
        let failed = Settings::read(&path).unwrap_err();
        assert_eq!(failed.exit, Exit::Configuration);
        assert!(failed.message.contains("line 2") && failed.message.contains("profitt"), "{}", failed.message);
        std::fs::write(&path, "margin = \"0\"\n").unwrap();
        assert!(Settings::read(&path).unwrap_err().message.contains("margin must be above zero"));
        for (text, words) in [
            ("headroom = \"50.5\"", "headroom: 50.5 is not between 0 and 50"),
            ("headroom = \"-1\"", "headroom: -1 is not between 0 and 50"),
            ("leverage_cap = 0", "leverage_cap: 0 is not between 1 and 125"),
            ("leverage_cap = 126", "leverage_cap: 126 is not between 1 and 125"),
            ("share = \"5\"", "share is a setting of running accounts; a backtest has none"),
            ("slippage = \"-0.1\"", "slippage: -0.1 is not between 0 and 100 percent"),
        ] {
            std::fs::write(&path, text).unwrap();
            let failed = Settings::read(&path).unwrap_err();
            assert!(failed.exit == Exit::Configuration && failed.message.ends_with(words), "{}", failed.message);
        }
    }
}
