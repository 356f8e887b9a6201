//! How long exposure was without an accepted stop, and what explains it (I4, I11).

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash as _, Hasher};

use kraite_core::engine::Engine;
use kraite_core::exchange::{Direction, RejectKind, ReportStatus, Service};
use kraite_core::id::{AccountTag, Role, Symbol};
use kraite_core::order::{Life, Order, Terminal};
use kraite_core::position::{Phase, Position, Protective};
use kraite_core::time::{Millis, VenueMillis};

use super::books::Books;
use super::finding::{HALTED, STOPPED, THIN, UNTOLD};
use super::{Finding, Interval, Verdict};
use crate::venue::{Trading, Venue};

/// With its worker alive all the while, no position may be without a stop for longer than this: the
/// emergency bound of 30 s, and what a close needs to get through a hostile wire that loses it once.
const UNPROTECTED_BOUND: Millis = Millis::from_secs(120);
/// Before it turns to closing, it has the emergency bound of 30 s, and a message or a restart's look around (R43).
const BUILDING_BOUND: Millis = Millis::from_secs(36);
/// What each further close that the wire lost adds: the proof that it is absent.
const PROOF: Millis = Millis::from_secs(60);
/// A stop that somebody else took away, and whose frame was lost, is missed at the next reading of the open orders:
/// one polling period of 300 s, and what a lost answer adds.
const UNTOLD_BOUND: Millis = Millis::from_secs(330);
/// Time without a stop that nothing explains: a message or two.
const UNEXPLAINED_BOUND: Millis = Millis::from_secs(1);

/// Refusals of a stop for a reason that does not pass by itself, until the position is being closed (R43).
const REFUSALS: usize = 3;

/// Exposure of others is theirs to protect.
const NOT_OURS: &str = "not ours";

type Key = (AccountTag, Symbol, Direction);

#[derive(Debug, Clone, Default)]
pub(super) struct Protection {
    open: BTreeMap<Key, Interval>,
    flipped: BTreeSet<(AccountTag, Symbol)>,
    /// Accounts whose worker is stopped.
    stopped: BTreeSet<AccountTag>,
    longest: Option<(Millis, BTreeSet<&'static str>)>,
}

impl Protection {
    pub(super) fn died(&mut self, account: AccountTag, at: VenueMillis) {
        self.pauses(account, "worker down", at);
    }

    /// From now on the worker can do nothing.
    fn pauses(&mut self, account: AccountTag, window: &'static str, at: VenueMillis) {
        for (_, interval) in self.open.iter_mut().filter(|(key, _)| key.0 == account) {
            interval.pass(at);
            interval.now.insert(window);
            interval.alive_since = None;
            interval.building_since = None;
        }
    }

    pub(super) fn stopped(&mut self, account: AccountTag, stopped: bool, at: VenueMillis) {
        if stopped {
            if self.stopped.insert(account) {
                self.pauses(account, STOPPED, at);
            }
        } else {
            self.stopped.remove(&account);
        }
    }

    /// The wire lost a close of this exposure.
    pub(super) fn close_lost(&mut self, key: &Key) {
        if let Some(interval) = self.open.get_mut(key) {
            interval.lost_closes = interval.lost_closes.saturating_add(1);
        }
    }

    /// Time went by and nothing changed.
    pub(super) fn pass(&mut self, account: AccountTag, engine: Option<&Engine>, now: VenueMillis) {
        let engine = engine.filter(|_| !self.stopped.contains(&account));
        for (_, interval) in self.open.iter_mut().filter(|(key, _)| key.0 == account) {
            interval.pass(now);
            interval.alive_since = engine.map(|_| interval.alive_since.unwrap_or(now));
            interval.building_since = interval.building_since.filter(|_| engine.is_some());
        }
    }

    /// Looks at the exposure of an account.
    pub(super) fn look(
        &mut self,
        venue: &Venue,
        account: AccountTag,
        engine: Option<&Engine>,
        books: &Books,
        now: VenueMillis,
        verdict: &mut Verdict,
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut naked = BTreeSet::new();
        for (symbol, direction, qty) in venue.exposures(account) {
            let other_hands = books.other_hands(account, &symbol);
            if !other_hands && is_flipped(&symbol, direction, engine) && self.flipped.insert((account, symbol.clone()))
            {
                findings.push(Finding::Flipped { symbol: symbol.clone(), direction, qty });
            }
            let stop = venue.open(account).any(|o| {
                o.symbol == symbol
                    && o.direction == direction
                    && o.parent.is_none()
                    && o.client_id().is_some_and(|id| id.key().logical.role == Role::Stop)
            });
            if stop {
                continue;
            }
            let mut windows = windows(venue, account, &symbol, direction, engine, other_hands, now);
            if windows.contains(NOT_OURS) {
                continue;
            }
            let runs = engine.is_some() && !self.stopped.contains(&account);
            if engine.is_some() && !runs {
                windows.insert(STOPPED);
            }
            let key = (account, symbol, direction);
            // A close that was lost, or refused and its refusal lost, before there was anything to close is in doubt all the
            // same and has to be proven absent.
            let interval = self.open.entry(key.clone()).or_insert_with(|| Interval {
                lost_closes: closes_in_doubt(&key, venue, engine),
                ..Interval::new(&key, now)
            });
            interval.pass(now);
            interval.now = windows;
            interval.alive_since = runs.then(|| interval.alive_since.unwrap_or(now));
            let builds =
                runs && is_building(&key, engine) && ![UNTOLD, HALTED, THIN].iter().any(|w| interval.now.contains(w));
            interval.building_since = builds.then(|| interval.building_since.unwrap_or(now));
            naked.insert(key);
        }
        let over: Vec<Key> = self.open.keys().filter(|key| key.0 == account && !naked.contains(key)).cloned().collect();
        for key in over {
            findings.extend(self.end_interval(&key, now, verdict));
        }
        findings
    }

    /// Ends every interval that is still open.
    pub(super) fn end(&mut self, now: VenueMillis, verdict: &mut Verdict) -> Vec<Finding> {
        let open: Vec<Key> = self.open.keys().cloned().collect();
        open.iter().filter_map(|key| self.end_interval(key, now, verdict)).collect()
    }

    fn end_interval(&mut self, key: &Key, now: VenueMillis, verdict: &mut Verdict) -> Option<Finding> {
        let mut interval = self.open.remove(key)?;
        interval.pass(now);
        let length = interval.length();
        if length.0 == 0 {
            return None;
        }
        let windows: BTreeSet<&'static str> = interval.windows.keys().copied().collect();
        if length > verdict.max_unprotected {
            verdict.max_unprotected = length;
            verdict.max_unprotected_windows = windows.clone();
        }
        if self.longest.as_ref().is_none_or(|(longest, _)| length > *longest) {
            self.longest = Some((length, windows));
        }
        for (window, share) in interval.windows.iter().filter(|(_, share)| share.0 > 0) {
            let entry = verdict.windows.entry(window).or_insert((0, Millis(0)));
            entry.0 += 1;
            entry.1 = entry.1.max(*share);
        }
        let proofs = i64::from(interval.lost_closes.saturating_sub(1));
        let bound = UNPROTECTED_BOUND.plus(Millis(PROOF.0.saturating_mul(proofs)));
        if interval.unexplained > UNEXPLAINED_BOUND {
            Some(Finding::Unexplained { interval })
        } else if interval.alive > bound || interval.building > BUILDING_BOUND || interval.untold > UNTOLD_BOUND {
            Some(Finding::Unprotected { interval })
        } else {
            None
        }
    }

    pub(super) fn take_longest(&mut self) -> Option<(Millis, BTreeSet<&'static str>)> {
        self.longest.take()
    }

    pub(super) fn fingerprint(&self, hasher: &mut impl Hasher) {
        let Self { open, flipped, stopped, longest: _ } = self;
        (open, flipped, stopped).hash(hasher);
    }
}

/// Closes that the worker waits for and the venue has not.
fn closes_in_doubt((account, symbol, direction): &Key, venue: &Venue, engine: Option<&Engine>) -> u32 {
    let mut positions = engine.into_iter().flat_map(|e| e.state().positions.values().rev());
    let newest = positions.find(|p| p.symbol() == symbol && p.direction() == *direction);
    let closes = newest.into_iter().flat_map(|p| p.of(Role::Close));
    let waits = |o: &&Order| matches!(o.life, Life::PendingNew | Life::InDoubt);
    let lost = closes.filter(waits).filter(|o| venue.under(*account, o.id).next().is_none()).count();
    u32::try_from(lost).unwrap_or(u32::MAX)
}

/// The worker knows of exposure, and is not closing it.
fn is_building((_, symbol, direction): &Key, engine: Option<&Engine>) -> bool {
    let positions = engine.into_iter().flat_map(|e| e.state().positions.values().rev());
    let mut ours = positions.filter(|p| p.symbol() == symbol && p.direction() == *direction);
    ours.next().is_some_and(|p| p.phase.is_building() && p.exposure().is_positive())
}

/// All our positions on the contract are on the other side.
fn is_flipped(symbol: &Symbol, direction: Direction, engine: Option<&Engine>) -> bool {
    let Some(engine) = engine else { return false };
    let mut ours = engine.state().positions.values().filter(|p| p.symbol() == symbol).peekable();
    ours.peek().is_some() && ours.all(|p| p.direction() != direction)
}

/// The last stops, as far as each was refused for a reason that stays.
fn refusals_in_a_row(position: &Position) -> usize {
    let refused = position.of(Role::Stop).rev().take_while(|stop| stop.life == Life::Done(Terminal::Refused));
    refused.filter(|stop| !stop.refusal.is_some_and(RejectKind::is_retryable)).count()
}

/// How long after one stop the next one may be sent, where they keep being taken away.
const LONGEST_REPLACEMENT: Millis = Millis::from_secs(8);

/// The named windows that explain why a position has no stop right now.
fn windows(
    venue: &Venue,
    account: AccountTag,
    symbol: &Symbol,
    direction: Direction,
    engine: Option<&Engine>,
    other_hands: bool,
    now: VenueMillis,
) -> BTreeSet<&'static str> {
    let mut names = BTreeSet::new();
    let executing = venue
        .children(account)
        .any(|child| child.symbol == *symbol && child.status != ReportStatus::Filled && child.is_open());
    if executing {
        names.insert("stop or target executing");
    }
    if venue.market(symbol).is_some_and(|market| market.trading == Trading::Halted) {
        names.insert(HALTED);
    }
    if venue.market(symbol).is_some_and(|market| market.liquidity.taker_cap.is_some()) {
        names.insert(THIN);
    }
    let Some(engine) = engine else {
        names.insert("worker down");
        return names;
    };
    let mut ours =
        engine.state().positions.values().rev().filter(|p| p.symbol() == symbol && p.direction() == direction);
    let newest = ours.clone().next();
    if other_hands && ours.all(|p| p.phase.is_terminal() || p.exposure().is_zero()) {
        names.insert(NOT_OURS);
        return names;
    }
    let Some(position) = newest else {
        // Exposure of ours that no position explains: only while the journal that explained it is lost.
        if engine.state().quarantined {
            names.insert("quarantined: the journal is lost");
        }
        return names;
    };
    if position.exposure().is_zero() {
        names.insert("fill not told yet");
    }
    if position.latest(Role::Stop).is_some_and(|stop| stop.refusal == Some(RejectKind::NoPosition)) {
        names.insert("the venue does not see the position yet");
    }
    let again = |stop: &Order| stop.refusal.is_some_and(RejectKind::is_retryable);
    if position.stop() == Protective::Missing && position.latest(Role::Stop).is_some_and(again) {
        names.insert("a stop was refused for now");
    }
    if position.stop() == Protective::Missing && (1..REFUSALS).contains(&refusals_in_a_row(position)) {
        names.insert("a stop was refused, and is sent again before the position is closed");
    }
    // The first one that somebody takes away is replaced at once, the next ones ever more slowly, up to a bound.
    let taken = |stop: &&Order| {
        let ended = matches!(
            stop.life,
            Life::Done(Terminal::Vanished | Terminal::Rejected | Terminal::Cancelled | Terminal::Expired)
        );
        ended && !stop.superseded && !stop.cancel_wanted
    };
    let young = |stop: &Order| now <= stop.not_after.plus(LONGEST_REPLACEMENT);
    if position.stop() == Protective::Missing
        && position.of(Role::Stop).filter(taken).count() > 1
        && position.latest(Role::Stop).is_some_and(young)
    {
        names.insert("a stop that keeps being taken away is replaced ever more slowly");
    }
    // Legs of one call are answered one by one: the call goes out again only once both are known.
    let unanswered = |target: &Order| {
        target.service == Service::PositionPlan && matches!(target.life, Life::InDoubt | Life::PendingNew)
    };
    if position.stop() == Protective::Missing && position.latest(Role::Target).is_some_and(unanswered) {
        names.insert("the other half of a pair call is in doubt");
    }
    if position.target() == Protective::Triggered {
        names.insert("the target fired, what it took off is not told yet");
    }
    match position.phase {
        Phase::New | Phase::Opening | Phase::Active if position.stop() == Protective::Open => names.insert(UNTOLD),
        Phase::New | Phase::Opening => names.insert("opening: between the entry's fill and the accepted stop"),
        Phase::Closing => names.insert("closing"),
        Phase::Cancelling | Phase::Cancelled | Phase::Closed => names.insert("late fill after the end"),
        Phase::Active if position.stop() != Protective::Missing => names.insert("stop being replaced"),
        Phase::Active => false,
        Phase::Failed => false,
    };
    names
}
