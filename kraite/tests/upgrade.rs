//! `kraite run` of two builds whose formats differ, on one database: the newer one comes host by host under open positions.
//!
//! ```text
//! cargo test --workspace --no-run --test upgrade --features kraite/next-format && cp target/debug/kraite target/kraite-next
//! KRAITE_NEXT=$PWD/target/kraite-next tests/postgres/run cargo test --workspace --test upgrade -- --include-ignored
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "processes are waited for on the wall's clock")]

mod stage;

use std::collections::BTreeSet;

use kraite_core::id::Role;
use rustix::process::Signal;
use serde_json::Value;
use stage::hosts::{Hosts, NAMES, without_password};
use stage::{KRAITE, kraite_of, until};

/// Formats of everything that was ever written, and how many records there are and should be.
const FORMATS: &str = "SELECT DISTINCT get_byte(body, 0) FROM kraite.records ORDER BY 1";
const MISSING: &str = "SELECT account FROM kraite.owners o WHERE last_seq <> \
    (SELECT count(*) FROM kraite.records r WHERE r.account = o.account)";

#[test]
#[ignore = "needs PostgreSQL and a build of the next format"]
fn s10_a_newer_format_comes_host_by_host_and_nothing_is_lost_and_nobody_goes_back() {
    let next = std::env::var("KRAITE_NEXT").expect("KRAITE_NEXT is a build with the feature next-format");
    let hosts = Hosts::new("upgrade");
    let (mut first, mut second) = (hosts.run("h1"), hosts.run("h2"));
    for (id, name) in (1..).zip(NAMES) {
        assert_eq!(hosts.opens(&mut [&mut first, &mut second], id, name)["repeated"], Value::Null);
    }
    until("protected", || hosts.all_are_protected());
    let before: Vec<_> = NAMES.iter().map(|name| hosts.stage.ids_ever(name)).collect();
    assert_eq!(hosts.sql(FORMATS), ["1"]);

    // The first newer host brings the tables up to date under the others, and takes its share.
    let third = hosts.run_of(&next, "h3");
    until("up to date", || third.was_told("host h3, with a lease"));
    let owners = || hosts.owners_of(&next).into_iter().flatten().collect::<Vec<_>>();
    let work = |names: &[&str]| {
        let owners = owners();
        owners.len() == NAMES.len()
            && owners.iter().map(String::as_str).collect::<BTreeSet<_>>() == names.iter().copied().collect()
    };
    until("shared by three", || work(&["h1", "h2", "h3"]));
    // A host that ends comes back newer, and not older: the one who still runs it finds so at once.
    let (code, told) = first.kill(Signal::TERM);
    assert_eq!(code, Some(0), "{told}");
    for command in [&["run", "--signals", "-"][..], &["halt", "apart"], &["drain", "h2"]] {
        let (code, told) = hosts.said("h1", command);
        assert!(code == 10 && told.contains("is newer than the"), "{command:?}: {code} {told}");
    }
    let first = hosts.run_of(&next, "h1");
    until("shared by three", || work(&["h1", "h2", "h3"]));

    // Where only an older host is left it takes nothing that it might not be able to read, and says so.
    let of_old = owners().iter().filter(|owner| *owner == "h2").count();
    first.kill(Signal::KILL);
    third.kill(Signal::KILL);
    until("told", || second.was_told("a newer kraite has worked on them: this one cannot"));
    until("left alone", || owners().len() == of_old);
    assert!(work(&["h2"]) || of_old < NAMES.len());
    assert!(hosts.all_are_protected(), "what nobody works on is behind its stops");

    // The newer ones come back, and the last older one goes: what it wrote is read and gone on with.
    let mut third = hosts.run_of(&next, "h3");
    until("taken over", || work(&["h2", "h3"]));
    let (code, told) = second.kill(Signal::TERM);
    assert_eq!(code, Some(0), "{told}");
    until("taken over", || work(&["h3"]));
    for (id, name) in (1..).zip(NAMES) {
        assert_eq!(hosts.opens(&mut [&mut third], id, name)["repeated"], true, "{name}");
    }
    let after: Vec<_> = NAMES.iter().map(|name| hosts.stage.ids_ever(name)).collect();
    assert_eq!(after, before, "nothing was placed by an upgrade");
    let targets = || hosts.stage.ids_ever("apart").iter().filter(|(role, _)| *role == Role::Target).count();
    hosts.stage.price("apart", "137");
    until("re-priced", || targets() == 2 && hosts.stage.open("apart") == (1, 5));
    until("flattened", || hosts.said_of(&next, "h3", &["flatten", "all"]).0 == 0);
    for name in NAMES {
        until("flat", || hosts.stage.open(name) == (0, 0));
    }
    assert_eq!(hosts.entries(), [1, 1, 1]);
    let (code, told) = third.kill(Signal::INT);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(hosts.sql(FORMATS), ["1", "2"]);
    assert_eq!(hosts.sql(MISSING), [""; 0]);

    // Nor does a file lead back: whoever cannot read it says so and changes nothing.
    let (address, password) = without_password(&hosts.address);
    let on_file = |build: &str, args: &[&str]| {
        let output = kraite_of(build, hosts.stage.folder.path(), args).env("PGPASSWORD", &password).output().unwrap();
        let told = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        (output.status.code().unwrap(), told)
    };
    let (code, told) = on_file(&next, &["migrate", "--from", &address, "--to", "j"]);
    assert_eq!(code, 0, "{told}");
    let file = || std::fs::read(hosts.stage.folder.path().join("j")).unwrap();
    let moved = file();
    for command in
        [&["status", "--journal", "j"][..], &["run", "--signals", "-"], &["migrate", "--from", "j", "--to", &address]]
    {
        let (code, told) = on_file(KRAITE, command);
        assert!(code == 10 && told.contains("is newer than the"), "{command:?}: {code} {told}");
    }
    assert!(moved == file(), "a file that cannot be read is left as it is");
    let (code, told) = on_file(&next, &["status", "--journal", "j", "--all"]);
    assert!(code == 0 && told.matches("SOLUSDT").count() == NAMES.len(), "{told}");
}
