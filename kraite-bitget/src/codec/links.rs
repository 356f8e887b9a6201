//! Which plan stands for which order of ours, and which regular order it spawned. A plan may keep the client id it was
//! first placed under while what it states belongs to a later order, and its child may be told of before it: what
//! links them is learned from everything that names both.

use std::collections::BTreeMap;

use compact_str::CompactString;
use kraite_core::id::{ClientOrderId, VenueOrderId};

/// The most plans that are remembered.
pub const MAX_LINKS: usize = 1_024;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Link {
    client: Option<ClientOrderId>,
    child: Option<CompactString>,
}

/// What is known of plans, the orders they stand for and their children. Bounded: the lowest ids, which are the oldest,
/// are forgotten first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Links {
    plans: BTreeMap<VenueOrderId, Link>,
    by_child: BTreeMap<CompactString, VenueOrderId>,
}

impl Links {
    /// Learns what is said of a plan; what is left out is kept.
    pub(crate) fn learn(&mut self, plan: &VenueOrderId, client: Option<ClientOrderId>, child: Option<&str>) {
        let before = self.plans.get(plan).cloned().unwrap_or_default();
        let now = Link {
            client: client.map(|client| later(before.client, client)).or(before.client),
            child: child.map(CompactString::new).or_else(|| before.child.clone()),
        };
        if let Some(old) = before.child.filter(|old| now.child.as_ref() != Some(old)) {
            self.forget(plan, &old);
        }
        if let Some(child) = &now.child {
            self.by_child.insert(child.clone(), plan.clone());
        }
        self.plans.insert(plan.clone(), now);
        while self.plans.len() > MAX_LINKS {
            let Some((oldest, link)) = self.plans.pop_first() else { return };
            if let Some(child) = link.child {
                self.forget(&oldest, &child);
            }
        }
    }

    /// Takes away the way back from a child, unless it leads to another plan by now.
    fn forget(&mut self, plan: &VenueOrderId, child: &CompactString) {
        if self.by_child.get(child) == Some(plan) {
            self.by_child.remove(child);
        }
    }

    /// The order of ours that a plan stands for, as far as is known.
    #[must_use]
    pub fn client_of(&self, plan: &VenueOrderId) -> Option<ClientOrderId> {
        self.plans.get(plan)?.client
    }

    /// The plan that spawned the regular order `id`.
    #[must_use]
    pub fn parent_of(&self, id: &str) -> Option<VenueOrderId> {
        self.by_child.get(id).cloned()
    }

    /// True where the plan is known.
    #[must_use]
    pub fn knows(&self, plan: &VenueOrderId) -> bool {
        self.plans.contains_key(plan)
    }

    /// How many plans are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.plans.len()
    }

    /// True when none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plans.is_empty()
    }
}

/// The order that a plan stands for: the later one of one position and role, since a plan is only ever overwritten
/// forwards, else the one that was said last.
pub(crate) fn later(before: Option<ClientOrderId>, now: ClientOrderId) -> ClientOrderId {
    match before {
        Some(before) if before.position() == now.position() && before.role() == now.role() => before.max(now),
        _ => now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::ids::plan_id;

    #[test]
    fn r69_links_are_learned_in_any_order_and_bounded() {
        let mut links = Links::default();
        links.learn(&plan_id("7"), None, Some("70"));
        assert_eq!(links.parent_of("70"), Some(plan_id("7")));
        assert_eq!(links.parent_of("71"), None);
        links.learn(&plan_id("7"), None, None);
        assert_eq!(links.parent_of("70"), Some(plan_id("7")), "what is left out is kept");
        links.learn(&plan_id("7"), None, Some("71"));
        assert_eq!((links.parent_of("70"), links.parent_of("71")), (None, Some(plan_id("7"))));
        for plan in 1_000..6_000 {
            links.learn(&plan_id(&plan.to_string()), None, Some(&format!("1{plan}")));
        }
        assert_eq!((links.len(), links.by_child.len()), (MAX_LINKS, MAX_LINKS));
        assert!(links.parent_of("11000").is_none() && links.knows(&plan_id("5999")) && !links.is_empty());
    }
}
