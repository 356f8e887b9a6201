//! Questions: what each endpoint shows, how late, and for how long.

use kraite_core::engine::{Answer, Query};
use kraite_core::exchange::{
    BookedTrade, Books, Direction, Endpoint, Lookup, Mark, OrderRef, OrderReport, ReadError, Reading, ReportStatus,
    Service,
};
use kraite_core::id::{AccountTag, Symbol};
use kraite_core::time::VenueMillis;

use super::object::{ObjectId, OrderObject, TradeRecord};
use super::profile::SameId;
use super::{Account, Venue};

impl Venue {
    /// Answers a question asked at venue time `now`.
    ///
    /// The venue never says [`Lookup::Unknowable`]: like the real ones it says "not found" about what is
    /// beyond its retention, and the difference is for the client to know.
    #[must_use]
    pub fn query(&self, account: AccountTag, query: &Query, now: VenueMillis) -> Answer {
        let holder = self.accounts.get(&account).ok_or_else(|| ReadError::Refused("no such account".into()));
        match query {
            Query::Lookup(order, endpoint) => {
                let found = holder.and_then(|holder| self.lookup(holder, order, *endpoint, now));
                Answer::Lookup(order.clone(), *endpoint, found.map(|found| reading(found, *endpoint, now)))
            }
            Query::OpenOrders(symbol) => {
                let rows = holder.map(|holder| self.open_rows(holder, Some(symbol), now));
                Answer::OpenOrders(symbol.clone(), rows.map(|rows| reading(rows, Endpoint::OpenOrders, now)))
            }
            Query::AllOpenOrders => {
                let rows = holder.map(|holder| self.open_rows(holder, None, now));
                Answer::AllOpenOrders(rows.map(|rows| reading(rows, Endpoint::OpenOrders, now)))
            }
            Query::Positions => {
                let lag = self.profile.quirks.read_lag.positions;
                let rows = holder.map(|holder| holder.reports(now, lag));
                Answer::Positions(rows.map(|rows| reading(rows, Endpoint::Positions, now)))
            }
            Query::History(symbol, from) => {
                let rows = holder.map(|holder| self.history_rows(holder, symbol, *from, now));
                Answer::History(symbol.clone(), *from, rows.map(|rows| reading(rows, Endpoint::History, now)))
            }
            Query::Mark(symbol) => {
                let mark = self.markets.get(symbol).and_then(|m| m.mark);
                let mark = mark.map(|price| Mark { symbol: symbol.clone(), price, at: now });
                Answer::Mark(symbol.clone(), mark.ok_or_else(|| ReadError::Refused("no mark price".into())))
            }
            Query::Books(symbol, direction, from) => {
                let books = holder.map(|holder| self.books(holder, (symbol, *direction), *from, now));
                // What is not kept any more may have been of then.
                let oldest = self.trades.front().map(|trade| trade.at);
                let complete =
                    self.trades.len() as u64 == self.trade_count() || oldest.is_some_and(|oldest| oldest < *from);
                let read = books.map(|books| Reading { complete, ..reading(books, Endpoint::Fills, now) });
                Answer::Books(symbol.clone(), *direction, *from, read)
            }
            Query::Rules(symbol) => {
                let rules = self.markets.get(symbol).filter(|_| !self.profile.quirks.rules_unreadable);
                let rules = rules.map(|market| Box::new(market.instrument.clone()));
                Answer::Rules(symbol.clone(), rules.ok_or_else(|| ReadError::NoAnswer("no rules".into())))
            }
        }
    }

    fn lookup(
        &self,
        holder: &Account,
        order: &OrderRef,
        endpoint: Endpoint,
        now: VenueMillis,
    ) -> Result<Lookup, ReadError> {
        if matches!(endpoint, Endpoint::Positions | Endpoint::Other) {
            return Err(ReadError::Refused("orders are not found there".into()));
        }
        let named =
            |o: &OrderObject| o.account == holder.tag && o.symbol == order.symbol && self.is_visible(o, endpoint, now);
        // A trigger order names the order that it spawned, so the two are found together.
        let in_service =
            |o: &OrderObject| o.service == order.service || (order.service != Service::Regular && o.parent.is_some());
        let mut found: Vec<&OrderObject> = match &order.venue_id {
            Some(venue_id) => {
                let object = ObjectId::parse(venue_id).and_then(|id| self.objects.get(&id));
                object.into_iter().filter(|o| o.service == order.service).collect()
            }
            None => {
                let ids = holder.under(order.id).iter().filter_map(|id| self.objects.get(id));
                ids.filter(|o| in_service(o)).collect()
            }
        };
        found.retain(|o| named(o));
        if endpoint == Endpoint::Order && order.venue_id.is_none() {
            found = self.one_of(found);
        }
        let mut children: Vec<&OrderObject> = found
            .iter()
            .filter_map(|o| self.objects.get(&o.child?))
            .filter(|o| named(o) && found.iter().all(|f| f.id != o.id))
            .collect();
        found.append(&mut children);
        if endpoint == Endpoint::OpenOrders {
            found.retain(|o| o.is_open());
        } else if endpoint == Endpoint::Fills {
            found.retain(|o| o.executed.is_positive());
        }
        if found.is_empty() {
            return Ok(Lookup::NotFound);
        }
        Ok(Lookup::Found(found.into_iter().map(|o| o.report(None)).collect()))
    }

    /// The by-id endpoint shows one object of those that share an id: a family of parent and child counts
    /// as one.
    fn one_of<'a>(&self, found: Vec<&'a OrderObject>) -> Vec<&'a OrderObject> {
        let head = |o: &&&OrderObject| found.iter().all(|f| o.parent != Some(f.id));
        let chosen = match self.profile.quirks.same_id {
            SameId::All => return found,
            SameId::Newest => found.iter().rfind(head),
            SameId::Oldest => found.iter().find(head),
        };
        chosen.map_or_else(Vec::new, |o| vec![*o])
    }

    fn open_rows(&self, holder: &Account, symbol: Option<&Symbol>, now: VenueMillis) -> Vec<OrderReport> {
        let objects = holder.open().filter_map(|id| self.objects.get(&id));
        let on = |o: &&OrderObject| symbol.is_none_or(|symbol| o.symbol == *symbol);
        let shown = objects.filter(on).filter(|o| self.is_visible(o, Endpoint::OpenOrders, now));
        shown.map(|o| o.report(None)).collect()
    }

    fn history_rows(&self, holder: &Account, symbol: &Symbol, from: VenueMillis, now: VenueMillis) -> Vec<OrderReport> {
        let done = holder.closed.range((from, ObjectId(0))..).map(|(_, id)| *id);
        let mut ids: Vec<ObjectId> = done.chain(holder.open()).collect();
        ids.sort_unstable();
        let objects = ids.into_iter().filter_map(|id| self.objects.get(&id));
        let shown = objects
            .filter(|o| o.symbol == *symbol && o.changed_at >= from && self.is_visible(o, Endpoint::History, now));
        shown.map(|o| o.report(None)).collect()
    }

    /// What was booked on one side of a contract: late like the history, and as young.
    fn books(
        &self,
        holder: &Account,
        (symbol, direction): (&Symbol, Direction),
        from: VenueMillis,
        now: VenueMillis,
    ) -> Books {
        let to = now.minus(self.profile.quirks.read_lag.of(Endpoint::Fills));
        let shown = |at: VenueMillis| at >= from && at <= to;
        let since = self.trades.iter().rev().take_while(|trade| trade.at >= from);
        let here = |trade: &&TradeRecord| {
            trade.account == holder.tag && trade.symbol == *symbol && trade.direction == direction && shown(trade.at)
        };
        let mut trades: Vec<BookedTrade> = since.filter(here).map(TradeRecord::booked).collect();
        trades.reverse();
        let funding = holder.paid_on(symbol, direction).filter(|payment| shown(payment.at)).collect();
        Books { trades, funding }
    }

    /// Old enough to be shown by an endpoint, young enough to be found at all.
    pub(super) fn is_visible(&self, object: &OrderObject, endpoint: Endpoint, now: VenueMillis) -> bool {
        let quirks = &self.profile.quirks;
        if now < object.created_at.plus(quirks.read_lag.of(endpoint)) {
            return false;
        }
        if object.is_open() {
            return true;
        }
        let age = now.since(object.created_at);
        let unfilled =
            matches!(object.status, ReportStatus::Cancelled | ReportStatus::Expired | ReportStatus::Rejected)
                && object.executed.is_zero();
        age <= quirks.retention.any && !(unfilled && age > quirks.retention.unfilled)
    }
}

const fn reading<T>(value: T, endpoint: Endpoint, now: VenueMillis) -> Reading<T> {
    Reading { value, sent_at: now, endpoint, complete: true }
}
