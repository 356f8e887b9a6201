//! SIGKILL at random moments of the real binary with the real SQLite file: nothing that was promised is
//! lost, nothing is doubled, nothing is left behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::disallowed_methods, reason = "the killer waits on the wall clock")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use kraite::core::engine::{Query, Sent};
use kraite::core::exchange::PositionMode;
use kraite::core::id::{AccountTag, ClientOrderId, LogicalOrder, PositionNo, Role, Symbol};
use kraite::core::number::{Price, Qty};
use kraite::core::time::{LocalMillis, VenueMillis};
use kraite::engine::Clock;
use kraite::journal::SqliteReader;
use kraite::sim::link::pipe::{Downward, Upward};
use kraite::sim::link::{Call, dispatch};
use kraite::sim::presets;
use kraite::sim::venue::Venue;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How often the worker is killed.
const KILLS: u32 = 200;
/// The demo worker's clock runs this many times as fast as the wall.
const FACTOR: u32 = 10;
const START: i64 = 1_760_000_000_000;

fn account() -> AccountTag {
    AccountTag::new(7).unwrap()
}

struct Worker {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

/// What a worker said within a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pumped {
    Line,
    Silence,
    End,
}

struct Stage {
    shape: &'static str,
    journal: PathBuf,
    clock: Clock,
    venue: Venue,
    symbol: Symbol,
    rng: ChaCha8Rng,
    cents: i64,
    command: u64,
    /// The highest record number a worker said was durable.
    promised: u64,
    placed: BTreeMap<ClientOrderId, u32>,
    finished: BTreeSet<u64>,
    most_open: BTreeMap<(PositionNo, LogicalOrder), usize>,
}

impl Stage {
    fn new(shape: &'static str, journal: PathBuf) -> Self {
        let profile = if shape == "binance" { presets::binance() } else { presets::bitget() };
        let mut venue = Venue::new(profile, VenueMillis(START));
        let instrument = presets::instrument();
        let symbol = instrument.symbol.clone();
        venue.list(instrument);
        venue.open_account(account(), PositionMode::OneWay, "100000".parse().unwrap());
        let mut stage = Self {
            shape,
            journal,
            clock: Clock::scaled_from(LocalMillis(START), FACTOR),
            venue,
            symbol,
            rng: ChaCha8Rng::seed_from_u64(7),
            cents: 15_024,
            command: 1,
            promised: 0,
            placed: BTreeMap::new(),
            finished: BTreeSet::new(),
            most_open: BTreeMap::new(),
        };
        stage.price(15_024);
        stage
    }

    fn now(&self) -> VenueMillis {
        VenueMillis(self.clock.now().0)
    }

    fn price(&mut self, cents: i64) {
        self.cents = cents.clamp(9_000, 20_000);
        let price = Price::from_units(self.cents, 2).unwrap();
        let now = self.now();
        self.venue.price(&self.symbol, price, price, now);
        self.count();
    }

    fn spawn(&self) -> Worker {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kraite"))
            .args(["demo-worker", "--venue", self.shape, "--symbol", self.symbol.as_str()])
            .args(["--now-ms", &self.clock.now().0.to_string(), "--command", &self.command.to_string()])
            .arg("--journal")
            .arg(&self.journal)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Worker { child, stdin, lines }
    }

    /// Takes one line of the worker; a call is acted on and, unless the reply is lost, answered.
    fn hear(&mut self, line: &str, stdin: Option<&mut ChildStdin>) {
        // The last line of a killed worker may be cut in two: those bytes never were a request.
        let Ok(said) = serde_json::from_str::<Upward>(line) else { return };
        match said {
            Upward::Durable(seq) => self.promised = self.promised.max(seq),
            Upward::Say(text) => {
                if text.contains("Finished") {
                    self.finished.insert(self.command);
                }
            }
            Upward::Call(number, call) => {
                if let Call::Send(request, _) = &call {
                    for sent in request.sent() {
                        if let Sent::Place(id) = sent {
                            *self.placed.entry(id).or_insert(0) += 1;
                        }
                    }
                }
                let now = self.now();
                let reply = dispatch(&mut self.venue, account(), &call, now);
                self.count();
                // Without clock, contracts and mark the worker gives up at its start, as it should.
                let needed = matches!(call, Call::Time | Call::Instruments | Call::Ask(Query::Mark(_)));
                if let Some(stdin) = stdin.filter(|_| needed || !self.rng.next_u32().is_multiple_of(20)) {
                    tell(stdin, &Downward::Reply(number, reply));
                }
            }
        }
    }

    /// Notes how many attempts of each logical order that adds exposure are open together.
    fn count(&mut self) {
        let mut open: BTreeMap<(PositionNo, LogicalOrder), usize> = BTreeMap::new();
        for id in self.venue.open_orders().filter(|o| o.parent.is_none()).filter_map(|o| o.client_id()) {
            if !id.key().logical.role.is_protective() {
                *open.entry((id.key().position, id.key().logical)).or_insert(0) += 1;
            }
        }
        for (key, number) in open {
            let most = self.most_open.entry(key).or_insert(0);
            *most = (*most).max(number);
        }
    }

    fn pump(&mut self, worker: &mut Worker, patience: Duration) -> Pumped {
        let pumped = match worker.lines.recv_timeout(patience) {
            Ok(line) => {
                self.hear(&line, Some(&mut worker.stdin));
                Pumped::Line
            }
            Err(RecvTimeoutError::Timeout) => Pumped::Silence,
            Err(RecvTimeoutError::Disconnected) => Pumped::End,
        };
        for (_, event) in self.venue.drain() {
            if !self.rng.next_u32().is_multiple_of(20) {
                tell(&mut worker.stdin, &Downward::Frame(event));
            }
        }
        pumped
    }

    /// The file after a kill: everything promised is there, in order, and it can be folded.
    fn check_journal(&self) {
        if !self.journal.exists() {
            assert_eq!(self.promised, 0);
            return;
        }
        let reader = SqliteReader::open(&self.journal).unwrap();
        let records = reader.records(account(), 0, usize::MAX).unwrap();
        assert!(records.len() as u64 >= self.promised, "{} promised, {} found", self.promised, records.len());
        assert!(records.iter().zip(1..).all(|(stored, seq)| stored.record.seq == seq));
        reader.load(account()).unwrap();
    }

    fn exposure(&self) -> Qty {
        self.venue.exposures(account()).map(|(_, _, qty)| qty).fold(Qty::ZERO, |sum, qty| sum.checked_add(qty).unwrap())
    }
}

fn tell(stdin: &mut ChildStdin, line: &Downward) {
    let mut text = serde_json::to_string(line).unwrap();
    text.push('\n');
    // A worker that has just died hears nothing.
    let _ = stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush());
}

fn killed_at_random(shape: &'static str, kills: u32) {
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(shape, folder.path().join("journal"));
    let mut done = 0;
    while done < kills {
        let mut worker = stage.spawn();
        // Somewhere in the first instants of a process, or after so and so many lines.
        let lines = stage.rng.next_u32() % 90;
        let pause = Duration::from_micros(u64::from(stage.rng.next_u32() % 3_000));
        let (mut heard, mut silences) = (0, 0);
        while heard < lines && silences < 100 {
            match stage.pump(&mut worker, Duration::from_millis(2)) {
                Pumped::Line => (heard, silences) = (heard + 1, 0),
                Pumped::Silence => silences += 1,
                Pumped::End => break,
            }
            if stage.rng.next_u32().is_multiple_of(8) {
                let step = i64::from(stage.rng.next_u32() % 500) - 250;
                stage.price(stage.cents + step);
            }
        }
        std::thread::sleep(pause);
        worker.child.kill().unwrap();
        let status = worker.child.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "the worker must not end by itself: {status}");
        done += 1;
        // What it had written is on the wire and arrives.
        while let Ok(line) = worker.lines.recv() {
            stage.hear(&line, None);
        }
        stage.check_journal();
        if stage.finished.contains(&stage.command) {
            stage.command += 1;
            stage.price(15_024);
        }
    }
    // Left alone, the last position comes to its end: the price goes where its stop or target is.
    let mut worker = stage.spawn();
    let mut prices = [15_500, 14_900, 9_000].into_iter().cycle();
    let mut beats = 0u32;
    while !stage.finished.contains(&stage.command) {
        assert_ne!(stage.pump(&mut worker, Duration::from_millis(2)), Pumped::End, "the worker ended by itself");
        beats += 1;
        if beats.is_multiple_of(400) {
            stage.price(prices.next().unwrap());
        }
        assert!(beats < 60_000, "position {} does not end", stage.command);
    }
    drop(worker.stdin);
    worker.child.wait().unwrap();
    stage.check_journal();
    let again: Vec<_> = stage.placed.iter().filter(|(_, times)| **times > 1).collect();
    assert!(again.is_empty(), "placed twice: {again:?}");
    let double: Vec<_> = stage.most_open.iter().filter(|(_, most)| **most > 1).collect();
    assert!(double.is_empty(), "two attempts open together: {double:?}");
    let left: Vec<_> = stage.venue.open_orders().filter_map(|o| o.client_id()).collect();
    assert!(left.is_empty(), "orphans: {left:?}");
    assert_eq!(stage.exposure(), Qty::ZERO);
    let mut filled: BTreeMap<(PositionNo, Role), (Qty, Qty)> = BTreeMap::new();
    for object in stage.venue.objects() {
        let Some(id) = object.client_id().filter(|id| !id.key().logical.role.is_exit()) else { continue };
        let entry = filled.entry((id.key().position, id.key().logical.role)).or_default();
        entry.0 = entry.0.checked_add(object.executed).unwrap();
        entry.1 = entry.1.max(object.shape.qty().unwrap_or_default());
    }
    let over: Vec<_> = filled.iter().filter(|(_, (executed, planned))| executed > planned).collect();
    assert!(over.is_empty(), "filled above plan: {over:?}");
    println!(
        "{shape}: {done} kills, {} records promised, {} orders placed, {} positions ended",
        stage.promised,
        stage.placed.len(),
        stage.finished.len()
    );
    assert!(stage.placed.len() > 10 && stage.promised > 100);
}

#[test]
fn s04_s10_sigkill_at_random_moments_of_the_real_binary_on_separate_protection() {
    killed_at_random("binance", KILLS / 2);
}

#[test]
fn s04_s10_sigkill_at_random_moments_of_the_real_binary_on_paired_protection() {
    killed_at_random("bitget", KILLS / 2);
}

/// The check can fail: a journal that forgets its last record is found out.
#[test]
#[should_panic(expected = "promised")]
fn mutant_a_journal_that_forgets_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::new("binance", folder.path().join("journal"));
    let mut worker = stage.spawn();
    while stage.promised < 5 {
        stage.pump(&mut worker, Duration::from_millis(50));
    }
    worker.child.kill().unwrap();
    worker.child.wait().unwrap();
    while let Ok(line) = worker.lines.recv() {
        stage.hear(&line, None);
    }
    stage.check_journal();
    let file = rusqlite::Connection::open(&stage.journal).unwrap();
    file.execute("DELETE FROM records WHERE seq = (SELECT MAX(seq) FROM records)", []).unwrap();
    stage.check_journal();
}

/// Fencing: a worker whose account somebody else has taken over cannot write, so it cannot send; it ends.
#[test]
fn i14_a_deposed_worker_ends_with_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::new("binance", folder.path().join("journal"));
    let mut old = stage.spawn();
    while stage.promised < 3 {
        assert_ne!(stage.pump(&mut old, Duration::from_millis(20)), Pumped::End);
    }
    let mut new = stage.spawn();
    let mut beats = 0;
    // The old one notices with the next thing that it wants to remember.
    while stage.pump(&mut old, Duration::from_millis(5)) != Pumped::End {
        stage.pump(&mut new, Duration::from_millis(5));
        beats += 1;
        assert!(beats < 4_000, "the deposed worker goes on");
    }
    assert_eq!(old.child.wait().unwrap().code(), Some(7));
    new.child.kill().unwrap();
    new.child.wait().unwrap();
    assert!(stage.placed.values().all(|times| *times == 1), "{:?}", stage.placed);
}

#[test]
fn a_worker_whose_contract_is_not_listed_ends_with_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::new("bitget", folder.path().join("journal"));
    stage.symbol = Symbol::new("NOPEUSDT");
    let mut worker = stage.spawn();
    while stage.pump(&mut worker, Duration::from_millis(20)) != Pumped::End {}
    assert_eq!(worker.child.wait().unwrap().code(), Some(4));
}
