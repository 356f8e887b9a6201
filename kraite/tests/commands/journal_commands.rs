//! The commands that read a journal which somebody else may be writing: status, explain, replay, export.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::bench::Bench;
use kraite::core::engine::{Config, Engine, Event, Input, InputKind, State, commit};
use kraite::core::id::{AccountTag, ClientOrderId, PositionNo};
use kraite::core::journal::{Journal as _, Record};
use kraite::core::position::Phase;
use kraite::core::time::{LocalMillis, Moment, VenueMillis};
use kraite::journal::{SqliteJournal, encode, encode_state};
use kraite::sim::script::{self, Script, Timing};
use kraite::sim::world::{Nemesis, Stream};
use serde_json::Value;

const READERS: [&str; 4] =
    ["status --journal J", "explain 1 --journal J", "replay J", "export --journal J --dir out --force"];

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn json(bench: &Bench, args: &str) -> Value {
    let output = bench.run(&format!("{args} --json"));
    assert_eq!(output.status.code(), Some(0), "{args}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// One sentence on stderr, the same as JSON, and the code.
#[track_caller]
fn refused(bench: &Bench, args: &str, code: i32, words: &[&str]) {
    let output = bench.run(&format!("{args} --json"));
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args}: {stderr}");
    assert!(words.iter().all(|word| stderr.contains(word)), "{args}: {words:?} in {stderr}");
    assert_eq!(stderr.trim().lines().count(), 1, "one sentence: {stderr}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["schema"], &told["exit"]), (&"kraite.error/1".into(), &code.into()), "{args}");
}

/// What a worker without bad luck records of a script.
fn records_of(script: &Script) -> Vec<Record> {
    let world =
        script::world(kraite::sim::presets::binance(), Nemesis::scheduled(1, BTreeMap::new()), Timing::default());
    let played = script::play_in(script, world, Stream::Push);
    played.world.journal.read(script::account()).records
}

fn fold(records: &[Record]) -> State {
    let mut state = State::new(script::account());
    for record in records {
        for event in &record.events {
            state.evolve(record.at, &record.input, event).unwrap();
        }
        (state.seq, state.epoch) = (record.seq, record.epoch);
    }
    state
}

/// Only the records until the position was complete.
fn until_active(mut records: Vec<Record>) -> Vec<Record> {
    let active = (1..=records.len())
        .find(|count| fold(&records[..*count]).positions.values().any(|position| position.phase == Phase::Active));
    records.truncate(active.unwrap());
    records
}

/// A journal file with these records, as a worker would have left it.
fn write(path: &Path, records: &[Record], snapshot: Option<&State>) {
    let account = script::account();
    drop(SqliteJournal::open(path).unwrap());
    let file = rusqlite::Connection::open(path).unwrap();
    let epoch = records.iter().map(|record| record.epoch.get()).max().unwrap();
    file.execute("INSERT INTO owners VALUES (?1, ?2)", [account.get(), epoch]).unwrap();
    for record in records {
        let row = rusqlite::params![
            account.get(),
            i64::try_from(record.seq).unwrap(),
            record.epoch.get(),
            encode(account, record).unwrap()
        ];
        file.execute("INSERT INTO records VALUES (?1, ?2, ?3, ?4)", row).unwrap();
    }
    if let Some(state) = snapshot {
        let row =
            rusqlite::params![account.get(), i64::try_from(state.seq).unwrap(), encode_state(account, state).unwrap()];
        file.execute("INSERT INTO snapshots VALUES (?1, ?2, ?3)", row).unwrap();
    }
    file.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
}

/// A bench with the journal of a complete position, with a finished one before if that is asked for.
fn open_position() -> (Bench, Vec<Record>) {
    let bench = Bench::new();
    let records = until_active(records_of(&Script::open_to_close()));
    write(&bench.path("J"), &records, None);
    (bench, records)
}

/// The journal that `kraite demo` leaves: a position whose worker was killed twice; made once for all tests.
fn demo_journal() -> (Bench, Vec<u8>) {
    static JOURNAL: OnceLock<Vec<u8>> = OnceLock::new();
    let bytes = JOURNAL.get_or_init(|| {
        let bench = Bench::new();
        let output = bench.run("demo --venue binance --keep journals");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
        let path = bench.path("journals/binance.journal");
        rusqlite::Connection::open(&path).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        std::fs::read(path).unwrap()
    });
    let bench = Bench::new();
    std::fs::write(bench.path("J"), bytes).unwrap();
    (bench, bytes.clone())
}

#[test]
fn status_says_where_an_open_position_stands() {
    let (bench, records) = open_position();
    let shown = json(&bench, "status --journal J");
    assert_eq!((&shown["schema"], &shown["journal"]), (&"kraite.status/1".into(), &"J".into()));
    let account = &shown["accounts"][0];
    assert_eq!((&account["account"], &account["last_record"]), (&1.into(), &records.len().into()));
    assert_eq!((&account["orders"], &account["in_doubt"]), (&7.into(), &0.into()), "{account}");
    assert!(account["last_record_age_ms"].as_i64().unwrap() > 0);
    let position = &account["positions"][0];
    let fields = [
        ("symbol", "SOLUSDT"),
        ("direction", "LONG"),
        ("status", "active"),
        ("exposure", "0.41"),
        ("average_entry", "150.24000000"),
        ("target", "150.78"),
        ("stop", "96.67"),
        ("cover", "protected"),
    ];
    for (field, want) in fields {
        assert_eq!(position[field], want, "{field}: {position}");
    }
    for (field, want) in [("position", 1), ("rungs_filled", 0), ("rungs_working", 4), ("rungs_held", 0)] {
        assert_eq!(position[field], want, "{field}: {position}");
    }
    assert_eq!(position["unprotected_since_ms"], Value::Null);
    for amount in ["worst_loss", "realised"] {
        assert!(position[amount].is_string(), "{amount}: {position}");
    }
    let table = text(&bench.run("status --journal J").stdout);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("account 1: 1 position, 7 orders, 0 in doubt; the last record, "), "{table}");
    assert_eq!(lines.len(), 4, "{table}");
    for (name, cell) in [("stop", "96.67"), ("average entry", "150.24000000"), ("rungs", "0/4/0")] {
        let end = |line: &str, word: &str| line.find(word).map(|at| at + word.len());
        assert_eq!(end(lines[1], name), end(lines[2], cell), "{name} ends where its numbers end:\n{table}");
    }
    assert!(lines[3].contains("protected; ") && lines[3].contains("worst loss "), "{table}");
    assert!(lines.iter().all(|line| line.chars().count() <= 110), "{table}");
    assert!(lines.iter().any(|line| line.chars().count() >= 80), "{table}");
}

#[test]
fn status_before_the_entry_filled_knows_no_average_no_worst_loss_and_a_profit_of_nothing() {
    let bench = Bench::new();
    let records = records_of(&Script::open_to_close());
    let sent = (1..).find(|count| fold(&records[..*count]).positions.values().any(|p| !p.orders.is_empty())).unwrap();
    write(&bench.path("J"), &records[..sent], None);
    let shown = json(&bench, "status --journal J");
    let position = &shown["accounts"][0]["positions"][0];
    assert_eq!((&position["status"], &position["realised"]), (&"opening".into(), &"0.0000".into()), "{position}");
    for unknown in ["average_entry", "worst_loss", "target"] {
        assert_eq!(position[unknown], Value::Null, "{unknown}: {position}");
    }
    assert!(text(&bench.run("status --journal J").stdout).contains("worst loss unknown"));
}

#[test]
fn finished_positions_are_shown_on_request() {
    let (bench, _) = demo_journal();
    let table = text(&bench.run("status --journal J").stdout);
    assert!(table.contains("0 positions") && table.contains("1 finished position, shown with --all"), "{table}");
    let shown = json(&bench, "status --journal J --all");
    let position = &shown["accounts"][0]["positions"][0];
    assert_eq!((&position["status"], &position["exposure"]), (&"closed".into(), &"0.00".into()), "{position}");
    assert_eq!((&position["rungs_filled"], &position["why"]), (&2.into(), &"the target filled".into()), "{position}");
}

#[test]
#[allow(clippy::disallowed_methods, reason = "another process is waited for")]
fn a_watch_ends_when_its_reader_is_gone() {
    let (bench, _) = open_position();
    let mut child = Command::new(env!("CARGO_BIN_EXE_kraite"))
        .args(["status", "--journal", "J", "--watch", "1", "--json"])
        .current_dir(&bench.folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        let shown: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(shown["schema"], "kraite.status/1");
    }
    assert!(child.try_wait().unwrap().is_none(), "it goes on while somebody reads");
    drop(lines);
    let patience = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if patience.elapsed() > Duration::from_secs(30) => panic!("it goes on for nobody"),
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    assert_eq!(status.code(), Some(0));
}

/// The id of an order that the position has, by its role's name.
fn id_of(records: &[Record], role: &str) -> ClientOrderId {
    let state = fold(records);
    let orders = state.positions.values().flat_map(|position| position.orders.values());
    orders.map(|order| order.id).find(|id| id.role().to_string() == role).unwrap()
}

#[test]
fn the_story_of_a_stop_is_told_word_for_word() {
    let (bench, records) = open_position();
    let output = bench.run(&format!("explain {} --journal J", id_of(&records, "stop")));
    assert_eq!(text(&output.stdout), include_str!("../golden/explain-stop.txt"));
}

#[test]
fn the_story_of_a_position_is_told_from_its_command_to_what_it_waits_for() {
    let (bench, _) = open_position();
    let told = text(&bench.run("explain 1 --journal J").stdout);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], "position 1 of account 1: SOLUSDT LONG, asked for by command 1");
    assert!(
        lines[1].contains("it exists: entry 0.41")
            && lines[1].ends_with("because command 1 asked to open SOLUSDT LONG")
    );
    for line in &lines[1..lines.len() - 2] {
        assert!(line.starts_with("20") && line.as_bytes()[19] == b'.' && line.contains(", because "), "{line}");
    }
    let now = lines[lines.len() - 2..].join("\n");
    assert!(now.starts_with("now        active, 0.41 open at 150.24 on average"), "{now}");
    assert!(now.contains("waits for  the market to reach one of ") && now.contains("96.67 (stop)"), "{now}");
    let story = json(&bench, "explain 1 --journal J");
    assert_eq!((&story["schema"], &story["order"]), (&"kraite.explain/1".into(), &Value::Null));
    let facts = story["story"].as_array().unwrap();
    assert_eq!(facts.len(), lines.len() - 3);
    for field in ["seq", "at_ms", "at", "event", "fact", "because"] {
        assert!(!facts[0][field].is_null(), "{field}");
    }
}

#[test]
fn the_story_of_a_position_whose_worker_was_killed_tells_the_kills() {
    let (bench, _) = demo_journal();
    let told = text(&bench.run("explain 1 --journal J").stdout);
    let restarts = told.matches("it is restored from the journal").count();
    assert!(restarts >= 2, "{told}");
    assert!(told.contains("in doubt") && told.contains("because the process started"), "{told}");
    assert!(told.contains("waits for  nothing: it is finished"), "{told}");
    let position = json(&bench, "inspect J")["accounts"][0]["positions"][0].clone();
    for (role, doubts) in [("entry", 0), ("rung 3", 1)] {
        let order = position["orders"].as_array().unwrap().iter().find(|order| order["role"] == role).unwrap();
        let story = json(&bench, &format!("explain {} --journal J", order["id"].as_str().unwrap()));
        let facts = story["story"].as_array().unwrap();
        let restarts = facts.iter().filter(|line| line["event"] == "Restarted").count();
        assert_eq!(restarts, doubts, "a start tells of an order only what it changed: {story}");
    }
    let story = json(&bench, "explain 1 --journal J");
    let doubted = story["story"].as_array().unwrap().iter().find_map(|line| {
        let fact = line["fact"].as_str().unwrap();
        fact.contains("before: in doubt").then(|| line["because"].as_str().unwrap().to_owned())
    });
    assert!(
        doubted.as_ref().is_some_and(|because| because.contains("looked up") || because.contains("were read")),
        "{doubted:?}"
    );
}

#[test]
fn what_is_not_there_is_refused_with_what_is() {
    let (bench, records) = open_position();
    let stop = id_of(&records, "stop");
    let mut key = stop.key();
    key.attempt = key.attempt.next().unwrap();
    let unknown = ClientOrderId::encode(&key);
    key.position = PositionNo::new(9).unwrap();
    let elsewhere = ClientOrderId::encode(&key);
    key.account = AccountTag::new(2).unwrap();
    let foreign = ClientOrderId::encode(&key);
    refused(&bench, &format!("explain {unknown} --journal J"), 1, &["J has no order", "stop", &stop.to_string()]);
    refused(&bench, &format!("explain {elsewhere} --journal J"), 1, &["position 9", "it has position 1 of account 1"]);
    refused(&bench, &format!("explain {foreign} --journal J"), 1, &["J has no order", "account 1"]);
    refused(&bench, "explain 2 --journal J", 1, &["J has no position 2", "it has position 1 of account 1"]);
    refused(&bench, "explain stop --journal J", 2, &["24 characters"]);
    let mistyped = stop.to_string().replacen('a', "b", 1);
    refused(&bench, &format!("explain {mistyped} --journal J"), 2, &["mistyped"]);
    for command in READERS {
        refused(&bench, &format!("{command} --account 9"), 2, &["account 9 is not in J: it has 1"]);
    }
}

#[test]
fn what_is_no_sound_journal_is_refused_by_every_reader() {
    let (bench, _) = open_position();
    let sound = std::fs::read(bench.path("J")).unwrap();
    let all = |code, words: &[&str]| {
        for command in READERS {
            refused(&bench, command, code, words);
        }
        assert!(!bench.path("out").exists(), "nothing is written of a journal that cannot be read");
    };
    std::fs::remove_file(bench.path("J")).unwrap();
    all(10, &["J does not exist"]);
    bench.file("J", "no journal");
    all(10, &["J is not a kraite journal"]);
    std::fs::write(bench.path("J"), &sound).unwrap();
    let file = rusqlite::Connection::open(bench.path("J")).unwrap();
    file.execute_batch("UPDATE records SET body = zeroblob(length(body)) WHERE seq = 3").unwrap();
    drop(file);
    all(10, &["J, account 1, record 3"]);
}

#[test]
fn readers_disturb_no_writer_and_see_what_it_wrote() {
    let bench = Bench::new();
    let path = bench.path("J");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let records = records_of(&Script::open_to_close());
    let journal = SqliteJournal::open(&path).unwrap();
    let account = script::account();
    let epoch = runtime.block_on(journal.acquire(account)).unwrap();
    let loaded = runtime.block_on(journal.load(account)).unwrap();
    let mut engine =
        Engine::restore(Config::default(), kraite::binance::capabilities(), account, epoch, loaded).unwrap();
    let mut write = |input: &InputKind, at: i64| {
        let at = Moment { local: LocalMillis(at), venue: VenueMillis(at), error: Default::default() };
        let step = engine.step(Input { at, kind: input.clone() });
        assert!(runtime.block_on(commit(&journal, step)).unwrap().durable.is_some());
    };
    write(&InputKind::Started, records[0].at.local.0);
    let command = records.iter().find(|record| matches!(record.input, InputKind::Command(..))).unwrap();
    write(&command.input, command.at.local.0);
    let owners = || {
        let file = rusqlite::Connection::open(&path).unwrap();
        file.query_row("SELECT group_concat(account || ':' || epoch) FROM owners", [], |row| row.get::<_, String>(0))
            .unwrap()
    };
    let before = owners();
    for command in READERS {
        let output = bench.run(command);
        assert_eq!(output.status.code(), Some(0), "{command}: {}", text(&output.stderr));
    }
    assert_eq!(owners(), before);
    assert_eq!(json(&bench, "status --journal J")["accounts"][0]["last_record"], 2);
    write(&InputKind::Started, command.at.local.0 + 1_000);
    assert_eq!(json(&bench, "status --journal J")["accounts"][0]["last_record"], 3);
    drop(journal);
}

#[test]
fn a_journal_of_a_killed_worker_is_decided_alike() {
    let (bench, _) = demo_journal();
    let told = json(&bench, "replay J");
    assert_eq!((&told["schema"], &told["differ"]), (&"kraite.replay/1".into(), &0.into()), "{told}");
    let account = &told["accounts"][0];
    assert_eq!(account["venue"], "binance");
    let count = |field: &str| account[field].as_u64().unwrap();
    assert_eq!(count("decided_alike") + count("decided_in_part") + count("folded_only"), count("records"));
    assert!(count("decided_alike") * 2 > count("records"), "{account}");
    let output = bench.run("replay J");
    let last = text(&output.stdout).lines().last().unwrap().to_owned();
    assert_eq!(last, format!("{} records, 0 differ", count("records")));
}

#[test]
fn a_record_that_this_version_would_not_make_is_shown_with_what_it_makes() {
    let (bench, mut records) = open_position();
    let opened = records.iter().position(|record| matches!(record.events[0], Event::Opened { .. })).unwrap();
    let Event::Opened { ladder, .. } = &mut records[opened].events[0] else { panic!("opened") };
    ladder.leverage += 1;
    std::fs::remove_file(bench.path("J")).unwrap();
    write(&bench.path("J"), &records, None);
    let output = bench.run("replay J");
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(6), "{told}");
    let place = format!("first difference: record {} at ", opened + 1);
    for words in [place.as_str(), "- recorded, + now", "-     leverage: 21", "+     leverage: 20"] {
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(squeezed(&told).contains(&squeezed(words)), "{words} in {told}");
    }
    assert!(text(&output.stderr).contains(&format!("the first is record {} of account 1", opened + 1)));
    let shown: Value = serde_json::from_slice(&bench.run("replay J --json").stdout).unwrap();
    assert_eq!(shown["accounts"][0]["first_difference"]["record"], opened + 1);
}

#[test]
fn a_record_that_does_not_fit_and_a_snapshot_that_is_not_what_its_records_fold_to_are_found() {
    let (bench, records) = open_position();
    let rewrite = |records: &[Record], snapshot: Option<&State>| {
        std::fs::remove_file(bench.path("J")).unwrap();
        write(&bench.path("J"), records, snapshot);
        bench.run("replay J")
    };
    let sound = fold(&records);
    let output = rewrite(&records, Some(&sound));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("byte for byte"), "{}", text(&output.stdout));
    let mut wrong = sound.clone();
    wrong.positions.values_mut().for_each(|position| position.halted = true);
    let output = rewrite(&records, Some(&wrong));
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(6), "{told}");
    assert!(
        told.contains("the stored snapshot is not what its records fold to") && told.contains("halted: true"),
        "{told}"
    );
    let mut misfit = records.clone();
    let ghost = PositionNo::new(77).unwrap();
    misfit[4].events.push(Event::Halted { position: ghost });
    let output = rewrite(&misfit, None);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(6), "{told}");
    assert!(told.contains("record 5 at ") && told.contains("position 77, which does not exist"), "{told}");
    for command in ["explain 1 --journal J", "export --journal J --dir out"] {
        refused(&bench, command, 10, &["journal of account 1, record 5", "position 77"]);
    }
}

/// The rows of a file by the names of its columns.
fn rows(bench: &Bench, file: &str) -> Vec<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(bench.path(file)).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            assert_eq!(cells.len(), header.len(), "{file}: {line}");
            header.iter().zip(cells).map(|(name, cell)| ((*name).to_owned(), cell.to_owned())).collect()
        })
        .collect()
}

fn sum<'a>(cells: impl IntoIterator<Item = &'a String>) -> kraite::core::number::Notional {
    cells.into_iter().fold(Default::default(), |sum: kraite::core::number::Notional, cell| {
        sum.checked_add(cell.parse().unwrap()).unwrap()
    })
}

#[test]
fn every_fill_is_exported_and_they_add_up_to_what_the_orders_executed() {
    let (bench, _) = demo_journal();
    let output = bench.run("export --journal J --dir out");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let (orders, fills) = (rows(&bench, "out/orders.csv"), rows(&bench, "out/fills.csv"));
    let position = json(&bench, "inspect J")["accounts"][0]["positions"][0].clone();
    assert_eq!(orders.len(), position["orders"].as_array().unwrap().len());
    for order in &orders {
        let of = fills.iter().filter(|fill| fill["client_order_id"] == order["client_order_id"]);
        assert_eq!(sum(of.map(|fill| &fill["qty"])), sum([&order["executed_qty"]]), "{order:?}");
    }
    assert!(fills.len() >= 4, "an entry, two rungs and a target: {fills:?}");
    let trades = rows(&bench, "out/trades.csv");
    assert_eq!(trades.len(), 1);
    assert_eq!((&*trades[0]["status"], &*trades[0]["rungs_filled"]), ("closed", "2"), "{trades:?}");
    let status = json(&bench, "status --journal J --all");
    let realised = status["accounts"][0]["positions"][0]["realised"].as_str().unwrap().to_owned();
    assert!(trades[0]["profit"].starts_with(&realised), "the status cuts what the export has in full: {trades:?}");
    assert!(trades[0]["duration_ms"].parse::<i64>().unwrap() > 0);
    assert_eq!(sum([&trades[0]["fees"]]), sum(rows(&bench, "out/fees.csv").iter().map(|row| &row["fee"])));
    let left = |file: &str| std::fs::read_to_string(bench.path(file)).unwrap();
    let first = left("out/orders.csv");
    refused(&bench, "export --journal J --dir out", 2, &["out/orders.csv is there already", "--force"]);
    bench.file("out/orders.csv", "mine");
    assert_eq!(json(&bench, "export --journal J --dir out --force")["schema"], "kraite.export/1");
    assert_eq!(left("out/orders.csv"), first);
    let names: Vec<_> = std::fs::read_dir(bench.path("out")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 5, "{names:?}");
}

#[test]
fn a_position_that_left_the_workers_memory_is_exported_and_told_and_not_in_the_status() {
    let bench = Bench::new();
    let mut records = records_of(&Script::open_to_close());
    let last = records.last().unwrap().clone();
    assert_eq!(fold(&records).positions.values().next().unwrap().phase, Phase::Closed);
    write(&bench.path("J"), &records, None);
    assert_eq!(bench.run("export --journal J --dir before").status.code(), Some(0));
    let archived = vec![Event::Archived { position: PositionNo::new(1).unwrap() }];
    records.push(Record { seq: last.seq + 1, input: InputKind::Deadline, events: archived, ..last });
    std::fs::remove_file(bench.path("J")).unwrap();
    write(&bench.path("J"), &records, None);
    assert_eq!(json(&bench, "status --journal J --all")["accounts"][0]["positions"], Value::Array(Vec::new()));
    assert_eq!(bench.run("export --journal J --dir after").status.code(), Some(0));
    for file in ["orders.csv", "fills.csv", "trades.csv", "fees.csv"] {
        let of = |dir: &str| std::fs::read_to_string(bench.path(&format!("{dir}/{file}"))).unwrap();
        assert_eq!(of("after"), of("before"), "{file}");
        assert!(of("after").lines().count() > 1, "{file}");
    }
    let told = text(&bench.run("explain 1 --journal J").stdout);
    assert!(told.contains("left the worker's memory") && told.contains("its records stay"), "{told}");
}

#[test]
fn every_reader_says_in_its_help_what_it_does_and_shows_an_example() {
    let bench = Bench::new();
    for command in ["status", "explain", "replay", "export"] {
        let help = |flag: &str| -> Output { bench.run(&format!("{command} {flag}")) };
        let long = text(&help("--help").stdout);
        assert!(long.contains(&format!("Example:\n  kraite {command} ")), "{long}");
        let short = text(&help("-h").stdout);
        let first = short.split("\n\n").next().unwrap();
        assert!(!first.contains(". ") && first.lines().count() <= 2, "one sentence: {short}");
        assert!(long.lines().all(|line| line.chars().count() <= 112), "{long}");
    }
}

#[cfg(not(feature = "postgres"))]
#[test]
fn a_build_without_postgresql_says_so_of_every_address_of_a_database() {
    let bench = Bench::new();
    let why = "this kraite is built without PostgreSQL: build it with --features postgres";
    for reader in READERS.iter().chain(&["inspect J"]) {
        refused(&bench, &reader.replace('J', "postgres://u@h/d"), 2, &[why]);
    }
    let account = "[accounts.main]\ntag = 1\nvenue = \"binance\"\nnetwork = \"emulator\"\nhttp = \"http://127.0.0.1:1\"\n\
                   ws = \"ws://127.0.0.1:1\"\nkey = { env = \"K\" }\nsecret = { env = \"S\" }\n[plans.p]\nmargin = \"100\"\n";
    bench.file("kraite.toml", &format!("version = 1\n[postgres]\naddress = {{ env = \"D\" }}\n{account}"));
    for command in ["run", "run --dry-run", "recover --from-exchange", "recover --from-exchange --write", "halt main"] {
        let output = bench.run(command);
        let told = text(&output.stdout) + &text(&output.stderr);
        assert!(told.contains(why), "{command}: {told}");
        assert_ne!(output.status.code(), Some(0), "{command}");
    }
    assert_eq!(bench.run("support-bundle --out bundle").status.code(), Some(0));
    let health = std::fs::read_to_string(bench.path("bundle/health.json")).unwrap();
    assert!(health.contains(why), "{health}");
}
