//! One WebSocket: frames out, messages in. Heartbeats are texts here, `ping` and `pong`.

use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use kraite_core::time::Millis;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::Shared;
use super::language::Io;
use super::sockets::Out;
use super::state::State;
use super::streams::{Heard, Listener};

/// Without a message for this long the connection ends. Source: "Websocket API".
const PATIENCE: Millis = Millis(120_000);

/// Serves a connection until either side ends it.
pub(super) async fn serve(shared: Arc<Shared<State>>, io: Io, listener: Listener) {
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
    let (id, mut frames) = shared.lock().sockets.open(listener);
    let mut ends_at = shared.clock.now().plus(PATIENCE);
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
                    ends_at = shared.clock.now().plus(PATIENCE);
                    let heard = shared.lock().hear(id, text.as_str());
                    let (answers, last) = match heard {
                        Heard::Answers(answers) => (answers, false),
                        Heard::Farewell(answer) => (vec![answer], true),
                        Heard::Gone => break,
                    };
                    let mut broken = last;
                    for answer in answers {
                        broken |= socket.send(Message::text(answer)).await.is_err();
                    }
                    if broken {
                        let _ = socket.close(None).await;
                        break;
                    }
                }
                // The answer to a ping of the protocol is queued by now and leaves with this.
                Some(Ok(Message::Ping(_))) => {
                    if socket.flush().await.is_err() {
                        break;
                    }
                }
                Some(Ok(Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
            },
            () = shared.clock.sleep_until(ends_at) => {
                let _ = socket.close(None).await;
                break;
            }
        }
    }
    shared.lock().sockets.close(id);
}
