//! The control socket beside the journal: whoever may write the journal's folder may speak to the process.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
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

/// A journal that this process works on. Whoever else asks for it is refused until it is dropped; the system lets go of
/// it with the process, however that ends.
pub(crate) struct Hold {
    _lock: File,
}

/// A file beside a journal.
fn beside(journal: &Path, ending: &str) -> PathBuf {
    let mut path = journal.as_os_str().to_owned();
    path.push(ending);
    PathBuf::from(path)
}

/// Whether a process works on a journal and listens.
pub(crate) fn is_up(journal: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(path_of(journal)).is_ok()
}

/// Where the socket of a journal is.
pub(super) fn path_of(journal: &Path) -> PathBuf {
    beside(journal, ".sock")
}

/// Takes a journal for this process.
pub(crate) fn hold(journal: &Path) -> Result<Hold, Failed> {
    let path = beside(journal, ".lock");
    let fail = |error: io::Error| Failed::new(Exit::Failure, format!("{}: {error}", path.display()));
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(fail)?;
    match file.try_lock() {
        Ok(()) => Ok(Hold { _lock: file }),
        Err(TryLockError::WouldBlock) => {
            let why = format!("{}: another process works on this journal", journal.display());
            Err(Failed::new(Exit::NotOwner, why))
        }
        Err(TryLockError::Error(error)) => Err(fail(error)),
    }
}

/// A socket that takes lines until it is dropped.
pub(super) struct Control {
    path: PathBuf,
    listener: Option<UnixListener>,
    task: Option<JoinHandle<()>>,
}

impl Control {
    /// Makes the socket of a journal that is held: one that is there was left behind by a process that was killed.
    pub(super) fn bind(journal: &Path, _held: &Hold) -> Result<Self, Failed> {
        let path = path_of(journal);
        let fail = |error: io::Error| Failed::new(Exit::Failure, format!("{}: {error}", path.display()));
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
            _ => {}
        }
        let listener = UnixListener::bind(&path).map_err(fail)?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(fail)?;
        Ok(Self { path, listener: Some(listener), task: None })
    }

    /// From now on lines are taken.
    pub(super) fn opens(&mut self, intake: Arc<Intake>) {
        self.task = self.listener.take().map(|listener| tokio::spawn(serve(listener, intake)));
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
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
