//! The venue's answers: one envelope, in which success is the code `00000` and nothing else (R21), and rows as plain
//! structs, of which every field may be left out (R15). [`classic`] and [`unified`] have the same names for the same
//! things.

pub mod classic;
pub mod unified;

use std::collections::BTreeMap;

use compact_str::CompactString;
use kraite_core::exchange::ReadError;
use kraite_core::time::VenueMillis;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::failure::{Answer, Failure};
use super::scalar;

/// The most rows that a list may have: far more than a page, since the lists without pages are bounded by the account's
/// limits of some hundred orders.
pub const MAX_ROWS: usize = 50_000;
/// The one code of success.
const SUCCESS: &str = "00000";
/// Under which a list stands where it is not the whole of the data.
const LISTS: &[&str] = &["list", "entrustedList", "fillList", "orderList"];

/// A struct of which every field may be missing, `null` or empty on the wire.
macro_rules! row {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $field:ident: $type:ty = $wire:literal $how:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
        pub struct $name {
            $(
                $(#[$of])*
                #[serde(default, rename = $wire, deserialize_with = $how)]
                pub $field: $type,
            )*
        }
    };
}
pub(crate) use row;

/// The data of a success, and when it was said.
#[derive(Debug, Clone, Copy)]
pub struct Success<'a> {
    /// The venue's clock.
    pub at: Option<VenueMillis>,
    /// What was answered; `None` for nothing and for `null`.
    pub data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default, deserialize_with = "scalar::text")]
    code: Option<CompactString>,
    #[serde(default, rename = "requestTime", deserialize_with = "scalar::instant")]
    at: Option<VenueMillis>,
    #[serde(default, borrow)]
    data: Option<&'a RawValue>,
}

/// Opens the envelope of an answer.
///
/// # Errors
///
/// The [`Failure`] of everything that is no success: an error of any status, an empty body, another shape.
pub fn open(answer: Answer<'_>) -> Result<Success<'_>, Failure> {
    if answer.is_2xx()
        && let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(answer.body)
        && envelope.code.as_deref() == Some(SUCCESS)
    {
        let data = envelope.data.filter(|data| data.get() != "null");
        return Ok(Success { at: envelope.at.filter(|at| at.0 > 0), data });
    }
    Err(Failure::of(answer))
}

row! {
    /// The ids of an order, which is all that placing, changing and cancelling answer.
    IdReply {
        /// The venue's id; `null` where an order replaced others, or a change made another one.
        order_id: Option<CompactString> = "orderId" "scalar::text",
        /// The id it was placed under.
        client_id: Option<CompactString> = "clientOid" "scalar::text",
    }
}

row! {
    /// One item of a call about several orders.
    ItemReply {
        /// The venue's id.
        order_id: Option<CompactString> = "orderId" "scalar::text",
        /// The id it was placed under.
        client_id: Option<CompactString> = "clientOid" "scalar::text",
        /// On which contract.
        symbol: Option<CompactString> = "symbol" "scalar::text",
        /// Why not, of the classic API.
        error_code: Option<i64> = "errorCode" "scalar::whole",
        /// Its words.
        error_msg: Option<CompactString> = "errorMsg" "scalar::text",
        /// Why not, of the unified API; zero or empty where it was done.
        code: Option<i64> = "code" "scalar::whole",
        /// Its words.
        msg: Option<CompactString> = "msg" "scalar::text",
    }
}

/// The two lists of a classic call about several orders; both are there, empty or not.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListsReply {
    /// What was done.
    pub success_list: Option<Vec<ItemReply>>,
    /// What was not.
    pub failure_list: Option<Vec<ItemReply>>,
}

/// A fee as part of a trade or an order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct FeePart {
    /// In which currency.
    #[serde(default, rename = "feeCoin", deserialize_with = "scalar::text")]
    pub coin: Option<CompactString>,
    /// How much, as classic trades call it; negative for a cost.
    #[serde(default, rename = "totalFee", deserialize_with = "scalar::decimal")]
    pub total: Option<kraite_core::number::Notional>,
    /// How much, as unified trades call it; positive for a cost.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub fee: Option<kraite_core::number::Notional>,
}

/// The rows of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows<T> {
    /// What could be read.
    pub rows: Vec<T>,
    /// False where a row could not: the list proves no absence then.
    pub complete: bool,
    /// How many rows the venue sent; a full page means that there may be more.
    pub sent: usize,
    /// Where the next page begins, where the venue says so: an id or a cursor.
    pub next: Option<CompactString>,
}

impl<T> Rows<T> {
    /// The rows through `to`; those it cannot take make the list incomplete.
    pub(crate) fn filtered<U, E>(self, mut to: impl FnMut(T) -> Result<U, E>) -> Rows<U> {
        let before = self.rows.len();
        let rows: Vec<U> = self.rows.into_iter().filter_map(|row| to(row).ok()).collect();
        Rows { complete: self.complete && rows.len() == before, rows, sent: self.sent, next: self.next }
    }
}

impl<T> Rows<Vec<T>> {
    pub(crate) fn flat(self) -> Rows<T> {
        let Self { rows, complete, sent, next } = self;
        Rows { rows: rows.into_iter().flatten().collect(), complete, sent, next }
    }
}

/// Reads the data of a successful answer.
///
/// # Errors
///
/// What the failure means for a reader, or [`ReadError::Undecodable`].
pub fn read<'a, T: Deserialize<'a>>(answer: Answer<'a>) -> Result<T, ReadError> {
    object(data_of(answer)?).map_err(|error| undecodable(&error))
}

fn data_of(answer: Answer<'_>) -> Result<&RawValue, ReadError> {
    let success = open(answer).map_err(|failure| failure.read_error())?;
    success.data.ok_or_else(|| undecodable(&"a success without data"))
}

/// Reads a struct from an object alone: by itself a list would do too, field by field in the order of the struct.
pub(crate) fn object<'a, T: Deserialize<'a>>(data: &'a RawValue) -> Result<T, serde_json::Error> {
    if data.get().starts_with('{') {
        serde_json::from_str(data.get())
    } else {
        Err(serde::de::Error::custom("no object"))
    }
}

/// Reads a list row by row: one that is malformed does not hide the others. The list is the data itself, or stands in
/// it under one of its names, where `null` is an empty one.
///
/// # Errors
///
/// What the failure means for a reader, or [`ReadError::Undecodable`] where there is no list, or one of more than
/// [`MAX_ROWS`]: nothing at all is never an empty list.
pub fn read_rows<'a, T: Deserialize<'a>>(answer: Answer<'a>) -> Result<Rows<T>, ReadError> {
    rows_of(data_of(answer)?)
}

pub(crate) fn rows_of<'a, T: Deserialize<'a>>(data: &'a RawValue) -> Result<Rows<T>, ReadError> {
    let (list, next) = if data.get().starts_with('{') {
        let fields: BTreeMap<String, &RawValue> =
            serde_json::from_str(data.get()).map_err(|error| undecodable(&error))?;
        let list = LISTS.iter().find_map(|name| fields.get(*name)).ok_or_else(|| undecodable(&"no list"))?;
        let text = |name| fields.get(name).and_then(|raw| serde_json::from_str::<Text>(raw.get()).ok()?.0);
        (*list, text("endId").or_else(|| text("cursor")))
    } else {
        (data, None)
    };
    let raw: Option<Vec<&RawValue>> = serde_json::from_str(list.get()).map_err(|error| undecodable(&error))?;
    let raw = raw.unwrap_or_default();
    let sent = raw.len();
    if sent > MAX_ROWS {
        return Err(undecodable(&format_args!("{sent} rows; more than {MAX_ROWS} are no list of the venue")));
    }
    let rows: Vec<T> = raw.into_iter().filter_map(|row| object(row).ok()).collect();
    Ok(Rows { complete: rows.len() == sent, rows, sent, next })
}

#[derive(Deserialize)]
struct Text(#[serde(deserialize_with = "scalar::text")] Option<CompactString>);

pub(crate) fn undecodable(why: &impl std::fmt::Display) -> ReadError {
    ReadError::Undecodable(why.to_string().chars().take(200).collect())
}
