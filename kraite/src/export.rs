//! `kraite export`: a journal as CSV files for a spreadsheet or a tax adviser.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kraite_core::engine::{Answer, Event, EvolveError, InputKind, State};
use kraite_core::exchange::{OrderShape, Payment, ReportedId, Side, Trade};
use kraite_core::id::{AccountTag, ClientOrderId, PositionNo, Role, TradeId, VenueOrderId};
use kraite_core::journal::Record;
use kraite_core::number::{Notional, Price, Qty};
use kraite_core::order::{Executed, Order};
use kraite_core::position::Position;
use kraite_core::time::VenueMillis;
use serde::Serialize;

use crate::csv::{self, Cell, Table, Written};
use crate::exit::{Exit, Failed};
use crate::journal::{Journal, reports};
use crate::{utc, words};

const EXAMPLE: &str = "Example:
  kraite export --journal kraite.journal --dir books
  PGPASSWORD=... kraite export --journal postgres://kraite@db.example/kraite --dir books

  orders.csv  every order: what was asked, what became of it
  fills.csv   every trade of them; a row without a trade id is what a venue counted and told no trade of
  trades.csv  every finished position: entry, exit, profit after fees and funding, how long it was without a stop
  fees.csv    the fees of each order, and for how much of it they are not known
  funding.csv every funding payment of finished positions

An empty cell is what the journal does not know. The books of a position are read half a minute after its end, where a
fee is missing or it was open over a full hour; until then its profit is without funding, and what nobody told a fee of
is charged as a taker.";

/// Writes everything a journal tells of orders, fills and finished positions as CSV files.
///
/// Folds all records from the first on, so positions that left the worker's memory long ago are there too. Reads
/// the journal and disturbs nobody; one in PostgreSQL from a copy among the temporary files (TMPDIR). Files appear whole or not at all, and none is written over without --force. Text that a
/// spreadsheet would take for a formula is written with a ' before it. Times are UTC.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLE)]
pub(crate) struct Args {
    /// The journal: a file, or postgres://USER@HOST/DATABASE with the password in PGPASSWORD.
    #[arg(long, value_name = "FILE|ADDRESS")]
    journal: PathBuf,
    /// Where the files go; made if need be.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Only this account.
    #[arg(long, value_name = "TAG")]
    account: Option<u32>,
    /// Writes over files that are there.
    #[arg(long)]
    force: bool,
    /// Prints the files and their numbers of rows as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// One trade of an order, as its report told it.
#[derive(Debug, Clone)]
struct Fill {
    at: VenueMillis,
    trade: Trade,
}

/// What is collected while an account's records are folded.
#[derive(Default)]
struct Book {
    /// Positions as they were when they left the state.
    archived: BTreeMap<PositionNo, Position>,
    fills: BTreeMap<ClientOrderId, BTreeMap<(VenueOrderId, TradeId), Fill>>,
    /// The venue's time of the newest report that was merged.
    told_at: BTreeMap<ClientOrderId, VenueMillis>,
    /// Payments of finished positions, as last read.
    funding: BTreeMap<PositionNo, Vec<Payment>>,
}

impl Book {
    fn take(&mut self, state: &mut State, record: &Record, event: &Event) -> Result<(), EvolveError> {
        match event {
            Event::Archived { position } => {
                self.archived.extend(state.positions.get(position).map(|row| (*position, row.clone())));
            }
            Event::Merged { id } | Event::OutcomeNoted { id } | Event::Adopted { id } => self.note(*id, record),
            Event::Booked { position } => self.note_books(state, record, *position),
            _ => {}
        }
        state.evolve(record.at, &record.input, event)
    }

    fn note_books(&mut self, state: &State, record: &Record, no: PositionNo) {
        let (Some(position), Some(ended)) = (state.positions.get(&no), state.ended.get(&no)) else { return };
        let InputKind::Answer(Answer::Books(.., Ok(reading))) = &record.input else { return };
        let payments = position.funding_in(&reading.value, ended.at.plus(record.at.error));
        self.funding.insert(no, payments.copied().collect());
        for booked in &reading.value.trades {
            let of_order = |order: &&Order| order.ledger.objects().iter().any(|object| object.venue_id == booked.order);
            if let Some(order) = position.orders.values().find(of_order) {
                let known = self.fills.entry(order.id).or_default();
                let told = known.values().try_fold(booked.trade.qty, |sum, fill| sum.checked_add(fill.trade.qty));
                // As the ledger has it: books never make more of what executed.
                if told.is_ok_and(|told| told <= order.executed_qty()) {
                    let fill = Fill { at: booked.at, trade: booked.trade.clone() };
                    known.entry((booked.order.clone(), booked.trade.id.clone())).or_insert(fill);
                }
            }
        }
    }

    fn note(&mut self, id: ClientOrderId, record: &Record) {
        for report in reports(&record.input) {
            if report.id != ReportedId::Ours(id) {
                continue;
            }
            let told_at = self.told_at.entry(id).or_insert(report.at);
            *told_at = report.at.max(*told_at);
            if let Some(trade) = &report.trade {
                let fill = Fill { at: report.at, trade: trade.clone() };
                let known = self.fills.entry(id).or_default();
                known.entry((report.venue_id.clone(), trade.id.clone())).or_insert(fill);
            }
        }
    }

    /// Every position that ever was, with what is known of it last.
    fn positions(&mut self, state: State) -> Vec<Position> {
        let mut positions = std::mem::take(&mut self.archived);
        positions.extend(state.positions);
        positions.into_values().collect()
    }
}

/// The files and their columns; a backtest writes the same.
pub(crate) const TABLES: [(&str, &str); 5] = [
    (
        "orders.csv",
        "account,position,symbol,direction,client_order_id,venue_order_id,role,rung,revision,attempt,intended_at,\
         side,kind,price,qty,status,refusal,executed_qty,average_price,fee",
    ),
    (
        "fills.csv",
        "at,account,position,symbol,direction,client_order_id,role,side,venue_order_id,trade_id,qty,price,fee",
    ),
    (
        "trades.csv",
        "account,position,symbol,direction,status,why,opened_at,closed_at,duration_ms,entry_qty,entry_price,\
         exit_qty,exit_price,other_exit_qty,rungs_filled,profit,fees,worst_unprotected_ms,funding",
    ),
    ("fees.csv", "account,position,symbol,client_order_id,role,executed_qty,fee,qty_without_fee"),
    ("funding.csv", "at,account,position,symbol,direction,amount"),
];

/// The files.
struct Files {
    orders: Table,
    fills: Table,
    trades: Table,
    fees: Table,
    funding: Table,
}

const fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Entry => "entry",
        Role::Rung(_) => "rung",
        Role::Target => "target",
        Role::Stop => "stop",
        Role::Close => "close",
    }
}

const fn order_kind(shape: &OrderShape) -> &'static str {
    match shape {
        OrderShape::Market { .. } => "market",
        OrderShape::Limit { .. } => "limit",
        OrderShape::StopMarket { .. } => "stop_market",
        OrderShape::TakeProfitMarket { .. } => "take_profit_market",
    }
}

/// What something cost for one, where that is known and not nothing.
fn average(executed: &Executed) -> Option<Price> {
    let cost = executed.cost.filter(|_| executed.qty.is_positive())?;
    cost.checked_div_qty(executed.qty).ok()
}

fn lowercase(debug: &impl std::fmt::Debug) -> String {
    words::name(debug).to_lowercase()
}

impl Files {
    fn new() -> Self {
        let [orders, fills, trades, fees, funding] = TABLES.map(|(name, header)| Table::new(name, header));
        Self { orders, fills, trades, fees, funding }
    }

    fn tables(&self) -> [&Table; 5] {
        [&self.orders, &self.fills, &self.trades, &self.fees, &self.funding]
    }

    fn take(&mut self, account: AccountTag, position: &Position, book: &Book) {
        for order in position.orders.values() {
            self.order(account, position, order);
            self.fills_of(account, position, order, book);
        }
        if position.phase.is_terminal() {
            self.trade(account, position);
        }
        for payment in book.funding.get(&position.no).into_iter().flatten() {
            self.funding.row(vec![
                Cell::of(utc::iso(payment.at.0)),
                Cell::of(account),
                Cell::of(position.no),
                Cell::text(position.symbol()),
                Cell::of(lowercase(&position.direction())),
                Cell::of(payment.amount),
            ]);
        }
    }

    fn order(&mut self, account: AccountTag, position: &Position, order: &Order) {
        let key = order.id.key();
        let executed = order.executed();
        self.orders.row(vec![
            Cell::of(account),
            Cell::of(position.no),
            Cell::text(position.symbol()),
            Cell::of(lowercase(&position.direction())),
            Cell::of(order.id),
            Cell::text(order.exchange_order_id().map(ToString::to_string).unwrap_or_default()),
            Cell::of(role(key.logical.role)),
            Cell::or_empty(match key.logical.role {
                Role::Rung(rung) => Some(rung),
                _ => None,
            }),
            Cell::of(key.logical.revision),
            Cell::of(key.attempt),
            Cell::of(utc::iso(order.intended_at.0)),
            Cell::of(side(order.side)),
            Cell::of(order_kind(&order.shape)),
            Cell::or_empty(order.shape.price()),
            Cell::or_empty(order.shape.qty()),
            Cell::of(lowercase(&order.status())),
            Cell::or_empty(order.refusal.as_ref().map(lowercase)),
            Cell::of(executed.qty),
            Cell::or_empty(average(&executed)),
            Cell::of(executed.fee),
        ]);
    }

    /// The trades of an order, what it executed beyond them, and its fees.
    fn fills_of(&mut self, account: AccountTag, position: &Position, order: &Order, book: &Book) {
        let executed = order.executed();
        if !executed.qty.is_positive() {
            return;
        }
        let known = book.fills.get(&order.id);
        let mut fills: Vec<(&(VenueOrderId, TradeId), &Fill)> = known.into_iter().flatten().collect();
        fills.sort_by_key(|(name, fill)| (fill.at, *name));
        let (mut qty, mut cost) = (Qty::ZERO, Some(Notional::ZERO));
        for ((venue_id, trade_id), Fill { at, trade }) in fills {
            qty = qty.checked_add(trade.qty).unwrap_or(qty);
            let paid = trade.price.checked_mul(trade.qty).ok();
            cost = cost.zip(paid).and_then(|(cost, paid)| cost.checked_add(paid).ok());
            let row = FillRow {
                at: Some(*at),
                venue_id: venue_id.to_string(),
                trade_id: trade_id.to_string(),
                qty: trade.qty,
                price: Some(trade.price),
                fee: Some(trade.fee),
            };
            self.fill(account, position, order, row);
        }
        let untold = executed.qty.checked_sub(qty).unwrap_or(Qty::ZERO);
        if untold.is_positive() {
            let paid = executed.cost.zip(cost).and_then(|(all, told)| all.checked_sub(told).ok());
            let row = FillRow {
                at: book.told_at.get(&order.id).copied(),
                venue_id: order.exchange_order_id().map(ToString::to_string).unwrap_or_default(),
                trade_id: String::new(),
                qty: untold,
                price: paid.and_then(|paid| paid.checked_div_qty(untold).ok()),
                fee: None,
            };
            self.fill(account, position, order, row);
        }
        let untold = if untold.is_negative() { Qty::ZERO } else { untold };
        self.fees.row(vec![
            Cell::of(account),
            Cell::of(position.no),
            Cell::text(position.symbol()),
            Cell::of(order.id),
            Cell::of(role(order.role())),
            Cell::of(executed.qty),
            Cell::of(executed.fee),
            Cell::of(untold),
        ]);
    }

    fn fill(&mut self, account: AccountTag, position: &Position, order: &Order, row: FillRow) {
        self.fills.row(vec![
            Cell::or_empty(row.at.map(|at| utc::iso(at.0))),
            Cell::of(account),
            Cell::of(position.no),
            Cell::text(position.symbol()),
            Cell::of(lowercase(&position.direction())),
            Cell::of(order.id),
            Cell::of(role(order.role())),
            Cell::of(side(order.side)),
            Cell::text(row.venue_id),
            Cell::text(row.trade_id),
            Cell::of(row.qty),
            Cell::or_empty(row.price),
            Cell::or_empty(row.fee),
        ]);
    }

    fn trade(&mut self, account: AccountTag, position: &Position) {
        let (entered, exited) = (position.entered(), position.exited());
        let others = position.external.values().try_fold(Qty::ZERO, |sum, qty| sum.checked_add(*qty));
        let filled = |rung: &&kraite_core::sizing::RungPlan| {
            position.of(Role::Rung(rung.rung)).any(|order| order.executed_qty().is_positive())
        };
        let none = entered.qty.is_zero() && entered.cost.is_some();
        let ended = position.ended_at;
        self.trades.row(vec![
            Cell::of(account),
            Cell::of(position.no),
            Cell::text(position.symbol()),
            Cell::of(lowercase(&position.direction())),
            Cell::of(lowercase(&position.status())),
            Cell::of(words::why(position.why)),
            Cell::of(utc::iso(position.created_at.0)),
            Cell::or_empty(ended.map(|ended| utc::iso(ended.0))),
            Cell::or_empty(ended.map(|ended| ended.since(position.created_at).0)),
            Cell::of(entered.qty),
            Cell::or_empty(average(&entered)),
            Cell::of(exited.qty),
            Cell::or_empty(average(&exited)),
            Cell::or_empty(others.ok()),
            Cell::of(position.ladder.rungs.iter().filter(filled).count()),
            Cell::or_empty(if none { Some(Notional::ZERO) } else { position.realised() }),
            Cell::or_empty(entered.fee.checked_add(exited.fee).ok()),
            Cell::of(position.meter.worst.0),
            Cell::or_empty(position.booked.map(|booked| booked.funding)),
        ]);
    }
}

struct FillRow {
    at: Option<VenueMillis>,
    venue_id: String,
    trade_id: String,
    qty: Qty,
    price: Option<Price>,
    fee: Option<Notional>,
}

#[derive(Debug, Serialize)]
struct Shown {
    schema: &'static str,
    files: Vec<Written>,
}

fn collect(args: &Args) -> Result<Files, Failed> {
    let journal = Journal::open(&args.journal, args.account)?;
    let mut files = Files::new();
    for account in &journal.accounts {
        let mut book = Book::default();
        let state = journal.fold(*account, |state, record, event| book.take(state, record, event))?;
        for position in book.positions(state) {
            files.take(*account, &position, &book);
        }
    }
    Ok(files)
}

/// Folds, writes, says what was written.
pub(crate) fn command(args: &Args) -> Result<Exit, Failed> {
    let files = collect(args)?;
    let written = csv::write(&args.dir, &files.tables(), args.force)?;
    let shown = Shown { schema: "kraite.export/1", files: written };
    let page = if args.json {
        serde_json::to_string_pretty(&shown).map_err(Failed::with(Exit::Failure))? + "\n"
    } else {
        shown.files.iter().map(|file| format!("{}: {} rows\n", file.file, file.rows)).collect()
    };
    crate::print(&page)?;
    Ok(Exit::Ok)
}
