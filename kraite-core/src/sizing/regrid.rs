//! Rungs and stop on the grids of rules that changed under an open position (E10).

use super::math::is_past;
use super::rules::broken_size;
use super::rungs::on_grid;
use super::spec::{Rule, RungPlan};
use crate::exchange::Direction;
use crate::instrument::Instrument;
use crate::number::Price;
use crate::rounding::{floor_price, floor_qty};

/// A rung as these rules take it: the price floored to the tick on both sides, as when it was planned, the
/// quantity floored to the lot. A rung that fits already is returned as it is.
///
/// `reference` is what the rung hangs on: the entry's fill price. The band around the mark is the venue's to
/// judge; the mark is not known here.
///
/// # Errors
/// The rule that keeps the rung from being placed at all: too small, too large, out of range, or no longer
/// beyond the reference.
pub fn regrid(
    direction: Direction,
    instrument: &Instrument,
    reference: Price,
    rung: &RungPlan,
) -> Result<RungPlan, Rule> {
    let price = on_grid(rung.price, instrument).map_err(|_| Rule::PriceRange)?;
    let qty = floor_qty(rung.qty, instrument.lot).map_err(|_| Rule::MaxQuantity)?;
    if !is_past(direction, reference, price) || instrument.max_price.is_some_and(|highest| price > highest) {
        return Err(Rule::PriceRange);
    }
    match broken_size(instrument, price, qty, instrument.max_qty) {
        Some((rule, _)) => Err(rule),
        None => Ok(RungPlan { rung: rung.rung, price, qty }),
    }
}

/// A stop's trigger as these rules take it: floored to the tick on both sides, so that it moves by less than a
/// tick; where flooring brings a SHORT stop back onto `anchor`, the next tick is taken.
///
/// `anchor` is the rung farthest from the entry, or the entry without rungs. A stop that no price of these rules
/// can serve for stays as it was: the venue then says so, and the position is closed (R43).
#[must_use]
pub fn regrid_stop(direction: Direction, instrument: &Instrument, anchor: Price, stop: Price) -> Price {
    let floored = || {
        let floored = on_grid(stop, instrument)?;
        if direction == Direction::Short && floored <= anchor {
            return floor_price(anchor, instrument.tick)?.checked_add(instrument.tick);
        }
        Ok(floored)
    };
    let fits = |price: &Price| {
        price.is_positive()
            && is_past(direction, anchor, *price)
            && instrument.max_price.is_none_or(|highest| *price <= highest)
    };
    floored().ok().filter(fits).unwrap_or(stop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sizing::fixtures::instrument;
    use alloc::string::{String, ToString};

    fn changed(change: impl Fn(&mut Instrument)) -> Instrument {
        let mut rules = instrument();
        change(&mut rules);
        rules
    }

    fn rung(direction: Direction, rules: &Instrument, price: &str, qty: &str) -> Result<(String, String), Rule> {
        let plan = RungPlan { rung: 1, price: price.parse().unwrap(), qty: qty.parse().unwrap() };
        let on = regrid(direction, rules, "150.24".parse().unwrap(), &plan)?;
        Ok((on.price.to_string(), on.qty.to_string()))
    }

    fn stop(direction: Direction, rules: &Instrument, anchor: &str, price: &str) -> String {
        regrid_stop(direction, rules, anchor.parse().unwrap(), price.parse().unwrap()).to_string()
    }

    #[test]
    fn r47_a_rung_follows_grids_downwards_and_keeps_what_fits() {
        let same = instrument();
        assert_eq!(rung(Direction::Long, &same, "137.46", "0.82"), Ok(("137.46".into(), "0.82".into())));
        let coarse = changed(|rules| {
            rules.tick = "0.05".parse().unwrap();
            rules.lot = "0.1".parse().unwrap();
        });
        assert_eq!(rung(Direction::Long, &coarse, "137.46", "0.82"), Ok(("137.45".into(), "0.8".into())));
        assert_eq!(rung(Direction::Short, &coarse, "164.54", "0.82"), Ok(("164.5".into(), "0.8".into())));
    }

    #[test]
    fn r47_a_rung_that_the_rules_leave_no_room_for_is_named_by_its_rule() {
        let dear = changed(|rules| rules.min_notional = "120".parse().unwrap());
        assert_eq!(rung(Direction::Long, &dear, "137.46", "0.82"), Err(Rule::MinNotional));
        let lots = changed(|rules| rules.lot = "1".parse().unwrap());
        assert_eq!(rung(Direction::Long, &lots, "137.46", "0.82"), Err(Rule::ZeroQuantity));
        // Floored past the entry a SHORT rung would fill at once.
        let huge = changed(|rules| rules.tick = "100".parse().unwrap());
        assert_eq!(rung(Direction::Short, &huge, "164.54", "0.82"), Err(Rule::PriceRange));
        let narrow = changed(|rules| rules.max_price = Some("160".parse().unwrap()));
        assert_eq!(rung(Direction::Short, &narrow, "164.54", "0.82"), Ok(("160".into(), "0.82".into())));
    }

    #[test]
    fn r47_a_stop_follows_the_tick_and_never_meets_its_last_rung() {
        let coarse = changed(|rules| rules.tick = "0.05".parse().unwrap());
        assert_eq!(stop(Direction::Long, &coarse, "99.15", "96.67"), "96.65");
        assert_eq!(stop(Direction::Short, &coarse, "207.31", "212.49"), "212.45");
        let huge = changed(|rules| rules.tick = "10".parse().unwrap());
        assert_eq!(stop(Direction::Short, &huge, "210.50", "212.49"), "220");
        // No price of these rules lies below the last rung: the venue is left to refuse it.
        let none = changed(|rules| rules.min_price = "99.15".parse().unwrap());
        assert_eq!(stop(Direction::Long, &none, "99.15", "96.67"), "96.67");
    }
}
