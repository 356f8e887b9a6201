//! The ladder at the price the entry really got (R27).

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::ladder::{DroppedRung, Ladder};
use super::math::{floor_ratio, sub};
use super::rules::broken_rung;
use super::rungs::{Slices, rung_price};
use super::spec::{LadderSpec, Rule, RungPlan, SizingModel};
use super::stop::stop_price;
use crate::instrument::Instrument;
use crate::number::{Notional, Price, Qty};

/// A ladder hung on the real fill of its entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rebuilt {
    /// The rungs to place, nearest first.
    pub rungs: Vec<RungPlan>,
    /// Planned rungs that now break a rule; never sent, always recorded (R48).
    pub dropped: Vec<DroppedRung>,
    /// What the stop hangs on: where the last planned rung is or would be, or the fill price without rungs.
    pub anchor: Price,
    /// The stop-loss price.
    pub stop: Price,
}

/// Hangs a planned ladder on the price and quantity that its entry really got.
///
/// Unbounded rungs chain from the filled quantity. Bounded rungs keep their share of margin x leverage;
/// where the entry cost more than its own share, the last rungs give way. Together entry and rungs never
/// exceed [`Ladder::capital`]. The stop stays anchored on the last *planned* rung even if that one is
/// dropped: the worst loss then only shrinks. Never fails: the entry is filled already, so a rung that
/// breaks a rule, or whose arithmetic overflows, is dropped, and a stop that cannot be computed stays
/// where it was planned.
#[must_use]
pub fn rebuild(ladder: &Ladder, spec: &LadderSpec, instrument: &Instrument, fill_price: Price, filled: Qty) -> Rebuilt {
    let (rungs, dropped) = rungs_from(spec, instrument, ladder.capital, &ladder.rungs, fill_price, filled);
    let anchor = match if zoo!(StopOnFirstRung) { ladder.rungs.first() } else { ladder.rungs.last() } {
        None => fill_price,
        Some(last) => match rung_price(spec, instrument, fill_price, last.rung) {
            Ok(Ok(at)) => at.price,
            Ok(Err(_)) | Err(_) => last.price,
        },
    };
    let stop = stop_price(spec.direction, anchor, spec.stop, instrument).unwrap_or(ladder.stop);
    Rebuilt { rungs, dropped, anchor, stop }
}

/// The rungs of `planned` that hold at `fill_price`, and those that do not.
pub(super) fn rungs_from(
    spec: &LadderSpec,
    instrument: &Instrument,
    capital: Notional,
    planned: &[RungPlan],
    fill_price: Price,
    filled: Qty,
) -> (Vec<RungPlan>, Vec<DroppedRung>) {
    let drop_all = |rule| planned.iter().map(|p| DroppedRung { rung: p.rung, rule }).collect();
    if !filled.is_positive() || !fill_price.is_positive() {
        return (Vec::new(), drop_all(Rule::ZeroQuantity));
    }
    let (Ok(slices), Ok(mut used)) = (Slices::new(spec, capital), fill_price.checked_mul(filled)) else {
        return (Vec::new(), drop_all(Rule::MaxQuantity));
    };
    let at_fill = AtFill { spec, instrument, slices, capital, fill_price, filled };
    let (mut rungs, mut dropped) = (Vec::new(), Vec::new());
    for plan in planned {
        match at_fill.rung(plan.rung, used) {
            Ok((rung, spent)) => {
                used = spent;
                rungs.push(rung);
            }
            Err(rule) => dropped.push(DroppedRung { rung: plan.rung, rule }),
        }
    }
    (rungs, dropped)
}

struct AtFill<'a> {
    spec: &'a LadderSpec,
    instrument: &'a Instrument,
    slices: Slices,
    capital: Notional,
    fill_price: Price,
    filled: Qty,
}

impl AtFill<'_> {
    /// The rung and what is used with it, given what was used before it.
    fn rung(&self, rung: u8, used: Notional) -> Result<(RungPlan, Notional), Rule> {
        let price = match rung_price(self.spec, self.instrument, self.fill_price, rung) {
            Ok(Ok(at)) => at.price,
            Ok(Err(_)) => return Err(Rule::RungPriceNotPositive),
            Err(_) => return Err(Rule::PriceRange),
        };
        let lot = self.instrument.lot;
        let wanted = self.slices.rung(rung, price, self.filled, lot).map_err(|_| Rule::MaxQuantity)?;
        let left = sub(self.capital.decimal(), used.decimal()).map_err(|_| Rule::MarginOverrun)?;
        let cost = price.checked_mul(wanted).map_err(|_| Rule::MaxQuantity)?;
        let qty = match self.spec.model {
            _ if cost.decimal() <= left => wanted,
            SizingModel::Unbounded => return Err(Rule::MarginOverrun),
            SizingModel::Bounded => floor_ratio(left, price.decimal(), lot).map_err(|_| Rule::MarginOverrun)?,
        };
        if wanted.is_positive() && !qty.is_positive() {
            return Err(Rule::MarginOverrun);
        }
        let plan = RungPlan { rung, price, qty };
        // The venue's band hangs on the mark, and the entry has just filled at it.
        let mark = self.fill_price;
        if let Some((rule, _)) = broken_rung(self.spec.direction, self.instrument, self.fill_price, mark, &plan) {
            return Err(rule);
        }
        let spent = price.checked_mul(qty).and_then(|cost| used.checked_add(cost)).map_err(|_| Rule::MaxQuantity)?;
        Ok((plan, spent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Direction;
    use crate::number::Notional;
    use crate::sizing::fixtures::{budget, instrument, spec};
    use crate::sizing::ladder::{SizeRequest, size};
    use alloc::vec;

    fn sized(direction: Direction, model: SizingModel) -> (Ladder, LadderSpec, Instrument) {
        let (instrument, spec, budget) = (instrument(), spec(direction, model), budget());
        let mark = "150.237".parse().unwrap();
        let ladder = size(&SizeRequest { instrument: &instrument, spec: &spec, budget: &budget, mark }).unwrap();
        (ladder, spec, instrument)
    }

    fn cost(fill: Price, qty: Qty, rungs: &[RungPlan]) -> Notional {
        let legs = rungs.iter().map(|r| (r.price, r.qty)).chain([(fill, qty)]);
        crate::sizing::rules::total(legs).unwrap()
    }

    #[test]
    fn r27_a_fill_at_the_reference_changes_nothing() {
        for (direction, model) in [
            (Direction::Long, SizingModel::Unbounded),
            (Direction::Long, SizingModel::Bounded),
            (Direction::Short, SizingModel::Bounded),
        ] {
            let (ladder, spec, instrument) = sized(direction, model);
            let entry = ladder.entry;
            let again = rebuild(&ladder, &spec, &instrument, entry.reference_price, entry.qty);
            assert_eq!(again.rungs, ladder.rungs);
            assert_eq!((again.stop, again.dropped), (ladder.stop, vec![]));
        }
    }

    #[test]
    fn r27_unbounded_rungs_hang_on_the_real_fill() {
        let (ladder, spec, instrument) = sized(Direction::Long, SizingModel::Unbounded);
        let again = rebuild(&ladder, &spec, &instrument, "151".parse().unwrap(), "0.2".parse().unwrap());
        let expected = [("138.16", "0.4"), ("125.33", "0.8"), ("112.49", "1.6"), ("99.66", "3.2")];
        for (rung, (price, qty)) in again.rungs.iter().zip(expected) {
            assert_eq!((rung.price, rung.qty), (price.parse().unwrap(), qty.parse().unwrap()));
        }
        assert_eq!(again.rungs.len(), 4);
        assert_eq!(again.stop, "97.16".parse().unwrap());
    }

    #[test]
    fn r36_a_dear_entry_takes_its_excess_off_the_last_rung() {
        let (ladder, spec, instrument) = sized(Direction::Short, SizingModel::Bounded);
        let fill: Price = "190".parse().unwrap();
        let again = rebuild(&ladder, &spec, &instrument, fill, ladder.entry.qty);
        assert!(cost(fill, ladder.entry.qty, &again.rungs) <= ladder.capital);
        assert_eq!(again.rungs.len(), 4);
        let huge: Price = "3000".parse().unwrap();
        let again = rebuild(&ladder, &spec, &instrument, huge, ladder.entry.qty);
        assert!(cost(huge, ladder.entry.qty, &again.rungs) <= ladder.capital);
        assert!(again.rungs.iter().all(|r| r.rung < 4), "{again:?}");
    }

    #[test]
    fn r27_a_rung_that_breaks_a_rule_is_dropped_and_still_anchors_the_stop() {
        let (ladder, spec, mut instrument) = sized(Direction::Long, SizingModel::Unbounded);
        instrument.max_qty = "3".parse().unwrap();
        let entry = ladder.entry;
        let again = rebuild(&ladder, &spec, &instrument, entry.reference_price, entry.qty);
        let dropped = |rung| DroppedRung { rung, rule: Rule::MaxQuantity };
        assert_eq!(again.dropped, vec![dropped(3), dropped(4)]);
        assert_eq!(again.rungs.len(), 2);
        assert_eq!((again.anchor, again.stop), ("99.15".parse().unwrap(), ladder.stop));
    }

    #[test]
    fn r27_a_tiny_partial_fill_drops_rungs_below_the_minimum() {
        let (ladder, spec, instrument) = sized(Direction::Long, SizingModel::Unbounded);
        let again = rebuild(&ladder, &spec, &instrument, ladder.entry.reference_price, "0.01".parse().unwrap());
        assert_eq!(
            again.dropped,
            vec![DroppedRung { rung: 1, rule: Rule::MinNotional }, DroppedRung { rung: 2, rule: Rule::MinNotional }]
        );
    }

    #[test]
    fn r45_without_rungs_the_stop_hangs_on_the_fill() {
        let (mut ladder, spec, instrument) = sized(Direction::Long, SizingModel::Unbounded);
        ladder.rungs.clear();
        let again = rebuild(&ladder, &spec, &instrument, "151.005".parse().unwrap(), ladder.entry.qty);
        assert_eq!(again.anchor, "151.005".parse().unwrap());
        assert_eq!(again.stop, "147.22".parse().unwrap());
    }

    #[test]
    fn r27_arithmetic_never_fails_a_rebuild() {
        let (ladder, spec, instrument) = sized(Direction::Short, SizingModel::Bounded);
        let huge = Price::of(rust_decimal::Decimal::MAX);
        let again = rebuild(&ladder, &spec, &instrument, huge, ladder.entry.qty);
        assert_eq!((again.rungs.len(), again.dropped.len()), (0, 4));
        let again = rebuild(&ladder, &spec, &instrument, Price::ZERO, Qty::ZERO);
        assert_eq!((again.rungs.len(), again.stop), (0, ladder.stop));
    }
}
