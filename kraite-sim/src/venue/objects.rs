//! Every order object of a venue, and the digest of them.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use super::object::{ObjectId, OrderObject};
use crate::digest::Gathered;

/// The objects by number, oldest first; read as the map it is.
#[derive(Debug, Clone, Default)]
pub(super) struct Objects {
    rows: BTreeMap<ObjectId, OrderObject>,
    /// The digest of the rows as they are, once somebody asked for it.
    print: Option<u128>,
}

impl PartialEq for Objects {
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows
    }
}

impl Eq for Objects {}

impl Hash for Objects {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rows.hash(state);
    }
}

impl Objects {
    pub(super) fn insert(&mut self, object: OrderObject) {
        self.print = None;
        self.rows.insert(object.id, object);
    }

    pub(super) fn get_mut(&mut self, id: ObjectId) -> Option<&mut OrderObject> {
        self.print = None;
        self.rows.get_mut(&id)
    }

    pub(super) fn remove(&mut self, id: ObjectId) -> Option<OrderObject> {
        self.print = None;
        self.rows.remove(&id)
    }

    /// What tells these objects from others; worked out once between two changes.
    pub(super) fn digest(&mut self, gathered: &mut Gathered) -> u128 {
        let rows = &self.rows;
        let gather = |all: &mut Gathered| rows.values().for_each(|object| object.fingerprint(all));
        *self.print.get_or_insert_with(|| gathered.digest(gather))
    }
}

impl Deref for Objects {
    type Target = BTreeMap<ObjectId, OrderObject>;

    fn deref(&self) -> &Self::Target {
        &self.rows
    }
}
