//! What people, markets, disks and clocks do in a life.

use kraite_core::engine::{Adjustment, Command, CommandId, OpenRequest};
use kraite_core::exchange::{Direction, MarginMode, PositionMode, Purpose, TriggerBy};
use kraite_core::id::{AccountTag, Symbol};
use kraite_core::number::{Factor, Notional, Percent, Price, Qty};
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::position::{Phase, Position};
use kraite_core::sizing::{Budget, LadderSpec, SizingModel, TargetBasis};
use kraite_core::time::Millis;

use crate::venue::{Liquidity, OrderObject};
use crate::world::{Disk, World};

/// The classes of the fault model that acts belong to; faults of the wire and deaths of the process at its own
/// boundaries are Nemesis's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// No fault: a market moves, a user asks.
    Market,
    /// A6, A7: a disk that is full or cannot be synced.
    Disk,
    /// A8: synced records that are gone.
    LostRecords,
    /// D1, D5: the process dies, again and again.
    Death,
    /// D2: the process is stopped and goes on.
    Stop,
    /// D3: the clock jumps.
    Clock,
    /// C3, C5: the stream is cut without a word.
    Stream,
    /// E1: orders fill in part.
    PartialFills,
    /// E4: protection is refused for a while.
    Unseen,
    /// E5: trading is halted.
    Halt,
    /// E7: the user changes our orders or our position.
    Hands,
    /// E8: the user has orders of their own.
    Foreign,
    /// E11: funding.
    Funding,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 13] = [
        Self::Market,
        Self::Disk,
        Self::LostRecords,
        Self::Death,
        Self::Stop,
        Self::Clock,
        Self::Stream,
        Self::PartialFills,
        Self::Unseen,
        Self::Halt,
        Self::Hands,
        Self::Foreign,
        Self::Funding,
    ];

    /// Its name, for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Market => "market",
            Self::Disk => "disk",
            Self::LostRecords => "lost-records",
            Self::Death => "death",
            Self::Stop => "stop",
            Self::Clock => "clock",
            Self::Stream => "stream",
            Self::PartialFills => "partial-fills",
            Self::Unseen => "unseen",
            Self::Halt => "halt",
            Self::Hands => "hands",
            Self::Foreign => "foreign",
            Self::Funding => "funding",
        }
    }
}

/// One thing that happens in a life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A position is asked for.
    Open(AccountTag, Symbol, Box<Shape>),
    /// Every open position of an account is to be closed.
    Close(AccountTag),
    /// The price of a contract goes to this many hundredths of a percent of what it is.
    Move(Symbol, i64),
    /// Funding is paid, in millionths.
    Fund(Symbol, i64),
    /// The worker dies.
    Kill(AccountTag),
    /// The disk behaves like this from now on.
    Disk(AccountTag, Disk),
    /// The newest records are gone.
    LoseRecords(AccountTag, usize),
    /// The process is stopped for so long.
    Stop(AccountTag, Millis),
    /// The clock jumps.
    Clock(AccountTag, Millis),
    /// The stream is cut, or connected again.
    Stream(AccountTag, bool),
    /// Taking and resting orders execute so much at most.
    Caps(Symbol, Option<Qty>, Option<Qty>),
    /// Protective orders are refused for so long after a position appeared.
    Unseen(Millis),
    /// Trading stops or goes on.
    Halt(Symbol, bool),
    /// The user cancels the n-th of our open orders.
    Cancel(AccountTag, usize),
    /// The user takes off this many percent of the exposure on a contract.
    Sell(AccountTag, Symbol, i64),
    /// The user places a LIMIT order of their own, far below.
    Foreign(AccountTag, Symbol),
    /// Every active position of an account is changed by command.
    Adjust(AccountTag, Hand),
}

/// What is changed of a position by command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    /// Its stop goes to this many hundredths of a percent of where it is.
    Stop(i64),
    /// So many percent of what is open are taken off.
    Part(i64),
    /// This rung is left out.
    Rung(u8),
    /// The target is aimed so many hundredths of a percent past the average.
    Target(i64),
    /// The target is held where it is.
    Hold,
    /// The target is released.
    Release,
    /// One more rung, this many hundredths of a percent of the mark away, of as much as the entry was.
    AddRung(i64),
    /// What is open is given back.
    HandBack,
}

impl Hand {
    fn on(self, world: &World, position: &Position) -> Option<Adjustment> {
        let symbol = position.symbol();
        Some(match self {
            Self::Stop(share) => Adjustment::MoveStop {
                trigger: moved(world, symbol, position.stop_price, share)?,
                mark: world.mark(symbol)?,
            },
            Self::Part(percent) => {
                let share = position.exposure().scaled_by(Factor::from_units(percent, 2)?).ok()?;
                Adjustment::ClosePart(kraite_core::rounding::floor_qty(share, position.request.instrument.lot).ok()?)
            }
            Self::Rung(rung) => Adjustment::DropRung(rung),
            Self::Target(profit) => Adjustment::Retarget(Percent::from_units(profit, 2)?),
            Self::Hold => Adjustment::HoldTarget,
            Self::Release => Adjustment::ReleaseTarget,
            Self::AddRung(share) => {
                let mark = world.mark(symbol)?;
                let price = moved(world, symbol, mark.price, share)?;
                Adjustment::AddRung { price, qty: position.ladder.entry.qty, mark }
            }
            Self::HandBack => Adjustment::HandBack,
        })
    }
}

/// What a position is asked to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Long or short.
    pub direction: Direction,
    /// How many rungs.
    pub rungs: u8,
    /// The distance of two rungs, in hundredths of a percent.
    pub gap: i64,
    /// The profit, in hundredths of a percent.
    pub profit: i64,
    /// The distance of the stop from the last rung, in hundredths of a percent.
    pub stop: i64,
    /// The margin.
    pub margin: i64,
    /// How the target rests.
    pub style: TargetStyle,
    /// In which order it protects itself.
    pub sequence: Sequence,
    /// How margin backs it.
    pub margin_mode: MarginMode,
}

impl Act {
    /// Which class of faults it belongs to.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::Open(..) | Self::Close(_) | Self::Move(..) | Self::Adjust(..) => Class::Market,
            Self::Fund(..) => Class::Funding,
            Self::Kill(_) => Class::Death,
            Self::Disk(..) => Class::Disk,
            Self::LoseRecords(..) => Class::LostRecords,
            Self::Stop(..) => Class::Stop,
            Self::Clock(..) => Class::Clock,
            Self::Stream(..) => Class::Stream,
            Self::Caps(..) => Class::PartialFills,
            Self::Unseen(_) => Class::Unseen,
            Self::Halt(..) => Class::Halt,
            Self::Cancel(..) | Self::Sell(..) => Class::Hands,
            Self::Foreign(..) => Class::Foreign,
        }
    }

    /// Lets it happen; `command` numbers the commands.
    pub(super) fn perform(&self, world: &mut World, mode: PositionMode, command: &mut u64) {
        match self {
            Self::Open(account, symbol, shape) => {
                if let Some(request) = request(world, symbol, shape, mode) {
                    *command += 1;
                    world.command(*account, CommandId(*command), Command::Open(Box::new(request)));
                }
            }
            Self::Close(account) => close_all(world, *account, command),
            Self::Move(symbol, share) => {
                let Some(price) = world.venue.last(symbol) else { return };
                if let Some(next) = moved(world, symbol, price, *share) {
                    world.price(symbol, next);
                }
            }
            Self::Fund(symbol, millionths) => {
                world.fund(symbol, Factor::from_units(*millionths, 6).unwrap_or_default());
            }
            Self::Kill(account) => world.kill(*account),
            Self::Disk(account, disk) => world.journal.set_disk(*account, *disk),
            Self::LoseRecords(account, count) => world.lose_records(*account, *count),
            Self::Stop(account, span) => world.stop(*account, *span),
            Self::Clock(account, by) => world.set_clock(*account, *by),
            Self::Stream(account, cut) => world.cut_stream(*account, *cut),
            Self::Caps(symbol, taker_cap, maker_cap) => {
                let liquidity = Liquidity { taker_cap: *taker_cap, maker_cap: *maker_cap, ..Liquidity::default() };
                world.venue.set_liquidity(symbol, liquidity);
            }
            Self::Unseen(span) => world.venue.quirks_mut().position_unseen = *span,
            Self::Halt(symbol, true) => world.venue.halt(symbol),
            Self::Halt(symbol, false) => world.venue.resume(symbol),
            Self::Cancel(account, nth) => {
                let ours = |o: &&OrderObject| o.client_id().is_some() && o.parent.is_none();
                let open: Vec<_> = world.venue.open(*account).filter(ours).map(|o| o.id.venue_id()).collect();
                if let Some(order) = (!open.is_empty()).then(|| open.get(nth % open.len())).flatten().cloned() {
                    let _ = world.by_hand(|venue, now| venue.user_cancel(&order, now));
                }
            }
            Self::Sell(account, symbol, percent) => sell(world, *account, symbol, *percent),
            Self::Adjust(account, hand) => {
                let Some(engine) = world.engine(*account) else { return };
                let active = engine.state().positions.values().filter(|p| p.phase == Phase::Active);
                let wishes: Vec<_> = active.filter_map(|p| Some((p.no, hand.on(world, p)?))).collect();
                for (no, what) in wishes {
                    *command += 1;
                    world.command(*account, CommandId(*command), Command::Adjust(no, what));
                }
            }
            Self::Foreign(account, symbol) => {
                let rules = world.venue.market(symbol).map(|m| m.instrument.clone());
                let (Some(rules), Some(price)) = (rules, world.venue.last(symbol)) else { return };
                let Some(price) = moved(world, symbol, price, 5_000) else { return };
                let direction = Direction::Long;
                let qty = Qty::from_units(1, 0).unwrap_or_default().max(rules.min_qty);
                let _ = world.by_hand(|venue, now| {
                    venue.user_limit(*account, symbol, direction, Purpose::Open, price, qty, now)
                });
            }
        }
    }
}

/// Asks for the close of every position of an account that is not at its end.
pub(super) fn close_all(world: &mut World, account: AccountTag, command: &mut u64) {
    let Some(engine) = world.engine(account) else { return };
    let open: Vec<_> = engine.state().positions.values().filter(|p| !p.phase.is_terminal()).map(|p| p.no).collect();
    for no in open {
        *command += 1;
        world.command(account, CommandId(*command), Command::Close(no));
    }
}

fn sell(world: &mut World, account: AccountTag, symbol: &Symbol, percent: i64) {
    let held = world.venue.exposures(account).find(|(held, ..)| held == symbol);
    let Some((_, direction, qty)) = held else { return };
    let Some(lot) = world.venue.market(symbol).map(|m| m.instrument.lot) else { return };
    let share = qty.scaled_by(Factor::from_units(percent, 2).unwrap_or_default()).unwrap_or(qty);
    let Ok(share) = kraite_core::rounding::floor_qty(share, lot) else { return };
    if share.is_positive() {
        let _ = world.by_hand(|venue, now| venue.user_market(account, symbol, direction, Purpose::Close, share, now));
    }
}

/// A price at a share of another, on the contract's grid.
fn moved(world: &World, symbol: &Symbol, price: Price, share: i64) -> Option<Price> {
    let tick = world.venue.market(symbol)?.instrument.tick;
    let percent = Percent::from_units(share - 10_000, 2)?;
    let next = kraite_core::rounding::floor_price(price.shifted_by(percent).ok()?, tick).ok()?;
    next.is_positive().then_some(next)
}

fn request(world: &World, symbol: &Symbol, shape: &Shape, mode: PositionMode) -> Option<OpenRequest> {
    let percent = |units: i64| Percent::from_units(units, 2).unwrap_or_default();
    Some(OpenRequest {
        instrument: world.venue.market(symbol)?.instrument.clone(),
        spec: LadderSpec {
            direction: shape.direction,
            rungs: shape.rungs,
            gap: percent(shape.gap),
            multipliers: vec![Factor::from_integer(2)],
            profit: percent(shape.profit),
            stop: percent(shape.stop),
            model: SizingModel::default_for(shape.direction),
            basis: TargetBasis::AverageEntry,
            headroom: percent(50),
        },
        budget: Budget { margin: Notional::from_units(shape.margin, 0).unwrap_or_default(), leverage_cap: 20 },
        sequence: shape.sequence,
        target_style: shape.style,
        stop_by: TriggerBy::Mark,
        mode,
        margin_mode: shape.margin_mode,
        mark: world.mark(symbol)?,
    })
}
