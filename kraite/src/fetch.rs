//! `kraite fetch-data`: market data from an exchange's public archive.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use kraite_sim::data::instant;
use kraite_wire::client::{Needed, client_config};
use reqwest::header::RANGE;
use reqwest::{Client, Response, StatusCode, Url};
use serde::Serialize;

use crate::exit::{Exit, Failed};
use crate::progress::Progress;
use crate::utc;

const EXAMPLE: &str = "Examples:
  kraite fetch-data --symbol SOLUSDT --from 2025-05 --to 2025-07 --dir data
  kraite fetch-data --kind agg-trades --symbol SOLUSDT --from 2025-05-01 --to 2025-05-03 --dir data
  kraite fetch-data --kind mark-price-klines --symbol SOLUSDT --from 2025-05 --to 2025-07 --dir data
  kraite fetch-data --kind funding-rate --symbol SOLUSDT --from 2025-05 --to 2025-07 --dir data

Months are fetched as months, days as days. The archive has a day on the next one, and a month some days after its end.
Beside each file lies the SHA-256 that the archive published for it. Files of the mark price have -mark- in their names.";

/// Binance's archive ("Binance Public Data").
const ARCHIVE: &str = "https://data.binance.vision";
/// How long a connection may take to be made, and how long nothing may come.
const CONNECT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(30);
/// How often a file is begun or gone on with before it is given up, and how long to wait in between.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);
/// No file of the archive is near it.
const MAX_FILE: u64 = 8 * 1_024 * 1_024 * 1_024;
const MAX_CHECKSUM: usize = 4 * 1_024;
/// A slip in the years, not a wish.
const MAX_FILES: usize = 4_000;

/// Fetches klines, trades or funding rates from Binance's public archive, each file checked by its SHA-256.
///
/// A file that is there already and sound is left alone; one that was cut off is gone on with where it ends. Nothing
/// under its own name is ever a part.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLE)]
pub(crate) struct Args {
    /// The contract, in the venue's spelling.
    #[arg(long)]
    symbol: String,
    /// What to fetch.
    #[arg(long, value_enum, default_value = "klines")]
    kind: Kind,
    /// How long a bar is, as the exchange spells it.
    #[arg(long, default_value = "1m")]
    interval: String,
    /// The first month (YYYY-MM) or day (YYYY-MM-DD).
    #[arg(long, value_name = "PERIOD")]
    from: String,
    /// The last month or day.
    #[arg(long, value_name = "PERIOD")]
    to: String,
    /// Where the files go; made if need be.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Fetches again what the archive has published anew.
    #[arg(long)]
    renew: bool,
    /// Another archive with the same layout.
    #[arg(long, value_name = "URL", default_value = ARCHIVE)]
    base_url: String,
    /// Prints the files as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// Bars of the last price.
    Klines,
    /// Bars of the mark price.
    MarkPriceKlines,
    /// Aggregate trades.
    AggTrades,
    /// Funding payments, by months only.
    FundingRate,
}

impl Kind {
    const fn folder(self) -> &'static str {
        match self {
            Self::Klines => "klines",
            Self::MarkPriceKlines => "markPriceKlines",
            Self::AggTrades => "aggTrades",
            Self::FundingRate => "fundingRate",
        }
    }
}

/// The months or days from one to another, both included, as the archive spells them.
fn periods(from: &str, to: &str) -> Result<(&'static str, Vec<String>), String> {
    const DAY_MS: i64 = 86_400_000;
    let month = |text: &str| -> Result<(i64, i64), String> {
        let wrong = || format!("`{text}` is neither a month (YYYY-MM) nor a day (YYYY-MM-DD)");
        instant(&format!("{text}-01")).map_err(|_| wrong())?;
        let (year, month) = text.split_once('-').ok_or_else(wrong)?;
        Ok((year.parse().map_err(|_| wrong())?, month.parse().map_err(|_| wrong())?))
    };
    let (how, all): (_, Vec<String>) = match (from.len(), to.len()) {
        (7, 7) => {
            let (first, last) = (month(from)?, month(to)?);
            let count = (last.0 - first.0) * 12 + last.1 - first.1 + 1;
            let spelled = |n: i64| {
                let months = first.0 * 12 + first.1 - 1 + n;
                format!("{:04}-{:02}", months / 12, months % 12 + 1)
            };
            ("monthly", (0..count.min(MAX_FILES as i64 + 1)).map(spelled).collect())
        }
        (10, 10) => {
            let (first, last) = (instant(from)?, instant(to)?);
            let count = (last.0 - first.0).div_euclid(DAY_MS) + 1;
            let spelled = |n: i64| utc::text(first.0 + n * DAY_MS).chars().take(10).collect();
            ("daily", (0..count.min(MAX_FILES as i64 + 1)).map(spelled).collect())
        }
        _ => {
            month(if from.len() == 10 { to } else { from })?;
            return Err(format!("{from} and {to} are not both months or both days"));
        }
    };
    match all.len() {
        0 => Err(format!("{to} is before {from}")),
        count if count > MAX_FILES => Err(format!("more than {MAX_FILES} files")),
        _ => Ok((how, all)),
    }
}

/// What is repeated in messages may not hold a secret.
fn archive_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("an archive begins with https:// or http://".into());
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err("an archive takes no user, no password and no query".into());
    }
    Ok(url)
}

/// A file of the archive.
struct Wanted {
    url: Url,
    /// As the archive calls it.
    name: String,
    /// As it is called here: what the archive tells apart by folders alone is told apart by names.
    local: String,
}

fn wanted(args: &Args, archive: &Url) -> Result<Vec<Wanted>, Failed> {
    let usage = |why: String| Failed::new(Exit::Usage, why);
    let word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    for (flag, text) in [("symbol", &args.symbol), ("interval", &args.interval)] {
        if !word(text) {
            return Err(usage(format!("--{flag}: `{text}` is none")));
        }
    }
    let (how, periods) = periods(&args.from, &args.to).map_err(|why| usage(format!("--from, --to: {why}")))?;
    if args.kind == Kind::FundingRate && how == "daily" {
        return Err(usage("the archive has funding rates by months only; give --from and --to as YYYY-MM".into()));
    }
    let (folder, symbol) = (args.kind.folder(), &args.symbol);
    // The archive spells a month of bars otherwise, where capitals are not told apart.
    let interval = if args.interval == "1M" { "1mo" } else { &args.interval };
    let (within, what) = match args.kind {
        Kind::Klines | Kind::MarkPriceKlines => (format!("{interval}/"), interval),
        Kind::AggTrades | Kind::FundingRate => (String::new(), folder),
    };
    let each = periods.into_iter().map(|period| {
        let name = format!("{symbol}-{what}-{period}.zip");
        let mut url = archive.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/data/futures/um/{how}/{folder}/{symbol}/{within}{name}"));
        let mark = if args.kind == Kind::MarkPriceKlines { "mark-" } else { "" };
        Wanted { url, name, local: format!("{symbol}-{what}-{mark}{period}.zip") }
    });
    Ok(each.collect())
}

/// Why a file did not come, and whether trying again may help.
enum Trouble {
    Passing(String),
    Final(Failed),
}

impl From<Failed> for Trouble {
    fn from(failed: Failed) -> Self {
        Self::Final(failed)
    }
}

#[allow(clippy::disallowed_methods, reason = "waits for a server on the wall clock")]
async fn pause(tries: u32) {
    tokio::time::sleep(PAUSE.saturating_mul(1 << tries.min(4))).await;
}

/// What comes, unless nothing does for too long.
async fn within<T>(coming: impl Future<Output = Result<T, reqwest::Error>>) -> Result<T, Trouble> {
    match tokio::time::timeout(SILENCE, coming).await {
        Ok(Ok(came)) => Ok(came),
        Ok(Err(error)) => {
            let why = if error.is_connect() { "no connection" } else { "the connection broke" };
            Err(Trouble::Passing(why.to_owned()))
        }
        Err(_) => Err(Trouble::Passing(format!("nothing came for {} s", SILENCE.as_secs()))),
    }
}

struct Archive {
    client: Client,
}

impl Archive {
    fn new(url: &Url) -> Result<Self, Failed> {
        let needed = if url.scheme() == "https" { Needed::Yes } else { Needed::No };
        let tls = client_config(needed).map_err(Failed::with(Exit::Failure))?;
        let client = Client::builder()
            .tls_backend_preconfigured((*tls).clone())
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .build()
            .map_err(Failed::with(Exit::Failure))?;
        Ok(Self { client })
    }

    /// An answer that is what was asked for, or its rest.
    async fn get(&self, url: &Url, from: u64) -> Result<Response, Trouble> {
        let mut request = self.client.get(url.clone());
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let answer = within(request.send()).await?;
        match answer.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => Ok(answer),
            StatusCode::NOT_FOUND => {
                let message = format!("{url} is not in the archive; is the symbol right, and the period over?");
                Err(Failed::new(Exit::Exchange, message).into())
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(Trouble::Passing(format!("the archive answers {status}")))
            }
            status => Err(Failed::new(Exit::Exchange, format!("{url}: the archive answers {status}")).into()),
        }
    }

    /// The digest that the archive published for a file, in lower case.
    async fn published(&self, file: &Wanted) -> Result<String, Trouble> {
        let mut url = file.url.clone();
        url.set_path(&format!("{}.CHECKSUM", url.path()));
        let mut answer = self.get(&url, 0).await?;
        let mut text = Vec::new();
        while let Some(piece) = within(answer.chunk()).await? {
            text.extend_from_slice(&piece);
            if text.len() > MAX_CHECKSUM {
                break;
            }
        }
        let text = String::from_utf8_lossy(&text);
        let mut words = text.split_whitespace();
        let (digest, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let hex = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !hex || name.trim_start_matches('*') != file.name {
            let message = format!("{url} does not hold the SHA-256 of {}", file.name);
            return Err(Failed::new(Exit::Exchange, message).into());
        }
        Ok(digest.to_ascii_lowercase())
    }

    /// Goes on with a part, or begins it; the part is whole afterwards, whatever is in it.
    async fn rest(&self, file: &Wanted, part: &mut Part, progress: &mut Progress) -> Result<(), Trouble> {
        let there = part.length()?;
        let mut answer = self.get(&file.url, there).await?;
        if answer.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(());
        }
        let mut length = there;
        if answer.status() != StatusCode::PARTIAL_CONTENT {
            part.clear()?;
            length = 0;
        }
        while let Some(piece) = within(answer.chunk()).await? {
            length = length.saturating_add(piece.len() as u64);
            if length > MAX_FILE {
                return Err(Failed::new(Exit::Exchange, format!("{}: larger than {MAX_FILE} bytes", file.url)).into());
            }
            part.write(&piece)?;
            progress.say(|| format!("{}, {} MB", file.local, length / 1_000_000));
        }
        part.sync()?;
        Ok(())
    }
}

/// A file that is coming, and that no other process writes to meanwhile.
struct Part {
    path: PathBuf,
    file: File,
}

impl Part {
    /// Opens the part, or makes it.
    fn open(path: PathBuf) -> Result<Self, Trouble> {
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(|error| disk(&path, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = format!("{}: another process fetches it", path.display());
                return Err(Failed::new(Exit::Failure, message).into());
            }
            Err(TryLockError::Error(error)) => return Err(disk(&path, &error).into()),
        }
        // Who held it may have given it its name in between: what is locked now may be the file itself.
        let same = |now: &std::fs::Metadata| file.metadata().is_ok_and(|locked| locked.ino() == now.ino());
        if !std::fs::metadata(&path).as_ref().is_ok_and(same) {
            return Err(Trouble::Passing("another process has just fetched it".into()));
        }
        Ok(Self { path, file })
    }

    fn length(&self) -> Result<u64, Failed> {
        self.file.metadata().map(|known| known.len()).map_err(|error| disk(&self.path, &error))
    }

    fn clear(&self) -> Result<(), Failed> {
        self.file.set_len(0).map_err(|error| disk(&self.path, &error))
    }

    fn write(&mut self, piece: &[u8]) -> Result<(), Failed> {
        self.file.write_all(piece).map_err(|error| disk(&self.path, &error))
    }

    fn sync(&self) -> Result<(), Failed> {
        self.file.sync_data().map_err(|error| disk(&self.path, &error))
    }
}

fn disk(path: &Path, error: &std::io::Error) -> Failed {
    Failed::new(Exit::Failure, format!("{}: {error}", path.display()))
}

fn digest(path: &Path) -> Result<String, Failed> {
    let mut file = File::open(path).map_err(|error| disk(path, &error))?;
    let (mut context, mut buffer) = (Context::new(&SHA256), vec![0_u8; 1 << 16]);
    loop {
        let read = file.read(&mut buffer).map_err(|error| disk(path, &error))?;
        match buffer.get(..read) {
            Some(piece) if read > 0 => context.update(piece),
            _ => break,
        }
    }
    Ok(context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Became {
    Fetched,
    WasThere,
}

/// One file, with patience.
async fn fetch(archive: &Archive, args: &Args, file: &Wanted, progress: &mut Progress) -> Result<Became, Failed> {
    let place = args.dir.join(&file.local);
    let mut tries = 0;
    loop {
        let trouble = match once(archive, args, file, &place, progress).await {
            Ok(became) => return Ok(became),
            Err(Trouble::Final(failed)) => return Err(failed),
            Err(Trouble::Passing(why)) => why,
        };
        tries += 1;
        if tries >= TRIES {
            let message = format!("{}: {trouble}, {tries} times; run it again to go on where it was", file.url);
            return Err(Failed::new(Exit::Exchange, message));
        }
        pause(tries).await;
    }
}

async fn once(
    archive: &Archive,
    args: &Args,
    file: &Wanted,
    place: &Path,
    progress: &mut Progress,
) -> Result<Became, Trouble> {
    let published = archive.published(file).await?;
    if place.exists() {
        if digest(place)? == published {
            return Ok(Became::WasThere);
        }
        if !args.renew {
            let message =
                format!("{} is there and is not what the archive has now; --renew fetches it again", place.display());
            return Err(Failed::new(Exit::BadData, message).into());
        }
    }
    let mut part = Part::open(args.dir.join(format!("{}.part", file.local)))?;
    archive.rest(file, &mut part, progress).await?;
    if digest(&part.path)? != published {
        // A part of an older file, or bytes that changed on the way.
        std::fs::remove_file(&part.path).map_err(|error| disk(&part.path, &error))?;
        return Err(Trouble::Passing("what came does not have the published SHA-256".into()));
    }
    let checksum = place.with_file_name(format!("{}.CHECKSUM", file.local));
    crate::write_whole(&checksum, format!("{published}  {}\n", file.local))?;
    // Nobody else has it until it is named.
    std::fs::rename(&part.path, place).map_err(|error| disk(place, &error))?;
    Ok(Became::Fetched)
}

#[derive(Debug, Serialize)]
struct Shown {
    schema: &'static str,
    files: Vec<ShownFile>,
}

#[derive(Debug, Serialize)]
struct ShownFile {
    file: String,
    became: Became,
}

/// Fetches one file after the other.
pub(crate) fn command(args: &Args) -> Result<Exit, Failed> {
    // Not where the flags are parsed, which repeats whatever is wrong.
    let url = archive_url(&args.base_url).map_err(|why| Failed::new(Exit::Usage, format!("--base-url: {why}")))?;
    let files = wanted(args, &url)?;
    std::fs::create_dir_all(&args.dir).map_err(|error| disk(&args.dir, &error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let archive = Archive::new(&url)?;
    let fetched = runtime.map_err(Failed::with(Exit::Failure))?.block_on(async {
        let (mut fetched, mut progress) = (Vec::with_capacity(files.len()), Progress::new("fetch-data"));
        for file in &files {
            let became = fetch(&archive, args, file, &mut progress).await?;
            let place = args.dir.join(&file.local).display().to_string();
            if !args.json {
                let words = if became == Became::Fetched { "fetched" } else { "is there" };
                crate::print(&format!("{place}: {words}\n"))?;
            }
            fetched.push(ShownFile { file: place, became });
        }
        Ok::<_, Failed>(fetched)
    })?;
    if args.json {
        let shown = Shown { schema: "kraite.fetch-data/1", files: fetched };
        let json = serde_json::to_string_pretty(&shown).map_err(Failed::with(Exit::Failure))?;
        crate::print(&format!("{json}\n"))?;
    }
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_months_or_days_and_never_both() {
        let spelled = |from, to| periods(from, to).map(|(how, all)| format!("{how} {}", all.join(" ")));
        assert_eq!(spelled("2024-11", "2025-02").unwrap(), "monthly 2024-11 2024-12 2025-01 2025-02");
        assert_eq!(spelled("2024-02-28", "2024-03-01").unwrap(), "daily 2024-02-28 2024-02-29 2024-03-01");
        assert_eq!(spelled("2025-05", "2025-05").unwrap(), "monthly 2025-05");
        for (from, to, words) in [
            ("2025-05", "2025-04", "2025-04 is before 2025-05"),
            ("2025-05-01", "2025-06", "not both"),
            ("2025-13", "2026-01", "`2025-13` is neither"),
            ("May", "2025-06", "`May` is neither"),
            ("1971-01-01", "2025-06-01", "more than 4000 files"),
        ] {
            let why = periods(from, to).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
    }
}
