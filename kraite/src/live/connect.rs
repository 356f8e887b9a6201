//! The connection of one configured account.

use std::sync::Arc;

use async_trait::async_trait;
use kraite_binance::{Binance, LocalClock, Told, Watch};
use kraite_bitget::Bitget;
use kraite_core::Capabilities;
use kraite_core::exchange::Exchange;
use kraite_core::time::{LocalMillis, Millis};
use kraite_engine::{Clock, Connect, ConnectFailure};

use super::board::Board;
use super::config::{Account, Network};
use crate::flags::VenueName;
use crate::keys;

/// The rate budgets of this address, one per venue, shared by all accounts (R115).
#[derive(Clone, Default)]
pub(super) struct Budgets {
    binance: kraite_binance::AddressBudget,
    bitget: kraite_bitget::AddressBudget,
}

#[cfg(feature = "postgres")]
impl Budgets {
    /// What the venues have asked this address to be quiet for.
    pub(super) fn quiets(&self, now: LocalMillis) -> Vec<(&'static str, Millis)> {
        let all = [("binance", self.binance.quiet(now)), ("bitget", self.bitget.quiet(now))];
        all.into_iter().filter_map(|(venue, left)| Some((venue, left?))).collect()
    }

    /// So many hosts call from this address.
    pub(super) fn share(&self, hosts: u32) {
        self.binance.share(hosts);
        self.bitget.share(hosts);
    }

    /// Another one was asked to be quiet until then.
    pub(super) fn keep_quiet(&self, venue: &str, until: LocalMillis) {
        match venue {
            "binance" => self.binance.keep_quiet(until),
            "bitget" => self.bitget.keep_quiet(until),
            _ => {}
        }
    }
}

/// The engine's clock as the backends read it.
pub(super) struct Shared(pub(super) Clock);

#[async_trait]
impl LocalClock for Shared {
    fn now(&self) -> LocalMillis {
        self.0.now()
    }

    async fn sleep(&self, span: Millis) {
        self.0.sleep(span).await;
    }
}

/// Connects an account; its secrets are read anew each time, so that a mended file is enough.
pub(super) struct Connector {
    account: Account,
    clock: Clock,
    budgets: Budgets,
    board: Arc<Board>,
}

impl Connector {
    pub(super) fn new(account: Account, clock: Clock, budgets: Budgets, board: Arc<Board>) -> Self {
        Self { account, clock, budgets, board }
    }

    fn watch(&self) -> Arc<dyn Watch> {
        let (account, tag, board) = (self.account.name.clone(), self.account.tag, Arc::clone(&self.board));
        Arc::new(move |told: Told| super::log::told(&account, tag, &board, &told))
    }

    async fn binance(&self) -> Result<Arc<dyn Exchange>, ConnectFailure> {
        let hosts = match (&self.account.addresses, self.account.network) {
            (Some((http, ws)), _) => kraite_binance::Hosts::emulator(http, ws),
            (None, Network::Demo) => kraite_binance::Hosts::demo(),
            (None, _) => kraite_binance::Hosts::production(),
        };
        let hosts = hosts.map_err(for_good)?;
        let credentials = keys::binance(&self.account.key, &self.account.secret).map_err(ConnectFailure::ForNow)?;
        let config = kraite_binance::Config::new(hosts)
            .clock(Arc::new(Shared(self.clock.clone())))
            .address(self.budgets.binance.clone())
            .marks(self.account.symbols.clone())
            .watch(self.watch());
        Ok(Arc::new(Binance::connect(config, credentials).await.map_err(failure)?))
    }

    async fn bitget(&self) -> Result<Arc<dyn Exchange>, ConnectFailure> {
        let hosts = match (&self.account.addresses, self.account.network) {
            (Some((http, ws)), _) => kraite_bitget::Hosts::emulator(http, ws),
            (None, Network::Demo) => kraite_bitget::Hosts::demo(),
            (None, _) => kraite_bitget::Hosts::production(),
        };
        let hosts = hosts.map_err(for_good)?;
        let passphrase = self.account.passphrase.as_ref();
        let credentials =
            keys::bitget(&self.account.key, &self.account.secret, passphrase).map_err(ConnectFailure::ForNow)?;
        let config = kraite_bitget::Config::new(hosts)
            .clock(Arc::new(Shared(self.clock.clone())))
            .address(self.budgets.bitget.clone())
            .products(self.account.products.clone())
            .marks(self.account.symbols.clone())
            .watch(self.watch());
        Ok(Arc::new(Bitget::connect(config, credentials).await.map_err(failure)?))
    }
}

fn for_good(error: kraite_binance::ConfigError) -> ConnectFailure {
    ConnectFailure::ForGood(error.to_string())
}

/// Only what is written in a file of ours stays as it is. A key, its rights and the account's settings can be mended at
/// the exchange, and what is open there wants to be worked on once they are.
fn failure(error: kraite_binance::ConnectError) -> ConnectFailure {
    match error {
        kraite_binance::ConnectError::Config(error) => for_good(error),
        other => ConnectFailure::ForNow(other.to_string()),
    }
}

#[async_trait]
impl Connect for Connector {
    fn capabilities(&self) -> Capabilities {
        self.account.venue.capabilities()
    }

    async fn connect(&self) -> Result<Arc<dyn Exchange>, ConnectFailure> {
        match self.account.venue {
            VenueName::Binance => self.binance().await,
            VenueName::Bitget => self.bitget().await,
        }
    }
}
