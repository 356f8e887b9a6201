//! The log of runs: one line for each, appended, never changed.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use kraite_sim::sources;
use serde::Serialize;

use crate::exit::{Exit, Failed};

/// One line: which sources ran, and what the run printed as JSON.
#[derive(Debug, Serialize)]
struct Line<'a, T> {
    schema: &'static str,
    commit: Option<String>,
    core: &'static str,
    simulator: &'static str,
    ran: &'a T,
}

/// A file that a run adds its line to.
#[derive(Debug)]
pub(crate) struct RunLog {
    file: File,
    path: PathBuf,
}

impl RunLog {
    /// Opens the file before the run, so that a wrong path costs no hours; makes it where there is none.
    pub(crate) fn open(path: Option<&Path>) -> Result<Option<Self>, Failed> {
        let Some(path) = path else { return Ok(None) };
        if cfg!(kraite_zoo) {
            return Err(Failed::new(Exit::Usage, "--log: a build with the zoo in it is no evidence"));
        }
        let file = OpenOptions::new().append(true).create(true).open(path);
        let file = file.map_err(|error| Failed::new(Exit::Failure, format!("{}: {error}", path.display())))?;
        Ok(Some(Self { file, path: path.to_owned() }))
    }

    /// Adds the line in one write, so that several runs may share a file.
    pub(crate) fn append(mut self, ran: &impl Serialize) -> Result<(), Failed> {
        let line =
            Line { schema: "kraite.run/1", commit: commit(), core: sources::CORE, simulator: sources::SIMULATOR, ran };
        let mut text = serde_json::to_string(&line).map_err(Failed::with(Exit::Failure))?;
        text.push('\n');
        let wrote = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_all());
        wrote.map_err(|error| Failed::new(Exit::Failure, format!("{}: {error}", self.path.display())))
    }
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// The commit that is checked out where the command runs; `None` unless its sources are those of this build.
fn commit() -> Option<String> {
    let root = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?);
    let same = |folder: &str, built| sources::digest_of(&root.join(folder)).is_ok_and(|digest| digest == built);
    let is_this = same("kraite-core/src", sources::CORE) && same("kraite-sim/src", sources::SIMULATOR) && clean(&root)?;
    is_this.then(|| git(&["rev-parse", "HEAD"])).flatten()
}

fn clean(root: &Path) -> Option<bool> {
    let root = root.to_str()?;
    Some(git(&["-C", root, "status", "--porcelain", "--", "kraite-core/src", "kraite-sim/src"])?.is_empty())
}
