//! The commands that read a journal, on one in PostgreSQL that a host works on: they show what they show of a copy in a
//! file, change nothing, and no password.
//!
//! `tests/postgres/run cargo test --workspace --test database -- --include-ignored`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "processes are waited for on the wall's clock")]

mod stage;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use kraite::journal::{Host, Lease, PostgresJournal};
use kraite_core::engine::{InputKind, State};
use kraite_core::id::AccountTag;
use kraite_core::journal::{Journal as _, Record, Snapshot};
use kraite_core::time::{LocalMillis, Millis, Moment, VenueMillis};
use rustix::process::Signal;
use serde_json::{Value, json};
use stage::hosts::{Hosts, NAMES, without_password};
use stage::{Running, Stage, kraite, until};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Every file of a folder and of those in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Hosts, their database's address without the password, and that.
struct World {
    hosts: Hosts,
    address: String,
    password: String,
}

impl World {
    fn new(name: &str, accounts: &[&str]) -> Self {
        let hosts = Hosts::of(name, Stage::of(accounts));
        let (address, password) = without_password(&hosts.address);
        std::fs::create_dir(hosts.folder("temporary")).unwrap();
        hosts.configure("desk");
        Self { hosts, address, password }
    }

    /// What a command in the folder `desk` says. Nothing of it is the password, and no copy is left.
    fn output(&self, command: &mut Command) -> Output {
        let temporary = self.hosts.folder("temporary");
        let output = command.env("PGPASSWORD", &self.password).env("TMPDIR", &temporary).output().unwrap();
        for said in [&output.stdout, &output.stderr] {
            assert!(!text(said).contains(&self.password), "{}", text(said));
        }
        assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
        output
    }

    /// The code and what was said, with the configuration of the folder `desk`.
    fn said(&self, args: &[&str]) -> (i32, String) {
        let output = self.output(&mut self.hosts.command("desk", args));
        (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
    }

    /// The same with JSON on stdout.
    #[track_caller]
    fn json(&self, args: &[&str]) -> (i32, Value) {
        let output = self.output(&mut self.hosts.command("desk", args));
        let shown = text(&output.stdout);
        let shown = serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{error}: {shown}"));
        (output.status.code().unwrap(), shown)
    }

    /// What no reader may change. A host renews its lease meanwhile.
    fn kept(&self) -> Vec<String> {
        let owners = "SELECT account, epoch, last_seq, host, run, moved_to FROM kraite.owners ORDER BY account";
        let records = "SELECT account, count(*), max(seq) FROM kraite.records GROUP BY account ORDER BY account";
        [self.hosts.sql(owners), self.hosts.sql(records)].concat()
    }

    fn copy(&self, name: &str) {
        let (journal, place) = (PostgresJournal::connect(&self.hosts.address), self.hosts.folder("desk").join(name));
        self.hosts.stage.runtime.block_on(async { journal.await.unwrap().copy_to(place, None).await }).unwrap();
    }

    /// A host with a position on each account, all of them complete.
    fn working(&self, host: &str) -> Running {
        let names: Vec<&str> = self.hosts.stage.emulators.iter().map(|(name, _)| *name).collect();
        let mut run = self.hosts.run(host);
        for (id, name) in (1..).zip(&names) {
            self.hosts.opens(&mut [&mut run], id, name);
        }
        until("active", || run.times_told("it is active") == names.len());
        until("protected", || names.iter().all(|name| self.hosts.stage.is_protected(name)));
        run
    }
}

#[test]
#[ignore = "needs PostgreSQL"]
fn s10_what_readers_show_of_a_database_is_what_they_show_of_a_file_while_a_host_works_on_it() {
    let world = World::new("readers", &NAMES);
    let (code, told) = world.said(&["inspect", &world.address]);
    assert!(code == 10 && told.contains("has no journal; kraite run or kraite migrate makes one"), "{told}");
    assert_eq!(world.hosts.sql("SELECT 1 FROM pg_namespace WHERE nspname = 'kraite'"), [""; 0], "nothing is made");
    let run = world.working("h1");
    let before = world.kept();
    world.copy("copy");
    let commands: [&[&str]; 9] = [
        &["inspect", "J"],
        &["inspect", "J", "--account", "2", "--limit", "9", "--json"],
        &["explain", "1", "--account", "1", "--journal", "J"],
        &["explain", "1", "--account", "3", "--journal", "J", "--json"],
        &["explain", "1", "--journal", "J"],
        &["export", "--journal", "J", "--dir", "books", "--force"],
        &["export", "--journal", "J", "--account", "3", "--dir", "books", "--force", "--json"],
        &["replay", "J"],
        &["replay", "J", "--account", "1", "--json"],
    ];
    for args in commands {
        let of = |journal: &str| {
            let args: Vec<&str> = args.iter().map(|arg| if *arg == "J" { journal } else { *arg }).collect();
            let (code, told) = world.said(&args);
            let books = world.hosts.folder("desk").join("books");
            let mut books = if books.exists() { files(&books) } else { Vec::new() };
            books.sort();
            let books: Vec<Vec<u8>> = books.iter().map(|file| std::fs::read(file).unwrap()).collect();
            (code, told.replace(journal, "J"), books)
        };
        let shown = of(&world.address);
        assert_eq!(shown, of("copy"), "{args:?}");
        assert_eq!(shown.0, if args == ["explain", "1", "--journal", "J"] { 2 } else { 0 }, "{}", shown.1);
    }
    let (code, told) = world.said(&["inspect", &world.address, "--account", "9"]);
    assert!(code == 2 && told.contains(&format!("account 9 is not in {}: it has 1, 2, 3", world.address)), "{told}");
    let (code, told) = world.said(&["explain", "7", "--account", "1", "--journal", &world.address]);
    assert!(code == 1 && told.contains(&format!("{} has no position 7", world.address)), "{told}");
    let (code, shown) = world.json(&["status", "--journal", &world.address, "--json"]);
    assert_eq!((code, &shown["journal"], &shown["hosts"][0]["host"]), (0, &world.address.clone().into(), &"h1".into()));
    assert_eq!(world.kept(), before, "nothing is any other");
    assert_eq!(world.hosts.owners(), [Some("h1".to_owned()), Some("h1".to_owned()), Some("h1".to_owned())]);
    // Whoever says the password is told so, and it is not said again.
    for args in [["inspect", &world.hosts.address], ["replay", &world.hosts.address]] {
        let (code, told) = world.said(&args);
        assert!(code == 2 && told.contains("a password on the command line can be read by everybody"), "{told}");
    }
    world.hosts.sql("UPDATE kraite.records SET body = body || 'x' WHERE account = 2 AND seq = 3");
    for args in [&["inspect", &world.address][..], &["export", "--journal", &world.address, "--dir", "damaged"]] {
        let (code, told) = world.said(args);
        assert!(code == 10 && told.contains("account 2, record 3") && told.contains("PostgreSQL"), "{told}");
    }
    assert_eq!(world.said(&["inspect", &world.address, "--account", "1"]).0, 0, "only that one is read");
    run.kill(Signal::KILL);
}

#[test]
#[ignore = "needs PostgreSQL"]
fn r109_bundles_checks_and_rehearsals_work_on_a_database_and_show_no_password() {
    let world = World::new("bundle", &["apart", "classic"]);
    let signal =
        "{\"id\": 9, \"account\": \"apart\", \"open\": \"SOLUSDT\", \"direction\": \"long\", \"plan\": \"p\"}\n";
    std::fs::write(world.hosts.folder("desk").join("signals"), signal).unwrap();
    let (code, shown) = world.json(&["run", "--dry-run", "--signals", "signals", "--json"]);
    assert_eq!((code, &shown["accounts"][0]["stands"]["last_record"]), (0, &0.into()), "{shown:#}");
    let (code, _) = world.said(&["support-bundle", "--out", "none"]);
    let health = |out: &str| {
        let path = world.hosts.folder("desk").join(out).join("health.json");
        let health: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let checks = health["checks"].as_array().unwrap().clone();
        let check = |name: &str| checks.iter().find(|check| check["name"] == name).unwrap().clone();
        [check("database"), check("journal"), check("state")]
    };
    let [database, journal, _] = health("none");
    assert!(code == 0 && database["says"].as_str().unwrap().contains("reached, PostgreSQL 1"), "{database}");
    assert_eq!(journal["says"], "none yet; kraite run makes it");
    assert_eq!(world.hosts.sql("SELECT 1 FROM pg_namespace WHERE nspname = 'kraite'"), [""; 0], "nothing is made");

    let run = world.working("h1");
    let before = world.kept();
    let (code, told) = world.said(&["support-bundle", "--out", "bundle"]);
    assert_eq!(code, 0, "{told}");
    let bundle = files(&world.hosts.folder("desk").join("bundle"));
    assert_eq!(bundle.len(), 6, "{bundle:?}");
    for file in &bundle {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(!text.contains(&world.password) && !text.contains("kraite:"), "{}: {text}", file.display());
    }
    let [database, journal, state] = health("bundle");
    assert_eq!((&database["status"], &journal["status"], &state["status"]), (&"ok".into(), &"ok".into(), &"ok".into()));
    assert!(journal["says"].as_str().unwrap().contains("verified, 2 accounts"), "{journal}");
    assert_eq!(state["says"], "2 positions open, 0 orders in doubt; 1 host up");
    let status: Value =
        serde_json::from_slice(&std::fs::read(world.hosts.folder("desk").join("bundle/status.json")).unwrap()).unwrap();
    assert_eq!((&status["accounts"][1]["host"], &status["hosts"][0]["up"]), (&"h1".into(), &true.into()));
    assert!(status["journal"].as_str().unwrap().starts_with("PostgreSQL kraite_bundle_"), "{status}");

    let (code, shown) = world.json(&["run", "--dry-run", "--signals", "signals", "--json"]);
    assert_eq!((code, &shown["journal"]), (1, &status["journal"]), "{shown:#}");
    assert_eq!(shown["accounts"][0]["stands"]["positions"][0]["symbol"], "SOLUSDT");
    assert_eq!(shown["signals"][0]["refused"], "position 1 on the contract is not finished");
    let (code, shown) = world.json(&["run", "--dry-run", "--journal", &world.address, "--json"]);
    assert_eq!((code, &shown["journal"]), (0, &world.address.clone().into()), "{shown:#}");
    let emulator = world.hosts.stage.emulator("apart");
    let (http, ws) = (emulator.http(), emulator.ws());
    let key = ["--key-env", "KRAITE_KEY", "--secret-env", "KRAITE_SECRET"];
    let at = ["doctor", "--venue", "binance", "--http", &http, "--ws", &ws, "--journal"];
    let (code, told) = world.said(&[&at[..], &[&world.address], &key].concat());
    assert!(code == 0 && told.contains("reached, PostgreSQL") && told.contains("1 host up"), "{told}");
    let (code, told) = world.said(&[&at[..], &["postgres://kraite@127.0.0.1:1/d"], &key].concat());
    assert!(code == 10 && told.contains("failed   database") && told.contains("skipped  journal"), "{told}");
    assert_eq!(world.kept(), before, "nothing is any other");
    run.kill(Signal::KILL);
    until("gone", || world.hosts.owners() == [None, None]);
    assert_eq!(world.said(&["support-bundle", "--out", "later"]).0, 0);
    let [_, _, state] = health("later");
    assert!(state["status"] == "warned" && state["says"].as_str().unwrap().ends_with("no host is up"), "{state}");
    world.hosts.sql("UPDATE kraite.records SET body = body || 'x' WHERE account = 2 AND seq = 3");
    assert_eq!(world.said(&["support-bundle", "--out", "damaged"]).0, 0);
    let [_, journal, state] = health("damaged");
    assert_eq!((&journal["status"], &state["status"]), (&"failed".into(), &"skipped".into()));
    assert!(!world.hosts.folder("desk").join("damaged/records.json").exists());
}

#[test]
#[ignore = "needs PostgreSQL"]
fn on_paper_the_database_is_not_touched() {
    let world = World::new("paper", &["apart"]);
    let config = world.hosts.folder("desk").join("kraite.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}symbols = [\"SOLUSDT\"]\n")).unwrap();
    let mut run = Running::of(world.hosts.command("desk", &["run", "--paper", "--signals", "-"]));
    assert_eq!(run.opens(1, "apart")["position"], 1);
    until("active", || run.was_told("it is active"));
    let (code, shown) = world.json(&["status", "--journal", "kraite.paper", "--json"]);
    assert_eq!((code, &shown["accounts"][0]["positions"][0]["symbol"]), (0, &"SOLUSDT".into()));
    assert_eq!(run.kill(Signal::INT).0, Some(0));
    assert_eq!(world.hosts.sql("SELECT 1 FROM pg_namespace WHERE nspname = 'kraite'"), [""; 0]);
}

#[test]
#[ignore = "needs PostgreSQL"]
fn r02_a_lost_database_is_rebuilt_from_the_exchange_and_never_while_a_host_works_on_it() {
    const SHOW: [&str; 3] = ["recover", "--from-exchange", "--json"];
    const WRITE: [&str; 4] = ["recover", "--from-exchange", "--write", "--json"];
    let world = World::new("lost", &["apart"]);
    let of = |shown: &Value| shown["accounts"][0].clone();
    let run = world.working("h1");
    let (code, shown) = world.json(&WRITE);
    assert_eq!(code, 7, "{shown:#}");
    let why = "host h1 works on account apart: end kraite run on every host first";
    assert_eq!((&of(&shown)["refused"], &of(&shown)["written"]), (&why.into(), &Value::Null));
    assert_eq!(world.json(&SHOW).0, 0, "beside a host it may be looked");
    run.kill(Signal::KILL);
    let before = world.hosts.stage.ids_ever("apart");
    world.hosts.sql("DROP SCHEMA kraite CASCADE");
    let (code, shown) = world.json(&SHOW);
    assert_eq!((code, &of(&shown)["positions"][0]["verdict"]), (0, &"rebuilt".into()), "{shown:#}");
    assert_eq!(world.hosts.sql("SELECT 1 FROM pg_namespace WHERE nspname = 'kraite'"), [""; 0], "nothing is made");

    // A host that takes the account before or while it is read has it.
    let lease = Lease { term: Duration::from_secs(60), reach: Duration::from_secs(1) };
    let claim = |name: &str| {
        world.hosts.stage.runtime.block_on(async {
            let journal = PostgresJournal::connect(&world.hosts.address).await.unwrap();
            let host = Host::begin(&journal, name, "1", lease).await.unwrap();
            let account = AccountTag::new(1).unwrap();
            until("free", || {
                let claimed = tokio::task::block_in_place(|| {
                    tokio::runtime::Handle::current().block_on(host.claim(&[account], 1))
                });
                !claimed.unwrap().is_empty()
            });
            assert_eq!(journal.load(account).await.unwrap().records, []);
            host
        })
    };
    let other = claim("other");
    let (code, shown) = world.json(&WRITE);
    assert!(code == 7 && of(&shown)["refused"].as_str().unwrap().starts_with("host other works on"), "{shown:#}");
    world.hosts.stage.runtime.block_on(other.end()).unwrap();
    let running = Running::of(world.hosts.command("desk", &["recover", "--from-exchange", "--write"]));
    until("reading", || running.was_told("reading again in"));
    let other = claim("other");
    let told = running.ends();
    assert!(told.0 == Some(7) && told.1.contains("somebody works on account apart by now"), "{told:?}");
    world.hosts.stage.runtime.block_on(other.end()).unwrap();
    assert_eq!(world.hosts.sql("SELECT count(*) FROM kraite.records"), ["0"]);

    let (code, shown) = world.json(&WRITE);
    assert_eq!(code, 0, "{shown:#}");
    assert!(of(&shown)["written"].as_u64().unwrap() > 2, "{shown:#}");
    assert!(shown["journal"].as_str().unwrap().starts_with("PostgreSQL kraite_lost_"), "{shown:#}");
    let (code, again) = world.json(&WRITE);
    assert_eq!(code, 10, "{again:#}");
    assert!(of(&again)["refused"].as_str().unwrap().contains("kraite run restores it from them"));
    let (code, told) = world.said(&["explain", "1", "--journal", &world.address]);
    assert!(code == 0 && told.contains("found at the exchange by kraite recover"), "{told}");

    let mut run = world.hosts.run("h2");
    until("restored", || run.was_told("restored: 1 position,"));
    run.says(&json!({ "id": 8, "account": "apart", "halt": false }));
    assert_eq!(run.answers()["taken"], true);
    assert_eq!(world.hosts.stage.ids_ever("apart"), before, "what was rebuilt places nothing");
    until("flattened", || world.hosts.said("h2", &["flatten", "all"]).0 == 0);
    until("flat", || world.hosts.stage.open("apart") == (0, 0));
    run.kill(Signal::INT);
}

#[test]
#[ignore = "needs PostgreSQL"]
fn what_is_said_of_a_database_that_cannot_be_used_is_one_sentence_without_the_password() {
    let world = World::new("unfit", &["apart"]);
    let wrong = |address: &str, password: &str, args: &[&str]| {
        let mut command = kraite(world.hosts.stage.folder.path(), &[args, &["--journal", address]].concat());
        let output = command.env("PGPASSWORD", password).output().unwrap();
        (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
    };
    let explain: &[&str] = &["explain", "1"];
    let (code, told) = wrong(&world.address, "canary-password", explain);
    assert!(code == 10 && told.contains("password authentication failed") && !told.contains("canary"), "{told}");
    let (code, told) = wrong("postgres://kraite@127.0.0.1:1/d", "canary", explain);
    assert!(code == 10 && !told.contains("canary"), "{told}");
    assert_eq!(told.trim().lines().count(), 1, "{told}");
    let (code, told) = wrong("postgres://kraite:can/ary@127.0.0.1/d", "", explain);
    assert!(code == 2 && told.contains("a password on the command line") && !told.contains("ary@"), "{told}");
}

#[test]
#[ignore = "needs PostgreSQL with openssl"]
fn a_connection_is_encrypted_where_it_is_to_be_and_only_to_the_server_that_proves_who_it_is() {
    let root = std::env::var("KRAITE_POSTGRES_ROOT").expect("KRAITE_POSTGRES_ROOT is a file of the server's root");
    let world = World::new("encrypted", &["apart"]);
    let address = |address: &str| format!("{address}&sslmode=require");
    let mut command = world.hosts.prepared("h1", &["run", "--signals", "-"]);
    command.env("KRAITE_DATABASE", address(&world.hosts.address)).env("SSL_CERT_FILE", &root);
    let run = Running::of(command);
    until("there", || run.was_told("1 of 1 accounts are here"));
    let sessions = "SELECT count(*) > 0, bool_and(s.ssl), min(s.version) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) \
                    WHERE a.application_name = 'kraite' AND a.datname = current_database()";
    assert_eq!(world.hosts.sql(sessions), ["t t TLSv1.3"]);
    let status = |address: &str, root: Option<&str>| {
        let mut command = world.hosts.command("desk", &["status", "--journal", address]);
        command.env_remove("SSL_CERT_FILE");
        if let Some(root) = root {
            command.env("SSL_CERT_FILE", root);
        }
        let output = world.output(&mut command);
        (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
    };
    assert_eq!(status(&address(&world.address), Some(&root)).0, 0);
    // Another root, and another name than that of the certificate: nothing is said to such a server.
    let (code, told) = status(&address(&world.address), None);
    assert!(code == 10 && (told.contains("UnknownIssuer") || told.contains("no root certificates")), "{told}");
    let (code, told) = status(&address(&world.address.replace("127.0.0.1", "localhost")), Some(&root));
    assert!(code == 10 && told.contains("not valid for name"), "{told}");
    run.kill(Signal::INT);
}

#[test]
#[ignore = "needs PostgreSQL"]
fn s10_history_goes_into_a_file_and_readers_see_all_of_it() {
    let world = World::new("archived", &["apart"]);
    let account = AccountTag::new(1).unwrap();
    // Half a year old, with a snapshot as a worker leaves it every thousand records.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let then = i64::try_from(now.as_millis()).unwrap() - 180 * 86_400_000;
    world.hosts.stage.runtime.block_on(async {
        let journal = PostgresJournal::connect(&world.hosts.address).await.unwrap();
        let epoch = journal.acquire(account).await.unwrap();
        let at = Moment { local: LocalMillis(then), venue: VenueMillis(then), error: Millis(1) };
        let old = |seq| Record { seq, epoch, at, input: InputKind::Deadline, events: Vec::new() };
        journal.append(account, &(1..=1_500).map(old).collect::<Vec<_>>()).await.unwrap();
        let state = State { seq: 1_200, epoch, ..State::new(account) };
        journal.save_snapshot(account, &Snapshot { seq: 1_200, state }).await.unwrap();
    });
    let records = || world.hosts.sql("SELECT min(seq), max(seq) FROM kraite.records");
    let told = |args: &[&str]| world.said(&[&["archive", "--journal", &world.address][..], args].concat());
    let read = || world.said(&["inspect", &world.address, "--account", "1", "--limit", "2000", "--json"]);
    let before = read();
    assert!(before.0 == 0 && before.1.len() > 100_000, "{}", before.1);
    let (code, young) = told(&["--to", "archive", "--older-than", "200"]);
    assert!(code == 0 && young.contains("0 of them went from the database"), "{young}");
    // Killed at any moment: everything is still there for whoever reads, and what was left beside the file is named.
    let mut killed = 0;
    for round in 0..12_u64 {
        let mut command = world.hosts.command("desk", &["archive", "--journal", &world.address, "--to", "archive"]);
        let mut child = command.env("PGPASSWORD", &world.password).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(2 + round * 4));
        killed += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        let left = world.hosts.folder("desk").join("archive.archiving");
        if left.exists() {
            let (code, why) = told(&["--to", "archive"]);
            assert!(code == 10 && why.contains("an archive was cut off, or is being made; remove it"), "{why}");
            std::fs::remove_file(left).unwrap();
        }
        assert!(read() == before, "round {round}: {}", read().1);
    }
    println!("{killed} of 12 archives were killed");
    assert!(killed > 2, "{killed}");
    let (code, archived) = told(&["--to", "archive", "--json"]);
    assert_eq!(code, 0, "{archived}");
    assert!(archived.contains("\"records\":1500,\"removed\":"), "{archived}");
    assert_eq!(records(), ["1200 1500"]);
    assert!(read() == before, "{}", read().1);
    // Whoever works on it starts from what is left.
    let run = world.hosts.run("h1");
    until("there", || run.was_told("restored: 0 positions"));
    run.kill(Signal::INT);
    let (code, why) = told(&["--to", "kraite.toml"]);
    assert!(code == 10 && why.contains("is no archive of this database"), "{why}");
    let (code, why) = told(&["--to", "archive", "--older-than", "0"]);
    assert!(code == 2 && why.contains("0 is not in 1..=36500"), "{why}");
    let (code, why) = world.said(&["archive", "--journal", "j", "--to", "k"]);
    assert!(code == 2 && why.contains("a journal in a file is its own archive"), "{why}");
}
