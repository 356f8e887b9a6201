//! Mark prices of the contracts in use: the public socket, one channel per contract.
//!
//! A mark has no past: when this socket ends, nothing has to be read anew. Contracts that come into use are subscribed
//! on the open socket, one after the other: the venue takes ten messages in a second.

use std::collections::BTreeSet;
use std::sync::Arc;

use kraite_core::exchange::StreamEvent;
use kraite_core::id::Symbol;
use kraite_core::time::Millis;
use kraite_wire::client::{Ended, Need, Said, SocketKind as Which, Told, ramp};
use tokio::sync::{mpsc, watch};

use super::public_route;
use crate::client::backend::Inner;
use crate::codec::encode_mark_channel;
use crate::codec::frame::Frame;

/// A contract is told of several times in a second; without one for this long the socket is silent.
const SILENCE: Millis = Millis::from_secs(20);
/// Subscriptions leave this far apart.
const PACE: Millis = Millis(200);

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
        let Some((ended, steady)) = run(&inner, &events, &mut wanted).await else { return };
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
    let Ok(generation) = inner.generation(Need::Read).await else { return Some((Ended::Unopened, false)) };
    let mut socket = match inner.open_socket(public_route(generation)).await {
        Ok(socket) => socket,
        Err(ended) => return Some((ended, false)),
    };
    inner.line.watch.told(Told::Up(Which::Marks));
    let (mut steady, mut subscribed) = (false, BTreeSet::new());
    let mut subscribed_at = inner.line.clock.now().minus(PACE);
    loop {
        let now = inner.line.clock.now();
        let fresh = wanted.borrow_and_update().difference(&subscribed).next().cloned();
        if let Some(symbol) = fresh.filter(|_| now.since(subscribed_at) >= PACE) {
            if let Ok(product) = inner.product_of(&symbol) {
                let text = encode_mark_channel(generation, product, &symbol).text;
                if let Err(ended) = socket.say(text).await {
                    return Some((ended, steady));
                }
            }
            subscribed.insert(symbol);
            subscribed_at = now;
        }
        let said = match socket.next(SILENCE, Some(SILENCE)).await {
            Ok(said) => said,
            Err(ended) => return Some((ended, steady)),
        };
        if let Said::Message(bytes) = said {
            match Frame::read(&bytes) {
                // A subscription that was refused: the next socket asks for all of them anew.
                Ok(Frame::Refused { .. }) => return Some((Ended::Protocol, steady)),
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
        if socket.is_old() {
            return Some((Ended::Age, true));
        }
    }
}
