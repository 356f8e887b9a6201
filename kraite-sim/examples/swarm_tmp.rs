//! tmp
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]
use kraite_sim::swarm::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (from, n): (u64, u64) = (args[1].parse().unwrap(), args[2].parse().unwrap());
    if args.get(3).is_some_and(|a| a == "shrink") {
        let mix = [Mix::Light, Mix::Heavy, Mix::Swarm][(from % 3) as usize];
        let s = shrink(&Life::drawn(from, mix)).unwrap();
        for (gap, act) in &s.acts { println!("{gap:?} {act:?}"); }
        println!("{:?} tried {}", s.schedule, s.tried);
        let start = s.lived.story.first().map_or(0, |(at, _)| at.0);
        for (at, line) in &s.lived.story { println!("{:>8} {line}", at.0 - start); }
        println!("{:?} {:#?}", s.lived.unresolved, s.lived.verdict.findings);
        return;
    }
    let t = std::time::Instant::now();
    let (mut bad, mut lc, mut crashes, mut worst) = (0, 0, 0, 0);
    let mut visited = kraite_sim::world::Visited::default();
    let mut rounds = 0;
    for seed in from..from + n {
        let mix = [Mix::Light, Mix::Heavy, Mix::Swarm][(seed % 3) as usize];
        let l = live(&Life::drawn(seed, mix));
        lc += l.lifecycles; crashes += l.crashes; worst = worst.max(l.verdict.max_unprotected.0); rounds = rounds.max(l.rounds);
        visited.add(&l.visited);
        if !l.is_clean() { bad += 1; if bad <= 12 { println!("{seed} {mix:?} {:?} {:?}", l.unresolved, l.verdict.findings.first()); } }
    }
    let s = t.elapsed().as_secs_f64();
    println!("bad {bad} of {n}, lifecycles {lc}, crashes {crashes}, worst {worst} ms, rounds {rounds}, {:.0}/s", n as f64 / s);
    if args.len() > 3 { for (k, v) in visited.counts() { println!("{v:>9} {k}"); } }
}
