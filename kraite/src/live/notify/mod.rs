//! Notices to people: a webhook and a chat of Telegram, each with a task of its own. Nothing that trades ever waits for
//! them (R117).

mod channel;
mod mailbox;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use kraite_core::time::LocalMillis;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::exit::{Exit, Failed};
use channel::{Channel, Posted};
use mailbox::Mailbox;
pub(super) use mailbox::{Counts, Letter};
pub(super) use settings::{Addresses, Notify, Table};

/// How often a notice is posted before it is given up.
const TRIES: u32 = 5;
/// The wait after the first failure, doubled after each.
const BACK_OFF: Duration = Duration::from_secs(1);
/// The longest wait, also where the other end asks for more.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// How long the end of the process waits for notices that are on their way, on the wall's clock.
const PARTING: Duration = Duration::from_secs(2);

/// Takes notices for every way out; without one they go nowhere.
#[derive(Default)]
pub(super) struct Outbox {
    ways: Vec<(&'static str, Arc<Mailbox>)>,
}

/// The tasks that post.
pub(super) struct Postmen {
    outbox: Arc<Outbox>,
    tasks: JoinSet<()>,
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.ways.iter().map(|(name, _)| name)).finish()
    }
}

impl Outbox {
    /// Takes one in, and waits for nobody.
    pub(super) fn put(&self, letter: &Letter, at: LocalMillis) {
        for (_, mailbox) in &self.ways {
            mailbox.put(letter, at);
        }
    }

    /// What became of notices, by their way out.
    pub(super) fn counts(&self) -> Vec<(&'static str, Counts)> {
        self.ways.iter().map(|(name, mailbox)| (*name, mailbox.counts())).collect()
    }
}

impl Postmen {
    /// Begins to post; to nowhere where nothing is configured.
    pub(super) fn begin(addresses: Option<Addresses>, is_paper: bool) -> Result<Self, Failed> {
        let (mut channels, mut repeat_after) = (Vec::new(), Duration::ZERO);
        let fail = |error| Failed::new(Exit::Configuration, format!("notify: {error}"));
        if let Some(addresses) = addresses {
            repeat_after = addresses.repeat_after;
            if let Some(url) = &addresses.webhook {
                channels.push(Channel::webhook(url).map_err(fail)?);
            }
            if let Some((chat, bot)) = addresses.telegram {
                channels.push(Channel::telegram(chat, &bot).map_err(fail)?);
            }
        }
        let (mut outbox, mut tasks) = (Outbox::default(), JoinSet::new());
        for channel in channels {
            info!("notices go to the {} at {}", channel.name(), channel.shown());
            let mailbox = Arc::new(Mailbox::new(repeat_after));
            outbox.ways.push((channel.name(), Arc::clone(&mailbox)));
            tasks.spawn(post(channel, mailbox, is_paper));
        }
        Ok(Self { outbox: Arc::new(outbox), tasks })
    }

    pub(super) fn outbox(&self) -> Arc<Outbox> {
        Arc::clone(&self.outbox)
    }

    /// Waits a little for what is on its way, and lets go of the rest.
    pub(super) async fn end(mut self) {
        for (_, mailbox) in &self.outbox.ways {
            mailbox.close();
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(PARTING, all).await.is_err() {
            warn!("some notices are not sent: nobody took them in time");
        }
    }
}

/// Posts one after the other until the mailbox is closed and empty.
async fn post(channel: Channel, mailbox: Arc<Mailbox>, is_paper: bool) {
    let mut is_failing = false;
    let mut free_at = Instant::now();
    while let Some(posting) = mailbox.next().await {
        pause(free_at.saturating_duration_since(Instant::now())).await;
        let mut tries = 0;
        loop {
            tries += 1;
            let (why, wait) = match channel.post(&posting, is_paper).await {
                Posted::Taken => {
                    mailbox.sent();
                    if std::mem::take(&mut is_failing) {
                        info!("notices get through to the {} again", channel.name());
                    }
                    break;
                }
                Posted::Refused(why) => (why, None),
                Posted::Later(why, wait) => {
                    (why, Some(wait.unwrap_or_else(|| BACK_OFF * 2u32.saturating_pow(tries - 1))))
                }
            };
            if !std::mem::replace(&mut is_failing, true) {
                let name = channel.name();
                warn!(
                    "notices do not get through to the {name}: {why}; said once, counted in kraite_notify_failed_total"
                );
            }
            match wait {
                Some(wait) if tries < TRIES => pause(wait.clamp(channel.every(), LONGEST_WAIT)).await,
                _ => {
                    mailbox.failed(&posting.letter);
                    break;
                }
            }
        }
        free_at = Instant::now() + channel.every();
    }
}

#[allow(clippy::disallowed_methods, reason = "whoever reads notices lives on the wall's clock")]
async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}
