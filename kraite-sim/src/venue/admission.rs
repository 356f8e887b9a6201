//! The checks every order passes: grids, bounds, bands, counts, margin and leverage brackets.

use kraite_core::exchange::{MarginMode, OrderShape, Purpose, Service, Side};
use kraite_core::id::{AccountTag, Symbol};
use kraite_core::instrument::Instrument;
use kraite_core::number::{ArithmeticError, Factor, Notional, Price, Qty};
use kraite_core::rounding::{is_on_lot, is_on_tick};

use super::Venue;
use super::account::Settings;
use super::book::{Market, Trading};
use super::money::{share, taker_price};
use super::object::{ObjectId, OrderObject};
use super::profile::Refusal;

impl From<ArithmeticError> for Refusal {
    fn from(_: ArithmeticError) -> Self {
        Self::OutOfRange
    }
}

impl Venue {
    pub(super) fn market_of(&self, symbol: &Symbol) -> Result<&Market, Refusal> {
        self.markets.get(symbol).ok_or(Refusal::UnknownSymbol)
    }

    pub(super) fn settings_of(&self, account: AccountTag, symbol: &Symbol) -> Settings {
        let quirks = &self.profile.quirks;
        let usual = Settings { leverage: quirks.default_leverage, margin_mode: quirks.default_margin_mode };
        self.accounts.get(&account).and_then(|a| a.settings.get(symbol)).copied().unwrap_or(usual)
    }

    /// Grids, bounds, band and minimum notional.
    pub(super) fn check_filters(&self, object: &OrderObject) -> Result<(), Refusal> {
        let market = self.market_of(&object.symbol)?;
        if market.trading == Trading::Halted {
            return Err(Refusal::Halted);
        }
        let rules = &market.instrument;
        let is_market = matches!(object.shape, OrderShape::Market { .. });
        if let Some(price) = object.shape.price() {
            check_price(rules, price)?;
        }
        if let Some(qty) = object.shape.qty() {
            check_qty(rules, qty, is_market)?;
        }
        let mark = market.mark.or(market.last);
        match object.shape {
            OrderShape::Limit { price, .. } => {
                check_band(rules, object.side, price, mark)?;
                self.check_depth(rules, price, mark)?;
            }
            OrderShape::Market { .. } if market.last.is_none() => return Err(Refusal::NoDepth),
            OrderShape::Market { .. } | OrderShape::StopMarket { .. } | OrderShape::TakeProfitMarket { .. } => {}
        }
        if object.purpose == Purpose::Open
            && !object.shape.is_conditional()
            && let (Some(price), Some(qty)) = (object.shape.price().or(mark), object.shape.qty())
            && price.checked_mul(qty)? < rules.min_notional
        {
            return Err(Refusal::MinNotional);
        }
        Ok(())
    }

    /// A venue that limits both sides in both directions, whatever its contracts state.
    fn check_depth(&self, rules: &Instrument, price: Price, mark: Option<Price>) -> Result<(), Refusal> {
        match mark.filter(|mark| self.profile.quirks.deep_band && !rules.band.is_near(price, *mark)) {
            Some(mark) if price > mark => Err(Refusal::AboveBand),
            Some(_) => Err(Refusal::BelowBand),
            None => Ok(()),
        }
    }

    /// How many orders may be open at once.
    pub(super) fn check_counts(&self, object: &OrderObject) -> Result<(), Refusal> {
        if matches!(object.shape, OrderShape::Market { .. }) {
            return Ok(());
        }
        let market = self.market_of(&object.symbol)?;
        let account = self.accounts.get(&object.account).ok_or(Refusal::NoAccount)?;
        let most = u32::MAX;
        let most_here = market.instrument.max_orders.unwrap_or(most);
        let most_conditional = self.profile.capabilities.max_conditional_orders.unwrap_or(most);
        let fewest = most_here.min(most_conditional);
        if u32::try_from(account.open.len()).unwrap_or(most) < fewest {
            return Ok(());
        }
        let (mut here, mut conditional) = (0u32, 0u32);
        for open in account.open().filter_map(|id| self.objects.get(&id)) {
            here = here.saturating_add(u32::from(open.symbol == object.symbol));
            conditional = conditional.saturating_add(u32::from(open.service == Service::Conditional));
        }
        if here >= most_here {
            return Err(Refusal::TooManyOrders);
        }
        if object.service == Service::Conditional && conditional >= most_conditional {
            return Err(Refusal::TooManyConditional);
        }
        Ok(())
    }

    /// Free margin and leverage bracket for an order that adds exposure; `instead_of` is left out of the
    /// reckoning because this one replaces it.
    pub(super) fn check_opening(&self, object: &OrderObject, instead_of: Option<ObjectId>) -> Result<(), Refusal> {
        let adds = self.adds(object);
        if adds.is_zero() {
            return Ok(());
        }
        let market = self.market_of(&object.symbol)?;
        let price = match object.shape.price() {
            Some(price) => price,
            None => {
                let last = market.last.ok_or(Refusal::NoDepth)?;
                taker_price(last, object.side, market.liquidity.slippage, market.instrument.tick)?
            }
        };
        let leverage = self.settings_of(object.account, &object.symbol).leverage;
        let notional = price.checked_mul(adds)?;
        let total = self.exposure(object, instead_of)?.checked_add(notional)?;
        if let Some(bracket) = market.instrument.bracket_of(total)
            && (bracket.max_leverage < leverage || total >= bracket.notional_cap)
        {
            return Err(Refusal::LeverageBracket);
        }
        if share(notional, leverage)? > self.available(object.account, instead_of)? {
            return Err(Refusal::Margin);
        }
        Ok(())
    }

    /// The notional of the position and the open opening orders on the side of an order.
    fn exposure(&self, object: &OrderObject, without: Option<ObjectId>) -> Result<Notional, ArithmeticError> {
        let Some(account) = self.accounts.get(&object.account) else { return Ok(Notional::ZERO) };
        let mark = self.markets.get(&object.symbol).and_then(|m| m.mark.or(m.last)).unwrap_or_default();
        let mut total = mark.checked_mul(account.qty(&object.symbol, object.direction))?;
        for open in account.open().filter(|id| Some(*id) != without).filter_map(|id| self.objects.get(&id)) {
            if open.symbol == object.symbol
                && open.side == object.side
                && open.purpose == Purpose::Open
                && let OrderShape::Limit { price, .. } = open.shape
            {
                total = total.checked_add(price.checked_mul(open.leaves())?)?;
            }
        }
        Ok(total)
    }

    /// What an account may still put at risk: wallet and cross profit, less all margin in use or reserved.
    pub(super) fn available(
        &self,
        account: AccountTag,
        without: Option<ObjectId>,
    ) -> Result<Notional, ArithmeticError> {
        let Some(holder) = self.accounts.get(&account) else { return Ok(Notional::ZERO) };
        let mut free = holder.wallet()?;
        for (symbol, direction, position) in holder.positions() {
            let settings = self.settings_of(account, symbol);
            if settings.margin_mode == MarginMode::Isolated {
                free = free.checked_sub(position.margin)?;
                continue;
            }
            let mark = self.markets.get(symbol).and_then(|m| m.mark.or(m.last)).unwrap_or_default();
            free = free.checked_add(position.unrealized(direction, mark)?)?;
            free = free.checked_sub(share(mark.checked_mul(position.qty)?, settings.leverage)?)?;
        }
        for open in holder.open().filter(|id| Some(*id) != without).filter_map(|id| self.objects.get(&id)) {
            if open.purpose == Purpose::Open
                && let OrderShape::Limit { price, .. } = open.shape
            {
                let settings = self.settings_of(account, &open.symbol);
                free = free.checked_sub(share(price.checked_mul(open.leaves())?, settings.leverage)?)?;
            }
        }
        Ok(free)
    }
}

fn check_price(rules: &Instrument, price: Price) -> Result<(), Refusal> {
    if !price.is_positive() || price < rules.min_price {
        return Err(Refusal::PriceTooLow);
    }
    if rules.max_price.is_some_and(|max| price > max) {
        return Err(Refusal::PriceTooHigh);
    }
    if is_on_tick(price, rules.tick) { Ok(()) } else { Err(Refusal::Tick) }
}

fn check_qty(rules: &Instrument, qty: Qty, is_market: bool) -> Result<(), Refusal> {
    let (lot, max) = if is_market { (rules.market_lot, rules.max_market_qty) } else { (rules.lot, rules.max_qty) };
    if !qty.is_positive() || qty < rules.min_qty {
        return Err(Refusal::MinQty);
    }
    if qty > max {
        return Err(Refusal::MaxQty);
    }
    if is_on_lot(qty, lot) { Ok(()) } else { Err(Refusal::Lot) }
}

fn check_band(rules: &Instrument, side: Side, price: Price, mark: Option<Price>) -> Result<(), Refusal> {
    let Some(mark) = mark else { return Ok(()) };
    let (max, min) = match side {
        Side::Buy => (rules.band.buy_max, rules.band.buy_min),
        Side::Sell => (rules.band.sell_max, rules.band.sell_min),
    };
    let one = Qty::from_units(1, 0).unwrap_or_default();
    let bound = |factor: Factor| mark.checked_mul(one)?.scaled_by(factor)?.checked_div_qty(one);
    if let Some(factor) = max
        && price > bound(factor)?
    {
        return Err(Refusal::AboveBand);
    }
    if let Some(factor) = min
        && price < bound(factor)?
    {
        return Err(Refusal::BelowBand);
    }
    Ok(())
}
