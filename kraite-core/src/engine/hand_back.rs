//! Giving what is open back to its owner: our orders go, the stop last, and nothing is closed.

use alloc::format;
use alloc::vec::Vec;

use super::event::Event;
use super::io::{Alert, Query, Wake};
use super::turn::Turn;
use super::unwind::quiet_after;
use super::volatile::OpenOrders;
use crate::capabilities::Protection;
use crate::id::{ClientOrderId, PositionNo, Role, VenueOrderId};
use crate::number::Qty;
use crate::order::Life;
use crate::position::{PhaseEvent, Why};

impl Turn<'_> {
    /// One pass over a position that is being handed back; its rungs are being cancelled already. What is open leaves our
    /// books only when nothing of ours can change it any more, so until then it stands behind its stop; and the position
    /// ends only when the venue, asked after the last of our requests can have taken effect, shows no order of ours.
    pub(super) fn hand_back(&mut self, no: PositionNo) {
        let Some(position) = self.position(no) else { return };
        let entering = position.may_still_enter() && !zoo!(HandedBackEarly);
        if entering || position.of(Role::Close).any(|o| o.life.may_trade()) {
            self.shield(no);
            return;
        }
        let cause = handed_back_cause(no);
        let (left, known) = (position.exposure(), position.external.get(&cause).copied().unwrap_or(Qty::ZERO));
        if left.is_positive() {
            let Ok(qty) = known.checked_add(left) else { return };
            self.emit(Event::External { position: no, cause, qty });
            let message = format!("{left} is handed back: it stays open, and no order of ours will protect it");
            self.alert(no, Alert::HandedBack, message);
        }
        if self.our_orders_go(no) && self.shows_none_of_ours(no) {
            self.moved(no, PhaseEvent::Finished, Why::HandedBack);
        }
    }

    /// Cancels the target, then the stop, or both at once where the venue holds them as a pair: it may let go of both or of
    /// none. True when none of ours may trade any more.
    fn our_orders_go(&mut self, no: PositionNo) -> bool {
        let Some(position) = self.position(no) else { return false };
        let alive = |role| position.of(role).filter(|o| o.life.may_trade() || o.life == Life::Planned);
        let targets = alive(Role::Target);
        let paired = self.capabilities.protection == Protection::Paired;
        let stops = alive(Role::Stop).filter(|_| paired || alive(Role::Target).next().is_none());
        let alive: Vec<(ClientOrderId, Life)> = targets.chain(stops).map(|o| (o.id, o.life)).collect();
        for (id, life) in &alive {
            match life {
                Life::Working => self.cancel_when_due(no, *id),
                Life::Planned => {
                    // Never left and is not wanted any more.
                    self.emit(Event::Superseded { id: *id });
                }
                // It is being read or has fired: what comes of it is told or asked for.
                _ => self.read_soon(no),
            }
        }
        alive.is_empty()
    }

    fn shows_none_of_ours(&mut self, no: PositionNo) -> bool {
        let Some(position) = self.position(no) else { return false };
        let symbol = position.symbol().clone();
        let quiet = quiet_after(self, position, |_| true);
        if self.wait_for(no, quiet) {
            return false;
        }
        let error = self.at.error;
        let readings = self.volatile.readings.entry(no).or_default();
        match readings.orders.filter(|(at, _)| at.minus(error) > quiet) {
            Some((_, OpenOrders::Nothing | OpenOrders::Foreign)) => return true,
            // Read again: it is merged and cancelled meanwhile.
            Some((_, OpenOrders::Ours)) => readings.orders = None,
            None => {}
        }
        if self.may_read_what_is_open(no) {
            self.ask(Query::OpenOrders(symbol));
        }
        self.wake(no, self.at.local.plus(super::unwind::FLAT_RETRY), Wake::Probe);
        false
    }
}

/// The name under which exposure that was handed back is booked.
pub(super) fn handed_back_cause(no: PositionNo) -> VenueOrderId {
    VenueOrderId::new(&format!("handed-back-{no}"))
}
