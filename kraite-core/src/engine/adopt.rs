//! Taking over exposure that a user opened by hand: a position whose entry nobody has to send.

use alloc::format;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::event::{CommandRefusal, Event};
use super::io::{CommandId, Held, OpenRequest};
use super::turn::Turn;
use super::volatile::OpenOrders;
use crate::id::PositionNo;
use crate::number::{Price, Qty};
use crate::position::{PhaseEvent, Why};
use crate::rounding::is_on_lot;
use crate::sizing::{self, DroppedRung, Ladder, Refusal, Rule, is_past};

/// Why exposure was not taken over. Nothing happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
pub enum AdoptionRefusal {
    /// There is nothing to take over, or no order could take it off again.
    #[error("{qty} is nothing that an order of the contract can take off: lots of {lot}")]
    Qty {
        /// What was to be taken over.
        qty: Qty,
        /// The grid.
        lot: Qty,
    },
    /// The average entry is no price.
    #[error("{0} is no price")]
    Price(Price),
    /// The stop would trigger at once: the position would be closed as soon as it was taken over.
    #[error("its stop at {stop} would trigger at once, the mark is {mark}: it would be closed")]
    WouldTrigger {
        /// Where the stop would lie.
        stop: Price,
        /// The mark.
        mark: Price,
    },
}

impl Turn<'_> {
    pub(super) fn adopt(&mut self, id: CommandId, request: &OpenRequest, held: Held) -> Vec<PositionNo> {
        let rules = &request.instrument;
        let refusal = if !held.qty.is_positive() || held.qty < rules.min_qty || !is_on_lot(held.qty, rules.lot) {
            Some(AdoptionRefusal::Qty { qty: held.qty, lot: rules.lot })
        } else if !held.price.is_positive() {
            Some(AdoptionRefusal::Price(held.price))
        } else {
            None
        };
        if let Some(refusal) = refusal {
            self.emit(Event::CommandRefused(CommandRefusal::Adoption(refusal)));
            return Vec::new();
        }
        let ladder = match ladder_of(request, held) {
            Ok(ladder) if !is_past(request.spec.direction, request.mark.price, ladder.stop) => {
                Err(CommandRefusal::Adoption(AdoptionRefusal::WouldTrigger {
                    stop: ladder.stop,
                    mark: request.mark.price,
                }))
            }
            Ok(ladder) => Ok(ladder),
            Err(refusal) => Err(CommandRefusal::Plan(refusal)),
        };
        self.open(id, request, ladder)
    }

    /// Takes the exposure over as soon as the venue shows just that and nothing else on the contract. Where it does not,
    /// the position ends as cancelled, and what is open was never touched.
    pub(super) fn take_over(&mut self, no: PositionNo, held: Held, orders: OpenOrders, shown: Qty, mark: Price) {
        let Some(position) = self.position(no) else { return };
        let stop = position.ladder.stop;
        if orders != OpenOrders::Nothing && !zoo!(AdoptedUnread) {
            self.give_up(no, Why::NotClear, "an order is open on the contract: cancel it first");
        } else if shown != held.qty && !zoo!(AdoptedUnread) {
            let message = format!("{} was to be taken over, and the venue shows {shown}", held.qty);
            self.give_up(no, Why::NotClear, &message);
        } else if !is_past(position.direction(), mark, stop) {
            let message = format!("the market is at {mark}, its stop would be at {stop}: it would be closed");
            self.give_up(no, Why::StopWouldTrigger, &message);
        } else if !self.breaks_a_limit(no, mark) {
            self.emit(Event::TakenOver { position: no });
            self.moved(no, PhaseEvent::Admitted, Why::Planned);
        }
    }
}

/// The ladder that hangs on what is held. Rungs that the market has passed are left out: they would fill at once.
fn ladder_of(request: &OpenRequest, held: Held) -> Result<Ladder, Refusal> {
    let (spec, rules, direction) = (&request.spec, &request.instrument, request.spec.direction);
    let mut ladder = super::absorb::size(request, held.price)?;
    let overflow = |_| Refusal {
        rule: Rule::MaxQuantity,
        rung: None,
        message: format!("{} at {} is more than can be reckoned with", held.qty, held.price),
        smallest_fix: None,
    };
    let hung = sizing::rebuild(&ladder, spec, rules, held.price, held.qty);
    let (rungs, passed): (Vec<_>, Vec<_>) =
        hung.rungs.into_iter().partition(|rung| is_past(direction, request.mark.price, rung.price));
    ladder.dropped.extend(hung.dropped);
    ladder.dropped.extend(passed.iter().map(|rung| DroppedRung { rung: rung.rung, rule: Rule::PriceRange }));
    ladder.rungs = rungs;
    ladder.stop = hung.stop;
    ladder.entry.qty = held.qty;
    ladder.entry.reference_price = held.price;
    ladder.entry.notional = held.price.checked_mul(held.qty).map_err(overflow)?;
    let legs =
        || core::iter::once((held.price, held.qty)).chain(ladder.rungs.iter().map(|rung| (rung.price, rung.qty)));
    ladder.max_loss = sizing::max_loss(direction, legs(), ladder.stop).map_err(overflow)?;
    ladder.total_notional = legs()
        .try_fold(crate::number::Notional::ZERO, |sum, (price, qty)| sum.checked_add(price.checked_mul(qty)?))
        .map_err(overflow)?;
    Ok(ladder)
}
