//! The venue's answers as plain structs. Every field that the venue may leave out is optional: since July 2026
//! mutating replies have neither an average price nor a quote sum, and more may go (R15).

mod account;
mod algo;
mod market;
mod order;

pub(crate) use account::secret;
pub use account::{
    AccountReply, BalanceRow, CodeReply, CommissionReply, IncomeRow, LeverageReply, ListenKeyReply, ModeReply,
    PositionRow, RestrictionsReply,
};
pub use algo::AlgoReply;
pub use market::{PremiumReply, TimeReply};
pub use order::{OrderReply, TradeRow};

use kraite_core::exchange::ReadError;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::failure::{Answer, Failure};

/// The most rows that a list may have. The longest that the venue sends is that of all open orders, 200 on each of some
/// hundred contracts at most; rows that say nothing are a hundred times as large here as on the wire.
pub const MAX_ROWS: usize = 50_000;

/// The rows of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows<T> {
    /// What could be read.
    pub rows: Vec<T>,
    /// False where a row could not: the list proves no absence then.
    pub complete: bool,
    /// How many rows the venue sent; a full page means that there may be more.
    pub sent: usize,
}

impl<T> Rows<T> {
    /// The rows through `to`; those it cannot take make the list incomplete.
    pub(crate) fn filtered<U, E>(self, mut to: impl FnMut(T) -> Result<U, E>) -> Rows<U> {
        let before = self.rows.len();
        let rows: Vec<U> = self.rows.into_iter().filter_map(|row| to(row).ok()).collect();
        Rows { complete: self.complete && rows.len() == before, rows, sent: self.sent }
    }
}

/// Reads the body of a successful answer.
///
/// # Errors
///
/// What the failure means for a reader, or [`ReadError::Undecodable`].
pub fn read<'a, T: Deserialize<'a>>(answer: Answer<'a>) -> Result<T, ReadError> {
    if !answer.is_success() {
        return Err(Failure::of(answer).read_error());
    }
    serde_json::from_slice(answer.body).map_err(|error| undecodable(&error))
}

/// Reads a list row by row: one that is malformed does not hide the others.
///
/// # Errors
///
/// What the failure means for a reader, or [`ReadError::Undecodable`] where the body is no list, or one of more than
/// [`MAX_ROWS`].
pub fn read_rows<'a, T: Deserialize<'a>>(answer: Answer<'a>) -> Result<Rows<T>, ReadError> {
    let raw: Vec<&'a RawValue> = read(answer)?;
    let sent = raw.len();
    if sent > MAX_ROWS {
        return Err(undecodable(&format_args!("{sent} rows; more than {MAX_ROWS} are no list of the venue")));
    }
    let rows: Vec<T> = raw.into_iter().filter_map(|row| serde_json::from_str(row.get()).ok()).collect();
    Ok(Rows { complete: rows.len() == sent, rows, sent })
}

pub(crate) fn undecodable(why: &impl std::fmt::Display) -> ReadError {
    ReadError::Undecodable(why.to_string().chars().take(200).collect())
}
