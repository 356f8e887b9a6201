//! Market data from files: klines, trades and funding rates, plain, gzip or zip, told apart by content; klines from
//! Apache Parquet too where the feature `parquet` is on.
//!
//! Nothing is skipped, filled in or guessed: whatever is not as it should be is a [`DataError`] that names
//! file and line.

mod columns;
mod funding;
mod klines;
mod lines;
mod marks;
#[cfg(feature = "parquet")]
mod parquet;
mod quick;
mod signals;
mod ticks;
mod trades;

use std::path::PathBuf;

pub use columns::{ColumnError, Columns, Marks, Run, TickBar};
pub use funding::{Funding, read_funding};
pub use klines::{Bar, FillError, Gaps, KlineReader, Span, Stretch, Stretches, read_klines};
pub use lines::{MAX_LINE, open_text};
pub use marks::MarkReader;
pub use signals::{instant, read_signals};
pub use ticks::Ticks;
pub use trades::{Trade, TradeReader};

/// What is wrong with a data file.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The file cannot be opened or read.
    #[error("{path}: {reason}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A line is not what it should be.
    #[error("{path}, line {line}: {reason}")]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// A row of a table is not what it should be.
    #[error("{path}, row {row}: {reason}")]
    Row {
        /// Which file.
        path: PathBuf,
        /// Which row, from 1.
        row: u64,
        /// What is wrong.
        reason: String,
    },
    /// The file has no data.
    #[error("{path}: is empty, there is no data in it")]
    Empty {
        /// Which file.
        path: PathBuf,
    },
}
