//! `kraite status`: where accounts and positions stand, from a journal that somebody else may be writing.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use kraite_core::engine::State;
use kraite_core::id::Role;
#[cfg(feature = "postgres")]
use kraite_core::journal::Journal as _;
use kraite_core::number::{Notional, Price, Qty};
use kraite_core::order::Life;
use kraite_core::position::{Cover, Phase, Position, Protective};
use serde::Serialize;

#[cfg(feature = "postgres")]
use crate::address::Address;
#[cfg(feature = "postgres")]
use crate::database;
use crate::exit::{Exit, Failed};
use crate::flags::{cut, padded, places};
#[cfg(feature = "postgres")]
use crate::journal::{self, Place};
use crate::journal::{Crew, Journal, ShownHost, orders_and_doubts};
use crate::{Audience, utc, words};

const EXAMPLE: &str = "Example:
  kraite status --journal kraite.journal --watch 2
  PGPASSWORD=... kraite status --journal postgres://kraite@db.example/kraite

Each position has two lines. The first: number, contract, direction, status, exposure, average entry, target,
stop, rungs (filled/working/held), orders in doubt. The second: its protection now, the longest time that it was
without a stop, the worst loss, the profit that its fills have realised, fees taken off, and funding once it has
ended, and whether its target is held where it is.";

/// Shows where every position of a journal stands, while a worker writes it or not.
///
/// Reads the journal and disturbs nobody: takes no ownership, changes no record, asks no exchange. What it shows is
/// what the worker had made durable. All of the journal is verified first: a damaged one is named and refused (exit code 10).
/// Of a journal in PostgreSQL the hosts are shown that work on its accounts, and what a start would rest on is read and
/// verified; kraite inspect verifies all of it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLE)]
pub(crate) struct Args {
    /// The journal: a file, or postgres://USER@HOST/DATABASE with the password in PGPASSWORD.
    #[arg(long, value_name = "FILE|ADDRESS")]
    journal: PathBuf,
    /// Only this account.
    #[arg(long, value_name = "TAG")]
    account: Option<u32>,
    /// Finished positions too, as long as the account remembers them.
    #[arg(long)]
    all: bool,
    /// Shows it anew every so many seconds, until it is interrupted.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    watch: Option<u32>,
    /// Prints everything as JSON, amounts as strings; one line for each look with --watch.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where every account of a journal stands.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    schema: &'static str,
    journal: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) hosts: Vec<ShownHost>,
    pub(crate) accounts: Vec<ShownAccount>,
}

/// One account, as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct ShownAccount {
    pub(crate) account: u32,
    /// Who works on it, where hosts share a journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<String>,
    /// The file that it was moved to out of a database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) moved_to: Option<String>,
    pub(crate) last_record: u64,
    last_record_at_ms: i64,
    pub(crate) last_record_age_ms: i64,
    pub(crate) quarantined: bool,
    pub(crate) halted: bool,
    pub(crate) positions_shown: usize,
    positions_finished: usize,
    orders: usize,
    pub(crate) in_doubt: usize,
    positions: Vec<ShownPosition>,
}

#[derive(Debug, Serialize)]
struct ShownPosition {
    position: u32,
    symbol: String,
    direction: &'static str,
    status: String,
    why: &'static str,
    exposure: String,
    average_entry: Option<String>,
    rungs_filled: usize,
    rungs_working: usize,
    rungs_held: usize,
    target: Option<String>,
    target_held: bool,
    stop: String,
    cover: &'static str,
    unprotected_since_ms: Option<i64>,
    worst_unprotected_ms: i64,
    worst_loss: Option<String>,
    realised: Option<String>,
    in_doubt: usize,
    halted: bool,
}

impl ShownAccount {
    /// Whether nothing was ever recorded of it.
    pub(crate) const fn is_new(&self) -> bool {
        self.last_record == 0
    }
}

/// How protected a position is, for people.
fn cover(position: &Position) -> &'static str {
    match (position.cover, position.stop()) {
        (Cover::Flat, _) => "nothing open",
        (Cover::Naked, _) => "no stop",
        (Cover::Arming, _) => "stop under way",
        (Cover::Armed, _) => "protected",
        (Cover::Stale, Protective::Triggered) => "stop triggered",
        (Cover::Stale, _) => "protected, target out of date",
    }
}

fn show(position: &Position, state: &State) -> ShownPosition {
    let instrument = &position.request.instrument;
    let (tick, lot) = (places(instrument.tick), places(instrument.lot));
    let price = |price: Price| padded(&price.to_string(), tick);
    let money = |amount: Notional| fitted(&amount.to_string(), tick + lot);
    let rungs: Vec<u8> = position.ladder.rungs.iter().map(|rung| rung.rung).collect();
    let count = |what: &dyn Fn(u8) -> bool| rungs.iter().filter(|rung| what(**rung)).count();
    let any = |rung: u8, what: fn(Life) -> bool| position.of(Role::Rung(rung)).any(|order| what(order.life));
    let full = |rung: u8| {
        let executed = position.of(Role::Rung(rung)).map(kraite_core::order::Order::executed_qty);
        executed.into_iter().any(Qty::is_positive) && !any(rung, Life::may_trade)
    };
    let nothing_entered = position.entered_qty().is_zero() && position.entered().cost.is_some();
    let realised = if nothing_entered { Some(Notional::ZERO) } else { position.realised() };
    ShownPosition {
        position: position.no.get(),
        symbol: position.symbol().to_string(),
        direction: words::direction(position.direction()),
        status: words::name(&position.status()).to_lowercase(),
        why: words::why(position.why),
        exposure: padded(&position.exposure().to_string(), lot),
        average_entry: position.average_entry().map(|average| fitted(&average.to_string(), tick.max(8))),
        rungs_filled: count(&full),
        rungs_working: count(&|rung| any(rung, Life::may_trade)),
        rungs_held: count(&|rung| position.is_held(rung)),
        target: position.serving_target().and_then(|target| target.shape.price()).map(price),
        target_held: position.hands.held_target.is_some(),
        stop: price(position.stop_price),
        cover: cover(position),
        unprotected_since_ms: position.meter.since.map(|since| since.0),
        worst_unprotected_ms: position.meter.worst_at(state.at.local).0,
        worst_loss: position.max_loss.map(money),
        realised: realised.map(money),
        in_doubt: position.orders.values().filter(|order| order.life == Life::InDoubt).count(),
        halted: position.halted,
    }
}

/// A number with exactly so many decimals; what is beyond them is cut off.
fn fitted(number: &str, places: usize) -> String {
    padded(&cut(number, places), places)
}

/// How an account stands by its state.
pub(crate) fn account(state: &State, all: bool, now_ms: i64) -> ShownAccount {
    let finished = |position: &&Position| matches!(position.phase, Phase::Closed | Phase::Cancelled);
    let shown = || state.positions.values().filter(|p| all || !finished(p));
    let positions: Vec<ShownPosition> = shown().map(|p| show(p, state)).collect();
    let (orders, in_doubt) = orders_and_doubts(shown());
    ShownAccount {
        account: state.account.get(),
        host: None,
        moved_to: None,
        last_record: state.seq,
        last_record_at_ms: state.at.local.0,
        last_record_age_ms: now_ms.saturating_sub(state.at.local.0),
        quarantined: state.quarantined,
        halted: state.halted,
        positions_shown: positions.len(),
        positions_finished: state.positions.values().filter(finished).count(),
        orders,
        in_doubt,
        positions,
    }
}

fn look(args: &Args) -> Result<Shown, Failed> {
    #[cfg(feature = "postgres")]
    if let Place::Database(address) = Place::said(&args.journal) {
        return shared(&address, args.account, args.all);
    }
    shown(&Journal::open(&args.journal, args.account)?, args.all)
}

/// Of a database, without a copy of its history: that may be long, and somebody may look every second.
#[cfg(feature = "postgres")]
fn shared(address: &Address, account: Option<u32>, all: bool) -> Result<Shown, Failed> {
    crate::block_on(async {
        let (place, journal) = database::journal(address).await?;
        let mut accounts = Vec::new();
        for tag in journal::chosen(journal.accounts().await?, account, &place)? {
            let state = journal::folded(tag, journal.load(tag).await?)?;
            accounts.push(self::account(&state, all, utc::now_ms()));
        }
        Ok(Shown::of(place, Crew::of(&journal).await?, accounts))
    })
}

/// Where the accounts of an opened journal stand.
pub(crate) fn shown(journal: &Journal, all: bool) -> Result<Shown, Failed> {
    let now = utc::now_ms();
    let accounts = journal.accounts.iter().map(|tag| Ok(account(&journal.state(*tag)?, all, now)));
    let accounts = accounts.collect::<Result<_, Failed>>()?;
    Ok(Shown::of(journal.place.clone(), journal.crew.clone(), accounts))
}

impl Shown {
    fn of(journal: String, mut crew: Crew, mut accounts: Vec<ShownAccount>) -> Self {
        for account in &mut accounts {
            account.host = crew.host(account.account).map(str::to_owned);
            account.moved_to = crew.moved.remove(&account.account);
        }
        Self { schema: "kraite.status/1", journal, hosts: crew.hosts, accounts }
    }
}

/// Numbers, and what they are numbers of, stand to the right in their columns.
const COLUMNS: [(&str, bool); 10] = [
    ("no", true),
    ("symbol", false),
    ("side", false),
    ("status", false),
    ("exposure", true),
    ("average entry", true),
    ("target", true),
    ("stop", true),
    ("rungs", true),
    ("doubt", true),
];

fn cells(position: &ShownPosition) -> [String; 10] {
    [
        position.position.to_string(),
        position.symbol.clone(),
        position.direction.to_owned(),
        position.status.clone(),
        position.exposure.clone(),
        position.average_entry.clone().unwrap_or_else(|| "-".into()),
        position.target.clone().unwrap_or_else(|| "-".into()),
        position.stop.clone(),
        format!("{}/{}/{}", position.rungs_filled, position.rungs_working, position.rungs_held),
        position.in_doubt.to_string(),
    ]
}

/// The second line of a position.
fn protection(position: &ShownPosition) -> String {
    let since = position.unprotected_since_ms.map_or_else(String::new, |ms| format!(" since {}", utc::clock(ms)));
    let worst = match position.worst_unprotected_ms {
        0 => "never unprotected".to_owned(),
        ms => format!("unprotected {} at most", utc::span(ms)),
    };
    let loss = position.worst_loss.as_deref().unwrap_or("unknown");
    let realised = position.realised.as_deref().unwrap_or("unknown");
    let held = if position.target_held { "; target held" } else { "" };
    let halted = if position.halted { "; HALTED: it only protects itself" } else { "" };
    format!("{}{since}; {worst}; worst loss {loss}, realised {realised}{held}{halted}", position.cover)
}

fn table(positions: &[ShownPosition]) -> String {
    let rows: Vec<[String; 10]> = positions.iter().map(cells).collect();
    let header = COLUMNS.map(|(name, _)| name.to_owned());
    let all = || std::iter::once(&header).chain(&rows);
    let width = |column: usize| all().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let line = |row: &[String; 10]| {
        let mut line = String::new();
        for (column, (cell, (_, right))) in row.iter().zip(COLUMNS).enumerate() {
            let width = width(column);
            let _ = if right { write!(line, "  {cell:>width$}") } else { write!(line, "  {cell:<width$}") };
        }
        format!("{}\n", line.trim_end())
    };
    let mut text = line(&header);
    for (row, position) in rows.iter().zip(positions) {
        let _ = writeln!(text, "{}  {:width$}  {}", line(row), "", protection(position), width = width(0));
    }
    text
}

/// [`Shown`] for people.
pub(crate) fn text(shown: &Shown) -> String {
    let mut text = String::new();
    for host in &shown.hosts {
        let how = match (host.up, host.drained) {
            (true, false) => "up",
            (true, true) => "up, drained: it takes no accounts",
            (false, false) => "gone",
            (false, true) => "gone, drained",
        };
        let accounts = words::many(host.accounts.len(), "account");
        let _ = writeln!(text, "host {}: {how}, {accounts}, version {}", host.host, host.version);
    }
    if shown.accounts.is_empty() {
        text.push_str("no accounts in it\n");
    }
    for account in &shown.accounts {
        text.push_str(&account_text(account));
    }
    text
}

/// [`account`] for people.
pub(crate) fn account_text(account: &ShownAccount) -> String {
    let mut text = String::new();
    let age = match account.last_record_age_ms {
        ms if ms < 0 => format!("{} ahead of this clock", utc::span(ms.saturating_neg())),
        ms => format!("{} old", utc::span(ms)),
    };
    let _ = writeln!(
        text,
        "account {}{}: {}, {}, {} in doubt; the last record, {}, is {age}",
        account.account,
        account.host.as_ref().map_or_else(String::new, |host| format!(" on {host}")),
        words::many(account.positions_shown, "position"),
        words::many(account.orders, "order"),
        account.in_doubt,
        account.last_record
    );
    if let Some(place) = &account.moved_to {
        let _ = writeln!(text, "  MOVED to {place}: nobody works on it here");
    }
    if account.halted {
        text.push_str("  new exposure is halted (kraite resume lifts it)\n");
    }
    if account.quarantined {
        text.push_str("  QUARANTINED: nothing new is opened until a human decides\n");
    }
    if !account.positions.is_empty() {
        text.push_str(&table(&account.positions));
    } else if account.positions_finished > 0 {
        let finished = words::many(account.positions_finished, "finished position");
        let _ = writeln!(text, "  {finished}, shown with --all");
    }
    text
}

/// Moves a terminal's cursor home and clears what is below.
const CLEAR: &str = "\x1b[H\x1b[2J";

fn paint(args: &Args) -> Result<Audience, Failed> {
    let shown = look(args)?;
    let page = match (args.json, args.watch) {
        (true, None) => serde_json::to_string_pretty(&shown).map_err(Failed::with(Exit::Failure))? + "\n",
        (true, Some(_)) => serde_json::to_string(&shown).map_err(Failed::with(Exit::Failure))? + "\n",
        (false, Some(_)) if std::io::stdout().is_terminal() => format!("{CLEAR}{}", text(&shown)),
        (false, _) => text(&shown),
    };
    crate::print_to(&page)
}

/// Looks and prints, once or again and again.
#[allow(clippy::disallowed_methods, reason = "the seconds between two looks are the user's")]
pub(crate) fn command(args: &Args) -> Result<Exit, Failed> {
    while paint(args)? == Audience::There {
        let Some(seconds) = args.watch else { break };
        std::thread::sleep(Duration::from_secs(u64::from(seconds)));
    }
    Ok(Exit::Ok)
}
