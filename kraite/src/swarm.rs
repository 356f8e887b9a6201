//! `kraite swarm` and `kraite shrink`: random lives under random faults, and the shortest one that fails.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use kraite_sim::swarm::{Life, Lived, MAX_ROUNDS, Mix, diagram, live, shrink};
use kraite_sim::world::{Fate, Visited};
use serde::Serialize;

use crate::exit::{Exit, Failed};
use crate::progress::{Progress, cpu_seconds};
use crate::run_log::RunLog;

const EXAMPLE: &str = "Examples:
  kraite swarm --seeds 20000
  kraite swarm --seeds 1000000 --from 500000 --mix heavy --json
  kraite shrink 4711 --mix heavy";

/// Seeds that one thread takes at a time.
const BATCH: u64 = 64;

/// Lives random lives under random faults, heals the world, and looks whether everything comes to rest.
///
/// Each seed draws accounts, contracts, positions, a market, and what goes wrong: messages, processes, disks,
/// clocks, streams, halts, thin markets, and the hands of the user. After every event the auditor looks at every
/// invariant; then faults stop, and within 200 rounds every position must be protected or at its end, and
/// closed when asked. The same seed under the same mix is the same life.
///
/// Exit code 6 if a life breaks an invariant, 5 if one does not come to rest; both name the first failing seed
/// and the command that shrinks it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLE)]
pub(crate) struct Args {
    /// How many seeds.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How faults are mixed; all takes the three in turn.
    #[arg(long, value_enum, default_value = "all")]
    mix: MixWord,
    /// How many lives are lived at once; as many as there are processors unless said otherwise.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Appends the result as one line of JSON, with digests of the sources it is about.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Wakes a bug of the zoo.
    #[cfg(kraite_zoo)]
    #[arg(long, value_name = "ID")]
    bug: Option<String>,
    /// Ends with exit code 1 unless each dangerous state was visited at least so often (L5).
    #[arg(long, default_value = "0", value_name = "TIMES")]
    reach: u64,
    /// Prints the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Reduces a failing life to the shortest schedule that still fails, and draws it.
///
/// Leaves out acts and faults as long as the life still fails. Prints what is left, what is found, and the
/// messages as a sequence diagram in Mermaid's language. Exit code 6 or 5 as of the life, 0 if it does not fail.
#[derive(Debug, clap::Args)]
pub(crate) struct ShrinkArgs {
    /// The seed, as `kraite swarm` names it.
    seed: u64,
    /// The mix it failed under; all takes the one that the seed has there.
    #[arg(long, value_enum, default_value = "all")]
    mix: MixWord,
    /// Wakes a bug of the zoo.
    #[cfg(kraite_zoo)]
    #[arg(long, value_name = "ID")]
    bug: Option<String>,
    /// Prints the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum MixWord {
    /// An unlucky week.
    Light,
    /// A hostile day.
    Heavy,
    /// Whole classes of faults left out, the others at drawn rates.
    Swarm,
    /// The three in turn.
    All,
}

impl MixWord {
    const fn of(self, seed: u64) -> Mix {
        match self {
            Self::Light => Mix::Light,
            Self::Heavy => Mix::Heavy,
            Self::Swarm => Mix::Swarm,
            Self::All => Mix::in_turn(seed),
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Heavy => "heavy",
            Self::Swarm => "swarm",
            Self::All => "all",
        }
    }
}

#[derive(Debug, Default)]
struct Sum {
    lifecycles: u64,
    crashes: u64,
    violations: u64,
    unresolved: u64,
    wire_duplicates: u64,
    max_rounds: u64,
    max_unprotected_ms: i64,
    visited: Visited,
    faults: BTreeMap<String, u64>,
    acts: BTreeMap<&'static str, u64>,
    first_failing: Option<(u64, String)>,
    trace: u64,
}

impl Sum {
    /// One life.
    fn of(seed: u64, lived: &Lived) -> Self {
        let finding = || lived.verdict.findings.first().map(|(_, finding)| format!("{finding:?}"));
        let what = || finding().or_else(|| lived.unresolved.first().cloned()).unwrap_or_default();
        Self {
            lifecycles: lived.lifecycles,
            crashes: lived.crashes,
            violations: lived.verdict.violations,
            unresolved: lived.unresolved.len() as u64,
            wire_duplicates: lived.verdict.wire_duplicates,
            max_rounds: lived.rounds,
            max_unprotected_ms: lived.verdict.max_unprotected.0,
            visited: lived.visited.clone(),
            faults: lived.dealt.iter().map(|(fate, count)| (format!("{fate:?}").to_lowercase(), *count)).collect(),
            acts: lived.acts.iter().map(|(class, count)| (class.word(), *count)).collect(),
            first_failing: (!lived.is_clean()).then(|| (seed, what())),
            // Order does not matter to it, so that one thread and many agree.
            trace: lived.trace.rotate_left(u32::try_from(seed % 64).unwrap_or(0)),
        }
    }

    /// Several lives together.
    fn merge(&mut self, other: Self) {
        self.lifecycles += other.lifecycles;
        self.crashes += other.crashes;
        self.violations += other.violations;
        self.unresolved += other.unresolved;
        self.wire_duplicates += other.wire_duplicates;
        self.max_rounds = self.max_rounds.max(other.max_rounds);
        self.max_unprotected_ms = self.max_unprotected_ms.max(other.max_unprotected_ms);
        self.visited.add(&other.visited);
        for (fate, count) in other.faults {
            *self.faults.entry(fate).or_insert(0) += count;
        }
        for (class, count) in other.acts {
            *self.acts.entry(class).or_insert(0) += count;
        }
        self.trace = self.trace.wrapping_add(other.trace);
        if let Some((seed, what)) = other.first_failing
            && self.first_failing.as_ref().is_none_or(|(first, _)| seed < *first)
        {
            self.first_failing = Some((seed, what));
        }
    }
}

#[derive(Debug, Serialize)]
struct Shown {
    schema: &'static str,
    seeds: u64,
    from: u64,
    mix: &'static str,
    lifecycles: u64,
    crashes: u64,
    violations: u64,
    unresolved: u64,
    wire_duplicates: u64,
    max_rounds: u64,
    max_unprotected_ms: i64,
    faults: BTreeMap<String, u64>,
    acts: BTreeMap<&'static str, u64>,
    states_visited: BTreeMap<&'static str, u64>,
    trace: String,
    cpu_seconds: f64,
    first_failing_seed: Option<u64>,
    first_failing: Option<String>,
}

fn run(args: &Args) -> Sum {
    let jobs = args.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let next = AtomicU64::new(0);
    let progress = Mutex::new(Progress::new("swarm"));
    let total = Mutex::new(Sum::default());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                let mut sum = Sum::default();
                loop {
                    let first = next.fetch_add(BATCH, Ordering::Relaxed);
                    if first >= args.seeds {
                        break;
                    }
                    for seed in (first..args.seeds.min(first + BATCH)).map(|n| args.from.wrapping_add(n)) {
                        sum.merge(Sum::of(seed, &live(&Life::drawn(seed, args.mix.of(seed)))));
                    }
                    if let Ok(mut progress) = progress.lock() {
                        progress.say(|| format!("{} of {} seeds", first.min(args.seeds), args.seeds));
                    }
                }
                if let Ok(mut total) = total.lock() {
                    total.merge(sum);
                }
            });
        }
    });
    total.into_inner().unwrap_or_default()
}

/// Lives, sums, prints.
pub(crate) fn command(args: &Args) -> Result<Exit, Failed> {
    #[cfg(kraite_zoo)]
    crate::wake(args.bug.as_deref())?;
    let log = RunLog::open(args.log.as_deref())?;
    let sum = run(args);
    let shown = Shown {
        schema: "kraite.swarm/1",
        seeds: args.seeds,
        from: args.from,
        mix: args.mix.word(),
        lifecycles: sum.lifecycles,
        crashes: sum.crashes,
        violations: sum.violations,
        unresolved: sum.unresolved,
        wire_duplicates: sum.wire_duplicates,
        max_rounds: sum.max_rounds,
        max_unprotected_ms: sum.max_unprotected_ms,
        faults: sum.faults,
        acts: sum.acts,
        states_visited: sum.visited.counts().clone(),
        trace: format!("{:016x}", sum.trace),
        cpu_seconds: cpu_seconds(),
        first_failing_seed: sum.first_failing.as_ref().map(|(seed, _)| *seed),
        first_failing: sum.first_failing.as_ref().map(|(_, what)| what.clone()),
    };
    if let Some(log) = log {
        log.append(&shown)?;
    }
    if args.json {
        let json = serde_json::to_string_pretty(&shown).map_err(Failed::with(Exit::Failure))?;
        crate::print(&format!("{json}\n"))?;
    } else {
        crate::print(&text(&shown))?;
    }
    if let Some((seed, what)) = &sum.first_failing {
        let again = format!("kraite shrink {seed} --mix {}", args.mix.word());
        crate::talk(&format!("kraite: seed {seed} fails: {what}\nkraite: shrink it with  {again}"));
    }
    let ending = ending(shown.violations, shown.unresolved);
    if ending != Exit::Ok {
        return Ok(ending);
    }
    let missed: Vec<String> = sum.visited.missed(args.reach).map(|(name, n)| format!("{name} ({n})")).collect();
    if missed.is_empty() {
        return Ok(Exit::Ok);
    }
    crate::talk(&format!("kraite: visited fewer than {} times: {}", args.reach, missed.join(", ")));
    Ok(Exit::Failure)
}

const fn ending(violations: u64, unresolved: u64) -> Exit {
    match (violations, unresolved) {
        (0, 0) => Exit::Ok,
        (0, _) => Exit::Unknown,
        _ => Exit::Invariant,
    }
}

fn text(shown: &Shown) -> String {
    let list = |counts: Vec<String>| counts.join(", ");
    let faults = list(shown.faults.iter().map(|(fate, n)| format!("{n} {fate}")).collect());
    let acts = list(shown.acts.iter().map(|(class, n)| format!("{n} {class}")).collect());
    let mut out = format!(
        "seeds          {} from {}, mix {}\nlives          {} positions, {} crashes\nfaults         {faults}\nacts           {acts}\nwithout a stop {} ms at most\nrounds         {} of {} at most until all came to rest\nresult         {} violations, {} unresolved, {} requests doubled by the wire took effect\ntrace          {}\ntime           {:.1} CPU seconds\n",
        shown.seeds,
        shown.from,
        shown.mix,
        shown.lifecycles,
        shown.crashes,
        shown.max_unprotected_ms,
        shown.max_rounds,
        MAX_ROUNDS,
        shown.violations,
        shown.unresolved,
        shown.wire_duplicates,
        shown.trace,
        shown.cpu_seconds,
    );
    out += "visited\n";
    for (name, count) in &shown.states_visited {
        out += &format!("  {count:>10}  {name}\n");
    }
    out
}

#[derive(Debug, Serialize)]
struct ShownShrunk {
    schema: &'static str,
    seed: u64,
    mix: &'static str,
    tried: u64,
    acts: Vec<String>,
    faults: String,
    violations: u64,
    findings: Vec<String>,
    unresolved: Vec<String>,
    diagram: String,
}

fn faults(schedule: &BTreeMap<u64, Fate>) -> String {
    let faults: Vec<String> =
        schedule.iter().map(|(number, fate)| format!("{number}:{}", format!("{fate:?}").to_lowercase())).collect();
    if faults.is_empty() { "none".into() } else { faults.join(",") }
}

/// Shrinks one life and draws it.
pub(crate) fn shrink_command(args: &ShrinkArgs) -> Result<Exit, Failed> {
    #[cfg(kraite_zoo)]
    crate::wake(args.bug.as_deref())?;
    let life = Life::drawn(args.seed, args.mix.of(args.seed));
    let Some(shrunk) = shrink(&life) else {
        if args.json {
            crate::print(&format!(
                "{}\n",
                serde_json::json!({ "schema": "kraite.shrink/1", "seed": args.seed, "fails": false })
            ))?;
        } else {
            crate::print(&format!("seed {} does not fail\n", args.seed))?;
        }
        return Ok(Exit::Ok);
    };
    let shown = ShownShrunk {
        schema: "kraite.shrink/1",
        seed: args.seed,
        mix: args.mix.word(),
        tried: shrunk.tried,
        acts: shrunk.acts.iter().map(|(gap, act)| format!("+{gap} {act:?}")).collect(),
        faults: faults(&shrunk.schedule),
        violations: shrunk.lived.verdict.violations,
        findings: shrunk.lived.verdict.findings.iter().map(|(_, finding)| format!("{finding:?}")).collect(),
        unresolved: shrunk.lived.unresolved.clone(),
        diagram: diagram(&shrunk.lived.story),
    };
    if args.json {
        let json = serde_json::to_string_pretty(&shown).map_err(Failed::with(Exit::Failure))?;
        crate::print(&format!("{json}\n"))?;
    } else {
        let mut out = format!("seed {}, {} lives tried\nacts\n", shown.seed, shown.tried);
        for act in &shown.acts {
            out += &format!("  {act}\n");
        }
        out += &format!("faults         {}\n", shown.faults);
        for words in shown.findings.iter().chain(&shown.unresolved) {
            out += &format!("found          {words}\n");
        }
        out += &format!("\n{}", shown.diagram);
        crate::print(&out)?;
    }
    Ok(ending(shown.violations, shown.unresolved.len() as u64))
}
