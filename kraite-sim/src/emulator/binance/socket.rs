//! One WebSocket: frames out, messages in, pings.

use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use kraite_core::time::Millis;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::Shared;
use super::api;
use super::language::Io;
use super::server::{Sent, respond};
use super::sockets::Out;
use super::state::State;
use super::streams::Heard;

/// The server pings this often. Source: "Websocket Market Streams".
const PING_EVERY: Millis = Millis(180_000);
/// Without a pong for this long the connection ends. Source: the same.
const PATIENCE: Millis = Millis(600_000);

/// Serves a connection for streams until either side ends it.
pub(super) async fn stream(shared: Arc<Shared<State>>, io: Io, id: u64, mut frames: mpsc::Receiver<Out>) {
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
    let mut ping_at = shared.clock.now().plus(PING_EVERY);
    let mut answered = shared.clock.now();
    loop {
        tokio::select! {
            biased;
            out = frames.recv() => match out {
                Some(Out::Text(text)) => {
                    if socket.send(Message::text(text)).await.is_err() {
                        break;
                    }
                }
                Some(Out::Close) => {
                    let _ = socket.close(None).await;
                    break;
                }
                Some(Out::Cut) | None => break,
            },
            heard = socket.next() => match heard {
                Some(Ok(Message::Text(text))) => {
                    let heard = shared.lock().streams.hear(id, text.as_str());
                    let Heard::Answer(answer) = heard else { break };
                    if socket.send(Message::text(answer)).await.is_err() {
                        break;
                    }
                }
                Some(Ok(Message::Pong(_))) => answered = shared.clock.now(),
                // The answer to a ping is queued by now and leaves with this.
                Some(Ok(Message::Ping(_))) => {
                    if socket.flush().await.is_err() {
                        break;
                    }
                }
                Some(Ok(Message::Binary(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
            },
            () = shared.clock.sleep_until(ping_at) => {
                let now = shared.clock.now();
                if now.since(answered) > PATIENCE {
                    break;
                }
                ping_at = now.plus(PING_EVERY);
                if socket.send(Message::Ping(now.0.to_string().into_bytes().into())).await.is_err() {
                    break;
                }
            }
        }
    }
    shared.lock().streams.close(id);
}

/// Serves a connection of the WebSocket API until the client ends it.
pub(super) async fn api(shared: Arc<Shared<State>>, io: Io) {
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
    let mut session = api::Session::default();
    let mut stop = shared.stop.subscribe();
    loop {
        tokio::select! {
            biased;
            heard = socket.next() => match heard {
                Some(Ok(Message::Text(text))) => {
                    let answer = match api::Asked::read(text.as_str()) {
                        Err(answer) => answer,
                        Ok(asked) => {
                            let act = |state: &mut State| api::answer(state, &mut session, &asked);
                            // A message has no half: what is cut short is cut off.
                            let Sent::Whole(reply) = respond(&shared, &asked.call, act).await else { break };
                            asked.framed(&mut shared.lock(), &reply)
                        }
                    };
                    if socket.send(Message::text(answer)).await.is_err() {
                        break;
                    }
                }
                Some(Ok(Message::Ping(_))) => {
                    if socket.flush().await.is_err() {
                        break;
                    }
                }
                Some(Ok(Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
            },
            _ = stop.changed() => break,
            () = shared.clock.sleep(PING_EVERY) => {
                let payload = shared.clock.now().0.to_string().into_bytes();
                if socket.send(Message::Ping(payload.into())).await.is_err() {
                    break;
                }
            }
        }
    }
}
