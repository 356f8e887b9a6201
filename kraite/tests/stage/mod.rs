//! A stage for `kraite run`: emulators, a configuration that names them, and the process itself.
#![allow(dead_code, reason = "each test takes the part it needs")]
#![allow(clippy::disallowed_methods, reason = "processes are waited for on the wall's clock")]

#[cfg(feature = "postgres")]
pub(crate) mod hosts;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kraite_core::exchange::ReportStatus;
use kraite_core::id::{AccountTag, Role, Symbol};
use kraite_core::number::Price;
use kraite_core::time::VenueMillis;
use kraite_sim::emulator::{Emulator, Protocol, Settings};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// Emulators and workers live so many times as fast as the wall.
pub(crate) const SPEED: u32 = 20;
/// Nothing that a test waits for takes longer on the wall.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The emulator's own account.
pub(crate) const VENUE_ACCOUNT: u32 = 1;

/// The command of this build.
pub(crate) const KRAITE: &str = env!("CARGO_BIN_EXE_kraite");

pub(crate) fn kraite(folder: &Path, args: &[&str]) -> Command {
    kraite_of(KRAITE, folder, args)
}

pub(crate) fn kraite_of(build: &str, folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(build);
    command.current_dir(folder).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("KRAITE_KEY", "k").env("KRAITE_SECRET", "s").env("KRAITE_PASSPHRASE", "p");
    command
}

/// Waits, and says what for if it takes too long.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "not {what} after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Accounts on emulators, one on each protocol, and where they are configured.
pub(crate) struct Stage {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) emulators: Vec<(&'static str, Emulator)>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::of(&["apart", "classic", "unified"])
    }

    /// Only some of the accounts.
    pub(crate) fn of(names: &[&str]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let protocols =
            [("apart", Protocol::Binance), ("classic", Protocol::BitgetClassic), ("unified", Protocol::BitgetUnified)];
        let emulators = protocols.into_iter().filter(|(name, _)| names.contains(name)).map(|(name, protocol)| {
            let settings = Settings { protocol, speed: SPEED, ..Settings::default() };
            (name, runtime.block_on(Emulator::start(settings)).unwrap())
        });
        let emulators = emulators.collect();
        let stage = Self { folder: tempfile::tempdir().unwrap(), runtime, emulators };
        std::fs::write(stage.config(), stage.text()).unwrap();
        stage
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("kraite.toml")
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "version = 1\njournal = \"j\"\nspeed = {SPEED}\n[plans.p]\nmargin = \"100\"\n[plans.short]\nshare = \"1\"\n"
        );
        for (tag, (name, emulator)) in self.emulators.iter().enumerate() {
            let (http, ws) = (emulator.http(), emulator.ws());
            let venue = if *name == "apart" { "binance" } else { "bitget" };
            let _ = write!(
                text,
                "[accounts.{name}]\ntag = {}\nvenue = \"{venue}\"\nnetwork = \"emulator\"\nhttp = \"{http}\"\nws = \"{ws}\"\n\
                 key = {{ env = \"KRAITE_KEY\" }}\nsecret = {{ env = \"KRAITE_SECRET\" }}\n",
                tag + 1
            );
            if venue == "bitget" {
                text.push_str("passphrase = { env = \"KRAITE_PASSPHRASE\" }\nproducts = [\"USDT\"]\n");
            }
        }
        text
    }

    pub(crate) fn emulator(&self, name: &str) -> &Emulator {
        &self.emulators.iter().find(|(known, _)| *known == name).unwrap().1
    }

    /// What is open at the venue: exposure and orders.
    pub(crate) fn open(&self, name: &str) -> (usize, usize) {
        let account = AccountTag::new(VENUE_ACCOUNT).unwrap();
        self.emulator(name).with_venue(|venue| (venue.exposures(account).count(), venue.open(account).count()))
    }

    /// A position with its rungs, its stop and its target, however many objects the protocol makes of these two.
    pub(crate) fn is_protected(&self, name: &str) -> bool {
        let orders = if name == "unified" { 5..=6 } else { 6..=6 };
        let (exposures, open) = self.open(name);
        exposures == 1 && orders.contains(&open)
    }

    pub(crate) fn ids_ever(&self, name: &str) -> Vec<(Role, ReportStatus)> {
        let account = AccountTag::new(VENUE_ACCOUNT).unwrap();
        self.emulator(name).with_venue(|venue| {
            let orders = venue.objects().filter(|order| order.account == account && order.parent.is_none());
            orders.filter_map(|order| Some((order.client_id()?.key().logical.role, order.status))).collect()
        })
    }

    pub(crate) fn price(&self, name: &str, price: &str) {
        let price: Price = price.parse().unwrap();
        let emulator = self.emulator(name);
        let now = VenueMillis(emulator.clock().now().0);
        emulator.with_venue(|venue| venue.price(&Symbol::new("SOLUSDT"), price, price, now));
    }

    /// One line to the control socket, and the answer.
    pub(crate) fn asks(&self, line: &Value) -> Value {
        let mut socket = UnixStream::connect(self.folder.path().join("j.sock")).unwrap();
        writeln!(socket, "{line}").unwrap();
        let mut answer = String::new();
        BufReader::new(socket).read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    pub(crate) fn run(&self) -> Running {
        Running::of(kraite(self.folder.path(), &["run", "--signals", "-"]))
    }
}

pub(crate) struct Running {
    child: Child,
    pub(crate) input: ChildStdin,
    output: BufReader<ChildStdout>,
    pub(crate) told: Arc<Mutex<String>>,
    listener: JoinHandle<()>,
    _shown: ShownOnFailure,
}

/// What the process said, where a test ends in a panic; and then the process ends too.
struct ShownOnFailure(Arc<Mutex<String>>, Pid);

impl Drop for ShownOnFailure {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0.lock().unwrap());
            let _ = kill_process(self.1, Signal::KILL);
        }
    }
}

impl Running {
    pub(crate) fn of(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let (told, lines) = (Arc::<Mutex<String>>::default(), BufReader::new(child.stderr.take().unwrap()).lines());
        let heard = Arc::clone(&told);
        let listener = std::thread::spawn(move || {
            for line in lines {
                let mut told = heard.lock().unwrap();
                told.push_str(&line.unwrap());
                told.push('\n');
            }
        });
        let shown = ShownOnFailure(Arc::clone(&told), Pid::from_child(&child));
        Self { child, input, output, told, listener, _shown: shown }
    }

    pub(crate) fn was_told(&self, words: &str) -> bool {
        self.told.lock().unwrap().contains(words)
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn times_told(&self, words: &str) -> usize {
        self.told.lock().unwrap().matches(words).count()
    }

    pub(crate) fn says(&mut self, line: &Value) {
        writeln!(self.input, "{line}").unwrap();
    }

    pub(crate) fn answers(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Opens under an id, the same line again and again while the exchange has not been reached.
    pub(crate) fn opens(&mut self, id: u64, account: &str) -> Value {
        let began = Instant::now();
        loop {
            self.says(&open(id, account));
            let answer = self.answers();
            if answer["position"].is_u64() {
                return answer;
            }
            assert!(began.elapsed() < PATIENCE, "{answer}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn kill(mut self, signal: Signal) -> (Option<i32>, String) {
        kill_process(self.pid(), signal).unwrap();
        let code = self.child.wait().unwrap().code();
        self.listener.join().unwrap();
        (code, self.told.lock().unwrap().clone())
    }

    /// Waits until it ends by itself, and gives what it printed and was not asked for.
    pub(crate) fn ends(mut self) -> (Option<i32>, String) {
        let mut printed = String::new();
        self.output.read_to_string(&mut printed).unwrap();
        (self.child.wait().unwrap().code(), printed)
    }
}

pub(crate) fn open(id: u64, account: &str) -> Value {
    json!({ "id": id, "account": account, "open": "SOLUSDT", "direction": "long", "plan": "p" })
}
