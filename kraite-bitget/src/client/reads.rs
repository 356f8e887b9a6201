//! What is asked about the account and the contracts.

use kraite_core::exchange::{Balance, Endpoint, KeyRights, Mark, PositionMode, PositionReport, ReadError, Reading};
use kraite_core::id::Symbol;
use kraite_core::instrument::{Instrument, LeverageBracket};
use kraite_core::number::Factor;
use kraite_core::time::VenueMillis;
use kraite_wire::client::{MAX_BODY, MAX_RULES_BODY, Need, Told};

use super::backend::Inner;
use super::line::Heard;
use crate::codec::calls::{classic, market, unified};
use crate::codec::{Generation, Product, balances, fee_rates, key_rights, marks, positions, reply};
use crate::{Contracts, read_brackets};

pub(crate) fn undecodable(why: &impl ToString) -> ReadError {
    ReadError::Undecodable(why.to_string().chars().take(200).collect())
}

/// The text of a successful answer.
fn text(heard: &Heard) -> Result<&str, ReadError> {
    reply::open(heard.answer()).map_err(|failure| failure.read_error())?;
    std::str::from_utf8(heard.answer().body).map_err(|_| undecodable(&"no UTF-8"))
}

impl Inner {
    /// The open positions of every product line: a part of them is never all of them.
    pub(crate) async fn read_positions(&self) -> Result<Reading<Vec<PositionReport>>, ReadError> {
        let generation = self.generation(Need::Read).await?;
        let (mut value, mut complete, mut sent_at) = (Vec::new(), true, VenueMillis(i64::MAX));
        for product in &self.products {
            let product = *product;
            let heard = match generation {
                Generation::Classic => self.line.read(&classic::GetPositions { product }, Need::Read).await?,
                Generation::Unified => {
                    self.line.read(&unified::GetPositions { product, symbol: None }, Need::Read).await?
                }
            };
            let rows = positions(generation, heard.sent_at, heard.answer())?;
            value.extend(rows.rows);
            (complete, sent_at) = (complete && rows.complete, sent_at.min(heard.sent_at));
        }
        Ok(Reading { value, sent_at, endpoint: Endpoint::Positions, complete })
    }

    pub(crate) async fn read_server_time(&self) -> Result<VenueMillis, ReadError> {
        self.line.measure(Need::Read).await
    }

    /// The rules of every contract that can be traded. Brackets are told one contract at a time: until they are read,
    /// one holds its highest leverage.
    pub(crate) async fn read_instruments(&self) -> Result<Vec<Instrument>, ReadError> {
        let mut all = Vec::new();
        for product in &self.products {
            all.extend(self.read_contracts(*product).await?);
        }
        if all.is_empty() {
            return Err(undecodable(&"no contract that can be traded"));
        }
        Ok(all)
    }

    async fn read_contracts(&self, product: Product) -> Result<Vec<Instrument>, ReadError> {
        let heard = self.line.ask(&market::GetContracts { product }, Need::Read, MAX_RULES_BODY).await?;
        let contracts = Contracts::read(text(&heard)?).map_err(|error| undecodable(&error))?;
        let mut read = Vec::new();
        for symbol in contracts.trading() {
            match contracts.instrument(symbol, None) {
                // What is margined in another currency than its list is no contract of it (R105).
                Ok(rules) if !rules.quote.eq_ignore_ascii_case(product.coin()) => {}
                Ok(rules) => read.push(rules),
                Err(error) => self.line.watch.told(Told::Rules(error.to_string())),
            }
        }
        let mut known = self.known();
        for rules in &read {
            known.products.insert(rules.symbol.clone(), product);
            known.fees.insert(rules.symbol.clone(), (rules.maker_fee, rules.taker_fee));
        }
        Ok(read)
    }

    pub(crate) async fn read_brackets_of(&self, symbol: &Symbol) -> Result<Vec<LeverageBracket>, ReadError> {
        let product = self.product_to_read(symbol)?;
        let call = market::GetPositionTiers { product, symbol: symbol.clone() };
        let heard = self.line.ask(&call, Need::Read, MAX_BODY).await?;
        let mut all = read_brackets(text(&heard)?).map_err(|error| undecodable(&error))?;
        all.remove(symbol).ok_or_else(|| undecodable(&format!("no leverage brackets of {symbol}")))
    }

    pub(crate) async fn read_mark(&self, symbol: &Symbol) -> Result<Mark, ReadError> {
        self.uses(symbol);
        let product = self.product_to_read(symbol)?;
        let call = market::GetSymbolPrice { product, symbol: symbol.clone() };
        let heard = self.line.ask(&call, Need::Read, MAX_BODY).await?;
        let rows = marks(heard.answer())?.rows;
        rows.into_iter().find(|mark| mark.symbol == *symbol).ok_or_else(|| undecodable(&"no mark price of it"))
    }

    /// The mode is that of a product line in the classic API, and of the account in the unified one.
    pub(crate) async fn read_position_mode(&self) -> Result<PositionMode, ReadError> {
        let generation = self.generation(Need::Read).await?;
        let mut found = None;
        for product in &self.products {
            let symbol = any_contract(*product);
            let mode = self.setup(&symbol, generation, *product, Need::Read).await?.mode;
            if found.is_some_and(|found| found != mode) {
                return Err(ReadError::Refused("the product lines of the account are in different modes".into()));
            }
            found = Some(mode);
            if generation == Generation::Unified {
                break;
            }
        }
        found.ok_or_else(|| ReadError::Refused("no product line".into()))
    }

    pub(crate) async fn read_balances(&self) -> Result<Vec<Balance>, ReadError> {
        let generation = self.generation(Need::Read).await?;
        if generation == Generation::Unified {
            return balances(generation, self.line.read(&unified::GetAssets, Need::Read).await?.answer());
        }
        let mut all = Vec::new();
        for product in &self.products {
            let heard = self.line.read(&classic::GetBalances { product: *product }, Need::Read).await?;
            // A line that holds nothing may have no row; an account without any row is none (R109).
            let rows: reply::Rows<reply::classic::AccountRow> = reply::read_rows(heard.answer())?;
            if rows.sent > 0 {
                all.extend(balances(generation, heard.answer())?);
            }
        }
        if all.is_empty() { Err(undecodable(&"balances are missing")) } else { Ok(all) }
    }

    /// What is read here also values fees that are paid in another currency from now on. A unified account has no call
    /// for its own rates: those of the contract stand in for them.
    pub(crate) async fn read_fee_rates(&self, symbol: &Symbol) -> Result<(Factor, Factor), ReadError> {
        let product = self.product_to_read(symbol)?;
        let (maker, taker) = match self.generation(Need::Read).await? {
            Generation::Classic => {
                let call = classic::GetTradeRate { symbol: symbol.clone() };
                fee_rates(self.line.read(&call, Need::Read).await?.answer())?
            }
            Generation::Unified => {
                let known = self.known().fees.get(symbol).copied();
                match known {
                    Some(known) => known,
                    None => {
                        let rules = self.read_contracts(product).await?;
                        let rules = rules.iter().find(|rules| rules.symbol == *symbol);
                        let rules = rules.ok_or_else(|| undecodable(&format!("no contract {symbol}")))?;
                        (rules.maker_fee, rules.taker_fee)
                    }
                }
            }
        };
        self.interpreter().set_fees(symbol.clone(), maker, taker);
        Ok((maker, taker))
    }

    /// As far as the venue tells them: nobody is known to have seen where a unified account does.
    pub(crate) async fn read_key_rights(&self) -> Result<KeyRights, ReadError> {
        match self.generation(Need::Read).await? {
            Generation::Unified => Ok(KeyRights { trade: None, withdraw: None }),
            Generation::Classic => {
                let probed = self.known().rights.take();
                match probed {
                    Some(rights) => Ok(rights),
                    None => key_rights(self.line.read(&classic::ProbeAccount, Need::Read).await?.answer()),
                }
            }
        }
    }
}

/// The contract that a product line is asked about where only the line matters.
fn any_contract(product: Product) -> Symbol {
    match product {
        Product::Usdt => Symbol::new("BTCUSDT"),
        Product::Usdc => Symbol::new("BTCPERP"),
    }
}
