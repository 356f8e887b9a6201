//! Digests of values: gather what `Hash` tells of a value, then digest it in one go.

use std::hash::{Hash, Hasher};

use twox_hash::{XxHash3_64, XxHash3_128};

/// Gathers what is to be told apart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gathered(Vec<u8>);

impl Hasher for Gathered {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        XxHash3_64::oneshot(&self.0)
    }
}

impl Gathered {
    /// Forgets everything, and keeps the room it took.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The wide digest of what `gather` gathers.
    pub(crate) fn digest(&mut self, gather: impl FnOnce(&mut Self)) -> u128 {
        self.clear();
        gather(self);
        self.wide()
    }

    /// The digest of everything gathered, wide enough that two different values never meet in practice.
    pub(crate) fn wide(&self) -> u128 {
        XxHash3_128::oneshot(&self.0)
    }

    /// The digest of a value that follows on an earlier digest.
    pub(crate) fn chain(&mut self, before: u64, value: &impl Hash) -> u64 {
        self.clear();
        value.hash(self);
        XxHash3_64::oneshot_with_seed(before, &self.0)
    }
}
