//! The bodies of the fuzz targets, as functions of bytes: libFuzzer calls them on a nightly compiler, the tests
//! below call them on any compiler with the seeds in `seeds/`.
//!
//! A body returns when all is well and panics when it is not, with everything that is needed to play the failure
//! again. Each reads its bytes with [`Bytes`], which never runs out, so that every input means something.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a body says what is wrong by a panic")]

mod bitget_body;
mod bitget_frame;
mod bytes;
mod client_id;
mod crash_window;
mod journal_decode;
mod klines_csv;
mod order_events;
mod planner;
mod rest_body;
mod signed_query;
#[cfg(test)]
mod tests;
mod wire;
mod ws_frame;

use std::path::PathBuf;

pub use bitget_body::bitget_body;
pub use bitget_frame::bitget_frame;
pub use bytes::Bytes;
pub use client_id::client_id;
pub use crash_window::crash_window;
pub use journal_decode::journal_decode;
pub use klines_csv::klines_csv;
pub use order_events::order_events;
pub use planner::planner;
pub use rest_body::rest_body;
pub use signed_query::signed_query;
pub use ws_frame::ws_frame;

/// What a target does with bytes.
pub type Body = fn(&[u8]);

/// Every target: its name, and its body.
pub const TARGETS: [(&str, Body); 11] = [
    ("bitget_body", bitget_body),
    ("bitget_frame", bitget_frame),
    ("client_id", client_id),
    ("crash_window", crash_window),
    ("journal_decode", journal_decode),
    ("klines_csv", klines_csv),
    ("order_events", order_events),
    ("planner", planner),
    ("rest_body", rest_body),
    ("signed_query", signed_query),
    ("ws_frame", ws_frame),
];

/// Gives a body each file that is named on the command line, and every file of each folder.
///
/// # Errors
///
/// A file or folder that cannot be read, or none at all.
pub fn replay(body: Body) -> std::io::Result<()> {
    let mut files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if files.is_empty() {
        return Err(std::io::Error::other("name the files or folders to play"));
    }
    let mut played = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            for entry in std::fs::read_dir(&path)? {
                files.push(entry?.path());
            }
            continue;
        }
        println!("{}", path.display());
        body(&std::fs::read(&path)?);
        played += 1;
    }
    println!("{played} files, nothing wrong");
    Ok(())
}
