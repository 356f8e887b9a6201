//! A few hundred random lives and the explorer over one script: small enough for every change of the core.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use kraite_sim::explore::explore;
use kraite_sim::presets;
use kraite_sim::script::{Script, Timing};
use kraite_sim::swarm::{Life, Mix, live};

#[test]
fn s12_a_few_hundred_random_lives_come_to_rest_and_break_nothing() {
    for mix in [Mix::Light, Mix::Heavy, Mix::Swarm] {
        let (mut crashes, mut lifecycles) = (0, 0);
        for seed in 0..200 {
            let lived = live(&Life::drawn(seed, mix));
            assert!(lived.is_clean(), "{mix:?} {seed}: {:?} {:?}", lived.verdict.findings, lived.unresolved);
            crashes += lived.crashes;
            lifecycles += lived.lifecycles;
        }
        assert!(crashes > 50 && lifecycles > 200, "{mix:?}: {crashes} crashes, {lifecycles} positions");
    }
}

#[test]
fn s12_every_single_fault_of_a_stop_that_fills_breaks_nothing_on_both_shapes() {
    let script = Script::catalogue().into_iter().find(|script| script.name == "stop-fills").unwrap();
    for profile in presets::shapes() {
        let certificate = explore(&script, &profile, Timing::default(), 1, &|_| {});
        assert_eq!((certificate.violations, certificate.unresolved), (0, 0), "{:?}", certificate.failures);
        assert!(certificate.total() > 200, "{}", certificate.total());
    }
}
