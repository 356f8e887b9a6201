//! The account's push stream: orders, positions and funding on one socket, mark prices on another.
//!
//! Each socket is reopened by itself, on a deterministic ramp. What was missed in between is never guessed: the
//! `Connected` that follows makes the engine read everything anew.

mod account;
mod marks;

use std::sync::Arc;

use futures_core::stream::BoxStream;
use kraite_core::exchange::{ReadError, StreamEvent};
use kraite_wire::client::Events;

use super::backend::Inner;

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
