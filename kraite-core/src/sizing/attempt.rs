//! One pass of sizing: the ladder and every rule it breaks, in the order they are reported.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::ladder::{Draft, DroppedRung, SizeRequest};
use super::leverage::choose_leverage;
use super::loss::max_loss;
use super::rebuild::rungs_from;
use super::rules::{broken_rung, broken_size, check_band, slipped, total};
use super::rungs::{RungPrice, Slices, rung_price};
use super::spec::{EntryPlan, Rule, RungPlan};
use super::stop::stop_price;
use super::target::{Aimed, TargetRequest, aimed};
use crate::exchange::Direction;
use crate::id::MAX_RUNGS;
use crate::number::{ArithmeticError, Factor, Notional, Price, Qty};
use crate::plan::TargetStyle;
use crate::rounding::floor_price;

/// Which part of the request a broken rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Mark,
    Shape,
    Multipliers,
    Leverage,
    Sizes,
    Rung,
    Target,
    Stop,
}

/// One broken rule.
#[derive(Debug, Clone)]
pub(super) struct Violation {
    pub(super) rule: Rule,
    pub(super) rung: Option<u8>,
    pub(super) place: Place,
    pub(super) message: String,
}

/// What one pass gave.
pub(super) struct Attempt<'a> {
    request: SizeRequest<'a>,
    style: TargetStyle,
    reference: Price,
    pub(super) draft: Draft,
    pub(super) violations: Vec<Violation>,
}

/// Sizes `request` and collects what it breaks.
pub(super) fn attempt<'a>(request: &SizeRequest<'a>, style: TargetStyle) -> Attempt<'a> {
    let spec = request.spec;
    let mut tried = Attempt {
        request: *request,
        style,
        reference: Price::ZERO,
        draft: Draft::empty(spec.direction, spec.model),
        violations: Vec::new(),
    };
    let shaped = tried.shape();
    if !tried.reference() {
        return tried;
    }
    if !shaped {
        tried.target();
        return tried;
    }
    let prices = tried.rung_prices();
    tried.leverage(&prices);
    tried.sizes(&prices);
    tried.target();
    tried.stop(prices.len() == usize::from(spec.rungs));
    tried.whole();
    tried.headroom();
    tried
}

fn quantities(
    request: &SizeRequest<'_>,
    reference: Price,
    prices: &[RungPrice],
    capital: Notional,
) -> Result<(Qty, Vec<RungPlan>), ArithmeticError> {
    let slices = Slices::new(request.spec, capital)?;
    let entry = slices.entry(reference, request.instrument.market_lot)?;
    let mut rungs = Vec::with_capacity(prices.len());
    for RungPrice { rung, price, .. } in prices {
        let qty = slices.rung(*rung, *price, entry, request.instrument.lot)?;
        rungs.push(RungPlan { rung: *rung, price: *price, qty });
    }
    Ok((entry, rungs))
}

/// The target at an average entry, past the mark if one is given.
pub(super) fn target_of(
    request: &SizeRequest<'_>,
    average: Price,
    mark: Option<Price>,
) -> Result<Aimed, (Rule, String)> {
    let broken = |_| (Rule::TargetNotProfitable, String::from("the break-even cannot be computed"));
    let wish = TargetRequest::at(request.spec, request.instrument, average).map_err(broken)?;
    aimed(&TargetRequest { mark, ..wish }).map_err(|r| (r.rule, r.message))
}

impl Attempt<'_> {
    fn broke(&mut self, rule: Rule, rung: Option<u8>, place: Place, message: String) {
        self.violations.push(Violation { rule, rung, place, message });
    }

    /// False where nothing at all can be computed.
    fn reference(&mut self) -> bool {
        let SizeRequest { instrument, mark, .. } = self.request;
        if let Ok(reference) = floor_price(mark, instrument.tick)
            && reference.is_positive()
        {
            self.reference = reference;
            return true;
        }
        let tick = instrument.tick;
        self.broke(Rule::PriceRange, None, Place::Mark, format!("a mark of {mark} is not above a tick of {tick}"));
        false
    }

    /// False where no ladder can be computed.
    fn shape(&mut self) -> bool {
        let SizeRequest { instrument, spec, .. } = self.request;
        if spec.rungs > MAX_RUNGS {
            let message = format!("{} rungs are more than the {MAX_RUNGS} that order ids have room for", spec.rungs);
            self.broke(Rule::OrderLimit, None, Place::Shape, message);
        }
        let usable = !spec.multipliers.is_empty() && spec.multipliers.iter().all(|m| !m.is_negative());
        if spec.rungs > 0 && !usable {
            let message = format!("{} rungs need multipliers that are not below zero", spec.rungs);
            self.broke(Rule::ZeroQuantity, None, Place::Multipliers, message);
        }
        let open = u32::from(spec.rungs).saturating_add(2);
        if let Some(most) = instrument.max_orders.filter(|most| open > *most) {
            let message = format!("{} rungs, stop and target are {open} orders, {most} are allowed", spec.rungs);
            self.broke(Rule::OrderLimit, None, Place::Shape, message);
        }
        spec.rungs <= MAX_RUNGS && (spec.rungs == 0 || usable)
    }

    fn rung_prices(&mut self) -> Vec<RungPrice> {
        let SizeRequest { instrument, spec, .. } = self.request;
        let reference = self.reference;
        let mut prices = Vec::new();
        for rung in 1..=spec.rungs {
            match rung_price(spec, instrument, reference, rung) {
                Ok(Ok(at)) => {
                    if at.clamped {
                        self.draft.clamped.push(rung);
                    }
                    prices.push(at);
                }
                Ok(Err(price)) => {
                    let message = format!("rung {rung}, {} % from {reference} each, would be at {price}", spec.gap);
                    self.broke(Rule::RungPriceNotPositive, Some(rung), Place::Rung, message);
                }
                Err(_) => {
                    let message = format!("rung {rung}, {} % from {reference} each, cannot be computed", spec.gap);
                    self.broke(Rule::PriceRange, Some(rung), Place::Rung, message);
                }
            }
        }
        prices
    }

    fn leverage(&mut self, prices: &[RungPrice]) {
        let (request, reference) = (self.request, self.reference);
        let margin = request.budget.margin;
        let whole_ladder_at = |leverage: u32| {
            let capital = margin.scaled_by(Factor::from_integer(leverage))?;
            let (entry, rungs) = quantities(&request, reference, prices, capital)?;
            total(rungs.iter().map(|r| (r.price, r.qty)).chain([(reference, entry)]))
        };
        let cap = request.budget.leverage_cap;
        let chosen = choose_leverage(&request.instrument.brackets, cap, margin, whole_ladder_at);
        if chosen.is_none() {
            let message = format!("no leverage up to {cap} has a bracket that holds {margin} of margin and its ladder");
            self.broke(Rule::LeverageBracket, None, Place::Leverage, message);
        }
        self.draft.leverage = Some(chosen.unwrap_or(1));
    }

    fn sizes(&mut self, prices: &[RungPrice]) {
        let (request, reference) = (self.request, self.reference);
        let SizeRequest { instrument, spec, budget, mark } = request;
        let leverage = self.draft.leverage.unwrap_or(1);
        let capital = budget.margin.scaled_by(Factor::from_integer(leverage));
        let sized = capital.and_then(|capital| Ok((capital, quantities(&request, reference, prices, capital)?)));
        let Ok((capital, (qty, rungs))) = sized else {
            let message = format!("sizes for {} of margin at {leverage}x cannot be computed", budget.margin);
            self.broke(Rule::MaxQuantity, None, Place::Sizes, message);
            return;
        };
        self.draft.capital = Some(capital);
        if let Ok(notional) = reference.checked_mul(qty) {
            self.draft.entry = Some(EntryPlan { qty, reference_price: reference, notional });
        }
        if let Some((rule, message)) = broken_size(instrument, reference, qty, instrument.max_market_qty) {
            let message = format!("entry, {} of margin at {leverage}x: {message}", budget.margin);
            self.broke(rule, None, Place::Sizes, message);
        }
        for rung in rungs {
            if rung.qty.is_zero() {
                self.draft.dropped.push(DroppedRung { rung: rung.rung, rule: Rule::ZeroQuantity });
                continue;
            }
            if let Some((rule, message)) = broken_rung(spec.direction, instrument, reference, mark, &rung) {
                let message = format!("rung {}: {message}", rung.rung);
                self.broke(rule, Some(rung.rung), Place::Rung, message);
            }
            self.draft.rungs.push(rung);
        }
        // A ladder may lose rungs (R48); without any it is another position, whose stop hangs on its entry (R45).
        if let (Some(lost), true) = (self.draft.dropped.first().copied(), self.draft.rungs.is_empty()) {
            let message = format!("no rung of {} is left: each rounds to nothing", spec.rungs);
            self.broke(Rule::ZeroQuantity, Some(lost.rung), Place::Rung, message);
        }
    }

    fn target(&mut self) {
        let SizeRequest { instrument, spec, mark, .. } = self.request;
        match target_of(&self.request, self.reference, Some(mark)) {
            Ok(Aimed { price, clamped }) => {
                self.draft.target = Some(price);
                self.draft.target_clamped = clamped;
                let side = spec.direction.closing_side();
                if self.style == TargetStyle::Limit
                    && let Err(refusal) = check_band(side, price, mark, instrument)
                {
                    self.broke(refusal.rule, None, Place::Target, format!("target: {}", refusal.message));
                }
            }
            Err((rule, message)) => self.broke(rule, None, Place::Target, message),
        }
    }

    fn stop(&mut self, all_rungs_priced: bool) {
        let SizeRequest { instrument, spec, .. } = self.request;
        if !all_rungs_priced {
            return;
        }
        let anchor = self.draft.rungs.last().map_or(self.reference, |last| last.price);
        match stop_price(spec.direction, anchor, spec.stop, instrument) {
            Ok(price) => self.draft.stop = Some(price),
            Err(refusal) => self.broke(refusal.rule, None, Place::Stop, refusal.message),
        }
    }

    /// What only the whole ladder shows: total, overrun, worst loss, profit.
    fn whole(&mut self) {
        let SizeRequest { spec, budget, .. } = self.request;
        let (Some(entry), Some(capital)) = (self.draft.entry, self.draft.capital) else { return };
        let legs: Vec<(Price, Qty)> = core::iter::once((entry.reference_price, entry.qty))
            .chain(self.draft.rungs.iter().map(|r| (r.price, r.qty)))
            .collect();
        let Ok(cost) = total(legs.iter().copied()) else {
            self.broke(Rule::MaxQuantity, None, Place::Sizes, String::from("the ladder's notional cannot be computed"));
            return;
        };
        self.draft.total_notional = Some(cost);
        if cost > capital {
            let leverage = self.draft.leverage.unwrap_or(1);
            let needed = cost
                .ratio_to(Notional::of(leverage.into()))
                .map_or(Notional::ZERO, |f| Notional::of(f.decimal().round_dp(8).normalize()));
            let margin = budget.margin;
            let message =
                format!("the whole ladder of {cost} needs {needed} of margin at {leverage}x, {margin} is allotted");
            self.broke(Rule::MarginOverrun, None, Place::Sizes, message);
        }
        if let Some(stop) = self.draft.stop {
            match max_loss(spec.direction, legs.iter().copied(), stop) {
                Ok(loss) => self.draft.max_loss = Some(loss),
                Err(_) => {
                    self.broke(
                        Rule::MaxQuantity,
                        None,
                        Place::Sizes,
                        String::from("the worst loss cannot be computed"),
                    );
                }
            }
        }
        if entry.qty.is_positive() && self.draft.target.is_some() {
            match self.full_profit(&legs, cost) {
                Ok(profit) => self.draft.full_ladder_profit = Some(profit),
                Err((rule, message)) => self.broke(rule, None, Place::Target, format!("full ladder: {message}")),
            }
        }
    }

    fn full_profit(&self, legs: &[(Price, Qty)], cost: Notional) -> Result<Notional, (Rule, String)> {
        let spec = self.request.spec;
        let overflow = |_| (Rule::MaxQuantity, String::from("the profit cannot be computed"));
        let qty = legs.iter().try_fold(Qty::ZERO, |sum, (_, qty)| sum.checked_add(*qty)).map_err(overflow)?;
        let average = cost.checked_div_qty(qty).map_err(overflow)?;
        let earned = target_of(&self.request, average, None)?.price.checked_mul(qty).map_err(overflow)?;
        match spec.direction {
            Direction::Long => earned.checked_sub(cost).map_err(overflow),
            Direction::Short => cost.checked_sub(earned).map_err(overflow),
        }
    }

    /// The same rungs hung on a fill that slipped either way must all still hold (R27).
    fn headroom(&mut self) {
        let SizeRequest { instrument, spec, .. } = self.request;
        let (Some(entry), Some(capital)) = (self.draft.entry, self.draft.capital) else { return };
        if !spec.headroom.is_positive() || !entry.qty.is_positive() || self.draft.rungs.is_empty() {
            return;
        }
        for slip in [spec.headroom.negated(), spec.headroom] {
            let Ok(fill) = slipped(self.reference, slip, instrument) else {
                let message = format!("a fill {slip} % off {} cannot be computed", self.reference);
                self.broke(Rule::PriceRange, None, Place::Mark, message);
                continue;
            };
            let (_, dropped) = rungs_from(spec, instrument, capital, &self.draft.rungs, fill, entry.qty);
            for DroppedRung { rung, rule } in dropped {
                let message = format!("rung {rung} would break {rule} if the entry filled {slip} % off, at {fill}");
                let place = if rule == Rule::MarginOverrun { Place::Sizes } else { Place::Rung };
                self.broke(rule, Some(rung), place, message);
            }
        }
    }
}
