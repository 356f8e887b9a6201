//! `kraite explain`: the story of one order or one position, from the journal, in words.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::str::FromStr;

use kraite_core::engine::{CommandRefusal, Event, EvolveError, State};
use kraite_core::id::{AccountTag, ClientOrderId, PositionNo, Role};
use kraite_core::journal::Record;
use kraite_core::order::{Life, Order};
use kraite_core::position::{Phase, Position, Protective, Why};
use serde::Serialize;

use crate::exit::{Exit, Failed};
use crate::journal::{Journal, orders_and_doubts};
use crate::{utc, words};

const EXAMPLE: &str = "Example:
  kraite explain 1 --journal kraite.journal
  kraite explain caaaoaaaaeqqaaadoyhort7z --journal kraite.journal --json
  PGPASSWORD=... kraite explain 1 --account 7 --journal postgres://kraite@db.example/kraite

Each line is a fact that the worker recorded: when, what was decided or learned, and the input that caused it.
What changed no record, such as a mark or an answer without news, is not in a journal and not in the story.";

/// Tells why an order or a position is where it is: every fact the worker recorded about it, in order, in words.
///
/// Reads the journal and disturbs nobody; one in PostgreSQL from a copy among the temporary files (TMPDIR). An order is named by its client order id, a position by its number. The
/// story ends with where it stands now and what it waits for. Positions that left the worker's memory are told too:
/// their records stay. Exit code 1 if the journal has no such order or position; the sentence says what it has.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLE)]
pub(crate) struct Args {
    /// A client order id (24 characters) or the number of a position.
    #[arg(value_name = "ORDER|POSITION")]
    subject: Subject,
    /// The journal: a file, or postgres://USER@HOST/DATABASE with the password in PGPASSWORD.
    #[arg(long, value_name = "FILE|ADDRESS")]
    journal: PathBuf,
    /// Whose position, where several accounts have one of that number.
    #[arg(long, value_name = "TAG")]
    account: Option<u32>,
    /// Prints the story as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What the story is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Order(ClientOrderId),
    Position(PositionNo),
}

impl Subject {
    fn position(self) -> PositionNo {
        match self {
            Self::Order(id) => id.position(),
            Self::Position(no) => no,
        }
    }
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(number) = text.parse::<u32>() {
            let no = PositionNo::new(number).filter(|_| number > 0);
            return no.map(Self::Position).ok_or_else(|| format!("{number} is not the number of a position"));
        }
        let wrong = |error| format!("neither the number of a position nor a client order id: {error}");
        text.parse().map(Self::Order).map_err(wrong)
    }
}

#[derive(Debug, Serialize)]
struct Story {
    schema: &'static str,
    account: u32,
    position: u32,
    order: Option<String>,
    about: String,
    story: Vec<Line>,
    now: String,
    waits_for: String,
}

#[derive(Debug, Serialize)]
struct Line {
    seq: u64,
    at_ms: i64,
    at: String,
    event: String,
    fact: String,
    because: String,
}

/// What is told while an account's records are folded.
struct Teller {
    subject: Subject,
    lines: Vec<Line>,
    /// The position as it was when it left the state.
    archived: Option<Position>,
    /// Everything that could have been asked for.
    known: BTreeMap<PositionNo, BTreeSet<ClientOrderId>>,
}

/// The position and the order that an event is about, as far as it is about one. A kind that is added has to say so
/// here: what is forgotten would be missing in every story.
fn about(event: &Event) -> (Option<PositionNo>, Option<ClientOrderId>) {
    match event {
        Event::Intended { id, .. }
        | Event::Resent { id, .. }
        | Event::AmendIntended { id, .. }
        | Event::CancelIntended { id, .. }
        | Event::OutcomeNoted { id }
        | Event::Merged { id }
        | Event::Adopted { id }
        | Event::Quarantined { id }
        | Event::Overdue { id }
        | Event::ProvenAbsent { id }
        | Event::Superseded { id }
        | Event::Vanished { id }
        | Event::Resurfaced { id } => (Some(id.position()), Some(*id)),
        Event::Opened { position, .. }
        | Event::Moved { position, .. }
        | Event::Resized { position, .. }
        | Event::Rebuilt { position, .. }
        | Event::RungDropped { position, .. }
        | Event::SetupSent { position, .. }
        | Event::SetupNoted { position, .. }
        | Event::External { position, .. }
        | Event::Alerted { position, .. }
        | Event::AlertCleared { position, .. }
        | Event::Halted { position }
        | Event::LimitReached { position, .. }
        | Event::Archived { position }
        | Event::LossFrozen { position, .. }
        | Event::RulesRead { position }
        | Event::WholeCloseIntended { position, .. }
        | Event::Adjusted { position }
        | Event::TakenOver { position }
        | Event::Booked { position }
        | Event::CommandRefused(
            CommandRefusal::SymbolBusy(position)
            | CommandRefusal::NoSuchPosition(position)
            | CommandRefusal::Adjustment(position, _),
        ) => (Some(*position), None),
        Event::Restarted | Event::CommandRefused(_) | Event::AccountHalted | Event::AccountResumed => (None, None),
    }
}

impl Teller {
    fn new(subject: Subject) -> Self {
        Self { subject, lines: Vec::new(), archived: None, known: BTreeMap::new() }
    }

    fn take(&mut self, state: &mut State, record: &Record, event: &Event) -> Result<(), EvolveError> {
        let (position, order) = about(event);
        if let Event::Opened { .. } | Event::Intended { .. } | Event::Adopted { .. } = event
            && let Some(position) = position
        {
            self.known.entry(position).or_default().extend(order);
        }
        let concerned = match self.subject {
            _ if *event == Event::Restarted => true,
            Subject::Order(id) => order == Some(id),
            Subject::Position(no) => position == Some(no),
        };
        if !concerned {
            return state.evolve(record.at, &record.input, event);
        }
        let watched = match self.subject {
            Subject::Order(id) => Some(id),
            Subject::Position(_) => order,
        };
        let before = watched.and_then(|id| state.order(id)).cloned();
        if let Event::Archived { position } = event {
            self.archived = state.positions.get(position).cloned();
        }
        state.evolve(record.at, &record.input, event)?;
        let after = watched.and_then(|id| state.order(id));
        let fact = match (event, self.subject) {
            (Event::Restarted, Subject::Order(_)) => restarted_order(before.as_ref(), after),
            (Event::Restarted, Subject::Position(no)) => state.positions.get(&no).and_then(restarted_position),
            // An intent of an earlier owner is told by nobody but who found its order.
            (Event::Intended { id, side, shape, .. }, _) if id.key().epoch != record.epoch => {
                Some(format!("{}: found at the exchange as {id}: {}", words::order(*id), words::shape(*side, shape)))
            }
            _ => Some(fact(event, before.as_ref(), after, state)),
        };
        self.lines.extend(fact.map(|fact| Line {
            seq: record.seq,
            at_ms: record.at.local.0,
            at: utc::text(record.at.local.0),
            event: words::name(event),
            fact,
            because: words::cause(&record.input),
        }));
        Ok(())
    }

    /// The story, if anything was told.
    fn story(self, account: AccountTag, state: &State) -> Option<Story> {
        if self.lines.is_empty() {
            return None;
        }
        let no = self.subject.position();
        let left = self.archived.is_some();
        let position = self.archived.as_ref().or_else(|| state.positions.get(&no))?;
        let (about, now, waits_for) = match self.subject {
            Subject::Position(_) => (asked_for(position), stands(position, left), waits(position)),
            Subject::Order(id) => {
                let order = position.order(id)?;
                let about = format!("{} of {}", words::order(id), words::wish(&position.request));
                (about, order_stands(order), order_waits(order, position))
            }
        };
        Some(Story {
            schema: "kraite.explain/1",
            account: account.get(),
            position: no.get(),
            order: match self.subject {
                Subject::Order(id) => Some(id.to_string()),
                Subject::Position(_) => None,
            },
            about,
            story: self.lines,
            now,
            waits_for,
        })
    }
}

fn asked_for(position: &Position) -> String {
    if words::is_recovered(position.opened_by) {
        return format!("{}, found at the exchange by kraite recover", words::wish(&position.request));
    }
    format!("{}, asked for by command {}", words::wish(&position.request), position.opened_by.0)
}

fn restarted_order(before: Option<&Order>, after: Option<&Order>) -> Option<String> {
    let (before, after) = (before?, after?);
    let changed = before.life != after.life;
    changed.then(|| {
        format!(
            "{}: in doubt, since a process that ended takes its answers with it (before: {})",
            words::order(after.id),
            words::life(before.life)
        )
    })
}

fn restarted_position(position: &Position) -> Option<String> {
    let (orders, doubts) = orders_and_doubts([position]);
    let told = format!("it is restored from the journal: {orders} orders, {doubts} in doubt");
    (!position.phase.is_terminal()).then_some(told)
}

/// What an event says, in words.
fn fact(event: &Event, before: Option<&Order>, after: Option<&Order>, state: &State) -> String {
    match about(event).1 {
        Some(id) => format!("{}: {}", words::order(id), order_fact(event, before, after)),
        None => position_fact(event, state),
    }
}

fn order_fact(event: &Event, before: Option<&Order>, after: Option<&Order>) -> String {
    let change = after.map(|after| words::change(before, after)).unwrap_or_default();
    let change = if change.is_empty() { "noted, it changes nothing that shows".to_owned() } else { change };
    match event {
        Event::Intended { id, side, shape, basis, not_after, .. } => {
            let basis = match id.role() {
                Role::Target => format!(", decided for {basis} entered"),
                _ => String::new(),
            };
            let until = utc::clock(not_after.0);
            format!("to be placed as {id}: {}{basis}; signed by {until} or never", words::shape(*side, shape))
        }
        Event::Resent { not_after, .. } => {
            format!("to be sent again under the same id; signed by {} or never", utc::clock(not_after.0))
        }
        Event::AmendIntended { shape, basis, .. } => {
            let side = after.or(before).map(|order| order.side);
            let new = side.map_or_else(String::new, |side| format!(": {}", words::shape(side, shape)));
            format!("to be amended{new}, decided for {basis} entered")
        }
        Event::CancelIntended { extra: Some(object), .. } => format!("object {object} under its id to be cancelled"),
        Event::CancelIntended { .. } => "to be cancelled".into(),
        Event::Adopted { .. } => format!("the journal did not know it, it is taken over: {change}"),
        Event::Quarantined { .. } => "the journal does not know its position: nothing new is opened".into(),
        Event::Overdue { .. } => "no answer came in time, it is in doubt".into(),
        Event::ProvenAbsent { .. } => "it is proven never to have arrived".into(),
        Event::Superseded { .. } => {
            "a newer order does its work, or its position is gone: it does not count any more".into()
        }
        Event::Vanished { .. } => "it is on no list any more: it ended without a fill, unseen".into(),
        Event::Resurfaced { .. } => "it had gone from every list and is open after all".into(),
        _ => change,
    }
}

fn position_fact(event: &Event, state: &State) -> String {
    let setting = |position: &PositionNo, setup: &kraite_core::engine::Setup| {
        let position = state.positions.get(position);
        let value = position.map(|position| match setup {
            kraite_core::engine::Setup::MarginMode => format!("{:?}", position.request.margin_mode).to_lowercase(),
            kraite_core::engine::Setup::Leverage => format!("{}x", position.ladder.leverage),
        });
        format!("{} {}", words::setting(*setup), value.unwrap_or_default())
    };
    match event {
        Event::Opened { position, ladder, .. } => {
            let is_recovered = |position: &Position| words::is_recovered(position.opened_by);
            if state.positions.get(position).is_some_and(is_recovered) {
                return format!("it was found: {}; margin and leverage are unknown", words::ladder_orders(ladder));
            }
            format!("it exists: {}", words::ladder(ladder))
        }
        Event::CommandRefused(refusal) => format!("the command is refused: {}", words::command_refusal(refusal)),
        Event::Moved { on, why: Why::Planned, .. } => words::phase_event(*on).to_owned(),
        Event::Moved { on, why, .. } => format!("{}: {}", words::phase_event(*on), words::why(*why)),
        Event::Resized { ladder, .. } => format!("sized again on the mark of now: {}", words::ladder(ladder)),
        Event::Rebuilt { rungs, dropped, stop, .. } => {
            let rungs: Vec<String> = rungs.iter().map(|rung| format!("{} at {}", rung.qty, rung.price)).collect();
            let left: Vec<String> = dropped.iter().map(u8::to_string).collect();
            let left = if left.is_empty() { String::new() } else { format!(", left out {}", left.join(", ")) };
            format!("rungs rebuilt from the entry's fill: {}{left}, stop {stop}", rungs.join(", "))
        }
        Event::RungDropped { rung, .. } => format!("rung {rung} is left out for good"),
        Event::SetupSent { position, setup } => format!("{} is sent", setting(position, setup)),
        Event::SetupNoted { position, setup } => format!("the answer about {} is noted", setting(position, setup)),
        Event::External { qty, cause, .. } => format!("{qty} in all left without an order of ours, under {cause}"),
        Event::Alerted { alert, .. } => format!("notice: {}", words::alert(*alert)),
        Event::AlertCleared { alert, .. } => format!("over: {}", words::alert(*alert)),
        Event::Halted { .. } => "HALTED: something impossible was found, it only protects itself from now on".into(),
        Event::Archived { .. } => "it leaves the worker's memory, its records stay".into(),
        Event::LossFrozen { max_loss, .. } => format!("its worst loss is settled: {max_loss} before fees"),
        Event::RulesRead { .. } => {
            "the contract's rules are other ones now: what was never placed moves to them".into()
        }
        Event::LimitReached { limit, .. } => format!("a limit keeps it from the wire: {limit}"),
        Event::Adjusted { .. } => "its user changes what it should be".into(),
        Event::TakenOver { .. } => "what its user had open counts as its entry from now on".into(),
        Event::Booked { .. } => "its fees and funding are known as far as the venue tells them".into(),
        Event::WholeCloseIntended { .. } => {
            "less than one lot is left, which no order takes off: the whole position is closed, under no id".into()
        }
        Event::AccountHalted => "new exposure is halted".into(),
        Event::AccountResumed => "new exposure may be opened again".into(),
        other => words::name(other),
    }
}

fn order_stands(order: &Order) -> String {
    let executed = match order.executed_qty() {
        qty if qty.is_positive() => format!(", {qty} executed"),
        _ => String::new(),
    };
    let refusal = order.refusal.map_or_else(String::new, |kind| format!(": {}", words::reject_kind(kind)));
    format!("{}{refusal}{executed}", words::life(order.life))
}

fn order_waits(order: &Order, position: &Position) -> String {
    let price = |price: Option<kraite_core::number::Price>| price.map_or_else(String::new, |price| price.to_string());
    let until = utc::clock(order.not_after.0);
    match order.life {
        Life::Planned => "its next sending: the request never left".into(),
        Life::PendingNew => format!("the venue's answer; it cannot be accepted any more soon after {until}"),
        Life::InDoubt => format!(
            "evidence: the account stream or a look-up that shows it, or complete readings sent well after {until} that \
             do not; until then nothing is sent in its place"
        ),
        Life::Working if order.cancel_wanted => "the end of its cancellation".into(),
        Life::Working if matches!(order.role(), Role::Entry | Role::Close) => "its fill".into(),
        Life::Working => format!("the market to reach {}", price(order.shape.price())),
        Life::PendingAmend => "the venue's answer to its amendment, or a reading".into(),
        Life::PendingCancel => "the venue's answer to its cancellation, or a reading".into(),
        Life::Triggered => "the order that it set off to fill".into(),
        Life::Done(_) => match order.role() {
            Role::Rung(rung)
                if position.is_held(rung) && position.latest(order.role()).is_some_and(|o| o.id == order.id) =>
            {
                "the market to come nearer, then the rung is placed".into()
            }
            _ => "nothing: it has ended".into(),
        },
    }
}

fn stands(position: &Position, archived: bool) -> String {
    let status = words::name(&position.status()).to_lowercase();
    let why = if position.why == Why::Planned { String::new() } else { format!(" ({})", words::why(position.why)) };
    let exposure = position.exposure();
    let open = match position.average_entry().filter(|_| exposure.is_positive()) {
        Some(average) => format!(", {exposure} open at {average} on average"),
        None if exposure.is_positive() => format!(", {exposure} open"),
        None => ", nothing open".to_owned(),
    };
    let halted = if position.halted { ", HALTED" } else { "" };
    let left = if archived { ", left the worker's memory" } else { "" };
    format!("{status}{why}{open}{halted}{left}")
}

/// The roles of the orders for which something is true, by name.
fn roles(position: &Position, pick: impl Fn(&Order) -> bool) -> String {
    let names: Vec<String> =
        position.orders.values().filter(|order| pick(order)).map(|order| words::order(order.id)).collect();
    names.join(", ")
}

fn waits(position: &Position) -> String {
    let mut waits = Vec::new();
    let doubts = roles(position, |order| order.life == Life::InDoubt);
    if !doubts.is_empty() {
        waits.push(format!("evidence about what is in doubt: {doubts}"));
    }
    let unanswered = roles(position, |order| {
        matches!(order.life, Life::Planned | Life::PendingNew | Life::PendingAmend | Life::PendingCancel)
    });
    if !unanswered.is_empty() {
        waits.push(format!("answers about: {unanswered}"));
    }
    match position.phase {
        Phase::New => waits.push("its admission: settings confirmed, and nothing on the contract at the venue".into()),
        Phase::Opening | Phase::Active => {
            if position.exposure().is_positive() && position.stop() == Protective::Missing {
                waits.push("a stop to be placed".into());
            }
            let market = |order: &&Order| order.life == Life::Working && order.shape.price().is_some();
            let prices: Vec<String> = position
                .orders
                .values()
                .filter(market)
                .filter_map(|order| Some(format!("{} ({})", order.shape.price()?, words::order(order.id))))
                .collect();
            if !prices.is_empty() {
                waits.push(format!("the market to reach one of {}", prices.join(", ")));
            }
            let held = position.ladder.rungs.iter().filter(|rung| position.is_held(rung.rung));
            let held: Vec<String> = held.map(|rung| format!("rung {}", rung.rung)).collect();
            if !held.is_empty() {
                waits.push(format!("the market to come near enough for {}", held.join(", ")));
            }
        }
        Phase::Closing | Phase::Cancelling => {
            let open = roles(position, |order| order.life.may_trade());
            let open =
                if open.is_empty() { "readings that prove it".to_owned() } else { format!("the end of: {open}") };
            waits.push(format!("{} to be taken off, and {open}", position.exposure()));
        }
        Phase::Failed => waits.push("a human; the command to close it begins anew".into()),
        Phase::Closed | Phase::Cancelled => {}
    }
    match waits.is_empty() {
        true if position.phase.is_terminal() => "nothing: it is finished".into(),
        true => "the next reading or fill".into(),
        false => waits.join("; "),
    }
}

/// The one story that is asked for, or a sentence that says what there is instead.
fn tell(args: &Args) -> Result<Story, Failed> {
    let journal = Journal::open(&args.journal, args.account)?;
    let place = &journal.place;
    let (mut stories, mut there) = (Vec::new(), Vec::new());
    for account in &journal.accounts {
        if let Subject::Order(id) = args.subject
            && id.key().account != *account
        {
            there.push(format!("account {account}"));
            continue;
        }
        let mut teller = Teller::new(args.subject);
        let state = journal.fold(*account, |state, record, event| teller.take(state, record, event))?;
        there.push(what_there_is(*account, &teller));
        stories.extend(teller.story(*account, &state));
    }
    let there = if there.is_empty() { "no records at all".to_owned() } else { there.join("; ") };
    if stories.len() > 1 {
        let accounts: Vec<String> = stories.iter().map(|story| story.account.to_string()).collect();
        let message = format!(
            "{place} has a position {} of each of the accounts {}; say which with --account",
            args.subject.position(),
            accounts.join(", ")
        );
        return Err(Failed::new(Exit::Usage, message));
    }
    stories.pop().ok_or_else(|| {
        let what = match args.subject {
            Subject::Order(id) => format!("order {id} ({} of position {})", words::order(id), id.position()),
            Subject::Position(no) => format!("position {no}"),
        };
        Failed::new(Exit::Failure, format!("{place} has no {what}; it has {there}"))
    })
}

/// As many as a sentence bears.
const MENTIONED: usize = 12;

fn mentioned(names: impl Iterator<Item = String>) -> String {
    let mut names: Vec<String> = names.collect();
    let more = names.len().saturating_sub(MENTIONED);
    names.truncate(MENTIONED);
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    names.join(", ")
}

fn what_there_is(account: AccountTag, teller: &Teller) -> String {
    let orders = teller.known.get(&teller.subject.position());
    if let (Subject::Order(id), Some(orders)) = (teller.subject, orders) {
        let orders = mentioned(orders.iter().map(|id| format!("{} {id}", words::order(*id))));
        return format!("of position {} of account {account}: {orders}", id.position());
    }
    let positions = mentioned(teller.known.keys().map(ToString::to_string));
    match teller.known.len() {
        0 => format!("no position of account {account}"),
        1 => format!("position {positions} of account {account}"),
        _ => format!("positions {positions} of account {account}"),
    }
}

fn text(story: &Story) -> String {
    let mut text = String::new();
    let what = story.order.as_ref().map_or_else(
        || format!("position {} of account {}", story.position, story.account),
        |id| format!("order {id} of position {} of account {}", story.position, story.account),
    );
    let _ = writeln!(text, "{what}: {}", story.about);
    for line in &story.story {
        let _ = writeln!(text, "{}  {}, because {}", line.at, line.fact, line.because);
    }
    let _ = writeln!(text, "now        {}", story.now);
    let _ = writeln!(text, "waits for  {}", story.waits_for);
    text
}

/// Reads, tells, prints.
pub(crate) fn command(args: &Args) -> Result<Exit, Failed> {
    let story = tell(args)?;
    let page = if args.json {
        serde_json::to_string_pretty(&story).map_err(Failed::with(Exit::Failure))? + "\n"
    } else {
        text(&story)
    };
    crate::print(&page)?;
    Ok(Exit::Ok)
}
