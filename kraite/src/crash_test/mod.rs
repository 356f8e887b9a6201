//! `kraite crash-test`: every schedule of a few faults over the life of a position.

mod html;
mod pair_calls;
mod replay;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use kraite_core::plan::{Sequence, TargetStyle};
use kraite_sim::explore::{Certificate, Failure, MAX_DEPTH, PairWindow, explore, pair_window};
use kraite_sim::script::{Script, Timing};
use kraite_sim::world::Fate;
use serde::Serialize;

use self::pair_calls::ShownPairCalls;
use crate::exit::{Exit, Failed};
use crate::flags::{TargetWord, VenueName};
use crate::progress::Progress;
use crate::run_log::RunLog;

const EXAMPLE: &str = "Examples:
  kraite crash-test                                  each single fault on every script, a few seconds
  kraite crash-test --depth 2 --html crashes.html    each pair of faults, and the crash matrix as a page
  kraite crash-test --script stop-fills --venue bitget --depth 3
  kraite crash-test --script open --venue binance --target limit --replay 12:crash,40:lose

Scripts:
";

/// Tries every schedule of up to --depth faults over scripts of a position's life, and says what broke.
///
/// The core, the journal's rules and the recovery are those of everything else; venue, wire and disk are
/// simulated. At each choice point (before and after a record is durable, before and after a request leaves,
/// after a reply; every request, reply, frame and answer on its way) the process may die, the message may be
/// lost, late, very late, doubled, or answered with "unknown". A world that was seen before is not run again:
/// what follows from it is known, and its schedules count as covered.
///
/// It prints one certificate for each script, venue and target style. Where stop and target are one call, a table
/// follows: whatever can become of such a call, crossed with where the process dies meanwhile, tried at every such
/// call of the scripts (of hardships only where one is asked for by its name). Exit code 6 if a schedule breaks an
/// invariant, 5 if one leaves something unresolved.
#[derive(Debug, clap::Args)]
#[command(after_long_help = scripts())]
pub(crate) struct Args {
    /// The most faults of one schedule: 1 takes seconds, 2 minutes, 3 hours.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_DEPTH)))]
    depth: u8,
    /// Which script, or all.
    #[arg(long, default_value = "all", value_name = "NAME")]
    script: String,
    /// Which protection: stop and target as two orders, or as one call.
    #[arg(long, value_enum, default_value = "all")]
    venue: Venues,
    /// Only this target style; a position's one-call protection has no limit target.
    #[arg(long, value_enum)]
    target: Option<TargetWord>,
    /// How many scripts are explored at once; as many as there are processors unless said otherwise.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// How long messages and restarts take: 1 is another continent, every other number draws its own times.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Plays one schedule and tells its story; NUMBER:FATE, separated by commas, or `none`.
    #[arg(long, value_name = "SCHEDULE", conflicts_with_all = ["html", "jobs", "log"])]
    replay: Option<String>,
    /// Writes the crash matrices as a page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Appends the certificates as one line of JSON, with digests of the sources they are about.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Wakes a bug of the zoo.
    #[cfg(kraite_zoo)]
    #[arg(long, value_name = "ID")]
    bug: Option<String>,
    /// Prints the certificates as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Venues {
    /// Stop and target are two orders.
    Binance,
    /// Stop and target are one call.
    Bitget,
    /// Both.
    All,
}

fn scripts() -> String {
    let lines = Script::catalogue().into_iter().map(|script| format!("  {:<24} {}", script.name, script.about));
    format!("{EXAMPLE}{}", lines.collect::<Vec<_>>().join("\n"))
}

/// One script on one venue with one target style.
struct Task {
    script: Script,
    venue: VenueName,
}

impl Task {
    const fn target(&self) -> &'static str {
        match self.script.target_style {
            TargetStyle::TriggerMarket => "trigger-market",
            TargetStyle::Limit => "limit",
        }
    }
}

fn tasks(args: &Args) -> Result<Vec<Task>, Failed> {
    let known = Script::catalogue();
    let chosen: Vec<Script> =
        known.iter().filter(|script| args.script == "all" || script.name == args.script).cloned().collect();
    if chosen.is_empty() {
        let names: Vec<&str> = known.iter().map(|script| script.name).collect();
        let message =
            format!("--script: there is no script `{}`; there are {}, and all", args.script, names.join(", "));
        return Err(Failed::new(Exit::Usage, message));
    }
    let venues: &[VenueName] = match args.venue {
        Venues::Binance => &[VenueName::Binance],
        Venues::Bitget => &[VenueName::Bitget],
        Venues::All => &[VenueName::Binance, VenueName::Bitget],
    };
    let mut tasks = Vec::new();
    for venue in venues {
        let styles: &[TargetStyle] = match venue {
            VenueName::Binance => &[TargetStyle::TriggerMarket, TargetStyle::Limit],
            VenueName::Bitget => &[TargetStyle::TriggerMarket],
        };
        let wanted = |style: &&TargetStyle| args.target.is_none_or(|word| TargetStyle::from(word) == **style);
        for style in styles.iter().filter(wanted) {
            for script in &chosen {
                tasks.push(Task { script: script.clone().styled(*style, Sequence::LadderFirst), venue: *venue });
            }
        }
    }
    if tasks.is_empty() {
        return Err(Failed::new(Exit::Usage, "--target: protection in one call has no limit target"));
    }
    Ok(tasks)
}

#[derive(Debug, Serialize)]
struct Shown {
    schema: &'static str,
    depth: u8,
    seed: u64,
    scripts: Vec<ShownScript>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pair_calls: Option<ShownPairCalls>,
    schedules_total: u64,
    executed_total: u64,
    violations_total: u64,
    unresolved_total: u64,
    cpu_seconds: f64,
}

#[derive(Debug, Serialize)]
struct ShownScript {
    name: &'static str,
    venue: &'static str,
    target: &'static str,
    choice_points: u64,
    points: BTreeMap<String, u64>,
    schedules: BTreeMap<String, u64>,
    executed: u64,
    covered: u64,
    states: u64,
    violations: u64,
    max_unprotected_ms: i64,
    unprotected_windows: Vec<&'static str>,
    unresolved: u64,
    failures: Vec<ShownFailure>,
}

#[derive(Debug, Serialize)]
struct ShownFailure {
    finding: Option<String>,
    replay: String,
}

fn fates(schedule: &BTreeMap<u64, Fate>) -> String {
    if schedule.is_empty() {
        return "none".into();
    }
    let faults: Vec<String> = schedule.iter().map(|(number, fate)| format!("{number}:{}", fate.word())).collect();
    faults.join(",")
}

fn show_failure(task: &Task, seed: u64, failure: &Failure) -> ShownFailure {
    let replay = format!(
        "kraite crash-test --script {} --venue {} --target {} --seed {seed} --replay {}",
        task.script.name,
        task.venue.word(),
        task.target(),
        fates(&failure.schedule)
    );
    ShownFailure { finding: failure.finding.as_ref().map(|finding| format!("{finding:?}")), replay }
}

fn show(args: &Args, tasks: &[Task], explored: &Explored, cpu_seconds: f64) -> Shown {
    let Explored { certificates, windows } = explored;
    let pair_calls = ShownPairCalls::of(args, tasks, windows);
    let sum = |pick: fn(&Certificate) -> u64| certificates.iter().map(pick).fold(0, u64::saturating_add);
    let scripts = tasks.iter().zip(certificates).map(|(task, certificate)| ShownScript {
        name: task.script.name,
        venue: task.venue.word(),
        target: task.target(),
        choice_points: certificate.points.values().sum(),
        points: certificate.points.iter().map(|(point, n)| (point.word().to_owned(), *n)).collect(),
        schedules: (1u8..).zip(&certificate.schedules).map(|(faults, n)| (faults.to_string(), *n)).collect(),
        executed: certificate.executed,
        covered: certificate.total().saturating_sub(certificate.executed),
        states: certificate.states,
        violations: certificate.violations,
        max_unprotected_ms: certificate.worst.ms,
        unprotected_windows: certificate.worst.windows.clone(),
        unresolved: certificate.unresolved,
        failures: certificate.failures.iter().map(|failure| show_failure(task, args.seed, failure)).collect(),
    });
    Shown {
        schema: "kraite.crash-test/1",
        depth: args.depth,
        seed: args.seed,
        scripts: scripts.collect(),
        schedules_total: sum(Certificate::total),
        executed_total: sum(|c| c.executed),
        violations_total: sum(|c| c.violations) + pair_calls.as_ref().map_or(0, |calls| calls.violations),
        unresolved_total: sum(|c| c.unresolved) + pair_calls.as_ref().map_or(0, |calls| calls.unresolved),
        pair_calls,
        cpu_seconds,
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn text(shown: &Shown) -> String {
    let mut out = String::new();
    for script in &shown.scripts {
        let points: Vec<String> = script.points.iter().map(|(point, n)| format!("{n} {point}")).collect();
        let schedules: Vec<String> = script
            .schedules
            .iter()
            .map(|(faults, n)| {
                format!("{} with exactly {faults} fault{}", grouped(*n), if faults == "1" { "" } else { "s" })
            })
            .collect();
        let windows = if script.unprotected_windows.is_empty() {
            String::new()
        } else {
            format!(" ({})", script.unprotected_windows.join("; "))
        };
        out += &format!(
            "{} on {}, {} target\n  choice points  {}: {}\n  schedules      {}\n  runs           {} executed, {} covered by a state already seen, {} states\n  without a stop {} ms at most{windows}\n  result         {} violations, {} unresolved\n",
            script.name,
            script.venue,
            script.target,
            script.choice_points,
            points.join(", "),
            schedules.join(", "),
            grouped(script.executed),
            grouped(script.covered),
            grouped(script.states),
            script.max_unprotected_ms,
            grouped(script.violations),
            grouped(script.unresolved),
        );
        for failure in &script.failures {
            out += &format!("  broken         {}\n", failure.finding.as_deref().unwrap_or("left unresolved"));
            out += &format!("    replay with  {}\n", failure.replay);
        }
    }
    if let Some(calls) = &shown.pair_calls {
        out += &calls.text();
    }
    out += &format!(
        "{} certificates: all {} schedules of up to {} faults accounted for, {} runs executed, {} violations, {} unresolved, {:.1} CPU seconds\n",
        shown.scripts.len(),
        grouped(shown.schedules_total),
        shown.depth,
        grouped(shown.executed_total),
        grouped(shown.violations_total),
        grouped(shown.unresolved_total),
        shown.cpu_seconds
    );
    out
}

/// What became of each task, in their order.
struct Explored {
    certificates: Vec<Certificate>,
    windows: Vec<PairWindow>,
}

/// Explores every task, several at a time; the result does not depend on how many.
fn run(args: &Args, tasks: &[Task]) -> Explored {
    let jobs = args.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let (next, executed, done) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicUsize::new(0));
    let progress = Mutex::new(Progress::new("crash-test"));
    let results: Mutex<BTreeMap<usize, (Certificate, PairWindow)>> = Mutex::new(BTreeMap::new());
    let timing = Timing::drawn(args.seed);
    let heard = |runs: u64| {
        let executed = executed.fetch_add(runs, Ordering::Relaxed) + runs;
        if let Ok(mut progress) = progress.lock() {
            progress.say(|| {
                let done = done.load(Ordering::Relaxed);
                format!("{done} of {} certificates, {} runs", tasks.len(), grouped(executed))
            });
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(tasks.len()) {
            scope.spawn(|| {
                while let Some((place, task)) = {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    tasks.get(place).map(|task| (place, task))
                } {
                    let profile = task.venue.profile();
                    let certificate = explore(&task.script, &profile, timing, args.depth, &heard);
                    let window = if pair_calls::are_tried(args, task) {
                        pair_window(&task.script, &profile, timing)
                    } else {
                        PairWindow::default()
                    };
                    done.fetch_add(1, Ordering::Relaxed);
                    if let Ok(mut results) = results.lock() {
                        results.insert(place, (certificate, window));
                    }
                }
            });
        }
    });
    let (certificates, windows) = results.into_inner().unwrap_or_default().into_values().unzip();
    Explored { certificates, windows }
}

/// Explores, prints, and writes the page.
pub(crate) fn command(args: &Args) -> Result<Exit, Failed> {
    #[cfg(kraite_zoo)]
    crate::wake(args.bug.as_deref())?;
    let tasks = tasks(args)?;
    if let Some(schedule) = &args.replay {
        return replay::command(args, &tasks, schedule);
    }
    let log = RunLog::open(args.log.as_deref())?;
    let explored = run(args, &tasks);
    if explored.certificates.len() != tasks.len() {
        return Err(Failed::new(Exit::Failure, "an exploration ended without a certificate"));
    }
    let shown = show(args, &tasks, &explored, crate::progress::cpu_seconds());
    if let Some(path) = &args.html {
        crate::write_whole(path, html::page(&shown, &explored.certificates))?;
    }
    if let Some(log) = log {
        log.append(&shown)?;
    }
    if args.json {
        let json = serde_json::to_string_pretty(&shown).map_err(Failed::with(Exit::Failure))?;
        crate::print(&format!("{json}\n"))?;
    } else {
        crate::print(&text(&shown))?;
    }
    Ok(match (shown.violations_total, shown.unresolved_total) {
        (0, 0) => Exit::Ok,
        (0, _) => Exit::Unknown,
        _ => Exit::Invariant,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_in_thousands() {
        assert_eq!((grouped(0), grouped(999), grouped(1_000)), ("0".into(), "999".into(), "1,000".into()));
        assert_eq!(grouped(12_345_678), "12,345,678");
    }
}
