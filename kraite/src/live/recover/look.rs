//! What one account's exchange shows: readings, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use kraite_core::exchange::{Exchange, OrderReport, PositionMode, PositionReport, ReadError, Reading, ReportedId};
use kraite_core::id::{AccountTag, PositionNo, Role, Symbol};
use kraite_core::instrument::Instrument;
use kraite_core::time::{Millis, Moment, VenueMillis};
use kraite_engine::{Clock, VenueClock};

/// How far one reading of the past goes: as long as every venue answers for at once.
const WINDOW: Millis = Millis::from_secs(7 * 86_400 - 120);
/// Venues know orders for 90 days at most.
const WINDOWS: u32 = 13;
/// A question without an answer is asked so often in all (R8).
const TRIES: u32 = 4;
/// The wait before it is asked again, longer each time.
const WAIT: Millis = Millis(1_000);

/// What is open on an account, and what its orders came to.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// When, on both clocks.
    pub(super) at: Moment,
    pub(super) mode: PositionMode,
    /// Everything that rests, whoever placed it.
    pub(super) open: Vec<OrderReport>,
    /// Sides of contracts with exposure.
    pub(super) exposures: Vec<PositionReport>,
    /// Orders of the contracts that were looked at, ended ones included.
    pub(super) past: Vec<OrderReport>,
    /// From when on the orders of a contract were read, and whether all of them were told.
    pub(super) depth: BTreeMap<Symbol, Depth>,
    /// Every contract that is listed.
    pub(super) listed: Vec<Instrument>,
    /// The rules of contracts that bear orders of ours, with brackets and fees.
    pub(super) rules: BTreeMap<Symbol, Instrument>,
}

/// How much of a contract's past was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Depth {
    pub(super) from: VenueMillis,
    pub(super) whole: bool,
}

/// What must not change between two readings of an account that nobody trades on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Digest(BTreeSet<String>);

impl Seen {
    /// Every report about an order under our tag, by position.
    pub(super) fn ours(&self, account: AccountTag) -> BTreeMap<PositionNo, Vec<&OrderReport>> {
        let mut groups: BTreeMap<PositionNo, Vec<&OrderReport>> = BTreeMap::new();
        for report in self.open.iter().chain(&self.past) {
            if let ReportedId::Ours(id) = report.id
                && id.key().account == account
            {
                let group = groups.entry(id.position()).or_default();
                if !group.contains(&report) {
                    group.push(report);
                }
            }
        }
        groups
    }

    /// What it comes to under our tag, without the instants at which it was said. Others may trade beside it.
    pub(super) fn digest(&self, account: AccountTag) -> Digest {
        let ours = contracts(self, account);
        let orders = self.ours(account).into_values().flatten().map(|report| {
            let OrderReport { id, venue_id, status, executed, stated, .. } = report;
            let stated = stated.map(|stated| (stated.price, stated.qty));
            format!("{id:?} {venue_id} {status:?} {executed:?} {stated:?}")
        });
        let exposures = self.exposures.iter().filter(|shown| ours.contains(&shown.symbol));
        let exposures = exposures.map(|shown| format!("{} {:?} {}", shown.symbol, shown.direction, shown.qty));
        Digest(orders.chain(exposures).collect())
    }
}

/// Asks again where there was no answer, or a limit of the exchange is used up for a moment.
async fn patiently<T, F>(clock: &Clock, ask: impl Fn() -> F) -> Result<T, ReadError>
where
    F: Future<Output = Result<T, ReadError>>,
{
    let mut wait = WAIT;
    for _ in 1..TRIES {
        match ask().await {
            Err(ReadError::RateLimited(told)) => clock.sleep(told.max(wait)).await,
            Err(ReadError::NoAnswer(_)) => clock.sleep(wait).await,
            answer => return answer,
        }
        wait = wait.plus(wait);
    }
    ask().await
}

/// A list is whole or worth nothing here.
fn whole<T>(what: &str, reading: Reading<T>) -> Result<T, ReadError> {
    if reading.complete {
        return Ok(reading.value);
    }
    Err(ReadError::Undecodable(format!("the list of {what} is not whole").into()))
}

/// Reads an account. `watched` are contracts whose orders are looked at although nothing is open there.
pub(super) async fn look(
    exchange: &dyn Exchange,
    clock: &Clock,
    account: AccountTag,
    watched: &[Symbol],
) -> Result<Seen, ReadError> {
    let before = clock.now();
    let time = VenueClock::measured(before, patiently(clock, || exchange.server_time()).await?, clock.now());
    let mode = patiently(clock, || exchange.position_mode()).await?;
    // Orders first: a stop that fires in between is missed among the orders then, and its exposure is still shown or
    // already gone; both disagree with the fills and are told.
    let open = whole("open orders", patiently(clock, || exchange.open_orders(None)).await?)?;
    let exposures = whole("positions", patiently(clock, || exchange.positions()).await?)?;
    let exposures: Vec<PositionReport> = exposures.into_iter().filter(|shown| shown.qty.is_positive()).collect();
    let listed = patiently(clock, || exchange.instruments()).await?;
    let at = time.moment(clock.now());
    let mut seen =
        Seen { at, mode, open, exposures, past: Vec::new(), depth: BTreeMap::new(), listed, rules: BTreeMap::new() };
    let of_exposure = seen.exposures.iter().map(|shown| shown.symbol.clone());
    let symbols: BTreeSet<Symbol> = contracts(&seen, account).into_iter().chain(of_exposure).collect();
    let watched = watched.iter().filter(|symbol| seen.listed.iter().any(|rules| rules.symbol == **symbol)).cloned();
    for symbol in symbols.into_iter().chain(watched).collect::<BTreeSet<_>>() {
        read_past(exchange, clock, account, &symbol, &mut seen).await?;
    }
    for symbol in contracts(&seen, account) {
        let Some(listed) = seen.listed.iter().find(|rules| rules.symbol == symbol) else { continue };
        let mut rules = listed.clone();
        if rules.brackets.is_empty() {
            rules.brackets = patiently(clock, || exchange.leverage_brackets(&symbol)).await?;
        }
        (rules.maker_fee, rules.taker_fee) = patiently(clock, || exchange.fee_rates(&symbol)).await?;
        seen.rules.insert(symbol, rules);
    }
    Ok(seen)
}

/// Contracts with orders of ours, open or past.
fn contracts(seen: &Seen, account: AccountTag) -> BTreeSet<Symbol> {
    let reports = seen.ours(account).into_values().flatten().map(|report| report.symbol.clone());
    reports.collect()
}

/// Reads the orders of a contract back to the entries of what is open there under our ids.
async fn read_past(
    exchange: &dyn Exchange,
    clock: &Clock,
    account: AccountTag,
    symbol: &Symbol,
    seen: &mut Seen,
) -> Result<(), ReadError> {
    let mut to = seen.at.venue.plus(seen.at.error);
    let mut whole = true;
    for _ in 0..WINDOWS {
        let from = to.minus(WINDOW);
        let reading = patiently(clock, || exchange.history(symbol, from, to)).await?;
        whole &= reading.complete;
        seen.past.extend(reading.value);
        seen.depth.insert(symbol.clone(), Depth { from, whole });
        if !reading.complete || entries_are_known(seen, account, symbol) {
            return Ok(());
        }
        to = from.minus(Millis(1));
    }
    Ok(())
}

/// Whether the entry of every position with an open order on a contract was told. Every other order of a position is
/// younger than its entry.
fn entries_are_known(seen: &Seen, account: AccountTag, symbol: &Symbol) -> bool {
    let is_open = |report: &&OrderReport| !report.status.is_terminal() && seen.open.contains(report);
    let entered = |report: &&OrderReport| {
        matches!(report.id, ReportedId::Ours(id) if id.role() == Role::Entry)
            && report.executed.is_some_and(kraite_core::number::Qty::is_positive)
    };
    seen.ours(account).into_values().all(|group| {
        let here = || group.iter().copied().filter(|report| report.symbol == *symbol);
        !here().any(|report| is_open(&report)) || here().any(|report| entered(&report))
    })
}
