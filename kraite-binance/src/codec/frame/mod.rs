//! Frames of the streams, raw or wrapped with the name of their stream.

mod account;
mod algo;
mod mark;
mod order;

pub use account::{
    AccountUpdate, AccountUpdateBody, BalanceChange, ExpiredKey, MarginCall, PositionAtRisk, PositionChange,
};
pub use algo::{AlgoUpdate, AlgoUpdateBody};
pub use mark::MarkUpdate;
pub use order::{OrderUpdate, OrderUpdateBody, TradeLite};

use compact_str::CompactString;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::failure::Failure;
use super::{plain, scalar};

/// One frame.
#[derive(Debug)]
pub enum Frame {
    /// A regular order changed.
    Order(Box<OrderUpdate>),
    /// A conditional order changed.
    Algo(Box<AlgoUpdate>),
    /// Balances or positions changed.
    Account(AccountUpdate),
    /// A fill, told early and without its fee; told again as [`Frame::Order`].
    TradeLite(Box<TradeLite>),
    /// Margin runs out. Guidance only; may come after the liquidation.
    MarginCall(MarginCall),
    /// The listen key is gone: the socket stays open and silent from here on.
    ListenKeyExpired(ExpiredKey),
    /// The mark price of one contract.
    Mark(MarkUpdate),
    /// The mark prices of many.
    Marks(Vec<MarkUpdate>),
    /// The answer to a subscription.
    Answered {
        /// The number of the request; `None` where it was not understood.
        id: Option<i64>,
        /// Why it failed, if it did.
        failure: Option<Failure>,
    },
    /// An event that is of no use here, or not known; to be counted, never a reason to drop the stream.
    Other(CompactString),
}

/// A frame that cannot be read. The stream goes on; what the frame would have said is found by query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a frame that cannot be read: {0}")]
pub struct FrameError(CompactString);

impl FrameError {
    fn of(error: &serde_json::Error) -> Self {
        // A message of serde may quote the frame; of the listen key it would quote only its type.
        Self(error.to_string().chars().take(120).collect())
    }
}

/// What is looked at to tell frames apart; all else is skipped without being built.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default, deserialize_with = "scalar::text")]
    e: Option<CompactString>,
    #[serde(default, borrow)]
    data: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "scalar::whole")]
    id: Option<i64>,
    #[serde(default)]
    error: Option<ErrorBody>,
    #[serde(default, deserialize_with = "scalar::whole")]
    code: Option<i64>,
    #[serde(default, deserialize_with = "scalar::text")]
    msg: Option<CompactString>,
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(default, deserialize_with = "scalar::whole")]
    code: Option<i64>,
    #[serde(default, deserialize_with = "scalar::text")]
    msg: Option<CompactString>,
}

impl Frame {
    /// Reads a frame of any stream.
    ///
    /// # Errors
    ///
    /// [`FrameError`] where it is no JSON, or an event that is used lacks its shape.
    pub fn read(bytes: &[u8]) -> Result<Self, FrameError> {
        let text = std::str::from_utf8(bytes).map_err(|_| FrameError("no UTF-8".into()))?;
        let text = text.trim_ascii();
        if let Some(event) = leading_event(text) {
            return Self::of_event(event, text, Checked::No);
        }
        if text.starts_with('[') {
            return json(text).map(Self::Marks);
        }
        let envelope: Envelope<'_> = json(text)?;
        if let Some(event) = &envelope.e {
            return Self::of_event(event, text, Checked::Yes);
        }
        match envelope.data {
            Some(data) => Self::of_payload(data.get()),
            None => Ok(envelope.answered()),
        }
    }

    /// The payload of a wrapped frame; a wrapping inside a wrapping is not looked into.
    fn of_payload(text: &str) -> Result<Self, FrameError> {
        if text.starts_with('[') {
            return json(text).map(Self::Marks);
        }
        if let Some(event) = leading_event(text) {
            return Self::of_event(event, text, Checked::Yes);
        }
        match json::<Envelope<'_>>(text)?.e {
            Some(event) => Self::of_event(&event, text, Checked::Yes),
            None => Ok(Self::Other("no event".into())),
        }
    }

    fn of_event(event: &str, text: &str, checked: Checked) -> Result<Self, FrameError> {
        Ok(match event {
            "ORDER_TRADE_UPDATE" => Self::Order(match plain::order_update(text) {
                Some(update) => Box::new(update),
                None => json(text)?,
            }),
            "ALGO_UPDATE" => Self::Algo(json(text)?),
            "ACCOUNT_UPDATE" => Self::Account(json(text)?),
            "TRADE_LITE" => Self::TradeLite(json(text)?),
            "MARGIN_CALL" => Self::MarginCall(json(text)?),
            "listenKeyExpired" => Self::ListenKeyExpired(json(text)?),
            "markPriceUpdate" => Self::Mark(json(text)?),
            other => {
                // Even what is not used has to be JSON.
                if checked == Checked::No {
                    let _: serde::de::IgnoredAny = json(text)?;
                }
                Self::Other(other.chars().take(40).collect())
            }
        })
    }
}

impl Envelope<'_> {
    fn answered(self) -> Frame {
        let (code, msg) = match self.error {
            Some(body) => (body.code, body.msg),
            None => (self.code, self.msg),
        };
        if code.is_none() && self.id.is_none() {
            return Frame::Other("no event".into());
        }
        let failure = code.map(|code| Failure::embedded(code, msg.as_deref().unwrap_or_default()));
        Frame::Answered { id: self.id, failure }
    }
}

/// Whether a text is known to be JSON, as what an envelope wraps is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Checked {
    Yes,
    No,
}

/// The event, where a frame begins with it, as those of the venue do.
fn leading_event(text: &str) -> Option<&str> {
    let (event, _) = text.strip_prefix(r#"{"e":""#)?.split_once('"')?;
    (!event.contains('\\')).then_some(event)
}

fn json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, FrameError> {
    serde_json::from_str(text).map_err(|error| FrameError::of(&error))
}
