//! What an ended position cost: by the books that its worker has read, and by the venue's own.

use std::collections::BTreeSet;

use kraite_core::engine::State;
use kraite_core::exchange::Side;
use kraite_core::id::{AccountTag, PositionNo};
use kraite_core::number::Notional;
use kraite_core::position::Position;
use kraite_core::time::{LocalMillis, VenueMillis};

use super::Finding;
use crate::venue::{OrderObject, Venue};

/// An average entry has so many decimals that a result is off by no more than this.
const ROUNDING: &str = "0.0001";

/// Readings of books that were looked at.
#[derive(Debug, Clone, Default, Hash)]
pub(super) struct Costs(BTreeSet<(AccountTag, PositionNo, LocalMillis)>);

impl Costs {
    /// A result that the worker knows for good, once, against the venue's trades and payments.
    pub(super) fn look(
        &mut self,
        venue: &Venue,
        account: AccountTag,
        state: &State,
        position: &Position,
    ) -> Option<Finding> {
        let booked = position.booked?;
        if !position.is_told() || !self.0.insert((account, position.no, booked.at)) {
            return None;
        }
        let ended = state.ended.get(&position.no)?;
        let ours = ended.realised?;
        let until = ended.at.plus(state.at.error);
        let theirs = result(venue, account, position, until)?;
        let off = ours.checked_sub(theirs).ok()?;
        let bound: Notional = ROUNDING.parse().ok()?;
        let same = off <= bound && off >= bound.negated();
        (!same).then_some(Finding::Miscounted { position: position.no, ours, theirs })
    }
}

/// What came in less what went out; `None` where the venue has forgotten trades, or the position took over others'.
fn result(venue: &Venue, account: AccountTag, position: &Position, until: VenueMillis) -> Option<Notional> {
    let all = venue.trades().count();
    if all as u64 != venue.trade_count() || position.adoption.is_some() {
        return None;
    }
    let is_its = |object| {
        let id = venue.object(object).and_then(OrderObject::client_id);
        id.is_some_and(|id| id.key().position == position.no)
    };
    let mut sum = Notional::ZERO;
    for trade in venue.trades().filter(|trade| trade.account == account && is_its(trade.object)) {
        let cost = trade.price.checked_mul(trade.qty).ok()?;
        sum = if trade.side == Side::Sell { sum.checked_add(cost) } else { sum.checked_sub(cost) }.ok()?;
        sum = sum.checked_sub(trade.fee).ok()?;
    }
    let since = position.request.mark.at;
    let payments = venue.account(account)?.paid_on(position.symbol(), position.direction());
    let within = payments.filter(|payment| payment.at >= since && payment.at <= until);
    within.map(|payment| payment.amount).try_fold(sum, |sum, amount| sum.checked_add(amount)).ok()
}
