//! Every life of the swarm that failed once is lived again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use kraite_sim::swarm::{Life, Mix, live};

#[test]
fn l01_every_life_that_failed_once_comes_to_rest_and_breaks_nothing() {
    let lines = include_str!("seeds.txt").lines().filter(|line| !line.starts_with('#'));
    let mut lived = 0;
    for line in lines {
        let mut words = line.splitn(3, ' ');
        let seed: u64 = words.next().unwrap().parse().unwrap();
        let mix = match words.next().unwrap() {
            "light" => Mix::Light,
            "heavy" => Mix::Heavy,
            "swarm" => Mix::Swarm,
            "all" => Mix::in_turn(seed),
            other => panic!("no such mix: {other}"),
        };
        let end = live(&Life::drawn(seed, mix));
        assert!(end.is_clean(), "{line}: {:?} {:?}", end.verdict.findings, end.unresolved);
        lived += 1;
    }
    assert!(lived > 0);
}
