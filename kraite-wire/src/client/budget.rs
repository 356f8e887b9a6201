//! How much may still be sent, of limits that the venue gives: fixed windows ([`Window`]), sliding ones ([`Recent`]),
//! the quiet that was asked for ([`Silence`]), and the part of it that all accounts of an address share
//! ([`SharedBudget`]).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kraite_core::time::{LocalMillis, Millis};

use crate::Quiet;

/// The longest ban that a venue gives; a longer wait is not believed.
const LONGEST_QUIET: Millis = Millis::from_secs(3 * 86_400);
/// "Overloaded" again and again doubles its wait up to this.
const LONGEST_OVERLOAD: Millis = Millis::from_secs(5);
/// A shorter pause than this is that of an overloaded venue, and not of a limit.
const OVERLOAD: Millis = Millis::from_secs(1);

/// What a call is for: who may use the last of the budget (R115).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
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
pub struct Spent {
    /// How long.
    pub wait: Millis,
}

/// One limit over fixed windows, as the venue counts them.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    span: Millis,
    limit: u32,
    /// Who else takes of the limit without our seeing it: each of so many keeps to its part.
    parts: u32,
    index: i64,
    /// What was taken here.
    own: u32,
    /// What was taken by all, as far as the venue says so.
    used: u32,
}

impl Window {
    /// One that nothing was taken of.
    #[must_use]
    pub const fn new(span: Millis, limit: u32) -> Self {
        Self { span, limit, parts: 1, index: 0, own: 0, used: 0 }
    }

    /// Begins anew where the venue has.
    pub fn turn(&mut self, venue_now: i64) {
        let index = venue_now.div_euclid(self.span.0.max(1));
        if index != self.index {
            (self.index, self.own, self.used) = (index, 0, 0);
        }
    }

    /// Whether that much is left for this need.
    #[must_use]
    pub fn has(&self, cost: u32, need: Need) -> bool {
        let share = u64::from(self.limit).saturating_mul(u64::from(need.share())) / 10;
        let after = |taken: u32| u64::from(taken).saturating_add(u64::from(cost));
        let part = share.checked_div(u64::from(self.parts)).unwrap_or(share);
        cost == 0 || (after(self.used) <= share && after(self.own) <= part)
    }

    /// Takes it.
    pub const fn take(&mut self, cost: u32) {
        self.own = self.own.saturating_add(cost);
        self.used = self.used.saturating_add(cost);
    }

    /// Gives back what was taken for something that never left.
    pub const fn give_back(&mut self, cost: u32) {
        self.own = self.own.saturating_sub(cost);
        self.used = self.used.saturating_sub(cost);
    }

    /// So many share the limit, this one included.
    pub fn share(&mut self, parts: u32) {
        self.parts = parts.max(1);
    }

    /// How much of it is used, and the limit.
    #[must_use]
    pub const fn spent(&self) -> (u32, u32) {
        (self.used, self.limit)
    }

    /// The limit, as the venue says it is.
    pub const fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// The venue's count is believed where it is higher: others may use the same budget.
    pub fn correct(&mut self, counted: Option<u32>, sent_in: i64) {
        if let Some(counted) = counted.filter(|_| sent_in.div_euclid(self.span.0.max(1)) == self.index) {
            self.used = self.used.max(counted);
        }
    }
}

/// How long to be quiet. What the venue said is obeyed by all; what was only concluded does not hold up protection.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silence {
    said: Option<LocalMillis>,
    concluded: Option<LocalMillis>,
}

impl Silence {
    /// How much of it is left for this need.
    #[must_use]
    pub fn left(&self, now: LocalMillis, need: Need) -> Option<Millis> {
        let concluded = self.concluded.filter(|_| need != Need::Protect);
        let until = self.said.into_iter().chain(concluded).max()?;
        Some(until.since(now)).filter(|left| left.0 > 0)
    }
}

impl Silence {
    /// Keeps quiet until then, as the venue `said` or as was concluded.
    pub fn keep(&mut self, said: bool, until: LocalMillis) {
        let kept = if said { &mut self.said } else { &mut self.concluded };
        *kept = (*kept).max(Some(until));
    }

    /// What was concluded has turned out to be wrong, or to be over. What the venue said stands.
    const fn doubt(&mut self) {
        self.concluded = None;
    }
}

/// One limit over a window that slides, for venues that do not say where theirs begin.
#[derive(Debug, Clone)]
pub struct Recent {
    span: Millis,
    limit: u32,
    sent: VecDeque<LocalMillis>,
}

impl Recent {
    /// One that nothing was taken of.
    #[must_use]
    pub const fn new(span: Millis, limit: u32) -> Self {
        Self { span, limit, sent: VecDeque::new() }
    }

    /// How many calls this need may have made within the span; one at least.
    fn share(&self, need: Need) -> usize {
        usize::try_from((self.limit.saturating_mul(need.share()) / 10).max(1)).unwrap_or(usize::MAX)
    }

    /// Takes one call, or says how long there is no use in trying.
    ///
    /// # Errors
    ///
    /// [`Spent`].
    pub fn take(&mut self, need: Need, now: LocalMillis) -> Result<(), Spent> {
        while self.sent.front().is_some_and(|first| now.since(*first) >= self.span) {
            self.sent.pop_front();
        }
        let share = self.share(need);
        if self.sent.len() >= share {
            let over = self.sent.len().saturating_sub(share);
            let oldest = self.sent.get(over).copied().unwrap_or(now);
            return Err(Spent { wait: Millis(self.span.0.saturating_sub(now.since(oldest).0).max(1)) });
        }
        self.sent.push_back(now);
        Ok(())
    }

    /// Gives back the last call, which never left.
    pub fn give_back(&mut self) {
        self.sent.pop_back();
    }

    /// The venue says that less is left than was counted here: others may use the same budget.
    pub fn correct(&mut self, left: u32, now: LocalMillis) {
        let used = usize::try_from(self.limit.saturating_sub(left)).unwrap_or(usize::MAX);
        while self.sent.len() < used {
            self.sent.push_back(now);
        }
    }
}

#[derive(Debug)]
struct Address {
    window: Window,
    silence: Silence,
    overloads: u32,
}

/// The budget of one network address, shared by every account that calls from it. Cloning gives the same budget.
#[derive(Debug, Clone)]
pub struct SharedBudget(Arc<Mutex<Address>>);

impl SharedBudget {
    /// How much is used in the present window, by the venue's count where it is higher, and the limit.
    #[must_use]
    pub fn spent(&self) -> (u32, u32) {
        self.lock().window.spent()
    }

    /// One of which nothing was taken.
    #[must_use]
    pub fn new(window: Window) -> Self {
        Self(Arc::new(Mutex::new(Address { window, silence: Silence::default(), overloads: 0 })))
    }

    fn lock(&self) -> MutexGuard<'_, Address> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what a call costs of the address, if `rest` of what it costs is there too.
    ///
    /// # Errors
    ///
    /// [`Spent`], of the address or of the rest.
    pub fn take(
        &self,
        cost: u32,
        need: Need,
        now: LocalMillis,
        venue_now: i64,
        rest: impl FnOnce() -> Result<(), Spent>,
    ) -> Result<(), Spent> {
        let mut address = self.lock();
        if let Some(wait) = address.silence.left(now, need) {
            return Err(Spent { wait });
        }
        address.window.turn(venue_now);
        if !address.window.has(cost, need) {
            return Err(Spent { wait: address.window.span });
        }
        rest()?;
        address.window.take(cost);
        Ok(())
    }

    /// Gives back what was taken for something that never left.
    pub fn give_back(&self, cost: u32) {
        self.lock().window.give_back(cost);
    }

    /// Believes the venue's own count of requests sent at this venue time.
    pub fn correct(&self, counted: Option<u32>, sent_in: i64) {
        self.lock().window.correct(counted, sent_in);
    }

    /// The limit, as the venue says it is.
    pub fn set_limit(&self, limit: u32) {
        self.lock().window.set_limit(limit);
    }

    /// How long to be quiet, as an answer asked for: what the venue `stated`, else its pause, doubled each time where
    /// it is that of an overloaded venue.
    #[must_use]
    pub fn pause(&self, quiet: Quiet, stated: Option<Millis>) -> Millis {
        let mut pause = quiet.pause;
        if stated.is_none() && pause < OVERLOAD {
            let mut address = self.lock();
            let doubled = pause.0.saturating_mul(1i64 << address.overloads.min(16));
            pause = Millis(doubled).min(LONGEST_OVERLOAD);
            address.overloads = address.overloads.saturating_add(1);
        }
        stated.map_or(pause, |stated| stated.max(Millis(0))).min(LONGEST_QUIET)
    }

    /// So many processes call from this address, on one machine or several: each keeps to its part of the limit, the
    /// reserve of what protects included.
    pub fn share(&self, parts: u32) {
        self.lock().window.share(parts);
    }

    /// How long the venue has asked the address to be quiet from now on, for those who share it.
    #[must_use]
    pub fn quiet(&self, now: LocalMillis) -> Option<Millis> {
        self.lock().silence.said.map(|until| until.since(now)).filter(|left| left.0 > 0)
    }

    /// Keeps the whole address quiet until then.
    pub fn keep_quiet(&self, said: bool, until: LocalMillis) {
        self.lock().silence.keep(said, until);
    }

    /// The address is not limited, whatever was concluded.
    pub fn is_free(&self) {
        self.lock().silence.doubt();
    }

    /// An answer that asked for no quiet: the venue is not overloaded any more.
    pub fn relieved(&self) {
        self.lock().overloads = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r115_a_sliding_window_keeps_its_reserve_and_never_lets_more_through_than_its_limit() {
        let mut recent = Recent::new(Millis(1_000), 10);
        let taken =
            |recent: &mut Recent, need, at| (0..20).filter(|_| recent.take(need, LocalMillis(at)).is_ok()).count();
        assert_eq!(taken(&mut recent, Need::Read, 0), 8);
        assert_eq!(taken(&mut recent, Need::Open, 500), 1);
        assert_eq!(taken(&mut recent, Need::Protect, 500), 1);
        assert_eq!(recent.take(Need::Protect, LocalMillis(600)), Err(Spent { wait: Millis(400) }));
        assert_eq!(recent.take(Need::Read, LocalMillis(600)), Err(Spent { wait: Millis(400) }));
        // No second of anybody's clock holds more than ten.
        assert_eq!(taken(&mut recent, Need::Protect, 1_000), 8);
        assert_eq!(taken(&mut recent, Need::Protect, 1_499), 0);
        recent.give_back();
        assert_eq!(taken(&mut recent, Need::Protect, 1_499), 1, "what never left is given back");
    }

    #[test]
    fn r115_those_who_share_an_address_keep_to_their_parts_and_leave_each_its_reserve() {
        let taken = |budget: &SharedBudget, need| {
            let mut taken = 0;
            while budget.take(1, need, LocalMillis(0), 0, || Ok(())).is_ok() {
                taken += 1;
            }
            taken
        };
        let hosts: Vec<SharedBudget> = (0..3).map(|_| SharedBudget::new(Window::new(Millis(60_000), 300))).collect();
        hosts.iter().for_each(|host| host.share(3));
        assert_eq!(hosts.iter().map(|host| taken(host, Need::Read)).collect::<Vec<_>>(), [80, 80, 80]);
        assert_eq!(hosts.iter().map(|host| taken(host, Need::Open)).collect::<Vec<_>>(), [10, 10, 10]);
        assert_eq!(hosts.iter().map(|host| taken(host, Need::Protect)).collect::<Vec<_>>(), [10, 10, 10]);
        // One of three has ended; the venue's count is everybody's, and is no part.
        let two = SharedBudget::new(Window::new(Millis(60_000), 300));
        two.share(2);
        two.correct(Some(200), 0);
        assert_eq!(taken(&two, Need::Protect), 100, "what all have used counts against the whole limit");
        assert_eq!(taken(&two, Need::Protect), 0);
    }

    #[test]
    fn r115_a_limit_of_one_is_for_every_need_and_the_venues_own_count_is_believed() {
        let mut one = Recent::new(Millis(1_000), 1);
        assert!(one.take(Need::Read, LocalMillis(0)).is_ok());
        assert!(one.take(Need::Protect, LocalMillis(999)).is_err());
        assert!(one.take(Need::Protect, LocalMillis(1_000)).is_ok());
        let mut ten = Recent::new(Millis(1_000), 10);
        ten.correct(0, LocalMillis(0));
        assert!(ten.take(Need::Protect, LocalMillis(10)).is_err(), "others used it up");
    }
}
