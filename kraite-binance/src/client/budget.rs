//! How much may still be sent: weight of the address, orders of the account, and the quiet that the venue asked for.
//!
//! The weight belongs to the address, so that all accounts of a process share one [`AddressBudget`]; the orders belong
//! to the account. Both are counted here and corrected by what the venue says it counted ("Binance USD-M, Limits").

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kraite_core::time::{LocalMillis, Millis};
use kraite_wire::client::{LocalClock, Need, SharedBudget, Silence, Spent, Window};

use crate::codec::{Quiet, Scope, UsedLimits};
use crate::instruments::{Counted, RateLimit};

const TEN_SECONDS: Millis = Millis::from_secs(10);
const MINUTE: Millis = Millis::from_secs(60);
/// Weight of an address in a minute, until exchangeInfo says otherwise (shared with the coin-margined API).
const WEIGHT_MINUTE: u32 = 2_400;
/// Orders of an account in ten seconds, until exchangeInfo says otherwise.
const ORDERS_TEN_SECONDS: u32 = 300;
/// Orders of an account in a minute, until exchangeInfo says otherwise.
const ORDERS_MINUTE: u32 = 1_200;

/// The budget of one network address, shared by every account that calls from it. Cloning gives the same budget.
#[derive(Debug, Clone)]
pub struct AddressBudget(SharedBudget);

impl Default for AddressBudget {
    fn default() -> Self {
        Self(SharedBudget::new(Window::new(MINUTE, WEIGHT_MINUTE)))
    }
}

impl AddressBudget {
    /// How much of the address is used in the present minute, and how much may be.
    #[must_use]
    pub fn spent(&self) -> (u32, u32) {
        self.0.spent()
    }

    /// So many processes call from this address, on one machine or several: each keeps to its part of the limit.
    pub fn share(&self, parts: u32) {
        self.0.share(parts);
    }

    /// How long the venue has asked the address to be quiet from now on, for those who share it.
    #[must_use]
    pub fn quiet(&self, now: LocalMillis) -> Option<Millis> {
        self.0.quiet(now)
    }

    /// Somebody who shares the address was asked to be quiet until then.
    pub fn keep_quiet(&self, until: LocalMillis) {
        self.0.keep_quiet(true, until);
    }
}

#[derive(Debug)]
struct Account {
    ten_seconds: Window,
    minute: Window,
    silence: Silence,
}

/// What a call costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) weight: u32,
    pub(crate) orders: (u32, u32),
}

/// The two budgets of one account.
pub(crate) struct Budget {
    clock: Arc<dyn LocalClock>,
    address: AddressBudget,
    account: Mutex<Account>,
}

impl Budget {
    pub(crate) fn new(clock: Arc<dyn LocalClock>, address: AddressBudget) -> Self {
        let account = Account {
            ten_seconds: Window::new(TEN_SECONDS, ORDERS_TEN_SECONDS),
            minute: Window::new(MINUTE, ORDERS_MINUTE),
            silence: Silence::default(),
        };
        Self { clock, address, account: Mutex::new(account) }
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what a call costs, or says why it is not sent. `venue_now` places it in the venue's windows.
    pub(crate) fn take(&self, cost: Cost, need: Need, venue_now: i64) -> Result<(), Spent> {
        let now = self.clock.now();
        self.address.0.take(cost.weight, need, now, venue_now, || {
            if cost.orders == (0, 0) {
                return Ok(());
            }
            let mut account = self.account();
            if let Some(wait) = account.silence.left(now, need) {
                return Err(Spent { wait });
            }
            account.ten_seconds.turn(venue_now);
            account.minute.turn(venue_now);
            if !account.ten_seconds.has(cost.orders.0, need) {
                return Err(Spent { wait: TEN_SECONDS });
            }
            if !account.minute.has(cost.orders.1, need) {
                return Err(Spent { wait: MINUTE });
            }
            account.ten_seconds.take(cost.orders.0);
            account.minute.take(cost.orders.1);
            Ok(())
        })
    }

    /// Gives back what a call cost that provably never left.
    pub(crate) fn give_back(&self, cost: Cost) {
        self.address.0.give_back(cost.weight);
        let mut account = self.account();
        account.ten_seconds.give_back(cost.orders.0);
        account.minute.give_back(cost.orders.1);
    }

    /// Learns what the headers of an answer say; `sent_in` is the venue time at which its request was sent.
    pub(crate) fn learn(&self, used: &UsedLimits, sent_in: i64) {
        self.address.0.correct(used.weight_minute, sent_in);
        let mut account = self.account();
        account.ten_seconds.correct(used.orders_ten_seconds, sent_in);
        account.minute.correct(used.orders_minute, sent_in);
    }

    /// Learns the limits of exchangeInfo.
    pub(crate) fn set_limits(&self, limits: &[RateLimit]) {
        for limit in limits {
            match (limit.counted, limit.interval) {
                (Counted::Weight, MINUTE) => self.address.0.set_limit(limit.limit),
                (Counted::Orders, TEN_SECONDS) => self.account().ten_seconds.set_limit(limit.limit),
                (Counted::Orders, MINUTE) => self.account().minute.set_limit(limit.limit),
                (Counted::Weight | Counted::Orders, _) => {}
            }
        }
    }

    /// Is quiet from now on, as an answer asked for. `stated` is a wait that the venue named itself: `Retry-After`, or
    /// the end of a ban.
    pub(crate) fn hush(&self, quiet: Quiet, stated: Option<Millis>) -> Millis {
        let wait = self.address.0.pause(quiet, stated);
        let (said, until) = (stated.is_some(), self.clock.now().plus(wait));
        match quiet.scope {
            Scope::Address => self.address.0.keep_quiet(said, until),
            Scope::Account => self.account().silence.keep(said, until),
        }
        wait
    }

    /// An answer that asked for no quiet: the venue is not overloaded any more.
    pub(crate) fn relieved(&self) {
        self.address.0.relieved();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kraite_wire::client::SystemClock;

    const READ: Cost = Cost { weight: 40, orders: (0, 0) };
    const ORDER: Cost = Cost { weight: 0, orders: (1, 1) };
    const CANCEL: Cost = Cost { weight: 1, orders: (0, 0) };

    fn budget() -> Budget {
        Budget::new(Arc::new(SystemClock::real()), AddressBudget::default())
    }

    fn fill(budget: &Budget, cost: Cost, need: Need) -> u32 {
        (0..10_000).take_while(|_| budget.take(cost, need, 0).is_ok()).fold(0, |sum, _| sum + 1)
    }

    #[test]
    fn r115_readings_and_openings_leave_a_reserve_to_protection() {
        let budget = budget();
        assert_eq!(fill(&budget, READ, Need::Read), 48, "four fifths of 2400");
        assert!(budget.take(CANCEL, Need::Protect, 0).is_ok());
        assert_eq!(fill(&budget, ORDER, Need::Open), 270, "nine tenths of 300");
        assert_eq!(fill(&budget, ORDER, Need::Protect), 30);
        assert_eq!(budget.take(ORDER, Need::Protect, 0), Err(Spent { wait: TEN_SECONDS }));
        assert!(budget.take(ORDER, Need::Open, 10_000).is_ok(), "the next ten seconds");
    }

    #[test]
    fn the_venues_own_count_is_believed_and_accounts_share_an_address() {
        let address = AddressBudget::default();
        let one = Budget::new(Arc::new(SystemClock::real()), address.clone());
        let two = Budget::new(Arc::new(SystemClock::real()), address);
        one.take(CANCEL, Need::Protect, 0).unwrap();
        one.learn(&UsedLimits { weight_minute: Some(2_400), ..UsedLimits::default() }, 0);
        assert!(two.take(CANCEL, Need::Protect, 0).is_err());
        assert!(two.take(ORDER, Need::Open, 0).is_ok(), "orders weigh nothing");
        two.learn(&UsedLimits { weight_minute: Some(2_400), ..UsedLimits::default() }, -1);
        assert!(two.take(CANCEL, Need::Protect, 60_000).is_ok(), "what was counted in another minute is over");
    }

    #[test]
    fn r115_what_the_venue_said_is_obeyed_by_all_and_what_was_concluded_not_by_protection() {
        let address = Quiet { scope: Scope::Address, pause: MINUTE, until: None };
        let concluded = budget();
        concluded.hush(address, None);
        assert!(concluded.take(ORDER, Need::Open, 0).is_err());
        assert!(concluded.take(READ, Need::Read, 0).is_err());
        assert!(concluded.take(ORDER, Need::Protect, 0).is_ok());
        let said = budget();
        said.hush(address, Some(Millis::from_secs(30)));
        let Spent { wait } = said.take(ORDER, Need::Protect, 0).unwrap_err();
        assert!(wait > Millis::from_secs(29) && wait <= Millis::from_secs(30), "{wait}");
        let account = budget();
        account.hush(Quiet { scope: Scope::Account, ..address }, Some(MINUTE));
        assert!(account.take(ORDER, Need::Protect, 0).is_err());
        assert!(account.take(CANCEL, Need::Protect, 0).is_ok(), "cancellations are not counted");
    }

    #[test]
    fn an_overloaded_venue_is_left_alone_for_longer_each_time() {
        let budget = budget();
        let overloaded = Quiet { scope: Scope::Address, pause: Millis(200), until: None };
        let waits: Vec<i64> = (0..6).map(|_| budget.hush(overloaded, None).0).collect();
        assert_eq!(waits, [200, 400, 800, 1_600, 3_200, 5_000]);
        budget.relieved();
        assert_eq!(budget.hush(overloaded, None), Millis(200));
    }
}
