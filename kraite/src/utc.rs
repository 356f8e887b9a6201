//! Instants as people write them: UTC, to the millisecond.

const DAY_MS: i64 = 86_400_000;

/// `2025-10-09 08:53:20.123`, or plain milliseconds where the year has not four digits.
pub(crate) fn text(ms: i64) -> String {
    written(ms, ' ', "")
}

/// The same as ISO 8601 has it: `2025-10-09T08:53:20.123Z`.
pub(crate) fn iso(ms: i64) -> String {
    written(ms, 'T', "Z")
}

/// `08:53:20`.
pub(crate) fn clock(ms: i64) -> String {
    let (hour, minute, second, _) = of_day(ms);
    format!("{hour:02}:{minute:02}:{second:02}")
}

fn of_day(ms: i64) -> (i64, i64, i64, i64) {
    let rest = ms.rem_euclid(DAY_MS);
    (rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60, rest % 1_000)
}

fn written(ms: i64, between: char, end: &str) -> String {
    let (year, month, day) = date(ms.div_euclid(DAY_MS));
    if !(1000..=9999).contains(&year) {
        return format!("{ms} ms");
    }
    let (hour, minute, second, milli) = of_day(ms);
    format!("{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}.{milli:03}{end}")
}

/// Year, month and day so many days after 1970-01-01, in the proleptic Gregorian calendar; years start in March.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let of_era_year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * of_era_year + of_era_year / 4 - of_era_year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (of_era_year + era * 400 + i64::from(month <= 2), month, day)
}

/// A span for people: `840 ms`, `12.3 s`, `4 m 05 s`, `3 h 05 m`, `2 d 03 h`.
pub(crate) fn span(ms: i64) -> String {
    let (sign, ms) = (if ms < 0 { "-" } else { "" }, ms.unsigned_abs());
    let (seconds, minutes, hours) = (ms / 1_000, ms / 60_000, ms / 3_600_000);
    let words = match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{seconds}.{} s", ms / 100 % 10),
        60_000..3_600_000 => format!("{minutes} m {:02} s", seconds % 60),
        3_600_000..86_400_000 => format!("{hours} h {:02} m", minutes % 60),
        _ => format!("{} d {:02} h", hours / 24, hours % 24),
    };
    format!("{sign}{words}")
}

/// What this machine's clock shows now, in milliseconds since 1970.
#[allow(clippy::disallowed_methods, reason = "how old a record is, is what the user asked for")]
pub(crate) fn now_ms() -> i64 {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_as_the_calendar_has_them() {
        for (ms, want) in [
            (0, "1970-01-01 00:00:00.000"),
            (951_782_400_001, "2000-02-29 00:00:00.001"),
            (1_760_000_000_000, "2025-10-09 08:53:20.000"),
            (4_107_542_399_999, "2100-02-28 23:59:59.999"),
            (4_107_542_400_000, "2100-03-01 00:00:00.000"),
            (-1, "1969-12-31 23:59:59.999"),
        ] {
            assert_eq!(text(ms), want);
        }
        assert_eq!(iso(1_760_000_000_123), "2025-10-09T08:53:20.123Z");
        assert_eq!((text(i64::MAX), clock(61_000)), (format!("{} ms", i64::MAX), "00:01:01".into()));
    }

    #[test]
    fn spans_are_as_long_as_people_need_them() {
        let words = [999, 12_345, 245_000, 11_100_000, 183_600_000, -2_000].map(span);
        assert_eq!(words, ["999 ms", "12.3 s", "4 m 05 s", "3 h 05 m", "2 d 03 h", "-2.0 s"]);
    }
}
