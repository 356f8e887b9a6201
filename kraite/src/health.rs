//! Whether this machine and a journal are fit for work: the disk, the journal itself, and what it says is open.

use std::path::Path;

use rustix::fs::statvfs;

use crate::doctor::report::{Report, Status};
use crate::journal::Journal;
use crate::live::control;
use crate::status;
use crate::words;

/// With less room a busy day may fill the disk.
const ROOM_TOLD: u64 = 1_024 * MIB;
/// With less room the next records may not be durable.
const ROOM_LEAST: u64 = 64 * MIB;
/// A log beside a journal that has grown so much is not merged any more: somebody reads for a long time.
const LOG_TOLD: u64 = 256 * MIB;
const MIB: u64 = 1_024 * 1_024;

/// The checks of a journal and where it lies, by name.
pub(crate) const CHECKS: [&str; 3] = ["disk", "journal", STATE];
const STATE: &str = "state";

/// The checks of a journal, in their order.
pub(crate) fn look(journal: &Path, report: &mut Report) {
    disk(journal, report);
    records(journal, report);
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

fn records(path: &Path, report: &mut Report) {
    if !path.exists() {
        report.add("journal", Status::Ok, format!("{}: none yet; kraite run makes it", path.display()), "");
        report.add(STATE, Status::Ok, "nothing is open by a journal", "");
        return;
    }
    let shown =
        Journal::open(path, None).and_then(|journal| status::shown(&journal, path.display().to_string(), false));
    let shown = match shown {
        Ok(shown) => shown,
        Err(failed) => {
            let fix = "keep it as it is, with its -wal and -shm; restore a copy, or ask with kraite support-bundle";
            report.add("journal", Status::Failed, failed.message, fix);
            report.skip(&[STATE], "the journal cannot be read");
            return;
        }
    };
    let size = |ending: &str| {
        let mut file = path.as_os_str().to_owned();
        file.push(ending);
        std::fs::metadata(file).map_or(0, |found| found.len())
    };
    let (own, log) = (size(""), size("-wal"));
    let sum: u64 = shown.accounts.iter().map(|account| account.last_record).sum();
    let accounts = words::many(shown.accounts.len(), "account");
    let says = format!(
        "{}: verified, {accounts}, {sum} records, {} KiB and a log of {} KiB",
        path.display(),
        own / 1_024,
        log / 1_024
    );
    if log > LOG_TOLD {
        report.add("journal", Status::Warned, says, "something reads it for a long time: end what is not needed");
    } else {
        report.add("journal", Status::Ok, says, "");
    }
    let open: usize = shown.accounts.iter().map(|account| account.positions_shown).sum();
    let in_doubt: usize = shown.accounts.iter().map(|account| account.in_doubt).sum();
    let halted = shown.accounts.iter().filter(|account| account.halted).count();
    let is_up = control::is_up(path);
    let up = if is_up { "a kraite run works on it" } else { "no kraite run is up" };
    let halted = if halted == 0 { String::new() } else { format!(", {} halted", words::many(halted, "account")) };
    let says = format!("{} open, {in_doubt} orders in doubt{halted}; {up}", words::many(open, "position"));
    if shown.accounts.iter().any(|account| account.quarantined) {
        let fix = "an account is quarantined: look at kraite status, and at the exchange";
        report.add(STATE, Status::Warned, says, fix);
    } else if open > 0 && !is_up {
        report.add(STATE, Status::Warned, says, "start kraite run: what is open is not followed");
    } else {
        report.add(STATE, Status::Ok, says, "");
    }
}
