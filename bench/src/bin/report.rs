//! Reads what the last run of the benches left and prints it as a table: rates, and ratios to the yardsticks of the
//! same run. Goals are those of the requirements; nothing measured is written here.

use std::fmt::Display;
use std::path::Path;

use serde_json::Value;

/// One bench: nanoseconds of processor time per element, in the median.
struct Speed {
    per_element: f64,
    elements: f64,
}

fn json(path: &str) -> Result<Value, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/criterion").join(path);
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("{}: {error}; run the benches first", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn speed(bench: &str) -> Result<Speed, String> {
    let median = json(&format!("{bench}/new/estimates.json"))?["median"]["point_estimate"].as_f64();
    let elements = json(&format!("{bench}/new/benchmark.json"))?["throughput"]["Elements"].as_f64();
    let (Some(median), Some(elements)) = (median, elements) else { return Err(format!("{bench}: no median")) };
    Ok(Speed { per_element: median / elements, elements })
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
        let (ours, peer) = (speed(&format!("{what}/kraite"))?, speed(&format!("{what}/nautilus"))?);
        let number = if what == "hot" { "P9" } else { "P10" };
        row(
            &format!("{number}: an order event, {what}, ns"),
            format!("{:.1}", ours.per_element),
            format!("{:.1} (nautilus-model)", peer.per_element),
            format!("{:.2}", ours.per_element / peer.per_element),
            goal,
        );
    }
    let (ours, peer) = (note("order-bytes")?, note("peer-order-bytes")?);
    let beside = format!("{peer} and what it allocates (nautilus-model)");
    row("P10: an order, bytes", ours, beside, format!("{:.2}", ours / peer), "128 bytes");
    let heap = speed("yardstick/heap")?;
    let per_second = |speed: &Speed| 1e9 / speed.per_element;
    let lives = speed("simulator/lives")?;
    row(
        "P21: simulated order events per second",
        format!("{:.0}", per_second(&lives)),
        format!("{:.0} (bare heap)", per_second(&heap)),
        format!("{:.3}", heap.per_element / lives.per_element),
        "at least 2,000,000",
    );
    let schedules = speed("simulator/schedules")?;
    let all = note("schedules-in-all")?;
    row(
        "P22: crash schedules executed per second",
        format!("{:.0}", per_second(&schedules)),
        format!("{:.0} schedules a run", schedules.elements),
        "",
        "at least 2,000",
    );
    row(
        "P22: crash schedules accounted for per second",
        format!("{:.0}", per_second(&schedules) * all / schedules.elements),
        format!("{all:.0} schedules a run"),
        format!("{:.2} of executed", all / schedules.elements),
        "at least 10,000",
    );
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
