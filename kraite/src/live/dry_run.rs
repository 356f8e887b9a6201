//! `kraite run --dry-run`: what would be done, decided by the same core on the same journal, and nothing of it sent.
//!
//! The exchange gets readings and nothing else; the journal is only read. What the core decides on top of that is
//! dropped: a step that is not committed releases nothing.

use std::fmt::Write as _;
use std::sync::Arc;

use kraite_core::engine::{Command, CommandId, Effect, Engine, Event, Input, InputKind};
use kraite_core::exchange::{Exchange, ReadError};
use kraite_core::time::{Millis, Moment};
use kraite_engine::{Clock, Connect, ConnectFailure, VenueClock, Wish, answer};
use serde::Serialize;
use serde_json::Value;

use super::board::{Board, standing};
use super::config::{Account, Config};
use super::connect::{Budgets, Connector, Shared};
use super::intake::{Asked, Line};
use super::lines::{self, Source};
use super::notify::Outbox;
use crate::doctor::checks;
use crate::doctor::report::{Report, Status};
use crate::exit::{Exit, Failed};
use crate::journal::Latest;
use crate::status::{self, ShownAccount};
use crate::{utc, words};

/// How often questions that follow from answers are asked.
const ROUNDS: usize = 4;

/// A connection that fails is tried once more after this long.
const AGAIN: Millis = Millis::from_secs(3);

/// What would be done, as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    schema: &'static str,
    journal: String,
    would_run: bool,
    accounts: Vec<ShownStart>,
    signals: Vec<ShownSignal>,
}

/// How the work on one account would begin.
#[derive(Debug, Serialize)]
struct ShownStart {
    account: String,
    tag: u32,
    venue: &'static str,
    network: &'static str,
    checks: Vec<Value>,
    /// Positions and orders that the exchange shows, of whomever.
    at_exchange: Option<(usize, usize)>,
    /// As the journal has it.
    stands: ShownAccount,
    first: Deeds,
    #[serde(skip)]
    lines: String,
}

/// What one input leads to.
#[derive(Debug, Default, Serialize)]
struct Deeds {
    asks: Vec<String>,
    sends: Vec<String>,
    tells: Vec<String>,
}

/// What would become of a signal.
#[derive(Debug, Serialize)]
struct ShownSignal {
    line: usize,
    id: Option<u64>,
    account: Option<String>,
    /// What would be done.
    would: Option<String>,
    refused: Option<String>,
    note: Option<&'static str>,
    sends: Vec<String>,
}

/// An account that could be worked on.
struct Ready {
    exchange: Arc<dyn Exchange>,
    engine: Engine,
    time: VenueClock,
}

struct Rehearsal {
    config: Config,
    clock: Clock,
    budgets: Budgets,
    board: Arc<Board>,
    worst: Exit,
}

/// Runs `kraite run --dry-run`.
pub(super) fn command(config: Config, source: Option<Source>, json: bool) -> Result<Exit, Failed> {
    let is_file = matches!(source, Some(Source::File(..)));
    let lines = source.map(lines::all).unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let clock = Clock::scaled(config.speed);
    let board = Arc::new(Board::new(clock.clone(), Arc::new(Outbox::default())));
    let mut rehearsal = Rehearsal { config, clock, budgets: Budgets::default(), board, worst: Exit::Ok };
    let shown = runtime.map_err(Failed::with(Exit::Failure))?.block_on(rehearsal.run(&lines, is_file))?;
    let page = if json {
        serde_json::to_string_pretty(&shown).map_err(Failed::with(Exit::Failure))? + "\n"
    } else {
        text(&shown)
    };
    crate::print(&page)?;
    Ok(rehearsal.worst)
}

impl Rehearsal {
    async fn run(&mut self, lines: &[String], is_file: bool) -> Result<Shown, Failed> {
        let (mut accounts, mut ready) = (Vec::new(), Vec::new());
        let journal = Latest::of(&self.config).await?;
        for account in self.config.accounts.clone() {
            let (shown, can) = self.start(&journal, &account).await?;
            accounts.push(shown);
            ready.push((account, can));
        }
        let mut signals = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            let mut shown = self.signal(line, &mut ready).await;
            shown.line = at + 1;
            if is_file && shown.id.is_some() && !Line::read(line).is_ok_and(|line| line.has_an_end()) {
                shown.note =
                    Some("it is passed over at a start: it is in the file already and does not say until when");
            }
            signals.push(shown);
        }
        let journal = journal.place;
        Ok(Shown { schema: "kraite.dry-run/1", journal, would_run: self.worst == Exit::Ok, accounts, signals })
    }

    fn is_wrong(&mut self, exit: Exit) {
        if self.worst == Exit::Ok {
            self.worst = exit;
        }
    }

    async fn start(&mut self, journal: &Latest, account: &Account) -> Result<(ShownStart, Option<Ready>), Failed> {
        let (loaded, owned) = journal.load(account.tag).await?;
        let mut report = Report::new(account.venue.word(), account.network.word());
        let connector =
            Connector::new(account.clone(), self.clock.clone(), self.budgets.clone(), Arc::clone(&self.board));
        let mut connected = connector.connect().await;
        if let Err(ConnectFailure::ForNow(_)) = connected {
            // Limits of this address may be used up by whoever connected just before.
            self.clock.sleep(AGAIN).await;
            connected = connector.connect().await;
        }
        let exchange = match connected {
            Ok(exchange) => Some(exchange),
            Err(ConnectFailure::ForNow(why)) => {
                report.add("connect", Status::Failed, why, "kraite run tries it again and again");
                self.is_wrong(Exit::Exchange);
                None
            }
            Err(ConnectFailure::ForGood(why)) => {
                report.add("connect", Status::Failed, why, "mend the configuration");
                self.is_wrong(Exit::Configuration);
                None
            }
        };
        let clock = Shared(self.clock.clone());
        if let Some(exchange) = &exchange {
            checks::readings(exchange.as_ref(), &clock, account.network, &mut report).await;
        }
        let capabilities =
            exchange.as_ref().map_or_else(|| account.venue.capabilities(), |it| it.capabilities().clone());
        let epoch = owned.next().unwrap_or(owned);
        let engine = Engine::restore(account.engine.clone(), capabilities, account.tag, epoch, loaded);
        let engine = engine.map_err(Failed::with(Exit::Journal))?;
        let stands = status::account(engine.state(), false, utc::now_ms());
        let (mut at_exchange, mut first, mut can) = (None, Deeds::default(), None);
        if let Some(exchange) = exchange.filter(|_| report.usable()) {
            match self.look(exchange.as_ref()).await {
                Ok((time, seen)) => {
                    at_exchange = Some(seen);
                    let mut ready = Ready { exchange, engine, time };
                    first = ready.follow(&self.clock, InputKind::Started).await.1;
                    can = Some(ready);
                }
                Err(error) => report.add("open", Status::Failed, error.to_string(), "try again"),
            }
        }
        if !report.usable() {
            self.is_wrong(report.exit());
        }
        let shown = ShownStart {
            account: account.name.clone(),
            tag: account.tag.get(),
            venue: account.venue.word(),
            network: account.network.word(),
            checks: report.listed(),
            at_exchange,
            stands,
            first,
            lines: report.text(),
        };
        Ok((shown, can))
    }

    /// The exchange's clock, and what is open there.
    async fn look(&self, exchange: &dyn Exchange) -> Result<(VenueClock, (usize, usize)), ReadError> {
        let before = self.clock.now();
        let time = VenueClock::measured(before, exchange.server_time().await?, self.clock.now());
        let (positions, orders) = (exchange.positions().await?, exchange.open_orders(None).await?);
        Ok((time, (positions.value.len(), orders.value.len())))
    }

    async fn signal(&mut self, text: &str, ready: &mut [(Account, Option<Ready>)]) -> ShownSignal {
        let mut shown =
            ShownSignal { line: 0, id: None, account: None, would: None, refused: None, note: None, sends: Vec::new() };
        match self.decide(text, ready, &mut shown).await {
            Ok(would) => shown.would = Some(would),
            Err((exit, why)) => {
                self.is_wrong(exit);
                shown.refused = Some(why);
            }
        }
        shown
    }

    async fn decide(
        &self,
        text: &str,
        ready: &mut [(Account, Option<Ready>)],
        shown: &mut ShownSignal,
    ) -> Result<String, (Exit, String)> {
        let wrong = |why: String| (Exit::Failure, why);
        let line = Line::read(text).map_err(wrong)?;
        shown.id = Some(line.id);
        let known = self.config.account(&line.account).map_err(wrong)?;
        shown.account = Some(known.name.clone());
        let ready =
            ready.iter_mut().find(|(account, _)| account.tag == known.tag).and_then(|(_, ready)| ready.as_mut());
        let ready = ready.ok_or_else(|| wrong("the account cannot be used, see above".to_owned()))?;
        let (id, standing) = (CommandId(line.id), standing(&ready.engine));
        let asked = line.asked(&self.config, known, Some(&standing), self.clock.now()).map_err(wrong)?;
        let command = match asked {
            Asked::Command(command) => command,
            Asked::Wish(wish) => {
                let state = ready.engine.state();
                let opened = state.archived.contains(&id) || state.opened_by(id).is_some();
                if opened && matches!(wish, Wish::Open(..) | Wish::Adopt(..)) {
                    return Ok("do nothing: this id has opened its position already".to_owned());
                }
                wish.command(Some(ready.exchange.as_ref())).await.map_err(|error| wrong(error.to_string()))?
            }
        };
        let kind = match &command {
            Command::Adjust(no, what) => format!("change position {no}: {}", words::adjustment(what)),
            _ => words::name(&command).to_lowercase(),
        };
        let (events, deeds) = ready.follow(&self.clock, InputKind::Command(id, command)).await;
        shown.sends = deeds.sends;
        for event in &events {
            match event {
                Event::CommandRefused(refusal) => {
                    let exit = match refusal {
                        kraite_core::engine::CommandRefusal::Plan(_) => Exit::PlanRefused,
                        _ => Exit::Failure,
                    };
                    return Err((exit, words::command_refusal(refusal)));
                }
                Event::Opened { position, ladder, .. } => {
                    let found = ready.engine.state().positions.get(position);
                    let wish = found.map(|position| words::wish(&position.request)).unwrap_or_default();
                    return Ok(format!("open position {position} on {wish}: {}", words::ladder(ladder)));
                }
                _ => {}
            }
        }
        Ok(kind)
    }
}

impl Ready {
    fn at(&self, clock: &Clock) -> Moment {
        self.time.moment(clock.now())
    }

    /// Decides on an input, and on the answers to the questions that follow from it. Nothing is committed, so nothing
    /// of it leaves.
    async fn follow(&mut self, clock: &Clock, kind: InputKind) -> (Vec<Event>, Deeds) {
        let (mut events, mut deeds, mut kinds) = (Vec::new(), Deeds::default(), vec![kind]);
        for _ in 0..ROUNDS {
            let mut queries = Vec::new();
            for kind in std::mem::take(&mut kinds) {
                let at = self.at(clock);
                let step = self.engine.step(Input { at, kind });
                events.extend(step.record().into_iter().flat_map(|record| record.events.iter().cloned()));
                for effect in step.preview() {
                    match effect {
                        Effect::Send { request, .. } => {
                            deeds.sends.push(format!("{}: {}", request.symbol(), words::request(request)));
                        }
                        Effect::Query(query) => {
                            deeds.asks.push(words::query(query));
                            queries.push(query.clone());
                        }
                        Effect::Notify(notice) => deeds.tells.push(notice.message.clone()),
                    }
                }
            }
            if queries.is_empty() {
                break;
            }
            for query in queries {
                kinds.push(InputKind::Answer(answer(self.exchange.as_ref(), query, self.at(clock).venue).await));
            }
        }
        (events, deeds)
    }
}

fn listed(text: &mut String, what: &str, deeds: &[String]) {
    for deed in deeds {
        let _ = writeln!(text, "    {what}: {deed}");
    }
}

fn text(shown: &Shown) -> String {
    let mut text = String::new();
    for start in &shown.accounts {
        let _ = write!(text, "{}: {}", start.account, start.lines);
        if let Some((positions, orders)) = start.at_exchange {
            let (positions, orders) = (words::many(positions, "position"), words::many(orders, "order"));
            let _ = writeln!(text, "at the exchange: {positions}, {orders}, of whomever");
        }
        if start.stands.is_new() {
            text.push_str("the journal knows nothing of it yet\n");
        } else {
            text.push_str(&status::account_text(&start.stands));
        }
        if start.at_exchange.is_some() {
            text.push_str("what comes first, by what the exchange answers now:\n");
            listed(&mut text, "asked", &start.first.asks);
            listed(&mut text, "sent", &start.first.sends);
            listed(&mut text, "told", &start.first.tells);
            if start.first.sends.is_empty() {
                text.push_str("    nothing is sent\n");
            }
        }
        text.push('\n');
    }
    for signal in &shown.signals {
        let id = signal.id.map_or_else(String::new, |id| format!(", id {id}"));
        let account = signal.account.as_deref().map_or_else(String::new, |account| format!(", {account}"));
        let what = match (&signal.would, &signal.refused) {
            (Some(would), _) => format!("would {would}"),
            (None, refused) => format!("refused: {}", refused.as_deref().unwrap_or_default()),
        };
        let _ = writeln!(text, "signal {}{id}{account}: {what}", signal.line);
        listed(&mut text, "sent first", &signal.sends);
        if let Some(note) = signal.note {
            let _ = writeln!(text, "    {note}");
        }
    }
    text.push_str(if shown.would_run {
        "everything would run; nothing was sent\n"
    } else {
        "not everything would run; nothing was sent\n"
    });
    text
}
