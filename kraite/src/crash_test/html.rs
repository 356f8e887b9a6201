//! The crash matrix as a page: steps down, kinds of fault across, each cell its count and worst time without a
//! stop. Readable in print and in the dark; nothing is loaded from anywhere.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use kraite_sim::explore::{Cell, Certificate, Column, Course, Kill, Use};
use kraite_sim::world::Point;

use super::pair_calls::ShownPairCalls;
use super::{Shown, ShownScript, grouped};

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--rule:#d5dae0;--calm:#eef3f8;--t1:#d6eadf;--t2:#fbe7b2;--t3:#f6c28b;--bad:#c62828;--badink:#fff;--soft:#5b6570}
@media (prefers-color-scheme:dark){:root{--ink:#e4e8ec;--paper:#14181c;--rule:#313940;--calm:#1d242b;--t1:#1d3b2c;--t2:#4d4215;--t3:#5d3413;--bad:#ef5350;--badink:#14181c;--soft:#9aa5b0}}
*{box-sizing:border-box}body{font:14px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:2rem auto;max-width:1500px;padding:0 1rem}
h1{font-size:1.5rem;margin:0 0 .3rem}h2{font-size:1.15rem;margin:1.2rem 0 .3rem}p{max-width:60rem}.soft{color:var(--soft)}
details{border-top:1px solid var(--rule);padding:.5rem 0}summary{cursor:pointer;font-weight:600}summary span{font-weight:400;color:var(--soft);margin-left:.6rem}
.wrap{overflow-x:auto}table{border-collapse:collapse;font-size:11px;font-variant-numeric:tabular-nums;margin:.6rem 0}
th,td{border:1px solid var(--rule);padding:2px 4px;text-align:right;vertical-align:top;white-space:nowrap}
thead th{background:var(--calm);text-align:center;position:sticky;top:0}th.step{text-align:left;font-weight:400;max-width:26rem;overflow:hidden;text-overflow:ellipsis}
td.none{background:none;border-color:transparent}td.t0{background:var(--calm)}td.t1{background:var(--t1)}td.t2{background:var(--t2)}td.t3{background:var(--t3)}td.bad{background:var(--bad);color:var(--badink);font-weight:700}
td small{display:block;color:inherit;opacity:.75}.key td{border:1px solid var(--rule)}
@page{size:landscape;margin:10mm}@media print{th.step{max-width:15rem}:root{--ink:#000;--paper:#fff;--rule:#999;--calm:#fff;--t1:#eee;--t2:#ddd;--t3:#bbb;--bad:#000;--badink:#fff;--soft:#444}body{margin:0;max-width:none;font-size:10px}table{font-size:7px}thead th{position:static}details::details-content{content-visibility:visible;display:block}.wrap{overflow:visible}tr{break-inside:avoid}}
";

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// How bad a time without a stop is: none, under a second, under ten, longer.
const fn tone(cell: &Cell) -> &'static str {
    if cell.bad > 0 {
        return "bad";
    }
    match cell.worst_ms {
        0 => "t0",
        1..1_000 => "t1",
        1_000..10_000 => "t2",
        _ => "t3",
    }
}

fn seconds(ms: i64) -> String {
    format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)
}

/// The whole page.
pub(super) fn page(shown: &Shown, certificates: &[Certificate]) -> String {
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>Crash matrix</title><style>{STYLE}</style><h1>Crash matrix</h1>"
    );
    let _ = write!(
        out,
        "<p>{} schedules of up to {} faults over {} scripts: {} runs executed, {} violations, {} left unresolved.</p>\
         <p class=\"soft\">A row is one event of the run without a fault, a column one kind of fault at it. A cell counts the schedules whose first fault is there and names the longest time in any of them with exposure and no accepted stop.</p>",
        grouped(shown.schedules_total),
        shown.depth,
        shown.scripts.len(),
        grouped(shown.executed_total),
        grouped(shown.violations_total),
        grouped(shown.unresolved_total),
    );
    out += "<table class=\"key\"><tr><td class=\"t0\">never without a stop</td><td class=\"t1\">under 1 s</td><td class=\"t2\">under 10 s</td><td class=\"t3\">longer</td><td class=\"bad\">broken or unresolved</td></tr></table>";
    overview(&mut out, shown, certificates);
    if let Some(calls) = &shown.pair_calls {
        pair_calls(&mut out, calls);
    }
    for (script, certificate) in shown.scripts.iter().zip(certificates) {
        matrix(&mut out, script, certificate);
    }
    out += "</html>\n";
    out
}

/// The columns that any of these certificates has, under the points they belong to.
fn columns<'a>(certificates: impl IntoIterator<Item = &'a Certificate>) -> Vec<Column> {
    let rows = certificates.into_iter().flat_map(|certificate| &certificate.matrix);
    let used: BTreeSet<&Column> = rows.flat_map(|row| row.cells.keys()).collect();
    Column::all().into_iter().filter(|column| used.contains(column)).collect()
}

fn head(out: &mut String, first: &str, columns: &[Column]) {
    let _ = write!(out, "<div class=\"wrap\"><table><thead><tr>{first}");
    for point in Point::ALL {
        let width = columns.iter().filter(|column| column.point == point).count();
        if width > 0 {
            let _ = write!(out, "<th colspan=\"{width}\">{}</th>", point.word());
        }
    }
    *out += "</tr><tr>";
    for column in columns {
        let _ = write!(out, "<th>{}</th>", column.fate.word());
    }
    *out += "</tr></thead><tbody>";
}

fn cell(out: &mut String, cell: Option<&Cell>) {
    let Some(cell) = cell else {
        *out += "<td class=\"none\"></td>";
        return;
    };
    let _ = write!(out, "<td class=\"{}\">{}", tone(cell), grouped(cell.schedules));
    if cell.bad > 0 {
        let _ = write!(out, " ({} bad)", grouped(cell.bad));
    }
    if cell.worst_ms > 0 {
        let _ = write!(out, "<small>{}</small>", seconds(cell.worst_ms));
    }
    *out += "</td>";
}

/// Every certificate in one row: all steps of it together.
fn overview(out: &mut String, shown: &Shown, certificates: &[Certificate]) {
    let columns = columns(certificates);
    head(out, "<th rowspan=\"2\" class=\"step\">script</th>", &columns);
    for (script, certificate) in shown.scripts.iter().zip(certificates) {
        let _ = write!(
            out,
            "<tr><th class=\"step\">{} on {}, {} target</th>",
            escape(script.name),
            escape(script.venue),
            escape(script.target)
        );
        for column in &columns {
            let cells = certificate.matrix.iter().filter_map(|row| row.cells.get(column));
            let sum = cells.fold(None, |sum: Option<Cell>, cell| {
                let sum = sum.unwrap_or_default();
                Some(Cell {
                    schedules: sum.schedules.saturating_add(cell.schedules),
                    bad: sum.bad.saturating_add(cell.bad),
                    worst_ms: sum.worst_ms.max(cell.worst_ms),
                })
            });
            cell(out, sum.as_ref());
        }
        *out += "</tr>";
    }
    *out += "</tbody></table></div>";
}

/// The crash window of the calls that set stop and target together: what becomes of a call down, where the worker
/// dies across.
fn pair_calls(out: &mut String, calls: &ShownPairCalls) {
    let _ = write!(
        out,
        "<h2>Stop and target in one call</h2><p class=\"soft\">Each of {} calls is made to go each way there is, and the \
         worker dies at each place meanwhile: {} runs, {} violations, {} left unresolved. A cell counts its runs and names \
         the longest time without a stop that ended after the call. Where the worker dies before the fault could happen, \
         the fault meets the next such call.</p>",
        grouped(calls.calls),
        grouped(calls.runs),
        grouped(calls.violations),
        grouped(calls.unresolved)
    );
    for usage in Use::ALL {
        let _ = write!(out, "<div class=\"wrap\"><table><thead><tr><th class=\"step\">{}</th>", usage.word());
        for kill in Kill::ALL {
            let _ = write!(out, "<th>{}</th>", kill.word());
        }
        *out += "</tr></thead><tbody>";
        for course in Course::all() {
            let _ = write!(out, "<tr><th class=\"step\">{}</th>", course.words());
            for kill in Kill::ALL {
                cell(out, calls.cell(usage, course, kill).as_ref());
            }
            *out += "</tr>";
        }
        *out += "</tbody></table></div>";
    }
}

fn matrix(out: &mut String, script: &ShownScript, certificate: &Certificate) {
    let open = if script.violations + script.unresolved > 0 { " open" } else { "" };
    let _ = write!(
        out,
        "<details{open}><summary>{} on {}, {} target<span>{} schedules, {} violations, worst {}</span></summary>",
        escape(script.name),
        escape(script.venue),
        escape(script.target),
        grouped(certificate.total()),
        grouped(script.violations),
        seconds(script.max_unprotected_ms)
    );
    let columns = columns([certificate]);
    head(out, "<th rowspan=\"2\">ms</th><th rowspan=\"2\" class=\"step\">step</th>", &columns);
    for row in certificate.matrix.iter().filter(|row| !row.cells.is_empty()) {
        // Nothing reached a worker: what was on its way arrived at the venue.
        let what = if row.what.is_empty() { "the exchange acts" } else { row.what.as_str() };
        let what = escape(what);
        let _ = write!(out, "<tr><th>{}</th><th class=\"step\" title=\"{what}\">{what}</th>", row.at_ms);
        for column in &columns {
            cell(out, row.cells.get(column));
        }
        *out += "</tr>";
    }
    *out += "</tbody></table></div></details>";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_take_the_tone_of_their_worst_schedule() {
        let cell = |bad, worst_ms| Cell { schedules: 1, bad, worst_ms };
        assert_eq!(["t0", "t1", "t2", "t3"], [0, 999, 1_000, 10_000].map(|ms| tone(&cell(0, ms))));
        assert_eq!(tone(&cell(1, 0)), "bad");
        assert_eq!(escape("<a&\"b\">"), "&lt;a&amp;&quot;b&quot;&gt;");
    }
}
