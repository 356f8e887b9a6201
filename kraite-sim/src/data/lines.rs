//! Text files line by line, whatever they are packed in.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::DataError;

/// A line longer than this is no market data.
pub const MAX_LINE: usize = 64 * 1_024;
/// An unpacked archive larger than this is refused: a month of one-minute bars has 5 MB.
const MAX_UNPACKED: u64 = 4 * 1_024 * 1_024 * 1_024;

fn unreadable(path: &Path, reason: impl ToString) -> DataError {
    DataError::Unreadable { path: path.to_owned(), reason: reason.to_string() }
}

/// Opens a plain, gzip or zip file for reading text; a zip must hold exactly one file.
///
/// # Errors
///
/// [`DataError::Unreadable`] for a folder, a pipe, a missing file, or a damaged archive.
pub fn open_text(path: &Path) -> Result<Box<dyn BufRead + Send>, DataError> {
    let kind = std::fs::metadata(path).map_err(|error| unreadable(path, error))?.file_type();
    if kind.is_dir() {
        return Err(unreadable(path, "is a folder; name the file in it"));
    }
    if !kind.is_file() {
        // What it is packed in is seen at its beginning, and then it is read again.
        return Err(unreadable(path, "is a pipe or a device; write it to a file first"));
    }
    let mut file = File::open(path).map_err(|error| unreadable(path, error))?;
    let mut magic = [0u8; 4];
    let mut read = 0;
    while read < magic.len() {
        let rest = magic.get_mut(read..).unwrap_or_default();
        match file.read(rest).map_err(|error| unreadable(path, error))? {
            0 => break,
            n => read += n,
        }
    }
    file.seek(SeekFrom::Start(0)).map_err(|error| unreadable(path, error))?;
    match magic {
        [0x1f, 0x8b, ..] => Ok(Box::new(BufReader::new(MultiGzDecoder::new(BufReader::new(file)).take(MAX_UNPACKED)))),
        [b'P', b'K', 3, 4] => unzip(path, file),
        [b'P', b'A', b'R', b'1'] => Err(unreadable(
            path,
            if cfg!(feature = "parquet") {
                "is a Parquet file; only klines are read from those"
            } else {
                "is a Parquet file, which this build does not read: build with the feature `parquet`"
            },
        )),
        [b'P', b'K', 5, 6] => Err(unreadable(path, "is empty: an archive without a file in it")),
        _ => Ok(Box::new(BufReader::new(file))),
    }
}

fn unzip(path: &Path, file: File) -> Result<Box<dyn BufRead + Send>, DataError> {
    let mut archive = zip::ZipArchive::new(file).map_err(|error| unreadable(path, error))?;
    if archive.len() != 1 {
        return Err(unreadable(path, format!("the archive holds {} files, not one", archive.len())));
    }
    let entry = archive.by_index(0).map_err(|error| unreadable(path, error))?;
    let mut text = Vec::new();
    entry.take(MAX_UNPACKED).read_to_end(&mut text).map_err(|error| unreadable(path, error))?;
    Ok(Box::new(Cursor::new(text)))
}

/// So much is read at once.
const BUFFER: usize = 4 * MAX_LINE;

/// Whole lines of a file with their numbers.
pub(super) struct Lines {
    path: PathBuf,
    input: Box<dyn BufRead + Send>,
    number: u64,
    /// What has been read: up to `filled`, and from `next` on nobody has seen it as a line.
    buffer: Vec<u8>,
    next: usize,
    filled: usize,
    /// Where the line is that was read last.
    line: Range<usize>,
    /// Nothing is left to be read.
    ended: bool,
    /// The line has no end: the file's last one, whole or not.
    open_ended: bool,
    /// How many columns the first line has.
    columns: Option<usize>,
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        Ok(Self {
            path: path.to_owned(),
            input: open_text(path)?,
            number: 0,
            buffer: vec![0; BUFFER],
            next: 0,
            filled: 0,
            line: 0..0,
            ended: false,
            open_ended: false,
            columns: None,
        })
    }

    pub(super) fn error(&self, reason: impl ToString) -> DataError {
        let cut = if self.open_ended { "; the file ends there (a download that was cut off?)" } else { "" };
        DataError::Line { path: self.path.clone(), line: self.number, reason: format!("{}{cut}", reason.to_string()) }
    }

    /// True for a last line without an end.
    pub(super) const fn is_open_ended(&self) -> bool {
        self.open_ended
    }

    /// The number of the line, from 1.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Every line has as many columns as the first one, whatever that is about.
    pub(super) fn same_columns(&mut self, here: usize) -> Result<(), DataError> {
        match *self.columns.get_or_insert(here) {
            first if first == here => Ok(()),
            first => Err(self.error(format!("{here} columns where the first line has {first}"))),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The next line without its end; `None` after the last, and where only blank lines follow.
    pub(super) fn next(&mut self) -> Result<Option<&str>, DataError> {
        if self.advance()? { self.text().map(Some) } else { Ok(None) }
    }

    /// The line that was read last, without its end.
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.line.clone()).unwrap_or_default()
    }

    /// The same, which must be text.
    pub(super) fn text(&self) -> Result<&str, DataError> {
        std::str::from_utf8(self.bytes()).map_err(|_| self.error("is not text"))
    }

    /// Reads the next line; false after the last, and where only blank lines follow.
    pub(super) fn advance(&mut self) -> Result<bool, DataError> {
        self.number += 1;
        let mut looked_at = 0;
        let length = loop {
            let ahead = self.ahead();
            let end = memchr::memchr(b'\n', ahead.get(looked_at..).unwrap_or_default());
            if let Some(length) = end.map(|end| looked_at + end) {
                self.open_ended = false;
                break length;
            }
            looked_at = ahead.len();
            if looked_at > MAX_LINE || self.ended {
                self.open_ended = true;
                break looked_at;
            }
            self.read_more()?;
        };
        if length >= MAX_LINE {
            self.open_ended = false;
            return Err(self.error(format!("longer than {MAX_LINE} bytes")));
        }
        self.line = self.next..self.next + length;
        self.next = self.line.end + usize::from(!self.open_ended);
        if self.open_ended && length == 0 {
            self.open_ended = false;
            return Ok(false);
        }
        if self.bytes().last() == Some(&b'\r') {
            self.line.end -= 1;
        }
        if self.line.is_empty() {
            return if self.only_blanks_follow()? { Ok(false) } else { Err(self.error("is blank")) };
        }
        Ok(true)
    }

    /// What has been read and is no line yet.
    fn ahead(&self) -> &[u8] {
        self.buffer.get(self.next..self.filled).unwrap_or_default()
    }

    fn read_more(&mut self) -> Result<(), DataError> {
        self.buffer.copy_within(self.next..self.filled, 0);
        (self.next, self.filled) = (0, self.filled - self.next);
        let free = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let read = loop {
            match self.input.read(free) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        match read {
            Ok(count) => {
                self.filled += count;
                self.ended = count == 0;
                Ok(())
            }
            Err(error) => Err(self.error(format!("cannot be read: {error} (a download that was cut off?)"))),
        }
    }

    fn only_blanks_follow(&mut self) -> Result<bool, DataError> {
        loop {
            if self.ahead().iter().any(|byte| !matches!(byte, b'\n' | b'\r')) {
                return Ok(false);
            }
            if self.ended {
                return Ok(true);
            }
            self.next = self.filled;
            self.read_more()?;
        }
    }
}

/// True for a plain decimal number, however long.
pub(super) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(whole) && all_digits(decimals)
}
