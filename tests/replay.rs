//! A journal, folded again, ends byte for byte where its writer ended (I10, I18).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use kraite_core::Engine;
use kraite_core::engine::{Config, State};
use kraite_core::journal::Loaded;
use kraite_journal::{decode, encode, encode_state};
use kraite_sim::presets;
use kraite_sim::script::{self, Script, Timing};
use kraite_sim::world::{Nemesis, Rates, Stream};

const JOURNALS: u64 = 10_000;

/// The state that a journal folds to, from its bytes.
fn folded(loaded: &Loaded, writer: &Engine) -> State {
    let account = script::account();
    let records = loaded.records.iter().map(|record| {
        let bytes = encode(account, record).unwrap();
        decode(account, record.seq, &bytes).unwrap()
    });
    let loaded = Loaded { snapshot: loaded.snapshot.clone(), records: records.collect() };
    let epoch = writer.state().epoch;
    Engine::restore(Config::default(), writer.capabilities().clone(), account, epoch, loaded).unwrap().into_state()
}

/// How many of so many recorded journals differ when they are folded again, how many records that took, and how many
/// of the journals were written over several lives.
fn replayed(journals: u64, disturb: impl Fn(&mut Loaded)) -> (u64, usize, u64) {
    let (scripts, shapes) = (Script::catalogue(), presets::shapes());
    let (mut differ, mut records, mut restarted) = (0, 0, 0);
    for seed in 0..journals {
        let at = usize::try_from(seed).unwrap();
        let (script, profile) = (&scripts[at % scripts.len()], &shapes[at / scripts.len() % shapes.len()]);
        let world = script::world(profile.clone(), Nemesis::random(seed, Rates::HEAVY), Timing::drawn(seed));
        let played = script::play_in(script, world, Stream::Push);
        let Some(writer) = played.world.engine(script::account()) else { continue };
        let mut loaded = played.world.journal.read(script::account());
        disturb(&mut loaded);
        let bytes = |state: &State| encode_state(script::account(), state).unwrap();
        if bytes(&folded(&loaded, writer)) != bytes(writer.state()) {
            differ += 1;
        }
        records += loaded.records.len();
        restarted += u64::from(writer.state().epoch.get() > 1);
    }
    (differ, records, restarted)
}

#[test]
fn i10_i18_ten_thousand_recorded_journals_end_byte_for_byte_where_their_writers_ended() {
    let (differ, records, restarted) = replayed(JOURNALS, |_| {});
    println!("{JOURNALS} journals folded again, {records} records, {restarted} of several lives, {differ} differ");
    assert_eq!(differ, 0);
    assert!(records > 100_000 && restarted > 1_000, "{records} records, {restarted} restarted");
}

#[test]
fn mutant_a_journal_that_lost_its_last_record_differs() {
    let (differ, ..) = replayed(40, |loaded| drop(loaded.records.pop()));
    assert!(differ > 30, "{differ} of 40");
}
