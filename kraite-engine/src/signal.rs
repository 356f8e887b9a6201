//! Wishes of a user or a bot, and where they come from.

use std::collections::BTreeMap;

use async_trait::async_trait;
use kraite_core::engine::{Adjustment, Command, CommandId, Held};
use kraite_core::exchange::{Direction, Exchange, ReadError};
use kraite_core::id::{AccountTag, PositionNo, Symbol};
use kraite_core::number::{Price, Qty};

use crate::terms::{Terms, TermsError};
use crate::worker::Desk;

/// A wish for one account. What to trade is the user's business: nothing here invents one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// The user's own name for it: the same one again changes nothing.
    pub id: CommandId,
    /// For which account.
    pub account: AccountTag,
    /// What is wished.
    pub wish: Wish,
}

/// What a signal asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Open a position on a contract.
    Open(Symbol, Box<Terms>),
    /// Take over what a user has opened by hand on a contract, in the direction of the terms, whatever it is.
    Adopt(Symbol, Box<Terms>),
    /// Take a position off at the market.
    Close(PositionNo),
    /// Move the stop of a position on a contract to this trigger price, if a fresh mark lets it rest there.
    MoveStop(PositionNo, Symbol, Price),
    /// Let one more rung of this quantity rest at this price, if a fresh mark lets it.
    AddRung(PositionNo, Symbol, Price, Qty),
    /// Change a position by hand.
    Adjust(PositionNo, Adjustment),
}

/// Where signals come from.
#[async_trait]
pub trait Signals: Send {
    /// The next one; `None` once there will be no more. Cancelling the call loses nothing.
    async fn next(&mut self) -> Option<Signal>;
}

/// Why a signal led to no command. It may be given again under the same id.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// There is no connection to the account's exchange.
    #[error("the account is not connected")]
    NotConnected,
    /// What an opening needs could not be had.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// What is open could not be read.
    #[error("what is open could not be read: {0}")]
    Positions(ReadError),
    /// There is nothing to take over.
    #[error("the exchange shows no {1:?} position on {0} with an average entry: there is nothing to take over")]
    NothingHeld(Symbol, Direction),
    /// The mark that a stop or a rung is held against could not be had.
    #[error("the mark price could not be read: {0}")]
    Mark(#[from] ReadError),
    /// Nobody works on the account any more.
    #[error("the account is not worked on any more")]
    Ended,
}

/// Hands every signal to the desk of its account until there are no more, one after the other, and tells of each what
/// came of it. One that led to no command may be given again under the same id.
pub async fn serve(
    signals: &mut dyn Signals,
    desks: &BTreeMap<AccountTag, Desk>,
    mut told: impl FnMut(&Signal, Result<(), SignalError>),
) {
    while let Some(signal) = signals.next().await {
        let taken = match desks.get(&signal.account) {
            Some(desk) => desk.take(signal.id, signal.wish.clone()).await,
            None => Err(SignalError::Ended),
        };
        told(&signal, taken);
    }
}

impl Wish {
    /// The command that it comes to, with everything that it needs read fresh.
    ///
    /// # Errors
    ///
    /// [`SignalError`]: what it needs could not be had.
    pub async fn command(self, exchange: Option<&dyn Exchange>) -> Result<Command, SignalError> {
        Ok(match self {
            Self::Close(position) => Command::Close(position),
            Self::Adjust(position, what) => Command::Adjust(position, what),
            Self::MoveStop(position, symbol, trigger) => {
                let mark = exchange.ok_or(SignalError::NotConnected)?.mark_price(&symbol).await?;
                Command::Adjust(position, Adjustment::MoveStop { trigger, mark })
            }
            Self::AddRung(position, symbol, price, qty) => {
                let mark = exchange.ok_or(SignalError::NotConnected)?.mark_price(&symbol).await?;
                Command::Adjust(position, Adjustment::AddRung { price, qty, mark })
            }
            Self::Adopt(symbol, terms) => {
                let exchange = exchange.ok_or(SignalError::NotConnected)?;
                let held = held(exchange, &symbol, terms.spec.direction).await?;
                Command::Adopt(Box::new(terms.request(exchange, &symbol).await?), held)
            }
            Self::Open(symbol, terms) => {
                let exchange = exchange.ok_or(SignalError::NotConnected)?;
                Command::Open(Box::new(terms.request(exchange, &symbol).await?))
            }
        })
    }
}

/// What the exchange shows as open on one side of a contract.
async fn held(exchange: &dyn Exchange, symbol: &Symbol, direction: Direction) -> Result<Held, SignalError> {
    let reading = exchange.positions().await.map_err(SignalError::Positions)?;
    let mut rows = reading.value.into_iter().filter(|_| reading.complete);
    rows.find(|row| row.symbol == *symbol && row.direction == direction && row.qty.is_positive())
        .and_then(|row| Some(Held { qty: row.qty, price: row.entry_price? }))
        .ok_or_else(|| SignalError::NothingHeld(symbol.clone(), direction))
}

impl Desk {
    /// Turns a wish into a command and hands it over. Whether it is taken is decided by the core, and told where its
    /// record is.
    ///
    /// # Errors
    ///
    /// [`SignalError`]: nothing was handed over.
    pub async fn take(&self, id: CommandId, wish: Wish) -> Result<(), SignalError> {
        let command = wish.command(self.exchange().as_deref()).await?;
        if self.command(id, command).await { Ok(()) } else { Err(SignalError::Ended) }
    }
}
