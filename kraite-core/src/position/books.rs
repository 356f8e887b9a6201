//! What an ended position cost, from the venue's books.

use super::{Booked, Position};
use crate::exchange::{Books, Payment};
use crate::number::Notional;
use crate::time::{LocalMillis, VenueMillis};

impl Position {
    /// True when trades were seen of all that its orders executed: their fees are known.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.orders.values().all(|order| order.ledger.is_told())
    }

    /// The payments of books that fall between its request and its end.
    pub fn funding_in<'b>(&self, books: &'b Books, until: VenueMillis) -> impl Iterator<Item = &'b Payment> + use<'b> {
        let from = self.request.mark.at;
        books.funding.iter().filter(move |payment| payment.at >= from && payment.at <= until)
    }

    /// Takes the trades of its orders and the funding until its end.
    pub(crate) fn book(&mut self, books: &Books, until: VenueMillis, now: LocalMillis) {
        self.orders.change_all(|order| {
            for booked in &books.trades {
                // A trade that overflows the sums is left out: what it cost stays unknown.
                let _ = order.ledger.book(&booked.order, &booked.trade);
            }
        });
        let mut paid = self.funding_in(books, until).map(|payment| payment.amount);
        if let Ok(funding) = paid.try_fold(Notional::ZERO, |sum, amount| sum.checked_add(amount)) {
            let funding = if zoo!(FundingForgotten) { Notional::ZERO } else { funding };
            self.booked = Some(Booked { at: now, funding });
        }
    }
}
