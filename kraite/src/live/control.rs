//! The control socket beside the journal: whoever may write the journal's folder may speak to the process.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tracing::warn;

use super::intake::{Intake, LONGEST};
use crate::exit::{Exit, Failed};

/// Who may speak at the same time.
const VISITORS: usize = 32;

/// A socket that takes lines until it is dropped.
pub(super) struct Control {
    path: PathBuf,
    task: JoinHandle<()>,
}

/// Where the socket of a journal is.
pub(super) fn path_of(journal: &Path) -> PathBuf {
    let mut path = journal.as_os_str().to_owned();
    path.push(".sock");
    PathBuf::from(path)
}

/// Refuses where a process already works on a journal.
pub(super) fn nobody_else(journal: &Path) -> Result<(), Failed> {
    let path = path_of(journal);
    if std::os::unix::net::UnixStream::connect(&path).is_err() {
        return Ok(());
    }
    let why = format!("{}: another kraite run works on this journal", path.display());
    Err(Failed::new(Exit::NotOwner, why))
}

impl Control {
    /// Listens beside a journal. The journal is owned by one process, so a socket that is there is one left behind by a
    /// process that was killed, unless somebody answers on it.
    pub(super) fn listen(journal: &Path, intake: Arc<Intake>) -> Result<Self, Failed> {
        let path = path_of(journal);
        let fail = |error: io::Error| Failed::new(Exit::Failure, format!("{}: {error}", path.display()));
        nobody_else(journal)?;
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
            _ => {}
        }
        let listener = UnixListener::bind(&path).map_err(fail)?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(fail)?;
        Ok(Self { task: tokio::spawn(serve(listener, intake)), path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
        // One that stays is taken for what it is by the next process.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn serve(listener: UnixListener, intake: Arc<Intake>) {
    let room = Arc::new(Semaphore::new(VISITORS));
    let mut visits = tokio::task::JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        while visits.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let intake = Arc::clone(&intake);
                visits.spawn(async move {
                    // A visitor that breaks off concerns nobody else.
                    let _ = attend(stream, &intake).await;
                    drop(permit);
                });
            }
            Err(error) => {
                warn!("the control socket: {error}");
                tokio::task::yield_now().await;
            }
        }
    }
}

async fn attend(mut stream: UnixStream, intake: &Intake) -> io::Result<()> {
    let (reading, mut writing) = stream.split();
    let mut reading = BufReader::new(reading);
    loop {
        let mut line = String::new();
        if (&mut reading).take(LONGEST as u64 + 1).read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let answer = intake.take(line.trim_end()).await;
        writing.write_all(format!("{answer}\n").as_bytes()).await?;
        if line.len() > LONGEST {
            return Ok(());
        }
    }
}
