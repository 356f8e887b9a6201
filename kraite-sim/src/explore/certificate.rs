//! What an exploration shows: counts, bounds, and what broke.

use std::collections::BTreeMap;

use crate::world::{Fate, Finding, Point};

/// The certificate of one script on one venue: all schedules up to a depth, and what became of them.
#[derive(Debug, Clone, Default)]
pub struct Certificate {
    /// How many faults a schedule has at most.
    pub depth: u8,
    /// The choice points of the run without a fault, by kind.
    pub points: BTreeMap<Point, u64>,
    /// How many schedules have exactly one fault, two, and so on.
    pub schedules: Vec<u64>,
    /// How many runs were executed.
    pub executed: u64,
    /// Different worlds that were seen at an event.
    pub states: u64,
    /// How many schedules break something.
    pub violations: u64,
    /// How many schedules leave a position or an order unresolved.
    pub unresolved: u64,
    /// The longest time with exposure and no accepted stop over all schedules.
    pub worst: Worst,
    /// The first schedules that break something or leave something unresolved.
    pub failures: Vec<Failure>,
    /// The crash matrix: what happens in the run without a fault, and what each first fault at it comes to.
    pub matrix: Vec<Row>,
}

/// A time without a stop, and the windows it lay in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Worst {
    /// How long.
    pub ms: i64,
    /// The named windows that explain it.
    pub windows: Vec<&'static str>,
}

/// A schedule that went wrong.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Its faults.
    pub schedule: BTreeMap<u64, Fate>,
    /// The first thing the auditor found; `None` where something was left unresolved.
    pub finding: Option<Finding>,
}

/// One event of the run without a fault.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// Milliseconds since the start.
    pub at_ms: i64,
    /// What happens.
    pub what: String,
    /// What became of the schedules whose first fault is here.
    pub cells: BTreeMap<Column, Cell>,
}

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Column {
    /// Where.
    pub point: Point,
    /// What.
    pub fate: Fate,
}

impl Column {
    /// Every kind of fault there is.
    #[must_use]
    pub fn all() -> Vec<Self> {
        Point::ALL
            .iter()
            .flat_map(|point| point.faults().iter().map(|fate| Self { point: *point, fate: *fate }))
            .collect()
    }
}

/// The schedules whose first fault is of one kind at one event.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    /// How many there are.
    pub schedules: u64,
    /// How many of them break something or leave something unresolved.
    pub bad: u64,
    /// The longest time without a stop.
    pub worst_ms: i64,
}

impl Certificate {
    /// Every schedule that is accounted for, the one without a fault included.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.schedules.iter().fold(1, |sum, n| sum.saturating_add(*n))
    }
}
