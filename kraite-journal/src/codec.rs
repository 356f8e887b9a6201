//! Records as bytes: format, checksum, compact payload.
//!
//! `[format: u8][crc32: u32 LE over format, account, seq and payload][payload: postcard]`. The checksum covers the
//! key too, so a record found under another key is refused; the formats that had no older one beside them, and snapshots
//! of format 2, leave out the format. A change of what a record may hold is a new
//! format number and a reader for every old one; kinds that are added at the end of their enums change no byte of what
//! was written before, and are none. Snapshots count their formats for themselves. The golden bytes in the tests pin each.

use kraite_core::engine::State;
use kraite_core::id::AccountTag;
use kraite_core::journal::Record;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::snapshots::{State1, State2};

/// The newest format of a record that this version writes and the highest it reads.
pub const FORMAT: u8 = 1 + NEXT;
/// The same of a snapshot. Format 2 knows whether the account is halted, and what ended lately; format 3 whether a
/// position was closed as a whole, and what was changed of it by hand.
pub const STATE_FORMAT: u8 = 3 + NEXT;
/// Raised by each change of what a record or a snapshot may hold, also by a kind that is added at the end of an enum: a
/// host takes no account on which one with a higher number has worked, for it might not be able to read it.
#[cfg(feature = "postgres")]
pub(crate) const READS: i32 = 1 + NEXT as i32;
/// The version after this one, which tests of an upgrade are built with: its bodies begin with one more byte.
const NEXT: u8 = cfg!(feature = "next-format") as u8;
#[cfg(all(feature = "next-format", not(debug_assertions)))]
compile_error!("next-format is for tests of an upgrade: nobody could read again what a release with it has written");
const HEADER: usize = 5;
/// Larger bodies are refused before they are decoded.
const MAX_BODY: usize = 64 * 1_024 * 1_024;

/// Why bytes are not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Written by a newer version.
    #[error("format {found} is newer than {known}")]
    TooNew {
        /// The format found.
        found: u8,
        /// The newest format known.
        known: u8,
    },
    /// Shorter than its own header, or longer than anything we write.
    #[error("{0} bytes cannot be a record")]
    Length(usize),
    /// Damaged, or stored under another key.
    #[error("the checksum does not match")]
    Checksum,
    /// The checksum matches and the content makes no sense: written by other code.
    #[error("the content cannot be read: {0}")]
    Content(String),
}

/// What a body may be.
struct Kind {
    /// The newest format that is written and read.
    newest: u8,
    /// The last format whose checksum leaves out the format. Were it left out for ever, one flipped bit could make a
    /// snapshot of format 3 one of format 2, without what is new in it.
    bare: u8,
}

const RECORD: Kind = Kind { newest: FORMAT, bare: 1 };
const STATE: Kind = Kind { newest: STATE_FORMAT, bare: 2 };

fn checksum(kind: &Kind, format: u8, (account, seq): (AccountTag, u64), payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    if format > kind.bare {
        hasher.update(&[format]);
    }
    hasher.update(&account.get().to_le_bytes());
    hasher.update(&seq.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

fn pack<T: Serialize>(kind: &Kind, key: (AccountTag, u64), value: &T) -> Result<Vec<u8>, DecodeError> {
    let mut payload = postcard::to_allocvec(value).map_err(|error| DecodeError::Content(error.to_string()))?;
    if cfg!(feature = "next-format") {
        payload.insert(0, NEXT);
    }
    let mut bytes = Vec::with_capacity(HEADER.saturating_add(payload.len()));
    bytes.push(kind.newest);
    bytes.extend_from_slice(&checksum(kind, kind.newest, key, &payload).to_le_bytes());
    bytes.extend_from_slice(&payload);
    Ok(bytes)
}

/// The format of these bytes, and their payload.
fn open<'b>(kind: &Kind, key: (AccountTag, u64), bytes: &'b [u8]) -> Result<(u8, &'b [u8]), DecodeError> {
    let Some((&format, rest)) = bytes.split_first() else { return Err(DecodeError::Length(0)) };
    if format > kind.newest {
        return Err(DecodeError::TooNew { found: format, known: kind.newest });
    }
    let Some((stored, payload)) = rest.split_first_chunk::<4>() else { return Err(DecodeError::Length(bytes.len())) };
    if bytes.len() > MAX_BODY {
        return Err(DecodeError::Length(bytes.len()));
    }
    if format == 0 || u32::from_le_bytes(*stored) != checksum(kind, format, key, payload) {
        return Err(DecodeError::Checksum);
    }
    match payload {
        [_, payload @ ..] if cfg!(feature = "next-format") && format == kind.newest => Ok((format, payload)),
        payload => Ok((format, payload)),
    }
}

fn parse<T: DeserializeOwned>(payload: &[u8]) -> Result<T, DecodeError> {
    let (value, rest) = postcard::take_from_bytes(payload).map_err(|error| DecodeError::Content(error.to_string()))?;
    if rest.is_empty() { Ok(value) } else { Err(DecodeError::Content(format!("{} bytes too many", rest.len()))) }
}

/// The bytes of a record under its key.
pub fn encode(account: AccountTag, record: &Record) -> Result<Vec<u8>, DecodeError> {
    pack(&RECORD, (account, record.seq), record)
}

/// The record of these bytes, which were stored under this key. Never panics.
pub fn decode(account: AccountTag, seq: u64, bytes: &[u8]) -> Result<Record, DecodeError> {
    let record: Record = parse(open(&RECORD, (account, seq), bytes)?.1)?;
    if record.seq == seq { Ok(record) } else { Err(DecodeError::Content("stored under another number".into())) }
}

/// The bytes of a snapshot's state under its key.
pub fn encode_state(account: AccountTag, state: &State) -> Result<Vec<u8>, DecodeError> {
    pack(&STATE, (account, state.seq), state)
}

/// The state of a snapshot's bytes.
pub fn decode_state(account: AccountTag, seq: u64, bytes: &[u8]) -> Result<State, DecodeError> {
    match open(&STATE, (account, seq), bytes)? {
        (1, payload) => parse::<State1>(payload).map(State::from),
        (2, payload) => parse::<State2>(payload).map(State::from),
        (_, payload) => parse(payload),
    }
}
