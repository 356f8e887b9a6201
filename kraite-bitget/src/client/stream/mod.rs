//! The account's push stream: orders, plans, positions and trades on one socket, mark prices on another.
//!
//! Nothing is told on subscribing and nothing is numbered ("Bitget, WebSocket API"), so that a gap cannot be seen: each
//! `Connected` makes the engine read everything anew. Each socket is reopened by itself, on a deterministic ramp.

mod account;
mod marks;

use std::sync::Arc;

use futures_core::stream::BoxStream;
use kraite_core::exchange::{ReadError, StreamEvent};
use kraite_wire::client::Events;

use super::backend::Inner;
use crate::codec::Generation;

/// Where the account's socket of a generation is.
const fn private_route(generation: Generation) -> &'static str {
    match generation {
        Generation::Classic => "/v2/ws/private",
        Generation::Unified => "/v3/ws/private",
    }
}

/// Where the socket of the market is.
const fn public_route(generation: Generation) -> &'static str {
    match generation {
        Generation::Classic => "/v2/ws/public",
        Generation::Unified => "/v3/ws/public",
    }
}

/// Opens the account socket, and then keeps both.
pub(crate) async fn open(inner: &Arc<Inner>) -> Result<BoxStream<'static, StreamEvent>, ReadError> {
    let first = account::open(inner).await?;
    Ok(Box::pin(Events::of(|events| {
        vec![
            tokio::spawn(account::follow(Arc::clone(inner), events.clone(), first)),
            tokio::spawn(marks::follow(Arc::clone(inner), events)),
        ]
    })))
}
