//! `kraite.toml`: read whole, checked whole, and what is wrong named by line and column.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use kraite_bitget::codec::Product;
use kraite_core::engine::{self, Limits};
use kraite_core::exchange::{Direction, PositionMode};
use kraite_core::id::{AccountTag, Symbol};
use kraite_core::time::Millis;
use kraite_engine::{Slice, Terms};
use secrecy::SecretString;
use serde::Deserialize;
use toml::Spanned;

use super::notify;
use crate::address::{Address, is_address};
use crate::exit::{Exit, Failed};
use crate::flags::{MarginWord, ModeWord, TriggerWord, VenueName};
use crate::keys::Source;
use crate::settings::{LEVERAGE_CAP, Settings, Wrong, line_and_column};

/// The format that is known here.
const VERSION: u32 = 1;
/// The largest file: a thousand accounts have room in it.
const MAX_BYTES: u64 = 4 * 1_024 * 1_024;
/// What lock and control socket are named after where the journal is no file.
const BESIDE: &str = "kraite";
/// No emulator runs faster.
const MAX_SPEED: u32 = 1_000;

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: Spanned<u32>,
    journal: Option<Spanned<PathBuf>>,
    postgres: Option<Spanned<PostgresTable>>,
    speed: Option<Spanned<u32>>,
    http: Option<Spanned<HttpTable>>,
    notify: Option<Spanned<notify::Table>>,
    #[serde(default)]
    engine: Bounds,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    plans: BTreeMap<String, Spanned<Settings>>,
    accounts: BTreeMap<String, Spanned<AccountTable>>,
}

/// A journal in PostgreSQL, instead of a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PostgresTable {
    address: Source,
    host: Option<Spanned<String>>,
    lease_seconds: Option<Spanned<u32>>,
    egress: Option<String>,
    control: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpTable {
    listen: Spanned<String>,
    token: Source,
}

/// Bounds of the engine, in seconds; what is left out is as the architecture has it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Bounds {
    poll_seconds: Option<Spanned<u32>>,
    alert_unprotected_seconds: Option<Spanned<u32>>,
    close_unprotected_seconds: Option<Spanned<u32>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountTable {
    tag: u32,
    venue: VenueName,
    network: Network,
    real_money: Option<bool>,
    http: Option<String>,
    ws: Option<String>,
    position_mode: Option<ModeWord>,
    #[serde(default)]
    symbols: Vec<String>,
    products: Option<Vec<ProductWord>>,
    limits: Option<Limits>,
    /// What is left out is as for every account.
    engine: Option<Bounds>,
    key: Source,
    secret: Source,
    passphrase: Option<Source>,
}

/// Where an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Network {
    /// An emulator, on this machine or another.
    Emulator,
    /// The exchange's demo network.
    Demo,
    /// The exchange, with real money.
    Production,
}

impl Network {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Emulator => "emulator",
            Self::Demo => "demo",
            Self::Production => "production",
        }
    }
}

/// A product line of Bitget, by the currency of its margin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "UPPERCASE")]
#[value(rename_all = "UPPER")]
pub(crate) enum ProductWord {
    /// Contracts that are margined in USDT.
    Usdt,
    /// Contracts that are margined in USDC.
    Usdc,
}

impl From<ProductWord> for Product {
    fn from(word: ProductWord) -> Self {
        match word {
            ProductWord::Usdt => Self::Usdt,
            ProductWord::Usdc => Self::Usdc,
        }
    }
}

/// The file as it is meant, with every check passed that needs no secret and no exchange.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The journal's file. Where the journal is in a database, lock and control socket are beside this name all the
    /// same.
    pub(crate) journal: PathBuf,
    pub(crate) postgres: Option<Postgres>,
    /// How many times as fast as the wall the clock runs; 1 unless every account is on an emulator.
    pub(crate) speed: u32,
    pub(crate) http: Option<Http>,
    pub(super) notify: Option<notify::Notify>,
    pub(crate) plans: BTreeMap<String, Settings>,
    /// By tag.
    pub(crate) accounts: Vec<Account>,
}

/// A journal in PostgreSQL, which many hosts work on.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "it is only checked where there is no PostgreSQL"))]
pub(crate) struct Postgres {
    /// Where the address is, which may hold a password.
    pub(crate) address: Address,
    /// What this host is called among them; the machine's name where nothing is said.
    pub(crate) host: Option<String>,
    /// How long this host may be silent before others take its accounts over.
    pub(crate) lease: Option<Duration>,
    /// What hosts say that call from one address, and so share the exchanges' limits.
    pub(crate) egress: Option<String>,
}

/// Where signals are taken and questions answered over HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    /// A loopback address.
    pub(crate) listen: SocketAddr,
    /// Where the token is that a signal has to carry.
    pub(crate) token: Source,
}

/// One account to work on.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) tag: AccountTag,
    pub(crate) venue: VenueName,
    pub(crate) network: Network,
    /// Addresses for requests and for streams; of an emulator only.
    pub(crate) addresses: Option<(String, String)>,
    pub(crate) mode: Option<PositionMode>,
    /// Contracts whose marks are streamed from the start.
    pub(crate) symbols: Vec<Symbol>,
    /// Product lines of Bitget that are traded.
    pub(crate) products: Vec<Product>,
    /// What it may risk.
    /// Bounds and limits: its own, and for what it leaves out those of every account.
    pub(crate) engine: engine::Config,
    pub(crate) key: Source,
    pub(crate) secret: Source,
    pub(crate) passphrase: Option<Source>,
}

impl Config {
    /// Reads and checks a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failed> {
        let at = |error: &dyn Display| Failed::new(Exit::Configuration, format!("{}: {error}", path.display()));
        let length = std::fs::metadata(path).map_err(|error| {
            let hint = if error.kind() == std::io::ErrorKind::NotFound { " (kraite init writes one)" } else { "" };
            Failed::new(Exit::Configuration, format!("{}: {error}{hint}", path.display()))
        })?;
        if length.len() > MAX_BYTES {
            return Err(at(&format!("larger than {MAX_BYTES} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| at(&error))?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        Self::parse(&text, folder).map_err(|wrong| {
            let (line, column) = line_and_column(&text, wrong.at);
            Failed::new(Exit::Configuration, format!("{}:{line}:{column}: {}", path.display(), wrong.why))
        })
    }

    fn parse(text: &str, folder: &Path) -> Result<Self, Misplaced> {
        let file: File = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            Misplaced { at, why: error.message().trim().to_owned() }
        })?;
        if *file.version.get_ref() != VERSION {
            let why = format!("version {} is not known here; this is version {VERSION}", file.version.get_ref());
            return Err(Misplaced::at(&file.version.span(), why));
        }
        let placed = Placed { text };
        let mut plans = BTreeMap::new();
        for (name, table) in file.plans {
            check_plan(table.get_ref()).map_err(|wrong| placed.key(&table.span(), wrong))?;
            plans.insert(name, table.into_inner());
        }
        let common = engine::Config { limits: file.limits, ..bounds(&file.engine, engine::Config::default())? };
        let mut tags = BTreeSet::new();
        let mut accounts = Vec::new();
        for (name, table) in file.accounts {
            let span = table.span();
            let table = table.into_inner();
            let mut engine = bounds(table.engine.as_ref().unwrap_or(&Bounds::default()), common.clone())?;
            if let Some(limits) = table.limits.clone() {
                engine.limits = limits;
            }
            let account = account(name, table, folder, engine).map_err(|wrong| placed.key(&span, wrong))?;
            if !tags.insert(account.tag) {
                let why = format!("another account has the tag {}; orders carry it", account.tag);
                return Err(placed.key(&span, Wrong { key: "tag", why }));
            }
            accounts.push(account);
        }
        if accounts.is_empty() {
            return Err(Misplaced { at: text.len(), why: "there is no account: add [accounts.NAME]".to_owned() });
        }
        let http = file.http.map(|table| {
            let span = table.span();
            http(table.into_inner(), folder, |wrong| placed.key(&span, wrong))
        });
        let notify = file.notify.map(|table| {
            let span = table.span();
            let notify = table.into_inner().checked(folder, |span, wrong| placed.key(span, wrong))?;
            if notify.has_a_way() {
                return Ok(notify);
            }
            Err(Misplaced::at(&span, "there is nowhere to go: add [notify.webhook] or [notify.telegram]".to_owned()))
        });
        accounts.sort_by_key(|account| account.tag);
        let emulated = accounts.iter().all(|account| account.network == Network::Emulator);
        let speed = match &file.speed {
            Some(speed) if *speed.get_ref() != 1 && !emulated => {
                let why = "only where every account is on an emulator does time run faster".to_owned();
                return Err(Misplaced::at(&speed.span(), why));
            }
            Some(speed) if !(1..=MAX_SPEED).contains(speed.get_ref()) => {
                return Err(Misplaced::at(&speed.span(), format!("speed is between 1 and {MAX_SPEED}")));
            }
            Some(speed) => *speed.get_ref(),
            None => 1,
        };
        let control = file.postgres.as_ref().and_then(|table| table.get_ref().control.clone());
        let postgres = file.postgres.map(|table| {
            let span = table.span();
            postgres(table.into_inner(), folder, |wrong| placed.key(&span, wrong))
        });
        let postgres = postgres.transpose()?;
        let journal = match (file.journal, &postgres) {
            (Some(journal), _) if is_address(&journal.get_ref().to_string_lossy()) => {
                let why = "a database is not named here, since its address may hold a password: add [postgres] with \
                           address = { env = \"KRAITE_DATABASE\" }";
                return Err(Misplaced::at(&journal.span(), why.to_owned()));
            }
            (Some(journal), None) => journal.into_inner(),
            (None, Some(_)) => control.unwrap_or_else(|| PathBuf::from(BESIDE)),
            (Some(journal), Some(_)) => {
                let why = "a journal is a file or in PostgreSQL: leave out journal or [postgres]".to_owned();
                return Err(Misplaced::at(&journal.span(), why));
            }
            (None, None) => {
                return Err(Misplaced {
                    at: 0,
                    why: "there is no journal: add journal = \"kraite.journal\"".to_owned(),
                });
            }
        };
        let (http, notify) = (http.transpose()?, notify.transpose()?);
        Ok(Self { journal: folder.join(journal), postgres, speed, http, notify, plans, accounts })
    }

    /// Every secret that can be read from here, to keep it out of what is shown.
    pub(crate) fn secrets(&self) -> Vec<SecretString> {
        let of_accounts = self.accounts.iter().flat_map(|account| {
            [Some(&account.key), Some(&account.secret), account.passphrase.as_ref()].into_iter().flatten()
        });
        let of_http = self.http.as_ref().map(|http| &http.token);
        let of_database = self.postgres.iter().flat_map(|postgres| postgres.address.secrets());
        let sources = of_accounts.chain(of_http).chain(self.notify.iter().flat_map(notify::Notify::sources));
        // One that cannot be read cannot be shown either.
        sources.filter_map(|source| source.read().ok()).map(SecretString::from).chain(of_database).collect()
    }

    /// The command line names the journal.
    pub(crate) fn journal_is(&mut self, journal: &str) -> Result<(), Failed> {
        let configured = self.postgres.take();
        if is_address(journal) {
            let said = Address::Said(journal.to_owned());
            self.postgres = Some(match configured {
                Some(postgres) => Postgres { address: said, ..postgres },
                None => Postgres { address: said, host: None, lease: None, egress: None },
            });
        } else if journal.contains("://") {
            let why = format!("{journal:?} is no journal: name a file, or an address as postgres://USER@HOST/DATABASE");
            return Err(Failed::new(Exit::Usage, why));
        } else {
            self.journal = PathBuf::from(journal);
        }
        Ok(())
    }

    /// The account of a name.
    pub(crate) fn account(&self, name: &str) -> Result<&Account, String> {
        self.accounts.iter().find(|account| account.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.accounts.iter().map(|account| account.name.as_str()).collect();
            format!("there is no account `{name}`; there are: {}", names.join(", "))
        })
    }

    /// The terms of a plan for one direction on one account.
    pub(crate) fn terms(&self, account: &Account, plan: &str, direction: Direction) -> Result<Terms, String> {
        let settings = self.plans.get(plan).ok_or_else(|| {
            let names: Vec<&str> = self.plans.keys().map(String::as_str).collect();
            format!("there is no plan `{plan}`; there are: {}", names.join(", "))
        })?;
        if settings.direction.is_some_and(|only| Direction::from(only) != direction) {
            return Err(format!("the plan `{plan}` is for the other direction"));
        }
        let slice = match (settings.margin, settings.share) {
            (Some(margin), _) => Slice::Fixed(margin),
            (None, Some(share)) => Slice::Share(share),
            (None, None) => return Err(format!("the plan `{plan}` names neither margin nor share")),
        };
        Ok(Terms {
            spec: settings.spec(direction),
            slice,
            leverage_cap: settings.leverage_cap.unwrap_or(LEVERAGE_CAP),
            sequence: settings.sequence().into(),
            target_style: settings.target().into(),
            stop_by: settings.stop_by.unwrap_or(TriggerWord::Mark).into(),
            margin_mode: settings.margin_mode.unwrap_or(MarginWord::Cross).into(),
            mode: account.mode,
        })
    }
}

/// Something wrong at a byte of the text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misplaced {
    at: usize,
    why: String,
}

impl Misplaced {
    pub(super) fn at(span: &Range<usize>, why: String) -> Self {
        Self { at: span.start, why }
    }
}

struct Placed<'a> {
    text: &'a str,
}

impl Placed<'_> {
    /// A key of the table that begins there, or the table where the key is not in it.
    fn key(&self, table: &Range<usize>, wrong: Wrong) -> Misplaced {
        let rest = self.text.get(table.start..).unwrap_or_default();
        let mut at = table.start;
        for (number, line) in rest.split_inclusive('\n').enumerate() {
            if number > 0 && line.starts_with('[') {
                break;
            }
            let indent = line.len() - line.trim_start().len();
            let after = line.trim_start().strip_prefix(wrong.key);
            if after.is_some_and(|after| after.trim_start().starts_with(['=', '.'])) {
                return Misplaced { at: at + indent, why: wrong.why };
            }
            at += line.len();
        }
        Misplaced { at: table.start, why: wrong.why }
    }
}

fn check_plan(settings: &Settings) -> Result<(), Wrong> {
    if let Some(key) = settings.of_backtests() {
        return Err(Wrong { key, why: format!("{key} is a setting of backtests; an account has its own") });
    }
    match (settings.margin, settings.share) {
        (Some(_), Some(_)) => Err(Wrong { key: "share", why: "margin and share exclude each other".to_owned() }),
        (None, None) => {
            let why = "a plan names its margin (in quote currency) or its share (percent of what is free)";
            Err(Wrong { key: "margin", why: why.to_owned() })
        }
        _ => settings.check(),
    }
}

fn account(name: String, table: AccountTable, folder: &Path, engine: engine::Config) -> Result<Account, Wrong> {
    let wrong = |key, why: &str| Err(Wrong { key, why: why.to_owned() });
    let Some(tag) = AccountTag::new(table.tag) else {
        let why = format!("a tag is between 0 and {}", AccountTag::MAX);
        return Err(Wrong { key: "tag", why });
    };
    let addresses = match (table.network, table.http, table.ws) {
        (Network::Emulator, Some(http), Some(ws)) => Some((http, ws)),
        (Network::Emulator, None, _) => return wrong("network", "an emulator has an address: add http"),
        (Network::Emulator, _, None) => return wrong("network", "an emulator has an address for streams: add ws"),
        (_, None, None) => None,
        (_, Some(_), _) => return wrong("http", "only an emulator has an address of its own"),
        (_, _, Some(_)) => return wrong("ws", "only an emulator has an address of its own"),
    };
    match (table.network, table.real_money) {
        (Network::Production, Some(true)) | (Network::Emulator | Network::Demo, None | Some(false)) => {}
        (Network::Production, _) => {
            return wrong("network", "production trades real money, which can be lost: say real_money = true");
        }
        (_, Some(true)) => return wrong("real_money", "there is no real money on an emulator or a demo network"),
    }
    match (table.venue, &table.passphrase) {
        (VenueName::Bitget, None) => return wrong("venue", "a key of Bitget has a passphrase: add it"),
        (VenueName::Binance, Some(_)) => return wrong("passphrase", "a key of Binance has no passphrase"),
        _ => {}
    }
    let products = match table.products {
        Some(_) if table.venue == VenueName::Binance => {
            return wrong("products", "product lines are Bitget's; Binance has one");
        }
        Some(products) if products.is_empty() => return wrong("products", "name one of USDT and USDC at least"),
        Some(products) => products.into_iter().map(Product::from).collect(),
        None => Product::ALL.to_vec(),
    };
    Ok(Account {
        name,
        products,
        engine,
        tag,
        venue: table.venue,
        network: table.network,
        addresses,
        mode: table.position_mode.map(PositionMode::from),
        symbols: table.symbols.iter().map(|symbol| Symbol::new(symbol)).collect(),
        key: table.key.checked(folder).map_err(|why| Wrong { key: "key", why })?,
        secret: table.secret.checked(folder).map_err(|why| Wrong { key: "secret", why })?,
        passphrase: table
            .passphrase
            .map(|source| source.checked(folder))
            .transpose()
            .map_err(|why| Wrong { key: "passphrase", why })?,
    })
}

fn http(table: HttpTable, folder: &Path, place: impl Fn(Wrong) -> Misplaced) -> Result<Http, Misplaced> {
    let loopback = table.listen.get_ref().parse::<SocketAddr>().ok().filter(|address| address.ip().is_loopback());
    let Some(listen) = loopback else {
        let why = "listen is a loopback address with a port, as 127.0.0.1:7878: \
                   what is sent there is not encrypted, so other machines come through a tunnel";
        return Err(Misplaced::at(&table.listen.span(), why.to_owned()));
    };
    let token = table.token.checked(folder).map_err(|why| place(Wrong { key: "token", why }))?;
    Ok(Http { listen, token })
}

fn postgres(table: PostgresTable, folder: &Path, place: impl Fn(Wrong) -> Misplaced) -> Result<Postgres, Misplaced> {
    let address = table.address.checked(folder).map_err(|why| place(Wrong { key: "address", why }))?;
    let lease = table.lease_seconds.map(|given| {
        let seconds = *given.get_ref();
        if (1..=86_400).contains(&seconds) {
            return Ok(Duration::from_secs(u64::from(seconds)));
        }
        Err(Misplaced::at(&given.span(), format!("{seconds} seconds are not between 1 and 86400")))
    });
    let host = table.host.map(Spanned::into_inner);
    Ok(Postgres { address: Address::Of(address), host, lease: lease.transpose()?, egress: table.egress })
}

/// Bounds as they are, but for those that the table gives.
fn bounds(table: &Bounds, mut config: engine::Config) -> Result<engine::Config, Misplaced> {
    let rows = [
        (&table.poll_seconds, &mut config.poll_every, 5..=3_600),
        (&table.alert_unprotected_seconds, &mut config.alert_unprotected_after, 1..=600),
        (&table.close_unprotected_seconds, &mut config.close_unprotected_after, 5..=3_600),
    ];
    for (given, bound, range) in rows {
        let Some(given) = given else { continue };
        if !range.contains(given.get_ref()) {
            let why = format!("{} seconds are not between {} and {}", given.get_ref(), range.start(), range.end());
            return Err(Misplaced::at(&given.span(), why));
        }
        *bound = Millis::from_secs(i64::from(*given.get_ref()));
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"version = 1
journal = "kraite.journal"

[plans.p]
margin = "100"
stop = "2.5"

[accounts.main]
tag = 1
venue = "binance"
network = "emulator"
http = "http://127.0.0.1:1"
ws = "ws://127.0.0.1:1"
key = { env = "KEY" }
secret.env = "SECRET"
"#;

    fn wrong(text: &str) -> (usize, usize, String) {
        let wrong = Config::parse(text, Path::new("/x")).unwrap_err();
        let (line, column) = line_and_column(text, wrong.at);
        (line, column, wrong.why)
    }

    #[test]
    fn a_configuration_is_read_as_it_is_meant() {
        let config = Config::parse(GOOD, Path::new("/x")).unwrap();
        assert_eq!((config.journal.as_path(), config.speed), (Path::new("/x/kraite.journal"), 1));
        assert_eq!(config.accounts[0].engine, engine::Config::default());
        let account = config.account("main").unwrap();
        let terms = config.terms(account, "p", Direction::Short).unwrap();
        assert_eq!((terms.slice, terms.leverage_cap), (Slice::Fixed("100".parse().unwrap()), 20));
        assert_eq!(terms.spec.direction, Direction::Short);
        assert!(config.account("other").unwrap_err().contains("there are: main"));
        assert!(config.terms(account, "q", Direction::Long).unwrap_err().contains("there are: p"));
    }

    #[test]
    fn r43_an_account_has_bounds_and_limits_of_its_own_and_for_the_rest_those_of_all() {
        let common =
            GOOD.replace("[plans.p]", "[engine]\npoll_seconds = 60\nclose_unprotected_seconds = 40\n[plans.p]");
        let second = GOOD.split_once("[accounts.main]").unwrap().1.replace("tag = 1", "tag = 2");
        let own = "[accounts.second.engine]\nclose_unprotected_seconds = 10\n";
        let own_limits = "[accounts.second.limits]\nmax_positions = 3\n";
        let config =
            Config::parse(&format!("{common}[accounts.second]{second}{own}{own_limits}"), Path::new("")).unwrap();
        let of = |name: &str| {
            let engine = &config.account(name).unwrap().engine;
            (engine.poll_every, engine.close_unprotected_after, engine.limits.max_positions)
        };
        let seconds = Millis::from_secs;
        assert_eq!(of("main"), (seconds(60), seconds(40), None));
        assert_eq!(of("second"), (seconds(60), seconds(10), Some(3)));
    }

    #[test]
    fn what_is_wrong_is_named_by_line_and_column() {
        let with = |from: &str, to: &str| {
            assert!(GOOD.contains(from), "{from}");
            wrong(&GOOD.replace(from, to))
        };
        let long = GOOD.replace("[plans.p]", "[plans.p]\ndirection = \"long\"");
        let config = Config::parse(&long, Path::new("")).unwrap();
        let refused = config.terms(config.account("main").unwrap(), "p", Direction::Short).unwrap_err();
        assert!(refused.contains("other direction"));
        for (from, to, at, says) in [
            ("version = 1", "version = 2", (1, 11), "version 2 is not known here"),
            ("journal", "jornal", (2, 1), "unknown field `jornal`"),
            ("stop = \"2.5\"", "stop = \"-2.5\"", (6, 1), "stop must be above zero"),
            ("stop = \"2.5\"", "stpo = \"2.5\"", (6, 1), "unknown field `stpo`"),
            ("stop = \"2.5\"", "wallet = \"2\"", (6, 1), "wallet is a setting of backtests"),
            ("stop = \"2.5\"", "share = \"2\"", (6, 1), "exclude each other"),
            ("stop = \"2.5\"", "stop = 2.5", (6, 8), "invalid type"),
            ("margin = \"100\"", "", (4, 1), "names its margin"),
            ("tag = 1", "tag = 2000000", (9, 1), "a tag is between 0 and 1048575"),
            ("venue = \"binance\"", "venue = \"bitget\"", (10, 1), "passphrase"),
            ("network = \"emulator\"", "network = \"production\"", (12, 1), "only an emulator has an address"),
            ("http = \"http://127.0.0.1:1\"\n", "", (11, 1), "add http"),
            ("ws = \"ws://127.0.0.1:1\"\n", "", (11, 1), "add ws"),
            ("ws =", "real_money = true\nws =", (13, 1), "no real money"),
            ("key = { env = \"KEY\" }", "key = { env = \"key\" }", (14, 1), "name of a variable"),
            ("key = { env = \"KEY\" }", "key = \"canary\"", (14, 7), "say where it is"),
            ("secret.env = \"SECRET\"", "secret.vault = \"canary\"", (15, 1), "say where it is"),
            ("[plans.p]", "[http]\nlisten = \"0.0.0.0:7878\"\ntoken.env = \"T\"\n[plans.p]", (5, 10), "loopback"),
            ("[plans.p]", "[http]\nlisten = \"localhost:7878\"\ntoken.env = \"T\"\n[plans.p]", (5, 10), "loopback"),
            (
                "[plans.p]",
                "[http]\nlisten = \"[::1]:1\"\ntoken.env = \"canary\"\n[plans.p]",
                (6, 1),
                "name of a variable",
            ),
            ("[plans.p]", "[http]\nlisten = \"[::1]:1\"\ntoken = \"canary\"\n[plans.p]", (6, 9), "say where it is"),
            ("[plans.p]", "[notify]\nrepeat_after_seconds = 5\n[plans.p]", (4, 1), "add [notify.webhook]"),
            ("[plans.p]", "[notify]\nrepeat_after = 5\n[plans.p]", (5, 1), "unknown field `repeat_after`"),
            ("[plans.p]", "[notify]\nrepeat_after_seconds = 86401\n[plans.p]", (5, 24), "more than 86400"),
            ("[plans.p]", "[notify.webhook]\nurl = \"http://h/canary\"\n[plans.p]", (5, 7), "https address"),
            ("[plans.p]", "[notify.webhook]\nurl = \"https://u:canary@h/\"\n[plans.p]", (5, 7), "belongs into env"),
            ("[plans.p]", "[notify.webhook]\nurl = \"https://h/?t=canary\"\n[plans.p]", (5, 7), "belongs into env"),
            ("[plans.p]", "[notify.webhook]\nurl.env = \"canary\"\n[plans.p]", (5, 1), "name of a variable"),
            ("[plans.p]", "[notify.webhook]\nurl = [\"canary\"]\n[plans.p]", (5, 7), "say where it is"),
            ("[plans.p]", "[notify.telegram]\ntoken.env = \"T\"\n[plans.p]", (4, 1), "missing field `chat`"),
            ("[plans.p]", "[notify.telegram]\nchat = \"a b\"\ntoken.env = \"T\"\n[plans.p]", (5, 8), "id of a chat"),
            (
                "[plans.p]",
                "[notify.telegram]\nchat = \"1\"\ntoken = \"1:canary\"\n[plans.p]",
                (6, 9),
                "say where it is",
            ),
            (
                "[plans.p]",
                "[notify.telegram]\nchat = \"1\"\ntoken.env = \"T\"\napi = \"http://api.telegram.org\"\n[plans.p]",
                (7, 7),
                "https address",
            ),
            (
                "[plans.p]",
                "[notify.telegram]\nchat = \"1\"\ntoken.env = \"T\"\nbot = 1\n[plans.p]",
                (7, 1),
                "unknown field",
            ),
            ("[plans.p]", "[engine]\npoll_seconds = 4\n[plans.p]", (5, 16), "4 seconds are not between 5 and 3600"),
            (
                "[plans.p]",
                "[accounts.main.engine]\nalert_unprotected_seconds = 0\n[plans.p]",
                (5, 29),
                "0 seconds are not between 1 and 600",
            ),
        ] {
            let (line, column, why) = with(from, to);
            assert_eq!((line, column), at, "{to}: {why}");
            assert!(why.contains(says) && !why.contains("canary"), "{to}: {why}");
        }
        let real = GOOD
            .replace("network = \"emulator\"", "network = \"production\"")
            .replace("http = \"http://127.0.0.1:1\"\nws = \"ws://127.0.0.1:1\"\n", "");
        assert!(wrong(&real).2.contains("say real_money = true"));
        let said = real.replace("tag = 1", "tag = 1\nreal_money = true");
        assert!(Config::parse(&said, Path::new("")).is_ok());
        assert!(wrong(&said.replace("version = 1", "version = 1\nspeed = 2")).2.contains("on an emulator"));
        assert!(wrong("version = 1\njournal = \"j\"\naccounts = {}\n").2.contains("there is no account"));
        let second = GOOD.split_once("[accounts.main]").unwrap().1;
        let twice = format!("{GOOD}[accounts.second]{second}");
        let (line, _, why) = wrong(&twice);
        assert!(line == 17 && why.contains("another account has the tag 1"), "{line}: {why}");
    }
}
