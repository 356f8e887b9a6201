//! Mark prices of the contracts in use: the public socket, one channel per contract.
//!
//! They are subscribed on the open socket, one after the other: the venue takes ten messages in a second.

use std::collections::BTreeSet;

use kraite_core::id::Symbol;
use kraite_core::time::{LocalMillis, Millis};
use kraite_wire::client::{Ended, Need, Socket};

use super::public_route;
use crate::client::backend::Inner;
use crate::codec::{Generation, encode_mark_channel};

/// Subscriptions leave this far apart.
const PACE: Millis = Millis(200);

/// What is subscribed on a socket.
pub(crate) struct Session {
    generation: Generation,
    subscribed: BTreeSet<Symbol>,
    subscribed_at: LocalMillis,
}

/// Opens a socket on which nothing is subscribed yet.
pub(super) async fn open(inner: &Inner) -> Result<(Socket, Session), Ended> {
    let generation = inner.generation(Need::Read).await.map_err(|_| Ended::Unopened)?;
    let socket = inner.open_socket(public_route(generation)).await?;
    let subscribed_at = inner.line.clock.now().minus(PACE);
    Ok((socket, Session { generation, subscribed: BTreeSet::new(), subscribed_at }))
}

impl Session {
    /// One contract at a time.
    pub(super) fn subscription(&mut self, inner: &Inner, wanted: &BTreeSet<Symbol>) -> Option<String> {
        let now = inner.line.clock.now();
        if now.since(self.subscribed_at) < PACE {
            return None;
        }
        let symbol = wanted.difference(&self.subscribed).next()?.clone();
        let product = inner.product_of(&symbol);
        let text = product.map(|product| encode_mark_channel(self.generation, product, &symbol).text);
        self.subscribed.insert(symbol);
        self.subscribed_at = now;
        text.ok()
    }
}
