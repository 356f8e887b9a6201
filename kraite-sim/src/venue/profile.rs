//! What kind of venue this is, as data: its capabilities and the quirks behind them.

use kraite_core::capabilities::Capabilities;
use kraite_core::exchange::{Endpoint, MarginMode, RejectKind};
use kraite_core::number::Factor;
use kraite_core::time::Millis;

/// A venue's shape: what it promises and how it really behaves.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VenueProfile {
    /// What clients are told.
    pub capabilities: Capabilities,
    /// What clients find out.
    pub quirks: Quirks,
}

/// Behaviour that differs between venues and that no capability promises.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Quirks {
    /// What repeating the pair call does to the plans that exist.
    pub pair_overwrite: PairOverwrite,
    /// Whether one bad leg of a pair fails the other.
    pub pair_refusal: PairRefusal,
    /// What happens to close-only orders when their position goes flat.
    pub when_flat: WhenFlat,
    /// What happens to a regular close-only order that is larger than the position.
    pub oversize: Oversize,
    /// What happens to a regular close-only order when resting ones already cover the position.
    pub close_overlap: CloseOverlap,
    /// Whether trigger orders with a quantity may together exceed the position.
    pub trigger_overlap: TriggerOverlap,
    /// Whether a triggered order's child is pushed before or after its parent.
    pub child_push: ChildPush,
    /// Which of several orders under one client id the by-id endpoint shows.
    pub same_id: SameId,
    /// How much a reply to a placement says.
    pub ack: AckDetail,
    /// How long reads lag behind the matching engine.
    pub read_lag: ReadLag,
    /// How long the venue finds orders that are done.
    pub retention: Retention,
    /// For this long after a position appeared its protective orders are refused (43023 family).
    pub position_unseen: Millis,
    /// The band of a contract limits both sides in both directions, whatever the contract states.
    pub deep_band: bool,
    /// A trigger order that fires is refused by the matching engine and is gone.
    pub child_refused: bool,
    /// The rules of contracts cannot be read; orders are judged by them all the same.
    pub rules_unreadable: bool,
    /// How far in the future a request may be signed.
    pub clock_tolerance: Millis,
    /// The leverage of a contract nobody configured.
    pub default_leverage: u32,
    /// The margin mode of a contract nobody configured.
    pub default_margin_mode: MarginMode,
    /// What a liquidation costs, as a share of the notional.
    pub liquidation_fee: Factor,
    /// The number of a refusal on the wire; a refusal that is not listed has -1.
    pub codes: &'static [(Refusal, i64)],
}

/// What repeating the pair call does to the plans that exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PairOverwrite {
    /// The plans keep their venue ids and carry the new client ids.
    Rename,
    /// The plans keep their venue ids and their first client ids.
    KeepNames,
    /// The plans are cancelled and new ones made.
    Replace,
}

/// Whether one bad leg of a pair fails the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PairRefusal {
    /// Nothing changes unless both legs are good.
    Whole,
    /// Each leg stands for itself.
    PerLeg,
}

/// What happens to close-only orders when their position goes flat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WhenFlat {
    /// They end as expired.
    Expire,
    /// They end as cancelled.
    Cancel,
    /// They stay and would close the next position.
    Stay,
}

/// What happens to a regular close-only order that is larger than the position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Oversize {
    /// It is cut to the position.
    Cut,
    /// It is refused.
    Refuse,
}

/// What happens to a regular close-only order when resting ones already cover the position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseOverlap {
    /// Nothing: both stand, and fills are cut to what is open.
    Accept,
    /// It is refused until the resting ones are cancelled.
    Refuse,
    /// It is cut to what no resting order covers; where nothing is left, the resting ones are cancelled.
    CutNew,
    /// The oldest resting ones are cancelled until it fits.
    EndOlder,
}

/// Whether trigger orders with a quantity may together exceed the position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TriggerOverlap {
    /// They may: a new target can be made before the old one is cancelled.
    Accept,
    /// A second one of a kind is refused while their sum exceeds the position.
    Refuse,
}

/// Whether a triggered order's child is pushed before or after its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChildPush {
    /// The child's fills come first.
    BeforeParent,
    /// The parent's change comes first.
    AfterParent,
}

/// Which of several orders under one client id the by-id endpoint shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SameId {
    /// The newest.
    Newest,
    /// The oldest.
    Oldest,
    /// All of them.
    All,
}

/// How much a reply to a placement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AckDetail {
    /// Everything the venue knows.
    Full,
    /// Everything but the average price.
    NoAverage,
    /// The ids only; the order shows as new.
    IdOnly,
}

/// For how long after a change reads do not show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ReadLag {
    /// A new order on the by-id endpoint.
    pub order: Millis,
    /// A new order in the list of open orders.
    pub open_orders: Millis,
    /// A new order in the history.
    pub history: Millis,
    /// A changed position.
    pub positions: Millis,
}

impl ReadLag {
    /// The lag of one endpoint.
    #[must_use]
    pub const fn of(&self, endpoint: Endpoint) -> Millis {
        match endpoint {
            Endpoint::Order => self.order,
            Endpoint::OpenOrders => self.open_orders,
            Endpoint::History | Endpoint::Fills => self.history,
            Endpoint::Positions => self.positions,
            Endpoint::Other => Millis(0),
        }
    }
}

/// How long the venue finds orders that are done, counted from their creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Retention {
    /// Cancelled or expired without a fill.
    pub unfilled: Millis,
    /// Anything.
    pub any: Millis,
}

/// Why the venue refuses something, finer than what it means for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// Signed too long ago, or in the future.
    Window,
    /// No such contract.
    UnknownSymbol,
    /// Trading is halted.
    Halted,
    /// Hedge fields on a one-way account or the reverse.
    Mode,
    /// An open order has this client id.
    DuplicateId,
    /// A price off the grid.
    Tick,
    /// A quantity off the grid.
    Lot,
    /// A quantity below the minimum.
    MinQty,
    /// A quantity above the maximum.
    MaxQty,
    /// A price above the contract's highest.
    PriceTooHigh,
    /// A price below the contract's lowest.
    PriceTooLow,
    /// Too small a notional for an opening order.
    MinNotional,
    /// A limit price too far above the mark.
    AboveBand,
    /// A limit price too far below the mark.
    BelowBand,
    /// Too many open orders on the contract.
    TooManyOrders,
    /// Too many open conditional orders on the account.
    TooManyConditional,
    /// Not enough free margin.
    Margin,
    /// The notional is too large for the leverage.
    LeverageBracket,
    /// Nothing to close, or not that much.
    ReduceOnly,
    /// Resting close-only orders already cover the position.
    CloseOverlap,
    /// A protective order without a position.
    NoPosition,
    /// A close-position order of this kind exists for this side.
    AlreadyExists,
    /// The trigger price has already been passed.
    WouldTrigger,
    /// No open order answers to these ids.
    UnknownOrder,
    /// Only working LIMIT orders can be changed, and not everywhere.
    NotAmendable,
    /// A leverage that the brackets do not allow.
    BadLeverage,
    /// Leverage cannot be changed like that while exposed.
    LeverageLocked,
    /// Margin mode cannot be changed while orders or a position are open.
    MarginModeLocked,
    /// The venue has no such kind of order or call.
    Unsupported,
    /// Nobody trades: there is no price.
    NoDepth,
    /// A number too large to handle.
    OutOfRange,
    /// No such account.
    NoAccount,
}

impl Refusal {
    /// Every refusal, as declared.
    pub const ALL: [Self; 32] = [
        Self::Window,
        Self::UnknownSymbol,
        Self::Halted,
        Self::Mode,
        Self::DuplicateId,
        Self::Tick,
        Self::Lot,
        Self::MinQty,
        Self::MaxQty,
        Self::PriceTooHigh,
        Self::PriceTooLow,
        Self::MinNotional,
        Self::AboveBand,
        Self::BelowBand,
        Self::TooManyOrders,
        Self::TooManyConditional,
        Self::Margin,
        Self::LeverageBracket,
        Self::ReduceOnly,
        Self::CloseOverlap,
        Self::NoPosition,
        Self::AlreadyExists,
        Self::WouldTrigger,
        Self::UnknownOrder,
        Self::NotAmendable,
        Self::BadLeverage,
        Self::LeverageLocked,
        Self::MarginModeLocked,
        Self::Unsupported,
        Self::NoDepth,
        Self::OutOfRange,
        Self::NoAccount,
    ];

    /// What the refusal means for the client's next step.
    #[must_use]
    pub const fn kind(self) -> RejectKind {
        match self {
            Self::Window => RejectKind::ClockSkew,
            Self::Tick
            | Self::Lot
            | Self::MinQty
            | Self::MaxQty
            | Self::PriceTooHigh
            | Self::PriceTooLow
            | Self::MinNotional
            | Self::OutOfRange => RejectKind::Filter,
            Self::AboveBand | Self::BelowBand => RejectKind::PriceBand,
            Self::TooManyOrders | Self::TooManyConditional => RejectKind::OrderLimit,
            Self::Margin | Self::LeverageBracket => RejectKind::Margin,
            Self::ReduceOnly | Self::CloseOverlap => RejectKind::ReduceOnly,
            Self::NoPosition => RejectKind::NoPosition,
            Self::AlreadyExists => RejectKind::AlreadyExists,
            Self::WouldTrigger => RejectKind::WouldTrigger,
            Self::UnknownOrder => RejectKind::UnknownOrder,
            Self::Halted | Self::Mode | Self::LeverageLocked | Self::MarginModeLocked | Self::NoAccount => {
                RejectKind::Account
            }
            Self::UnknownSymbol
            | Self::DuplicateId
            | Self::NotAmendable
            | Self::BadLeverage
            | Self::Unsupported
            | Self::NoDepth => RejectKind::Other,
        }
    }

    /// The refusal in words, for humans only.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Window => "the request's time is outside the window",
            Self::UnknownSymbol => "no such contract",
            Self::Halted => "trading is halted",
            Self::Mode => "the order does not fit the account's position mode",
            Self::DuplicateId => "an open order has this client id",
            Self::Tick => "the price is off the tick grid",
            Self::Lot => "the quantity is off the lot grid",
            Self::MinQty => "the quantity is below the minimum",
            Self::MaxQty => "the quantity is above the maximum",
            Self::PriceTooHigh => "the price is above the contract's highest",
            Self::PriceTooLow => "the price is below the contract's lowest",
            Self::MinNotional => "the notional is below the minimum",
            Self::AboveBand => "the price is too far above the mark",
            Self::BelowBand => "the price is too far below the mark",
            Self::TooManyOrders => "too many open orders on this contract",
            Self::TooManyConditional => "too many open conditional orders",
            Self::Margin => "margin is insufficient",
            Self::LeverageBracket => "the notional exceeds what the leverage allows",
            Self::ReduceOnly => "a close-only order finds nothing to close",
            Self::CloseOverlap => "resting close-only orders cover the position",
            Self::NoPosition => "there is no position",
            Self::AlreadyExists => "an order of this kind exists for this side",
            Self::WouldTrigger => "the order would trigger immediately",
            Self::UnknownOrder => "unknown order",
            Self::NotAmendable => "only working LIMIT orders can be changed",
            Self::BadLeverage => "the leverage is not available",
            Self::LeverageLocked => "leverage cannot be lowered while a position is open",
            Self::MarginModeLocked => "margin mode cannot be changed while orders or a position are open",
            Self::Unsupported => "not supported",
            Self::NoDepth => "no price",
            Self::OutOfRange => "a number is out of range",
            Self::NoAccount => "no such account",
        }
    }
}

impl Quirks {
    /// The number of a refusal on the wire.
    #[must_use]
    pub fn code(&self, refusal: Refusal) -> i64 {
        self.codes.iter().find(|(r, _)| *r == refusal).map_or(-1, |(_, code)| *code)
    }
}
