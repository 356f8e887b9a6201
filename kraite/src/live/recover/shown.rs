//! What was found and what was not, for people and for programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use kraite_core::exchange::{OrderReport, PositionMode, PositionReport, ReportedId};
use kraite_core::id::{AccountTag, Role};
use kraite_core::order::{Life, Order, Terminal};
use serde::Serialize;

use super::Patient;
use super::judge::{Found, Verdict};
use super::look::Seen;
use crate::{utc, words};

/// Everything that was found.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    schema: &'static str,
    journal: String,
    accounts: Vec<ShownAccount>,
}

#[derive(Debug, Serialize)]
struct ShownAccount {
    account: String,
    tag: u32,
    venue: &'static str,
    network: &'static str,
    /// Why it was not read, or nothing was written of it.
    refused: Option<String>,
    /// Records that the journal holds of it already.
    journal_records: u64,
    /// Records that were written.
    written: Option<u64>,
    read_at_ms: Option<i64>,
    position_mode: Option<&'static str>,
    /// From when on the orders of a contract were read.
    looked_back_to_ms: BTreeMap<String, i64>,
    positions: Vec<ShownPosition>,
    /// Positions under this tag of which nothing is open any more.
    finished: Vec<u32>,
    foreign_exposure: Vec<ShownExposure>,
    foreign_orders: Vec<ShownForeign>,
    /// The highest position number that was seen.
    highest_position: Option<u32>,
    /// What holds for all of the account, and cannot be known.
    unknown: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ShownPosition {
    position: u32,
    symbol: String,
    direction: &'static str,
    /// `rebuilt`, `left_alone` or `orphaned`.
    verdict: &'static str,
    /// Why it is not rebuilt.
    why: Vec<String>,
    plan: Option<String>,
    entered: String,
    average_entry: Option<String>,
    /// What its own fills leave open.
    exposure: String,
    /// What the exchange shows on this side of the contract.
    exchange_shows: String,
    protected: bool,
    orders: Vec<ShownOrder>,
    /// What cannot be known of it.
    unknown: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ShownOrder {
    role: String,
    id: String,
    state: &'static str,
    price: Option<String>,
    qty: Option<String>,
    executed: String,
}

#[derive(Debug, Serialize)]
struct ShownExposure {
    symbol: String,
    direction: &'static str,
    qty: String,
    entry_price: Option<String>,
}

#[derive(Debug, Serialize)]
struct ShownForeign {
    symbol: String,
    /// As its owner named it.
    id: String,
    /// The account tag that the id bears, where it is one of kraite's.
    tag: Option<u32>,
    side: String,
    price: Option<String>,
    qty: Option<String>,
}

/// What was found on each account.
pub(super) fn shown(journal: String, patients: &[Patient]) -> Shown {
    Shown { schema: "kraite.recover/1", journal, accounts: patients.iter().map(account).collect() }
}

fn account(patient: &Patient) -> ShownAccount {
    let Patient { account, seen, all, last_record, written, wrong, .. } = patient;
    let open = all.iter().filter(|found| !matches!(found.verdict, Verdict::Finished));
    let seen = seen.as_ref();
    ShownAccount {
        account: account.name.clone(),
        tag: account.tag.get(),
        venue: account.venue.word(),
        network: account.network.word(),
        refused: wrong.as_ref().map(|failed| failed.message.clone()),
        journal_records: *last_record,
        written: *written,
        read_at_ms: seen.map(|seen| seen.at.venue.0),
        position_mode: seen.map(|seen| match seen.mode {
            PositionMode::OneWay => "one-way",
            PositionMode::Hedge => "hedge",
        }),
        looked_back_to_ms: seen.map(looked_back).unwrap_or_default(),
        positions: open.map(position).collect(),
        finished: all.iter().filter(|found| matches!(found.verdict, Verdict::Finished)).map(|f| f.no.get()).collect(),
        foreign_exposure: seen.map(|seen| foreign_exposure(seen, all)).unwrap_or_default(),
        foreign_orders: seen.map(|seen| foreign_orders(seen, account.tag)).unwrap_or_default(),
        highest_position: all.last().map(|found| found.no.get()),
        unknown: if seen.is_some() { of_the_account() } else { Vec::new() },
    }
}

fn looked_back(seen: &Seen) -> BTreeMap<String, i64> {
    seen.depth.iter().map(|(symbol, depth)| (symbol.to_string(), depth.from.0)).collect()
}

fn of_the_account() -> Vec<String> {
    [
        "which signals opened what is open: the same line again is refused while its position is, and opens anew after it",
        "whether new exposure was halted, and what was lost today: a rebuilt account is halted until kraite resume",
        "finished positions on contracts that were not looked at, and results of finished ones",
    ]
    .map(str::to_owned)
    .into()
}

fn position(found: &Found) -> ShownPosition {
    let (verdict, why, plan) = match &found.verdict {
        Verdict::Rebuilt(rebuilt) => ("rebuilt", Vec::new(), Some(rebuilt.plan.clone())),
        Verdict::LeftAlone(why) => ("left_alone", why.clone(), None),
        Verdict::Orphaned => {
            let why = format!("{} rest, and no exposure belongs to them", words::many(found.live_orders(), "order"));
            ("orphaned", vec![why], None)
        }
        Verdict::Finished => ("finished", Vec::new(), None),
    };
    ShownPosition {
        position: found.no.get(),
        symbol: found.symbol.to_string(),
        direction: words::direction(found.direction),
        verdict,
        why,
        plan,
        entered: found.entered.qty.to_string(),
        average_entry: found.entered.average().map(|price| crate::flags::cut(&price.to_string(), 8)),
        exposure: found.exposure().to_string(),
        exchange_shows: found.shown.to_string(),
        protected: found.shown.is_positive() && found.resting(Role::Stop).is_some(),
        orders: found.rows.values().map(|row| order(&row.order)).collect(),
        unknown: unknown(found),
    }
}

/// What a journal would have said of it and no exchange does.
fn unknown(found: &Found) -> Vec<String> {
    let Verdict::Rebuilt(rebuilt) = &found.verdict else { return Vec::new() };
    let mut unknown = vec![
        "what margin and leverage it was allotted: what entry and rungs cost stands for that".to_owned(),
        "which price its stop and target watch: the plan's is taken where one of them is placed anew".to_owned(),
        "what was changed of it by hand, but for where its stop rests".to_owned(),
        "the fees of its fills: they are reckoned as a taker's".to_owned(),
    ];
    if !rebuilt.left_out.is_empty() {
        let numbers: Vec<String> = rebuilt.left_out.iter().map(u8::to_string).collect();
        let numbers = numbers.join(", ");
        unknown.push(format!("what was meant with rungs {numbers}, which neither rest nor filled: they are left out"));
    }
    match rebuilt.target {
        None => unknown.push("where its target was: the plan's is placed at once".to_owned()),
        Some((_, price)) if rebuilt.target_differs => {
            unknown
                .push(format!("why its target is at {price}, which is not the plan's: it stays until the next fill"));
        }
        Some(_) => {}
    }
    unknown
}

fn order(order: &Order) -> ShownOrder {
    ShownOrder {
        role: words::order(order.id),
        id: order.id.to_string(),
        state: state(order.life),
        price: order.stated_price().map(|price| price.to_string()),
        qty: order.stated_qty().map(|qty| qty.to_string()),
        executed: order.executed_qty().to_string(),
    }
}

const fn state(life: Life) -> &'static str {
    match life {
        Life::Planned | Life::PendingNew | Life::InDoubt => "in_doubt",
        Life::Working | Life::PendingAmend | Life::PendingCancel => "rests",
        Life::Triggered => "fired",
        Life::Done(Terminal::Filled) => "filled",
        Life::Done(Terminal::Cancelled | Terminal::Vanished) => "cancelled",
        Life::Done(Terminal::Expired) => "expired",
        Life::Done(Terminal::Rejected | Terminal::Refused | Terminal::Absent) => "rejected",
    }
}

/// Exposure that no position of ours stands for.
fn foreign_exposure(seen: &Seen, all: &[Found]) -> Vec<ShownExposure> {
    let is_ours = |shown: &&PositionReport| {
        all.iter().any(|found| {
            matches!(found.verdict, Verdict::Rebuilt(_) | Verdict::LeftAlone(_))
                && (&found.symbol, found.direction) == (&shown.symbol, shown.direction)
        })
    };
    let foreign = seen.exposures.iter().filter(|shown| !is_ours(shown));
    let foreign = foreign.map(|shown| ShownExposure {
        symbol: shown.symbol.to_string(),
        direction: words::direction(shown.direction),
        qty: shown.qty.to_string(),
        entry_price: shown.entry_price.map(|price| price.to_string()),
    });
    foreign.collect()
}

/// What rests and does not bear our tag.
fn foreign_orders(seen: &Seen, tag: AccountTag) -> Vec<ShownForeign> {
    let mut told = BTreeSet::new();
    let foreign = |report: &OrderReport| {
        let (id, of) = match &report.id {
            ReportedId::Ours(id) if id.key().account == tag => return None,
            ReportedId::Ours(id) => (id.to_string(), Some(id.key().account.get())),
            ReportedId::Foreign(id) if !id.is_empty() => (id.to_string(), None),
            ReportedId::Foreign(_) | ReportedId::Venue(_) => (report.venue_id.to_string(), None),
        };
        let stated = report.stated;
        told.insert((report.service, report.venue_id.clone())).then(|| ShownForeign {
            symbol: report.symbol.to_string(),
            id,
            tag: of,
            side: words::name(&report.side).to_lowercase(),
            price: stated.and_then(|stated| stated.price).map(|price| price.to_string()),
            qty: stated.and_then(|stated| stated.qty).map(|qty| qty.to_string()),
        })
    };
    seen.open.iter().filter_map(foreign).collect()
}

/// [`Shown`] for people.
pub(super) fn text(shown: &Shown) -> String {
    let mut text = String::new();
    for account in &shown.accounts {
        let ShownAccount { account: name, tag, venue, network, .. } = account;
        let _ = write!(text, "{name}: tag {tag}, {venue} {network}");
        if let Some(at) = account.read_at_ms {
            let _ = write!(text, ", {}, read {}", account.position_mode.unwrap_or("?"), utc::text(at));
        }
        text.push('\n');
        account_text(&mut text, account);
        let _ = match (account.written, &account.refused) {
            (Some(records), _) => {
                let records = words::many(usize::try_from(records).unwrap_or(usize::MAX), "record");
                writeln!(text, "  written: {records} in {}; kraite run goes on from there", shown.journal)
            }
            (None, Some(why)) => writeln!(text, "  nothing is written: {why}"),
            (None, None) if account.journal_records > 0 => {
                let journal = &shown.journal;
                writeln!(
                    text,
                    "  {journal} has {} records of it: kraite run needs no recovery",
                    account.journal_records
                )
            }
            (None, None) if account.highest_position.is_none() => {
                writeln!(text, "  nothing of ours is seen, so there is nothing to write: kraite run begins anew")
            }
            (None, None) => writeln!(text, "  nothing is written without --write"),
        };
    }
    text
}

fn account_text(text: &mut String, account: &ShownAccount) {
    for (symbol, from) in &account.looked_back_to_ms {
        let _ = writeln!(text, "  orders of {symbol} were read back to {}", utc::text(*from));
    }
    for position in &account.positions {
        position_text(text, position);
    }
    if !account.finished.is_empty() {
        let numbers: Vec<String> = account.finished.iter().map(u32::to_string).collect();
        let _ = writeln!(text, "  finished: {}", numbers.join(", "));
    }
    for shown in &account.foreign_exposure {
        let at = shown.entry_price.as_ref().map_or_else(String::new, |price| format!(" at {price}"));
        let _ = writeln!(text, "  not ours: {} {} {}{at}", shown.qty, shown.symbol, shown.direction);
    }
    for order in &account.foreign_orders {
        let of = order.tag.map_or_else(String::new, |tag| format!(", of account tag {tag}"));
        let price = order.price.as_deref().unwrap_or("the market");
        let qty = order.qty.as_deref().unwrap_or("everything");
        let _ =
            writeln!(text, "  not ours: order {} on {}: {} {qty} at {price}{of}", order.id, order.symbol, order.side);
    }
    if account.highest_position.is_some() {
        for what in &account.unknown {
            let _ = writeln!(text, "  unknown: {what}");
        }
    }
}

fn position_text(text: &mut String, position: &ShownPosition) {
    let ShownPosition { position: no, symbol, direction, .. } = position;
    let verdict = match (position.verdict, &position.plan) {
        ("rebuilt", Some(plan)) => format!("is rebuilt, managed by plan {plan}"),
        ("orphaned", _) => "ORPHANED ORDERS".to_owned(),
        _ => "LEFT ALONE".to_owned(),
    };
    let _ = writeln!(text, "  position {no} {symbol} {direction}: {verdict}");
    for why in &position.why {
        let _ = writeln!(text, "    because {why}");
    }
    let average = position.average_entry.as_ref().map_or_else(String::new, |price| format!(" at {price}"));
    let cover = if position.protected { "behind a stop of ours" } else { "without a stop of ours" };
    let _ = writeln!(
        text,
        "    entered {}{average}, its fills leave {} open, the exchange shows {}, {cover}",
        position.entered, position.exposure, position.exchange_shows
    );
    for order in &position.orders {
        let price = order.price.as_ref().map_or_else(String::new, |price| format!(" at {price}"));
        let qty = order.qty.as_deref().unwrap_or("everything");
        let _ = writeln!(
            text,
            "    {}: {qty}{price}, {}, {} executed, {}",
            order.role, order.state, order.executed, order.id
        );
    }
    for what in &position.unknown {
        let _ = writeln!(text, "    unknown: {what}");
    }
}
