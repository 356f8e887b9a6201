//! Emulators, and a database in PostgreSQL that several hosts share.
#![allow(dead_code, reason = "each test takes the part it needs")]

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kraite_core::id::Role;
use serde_json::Value;

use super::{KRAITE, Running, Stage, kraite_of, open};

/// As short as the window of Bitget allows, which is 30 s and 20 times as fast here.
pub(crate) const LEASE_SECONDS: u64 = 14;
pub(crate) const NAMES: [&str; 3] = ["apart", "classic", "unified"];

/// Emulators, and a database that hosts share.
pub(crate) struct Hosts {
    pub(crate) stage: Stage,
    pub(crate) address: String,
}

impl Hosts {
    pub(crate) fn new(name: &str) -> Self {
        Self::of(name, Stage::new())
    }

    pub(crate) fn of(name: &str, stage: Stage) -> Self {
        let server = std::env::var("KRAITE_POSTGRES").expect("KRAITE_POSTGRES is the address of a PostgreSQL server");
        let database = format!("kraite_{name}_{}", std::process::id());
        stage.runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&server, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            client.batch_execute(&format!("CREATE DATABASE {database}")).await.unwrap();
        });
        let joint = if server.contains('?') { '&' } else { '?' };
        Self { stage, address: format!("{server}{joint}dbname={database}") }
    }

    pub(crate) fn folder(&self, host: &str) -> PathBuf {
        self.stage.folder.path().join(host)
    }

    pub(crate) fn command(&self, host: &str, args: &[&str]) -> Command {
        self.command_of(KRAITE, host, args)
    }

    pub(crate) fn command_of(&self, build: &str, host: &str, args: &[&str]) -> Command {
        let mut command = kraite_of(build, &self.folder(host), args);
        command.env("KRAITE_DATABASE", &self.address);
        command
    }

    pub(crate) fn run(&self, host: &str) -> Running {
        self.run_of(KRAITE, host)
    }

    pub(crate) fn run_of(&self, build: &str, host: &str) -> Running {
        self.configure(host);
        Running::of(self.command_of(build, host, &["run", "--signals", "-"]))
    }

    /// A command of a host that has its configuration.
    pub(crate) fn prepared(&self, host: &str, args: &[&str]) -> Command {
        self.configure(host);
        self.command(host, args)
    }

    pub(crate) fn configure(&self, host: &str) {
        let folder = self.folder(host);
        std::fs::create_dir_all(&folder).unwrap();
        let shared = format!(
            "[postgres]\naddress = {{ env = \"KRAITE_DATABASE\" }}\nhost = \"{host}\"\nlease_seconds = {LEASE_SECONDS}\n\
             [plans.p]\n"
        );
        let text = self.stage.text().replace("journal = \"j\"\n", "").replace("[plans.p]\n", &shared);
        std::fs::write(folder.join("kraite.toml"), text).unwrap();
    }

    pub(crate) fn said(&self, host: &str, args: &[&str]) -> (i32, String) {
        self.said_of(KRAITE, host, args)
    }

    pub(crate) fn said_of(&self, build: &str, host: &str, args: &[&str]) -> (i32, String) {
        let output = self.command_of(build, host, args).stdin(Stdio::null()).output().unwrap();
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        (output.status.code().unwrap(), format!("{out}{err}"))
    }

    /// Which host works on each account, by `kraite status`, as its users see it.
    pub(crate) fn owners(&self) -> Vec<Option<String>> {
        self.owners_of(KRAITE)
    }

    pub(crate) fn owners_of(&self, build: &str) -> Vec<Option<String>> {
        let (address, password) = without_password(&self.address);
        let output = kraite_of(build, self.stage.folder.path(), &["status", "--journal", &address, "--json"])
            .env("PGPASSWORD", password)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
        let accounts = shown["accounts"].as_array().unwrap();
        accounts.iter().map(|account| account["host"].as_str().map(str::to_owned)).collect()
    }

    pub(crate) fn all_are_on(&self, host: &str) -> bool {
        let owners = self.owners();
        owners.len() == NAMES.len() && owners.iter().all(|owner| owner.as_deref() == Some(host))
    }

    /// Opens on the host that works on the account, whichever that is.
    pub(crate) fn opens(&self, runs: &mut [&mut Running], id: u64, account: &str) -> Value {
        let began = Instant::now();
        loop {
            for run in runs.iter_mut() {
                run.says(&open(id, account));
                let answer = run.answers();
                if answer["position"].is_u64() {
                    return answer;
                }
                assert!(began.elapsed() < Duration::from_secs(60), "{answer}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Statements on the database, and the rows of the last one as text.
    pub(crate) fn sql(&self, sql: &str) -> Vec<String> {
        self.stage.runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&self.address, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            let answers = client.simple_query(sql).await.unwrap();
            let rows = answers.into_iter().filter_map(|answer| match answer {
                tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            });
            let cells = |row: tokio_postgres::SimpleQueryRow| {
                (0..row.len()).map(|n| row.get(n).unwrap_or("-").to_owned()).collect::<Vec<_>>().join(" ")
            };
            rows.map(cells).collect()
        })
    }

    /// Each entry and each stop that ever was, as the venues have them.
    pub(crate) fn entries(&self) -> Vec<usize> {
        let of = |name: &&str| self.stage.ids_ever(name).iter().filter(|(role, _)| *role == Role::Entry).count();
        NAMES.iter().map(of).collect()
    }

    pub(crate) fn all_are_protected(&self) -> bool {
        NAMES.iter().all(|name| self.stage.is_protected(name))
    }
}

/// An address without its password, and that.
pub(crate) fn without_password(address: &str) -> (String, String) {
    let (scheme, rest) = address.split_once("://").unwrap();
    let (user, rest) = rest.split_once('@').unwrap();
    let (user, password) = user.split_once(':').unwrap();
    (format!("{scheme}://{user}@{rest}"), password.to_owned())
}
