//! How much may still be sent: weight of the address, orders of the account, and the quiet that the venue asked for.
//!
//! The weight belongs to the address, so that all accounts of a process share one [`AddressBudget`]; the orders belong
//! to the account. Both are counted here and corrected by what the venue says it counted ("Binance USD-M, Limits").

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kraite_core::time::{LocalMillis, Millis};

use super::local::LocalClock;
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
/// The longest ban that the venue gives; a longer wait is not believed.
const LONGEST_QUIET: Millis = Millis::from_secs(3 * 86_400);
/// "Overloaded" again and again doubles its wait up to this.
const LONGEST_OVERLOAD: Millis = Millis::from_secs(5);
/// How long a call that finds the budget used up is told to wait: until the venue's minute is over, at worst.
const WINDOW_WAIT: Millis = MINUTE;

/// What a call is for: who may use the last of the budget (R115).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Need {
    /// Readings, which leave a fifth to the others.
    Read,
    /// What adds exposure, and settings; leaves a tenth.
    Open,
    /// Stops, targets, closes, cancellations, and the readings that these need: all there is.
    Protect,
}

impl Need {
    /// How much of a limit it may fill, in tenths.
    const fn share(self) -> u32 {
        match self {
            Self::Read => 8,
            Self::Open => 9,
            Self::Protect => 10,
        }
    }
}

/// Why a call was not sent, and for how long there is no use in trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) wait: Millis,
}

/// One limit over fixed windows, as the venue counts them.
#[derive(Debug, Clone, Copy)]
struct Window {
    span: Millis,
    limit: u32,
    index: i64,
    used: u32,
}

impl Window {
    const fn new(span: Millis, limit: u32) -> Self {
        Self { span, limit, index: 0, used: 0 }
    }

    fn turn(&mut self, venue_now: i64) {
        let index = venue_now.div_euclid(self.span.0.max(1));
        if index != self.index {
            (self.index, self.used) = (index, 0);
        }
    }

    fn has(&self, cost: u32, need: Need) -> bool {
        let share = u64::from(self.limit).saturating_mul(u64::from(need.share())) / 10;
        cost == 0 || u64::from(self.used).saturating_add(u64::from(cost)) <= share
    }

    fn take(&mut self, cost: u32) {
        self.used = self.used.saturating_add(cost);
    }

    /// The venue's count is believed where it is higher: others may use the same budget.
    fn correct(&mut self, counted: Option<u32>, sent_in: i64) {
        if let Some(counted) = counted.filter(|_| sent_in.div_euclid(self.span.0.max(1)) == self.index) {
            self.used = self.used.max(counted);
        }
    }
}

/// How long to be quiet. What the venue said is obeyed by all; what was only concluded does not hold up protection.
#[derive(Debug, Clone, Copy, Default)]
struct Silence {
    said: Option<LocalMillis>,
    concluded: Option<LocalMillis>,
}

impl Silence {
    fn left(&self, now: LocalMillis, need: Need) -> Option<Millis> {
        let concluded = self.concluded.filter(|_| need != Need::Protect);
        let until = self.said.into_iter().chain(concluded).max()?;
        Some(until.since(now)).filter(|left| left.0 > 0)
    }
}

#[derive(Debug)]
struct Address {
    weight: Window,
    silence: Silence,
    overloads: u32,
}

/// The budget of one network address, shared by every account that calls from it. Cloning gives the same budget.
#[derive(Debug, Clone)]
pub struct AddressBudget(Arc<Mutex<Address>>);

impl Default for AddressBudget {
    fn default() -> Self {
        let weight = Window::new(MINUTE, WEIGHT_MINUTE);
        Self(Arc::new(Mutex::new(Address { weight, silence: Silence::default(), overloads: 0 })))
    }
}

impl AddressBudget {
    fn lock(&self) -> MutexGuard<'_, Address> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        let counts_orders = cost.orders != (0, 0);
        let mut address = self.address.lock();
        if let Some(wait) = address.silence.left(now, need) {
            return Err(Spent { wait });
        }
        address.weight.turn(venue_now);
        if !address.weight.has(cost.weight, need) {
            return Err(Spent { wait: WINDOW_WAIT });
        }
        if counts_orders {
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
                return Err(Spent { wait: WINDOW_WAIT });
            }
            account.ten_seconds.take(cost.orders.0);
            account.minute.take(cost.orders.1);
        }
        address.weight.take(cost.weight);
        Ok(())
    }

    /// Gives back what a call cost that provably never left.
    pub(crate) fn give_back(&self, cost: Cost) {
        let mut address = self.address.lock();
        address.weight.used = address.weight.used.saturating_sub(cost.weight);
        drop(address);
        let mut account = self.account();
        account.ten_seconds.used = account.ten_seconds.used.saturating_sub(cost.orders.0);
        account.minute.used = account.minute.used.saturating_sub(cost.orders.1);
    }

    /// Learns what the headers of an answer say; `sent_in` is the venue time at which its request was sent.
    pub(crate) fn learn(&self, used: &UsedLimits, sent_in: i64) {
        self.address.lock().weight.correct(used.weight_minute, sent_in);
        let mut account = self.account();
        account.ten_seconds.correct(used.orders_ten_seconds, sent_in);
        account.minute.correct(used.orders_minute, sent_in);
    }

    /// Learns the limits of exchangeInfo.
    pub(crate) fn set_limits(&self, limits: &[RateLimit]) {
        for limit in limits {
            match (limit.counted, limit.interval) {
                (Counted::Weight, MINUTE) => self.address.lock().weight.limit = limit.limit,
                (Counted::Orders, TEN_SECONDS) => self.account().ten_seconds.limit = limit.limit,
                (Counted::Orders, MINUTE) => self.account().minute.limit = limit.limit,
                (Counted::Weight | Counted::Orders, _) => {}
            }
        }
    }

    /// Is quiet from now on, as an answer asked for. `stated` is a wait that the venue named itself: `Retry-After`, or
    /// the end of a ban.
    pub(crate) fn hush(&self, quiet: Quiet, stated: Option<Millis>) -> Millis {
        let now = self.clock.now();
        let mut address = self.address.lock();
        let mut pause = quiet.pause;
        if stated.is_none() && pause < TEN_SECONDS {
            let doubled = pause.0.saturating_mul(1i64 << address.overloads.min(16));
            pause = Millis(doubled).min(LONGEST_OVERLOAD);
            address.overloads = address.overloads.saturating_add(1);
        }
        let wait = stated.map_or(pause, |stated| stated.max(Millis(0))).min(LONGEST_QUIET);
        let until = Some(now.plus(wait));
        match quiet.scope {
            Scope::Address => address.silence.keep(stated, until),
            Scope::Account => {
                drop(address);
                self.account().silence.keep(stated, until);
            }
        }
        wait
    }

    /// An answer that asked for no quiet: the venue is not overloaded any more.
    pub(crate) fn relieved(&self) {
        self.address.lock().overloads = 0;
    }
}

impl Silence {
    fn keep(&mut self, stated: Option<Millis>, until: Option<LocalMillis>) {
        if stated.is_some() {
            self.said = self.said.max(until);
        } else {
            self.concluded = self.concluded.max(until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::local::SystemClock;

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
