//! Whether this machine and a journal are fit for work: the disk or the database, the journal itself, and what it says is
//! open.

use std::path::Path;

use rustix::fs::statvfs;

use crate::address::Address;
use crate::doctor::report::{Report, Status};
use crate::exit::Failed;
use crate::journal::{Journal, Place};
use crate::live::control;
use crate::status::{self, Shown, ShownAccount};
use crate::words;

/// With less room a busy day may fill the disk.
const ROOM_TOLD: u64 = 1_024 * MIB;
/// With less room the next records may not be durable.
const ROOM_LEAST: u64 = 64 * MIB;
/// A log beside a journal that has grown so much is not merged any more: somebody reads for a long time.
const LOG_TOLD: u64 = 256 * MIB;
const MIB: u64 = 1_024 * 1_024;

/// The checks of a journal and where it lies, by name.
pub(crate) const CHECKS: [&str; 4] = ["disk", DATABASE, JOURNAL, STATE];
const DATABASE: &str = "database";
const JOURNAL: &str = "journal";
const STATE: &str = "state";

/// The checks of a journal, in their order, and the journal where there is one that can be read.
pub(crate) fn look(place: &Place, report: &mut Report) -> Option<Journal> {
    let is_there = match place {
        Place::File(path) => {
            disk(path, report);
            path.exists()
        }
        Place::Database(address) => database(address, report)?,
    };
    if is_there {
        return records(place, report);
    }
    let name = match place {
        Place::File(path) => format!("{}: ", path.display()),
        Place::Database(_) => String::new(),
    };
    report.add(JOURNAL, Status::Ok, format!("{name}none yet; kraite run makes it"), "");
    report.add(STATE, Status::Ok, "nothing is open by a journal", "");
    None
}

fn disk(journal: &Path, report: &mut Report) {
    let folder = journal.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    match statvfs(folder) {
        Ok(found) => {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            let says = format!("{} MiB are free for the journal", free / MIB);
            match free {
                0..ROOM_LEAST => report.add("disk", Status::Failed, says, "make room: what is not durable is not sent"),
                ROOM_LEAST..ROOM_TOLD => report.add("disk", Status::Warned, says, "make room"),
                _ => report.add("disk", Status::Ok, says, ""),
            }
        }
        Err(error) => {
            let says = format!("{}: {error}", folder.display());
            report.add("disk", Status::Failed, says, "make the folder, and let this user write there");
        }
    }
}

/// Whether the database has a journal; nothing where it cannot be used.
#[cfg(feature = "postgres")]
fn database(address: &Address, report: &mut Report) -> Option<bool> {
    match crate::block_on(crate::database::find(address)) {
        Ok(found) => {
            report.add(DATABASE, Status::Ok, format!("{}: reached, PostgreSQL {}", found.place, found.server), "");
            Some(found.journal.is_some())
        }
        Err(failed) => no_database(failed, report),
    }
}

#[cfg(not(feature = "postgres"))]
fn database(_: &Address, report: &mut Report) -> Option<bool> {
    no_database(crate::address::not_built_in(), report)
}

fn no_database<T>(failed: Failed, report: &mut Report) -> Option<T> {
    let fix = "see to address, network and server: what is not durable is not sent, and stops stand at the exchanges";
    report.add(DATABASE, Status::Failed, failed.message, fix);
    report.skip(&[JOURNAL, STATE], "the database cannot be used");
    None
}

fn records(place: &Place, report: &mut Report) -> Option<Journal> {
    let read = Journal::at(place, None).and_then(|journal| Ok((status::shown(&journal, false)?, journal)));
    let (shown, journal) = match read {
        Ok(read) => read,
        Err(failed) => {
            let fix = match place {
                Place::File(_) => {
                    "keep it as it is, with its -wal and -shm; restore a copy, or ask with kraite support-bundle"
                }
                Place::Database(_) => "keep it as it is; restore a copy, or ask with kraite support-bundle",
            };
            report.add(JOURNAL, Status::Failed, failed.message, fix);
            report.skip(&[STATE], "the journal cannot be read");
            return None;
        }
    };
    let sum: u64 = shown.accounts.iter().map(|account| account.last_record).sum();
    let accounts = words::many(shown.accounts.len(), "account");
    let says = format!("{}: verified, {accounts}, {sum} records", journal.place);
    match place {
        Place::File(path) => sized(path, &says, report),
        Place::Database(_) => report.add(JOURNAL, Status::Ok, says, ""),
    }
    state(place, &shown, report);
    Some(journal)
}

/// What is said of a journal in a file, and how large that is.
fn sized(path: &Path, says: &str, report: &mut Report) {
    let size = |ending: &str| {
        let mut file = path.as_os_str().to_owned();
        file.push(ending);
        std::fs::metadata(file).map_or(0, |found| found.len())
    };
    let (own, log) = (size(""), size("-wal"));
    let says = format!("{says}, {} KiB and a log of {} KiB", own / 1_024, log / 1_024);
    if log > LOG_TOLD {
        report.add(JOURNAL, Status::Warned, says, "something reads it for a long time: end what is not needed");
    } else {
        report.add(JOURNAL, Status::Ok, says, "");
    }
}

/// What is open, and whether somebody works on it. What was moved out of a database is looked after elsewhere.
fn state(place: &Place, shown: &Shown, report: &mut Report) {
    let here = || shown.accounts.iter().filter(|account| account.moved_to.is_none());
    let open: usize = here().map(|account| account.positions_shown).sum();
    let in_doubt: usize = here().map(|account| account.in_doubt).sum();
    let halted = here().filter(|account| account.halted).count();
    let (up, all_are_followed) = match place {
        Place::File(path) if control::is_up(path) => ("a kraite run works on it".to_owned(), true),
        Place::File(_) => ("no kraite run is up".to_owned(), false),
        Place::Database(_) => match shown.hosts.iter().filter(|host| host.up).count() {
            0 => ("no host is up".to_owned(), false),
            up => (format!("{} up", words::many(up, "host")), false),
        },
    };
    let is_followed = |account: &ShownAccount| all_are_followed || account.host.is_some();
    let halted = if halted == 0 { String::new() } else { format!(", {} halted", words::many(halted, "account")) };
    let says = format!("{} open, {in_doubt} orders in doubt{halted}; {up}", words::many(open, "position"));
    if here().any(|account| account.quarantined) {
        let fix = "an account is quarantined: look at kraite status, and at the exchange";
        report.add(STATE, Status::Warned, says, fix);
    } else if here().any(|account| account.positions_shown > 0 && !is_followed(account)) {
        report.add(STATE, Status::Warned, says, "start kraite run: what is open is not followed");
    } else {
        report.add(STATE, Status::Ok, says, "");
    }
}
