//! When to enter, from a file: `at` or `at,symbol`, with or without a header line.

use std::path::Path;

use kraite_core::id::Symbol;
use kraite_core::time::VenueMillis;

use super::DataError;
use super::lines::Lines;

/// All instants of a file at which a contract is to be entered, in order of time. A line without a symbol is about
/// every contract.
///
/// # Errors
///
/// [`DataError`] names file and line.
pub fn read_signals(path: &Path, symbol: &Symbol) -> Result<Vec<VenueMillis>, DataError> {
    let mut lines = Lines::open(path)?;
    let (mut instants, mut last, mut first) = (Vec::new(), None, true);
    while let Some(text) = lines.next()? {
        let text = text.to_owned();
        if std::mem::take(&mut first) && (text == "at" || text.starts_with("at,")) {
            lines.same_columns(text.split(',').count())?;
            continue;
        }
        let columns: Vec<&str> = text.split(',').map(str::trim).collect();
        lines.same_columns(columns.len())?;
        let (at, of) = match columns.as_slice() {
            [at] => (*at, None),
            [at, of] if !of.is_empty() => (*at, Some(*of)),
            [_, _] => return Err(lines.error("symbol is empty; leave the column out where signals are about all")),
            _ => return Err(lines.error(format!("{} columns where at and symbol are needed", columns.len()))),
        };
        // A number would still be one where it was cut.
        if lines.is_open_ended() && of.is_none() {
            return Err(lines.error("the last line has no end"));
        }
        let at = instant(at).map_err(|reason| lines.error(reason))?;
        if last.is_some_and(|last| at < last) {
            return Err(lines.error("out of order: it is before the line before it"));
        }
        last = Some(at);
        if of.is_none_or(|of| of == symbol.as_str()) {
            instants.push(at);
        }
    }
    match last {
        None => Err(DataError::Empty { path: path.to_owned() }),
        Some(_) => Ok(instants),
    }
}

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

/// Milliseconds since 1970, or UTC as `2025-02-03`, `2025-02-03T02:08` or `2025-02-03T02:08:30.5Z`; a blank may stand
/// for the T.
///
/// # Errors
///
/// A sentence about what it is not.
pub fn instant(text: &str) -> Result<VenueMillis, String> {
    if let Ok(ms) = text.parse::<i64>() {
        return if ms >= 0 { Ok(VenueMillis(ms)) } else { Err("before 1970".into()) };
    }
    let wrong =
        || format!("`{text}` is neither milliseconds since 1970 nor YYYY-MM-DD, nor YYYY-MM-DDThh:mm[:ss][Z] (UTC)");
    let utc = text.strip_suffix('Z').unwrap_or(text);
    let (date, time) = utc.split_once(['T', ' ']).unwrap_or((utc, "00:00"));
    let day = day(date).ok_or_else(wrong)?;
    let ms = of_day(time).ok_or_else(wrong)?;
    Ok(VenueMillis(day.saturating_mul(DAY_MS).saturating_add(ms)))
}

/// A whole number of so many digits at most.
fn number(text: &str, digits: usize) -> Option<i64> {
    let sound = !text.is_empty() && text.len() <= digits && text.bytes().all(|byte| byte.is_ascii_digit());
    if sound { text.parse().ok() } else { None }
}

/// Days since 1970 in the proleptic Gregorian calendar.
fn day(text: &str) -> Option<i64> {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return None };
    let (year, month, day) = (number(year, 4)?, number(month, 2)?, number(day, 2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1970 || !(1..=length).contains(&day) {
        return None;
    }
    // Years that start in March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    Some(365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468)
}

/// Milliseconds of a day.
fn of_day(text: &str) -> Option<i64> {
    let (hour, rest) = text.split_once(':')?;
    let (minute, second) = rest.split_once(':').unwrap_or((rest, "0"));
    let (second, fraction) = second.split_once('.').unwrap_or((second, "0"));
    let (hour, minute, second) = (number(hour, 2)?, number(minute, 2)?, number(second, 2)?);
    let milli = number(fraction, 3)? * 10_i64.pow(3_u32.saturating_sub(u32::try_from(fraction.len()).ok()?));
    let sound = hour < 24 && minute < 60 && second < 60;
    sound.then(|| (hour * 60 + minute) * MINUTE_MS + second * 1_000 + milli)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_milliseconds_or_utc() {
        for (text, ms) in [
            ("1970-01-01", 0),
            ("2025-02-03", 1_738_540_800_000),
            ("2024-02-29", 1_709_164_800_000),
            ("1738540800000", 1_738_540_800_000),
            ("2025-02-03T02:08", 1_738_548_480_000),
            ("2025-02-03 02:08:30Z", 1_738_548_510_000),
            ("2025-02-03T02:08:30.5Z", 1_738_548_510_500),
            ("2025-02-03T02:08:30.012", 1_738_548_510_012),
        ] {
            assert_eq!(instant(text), Ok(VenueMillis(ms)), "{text}");
        }
        for wrong in [
            "2025-02-29",
            "2025-13-01",
            "yesterday",
            "-1",
            "2025-2",
            "2025-02-03T24:00",
            "2025-02-03T12",
            "",
            "1969-12-31",
            "2025-02-03T02:08:30+01:00",
            "20250-02-03",
            "2025-02-03T02:08:30.1234",
        ] {
            assert!(instant(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_of_signals_is_read_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signals.csv");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read_signals(&path, &Symbol::new("SOLUSDT")).map_err(|error| error.to_string())
        };
        let two = vec![VenueMillis(1_738_548_480_000), VenueMillis(1_738_551_600_000)];
        assert_eq!(read("at\n2025-02-03T02:08Z\n2025-02-03T03:00Z\n").unwrap(), two);
        let text = "2025-02-03T02:08Z,SOLUSDT\n2025-02-03T02:30Z,BTCUSDT\n1738551600000,SOLUSDT\n";
        assert_eq!(read(text).unwrap(), two);
        assert_eq!(read("2025-02-03T02:30Z,BTCUSDT\n").unwrap(), []);
        for (text, words) in [
            ("at\nsoon\n", "signals.csv, line 2: `soon` is neither"),
            ("1738551600000\n1738548480000\n", "line 2: out of order"),
            ("1738551600000,SOLUSDT,long\n", "line 1: 3 columns"),
            ("1738551600000,\n", "line 1: symbol is empty"),
            ("1738551600000\n17385516", "line 2: the last line has no end"),
            ("1738551600000,SOLUSDT\n1738551600000\n", "line 2: 1 columns where the first line has 2"),
            ("at\n", "is empty"),
        ] {
            assert!(read(text).unwrap_err().contains(words), "{text}: {:?}", read(text));
        }
    }
}
