//! `kraite recover`: a journal that is lost is rebuilt from what the exchange shows, or what cannot be known is said.
//!
//! Every order of ours says whose it is (R2). What is open is read, grouped by that, and held against the fills; what
//! adds up is put into a journal as records of the same kind that a worker writes, in one transaction per account.
//! Nothing is sent to an exchange but readings.

mod judge;
mod look;
mod records;
mod shown;

use std::path::PathBuf;
use std::sync::Arc;

use kraite_core::Capabilities;
use kraite_core::exchange::{Direction, Exchange};
use kraite_core::id::{Epoch, PositionNo};
use kraite_core::journal::{Journal, JournalError, Loaded};
use kraite_core::time::Millis;
use kraite_engine::{Clock, Connect as _, ConnectFailure};

use self::judge::{Found, Offer, Verdict};
use self::look::Seen;
use self::records::Scribe;
use super::board::Board;
use super::config::{Account, Config};
use super::connect::{Budgets, Connector};
use super::control;
use super::notify::Outbox;
use crate::exit::{Exit, Failed};
use crate::journal::{Latest, to_write};

/// A connection that fails is tried once more after this long.
const AGAIN: Millis = Millis::from_secs(3);
/// Readings before an account that does not keep still is given up: the first, and those that are held against it.
const READINGS: usize = 4;
/// Owners that an account may get to come past the epochs of its ids. Each start takes one, and so does each minute.
const OWNERS: u32 = 64;

const EXAMPLE: &str = "Examples:
  kraite recover --from-exchange
  kraite recover --from-exchange --account main --write
  kraite recover --from-exchange --account main --plan default --plan 3=careful --write

A position is rebuilt where its own fills are just what the exchange shows, a stop of ours
rests, and one plan of the configuration has its target where it rests. Any other one is left
as it is: it is put down as failed, blocks its contract, and waits for a human; once it is
seen to, kraite flatten ACCOUNT/NUMBER ends it. A rebuilt account is halted, since nobody
knows whether it was and what was lost today: kraite resume lifts that.";

/// Rebuild a lost journal from what the exchange shows, and say what cannot be known.
///
/// Reads open orders, exposure and past orders of each account, and tells by the ids that orders carry which positions
/// are ours and how they stand, which orders of ours belong to nothing any more, and what is somebody else's. Sends
/// nothing but readings, and writes nothing unless told to. Ends with 5 where something of ours cannot be gone on with.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLE)]
pub(crate) struct Args {
    /// Where from; there is nothing else to recover from.
    #[arg(long, required = true)]
    from_exchange: bool,
    /// The configuration, as for kraite run.
    #[arg(long, default_value = "kraite.toml", value_name = "FILE")]
    config: PathBuf,
    /// Only the account of this name.
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// The plan of the configuration that positions, or the one of a number, are managed by from now on. Without it each
    /// one's own is recognised by where its target rests. A target that rests elsewhere stays until the next fill.
    #[arg(long, value_name = "[NUMBER=]PLAN")]
    plan: Vec<String>,
    /// Writes the journal that the configuration names, in a file or in PostgreSQL, from which kraite run goes on. An
    /// account that has records there, or that a host works on, is left as it is. Everything is read twice, about a
    /// minute apart: what was on its way has arrived by then.
    #[arg(long)]
    write: bool,
    /// Prints everything as JSON, amounts as strings.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `--plan`: for one position, or for all.
#[derive(Debug, Clone)]
struct PlanFor {
    position: Option<PositionNo>,
    name: String,
}

/// One account on its way.
struct Patient {
    account: Account,
    capabilities: Capabilities,
    exchange: Option<Arc<dyn Exchange>>,
    /// The number of the last record that its journal holds.
    last_record: u64,
    seen: Option<Seen>,
    all: Vec<Found>,
    written: Option<u64>,
    wrong: Option<Failed>,
}

impl Patient {
    fn fails(&mut self, exit: Exit, why: impl std::fmt::Display) {
        self.wrong.get_or_insert(Failed::new(exit, why));
    }

    fn worst(&self) -> Exit {
        let is_open = |found: &Found| matches!(found.verdict, Verdict::LeftAlone(_) | Verdict::Orphaned);
        match &self.wrong {
            Some(wrong) => wrong.exit,
            None if self.all.iter().any(is_open) => Exit::Unknown,
            None => Exit::Ok,
        }
    }
}

struct Recovery {
    config: Config,
    plans: Vec<PlanFor>,
    clock: Clock,
}

/// Runs `kraite recover`.
pub(crate) fn command(args: &Args) -> Result<Exit, Failed> {
    let config = Config::read(&args.config)?;
    let plans = plans_for(args, &config)?;
    let accounts = match &args.account {
        Some(name) => vec![config.account(name).map_err(Failed::with(Exit::Usage))?.clone()],
        None => config.accounts.clone(),
    };
    // Whoever works on the journal needs no recovery. A database knows by itself who that is.
    let holds = args.write && config.postgres.is_none();
    let _held = holds.then(|| control::hold(&config.journal)).transpose()?;
    let clock = Clock::scaled(config.speed);
    let recovery = Recovery { config, plans, clock };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(Failed::with(Exit::Failure))?;
    let (journal, patients) = runtime.block_on(async {
        let journal = Latest::of(&recovery.config).await?;
        let patients = recovery.run(&journal, accounts, args.write).await?;
        Ok::<_, Failed>((journal.place, patients))
    })?;
    let shown = shown::shown(journal, &patients);
    let page = if args.json {
        serde_json::to_string_pretty(&shown).map_err(Failed::with(Exit::Failure))? + "\n"
    } else {
        shown::text(&shown)
    };
    crate::print(&page)?;
    Ok(patients.iter().map(Patient::worst).find(|exit| *exit != Exit::Ok).unwrap_or(Exit::Ok))
}

fn plans_for(args: &Args, config: &Config) -> Result<Vec<PlanFor>, Failed> {
    let usage = |why: String| Failed::new(Exit::Usage, why);
    let plan = |text: &String| {
        let (position, name) = match text.split_once('=') {
            None => (None, text.clone()),
            Some((number, name)) => {
                let number = number.parse().ok().and_then(PositionNo::new);
                let number = number.ok_or_else(|| usage(format!("--plan {text}: no number of a position before =")))?;
                if args.account.is_none() {
                    return Err(usage(format!(
                        "--plan {text}: numbers are an account's own, so name it with --account"
                    )));
                }
                (Some(number), name.to_owned())
            }
        };
        if !config.plans.contains_key(&name) {
            let names: Vec<&str> = config.plans.keys().map(String::as_str).collect();
            return Err(usage(format!("--plan {text}: there is no plan `{name}`; there are: {}", names.join(", "))));
        }
        Ok(PlanFor { position, name })
    };
    args.plan.iter().map(plan).collect()
}

impl Recovery {
    async fn run(&self, journal: &Latest, accounts: Vec<Account>, write: bool) -> Result<Vec<Patient>, Failed> {
        let (mut patients, budgets) = (Vec::new(), Budgets::default());
        for account in accounts {
            let last_record = last_record(&journal.load(account.tag).await?.0);
            let capabilities = account.venue.capabilities();
            let mut patient = Patient {
                account,
                capabilities,
                exchange: None,
                last_record,
                seen: None,
                all: Vec::new(),
                written: None,
                wrong: None,
            };
            let (name, place) = (&patient.account.name, &journal.place);
            if let Some(host) = journal.crew.host(patient.account.tag.get()).filter(|_| write) {
                let why = format!("host {host} works on account {name}: end kraite run on every host first");
                patient.fails(Exit::NotOwner, why);
            } else if write && last_record > 0 {
                let why =
                    format!("{place} has {last_record} records of account {name}: kraite run restores it from them");
                patient.fails(Exit::Journal, why);
            }
            self.connect(&mut patient, &budgets).await;
            self.look(&mut patient).await;
            patients.push(patient);
        }
        if write {
            self.settle(&mut patients).await;
        }
        for patient in &mut patients {
            self.judge(patient);
        }
        if write {
            self.write(&journal.place, &mut patients).await;
        }
        Ok(patients)
    }

    async fn connect(&self, patient: &mut Patient, budgets: &Budgets) {
        let board = Arc::new(Board::new(self.clock.clone(), Arc::new(Outbox::default())));
        let connector = Connector::new(patient.account.clone(), self.clock.clone(), budgets.clone(), board);
        let mut connected = connector.connect().await;
        if let Err(ConnectFailure::ForNow(_)) = connected {
            self.clock.sleep(AGAIN).await;
            connected = connector.connect().await;
        }
        match connected {
            Ok(exchange) => {
                patient.capabilities = exchange.capabilities().clone();
                patient.exchange = Some(exchange);
            }
            Err(ConnectFailure::ForNow(why)) => patient.fails(Exit::Exchange, why),
            Err(ConnectFailure::ForGood(why)) => patient.fails(Exit::Configuration, why),
        }
    }

    async fn look(&self, patient: &mut Patient) {
        let Some(exchange) = patient.exchange.clone() else { return };
        let Account { tag, symbols, .. } = &patient.account;
        match look::look(exchange.as_ref(), &self.clock, *tag, symbols).await {
            Ok(seen) => patient.seen = Some(seen),
            Err(error) => patient.fails(Exit::Exchange, format!("the account could not be read: {error}")),
        }
    }

    /// Reads until two readings in a row agree, far enough apart for whatever was on its way to have arrived.
    async fn settle(&self, patients: &mut [Patient]) {
        for reading in 1..READINGS {
            let moving = |patient: &Patient| patient.wrong.is_none() && patient.seen.is_some();
            let quiet = patients.iter().filter(|p| moving(p)).map(|p| quiet_after(&p.capabilities)).max();
            let Some(quiet) = quiet else { return };
            crate::talk(&format!("kraite: reading again in {quiet}: what was on its way may still arrive"));
            self.clock.sleep(quiet).await;
            let mut moved = 0;
            for patient in patients.iter_mut().filter(|patient| moving(patient)) {
                let tag = patient.account.tag;
                let before = patient.seen.as_ref().map(|seen| seen.digest(tag));
                self.look(patient).await;
                if patient.seen.as_ref().map(|seen| seen.digest(tag)) != before {
                    moved += 1;
                    if reading + 1 == READINGS {
                        patient.fails(
                            Exit::Unknown,
                            format!("it was not the same in two readings {quiet} apart: end what trades on it, and try again"),
                        );
                    }
                }
            }
            if moved == 0 {
                return;
            }
        }
    }

    fn judge(&self, patient: &mut Patient) {
        let Some(seen) = &patient.seen else { return };
        let account = &patient.account;
        let mut all = judge::judge(seen, account.tag, &|no, direction| self.offer(account, no, direction));
        let scribe = Scribe { seen, capabilities: &patient.capabilities, account: account.tag };
        for found in &mut all {
            if let Some(fault) = scribe.fault(found) {
                found.verdict = Verdict::LeftAlone(vec![fault]);
            }
        }
        patient.all = all;
    }

    fn offer(&self, account: &Account, no: PositionNo, direction: Direction) -> Result<Offer, String> {
        let own = self.plans.iter().rfind(|plan| plan.position == Some(no));
        let named = own.or_else(|| self.plans.iter().rfind(|plan| plan.position.is_none()));
        if let Some(PlanFor { name, .. }) = named {
            let terms = self.config.terms(account, name, direction)?;
            return Ok(Offer { plans: vec![(name.clone(), terms)], is_named: true });
        }
        let of_direction = |name: &String| Some((name.clone(), self.config.terms(account, name, direction).ok()?));
        Ok(Offer { plans: self.config.plans.keys().filter_map(of_direction).collect(), is_named: false })
    }

    async fn write(&self, place: &str, patients: &mut [Patient]) {
        let mut journal: Option<Box<dyn Journal>> = None;
        for patient in patients.iter_mut().filter(|patient| patient.wrong.is_none()) {
            let Some(seen) = patient.seen.clone() else { continue };
            let Some((number, epoch)) = records::highest(&seen, patient.account.tag) else { continue };
            let opened = match journal.take() {
                Some(open) => Ok(open),
                None => to_write(&self.config).await,
            };
            let written = match opened {
                Ok(open) => {
                    let written = write_one(&*open, place, patient, &seen, (number, epoch)).await;
                    journal = Some(open);
                    written
                }
                Err(failed) => Err(failed),
            };
            match written {
                Ok(records) => patient.written = Some(records),
                Err(Failed { exit, message }) => patient.fails(exit, message),
            }
        }
    }
}

/// One account, in one transaction.
async fn write_one(
    journal: &dyn Journal,
    place: &str,
    patient: &Patient,
    seen: &Seen,
    (number, used): (PositionNo, Epoch),
) -> Result<u64, Failed> {
    let Account { tag, ref name, .. } = patient.account;
    let told = |error| match error {
        JournalError::NotOwner { .. } => {
            let why = format!("somebody works on account {name} by now: end kraite run first, on every host");
            Failed::new(Exit::NotOwner, why)
        }
        other => other.into(),
    };
    if last_record(&journal.load(tag).await?) > 0 {
        return Err(Failed::new(Exit::Journal, format!("{place} has records of it by now")));
    }
    let mut epoch = journal.acquire(tag).await.map_err(told)?;
    for _ in 0..OWNERS {
        if epoch > used {
            break;
        }
        epoch = journal.acquire(tag).await.map_err(told)?;
    }
    if epoch <= used {
        let why = format!(
            "orders bear epoch {used}, which begins {} minutes from now by the clock of the journal (this machine's, or \
             the database's): set the clock right",
            used.get().saturating_sub(epoch.get())
        );
        return Err(Failed::new(Exit::Failure, why));
    }
    let scribe = Scribe { seen, capabilities: &patient.capabilities, account: tag };
    let records = scribe.records(epoch, &patient.all, Some(number)).map_err(Failed::with(Exit::Exchange))?;
    scribe.fold(epoch, records.clone()).map_err(Failed::with(Exit::Invariant))?;
    Ok(journal.append(tag, &records).await.map_err(told)?.seq)
}

/// The number of the last record of an account; zero where there is none.
fn last_record(loaded: &Loaded) -> u64 {
    let last = loaded.records.last().map(|record| record.seq);
    last.or(loaded.snapshot.as_ref().map(|snapshot| snapshot.seq)).unwrap_or(0)
}

/// After this long nothing that was sent before can take effect any more.
fn quiet_after(capabilities: &Capabilities) -> Millis {
    let rules = [&capabilities.absence_regular, &capabilities.absence_conditional, &capabilities.absence_plan];
    let bounds = rules.map(|rule| rule.window.plus(rule.engine_bound));
    bounds.into_iter().max().unwrap_or_default()
}

#[cfg(test)]
mod tests;
