//! Notices that wait for their way out: never more than there is room for, and equal ones only once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kraite_core::time::LocalMillis;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Notices that may wait; beyond that the oldest goes.
pub(super) const ROOM: usize = 256;
/// Different notices that are known as sent; beyond that the oldest is forgotten.
const KNOWN: usize = 1_024;

/// What somebody should know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::live) struct Letter {
    /// The account's name, where it is about one.
    pub(in crate::live) account: Option<String>,
    pub(in crate::live) position: Option<u32>,
    pub(in crate::live) alert: String,
    pub(in crate::live) message: String,
}

impl Letter {
    /// About this process, and no position.
    pub(in crate::live) fn of_process(alert: &str, message: String) -> Self {
        Self { account: None, position: None, alert: alert.to_owned(), message }
    }
}

/// One to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Posting {
    pub(super) letter: Letter,
    pub(super) at: LocalMillis,
    /// How many equal ones were held back since the last that was sent.
    pub(super) held_back: u64,
}

/// What became of notices since the process began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::live) struct Counts {
    /// Taken at the other end.
    pub(in crate::live) sent: u64,
    /// Given up.
    pub(in crate::live) failed: u64,
    /// Not sent since there was no room.
    pub(in crate::live) dropped: u64,
    /// Not sent since an equal one was, not long before.
    pub(in crate::live) held_back: u64,
    /// That wait now.
    pub(in crate::live) waiting: usize,
}

struct Known {
    since: Instant,
    held_back: u64,
}

#[derive(Default)]
struct Kept {
    queue: VecDeque<Posting>,
    known: BTreeMap<Letter, Known>,
    counts: Counts,
    is_closed: bool,
}

/// The notices of one way out.
pub(super) struct Mailbox {
    repeat_after: Duration,
    kept: Mutex<Kept>,
    changed: Notify,
}

impl Mailbox {
    pub(super) fn new(repeat_after: Duration) -> Self {
        Self { repeat_after, kept: Mutex::default(), changed: Notify::new() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one in, and waits for nobody.
    pub(super) fn put(&self, letter: &Letter, at: LocalMillis) {
        let now = Instant::now();
        let mut kept = self.kept();
        let mut held_back = 0;
        if let Some(known) = kept.known.get_mut(letter) {
            if now.duration_since(known.since) < self.repeat_after {
                known.held_back = known.held_back.saturating_add(1);
                kept.counts.held_back = kept.counts.held_back.saturating_add(1);
                return;
            }
            held_back = known.held_back;
        }
        kept.known.insert(letter.clone(), Known { since: now, held_back: 0 });
        if kept.known.len() > KNOWN {
            let oldest = kept.known.iter().min_by_key(|(_, known)| known.since).map(|(letter, _)| letter.clone());
            oldest.and_then(|oldest| kept.known.remove(&oldest));
        }
        if kept.queue.len() >= ROOM
            && let Some(oldest) = kept.queue.pop_front()
        {
            kept.counts.dropped = kept.counts.dropped.saturating_add(1);
            kept.known.remove(&oldest.letter);
        }
        kept.queue.push_back(Posting { letter: letter.clone(), at, held_back });
        drop(kept);
        self.changed.notify_one();
    }

    /// The next one to send; `None` once it is closed and all of them are out.
    pub(super) async fn next(&self) -> Option<Posting> {
        loop {
            {
                let mut kept = self.kept();
                if let Some(posting) = kept.queue.pop_front() {
                    return Some(posting);
                }
                if kept.is_closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }

    /// One was taken at the other end.
    pub(super) fn sent(&self) {
        let mut kept = self.kept();
        kept.counts.sent = kept.counts.sent.saturating_add(1);
    }

    /// One was given up: an equal one is news again.
    pub(super) fn failed(&self, letter: &Letter) {
        let mut kept = self.kept();
        kept.counts.failed = kept.counts.failed.saturating_add(1);
        kept.known.remove(letter);
    }

    pub(super) fn close(&self) {
        self.kept().is_closed = true;
        self.changed.notify_one();
    }

    pub(super) fn counts(&self) -> Counts {
        let kept = self.kept();
        Counts { waiting: kept.queue.len(), ..kept.counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(message: &str) -> Letter {
        Letter { account: Some("main".into()), position: Some(1), alert: "Unprotected".into(), message: message.into() }
    }

    const AT: LocalMillis = LocalMillis(7);

    #[tokio::test]
    async fn r117_where_nobody_takes_them_the_oldest_goes_and_nobody_waits() {
        let mailbox = Mailbox::new(Duration::from_secs(600));
        for n in 0..ROOM + 10 {
            mailbox.put(&letter(&n.to_string()), AT);
        }
        assert_eq!(mailbox.counts(), Counts { dropped: 10, waiting: ROOM, ..Counts::default() });
        assert_eq!(mailbox.next().await.unwrap().letter.message, "10");
        // One that was never sent is no reason to hold an equal one back.
        mailbox.put(&letter("3"), AT);
        mailbox.put(&letter("11"), AT);
        assert_eq!((mailbox.counts().held_back, mailbox.counts().waiting), (1, ROOM));
        mailbox.close();
        let mut last = None;
        while let Some(posting) = mailbox.next().await {
            last = Some(posting.letter.message);
        }
        assert_eq!(last.as_deref(), Some("3"));
    }

    #[tokio::test]
    async fn r117_equal_notices_are_one_for_a_while_and_then_say_how_many_there_were() {
        let mut mailbox = Mailbox::new(Duration::from_secs(600));
        for _ in 0..4 {
            mailbox.put(&letter("same"), AT);
        }
        mailbox.put(&Letter { position: Some(2), ..letter("same") }, AT);
        assert_eq!((mailbox.counts().held_back, mailbox.counts().waiting), (3, 2));
        assert_eq!(mailbox.next().await.unwrap().held_back, 0);
        // The while is over.
        mailbox.repeat_after = Duration::ZERO;
        mailbox.put(&letter("same"), AT);
        mailbox.next().await.unwrap();
        assert_eq!(mailbox.next().await.unwrap().held_back, 3);
        mailbox.repeat_after = Duration::from_secs(600);
        // What was given up is news again.
        mailbox.put(&letter("same"), AT);
        assert_eq!(mailbox.counts().waiting, 0);
        mailbox.failed(&letter("same"));
        mailbox.put(&letter("same"), AT);
        assert_eq!((mailbox.counts().waiting, mailbox.counts().failed), (1, 1));
    }

    #[test]
    fn r117_what_is_known_as_sent_has_a_bound() {
        let mailbox = Mailbox::new(Duration::from_secs(600));
        for n in 0..3 * KNOWN {
            mailbox.put(&letter(&n.to_string()), AT);
        }
        assert!(mailbox.kept().known.len() <= KNOWN);
    }
}
