//! One worker process: the real binary, its pipes, and the signals it is sent.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use kraite::sim::link::pipe::Downward;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// A pipe takes 64 KiB before its writer has to wait; a process that is stopped takes nothing out of it.
const UNREAD_MOST: usize = 32 * 1_024;

/// What is known of a process when it starts: where it meets its end, and how it is wrong.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fate {
    /// `POINT:N`, at which it kills itself.
    pub(crate) die_at: Option<String>,
    /// `POINT:N`, at which it stops itself.
    pub(crate) stop_at: Option<String>,
    /// How long after the point, in microseconds.
    pub(crate) late_us: u64,
    /// How many records lie between two snapshots; the default of the command if not said.
    pub(crate) snapshot_every: Option<u64>,
    /// A mutant's name.
    pub(crate) mutant: Option<&'static str>,
}

impl Fate {
    fn flags(&self) -> Vec<String> {
        let mut flags = vec![format!("--late-us={}", self.late_us)];
        flags.extend(self.die_at.iter().map(|at| format!("--die-at={at}")));
        flags.extend(self.stop_at.iter().map(|at| format!("--stop-at={at}")));
        flags.extend(self.snapshot_every.iter().map(|every| format!("--snapshot-every={every}")));
        flags.extend(self.mutant.iter().map(|mutant| format!("--mutant={mutant}")));
        flags
    }
}

/// What a worker said within a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A line.
    Line(String),
    /// Nothing.
    Silence,
    /// Its pipe is closed: it has ended.
    End,
}

/// A worker process.
pub(crate) struct Worker {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    /// Bytes told to it since it was stopped.
    unread: Option<usize>,
}

impl Worker {
    /// Starts the hidden worker of the command.
    pub(crate) fn start(journal: &Path, args: &[String], fate: &Fate) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kraite"))
            .arg("demo-worker")
            .args(args)
            .args(fate.flags())
            .arg("--journal")
            .arg(journal)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What a deposed or locked-out worker says on its way out is its exit code here.
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, stdin, lines, unread: None }
    }

    /// The next line, if one comes within that time.
    pub(crate) fn hear(&self, patience: Duration) -> Heard {
        match self.lines.recv_timeout(patience) {
            Ok(line) => Heard::Line(line),
            Err(RecvTimeoutError::Timeout) => Heard::Silence,
            Err(RecvTimeoutError::Disconnected) => Heard::End,
        }
    }

    /// Everything it wrote before it ended.
    pub(crate) fn last_words(&self) -> Vec<String> {
        self.lines.iter().collect()
    }

    /// Tells it a line; one that has died, or is stopped and has much to read already, does not hear it.
    pub(crate) fn tell(&mut self, line: &Downward) {
        let mut text = serde_json::to_string(line).unwrap();
        text.push('\n');
        if let Some(unread) = &mut self.unread {
            *unread += text.len();
            if *unread > UNREAD_MOST {
                return;
            }
        }
        if let Some(stdin) = &mut self.stdin {
            let _ = stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush());
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// SIGKILL from outside.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
    }

    /// SIGSTOP from outside; returns once the process stands still, `false` if it has ended instead.
    pub(crate) fn stop(&mut self) -> bool {
        let _ = kill_process(self.pid(), Signal::STOP);
        self.stands_still(WaitIdOptions::empty())
    }

    /// Whether it is stopped, by whoever.
    pub(crate) fn is_stopped(&mut self) -> bool {
        self.stands_still(WaitIdOptions::NOHANG)
    }

    fn stands_still(&mut self, how: WaitIdOptions) -> bool {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | how;
        let status = waitid(WaitId::Pid(self.pid()), options).unwrap();
        let stopped = status.is_some_and(|status| status.stopped());
        if stopped {
            self.unread.get_or_insert(0);
        }
        stopped
    }

    /// SIGCONT.
    pub(crate) fn go_on(&mut self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
        self.unread = None;
    }

    /// Closes its input: the venue is gone, and it ends by itself.
    pub(crate) fn hang_up(&mut self) {
        self.stdin = None;
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Waits for its end and says whether SIGKILL was its cause.
    pub(crate) fn was_killed(&mut self) -> bool {
        self.wait().signal() == Some(9)
    }
}

impl Drop for Worker {
    /// No test leaves a process behind, however it ends.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
