//! The smallest change of one setting that makes a broken rule hold.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use rust_decimal::Decimal;

use super::attempt::{Place, Violation, attempt};
use super::ladder::SizeRequest;
use super::spec::{Budget, Fix, LadderSpec, Rule, SizingModel};
use crate::id::MAX_RUNGS;
use crate::number::{Factor, Notional, Percent};
use crate::plan::TargetStyle;

/// Decimal places of a proposed margin or percentage: a cent, a hundredth of a percent.
const PLACES: u32 = 2;
/// How often a distance is doubled before the search gives up: 2^40 cents are 11 thousand million.
const MAX_DOUBLINGS: u32 = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Setting {
    Margin,
    Gap,
    Profit,
    Stop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lever {
    Number(Setting, Way),
    FewerRungs,
    Bounded,
    PlainMultipliers,
    LeverageOfOne,
}

/// Which settings can help, the most natural first.
fn levers(rule: Rule, place: Place) -> &'static [Lever] {
    use Lever::{Bounded, FewerRungs, LeverageOfOne, Number, PlainMultipliers};
    use Setting::{Gap, Margin, Profit, Stop};
    use Way::{Down, Up};
    match (rule, place) {
        (_, Place::Mark) => &[],
        (_, Place::Multipliers) => &[PlainMultipliers],
        (Rule::MinNotional | Rule::MinQuantity | Rule::ZeroQuantity, _) => &[Number(Margin, Up), FewerRungs],
        (Rule::MaxQuantity, _) => &[Number(Margin, Down), FewerRungs],
        (Rule::MarginOverrun, _) => &[Bounded, Number(Gap, Down), FewerRungs, Number(Margin, Up)],
        (Rule::LeverageBracket, _) => &[LeverageOfOne, Number(Margin, Down)],
        (Rule::OrderLimit, _) => &[FewerRungs],
        (Rule::PriceRange, Place::Stop) => &[Number(Stop, Down), Number(Stop, Up), Number(Gap, Down), FewerRungs],
        (_, Place::Target) => &[Number(Profit, Up), Number(Profit, Down)],
        (Rule::PriceRange | Rule::PriceBand | Rule::RungPriceNotPositive, _) => {
            &[Number(Gap, Down), Number(Gap, Up), FewerRungs]
        }
        (Rule::TargetNotProfitable, _) => &[Number(Profit, Up)],
    }
}

/// A request with one setting changed.
#[derive(Clone)]
struct Changed {
    spec: LadderSpec,
    budget: Budget,
}

struct Search<'a> {
    request: SizeRequest<'a>,
    style: TargetStyle,
    rule: Rule,
}

/// The smallest change of one setting after which the whole ladder holds; `None` where no single one does.
pub(super) fn smallest_fix(request: &SizeRequest<'_>, style: TargetStyle, broken: &Violation) -> Option<Fix> {
    let search = Search { request: *request, style, rule: broken.rule };
    for lever in levers(broken.rule, broken.place) {
        let Some((fix, changed)) = search.pull(*lever, |c| search.rule_holds(c)) else { continue };
        if search.all_holds(&changed) {
            return Some(fix);
        }
        if let Some((fix, _)) = search.pull(*lever, |c| search.all_holds(c)) {
            return Some(fix);
        }
    }
    None
}

impl Search<'_> {
    fn unchanged(&self) -> Changed {
        Changed { spec: self.request.spec.clone(), budget: self.request.budget.clone() }
    }

    fn broken_by(&self, changed: &Changed) -> Vec<Violation> {
        let request = SizeRequest { spec: &changed.spec, budget: &changed.budget, ..self.request };
        attempt(&request, self.style).violations
    }

    fn rule_holds(&self, changed: &Changed) -> bool {
        self.broken_by(changed).iter().all(|v| v.rule != self.rule)
    }

    fn all_holds(&self, changed: &Changed) -> bool {
        self.broken_by(changed).is_empty()
    }

    fn pull(&self, lever: Lever, good: impl Fn(&Changed) -> bool) -> Option<(Fix, Changed)> {
        let mut changed = self.unchanged();
        match lever {
            Lever::Number(setting, way) => return self.search(setting, way, good),
            Lever::FewerRungs => {
                let most = self.request.spec.rungs.min(MAX_RUNGS.saturating_add(1));
                return (0..most).rev().find_map(|rungs| {
                    changed.spec.rungs = rungs;
                    good(&changed).then(|| (fix("rungs", rungs.to_string()), changed.clone()))
                });
            }
            Lever::Bounded => changed.spec.model = SizingModel::Bounded,
            Lever::LeverageOfOne if self.request.budget.leverage_cap > 0 => return None,
            Lever::LeverageOfOne => changed.budget.leverage_cap = 1,
            Lever::PlainMultipliers => {
                for multiplier in &mut changed.spec.multipliers {
                    *multiplier = (*multiplier).max(Factor::ZERO);
                    if multiplier.is_zero() {
                        *multiplier = Factor::ONE;
                    }
                }
                if changed.spec.multipliers.is_empty() {
                    changed.spec.multipliers.push(Factor::ONE);
                }
            }
        }
        let proposed = match lever {
            Lever::Bounded => fix("sizing", "bounded".to_owned()),
            Lever::PlainMultipliers => {
                let words: Vec<String> = changed.spec.multipliers.iter().map(ToString::to_string).collect();
                fix("multipliers", words.join(","))
            }
            Lever::LeverageOfOne | Lever::FewerRungs | Lever::Number(..) => fix("leverage-cap", "1".to_owned()),
        };
        good(&changed).then_some((proposed, changed))
    }

    /// The nearest value in one direction that is good, on a grid of [`PLACES`] decimals.
    fn search(&self, setting: Setting, way: Way, good: impl Fn(&Changed) -> bool) -> Option<(Fix, Changed)> {
        let start = self.value(setting);
        let scale = Decimal::from(10_u64.checked_pow(PLACES)?);
        let units = start.checked_mul(scale)?;
        let base = i64::try_from(if way == Way::Up { units.floor() } else { units.ceil() }).ok()?;
        let at = |offset: i64| {
            let units = match way {
                Way::Up => base.checked_add(offset),
                Way::Down => base.checked_sub(offset),
            };
            let value = Decimal::try_new(units.filter(|u| *u > 0)?, PLACES).ok()?.normalize();
            let mut changed = self.unchanged();
            set(&mut changed, setting, value);
            Some((value, changed))
        };
        let (mut bad, mut found) = (0_i64, None);
        for doubling in 0..MAX_DOUBLINGS {
            let reached = 1_i64.checked_shl(doubling)?;
            // Below the grid's first unit there is nothing; from a negative start the way up leads there.
            let past_the_end = way == Way::Down && reached >= base;
            let offset = if past_the_end { base.checked_sub(1)? } else { reached };
            if at(offset).is_some_and(|(_, changed)| good(&changed)) {
                found = Some(offset);
                break;
            }
            if past_the_end {
                return None;
            }
            bad = offset;
        }
        let mut nearest = found?;
        while nearest.checked_sub(bad)? > 1 {
            let middle = bad.midpoint(nearest);
            if at(middle).is_some_and(|(_, changed)| good(&changed)) {
                nearest = middle;
            } else {
                bad = middle;
            }
        }
        let (value, changed) = at(nearest)?;
        Some((fix(flag(setting), value.to_string()), changed))
    }

    fn value(&self, setting: Setting) -> Decimal {
        match setting {
            Setting::Margin => self.request.budget.margin.decimal(),
            Setting::Gap => self.request.spec.gap.decimal(),
            Setting::Profit => self.request.spec.profit.decimal(),
            Setting::Stop => self.request.spec.stop.decimal(),
        }
    }
}

const fn flag(setting: Setting) -> &'static str {
    match setting {
        Setting::Margin => "margin",
        Setting::Gap => "gap",
        Setting::Profit => "profit",
        Setting::Stop => "stop",
    }
}

fn set(changed: &mut Changed, setting: Setting, value: Decimal) {
    match setting {
        Setting::Margin => changed.budget.margin = Notional::of(value),
        Setting::Gap => changed.spec.gap = Percent::of(value),
        Setting::Profit => changed.spec.profit = Percent::of(value),
        Setting::Stop => changed.spec.stop = Percent::of(value),
    }
}

fn fix(flag: &str, value: String) -> Fix {
    Fix { flag: flag.to_owned(), value }
}
