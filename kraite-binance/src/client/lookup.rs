//! What is asked about orders: one of them on one endpoint, the open ones, those of a window of time.
//!
//! A conditional order that fired lives on as a regular one under the same client id. Whoever asks for it is told of
//! both, and a miss of the conditional service alone is no miss.

use std::collections::BTreeMap;

use futures_util::future::try_join;
use kraite_core::exchange::{
    BookedTrade, Books, Direction, Endpoint, Lookup, OrderRef, OrderReport, ReadError, Reading, ReportStatus,
    ReportedId, Service, Side,
};
use kraite_core::id::{Symbol, VenueOrderId};
use kraite_core::time::{Millis, VenueMillis};
use kraite_wire::client::{Need, VenueNow};

use super::backend::Inner;
use crate::codec::calls::{
    AllAlgoOrders, AllOrders, GetFunding, LIST_LIMIT, OpenAlgoOrders, OpenOrders, QueryAlgo, QueryOrder, UserTrades,
    windows,
};
use crate::codec::reply::Rows;
use crate::codec::{Fill, OrderName, funding};

/// The most pages of one window: ten thousand orders of one contract within a week.
const MAX_PAGES: u32 = 10;
/// The venue knows orders this long at most (90 days), and answers in windows shorter than seven.
const HISTORY_DEPTH: Millis = Millis::from_secs(90 * 86_400);
/// A look-up through the history reads the newest window: longer than the three days that an order without a fill is
/// kept, and one call.
const LOOKUP_DEPTH: Millis = Millis::from_secs(7 * 86_400 - 60);

/// Rows of a list with what judges them.
struct Listed {
    rows: Vec<OrderReport>,
    complete: bool,
    sent_at: VenueMillis,
}

impl Listed {
    /// Both, as old as the older one.
    fn and(mut self, other: Self) -> Self {
        self.rows.extend(other.rows);
        Self { rows: self.rows, complete: self.complete && other.complete, sent_at: self.sent_at.min(other.sent_at) }
    }

    fn reading(self, endpoint: Endpoint) -> Reading<Vec<OrderReport>> {
        Reading { value: self.rows, sent_at: self.sent_at, endpoint, complete: self.complete }
    }

    /// The rows about one order, and whether there are any.
    fn about(self, order: &OrderRef, endpoint: Endpoint) -> Reading<Lookup> {
        let rows: Vec<OrderReport> = self.rows.into_iter().filter(|row| is_about(row, order)).collect();
        let value = if rows.is_empty() { Lookup::NotFound } else { Lookup::Found(rows) };
        Reading { value, sent_at: self.sent_at, endpoint, complete: self.complete }
    }
}

/// By our id, by the venue's of the same service, or as its child.
fn is_about(row: &OrderReport, order: &OrderRef) -> bool {
    let named = |id: Option<&VenueOrderId>| id.is_some() && id == order.venue_id.as_ref();
    row.id == ReportedId::Ours(order.id)
        || (row.service == order.service && named(Some(&row.venue_id)))
        || named(row.parent.as_ref())
}

impl Inner {
    pub(crate) async fn look_up(&self, order: &OrderRef, endpoint: Endpoint) -> Result<Reading<Lookup>, ReadError> {
        if order.service == Service::PositionPlan {
            return Err(ReadError::Refused("this venue has no position plans".into()));
        }
        self.uses(&order.symbol);
        match endpoint {
            Endpoint::Order => self.look_up_by_id(order).await,
            Endpoint::OpenOrders => {
                let symbol = Some(order.symbol.clone());
                Ok(match order.service {
                    Service::Conditional => self.open_everywhere(symbol).await?,
                    Service::Regular | Service::PositionPlan => self.open_regular(symbol).await?,
                }
                .about(order, endpoint))
            }
            Endpoint::History => self.look_up_in_history(order).await,
            Endpoint::Fills => self.look_up_fills(order).await,
            Endpoint::Positions | Endpoint::Other => Err(ReadError::Refused("no orders are listed there".into())),
        }
    }

    async fn look_up_by_id(&self, order: &OrderRef) -> Result<Reading<Lookup>, ReadError> {
        if order.service != Service::Conditional {
            return self.query_regular(order).await;
        }
        let heard = self.line.read(&QueryAlgo::of(order), Need::Read).await?;
        let value = self.interpreter().looked_up(order, heard.sent_at, heard.answer())?;
        let reading = |value| Reading { value, sent_at: heard.sent_at, endpoint: Endpoint::Order, complete: true };
        let mut reports = match value {
            Lookup::Found(reports) => reports,
            Lookup::NotFound | Lookup::Unknowable => {
                // The child carries the client id: what fired is known there when it is not known here any more.
                let child = OrderRef { service: Service::Regular, venue_id: None, ..order.clone() };
                let found = self.query_regular(&child).await?;
                return Ok(reading(found.value));
            }
        };
        let child = reports.iter().find(|report| report.service == Service::Regular).map(|child| OrderRef {
            service: Service::Regular,
            venue_id: Some(child.venue_id.clone()),
            ..order.clone()
        });
        if let Some(child) = child
            && let Ok(Reading { value: Lookup::Found(more), .. }) = self.query_regular(&child).await
        {
            reports.extend(more);
        }
        Ok(reading(Lookup::Found(reports)))
    }

    async fn query_regular(&self, order: &OrderRef) -> Result<Reading<Lookup>, ReadError> {
        let heard = self.line.read(&QueryOrder::of(order), Need::Read).await?;
        let value = self.interpreter().looked_up(order, heard.sent_at, heard.answer())?;
        Ok(Reading { value, sent_at: heard.sent_at, endpoint: Endpoint::Order, complete: true })
    }

    async fn look_up_in_history(&self, order: &OrderRef) -> Result<Reading<Lookup>, ReadError> {
        let now = self.line.venue_now(Need::Read).await?;
        let (from, to) = (now.earliest().minus(LOOKUP_DEPTH), now.latest());
        let regular = self.all_regular(&order.symbol, from, to);
        let listed = match order.service {
            Service::Conditional => {
                let (regular, algo) = try_join(regular, self.all_algo(&order.symbol, from, to)).await?;
                algo.and(regular)
            }
            Service::Regular | Service::PositionPlan => regular.await?,
        };
        Ok(listed.about(order, Endpoint::History))
    }

    /// The trades of an order, which are listed by its number only: without one they say nothing.
    async fn look_up_fills(&self, order: &OrderRef) -> Result<Reading<Lookup>, ReadError> {
        let number = match (order.service, OrderName::of(order)) {
            (Service::Regular, OrderName::Venue(number)) => number,
            (_, OrderName::Venue(_) | OrderName::Client(_)) => {
                let sent_at = self.line.venue_now(Need::Read).await?.earliest();
                return Ok(Reading { value: Lookup::Unknowable, sent_at, endpoint: Endpoint::Fills, complete: true });
            }
        };
        let call = UserTrades { symbol: order.symbol.clone(), order: Some(number), window: None, from_id: None };
        let heard = self.line.read(&call, Need::Read).await?;
        let fills = self.interpreter().fills(heard.answer())?;
        let full = fills.sent >= LIST_LIMIT as usize;
        let rows: Vec<OrderReport> = fills.rows.into_iter().map(|fill| report_of(fill, order)).collect();
        let listed = Listed { rows, complete: fills.complete && !full, sent_at: heard.sent_at };
        Ok(listed.about(order, Endpoint::Fills))
    }

    pub(crate) async fn read_open(&self, symbol: Option<Symbol>) -> Result<Reading<Vec<OrderReport>>, ReadError> {
        let open = self.open_everywhere(symbol).await?;
        for row in open.rows.iter().filter(|row| matches!(row.id, ReportedId::Ours(_))) {
            self.uses(&row.symbol);
        }
        Ok(open.reading(Endpoint::OpenOrders))
    }

    /// The conditional service first: a stop that fires in between is then told by one of the two at least.
    async fn open_everywhere(&self, symbol: Option<Symbol>) -> Result<Listed, ReadError> {
        let heard = self.line.read(&OpenAlgoOrders { symbol: symbol.clone() }, Need::Read).await?;
        let algos = self.interpreter().algos(heard.sent_at, heard.answer())?;
        let algo = Listed { rows: algos.rows, complete: algos.complete, sent_at: heard.sent_at };
        Ok(algo.and(self.open_regular(symbol).await?))
    }

    async fn open_regular(&self, symbol: Option<Symbol>) -> Result<Listed, ReadError> {
        let heard = self.line.read(&OpenOrders { symbol }, Need::Read).await?;
        let rows = self.interpreter().orders(heard.sent_at, heard.answer())?;
        Ok(Listed { rows: rows.rows, complete: rows.complete, sent_at: heard.sent_at })
    }

    pub(crate) async fn read_history(
        &self,
        symbol: &Symbol,
        from: VenueMillis,
        to: VenueMillis,
    ) -> Result<Reading<Vec<OrderReport>>, ReadError> {
        let now = self.line.venue_now(Need::Read).await?;
        let (from, to, whole) = within_reach(from, to, now);
        let algo = self.all_algo(symbol, from, to).await?;
        let mut both = algo.and(self.all_regular(symbol, from, to).await?);
        both.complete &= whole;
        Ok(both.reading(Endpoint::History))
    }

    async fn all_regular(&self, symbol: &Symbol, from: VenueMillis, to: VenueMillis) -> Result<Listed, ReadError> {
        let mut all: Option<Listed> = None;
        for (from, to) in windows(from, to) {
            let mut from_id = None;
            for page in 1..=MAX_PAGES {
                let call = AllOrders { symbol: symbol.clone(), from_id, from, to };
                let heard = self.line.read(&call, Need::Read).await?;
                let rows = self.interpreter().orders(heard.sent_at, heard.answer())?;
                let full = rows.sent >= LIST_LIMIT as usize;
                let last = rows.rows.iter().filter_map(|row| row.venue_id.as_str().parse::<i64>().ok()).max();
                let next = last.and_then(|last| last.checked_add(1)).filter(|next| Some(*next) > from_id);
                let more = full && page < MAX_PAGES && next.is_some();
                let listed =
                    Listed { rows: rows.rows, complete: rows.complete && (more || !full), sent_at: heard.sent_at };
                all = Some(merged(all, listed));
                if !more {
                    break;
                }
                from_id = next;
            }
        }
        all.ok_or_else(|| ReadError::Refused("an empty window".into()))
    }

    async fn all_algo(&self, symbol: &Symbol, from: VenueMillis, to: VenueMillis) -> Result<Listed, ReadError> {
        let mut all: Option<Listed> = None;
        for (from, to) in windows(from, to) {
            for page in 1..=MAX_PAGES {
                let call = AllAlgoOrders { symbol: symbol.clone(), from_id: None, from, to, page: Some(page) };
                let heard = self.line.read(&call, Need::Read).await?;
                let rows = self.interpreter().algos(heard.sent_at, heard.answer())?;
                let full = rows.sent >= LIST_LIMIT as usize;
                let more = full && page < MAX_PAGES;
                let listed =
                    Listed { rows: rows.rows, complete: rows.complete && (more || !full), sent_at: heard.sent_at };
                all = Some(merged(all, listed));
                if !more {
                    break;
                }
            }
        }
        all.ok_or_else(|| ReadError::Refused("an empty window".into()))
    }
}

/// Rows by their numbers, so that pages which overlap count each once.
#[derive(Default)]
struct Booked<T> {
    rows: BTreeMap<i64, T>,
    whole: bool,
}

impl Inner {
    /// Trades by their numbers and funding by its own, window by window; the next page of a window begins at the
    /// instant of the last row. The venue does not say on which side of a contract funding was paid.
    pub(crate) async fn read_books(
        &self,
        symbol: &Symbol,
        from: VenueMillis,
        to: VenueMillis,
    ) -> Result<Reading<Books>, ReadError> {
        let now = self.line.venue_now(Need::Read).await?;
        let (from, to, whole) = within_reach(from, to, now);
        let trades = self
            .pages(from, to, |from, to| async move {
                let (order, from_id) = (None, None);
                let call = UserTrades { symbol: symbol.clone(), order, window: Some((from, to)), from_id };
                let heard = self.line.read(&call, Need::Read).await?;
                let fills = self.interpreter().fills(heard.answer())?;
                let numbered = |fill: Fill| {
                    let number = fill.trade.id.as_str().parse().unwrap_or_default();
                    (number, fill.at, BookedTrade { order: fill.order, trade: fill.trade, at: fill.at })
                };
                let rows = fills.rows.into_iter().map(numbered).collect();
                Ok(Rows { rows, complete: fills.complete, sent: fills.sent })
            })
            .await?;
        let funding = self
            .pages(from, to, |from, to| async move {
                let heard = self.line.read(&GetFunding { symbol: symbol.clone(), from, to }, Need::Read).await?;
                let paid = funding(heard.answer())?;
                let rows = paid.rows.into_iter().map(|(number, payment)| (number, payment.at, payment)).collect();
                Ok(Rows { rows, complete: paid.complete, sent: paid.sent })
            })
            .await?;
        let complete = whole && trades.whole && funding.whole;
        let (trades, funding) = (trades.rows.into_values().collect(), funding.rows.into_values().collect());
        let value = Books { trades, funding };
        Ok(Reading { value, sent_at: now.earliest(), endpoint: Endpoint::Fills, complete })
    }

    async fn pages<T, F>(
        &self,
        from: VenueMillis,
        to: VenueMillis,
        page: impl Fn(VenueMillis, VenueMillis) -> F,
    ) -> Result<Booked<T>, ReadError>
    where
        F: Future<Output = Result<Rows<(i64, VenueMillis, T)>, ReadError>>,
    {
        let mut booked = Booked { rows: BTreeMap::new(), whole: true };
        for (start, end) in windows(from, to) {
            let mut start = start;
            for number in 1..=MAX_PAGES {
                let rows = page(start, end).await?;
                let full = rows.sent >= LIST_LIMIT as usize;
                let last = rows.rows.iter().map(|(_, at, _)| *at).max();
                booked.whole &= rows.complete;
                booked.rows.extend(rows.rows.into_iter().map(|(number, _, row)| (number, row)));
                // A page of one instant says nothing of what follows it.
                let next = last.filter(|last| full && *last > start);
                booked.whole &= !full || (next.is_some() && number < MAX_PAGES);
                let Some(next) = next else { break };
                start = next;
            }
        }
        Ok(booked)
    }
}

fn merged(all: Option<Listed>, next: Listed) -> Listed {
    match all {
        Some(all) => all.and(next),
        None => next,
    }
}

/// What of a span the venue can still answer for, and whether that is all of it. Its end may lie ahead of us, but not
/// ahead of the venue, which refuses that on some lists (-4181).
fn within_reach(from: VenueMillis, to: VenueMillis, now: VenueNow) -> (VenueMillis, VenueMillis, bool) {
    let oldest = now.latest().minus(HISTORY_DEPTH);
    let start = from.max(oldest);
    (start, to.min(now.latest()).max(start), from >= oldest)
}

/// A trade as a report: what it says of its order is that it has filled in part at least.
fn report_of(fill: Fill, order: &OrderRef) -> OrderReport {
    let id = order.id;
    let direction = match (fill.side, id.role().is_exit()) {
        (Side::Buy, false) | (Side::Sell, true) => Direction::Long,
        (Side::Sell, false) | (Side::Buy, true) => Direction::Short,
    };
    OrderReport {
        id: ReportedId::Ours(id),
        venue_id: fill.order,
        parent: None,
        service: Service::Regular,
        symbol: fill.symbol,
        side: fill.side,
        direction,
        status: ReportStatus::PartiallyFilled,
        stated: None,
        executed: None,
        average_price: None,
        trade: Some(fill.trade),
        at: fill.at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r10_what_is_beyond_the_venues_memory_makes_a_history_incomplete() {
        let day = 86_400_000;
        let now = VenueNow { at: VenueMillis(1_000 * day), error: Millis(5) };
        let (from, to, whole) = within_reach(VenueMillis(999 * day), VenueMillis(1_001 * day), now);
        assert_eq!((from, to, whole), (VenueMillis(999 * day), VenueMillis(1_000 * day + 5), true));
        let (from, _, whole) = within_reach(VenueMillis(0), VenueMillis(1_000 * day), now);
        assert_eq!((from, whole), (VenueMillis(910 * day + 5), false));
        let (from, to, _) = within_reach(VenueMillis(1_001 * day), VenueMillis(1_002 * day), now);
        assert_eq!(from, to, "a start ahead of us is still one window");
    }
}
