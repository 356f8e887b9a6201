//! A PostgreSQL of a test's own: a primary, and a standby that it waits for.
#![allow(clippy::disallowed_methods, reason = "servers have no other clock")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Where the server's programs are.
fn programs() -> PathBuf {
    let on_path = std::env::var("PATH").unwrap_or_default();
    let on_path = on_path.split(':').map(PathBuf::from);
    let mut packaged: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.filter_map(|version| Some(version.ok()?.path().join("bin"))).collect())
        .unwrap_or_default();
    packaged.sort();
    let all = on_path.chain(packaged.into_iter().rev()).chain([PathBuf::from("/usr/local/bin")]);
    let has_all = |folder: &PathBuf| {
        ["initdb", "pg_ctl", "postgres", "pg_basebackup"].iter().all(|name| folder.join(name).exists())
    };
    all.into_iter()
        .find(has_all)
        .expect("initdb, pg_ctl, postgres and pg_basebackup are together somewhere on this machine")
}

/// A command of somebody who is not root: the server refuses to run as root.
fn unprivileged(program: &Path) -> Command {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0);
    if !is_root {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "nobody", "--"]).arg(program);
    command
}

/// One server of a cluster.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) port: u16,
    folder: PathBuf,
}

/// Servers that end with the test.
pub(crate) struct Cluster {
    programs: PathBuf,
    place: tempfile::TempDir,
    pub(crate) primary: Server,
    pub(crate) standby: Option<Server>,
    others: Vec<Server>,
    made: u32,
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

impl Cluster {
    /// A primary alone.
    pub(crate) fn alone() -> Self {
        let programs = programs();
        let place = tempfile::Builder::new().prefix("kraite-cluster.").tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(place.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        let primary = Server { name: "s0".into(), port: free_port(), folder: place.path().join("s0") };
        let cluster = Self { programs, place, primary: primary.clone(), standby: None, others: Vec::new(), made: 1 };
        let data = primary.folder.display().to_string();
        cluster.must("initdb", &["-D", &data, "-U", "kraite", "--auth=trust", "--encoding=UTF8", "--no-locale", "-N"]);
        cluster.start(&primary);
        cluster
    }

    /// A primary that promises nothing before its standby has it.
    pub(crate) fn pair() -> Self {
        let mut cluster = Self::alone();
        cluster.add_standby();
        cluster
    }

    fn must(&self, program: &str, args: &[&str]) {
        let mut command = unprivileged(&self.programs.join(program));
        let output = command.args(args).current_dir(self.place.path()).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts a server that was stopped or killed.
    pub(crate) fn start(&self, server: &Server) {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=200 -c fsync=on \
             -c wal_keep_size=256MB -c wal_log_hints=on -c cluster_name={}",
            server.port, server.name
        );
        let (data, log) = (server.folder.display().to_string(), server.folder.with_extension("log"));
        let log = log.display().to_string();
        self.must("pg_ctl", &["-D", &data, "-l", &log, "-w", "-t", "60", "-o", &options, "start"]);
    }

    /// Adds a standby that follows the primary, and makes the primary wait for it.
    pub(crate) fn add_standby(&mut self) {
        let name = format!("s{}", self.made);
        self.made += 1;
        let server = Server { port: free_port(), folder: self.place.path().join(&name), name };
        let data = server.folder.display().to_string();
        let from = format!("host=127.0.0.1 port={} user=kraite application_name={}", self.primary.port, server.name);
        self.must("pg_basebackup", &["-D", &data, "-d", &from, "-R", "-c", "fast", "-X", "stream", "-N"]);
        self.start(&server);
        self.waits_for(&self.primary, &server.name);
        let began = Instant::now();
        while self.sql(&self.primary, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") != "1" {
            assert!(began.elapsed() < Duration::from_secs(30), "the standby does not follow");
            std::thread::sleep(Duration::from_millis(20));
        }
        self.standby = Some(server);
    }

    /// Commits of a server wait for a standby of this name; for none where it is empty.
    pub(crate) fn waits_for(&self, server: &Server, name: &str) {
        // This commit itself does not wait.
        let quoted = if name.is_empty() { String::new() } else { format!("\"{name}\"") };
        self.sql(server, &format!("ALTER SYSTEM SET synchronous_standby_names = '{quoted}'"));
        self.sql(server, "SELECT pg_reload_conf()");
        let began = Instant::now();
        while self.sql(server, "SHOW synchronous_standby_names") != quoted {
            assert!(began.elapsed() < Duration::from_secs(10), "the configuration is not read again");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// One statement on a server, and the first column of its first row.
    pub(crate) fn sql(&self, server: &Server, sql: &str) -> String {
        let address = format!("host=127.0.0.1 port={} user=kraite dbname=postgres", server.port);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&address, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            let answers = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            let row = answers.into_iter().find_map(|answer| match answer {
                tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            });
            row.and_then(|row| row.get(0).map(str::to_owned)).unwrap_or_default()
        })
    }

    /// Signal 9 to all of a server's processes, at whatever they are doing.
    pub(crate) fn kill(&self, server: &Server) {
        let pid = std::fs::read_to_string(server.folder.join("postmaster.pid")).unwrap();
        let pid = pid.lines().next().unwrap().to_owned();
        let mut all = children_of(&pid);
        all.push(pid);
        // The shell's own: the program is not on every machine.
        let _ = Command::new("sh").args(["-c", &format!("kill -9 {}", all.join(" "))]).stderr(Stdio::null()).status();
        let began = Instant::now();
        while all.iter().any(|pid| is_there(pid)) {
            assert!(began.elapsed() < Duration::from_secs(10), "processes outlive signal 9");
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = std::fs::remove_file(server.folder.join("postmaster.pid"));
    }

    /// The standby becomes the primary; the old one, killed or not, is kept to come back.
    pub(crate) fn promote(&mut self) -> Server {
        let standby = self.standby.take().unwrap();
        let data = standby.folder.display().to_string();
        self.must("pg_ctl", &["-D", &data, "-w", "-t", "60", "promote"]);
        let old = std::mem::replace(&mut self.primary, standby);
        self.others.push(old.clone());
        old
    }

    /// Primaries that are none any more.
    pub(crate) fn returned(&self) -> Vec<Server> {
        self.others.clone()
    }

    /// Ends a server and forgets it.
    pub(crate) fn remove(&mut self, server: &Server) {
        self.stop(server);
        self.others.retain(|other| other.name != server.name);
        let _ = std::fs::remove_dir_all(&server.folder);
    }

    fn stop(&self, server: &Server) {
        let data = server.folder.display().to_string();
        let mut command = unprivileged(&self.programs.join("pg_ctl"));
        let _ = command
            .args(["-D", &data, "-w", "-m", "immediate", "stop"])
            .current_dir(self.place.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }

    /// The address of these servers, in this order.
    pub(crate) fn address(&self, servers: &[&Server]) -> String {
        let hosts: Vec<String> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        format!("postgres://kraite@{}/postgres", hosts.join(","))
    }
}

fn children_of(parent: &str) -> Vec<String> {
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let is_child = |pid: &String| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // What is in brackets may hold anything.
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        rest.split_whitespace().nth(1) == Some(parent)
    };
    all.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).filter(is_child).collect()
}

fn is_there(pid: &str) -> bool {
    // One that has ended and that nobody asked about is as good as gone.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let all: Vec<Server> =
            self.others.iter().chain(&self.standby).chain(std::iter::once(&self.primary)).cloned().collect();
        for server in &all {
            self.stop(server);
        }
    }
}
