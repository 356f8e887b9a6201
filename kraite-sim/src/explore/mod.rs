//! The crash explorer: every schedule of up to so many faults over one script, bounded and exhaustive.
//!
//! A *choice point* is a boundary at which Nemesis may deal a fate; a *schedule* names some choice points and
//! their fates. The explorer forks the world before each event and tries every fate at every choice point of
//! it. A world whose [fingerprint](crate::script::Play::fingerprint) was seen before is not run again: what follows from it is
//! known, and the schedules that lead through it are counted as covered.

mod certificate;
mod future;
mod pair_call;
mod walk;

pub use certificate::{Cell, Certificate, Column, Failure, Row, Worst};
pub use pair_call::{Course, Kill, PairWindow, Use, pair_window};
pub use walk::{MAX_DEPTH, explore};
