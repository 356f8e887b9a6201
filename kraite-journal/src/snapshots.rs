//! Snapshots as older versions wrote them.

use std::collections::{BTreeMap, BTreeSet};

use kraite_core::engine::{Alert, CommandId, Ended, OpenRequest, State};
use kraite_core::id::{AccountTag, Epoch, PositionNo, VenueOrderId};
use kraite_core::number::{Notional, Price, Qty};
use kraite_core::plan::Plan;
use kraite_core::position::{Cover, Hands, Orders, Phase, Position, ProtectionMeter, Setups, Why};
use kraite_core::sizing::{Ladder, RungPlan};
use kraite_core::time::{LocalMillis, Moment};
use serde::Deserialize;

/// A position as formats 1 and 2 have it.
#[derive(Deserialize)]
struct Position2 {
    no: PositionNo,
    request: Box<OpenRequest>,
    opened_by: CommandId,
    created_at: LocalMillis,
    ladder: Ladder,
    plan: Plan,
    rungs: Vec<RungPlan>,
    rebuilt: bool,
    dropped: BTreeSet<u8>,
    stop_price: Price,
    phase: Phase,
    ended_at: Option<LocalMillis>,
    why: Why,
    setups: Setups,
    orders: Orders,
    external: BTreeMap<VenueOrderId, Qty>,
    cover: Cover,
    meter: ProtectionMeter,
    max_loss: Option<Notional>,
    alerts: BTreeSet<Alert>,
    halted: bool,
}

impl From<Position2> for Position {
    /// No position could be closed as a whole then, changed by hand, or taken over, and nobody read the books.
    fn from(old: Position2) -> Self {
        Self {
            no: old.no,
            request: old.request,
            opened_by: old.opened_by,
            created_at: old.created_at,
            ladder: old.ladder,
            plan: old.plan,
            rungs: old.rungs,
            rebuilt: old.rebuilt,
            dropped: old.dropped,
            stop_price: old.stop_price,
            phase: old.phase,
            ended_at: old.ended_at,
            why: old.why,
            setups: old.setups,
            orders: old.orders,
            external: old.external,
            cover: old.cover,
            meter: old.meter,
            max_loss: old.max_loss,
            alerts: old.alerts,
            halted: old.halted,
            whole_close: None,
            hands: Hands::default(),
            adoption: None,
            booked: None,
        }
    }
}

fn positions(old: BTreeMap<PositionNo, Position2>) -> BTreeMap<PositionNo, Position> {
    old.into_iter().map(|(no, position)| (no, position.into())).collect()
}

/// A snapshot as format 1 has it.
#[derive(Deserialize)]
pub(crate) struct State1 {
    account: AccountTag,
    epoch: Epoch,
    seq: u64,
    at: Moment,
    positions: BTreeMap<PositionNo, Position2>,
    archived: BTreeSet<CommandId>,
    next_position: Option<PositionNo>,
    quarantined: bool,
}

impl From<State1> for State {
    /// Nobody could halt the account then, and what had ended counts for no limit of its day.
    fn from(old: State1) -> Self {
        Self {
            epoch: old.epoch,
            seq: old.seq,
            at: old.at,
            positions: positions(old.positions),
            archived: old.archived,
            next_position: old.next_position,
            quarantined: old.quarantined,
            ..Self::new(old.account)
        }
    }
}

/// A snapshot as format 2 has it.
#[derive(Deserialize)]
pub(crate) struct State2 {
    account: AccountTag,
    epoch: Epoch,
    seq: u64,
    at: Moment,
    positions: BTreeMap<PositionNo, Position2>,
    archived: BTreeSet<CommandId>,
    next_position: Option<PositionNo>,
    quarantined: bool,
    halted: bool,
    switched_by: BTreeSet<CommandId>,
    ended: BTreeMap<PositionNo, Ended>,
}

impl From<State2> for State {
    fn from(old: State2) -> Self {
        Self {
            epoch: old.epoch,
            seq: old.seq,
            at: old.at,
            positions: positions(old.positions),
            archived: old.archived,
            next_position: old.next_position,
            quarantined: old.quarantined,
            halted: old.halted,
            switched_by: old.switched_by,
            ended: old.ended,
            ..Self::new(old.account)
        }
    }
}
