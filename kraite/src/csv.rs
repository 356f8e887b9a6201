//! Tables as CSV files that spreadsheets read and nothing in them runs.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::exit::{Exit, Failed};

/// A table on its way into a file.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    columns: usize,
    text: String,
    rows: usize,
}

/// One cell: what others wrote is made harmless, what we wrote stands as it is.
#[derive(Debug)]
pub(crate) enum Cell {
    /// A word or a number of ours, which never begins like a formula but for a minus that is one.
    Plain(String),
    /// Text from a venue or a user.
    Text(String),
}

impl Cell {
    pub(crate) fn of(value: impl Display) -> Self {
        Self::Plain(value.to_string())
    }

    pub(crate) fn or_empty(value: Option<impl Display>) -> Self {
        Self::Plain(value.map(|value| value.to_string()).unwrap_or_default())
    }

    pub(crate) fn text(value: impl Display) -> Self {
        Self::Text(value.to_string())
    }

    fn written(self) -> String {
        let text = match self {
            Self::Plain(text) => text,
            Self::Text(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => format!("'{text}"),
            Self::Text(text) => text,
        };
        if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
    }
}

impl Table {
    pub(crate) fn new(name: &'static str, header: &str) -> Self {
        Self { name, columns: header.split(',').count(), text: format!("{header}\n"), rows: 0 }
    }

    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns, "{}", self.name);
        let cells: Vec<String> = cells.into_iter().map(Cell::written).collect();
        self.text.push_str(&cells.join(","));
        self.text.push('\n');
        self.rows += 1;
    }
}

/// A file that was written.
#[derive(Debug, Serialize)]
pub(crate) struct Written {
    pub(crate) file: String,
    pub(crate) rows: usize,
}

/// Refuses before anything is done where one of these files is there already.
pub(crate) fn free<'a>(
    dir: &Path,
    names: impl IntoIterator<Item = &'a str>,
    force: bool,
) -> Result<Vec<PathBuf>, Failed> {
    let places: Vec<PathBuf> = names.into_iter().map(|name| dir.join(name)).collect();
    match places.iter().find(|place| !force && place.exists()) {
        Some(there) => {
            let message = format!("{} is there already; --force writes over it", there.display());
            Err(Failed::new(Exit::Usage, message))
        }
        None => Ok(places),
    }
}

/// Writes each table to its file in a folder, which is made if need be.
pub(crate) fn write(dir: &Path, tables: &[&Table], force: bool) -> Result<Vec<Written>, Failed> {
    std::fs::create_dir_all(dir).map_err(|error| Failed::new(Exit::Failure, format!("{}: {error}", dir.display())))?;
    let places = free(dir, tables.iter().map(|table| table.name), force)?;
    let write = |(table, place): (&&Table, &PathBuf)| {
        crate::write_whole(place, &table.text)?;
        Ok(Written { file: place.display().to_string(), rows: table.rows })
    };
    tables.iter().zip(&places).map(write).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_a_spreadsheet_would_run_is_made_harmless_and_numbers_stay_numbers() {
        for (cell, want) in [
            (Cell::text("=1+1"), "'=1+1"),
            (Cell::text("+A1"), "'+A1"),
            (Cell::text("-A1"), "'-A1"),
            (Cell::text("@SUM(A1)"), "'@SUM(A1)"),
            (Cell::text("=HYPERLINK(\"x\",\"y\")"), "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""),
            (Cell::text("SOLUSDT"), "SOLUSDT"),
            (Cell::of("-0.05"), "-0.05"),
            (Cell::or_empty(None::<u8>), ""),
        ] {
            assert_eq!(cell.written(), want);
        }
    }
}
