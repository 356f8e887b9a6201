//! Which sockets are open, and the frames that wait for each of them.

use std::collections::BTreeMap;

use tokio::sync::mpsc;

/// Frames that wait for a slow reader before it is dropped; no venue states a number.
const QUEUE: usize = 8_192;

/// What a socket is told to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Out {
    /// Send this text.
    Text(String),
    /// Close in order.
    Close,
    /// Break off without a word.
    Cut,
}

/// All sockets, each with what its protocol knows of it.
#[derive(Debug)]
pub(super) struct Sockets<T> {
    open: BTreeMap<u64, (T, mpsc::Sender<Out>)>,
    opened: u64,
    /// While set nothing is sent to anybody, and no socket is closed.
    pub(super) silent: bool,
}

impl<T> Default for Sockets<T> {
    fn default() -> Self {
        Self { open: BTreeMap::new(), opened: 0, silent: false }
    }
}

impl<T> Sockets<T> {
    /// Takes a socket in.
    pub(super) fn open(&mut self, what: T) -> (u64, mpsc::Receiver<Out>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        self.opened = self.opened.saturating_add(1);
        self.open.insert(self.opened, (what, sender));
        (self.opened, receiver)
    }

    /// Lets a socket go.
    pub(super) fn close(&mut self, id: u64) {
        self.open.remove(&id);
    }

    /// How many are open.
    pub(super) fn count(&self) -> usize {
        self.open.len()
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.open.values().map(|(what, _)| what)
    }

    /// One of them.
    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut T> {
        self.open.get_mut(&id).map(|(what, _)| what)
    }

    /// Tells those that this is true of to go away; says how many.
    pub(super) fn drop_where(&mut self, goes: impl Fn(&T) -> bool, how: &Out) -> usize {
        let gone: Vec<u64> = self.open.iter().filter(|(_, (what, _))| goes(what)).map(|(id, _)| *id).collect();
        for id in &gone {
            if let Some((_, sender)) = self.open.remove(id) {
                // One that has gone already needs no telling.
                let _ = sender.try_send(how.clone());
            }
        }
        gone.len()
    }

    /// Sends each socket the text that is made for it, if one is; who reads too slowly is dropped.
    pub(super) fn send(&mut self, mut text: impl FnMut(&T) -> Option<String>) {
        if self.silent {
            return;
        }
        let mut slow = Vec::new();
        for (id, (what, sender)) in &self.open {
            if let Some(text) = text(what)
                && sender.try_send(Out::Text(text)).is_err()
            {
                slow.push(*id);
            }
        }
        for id in slow {
            self.open.remove(&id);
        }
    }
}
