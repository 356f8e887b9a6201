//! What the venue publishes about itself and its accounts, and short cuts of the omniscient view.

use kraite_core::exchange::{Balance, Direction, PositionMode, VenueCause};
use kraite_core::id::{AccountTag, Symbol};
use kraite_core::instrument::Instrument;
use kraite_core::number::{Notional, Qty};

use super::{Account, OrderObject, Owner, Venue};

impl Venue {
    /// The rules of every listed contract.
    pub fn instruments(&self) -> impl Iterator<Item = &Instrument> {
        self.markets.values().map(|market| &market.instrument)
    }

    /// The balance of an account.
    #[must_use]
    pub fn balances(&self, account: AccountTag) -> Vec<Balance> {
        let available = self.free_margin(account).unwrap_or_default();
        vec![Balance { currency: "USDT".into(), wallet: self.wallet(account), available }]
    }

    /// Deposit and everything that was booked since; zero for an unknown account.
    #[must_use]
    pub fn wallet(&self, account: AccountTag) -> Notional {
        self.account(account).and_then(|a| a.wallet().ok()).unwrap_or_default()
    }

    /// How an account nets positions.
    #[must_use]
    pub fn mode(&self, account: AccountTag) -> PositionMode {
        self.account(account).map_or(PositionMode::OneWay, |a| a.mode)
    }

    /// The orders of all accounts that can still do something by themselves.
    pub fn open_orders(&self) -> impl Iterator<Item = &OrderObject> {
        self.accounts().flat_map(|account| self.open(account.tag))
    }

    /// The open children of trigger orders: stops and targets that are executing.
    pub fn children(&self, account: AccountTag) -> impl Iterator<Item = &OrderObject> {
        self.open(account).filter(|object| object.parent.is_some())
    }

    /// How often the venue took a position of an account for want of margin.
    #[must_use]
    pub fn liquidations(&self, account: AccountTag) -> u64 {
        let taken = |o: &&OrderObject| o.account == account && o.owner == Owner::Venue(VenueCause::Liquidation);
        self.objects().filter(taken).count() as u64
    }

    /// What is open on an account, by contract and side.
    pub fn exposures(&self, account: AccountTag) -> impl Iterator<Item = (Symbol, Direction, Qty)> {
        let positions = self.account(account).into_iter().flat_map(Account::positions);
        positions.map(|(symbol, direction, position)| (symbol.clone(), direction, position.qty))
    }
}
