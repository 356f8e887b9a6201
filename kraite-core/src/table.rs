//! State machines as data: a const list of transitions that tests print as a matrix and as a diagram.

use alloc::string::String;
use core::fmt::{Debug, Write as _};

use serde::{Deserialize, Serialize};

/// What a machine says about one event in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Verdict<S> {
    /// The event applies and leads here.
    Applied(S),
    /// The event is already reflected: a duplicate or an older report.
    NoOp,
    /// The event makes no sense here; it is recorded and changes nothing.
    Refused,
}

/// One row: in this state, on this event, this verdict. Pairs without a row are refused.
#[derive(Debug, Clone, Copy)]
pub struct Row<S, E> {
    /// The state before.
    pub from: S,
    /// The event.
    pub on: E,
    /// What happens.
    pub verdict: Verdict<S>,
}

/// A state machine that is a table.
pub trait Machine: Copy + PartialEq + Debug + Sized + 'static {
    /// What can happen to it.
    type Event: Copy + PartialEq + Debug + 'static;
    /// Every state.
    const STATES: &'static [Self];
    /// Every event.
    const EVENTS: &'static [Self::Event];
    /// Every row.
    const ROWS: &'static [Row<Self, Self::Event>];

    /// The verdict on `event` in this state.
    #[must_use]
    fn on(self, event: Self::Event) -> Verdict<Self> {
        Self::ROWS.iter().find(|row| row.from == self && row.on == event).map_or(Verdict::Refused, |row| row.verdict)
    }
}

/// The state x event matrix: `-` refused, `=` no-op, else the next state.
#[must_use]
pub fn matrix<M: Machine>() -> String {
    let mut out = String::new();
    for event in M::EVENTS {
        let _ = writeln!(out, "{event:?}");
        for state in M::STATES {
            let cell = match state.on(*event) {
                Verdict::Applied(next) => alloc::format!("{next:?}"),
                Verdict::NoOp => String::from("="),
                Verdict::Refused => String::from("-"),
            };
            let _ = writeln!(out, "    {:<18} {cell}", alloc::format!("{state:?}"));
        }
    }
    out
}

/// The machine as a Graphviz digraph; no-ops and refusals are left out.
#[must_use]
pub fn graphviz<M: Machine>(name: &str) -> String {
    let mut out = alloc::format!("digraph {name} {{\n  rankdir=LR;\n");
    for row in M::ROWS {
        if let Verdict::Applied(next) = row.verdict {
            let _ = writeln!(out, "  \"{:?}\" -> \"{next:?}\" [label=\"{:?}\"];", row.from, row.on);
        }
    }
    out.push_str("}\n");
    out
}

/// Declares the rows of a [`Machine`]: `Event => { From, From => To; } same [NoOp, NoOp];`.
macro_rules! transitions {
    ($state:ty, $event:ty; $($on:expr => { $($($from:expr),+ => $to:expr;)* } same [$($same:expr),*];)*) => {
        &[
            $(
                $($(crate::table::Row { from: $from, on: $on, verdict: crate::table::Verdict::Applied($to) },)+)*
                $(crate::table::Row { from: $same, on: $on, verdict: crate::table::Verdict::NoOp },)*
            )*
        ]
    };
}
pub(crate) use transitions;
