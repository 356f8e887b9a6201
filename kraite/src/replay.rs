//! `kraite replay`: folds a journal again, and decides again what can be decided from it.
//!
//! A journal holds the inputs that became facts, not those that changed nothing: marks, echoes, answers without news.
//! The engine remembers something of these too (open questions, paces, readings), so not every decision follows from
//! the journal alone. What does is [`firm`]; the rest is decided again with a memory made of the recorded inputs, and
//! counts as decided alike only where every event is the same. Where it is not, nothing is concluded.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use kraite_core::engine::{Answer, Config, Engine, Event, Input, InputKind, State};
use kraite_core::exchange::StreamEvent;
use kraite_core::id::{AccountTag, Epoch};
use kraite_core::journal::{Loaded, Record, Snapshot};
use kraite_core::position::Why;
use kraite_journal::encode_state;
use serde::Serialize;

use crate::exit::{Exit, Failed};
use crate::flags::VenueName;
use crate::journal::{self, Journal};
use crate::{utc, words};

const EXAMPLE: &str = "Example:
  kraite replay kraite.journal
  kraite replay kraite.journal --venue bitget --json
  PGPASSWORD=... kraite replay postgres://kraite@db.example/kraite

Of each account it says how many records there are, how many of them this version decides alike to the last event,
and how many could be decided in part only or just folded, because the rest depends on what a worker remembers of
inputs that change no record. A stored snapshot is compared byte for byte with what its records fold to.";

/// Folds every record of a journal again, decides again what follows from it, and shows the first difference.
///
/// For a new version: would it have done the same? Every record's facts are applied to the state before it, the state
/// is compared with the stored snapshot, and every input is given to this version's engine. A decision is a
/// difference only where it follows from state and input alone; what a worker did with readings that a journal does
/// not hold is counted apart, not judged. Exit code 6 if anything differs. Changes no record, asks no exchange. A journal
/// in PostgreSQL is read from a copy among the temporary files (TMPDIR).
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLE)]
pub(crate) struct Args {
    /// The journal: a file, or postgres://USER@HOST/DATABASE with the password in PGPASSWORD.
    #[arg(value_name = "FILE|ADDRESS")]
    journal: PathBuf,
    /// Only this account.
    #[arg(long, value_name = "TAG")]
    account: Option<u32>,
    /// The venue that the records are about; without it the one whose rules fit them better.
    #[arg(long, value_enum)]
    venue: Option<VenueName>,
    /// Prints the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Serialize)]
struct Shown {
    schema: &'static str,
    journal: String,
    records: u64,
    differ: u64,
    accounts: Vec<Replayed>,
}

/// What one account's records came to.
#[derive(Debug, Serialize)]
struct Replayed {
    account: u32,
    venue: &'static str,
    records: u64,
    /// Every event was decided again.
    decided_alike: u64,
    /// What follows from state and input alone was decided again; the rest was folded.
    decided_in_part: u64,
    /// Nothing follows from state and input alone.
    folded_only: u64,
    /// Of these two, how many for which kind of input.
    not_decided: BTreeMap<&'static str, u64>,
    /// The record that the stored snapshot includes last, if there is one and it was compared.
    snapshot_alike: Option<u64>,
    differ: u64,
    first_difference: Option<Difference>,
}

#[derive(Debug, Serialize)]
struct Difference {
    record: u64,
    at_ms: i64,
    input: String,
    what: String,
    diff: Vec<String>,
}

/// The events of a record that follow from the state before it, its input and its instant alone: what an input says is
/// taken in before anything is pursued, and on the way to these the engine asks its memory nothing. All of the
/// first record of a run follows: a process that has just started remembers nothing.
fn firm<'a>(input: &InputKind, events: &'a [Event]) -> Vec<&'a Event> {
    let told = |event: &&Event| {
        matches!(
            event,
            Event::Merged { .. } | Event::Adopted { .. } | Event::Quarantined { .. } | Event::Resurfaced { .. }
        )
    };
    match input {
        InputKind::Started => events.iter().collect(),
        InputKind::Command(..) => {
            let asked = |event: &&Event| {
                matches!(
                    event,
                    Event::Opened { .. }
                        | Event::Archived { .. }
                        | Event::CommandRefused(_)
                        | Event::Moved { why: Why::Command, .. }
                )
            };
            events.iter().filter(asked).collect()
        }
        InputKind::Outcome(..) => {
            let noted = |event: &&Event| matches!(event, Event::OutcomeNoted { .. } | Event::SetupNoted { .. });
            events.iter().filter(noted).collect()
        }
        InputKind::Push(StreamEvent::Order(report)) => {
            let taken = |event: &&Event| matches!(event, Event::External { cause, .. } if *cause == report.venue_id);
            events.iter().filter(|event| told(event) || taken(event)).collect()
        }
        InputKind::Answer(Answer::OpenOrders(..) | Answer::AllOpenOrders(_) | Answer::History(..)) => {
            events.iter().filter(told).collect()
        }
        InputKind::Push(
            StreamEvent::Connected
            | StreamEvent::Disconnected
            | StreamEvent::Position(_)
            | StreamEvent::Mark(_)
            | StreamEvent::Funding { .. },
        )
        | InputKind::Answer(
            Answer::Lookup(..) | Answer::Positions(_) | Answer::Mark(..) | Answer::Rules(..) | Answer::Books(..),
        )
        | InputKind::Deadline => Vec::new(),
    }
}

/// What a kind of input is called where it is counted.
const fn kind(input: &InputKind) -> &'static str {
    match input {
        InputKind::Started => "start",
        InputKind::Command(..) => "command",
        InputKind::Outcome(..) => "outcome",
        InputKind::Answer(_) => "answer",
        InputKind::Push(_) => "push",
        InputKind::Deadline => "deadline",
    }
}

/// How far a record was decided again.
enum Verdict {
    Alike,
    InPart,
    Folded,
    Differs { what: String, diff: Vec<String> },
}

/// One account on its way through its records.
struct Replay {
    venue: VenueName,
    account: AccountTag,
    state: State,
    /// Remembers what the records since the last start told; gone after a record that it decided otherwise.
    engine: Option<Engine>,
    /// The ownership under which `kraite recover` wrote what it found: nothing of that was decided.
    recovered: Option<Epoch>,
}

impl Replay {
    fn new(venue: VenueName, state: State) -> Self {
        Self { venue, account: state.account, state, engine: None, recovered: None }
    }

    /// An engine in this state that remembers nothing.
    fn fresh(&self, epoch: Epoch) -> Option<Engine> {
        let snapshot = Snapshot { seq: self.state.seq, state: self.state.clone() };
        let loaded = Loaded { snapshot: Some(snapshot), records: Vec::new() };
        Engine::restore(Config::default(), self.venue.capabilities(), self.account, epoch, loaded).ok()
    }

    /// Decides a record again, then folds it.
    fn take(&mut self, record: &Record) -> Verdict {
        if matches!(record.input, InputKind::Command(id, _) if words::is_recovered(id)) {
            self.recovered = Some(record.epoch);
        }
        if self.recovered == Some(record.epoch) {
            return match self.fold(record) {
                Ok(()) => Verdict::Folded,
                Err(what) => Verdict::Differs { what, diff: Vec::new() },
            };
        }
        let begins = record.input == InputKind::Started || record.epoch != self.state.epoch;
        let remembering = self.engine.take().filter(|_| !begins);
        let mut decided: Option<Vec<Event>> = None;
        for engine in [remembering, self.fresh(record.epoch)] {
            let Some(mut engine) = engine else { continue };
            let step = engine.step(Input { at: record.at, kind: record.input.clone() });
            let events = step.record().map(|record| record.events.clone()).unwrap_or_default();
            if events == record.events {
                self.engine = Some(engine);
            }
            let alike = self.engine.is_some();
            decided.get_or_insert(events);
            if alike {
                break;
            }
        }
        if let Err(what) = self.fold(record) {
            return Verdict::Differs { what, diff: Vec::new() };
        }
        if self.engine.is_some() {
            return Verdict::Alike;
        }
        let decided = decided.unwrap_or_default();
        let (want, got) = (firm(&record.input, &record.events), firm(&record.input, &decided));
        if want == got {
            return if want.is_empty() { Verdict::Folded } else { Verdict::InPart };
        }
        Verdict::Differs { what: "it is decided otherwise".into(), diff: diff(&want, &got) }
    }

    fn fold(&mut self, record: &Record) -> Result<(), String> {
        let before = self.state.seq;
        if record.seq != before.saturating_add(1) {
            return Err(format!("it comes after record {before}"));
        }
        for (number, event) in (1..).zip(&record.events) {
            let evolved = self.state.evolve(record.at, &record.input, event);
            evolved
                .map_err(|error| format!("its event {number}, {}, cannot be applied: {error}", words::event(event)))?;
        }
        journal::close(&mut self.state, record);
        Ok(())
    }

    /// What a stored snapshot of this moment has otherwise.
    fn compare(&self, stored: &State) -> Option<Vec<String>> {
        // A snapshot that was made before the first record of a run bears the epoch of the run.
        let folded = State { epoch: stored.epoch.max(self.state.epoch), ..self.state.clone() };
        let bytes = |state: &State| encode_state(self.account, state).ok();
        let same = folded == *stored && bytes(&folded).is_some_and(|folded| Some(folded) == bytes(stored));
        (!same).then(|| unlike(&format!("{stored:#?}"), &format!("{folded:#?}")))
    }
}

/// The first event that is not the same, both ways.
fn diff(want: &[&Event], got: &[&Event]) -> Vec<String> {
    let same = want.iter().zip(got).take_while(|(want, got)| want == got).count();
    let text = |events: &[&Event]| events.get(same).map_or_else(|| "nothing".to_owned(), |event| format!("{event:#?}"));
    unlike(&text(want), &text(got))
}

/// Lines around those that are not the same, at most so many.
const AROUND: usize = 2;
/// Lines of a difference that are shown of either side.
const SHOWN: usize = 12;

/// Two texts by lines: what they share at their ends is left out, but for what tells the place.
fn unlike(want: &str, got: &str) -> Vec<String> {
    let (want, got): (Vec<&str>, Vec<&str>) = (want.lines().collect(), got.lines().collect());
    let start = want.iter().zip(&got).take_while(|(want, got)| want == got).count();
    let ends = want.iter().rev().zip(got.iter().rev()).take_while(|(want, got)| want == got).count();
    let end = ends.min(want.len().saturating_sub(start)).min(got.len().saturating_sub(start));
    let middle = |lines: &[&str], sign: char| -> Vec<String> {
        let lines = lines.get(start..lines.len().saturating_sub(end)).unwrap_or_default();
        let more = lines.len().saturating_sub(SHOWN);
        let mut shown: Vec<String> = lines.iter().take(SHOWN).map(|line| format!("{sign} {line}")).collect();
        if more > 0 {
            shown.push(format!("{sign} and {more} more lines"));
        }
        shown
    };
    let first = want.first().filter(|_| start > AROUND).into_iter();
    let before = want.iter().take(start).skip(start.saturating_sub(AROUND));
    let mut lines: Vec<String> = first.chain(before).map(|line| format!("  {line}")).collect();
    lines.extend(middle(&want, '-'));
    lines.extend(middle(&got, '+'));
    lines
}

fn replay(journal: &Journal, account: AccountTag, venue: VenueName) -> Result<Replayed, Failed> {
    let snapshot = journal.reader.load(account)?.snapshot;
    let mut replay = Replay::new(venue, State::new(account));
    let mut told = Replayed {
        account: account.get(),
        venue: venue.word(),
        records: 0,
        decided_alike: 0,
        decided_in_part: 0,
        folded_only: 0,
        not_decided: BTreeMap::new(),
        snapshot_alike: None,
        differ: 0,
        first_difference: None,
    };
    let mut broken = false;
    journal.each(account, |stored| {
        let record = &stored.record;
        told.records += 1;
        if broken {
            return Ok(());
        }
        match replay.take(record) {
            Verdict::Alike => told.decided_alike += 1,
            Verdict::InPart => {
                told.decided_in_part += 1;
                *told.not_decided.entry(kind(&record.input)).or_default() += 1;
            }
            Verdict::Folded => {
                told.folded_only += 1;
                *told.not_decided.entry(kind(&record.input)).or_default() += 1;
            }
            Verdict::Differs { what, diff } => {
                // After a record that cannot be folded there is no state to go on from.
                broken = replay.state.seq != record.seq;
                differs(&mut told, record, what, diff);
            }
        }
        let here = snapshot.as_ref().filter(|snapshot| snapshot.seq == record.seq && !broken);
        match here.map(|snapshot| replay.compare(&snapshot.state)) {
            Some(Some(diff)) => {
                differs(&mut told, record, "the stored snapshot is not what its records fold to".into(), diff)
            }
            Some(None) => told.snapshot_alike = Some(record.seq),
            None => {}
        }
        Ok(())
    })?;
    Ok(told)
}

fn differs(told: &mut Replayed, record: &Record, what: String, diff: Vec<String>) {
    told.differ += 1;
    let (at_ms, input) = (record.at.local.0, words::cause(&record.input));
    told.first_difference.get_or_insert(Difference { record: record.seq, at_ms, input, what, diff });
}

/// The venue that was named, or the one that explains more.
fn replay_fitting(journal: &Journal, account: AccountTag, venue: Option<VenueName>) -> Result<Replayed, Failed> {
    if let Some(venue) = venue {
        return replay(journal, account, venue);
    }
    let mut best: Option<Replayed> = None;
    for venue in [VenueName::Binance, VenueName::Bitget] {
        let told = replay(journal, account, venue)?;
        let rank = |told: &Replayed| (std::cmp::Reverse(told.differ), told.decided_alike);
        if best.as_ref().is_none_or(|best| rank(&told) > rank(best)) {
            best = Some(told);
        }
    }
    best.ok_or_else(|| Failed::new(Exit::Failure, "there is no venue"))
}

fn text(shown: &Shown) -> String {
    let mut text = String::new();
    for told in &shown.accounts {
        let _ = writeln!(
            text,
            "account {}: {} records, {} differ ({}, default configuration)",
            told.account, told.records, told.differ, told.venue
        );
        let _ = writeln!(text, "  {:>6} decided alike, to the last event", told.decided_alike);
        let _ = writeln!(
            text,
            "  {:>6} decided alike as far as state and input decide, the rest folded",
            told.decided_in_part
        );
        let _ = writeln!(text, "  {:>6} folded only", told.folded_only);
        if !told.not_decided.is_empty() {
            let kinds: Vec<String> = told.not_decided.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
            let _ = writeln!(
                text,
                "         ({}: the rest of these depends on readings and marks that changed no record)",
                kinds.join(", ")
            );
        }
        match told.snapshot_alike {
            Some(seq) => {
                let _ = writeln!(text, "  the snapshot after record {seq} is what its records fold to, byte for byte");
            }
            None if told.first_difference.is_none() => text.push_str("  no snapshot is stored\n"),
            None => {}
        }
        if let Some(first) = &told.first_difference {
            let at = utc::text(first.at_ms);
            let _ = writeln!(text, "first difference: record {} at {at}, because {}", first.record, first.input);
            let _ = writeln!(text, "  {}", first.what);
            if !first.diff.is_empty() {
                text.push_str("  - recorded, + now\n");
            }
            for line in &first.diff {
                let _ = writeln!(text, "  {line}");
            }
        }
    }
    let _ = writeln!(text, "{} records, {} differ", shown.records, shown.differ);
    text
}

/// Replays and prints.
pub(crate) fn command(args: &Args) -> Result<Exit, Failed> {
    let journal = Journal::open(&args.journal, args.account)?;
    let accounts: Vec<Replayed> = journal
        .accounts
        .iter()
        .map(|account| replay_fitting(&journal, *account, args.venue))
        .collect::<Result<_, _>>()?;
    let place = journal.place.clone();
    drop(journal);
    let shown = Shown {
        schema: "kraite.replay/1",
        journal: place,
        records: accounts.iter().map(|told| told.records).sum(),
        differ: accounts.iter().map(|told| told.differ).sum(),
        accounts,
    };
    let page = if args.json {
        serde_json::to_string_pretty(&shown).map_err(Failed::with(Exit::Failure))? + "\n"
    } else {
        text(&shown)
    };
    crate::print(&page)?;
    if shown.differ == 0 {
        return Ok(Exit::Ok);
    }
    let first = shown.accounts.iter().find_map(|told| Some((told.account, told.first_difference.as_ref()?.record)));
    let (account, record) = first.unwrap_or_default();
    crate::talk(&format!(
        "kraite: {} of {} records differ, the first is record {record} of account {account}",
        shown.differ, shown.records
    ));
    Ok(Exit::Invariant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kraite_sim::script::{self, Script, Timing};
    use kraite_sim::world::{Nemesis, Rates, Stream};

    #[derive(Default)]
    struct Count {
        alike: u64,
        in_part: u64,
        folded: u64,
        differ: Vec<String>,
    }

    /// Replays the records of so many lives under heavy faults, each disturbed first. A simulated journal holds what is
    /// there after its last snapshot.
    fn replayed(lives: u64, disturb: impl Fn(&mut Vec<Record>)) -> Count {
        let scripts = Script::catalogue();
        let mut count = Count::default();
        for seed in 0..lives {
            let at = usize::try_from(seed).unwrap();
            let script = &scripts[at % scripts.len()];
            let venue = [VenueName::Binance, VenueName::Bitget][at / scripts.len() % 2];
            let world = script::world(venue.profile(), Nemesis::random(seed, Rates::HEAVY), Timing::drawn(seed));
            let played = script::play_in(script, world, Stream::Push);
            let mut loaded = played.world.journal.read(script::account());
            disturb(&mut loaded.records);
            let state = loaded.snapshot.map_or_else(|| State::new(script::account()), |snapshot| snapshot.state);
            let mut replay = Replay::new(venue, state);
            for record in &loaded.records {
                match replay.take(record) {
                    Verdict::Alike => count.alike += 1,
                    Verdict::InPart => count.in_part += 1,
                    Verdict::Folded => count.folded += 1,
                    Verdict::Differs { what, diff } => {
                        count.differ.push(format!(
                            "{seed} {} {}: {what}\n{}",
                            script.name,
                            record.seq,
                            diff.join("\n")
                        ));
                        break;
                    }
                }
            }
        }
        count
    }

    #[test]
    fn no_record_of_a_life_under_heavy_faults_differs_and_most_are_decided_alike() {
        let count = replayed(240, |_| {});
        let all = count.alike + count.in_part + count.folded;
        println!("{all} records: {} alike, {} in part, {} folded", count.alike, count.in_part, count.folded);
        assert_eq!(count.differ, Vec::<String>::new());
        assert!(all > 3_000 && count.alike * 4 > all * 3, "{} of {all}", count.alike);
    }

    /// What a disturbance of the records that `pick` picks, in each life the first, is found by.
    fn found(disturb: impl Fn(&mut Record), pick: impl Fn(&Record) -> bool) -> (u64, Vec<String>) {
        let disturbed = std::cell::Cell::new(0);
        let count = replayed(60, |records| {
            if let Some(record) = records.iter_mut().find(|record| pick(record)) {
                disturb(record);
                disturbed.set(disturbed.get() + 1);
            }
        });
        (disturbed.get(), count.differ)
    }

    #[test]
    fn mutant_a_report_that_was_not_merged_is_found() {
        let merges = |record: &Record| {
            let pushed = matches!(record.input, InputKind::Push(StreamEvent::Order(_)));
            pushed && record.events.len() > 1 && matches!(record.events[0], Event::Merged { .. })
        };
        let (disturbed, found) = found(|record| drop(record.events.remove(0)), merges);
        assert!(disturbed > 20 && found.len() as u64 == disturbed, "{} of {disturbed}: {found:?}", found.len());
    }

    #[test]
    fn mutant_a_start_that_decided_otherwise_is_found() {
        let starts = |record: &Record| record.input == InputKind::Started;
        let twice = |record: &mut Record| record.events.push(Event::Restarted);
        let (disturbed, found) = found(twice, starts);
        assert!(disturbed > 20 && found.len() as u64 == disturbed, "{} of {disturbed}", found.len());
        assert!(found.iter().all(|line| line.contains("+ nothing") && line.contains("- Restarted")), "{found:?}");
    }

    #[test]
    fn mutant_a_ladder_of_other_sizes_is_found() {
        let opens = |record: &Record| matches!(record.events.first(), Some(Event::Opened { .. }));
        let larger = |record: &mut Record| {
            if let Some(Event::Opened { ladder, .. }) = record.events.first_mut() {
                ladder.leverage += 1;
            }
        };
        let (disturbed, found) = found(larger, opens);
        assert!(disturbed > 5 && found.len() as u64 == disturbed, "{} of {disturbed}", found.len());
        assert!(found.iter().all(|line| line.contains("leverage: ")), "{found:?}");
    }
}
