//! Swarm simulation: random lives under random faults, then a healed world in which everything must come to rest.
//!
//! A [`Life`] is drawn from a seed and a [`Mix`]: accounts, contracts, what people and markets do, and how often
//! what goes wrong. It has a *safety phase*, in which the auditor looks after every event, and a *liveness
//! phase*: faults stop, disks work, streams connect, and within a bounded number of rounds every position must be
//! protected or at its end, then closed, and worker and venue must agree (L1, L2, L3).

mod act;
mod life;
mod live;
mod shrink;

pub use act::{Act, Class, Hand};
pub use life::{Life, Mix};
pub use live::{Lived, MAX_ROUNDS, live};
pub use shrink::{Shrunk, diagram, shrink};
