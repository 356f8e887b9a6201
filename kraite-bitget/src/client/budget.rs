//! How much may still be sent: each endpoint by itself, the address as a whole, and the quiet that the venue asked for.
//!
//! Endpoints are counted per account, open ones per address; the address also has one limit over everything ("Bitget,
//! Rate Limits"). All accounts of a process share one [`AddressBudget`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kraite_core::time::{LocalMillis, Millis};
use kraite_wire::client::{LocalClock, Need, Recent, SharedBudget, Silence, Spent, Window};

use crate::codec::{ADDRESS_PAUSE, Call, Quiet, Scope, Security, UsedLimits};

const MINUTE: Millis = Millis::from_secs(60);
/// Requests of an address in a minute, whatever the account; more than that stops it for five minutes.
const REQUESTS_MINUTE: u32 = 6_000;
/// Limits of endpoints are told per second.
const SECOND: Millis = Millis::from_secs(1);
/// So many endpoints that refuse with 429, one after the other and nothing between: it is the address that is limited.
const ENDPOINTS_IN_A_ROW: usize = 3;

/// What is left of each endpoint.
#[derive(Debug, Default)]
struct Endpoints(BTreeMap<&'static str, (Recent, Silence)>);

impl Endpoints {
    fn of(&mut self, cost: Cost) -> &mut (Recent, Silence) {
        let fresh = || (Recent::new(SECOND, cost.per_second), Silence::default());
        self.0.entry(cost.path).or_insert_with(fresh)
    }

    fn take(&mut self, cost: Cost, need: Need, now: LocalMillis) -> Result<(), Spent> {
        let (recent, silence) = self.of(cost);
        match silence.left(now, need) {
            Some(wait) => Err(Spent { wait }),
            None => recent.take(need, now),
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    /// Those that anybody may ask.
    open: Endpoints,
    /// Which endpoints refused with 429 since anything was answered.
    refusing: BTreeSet<&'static str>,
    /// It was concluded from them that the address is limited.
    limited: bool,
}

/// The budget of one network address, shared by every account that calls from it. Cloning gives the same budget.
#[derive(Debug, Clone)]
pub struct AddressBudget {
    all: SharedBudget,
    shared: Arc<Mutex<Shared>>,
}

impl Default for AddressBudget {
    fn default() -> Self {
        Self { all: SharedBudget::new(Window::new(MINUTE, REQUESTS_MINUTE)), shared: Arc::default() }
    }
}

impl AddressBudget {
    /// How much of the address is used in the present minute, and how much may be.
    #[must_use]
    pub fn spent(&self) -> (u32, u32) {
        self.all.spent()
    }

    /// So many processes call from this address, on one machine or several: each keeps to its part of the limit.
    pub fn share(&self, parts: u32) {
        self.all.share(parts);
    }

    /// How long the venue has asked the address to be quiet from now on, for those who share it.
    #[must_use]
    pub fn quiet(&self, now: LocalMillis) -> Option<Millis> {
        self.all.quiet(now)
    }

    /// Somebody who shares the address was asked to be quiet until then.
    pub fn keep_quiet(&self, until: LocalMillis) {
        self.all.keep_quiet(true, until);
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a call costs: one of its endpoint's, one of the address's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    path: &'static str,
    per_second: u32,
    open: bool,
}

impl Cost {
    pub(crate) const fn of<C: Call>() -> Self {
        Self { path: C::PATH, per_second: C::PER_SECOND, open: matches!(C::SECURITY, Security::Open) }
    }
}

/// The two budgets of one account.
pub(crate) struct Budget {
    clock: Arc<dyn LocalClock>,
    address: AddressBudget,
    account: Mutex<Endpoints>,
}

impl Budget {
    pub(crate) fn new(clock: Arc<dyn LocalClock>, address: AddressBudget) -> Self {
        Self { clock, address, account: Mutex::default() }
    }

    fn with_endpoints<T>(&self, cost: Cost, what: impl FnOnce(&mut Endpoints) -> T) -> T {
        if cost.open {
            what(&mut self.address.shared().open)
        } else {
            what(&mut self.account.lock().unwrap_or_else(PoisonError::into_inner))
        }
    }

    /// Takes what a call costs, or says why it is not sent. `venue_now` places it in the venue's minutes.
    pub(crate) fn take(&self, cost: Cost, need: Need, venue_now: i64) -> Result<(), Spent> {
        let now = self.clock.now();
        self.address.all.take(1, need, now, venue_now, || self.with_endpoints(cost, |all| all.take(cost, need, now)))
    }

    /// Gives back what a call cost that provably never left.
    pub(crate) fn give_back(&self, cost: Cost) {
        self.address.all.give_back(1);
        self.with_endpoints(cost, |all| all.of(cost).0.give_back());
    }

    /// Learns what the headers of an answer say.
    pub(crate) fn learn(&self, cost: Cost, used: &UsedLimits) {
        let now = self.clock.now();
        if let Some(left) = used.left_second {
            self.with_endpoints(cost, |all| all.of(cost).0.correct(left, now));
        }
    }

    /// Is quiet from now on, as an answer asked for. `stated` is a wait that the venue named itself.
    pub(crate) fn hush(&self, cost: Cost, mut quiet: Quiet, stated: Option<Millis>) -> Millis {
        if quiet.scope == Scope::Address && stated.is_none() {
            let mut shared = self.address.shared();
            shared.refusing.insert(cost.path);
            if shared.refusing.len() >= ENDPOINTS_IN_A_ROW {
                quiet.pause = ADDRESS_PAUSE;
                shared.limited = true;
            }
        }
        let wait = self.address.all.pause(quiet, stated);
        let (said, until) = (stated.is_some(), self.clock.now().plus(wait));
        match quiet.scope {
            Scope::Address => self.address.all.keep_quiet(said, until),
            Scope::Account => self.with_endpoints(cost, |all| all.of(cost).1.keep(said, until)),
        }
        wait
    }

    /// An answer that asked for no quiet: the next refusal is the first one in a row.
    pub(crate) fn relieved(&self) {
        self.address.shared().refusing.clear();
    }

    /// The venue did what it was asked: an address that was taken for limited is free. Only protection may still ask
    /// then, and a position must not wait for its readings any longer than the limit lasts.
    pub(crate) fn served(&self) {
        self.relieved();
        if std::mem::take(&mut self.address.shared().limited) {
            self.address.all.is_free();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kraite_wire::client::SystemClock;

    use crate::codec::calls::{classic, market, unified};

    fn budget() -> Budget {
        Budget::new(Arc::new(SystemClock::real()), AddressBudget::default())
    }

    fn fill(budget: &Budget, cost: Cost, need: Need) -> usize {
        (0..1_000).take_while(|_| budget.take(cost, need, 0).is_ok()).count()
    }

    #[test]
    fn r115_openings_leave_a_reserve_of_each_endpoint_to_protection() {
        let (budget, place) = (budget(), Cost::of::<classic::PlaceOrder>());
        assert_eq!(fill(&budget, place, Need::Open), 9);
        assert_eq!(fill(&budget, place, Need::Protect), 1, "ten in a second");
        assert_eq!(fill(&budget, Cost::of::<classic::CancelOrder>(), Need::Protect), 10, "each endpoint by itself");
        assert_eq!(fill(&budget, Cost::of::<classic::ClosePosition>(), Need::Protect), 1);
        assert_eq!(fill(&budget, Cost::of::<unified::QueryOrder>(), Need::Read), 16);
    }

    #[test]
    fn r115_open_calls_are_those_of_the_address_and_signed_ones_of_the_account() {
        let address = AddressBudget::default();
        let one = Budget::new(Arc::new(SystemClock::real()), address.clone());
        let two = Budget::new(Arc::new(SystemClock::real()), address);
        let (time, place) = (Cost::of::<market::GetServerTime>(), Cost::of::<classic::PlaceOrder>());
        assert_eq!(fill(&one, time, Need::Protect), 20);
        assert_eq!(fill(&two, time, Need::Protect), 0);
        assert_eq!((fill(&one, place, Need::Protect), fill(&two, place, Need::Protect)), (10, 10));
    }

    #[test]
    fn r115_a_refusal_of_the_gateway_holds_up_readings_and_one_on_many_endpoints_for_five_minutes() {
        let gateway = Quiet { scope: Scope::Address, pause: Millis(2_000), until: None };
        let (budget, place) = (budget(), Cost::of::<classic::PlaceOrder>());
        let refusing = [place, Cost::of::<classic::GetPositions>(), Cost::of::<classic::QueryOrder>()];
        assert_eq!(
            refusing.map(|cost| budget.hush(cost, gateway, None)),
            [Millis(2_000), Millis(2_000), ADDRESS_PAUSE]
        );
        assert!(budget.take(place, Need::Open, 0).is_err());
        assert!(budget.take(place, Need::Protect, 0).is_ok(), "what was concluded does not hold up protection");
        budget.relieved();
        assert_eq!(budget.hush(place, gateway, Some(Millis(7_000))), Millis(7_000));
        assert!(budget.take(place, Need::Protect, 0).is_err(), "what the venue said does");
    }

    #[test]
    fn r115_protection_that_is_served_ends_the_quiet_of_an_address_that_was_taken_for_limited() {
        let gateway = Quiet { scope: Scope::Address, pause: Millis(2_000), until: None };
        let (place, read) = (Cost::of::<unified::PlaceOrder>(), Cost::of::<unified::QueryOrder>());
        let refused = || {
            let budget = budget();
            for cost in [place, Cost::of::<unified::GetPositions>(), read] {
                budget.hush(cost, gateway, None);
            }
            budget
        };
        let served = refused();
        served.served();
        assert!(served.take(read, Need::Read, 0).is_ok());
        // A refusal for another reason says nothing of the address, and what the venue named itself stands.
        let relieved = refused();
        relieved.relieved();
        assert!(relieved.take(read, Need::Read, 0).is_err());
        let said = refused();
        said.hush(place, gateway, Some(Millis(7_000)));
        said.served();
        assert!(said.take(read, Need::Read, 0).is_err());
        // A refusal that was taken for that of an endpoint is waited for as ever.
        let one = budget();
        one.hush(place, gateway, None);
        one.served();
        assert!(one.take(read, Need::Read, 0).is_err());
    }

    #[test]
    fn r115_a_limit_of_one_endpoint_is_quiet_about_that_one_alone() {
        let limit = Quiet { scope: Scope::Account, pause: SECOND, until: None };
        let (budget, place) = (budget(), Cost::of::<classic::PlaceOrder>());
        assert_eq!(budget.hush(place, limit, None), SECOND);
        assert!(budget.take(place, Need::Open, 0).is_err());
        assert!(budget.take(Cost::of::<classic::QueryOrder>(), Need::Read, 0).is_ok());
    }
}
