//! Request weight per minute, orders per ten seconds and per minute, and what happens beyond them.
//!
//! Source of the numbers: "Binance USD-M, General Info, LIMITS" and the rateLimits of exchangeInfo.

use kraite_core::time::{Millis, VenueMillis};

use super::errors::Problem;

/// Weight per minute and address.
pub(super) const WEIGHT_PER_MINUTE: u32 = 2_400;
/// Orders per ten seconds and account.
pub(super) const ORDERS_PER_10S: u32 = 300;
/// Orders per minute and account.
pub(super) const ORDERS_PER_MINUTE: u32 = 1_200;
/// So many requests after the first refusal and the address is banned.
const PATIENCE: u32 = 20;
/// How long the first ban lasts: the shortest that is documented.
const BAN: Millis = Millis(120_000);
const MINUTE: i64 = 60_000;
const TEN_SECONDS: i64 = 10_000;

/// A count that starts again with every span of the clock.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    slot: i64,
    used: u32,
}

impl Window {
    fn add(&mut self, now: VenueMillis, span: i64, more: u32) -> u32 {
        let slot = now.0.div_euclid(span);
        if slot != self.slot {
            *self = Self { slot, used: 0 };
        }
        self.used = self.used.saturating_add(more);
        self.used
    }
}

/// What the one address and the one account have used up.
#[derive(Debug, Clone, Default)]
pub(super) struct Limits {
    weight: Window,
    orders_10s: Window,
    orders_1m: Window,
    refused: u32,
    banned_until: Option<VenueMillis>,
}

impl Limits {
    /// Counts a request before it is looked at.
    pub(super) fn request(&mut self, now: VenueMillis, weight: u32) -> Result<(), Problem> {
        if let Some(until) = self.banned_until.filter(|until| now < *until) {
            return Err(banned(until));
        }
        if self.weight.add(now, MINUTE, weight) <= WEIGHT_PER_MINUTE {
            self.refused = 0;
            return Ok(());
        }
        self.refused = self.refused.saturating_add(1);
        if self.refused > PATIENCE {
            self.ban(now, BAN);
        }
        Err(too_many())
    }

    /// Counts orders of the account.
    pub(super) fn orders(&mut self, now: VenueMillis, in_10s: u32, in_1m: u32) -> Result<(), Problem> {
        let short = self.orders_10s.add(now, TEN_SECONDS, in_10s);
        let long = self.orders_1m.add(now, MINUTE, in_1m);
        if short > ORDERS_PER_10S {
            return Err(Problem::saying(
                -1015,
                format!("Too many new orders; current limit is {ORDERS_PER_10S} orders per TEN_SECONDS."),
            ));
        }
        if long > ORDERS_PER_MINUTE {
            return Err(Problem::saying(
                -1015,
                format!("Too many new orders; current limit is {ORDERS_PER_MINUTE} orders per MINUTE."),
            ));
        }
        Ok(())
    }

    /// Bans the address for a while.
    pub(super) fn ban(&mut self, now: VenueMillis, span: Millis) {
        self.banned_until = Some(now.plus(span));
    }

    /// Weight of this minute, orders of these ten seconds and of this minute.
    pub(super) fn used(&mut self, now: VenueMillis) -> (u32, u32, u32) {
        (self.weight.add(now, MINUTE, 0), self.orders_10s.add(now, TEN_SECONDS, 0), self.orders_1m.add(now, MINUTE, 0))
    }
}

/// The answer to a request beyond the weight.
pub(super) fn too_many() -> Problem {
    Problem::saying(
        -1003,
        format!(
            "Too many requests; current limit of IP(127.0.0.1) is {WEIGHT_PER_MINUTE} requests per minute. Please use the websocket for live updates to avoid polling the API."
        ),
    )
}

fn banned(until: VenueMillis) -> Problem {
    let msg = format!(
        "Way too many requests; IP(127.0.0.1) banned until {}. Please use the websocket for live updates to avoid bans.",
        until.0
    );
    Problem { status: 418, code: -1003, msg }
}
