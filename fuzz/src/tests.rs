//! The seeds: what they are made from, that each is still about something, and that nothing is wrong with any.
//!
//! `KRAITE_BLESS=1 cargo test --manifest-path fuzz/Cargo.toml --lib` writes them anew; files that were added by hand
//! (an input that once failed) stay. Seeds follow the engine, so their bytes are not compared, only their names.

mod bitget;
mod wire;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use kraite_core::exchange::ReportStatus;
use kraite_core::id::ClientOrderId;
use kraite_journal::{encode, encode_state};
use kraite_sim::script;
use kraite_sim::world::{Fate, Nemesis, Point};

use crate::bytes::write_number;
use crate::crash_window::{Case, DOUBLE_REQUESTS, LIMIT, PAIRED, SILENT, scripts};
use crate::journal_decode::{RAW_RECORD, RAW_STATE, SEALED_RECORD, SEALED_STATE, seed};
use crate::klines_csv::{AS_THEY_ARE, GZIPPED, ZIPPED, packed};
use crate::order_events::{AVERAGE, CHILD, CONDITIONAL, EXECUTED, STATED, TRADE, WILD};
use crate::{TARGETS, klines_csv, planner};

/// The largest seed, so that the repository stays small.
const LARGEST: usize = 4_096;

type Seeds = Vec<(String, Vec<u8>)>;

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target)
}

/// The seeds of a target as they lie in the repository, by name.
pub(crate) fn seeds_of(target: &str) -> Seeds {
    static BLESSED: OnceLock<()> = OnceLock::new();
    BLESSED.get_or_init(|| {
        if std::env::var("KRAITE_BLESS").is_ok_and(|text| text == "1") {
            bless();
        }
    });
    let entries = std::fs::read_dir(folder(target)).unwrap();
    let mut seeds: Seeds = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    seeds.sort();
    seeds
}

fn made(target: &str) -> Seeds {
    match target {
        "bitget_body" => bitget::bodies(),
        "bitget_frame" => bitget::frames(),
        "client_id" => ids(),
        "crash_window" => lives(),
        "journal_decode" => records(),
        "klines_csv" => files(),
        "order_events" => reports(),
        "planner" => ladders(),
        "rest_body" => wire::bodies(),
        "signed_query" => wire::queries(),
        "ws_frame" => wire::frames(),
        _ => panic!("{target} has no seeds"),
    }
}

fn bless() {
    for (target, _) in TARGETS {
        std::fs::create_dir_all(folder(target)).unwrap();
        for (name, bytes) in made(target) {
            std::fs::write(folder(target).join(name), bytes).unwrap();
        }
    }
}

fn named(seeds: Vec<(&str, Vec<u8>)>) -> Seeds {
    seeds.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}

/// An id that a life gave an order.
fn some_id() -> ClientOrderId {
    let (_, state) = lived();
    *state.positions.values().next().unwrap().orders.keys().next_back().unwrap()
}

fn ids() -> Seeds {
    let text = some_id().to_string().into_bytes();
    let mut mistyped = text.clone();
    mistyped[9] = if mistyped[9] == b'q' { b'r' } else { b'q' };
    named(vec![
        ("of-ours", text),
        ("mistyped", mistyped),
        ("of-somebody-else", b"x-cvBPrNm94d4f2c7d79294456984674".to_vec()),
        ("key-of-a-rung", [vec![1, 6], (1..=20).collect(), vec![9, 4]].concat()),
        ("as-in-a-journal", postcard::to_allocvec(&some_id()).unwrap()),
    ])
}

/// The records of one life, and the state it ended in.
fn lived() -> (Vec<kraite_core::journal::Record>, kraite_core::engine::State) {
    let case = Case::read(&[place("dca-fills"), 0, 1, 0]);
    let played = case.play(case.nemesis(), false);
    let loaded = played.world.journal.read(script::account());
    (loaded.records, played.world.engine(script::account()).unwrap().state().clone())
}

fn records() -> Seeds {
    let (records, state) = lived();
    let account = script::account();
    let mut seeds = Vec::new();
    // The first record of each kind of input and of event.
    let mut seen = BTreeSet::new();
    let word = |debug: String| debug.chars().take_while(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    for record in &records {
        let kinds: Vec<String> = std::iter::once(word(format!("{:?}", record.input)))
            .chain(record.events.iter().map(|event| word(format!("{event:?}"))))
            .collect();
        let body = encode(account, record).unwrap();
        if body.len() <= 600 && kinds.iter().any(|kind| seen.insert(kind.clone())) {
            seeds.push((format!("record-{}", kinds.last().unwrap()), seed(SEALED_RECORD, account, record.seq, &body)));
        }
    }
    let first = encode(account, &records[0]).unwrap();
    seeds.push(("record-raw".into(), seed(RAW_RECORD, account, records[0].seq, &first)));
    let empty = kraite_core::engine::State::new(account);
    seeds.push(("state-raw".into(), seed(RAW_STATE, account, 0, &encode_state(account, &empty).unwrap())));
    let body = encode_state(account, &state).unwrap();
    seeds.push(("state-of-a-life".into(), seed(SEALED_STATE, account, state.seq, &body)));
    seeds
}

/// Where a script of the catalogue stands.
fn place(name: &str) -> u8 {
    scripts().iter().position(|script| script.name == name).unwrap().try_into().unwrap()
}

/// The bytes of a life in which each fate falls on the n-th boundary of its kind, counted from the fate before.
fn life(header: [u8; 4], fates: &[(Point, usize, Fate)]) -> Vec<u8> {
    let mut data = header.to_vec();
    for (point, nth, fate) in fates {
        // What was dealt so far decides which boundaries follow.
        let case = Case::read(&data);
        let so_far = case.play(case.nemesis(), false).world.nemesis.written();
        let trail = case.play(Nemesis::scheduled(1, so_far), false).trail;
        let from = data.len() - header.len();
        let mut matching = (from..trail.len()).filter(|n| trail[*n] == *point);
        let number = matching.nth(*nth).expect("so many boundaries");
        data.resize(header.len() + number, 0);
        data.push(point.byte_of(*fate));
    }
    data
}

/// The requests before the entry's: margin mode and leverage.
const ENTRY: usize = 2;

fn lives() -> Seeds {
    use Fate::{Crash, Delay, Double, Late, Limit, Lose, Unknown};
    use Point::{AfterAppend, AfterReply, AfterSend, Answer, BeforeSend, Frame, Reply, Request};
    let at = |name: &str, flags: u8| [place(name), flags, 1, 0];
    named(vec![
        ("calm", life(at("open", 0), &[])),
        ("entry-reply-lost", life(at("open", SILENT), &[(Reply, ENTRY, Lose)])),
        ("entry-unknown-then-dead", life(at("dca-fills", 0), &[(Reply, ENTRY, Unknown), (AfterReply, 0, Crash)])),
        ("entry-late", life(at("target-fills", 0), &[(Request, ENTRY, Late)])),
        ("dead-with-the-intent", life(at("open", PAIRED), &[(AfterAppend, 1, Crash), (BeforeSend, 1, Crash)])),
        ("ladder-half-sent", life(at("dca-fills", PAIRED), &[(AfterSend, 2, Crash), (Answer, 1, Late)])),
        ("rung-refused-for-now", life(at("partial-rung", LIMIT), &[(Request, 2, Limit), (Frame, 1, Lose)])),
        ("stop-reply-lost-in-silence", life(at("stop-fills", SILENT), &[(Reply, 5, Lose), (AfterReply, 2, Crash)])),
        ("request-doubled", life(at("open", DOUBLE_REQUESTS), &[(Request, ENTRY, Double)])),
        (
            "everything-twice",
            life(at("close-command", PAIRED), &[(Reply, 1, Double), (Frame, 2, Double), (Answer, 0, Double)]),
        ),
        (
            "slow-and-soon-back",
            life([place("crash-in-recovery"), 0, 9, 1], &[(Request, ENTRY, Delay), (AfterReply, 0, Crash)]),
        ),
        ("long-away", life([place("liquidation"), SILENT, 3, 200], &[(AfterSend, 3, Crash)])),
        ("short-protect-first", life([u8::try_from(scripts().len() - 1).unwrap(), 0, 5, 0], &[(Frame, 0, Lose)])),
    ])
}

fn files() -> Seeds {
    let bar = |minute: i64, prices: &str| {
        let open = 1_700_000_000_000 + minute * 60_000;
        format!("{open},{prices},12.5,{}\n", open + 59_999)
    };
    let good = bar(0, "150.2,150.9,149.8,150.5") + &bar(1, "150.5,151,150,150.1");
    let header = "open_time,open,high,low,close,volume,close_time\n".to_owned();
    let gap = good.clone() + &bar(4, "150,150,150,150");
    let with = |kind: u8, gaps: u8, text: &[u8]| [vec![kind, gaps], text.to_vec()].concat();
    let zeros = vec![b'0'; 2_000_000];
    named(vec![
        ("plain", with(AS_THEY_ARE, 0, good.as_bytes())),
        ("with-a-header", with(AS_THEY_ARE, 0, (header.clone() + &good).as_bytes())),
        ("header-only", with(AS_THEY_ARE, 0, header.as_bytes())),
        ("gap-refused", with(AS_THEY_ARE, 0, gap.as_bytes())),
        ("gap-counted", with(AS_THEY_ARE, 1, gap.as_bytes())),
        ("cut-off", with(AS_THEY_ARE, 0, &good.as_bytes()[..good.len() - 9])),
        ("high-below-low", with(AS_THEY_ARE, 0, (good.clone() + &bar(2, "1,0.5,2,1")).as_bytes())),
        ("to-be-gzipped", with(GZIPPED, 0, good.as_bytes())),
        ("to-be-zipped", with(ZIPPED, 0, good.as_bytes())),
        ("gzip", with(AS_THEY_ARE, 0, &packed(GZIPPED, good.as_bytes()))),
        ("zip", with(AS_THEY_ARE, 0, &packed(ZIPPED, good.as_bytes()))),
        ("zip-of-one-long-line", with(AS_THEY_ARE, 0, &packed(ZIPPED, &zeros))),
    ])
}

/// One report as the target reads it: status, object, what it says, and seven small numbers.
fn report(status: ReportStatus, object: u8, says: u8, numbers: [u8; 6]) -> Vec<u8> {
    let [executed, average, trade, stated_at, price, qty] = numbers;
    vec![status as u8, object, says, executed, average, trade, stated_at, price, qty]
}

fn reports() -> Seeds {
    use ReportStatus::{Cancelled, Filled, New, PartiallyFilled, Triggered};
    let events = |flags: u8, reports: &[Vec<u8>], picks: &[u8]| {
        [vec![flags, u8::try_from(reports.len()).unwrap()], reports.concat(), picks.to_vec()].concat()
    };
    let filling = [
        report(New, 0, STATED, [0, 0, 0, 1, 100, 10]),
        report(PartiallyFilled, 0, EXECUTED | AVERAGE | TRADE | STATED, [3, 10, 2, 2, 101, 10]),
        report(PartiallyFilled, 0, TRADE, [0, 0, 3, 0, 0, 0]),
        report(New, 0, STATED, [0, 0, 0, 3, 0, 0]),
        report(Filled, 0, EXECUTED | AVERAGE, [10, 9, 0, 0, 0, 0]),
    ];
    let triggered = [
        report(New, 1, 0, [0; 6]),
        report(Triggered, 1, 0, [0; 6]),
        report(New, 1, CHILD, [0; 6]),
        report(Filled, 1, CHILD | EXECUTED | TRADE, [6, 0, 5, 0, 0, 0]),
    ];
    let doubled = [
        report(New, 2, EXECUTED, [2, 0, 0, 0, 0, 0]),
        report(Cancelled, 0, EXECUTED, [1, 0, 0, 0, 0, 0]),
        report(PartiallyFilled, 2, EXECUTED, [1, 0, 0, 0, 0, 0]),
    ];
    let mut wild = vec![WILD, 2];
    for status in [New, Filled] {
        wild.extend([status as u8, 0, EXECUTED | AVERAGE | STATED]);
        write_number(&mut wild, i64::MAX, 0);
        write_number(&mut wild, i64::MAX, 28);
        wild.extend([0, 1]);
        write_number(&mut wild, i64::MIN, 3);
        write_number(&mut wild, 0, 28);
    }
    named(vec![
        ("filling", events(0, &filling, &[4, 1, 1, 3, 0])),
        ("triggered", events(CONDITIONAL, &triggered, &[3, 3, 2, 0])),
        ("two-objects", events(0, &doubled, &[1, 2, 0, 1])),
        ("wild", wild),
    ])
}

/// A ladder of F's example, and what is different about it.
struct Asked {
    style: u8,
    direction: u8,
    paired: u8,
    basis: u8,
    rungs: u8,
    margin: i64,
    mark: (i64, u8),
    min_notional: i64,
    leverage_cap: u32,
    max_price: Option<i64>,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            style: 0,
            direction: 0,
            paired: 0,
            basis: 0,
            rungs: 4,
            margin: 100,
            mark: (15_023, 2),
            min_notional: 5,
            leverage_cap: 20,
            max_price: None,
        }
    }
}

impl Asked {
    fn bytes(&self) -> Vec<u8> {
        let mut out = vec![self.style, 0, 0, self.paired, 0, 0, 1];
        let number = |out: &mut Vec<u8>, units: i64, scale: u8| write_number(out, units, scale);
        // The shape: gap, profit, stop, headroom, one multiplier.
        out.extend([self.direction, self.rungs, self.direction, self.basis]);
        for (units, scale) in [(if self.direction == 0 { 85 } else { 95 }, 1), (36, 2), (25, 1), (5, 1)] {
            number(&mut out, units, scale);
        }
        out.push(1);
        number(&mut out, 2, 0);
        number(&mut out, self.margin, 0);
        out.extend(self.leverage_cap.to_le_bytes());
        number(&mut out, self.mark.0, self.mark.1);
        // The contract: tick, lots, smallest and largest quantities, prices, notional, band, orders, fees, brackets.
        for (units, scale) in [(1, 2), (1, 2), (1, 2), (1, 2), (100_000, 0), (10_000, 0), (1, 2)] {
            number(&mut out, units, scale);
        }
        match self.max_price {
            None => out.push(0),
            Some(units) => {
                out.push(1);
                number(&mut out, units, 2);
            }
        }
        number(&mut out, self.min_notional, 0);
        out.extend([1]);
        number(&mut out, 105, 2);
        out.extend([0, 0, 1]);
        number(&mut out, 95, 2);
        out.push(1);
        out.extend(200u32.to_le_bytes());
        number(&mut out, 2, 4);
        number(&mut out, 5, 4);
        out.push(2);
        for (most, cap) in [(75u32, 5_000), (50, 25_000)] {
            out.extend(most.to_le_bytes());
            number(&mut out, cap, 0);
        }
        // What the entry got.
        number(&mut out, 15_031, 2);
        number(&mut out, 40, 2);
        out
    }
}

fn ladders() -> Seeds {
    named(vec![
        ("long", Asked::default().bytes()),
        ("long-limit-break-even", Asked { style: 1, basis: 1, ..Asked::default() }.bytes()),
        ("short-bounded", Asked { direction: 1, ..Asked::default() }.bytes()),
        ("short-clamped", Asked { direction: 1, max_price: Some(17_000), ..Asked::default() }.bytes()),
        ("paired-without-rungs", Asked { paired: 1, rungs: 0, ..Asked::default() }.bytes()),
        ("too-small", Asked { margin: 1, ..Asked::default() }.bytes()),
        ("too-large", Asked { margin: i64::MAX, mark: (i64::MAX, 28), ..Asked::default() }.bytes()),
        ("too-many-rungs", Asked { rungs: 40, ..Asked::default() }.bytes()),
        ("rungs-below-zero", Asked { rungs: 31, ..Asked::default() }.bytes()),
        ("min-notional", Asked { min_notional: 300, ..Asked::default() }.bytes()),
    ])
}

#[test]
fn s12_nothing_is_wrong_with_any_seed_of_any_target() {
    for (target, body) in TARGETS {
        let seeds = seeds_of(target);
        for (name, seed) in &seeds {
            let told = std::panic::catch_unwind(|| body(seed));
            assert!(told.is_ok(), "seeds/{target}/{name}");
        }
        println!("{target}: {} seeds", seeds.len());
    }
}

#[test]
fn every_seed_that_is_made_is_in_the_repository_and_small() {
    for (target, _) in TARGETS {
        let there: BTreeSet<String> = seeds_of(target).into_iter().map(|(name, _)| name).collect();
        for (name, _) in made(target) {
            assert!(there.contains(&name), "seeds/{target}/{name}: KRAITE_BLESS=1 writes it");
        }
        for (name, seed) in seeds_of(target) {
            assert!(seed.len() <= LARGEST, "seeds/{target}/{name} has {} bytes", seed.len());
        }
    }
}

/// Seeds follow the code: one that no longer reaches what it was made for is worth nothing.
#[test]
fn s12_the_seeds_still_reach_what_they_are_about() {
    for (name, seed) in seeds_of("crash_window") {
        let case = Case::read(&seed);
        let played = case.play(case.nemesis(), false);
        let faults = played.world.nemesis.written().len();
        assert_eq!(faults == 0, name == "calm", "seeds/crash_window/{name} deals {faults} faults");
    }
    for (name, seed) in seeds_of("journal_decode") {
        assert!(crate::journal_decode::is_taken(&seed), "seeds/journal_decode/{name} is refused");
    }
    let ladders = seeds_of("planner");
    let sized = ladders.iter().filter(|(_, seed)| planner::is_accepted(seed)).count();
    assert!(sized >= 4 && ladders.len() - sized >= 4, "{sized} of {} ladders are accepted", ladders.len());
    wire::still_reach();
    bitget::still_reach();
    let files = seeds_of("klines_csv");
    let read = files.iter().filter(|(_, seed)| klines_csv::is_accepted(seed)).count();
    assert!(read >= 5 && files.len() - read >= 4, "{read} of {} files are read", files.len());
}

/// With a bug of the zoo awake the same seeds are not clean: the targets can fail.
#[cfg(kraite_zoo)]
#[test]
fn mutant_a_bug_of_the_zoo_is_found_by_the_seeds() {
    use kraite_core::zoo::{self, Bug};
    let find = |target: &str, bug: &str| {
        let body = TARGETS.iter().find(|(name, _)| *name == target).unwrap().1;
        let seeds = seeds_of(target);
        zoo::wake(Some(Bug::by_id(bug).unwrap()));
        let found = seeds.iter().find(|(_, seed)| std::panic::catch_unwind(|| body(seed)).is_err());
        zoo::wake(None);
        let found = found.map(|(name, _)| name.clone());
        println!("{target}: {bug} is found by {found:?}");
        found.is_some()
    };
    let missed: Vec<_> = BUGS.iter().filter(|(target, bug)| !find(target, bug)).collect();
    assert!(missed.is_empty(), "{missed:?}");
}

/// The bugs that the seeds of a target find.
#[cfg(kraite_zoo)]
const BUGS: [(&str, &str); 10] = [
    ("crash_window", "blind-resend"),
    ("crash_window", "restart-resends"),
    ("order_events", "status-moves-back"),
    ("order_events", "fill-counted-twice"),
    ("order_events", "cumulative-overwritten"),
    ("order_events", "last-arrival-wins"),
    ("planner", "entry-before-leverage"),
    ("planner", "infeasible-rung-opens"),
    ("planner", "stop-waits-for-rungs"),
    ("planner", "target-before-stop"),
];
