//! The venue's ids in the core's words. Regular and conditional orders number themselves apart, so that the same
//! number can stand for one of each: the latter carry a prefix, which never reaches the wire.

use compact_str::{ToCompactString as _, format_compact};
use kraite_core::exchange::{OrderRef, Service};
use kraite_core::id::{ClientOrderId, VenueOrderId};

/// What an id of the conditional service starts with.
const ALGO: &str = "algo:";

/// The id of a regular order.
#[must_use]
pub fn regular_id(id: i64) -> VenueOrderId {
    VenueOrderId(id.to_compact_string())
}

/// The id of a conditional order.
#[must_use]
pub fn algo_id(id: i64) -> VenueOrderId {
    VenueOrderId(format_compact!("{ALGO}{id}"))
}

/// The parent of a child whose conditional order is not known yet; a known one replaces it when reports are merged.
#[must_use]
pub fn unknown_parent() -> VenueOrderId {
    VenueOrderId::new(ALGO)
}

/// How a request names an order: by one of the two, never both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderName {
    /// By the venue's number.
    Venue(i64),
    /// By our id.
    Client(ClientOrderId),
}

impl OrderName {
    /// The most certain name there is: the venue's number if it is of that service, else our id.
    #[must_use]
    pub fn of(order: &OrderRef) -> Self {
        let number = order.venue_id.as_ref().and_then(|id| match order.service {
            Service::Regular => id.as_str().parse().ok(),
            Service::Conditional => id.as_str().strip_prefix(ALGO)?.parse().ok(),
            Service::PositionPlan => None,
        });
        number.map_or(Self::Client(order.id), Self::Venue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_in_both_services_is_two_ids() {
        assert_ne!(regular_id(i64::MAX), algo_id(i64::MAX));
        assert_eq!(regular_id(i64::MAX).as_str(), "9223372036854775807");
        assert!(unknown_parent() < algo_id(0), "a parent that becomes known replaces the unknown one");
        assert!(unknown_parent() < algo_id(1_000_001_270_850_379));
    }
}
