//! Which conditional order spawned which regular one. The fill of a child may be told before its parent says that it
//! fired, so what links them is learned from everything that names both, or the parent's client id.

use std::collections::BTreeMap;

use kraite_core::id::{ClientOrderId, VenueOrderId};

use super::ids::algo_id;

/// The most conditional orders that are remembered; an account may have 200 open.
pub const MAX_LINKS: usize = 1_024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Link {
    client: Option<ClientOrderId>,
    child: Option<i64>,
}

/// What is known of parents and children. Bounded: the lowest numbers, which are the oldest, are forgotten first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Links {
    parents: BTreeMap<i64, Link>,
    by_client: BTreeMap<ClientOrderId, i64>,
    by_child: BTreeMap<i64, i64>,
}

impl Links {
    /// Learns what a report of the conditional order `algo` says; what it leaves out is kept.
    pub(crate) fn learn(&mut self, algo: i64, client: Option<ClientOrderId>, child: Option<i64>) {
        let link = self.parents.entry(algo).or_insert(Link { client: None, child: None });
        let before = *link;
        link.client = client.or(link.client);
        link.child = child.or(link.child);
        let now = *link;
        // What no longer stands must not be kept by the ways back to it.
        self.forget(
            algo,
            Link {
                client: before.client.filter(|_| before.client != now.client),
                child: before.child.filter(|_| before.child != now.child),
            },
        );
        if let Some(client) = client {
            self.by_client.insert(client, algo);
        }
        if let Some(child) = child {
            self.by_child.insert(child, algo);
        }
        while self.parents.len() > MAX_LINKS {
            let Some((oldest, link)) = self.parents.pop_first() else { return };
            self.forget(oldest, link);
        }
    }

    /// Takes away the ways back to `algo`, unless they lead to another by now.
    fn forget(&mut self, algo: i64, link: Link) {
        if let Some(client) = link.client.filter(|client| self.by_client.get(client) == Some(&algo)) {
            self.by_client.remove(&client);
        }
        if let Some(child) = link.child.filter(|child| self.by_child.get(child) == Some(&algo)) {
            self.by_child.remove(&child);
        }
    }

    /// The conditional order that spawned the regular order `id`, placed under `client`.
    #[must_use]
    pub fn parent_of(&self, id: i64, client: Option<ClientOrderId>) -> Option<VenueOrderId> {
        let by_client = || self.by_client.get(&client?);
        self.by_child.get(&id).or_else(by_client).map(|algo| algo_id(*algo))
    }

    /// How many conditional orders are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parents.len()
    }

    /// True when none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parents.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r69_links_are_learned_in_any_order_and_bounded() {
        let mut links = Links::default();
        links.learn(7, None, Some(70));
        assert_eq!(links.parent_of(70, None), Some(algo_id(7)));
        assert_eq!(links.parent_of(71, None), None);
        links.learn(7, None, None);
        assert_eq!(links.parent_of(70, None), Some(algo_id(7)), "what is left out is kept");
        for algo in 0..5_000 {
            links.learn(algo, None, Some(algo + 100_000));
        }
        assert_eq!(links.len(), MAX_LINKS);
        assert_eq!(links.by_child.len(), MAX_LINKS);
        assert_eq!(links.parent_of(104_999, None), Some(algo_id(4_999)));
        assert_eq!(links.parent_of(100_000, None), None);
    }
}
