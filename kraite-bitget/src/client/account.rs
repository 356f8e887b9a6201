//! What is known of the account beside its orders: which generation it is of, and what an order has to state of a
//! contract. Read where it is not known, and forgotten where the venue says that it has moved (R106, R108).

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;
use kraite_core::exchange::{Direction, KeyRights, MarginMode, Outcome, ReadError, Reject, RejectKind};
use kraite_core::id::{Symbol, VenueOrderId};
use kraite_core::number::Factor;
use kraite_wire::client::{Need, rejected, unsent};

use super::backend::Inner;
use crate::codec::calls::{classic, unified};
use crate::codec::{
    Generation, Leg, Product, Setup, Terms, classic_setup, generation, key_rights, margin_of_position, strategy_id,
    unified_setup,
};

/// What was read or heard, of the generation it was read in.
#[derive(Default)]
pub(crate) struct Known {
    /// Of which generation the rest is.
    generation: Option<Generation>,
    /// How margin backs positions on a contract.
    margins: BTreeMap<Symbol, MarginMode>,
    /// The strategy that holds the pair of a side of a contract.
    pub(crate) strategies: BTreeMap<(Symbol, Direction), CompactString>,
    /// Legs of a strategy that are not wanted any more, while the other one still is.
    pub(crate) unwanted: BTreeSet<VenueOrderId>,
    /// Which product line a contract is of, as the venue lists it.
    pub(crate) products: BTreeMap<Symbol, Product>,
    /// Maker and taker rate of the contracts.
    pub(crate) fees: BTreeMap<Symbol, (Factor, Factor)>,
    /// What the probe of the generation said of the key, until it is asked for: it may be made once in a second.
    pub(crate) rights: Option<KeyRights>,
}

impl Known {
    /// What holds for accounts of one generation only is forgotten where the account is of the other one.
    fn is_of(&mut self, generation: Generation) {
        if self.generation != Some(generation) {
            self.generation = Some(generation);
            self.margins.clear();
            self.strategies.clear();
            self.unwanted.clear();
        }
    }

    /// Nothing is remembered against the legs of a strategy any more.
    pub(crate) fn wants(&mut self, strategy: &str) {
        for leg in Leg::BOTH {
            self.unwanted.remove(&strategy_id(strategy, leg));
        }
    }
}

impl Inner {
    /// Which generation the account is of; asked where it is not known.
    pub(crate) async fn generation(&self, need: Need) -> Result<Generation, ReadError> {
        if let Some(known) = self.known_generation() {
            return Ok(known);
        }
        let _one = self.asking.lock().await;
        if let Some(known) = self.known_generation() {
            return Ok(known);
        }
        let found = Box::pin(self.probe(need)).await?;
        self.known().is_of(found);
        self.line.generation.send_replace(Some(found));
        Ok(found)
    }

    pub(crate) fn known_generation(&self) -> Option<Generation> {
        *self.line.generation.borrow()
    }

    /// Asks the classic API, and the unified one where that refuses: an account that is on its way from one to the
    /// other is not to be traded.
    async fn probe(&self, need: Need) -> Result<Generation, ReadError> {
        let heard = self.line.read(&classic::ProbeAccount, need).await?;
        if generation(Generation::Classic, heard.answer()) == Ok(Generation::Classic) {
            self.known().rights = key_rights(heard.answer()).ok();
            return Ok(Generation::Classic);
        }
        let heard = self.line.read(&unified::GetSettings, need).await?;
        let found = generation(Generation::Unified, heard.answer())?;
        if found == Generation::Unified {
            // Any contract: what is asked is whether the account is in a state to be traded.
            unified_setup(&Symbol::new("BTCUSDT"), Product::Usdt, heard.answer())?;
        }
        Ok(found)
    }

    /// The product line of a contract: as it is listed, else as its name says. Another quote is refused before any
    /// request (R105).
    pub(crate) fn product_of(&self, symbol: &Symbol) -> Result<Product, Reject> {
        if let Some(known) = self.known().products.get(symbol) {
            return Ok(*known);
        }
        let name = symbol.as_str();
        let quote = match () {
            () if name.ends_with("PERP") => Product::Usdc.coin(),
            () if name.ends_with(Product::Usdt.coin()) => Product::Usdt.coin(),
            () => name,
        };
        Product::of_quote(quote)
    }

    /// As [`Self::product_of`], for what only reads.
    pub(crate) fn product_to_read(&self, symbol: &Symbol) -> Result<Product, ReadError> {
        self.product_of(symbol).map_err(|reject| ReadError::Refused(reject.message))
    }

    /// The product lines of one contract, or of all.
    pub(crate) fn products_of(&self, symbol: Option<&Symbol>) -> Result<Vec<Product>, ReadError> {
        match symbol {
            Some(symbol) => Ok(vec![self.product_to_read(symbol)?]),
            None => Ok(self.products.clone()),
        }
    }

    /// Generation and product of a request that changes something; an outcome where nothing can be sent.
    pub(crate) async fn place_of(&self, symbol: &Symbol, need: Need) -> Result<(Generation, Product), Outcome> {
        let product = self.product_of(symbol).map_err(Outcome::Rejected)?;
        let generation = self.generation(need).await.map_err(|error| unsent(&error))?;
        Ok((generation, product))
    }

    /// What an order on this contract states beside itself: never guessed, and read where it is not known (R108).
    pub(crate) async fn terms(&self, symbol: &Symbol, need: Need) -> Result<Terms, Outcome> {
        let (generation, product) = self.place_of(symbol, need).await?;
        let known = || self.known().margins.get(symbol).copied();
        if let Some(margin) = known() {
            return Ok(Terms { generation, product, margin });
        }
        let _one = self.asking.lock().await;
        let margin = match known() {
            Some(margin) => margin,
            // Seldom, and too large to be carried by every order.
            None => Box::pin(self.read_margin(symbol, generation, product, need)).await?,
        };
        Ok(Terms { generation, product, margin })
    }

    /// The settings list contracts that somebody set up; what is open on another has its margin mode all the same.
    async fn read_margin(
        &self,
        symbol: &Symbol,
        generation: Generation,
        product: Product,
        need: Need,
    ) -> Result<MarginMode, Outcome> {
        let setup = self.setup(symbol, generation, product, need).await.map_err(|error| unsent(&error))?;
        let mut margin = setup.margin;
        if margin.is_none() && generation == Generation::Unified {
            let call = unified::GetPositions { product, symbol: Some(symbol.clone()) };
            let heard = self.line.read(&call, need).await.map_err(|error| unsent(&error))?;
            margin = margin_of_position(symbol, heard.answer()).map_err(|error| unsent(&error))?;
        }
        let margin = margin
            .ok_or_else(|| rejected(RejectKind::Account, "the margin mode of the contract is not known: set it"))?;
        self.remember_margin(symbol, margin);
        Ok(margin)
    }

    /// How the account is set up on a contract.
    pub(crate) async fn setup(
        &self,
        symbol: &Symbol,
        generation: Generation,
        product: Product,
        need: Need,
    ) -> Result<Setup, ReadError> {
        let setup = match generation {
            Generation::Classic => {
                let call = classic::GetAccount { symbol: symbol.clone(), product };
                classic_setup(self.line.read(&call, need).await?.answer())?
            }
            Generation::Unified => {
                unified_setup(symbol, product, self.line.read(&unified::GetSettings, need).await?.answer())?
            }
        };
        match setup.margin {
            Some(margin) => self.remember_margin(symbol, margin),
            None => self.forget_margin(symbol),
        }
        Ok(setup)
    }

    pub(crate) fn remember_margin(&self, symbol: &Symbol, margin: MarginMode) {
        self.known().margins.insert(symbol.clone(), margin);
    }

    /// What is known may be wrong: it is read again before the next order.
    pub(crate) fn forget_margin(&self, symbol: &Symbol) {
        self.known().margins.remove(symbol);
    }
}
