//! The leverage of a position: as high as account and brackets allow, no higher (architecture 4a.12).

use crate::instrument::LeverageBracket;
use crate::number::{ArithmeticError, Factor, Notional};

/// The largest leverage up to `account_cap` under which the whole position fits its bracket.
///
/// It fits at L when max(`margin` x L, `whole_ladder_at`(L)) is strictly below the cap of a bracket that
/// allows L. `whole_ladder_at` must not fall as L rises; an overflow in it counts as not fitting. Without
/// brackets the account's cap stands. `None` when not even 1 fits, or when the cap is 0.
pub fn choose_leverage(
    brackets: &[LeverageBracket],
    account_cap: u32,
    margin: Notional,
    whole_ladder_at: impl Fn(u32) -> Result<Notional, ArithmeticError>,
) -> Option<u32> {
    if account_cap == 0 {
        return None;
    }
    let Some(venue_cap) = brackets.iter().map(|b| b.max_leverage).max() else {
        return Some(account_cap);
    };
    let fits = |leverage: u32| {
        let Ok(used) = margin.scaled_by(Factor::from_integer(leverage)) else { return false };
        let Ok(ladder) = whole_ladder_at(leverage) else { return false };
        let needed = used.max(ladder);
        brackets.iter().any(|b| b.max_leverage >= leverage && needed < b.notional_cap)
    };
    // What is needed rises with L and the room under brackets that allow L falls, so there is one edge.
    let (mut fitting, mut beyond) = (0_u32, account_cap.min(venue_cap).saturating_add(1));
    while beyond.saturating_sub(fitting) > 1 {
        let middle = fitting.midpoint(beyond);
        if fits(middle) {
            fitting = middle;
        } else {
            beyond = middle;
        }
    }
    (fitting > 0).then_some(fitting)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sizing::fixtures::brackets;

    fn alone(of: &[(i64, u32)], cap: u32, margin: i64) -> Option<u32> {
        choose_leverage(&brackets(of), cap, Notional::from_units(margin, 0).unwrap(), |_| Ok(Notional::ZERO))
    }

    #[test]
    fn r36_leverage_is_maximal_within_one_bracket() {
        assert_eq!(alone(&[(20_000, 10), (10_000, 50), (5_000, 75)], 20, 600), Some(16));
        assert_eq!(alone(&[(250_000, 10), (100_000, 25), (25_000, 50), (5_000, 75)], 20, 100), Some(20));
    }

    #[test]
    fn r36_the_cap_of_a_bracket_is_exclusive() {
        assert_eq!(alone(&[(1_000, 20)], 20, 100), Some(9));
        assert_eq!(alone(&[(1_000, 20)], 20, 1_000), None);
        assert_eq!(alone(&[], 20, 1_000_000), Some(20));
        assert_eq!(alone(&[], 0, 100), None);
    }

    #[test]
    fn r36_the_whole_ladder_counts_not_only_margin_times_leverage() {
        let table = brackets(&[(10_000, 50)]);
        let margin = Notional::from_units(100, 0).unwrap();
        let ladder = |l: u32| Notional::from_units(i64::from(l) * 1_000, 0).ok_or(ArithmeticError::Overflow);
        assert_eq!(choose_leverage(&table, 50, margin, ladder), Some(9));
        assert_eq!(choose_leverage(&table, 50, margin, |_| Err(ArithmeticError::Overflow)), None);
    }
}
