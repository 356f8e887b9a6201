//! The port to a venue: requests, outcomes, reports and the [`Exchange`] trait that backends implement.

use alloc::boxed::Box;
use alloc::vec::Vec;

use async_trait::async_trait;
use compact_str::CompactString;
use futures_core::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::capabilities::Capabilities;
use crate::id::{ClientOrderId, Symbol, TradeId, VenueOrderId};
use crate::instrument::{Instrument, LeverageBracket};
use crate::number::{Factor, Notional, Price, Qty};
use crate::time::{Millis, VenueMillis};

/// Which way an order trades.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Side {
    /// Takes base currency.
    Buy,
    /// Gives base currency.
    Sell,
}

/// Which way a position gains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Gains when the price rises.
    Long,
    /// Gains when the price falls.
    Short,
}

impl Direction {
    /// The side of orders that add to the position.
    #[must_use]
    pub const fn opening_side(self) -> Side {
        match self {
            Self::Long => Side::Buy,
            Self::Short => Side::Sell,
        }
    }

    /// The side of orders that take it off.
    #[must_use]
    pub const fn closing_side(self) -> Side {
        match self {
            Self::Long => Side::Sell,
            Self::Short => Side::Buy,
        }
    }

    /// The other direction.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Long => Self::Short,
            Self::Short => Self::Long,
        }
    }
}

/// How the account nets positions on one contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PositionMode {
    /// One net position per contract; closers carry reduce-only.
    OneWay,
    /// A long and a short per contract; orders carry a position side and no reduce-only flag (R34).
    Hedge,
}

/// How margin backs a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MarginMode {
    /// Shared over the account.
    Cross,
    /// Set aside per position.
    Isolated,
}

/// Which of a venue's services holds an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Service {
    /// The order book: MARKET and LIMIT.
    Regular,
    /// The trigger service: stops and trigger targets that become a regular child order.
    Conditional,
    /// Take-profit and stop-loss attached to the position itself.
    PositionPlan,
}

/// Where a reading was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Endpoint {
    /// One order by id, any state.
    Order,
    /// The open orders of a contract.
    OpenOrders,
    /// All orders of a contract in a window.
    History,
    /// Open positions.
    Positions,
    /// Trades of a contract.
    Fills,
    /// Anything else: clock, instruments, configuration.
    Other,
}

/// Whether an order may add exposure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Purpose {
    /// Adds exposure.
    Open,
    /// Only ever takes exposure off: the flag, the position side or a close-position order, by venue.
    Close,
}

/// Which price a trigger watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TriggerBy {
    /// The mark price, which single trades cannot spike.
    Mark,
    /// The last traded price.
    Last,
}

/// How much a trigger order closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TriggerSize {
    /// This much.
    Qty(Qty),
    /// Whatever is open when it triggers.
    ClosePosition,
}

/// The kind of an order with the values that kind needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OrderShape {
    /// Fills at once at the market.
    Market {
        /// How much.
        qty: Qty,
    },
    /// Rests at a price, good till cancelled.
    Limit {
        /// The limit price.
        price: Price,
        /// How much.
        qty: Qty,
    },
    /// Closes at the market when the price moves against the position.
    StopMarket {
        /// The trigger price.
        trigger: Price,
        /// Which price is watched.
        by: TriggerBy,
        /// How much it closes.
        size: TriggerSize,
    },
    /// Closes at the market when the price moves in favour of the position.
    TakeProfitMarket {
        /// The trigger price.
        trigger: Price,
        /// Which price is watched.
        by: TriggerBy,
        /// How much it closes.
        size: TriggerSize,
    },
}

impl OrderShape {
    /// The price it rests or triggers at; `None` for a market order.
    #[must_use]
    pub const fn price(&self) -> Option<Price> {
        match self {
            Self::Market { .. } => None,
            Self::Limit { price, .. } => Some(*price),
            Self::StopMarket { trigger, .. } | Self::TakeProfitMarket { trigger, .. } => Some(*trigger),
        }
    }

    /// The stated quantity; `None` for close-position orders.
    #[must_use]
    pub const fn qty(&self) -> Option<Qty> {
        match self {
            Self::Market { qty } | Self::Limit { qty, .. } => Some(*qty),
            Self::StopMarket { size, .. } | Self::TakeProfitMarket { size, .. } => match size {
                TriggerSize::Qty(qty) => Some(*qty),
                TriggerSize::ClosePosition => None,
            },
        }
    }

    /// True for orders that wait for a trigger.
    #[must_use]
    pub const fn is_conditional(&self) -> bool {
        matches!(self, Self::StopMarket { .. } | Self::TakeProfitMarket { .. })
    }
}

/// One order to place.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NewOrder {
    /// The id it is placed under, once.
    pub id: ClientOrderId,
    /// On which contract.
    pub symbol: Symbol,
    /// Buy or sell.
    pub side: Side,
    /// Which position it belongs to; names the side in hedge mode.
    pub direction: Direction,
    /// How the account nets.
    pub mode: PositionMode,
    /// Whether it may add exposure.
    pub purpose: Purpose,
    /// Kind, prices and sizes.
    pub shape: OrderShape,
}

/// One leg of a stop-and-target pair.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PairLeg {
    /// The id of this leg.
    pub id: ClientOrderId,
    /// The trigger price.
    pub trigger: Price,
    /// Which price is watched.
    pub by: TriggerBy,
}

/// Stop and target of a whole position in one call; overwrites what was there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PositionTpsl {
    /// On which contract.
    pub symbol: Symbol,
    /// Which position.
    pub direction: Direction,
    /// How the account nets.
    pub mode: PositionMode,
    /// The stop-loss.
    pub stop: PairLeg,
    /// The take-profit.
    pub target: PairLeg,
}

/// A change of a working order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Amend {
    /// Which order.
    pub order: OrderRef,
    /// Its side, which some venues want repeated.
    pub side: Side,
    /// The new price.
    pub price: Price,
    /// The new total quantity, including what has executed.
    pub qty: Qty,
}

/// A way to name an order to its venue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OrderRef {
    /// On which contract.
    pub symbol: Symbol,
    /// Which service holds it.
    pub service: Service,
    /// Our id.
    pub id: ClientOrderId,
    /// The venue's id, once known; names one of several objects under the same client id.
    pub venue_id: Option<VenueOrderId>,
}

/// A position to be closed at the market.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PositionRef {
    /// On which contract.
    pub symbol: Symbol,
    /// Which side.
    pub direction: Direction,
    /// How the account nets.
    pub mode: PositionMode,
}

/// The answer to one request. Deliberately not a `Result`: the third value is the one that costs money.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// The venue took it.
    Accepted(Ack),
    /// The venue, or the shell before sending, provably did not take it.
    Rejected(Reject),
    /// It may or may not have happened.
    Unknown(Cause),
}

/// What an acceptance told us; every part may be missing (R15).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Ack {
    /// The order as the reply showed it.
    pub report: Option<Box<OrderReport>>,
}

/// A definite refusal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reject {
    /// What it means for us.
    pub kind: RejectKind,
    /// The venue's code.
    pub code: i64,
    /// The venue's words, for humans only.
    pub message: CompactString,
}

/// What a refusal means for the caller's next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RejectKind {
    /// It provably never left (R6); the attempt is kept.
    NotSent,
    /// A rate limit; not executed.
    RateLimited,
    /// The timestamp was outside the window; not executed.
    ClockSkew,
    /// A trigger order would fire at once.
    WouldTrigger,
    /// There is no position (yet) for this order to close.
    NoPosition,
    /// A close-only order would exceed what is open.
    ReduceOnly,
    /// A close-position or position plan order of this kind already exists.
    AlreadyExists,
    /// The named order is not open: filled, cancelled or never there (R13).
    UnknownOrder,
    /// Another change of the same order is still running.
    ChangePending,
    /// Below or above the contract's limits, off its grid.
    Filter,
    /// Not enough margin.
    Margin,
    /// Too many open orders.
    OrderLimit,
    /// The account's configuration does not fit: position mode, permissions, trading halted.
    Account,
    /// Anything else that is listed as not executed.
    Other,
    /// Outside the contract's band around the mark, as the mark stands now.
    PriceBand,
}

impl RejectKind {
    /// True where a rule of the contract was broken, by the order or by where the mark stands.
    #[must_use]
    pub const fn is_by_rules(self) -> bool {
        matches!(self, Self::Filter | Self::PriceBand)
    }

    /// True where the same request may well succeed later.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::NotSent | Self::RateLimited | Self::ClockSkew | Self::NoPosition | Self::ChangePending)
    }
}

/// Why an outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cause {
    /// No answer in time.
    Timeout,
    /// The connection broke after bytes may have left.
    Disconnected,
    /// The venue says it does not know.
    ServerError,
    /// An answer that cannot be read, success or not.
    Undecodable,
    /// An order with this id exists: ours, most likely.
    DuplicateId,
    /// The process ended before the answer.
    Interrupted,
}

/// The answers to a pair call, one per leg.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PairOutcome {
    /// What became of the stop.
    pub stop: Outcome,
    /// What became of the target.
    pub target: Outcome,
}

/// Where an order stands, in the venue's view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ReportStatus {
    /// Open, nothing filled.
    New,
    /// Open, partly filled.
    PartiallyFilled,
    /// A trigger order has fired; its child decides (R69).
    Triggered,
    /// Refused by the matching engine.
    Rejected,
    /// Cancelled.
    Cancelled,
    /// Ended by the venue.
    Expired,
    /// Filled; the executed quantity says how much (B15).
    Filled,
}

impl ReportStatus {
    /// True for states that never change again.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Rejected | Self::Cancelled | Self::Expired | Self::Filled)
    }
}

/// Who made an order that is not one of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u64)] // A word, so that the ids of reports are moved by words.
pub enum VenueCause {
    /// The position ran out of margin.
    Liquidation,
    /// The venue reduced the position against a bankrupt counterparty.
    AutoDeleverage,
    /// The contract was settled or delisted.
    Settlement,
}

/// Whose order a report is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReportedId {
    /// The client id decodes as one of ours.
    Ours(ClientOrderId),
    /// The venue acted by itself.
    Venue(VenueCause),
    /// Somebody else's; never touched.
    Foreign(CompactString),
}

/// One trade of an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Trade {
    /// The venue's id of the trade.
    pub id: TradeId,
    /// How much.
    pub qty: Qty,
    /// At what price.
    pub price: Price,
    /// The fee in quote currency; negative for a rebate.
    pub fee: Notional,
}

/// Price and size of an order as stated, apart from what executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stated {
    /// Venue time of this statement; the newest wins.
    pub at: VenueMillis,
    /// Limit or trigger price; `None` for a market order or an echo of zero (R58).
    pub price: Option<Price>,
    /// Quantity; `None` for close-position orders or an echo of zero (R58).
    pub qty: Option<Qty>,
}

/// Anything a venue tells about one order object, from a reply, a push or a query.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OrderReport {
    /// Whose order.
    pub id: ReportedId,
    /// The venue's id of this object.
    pub venue_id: VenueOrderId,
    /// The conditional or plan object that spawned this one, if it is a child.
    pub parent: Option<VenueOrderId>,
    /// Which service holds this object.
    pub service: Service,
    /// On which contract.
    pub symbol: Symbol,
    /// Buy or sell.
    pub side: Side,
    /// Which position it belongs to.
    pub direction: Direction,
    /// Where it stands.
    pub status: ReportStatus,
    /// What it states, if the report says.
    pub stated: Option<Stated>,
    /// Total executed so far, if the report says.
    pub executed: Option<Qty>,
    /// The average price of that, if the report says.
    pub average_price: Option<Price>,
    /// The trade that caused this report, if one did.
    pub trade: Option<Trade>,
    /// When the venue says this was true.
    pub at: VenueMillis,
}

/// One side of one contract as the venue shows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PositionReport {
    /// On which contract.
    pub symbol: Symbol,
    /// Which side.
    pub direction: Direction,
    /// How much is open; never negative.
    pub qty: Qty,
    /// The venue's average entry, only ever a check (R75).
    pub entry_price: Option<Price>,
    /// When the venue says this was true.
    pub at: VenueMillis,
}

/// A value read from the venue, with what is needed to judge it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reading<T> {
    /// What was read.
    pub value: T,
    /// Venue time when the request was *sent*: only this decides proofs of absence.
    pub sent_at: VenueMillis,
    /// Where.
    pub endpoint: Endpoint,
    /// False where pages were missing or rows malformed: proves nothing then.
    pub complete: bool,
}

/// What a venue booked on one contract within a window of its time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Books {
    /// Every trade, whoever's order it was.
    pub trades: Vec<BookedTrade>,
    /// Funding that was paid or received.
    pub funding: Vec<Payment>,
}

/// One trade as the books have it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BookedTrade {
    /// The venue's id of the order that traded: of the child, where a trigger order made one.
    pub order: VenueOrderId,
    /// The trade.
    pub trade: Trade,
    /// When.
    pub at: VenueMillis,
}

/// One funding payment, or the sum of several that the venue states together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Payment {
    /// When; of a sum, no earlier than its last.
    pub at: VenueMillis,
    /// Quote amount; negative is paid.
    pub amount: Notional,
}

/// What asking for one order gave.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Lookup {
    /// Every object the endpoint knows under that id: usually one, a trigger order and its child, or
    /// copies that the wire made.
    Found(Vec<OrderReport>),
    /// The endpoint knows none, for now.
    NotFound,
    /// Too long ago for this endpoint to know (R10).
    Unknowable,
}

/// Why a read gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error, Serialize, Deserialize)]
pub enum ReadError {
    /// No usable answer; ask again.
    #[error("no answer: {0}")]
    NoAnswer(CompactString),
    /// Refused for now; ask again after the given time.
    #[error("rate limited for {0}")]
    RateLimited(Millis),
    /// Refused for good: key, permission, configuration.
    #[error("refused: {0}")]
    Refused(CompactString),
    /// The answer was not understood.
    #[error("not understood: {0}")]
    Undecodable(CompactString),
}

/// The present mark price of a contract.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mark {
    /// On which contract.
    pub symbol: Symbol,
    /// The mark price.
    pub price: Price,
    /// Venue time of it.
    pub at: VenueMillis,
}

/// Money of one currency.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Balance {
    /// For example `USDT`.
    pub currency: CompactString,
    /// Wallet balance.
    pub wallet: Notional,
    /// Free for new positions.
    pub available: Notional,
}

/// What an API key may do; an unknown right is `None` and refused (R109).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeyRights {
    /// May trade futures.
    pub trade: Option<bool>,
    /// May withdraw or transfer out; must be a definite `false`.
    pub withdraw: Option<bool>,
}

/// Something the account stream said.
#[allow(clippy::large_enum_variant, reason = "an order report is the common case; boxing it costs every frame")]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StreamEvent {
    /// The stream is up; whatever happened before must be read by query.
    Connected,
    /// The stream is down.
    Disconnected,
    /// An order changed.
    Order(OrderReport),
    /// A position changed.
    Position(PositionReport),
    /// The mark price moved.
    Mark(Mark),
    /// A funding payment was booked; negative is paid.
    Funding {
        /// On which contract.
        symbol: Symbol,
        /// Quote amount.
        amount: Notional,
        /// When.
        at: VenueMillis,
    },
}

/// A venue account, as the shell sees it. Object safe: bots hold `Arc<dyn Exchange>`.
///
/// No method retries anything inside, and no method that moves money has a default body.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Exchange: Send + Sync {
    /// What this venue can do.
    fn capabilities(&self) -> &Capabilities;

    /// Places orders; one outcome per order, in order. A backend signs only if timestamp + window is not
    /// past `not_after`, else the outcome is `Rejected(NotSent)`.
    async fn place(&self, orders: &[NewOrder], not_after: VenueMillis) -> Vec<Outcome>;

    /// Places stop and target of a position in one call.
    async fn place_position_tpsl(&self, pair: &PositionTpsl, not_after: VenueMillis) -> PairOutcome;

    /// Changes price and size of a working order.
    async fn amend(&self, change: &Amend, not_after: VenueMillis) -> Outcome;

    /// Cancels one order by its ids; there is no way to cancel by symbol (R90).
    async fn cancel(&self, order: &OrderRef, not_after: VenueMillis) -> Outcome;

    /// Closes whatever is open on one side, untagged; settled by position reads. A last resort: a tagged
    /// close-only MARKET order through [`Exchange::place`] comes first.
    async fn close_position(&self, position: &PositionRef, not_after: VenueMillis) -> Outcome;

    /// Sets the leverage of a contract; repeating it changes nothing.
    async fn set_leverage(&self, symbol: &Symbol, leverage: u32, not_after: VenueMillis) -> Outcome;

    /// Sets the margin mode of a contract; repeating it changes nothing.
    async fn set_margin_mode(&self, symbol: &Symbol, mode: MarginMode, not_after: VenueMillis) -> Outcome;

    /// Asks one endpoint for one order.
    async fn lookup(&self, order: &OrderRef, endpoint: Endpoint) -> Result<Reading<Lookup>, ReadError>;

    /// The open orders of one contract or all, over every service.
    async fn open_orders(&self, symbol: Option<Symbol>) -> Result<Reading<Vec<OrderReport>>, ReadError>;

    /// The open positions.
    async fn positions(&self) -> Result<Reading<Vec<PositionReport>>, ReadError>;

    /// Every order of a contract that was created or changed in a window of venue time.
    async fn history(
        &self,
        symbol: &Symbol,
        from: VenueMillis,
        to: VenueMillis,
    ) -> Result<Reading<Vec<OrderReport>>, ReadError>;

    /// What was booked on a contract in a window of venue time: every trade, and the funding of one side of it. A venue
    /// that does not tell sides apart tells the funding of both; one that tells it only of positions that have ended
    /// leaves out what is open.
    async fn books(
        &self,
        symbol: &Symbol,
        direction: Direction,
        from: VenueMillis,
        to: VenueMillis,
    ) -> Result<Reading<Books>, ReadError>;

    /// The venue's clock.
    async fn server_time(&self) -> Result<VenueMillis, ReadError>;

    /// The rules of the listed contracts.
    async fn instruments(&self) -> Result<Vec<Instrument>, ReadError>;

    /// The leverage brackets of one contract.
    async fn leverage_brackets(&self, symbol: &Symbol) -> Result<Vec<LeverageBracket>, ReadError>;

    /// The mark price of one contract.
    async fn mark_price(&self, symbol: &Symbol) -> Result<Mark, ReadError>;

    /// How the account nets positions.
    async fn position_mode(&self) -> Result<PositionMode, ReadError>;

    /// Balances by currency; a failed read is an error, never an empty account (R109).
    async fn balances(&self) -> Result<Vec<Balance>, ReadError>;

    /// The account's maker and taker fee on a contract.
    async fn fee_rates(&self, symbol: &Symbol) -> Result<(Factor, Factor), ReadError>;

    /// What the key may do.
    async fn key_rights(&self) -> Result<KeyRights, ReadError>;

    /// Opens the account's push stream.
    async fn account_stream(&self) -> Result<BoxStream<'static, StreamEvent>, ReadError>;
}
