//! A run as the CSV files that `kraite export` writes of a journal, and its equity.

use kraite_core::exchange::Direction;
use kraite_core::number::{Notional, Price, Qty};
use kraite_core::plan::TargetStyle;
use kraite_core::position::Why;
use kraite_core::time::VenueMillis;
use kraite_sim::backtest::{Deal, Part, Plan, Trip};

use crate::csv::{Cell, Table};
use crate::export::TABLES;
use crate::{utc, words};

/// The files of a run.
pub(crate) const NAMES: [&str; 6] = ["orders.csv", "fills.csv", "trades.csv", "fees.csv", "funding.csv", "equity.csv"];

/// An order of a position, as far as prices alone tell of it.
struct Order {
    role: &'static str,
    rung: Option<u8>,
    revision: usize,
    at: VenueMillis,
    opens: bool,
    kind: &'static str,
    price: Option<Price>,
    qty: Option<Qty>,
    /// All that it executed, at its average.
    fill: Option<Deal>,
}

/// The trades of one kind as one.
fn together(trip: &Trip, part: Part) -> Option<Deal> {
    let deals: Vec<&Deal> = trip.deals.iter().filter(|deal| deal.of == part).collect();
    let first = **deals.first()?;
    let mut rest = deals.iter().skip(1);
    let (mut qty, mut worth, mut fee) = (first.qty, first.price.checked_mul(first.qty).ok()?, first.fee);
    rest.try_for_each(|deal| {
        qty = qty.checked_add(deal.qty).ok()?;
        worth = worth.checked_add(deal.price.checked_mul(deal.qty).ok()?).ok()?;
        fee = fee.checked_add(deal.fee).ok()?;
        Some(())
    })?;
    let price = if deals.len() == 1 { first.price } else { worth.checked_div_qty(qty).ok()? };
    Some(Deal { qty, price, fee, ..first })
}

const fn role(part: Part) -> &'static str {
    match part {
        Part::Entry => "entry",
        Part::Rung(_) => "rung",
        Part::Target => "target",
        Part::Stop => "stop",
        Part::Liquidation => "liquidation",
        Part::Close => "close",
    }
}

/// All orders of a position; what the exchange took is no order of ours.
fn orders(plan: &Plan, trip: &Trip) -> Vec<Order> {
    let of = |part: Part| together(trip, part);
    let entry = of(Part::Entry);
    let first = Order {
        role: "entry",
        rung: None,
        revision: 0,
        at: trip.opened_at,
        opens: true,
        kind: "market",
        price: None,
        qty: entry.map(|deal| deal.qty),
        fill: entry,
    };
    let rungs = (1_u8..).zip(&trip.rungs).map(|(number, (price, qty))| Order {
        role: "rung",
        rung: Some(number),
        revision: 0,
        at: trip.opened_at,
        opens: true,
        kind: "limit",
        price: Some(*price),
        qty: Some(*qty),
        fill: of(Part::Rung(number)),
    });
    let stop = Order {
        role: "stop",
        rung: None,
        revision: 0,
        at: trip.opened_at,
        opens: false,
        kind: "stop_market",
        price: Some(trip.stop),
        qty: None,
        fill: of(Part::Stop),
    };
    let last = trip.targets.len().saturating_sub(1);
    let kind = if plan.target_style == TargetStyle::Limit { "limit" } else { "take_profit_market" };
    let targets = trip.targets.iter().enumerate().map(|(revision, (at, price))| Order {
        role: "target",
        rung: None,
        revision,
        at: *at,
        opens: false,
        kind,
        price: Some(*price),
        qty: None,
        fill: if revision == last { of(Part::Target) } else { None },
    });
    std::iter::once(first).chain(rungs).chain([stop]).chain(targets).collect()
}

/// The positions of one contract.
pub(crate) struct OfSymbol<'a> {
    pub(crate) symbol: &'a str,
    pub(crate) plan: &'a Plan,
    pub(crate) trips: &'a [Trip],
}

struct Tables<'a> {
    symbol: &'a str,
    direction: String,
    opening: &'static str,
    closing: &'static str,
    all: &'a mut [Table; 6],
}

/// The files of a run, its positions numbered through.
pub(crate) fn tables(
    symbols: &[OfSymbol<'_>],
    equity: impl Iterator<Item = (VenueMillis, Notional, Option<Price>)>,
) -> [Table; 6] {
    let [orders, fills, trades, fees, funding] = TABLES.map(|(name, header)| Table::new(name, header));
    let mut all = [orders, fills, trades, fees, funding, Table::new("equity.csv", "at,equity,price")];
    let mut no = 0;
    for OfSymbol { symbol, plan, trips } in symbols {
        let (opening, closing) = if plan.spec.direction == Direction::Long { ("buy", "sell") } else { ("sell", "buy") };
        let direction = format!("{:?}", plan.spec.direction).to_lowercase();
        let mut tables = Tables { symbol, direction, opening, closing, all: &mut all };
        for trip in *trips {
            no += 1;
            tables.take(no, plan, trip);
        }
    }
    let [.., kept] = &mut all;
    for (at, equity, price) in equity {
        kept.row(vec![Cell::of(utc::iso(at.0)), Cell::of(equity), Cell::or_empty(price)]);
    }
    all
}

const NOTHING: fn() -> Cell = || Cell::or_empty(None::<u8>);

impl Tables<'_> {
    const fn side(&self, opens: bool) -> &'static str {
        if opens { self.opening } else { self.closing }
    }

    fn take(&mut self, no: usize, plan: &Plan, trip: &Trip) {
        let (symbol, direction) = (self.symbol.to_owned(), self.direction.clone());
        let all = orders(plan, trip);
        let ended = trip.end().is_some();
        let sides: Vec<_> = all.iter().map(|order| self.side(order.opens)).collect();
        let fill_sides: Vec<_> = trip.deals.iter().map(|deal| self.side(!deal.of.ends())).collect();
        let [orders, fills, trades, fees, funding, _] = &mut *self.all;
        for (order, side) in all.iter().zip(sides) {
            let status = match order.fill {
                Some(_) => "filled",
                None if ended => "cancelled",
                None => "accepted",
            };
            orders.row(vec![
                Cell::of(1),
                Cell::of(no),
                Cell::text(&symbol),
                Cell::of(&direction),
                NOTHING(),
                NOTHING(),
                Cell::of(order.role),
                Cell::or_empty(order.rung),
                Cell::of(order.revision),
                Cell::of(1),
                Cell::of(utc::iso(order.at.0)),
                Cell::of(side),
                Cell::of(order.kind),
                Cell::or_empty(order.price),
                Cell::or_empty(order.qty),
                Cell::of(status),
                NOTHING(),
                Cell::of(order.fill.map(|fill| fill.qty).unwrap_or_default()),
                Cell::or_empty(order.fill.map(|fill| fill.price)),
                Cell::of(order.fill.map(|fill| fill.fee).unwrap_or_default()),
            ]);
        }
        for (deal, side) in trip.deals.iter().zip(fill_sides) {
            fills.row(vec![
                Cell::of(utc::iso(deal.at.0)),
                Cell::of(1),
                Cell::of(no),
                Cell::text(&symbol),
                Cell::of(&direction),
                NOTHING(),
                Cell::of(role(deal.of)),
                Cell::of(side),
                NOTHING(),
                NOTHING(),
                Cell::of(deal.qty),
                Cell::of(deal.price),
                Cell::of(deal.fee),
            ]);
            fees.row(vec![
                Cell::of(1),
                Cell::of(no),
                Cell::text(&symbol),
                NOTHING(),
                Cell::of(role(deal.of)),
                Cell::of(deal.qty),
                Cell::of(deal.fee),
                Cell::of(Qty::ZERO),
            ]);
        }
        for (at, amount) in &trip.payments {
            funding.row(vec![
                Cell::of(utc::iso(at.0)),
                Cell::of(1),
                Cell::of(no),
                Cell::text(&symbol),
                Cell::of(&direction),
                Cell::of(amount),
            ]);
        }
        let Some(end) = trip.end() else { return };
        let (qty, average) = trip.entered();
        let profit: Option<Notional> = trip.net;
        trades.row(vec![
            Cell::of(1),
            Cell::of(no),
            Cell::text(&symbol),
            Cell::of(&direction),
            Cell::of("closed"),
            Cell::of(why(end.of)),
            Cell::of(utc::iso(trip.opened_at.0)),
            Cell::of(utc::iso(end.at.0)),
            Cell::of(end.at.since(trip.opened_at).0),
            Cell::of(qty),
            Cell::or_empty(average),
            Cell::of(trip.exited().0),
            Cell::or_empty(trip.exited().1),
            Cell::of(Qty::ZERO),
            Cell::of(trip.rungs_filled()),
            Cell::or_empty(profit),
            Cell::of(trip.fees()),
            Cell::or_empty(trip.unprotected.map(|longest| longest.0)),
            Cell::of(trip.funding()),
        ]);
    }
}

/// What ended a position, in words.
pub(super) const fn why(end: Part) -> &'static str {
    match end {
        Part::Target => words::why(Why::TargetFilled),
        Part::Stop => words::why(Why::StopFilled),
        Part::Liquidation => "the exchange liquidated it",
        Part::Close => "closed at the market",
        Part::Entry | Part::Rung(_) => "it is open",
    }
}
