//! Lists of orders, page by page, with what judges them: whether they are whole, and when the oldest page was asked for.

use kraite_core::exchange::{Endpoint, OrderReport, ReadError, Reading};
use kraite_core::id::{ClientOrderId, Symbol};
use kraite_core::time::{Millis, VenueMillis};
use kraite_wire::client::Need;

use super::backend::Inner;
use super::line::Heard;
use crate::codec::calls::{LIST_LIMIT, classic, unified};
use crate::codec::reply::Rows;
use crate::codec::{Generation, OrderName, Product};
use kraite_core::exchange::{OrderRef, Service};

/// The most pages of one list: two thousand orders.
pub(crate) const MAX_PAGES: u32 = 20;
/// The longest window that the unified API answers for.
const WINDOW: Millis = Millis::from_secs(30 * 86_400 - 60);

/// Rows of a list with what judges them.
pub(crate) struct Listed {
    pub(crate) rows: Vec<OrderReport>,
    pub(crate) complete: bool,
    pub(crate) sent_at: VenueMillis,
}

impl Listed {
    /// Both, as old as the older one.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.rows.extend(other.rows);
        Self { rows: self.rows, complete: self.complete && other.complete, sent_at: self.sent_at.min(other.sent_at) }
    }

    pub(crate) fn of(self, symbol: Option<&Symbol>) -> Self {
        let rows = self.rows.into_iter().filter(|row| symbol.is_none_or(|symbol| row.symbol == *symbol)).collect();
        Self { rows, ..self }
    }

    pub(crate) fn reading(self, endpoint: Endpoint) -> Reading<Vec<OrderReport>> {
        Reading { value: self.rows, sent_at: self.sent_at, endpoint, complete: self.complete }
    }
}

/// A list that grows page by page.
#[derive(Default)]
struct Pages {
    listed: Option<Listed>,
    turned: u32,
}

impl Pages {
    /// Takes a page; the next one begins there, `None` where there is none.
    fn take(&mut self, of: Generation, rows: Rows<OrderReport>, sent_at: VenueMillis) -> Option<String> {
        self.turned = self.turned.saturating_add(1);
        // A classic list goes on below its lowest id, whether or not it says so; a cursor can only be told.
        let mut parents = rows.rows.iter().filter(|row| row.parent.is_none());
        let last = parents.next_back().filter(|_| of == Generation::Classic).map(wire_name);
        let next = rows.next.map(String::from).or(last);
        let full = rows.sent >= LIST_LIMIT as usize;
        let more = next.filter(|_| full && self.turned < MAX_PAGES);
        let page = Listed { rows: rows.rows, complete: rows.complete && (!full || more.is_some()), sent_at };
        self.listed = Some(match self.listed.take() {
            Some(listed) => listed.and(page),
            None => page,
        });
        more
    }

    fn whole(self) -> Result<Listed, ReadError> {
        self.listed.ok_or_else(|| ReadError::Refused("an empty window".into()))
    }
}

/// The id of a row as on the wire, for lists that page by it.
fn wire_name(row: &OrderReport) -> String {
    let id = row.venue_id.as_str();
    id.strip_prefix("plan:").unwrap_or(id).to_owned()
}

impl Inner {
    /// Open regular orders of a product line, or of one contract.
    pub(crate) async fn open_regular(
        &self,
        generation: Generation,
        product: Product,
        symbol: Option<&Symbol>,
        need: Need,
    ) -> Result<Listed, ReadError> {
        match generation {
            Generation::Classic => {
                let live = self.open_classic(product, symbol, classic::OpenState::Live, need).await?;
                let partly = self.open_classic(product, symbol, classic::OpenState::PartiallyFilled, need).await?;
                // Where the state is not heeded, both list everything.
                let rows = partly.rows.into_iter().filter(|row| !live.rows.contains(row)).collect();
                Ok(live.and(Listed { rows, ..partly }))
            }
            Generation::Unified => {
                let (mut pages, mut cursor) = (Pages::default(), None);
                loop {
                    let call = unified::OpenOrders { product, symbol: symbol.cloned(), cursor };
                    cursor = self.page(&mut pages, generation, self.line.read(&call, need).await?)?;
                    if cursor.is_none() {
                        return pages.whole();
                    }
                }
            }
        }
    }

    async fn open_classic(
        &self,
        product: Product,
        symbol: Option<&Symbol>,
        state: classic::OpenState,
        need: Need,
    ) -> Result<Listed, ReadError> {
        let (mut pages, mut before) = (Pages::default(), None);
        loop {
            let call = classic::OpenOrders { product, symbol: symbol.cloned(), state, before };
            before = self.page(&mut pages, Generation::Classic, self.line.read(&call, need).await?)?;
            if before.is_none() {
                return pages.whole();
            }
        }
    }

    fn page(&self, pages: &mut Pages, of: Generation, heard: Heard) -> Result<Option<String>, ReadError> {
        let rows = self.interpreter().orders(of, heard.sent_at, heard.answer())?;
        Ok(pages.take(of, rows, heard.sent_at))
    }

    fn page_of_plans(&self, pages: &mut Pages, of: Generation, heard: Heard) -> Result<Option<String>, ReadError> {
        let rows = self.interpreter().plans(of, heard.sent_at, heard.answer())?;
        Ok(pages.take(of, rows, heard.sent_at))
    }

    /// Plans or strategies that wait, of a product line or of one contract.
    pub(crate) async fn open_plans(
        &self,
        generation: Generation,
        product: Product,
        symbol: Option<&Symbol>,
        need: Need,
    ) -> Result<Listed, ReadError> {
        let mut pages = Pages::default();
        match generation {
            Generation::Classic => {
                let mut before = None;
                loop {
                    let call = classic::PendingPlans { product, symbol: symbol.cloned(), before };
                    before = self.page_of_plans(&mut pages, generation, self.line.read(&call, need).await?)?;
                    if before.is_none() {
                        return pages.whole();
                    }
                }
            }
            Generation::Unified => {
                // One list without pages: as many rows as there are.
                let heard = self.line.read(&unified::OpenStrategies { product }, need).await?;
                let rows = self.interpreter().plans(generation, heard.sent_at, heard.answer())?;
                let listed = Listed { rows: rows.rows, complete: rows.complete, sent_at: heard.sent_at };
                Ok(listed.of(symbol))
            }
        }
    }

    /// Regular orders of a contract that ended in a window; only the one under `id` where that is given, and the venue
    /// can look for it.
    pub(crate) async fn ended_regular(
        &self,
        (generation, product): (Generation, Product),
        symbol: &Symbol,
        id: Option<ClientOrderId>,
        (from, to): (VenueMillis, VenueMillis),
    ) -> Result<Listed, ReadError> {
        let mut pages = Pages::default();
        match generation {
            Generation::Classic => {
                let mut before = None;
                loop {
                    let (symbol, window) = (symbol.clone(), Some((from, to)));
                    let call = classic::OrderHistory { product, symbol, id, window, before };
                    before = self.page(&mut pages, generation, self.line.read(&call, Need::Read).await?)?;
                    if before.is_none() {
                        return pages.whole();
                    }
                }
            }
            Generation::Unified => {
                for (from, to) in windows(from, to) {
                    let mut cursor = None;
                    loop {
                        let call = unified::OrderHistory { product, from, to, cursor };
                        cursor = self.page(&mut pages, generation, self.line.read(&call, Need::Read).await?)?;
                        if cursor.is_none() {
                            break;
                        }
                    }
                }
                Ok(pages.whole()?.of(Some(symbol)))
            }
        }
    }

    /// Plans or strategies of a contract that ended in a window.
    pub(crate) async fn ended_plans(
        &self,
        (generation, product): (Generation, Product),
        symbol: &Symbol,
        (from, to): (VenueMillis, VenueMillis),
    ) -> Result<Listed, ReadError> {
        let mut pages = Pages::default();
        match generation {
            Generation::Classic => {
                let mut before = None;
                loop {
                    let (symbol, window) = (symbol.clone(), Some((from, to)));
                    let call = classic::PlanHistory { product, symbol, window, before };
                    before = self.page_of_plans(&mut pages, generation, self.line.read(&call, Need::Read).await?)?;
                    if before.is_none() {
                        return pages.whole();
                    }
                }
            }
            Generation::Unified => {
                for (from, to) in windows(from, to) {
                    let mut cursor = None;
                    loop {
                        let call = unified::StrategyHistory { product, from, to, cursor };
                        let heard = self.line.read(&call, Need::Read).await?;
                        cursor = self.page_of_plans(&mut pages, generation, heard)?;
                        if cursor.is_none() {
                            break;
                        }
                    }
                }
                Ok(pages.whole()?.of(Some(symbol)))
            }
        }
    }

    /// The orders that a leg of a strategy spawned.
    pub(crate) async fn spawned(&self, leg: &OrderReport) -> Result<Rows<OrderReport>, ReadError> {
        let none = || Rows { rows: Vec::new(), complete: true, sent: 0, next: None };
        let kraite_core::exchange::ReportedId::Ours(id) = leg.id else { return Ok(none()) };
        let (symbol, venue_id) = (leg.symbol.clone(), Some(leg.venue_id.clone()));
        let OrderName::Venue(strategy) =
            OrderName::of(&OrderRef { symbol, service: Service::PositionPlan, id, venue_id })
        else {
            return Ok(none());
        };
        let heard = self.line.read(&unified::SubOrders { strategy, cursor: None }, Need::Read).await?;
        self.interpreter().sub_orders(leg, heard.sent_at, heard.answer())
    }
}

/// A span in windows that the unified API answers for, oldest first.
pub(crate) fn windows(from: VenueMillis, to: VenueMillis) -> Vec<(VenueMillis, VenueMillis)> {
    let mut all = Vec::new();
    let mut start = from;
    loop {
        let end = start.plus(WINDOW).min(to);
        all.push((start, end));
        // 90 days at most: what lies further back is not known there.
        if end >= to || all.len() >= 4 {
            return all;
        }
        start = end.plus(Millis(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_asked_for_in_windows_of_thirty_days_without_a_gap() {
        let day = 86_400_000;
        assert_eq!(windows(VenueMillis(5), VenueMillis(5)), [(VenueMillis(5), VenueMillis(5))]);
        let all = windows(VenueMillis(0), VenueMillis(90 * day));
        assert_eq!(all.len(), 4);
        assert!(all.iter().all(|(from, to)| to.since(*from) <= WINDOW));
        assert!(all.windows(2).all(|two| two[1].0 == two[0].1.plus(Millis(1))));
        assert_eq!(all.last().unwrap().1, VenueMillis(90 * day));
    }
}
