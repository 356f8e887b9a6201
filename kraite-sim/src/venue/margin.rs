//! Money that moves without an order: funding, liquidation, forced closing.

use kraite_core::exchange::{
    Direction, MarginMode, OrderShape, Payment, Purpose, ReportStatus, Service, StreamEvent, VenueCause,
};
use kraite_core::id::{AccountTag, Symbol};
use kraite_core::number::{ArithmeticError, Factor, Notional, Price, Qty};
use kraite_core::time::VenueMillis;

use super::Venue;
use super::book::Safety;
use super::matching::Liquidity;
use super::object::{ObjectId, OrderObject, Owner, Via};

/// How far an account is from liquidation through one position.
#[derive(Debug, Clone, Copy)]
struct Cushion {
    account: AccountTag,
    direction: Direction,
    qty: Qty,
    margin_mode: MarginMode,
    /// Margin and profit above the maintenance margin; negative means liquidation.
    excess: Notional,
    /// True when prices of other contracts move it too.
    shared: bool,
}

impl Venue {
    /// Books a funding payment on every open position of a contract: at a positive rate longs pay shorts.
    pub fn funding(&mut self, symbol: &Symbol, rate: Factor, now: VenueMillis) {
        self.tick(now);
        let done = self.pay_funding(symbol, rate);
        self.swallow(done);
    }

    fn pay_funding(&mut self, symbol: &Symbol, rate: Factor) -> Result<(), ArithmeticError> {
        let Some(market) = self.markets.get_mut(symbol) else { return Ok(()) };
        let Some(mark) = market.mark.or(market.last) else { return Ok(()) };
        market.safety = Safety::Unknown;
        let quirks = &self.profile.quirks;
        for account in self.accounts.values_mut() {
            let isolated = account.settings.get(symbol).map_or(quirks.default_margin_mode, |s| s.margin_mode)
                == MarginMode::Isolated;
            for direction in [Direction::Long, Direction::Short] {
                let Some(position) = account.positions.get_mut(&(symbol.clone(), direction)) else { continue };
                if position.qty.is_zero() {
                    continue;
                }
                let size = mark.checked_mul(position.qty)?.scaled_by(rate)?;
                let amount = if direction == Direction::Long { size.negated() } else { size };
                if isolated {
                    position.margin = position.margin.checked_add(amount)?;
                }
                account.funding = account.funding.checked_add(amount)?;
                account.payments.push((symbol.clone(), direction, Payment { at: self.now, amount }));
                let event = StreamEvent::Funding { symbol: symbol.clone(), amount, at: self.now };
                self.outbox.push((account.tag, event));
            }
        }
        Ok(())
    }

    /// The venue takes exposure off by itself: ADL, settlement, or a liquidation out of the blue. Returns
    /// how much it took.
    pub fn force_close(
        &mut self,
        account: AccountTag,
        symbol: &Symbol,
        direction: Direction,
        qty: Qty,
        cause: VenueCause,
        now: VenueMillis,
    ) -> Qty {
        self.tick(now);
        let open = self.accounts.get(&account).map_or(Qty::ZERO, |a| a.qty(symbol, direction));
        let price = self.markets.get(symbol).and_then(|m| m.mark.or(m.last));
        let (Some(price), qty) = (price, qty.min(open)) else { return Qty::ZERO };
        if qty.is_positive() {
            let done = self.take_off(account, symbol, direction, qty, price, cause, Notional::ZERO);
            self.swallow(done);
        }
        qty
    }

    /// Liquidates whoever has too little margin at this mark.
    pub(super) fn liquidate_at(&mut self, symbol: &Symbol, mark: Price) -> Result<(), ArithmeticError> {
        if self.markets.get(symbol).is_none_or(|m| m.is_safe_at(mark)) {
            return Ok(());
        }
        // Each round liquidates one position, so there are no more rounds than positions.
        loop {
            let cushions = self.cushions(symbol, mark)?;
            let Some(short) = cushions.iter().find(|c| !c.excess.is_positive()) else {
                let safety = safe_span(&cushions, mark)?;
                if let Some(market) = self.markets.get_mut(symbol) {
                    market.safety = safety;
                }
                return Ok(());
            };
            self.liquidate(symbol, *short, mark)?;
        }
    }

    fn cushions(&self, symbol: &Symbol, mark: Price) -> Result<Vec<Cushion>, ArithmeticError> {
        let mut all = Vec::new();
        let Some(market) = self.markets.get(symbol) else { return Ok(all) };
        for account in self.accounts.values() {
            for direction in [Direction::Long, Direction::Short] {
                let Some(position) = account.position(symbol, direction).filter(|p| p.qty.is_positive()) else {
                    continue;
                };
                let margin_mode = self.settings_of(account.tag, symbol).margin_mode;
                let mut cushion = Cushion {
                    account: account.tag,
                    direction,
                    qty: position.qty,
                    margin_mode,
                    excess: Notional::ZERO,
                    shared: false,
                };
                if margin_mode == MarginMode::Isolated {
                    let needed = market.instrument.maintenance_margin(mark.checked_mul(position.qty)?)?;
                    let profit = position.unrealized(direction, mark)?;
                    cushion.excess = position.margin.checked_add(profit)?.checked_sub(needed)?;
                } else {
                    (cushion.excess, cushion.shared) = self.cross_excess(account.tag, symbol, mark)?;
                }
                all.push(cushion);
            }
        }
        Ok(all)
    }

    /// Wallet and profit of all cross positions above their maintenance margins, and whether they are on
    /// more than one side or contract.
    fn cross_excess(
        &self,
        tag: AccountTag,
        here: &Symbol,
        mark_here: Price,
    ) -> Result<(Notional, bool), ArithmeticError> {
        let Some(account) = self.accounts.get(&tag) else { return Ok((Notional::ZERO, false)) };
        let mut excess = account.wallet()?;
        let mut count = 0usize;
        for (symbol, direction, position) in account.positions() {
            if self.settings_of(tag, symbol).margin_mode == MarginMode::Isolated {
                excess = excess.checked_sub(position.margin)?;
                continue;
            }
            let Some(market) = self.markets.get(symbol) else { continue };
            let entry = position.entry().unwrap_or_default();
            let mark = if symbol == here { mark_here } else { market.mark.or(market.last).unwrap_or(entry) };
            let needed = market.instrument.maintenance_margin(mark.checked_mul(position.qty)?)?;
            excess = excess.checked_add(position.unrealized(direction, mark)?)?.checked_sub(needed)?;
            count = count.saturating_add(1);
        }
        Ok((excess, count > 1))
    }

    fn liquidate(&mut self, symbol: &Symbol, who: Cushion, mark: Price) -> Result<(), ArithmeticError> {
        let Some(account) = self.accounts.get(&who.account) else { return Ok(()) };
        // Every order goes first: all of the contract, or all of the account where margin is shared.
        let ended: Vec<ObjectId> = account
            .open()
            .filter(|id| {
                who.margin_mode == MarginMode::Cross || self.objects.get(id).is_some_and(|o| o.symbol == *symbol)
            })
            .collect();
        let left = match account.position(symbol, who.direction) {
            Some(p) if who.margin_mode == MarginMode::Isolated => {
                p.margin.checked_add(p.unrealized(who.direction, mark)?)?
            }
            Some(p) => account.wallet()?.checked_add(p.unrealized(who.direction, mark)?)?,
            None => return Ok(()),
        };
        for id in ended {
            self.end(id, ReportStatus::Expired);
        }
        let notional = mark.checked_mul(who.qty)?;
        let fee = notional.scaled_by(self.profile.quirks.liquidation_fee)?.min(left.max(Notional::ZERO));
        self.take_off(who.account, symbol, who.direction, who.qty, mark, VenueCause::Liquidation, fee)?;
        if left.is_negative()
            && let Some(account) = self.accounts.get_mut(&who.account)
        {
            // The price jumped past bankruptcy: nobody loses more than was at stake.
            account.insurance = account.insurance.checked_sub(left)?;
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "one private function with two callers")]
    fn take_off(
        &mut self,
        account: AccountTag,
        symbol: &Symbol,
        direction: Direction,
        qty: Qty,
        price: Price,
        cause: VenueCause,
        fee: Notional,
    ) -> Result<(), ArithmeticError> {
        let id = self.new_id();
        let order = OrderObject {
            id,
            account,
            symbol: symbol.clone(),
            service: Service::Regular,
            owner: Owner::Venue(cause),
            via: Via::Venue,
            parent: None,
            child: None,
            side: direction.closing_side(),
            direction,
            purpose: Purpose::Close,
            shape: OrderShape::Market { qty },
            status: ReportStatus::New,
            executed: Qty::ZERO,
            cost: Notional::ZERO,
            fees: Notional::ZERO,
            created_at: self.now,
            stated_at: self.now,
            changed_at: self.now,
            placed_qty: Some(qty),
        };
        self.enter(order);
        self.execute(id, qty, price, Liquidity::Forced(fee))
    }
}

/// The marks between which nobody here can fall short. A long loses `excess` within excess / qty, however
/// the maintenance margin falls on the way; for a short it rises too, by less than the loss itself.
fn safe_span(cushions: &[Cushion], mark: Price) -> Result<Safety, ArithmeticError> {
    let (mut low, mut high) = (None::<Price>, None::<Price>);
    for cushion in cushions {
        if cushion.shared {
            return Ok(Safety::Unknown);
        }
        match cushion.direction {
            Direction::Long => {
                let bound = mark.checked_sub(cushion.excess.checked_div_qty(cushion.qty)?)?;
                low = Some(low.map_or(bound, |l| l.max(bound)));
            }
            Direction::Short => {
                let double = cushion.qty.checked_add(cushion.qty)?;
                let bound = mark.checked_add(cushion.excess.checked_div_qty(double)?)?;
                high = Some(high.map_or(bound, |h| h.min(bound)));
            }
        }
    }
    Ok(Safety::Within(low, high))
}
