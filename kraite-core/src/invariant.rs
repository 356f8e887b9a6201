//! Invariants of a position, checked after every step and kept on in release.

use alloc::vec::Vec;

use crate::id::{ClientOrderId, LogicalOrder, Role};
use crate::number::Qty;
use crate::order::{Life, Order, Terminal};
use crate::position::{Phase, Position};

/// Something that must never be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Two attempts of one logical order are open together (I1).
    #[error("two attempts of {logical:?} are open: {first} and {second}")]
    TwoLive {
        /// Which logical order.
        logical: LogicalOrder,
        /// One.
        first: ClientOrderId,
        /// The other.
        second: ClientOrderId,
    },
    /// A target was intended before any stop was accepted (I3).
    #[error("target {0} was intended although no stop was ever accepted")]
    TargetBeforeStop(ClientOrderId),
    /// More was taken off than was ever put on (I11).
    #[error("exits filled {exited}, entry and rungs can have filled {enterable} at most")]
    Overclosed {
        /// What entry and rungs filled, and what they may have filled without having been told yet.
        enterable: Qty,
        /// What the exits filled.
        exited: Qty,
    },
    /// An order has an exchange id, and its row says that it never came to be (S2).
    #[error("{0} has an exchange id, and its row denies that it was ever accepted")]
    IdDenied(ClientOrderId),
    /// Finished with an order that may still trade (I5).
    #[error("finished, but {0} may still trade")]
    NotClean(ClientOrderId),
}

/// Everything that is wrong with a position; empty when nothing is.
#[must_use]
pub fn check(position: &Position) -> Vec<Fault> {
    let mut faults = Vec::new();
    faults.extend(position.orders.values().filter(|o| o.denies_its_id()).map(|o| Fault::IdDenied(o.id)));
    two_live(position, &mut faults);
    target_before_stop(position, &mut faults);
    faults.extend(overclosed(position));
    if matches!(position.phase, Phase::Closed | Phase::Cancelled) {
        faults.extend(position.orders.values().filter(|o| o.life.may_trade()).map(|o| Fault::NotClean(o.id)));
    }
    faults
}

/// Closes follow one another, and each takes off what was left: together they never take more than was put on, and
/// neither does a single other exit that states a quantity. A target, a stop and a close may execute at one instant: what
/// they then take together beyond ours was open beside it by other hands, and no bookkeeping of ours is wrong.
fn overclosed(position: &Position) -> Option<Fault> {
    let enterable = enterable(position);
    let closes = sum(position.of(Role::Close));
    let stated = |o: &&Order| o.role().is_protective() && o.shape.qty().is_some();
    let largest = position.orders.values().filter(stated).map(Order::executed_qty).max();
    let exited = largest.map_or(closes, |largest| largest.max(closes));
    (exited > enterable).then_some(Fault::Overclosed { enterable, exited })
}

/// What exits that state a quantity took off beyond all that entry and rungs can have filled. A close-position order
/// takes whatever is there: a copy that the wire made and nobody told us of, or somebody else's.
#[must_use]
pub(crate) fn taken_beyond(position: &Position) -> Qty {
    let exited = sum(position.orders.values().filter(|o| o.role().is_exit() && o.shape.qty().is_some()));
    exited.checked_sub(enterable(position)).unwrap_or(Qty::ZERO)
}

fn sum<'a>(orders: impl Iterator<Item = &'a Order>) -> Qty {
    orders.fold(Qty::ZERO, |total, o| total.checked_add(o.executed_qty()).unwrap_or(total))
}

/// An exit's fill may be told before the fills that it took off: an order that may trade counts in full.
fn enterable(position: &Position) -> Qty {
    let mut total = position.adopted().map_or(Qty::ZERO, |adopted| adopted.qty);
    for order in position.orders.values().filter(|o| !o.role().is_exit()) {
        let executed = order.executed_qty();
        let untold = order.life.may_trade() || order.life == Life::Done(Terminal::Filled);
        let most = if untold { order.shape.qty().map_or(executed, |stated| stated.max(executed)) } else { executed };
        total = total.checked_add(most).unwrap_or(total);
    }
    total
}

/// Protective orders may overlap while they settle (4a.7); anything else is open at most once.
fn two_live(position: &Position, faults: &mut Vec<Fault>) {
    let mut open = position.orders.values().filter(|o| o.life.is_open() && !o.role().is_protective()).peekable();
    while let Some(order) = open.next() {
        if let Some(next) = open.peek()
            && next.id.key().logical == order.id.key().logical
        {
            faults.push(Fault::TwoLive { logical: order.id.key().logical, first: order.id, second: next.id });
        }
    }
}

fn target_before_stop(position: &Position, faults: &mut Vec<Fault>) {
    let Some(target) = position.of(Role::Target).find(|o| o.life != Life::Planned) else { return };
    let paired = position.plan.find(crate::plan::StepKind::PositionTpsl).is_some();
    let stop_accepted = position.of(Role::Stop).any(|o| o.life.was_accepted());
    if !paired && !stop_accepted {
        faults.push(Fault::TargetBeforeStop(target.id));
    }
}
