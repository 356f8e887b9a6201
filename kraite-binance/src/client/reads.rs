//! What is asked about the account and the contracts.

use kraite_core::exchange::{Balance, Endpoint, KeyRights, Mark, PositionMode, PositionReport, ReadError, Reading};
use kraite_core::id::Symbol;
use kraite_core::instrument::{Instrument, LeverageBracket};
use kraite_core::number::Factor;
use kraite_core::time::VenueMillis;
use kraite_wire::client::{MAX_BODY, MAX_RULES_BODY, Need, Told};

use super::backend::Inner;
use crate::codec::calls::{
    GetBalances, GetCommissionRate, GetExchangeInfo, GetKeyRestrictions, GetLeverageBrackets, GetPositionMode,
    GetPositions, GetPremiumIndex,
};
use crate::codec::{Answer, Failure, balances, fee_rates, key_rights, marks, position_mode, positions};
use crate::{Brackets, ExchangeInfo, read_brackets};

pub(crate) fn undecodable(why: &impl ToString) -> ReadError {
    ReadError::Undecodable(why.to_string().chars().take(200).collect())
}

/// The text of a successful answer.
fn text(answer: Answer<'_>) -> Result<&str, ReadError> {
    if !answer.is_success() {
        return Err(Failure::of(answer).read_error());
    }
    std::str::from_utf8(answer.body).map_err(|_| undecodable(&"no UTF-8"))
}

impl Inner {
    pub(crate) async fn read_positions(&self) -> Result<Reading<Vec<PositionReport>>, ReadError> {
        let heard = self.line.read(&GetPositions { symbol: None }, Need::Read).await?;
        let rows = positions(heard.sent_at, heard.answer())?;
        Ok(Reading { value: rows.rows, sent_at: heard.sent_at, endpoint: Endpoint::Positions, complete: rows.complete })
    }

    pub(crate) async fn read_server_time(&self) -> Result<VenueMillis, ReadError> {
        self.line.measure(Need::Read).await
    }

    /// The rules of every contract that can be traded, with leverage brackets where those can be read too.
    pub(crate) async fn read_instruments(&self) -> Result<Vec<Instrument>, ReadError> {
        let heard = self.line.ask(&GetExchangeInfo, Need::Read, MAX_RULES_BODY).await?;
        let info = ExchangeInfo::read(text(heard.answer())?).map_err(|error| undecodable(&error))?;
        self.line.budget.set_limits(info.rate_limits());
        let brackets = self.read_all_brackets(None).await.ok();
        let (instruments, broken) = info.instruments(brackets.as_ref());
        for error in broken {
            self.line.watch.told(Told::Rules(error.to_string()));
        }
        for (symbol, reason) in info.unreadable() {
            self.line.watch.told(Told::Rules(format!("{symbol}: {reason}")));
        }
        if instruments.is_empty() {
            return Err(undecodable(&"no contract that can be traded"));
        }
        let largest = instruments.iter().map(|rules| (rules.symbol.clone(), rules.max_market_qty));
        *self.largest_market() = largest.collect();
        Ok(instruments)
    }

    async fn read_all_brackets(&self, symbol: Option<Symbol>) -> Result<Brackets, ReadError> {
        let heard = self.line.read(&GetLeverageBrackets { symbol }, Need::Read).await?;
        read_brackets(text(heard.answer())?).map_err(|error| undecodable(&error))
    }

    pub(crate) async fn read_brackets_of(&self, symbol: &Symbol) -> Result<Vec<LeverageBracket>, ReadError> {
        let mut all = self.read_all_brackets(Some(symbol.clone())).await?;
        all.remove(symbol).ok_or_else(|| undecodable(&format!("no leverage brackets of {symbol}")))
    }

    pub(crate) async fn read_mark(&self, symbol: &Symbol) -> Result<Mark, ReadError> {
        self.uses(symbol);
        let heard = self.line.ask(&GetPremiumIndex { symbol: Some(symbol.clone()) }, Need::Read, MAX_BODY).await?;
        let rows = marks(heard.answer())?.rows;
        rows.into_iter().find(|mark| mark.symbol == *symbol).ok_or_else(|| undecodable(&"no mark price of it"))
    }

    pub(crate) async fn read_position_mode(&self) -> Result<PositionMode, ReadError> {
        position_mode(self.line.read(&GetPositionMode, Need::Read).await?.answer())
    }

    pub(crate) async fn read_balances(&self) -> Result<Vec<Balance>, ReadError> {
        balances(self.line.read(&GetBalances, Need::Read).await?.answer())
    }

    /// What is read here also values fees that are paid in another currency from now on.
    pub(crate) async fn read_fee_rates(&self, symbol: &Symbol) -> Result<(Factor, Factor), ReadError> {
        let call = GetCommissionRate { symbol: symbol.clone() };
        let (maker, taker) = fee_rates(self.line.read(&call, Need::Read).await?.answer())?;
        self.interpreter().set_fees(symbol.clone(), maker, taker);
        Ok((maker, taker))
    }

    pub(crate) async fn read_key_rights(&self) -> Result<KeyRights, ReadError> {
        key_rights(self.line.read(&GetKeyRestrictions, Need::Read).await?.answer())
    }
}
