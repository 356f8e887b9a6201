//! The omniscient view: everything the venue knows, for an auditor that no client could be.

use std::hash::{Hash as _, Hasher};

use kraite_core::ClientOrderId;
use kraite_core::engine::Request;
use kraite_core::exchange::Direction;
use kraite_core::id::{AccountTag, Symbol, VenueOrderId};
use kraite_core::number::{ArithmeticError, Notional, Price, Qty};
use kraite_core::time::VenueMillis;

use super::object::{ObjectId, OrderObject, TradeRecord};
use super::{Account, Market, Venue};
use crate::digest::Gathered;

/// One request as it arrived, whatever became of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestNote {
    /// Its running number; [`super::Via::Request`] points to it.
    pub number: u64,
    /// When it arrived.
    pub at: VenueMillis,
    /// When it was signed.
    pub signed_at: VenueMillis,
    /// For which account.
    pub account: AccountTag,
    /// What it asks for.
    pub request: Request,
}

impl Venue {
    /// Every order object that ever was and was not forgotten, oldest first.
    pub fn objects(&self) -> impl DoubleEndedIterator<Item = &OrderObject> {
        self.objects.values()
    }

    /// The objects from a number on, oldest first: what is new since an observer last looked.
    pub fn objects_from(&self, first: ObjectId) -> impl Iterator<Item = &OrderObject> {
        self.objects.range(first..).map(|(_, object)| object)
    }

    /// One object.
    #[must_use]
    pub fn object(&self, id: ObjectId) -> Option<&OrderObject> {
        self.objects.get(&id)
    }

    /// The object a client names.
    #[must_use]
    pub fn object_named(&self, id: &VenueOrderId) -> Option<&OrderObject> {
        self.objects.get(&ObjectId::parse(id)?)
    }

    /// Every object under one client id, oldest first; children of trigger orders included.
    pub fn under(&self, account: AccountTag, id: ClientOrderId) -> impl Iterator<Item = &OrderObject> {
        let ids = self.accounts.get(&account).map_or(&[][..], |a| a.under(id));
        ids.iter().filter_map(|id| self.objects.get(id))
    }

    /// The orders of an account that can still do something by themselves, oldest first.
    pub fn open(&self, account: AccountTag) -> impl Iterator<Item = &OrderObject> {
        let holder = self.accounts.get(&account).into_iter();
        holder.flat_map(Account::open).filter_map(|id| self.objects.get(&id))
    }

    /// Every account.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    /// One account: wallet, fees, funding, positions.
    #[must_use]
    pub fn account(&self, account: AccountTag) -> Option<&Account> {
        self.accounts.get(&account)
    }

    /// How much is open on one side of a contract.
    #[must_use]
    pub fn position(&self, account: AccountTag, symbol: &Symbol, direction: Direction) -> Qty {
        self.accounts.get(&account).map_or(Qty::ZERO, |a| a.qty(symbol, direction))
    }

    /// What an account may still put at risk.
    pub fn free_margin(&self, account: AccountTag) -> Result<Notional, ArithmeticError> {
        self.available(account, None)
    }

    /// Wallet and unrealised profit of an account at the present marks.
    pub fn equity(&self, account: AccountTag) -> Result<Notional, ArithmeticError> {
        let Some(holder) = self.accounts.get(&account) else { return Ok(Notional::ZERO) };
        holder.positions().try_fold(holder.wallet()?, |sum, (symbol, direction, position)| {
            match self.mark(symbol).or_else(|| position.entry()) {
                Some(mark) => sum.checked_add(position.unrealized(direction, mark)?),
                None => Ok(sum),
            }
        })
    }

    /// One contract.
    #[must_use]
    pub fn market(&self, symbol: &Symbol) -> Option<&Market> {
        self.markets.get(symbol)
    }

    /// The mark price of a contract.
    #[must_use]
    pub fn mark(&self, symbol: &Symbol) -> Option<Price> {
        self.markets.get(symbol)?.mark
    }

    /// The last price of a contract.
    #[must_use]
    pub fn last(&self, symbol: &Symbol) -> Option<Price> {
        self.markets.get(symbol)?.last
    }

    /// A number that rises with every change of an order or a position.
    #[must_use]
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// The latest trades, oldest first, as many as [`Venue::keep_trades`] allows.
    pub fn trades(&self) -> impl DoubleEndedIterator<Item = &TradeRecord> {
        self.trades.iter()
    }

    /// How many trades there ever were.
    #[must_use]
    pub const fn trade_count(&self) -> u64 {
        self.next_trade.saturating_sub(1)
    }

    /// Keeps this many of the latest trades; none for zero.
    pub fn keep_trades(&mut self, limit: usize) {
        self.kept_trades = limit;
        while self.trades.len() > limit {
            self.trades.pop_front();
        }
    }

    /// How many requests arrived, refused ones included.
    #[must_use]
    pub const fn requests_seen(&self) -> u64 {
        self.requests_seen
    }

    /// From now on every arriving request is noted until it is drained.
    pub fn note_requests(&mut self) {
        self.request_log.get_or_insert_default();
    }

    /// The requests noted since the last time, in order of arrival; empty unless
    /// [`Venue::note_requests`] was called.
    pub fn drain_requests(&mut self) -> Vec<RequestNote> {
        self.request_log.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn note_request(&mut self, account: AccountTag, request: &Request, signed_at: VenueMillis) {
        self.requests_seen = self.requests_seen.saturating_add(1);
        let (number, at) = (self.requests_seen, self.now);
        if let Some(log) = &mut self.request_log {
            log.push(RequestNote { number, at, signed_at, account, request: request.clone() });
        }
    }

    /// How many price updates or executions were cut short because a sum could not be represented; anything
    /// but zero makes the run worthless.
    #[must_use]
    pub const fn overflows(&self) -> u64 {
        self.overflows
    }

    /// Everything that decides what this venue does next, as far as nobody changes its rules. What is derived
    /// from the orders (the books, the sets of open and closed ones) is left out, and so is what only observers
    /// read: how many requests there were, which of them made an order.
    pub(crate) fn fingerprint(&mut self, gathered: &mut Gathered, hasher: &mut impl Hasher) {
        let Self {
            profile: _,
            now: _,
            markets,
            accounts,
            objects,
            next_object,
            next_trade,
            price_move,
            mark_feed,
            outbox,
            trades,
            kept_trades: _,
            requests_seen: _,
            request_log: _,
            overflows: _,
            changes: _,
        } = self;
        (next_object, next_trade, price_move, mark_feed, outbox, trades).hash(hasher);
        for market in markets.values() {
            (market.trading, market.liquidity, market.last, market.mark).hash(hasher);
        }
        for account in accounts.values() {
            account.fingerprint(hasher);
        }
        objects.digest(gathered).hash(hasher);
    }

    /// Forgets every order that was done before an instant, so that long runs stay small.
    pub fn forget_before(&mut self, instant: VenueMillis) {
        for account in self.accounts.values_mut() {
            let kept = account.closed.split_off(&(instant, ObjectId(0)));
            let gone = std::mem::replace(&mut account.closed, kept);
            for (_, id) in gone {
                let Some(client) = self.objects.remove(id).and_then(|o| o.client_id()) else { continue };
                if let Some(ids) = account.by_client.get_mut(&client) {
                    ids.retain(|known| *known != id);
                    if ids.is_empty() {
                        account.by_client.remove(&client);
                    }
                }
            }
        }
    }
}
