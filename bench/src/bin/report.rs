//! Reads what the last run of the benches left and prints it as a table: rates, and ratios to the yardsticks of the
//! same run. Goals are those of the requirements; nothing measured is written here.

use std::fmt::Display;
use std::path::Path;

use serde_json::Value;

fn json(path: &str) -> Result<Value, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/criterion").join(path);
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("{}: {error}; run the benches first", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// The median processor time of one run of a bench, in nanoseconds.
fn median(bench: &str) -> Result<f64, String> {
    let median = json(&format!("{bench}/new/estimates.json"))?["median"]["point_estimate"].as_f64();
    median.ok_or_else(|| format!("{bench}: no median"))
}

/// The same for one element of it.
fn per_element(bench: &str) -> Result<f64, String> {
    let elements = json(&format!("{bench}/new/benchmark.json"))?["throughput"]["Elements"].as_f64();
    Ok(median(bench)? / elements.ok_or_else(|| format!("{bench}: nothing was counted"))?)
}

fn note(name: &str) -> Result<f64, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/notes").join(name);
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("{}: {error}; run the benches first", path.display()))?;
    text.trim().parse().map_err(|error| format!("{}: {error}", path.display()))
}

fn row(what: &str, measured: impl Display, beside: impl Display, ratio: impl Display, goal: &str) {
    println!("| {what} | {measured} | {beside} | {ratio} | {goal} |");
}

fn run() -> Result<(), String> {
    row("what", "kraite", "beside it, same run", "ratio", "goal");
    row("---", "---:", "---:", "---:", "---");
    for (what, goal) in [("hot", "at most 0.5, aim 0.25"), ("cold", "at most 0.4, aim 0.15")] {
        let (ours, peer) = (per_element(&format!("{what}/kraite"))?, per_element(&format!("{what}/nautilus"))?);
        let number = if what == "hot" { "P9" } else { "P10" };
        row(
            &format!("{number}: an order event, {what}, ns"),
            format!("{:.1}", ours),
            format!("{:.1} (nautilus-model)", peer),
            format!("{:.2}", ours / peer),
            goal,
        );
    }
    let (ours, peer) = (note("order-bytes")?, note("peer-order-bytes")?);
    let beside = format!("{peer} and what it allocates (nautilus-model)");
    row("P10: an order, bytes", ours, beside, format!("{:.2}", ours / peer), "128 bytes");
    let heap = per_element("yardstick/heap")?;
    for (what, bench, goal) in [
        ("P21: simulated order events per second", "events", "at least 2,000,000"),
        ("with the auditor and its world: messages per second", "lives", "none"),
    ] {
        let ours = per_element(&format!("simulator/{bench}"))?;
        row(
            what,
            format!("{:.0}", 1e9 / ours),
            format!("{:.0} (bare heap)", 1e9 / heap),
            format!("{:.3}", heap / ours),
            goal,
        );
    }
    let (run, executed, all) =
        (median("simulator/schedules")? / 1e9, note("schedules-executed")?, note("schedules-in-all")?);
    for (what, number, goal) in [("executed", executed, "at least 2,000"), ("accounted for", all, "at least 10,000")] {
        row(
            &format!("P22: crash schedules {what} per second"),
            format!("{:.0}", number / run),
            format!("{number:.0} in a run"),
            format!("{:.2} of executed", number / executed),
            goal,
        );
    }
    Ok(())
}

fn main() -> std::process::ExitCode {
    match run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}
