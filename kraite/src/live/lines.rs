//! Lines of text from stdin or from a file that grows.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{info, warn};

use super::intake::{Intake, LONGEST};
use crate::exit::{Exit, Failed};

/// A file is looked at this often for more.
const LOOKS_EVERY: Duration = Duration::from_millis(200);

/// Where lines come from.
pub(super) enum Source {
    Stdin,
    File(PathBuf, BufReader<File>),
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self, Failed> {
        if path == Path::new("-") {
            return Ok(Self::Stdin);
        }
        let file = File::open(path)
            .map_err(|error| Failed::new(Exit::Usage, format!("--signals: {}: {error}", path.display())))?;
        Ok(Self::File(path.to_owned(), BufReader::new(file)))
    }
}

/// Hands on line after line, until there are no more or nobody takes them.
pub(super) async fn read(source: Source, lines: mpsc::Sender<String>) {
    // Reads block, each on its own; a thread of its own is what they cost.
    let ended = tokio::task::spawn_blocking(move || match source {
        Source::Stdin => {
            let mut input = std::io::stdin().lock();
            while let Some(line) = next_line(&mut input) {
                if lines.blocking_send(line).is_err() {
                    return;
                }
            }
        }
        Source::File(path, file) => follow(&path, file, &lines),
    });
    if ended.await.is_err() {
        warn!("signals are not read any more");
    }
}

/// The most lines that are looked at together.
const MANY: usize = 10_000;

/// Every line that is there now, up to a bound; of stdin those until it ends.
pub(super) fn all(source: Source) -> Vec<String> {
    let mut lines: Box<dyn std::io::BufRead> = match source {
        Source::Stdin => Box::new(std::io::stdin().lock()),
        Source::File(_, file) => Box::new(file),
    };
    std::iter::from_fn(|| next_line(&mut lines)).filter(|line| !line.is_empty()).take(MANY).collect()
}

/// One line without its end, cut where it is far too long; `None` at the end or where nothing can be read any more.
fn next_line(input: &mut impl std::io::BufRead) -> Option<String> {
    let mut bytes = Vec::new();
    let mut limited = input.take(LONGEST as u64 + 2);
    let read = limited.read_until(b'\n', &mut bytes).ok()?;
    if read == 0 {
        return None;
    }
    if bytes.last() != Some(&b'\n') && bytes.len() > LONGEST {
        // The rest of it is no line of its own.
        let mut rest = Vec::new();
        while input.take(LONGEST as u64).read_until(b'\n', &mut rest).is_ok_and(|read| read > 0) {
            if rest.last() == Some(&b'\n') {
                break;
            }
            rest.clear();
        }
    }
    Some(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

/// The file does not grow in the clock's time but in the wall's.
#[allow(clippy::disallowed_methods, reason = "somebody else writes the file, on the wall's clock")]
fn wait() {
    std::thread::sleep(LOOKS_EVERY);
}

/// The file at that name, if it is not the one that was read to its end or has become shorter than what was read of it;
/// nothing where there is none for now.
fn another(path: &Path, file: &mut BufReader<File>) -> std::io::Result<Option<BufReader<File>>> {
    let named = match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        named => named?,
    };
    let known = file.get_ref().metadata()?;
    let same = (named.dev(), named.ino()) == (known.dev(), known.ino());
    if same && named.len() >= file.stream_position()? {
        return Ok(None);
    }
    File::open(path).map(|file| Some(BufReader::new(file)))
}

/// First what is there, of which only that is meant which says until when; then what is added.
fn follow(path: &Path, mut file: BufReader<File>, lines: &mpsc::Sender<String>) {
    let mut passed = 0u64;
    let mut begun = String::new();
    let mut old = true;
    loop {
        let before = begun.len();
        match file.by_ref().take(LONGEST as u64 + 2).read_line(&mut begun) {
            Ok(0) => {
                if old {
                    old = false;
                    info!("following {}: {passed} lines from before are passed over", path.display());
                }
                if lines.is_closed() {
                    return;
                }
                wait();
                // Moved away, replaced or cut off: what stands at the name now was written since.
                match another(path, &mut file) {
                    Ok(None) => {}
                    Ok(Some(fresh)) => {
                        warn!("{}: begins anew", path.display());
                        (file, begun) = (fresh, String::new());
                    }
                    Err(error) => warn!("{}: {error}", path.display()),
                }
            }
            // Whoever writes it may be in the middle of a line.
            Ok(_) if !begun.ends_with('\n') && begun.len() <= LONGEST => {}
            Ok(_) => {
                let line = std::mem::take(&mut begun);
                let line = line.trim();
                if line.is_empty() {
                    continue;
                }
                if old && !Intake::has_an_end(line) {
                    passed += 1;
                } else if lines.blocking_send(line.to_owned()).is_err() {
                    return;
                }
            }
            Err(error) => {
                warn!("{}: {error}", path.display());
                begun.truncate(before);
                wait();
            }
        }
    }
}
