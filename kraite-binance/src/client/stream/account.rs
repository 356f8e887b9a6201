//! Orders, positions, funding: the socket that the listen key opens ("Binance USD-M, User Data Streams").

use std::sync::Arc;

use kraite_core::exchange::ReadError;
use kraite_core::time::{LocalMillis, Millis};
use kraite_wire::client::{AccountSocket, Ended, MAX_BODY, Need};
use secrecy::{ExposeSecret, SecretString};
use tokio::task::JoinHandle;

use crate::client::backend::Inner;
use crate::client::line::Line;
use crate::codec::calls::{CreateListenKey, KeepListenKey};
use crate::codec::{Failure, listen_key};

/// A key lives 60 minutes and is prolonged this often.
const KEEP_EVERY: Millis = Millis::from_secs(30 * 60);
/// Where nobody answered, it is tried again after this.
const KEEP_AGAIN: Millis = Millis::from_secs(60);
/// A key that was not prolonged for this long is given up before the venue does.
const KEEP_WITHIN: Millis = Millis::from_secs(55 * 60);
/// The longest listen key that is believed; they have 64 characters.
const MAX_KEY: usize = 200;

/// Gets a listen key and opens its socket.
pub(super) async fn open(inner: &Inner) -> Result<AccountSocket<Session>, ReadError> {
    let heard = inner.line.ask(&CreateListenKey, Need::Open, MAX_BODY).await?;
    let key = listen_key(heard.answer())?;
    let plain = |text: &str| text.len() <= MAX_KEY && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !plain(key.expose_secret()) {
        return Err(ReadError::Undecodable("a listen key of an unknown form".into()));
    }
    let mut url = inner.streams.clone();
    url.set_path(&format!("{}/private/ws/{}", url.path().trim_end_matches('/'), key.expose_secret()));
    let socket = inner.open_socket(&url).await;
    let socket = socket.map_err(|_| ReadError::NoAnswer("the account socket could not be opened".into()))?;
    let now = inner.line.clock.now();
    let session = Session { key: Arc::new(key), keeping: None, kept: now, keep_at: now.plus(KEEP_EVERY) };
    Ok(AccountSocket { socket, session, early: Vec::new() })
}

/// What became of an attempt to prolong the key.
enum Kept {
    Yes,
    Unanswered,
    Lost,
}

/// The listen key that a socket hangs on.
pub(crate) struct Session {
    key: Arc<SecretString>,
    keeping: Option<JoinHandle<Kept>>,
    kept: LocalMillis,
    keep_at: LocalMillis,
}

impl Session {
    /// Prolongs the key beside the reading of frames.
    pub(super) async fn keep(&mut self, line: &Arc<Line>) -> Option<Ended> {
        let now = line.clock.now();
        if let Some(task) = self.keeping.take_if(|task| task.is_finished()) {
            match task.await.unwrap_or(Kept::Unanswered) {
                Kept::Yes => (self.kept, self.keep_at) = (now, now.plus(KEEP_EVERY)),
                Kept::Unanswered if now.since(self.kept) < KEEP_WITHIN => self.keep_at = now.plus(KEEP_AGAIN),
                Kept::Unanswered | Kept::Lost => return Some(Ended::Key),
            }
        }
        if self.keeping.is_none() && now >= self.keep_at {
            self.keeping = Some(tokio::spawn(prolong(Arc::clone(line), Arc::clone(&self.key))));
        }
        None
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(task) = &self.keeping {
            task.abort();
        }
    }
}

/// Another key than ours means that this socket is, or soon will be, silent.
async fn prolong(line: Arc<Line>, ours: Arc<SecretString>) -> Kept {
    let Ok(heard) = line.ask(&KeepListenKey, Need::Open, MAX_BODY).await else { return Kept::Unanswered };
    let answer = heard.answer();
    if !answer.is_success() {
        let failure = Failure::of(answer);
        return if failure.is_listen_key() { Kept::Lost } else { Kept::Unanswered };
    }
    match listen_key(answer) {
        Ok(key) if key.expose_secret() != ours.expose_secret() => Kept::Lost,
        // Older answers are empty.
        Ok(_) | Err(_) => Kept::Yes,
    }
}
