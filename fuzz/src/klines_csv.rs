//! Klines from files, plain or packed: every line is a bar or the file is refused, with the place.

use std::io::{Cursor, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use kraite_sim::data::{Bar, DataError, Gaps, KlineReader};
use zip::write::SimpleFileOptions;

use crate::Bytes;

/// How the bytes become a file, in the first byte.
pub(crate) const AS_THEY_ARE: u8 = 0;
pub(crate) const GZIPPED: u8 = 1;
pub(crate) const ZIPPED: u8 = 2;

/// A reader of a whole file; the tests give one that is wrong.
type Read = fn(&Path, Gaps) -> (Vec<Bar>, Option<DataError>);

fn read(path: &Path, gaps: Gaps) -> (Vec<Bar>, Option<DataError>) {
    let mut reader = KlineReader::new(vec![path.to_owned()], gaps);
    let mut bars = Vec::new();
    loop {
        match reader.next_wanted() {
            Ok(Some(bar)) => bars.push(bar),
            Ok(None) => return (bars, None),
            Err(error) => return (bars, Some(error)),
        }
    }
}

pub(crate) fn packed(kind: u8, text: &[u8]) -> Vec<u8> {
    match kind {
        GZIPPED => {
            let mut out = GzEncoder::new(Vec::new(), Compression::fast());
            out.write_all(text).unwrap();
            out.finish().unwrap()
        }
        ZIPPED => {
            let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
            out.start_file("klines.csv", SimpleFileOptions::default()).unwrap();
            out.write_all(text).unwrap();
            out.finish().unwrap().into_inner()
        }
        _ => text.to_vec(),
    }
}

/// True for bytes that are unpacked before they are read.
fn is_archive(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b]) || bytes.starts_with(b"PK\x03\x04")
}

/// Nothing is skipped, filled in or out of order, and what is refused says where. True for a file that is accepted.
fn judge(data: &[u8], path: &Path, read: Read) -> bool {
    let mut bytes = Bytes::new(data);
    let (kind, gaps) = (bytes.u8() % 3, if bytes.flag() { Gaps::Count } else { Gaps::Refuse });
    let text = bytes.rest();
    std::fs::write(path, packed(kind, text)).unwrap();
    let (bars, error) = read(path, gaps);
    for pair in bars.windows(2) {
        assert!(pair[0].close_time < pair[1].open_time, "{pair:?}");
    }
    for bar in &bars {
        assert!(bar.low.is_positive() && bar.low <= bar.open && bar.close <= bar.high, "{bar:?}");
    }
    if let Some(error) = &error {
        assert!(error.to_string().contains(&path.display().to_string()), "{error} does not name the file");
    }
    if kind == AS_THEY_ARE && is_archive(text) {
        return error.is_none();
    }
    let mut lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    // Blank lines at the end are no lines.
    while lines.last().is_some_and(|line| line.iter().all(|byte| b"\r\n".contains(byte))) {
        lines.pop();
    }
    let headers = lines.iter().take_while(|line| line.starts_with(b"open_time")).count();
    // The lines that were taken: all of them, or those before the one that is named.
    let taken = match &error {
        None => lines.len(),
        Some(DataError::Line { line, .. }) => usize::try_from(*line).unwrap().checked_sub(1).expect("lines begin at 1"),
        Some(DataError::Empty { .. }) => headers,
        Some(DataError::Unreadable { .. } | DataError::Row { .. }) => panic!("a sound file is unreadable: {error:?}"),
    };
    assert!(taken <= lines.len(), "line {} of {}", taken + 1, lines.len());
    assert_eq!(bars.len() + headers.min(taken), taken, "{error:?}");
    error.is_none()
}

fn with_file(data: &[u8], read: Read) -> bool {
    let file = tempfile::NamedTempFile::new().unwrap();
    judge(data, file.path(), read)
}

/// True for a seed that is a sound file.
#[cfg(test)]
pub(crate) fn is_accepted(data: &[u8]) -> bool {
    with_file(data, read)
}

/// Reads the bytes as klines: as they are (an archive, perhaps), or packed first.
///
/// # Panics
///
/// When a line is skipped, or a refusal does not name file and line.
pub fn klines_csv(data: &[u8]) {
    with_file(data, read);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutant_a_reader_that_skips_what_it_cannot_read_is_caught() {
        // The bars before the first fault, as if there were no more.
        let silent: Read = |path, gaps| (read(path, gaps).0, None);
        // The same, and a fault that names no line of the file.
        let lost: Read = |path, gaps| {
            let (bars, error) = read(path, gaps);
            let nowhere = |_| DataError::Line { path: path.to_owned(), line: 0, reason: String::new() };
            (bars, error.map(nowhere))
        };
        let seeds = crate::tests::seeds_of("klines_csv");
        for mutant in [silent, lost] {
            assert!(seeds.iter().any(|(_, seed)| std::panic::catch_unwind(|| with_file(seed, mutant)).is_err()));
        }
    }
}
