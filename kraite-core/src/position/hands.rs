//! What a user has changed of a position by hand since it was opened.

use alloc::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Position;
use crate::engine::CommandId;
use crate::id::{ClientOrderId, MAX_RUNGS, Role};
use crate::number::{ArithmeticError, Notional, Percent, Price, Qty};
use crate::order::Order;
use crate::sizing;

/// What a user has changed of a position by hand since it was opened.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Hands {
    /// The commands that did: a repeat of one changes nothing again.
    pub by: BTreeSet<CommandId>,
    /// The take-profit distance that replaces the one it was opened with, in percent.
    pub profit: Option<Percent>,
    /// The target stays at this price: re-pricing is paused.
    pub held_target: Option<Price>,
    /// What was to be taken off by closes of a part, all together.
    pub parts: Qty,
    /// The newest target that was decided on before the last change of what it should be, and its amendments until then.
    pub outdated_target: Option<(ClientOrderId, u32)>,
    /// The newest stop when a user last moved it.
    pub outdated_stop: Option<ClientOrderId>,
    /// What is open belongs to somebody else from now on: our orders go, and nothing is closed.
    pub handed_back: bool,
}

impl Position {
    /// The take-profit distance it goes by now, in percent.
    #[must_use]
    pub fn profit(&self) -> Percent {
        self.hands.profit.unwrap_or(self.request.spec.profit)
    }

    /// True when a target was decided on before a user changed what it should be.
    pub(super) fn is_outdated_by_hand(&self, target: &Order) -> bool {
        self.hands
            .outdated_target
            .is_some_and(|(id, amends)| target.id < id || (target.id == id && target.amends <= amends))
    }

    /// True when a user moved the stop after this one was decided on.
    pub(crate) fn is_stop_moved_since(&self, stop: &Order) -> bool {
        self.hands.outdated_stop.is_some_and(|outdated| stop.id <= outdated) && !zoo!(StopStaysPut)
    }

    /// What closes of a part and of what the wire doubled still have to take off.
    #[must_use]
    pub fn owed(&self) -> Qty {
        let parts = if zoo!(PartForgotten) { Qty::ZERO } else { self.hands.parts };
        let wanted = self.doubled().checked_add(parts).unwrap_or(Qty::ZERO);
        at_least_none(wanted.checked_sub(self.orders.sums().closed_qty))
    }

    /// How much the wire made our opening orders fill beyond what they state, less what was taken off again beyond the
    /// parts that were asked for.
    #[must_use]
    pub fn excess(&self) -> Qty {
        let flattened = at_least_none(self.orders.sums().closed_qty.checked_sub(self.hands.parts));
        at_least_none(self.doubled().checked_sub(flattened))
    }

    /// How much of a rung may still fill, as far as its rows say.
    #[must_use]
    pub fn rung_left(&self, rung: u8) -> Qty {
        let Some(plan) = self.rungs.iter().find(|plan| plan.rung == rung && !self.dropped.contains(&rung)) else {
            return Qty::ZERO;
        };
        let done = self.of(Role::Rung(rung)).map(Order::executed_qty).try_fold(Qty::ZERO, Qty::checked_add);
        at_least_none(done.and_then(|done| plan.qty.checked_sub(done)))
    }

    /// The number of a rung that is added; `None` where a position has no more. A number is never used twice: its orders
    /// would be taken for those of the rung before.
    #[must_use]
    pub fn next_rung(&self) -> Option<u8> {
        let planned = self.rungs.iter().map(|plan| plan.rung).chain(self.ladder.rungs.iter().map(|plan| plan.rung));
        let used = planned.chain(self.dropped.iter().copied()).fold(self.request.spec.rungs, u8::max);
        used.checked_add(1).filter(|next| *next <= MAX_RUNGS)
    }

    /// What is lost if every rung that may still fill does and everything closes at `stop`; `None` while the entry has no
    /// price. Of a rung that was left out counts what had filled, once no order of it may trade.
    #[must_use]
    pub fn loss_at(&self, stop: Price) -> Option<Notional> {
        let entry = (self.entry_price()?, self.executed_entry().qty);
        let rungs = self.rungs.iter().map(|plan| {
            let role = Role::Rung(plan.rung);
            let is_over = self.dropped.contains(&plan.rung) && !self.of(role).any(|o| o.life.may_trade());
            let filled = || self.of(role).map(Order::executed_qty).try_fold(Qty::ZERO, Qty::checked_add);
            (plan.price, if is_over { filled().unwrap_or(plan.qty) } else { plan.qty })
        });
        sizing::max_loss(self.direction(), core::iter::once(entry).chain(rungs), stop).ok()
    }
}

fn at_least_none(qty: Result<Qty, ArithmeticError>) -> Qty {
    qty.unwrap_or(Qty::ZERO).max(Qty::ZERO)
}
