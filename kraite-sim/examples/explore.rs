//! tmp
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]
use kraite_sim::{explore::explore, presets, script::Script};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let depth: u8 = args[1].parse().unwrap();
    let want = args.get(2).cloned().unwrap_or("all".into());
    for (name, profile) in [("separate", presets::binance()), ("paired", presets::bitget())] {
        for script in Script::catalogue() {
            if want != "all" && want != script.name { continue; }
            let t = std::time::Instant::now();
            let c = explore(&script, &profile, depth, &|_| {});
            let s = t.elapsed().as_secs_f64();
            println!("{name:9} {:24} points {:4} schedules {:?} executed {} states {} viol {} unres {} worst {} {:?}  {:.2}s {:.0} exec/s {:.0} acc/s", script.name,
                c.points.values().sum::<u64>(), c.schedules, c.executed, c.states, c.violations, c.unresolved, c.worst.ms, c.worst.windows, s, c.executed as f64 / s, c.total() as f64 / s);
            for f in c.failures.iter().take(3) { println!("   {:?} {:?}", f.schedule, f.finding); }
        }
    }
}
