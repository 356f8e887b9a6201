//! From answers to the readings of requests that change nothing.

use kraite_core::exchange::{
    Balance, KeyRights, Lookup, Mark, OrderRef, OrderReport, Payment, PositionMode, PositionReport, ReadError, Service,
};
use kraite_core::number::Factor;
use kraite_core::time::VenueMillis;
use serde_json::value::RawValue;

use super::events::{PushedOrRead, mark_of, sides_of};
use super::failure::{Answer, Failure, Verdict};
use super::ids::OrderName;
use super::interpret::{Asked, Fill, Interpreter, Unmapped, symbol_of};
use super::reply::{
    AlgoReply, BalanceRow, CommissionReply, IncomeRow, ListenKeyReply, ModeReply, OrderReply, PositionRow,
    PremiumReply, RestrictionsReply, Rows, TimeReply, TradeRow, read, read_rows, undecodable,
};

impl Interpreter {
    /// What asking for one order gave.
    ///
    /// A conditional order that fired is found together with what it says of its child.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; an order in a state that is not known is undecodable, never missing (C10).
    pub fn looked_up(
        &mut self,
        order: &OrderRef,
        sent_at: VenueMillis,
        answer: Answer<'_>,
    ) -> Result<Lookup, ReadError> {
        if !answer.is_success() {
            let failure = Failure::of(answer);
            return if failure.verdict == Verdict::NotFound { Ok(Lookup::NotFound) } else { Err(failure.read_error()) };
        }
        let asked = Asked { symbol: Some(&order.symbol), id: None, side: None, direction: None, sent_at };
        let found: Vec<OrderReport> = if order.service == Service::Conditional {
            let reply: AlgoReply = read(answer)?;
            same(OrderName::of(order), reply.algo_id, reply.client_algo_id.as_deref())?;
            self.algo(&reply, asked).map_err(|why| undecodable(&why))?.into_reports().collect()
        } else {
            let reply: OrderReply = read(answer)?;
            same(OrderName::of(order), reply.order_id, reply.client_order_id.as_deref())?;
            vec![self.order(&reply, asked).map_err(|why| undecodable(&why))?]
        };
        Ok(Lookup::Found(found))
    }

    /// Rows of regular orders: openOrders, allOrders.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn orders(&self, sent_at: VenueMillis, answer: Answer<'_>) -> Result<Rows<OrderReport>, ReadError> {
        let rows: Rows<OrderReply> = read_rows(answer)?;
        Ok(rows.filtered(|row| self.order(&row, Asked::at(sent_at))))
    }

    /// Rows of conditional orders, with their children: openAlgoOrders, allAlgoOrders.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn algos(&mut self, sent_at: VenueMillis, answer: Answer<'_>) -> Result<Rows<OrderReport>, ReadError> {
        let rows: Rows<AlgoReply> = read_rows(answer)?;
        let sent = rows.sent;
        let pairs = rows.filtered(|row| self.algo(&row, Asked::at(sent_at)));
        let reports = pairs.rows.into_iter().flat_map(super::interpret::AlgoReports::into_reports).collect();
        Ok(Rows { rows: reports, complete: pairs.complete, sent })
    }

    /// Rows of trades.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn fills(&self, answer: Answer<'_>) -> Result<Rows<Fill>, ReadError> {
        let rows: Rows<TradeRow> = read_rows(answer)?;
        Ok(rows.filtered(|row| self.fill(&row)))
    }
}

/// An answer about another order than the one that was asked for is no answer.
fn same(name: OrderName, number: Option<i64>, client: Option<&str>) -> Result<(), ReadError> {
    let is = match name {
        OrderName::Venue(asked) => number == Some(asked),
        OrderName::Client(asked) => client.is_some_and(|client| client.parse() == Ok(asked)),
    };
    if is { Ok(()) } else { Err(undecodable(&"an answer about another order")) }
}

/// The open positions; contracts and sides that are not listed are flat.
///
/// # Errors
///
/// [`ReadError`].
pub fn positions(sent_at: VenueMillis, answer: Answer<'_>) -> Result<Rows<PositionReport>, ReadError> {
    let rows: Rows<PositionRow> = read_rows(answer)?;
    let sent = rows.sent;
    let sides = rows.filtered(|row| {
        let symbol = symbol_of(row.symbol.as_deref(), None)?;
        let at = row.update_time.filter(|at| at.0 > 0).unwrap_or(sent_at);
        let sides = sides_of(row.position_side.as_ref(), row.position_amt, row.entry_price, PushedOrRead::Read)?;
        Ok::<_, Unmapped>(sides.map(|side| {
            side.map(|(direction, qty, entry_price)| PositionReport {
                symbol: symbol.clone(),
                direction,
                qty,
                entry_price,
                at,
            })
        }))
    });
    Ok(Rows { rows: sides.rows.into_iter().flatten().flatten().collect(), complete: sides.complete, sent })
}

/// Funding payments with their numbers; rows of another kind are none.
///
/// # Errors
///
/// [`ReadError`].
pub fn funding(answer: Answer<'_>) -> Result<Rows<(i64, Payment)>, ReadError> {
    let rows: Rows<IncomeRow> = read_rows(answer)?;
    Ok(rows.filtered(|row| {
        if row.income_type.as_deref() != Some("FUNDING_FEE") {
            return Err(Unmapped::Missing("incomeType"));
        }
        let amount = row.income.ok_or(Unmapped::Missing("income"))?;
        let at = row.time.ok_or(Unmapped::Missing("time"))?;
        Ok((row.tran_id.ok_or(Unmapped::Missing("tranId"))?, Payment { at, amount }))
    }))
}

/// The balances by currency, from `balance` or the assets of `account`.
///
/// # Errors
///
/// [`ReadError`]; no row, or one without its figures, is an error and never an empty account (R109).
pub fn balances(answer: Answer<'_>) -> Result<Vec<Balance>, ReadError> {
    let rows: Rows<BalanceRow> = read_rows(answer)?;
    balances_of(rows)
}

/// The balances of the answer of `account`.
///
/// # Errors
///
/// As [`balances`].
pub fn account_balances(answer: Answer<'_>) -> Result<Vec<Balance>, ReadError> {
    let account: super::reply::AccountReply = read(answer)?;
    let sent = account.assets.len();
    balances_of(Rows { rows: account.assets, complete: true, sent })
}

fn balances_of(rows: Rows<BalanceRow>) -> Result<Vec<Balance>, ReadError> {
    let rows = rows.filtered(|row| {
        Ok::<_, Unmapped>(Balance {
            currency: row.asset.ok_or(Unmapped::Missing("asset"))?,
            wallet: row.balance.or(row.wallet_balance).ok_or(Unmapped::Missing("balance"))?,
            available: row.available_balance.ok_or(Unmapped::Missing("availableBalance"))?,
        })
    });
    if !rows.complete || rows.rows.is_empty() {
        return Err(undecodable(&"balances are missing"));
    }
    Ok(rows.rows)
}

/// The venue's clock.
///
/// # Errors
///
/// [`ReadError`].
pub fn server_time(answer: Answer<'_>) -> Result<VenueMillis, ReadError> {
    read::<TimeReply>(answer)?.server_time.filter(|at| at.0 > 0).ok_or_else(|| undecodable(&"no serverTime"))
}

/// The mark price of one contract, or of many.
///
/// # Errors
///
/// [`ReadError`].
pub fn marks(answer: Answer<'_>) -> Result<Rows<Mark>, ReadError> {
    let raw: &RawValue = read(answer)?;
    let rows: Rows<PremiumReply> = if raw.get().starts_with('[') {
        read_rows(answer)?
    } else {
        Rows { rows: vec![read(answer)?], complete: true, sent: 1 }
    };
    Ok(rows.filtered(|row| mark_of(row.symbol.as_deref(), row.mark_price, row.time)))
}

/// How the account nets.
///
/// # Errors
///
/// [`ReadError`].
pub fn position_mode(answer: Answer<'_>) -> Result<PositionMode, ReadError> {
    match read::<ModeReply>(answer)?.dual_side_position {
        Some(true) => Ok(PositionMode::Hedge),
        Some(false) => Ok(PositionMode::OneWay),
        None => Err(undecodable(&"no dualSidePosition")),
    }
}

/// Maker and taker rate.
///
/// # Errors
///
/// [`ReadError`].
pub fn fee_rates(answer: Answer<'_>) -> Result<(Factor, Factor), ReadError> {
    let reply: CommissionReply = read(answer)?;
    match (reply.maker_commission_rate, reply.taker_commission_rate) {
        (Some(maker), Some(taker)) => Ok((maker, taker)),
        _ => Err(undecodable(&"a commission rate is missing")),
    }
}

/// What the key may do. Withdrawing is every way out of the account; one that is not answered for is unknown.
///
/// # Errors
///
/// [`ReadError`].
pub fn key_rights(answer: Answer<'_>) -> Result<KeyRights, ReadError> {
    let reply: RestrictionsReply = read(answer)?;
    let ways = [reply.enable_withdrawals, reply.enable_internal_transfer, reply.permits_universal_transfer];
    let withdraw = if ways.contains(&Some(true)) {
        Some(true)
    } else if ways.contains(&None) {
        None
    } else {
        Some(false)
    };
    Ok(KeyRights { trade: reply.enable_futures, withdraw })
}

/// The listen key of the account stream.
///
/// # Errors
///
/// [`ReadError`]; an error text never holds the key.
pub fn listen_key(answer: Answer<'_>) -> Result<secrecy::SecretString, ReadError> {
    if !answer.is_success() {
        return Err(Failure::of(answer).read_error());
    }
    let reply: Option<ListenKeyReply> = serde_json::from_slice(answer.body).ok();
    reply.and_then(|reply| reply.listen_key).ok_or_else(|| undecodable(&"no listenKey"))
}
