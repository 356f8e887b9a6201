//! What a ladder has come to after each of its rungs: average entry and re-priced target (R74).

use alloc::vec::Vec;

use super::attempt::target_of;
use super::ladder::{Draft, SizeRequest};
use crate::number::{ArithmeticError, Notional, Price, Qty};

/// Once the entry and the rungs up to one have filled, each at its price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AfterRung {
    /// The rung that filled last, from 1.
    pub rung: u8,
    /// The average entry, to eight decimals, or four below the tick where those are more.
    pub average_entry: Price,
    /// The re-priced take-profit, on the tick; `None` where no price of the contract is profitable.
    pub target: Option<Price>,
}

/// One for each rung of a draft, in its order; fewer where a sum cannot be held, none without an entry.
#[must_use]
pub fn after_each_rung(request: &SizeRequest<'_>, draft: &Draft) -> Vec<AfterRung> {
    let mut after = Vec::with_capacity(draft.rungs.len());
    let Some(entry) = draft.entry.filter(|entry| entry.qty.is_positive()) else { return after };
    let mut paid = (entry.notional, entry.qty);
    for rung in &draft.rungs {
        let Ok((sum, average)) = add(paid, rung.price, rung.qty) else { return after };
        paid = sum;
        let target = target_of(request, average, None).ok().map(|aimed| aimed.price);
        let places = request.instrument.tick.decimal().scale().saturating_add(4).max(8);
        let average_entry = Price::of(average.decimal().round_dp(places).normalize());
        after.push(AfterRung { rung: rung.rung, average_entry, target });
    }
    after
}

/// One more fill, and the average with it.
fn add((cost, held): (Notional, Qty), price: Price, qty: Qty) -> Result<((Notional, Qty), Price), ArithmeticError> {
    let (cost, held) = (cost.checked_add(price.checked_mul(qty)?)?, held.checked_add(qty)?);
    Ok(((cost, held), cost.checked_div_qty(held)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Direction;
    use crate::sizing::fixtures::{instrument, spec};
    use crate::sizing::{Budget, SizingModel, draft};
    use alloc::string::{String, ToString};

    fn told(direction: Direction) -> Vec<(u8, String, String)> {
        let (instrument, spec) = (instrument(), spec(direction, SizingModel::Unbounded));
        let budget = Budget { margin: "100".parse().unwrap(), leverage_cap: 20 };
        let request =
            SizeRequest { instrument: &instrument, spec: &spec, budget: &budget, mark: "150.237".parse().unwrap() };
        after_each_rung(&request, &draft(&request))
            .iter()
            .map(|a| (a.rung, a.average_entry.to_string(), a.target.unwrap().to_string()))
            .collect()
    }

    fn want(rungs: [(&str, &str); 4]) -> Vec<(u8, String, String)> {
        (1..).zip(rungs).map(|(rung, (average, target))| (rung, average.to_string(), target.to_string())).collect()
    }

    #[test]
    fn f_averages_and_targets_after_each_rung() {
        assert_eq!(
            told(Direction::Long),
            want([
                ("141.71666667", "142.22"),
                ("131.98714286", "132.46"),
                ("121.28466667", "121.72"),
                ("109.86032258", "110.25"),
            ])
        );
        let short = told(Direction::Short);
        let targets: Vec<&str> = short.iter().map(|(.., target)| target.as_str()).collect();
        assert_eq!(targets, ["159.16", "170", "181.91", "194.63"]);
        assert_eq!(short[3].1, "195.3416129");
    }

    #[test]
    fn f_nothing_comes_after_an_entry_of_nothing() {
        let (instrument, spec) = (instrument(), spec(Direction::Long, SizingModel::Unbounded));
        let budget = Budget { margin: "0.001".parse().unwrap(), leverage_cap: 20 };
        let request =
            SizeRequest { instrument: &instrument, spec: &spec, budget: &budget, mark: "150.237".parse().unwrap() };
        assert_eq!(after_each_rung(&request, &draft(&request)), []);
    }
}
