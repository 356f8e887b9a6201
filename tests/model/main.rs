//! The protocol of placement and recovery as a model, checked exhaustively, and the real core on every edge
//! of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod protocol;
mod worker;
mod world;

use protocol::Protocol;
use stateright::{Checker, HasDiscoveries, Model};
use worker::Rule;

fn check(crashes: u8, faults: u8, rule: Rule) -> impl Checker<Protocol> {
    let checker = Protocol { crashes, faults, rule }.checker().threads(2);
    let checker = if rule == Rule::Sound { checker } else { checker.finish_when(HasDiscoveries::AnyFailures) };
    checker.spawn_bfs().join()
}

#[test]
fn counts() {
    for (c, f) in [(0, 0), (1, 1), (2, 2), (3, 2)] {
        let t = std::time::SystemTime::now();
        let done = check(c, f, Rule::Sound);
        println!("{c} {f}: {} unique, {} generated, depth {}, {:?}", done.unique_state_count(), done.state_count(), done.max_depth(), t.elapsed());
        for (name, path) in done.discoveries() {
            println!("   {name}: {} steps", path.into_actions().len());
        }
    }
}

#[test]
fn naive() {
    for rule in [Rule::NotFoundOnce, Rule::AnsweredAfter, Rule::ErrorForgotten, Rule::OneReading, Rule::SendFirst, Rule::RetryOnUnknown, Rule::DuplicateIsRefusal, Rule::AttemptInMemory] {
        let done = check(2, 2, rule);
        println!("{rule:?}: {} unique", done.unique_state_count());
        for (name, path) in done.discoveries() {
            if done.model().properties().iter().any(|p| p.name == name && p.expectation.discovery_is_failure()) {
                println!("   {name}: {:?}", path.into_actions());
            }
        }
    }
}
