//! Paper trading: live contracts and prices, a simulated exchange, the same engine.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::StreamExt as _;
use kraite_core::Capabilities;
use kraite_core::exchange::{Exchange, PositionMode, ReadError, StreamEvent};
use kraite_core::number::Notional;
use kraite_core::time::{LocalMillis, Millis, VenueMillis};
use kraite_engine::{Clock, Connect, ConnectFailure};
use kraite_sim::link::SharedVenue;
use kraite_sim::venue::Venue;
use tracing::warn;

use super::config::Account;
use super::connect::Connector;

/// A stream of prices that ended is opened again after this long.
const AGAIN: Millis = Millis::from_secs(5);

/// Connects an account to a simulated exchange that follows the prices of the real one. Nothing but readings goes to the
/// real one. The simulated one lives as long as this process.
pub(super) struct Paper {
    live: Connector,
    account: Account,
    clock: Clock,
    deposit: Notional,
    made: Mutex<Option<SharedVenue>>,
}

impl Paper {
    pub(super) fn new(live: Connector, account: Account, clock: Clock, deposit: Notional) -> Self {
        Self { live, account, clock, deposit, made: Mutex::new(None) }
    }

    /// The simulated exchange with the contracts, fees and prices of the real one as they are now.
    async fn venue(&self, live: &Arc<dyn Exchange>) -> Result<SharedVenue, ReadError> {
        let told = live.server_time().await?;
        let offset = told.0.saturating_sub(self.clock.now().0);
        let mut venue = Venue::new(self.account.venue.profile(), told);
        let listed = live.instruments().await?;
        for symbol in &self.account.symbols {
            let Some(mut rules) = listed.iter().find(|rules| rules.symbol == *symbol).cloned() else {
                return Err(ReadError::Refused(format!("{symbol} is not listed").into()));
            };
            if rules.brackets.is_empty() {
                rules.brackets = live.leverage_brackets(symbol).await?;
            }
            (rules.maker_fee, rules.taker_fee) = live.fee_rates(symbol).await?;
            let mark = live.mark_price(symbol).await?;
            venue.list(rules);
            venue.price(symbol, mark.price, mark.price, told);
        }
        venue.open_account(self.account.tag, self.account.mode.unwrap_or(PositionMode::OneWay), self.deposit);
        let clock = self.clock.clone();
        Ok(SharedVenue::new(venue, move || venue_time(clock.now(), offset)))
    }

    fn made(&self) -> Option<SharedVenue> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn venue_time(local: LocalMillis, offset: i64) -> VenueMillis {
    VenueMillis(local.0.saturating_add(offset))
}

/// Moves the simulated prices as the real marks move, for the life of the process.
async fn follow(live: Arc<dyn Exchange>, venue: SharedVenue, clock: Clock, account: String) {
    loop {
        match live.account_stream().await {
            Ok(mut events) => {
                while let Some(event) = events.next().await {
                    let StreamEvent::Mark(mark) = event else { continue };
                    venue.with(|venue, now| {
                        if venue.market(&mark.symbol).is_some() {
                            venue.price(&mark.symbol, mark.price, mark.price, now);
                        }
                    });
                }
                warn!(account, "prices stand still: the stream ended");
            }
            Err(error) => warn!(account, "prices stand still: {error}"),
        }
        clock.sleep(AGAIN).await;
    }
}

#[async_trait]
impl Connect for Paper {
    fn capabilities(&self) -> Capabilities {
        self.account.venue.capabilities()
    }

    async fn connect(&self) -> Result<Arc<dyn Exchange>, ConnectFailure> {
        if let Some(venue) = self.made() {
            return Ok(Arc::new(venue.exchange(self.account.tag)));
        }
        let live = self.live.connect().await?;
        let venue = self.venue(&live).await.map_err(|error| ConnectFailure::ForNow(error.to_string()))?;
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) = Some(venue.clone());
        tokio::spawn(follow(live, venue.clone(), self.clock.clone(), self.account.name.clone()));
        Ok(Arc::new(venue.exchange(self.account.tag)))
    }
}
