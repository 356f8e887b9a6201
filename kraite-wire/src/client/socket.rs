//! One socket: bounded in what it takes, and never trusted to be alive only because it is open.

use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use kraite_core::time::{LocalMillis, Millis};
use reqwest::Url;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use super::local::LocalClock;
use super::watch::Ended;

/// The most bytes of one message: an account update lists what changed, a mark update one contract.
const MAX_MESSAGE: usize = 1 << 20;
/// The most bytes that may wait to be written: pings, subscriptions, orders.
const MAX_WRITES: usize = 256 << 10;
/// Opening a socket, TLS included, may take this long.
const OPENING: Millis = Millis::from_secs(10);
/// Some hundred bytes that a peer does not take in so long reach it no more.
const WRITING: Millis = Millis::from_secs(2);
/// A ping of the protocol leaves this often.
const PING_EVERY: Millis = Millis::from_secs(15);
/// A socket that is old for this long, and whose place no other could take, ends.
const OVER_AGE: Millis = Millis::from_secs(1_800);
/// Timers are looked at this often while nothing arrives.
const TICK: Millis = Millis(500);

/// A socket that ended is opened again after 2^n seconds, at most this (R111).
const RAMP_MAX: Millis = Millis::from_secs(30);

/// How long to wait after this many failures in a row: 1, 2, 4, … seconds.
#[must_use]
pub fn ramp(failures: u32) -> Millis {
    let exponent = failures.saturating_sub(1).min(5);
    Millis::from_secs(1i64 << exponent).min(RAMP_MAX)
}

/// How a socket is kept alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heartbeat {
    /// By pings of the protocol.
    Frames,
    /// By a text that the other side answers with another one.
    Texts {
        /// How often.
        every: Millis,
        /// What is said.
        ping: &'static str,
        /// What has to come back: a sign of life, and no message.
        pong: &'static str,
        /// In which time it has to, where nothing else is said meanwhile.
        within: Millis,
    },
}

impl Heartbeat {
    const fn every(self) -> Millis {
        match self {
            Self::Frames => PING_EVERY,
            Self::Texts { every, .. } => every,
        }
    }

    fn ping(self) -> Message {
        match self {
            Self::Frames => Message::Ping(Bytes::new()),
            Self::Texts { ping, .. } => Message::text(ping),
        }
    }

    fn is_pong(self, text: &str) -> bool {
        matches!(self, Self::Texts { pong, .. } if pong == text)
    }
}

/// What a socket said.
pub enum Said {
    /// A message with content.
    Message(Bytes),
    /// A sign of life.
    Alive,
    /// Nothing, for a tick.
    Nothing,
}

/// One socket.
pub struct Socket {
    heartbeat: Heartbeat,
    clock: Arc<dyn LocalClock>,
    old: Millis,
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    opened: LocalMillis,
    heard: LocalMillis,
    content: LocalMillis,
    pinged: LocalMillis,
}

impl Socket {
    /// Opens a socket, which should be replaced at the age of `old`. The address may hold a listen key: no error shows
    /// it.
    ///
    /// # Errors
    ///
    /// [`Ended::Unopened`].
    pub async fn open(
        clock: &Arc<dyn LocalClock>,
        tls: &Arc<rustls::ClientConfig>,
        url: &Url,
        old: Millis,
        heartbeat: Heartbeat,
    ) -> Result<Self, Ended> {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE))
            .write_buffer_size(0)
            .max_write_buffer_size(MAX_WRITES);
        let connector = Connector::Rustls(Arc::clone(tls));
        let opening = connect_async_tls_with_config(url.as_str(), Some(config), true, Some(connector));
        let opened = tokio::select! {
            biased;
            opened = opening => opened.ok(),
            () = clock.sleep(OPENING) => None,
        };
        let (stream, _) = opened.ok_or(Ended::Unopened)?;
        let now = clock.now();
        Ok(Self {
            heartbeat,
            clock: Arc::clone(clock),
            old,
            stream,
            opened: now,
            heard: now,
            content: now,
            pinged: now,
        })
    }

    /// Waits for what comes next, at most a tick, and keeps the socket alive. `silence` is how long it may say nothing
    /// at all, `content` how long it may say nothing of content.
    ///
    /// # Errors
    ///
    /// Why the socket is of no use any more.
    pub async fn next(&mut self, silence: Millis, content: Option<Millis>) -> Result<Said, Ended> {
        let clock = Arc::clone(&self.clock);
        // Before anything is read: who stops waiting for this call must not lose a message by it.
        if clock.now().since(self.pinged) >= self.heartbeat.every() {
            self.pinged = clock.now();
            self.write(self.heartbeat.ping()).await?;
        }
        let message = tokio::select! {
            biased;
            message = self.stream.next() => Some(message),
            () = clock.sleep(TICK) => None,
        };
        let now = clock.now();
        let said = match message {
            None => Said::Nothing,
            Some(None) => return Err(Ended::Closed),
            Some(Some(Ok(Message::Text(text)))) if self.heartbeat.is_pong(text.trim()) => Said::Alive,
            Some(Some(Ok(Message::Text(text)))) => Said::Message(text.into()),
            Some(Some(Ok(Message::Binary(bytes)))) => Said::Message(bytes),
            Some(Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)))) => Said::Alive,
            Some(Some(Ok(Message::Close(_)))) => return Err(Ended::Closed),
            Some(Some(Err(error))) => return Err(why(&error)),
        };
        match said {
            Said::Message(_) => (self.heard, self.content) = (now, now),
            Said::Alive => self.heard = now,
            Said::Nothing => {}
        }
        if let Heartbeat::Texts { within, .. } = self.heartbeat
            && self.heard < self.pinged
            && now.since(self.pinged) > within
        {
            return Err(Ended::Silent);
        }
        let muted = content.is_some_and(|most| now.since(self.content) > most);
        if muted || now.since(self.heard) > silence {
            return Err(Ended::Silent);
        }
        if now.since(self.opened) > self.old.plus(OVER_AGE) {
            return Err(Ended::Age);
        }
        Ok(said)
    }

    /// When it last said anything.
    #[must_use]
    pub const fn heard(&self) -> LocalMillis {
        self.heard
    }

    /// True once another socket should take its place.
    #[must_use]
    pub fn is_old(&self) -> bool {
        self.clock.now().since(self.opened) > self.old
    }

    /// Sends a text.
    ///
    /// # Errors
    ///
    /// Why the socket is of no use any more; the text may have left.
    pub async fn say(&mut self, text: String) -> Result<(), Ended> {
        self.write(Message::Text(text.into())).await
    }

    /// A peer that takes nothing must not hold up the reader.
    async fn write(&mut self, message: Message) -> Result<(), Ended> {
        tokio::select! {
            biased;
            written = self.stream.send(message) => written.map_err(|error| why(&error)),
            () = self.clock.sleep(WRITING) => Err(Ended::Silent),
        }
    }
}

fn why(error: &Error) -> Ended {
    match error {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Ended::Closed,
        Error::Capacity(_) | Error::Protocol(_) | Error::Utf8(_) | Error::AttackAttempt => Ended::Protocol,
        _ => Ended::Closed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r111_reconnects_wait_two_to_the_n_seconds_capped_at_thirty() {
        let waits: Vec<i64> = (1..9).map(|failures| ramp(failures).0 / 1_000).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
    }
}
