//! Which trade an order is, and of which position. The two APIs say it in opposite words: in hedge mode `side` is the
//! position in the classic one and the trade in the unified one; in one-way mode neither says which position.

use kraite_core::exchange::{Direction, ReportedId, Side};

use super::interpret::{Asked, Unmapped};
use super::word::{HoldMode, PositionSide, SideWord};

/// Which way an order goes, as far as it is said.
#[derive(Clone, Copy)]
pub(crate) struct Way<'a> {
    pub(crate) side: Option<&'a SideWord>,
    pub(crate) position: Option<&'a PositionSide>,
    pub(crate) hold: Option<&'a HoldMode>,
    pub(crate) closes: Option<bool>,
    pub(crate) reduce_only: bool,
    /// What `side` means in hedge mode.
    pub(crate) convention: Convention,
}

/// The two meanings of `side` in hedge mode. In one-way mode it is always the trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Convention {
    /// The position: `buy` is the long, opening and closing alike.
    Position,
    /// The trade: `buy` takes base currency.
    Trade,
}

pub(crate) fn side_of(side: Option<&SideWord>, asked: Option<Side>) -> Result<Side, Unmapped> {
    match side {
        Some(SideWord::Buy) => Ok(Side::Buy),
        Some(SideWord::Sell) => Ok(Side::Sell),
        Some(SideWord::Other(word)) => Err(Unmapped::Word("side", word.clone())),
        None => asked.ok_or(Unmapped::Missing("side")),
    }
}

/// The trade and the position of an order.
pub(crate) fn way_of(way: Way<'_>, id: &ReportedId, asked: Asked<'_>) -> Result<(Side, Direction), Unmapped> {
    let of_role = match id {
        ReportedId::Ours(id) => Some(id.role().is_exit()),
        ReportedId::Venue(_) => Some(true),
        ReportedId::Foreign(_) => None,
    };
    let hedge = match way.hold {
        Some(HoldMode::Hedge) => true,
        Some(HoldMode::OneWay) => false,
        Some(HoldMode::Other(word)) => return Err(Unmapped::Word("position mode", word.clone())),
        None => matches!(way.position, Some(PositionSide::Long | PositionSide::Short)),
    };
    if hedge { hedge_way(way, way.closes.or(of_role), asked) } else { one_way(way, of_role, asked) }
}

fn hedge_way(way: Way<'_>, closes: Option<bool>, asked: Asked<'_>) -> Result<(Side, Direction), Unmapped> {
    let trade = |direction: Direction, closes| {
        if closes { direction.closing_side() } else { direction.opening_side() }
    };
    let direction = match way.position {
        Some(PositionSide::Long) => Some(Direction::Long),
        Some(PositionSide::Short) => Some(Direction::Short),
        Some(PositionSide::Net) => return Err(Unmapped::Contradiction("a net position in hedge mode")),
        Some(PositionSide::Other(word)) => return Err(Unmapped::Word("position side", word.clone())),
        None => asked.direction,
    };
    if way.convention == Convention::Trade && (way.side.is_some() || asked.side.is_some()) {
        let side = side_of(way.side, asked.side)?;
        let by_trade = || {
            let closes = closes?;
            [Direction::Long, Direction::Short].into_iter().find(|direction| trade(*direction, closes) == side)
        };
        return Ok((side, direction.or_else(by_trade).ok_or(Unmapped::Missing("position side"))?));
    }
    let direction = match (direction, way.side) {
        (Some(direction), _) => direction,
        (None, Some(SideWord::Buy)) if way.convention == Convention::Position => Direction::Long,
        (None, Some(SideWord::Sell)) if way.convention == Convention::Position => Direction::Short,
        (None, Some(SideWord::Other(word))) => return Err(Unmapped::Word("side", word.clone())),
        (None, _) => return Err(Unmapped::Missing("position side")),
    };
    match (closes, asked.side) {
        (Some(closes), _) => Ok((trade(direction, closes), direction)),
        (None, Some(side)) => Ok((side, direction)),
        (None, None) => Err(Unmapped::Missing("trade side")),
    }
}

/// In one-way mode the venue does not say which position; our ids do, the venue's own orders close, and a foreign order
/// closes if it says so.
fn one_way(way: Way<'_>, of_role: Option<bool>, asked: Asked<'_>) -> Result<(Side, Direction), Unmapped> {
    let side = side_of(way.side, asked.side)?;
    let closes = of_role.unwrap_or(way.reduce_only || way.closes == Some(true));
    let by_side = match (side, closes) {
        (Side::Buy, false) | (Side::Sell, true) => Direction::Long,
        (Side::Sell, false) | (Side::Buy, true) => Direction::Short,
    };
    Ok((side, asked.direction.unwrap_or(by_side)))
}
