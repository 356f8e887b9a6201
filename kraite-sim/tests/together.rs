//! Steps that are committed together: one write, whole or not at all, and no effect before it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use futures_util::FutureExt as _;
use kraite_core::engine::{Config, Engine, Input, InputKind, commit_all};
use kraite_core::id::AccountTag;
use kraite_core::journal::{Journal as _, JournalError, Loaded, Run};
use kraite_core::time::{LocalMillis, Millis, Moment, VenueMillis};
use kraite_sim::presets;
use kraite_sim::world::ModelJournal;

fn moment(now: i64) -> Moment {
    Moment { local: LocalMillis(now), venue: VenueMillis(now), error: Millis(1) }
}

#[test]
fn s04_steps_that_are_committed_together_are_durable_together_or_not_at_all() {
    let account = |number| AccountTag::new(number).unwrap();
    let journal = ModelJournal::default();
    let born = |of: AccountTag| {
        let epoch = journal.acquire(of).now_or_never().unwrap().unwrap();
        Engine::restore(Config::default(), presets::binance().capabilities, of, epoch, Loaded::default()).unwrap()
    };
    let (mut one, mut other) = (born(account(1)), born(account(2)));
    let step = |engine: &mut Engine, now| engine.step(Input { at: moment(now), kind: InputKind::Started });
    assert_eq!(commit_all(&journal, Vec::new()).now_or_never().unwrap().unwrap().len(), 0);
    let steps = vec![step(&mut one, 1), step(&mut one, 2)];
    let recorded: Vec<_> = steps.iter().filter_map(|step| step.record().cloned()).collect();
    let released = commit_all(&journal, steps).now_or_never().unwrap().unwrap();
    assert_eq!(released.iter().filter_map(|one| one.record.clone()).collect::<Vec<_>>(), recorded);
    assert!(released.iter().all(|one| one.durable.is_some() == one.record.is_some()));
    assert_eq!(journal.load(account(1)).now_or_never().unwrap().unwrap().records, recorded);

    let mixed = vec![step(&mut one, 3), step(&mut other, 3)];
    assert!(matches!(commit_all(&journal, mixed).now_or_never().unwrap(), Err(JournalError::Write(_))));
    assert_eq!(journal.load(account(1)).now_or_never().unwrap().unwrap().records, recorded);
    assert!(matches!(Run::of(account(1), &[]), Err(JournalError::Write(_))));
    let twice = [recorded[0].clone(), recorded[0].clone()];
    assert!(matches!(Run::of(account(1), &twice), Err(JournalError::OutOfSequence { expected: 2, got: 1, .. })));
}
