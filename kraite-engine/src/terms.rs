//! From what a user wants to what the core decides on: everything else is read fresh from the venue.

use kraite_core::engine::OpenRequest;
use kraite_core::exchange::{Direction, Exchange, MarginMode, PositionMode, ReadError, TriggerBy};
use kraite_core::id::Symbol;
use kraite_core::instrument::Instrument;
use kraite_core::number::{ArithmeticError, Notional, Percent};
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::sizing::{Budget, LadderSpec};

/// The terms on which positions are opened, on whatever contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The shape of the position, its direction included.
    pub spec: LadderSpec,
    /// What it may use.
    pub slice: Slice,
    /// The account's own leverage cap.
    pub leverage_cap: u32,
    /// In which order it protects itself.
    pub sequence: Sequence,
    /// How the take-profit rests.
    pub target_style: TargetStyle,
    /// Which price the stop watches.
    pub stop_by: TriggerBy,
    /// How margin backs the position.
    pub margin_mode: MarginMode,
    /// How the account has to net positions; whatever it does where that is left open. It is never changed from here,
    /// since others may trade on the account (R33).
    pub mode: Option<PositionMode>,
}

/// How much margin a position is allotted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slice {
    /// This much, in quote currency.
    Fixed(Notional),
    /// A share of what is free in the quote currency when it opens (R101).
    Share(Percent),
}

/// Why there is nothing to open on.
#[derive(Debug, thiserror::Error)]
pub enum TermsError {
    /// Something that has to be known could not be read; nothing was sent.
    #[error("the {what} could not be read: {error}")]
    Read {
        /// What was asked for.
        what: &'static str,
        /// What came instead.
        error: ReadError,
    },
    /// The venue has no such contract, or does not let it be traded.
    #[error("{0} is not among the contracts that the exchange lists for trading")]
    NotListed(Symbol),
    /// More is allotted than is free.
    #[error("a margin of {asked} {currency} is allotted and {free} is free")]
    TooLittle {
        /// The contract's quote currency.
        currency: String,
        /// What is allotted.
        asked: Notional,
        /// What is free.
        free: Notional,
    },
    /// The account nets positions in another way.
    #[error("the account is in {found:?} mode, not in {wanted:?} mode")]
    Mode {
        /// As it has to be.
        wanted: PositionMode,
        /// As the venue says.
        found: PositionMode,
    },
    /// A share cannot be computed.
    #[error("the slice cannot be computed: {0}")]
    Arithmetic(#[from] ArithmeticError),
}

fn unread(what: &'static str) -> impl FnOnce(ReadError) -> TermsError {
    move |error| TermsError::Read { what, error }
}

impl Terms {
    /// The shape of [`LadderSpec::default_for`], as the command opens it where nothing else is asked for: the ladder
    /// first, a target that fires at the market, a stop by the mark price, cross margin, and whatever position mode the
    /// account is in.
    #[must_use]
    pub fn default_for(direction: Direction, slice: Slice, leverage_cap: u32) -> Self {
        Self {
            spec: LadderSpec::default_for(direction),
            slice,
            leverage_cap,
            sequence: Sequence::LadderFirst,
            target_style: TargetStyle::TriggerMarket,
            stop_by: TriggerBy::Mark,
            margin_mode: MarginMode::Cross,
            mode: None,
        }
    }

    /// Reads the contract's rules, brackets and fees, the account's free balance and position mode, and a fresh mark,
    /// the mark last: it must not be old when it sizes something (R29).
    ///
    /// # Errors
    ///
    /// [`TermsError`]; nothing was sent in any case.
    pub async fn request(&self, exchange: &dyn Exchange, symbol: &Symbol) -> Result<OpenRequest, TermsError> {
        let instrument = instrument(exchange, symbol).await?;
        let margin = self.margin(exchange, &instrument).await?;
        let mode = exchange.position_mode().await.map_err(unread("position mode"))?;
        if let Some(wanted) = self.mode.filter(|wanted| *wanted != mode) {
            return Err(TermsError::Mode { wanted, found: mode });
        }
        let mark = exchange.mark_price(symbol).await.map_err(unread("mark price"))?;
        Ok(OpenRequest {
            instrument,
            spec: self.spec.clone(),
            budget: Budget { margin, leverage_cap: self.leverage_cap },
            sequence: self.sequence,
            target_style: self.target_style,
            stop_by: self.stop_by,
            mode,
            margin_mode: self.margin_mode,
            mark,
        })
    }

    async fn margin(&self, exchange: &dyn Exchange, instrument: &Instrument) -> Result<Notional, TermsError> {
        let balances = exchange.balances().await.map_err(unread("balance"))?;
        let row = balances.into_iter().find(|row| row.currency == instrument.quote);
        let free = row.map_or(Notional::ZERO, |row| row.available);
        let asked = match self.slice {
            Slice::Fixed(margin) => margin,
            Slice::Share(share) => free.scaled_by(share.as_factor()?)?,
        };
        if !asked.is_positive() || asked > free {
            return Err(TermsError::TooLittle { currency: instrument.quote.to_string(), asked, free });
        }
        Ok(asked)
    }
}

async fn instrument(exchange: &dyn Exchange, symbol: &Symbol) -> Result<Instrument, TermsError> {
    let listed = exchange.instruments().await.map_err(unread("list of contracts"))?;
    let found = listed.into_iter().find(|rules| rules.symbol == *symbol);
    let mut rules = found.ok_or_else(|| TermsError::NotListed(symbol.clone()))?;
    if rules.brackets.is_empty() {
        rules.brackets = exchange.leverage_brackets(symbol).await.map_err(unread("table of leverage brackets"))?;
    }
    (rules.maker_fee, rules.taker_fee) = exchange.fee_rates(symbol).await.map_err(unread("account's fees"))?;
    Ok(rules)
}
