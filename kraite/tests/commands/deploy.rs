//! What is in deploy/ and docs/runbook.md is true to the program: metrics, rules, notices, commands, configuration.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::stage::{PATIENCE, Running, kraite, until};
use kraite_core::engine::Alert;
use rustix::process::Signal;
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn set<T: Into<String>>(all: impl IntoIterator<Item = T>) -> BTreeSet<String> {
    all.into_iter().map(Into::into).collect()
}

/// What is between two marks, wherever they stand on one line.
fn between<'a>(text: &'a str, before: &str, after: char) -> Vec<&'a str> {
    let pieces = text.lines().flat_map(|line| line.split(before).skip(1));
    pieces.filter_map(|rest| rest.split_once(after)).map(|(inside, _)| inside).collect()
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

/// Every `kraite_…` that is no name of a crate.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
    words.filter(|word| word.starts_with("kraite_")).map(str::to_owned).collect()
}

/// The families that a running process prints, with every way that notices can go.
fn families() -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens there: an account that is not connected has its metrics too.
    let text = "version = 1\njournal = \"j\"\n[http]\nlisten = \"127.0.0.1:0\"\ntoken = { env = \"KRAITE_HTTP\" }\n\
                [notify.webhook]\nurl = \"http://127.0.0.1:9/\"\n\
                [notify.telegram]\nchat = \"1\"\ntoken = { env = \"KRAITE_HTTP\" }\napi = \"http://127.0.0.1:9\"\n\
                [accounts.main]\ntag = 1\nvenue = \"binance\"\nnetwork = \"emulator\"\nhttp = \"http://127.0.0.1:9\"\n\
                ws = \"ws://127.0.0.1:9\"\nkey = { env = \"KRAITE_KEY\" }\nsecret = { env = \"KRAITE_SECRET\" }\n";
    std::fs::write(folder.path().join("kraite.toml"), text).unwrap();
    let mut command = kraite(folder.path(), &["run"]);
    command.env("KRAITE_HTTP", "4711:a-token-that-is-long-enough");
    let run = Running::of(command);
    let said = "signals, health and metrics on http://";
    until("listening", || run.was_told(said));
    let told = run.told.lock().unwrap().clone();
    let address = told.split_once(said).unwrap().1.lines().next().unwrap().to_owned();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(run.kill(Signal::INT).0, Some(0));
    set(between(&answer, "# TYPE ", ' '))
}

/// A family that no panel shows, and a name in dashboard or rules that is none.
fn unshown(families: &BTreeSet<String>, dashboard: &str, rules: &str) -> Vec<String> {
    let shown = metrics_in(dashboard);
    let missing = families.difference(&shown).map(|name| format!("{name} is on no panel"));
    let all = shown.union(&metrics_in(rules)).cloned().collect::<BTreeSet<_>>();
    missing.chain(all.difference(families).map(|name| format!("{name} is no metric"))).collect()
}

#[test]
fn every_metric_is_on_the_dashboard_and_no_other_is_there_or_in_a_rule() {
    let families = families();
    assert!(families.len() >= 16, "{families:?}");
    let (dashboard, rules) = (read("deploy/grafana/kraite.json"), read("deploy/prometheus/alerts.yml"));
    let tests = read("deploy/prometheus/alerts.test.yml");
    assert_eq!(unshown(&families, &dashboard, &(rules.clone() + &tests)), [""; 0]);
    let renamed = dashboard.replace("kraite_stream_age_seconds", "kraite_stream_age");
    assert_eq!(unshown(&families, &renamed, &rules).len(), 2);
    assert_eq!(unshown(&families, &dashboard, &rules.replace("kraite_connected", "kraite_up")).len(), 1);
}

#[test]
fn the_dashboard_is_json_whose_panels_ask_the_source_that_was_chosen() {
    let text = read("deploy/grafana/kraite.json");
    assert_eq!(set(between(&text, "\"uid\": \"", '"')), set(["${datasource}", "kraite"]));
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().unwrap();
        assert!(panel["description"].as_str().is_some_and(|words| words.len() > 10), "{title}");
        for target in panel["targets"].as_array().unwrap() {
            assert!(target["datasource"]["uid"].is_string(), "{title}");
            let asked = target["expr"].as_str().unwrap();
            // Notices are sent for all accounts together.
            let is_chosen = asked.contains("{account=~\"$account\"}") || asked.contains("kraite_notify_");
            assert!(is_chosen, "{title}: {asked}");
        }
    }
    let variables: Vec<&Value> = dashboard["templating"]["list"].as_array().unwrap().iter().collect();
    assert_eq!(variables.iter().map(|variable| &variable["name"]).collect::<Vec<_>>(), ["datasource", "account"]);
}

/// One rule: what it is called, asks for, and points to.
#[derive(Debug)]
struct Rule {
    name: String,
    expr: String,
    runbook: String,
    severity: String,
}

/// The rules of a file that is written as ours is: one key per line, a folded expression on the line after its key.
fn rules(text: &str) -> Vec<Rule> {
    let rule = |part: &str| {
        let value = |key: &str| {
            let mut lines = part.lines().map(str::trim).skip_while(|line| !line.starts_with(key));
            let first = lines.next().unwrap_or_default().trim_start_matches(key).trim().to_owned();
            if first == ">-" { lines.next().unwrap_or_default().to_owned() } else { first }
        };
        let name = part.lines().next().unwrap().trim().to_owned();
        Rule { name, expr: value("expr:"), runbook: value("runbook:"), severity: value("severity:") }
    };
    text.split("- alert: ").skip(1).map(rule).collect()
}

/// The sections of the runbook that are about something, by what they are about.
fn sections(runbook: &str) -> BTreeMap<&str, &str> {
    let parts = runbook.split("\n### ").skip(1);
    parts.filter_map(|part| part.split_once('\n')).map(|(name, rest)| (name, own(rest))).collect()
}

/// Up to the next heading.
fn own(part: &str) -> &str {
    part.split("\n## ").next().unwrap_or_default()
}

/// What a process says of itself, by the code that says it.
fn letters() -> BTreeSet<String> {
    let mut text = String::new();
    sources(&root().join("kraite/src"), &mut text);
    set(between(&text, "Letter::of_process(\"", '"'))
}

/// The notices that the log has as warnings.
fn warnings() -> BTreeSet<String> {
    let code = read("kraite/src/live/log.rs");
    let named = code.split("Alert::").skip(1).filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next());
    set(named)
}

/// All source files of a folder, one after the other.
fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            text.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

/// What has no section, what a section is about that there is not, and rules that lead nowhere.
fn unexplained(runbook: &str, alerts: &str, letters: &BTreeSet<String>) -> Vec<String> {
    let (sections, rules) = (sections(runbook), rules(alerts));
    let notices = set(Alert::ALL.iter().map(|alert| format!("{alert:?}")));
    let named = set(rules.iter().map(|rule| rule.name.clone()));
    let all: BTreeSet<String> = notices.iter().chain(letters).chain(&named).cloned().collect();
    let there = set(sections.keys().copied());
    let mut faults: Vec<String> = all.difference(&there).map(|name| format!("{name} has no section")).collect();
    faults.extend(there.difference(&all).map(|name| format!("there is no {name}")));
    for (name, section) in &sections {
        let says = |what: &str| section.to_lowercase().contains(what);
        if !(says("* says: ") || says("* means: ")) || !says("meanwhile kraite") || !says("look") || !says("never") {
            faults.push(format!("{name} leaves something out"));
        }
    }
    let (mut these, mut all_but) = (Vec::new(), Vec::new());
    for Rule { name, expr, runbook, severity } in &rules {
        these.extend(between(expr, "{alert=~\"", '"'));
        all_but.extend(between(expr, "{alert!~\"", '"'));
        let by_notice = expr.contains("{alert");
        let anchor = if by_notice { "{{ $labels.alert | toLower }}".to_owned() } else { name.to_lowercase() };
        if *runbook != format!("docs/runbook.md#{anchor}") {
            faults.push(format!("{name} leads to {runbook}"));
        }
        let is_about_us = !metrics_in(expr).is_empty() || name == "KraiteDown";
        if !["critical", "warning", "info"].contains(&severity.as_str()) || !is_about_us {
            faults.push(format!("{name} asks for nothing"));
        }
    }
    let minor = set(these.iter().flat_map(|list| list.split('|')));
    if these.len() != 1 || these != all_but || minor != warnings() {
        faults.push(format!("rules about notices are about {these:?} and all but {all_but:?}"));
    }
    faults
}

#[test]
fn every_rule_and_every_notice_has_its_section_in_the_runbook() {
    let (runbook, alerts, letters) = (read("docs/runbook.md"), read("deploy/prometheus/alerts.yml"), letters());
    assert!(letters.len() >= 4 && letters.contains("AccountStopped"), "{letters:?}");
    assert!(rules(&alerts).len() >= 13, "{:?}", rules(&alerts));
    assert_eq!(unexplained(&runbook, &alerts, &letters), [""; 0]);
    for (in_runbook, from, to) in [
        (true, "### StopRefused", "### StopRefusal"),
        (true, "### Damaged", "### Broken"),
        (true, "### KraiteDown", "#### KraiteDown"),
        (true, "* Never: kill the process", "* Kill the process"),
        (false, "alert: KraiteDown", "alert: KraiteGone"),
        (false, "docs/runbook.md#kraiteunprotected\n", "docs/runbook.md#unprotected\n"),
        (false, "OpeningRefused|", ""),
        (false, "alert!~\"RungDropped|", "alert!~\"StopRefused|RungDropped|"),
        (false, "alert!~\"RungDropped|", "alert=~\"RungDropped|"),
        (false, "kraite_connected == 0", "up == 0"),
    ] {
        let text = if in_runbook { &runbook } else { &alerts };
        assert!(text.contains(from), "{from}");
        let changed = text.replacen(from, to, 1);
        let (runbook, alerts) = if in_runbook { (&changed, &alerts) } else { (&runbook, &changed) };
        assert!(!unexplained(runbook, alerts, &letters).is_empty(), "{to}");
    }
}

/// The anchor that a heading gets where Markdown is shown.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Links that lead to no file of the repository, or to no heading in it.
fn broken_links(page: &str, text: &str) -> Vec<String> {
    let folder = root().join(page).parent().unwrap().to_owned();
    let is_broken = |link: &&str| {
        let (file, heading) = link.split_once('#').unwrap_or((link, ""));
        let path = if file.is_empty() { root().join(page) } else { folder.join(file) };
        let has = |text: String| text.lines().any(|line| line.starts_with('#') && anchor(line) == heading);
        !path.exists() || !(heading.is_empty() || std::fs::read_to_string(&path).is_ok_and(has))
    };
    between(text, "](", ')')
        .into_iter()
        .filter(|link| !link.starts_with("https://"))
        .filter(is_broken)
        .map(str::to_owned)
        .collect()
}

#[test]
fn links_lead_somewhere() {
    for page in ["docs/runbook.md", "docs/operations.md", "deploy/README.md", "README.md"] {
        let text = read(page);
        assert!(text.contains("]("), "{page}");
        assert_eq!(broken_links(page, &text), [""; 0], "{page}");
    }
    let text = read("docs/runbook.md");
    for (from, to) in [("(#externalclose)", "(#externalclosed)"), ("(../SECURITY.md)", "(SECURITY.md)")] {
        assert!(!broken_links("docs/runbook.md", &text.replace(from, to)).is_empty(), "{to}");
    }
}

/// Source code with `…` for what is filled in.
fn blanked(code: &str) -> String {
    let mut text = String::new();
    for line in code.lines() {
        let mut rest = line;
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            text.push('…');
            rest = after.split_once('}').map_or("", |(_, after)| after);
        }
        text.push_str(rest);
        text.push('\n');
    }
    text
}

/// Words that a section gives as those of its notice, and that no code says.
fn never_said(runbook: &str, code: &str) -> (usize, Vec<String>) {
    let mut words = Vec::new();
    for section in sections(runbook).values() {
        for line in section.lines() {
            if let Some(says) = line.strip_prefix("* Says: ") {
                words.extend(quoted(says));
            } else if let Some(row) = line.strip_prefix("| `") {
                words.extend(quoted(&line[..line.len() - row.split_once(" | ").map_or("", |(_, rest)| rest).len()]));
            }
        }
    }
    let unsaid = words.iter().filter(|said| !code.contains(**said)).map(|said| (*said).to_owned()).collect();
    (words.len(), unsaid)
}

#[test]
fn notices_say_what_the_runbook_says_that_they_say() {
    let mut code = String::new();
    for folder in ["kraite-core/src", "kraite/src/live"] {
        sources(&root().join(folder), &mut code);
    }
    let (code, runbook) = (blanked(&code), read("docs/runbook.md"));
    let (words, unsaid) = never_said(&runbook, &code);
    assert_eq!(unsaid, [""; 0]);
    assert!(words >= 45, "{words}");
    for (from, to) in [("no accepted stop for …", "no stop for …"), ("`… cannot be amended; ", "`… was not amended; ")]
    {
        assert!(!never_said(&runbook.replace(from, to), &code).1.is_empty(), "{to}");
    }
}

/// Everything that is to be typed: lines that begin with the command, and what stands between backticks and does.
fn commands_in(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| line.starts_with("kraite "));
    let inline = quoted(text).into_iter().map(|code| code.trim_start_matches("sudo -u kraite "));
    set(lines.chain(inline.filter(|code| code.starts_with("kraite "))))
}

fn run(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kraite")).current_dir(folder).args(args).output().unwrap()
}

/// Whether the command line is one: in an empty folder it fails for want of files, and not for what was typed.
fn is_understood(folder: &Path, typed: &str) -> bool {
    // What is there on the machine that runs the test is nobody's matter.
    let typed = typed.replace("/etc/kraite/", "gone/").replace("/var/lib/kraite/", "gone/");
    let args: Vec<&str> = typed.split(' ').skip(1).collect();
    match args[..] {
        // Only named.
        [command] => run(folder, &[command, "--help"]).status.code() == Some(0),
        _ => run(folder, &args).status.code() != Some(2),
    }
}

#[test]
fn what_the_runbook_says_to_type_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let typed: BTreeSet<String> =
        ["docs/runbook.md", "deploy/README.md"].into_iter().flat_map(|page| commands_in(&read(page))).collect();
    assert!(typed.len() >= 20, "{typed:?}");
    let wrong: Vec<&String> = typed.iter().filter(|typed| !is_understood(folder.path(), typed)).collect();
    assert_eq!(wrong, [""; 0]);
    for mutant in ["kraite inspect --journal j", "kraite explain --journal j", "kraite reboot"] {
        assert!(!is_understood(folder.path(), mutant), "{mutant}");
    }
    // Nothing was made or left behind by what was tried.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// The text of a block of YAML: what is indented deeper than its key.
fn block(yaml: &str, key: &str) -> String {
    let mut lines = yaml.lines().skip_while(|line| line.trim_start() != format!("{key}: |"));
    let depth = lines.next().map_or(0, |line| line.len() - line.trim_start().len()) + 2;
    let inside = lines.take_while(|line| line.is_empty() || line.starts_with(&" ".repeat(depth)));
    inside.map(|line| line.get(depth..).unwrap_or_default().to_owned() + "\n").collect()
}

/// Lines of a configuration without what is put out.
fn said(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.to_owned() + "\n").collect()
}

/// The credentials that a configuration reads.
fn credentials(text: &str) -> BTreeSet<String> {
    set(between(&said(text), "credential = \"", '"'))
}

#[test]
fn the_configuration_is_that_of_the_config_map_and_is_accepted_with_the_credentials_of_unit_and_secret() {
    let config = read("deploy/kraite.toml");
    assert_eq!(block(&read("deploy/kubernetes/configmap.yaml"), "kraite.toml"), config);
    let wanted = credentials(&config);
    assert_eq!(wanted, set(["http-token", "main-key", "main-secret"]));
    let unit = said(&read("deploy/kraite.service"));
    assert_eq!(set(between(&unit, "LoadCredential=", ':')), wanted);
    let secret = said(&read("deploy/kubernetes/secret.example.yaml"));
    let data = secret.split_once("stringData:\n").unwrap().1;
    assert_eq!(set(data.lines().map(|line| line.trim().trim_end_matches(": \"\""))), wanted, "and none has a value");
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let check = |text: &str, args: &[&str]| {
        std::fs::write(place("kraite.toml"), text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_kraite"));
        command.current_dir(folder.path()).env("CREDENTIALS_DIRECTORY", place("credentials"));
        let output = command.args(["config", "check"]).args(args).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(check(&config, &["--without-secrets"]), (Some(0), String::new()));
    assert_eq!(check(&config.replace("[limits]", "[limit]"), &["--without-secrets"]).0, Some(3));
    // As systemd lets the user of a unit read them, and Kubernetes the group of a pod.
    std::fs::create_dir(place("credentials")).unwrap();
    let give = |mode: u32| {
        for name in &wanted {
            let file = place("credentials").join(name);
            std::fs::write(&file, "a-secret-that-is-long-enough").unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    give(0o640);
    assert_eq!(check(&config, &[]), (Some(0), String::new()));
    give(0o644);
    let (code, told) = check(&config, &[]);
    assert!(code == Some(3) && told.contains("others may read it") && !told.contains("a-secret"), "{told}");
}

/// The number after a mark.
fn number_after(text: &str, before: &str) -> Vec<u32> {
    let ends = |c: char| !c.is_ascii_digit();
    text.split(before).skip(1).filter_map(|rest| rest.split(ends).next()?.parse().ok()).collect()
}

#[test]
fn the_parts_of_a_deployment_fit_each_other() {
    let config = said(&read("deploy/kraite.toml"));
    let unit = said(&read("deploy/kraite.service"));
    let container = said(&read("deploy/Containerfile"));
    let set_of_pods = read("deploy/kubernetes/statefulset.yaml");
    // One place for the journal, and nothing else that is written.
    assert!(config.contains("journal = \"/var/lib/kraite/kraite.journal\""));
    assert!(unit.contains("\nStateDirectory=kraite\n") && unit.contains("\nWorkingDirectory=/etc/kraite\n"));
    assert!(container.contains(" /var/lib/kraite\n") && container.contains("\nWORKDIR /etc/kraite\n"));
    assert!(set_of_pods.contains("mountPath: /var/lib/kraite\n") && set_of_pods.contains("workingDir: /etc/kraite\n"));
    // One pod, for the user of the image.
    assert_eq!(number_after(&set_of_pods, "replicas: "), [1]);
    assert_eq!(number_after(&container, "\nUSER "), number_after(&set_of_pods, "runAsUser: "));
    // One way in.
    let proxy = read("deploy/kubernetes/proxy.yaml");
    assert_eq!(number_after(&config, "listen = \"127.0.0.1:"), number_after(&proxy, "server kraite 127.0.0.1:"));
    let port = number_after(&proxy, "bind *:");
    assert_eq!(port.len(), 1);
    assert_eq!(number_after(&set_of_pods, "containerPort: "), port);
    assert_eq!(number_after(&set_of_pods, "port: "), port, "of the probe");
    for file in ["service", "networkpolicy"] {
        assert!(number_after(&read(&format!("deploy/kubernetes/{file}.yaml")), "port: ").contains(&port[0]), "{file}");
    }
    // As long as the end may take: the accounts, the notices, and some more.
    let graces =
        [number_after(&unit, "TimeoutStopSec="), number_after(&set_of_pods, "terminationGracePeriodSeconds: ")];
    let (run, notify) = (read("kraite/src/live/run.rs"), read("kraite/src/live/notify/mod.rs"));
    let most = number_after(&run, "const GRACE: Duration = Duration::from_secs(")[0]
        + number_after(&notify, "const PARTING: Duration = Duration::from_secs(")[0];
    assert!(graces.iter().all(|grace| grace.len() == 1 && grace[0] > most), "{graces:?}, {most}");
    // Not again where that cannot help.
    let prevented = unit.split_once("RestartPreventExitStatus=").unwrap().1.lines().next().unwrap();
    let help = String::from_utf8(run_help().stdout).unwrap();
    let meaning =
        |code: &str| help.lines().find_map(|line| line.trim().strip_prefix(&format!("{code}  ")).map(str::to_owned));
    let meanings: Vec<String> = prevented.split(' ').filter_map(meaning).collect();
    for (meaning, word) in meanings.iter().zip(["usage", "configuration", "owns"]) {
        assert!(meaning.contains(word), "{meaning}");
    }
    assert_eq!(meanings.len(), 3);
    // This version, built by a compiler that can.
    let version = env!("CARGO_PKG_VERSION");
    assert!(container.contains(&format!("org.opencontainers.image.version=\"{version}\"")));
    assert!(read("deploy/kubernetes/kustomization.yaml").contains(&format!("newTag: {version}\n")));
    let compiler = number_after(&container, "/rust:1.")[0];
    let least = number_after(env!("CARGO_PKG_RUST_VERSION"), "1.")[0];
    assert!(compiler >= least, "{compiler} < {least}");
    assert!(container.contains(concat!("image.source=\"", env!("CARGO_PKG_REPOSITORY"), "\"")));
    assert!(unit.contains(concat!("Documentation=", env!("CARGO_PKG_REPOSITORY"), "\n")));
}

fn run_help() -> Output {
    run(&std::env::temp_dir(), &["--help"])
}

#[test]
fn hosts_that_share_a_database_have_the_configuration_of_the_one_pod_but_for_the_journal() {
    let of = |folder: &str| block(&read(&format!("deploy/{folder}/configmap.yaml")), "kraite.toml");
    let (one, many) = (of("kubernetes"), of("kubernetes-hosts"));
    let rest = |text: &str| text.split_once("[http]").unwrap().1.to_owned();
    assert_eq!(rest(&many), rest(&one));
    assert_eq!(credentials(&many).difference(&credentials(&one)).collect::<Vec<_>>(), ["database"]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("kraite.toml"), &many).unwrap();
    let checked = run(folder.path(), &["config", "check", "--without-secrets"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    assert!(String::from_utf8_lossy(&checked.stdout).contains("in PostgreSQL"));
    std::fs::write(folder.path().join("kraite.toml"), many.replace("egress", "exgress")).unwrap();
    assert!(!run(folder.path(), &["config", "check", "--without-secrets"]).status.success());
    let applied = read("deploy/kubernetes-hosts/kustomization.yaml");
    for entry in std::fs::read_dir(root().join("deploy/kubernetes-hosts")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == "kustomization.yaml" || applied.contains(&format!("path: {name}\n")), "{name}");
    }
}

#[test]
fn every_manifest_is_applied_but_for_the_secret() {
    let applied = read("deploy/kubernetes/kustomization.yaml");
    let applied: BTreeSet<&str> =
        applied.lines().filter_map(|line| line.strip_prefix("  - ")).filter(|line| line.ends_with(".yaml")).collect();
    let there = std::fs::read_dir(root().join("deploy/kubernetes")).unwrap();
    let there: BTreeSet<String> = there.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let others: Vec<&String> = there.iter().filter(|name| !applied.contains(name.as_str())).collect();
    assert_eq!(others, ["kustomization.yaml", "secret.example.yaml"]);
    assert_eq!(applied.len() + 2, there.len());
    for name in there {
        let text = read(&format!("deploy/kubernetes/{name}"));
        assert!(!text.contains("namespace: "), "{name} names a namespace");
    }
}
