//! Bounds of what an account may risk, and the sums that are held against them (R24, R32, R46, I16).
//!
//! They are decided here and not in the shell, so that no path leads around them: when a command asks for a position,
//! when it is admitted, right before its entry leaves, and before each rung does. What protects exposure or takes it
//! off is never counted out. The configuration as it is now decides, whatever it was when a position was opened.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};

use serde::{Deserialize, Serialize};

use super::turn::Turn;
use crate::exchange::OrderShape;
use crate::id::{PositionNo, Role, Symbol};
use crate::instrument::Instrument;
use crate::number::{Notional, Price, Qty};
use crate::order::Life;
use crate::position::{Phase, Position};
use crate::sizing::Ladder;
use crate::time::{LocalMillis, Millis, VenueMillis};

/// Positions that may be open together, whatever is configured: each needs a conditional order for its stop, and the
/// strictest venue holds 200 of those for an account.
pub(super) const MAX_POSITIONS: u32 = 200;
/// Entries and rungs that may leave within a minute, whatever is configured: half of what the strictest venue takes of
/// any orders, as much as the auditor of the simulation allows.
pub(super) const MAX_EXPOSING_ORDERS_PER_MINUTE: u32 = 300;
/// Stop and target: room among the open orders that is kept for each position.
const PROTECTIVE_ORDERS: usize = 2;
/// Entries and rungs are counted over this span of the venue's clock.
const MINUTE: Millis = Millis::from_secs(60);
/// A rung that a limit withholds is looked at again after this long.
const RETRY: Millis = Millis::from_secs(5);
const DAY_MS: i64 = 86_400_000;

/// What an account may risk; `None` is no bound beyond those that the engine has anyway.
///
/// Amounts are in quote currency. Contracts with different ones cannot be added up: their sum is unknown, and what is
/// unknown opens nothing (R46). Who configures this is never asked to allow a close, a stop or a target.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Contracts on which positions may be opened.
    pub symbols: Option<BTreeSet<Symbol>>,
    /// Positions that are not closed or cancelled, one that needs a human included: slots (R32). Never above 200.
    pub max_positions: Option<u32>,
    /// Price x quantity of one entry, at the fresh mark, or of one rung.
    pub max_order_notional: Option<Notional>,
    /// What entry and rungs of one position cost together.
    pub max_position_notional: Option<Notional>,
    /// What entries and rungs of all open positions cost together, filled or not.
    pub max_account_notional: Option<Notional>,
    /// What is lost, fees not included, when every rung of every open position fills and then every stop. The worst
    /// loss of a position is the one frozen at its activation, and the planned one until then.
    pub max_worst_loss: Option<Notional>,
    /// What positions that ended within the venue's present UTC day may have lost together, fees included and gains
    /// deducted; beyond it nothing is opened until the next day. A position that other hands closed has an unknown
    /// result, and so has the day.
    pub max_daily_loss: Option<Notional>,
    /// Orders that may be open together, with room for every rung, the stop and the target of what is being opened.
    pub max_open_orders: Option<u32>,
    /// Entries and rungs that may leave within a minute. Never above 300.
    pub max_exposing_orders_per_minute: Option<u32>,
}

/// A limit that stands against new exposure: what is configured, and what it would have come to.
///
/// A sum that is unknown is `None` and counts as too much.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
pub enum Limit {
    /// [`Limits::symbols`].
    #[error("{0} is not on the list of contracts")]
    Symbol(Symbol),
    /// [`Limits::max_positions`].
    #[error("{found} positions would be open, {most} may be")]
    Positions {
        /// Configured.
        most: u32,
        /// With the one asked for.
        found: u32,
    },
    /// [`Limits::max_order_notional`].
    #[error("an order of {} is asked for, {most} is allowed", known(.found))]
    OrderNotional {
        /// Configured.
        most: Notional,
        /// The largest order of what is asked for.
        found: Option<Notional>,
    },
    /// [`Limits::max_position_notional`].
    #[error("entry and rungs would cost {}, {most} is allowed for a position", known(.found))]
    PositionNotional {
        /// Configured.
        most: Notional,
        /// With what is asked for.
        found: Option<Notional>,
    },
    /// [`Limits::max_account_notional`].
    #[error("entries and rungs of all positions would cost {}, {most} is allowed", known(.found))]
    AccountNotional {
        /// Configured.
        most: Notional,
        /// With what is asked for.
        found: Option<Notional>,
    },
    /// [`Limits::max_worst_loss`].
    #[error("the worst loss of all positions would be {}, {most} is allowed", known(.found))]
    WorstLoss {
        /// Configured.
        most: Notional,
        /// With what is asked for.
        found: Option<Notional>,
    },
    /// [`Limits::max_daily_loss`].
    #[error("{} was lost today, {most} is allowed", known(.found))]
    DailyLoss {
        /// Configured.
        most: Notional,
        /// So far.
        found: Option<Notional>,
    },
    /// [`Limits::max_open_orders`].
    #[error("{found} orders would be open, {most} may be")]
    OpenOrders {
        /// Configured.
        most: u32,
        /// With what is asked for.
        found: u32,
    },
    /// [`Limits::max_exposing_orders_per_minute`].
    #[error("{found} entries and rungs would leave within a minute, {most} may")]
    ExposingOrdersPerMinute {
        /// Configured.
        most: u32,
        /// With what is asked for.
        found: u32,
    },
}

impl Limit {
    /// True when waiting can help a rung: what it costs by itself stays what it is.
    const fn passes(&self) -> bool {
        !matches!(self, Self::OrderNotional { .. } | Self::PositionNotional { found: Some(_), .. })
    }
}

fn known(amount: &Option<Notional>) -> String {
    amount.map_or_else(|| String::from("an unknown amount"), |amount| amount.to_string())
}

/// Why a rung may not leave now.
pub(super) enum Hold {
    /// New exposure is halted by command.
    Halted,
    /// It would break a limit.
    Limit(Limit),
}

impl Hold {
    /// False where the rung is left out for good.
    pub(super) const fn passes(&self) -> bool {
        match self {
            Self::Halted => true,
            Self::Limit(limit) => limit.passes(),
        }
    }
}

impl Turn<'_> {
    /// What stands against opening a position with this ladder; `no` is its number once it has one.
    pub(super) fn limit_on_opening(
        &self,
        no: Option<PositionNo>,
        instrument: &Instrument,
        ladder: &Ladder,
        mark: Price,
    ) -> Option<Limit> {
        if zoo!(LimitsBypassed) {
            return None;
        }
        let limits = &self.config.limits;
        if limits.symbols.as_ref().is_some_and(|listed| !listed.contains(&instrument.symbol)) {
            return Some(Limit::Symbol(instrument.symbol.clone()));
        }
        let others = || self.open_positions().filter(|p| Some(p.no) != no);
        let sum = |of: fn(&Position) -> Option<Notional>, own: Notional| sum_of(others(), instrument, of, own);
        let most = limits.max_positions.map_or(MAX_POSITIONS, |most| most.min(MAX_POSITIONS));
        let found = count(others().count().saturating_add(1));
        if found > most {
            return Some(Limit::Positions { most, found });
        }
        if let Some(most) = limits.max_order_notional {
            let entry = mark.checked_mul(ladder.entry.qty).ok().map(|fresh| fresh.max(ladder.entry.notional));
            let rungs = ladder.rungs.iter().map(|rung| rung.price.checked_mul(rung.qty).ok());
            let found = core::iter::once(entry).chain(rungs).try_fold(Notional::ZERO, |top, one| Some(top.max(one?)));
            if exceeds(found, most) {
                return Some(Limit::OrderNotional { most, found });
            }
        }
        if let Some(most) = limits.max_position_notional.filter(|most| ladder.total_notional > *most) {
            return Some(Limit::PositionNotional { most, found: Some(ladder.total_notional) });
        }
        if let Some(most) = limits.max_account_notional {
            let found = sum(committed, ladder.total_notional);
            if exceeds(found, most) {
                return Some(Limit::AccountNotional { most, found });
            }
        }
        if let Some(most) = limits.max_worst_loss {
            let found = sum(worst_loss, ladder.max_loss);
            if exceeds(found, most) {
                return Some(Limit::WorstLoss { most, found });
            }
        }
        if let Some(most) = limits.max_daily_loss {
            let found = self.lost_today(instrument);
            if exceeds(found, most) {
                return Some(Limit::DailyLoss { most, found });
            }
        }
        if let Some(most) = limits.max_open_orders {
            let own = ladder.rungs.len().saturating_add(PROTECTIVE_ORDERS);
            let found = count(others().map(orders_held).fold(own, usize::saturating_add));
            if found > most {
                return Some(Limit::OpenOrders { most, found });
            }
        }
        self.rate_limit(ladder.rungs.len().saturating_add(1))
    }

    /// What stands against handing one more order of a rung to the wire.
    pub(super) fn limit_on_rung(&self, no: PositionNo, shape: &OrderShape) -> Option<Limit> {
        if zoo!(LimitsBypassed) {
            return None;
        }
        let (limits, position) = (&self.config.limits, self.position(no)?);
        let instrument = &position.request.instrument;
        let own = match shape {
            OrderShape::Limit { price, qty } => price.checked_mul(*qty).ok(),
            _ => None,
        };
        if let Some(most) = limits.max_order_notional.filter(|most| exceeds(own, *most)) {
            return Some(Limit::OrderNotional { most, found: own });
        }
        if limits.max_position_notional.is_some() || limits.max_account_notional.is_some() {
            let whole = own.and_then(|own| used(position)?.checked_add(own).ok());
            if let Some(most) = limits.max_position_notional.filter(|most| exceeds(whole, *most)) {
                return Some(Limit::PositionNotional { most, found: whole });
            }
            if let Some(most) = limits.max_account_notional {
                let others = self.open_positions().filter(|p| p.no != no);
                let found = whole.and_then(|whole| sum_of(others, instrument, committed, whole));
                if exceeds(found, most) {
                    return Some(Limit::AccountNotional { most, found });
                }
            }
        }
        if let Some(most) = limits.max_open_orders {
            let found = count(self.open_positions().map(orders_with_room).fold(1, usize::saturating_add));
            if found > most {
                return Some(Limit::OpenOrders { most, found });
            }
        }
        self.rate_limit(1)
    }

    /// What stands against a position's worst loss becoming larger by hand.
    pub(super) fn limit_on_loss(&self, position: &Position, loss: Option<Notional>) -> Option<Limit> {
        let most = self.config.limits.max_worst_loss.filter(|_| !zoo!(LimitsBypassed))?;
        if loss.zip(position.max_loss).is_some_and(|(loss, before)| loss <= before) {
            return None;
        }
        let others = self.open_positions().filter(|p| p.no != position.no);
        let found = loss.and_then(|own| sum_of(others, &position.request.instrument, worst_loss, own));
        exceeds(found, most).then_some(Limit::WorstLoss { most, found })
    }

    fn rate_limit(&self, more: usize) -> Option<Limit> {
        let configured = self.config.limits.max_exposing_orders_per_minute;
        let most = configured.map_or(MAX_EXPOSING_ORDERS_PER_MINUTE, |most| most.min(MAX_EXPOSING_ORDERS_PER_MINUTE));
        let found = count(self.exposing_orders().count().saturating_add(more));
        (found > most).then_some(Limit::ExposingOrdersPerMinute { most, found })
    }

    /// When each entry and rung of the last minute left, told from the rows: a restart forgets none. A request that
    /// provably never left is none of them.
    fn exposing_orders(&self) -> impl Iterator<Item = VenueMillis> {
        let rows = self.state.positions.values().flat_map(|p| p.orders.values());
        rows.filter(|o| !o.role().is_exit() && o.life != Life::Planned)
            .map(|o| self.sent_after(o))
            .filter(|sent_at| self.at.venue.since(*sent_at) < MINUTE)
    }

    /// A finished position must not leave the state while its orders still count.
    pub(super) fn archive_after(&self) -> Millis {
        let counted = self.config.limits.max_exposing_orders_per_minute.map_or(Millis(0), |_| MINUTE);
        self.config.archive_after.max(counted)
    }

    fn open_positions(&self) -> impl Iterator<Item = &Position> {
        self.state.positions.values().filter(|p| !p.phase.is_over())
    }

    /// What positions that ended in the venue's present day lost together; below zero where they gained.
    fn lost_today(&self, instrument: &Instrument) -> Option<Notional> {
        let day = |at: VenueMillis| at.0.div_euclid(DAY_MS);
        let today = day(self.at.venue);
        self.state.ended.values().filter(|ended| day(ended.at) >= today).try_fold(Notional::ZERO, |lost, ended| {
            let realised = ended.realised.filter(|_| ended.quote == instrument.quote)?;
            lost.checked_sub(realised).ok()
        })
    }

    /// What keeps a rung from the wire now.
    pub(super) fn hold_on_rung(&self, no: PositionNo, shape: &OrderShape) -> Option<Hold> {
        if self.is_halted() {
            return Some(Hold::Halted);
        }
        self.limit_on_rung(no, shape).map(Hold::Limit)
    }

    /// True while a user has halted new exposure.
    pub(super) fn is_halted(&self) -> bool {
        self.state.halted && !zoo!(LimitsBypassed)
    }

    /// The last look at an order that adds exposure, whichever way it came here: its decision was made on the same
    /// grounds before, and did more than leave it unsent.
    pub(super) fn may_expose(&self, no: PositionNo, role: Role, shape: &OrderShape) -> bool {
        if role.is_exit() {
            return true;
        }
        let Some(position) = self.position(no) else { return false };
        if role != Role::Entry {
            return self.hold_on_rung(no, shape).is_none();
        }
        let (instrument, ladder) = (&position.request.instrument, &position.ladder);
        !self.is_halted()
            && self
                .fresh_mark(no)
                .is_some_and(|mark| self.limit_on_opening(Some(no), instrument, ladder, mark).is_none())
    }

    /// When a rung that this limit withholds is looked at again.
    pub(super) fn look_again_at(&self, limit: &Limit) -> LocalMillis {
        let oldest = self.exposing_orders().min().filter(|_| matches!(limit, Limit::ExposingOrdersPerMinute { .. }));
        let wait = oldest.map_or(RETRY, |oldest| oldest.plus(MINUTE).since(self.at.venue));
        self.at.local.plus(wait.max(Millis(1)))
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn exceeds(found: Option<Notional>, most: Notional) -> bool {
    found.is_none_or(|found| found > most)
}

/// A sum over positions that are quoted as this contract is; one unknown amount makes it unknown.
fn sum_of<'p>(
    positions: impl Iterator<Item = &'p Position>,
    instrument: &Instrument,
    of: fn(&Position) -> Option<Notional>,
    own: Notional,
) -> Option<Notional> {
    let mut sum = own;
    for position in positions {
        let one = of(position).filter(|_| position.request.instrument.quote == instrument.quote)?;
        sum = sum.checked_add(one).ok()?;
    }
    Some(sum)
}

/// What entry and rungs cost: as planned, and once the entry has filled, as it filled.
fn committed(position: &Position) -> Option<Notional> {
    if !position.rebuilt {
        return Some(position.ladder.total_notional);
    }
    let wanted = position.rungs.iter().filter(|rung| !position.dropped.contains(&rung.rung));
    let costs = wanted.map(|rung| rung.price.checked_mul(rung.qty).ok());
    costs.fold(position.executed_entry().cost, |sum, cost| sum?.checked_add(cost?).ok())
}

/// What entry and rungs have cost so far, and what those that may still fill can add.
fn used(position: &Position) -> Option<Notional> {
    let rungs = position.orders.values().filter(|o| matches!(o.role(), Role::Rung(_)) && o.life.may_trade());
    rungs.fold(position.entered().cost, |sum, order| {
        let (price, qty) = (order.shape.price()?, order.shape.qty()?);
        let left = qty.checked_sub(order.executed_qty()).ok()?.max(Qty::ZERO);
        sum?.checked_add(price.checked_mul(left).ok()?).ok()
    })
}

/// The worst loss of an open position. What was never active has its planned one; what was, and has none frozen, has
/// an unknown one (R46).
fn worst_loss(position: &Position) -> Option<Notional> {
    match position.phase {
        Phase::New | Phase::Opening | Phase::Cancelling => Some(position.max_loss.unwrap_or(position.ladder.max_loss)),
        _ => position.max_loss,
    }
}

/// Orders of a position that may be open now, with room for its stop and target while it aims at having exposure.
fn orders_with_room(position: &Position) -> usize {
    let live = position.orders.values().filter(|o| o.life.may_trade());
    let (protective, others): (usize, usize) = live.fold((0, 0), |(protective, others), order| {
        if order.role().is_protective() {
            (protective.saturating_add(1), others)
        } else {
            (protective, others.saturating_add(1))
        }
    });
    let room = if position.phase.is_building() { PROTECTIVE_ORDERS } else { 0 };
    others.saturating_add(protective.max(room))
}

/// The same with room for every rung while it is being opened.
fn orders_held(position: &Position) -> usize {
    let now = orders_with_room(position);
    if !matches!(position.phase, Phase::New | Phase::Opening) {
        return now;
    }
    let rungs = if position.rebuilt { position.rungs.len() } else { position.ladder.rungs.len() };
    now.max(rungs.saturating_add(PROTECTIVE_ORDERS))
}
