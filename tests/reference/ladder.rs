//! From a margin and a mark to prices and quantities (requirements F), again at the price that the entry really got, and
//! the target after each fill.

use kraite_core::sizing::Rule;

use crate::decimal::{Decimal, ceil, floor, held, most, one, quotient, share_of, zero};
use crate::mutants::Mutant;
use crate::terms::{Band, Bracket, Terms};

/// One LIMIT order of the ladder.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rung {
    pub(crate) number: u8,
    pub(crate) price: Decimal,
    pub(crate) qty: Decimal,
}

/// A position before anything of it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Ladder {
    pub(crate) leverage: u32,
    /// Margin x leverage: what entry and rungs may cost together.
    pub(crate) capital: Decimal,
    /// The mark on the tick.
    pub(crate) reference: Decimal,
    pub(crate) entry: Decimal,
    /// Nearest first; rungs that round to nothing are left out.
    pub(crate) rungs: Vec<Rung>,
    pub(crate) target: Decimal,
    pub(crate) stop: Decimal,
}

/// What has filled so far.
#[derive(Debug, Clone)]
pub(crate) struct Filled {
    pub(crate) qty: Decimal,
    pub(crate) cost: Decimal,
    pub(crate) fees: Decimal,
}

impl Filled {
    pub(crate) fn average(&self) -> Decimal {
        quotient(&self.cost, &self.qty)
    }
}

impl Ladder {
    pub(crate) fn total(&self) -> Decimal {
        self.rungs.iter().fold(&self.reference * &self.entry, |sum, rung| sum + &rung.price * &rung.qty)
    }
}

impl Terms {
    /// A price moved against the position by so many percent.
    fn against(&self, price: &Decimal, percent: &Decimal) -> Decimal {
        let share = share_of(percent);
        price * if self.is_long { one() - share } else { one() + share }
    }

    /// A price moved in favour of the position.
    fn in_favour(&self, price: &Decimal, percent: &Decimal) -> Decimal {
        self.against(price, &-percent)
    }

    /// Strictly better for the position than another price.
    fn is_past(&self, price: &Decimal, other: &Decimal) -> bool {
        if self.is_long { price > other } else { price < other }
    }

    fn is_in_range(&self, price: &Decimal) -> bool {
        *price > zero() && *price >= self.min_price && self.max_price.as_ref().is_none_or(|highest| price <= highest)
    }

    /// Into the contract's range and down to the tick; where that leaves the range, up to its first tick.
    fn on_grid(&self, price: &Decimal) -> Decimal {
        let highest = self.max_price.as_ref().unwrap_or(price);
        let within = price.min(highest).max(&self.min_price);
        floor(within, &self.tick).max(ceil(&self.min_price, &self.tick))
    }

    fn rung_price(&self, from: &Decimal, number: u8) -> Result<Decimal, Rule> {
        let price = self.against(from, &(&self.gap * Decimal::from(number)));
        if price > zero() { Ok(self.on_grid(&price)) } else { Err(Rule::RungPriceNotPositive) }
    }

    /// The market slice.
    fn entry_qty(&self, capital: &Decimal, reference: &Decimal) -> Decimal {
        most(capital, &(&self.parts * reference), &self.market_lot)
    }

    /// Unbounded rungs weigh quantity and hang on what the entry got; bounded rungs weigh notional.
    fn rung_qty(&self, number: u8, price: &Decimal, entry: &Decimal, capital: &Decimal) -> Decimal {
        let weight = &self.weights[usize::from(number)];
        if self.is_bounded {
            most(&(capital * weight), &(&self.parts * price), &self.lot)
        } else if self.is(Mutant::ChainOfRoundedSizes) {
            (1..=usize::from(number))
                .fold(entry.clone(), |qty, n| floor(&(qty * &self.weights[n] / &self.weights[n - 1]), &self.lot))
        } else {
            floor(&(entry * weight), &self.lot)
        }
    }

    fn check_size(&self, price: &Decimal, qty: &Decimal, most: &Decimal) -> Result<(), Rule> {
        if *qty <= zero() {
            Err(Rule::ZeroQuantity)
        } else if *qty < self.min_qty {
            Err(Rule::MinQuantity)
        } else if qty > most {
            Err(Rule::MaxQuantity)
        } else if price * qty < self.min_notional {
            Err(Rule::MinNotional)
        } else {
            Ok(())
        }
    }

    fn check_rung(&self, rung: &Rung, reference: &Decimal, mark: &Decimal) -> Result<(), Rule> {
        if !self.is_past(reference, &rung.price) || !self.is_in_range(&rung.price) {
            return Err(Rule::PriceRange);
        }
        check_band(&self.opening_band, &rung.price, mark)?;
        self.check_size(&rung.price, &rung.qty, &self.max_qty)
    }

    /// The ladder that margin x leverage gives at a mark, whether or not it breaks a rule.
    pub(crate) fn ladder_at(&self, leverage: u32, mark: &Decimal) -> Result<Ladder, Rule> {
        let capital = &self.margin * Decimal::from(leverage);
        let reference = floor(mark, &self.tick);
        if reference <= zero() {
            return Err(Rule::PriceRange);
        }
        let entry = self.entry_qty(&capital, &reference);
        let mut rungs = Vec::new();
        for number in 1..=self.rungs {
            let price = self.rung_price(&reference, number)?;
            let qty = self.rung_qty(number, &price, &entry, &capital);
            rungs.push(Rung { number, price, qty });
        }
        rungs.retain(|rung| rung.qty > zero());
        let (target, stop) = (zero(), zero());
        Ok(Ladder { leverage, capital, reference, entry, rungs, target, stop })
    }

    /// The highest leverage under which both margin x leverage and the whole ladder are below the cap of a bracket that
    /// allows it (architecture 4a.12).
    fn widest_ladder(&self, mark: &Decimal) -> Result<Ladder, Rule> {
        if self.is(Mutant::LeverageOfTheOrigin) {
            return self.ladder_at(self.first_misfit_stops(), mark);
        }
        for leverage in (1..=self.leverage_cap).rev() {
            let ladder = self.ladder_at(leverage, mark)?;
            let needed = ladder.total().max(ladder.capital.clone());
            let fits = |bracket: &Bracket| bracket.max_leverage >= leverage && needed < bracket.cap;
            if self.brackets.is_empty() || self.brackets.iter().any(fits) {
                return Ok(ladder);
            }
        }
        Err(Rule::LeverageBracket)
    }

    /// Trap 1 of requirements F: from the widest bracket down each bracket's own leverage, until one does not fit.
    fn first_misfit_stops(&self) -> u32 {
        let most = |bracket: &&Bracket| self.leverage_cap.min(bracket.max_leverage);
        let fits = |bracket: &&Bracket| &self.margin * Decimal::from(most(bracket)) < bracket.cap;
        self.brackets.iter().rev().take_while(fits).last().as_ref().map_or(1, most)
    }

    /// The ladder to open at a mark, or the rule that keeps it from being opened.
    pub(crate) fn size(&self, mark: &Decimal) -> Result<Ladder, Rule> {
        // A stop and a target rest beside the rungs.
        if self.max_orders.is_some_and(|most| u32::from(self.rungs) + 2 > most) {
            return Err(Rule::OrderLimit);
        }
        let mut ladder = self.widest_ladder(mark)?;
        self.check_size(&ladder.reference, &ladder.entry, &self.max_market_qty)?;
        if self.rungs > 0 && ladder.rungs.is_empty() {
            return Err(Rule::ZeroQuantity);
        }
        for rung in &ladder.rungs {
            self.check_rung(rung, &ladder.reference, mark)?;
        }
        if ladder.total() > ladder.capital {
            return Err(Rule::MarginOverrun);
        }
        ladder.target = self.target(&ladder.reference, &self.break_even(&ladder.reference), None)?;
        if self.asks_limit_target {
            check_band(&self.closing_band, &ladder.target, mark)?;
        }
        let anchor = ladder.rungs.last().map_or(&ladder.reference, |rung| &rung.price);
        ladder.stop = self.stop(anchor)?;
        self.check_headroom(&ladder)?;
        Ok(ladder)
    }

    /// Where the entry slips either way, every rung must still hold (R27).
    fn check_headroom(&self, ladder: &Ladder) -> Result<(), Rule> {
        if self.is(Mutant::HeadroomIsIgnored) {
            return Ok(());
        }
        for slip in [self.headroom.clone(), -&self.headroom] {
            let fill = floor(&self.in_favour(&ladder.reference, &slip), &self.tick);
            let (_, dropped) = self.hang(ladder, &fill, &ladder.entry);
            if let Some(rule) = dropped.first() {
                return Err(*rule);
            }
        }
        Ok(())
    }

    /// The planned rungs hung on what the entry really got. A rung that breaks a rule there is dropped. Together they never
    /// cost more than margin x leverage: where that is spent, a bounded rung takes what is left, an unbounded one is
    /// dropped, since its size is not a matter of money.
    pub(crate) fn hang(&self, ladder: &Ladder, fill: &Decimal, filled: &Decimal) -> (Vec<Rung>, Vec<Rule>) {
        let mut left = &ladder.capital - fill * filled;
        let (mut rungs, mut dropped) = (Vec::new(), Vec::new());
        for Rung { number, .. } in &ladder.rungs {
            let held = self.rung_price(fill, *number).and_then(|price| {
                let wanted = self.rung_qty(*number, &price, filled, &ladder.capital);
                let affordable = most(&left, &price, &self.lot);
                if wanted > affordable && (!self.is_bounded || affordable <= zero()) {
                    return Err(Rule::MarginOverrun);
                }
                let qty = wanted.min(affordable);
                let rung = Rung { number: *number, price, qty };
                self.check_rung(&rung, fill, fill).map(|()| rung)
            });
            match held {
                Ok(rung) => {
                    left -= &rung.price * &rung.qty;
                    rungs.push(rung);
                }
                Err(rule) => dropped.push(rule),
            }
        }
        (rungs, dropped)
    }

    /// The stop of a ladder that hangs on a fill: beyond where the last planned rung is or would be, beyond the fill
    /// itself without rungs (R45). One that cannot be had there stays as planned.
    pub(crate) fn stop_at(&self, ladder: &Ladder, fill: &Decimal) -> Decimal {
        let first_only = self.is(Mutant::StopBehindTheFirstRung);
        let behind = if first_only { ladder.rungs.first() } else { ladder.rungs.last() };
        let anchor = behind.map_or(Ok(fill.clone()), |rung| self.rung_price(fill, rung.number));
        anchor.and_then(|anchor| self.stop(&anchor)).unwrap_or_else(|_| ladder.stop.clone())
    }

    /// Floored on both sides; a SHORT stop that this brings back onto its anchor takes the next tick.
    pub(crate) fn stop(&self, anchor: &Decimal) -> Result<Decimal, Rule> {
        let mut stop = floor(&self.against(anchor, &self.stop), &self.tick);
        if !self.is_long && stop <= *anchor {
            stop = floor(anchor, &self.tick) + &self.tick;
        }
        if self.is_in_range(&stop) && self.is_past(anchor, &stop) { Ok(stop) } else { Err(Rule::PriceRange) }
    }

    /// The price at which closing earns exactly the fees that were paid and the one to come.
    pub(crate) fn break_even_paid(&self, filled: &Filled, exit_fee: &Decimal) -> Decimal {
        if self.is_long {
            quotient(&(&filled.cost + &filled.fees), &(&filled.qty * (one() - exit_fee)))
        } else {
            quotient(&(&filled.cost - &filled.fees), &(&filled.qty * (one() + exit_fee)))
        }
    }

    /// The same as if every fill had taken, and the target will.
    pub(crate) fn break_even(&self, average: &Decimal) -> Decimal {
        let fees = held(&(average * &self.taker));
        if self.is_long {
            quotient(&held(&(average + fees)), &(one() - &self.taker))
        } else {
            quotient(&held(&(average - fees)), &(one() + &self.taker))
        }
    }

    /// `profit` percent past a price, floored to the tick, or else the nearest tick strictly past the limit.
    fn aim(&self, from: &Decimal, limit: &Decimal) -> Decimal {
        let aimed = self.on_grid(&self.in_favour(from, &self.profit));
        if self.is_past(&aimed, limit) {
            aimed
        } else if self.is_long {
            floor(limit, &self.tick) + &self.tick
        } else {
            ceil(limit, &self.tick) - &self.tick
        }
    }

    /// `profit` percent past the average entry or the break-even, floored to the tick; only where that does not lie
    /// strictly past the break-even, the nearest tick that does (R74, architecture 4a.11).
    ///
    /// Where a mark is looked at and has passed it, the same from the mark, strictly past it too (R83).
    pub(crate) fn target(
        &self,
        average: &Decimal,
        break_even: &Decimal,
        mark: Option<&Decimal>,
    ) -> Result<Decimal, Rule> {
        let basis = if self.aims_from_break_even { break_even } else { average };
        // Where fees are rebates the break-even lies before the entry, and a target at the entry would be none.
        let limit = if self.is_past(basis, break_even) { basis } else { break_even };
        let first = self.aim(basis, limit);
        let target = match mark.filter(|mark| !self.is_past(&first, mark)) {
            Some(mark) => self.aim(mark, if self.is_past(mark, limit) { mark } else { limit }),
            None => first,
        };
        if self.is_in_range(&target) { Ok(target) } else { Err(Rule::TargetNotProfitable) }
    }

    /// Whether a position and what rests for it may be worth so much at this leverage.
    pub(crate) fn allows(&self, total: &Decimal, leverage: u32) -> bool {
        let bracket = self.brackets.iter().find(|bracket| total < &bracket.cap);
        self.is(Mutant::AnyLeverageAtTheFill)
            || self.brackets.is_empty()
            || bracket.is_some_and(|bracket| bracket.max_leverage >= leverage)
    }

    /// The margin below which a position is taken: by the bracket of its notional at the price, the last one for more than
    /// all of them hold.
    pub(crate) fn maintenance(&self, notional: &Decimal) -> Decimal {
        let holds = |bracket: &&Bracket| *notional < bracket.cap || self.is(Mutant::FirstBracketOnly);
        let bracket = self.brackets.iter().find(holds).or(self.brackets.last());
        bracket.map_or_else(zero, |bracket| notional * &bracket.maintenance_ratio - &bracket.deduction)
    }
}

fn check_band(band: &Band, price: &Decimal, mark: &Decimal) -> Result<(), Rule> {
    let too_low = band.lowest.as_ref().is_some_and(|share| *price < mark * share);
    let too_high = band.highest.as_ref().is_some_and(|share| *price > mark * share);
    if too_low || too_high { Err(Rule::PriceBand) } else { Ok(()) }
}
