//! What goes into the engine and what comes out: plain values, nothing else.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::adjust::Adjustment;
use crate::exchange::{
    Amend, Books, Direction, Endpoint, Lookup, MarginMode, Mark, NewOrder, OrderRef, OrderReport, Outcome,
    PositionMode, PositionRef, PositionReport, PositionTpsl, ReadError, Reading, StreamEvent, TriggerBy,
};
use crate::id::{ClientOrderId, PositionNo, Symbol, VenueOrderId};
use crate::instrument::Instrument;
use crate::number::{Price, Qty};
use crate::plan::{Sequence, TargetStyle};
use crate::sizing::{Budget, LadderSpec};
use crate::time::{LocalMillis, Moment, VenueMillis};

/// One thing that happened, and when.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Input {
    /// When, on both clocks.
    pub at: Moment,
    /// What.
    pub kind: InputKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum InputKind {
    /// The process started and owns the account: everything in flight is now in doubt.
    Started,
    /// A user wants something; the id makes a repeat harmless.
    Command(CommandId, Command),
    /// The answer to one sent request.
    Outcome(Sent, Outcome),
    /// The answer to one query.
    Answer(Answer),
    /// Something the account stream said.
    Push(StreamEvent),
    /// An instant that [`crate::Engine::next_deadline`] named has passed.
    Deadline,
}

/// A user's own name for a command; the same id twice is one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CommandId(pub u64);

/// A wish of a user.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Command {
    /// Open a position.
    Open(Box<OpenRequest>),
    /// Take a position off at the market and clean up.
    Close(PositionNo),
    /// Open no new exposure from now on, across restarts, until [`Command::Resume`].
    ///
    /// Openings are refused, one whose entry has not left ends as cancelled, and rungs that do not rest yet are
    /// withheld. What is open stays protected and managed: resting rungs are part of it and stay, stops, targets,
    /// re-pricings and closes go on.
    Halt,
    /// Let new exposure be opened again; withheld rungs are placed.
    Resume,
    /// Change an active position by hand.
    Adjust(PositionNo, Adjustment),
    /// Take over exposure that a user opened by hand, as if it were the entry of a position of this shape.
    ///
    /// Nothing is bought or sold for it. The rungs hang on its price and the stop on the last of them, as far as the
    /// market has not passed them; margin mode and leverage stay what they are. It is taken over only when the venue shows
    /// just that exposure and no order on the contract; until then, and where it is given up, nothing touches it. From
    /// then on it is a position like any other.
    Adopt(Box<OpenRequest>, Held),
}

/// Exposure that somebody else opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Held {
    /// How much is open; on the lot grid.
    pub qty: Qty,
    /// Its average entry, as the venue or its owner knows it.
    pub price: Price,
}

/// Everything an opening needs; copied into the position, so later edits do not reach it (R47).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OpenRequest {
    /// The contract and its rules as of now; the rules follow the venue where it refuses an order by them.
    pub instrument: Instrument,
    /// The shape of the position.
    pub spec: LadderSpec,
    /// What it may use.
    pub budget: Budget,
    /// In which order it protects itself.
    pub sequence: Sequence,
    /// How the take-profit rests.
    pub target_style: TargetStyle,
    /// Which price the stop watches.
    pub stop_by: TriggerBy,
    /// How the account nets.
    pub mode: PositionMode,
    /// How margin backs the position.
    pub margin_mode: MarginMode,
    /// A fresh mark price (R29).
    pub mark: Mark,
}

/// Which request an outcome belongs to. The shell hands back what [`Request::sent`] gave.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Sent {
    /// The one placement of this id.
    Place(ClientOrderId),
    /// The n-th amendment of this order.
    Amend(ClientOrderId, u32),
    /// A cancellation of this order, or of one object under its id.
    Cancel(ClientOrderId, Option<VenueOrderId>),
    /// A setting of the contract on behalf of a position.
    Setup(PositionNo, Setup),
    /// The close of a whole position, which bears no id.
    ClosePosition(PositionNo),
}

/// A setting that is confirmed before the entry (R35); repeating it changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Setup {
    /// Cross or isolated.
    MarginMode,
    /// The leverage.
    Leverage,
}

/// One request to a venue.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Request {
    /// Place one order.
    Place(NewOrder),
    /// Place stop and target in one call.
    PlacePair(PositionTpsl),
    /// Change a working order; the number tells amendments of one order apart.
    Amend(Amend, u32),
    /// Cancel an order.
    Cancel(OrderRef),
    /// Set the margin mode for a position's contract.
    SetMarginMode(PositionNo, Symbol, MarginMode),
    /// Set the leverage for a position's contract.
    SetLeverage(PositionNo, Symbol, u32),
    /// Take off whatever is open, under no id: only ever what is left of a position and is less than a lot.
    ClosePosition(PositionNo, PositionRef),
}

impl Request {
    /// What to hand back with the outcome: one entry, or stop then target for a pair.
    #[must_use]
    pub fn sent(&self) -> Vec<Sent> {
        match self {
            Self::Place(order) => alloc::vec![Sent::Place(order.id)],
            Self::PlacePair(pair) => alloc::vec![Sent::Place(pair.stop.id), Sent::Place(pair.target.id)],
            Self::Amend(change, number) => alloc::vec![Sent::Amend(change.order.id, *number)],
            Self::Cancel(order) => alloc::vec![Sent::Cancel(order.id, order.venue_id.clone())],
            Self::SetMarginMode(position, ..) => alloc::vec![Sent::Setup(*position, Setup::MarginMode)],
            Self::SetLeverage(position, ..) => alloc::vec![Sent::Setup(*position, Setup::Leverage)],
            Self::ClosePosition(position, _) => alloc::vec![Sent::ClosePosition(*position)],
        }
    }

    /// On which contract.
    #[must_use]
    pub const fn symbol(&self) -> &Symbol {
        match self {
            Self::Place(order) => &order.symbol,
            Self::PlacePair(pair) => &pair.symbol,
            Self::Amend(change, _) => &change.order.symbol,
            Self::Cancel(order) => &order.symbol,
            Self::SetMarginMode(_, symbol, _) | Self::SetLeverage(_, symbol, _) => symbol,
            Self::ClosePosition(_, position) => &position.symbol,
        }
    }

    /// True for requests that protect or take off exposure: they use the reserve of a rate budget.
    #[must_use]
    pub fn is_protective(&self) -> bool {
        match self {
            Self::Place(order) => order.id.key().logical.role.is_exit(),
            Self::PlacePair(_) | Self::Amend(..) | Self::Cancel(_) | Self::ClosePosition(..) => true,
            Self::SetMarginMode(..) | Self::SetLeverage(..) => false,
        }
    }
}

/// A question to a venue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Query {
    /// One order on one endpoint.
    Lookup(OrderRef, Endpoint),
    /// The open orders of a contract, over every service.
    OpenOrders(Symbol),
    /// The open orders of every contract: what a worker asks first, whatever its journal says.
    AllOpenOrders,
    /// All open positions.
    Positions,
    /// Every order of a contract since then.
    History(Symbol, VenueMillis),
    /// The mark price of a contract.
    Mark(Symbol),
    /// The rules of a contract as of now.
    Rules(Symbol),
    /// What was booked on one side of a contract since then.
    Books(Symbol, Direction, VenueMillis),
}

/// The answer to a query; names the question.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Answer {
    /// To [`Query::Lookup`].
    Lookup(OrderRef, Endpoint, Result<Reading<Lookup>, ReadError>),
    /// To [`Query::OpenOrders`].
    OpenOrders(Symbol, Result<Reading<Vec<OrderReport>>, ReadError>),
    /// To [`Query::AllOpenOrders`].
    AllOpenOrders(Result<Reading<Vec<OrderReport>>, ReadError>),
    /// To [`Query::Positions`].
    Positions(Result<Reading<Vec<PositionReport>>, ReadError>),
    /// To [`Query::History`].
    History(Symbol, VenueMillis, Result<Reading<Vec<OrderReport>>, ReadError>),
    /// To [`Query::Mark`].
    Mark(Symbol, Result<Mark, ReadError>),
    /// To [`Query::Rules`]; leverage brackets may be left out, and fees are those of nobody in particular.
    Rules(Symbol, Result<Box<Instrument>, ReadError>),
    /// To [`Query::Books`].
    Books(Symbol, Direction, VenueMillis, Result<Reading<Books>, ReadError>),
}

impl Answer {
    /// The question it answers.
    #[must_use]
    pub fn query(&self) -> Query {
        match self {
            Self::Lookup(order, endpoint, _) => Query::Lookup(order.clone(), *endpoint),
            Self::OpenOrders(symbol, _) => Query::OpenOrders(symbol.clone()),
            Self::AllOpenOrders(_) => Query::AllOpenOrders,
            Self::Positions(_) => Query::Positions,
            Self::History(symbol, from, _) => Query::History(symbol.clone(), *from),
            Self::Mark(symbol, _) => Query::Mark(symbol.clone()),
            Self::Rules(symbol, _) => Query::Rules(symbol.clone()),
            Self::Books(symbol, direction, from, _) => Query::Books(symbol.clone(), *direction, *from),
        }
    }

    /// The answer to a question that nobody answered.
    #[must_use]
    pub fn unanswered(query: Query, why: ReadError) -> Self {
        match query {
            Query::Lookup(order, endpoint) => Self::Lookup(order, endpoint, Err(why)),
            Query::OpenOrders(symbol) => Self::OpenOrders(symbol, Err(why)),
            Query::AllOpenOrders => Self::AllOpenOrders(Err(why)),
            Query::Positions => Self::Positions(Err(why)),
            Query::History(symbol, from) => Self::History(symbol, from, Err(why)),
            Query::Mark(symbol) => Self::Mark(symbol, Err(why)),
            Query::Rules(symbol) => Self::Rules(symbol, Err(why)),
            Query::Books(symbol, direction, from) => Self::Books(symbol, direction, from, Err(why)),
        }
    }

    /// Why there is no answer, if there is none.
    #[must_use]
    pub const fn error(&self) -> Option<&ReadError> {
        match self {
            Self::Lookup(_, _, Err(why)) | Self::Positions(Err(why)) | Self::Mark(_, Err(why)) => Some(why),
            Self::OpenOrders(_, Err(why)) | Self::AllOpenOrders(Err(why)) | Self::History(_, _, Err(why)) => Some(why),
            Self::Rules(_, Err(why)) | Self::Books(.., Err(why)) => Some(why),
            _ => None,
        }
    }
}

/// Work for the shell.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Effect {
    /// Send a request and hand back an [`Outcome`] for each [`Request::sent`], whatever happens.
    Send {
        /// What.
        request: Request,
        /// Venue time after which it must not be signed any more so that it could still be accepted.
        not_after: VenueMillis,
    },
    /// Ask and hand back an [`Answer`], whatever happens.
    Query(Query),
    /// Tell somebody.
    Notify(Notice),
}

/// Something a human should know.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Notice {
    /// About which position, if about one.
    pub position: Option<PositionNo>,
    /// What.
    pub alert: Alert,
    /// In words.
    pub message: String,
}

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Alert {
    /// Exposure without an accepted stop for longer than the alert bound.
    Unprotected,
    /// Exposure without an accepted stop for longer than the close bound: it is being closed.
    EmergencyClose,
    /// A rung was refused for good and left out.
    RungDropped,
    /// The stop was refused for good.
    StopRefused,
    /// The wire doubled a request of ours; the excess is taken off.
    WireDuplicate,
    /// An order under our id does not match what we asked for.
    Mismatch,
    /// The venue cannot say any more what became of an order (R10).
    Unknowable,
    /// An order believed gone or never to have existed turned up.
    ProofBroken,
    /// The venue shows more exposure than our fills explain; only ours is managed.
    ForeignExposure,
    /// Exposure left without an order of ours: closed by hand, liquidated, settled.
    ExternalClose,
    /// An opening was given up.
    OpeningRefused,
    /// A position cannot be proven safe and needs a human.
    NeedsAttention,
    /// A closing could not be completed, or not be proven complete, within its bound.
    Unproven,
    /// An invariant does not hold; the position is halted.
    Invariant,
    /// The target is refused again and again for reasons other than the contract's rules; the stop stands.
    TargetRefused,
    /// A rung is too far from the market for the venue and is placed once the market is near.
    RungHeld,
    /// A rung is not placed while new exposure is halted or a limit stands against it.
    RungWithheld,
    /// What was open belongs to somebody else from now on, and no order of ours protects it.
    HandedBack,
}

impl Alert {
    /// Every one of them, in their order.
    pub const ALL: [Self; 18] = [
        Self::Unprotected,
        Self::EmergencyClose,
        Self::RungDropped,
        Self::StopRefused,
        Self::WireDuplicate,
        Self::Mismatch,
        Self::Unknowable,
        Self::ProofBroken,
        Self::ForeignExposure,
        Self::ExternalClose,
        Self::OpeningRefused,
        Self::NeedsAttention,
        Self::Unproven,
        Self::Invariant,
        Self::TargetRefused,
        Self::RungHeld,
        Self::RungWithheld,
        Self::HandedBack,
    ];
}

/// When and why the engine wants to be called again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Deadline {
    /// Our clock.
    pub at: LocalMillis,
    /// What for.
    pub why: Wake,
}

/// Why the engine wants to be called again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Wake {
    /// An order is in doubt and may be asked about again.
    Probe,
    /// A refused or unanswered request may be tried again.
    Retry,
    /// Exposure is without a stop.
    Unprotected,
    /// The periodic reading of working orders and positions.
    Poll,
    /// A request was handed to the shell and no outcome came back.
    Overdue,
    /// A position is still in its first state.
    Opening,
    /// What an ended position cost is not known yet.
    Books,
}
