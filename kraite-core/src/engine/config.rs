//! The engine's bounds, each a named value with its source.

use serde::{Deserialize, Serialize};

use super::limits::Limits;
use crate::time::Millis;

/// Bounds of the engine; the defaults are those of the architecture.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Config {
    /// Alert once exposure has been without a stop for this long (4a.7).
    pub alert_unprotected_after: Millis,
    /// Close the position once exposure has been without a stop for this long (4a.7, R43).
    pub close_unprotected_after: Millis,
    /// Read open orders and positions this often (S10).
    pub poll_every: Millis,
    /// A mark older than this sizes nothing (R29).
    pub mark_max_age: Millis,
    /// How long a request may wait before it is signed; added to the validity window in `not_after`.
    pub send_budget: Millis,
    /// Attempts of one revision before a rung is left out or an opening is given up.
    pub max_attempts: u8,
    /// A position may stay in its first state this long (R49).
    pub opening_bound: Millis,
    /// A closing that cannot be proven clean within this is failed and needs a human (R93).
    pub unproven_after: Millis,
    /// Two readings that show exposure gone must be this far apart before it counts as gone (R87).
    pub flat_gap: Millis,
    /// A finished position leaves the state with the first opening this long after its end; until then a late
    /// fill re-opens its books.
    pub archive_after: Millis,
    /// What the account may risk.
    #[serde(default)]
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            alert_unprotected_after: Millis::from_secs(5),
            close_unprotected_after: Millis::from_secs(30),
            poll_every: Millis::from_secs(300),
            mark_max_age: Millis::from_secs(30),
            send_budget: Millis::from_secs(1),
            max_attempts: 6,
            opening_bound: Millis::from_secs(60),
            unproven_after: Millis::from_secs(3_600),
            flat_gap: Millis::from_secs(20),
            archive_after: Millis::from_secs(3_600),
            limits: Limits::default(),
        }
    }
}

/// The wait before attempt `n` + 1 of one thing: 0.5, 1, 2, 4, then 8 s.
#[must_use]
pub(super) fn backoff(n: usize) -> Millis {
    match n {
        _ if zoo!(NoBackoff) => Millis(0),
        0 => Millis(0),
        1 => Millis(500),
        2 => Millis(1_000),
        3 => Millis(2_000),
        4 => Millis(4_000),
        _ => Millis(8_000),
    }
}
