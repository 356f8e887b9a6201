//! Frames of the sockets of both generations. Their heartbeat is a text of four letters, not a frame of the protocol.

pub mod classic;
pub mod unified;

use compact_str::CompactString;
use kraite_core::time::VenueMillis;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::failure::Failure;
use super::reply::rows_of;
use super::scalar;

/// What is sent to keep a connection; without it the venue closes after two minutes.
pub const PING: &str = "ping";
/// What it answers.
pub const PONG: &str = "pong";

/// The rows of one push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push<T> {
    /// What could be read.
    pub rows: Vec<T>,
    /// False where a row could not.
    pub complete: bool,
    /// When it was sent.
    pub at: Option<VenueMillis>,
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The answer to a ping.
    Pong,
    /// The connection is signed in.
    LoggedOn,
    /// A channel is active.
    Subscribed(CompactString),
    /// Signing in or subscribing failed, the channel named where one is: the session is of no use.
    Refused {
        /// Which channel.
        channel: Option<CompactString>,
        /// Why.
        failure: Failure,
    },
    /// Classic `orders`.
    ClassicOrders(Push<classic::OrderUpdate>),
    /// Classic `orders-algo`: plans.
    ClassicPlans(Push<classic::PlanUpdate>),
    /// Classic `positions`: what is open. What is not listed is not thereby flat.
    ClassicPositions(Push<classic::PositionUpdate>),
    /// Classic `fill`.
    ClassicFills(Push<classic::FillUpdate>),
    /// Classic `account`.
    ClassicAccount(Push<classic::AccountUpdate>),
    /// Unified `order`.
    UnifiedOrders(Push<unified::OrderUpdate>),
    /// Unified `strategy-order`.
    UnifiedStrategies(Push<super::reply::unified::StrategyRow>),
    /// Unified `position`.
    UnifiedPositions(Push<unified::PositionUpdate>),
    /// Unified `fill` and `fast-fill`.
    UnifiedFills(Push<unified::FillUpdate>),
    /// Unified `account`.
    UnifiedAccount(Push<unified::AccountUpdate>),
    /// Public `ticker`, of both.
    Tickers(Push<TickerUpdate>),
    /// A frame that is of no use here, or not known; to be counted, never a reason to drop the stream.
    Other(CompactString),
}

super::reply::row! {
    /// The mark price of a contract.
    TickerUpdate {
        /// On which contract, as the classic stream says it.
        instrument: Option<CompactString> = "instId" "scalar::text",
        /// On which contract, as the unified stream says it.
        symbol: Option<CompactString> = "symbol" "scalar::text",
        /// The mark price.
        mark: Option<kraite_core::number::Price> = "markPrice" "scalar::decimal",
        /// When this was so.
        at: Option<VenueMillis> = "ts" "scalar::instant",
    }
}

/// A frame that cannot be read. The stream goes on; what the frame would have said is found by query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a frame that cannot be read: {0}")]
pub struct FrameError(CompactString);

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default, deserialize_with = "scalar::text")]
    event: Option<CompactString>,
    #[serde(default, deserialize_with = "scalar::whole")]
    code: Option<i64>,
    #[serde(default, deserialize_with = "scalar::text")]
    msg: Option<CompactString>,
    #[serde(default)]
    arg: Option<Argument>,
    #[serde(default, borrow)]
    data: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "scalar::instant")]
    ts: Option<VenueMillis>,
}

#[derive(Deserialize)]
struct Argument {
    #[serde(default, deserialize_with = "scalar::text")]
    channel: Option<CompactString>,
    #[serde(default, deserialize_with = "scalar::text")]
    topic: Option<CompactString>,
    #[serde(default, rename = "instId", deserialize_with = "scalar::text")]
    instrument: Option<CompactString>,
    #[serde(default, deserialize_with = "scalar::text")]
    symbol: Option<CompactString>,
}

impl Frame {
    /// Reads a frame of any of the sockets.
    ///
    /// # Errors
    ///
    /// [`FrameError`] where it is no JSON, or a push that is used has no rows.
    pub fn read(bytes: &[u8]) -> Result<Self, FrameError> {
        let text = std::str::from_utf8(bytes).map_err(|_| FrameError("no UTF-8".into()))?.trim_ascii();
        if text == PONG {
            return Ok(Self::Pong);
        }
        let frame: Envelope<'_> = serde_json::from_str(text).map_err(|error| FrameError(short(&error)))?;
        match (&frame.event, frame.data) {
            (Some(event), _) => Ok(frame.answered(event)),
            (None, Some(data)) => frame.pushed(data),
            (None, None) => Ok(Self::Other("no event".into())),
        }
    }
}

fn short(error: &impl std::fmt::Display) -> CompactString {
    error.to_string().chars().take(120).collect()
}

impl Envelope<'_> {
    fn channel(&self) -> Option<CompactString> {
        let arg = self.arg.as_ref()?;
        arg.channel.clone().or_else(|| arg.topic.clone())
    }

    fn answered(&self, event: &str) -> Frame {
        // A number or a text of it, with or without zeros in front.
        let fails = self.code.is_some_and(|code| code != 0);
        match event {
            "login" if !fails => Frame::LoggedOn,
            "subscribe" if !fails => Frame::Subscribed(self.channel().unwrap_or_default()),
            "login" | "subscribe" | "error" => {
                let failure = Failure::embedded(self.code, self.msg.as_deref().unwrap_or_default());
                Frame::Refused { channel: self.channel(), failure }
            }
            other => Frame::Other(other.chars().take(40).collect()),
        }
    }

    fn pushed(&self, data: &RawValue) -> Result<Frame, FrameError> {
        let Some(arg) = &self.arg else { return Ok(Frame::Other("no channel".into())) };
        let at = self.ts;
        Ok(match (arg.channel.as_deref(), arg.topic.as_deref()) {
            (Some("orders"), None) => Frame::ClassicOrders(push(data, at)?),
            (Some("orders-algo"), None) => Frame::ClassicPlans(push(data, at)?),
            (Some("positions"), None) => Frame::ClassicPositions(push(data, at)?),
            (Some("fill"), None) => Frame::ClassicFills(push(data, at)?),
            (Some("account"), None) => Frame::ClassicAccount(push(data, at)?),
            (None, Some("order")) => Frame::UnifiedOrders(push(data, at)?),
            (None, Some("strategy-order")) => Frame::UnifiedStrategies(push(data, at)?),
            (None, Some("position")) => Frame::UnifiedPositions(push(data, at)?),
            (None, Some("fill" | "fast-fill")) => Frame::UnifiedFills(push(data, at)?),
            (None, Some("account")) => Frame::UnifiedAccount(push(data, at)?),
            (Some("ticker"), None) | (None, Some("ticker")) => {
                let mut tickers: Push<TickerUpdate> = push(data, at)?;
                // The contract may stand in the argument alone.
                for row in &mut tickers.rows {
                    row.symbol = row.symbol.take().or_else(|| row.instrument.clone());
                    row.symbol = row.symbol.take().or_else(|| arg.symbol.clone().or_else(|| arg.instrument.clone()));
                    row.at = row.at.or(at);
                }
                Frame::Tickers(tickers)
            }
            (channel, topic) => Frame::Other(channel.or(topic).unwrap_or("no channel").chars().take(40).collect()),
        })
    }
}

/// The rows of a push; a single one may stand without a list around it.
fn push<'a, T: Deserialize<'a>>(data: &'a RawValue, at: Option<VenueMillis>) -> Result<Push<T>, FrameError> {
    if data.get().starts_with('{') {
        let row = serde_json::from_str(data.get()).map_err(|error| FrameError(short(&error)))?;
        return Ok(Push { rows: vec![row], complete: true, at });
    }
    let rows = rows_of(data).map_err(|error| FrameError(short(&error)))?;
    Ok(Push { rows: rows.rows, complete: rows.complete, at })
}
