//! Positions and account totals, worked out from the venue for whoever shows them.

use std::collections::BTreeSet;

use kraite_core::engine::{Answer, Query};
use kraite_core::exchange::{Direction, MarginMode, OrderShape, PositionReport, Purpose};
use kraite_core::id::Symbol;
use kraite_core::number::{ArithmeticError, Factor, Notional, Price, Qty};

use super::common::Common;
use super::listing::Contract;
use super::text;
use crate::venue::Settings;

/// One side of one contract with everything that is worked out from it.
#[derive(Debug, Clone)]
pub(super) struct Holding {
    pub(super) symbol: Symbol,
    pub(super) direction: Direction,
    pub(super) qty: Qty,
    pub(super) entry: Price,
    pub(super) mark: Price,
    pub(super) at: i64,
    pub(super) settings: Settings,
    pub(super) unrealized: Notional,
    pub(super) notional: Notional,
    pub(super) initial: Notional,
    pub(super) open_orders: Notional,
    pub(super) maintenance: Notional,
    pub(super) isolated: Notional,
}

impl Holding {
    /// The quantity with the sign of the side.
    pub(super) fn amount(&self) -> Qty {
        if self.direction == Direction::Short { self.qty.negated() } else { self.qty }
    }

    pub(super) fn signed_notional(&self) -> Notional {
        if self.direction == Direction::Short { self.notional.negated() } else { self.notional }
    }

    pub(super) fn is_isolated(&self) -> bool {
        self.settings.margin_mode == MarginMode::Isolated
    }

    /// The entry plus what the fees of getting in cost.
    pub(super) fn break_even(&self, contract: &Contract) -> Price {
        let with_fees = || -> Result<Price, ArithmeticError> {
            let cost = self.entry.checked_mul(self.qty)?;
            let fee = cost.scaled_by(contract.instrument.taker_fee)?;
            let all = if self.direction == Direction::Long { cost.checked_add(fee)? } else { cost.checked_sub(fee)? };
            all.checked_div_qty(self.qty)
        };
        with_fees().unwrap_or_default()
    }
}

impl Common {
    /// The open positions as position endpoints show them now, and flat rows for contracts that only have orders.
    pub(super) fn holdings(&self) -> Vec<Holding> {
        let reports = match self.venue.query(self.account, &Query::Positions, self.now()) {
            Answer::Positions(Ok(reading)) => reading.value,
            _ => Vec::new(),
        };
        let mut all: Vec<Holding> = reports.iter().map(|report| self.holding(report)).collect();
        let held: BTreeSet<(Symbol, Direction)> = all.iter().map(|h| (h.symbol.clone(), h.direction)).collect();
        let waiting: BTreeSet<(Symbol, Direction)> = self
            .venue
            .open(self.account)
            .map(|o| (o.symbol.clone(), if self.is_hedged() { o.direction } else { Direction::Long }))
            .filter(|(symbol, direction)| {
                let is_held = |direction| held.contains(&(symbol.clone(), direction));
                !is_held(*direction) && (self.is_hedged() || !is_held(Direction::Short))
            })
            .collect();
        all.extend(waiting.into_iter().map(|(symbol, direction)| self.flat(symbol, direction)));
        all
    }

    /// A row of a contract that nothing is open on.
    pub(super) fn flat(&self, symbol: Symbol, direction: Direction) -> Holding {
        let report = PositionReport { symbol, direction, qty: Qty::ZERO, entry_price: None, at: Default::default() };
        self.holding(&report)
    }

    /// Works out everything about one side of one contract.
    pub(super) fn holding(&self, report: &PositionReport) -> Holding {
        let symbol = &report.symbol;
        let entry = report.entry_price.unwrap_or_default();
        let mark = self.venue.mark(symbol).or_else(|| self.venue.last(symbol)).unwrap_or(entry);
        let account = self.venue.account(self.account);
        let usual = Settings {
            leverage: self.venue.quirks().default_leverage,
            margin_mode: self.venue.quirks().default_margin_mode,
        };
        let settings = account.and_then(|a| a.settings_on(symbol)).unwrap_or(usual);
        let notional = mark.checked_mul(report.qty).unwrap_or_default();
        let cost = entry.checked_mul(report.qty).unwrap_or_default();
        let gain = notional.checked_sub(cost).unwrap_or_default();
        let opening = self.venue.open(self.account).filter(|o| {
            o.symbol == *symbol && o.purpose == Purpose::Open && (!self.is_hedged() || o.direction == report.direction)
        });
        let waiting = opening.fold(Notional::ZERO, |sum, o| match o.shape {
            OrderShape::Limit { price, .. } => {
                let more = price.checked_mul(o.leaves()).unwrap_or_default();
                sum.checked_add(more).unwrap_or(sum)
            }
            _ => sum,
        });
        let rules = self.contract(symbol).map(|c| &c.instrument);
        let set_aside = account.and_then(|a| a.position(symbol, report.direction)).map(|p| p.margin);
        Holding {
            symbol: symbol.clone(),
            direction: report.direction,
            qty: report.qty,
            entry,
            mark,
            at: report.at.0,
            unrealized: if report.direction == Direction::Long { gain } else { gain.negated() },
            initial: text::parts_of(notional, settings.leverage),
            open_orders: text::parts_of(waiting, settings.leverage),
            maintenance: rules.and_then(|r| r.maintenance_margin(notional).ok()).unwrap_or_default(),
            isolated: set_aside.unwrap_or_default(),
            settings,
            notional,
        }
    }

    /// Where the mark has to go for the venue to take a position; zero for nowhere. Formula: "How to Calculate
    /// Liquidation Price", with the bracket of the present notional.
    pub(super) fn liquidation_price(&self, holding: &Holding) -> Price {
        let at = || -> Result<Price, ArithmeticError> {
            let Some(contract) = self.contract(&holding.symbol) else { return Ok(Price::ZERO) };
            let Some(bracket) = contract.instrument.bracket_of(holding.notional) else { return Ok(Price::ZERO) };
            let cost = holding.entry.checked_mul(holding.qty)?;
            let mut backing = if holding.is_isolated() { holding.isolated } else { self.cross_wallet() };
            if !holding.is_isolated() {
                for other in self.holdings() {
                    let same = other.symbol == holding.symbol && other.direction == holding.direction;
                    if !same && !other.is_isolated() {
                        backing = backing.checked_add(other.unrealized)?.checked_sub(other.maintenance)?;
                    }
                }
            }
            backing = backing.checked_add(bracket.maintenance_deduction)?;
            let (amount, factor) = match holding.direction {
                Direction::Long => (cost.checked_sub(backing)?, Factor::ONE.checked_sub(bracket.maintenance_ratio)?),
                Direction::Short => (cost.checked_add(backing)?, Factor::ONE.checked_add(bracket.maintenance_ratio)?),
            };
            amount.checked_div_qty(holding.qty.scaled_by(factor)?)
        };
        at().ok().filter(|price| price.is_positive()).unwrap_or_default()
    }

    /// The wallet less what is set aside for isolated positions.
    pub(super) fn cross_wallet(&self) -> Notional {
        let wallet = self.venue.wallet(self.account);
        let positions = self.venue.account(self.account).into_iter().flat_map(|a| a.positions());
        positions.fold(wallet, |left, (.., position)| left.checked_sub(position.margin).unwrap_or(left))
    }

    /// Every side of every contract, flat ones too: what the older endpoints list.
    pub(super) fn all_sides(&self, only: Option<&Symbol>) -> Vec<Holding> {
        let open = self.holdings();
        let mut rows = Vec::new();
        for contract in self.listing.iter() {
            let symbol = &contract.instrument.symbol;
            if only.is_some_and(|only| only != symbol) {
                continue;
            }
            let here: Vec<&Holding> = open.iter().filter(|h| h.symbol == *symbol && !h.qty.is_zero()).collect();
            if self.is_hedged() {
                for direction in [Direction::Long, Direction::Short] {
                    let held = here.iter().find(|h| h.direction == direction).map(|h| (*h).clone());
                    rows.push(held.unwrap_or_else(|| self.flat(symbol.clone(), direction)));
                }
            } else {
                let held = here.first().map(|h| (*h).clone());
                rows.push(held.unwrap_or_else(|| self.flat(symbol.clone(), Direction::Long)));
            }
        }
        rows
    }

    /// The totals that account and balance endpoints show.
    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals {
            wallet: self.venue.wallet(self.account),
            cross_wallet: self.cross_wallet(),
            available: self.venue.free_margin(self.account).unwrap_or_default().max(Notional::ZERO),
            ..Totals::default()
        };
        let add = |sum: &mut Notional, more: Notional| *sum = sum.checked_add(more).unwrap_or(*sum);
        for holding in self.holdings() {
            add(&mut totals.unrealized, holding.unrealized);
            if !holding.is_isolated() {
                add(&mut totals.cross_unrealized, holding.unrealized);
            }
            add(&mut totals.positions, holding.initial);
            add(&mut totals.orders, holding.open_orders);
            add(&mut totals.maintenance, holding.maintenance);
        }
        totals
    }
}

/// Money of the account in sum.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    pub(super) wallet: Notional,
    pub(super) cross_wallet: Notional,
    pub(super) available: Notional,
    pub(super) unrealized: Notional,
    pub(super) cross_unrealized: Notional,
    pub(super) positions: Notional,
    pub(super) orders: Notional,
    pub(super) maintenance: Notional,
}

impl Totals {
    /// Margin of positions and orders together.
    pub(super) fn initial(&self) -> Notional {
        self.positions.checked_add(self.orders).unwrap_or_default()
    }

    /// Wallet and unrealised profit.
    pub(super) fn balance(&self) -> Notional {
        self.wallet.checked_add(self.unrealized).unwrap_or_default()
    }
}
