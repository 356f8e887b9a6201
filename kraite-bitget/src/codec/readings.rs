//! From answers to the readings of requests that change nothing.

use compact_str::CompactString;
use kraite_core::exchange::{
    Balance, Direction, KeyRights, Lookup, MarginMode, Mark, OrderRef, OrderReport, PositionMode, PositionReport,
    ReadError, ReportedId,
};
use kraite_core::id::Symbol;
use kraite_core::number::{Factor, Notional, Price, Qty};
use kraite_core::time::VenueMillis;

use super::failure::{Answer, Verdict};
use super::fills::Fill;
use super::ids::OrderName;
use super::interpret::{Asked, Interpreter, Unmapped, symbol_of};
use super::reply::{Rows, classic, open, read, read_rows, undecodable, unified};
use super::terms::{Generation, Product, margin_mode_of};
use super::word::{AccountMode, HoldMode, PositionSide};

impl Interpreter {
    /// What asking for one regular order gave.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; an order in a state that is not known is undecodable, never missing (C10), and so is a success
    /// without data. One in which every field is empty, or an empty list, is how some deployments say that there is
    /// none.
    pub fn looked_up(
        &self,
        order: &OrderRef,
        generation: Generation,
        sent_at: VenueMillis,
        answer: Answer<'_>,
    ) -> Result<Lookup, ReadError> {
        match open(answer) {
            Err(failure) if failure.verdict == Verdict::NotFound => return Ok(Lookup::NotFound),
            Err(failure) => return Err(failure.read_error()),
            Ok(success) if success.data.is_some_and(|data| data.get() == "[]") => return Ok(Lookup::NotFound),
            Ok(_) => {}
        }
        let asked = Asked { symbol: Some(&order.symbol), id: None, side: None, direction: None, sent_at };
        let report = match generation {
            Generation::Classic => {
                let row: classic::OrderRow = read(answer)?;
                if row == classic::OrderRow::default() {
                    return Ok(Lookup::NotFound);
                }
                same(order, row.order_id.as_deref(), row.client_id.as_deref())?;
                self.classic_order(&row, asked)
            }
            Generation::Unified => {
                let row: unified::OrderRow = read(answer)?;
                if row == unified::OrderRow::default() {
                    return Ok(Lookup::NotFound);
                }
                same(order, row.order_id.as_deref(), row.client_id.as_deref())?;
                self.unified_order(&row, asked)
            }
        };
        Ok(Lookup::Found(vec![report.map_err(|why| undecodable(&why))?]))
    }

    /// What a list of plans says of one of them, found by the venue's id where that is known, else by ours.
    ///
    /// Found by the venue's id it is the order that was asked for, whatever earlier id an overwrite left on it; but an
    /// order that a later one has overwritten is found no more.
    pub fn found(&mut self, order: &OrderRef, reports: &[OrderReport]) -> Lookup {
        let name = OrderName::of(order);
        let mut all = Vec::new();
        for report in reports {
            let mine = match &name {
                OrderName::Venue(_) => order.venue_id.as_ref() == Some(&report.venue_id),
                OrderName::Client(id) => report.parent.is_none() && report.id == ReportedId::Ours(*id),
            };
            let overwritten = matches!(&report.id, ReportedId::Ours(id) if id.position() == order.id.position()
                && id.role() == order.id.role() && *id > order.id);
            if mine && !overwritten {
                self.links.learn(&report.venue_id, Some(order.id), None);
                all.push(OrderReport { id: ReportedId::Ours(order.id), ..report.clone() });
                let of_it = reports.iter().filter(|child| child.parent.as_ref() == Some(&report.venue_id));
                all.extend(of_it.map(|child| OrderReport { id: ReportedId::Ours(order.id), ..child.clone() }));
            }
        }
        if all.is_empty() { Lookup::NotFound } else { Lookup::Found(all) }
    }

    /// Rows of regular orders.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn orders(
        &self,
        generation: Generation,
        sent_at: VenueMillis,
        answer: Answer<'_>,
    ) -> Result<Rows<OrderReport>, ReadError> {
        let asked = Asked::at(sent_at);
        Ok(match generation {
            Generation::Classic => read_rows(answer)?.filtered(|row| self.classic_order(&row, asked)),
            Generation::Unified => read_rows(answer)?.filtered(|row| self.unified_order(&row, asked)),
        })
    }

    /// Rows of plans or strategies, with their children.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn plans(
        &mut self,
        generation: Generation,
        sent_at: VenueMillis,
        answer: Answer<'_>,
    ) -> Result<Rows<OrderReport>, ReadError> {
        let asked = Asked::at(sent_at);
        let rows = match generation {
            Generation::Classic => read_rows(answer)?
                .filtered(|row| self.classic_plan(&row, asked).map(|both| both.into_reports().collect::<Vec<_>>())),
            Generation::Unified => read_rows(answer)?.filtered(|row| self.unified_strategy(&row, asked)),
        };
        Ok(rows.flat())
    }

    /// Rows of the orders that one leg of a strategy spawned.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn sub_orders(
        &mut self,
        parent: &OrderReport,
        sent_at: VenueMillis,
        answer: Answer<'_>,
    ) -> Result<Rows<OrderReport>, ReadError> {
        let rows: Rows<unified::SubOrderRow> = read_rows(answer)?;
        Ok(rows.filtered(|row| self.sub_order(parent, &row, Asked::at(sent_at))))
    }

    /// Rows of trades.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn fills(&self, generation: Generation, answer: Answer<'_>) -> Result<Rows<Fill>, ReadError> {
        Ok(match generation {
            Generation::Classic => read_rows(answer)?.filtered(|row| self.classic_fill(&row)),
            Generation::Unified => read_rows(answer)?.filtered(|row| self.unified_fill(&row)),
        })
    }
}

/// An answer about another order than the one that was asked for is no answer.
fn same(order: &OrderRef, number: Option<&str>, client: Option<&str>) -> Result<(), ReadError> {
    let is = match OrderName::of(order) {
        OrderName::Venue(asked) => number == Some(asked.as_str()),
        OrderName::Client(asked) => client.is_some_and(|client| client.parse() == Ok(asked)),
    };
    if is { Ok(()) } else { Err(undecodable(&"an answer about another order")) }
}

fn direction_of(side: Option<&PositionSide>) -> Result<Direction, Unmapped> {
    match side {
        Some(PositionSide::Long) => Ok(Direction::Long),
        Some(PositionSide::Short) => Ok(Direction::Short),
        Some(PositionSide::Net) | None => Err(Unmapped::Missing("position side")),
        Some(PositionSide::Other(word)) => Err(Unmapped::Word("position side", word.clone())),
    }
}

/// One position of a list; `None` for one that is flat. A row without a usable side is refused and not guessed.
pub(crate) fn side_of_position(
    side: Option<&PositionSide>,
    total: Option<Qty>,
    entry: Option<Price>,
) -> Result<Option<(Direction, Qty, Option<Price>)>, Unmapped> {
    let total = total.ok_or(Unmapped::Missing("total"))?;
    if total.is_negative() {
        return Err(Unmapped::Contradiction("a position below zero"));
    }
    if total.is_zero() {
        return Ok(None);
    }
    Ok(Some((direction_of(side)?, total, entry.filter(|price| price.is_positive()))))
}

/// The open positions; contracts and sides that are not listed are flat.
///
/// # Errors
///
/// [`ReadError`]: an empty body is one, and never flat.
pub fn positions(
    generation: Generation,
    sent_at: VenueMillis,
    answer: Answer<'_>,
) -> Result<Rows<PositionReport>, ReadError> {
    let report = |symbol: Option<&str>, side: Option<&PositionSide>, total, entry, at: Option<VenueMillis>| {
        let symbol = symbol_of(symbol, None)?;
        let at = at.filter(|at| at.0 > 0).unwrap_or(sent_at);
        let open = side_of_position(side, total, entry)?;
        Ok::<_, Unmapped>(
            open.map(|(direction, qty, entry_price)| PositionReport { symbol, direction, qty, entry_price, at })
                .into_iter()
                .collect::<Vec<_>>(),
        )
    };
    let rows = match generation {
        Generation::Classic => read_rows(answer)?.filtered(|row: classic::PositionRow| {
            report(row.symbol.as_deref(), row.side.as_ref(), row.total, row.entry, row.updated)
        }),
        Generation::Unified => read_rows(answer)?.filtered(|row: unified::PositionRow| {
            report(row.symbol.as_deref(), row.side.as_ref(), row.total, row.entry, row.updated)
        }),
    };
    Ok(rows.flat())
}

/// A position that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PastPosition {
    /// On which contract.
    pub symbol: Symbol,
    /// Long or short.
    pub direction: Direction,
    /// The funding of all of its life; negative was paid.
    pub funding: Notional,
    /// When it ended.
    pub ended_at: VenueMillis,
}

/// Positions that have ended. An empty field of funding is none.
///
/// # Errors
///
/// [`ReadError`].
pub fn past_positions(generation: Generation, answer: Answer<'_>) -> Result<Rows<PastPosition>, ReadError> {
    let past = |symbol: Option<&str>, side: Option<&PositionSide>, funding: Option<Notional>, ended| {
        Ok::<_, Unmapped>(PastPosition {
            symbol: symbol_of(symbol, None)?,
            direction: direction_of(side)?,
            funding: funding.unwrap_or_default(),
            ended_at: Option::ok_or(ended, Unmapped::Missing("the end of a position"))?,
        })
    };
    Ok(match generation {
        Generation::Classic => read_rows(answer)?.filtered(|row: classic::PastPositionRow| {
            past(row.symbol.as_deref(), row.side.as_ref(), row.funding, row.ended)
        }),
        Generation::Unified => read_rows(answer)?.filtered(|row: unified::PastPositionRow| {
            past(row.symbol.as_deref(), row.side.as_ref(), row.funding, row.ended)
        }),
    })
}

/// The balances by currency. What is free for new positions is the smallest figure that says so.
///
/// # Errors
///
/// [`ReadError`]; no row, or one without its figures, is an error and never an empty account (R109), but for a unified
/// account that says itself that it holds nothing.
pub fn balances(generation: Generation, answer: Answer<'_>) -> Result<Vec<Balance>, ReadError> {
    let rows = match generation {
        Generation::Classic => {
            let rows: Rows<classic::AccountRow> = read_rows(answer)?;
            rows.filtered(|row| {
                let equity = row.equity.ok_or(Unmapped::Missing("accountEquity"))?;
                let open = row.unrealized.unwrap_or_default();
                let free = row.available.ok_or(Unmapped::Missing("available"))?;
                Ok::<_, Unmapped>(Balance {
                    currency: row.coin.ok_or(Unmapped::Missing("marginCoin"))?.to_uppercase(),
                    wallet: equity.checked_sub(open).map_err(|_| Unmapped::Contradiction("a balance"))?,
                    available: row.crossed_available.map_or(free, |crossed| crossed.min(free)),
                })
            })
        }
        Generation::Unified => {
            let reply: unified::AssetsReply = read(answer)?;
            if reply.assets.is_empty() && reply.equity.is_some_and(Notional::is_zero) {
                return Ok(Vec::new());
            }
            let sent = reply.assets.len();
            Rows { rows: reply.assets, complete: true, sent, next: None }.filtered(|row| {
                Ok::<_, Unmapped>(Balance {
                    currency: row.coin.ok_or(Unmapped::Missing("coin"))?,
                    wallet: row.balance.ok_or(Unmapped::Missing("balance"))?,
                    available: row.available.ok_or(Unmapped::Missing("available"))?,
                })
            })
        }
    };
    if !rows.complete || rows.rows.is_empty() {
        return Err(undecodable(&"balances are missing"));
    }
    Ok(rows.rows)
}

/// How the account is set up on one contract, as far as the venue says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Setup {
    /// How it nets.
    pub mode: PositionMode,
    /// How margin backs a position; `None` where the contract is not listed.
    pub margin: Option<MarginMode>,
    /// The leverage of longs and of shorts in that margin mode.
    pub leverage: Option<(i64, i64)>,
}

fn mode_of(word: Option<&HoldMode>) -> Result<PositionMode, ReadError> {
    match word {
        Some(HoldMode::OneWay) => Ok(PositionMode::OneWay),
        Some(HoldMode::Hedge) => Ok(PositionMode::Hedge),
        Some(HoldMode::Other(word)) => Err(undecodable(&format_args!("position mode `{word}`"))),
        None => Err(undecodable(&"no position mode")),
    }
}

fn margin_of(word: Option<&CompactString>) -> Result<Option<MarginMode>, ReadError> {
    let Some(word) = word else { return Ok(None) };
    margin_mode_of(word).map(Some).ok_or_else(|| undecodable(&format_args!("margin mode `{word}`")))
}

/// The setup of the contract that a classic account was asked about.
///
/// # Errors
///
/// [`ReadError`]: a margin mode that is not known is one, never a guess (R108).
pub fn classic_setup(answer: Answer<'_>) -> Result<Setup, ReadError> {
    let row: classic::AccountRow = read(answer)?;
    let margin = margin_of(row.margin_mode.as_ref())?;
    let leverage = match margin {
        Some(MarginMode::Cross) => row.crossed_leverage.map(|both| (both, both)),
        Some(MarginMode::Isolated) => row.long_leverage.zip(row.short_leverage),
        None => None,
    };
    Ok(Setup { mode: mode_of(row.hold_mode.as_ref())?, margin, leverage })
}

/// The setup of a contract in the settings of a unified account.
///
/// # Errors
///
/// [`ReadError::Refused`] where the account is on its way from one generation to the other and not to be traded;
/// otherwise as [`classic_setup`].
pub fn unified_setup(symbol: &Symbol, product: Product, answer: Answer<'_>) -> Result<Setup, ReadError> {
    let reply: unified::SettingsReply = read(answer)?;
    match &reply.account_mode {
        None | Some(AccountMode::Unified | AccountMode::Hybrid) => {}
        Some(word) => return Err(ReadError::Refused(format!("the account is `{word}`").into())),
    }
    let row = reply.symbols.iter().find(|row| {
        row.symbol.as_deref().is_some_and(|of| of.eq_ignore_ascii_case(symbol.as_str()))
            && row.category.as_deref().is_none_or(|of| of.eq_ignore_ascii_case(product.as_str()))
    });
    Ok(Setup {
        mode: mode_of(reply.hold_mode.as_ref())?,
        margin: margin_of(row.and_then(|row| row.margin_mode.as_ref()))?,
        leverage: row.and_then(|row| row.leverage).map(|both| (both, both)),
    })
}

/// How margin backs what is open on a contract; `None` where nothing is, or the rows do not say it.
///
/// # Errors
///
/// [`ReadError`]: a margin mode that is not known is one, never a guess (R108).
pub fn margin_of_position(symbol: &Symbol, answer: Answer<'_>) -> Result<Option<MarginMode>, ReadError> {
    let rows = read_rows(answer)?.filtered(|row: unified::PositionRow| {
        let it = row.symbol.as_deref().is_some_and(|of| of.eq_ignore_ascii_case(symbol.as_str()));
        let open = row.total.is_some_and(|total| !total.is_zero());
        Ok::<_, Unmapped>(row.margin_mode.filter(|_| it && open).into_iter().collect::<Vec<_>>())
    });
    margin_of(rows.flat().rows.first())
}

/// Which generation the account is of, by the answer to a probe of `probed` (R106).
///
/// # Errors
///
/// [`ReadError`] where the answer says neither: keep what was known, and do not trade.
pub fn generation(probed: Generation, answer: Answer<'_>) -> Result<Generation, ReadError> {
    match open(answer) {
        Ok(success) if success.data.is_some() => Ok(probed),
        Ok(_) => Err(undecodable(&"a success without data")),
        Err(failure) => failure.belongs_to().ok_or_else(|| failure.read_error()),
    }
}

/// The venue's clock.
///
/// # Errors
///
/// [`ReadError`].
pub fn server_time(answer: Answer<'_>) -> Result<VenueMillis, ReadError> {
    read::<classic::TimeReply>(answer)?.server_time.filter(|at| at.0 > 0).ok_or_else(|| undecodable(&"no serverTime"))
}

/// The mark prices of the contracts that were asked for.
///
/// # Errors
///
/// [`ReadError`].
pub fn marks(answer: Answer<'_>) -> Result<Rows<Mark>, ReadError> {
    let rows: Rows<classic::PriceRow> = read_rows(answer)?;
    Ok(rows.filtered(|row| mark_of(row.symbol.as_deref(), row.mark, row.at)))
}

pub(crate) fn mark_of(symbol: Option<&str>, price: Option<Price>, at: Option<VenueMillis>) -> Result<Mark, Unmapped> {
    Ok(Mark {
        symbol: symbol_of(symbol, None)?,
        price: price.filter(|price| price.is_positive()).ok_or(Unmapped::Missing("mark price"))?,
        at: at.ok_or(Unmapped::Missing("time"))?,
    })
}

/// Maker and taker rate of a classic account.
///
/// # Errors
///
/// [`ReadError`].
pub fn fee_rates(answer: Answer<'_>) -> Result<(Factor, Factor), ReadError> {
    let reply: classic::RateReply = read(answer)?;
    match (reply.maker, reply.taker) {
        (Some(maker), Some(taker)) => Ok((maker, taker)),
        _ => Err(undecodable(&"a fee rate is missing")),
    }
}

/// What the key of a classic account may do. The words for rights are documented nowhere: one that speaks of
/// withdrawing is believed, everything else is unknown.
///
/// # Errors
///
/// [`ReadError`].
pub fn key_rights(answer: Answer<'_>) -> Result<KeyRights, ReadError> {
    let reply: classic::ProbeReply = read(answer)?;
    let withdraws = reply.authorities.iter().any(|word| word.to_ascii_lowercase().contains("withdraw"));
    Ok(KeyRights { trade: None, withdraw: withdraws.then_some(true) })
}
