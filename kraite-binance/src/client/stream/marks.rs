//! Mark prices of the contracts in use ("Binance USD-M, Mark Price Stream", on the route `/market`).
//!
//! A mark has no past: when this socket ends, nothing has to be read anew. Contracts that come into use are subscribed
//! on the open socket.

use std::collections::BTreeSet;
use std::sync::Arc;

use kraite_core::exchange::StreamEvent;
use kraite_core::id::Symbol;
use kraite_core::time::Millis;
use kraite_wire::client::{Ended, Said, SocketKind as Which, Told, ramp};
use tokio::sync::{mpsc, watch};

use crate::client::backend::Inner;
use crate::codec::frame::Frame;

/// A mark is told every second; without one for this long the socket is silent, as one on a wrong route is.
const SILENCE: Millis = Millis::from_secs(10);

/// Keeps the socket of the marks open until nobody reads any more.
pub(super) async fn follow(inner: Arc<Inner>, events: mpsc::Sender<StreamEvent>) {
    let mut wanted = inner.marks.subscribe();
    let mut failures = 0u32;
    loop {
        if wanted.borrow_and_update().is_empty() {
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() { return },
                () = events.closed() => return,
            }
            continue;
        }
        let (ended, steady) = match run(&inner, &events, &mut wanted).await {
            Some(ended) => ended,
            None => return,
        };
        failures = if steady { 1 } else { failures.saturating_add(1) };
        let wait = ramp(failures);
        inner.line.watch.told(Told::Down(Which::Marks, ended, wait));
        inner.line.clock.sleep(wait).await;
        if events.is_closed() {
            return;
        }
    }
}

/// One life of the socket: why it ended and whether it ever told a mark; `None` when nobody reads any more.
async fn run(
    inner: &Arc<Inner>,
    events: &mpsc::Sender<StreamEvent>,
    wanted: &mut watch::Receiver<BTreeSet<Symbol>>,
) -> Option<(Ended, bool)> {
    let mut subscribed = wanted.borrow_and_update().clone();
    let streams: Vec<String> = subscribed.iter().map(stream_of).collect();
    let mut url = inner.streams.clone();
    url.set_path(&format!("{}/market/ws/{}", url.path().trim_end_matches('/'), streams.join("/")));
    let mut socket = match inner.open_socket(&url).await {
        Ok(socket) => socket,
        Err(ended) => return Some((ended, false)),
    };
    inner.line.watch.told(Told::Up(Which::Marks));
    let (mut steady, mut number) = (false, 0u32);
    loop {
        let said = match socket.next(SILENCE, Some(SILENCE)).await {
            Ok(said) => said,
            Err(ended) => return Some((ended, steady)),
        };
        if let Said::Message(bytes) = said {
            match Frame::read(&bytes) {
                // A subscription that was refused: the next socket names all of them from the start.
                Ok(Frame::Answered { failure: Some(_), .. }) => return Some((Ended::Protocol, steady)),
                Ok(frame) => {
                    let told = inner.interpreter().events(&frame);
                    for event in told.events {
                        // Nobody can push anything else here.
                        if matches!(event, StreamEvent::Mark(_)) {
                            steady = true;
                            events.send(event).await.ok()?;
                        }
                    }
                }
                Err(_) => inner.line.watch.told(Told::Frame(Which::Marks)),
            }
        } else if events.is_closed() {
            return None;
        }
        let now_wanted = wanted.borrow_and_update().clone();
        let fresh: Vec<String> = now_wanted.difference(&subscribed).map(stream_of).collect();
        if !fresh.is_empty() {
            number = number.saturating_add(1);
            if let Err(ended) = socket.say(subscription(number, &fresh)).await {
                return Some((ended, steady));
            }
            subscribed = now_wanted;
        }
    }
}

fn stream_of(symbol: &Symbol) -> String {
    format!("{}@markPrice@1s", symbol.as_str().to_lowercase())
}

fn subscription(number: u32, streams: &[String]) -> String {
    let names = serde_json::Value::from(streams.to_vec());
    format!(r#"{{"method":"SUBSCRIBE","params":{names},"id":{number}}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_named_in_lower_case_and_subscribed_by_number() {
        assert_eq!(stream_of(&Symbol::new("1000PEPEUSDT")), "1000pepeusdt@markPrice@1s");
        assert_eq!(
            subscription(3, &["adausdt@markPrice@1s".to_owned()]),
            r#"{"method":"SUBSCRIBE","params":["adausdt@markPrice@1s"],"id":3}"#
        );
    }
}
