//! `kraite run` on several hosts that share a journal in PostgreSQL: killed, stopped and drained, with positions open on
//! every protocol.
//!
//! `tests/postgres/run cargo test --workspace --test hosts -- --include-ignored`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "processes are waited for on the wall's clock")]

mod stage;

use std::time::{Duration, Instant};

use kraite_core::id::Role;
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use stage::hosts::{Hosts, LEASE_SECONDS, NAMES, without_password};
use stage::{Running, kraite, until};

#[test]
#[ignore = "needs PostgreSQL"]
fn i14_hosts_that_are_killed_stopped_and_drained_hand_positions_on_and_nothing_is_there_twice() {
    let hosts = Hosts::new("handover");
    let mut first = hosts.run("h1");
    for (id, name) in (1..).zip(NAMES) {
        assert_eq!(hosts.opens(&mut [&mut first], id, name)["repeated"], Value::Null);
    }
    until("protected", || hosts.all_are_protected());
    let before: Vec<_> = NAMES.iter().map(|name| hosts.stage.ids_ever(name)).collect();

    // One that is killed: what it had is another's within lease and window.
    let mut second = hosts.run("h2");
    until("shared", || hosts.owners().iter().flatten().collect::<std::collections::BTreeSet<_>>().len() == 2);
    first.kill(Signal::KILL);
    let began = Instant::now();
    until("taken over", || hosts.all_are_on("h2"));
    let took = began.elapsed();
    println!("taken over after {took:?}");
    assert!(took < Duration::from_secs(LEASE_SECONDS + 5), "{took:?}");
    for (id, name) in (1..).zip(NAMES) {
        assert_eq!(hosts.opens(&mut [&mut second], id, name)["repeated"], true, "{name}");
    }
    assert!(hosts.all_are_protected());
    let after: Vec<_> = NAMES.iter().map(|name| hosts.stage.ids_ever(name)).collect();
    assert_eq!(after, before, "a new owner places nothing");

    // One that stands still: the next one has everything, and it can do nothing when it goes on.
    kill_process(second.pid(), Signal::STOP).unwrap();
    let mut third = hosts.run("h3");
    until("taken over", || hosts.all_are_on("h3"));
    kill_process(second.pid(), Signal::CONT).unwrap();
    hosts.stage.price("apart", "137");
    let targets = || hosts.stage.ids_ever("apart").iter().filter(|(role, _)| *role == Role::Target).count();
    // A rung has filled: three are left, with stop and target.
    let are_protected = || {
        let others = ["classic", "unified"].iter().all(|name| hosts.stage.is_protected(name));
        others && hosts.stage.open("apart") == (1, 5)
    };
    until("re-priced", || targets() == 2 && are_protected());
    until("told", || second.was_told("the lease of host h2 has ended"));
    let answer = hosts.opens(&mut [&mut second, &mut third], 1, "apart");
    assert_eq!(answer["repeated"], true, "{answer}");

    // One that is drained: the other one has everything.
    let (code, told) = hosts.said("h3", &["drain", "h3"]);
    assert_eq!((code, told.as_str()), (0, "h3: hands over what it has, and takes nothing\n"));
    until("handed over", || hosts.all_are_on("h2"));
    assert!(are_protected());
    until("told where it belongs", || {
        third.says(&json!({ "id": 9, "account": "apart", "close": "SOLUSDT" }));
        third.answers()["error"] == "host h2 works on the account: give it there"
    });
    let (code, told) = hosts.said("h3", &["drain", "h9"]);
    assert!(code == 2 && told.contains("there is no host h9; there are: h1, h2, h3"), "{told}");

    // One that ends hands over at once.
    assert_eq!(hosts.said("h3", &["drain", "h3", "--undo"]).0, 0);
    let began = Instant::now();
    let (code, told) = second.kill(Signal::TERM);
    assert_eq!(code, Some(0), "{told}");
    until("handed over", || hosts.all_are_on("h3"));
    assert!(began.elapsed() < Duration::from_secs(LEASE_SECONDS), "{:?}", began.elapsed());

    assert_eq!(hosts.entries(), [1, 1, 1]);
    // Workers begin one after the other; one that is not connected yet says so.
    until("flattened", || hosts.said("h3", &["flatten", "all"]).0 == 0);
    for name in NAMES {
        until("flat", || hosts.stage.open(name) == (0, 0));
    }
    assert_eq!(hosts.entries(), [1, 1, 1]);
    let (code, told) = third.kill(Signal::INT);
    assert_eq!(code, Some(0), "{told}");
}

#[test]
#[ignore = "needs PostgreSQL"]
fn two_processes_of_one_name_and_passwords_on_the_command_line_are_refused() {
    let hosts = Hosts::new("names");
    let first = hosts.run("h1");
    until("there", || first.was_told("of 3 accounts are here"));
    // The same name from another folder: the newer process has the accounts, and the older one ends.
    std::fs::create_dir_all(hosts.folder("other")).unwrap();
    let text = std::fs::read_to_string(hosts.folder("h1").join("kraite.toml")).unwrap();
    std::fs::write(hosts.folder("other").join("kraite.toml"), text).unwrap();
    let second = Running::of(hosts.command("other", &["run", "--signals", "-"]));
    until("told", || first.was_told("another process runs as host h1: each has a name of its own"));
    until("there", || second.was_told("3 of 3 accounts are here"));
    assert_eq!(first.kill(Signal::INT).0, Some(7));
    second.kill(Signal::INT);
    let (code, told) = hosts.said("h1", &["run", "--journal", &hosts.address]);
    assert!(code == 2 && told.contains("a password on the command line can be read by everybody"), "{told}");
    let (_, password) = without_password(&hosts.address);
    assert!(!told.contains(&password), "{told}");
}

#[test]
#[ignore = "needs PostgreSQL"]
fn s10_a_journal_moves_into_the_database_and_back_under_open_positions() {
    let hosts = Hosts::new("moving");
    let (address, password) = without_password(&hosts.address);
    let mut run = hosts.stage.run();
    for (id, name) in (1..).zip(NAMES) {
        run.opens(id, name);
    }
    until("protected", || hosts.all_are_protected());
    let migrate = |from: &str, to: &str| {
        let mut command = kraite(hosts.stage.folder.path(), &["migrate", "--from", from, "--to", to, "--json"]);
        let output = command.env("PGPASSWORD", &password).output().unwrap();
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        (output.status.code().unwrap(), format!("{out}{err}"))
    };
    let (code, told) = migrate("j", &address);
    assert!(code == 7 && told.contains("another process works on this journal"), "{told}");
    run.kill(Signal::KILL);
    let before: Vec<_> = NAMES.iter().map(|name| hosts.stage.ids_ever(name)).collect();
    let (code, told) = migrate("j", &address);
    assert!(code == 0 && told.contains("\"accounts\":3"), "{told}");
    let place = |name: &str| hosts.stage.folder.path().join(name);
    assert!(place("j.moved").exists(), "{told}");
    for left in ["j", "j-wal", "j-shm", "j.moved-wal"] {
        assert!(!place(left).exists(), "{left}: whoever begins a journal of that name would have its log");
    }

    let mut first = hosts.run("h1");
    for (id, name) in (1..).zip(NAMES) {
        assert_eq!(hosts.opens(&mut [&mut first], id, name)["repeated"], true, "{name}");
    }
    let (code, told) = migrate(&address, "j");
    assert!(code == 10 && told.contains("host h1 works on it; nothing was copied"), "{told}");
    assert_eq!(first.kill(Signal::TERM).0, Some(0));
    let (code, told) = migrate(&address, "j");
    assert_eq!(code, 0, "{told}");
    let shown = kraite(hosts.stage.folder.path(), &["status", "--journal", &address])
        .env("PGPASSWORD", &password)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(shown.stdout).unwrap().matches("MOVED to j: nobody works on it here").count(), 3);

    let mut run = hosts.stage.run();
    for (id, name) in (1..).zip(NAMES) {
        assert_eq!(run.opens(id, name)["repeated"], true, "{name}");
    }
    let after: Vec<_> = NAMES.iter().map(|name| hosts.stage.ids_ever(name)).collect();
    assert_eq!(after, before, "nothing is placed by a journal that moves");
    assert!(hosts.all_are_protected());
    run.kill(Signal::INT);
    let (code, told) = migrate("j", &address);
    assert!(code == 1 && told.contains("j.moved is there and would be written over"), "{told}");
    assert!(place("j").exists());
    let (code, told) = migrate("j", "k");
    assert!(code == 2 && told.contains("one of --from and --to is a file"), "{told}");
}

#[test]
#[ignore = "needs PostgreSQL"]
fn i12_a_database_that_was_put_back_is_found_by_what_the_exchange_shows_and_opens_nothing() {
    let hosts = Hosts::new("putback");
    let run = hosts.run("h1");
    until("there", || run.was_told("3 of 3 accounts are here"));
    run.kill(Signal::KILL);
    // The backup, from before anything was opened.
    hosts.sql(
        "CREATE TABLE b_records AS TABLE kraite.records; CREATE TABLE b_owners AS TABLE kraite.owners; \
         CREATE TABLE b_snapshots AS TABLE kraite.snapshots",
    );
    let mut run = hosts.run("h1");
    for (id, name) in (1..).zip(NAMES) {
        hosts.opens(&mut [&mut run], id, name);
    }
    until("protected", || hosts.all_are_protected());
    let open = "SELECT account, symbol, direction, exposure > 0, stop IS NOT NULL, cover FROM kraite.positions ORDER BY account";
    until("shown", || hosts.sql(open) == [1, 2, 3].map(|account| format!("{account} SOLUSDT LONG t t protected")));
    assert_eq!(hosts.sql("SELECT account, host, halted FROM kraite.accounts ORDER BY account")[0], "1 h1 f");
    let before: Vec<_> = NAMES.iter().map(|name| hosts.stage.ids_ever(name)).collect();
    run.kill(Signal::KILL);
    hosts.sql(
        "DELETE FROM kraite.records; INSERT INTO kraite.records TABLE b_records; DELETE FROM kraite.snapshots; \
         INSERT INTO kraite.snapshots TABLE b_snapshots; DELETE FROM kraite.owners; \
         INSERT INTO kraite.owners TABLE b_owners; DELETE FROM kraite.hosts",
    );
    // Whoever works on it now opens nothing, and takes away nothing that protects.
    let mut run = hosts.run("h2");
    until("found", || run.times_told("of a position this journal does not know: nothing is opened") >= 3);
    for (id, name) in (11..).zip(NAMES) {
        run.says(&stage::open(id, name));
        let answer = run.answers();
        assert!(answer["error"].as_str().is_some_and(|why| why.contains("the journal cannot explain")), "{answer}");
    }
    assert!(hosts.all_are_protected());
    let after: Vec<_> = NAMES.iter().map(|name| hosts.stage.ids_ever(name)).collect();
    assert_eq!(after, before);
    until("shown", || hosts.sql("SELECT count(*) FROM kraite.accounts WHERE quarantined") == ["3"]);
    run.kill(Signal::INT);
}
