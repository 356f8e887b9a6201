//! What is asked about orders: one of them on one endpoint, the open ones, those of a window of time.
//!
//! Plans have no endpoint of their own: one is looked for among those that wait, and then among those that ended. It is
//! found by the venue's id before the id that a list shows is trusted: an overwrite may leave the old one there.

use kraite_core::exchange::{
    Direction, Endpoint, Lookup, OrderRef, OrderReport, ReadError, Reading, ReportStatus, ReportedId, Service, Side,
};
use kraite_core::id::Symbol;
use kraite_core::time::{Millis, VenueMillis};
use kraite_wire::client::{Need, VenueNow};

use super::backend::Inner;
use super::lists::Listed;
use crate::codec::calls::{LIST_LIMIT, classic, unified};
use crate::codec::{Fill, Generation, OrderName, Product};

/// The venue knows ended orders this long (90 days).
const HISTORY_DEPTH: Millis = Millis::from_secs(90 * 86_400 - 60);
/// A look-up through the history reads this much: longer than an order without a fill is kept.
const LOOKUP_DEPTH: Millis = Millis::from_secs(7 * 86_400);

/// The rows about one order, and whether there are any.
fn about(listed: Listed, order: &OrderRef, endpoint: Endpoint) -> Reading<Lookup> {
    let named = |row: &OrderReport| row.service == order.service && Some(&row.venue_id) == order.venue_id.as_ref();
    let is_about = |row: &OrderReport| row.id == ReportedId::Ours(order.id) || named(row);
    let rows: Vec<OrderReport> = listed.rows.into_iter().filter(is_about).collect();
    let value = if rows.is_empty() { Lookup::NotFound } else { Lookup::Found(rows) };
    Reading { value, sent_at: listed.sent_at, endpoint, complete: listed.complete }
}

impl Inner {
    pub(crate) async fn look_up(&self, order: &OrderRef, endpoint: Endpoint) -> Result<Reading<Lookup>, ReadError> {
        self.uses(&order.symbol);
        let product = self.product_to_read(&order.symbol)?;
        let generation = self.generation(Need::Read).await?;
        let place = (generation, product);
        match (endpoint, order.service) {
            (Endpoint::Order, Service::Regular) => self.query(order, place).await,
            (Endpoint::OpenOrders, Service::Regular) => {
                let listed = self.open_regular(generation, product, Some(&order.symbol), Need::Read).await?;
                Ok(about(listed, order, endpoint))
            }
            (Endpoint::History, Service::Regular) => {
                let window = self.recent().await?;
                // By its id alone where it was asked for under it; an order of the venue's id is listed under any.
                let id = matches!(OrderName::of(order), OrderName::Client(_)).then_some(order.id);
                Ok(about(self.ended_regular(place, &order.symbol, id, window).await?, order, endpoint))
            }
            (Endpoint::Order, Service::Conditional | Service::PositionPlan) => self.find_plan(order, place).await,
            (Endpoint::OpenOrders, Service::Conditional | Service::PositionPlan) => {
                let listed = self.open_plans(generation, product, Some(&order.symbol), Need::Read).await?;
                Ok(self.found(order, listed, endpoint))
            }
            (Endpoint::History, Service::Conditional | Service::PositionPlan) => {
                let listed = self.ended_plans(place, &order.symbol, self.recent().await?).await?;
                let found = self.found(order, listed, endpoint);
                Ok(self.with_children(order, place, found).await)
            }
            (Endpoint::Fills, _) => self.look_up_fills(order, place).await,
            (Endpoint::Positions | Endpoint::Other, _) => Err(ReadError::Refused("no orders are listed there".into())),
        }
    }

    async fn query(
        &self,
        order: &OrderRef,
        (generation, product): (Generation, Product),
    ) -> Result<Reading<Lookup>, ReadError> {
        let heard = match generation {
            Generation::Classic => self.line.read(&classic::QueryOrder::of(order, product), Need::Read).await?,
            Generation::Unified => self.line.read(&unified::QueryOrder::of(order), Need::Read).await?,
        };
        let value = self.interpreter().looked_up(order, generation, heard.sent_at, heard.answer())?;
        Ok(Reading { value, sent_at: heard.sent_at, endpoint: Endpoint::Order, complete: true })
    }

    fn found(&self, order: &OrderRef, listed: Listed, endpoint: Endpoint) -> Reading<Lookup> {
        let value = self.interpreter().found(order, &listed.rows);
        Reading { value, sent_at: listed.sent_at, endpoint, complete: listed.complete }
    }

    /// Those that wait first: a plan that fires in between is then told by one of the two at least.
    async fn find_plan(&self, order: &OrderRef, place: (Generation, Product)) -> Result<Reading<Lookup>, ReadError> {
        let waiting = self.open_plans(place.0, place.1, Some(&order.symbol), Need::Read).await?;
        let waiting = self.found(order, waiting, Endpoint::Order);
        if matches!(waiting.value, Lookup::Found(_)) {
            return Ok(waiting);
        }
        let ended = self.ended_plans(place, &order.symbol, self.recent().await?).await?;
        let ended = self.found(order, ended, Endpoint::Order);
        let both = Reading {
            sent_at: ended.sent_at.min(waiting.sent_at),
            complete: ended.complete && waiting.complete,
            ..ended
        };
        Ok(self.with_children(order, place, both).await)
    }

    /// Adds what is known of the orders that a plan spawned: only those say what filled (R69).
    async fn with_children(
        &self,
        order: &OrderRef,
        place: (Generation, Product),
        found: Reading<Lookup>,
    ) -> Reading<Lookup> {
        let Lookup::Found(mut reports) = found.value else { return found };
        let fired = reports.iter().find(|report| report.parent.is_none() && report.status == ReportStatus::Triggered);
        if place.0 == Generation::Unified
            && let Some(fired) = fired.cloned()
            && let Ok(spawned) = self.spawned(&fired).await
        {
            reports.extend(spawned.rows);
        }
        let child = reports.iter().find(|report| report.service == Service::Regular).map(|child| OrderRef {
            service: Service::Regular,
            venue_id: Some(child.venue_id.clone()),
            ..order.clone()
        });
        if let Some(child) = child
            && let Ok(Reading { value: Lookup::Found(more), .. }) = self.query(&child, place).await
        {
            reports.extend(more);
        }
        Reading { value: Lookup::Found(reports), ..found }
    }

    /// Adds the orders that strategies spawned: nothing in an order of a unified account says which strategy it comes
    /// from, and a process that has just begun has not heard it either.
    async fn with_spawned(&self, place: (Generation, Product), mut plans: Listed) -> Listed {
        if place.0 == Generation::Classic {
            return plans;
        }
        let fired = |row: &&OrderReport| row.parent.is_none() && row.status == ReportStatus::Triggered;
        let fired: Vec<OrderReport> = plans.rows.iter().filter(fired).cloned().collect();
        for strategy in &fired {
            match self.spawned(strategy).await {
                Ok(spawned) => {
                    // A full page may not be the last one.
                    plans.complete &= spawned.complete && spawned.sent < LIST_LIMIT as usize;
                    plans.rows.extend(spawned.rows);
                }
                Err(_) => plans.complete = false,
            }
        }
        plans
    }

    /// The trades of an order. Classic ones name it by the venue's id only: without one they say nothing.
    async fn look_up_fills(
        &self,
        order: &OrderRef,
        (generation, product): (Generation, Product),
    ) -> Result<Reading<Lookup>, ReadError> {
        let (from, to) = self.recent().await?;
        let number = match OrderName::of(order) {
            OrderName::Venue(number) if order.service == Service::Regular => Some(number.to_string()),
            OrderName::Venue(_) | OrderName::Client(_) => None,
        };
        let heard = match generation {
            Generation::Classic => {
                let Some(number) = number.clone() else {
                    let sent_at = self.line.venue_now(Need::Read).await?.earliest();
                    let (value, endpoint) = (Lookup::Unknowable, Endpoint::Fills);
                    return Ok(Reading { value, sent_at, endpoint, complete: true });
                };
                let (symbol, order) = (order.symbol.clone(), Some(number));
                let call = classic::GetFills { product, symbol, order, window: None, before: None };
                self.line.read(&call, Need::Read).await?
            }
            Generation::Unified => {
                let call = unified::GetFills { product, order: number.clone(), from, to, cursor: None };
                self.line.read(&call, Need::Read).await?
            }
        };
        let fills = self.interpreter().fills(generation, heard.answer())?;
        let full = fills.sent >= LIST_LIMIT as usize;
        let ours = order.id.to_string();
        let is_its = |fill: &Fill| match &number {
            Some(number) => fill.order.as_str() == number,
            None => fill.client_id.as_deref() == Some(ours.as_str()),
        };
        let rows: Vec<OrderReport> = fills.rows.into_iter().filter(is_its).map(|fill| report_of(fill, order)).collect();
        let value = if rows.is_empty() { Lookup::NotFound } else { Lookup::Found(rows) };
        let complete = fills.complete && !full;
        Ok(Reading { value, sent_at: heard.sent_at, endpoint: Endpoint::Fills, complete })
    }

    async fn recent(&self) -> Result<(VenueMillis, VenueMillis), ReadError> {
        let now = self.line.venue_now(Need::Read).await?;
        Ok((now.earliest().minus(LOOKUP_DEPTH), now.latest()))
    }

    pub(crate) async fn read_open(&self, symbol: Option<Symbol>) -> Result<Reading<Vec<OrderReport>>, ReadError> {
        let generation = self.generation(Need::Read).await?;
        let mut all: Option<Listed> = None;
        for product in self.products_of(symbol.as_ref())? {
            let open = self.open_everywhere(generation, product, symbol.as_ref()).await?;
            all = Some(merged(all, open));
        }
        let open = all.ok_or_else(|| ReadError::Refused("no product line".into()))?;
        for row in open.rows.iter().filter(|row| matches!(row.id, ReportedId::Ours(_))) {
            self.uses(&row.symbol);
        }
        Ok(open.reading(Endpoint::OpenOrders))
    }

    /// The plans first: one that fires in between is then told by one of the two at least.
    async fn open_everywhere(
        &self,
        generation: Generation,
        product: Product,
        symbol: Option<&Symbol>,
    ) -> Result<Listed, ReadError> {
        let plans = self.open_plans(generation, product, symbol, Need::Read).await?;
        Ok(plans.and(self.open_regular(generation, product, symbol, Need::Read).await?))
    }

    /// Lists of what ended do not have what is open: both are asked.
    pub(crate) async fn read_history(
        &self,
        symbol: &Symbol,
        from: VenueMillis,
        to: VenueMillis,
    ) -> Result<Reading<Vec<OrderReport>>, ReadError> {
        let product = self.product_to_read(symbol)?;
        let generation = self.generation(Need::Read).await?;
        let (window, whole) = within_reach(from, to, self.line.venue_now(Need::Read).await?);
        let place = (generation, product);
        let open = self.open_everywhere(generation, product, Some(symbol)).await?;
        let plans = self.ended_plans(place, symbol, window).await?;
        let plans = self.with_spawned(place, plans).await;
        let mut all = open.and(plans).and(self.ended_regular(place, symbol, None, window).await?);
        all.complete &= whole;
        Ok(all.reading(Endpoint::History))
    }
}

fn merged(all: Option<Listed>, next: Listed) -> Listed {
    match all {
        Some(all) => all.and(next),
        None => next,
    }
}

/// What of a span the venue can still answer for, and whether that is all of it (R10).
pub(crate) fn within_reach(from: VenueMillis, to: VenueMillis, now: VenueNow) -> ((VenueMillis, VenueMillis), bool) {
    let oldest = now.latest().minus(HISTORY_DEPTH);
    let start = from.max(oldest);
    ((start, to.min(now.latest()).max(start)), from >= oldest)
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
        let (window, whole) = within_reach(VenueMillis(999 * day), VenueMillis(1_001 * day), now);
        assert_eq!((window, whole), ((VenueMillis(999 * day), VenueMillis(1_000 * day + 5)), true));
        let (window, whole) = within_reach(VenueMillis(0), VenueMillis(1_000 * day), now);
        assert_eq!((window.0, whole), (VenueMillis(910 * day + 60_005), false));
    }
}
