//! Records and snapshots as they lie in a journal: any bytes are refused or are what was written.
//!
//! A fuzzer never guesses a checksum, so half of the inputs get theirs from here. What is then taken must read the
//! same again, must be refused with any byte flipped or under another key, and a worker restored from it must
//! start: a disk that lies may end a worker, never with a panic.

use kraite_core::Engine;
use kraite_core::engine::{Config, Input, InputKind, State};
use kraite_core::id::{AccountTag, Epoch};
use kraite_core::journal::{Loaded, Record, Snapshot};
use kraite_journal::{DecodeError, FORMAT, STATE_FORMAT, decode, decode_state, encode, encode_state};
use kraite_sim::presets;

use crate::Bytes;

/// Kinds of input, in the first byte.
pub(crate) const RAW_RECORD: u8 = 0;
pub(crate) const RAW_STATE: u8 = 1;
pub(crate) const SEALED_RECORD: u8 = 2;
#[cfg(test)]
pub(crate) const SEALED_STATE: u8 = 3;

/// A way out of a journal: bytes, and the key they were stored under, to what was written.
type Door<T> = fn(AccountTag, u64, &[u8]) -> Result<T, DecodeError>;

/// The two ways out of a journal; the tests give some that are wrong.
#[derive(Clone, Copy)]
struct Doors {
    record: Door<Record>,
    state: Door<State>,
}

const DOORS: Doors = Doors { record: decode, state: decode_state };

/// A payload with the header that a journal would have given it.
fn sealed(format: u8, covered: bool, (account, seq): (AccountTag, u64), payload: &[u8]) -> Vec<u8> {
    let mut hasher = crc32fast::Hasher::new();
    if covered {
        hasher.update(&[format]);
    }
    hasher.update(&account.get().to_le_bytes());
    hasher.update(&seq.to_le_bytes());
    hasher.update(payload);
    let mut bytes = vec![format];
    bytes.extend(hasher.finalize().to_le_bytes());
    bytes.extend(payload);
    bytes
}

/// One stored body, its key, and which of its bits will be flipped.
struct Stored {
    account: AccountTag,
    seq: u64,
    body: Vec<u8>,
    place: u32,
    bit: u8,
}

impl Stored {
    /// Taken as it is: whatever reads it refuses it in any other form.
    fn is_guarded<T>(&self, door: Door<T>) {
        let mut flipped = self.body.clone();
        let place = usize::try_from(self.place).unwrap() % flipped.len();
        flipped[place] ^= 1 << (self.bit % 8);
        assert!(door(self.account, self.seq, &flipped).is_err(), "byte {place} was flipped and it is taken");
        assert!(door(self.account, self.seq, &self.body[..place]).is_err(), "cut at {place} and it is taken");
        let other = AccountTag::new(self.account.get() ^ 1).unwrap();
        assert!(door(other, self.seq, &self.body).is_err(), "taken as another account's");
        assert!(door(self.account, self.seq ^ 1, &self.body).is_err(), "taken under another number");
    }
}

/// A worker that finds this in its journal starts, or is told why not.
fn starts(account: AccountTag, loaded: Loaded) {
    let restored = Engine::restore(Config::default(), presets::binance().capabilities, account, Epoch::MAX, loaded);
    if let Ok(mut engine) = restored {
        let at = engine.state().at;
        let _ = engine.step(Input { at, kind: InputKind::Started });
        let _ = engine.next_deadline();
    }
}

/// Says whether the body was read.
fn judge(data: &[u8], doors: Doors) -> bool {
    let mut bytes = Bytes::new(data);
    let kind = bytes.u8() % 4;
    let account = AccountTag::new(bytes.u32() & AccountTag::MAX.get()).unwrap();
    let (seq, place, bit) = (bytes.u64(), bytes.u32(), bytes.u8());
    let body = match kind {
        RAW_RECORD | RAW_STATE => bytes.rest().to_vec(),
        SEALED_RECORD => sealed(FORMAT, false, (account, seq), bytes.rest()),
        _ => sealed(STATE_FORMAT, true, (account, seq), bytes.rest()),
    };
    let stored = Stored { account, seq, body, place, bit };
    if matches!(kind, RAW_RECORD | SEALED_RECORD) {
        let Ok(record) = (doors.record)(account, seq, &stored.body) else { return false };
        stored.is_guarded(doors.record);
        let again = encode(account, &record).unwrap();
        assert_eq!((doors.record)(account, seq, &again), Ok(record.clone()));
        starts(account, Loaded { snapshot: None, records: vec![record] });
    } else {
        let Ok(state) = (doors.state)(account, seq, &stored.body) else { return false };
        stored.is_guarded(doors.state);
        let again = encode_state(account, &state).unwrap();
        assert_eq!((doors.state)(account, state.seq, &again), Ok(state.clone()));
        starts(account, Loaded { snapshot: Some(Snapshot { seq: state.seq, state }), records: Vec::new() });
    }
    true
}

/// Reads the bytes as a record or a snapshot.
///
/// # Panics
///
/// When damage is taken for content, content does not read the same again, or a restored worker panics.
pub fn journal_decode(data: &[u8]) {
    judge(data, DOORS);
}

/// The bytes of a seed: a kind, a key, where to flip, and a body.
#[cfg(test)]
pub(crate) fn seed(kind: u8, account: AccountTag, seq: u64, stored: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend(account.get().to_le_bytes());
    out.extend(seq.to_le_bytes());
    out.extend(7u32.to_le_bytes());
    out.push(3);
    // A sealed body gets its header anew.
    let header = if matches!(kind, SEALED_RECORD | SEALED_STATE) { 5 } else { 0 };
    out.extend(&stored[header..]);
    out
}

/// True for a seed whose body is read.
#[cfg(test)]
pub(crate) fn is_taken(data: &[u8]) -> bool {
    judge(data, DOORS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As if nobody looked at the checksum.
    fn trusting<T>(door: Door<T>, (account, seq, bytes): (AccountTag, u64, &[u8])) -> Result<T, DecodeError> {
        let format = bytes.first().copied().unwrap_or_default();
        let payload = bytes.get(5..).unwrap_or_default();
        door(account, seq, &sealed(format, false, (account, seq), payload))
            .or_else(|_| door(account, seq, &sealed(format, true, (account, seq), payload)))
    }

    #[test]
    fn mutant_a_journal_that_trusts_its_disk_is_caught() {
        let seeds = crate::tests::seeds_of("journal_decode");
        let caught = |doors: Doors| {
            seeds.iter().filter(move |(_, seed)| std::panic::catch_unwind(|| judge(seed, doors)).is_err())
        };
        assert!(caught(Doors { record: |a, s, b| trusting(decode, (a, s, b)), ..DOORS }).count() > 0);
        assert!(caught(Doors { state: |a, s, b| trusting(decode_state, (a, s, b)), ..DOORS }).count() > 0);
        assert_eq!(caught(DOORS).count(), 0);
    }

    #[test]
    fn a_sealed_body_is_what_a_journal_writes() {
        let state = State::new(AccountTag::new(3).unwrap());
        let written = encode_state(state.account, &state).unwrap();
        assert_eq!(sealed(STATE_FORMAT, true, (state.account, state.seq), &written[5..]), written);
    }
}
