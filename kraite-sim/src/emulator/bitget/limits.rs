//! How often each call may be made in a second, how often all of them in a minute, and what comes beyond.
//!
//! Source of the numbers: the page of each call, default tier; "Rate limits" for the address.

use std::collections::BTreeMap;

use kraite_core::time::{Millis, VenueMillis};

use super::errors::Problem;

/// All requests of an address in a minute.
const PER_MINUTE: u32 = 6_000;
/// How long an address that went beyond is refused.
const RECOVERY: Millis = Millis(300_000);

/// What the one address and the one account have used up.
#[derive(Debug, Clone, Default)]
pub(super) struct Limits {
    calls: BTreeMap<&'static str, (i64, u32)>,
    minute: (i64, u32),
    refused_until: Option<VenueMillis>,
}

fn count(window: &mut (i64, u32), slot: i64) -> u32 {
    if window.0 != slot {
        *window = (slot, 0);
    }
    window.1 = window.1.saturating_add(1);
    window.1
}

impl Limits {
    /// Counts a request of the address before it is looked at.
    pub(super) fn request(&mut self, now: VenueMillis) -> Result<(), Problem> {
        if self.refused_until.is_some_and(|until| now < until) {
            return Err(Problem::of(429));
        }
        if count(&mut self.minute, now.0.div_euclid(60_000)) > PER_MINUTE {
            self.ban(now, RECOVERY);
            return Err(Problem::of(429));
        }
        Ok(())
    }

    /// Counts a call of the account, or of the address where it is public, once it is known whose it is.
    pub(super) fn call(&mut self, now: VenueMillis, path: &'static str, per_second: u32) -> Result<(), Problem> {
        let used = count(self.calls.entry(path).or_default(), now.0.div_euclid(1_000));
        if used > per_second { Err(Problem::of(429)) } else { Ok(()) }
    }

    /// Refuses the address for a while.
    pub(super) fn ban(&mut self, now: VenueMillis, span: Millis) {
        self.refused_until = Some(now.plus(span));
    }
}
