//! Lines of the core that its tests run, from what cargo-llvm-cov tells.
//!
//! Test code is left out, or a core with many tests would look better covered; so is what only a bug of the zoo
//! runs, which is in no build that is measured.

use std::collections::BTreeSet;
use std::path::Path;

/// Of a hundred lines so many are to be run.
pub(crate) const FLOOR: u64 = 97;

/// And so many are meant to be.
pub(crate) const GOAL: u64 = 98;

/// Lines of the core, and those that nothing ran.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Coverage {
    pub(crate) lines: u64,
    /// File and line.
    pub(crate) missed: Vec<(String, usize)>,
}

impl Coverage {
    /// In hundredths of a percent, rounded down.
    pub(crate) fn share(&self) -> u64 {
        let covered = self.lines.saturating_sub(self.missed.len() as u64);
        covered.saturating_mul(10_000).checked_div(self.lines).unwrap_or(0)
    }
}

/// Reads a report in the format of lcov; `read` gives the text of a source file.
pub(crate) fn of_lcov(report: &str, read: impl Fn(&Path) -> Result<String, String>) -> Result<Coverage, String> {
    let mut coverage = Coverage::default();
    let mut file: Option<(String, BTreeSet<usize>)> = None;
    for line in report.lines() {
        if let Some(path) = line.strip_prefix("SF:") {
            file = match path.split_once("kraite-core/src/") {
                Some((_, name)) if !is_test_file(name) => Some((name.to_owned(), left_out(&read(Path::new(path))?))),
                _ => None,
            };
        } else if let (Some(told), Some((name, left_out))) = (line.strip_prefix("DA:"), &file) {
            let mut numbers = told.split(',').map(str::parse::<u64>);
            let (Some(Ok(number)), Some(Ok(runs))) = (numbers.next(), numbers.next()) else {
                return Err(format!("not lcov: {line}"));
            };
            let number = usize::try_from(number).map_err(|error| error.to_string())?;
            if !left_out.contains(&number) {
                coverage.lines += 1;
                if runs == 0 {
                    coverage.missed.push((name.clone(), number));
                }
            }
        }
    }
    if coverage.lines == 0 { Err("the report has no line of the core".into()) } else { Ok(coverage) }
}

fn is_test_file(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or(name);
    name == "tests.rs" || name.ends_with("_tests.rs") || name == "fixtures.rs" || name == "zoo.rs"
}

/// The lines that are test code or a bug's.
fn left_out(text: &str) -> BTreeSet<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = BTreeSet::new();
    let mut place = 0;
    while let Some(line) = lines.get(place) {
        let is_item = ["#[cfg(test)]", "#[cfg(kraite_zoo)]"].contains(&line.trim());
        if is_item || is_bug(line) {
            let end = end_of(&lines, place);
            // The condition itself is run.
            out.extend((if is_item { place } else { place + 1 }..=end).map(|n| n + 1));
            // What follows `else` on the last line is not the bug's.
            if !is_item && lines.get(end).is_some_and(|last| last.contains("else")) {
                out.remove(&(end + 1));
            }
            place = end;
        }
        place += 1;
    }
    out
}

/// A block that is entered only while a bug is awake: `zoo!` alone or joined by `&&`.
fn is_bug(line: &str) -> bool {
    let line = line.trim_end();
    if line.contains("filter(|_| zoo!(") && line.ends_with('{') {
        return true;
    }
    let Some((_, condition)) = line.split_once("if ") else { return false };
    let Some(condition) = condition.strip_suffix('{').or_else(|| condition.strip_suffix("=>")) else { return false };
    let awake = condition.replace("!zoo!(", "");
    let is_turned = condition.starts_with("!(") || condition.contains(" !(");
    awake.contains("zoo!(") && !condition.contains("||") && !is_turned
}

/// The line on which what begins here ends: its braces are closed, or a `;` or `,` ends it before one opens.
fn end_of(lines: &[&str], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut opened = false;
    for (place, line) in lines.iter().enumerate().skip(start) {
        for letter in line.chars() {
            match letter {
                '{' => {
                    depth += 1;
                    opened = true;
                }
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if opened && depth == 0 {
                return place;
            }
        }
        if !opened && line.trim_end().ends_with([';', ',']) {
            return place;
        }
    }
    lines.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "fn a() {
    if zoo!(Blind) {
        resend();
    }
    if !(zoo!(Other) && seq > 0) {
        raise();
    }
    if zoo!(Third) && x {
        one();
    } else {
        two();
    }
    if !zoo!(Fourth) {
        right();
    }
    #[cfg(kraite_zoo)]
    let id = newest(id);
    for id in all.filter(|_| zoo!(Fifth)) {
        wrong();
    }
    match x {
        X if zoo!(Sixth) && y =>
        {
            wrong();
        }
        _ => keep(),
    }
}
#[cfg(test)]
mod tests {
    fn t() { a() }
}
";

    #[test]
    fn test_code_and_bugs_are_left_out_and_nothing_else() {
        let out: Vec<usize> = left_out(SOURCE).into_iter().collect();
        assert_eq!(out, [3, 4, 9, 16, 17, 19, 20, 23, 24, 25, 29, 30, 31, 32]);
    }

    #[test]
    fn mutant_a_line_that_nothing_runs_lowers_the_share() {
        let report = |runs| {
            format!(
                "SF:/x/kraite-core/src/a.rs\nDA:1,5\nDA:3,0\nDA:6,{runs}\nend_of_record\n\
                 SF:/x/kraite-core/src/plan/tests.rs\nDA:1,0\nSF:/x/kraite-sim/src/b.rs\nDA:1,0\n"
            )
        };
        let of = |text: &str| of_lcov(text, |_| Ok(SOURCE.into())).unwrap();
        assert_eq!((of(&report(1)).share(), of(&report(1)).lines), (10_000, 2));
        assert_eq!((of(&report(0)).share(), of(&report(0)).missed), (5_000, vec![("a.rs".into(), 6)]));
        assert!(of_lcov("SF:/x/kraite-sim/src/b.rs\nDA:1,0\n", |_| Ok(String::new())).is_err());
    }
}
