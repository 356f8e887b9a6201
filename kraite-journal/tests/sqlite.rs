//! The journal in a file: damage, newer versions, full disks, kills, readers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kraite_core::engine::{CommandId, Held, State};
use kraite_core::id::{Epoch, PositionNo};
use kraite_core::journal::{Journal as _, JournalError, Snapshot};
use kraite_core::position::{Adoption, Booked};
use kraite_core::time::{LocalMillis, VenueMillis};
use kraite_journal::{
    FORMAT, STATE_FORMAT, SqliteJournal, SqliteReader, StoredRecord, decode, decode_state, encode, encode_state,
};
use proptest::prelude::*;
use rusqlite::Connection;
use support::{account, limits_record, now, record, rules_record};

/// A journal with 40 records of two accounts, everything in the main file.
fn filled(folder: &Path) -> PathBuf {
    let path = folder.join("journal");
    let journal = SqliteJournal::open(&path).unwrap();
    for n in 1..=2 {
        let epoch = now(journal.acquire(account(n))).unwrap();
        for seq in 1..=20 {
            now(journal.append(account(n), &[record(seq, epoch)])).unwrap();
        }
    }
    drop(journal);
    Connection::open(&path).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    path
}

/// Why a worker's start refuses; whoever only reads refuses for the same reason.
fn refusal(path: &Path) -> JournalError {
    let refusal = SqliteJournal::open(path).map(|_| ()).unwrap_err();
    if path.exists() {
        assert_eq!(SqliteReader::open(path).map(|_| ()).unwrap_err(), refusal);
        assert_eq!(SqliteReader::open_frozen(path).map(|_| ()).unwrap_err(), refusal);
    }
    refusal
}

/// Everything that a reader finds of both accounts.
fn told_by(reader: &SqliteReader) -> Vec<(Epoch, Vec<StoredRecord>)> {
    assert_eq!(reader.accounts().unwrap(), [account(1), account(2)]);
    (1..=2).map(|n| (reader.owner(account(n)).unwrap(), reader.records(account(n), 0, 99).unwrap())).collect()
}

#[test]
fn every_flipped_byte_of_a_record_is_found_at_the_start_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    let sound = std::fs::read(&path).unwrap();
    let epoch = SqliteReader::open(&path).unwrap().records(account(2), 0, 1).unwrap()[0].epoch;
    let mut flipped = 0;
    for (n, seq) in [(1, 1), (1, 11), (2, 20)] {
        let body = encode(account(n), &record(seq, epoch)).unwrap();
        let at = sound.windows(body.len()).position(|window| window == body).expect("the record lies in the file");
        for place in at..at + body.len() {
            let mut damaged = sound.clone();
            damaged[place] ^= 0x10;
            std::fs::write(&path, &damaged).unwrap();
            let error = refusal(&path);
            let named = format!("account {n}, record {seq}");
            let newer = place == at && matches!(error, JournalError::TooNew { .. });
            assert!(newer || error.to_string().contains(&named), "byte {place}: {error}");
            assert_eq!(std::fs::read(&path).unwrap(), damaged, "a refusal changes nothing");
            flipped += 1;
        }
    }
    assert!(flipped > 30, "{flipped} bytes were flipped");
    std::fs::write(&path, &sound).unwrap();
    SqliteJournal::open(&path).unwrap();
}

#[test]
fn every_flipped_bit_of_a_record_and_its_keys_is_found_by_a_reader_or_changes_nothing_that_it_tells() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    let sound = std::fs::read(&path).unwrap();
    let reader = SqliteReader::open(&path).unwrap();
    let (expected, epoch) = (told_by(&reader), reader.owner(account(1)).unwrap());
    drop(reader);
    let (mut keys, mut refused) = (0, 0);
    for (n, seq) in [(1, 3), (1, 20), (2, 1)] {
        let body = encode(account(n), &record(seq, epoch)).unwrap();
        let at = sound.windows(body.len()).position(|window| window == body).expect("the record lies in the file");
        // Length, header, account, number and epoch lie before the body.
        for (place, bit) in (at - 16..at + body.len()).flat_map(|place| (0..8).map(move |bit| (place, bit))) {
            let mut damaged = sound.clone();
            damaged[place] ^= 1 << bit;
            std::fs::write(&path, &damaged).unwrap();
            match SqliteReader::open(&path) {
                Ok(reader) => assert_eq!(told_by(&reader), expected, "byte {place}, bit {bit} changed what is told"),
                Err(_) => {
                    refused += 1;
                    keys += u32::from(place < at);
                }
            }
        }
        let body_bits = 8 * body.len();
        assert!(refused >= body_bits, "{refused} of {body_bits} in the body and some before it");
    }
    assert!(keys > 100, "{keys} of the bits before the bodies were refused");
}

#[test]
fn a_reader_sees_damage_in_records_that_a_snapshot_covers() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    let journal = SqliteJournal::open(&path).unwrap();
    let state = State { seq: 15, ..State::new(account(1)) };
    now(journal.save_snapshot(account(1), &Snapshot { seq: 15, state })).unwrap();
    drop(journal);
    assert!(SqliteReader::open(&path).is_ok());
    let damage = "UPDATE records SET epoch = epoch + 1 WHERE account = 1 AND seq = 4";
    Connection::open(&path).unwrap().execute(damage, []).unwrap();
    assert!(refusal(&path).to_string().contains("account 1, record 4"), "{}", refusal(&path));
}

#[test]
fn a_journal_whose_owners_are_gone_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    Connection::open(&path).unwrap().execute("DELETE FROM owners", []).unwrap();
    assert!(refusal(&path).to_string().contains("account 1"), "{}", refusal(&path));
}

#[test]
fn a_frozen_reader_sees_what_it_verified_and_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    let reader = SqliteReader::open_frozen(&path).unwrap();
    let journal = SqliteJournal::open(&path).unwrap();
    let epoch = now(journal.acquire(account(1))).unwrap();
    now(journal.append(account(1), &[record(21, epoch)])).unwrap();
    assert_eq!(reader.records(account(1), 0, 99).unwrap().len(), 20);
    assert!(reader.owner(account(1)).unwrap() < epoch);
    assert_eq!(SqliteReader::open(&path).unwrap().records(account(1), 0, 99).unwrap().len(), 21);
}

#[test]
fn a_flipped_byte_anywhere_is_refused_or_harmless() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    let sound = std::fs::read(&path).unwrap();
    let expected: Vec<_> = told_by(&SqliteReader::open(&path).unwrap());
    let (mut refused, mut harmless) = (0, 0);
    for place in (0..sound.len()).step_by(13) {
        let mut damaged = sound.clone();
        damaged[place] ^= 0x41;
        std::fs::write(&path, &damaged).unwrap();
        let _ = std::fs::remove_file(folder.path().join("journal-wal"));
        let _ = std::fs::remove_file(folder.path().join("journal-shm"));
        if let Ok(reader) = SqliteReader::open(&path) {
            for (told, want) in told_by(&reader).iter().zip(&expected) {
                // An owner that is younger than its records may be: it has written nothing yet.
                assert!(told.1 == want.1 && told.0 >= want.1[0].epoch, "byte {place} changed what is told");
            }
        }
        match SqliteJournal::open(&path) {
            Err(_) => refused += 1,
            Ok(journal) => {
                for n in 1..=2 {
                    let loaded = now(journal.load(account(n))).unwrap();
                    let want: Vec<_> = expected[n as usize - 1].1.iter().map(|stored| stored.record.clone()).collect();
                    assert_eq!(loaded.records, want, "byte {place} changed what is loaded");
                }
                harmless += 1;
            }
        }
    }
    assert!(refused > 20, "refused {refused}, harmless {harmless}");
}

#[test]
fn a_record_that_is_missing_in_the_middle_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    Connection::open(&path).unwrap().execute("DELETE FROM records WHERE account = 1 AND seq = 7", []).unwrap();
    let error = refusal(&path).to_string();
    assert!(error.contains("account 1, record 7") && error.contains("missing"), "{error}");
}

#[test]
fn an_owner_older_than_a_record_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    Connection::open(&path).unwrap().execute("UPDATE owners SET epoch = 0 WHERE account = 2", []).unwrap();
    assert!(refusal(&path).to_string().contains("account 2"), "{}", refusal(&path));
}

#[test]
fn a_torn_tail_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let journal = SqliteJournal::open(&path).unwrap();
    let epoch = now(journal.acquire(account(1))).unwrap();
    for seq in 1..=10 {
        now(journal.append(account(1), &[record(seq, epoch)])).unwrap();
    }
    // The machine loses power: what is in the write-ahead log is torn at every length.
    let (main, wal) = (std::fs::read(&path).unwrap(), std::fs::read(folder.path().join("journal-wal")).unwrap());
    drop(journal);
    let mut lengths = std::collections::BTreeSet::new();
    for cut in (0..wal.len()).step_by(97) {
        let torn = folder.path().join(format!("torn-{cut}"));
        std::fs::write(&torn, &main).unwrap();
        std::fs::write(folder.path().join(format!("torn-{cut}-wal")), &wal[..cut]).unwrap();
        let journal = SqliteJournal::open(&torn).unwrap();
        let records = now(journal.load(account(1))).unwrap().records;
        let want: Vec<_> = (1..=records.len() as u64).map(|seq| record(seq, epoch)).collect();
        assert_eq!(records, want, "a prefix");
        lengths.insert(records.len());
    }
    assert!(lengths.contains(&0) && lengths.contains(&9), "{lengths:?}");
}

#[test]
fn newer_layouts_and_records_are_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version=7").unwrap();
    let before = std::fs::read(&path).unwrap();
    let place = path.display().to_string();
    assert_eq!(refusal(&path), JournalError::TooNew { place, found: 7, known: 1 });
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let mut newer = encode(account(1), &record(3, Default::default())).unwrap();
    newer[0] = FORMAT + 1;
    assert!(decode(account(1), 3, &newer).unwrap_err().to_string().contains("newer"));
}

#[test]
fn what_is_no_journal_is_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "dear diary, today I lost money".repeat(40)).unwrap();
    let other = folder.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    for (path, word) in [(folder.path(), "folder"), (&text, "not a kraite journal"), (&other, "not a kraite journal")] {
        let error = refusal(path).to_string();
        assert!(error.contains(word) && error.contains(path.to_str().unwrap()), "{error}");
        assert!(SqliteReader::open(path).unwrap_err().to_string().contains(word));
    }
    assert!(std::fs::read_to_string(&text).unwrap().starts_with("dear diary"));
    let missing = folder.path().join("missing");
    assert!(SqliteReader::open(&missing).unwrap_err().to_string().contains("does not exist"));
    assert!(!missing.exists(), "reading creates nothing");
    let nowhere = folder.path().join("no/such/folder/journal");
    assert!(matches!(refusal(&nowhere), JournalError::Unavailable(_)));
}

#[test]
fn an_interrupted_first_start_leaves_a_start_that_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    std::fs::write(folder.path().join("journal.new"), "half a file").unwrap();
    std::fs::write(folder.path().join("journal.new-journal"), "half a rollback").unwrap();
    let journal = SqliteJournal::open(&path).unwrap();
    now(journal.acquire(account(1))).unwrap();
    assert!(!folder.path().join("journal.new").exists());
}

#[test]
fn a_failed_write_poisons_the_journal_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let journal = SqliteJournal::open_limited(&path, 24).unwrap();
    let epoch = now(journal.acquire(account(1))).unwrap();
    let mut acknowledged = 0;
    let failure = (1..100_000)
        .find_map(|seq| match now(journal.append(account(1), &[record(seq, epoch)])) {
            Ok(_) => {
                acknowledged = seq;
                None
            }
            Err(error) => Some(error),
        })
        .expect("the disk fills up");
    assert!(matches!(&failure, JournalError::Write(why) if why.contains("the disk is full, or a quota")), "{failure}");
    let again = now(journal.append(account(1), &[record(acknowledged + 1, epoch)])).unwrap_err();
    assert!(again.to_string().contains("an earlier write failed"), "{again}");
    drop(journal);
    let records = SqliteReader::open(&path).unwrap().records(account(1), 0, usize::MAX).unwrap();
    assert_eq!(records.len() as u64, acknowledged);
    assert!(acknowledged > 10);
}

#[test]
fn another_process_reads_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let journal = SqliteJournal::open(&path).unwrap();
    let epoch = now(journal.acquire(account(3))).unwrap();
    let reader = SqliteReader::open(&path).unwrap();
    for seq in 1..=30 {
        now(journal.append(account(3), &[record(seq, epoch)])).unwrap();
        let seen = reader.records(account(3), seq - 1, 10).unwrap();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].record, record(seq, epoch));
    }
    assert_eq!(reader.accounts().unwrap(), [account(3)]);
    assert_eq!(reader.load(account(3)).unwrap().records.len(), 30);
}

/// The child of the next test: appends until it is killed and tells every number it was promised.
#[test]
#[ignore = "needs a parent: it is the child of s10_no_promised_record_is_lost_by_sigkill"]
fn child_that_appends() {
    let Ok(path) = std::env::var("KRAITE_TEST_JOURNAL") else { return };
    let journal = SqliteJournal::open(path).unwrap();
    let epoch = now(journal.acquire(account(1))).unwrap();
    let first = now(journal.load(account(1))).unwrap().records.len() as u64 + 1;
    for seq in first.. {
        now(journal.append(account(1), &[record(seq, epoch)])).unwrap();
        println!("promised {seq}");
    }
}

#[test]
fn s10_no_promised_record_is_lost_by_sigkill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let mut promised = 0u64;
    for round in 0..30u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_appends", "--include-ignored", "--nocapture"])
            .env("KRAITE_TEST_JOURNAL", &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        // Killed after a different number of promises each time, the first time before any.
        let enough = round * 3 % 41;
        let mut heard = 0;
        for line in stdout.lines().map_while(Result::ok) {
            if let Some((_, seq)) = line.split_once("promised ") {
                promised = promised.max(seq.trim().parse().unwrap());
                heard += 1;
            }
            if heard >= enough {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        if !path.exists() {
            continue;
        }
        let journal = SqliteJournal::open(&path).unwrap();
        let records = now(journal.load(account(1))).unwrap().records;
        assert!(records.len() as u64 >= promised, "{promised} promised, {} found", records.len());
        assert!(records.iter().enumerate().all(|(n, r)| r.seq == n as u64 + 1));
    }
    assert!(promised > 100, "{promised}");
}

proptest! {
    #[test]
    fn bytes_that_are_no_record_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(account(1), 1, &bytes).is_err());
    }

    #[test]
    fn a_record_is_found_only_under_its_own_key(n in 1u32..9, seq in 1u64..500, other in 1u64..500) {
        let bytes = encode(account(n), &record(seq, Default::default())).unwrap();
        prop_assert_eq!(decode(account(n), seq, &bytes).unwrap(), record(seq, Default::default()));
        if other != seq {
            prop_assert!(decode(account(n), other, &bytes).is_err());
        }
        prop_assert!(decode(account(n + 1), seq, &bytes).is_err());
    }
}

#[test]
#[cfg_attr(feature = "next-format", ignore = "needs a build of this format")]
fn the_bytes_of_what_format_1_learned_since_stay_readable() {
    // Kinds that were added at the end of their enums: a reading of the rules, what it leads to, and why an opening
    // may be given up.
    const GOLDEN: &str = include_str!("golden/record-format-1-rules.hex");
    let wanted = rules_record(4, kraite_core::id::Epoch::new(2).unwrap());
    let written: String = encode(account(5), &wanted).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(written, GOLDEN.trim());
    let bytes: Vec<u8> =
        (0..GOLDEN.trim().len() / 2).map(|n| u8::from_str_radix(&GOLDEN[2 * n..2 * n + 2], 16).unwrap()).collect();
    assert_eq!(decode(account(5), 4, &bytes).unwrap(), wanted);
}

fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.trim().len() / 2).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap()).collect()
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
#[cfg_attr(feature = "next-format", ignore = "needs a build of this format")]
fn the_bytes_of_a_limit_that_was_reached_stay_readable() {
    const GOLDEN: &str = include_str!("golden/record-format-1-limits.hex");
    let wanted = limits_record(5, kraite_core::id::Epoch::new(2).unwrap());
    assert_eq!(hex_of(&encode(account(5), &wanted).unwrap()), GOLDEN.trim());
    assert_eq!(decode(account(5), 5, &bytes_of(GOLDEN)).unwrap(), wanted);
}

#[test]
fn snapshots_of_older_formats_stay_readable_and_are_written_as_the_newest() {
    // A life of 31 records, written when nobody could halt an account, and the same before a position could be closed as
    // a whole: halted by command 9, and another position that ended with a profit of 1.25.
    let ended = (PositionNo::new(1).unwrap(), "1.25".parse().ok());
    for (format, golden, halted, results) in [
        (1, include_str!("golden/state-format-1.hex"), vec![], vec![]),
        (2, include_str!("golden/state-format-2.hex"), vec![CommandId(9)], vec![ended]),
    ] {
        let bytes = bytes_of(golden);
        let state = decode_state(account(1), 31, &bytes).unwrap();
        assert_eq!((state.seq, state.positions.len(), state.halted), (31, 1, !halted.is_empty()));
        assert!(state.switched_by.iter().eq(&halted));
        assert!(state.ended.iter().map(|(no, ended)| (*no, ended.realised)).eq(results));
        assert!(state.positions.values().all(|position| position.whole_close.is_none()));
        let written = encode_state(account(1), &state).unwrap();
        assert_eq!((bytes[0], written[0]), (format, STATE_FORMAT));
        assert_eq!(decode_state(account(1), 31, &written).unwrap(), state);
        // Neither is taken for another, nor what comes after for any.
        for (taken_for, body) in [(STATE_FORMAT, &bytes), (format, &written), (STATE_FORMAT + 1, &written)] {
            let mut wrong = body.clone();
            wrong[0] = taken_for;
            assert!(decode_state(account(1), 31, &wrong).is_err(), "{format} as {taken_for}");
        }
        let mut newer = state;
        newer.positions.values_mut().for_each(|position| position.whole_close = Some(VenueMillis(77)));
        assert_eq!(decode_state(account(1), 31, &encode_state(account(1), &newer).unwrap()).unwrap(), newer);
    }
}

#[test]
#[cfg_attr(feature = "next-format", ignore = "needs a build of this format")]
fn the_bytes_of_a_snapshot_of_format_3_stay_readable() {
    // Written by version 0.1; a change of these bytes is a new format, once a version that writes them is out.
    let mut wanted = decode_state(account(1), 31, &bytes_of(include_str!("golden/state-format-2.hex"))).unwrap();
    for position in wanted.positions.values_mut() {
        position.whole_close = Some(VenueMillis(77));
        position.hands.handed_back = true;
        position.adoption =
            Some(Adoption { held: Held { qty: "0.5".parse().unwrap(), price: "150".parse().unwrap() }, is_done: true });
        position.booked = Some(Booked { at: LocalMillis(78), funding: "-0.25".parse().unwrap() });
    }
    let written = encode_state(account(1), &wanted).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/state-format-3.hex");
    if std::env::var_os("KRAITE_BLESS").is_some() {
        std::fs::write(&path, hex_of(&written) + "\n").unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert_eq!((hex_of(&written).as_str(), written[0]), (golden.trim(), 3));
    assert_eq!(decode_state(account(1), 31, &bytes_of(&golden)).unwrap(), wanted);
}

#[test]
#[cfg_attr(feature = "next-format", ignore = "needs a build of this format")]
fn the_bytes_of_format_1_stay_readable() {
    // Written by version 0.1; a change of these bytes is a new format.
    const GOLDEN: &str = include_str!("golden/record-format-1.hex");
    let wanted = record(3, kraite_core::id::Epoch::new(2).unwrap());
    let bytes: Vec<u8> =
        (0..GOLDEN.trim().len() / 2).map(|n| u8::from_str_radix(&GOLDEN[2 * n..2 * n + 2], 16).unwrap()).collect();
    assert_eq!(decode(account(5), 3, &bytes).unwrap(), wanted);
    let written: String = encode(account(5), &wanted).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(written, GOLDEN.trim());
}

/// Every byte of what lies on the disk is under the checksum, or is the checksum: a format that reads as an older one
/// would lose what only the newer knows. Before the format was covered the flip of its lowest bit was taken here.
#[test]
fn a_flipped_bit_makes_no_snapshot_an_older_one() {
    let state = State::new(account(1));
    let written = encode_state(account(1), &state).unwrap();
    assert_eq!(decode_state(account(1), state.seq, &written), Ok(state.clone()));
    for place in 0..written.len() {
        for bit in 0..8 {
            let mut flipped = written.clone();
            flipped[place] ^= 1 << bit;
            assert!(decode_state(account(1), state.seq, &flipped).is_err(), "byte {place}, bit {bit}");
        }
    }
}

/// Two workers that both find nothing and both create: one file, and whoever was told that something is
/// durable finds it there.
#[test]
fn two_first_starts_at_once_share_one_journal() {
    for round in 0..40 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let gate = std::sync::Barrier::new(2);
        let start = |n: u32| {
            gate.wait();
            let journal = SqliteJournal::open(&path).map_err(|error| format!("round {round}: {error}"))?;
            let epoch = now(journal.acquire(account(n))).map_err(|error| error.to_string())?;
            now(journal.append(account(n), &[record(1, epoch)])).map_err(|error| error.to_string())
        };
        std::thread::scope(|scope| {
            let other = scope.spawn(|| start(2));
            start(1).unwrap();
            other.join().unwrap().unwrap();
        });
        let reader = SqliteReader::open(&path).unwrap();
        assert_eq!(reader.accounts().unwrap(), [account(1), account(2)], "round {round}");
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| !name.to_string_lossy().contains("new")), "{left:?}");
    }
}
