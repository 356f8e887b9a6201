//! What was booked: trades, and the funding of positions that have ended.
//!
//! Funding is told with a position and not with a date, so one that has ended tells the sum of it, at its end.

use std::collections::BTreeMap;

use kraite_core::exchange::{BookedTrade, Books, Direction, Endpoint, Payment, ReadError, Reading};
use kraite_core::id::{Symbol, TradeId};
use kraite_core::time::VenueMillis;
use kraite_wire::client::Need;

use super::backend::Inner;
use super::lists::{MAX_PAGES, windows};
use super::lookup::within_reach;
use crate::codec::calls::{LIST_LIMIT, classic, unified};
use crate::codec::reply::Rows;
use crate::codec::{Fill, Generation, PastPosition, Product, past_positions};

/// A list of which every page was read, and whether it is whole.
struct Read<T> {
    rows: Vec<T>,
    whole: bool,
}

/// Turns pages until one is not full.
async fn all_pages<T, F>(read: &mut Read<T>, page: impl Fn(Option<String>) -> F) -> Result<(), ReadError>
where
    F: Future<Output = Result<Rows<T>, ReadError>>,
{
    let mut next = None;
    for number in 1..=MAX_PAGES {
        let rows = page(next).await?;
        let full = rows.sent >= LIST_LIMIT as usize;
        next = rows.next.map(String::from).filter(|_| full && number < MAX_PAGES);
        read.whole &= rows.complete && (!full || next.is_some());
        read.rows.extend(rows.rows);
        if next.is_none() {
            break;
        }
    }
    Ok(())
}

impl Inner {
    pub(crate) async fn read_books(
        &self,
        symbol: &Symbol,
        direction: Direction,
        from: VenueMillis,
        to: VenueMillis,
    ) -> Result<Reading<Books>, ReadError> {
        let product = self.product_to_read(symbol)?;
        let generation = self.generation(Need::Read).await?;
        let now = self.line.venue_now(Need::Read).await?;
        let (window, reached) = within_reach(from, to, now);
        let fills = self.all_fills((generation, product), symbol, window).await?;
        let past = self.all_past((generation, product), symbol, window).await?;
        let ours = |fill: &Fill| fill.symbol == *symbol && (from..=to).contains(&fill.at);
        let trades = fills.rows.into_iter().filter(ours);
        let trades: BTreeMap<TradeId, BookedTrade> = trades
            .map(|fill| (fill.trade.id.clone(), BookedTrade { order: fill.order, trade: fill.trade, at: fill.at }))
            .collect();
        let held = |row: &PastPosition| row.symbol == *symbol && row.direction == direction;
        let funding = past.rows.into_iter().filter(held).map(|row| Payment { at: row.ended_at, amount: row.funding });
        let value = Books { trades: trades.into_values().collect(), funding: funding.collect() };
        let complete = reached && fills.whole && past.whole;
        Ok(Reading { value, sent_at: now.earliest(), endpoint: Endpoint::Fills, complete })
    }

    async fn all_fills(
        &self,
        (generation, product): (Generation, Product),
        symbol: &Symbol,
        (from, to): (VenueMillis, VenueMillis),
    ) -> Result<Read<Fill>, ReadError> {
        let mut read = Read { rows: Vec::new(), whole: true };
        match generation {
            Generation::Classic => {
                let page = |before| async move {
                    let (order, window) = (None, Some((from, to)));
                    let call = classic::GetFills { product, symbol: symbol.clone(), order, window, before };
                    let heard = self.line.read(&call, Need::Read).await?;
                    self.interpreter().fills(generation, heard.answer())
                };
                all_pages(&mut read, page).await?;
            }
            Generation::Unified => {
                for (from, to) in windows(from, to) {
                    let page = |cursor| async move {
                        let call = unified::GetFills { product, order: None, from, to, cursor };
                        let heard = self.line.read(&call, Need::Read).await?;
                        self.interpreter().fills(generation, heard.answer())
                    };
                    all_pages(&mut read, page).await?;
                }
            }
        }
        Ok(read)
    }

    async fn all_past(
        &self,
        (generation, product): (Generation, Product),
        symbol: &Symbol,
        (from, to): (VenueMillis, VenueMillis),
    ) -> Result<Read<PastPosition>, ReadError> {
        let mut read = Read { rows: Vec::new(), whole: true };
        match generation {
            Generation::Classic => {
                let page = |before| async move {
                    let call = classic::PastPositions { product, symbol: symbol.clone(), from, to, before };
                    past_positions(generation, self.line.read(&call, Need::Read).await?.answer())
                };
                all_pages(&mut read, page).await?;
            }
            Generation::Unified => {
                for (from, to) in windows(from, to) {
                    let page = |cursor| async move {
                        let call = unified::PastPositions { product, symbol: symbol.clone(), from, to, cursor };
                        past_positions(generation, self.line.read(&call, Need::Read).await?.answer())
                    };
                    all_pages(&mut read, page).await?;
                }
            }
        }
        Ok(read)
    }
}
