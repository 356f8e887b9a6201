//! What stands and what happened on each account, in the text format that Prometheus reads (version 0.0.4).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kraite_core::engine::Alert;
use kraite_core::time::Millis;

use super::board::{Flow, Watched};
use super::notify::Counts;

/// One account.
pub(super) struct Row<'a> {
    pub(super) account: &'a str,
    pub(super) is_connected: bool,
    pub(super) watched: Watched,
}

/// Name, type, help, and the value of an account. docs/operations.md has them for people.
type Family = (&'static str, &'static str, &'static str, fn(&Row<'_>) -> String);

const FAMILIES: [Family; 10] = [
    ("kraite_connected", "gauge", "1 while the account has a connection to its exchange.", |row| {
        flag(row.is_connected)
    }),
    ("kraite_stream_up", "gauge", "1 while the exchange pushes what happens on the account.", |row| {
        flag(row.watched.stream == Flow::Up)
    }),
    ("kraite_stream_age_seconds", "gauge", "How long the stream has been up, or down, as it is now.", |row| {
        seconds(row.watched.stream_age)
    }),
    ("kraite_positions_open", "gauge", "Positions that are not finished.", |row| {
        row.watched.standing.open.len().to_string()
    }),
    ("kraite_orders_in_doubt", "gauge", "Orders of open positions whose outcome is not known.", |row| {
        row.watched.standing.in_doubt.to_string()
    }),
    ("kraite_unprotected_positions", "gauge", "Positions with exposure and without an accepted stop.", |row| {
        row.watched.standing.unprotected.len().to_string()
    }),
    ("kraite_unprotected_seconds", "gauge", "The longest that one of them has been without it until now.", |row| {
        seconds(row.watched.unprotected)
    }),
    (
        "kraite_unprotected_seconds_worst",
        "gauge",
        "The longest that a position was without it, of those seen since the process began.",
        |row| seconds(row.watched.worst),
    ),
    ("kraite_records_total", "counter", "Records that became durable since the process began.", |row| {
        row.watched.tally.records.to_string()
    }),
    ("kraite_commands_refused_total", "counter", "Commands that changed nothing since the process began.", |row| {
        row.watched.tally.refused.to_string()
    }),
];

/// The same of a way that notices go.
type Way = (&'static str, &'static str, &'static str, fn(&Counts) -> u64);

const WAYS: [Way; 5] = [
    ("kraite_notify_sent_total", "counter", "Notices that were taken at the other end.", |counts| counts.sent),
    ("kraite_notify_failed_total", "counter", "Notices that were given up.", |counts| counts.failed),
    ("kraite_notify_dropped_total", "counter", "Notices for which there was no room.", |counts| counts.dropped),
    ("kraite_notify_held_back_total", "counter", "Notices like one that was sent not long before.", |counts| {
        counts.held_back
    }),
    ("kraite_notify_waiting", "gauge", "Notices that are not sent yet.", |counts| counts.waiting as u64),
];

/// All metrics of all accounts, and of the ways that notices go.
pub(super) fn text(rows: &[Row<'_>], ways: &[(&'static str, Counts)]) -> String {
    let mut text = String::new();
    for (name, kind, help, value) in FAMILIES {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for row in rows {
            let _ = writeln!(text, "{name}{{account=\"{}\"}} {}", escaped(row.account), value(row));
        }
    }
    text.push_str(
        "# HELP kraite_notices_total What somebody should know, since the process began, by what it is about.\n",
    );
    text.push_str("# TYPE kraite_notices_total counter\n");
    for row in rows {
        // Each is there from the start: a rate over a counter that appears with its first increase misses that one.
        let mut notices: BTreeMap<Alert, u64> = Alert::ALL.into_iter().map(|alert| (alert, 0)).collect();
        notices.extend(&row.watched.tally.notices);
        for (alert, count) in notices {
            let account = escaped(row.account);
            let _ = writeln!(text, "kraite_notices_total{{account=\"{account}\",alert=\"{alert:?}\"}} {count}");
        }
    }
    for (name, kind, help, value) in WAYS.iter().filter(|_| !ways.is_empty()) {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for (way, counts) in ways {
            let _ = writeln!(text, "{name}{{channel=\"{way}\"}} {}", value(counts));
        }
    }
    text
}

fn flag(is: bool) -> String {
    u8::from(is).to_string()
}

fn seconds(span: Millis) -> String {
    let millis = span.0.max(0);
    format!("{}.{:03}", millis / 1_000, millis % 1_000)
}

/// As the value of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
