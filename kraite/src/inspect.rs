//! `kraite inspect` and `kraite inspect-id`: what a journal holds and what a client order id says.

use std::fmt::Write as _;
use std::path::PathBuf;

use kraite_core::engine::State;
use kraite_core::id::{AccountTag, ClientOrderId};
use kraite_core::order::Order;
use kraite_core::position::Position;
use kraite_journal::StoredRecord;
use serde::Serialize;

use crate::exit::{Exit, Failed};
use crate::journal::Journal;
use crate::words;

const EXAMPLE: &str = "Examples:
  kraite inspect kraite.journal --account 7 --limit 100
  PGPASSWORD=... kraite inspect postgres://kraite@db.example/kraite --account 7";

/// Reads a journal: accounts, positions, orders and the latest records. Changes no record.
///
/// Works while another process writes the journal; SQLite may leave its own -wal and -shm files beside it. One in
/// PostgreSQL is read from a copy among the temporary files (TMPDIR). All of the journal is verified first, records before
/// a snapshot too: a damaged one is named and refused (exit code 10).
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLE)]
pub(crate) struct Args {
    /// The journal: a file, or postgres://USER@HOST/DATABASE with the password in PGPASSWORD.
    #[arg(value_name = "FILE|ADDRESS")]
    journal: PathBuf,
    /// Only this account.
    #[arg(long)]
    account: Option<u32>,
    /// Records after this number instead of the latest.
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    /// How many records of each account.
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: u32,
    /// Prints everything as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Says what a client order id stands for.
///
/// Every order of kraite carries its identity in its client order id, so that a worker with an empty disk
/// can still tell what it finds at the exchange.
#[derive(Debug, clap::Args)]
pub(crate) struct IdArgs {
    /// 24 characters of a-z and 2-7.
    id: String,
    /// Prints the fields as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a journal holds.
#[derive(Debug, Serialize)]
pub(crate) struct Inspected {
    schema: &'static str,
    journal: String,
    accounts: Vec<InspectedAccount>,
}

#[derive(Debug, Serialize)]
struct InspectedAccount {
    account: u32,
    epoch: u32,
    last_seq: u64,
    last_at_ms: i64,
    quarantined: bool,
    positions: Vec<InspectedPosition>,
    records: Vec<InspectedRecord>,
}

#[derive(Debug, Serialize)]
struct InspectedPosition {
    position: u32,
    symbol: String,
    direction: String,
    status: String,
    why: String,
    cover: String,
    exposure: String,
    average_entry: Option<String>,
    worst_unprotected_ms: i64,
    orders: Vec<InspectedOrder>,
}

#[derive(Debug, Serialize)]
struct InspectedOrder {
    id: String,
    role: String,
    revision: u16,
    attempt: u8,
    status: String,
    life: String,
    price: Option<String>,
    qty: Option<String>,
    executed: String,
}

#[derive(Debug, Serialize)]
struct InspectedRecord {
    seq: u64,
    epoch: u32,
    at_ms: i64,
    bytes: usize,
    input: String,
    events: Vec<String>,
}

fn record(stored: &StoredRecord) -> InspectedRecord {
    InspectedRecord {
        seq: stored.record.seq,
        epoch: stored.epoch.get(),
        at_ms: stored.record.at.local.0,
        bytes: stored.bytes,
        input: words::input(&stored.record.input),
        events: stored.record.events.iter().map(words::event).collect(),
    }
}

fn order(order: &Order) -> InspectedOrder {
    let key = order.id.key();
    InspectedOrder {
        id: order.id.to_string(),
        role: key.logical.role.to_string(),
        revision: key.logical.revision.get(),
        attempt: key.attempt.get(),
        status: format!("{:?}", order.status()).to_uppercase(),
        life: format!("{:?}", order.life),
        price: order.shape.price().map(|price| price.to_string()),
        qty: order.shape.qty().map(|qty| qty.to_string()),
        executed: order.executed().qty.to_string(),
    }
}

fn position(position: &Position, state: &State) -> InspectedPosition {
    InspectedPosition {
        position: position.no.get(),
        symbol: position.symbol().to_string(),
        direction: words::name(&position.direction()).to_lowercase(),
        status: words::name(&position.status()).to_lowercase(),
        why: format!("{:?}", position.why),
        cover: words::name(&position.cover),
        exposure: position.exposure().to_string(),
        average_entry: position.average_entry().map(|price| price.to_string()),
        worst_unprotected_ms: position.meter.worst_at(state.at.local).0,
        orders: position.orders.values().map(order).collect(),
    }
}

fn inspect(journal: &Journal, account: AccountTag, after: Option<u64>, limit: u32) -> Result<InspectedAccount, Failed> {
    let state = journal.state(account)?;
    let after = after.unwrap_or_else(|| state.seq.saturating_sub(u64::from(limit)));
    let records = journal.reader.records(account, after, usize::try_from(limit).unwrap_or(usize::MAX))?;
    Ok(InspectedAccount {
        account: account.get(),
        epoch: journal.reader.owner(account)?.get(),
        last_seq: state.seq,
        last_at_ms: state.at.local.0,
        quarantined: state.quarantined,
        positions: state.positions.values().map(|p| position(p, &state)).collect(),
        records: records.iter().map(record).collect(),
    })
}

/// What an opened journal holds, with so many records of each account, the latest or those after a number.
pub(crate) fn inspected(journal: &Journal, after: Option<u64>, limit: u32) -> Result<Inspected, Failed> {
    let accounts = journal.accounts.iter().map(|account| inspect(journal, *account, after, limit));
    let place = journal.place.clone();
    Ok(Inspected { schema: "kraite.inspect/1", journal: place, accounts: accounts.collect::<Result<_, _>>()? })
}

fn text(inspected: &Inspected) -> String {
    let mut text = String::new();
    if inspected.accounts.is_empty() {
        text.push_str("no accounts in it\n");
    }
    for account in &inspected.accounts {
        let _ = writeln!(
            text,
            "account {}: {} records, the last at {} ms{}",
            account.account,
            account.last_seq,
            account.last_at_ms,
            if account.quarantined { ", QUARANTINED: nothing new is opened" } else { "" }
        );
        for p in &account.positions {
            let average =
                p.average_entry.as_deref().map_or_else(String::new, |price| format!(" at {price} on average"));
            let _ = writeln!(
                text,
                "  position {} {} {}: {} ({}), {} open{average}, cover {}, longest unprotected {} ms",
                p.position,
                p.symbol,
                p.direction.to_uppercase(),
                p.status,
                p.why,
                p.exposure,
                p.cover,
                p.worst_unprotected_ms
            );
            for o in &p.orders {
                let _ = writeln!(
                    text,
                    "    {}  {:<8} rev {} try {}  {:<9} {:>12} x {:<10} executed {}",
                    o.id,
                    o.role,
                    o.revision,
                    o.attempt,
                    o.status,
                    o.price.as_deref().unwrap_or("market"),
                    o.qty.as_deref().unwrap_or("all"),
                    o.executed
                );
            }
        }
        let _ = writeln!(text, "  records");
        for r in &account.records {
            let _ = writeln!(text, "  {:>6}  e{} {}  {}", r.seq, r.epoch, r.at_ms, r.input);
            for event in &r.events {
                let _ = writeln!(text, "            {event}");
            }
        }
    }
    text
}

/// Reads and prints a journal.
pub(crate) fn command(args: &Args) -> Result<Exit, Failed> {
    let journal = Journal::open(&args.journal, args.account)?;
    let inspected = inspected(&journal, args.after, args.limit)?;
    // A reader of what is printed may take its time; the writer's log is not to grow with it.
    drop(journal);
    if args.json {
        let json = serde_json::to_string_pretty(&inspected).map_err(Failed::with(Exit::Failure))?;
        crate::print(&format!("{json}\n"))?;
    } else {
        crate::print(&text(&inspected))?;
    }
    Ok(Exit::Ok)
}

/// Decodes and prints an id.
pub(crate) fn id_command(args: &IdArgs) -> Result<Exit, Failed> {
    let id: ClientOrderId = args
        .id
        .parse()
        .map_err(|error| Failed::new(Exit::Usage, format!("`{}` is no client order id of kraite: {error}", args.id)))?;
    let key = id.key();
    let rows = [
        ("account", key.account.get()),
        ("position", key.position.get()),
        ("revision", u32::from(key.logical.revision.get())),
        ("attempt", u32::from(key.attempt.get())),
        ("epoch", key.epoch.get()),
    ];
    let role = key.logical.role.to_string();
    if args.json {
        let mut data = serde_json::json!({ "schema": "kraite.id/1", "id": id.to_string(), "role": role });
        for (field, value) in rows {
            data[field] = value.into();
        }
        return crate::print(&format!("{data}\n")).map(|()| Exit::Ok);
    }
    let mut lines = format!("role      {role}\n");
    for (field, value) in rows {
        let _ = writeln!(lines, "{field:<9} {value}");
    }
    crate::print(&lines)?;
    Ok(Exit::Ok)
}
