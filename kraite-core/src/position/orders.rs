//! The orders of a position, and what they executed together.
//!
//! The sums are asked for many times between two changes, so they are kept with the rows; every way to change a row
//! keeps them true. They are a function of the rows, so they are never stored and tell nothing apart.

use alloc::collections::BTreeMap;
use core::hash::{Hash, Hasher};
use core::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{ClientOrderId, Role};
use crate::number::{ArithmeticError, Qty};
use crate::order::{Executed, Order};

/// Every order, one per attempt, by id: role, rung, revision, attempt in this order. Read as the map it is.
#[derive(Debug, Clone, Default)]
pub struct Orders {
    rows: BTreeMap<ClientOrderId, Order>,
    sums: Sums,
}

/// What some of the orders executed; nothing where a sum overflows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sums {
    /// The quantities of entry and rungs.
    pub(super) entered_qty: Qty,
    /// The quantities of target, stop and closes.
    pub(super) exited_qty: Qty,
    /// The quantities of closes.
    pub(super) closed_qty: Qty,
    /// The entry.
    pub(super) entry: Executed,
    /// Entry and rungs.
    pub(super) entered: Executed,
    /// Target, stop and closes.
    pub(super) exited: Executed,
}

impl Default for Sums {
    fn default() -> Self {
        Self::of(&BTreeMap::new())
    }
}

impl Sums {
    fn of(rows: &BTreeMap<ClientOrderId, Order>) -> Self {
        Self {
            entered_qty: quantity(rows, |role| !role.is_exit()),
            exited_qty: quantity(rows, Role::is_exit),
            closed_qty: quantity(rows, |role| role == Role::Close),
            entry: executed(rows, |role| role == Role::Entry).unwrap_or_default(),
            entered: executed(rows, |role| !role.is_exit()).unwrap_or_default(),
            exited: executed(rows, Role::is_exit).unwrap_or_default(),
        }
    }
}

/// The rows that executed something, as far as anything was seen of them, of the roles that `pick` names.
fn seen(rows: &BTreeMap<ClientOrderId, Order>, pick: impl Fn(Role) -> bool) -> impl Iterator<Item = &Order> {
    rows.iter().filter(move |(id, order)| pick(id.role()) && !order.ledger.objects().is_empty()).map(|(_, order)| order)
}

fn quantity(rows: &BTreeMap<ClientOrderId, Order>, pick: impl Fn(Role) -> bool) -> Qty {
    seen(rows, pick).map(Order::executed_qty).try_fold(Qty::ZERO, Qty::checked_add).unwrap_or_default()
}

fn executed(rows: &BTreeMap<ClientOrderId, Order>, pick: impl Fn(Role) -> bool) -> Result<Executed, ArithmeticError> {
    seen(rows, pick).map(Order::executed).try_fold(Executed::NOTHING, |total, one| total.and(&one))
}

/// Changes an order, and says whether what it executed is another than before.
fn watched<T>(order: &mut Order, change: impl FnOnce(&mut Order) -> T) -> (T, bool) {
    let executed = |order: &Order| (order.executed_qty(), order.executed());
    let before = executed(order);
    let result = change(order);
    (result, executed(order) != before)
}

impl Orders {
    /// Puts an order in under its id; gives back the one that was there.
    pub fn insert(&mut self, order: Order) -> Option<Order> {
        let fresh = order.ledger.objects().is_empty();
        let before = self.rows.insert(order.id, order);
        if !fresh || before.is_some() {
            self.sums = Sums::of(&self.rows);
        }
        before
    }

    /// Changes one order, all but its id; `None` where there is none under this one.
    pub fn change<T>(&mut self, id: ClientOrderId, change: impl FnOnce(&mut Order) -> T) -> Option<T> {
        let order = self.rows.get_mut(&id)?;
        let (result, moved) = watched(order, change);
        if moved {
            self.sums = Sums::of(&self.rows);
        }
        Some(result)
    }

    /// Changes every order, all but its id.
    pub fn change_all(&mut self, mut change: impl FnMut(&mut Order)) {
        let moved = self.rows.values_mut().fold(false, |moved, order| moved | watched(order, &mut change).1);
        if moved {
            self.sums = Sums::of(&self.rows);
        }
    }

    /// Lets go of the orders that `keep` does not name.
    pub fn retain(&mut self, mut keep: impl FnMut(&Order) -> bool) {
        self.rows.retain(|_, order| keep(order));
        self.sums = Sums::of(&self.rows);
    }

    /// Every order of a role, oldest revision and attempt first.
    ///
    /// Most questions are about one role, and the rows of one lie side by side.
    pub(super) fn of(&self, role: Role) -> impl DoubleEndedIterator<Item = &Order> {
        let ends = self.rows.first_key_value().zip(self.rows.last_key_value());
        // Rows of another account are never made; where one is all the same, it is found the slow way.
        let span = match ends {
            Some(((first, _), (last, _))) if first.is_beside(*last) => first.span_of(role),
            Some(((first, _), (last, _))) => (*first, *last),
            None => return None.into_iter().flatten(),
        };
        let rows = self.rows.range(span.0..=span.1);
        Some(rows.filter(move |(id, _)| id.role() == role).map(|(_, order)| order)).into_iter().flatten()
    }

    /// What all orders of the roles that `pick` names executed together.
    pub(super) fn executed_by(&self, pick: impl Fn(Role) -> bool) -> Result<Executed, ArithmeticError> {
        executed(&self.rows, pick)
    }

    pub(super) const fn sums(&self) -> &Sums {
        &self.sums
    }
}

impl Deref for Orders {
    type Target = BTreeMap<ClientOrderId, Order>;

    fn deref(&self) -> &Self::Target {
        &self.rows
    }
}

impl<'a> IntoIterator for &'a Orders {
    type Item = (&'a ClientOrderId, &'a Order);
    type IntoIter = alloc::collections::btree_map::Iter<'a, ClientOrderId, Order>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows.iter()
    }
}

impl PartialEq for Orders {
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows
    }
}

impl Eq for Orders {}

impl Hash for Orders {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rows.hash(state);
    }
}

impl Serialize for Orders {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.rows.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Orders {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rows = BTreeMap::deserialize(deserializer)?;
        Ok(Self { sums: Sums::of(&rows), rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i10_sums_that_were_kept_are_those_that_are_worked_out_from_the_rows() {
        assert_eq!(Orders::default().sums, Sums::of(&BTreeMap::new()));
        assert_eq!(Orders::default().sums.entry, Executed::NOTHING);
    }
}
