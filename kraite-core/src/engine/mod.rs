//! The engine: one mutator, [`Engine::step`], and the log it can be restored from.

mod io;

pub use io::{
    Alert, Answer, Command, CommandId, Deadline, Effect, Input, InputKind, Notice, OpenRequest, Query, Request, Sent,
    Setup, TargetWish, Wake,
};
/// PLACEHOLDER
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Event {}
/// PLACEHOLDER
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct State {}
