//! One schedule, told step by step.

use std::collections::{BTreeMap, BTreeSet};

use kraite_sim::script::{self, Timing};
use kraite_sim::world::{Fate, Nemesis, Point, Stream};
use serde::Serialize;

use super::{Args, Task, fates};
use crate::exit::{Exit, Failed};

fn parse(text: &str) -> Result<BTreeMap<u64, Fate>, Failed> {
    if text == "none" {
        return Ok(BTreeMap::new());
    }
    let known: BTreeSet<Fate> = Point::ALL.iter().flat_map(|point| point.faults()).copied().collect();
    let wrong = |fault: &str| {
        let fates: Vec<String> = known.iter().map(|fate| fate.word()).collect();
        let message = format!("--replay: `{fault}` is not NUMBER:FATE, where FATE is one of {}", fates.join(", "));
        Failed::new(Exit::Usage, message)
    };
    text.split(',')
        .map(|fault| {
            let (number, word) = fault.split_once(':').ok_or_else(|| wrong(fault))?;
            let fate = known.iter().find(|fate| fate.word().eq_ignore_ascii_case(word));
            Ok((number.parse().map_err(|_| wrong(fault))?, *fate.ok_or_else(|| wrong(fault))?))
        })
        .collect()
}

#[derive(Debug, Serialize)]
struct Shown {
    schema: &'static str,
    script: &'static str,
    venue: &'static str,
    target: &'static str,
    schedule: String,
    story: Vec<Line>,
    notices: Vec<Line>,
    ended: Option<String>,
    violations: u64,
    findings: Vec<String>,
    unresolved: bool,
    max_unprotected_ms: i64,
}

#[derive(Debug, Serialize)]
struct Line {
    at_ms: i64,
    line: String,
}

/// Plays one schedule on the one script that the flags leave.
pub(super) fn command(args: &Args, tasks: &[Task], text: &str) -> Result<Exit, Failed> {
    let [task] = tasks else {
        let message = "--replay plays one script on one venue: say which with --script, --venue and --target";
        return Err(Failed::new(Exit::Usage, message));
    };
    let schedule = parse(text)?;
    let timing = Timing::drawn(args.seed);
    let mut world = script::world(task.venue.profile(), Nemesis::scheduled(1, schedule.clone()), timing);
    world.narrate();
    let start = world.now().0;
    let played = script::play_in(&task.script, world, Stream::Push);
    let last = schedule.keys().last().copied().unwrap_or(0);
    if last >= played.trail.len() as u64 && !schedule.is_empty() {
        let message =
            format!("--replay: there are only {} choice points, and {last} is not one of them", played.trail.len());
        return Err(Failed::new(Exit::Usage, message));
    }
    let lines = |told: &[(kraite_core::time::VenueMillis, String)]| {
        told.iter().map(|(at, line)| Line { at_ms: at.0 - start, line: line.clone() }).collect::<Vec<_>>()
    };
    let notices: Vec<_> = played.world.notices().iter().map(|(at, notice)| (*at, notice.message.clone())).collect();
    let shown = Shown {
        schema: "kraite.crash-test-replay/1",
        script: task.script.name,
        venue: task.venue.word(),
        target: task.target(),
        schedule: fates(&schedule),
        story: lines(played.world.story()),
        notices: lines(&notices),
        ended: played.phase.map(|phase| format!("{phase:?}").to_lowercase()),
        violations: played.verdict.violations,
        findings: played
            .verdict
            .findings
            .iter()
            .map(|(at, finding)| format!("{finding:?} at {} ms", at.0 - start))
            .collect(),
        unresolved: !played.is_resolved(),
        max_unprotected_ms: played.verdict.max_unprotected.0,
    };
    if args.json {
        let json = serde_json::to_string_pretty(&shown).map_err(Failed::with(Exit::Failure))?;
        crate::print(&format!("{json}\n"))?;
    } else {
        crate::print(&tell(&shown))?;
    }
    Ok(match (shown.violations, shown.unresolved) {
        (0, false) => Exit::Ok,
        (0, true) => Exit::Unknown,
        _ => Exit::Invariant,
    })
}

fn tell(shown: &Shown) -> String {
    let mut out = format!("{} on {}, {} target, faults {}\n", shown.script, shown.venue, shown.target, shown.schedule);
    for line in &shown.story {
        out += &format!("{:>9} ms  {}\n", line.at_ms, line.line);
    }
    let ended = shown.ended.as_deref().unwrap_or("never opened");
    out += &format!("{ended}, {} ms without a stop at most, {} violations", shown.max_unprotected_ms, shown.violations);
    out += if shown.unresolved { ", left unresolved\n" } else { "\n" };
    for finding in &shown.findings {
        out += &format!("  {finding}\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_read_as_it_is_written() {
        let schedule = BTreeMap::from([(12, Fate::Crash), (40, Fate::Lose)]);
        assert_eq!(parse(&fates(&schedule)), Ok(schedule));
        assert_eq!(parse("none"), Ok(BTreeMap::new()));
        // Whatever the explorer deals can be dealt again.
        let dealt: BTreeMap<u64, Fate> = (0..).zip(Point::ALL.iter().flat_map(|p| p.faults()).copied()).collect();
        assert_eq!(parse(&fates(&dealt)), Ok(dealt));
        for wrong in ["", "12", "12:pass", "x:crash", "1:crash,"] {
            assert_eq!(parse(wrong).unwrap_err().exit, Exit::Usage, "{wrong}");
        }
    }
}
