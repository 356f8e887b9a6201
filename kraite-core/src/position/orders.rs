//! The orders of a position, and what they executed together.
//!
//! The sums are asked for many times between two changes, so they are kept with the rows; every way to change a row
//! keeps them true. They are a function of the rows, so they are never stored and tell nothing apart.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use core::iter::Zip;
use core::slice::Iter;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{ClientOrderId, Role};
use crate::number::{ArithmeticError, Qty};
use crate::order::{Executed, Order};

/// Every order, one per attempt, by id: role, rung, revision, attempt in this order.
///
/// They lie side by side in the order of their ids, so the orders of one role, which most questions are about, are one
/// run of them.
#[derive(Debug, Clone, Default)]
pub struct Orders {
    /// The id of each row, for look-ups that touch no row.
    ids: Vec<ClientOrderId>,
    rows: Vec<Order>,
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
        Self::of(&[])
    }
}

impl Sums {
    fn of(rows: &[Order]) -> Self {
        let none = || Ok(Executed::NOTHING);
        let (mut entered_qty, mut exited_qty, mut closed_qty) = (Ok(Qty::ZERO), Ok(Qty::ZERO), Ok(Qty::ZERO));
        let (mut entry, mut entered, mut exited) = (none(), none(), none());
        for order in seen(rows) {
            let (role, qty, executed) = (order.role(), order.executed_qty(), order.executed());
            let more = |sum: Result<Executed, ArithmeticError>| sum.and_then(|sum| sum.and(&executed));
            let more_qty = |sum: Result<Qty, ArithmeticError>| sum.and_then(|sum| sum.checked_add(qty));
            if role.is_exit() {
                (exited_qty, exited) = (more_qty(exited_qty), more(exited));
            } else {
                (entered_qty, entered) = (more_qty(entered_qty), more(entered));
            }
            match role {
                Role::Entry => entry = more(entry),
                Role::Close => closed_qty = more_qty(closed_qty),
                Role::Rung(_) | Role::Target | Role::Stop => {}
            }
        }
        Self {
            entered_qty: entered_qty.unwrap_or_default(),
            exited_qty: exited_qty.unwrap_or_default(),
            closed_qty: closed_qty.unwrap_or_default(),
            entry: entry.unwrap_or_default(),
            entered: entered.unwrap_or_default(),
            exited: exited.unwrap_or_default(),
        }
    }
}

/// The rows of which anything was seen: no other executed something.
fn seen(rows: &[Order]) -> impl Iterator<Item = &Order> {
    rows.iter().filter(|order| !order.ledger.objects().is_empty())
}

/// Changes an order, and says whether what it executed is another than before.
fn watched<T>(order: &mut Order, change: impl FnOnce(&mut Order) -> T) -> (T, bool) {
    let executed = |order: &Order| (order.executed_qty(), order.executed());
    let before = executed(order);
    let result = change(order);
    (result, executed(order) != before)
}

impl Orders {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True where there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The order of an id.
    #[must_use]
    pub fn get(&self, id: &ClientOrderId) -> Option<&Order> {
        self.place(*id).ok().and_then(|at| self.rows.get(at))
    }

    /// True where an id has an order.
    #[must_use]
    pub fn contains_key(&self, id: &ClientOrderId) -> bool {
        self.place(*id).is_ok()
    }

    /// Every order with its id.
    pub fn iter(&self) -> Zip<Iter<'_, ClientOrderId>, Iter<'_, Order>> {
        self.ids.iter().zip(&self.rows)
    }

    /// Every id.
    pub fn keys(&self) -> Iter<'_, ClientOrderId> {
        self.ids.iter()
    }

    /// Every order.
    pub fn values(&self) -> Iter<'_, Order> {
        self.rows.iter()
    }

    /// Every order of a role, oldest revision and attempt first.
    pub(super) fn of(&self, role: Role) -> impl DoubleEndedIterator<Item = &Order> {
        let rows = match (self.ids.first(), self.ids.last()) {
            (Some(first), Some(last)) if first.is_beside(*last) => {
                let (low, high) = first.span_of(role);
                let from = self.ids.partition_point(|id| *id < low);
                let rest = self.rows.get(from..).unwrap_or_default();
                let count = self.ids.get(from..).unwrap_or_default().iter().take_while(|id| **id <= high).count();
                rest.get(..count).unwrap_or_default()
            }
            // Rows of several accounts are never made; where they are there all the same, each is looked at.
            _ => &self.rows,
        };
        rows.iter().filter(move |order| order.role() == role)
    }

    /// Puts an order in under its id; gives back the one that was there.
    pub fn insert(&mut self, order: Order) -> Option<Order> {
        let fresh = order.ledger.objects().is_empty();
        let before = match self.place(order.id) {
            Ok(at) => self.rows.get_mut(at).map(|row| core::mem::replace(row, order)),
            Err(at) => {
                self.ids.insert(at, order.id);
                self.rows.insert(at, order);
                None
            }
        };
        if !fresh || before.is_some() {
            self.sums = Sums::of(&self.rows);
        }
        before
    }

    /// Changes one order, all but its id; `None` where there is none under this one.
    pub fn change<T>(&mut self, id: ClientOrderId, change: impl FnOnce(&mut Order) -> T) -> Option<T> {
        let at = self.place(id).ok()?;
        let (result, moved) = watched(self.rows.get_mut(at)?, change);
        if moved {
            self.sums = Sums::of(&self.rows);
        }
        Some(result)
    }

    /// Changes every order, all but its id.
    pub fn change_all(&mut self, mut change: impl FnMut(&mut Order)) {
        let moved = self.rows.iter_mut().fold(false, |moved, order| moved | watched(order, &mut change).1);
        if moved {
            self.sums = Sums::of(&self.rows);
        }
    }

    /// Lets go of the orders that `keep` does not name.
    pub fn retain(&mut self, keep: impl FnMut(&Order) -> bool) {
        self.rows.retain(keep);
        self.ids = self.rows.iter().map(|order| order.id).collect();
        self.sums = Sums::of(&self.rows);
    }

    /// What all orders of the roles that `pick` names executed together.
    pub(super) fn executed_by(&self, pick: impl Fn(Role) -> bool) -> Result<Executed, ArithmeticError> {
        let picked = seen(&self.rows).filter(|order| pick(order.role()));
        picked.map(Order::executed).try_fold(Executed::NOTHING, |total, one| total.and(&one))
    }

    fn place(&self, id: ClientOrderId) -> Result<usize, usize> {
        self.ids.binary_search(&id)
    }

    pub(super) const fn sums(&self) -> &Sums {
        &self.sums
    }
}

impl<'a> IntoIterator for &'a Orders {
    type Item = (&'a ClientOrderId, &'a Order);
    type IntoIter = Zip<Iter<'a, ClientOrderId>, Iter<'a, Order>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
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
        state.write_usize(self.rows.len());
        self.iter().for_each(|row| row.hash(state));
    }
}

impl Serialize for Orders {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<'de> Deserialize<'de> for Orders {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rows = BTreeMap::<ClientOrderId, Order>::deserialize(deserializer)?;
        let (ids, rows): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        Ok(Self { sums: Sums::of(&rows), ids, rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i10_sums_that_were_kept_are_those_that_are_worked_out_from_the_rows() {
        assert_eq!(Orders::default().sums, Sums::of(&[]));
        assert_eq!(Orders::default().sums.entry, Executed::NOTHING);
    }
}
