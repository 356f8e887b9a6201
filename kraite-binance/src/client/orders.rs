//! Everything that moves money.

use futures_util::future::join_all;
use kraite_core::exchange::{
    Amend, Cause, MarginMode, NewOrder, OrderRef, Outcome, PositionRef, Purpose, RejectKind, Service,
};
use kraite_core::id::Symbol;
use kraite_core::time::VenueMillis;
use kraite_wire::client::{Need, rejected, unsent};

use super::backend::Inner;
use crate::codec::calls::{
    AmendOrder, CancelAlgo, CancelOrder, GetPositions, MAX_BATCH, OrderKind, PlaceAlgo, PlaceBatch, PlaceOrder,
    Placement, SetLeverage, SetMarginType,
};
use crate::codec::{leverage_set, mode_set, positions};

/// One request that places orders, with the places of their outcomes.
enum Sending {
    One(usize, Placement),
    Batch(Vec<usize>, Vec<PlaceOrder>),
}

impl Inner {
    /// Places orders; those without an edge among themselves leave together: LIMIT orders of one purpose in batches, or
    /// one by one over the socket for orders, which has none.
    pub(crate) async fn place_many(&self, orders: &[NewOrder], not_after: VenueMillis) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = vec![None; orders.len()];
        let mut sendings = Vec::new();
        for purpose in [Purpose::Close, Purpose::Open] {
            let need = need_of(purpose);
            let mut limits = Vec::new();
            for (at, order) in orders.iter().enumerate().filter(|(_, order)| order.purpose == purpose) {
                self.uses(&order.symbol);
                // One id is placed once; that it is asked for twice at once cannot be meant.
                let twice = orders.iter().take(at).any(|earlier| earlier.id == order.id);
                let placement = if twice {
                    Err(rejected(RejectKind::Other, "the same id twice in one call"))
                } else {
                    Placement::of(order).map_err(Outcome::Rejected)
                };
                match placement {
                    Ok(Placement::Regular(order)) if matches!(order.kind, OrderKind::Limit { .. }) => {
                        limits.push((at, order));
                    }
                    Ok(placement) => sendings.push((need, Sending::One(at, placement))),
                    Err(outcome) => set(&mut outcomes, at, outcome),
                }
            }
            let together = if self.has_seat() { 1 } else { MAX_BATCH };
            sendings.extend(batches(limits, together).into_iter().map(|sending| (need, sending)));
        }
        let sent = join_all(sendings.into_iter().map(|(need, sending)| self.send(sending, need, not_after))).await;
        for (at, outcome) in sent.into_iter().flatten() {
            set(&mut outcomes, at, outcome);
        }
        // None is left out; should one be, nothing is known of it.
        outcomes.into_iter().map(|outcome| outcome.unwrap_or(Outcome::Unknown(Cause::Interrupted))).collect()
    }

    pub(crate) async fn place_one(&self, order: &NewOrder, not_after: VenueMillis) -> Outcome {
        self.uses(&order.symbol);
        let need = need_of(order.purpose);
        match Placement::of(order) {
            Ok(Placement::Regular(order)) => self.place_order(&order, need, not_after).await,
            Ok(Placement::Algo(order)) => self.place_algo(&order, need, not_after).await,
            Err(reject) => Outcome::Rejected(reject),
        }
    }

    async fn send(&self, sending: Sending, need: Need, not_after: VenueMillis) -> Vec<(usize, Outcome)> {
        match sending {
            Sending::One(at, Placement::Regular(order)) => vec![(at, self.place_order(&order, need, not_after).await)],
            Sending::One(at, Placement::Algo(order)) => vec![(at, self.place_algo(&order, need, not_after).await)],
            Sending::Batch(places, orders) => {
                let outcomes = self.place_batch(orders, need, not_after).await;
                places.into_iter().zip(outcomes).collect()
            }
        }
    }

    async fn place_order(&self, order: &PlaceOrder, need: Need, not_after: VenueMillis) -> Outcome {
        match self.mutate(order, need, not_after).await {
            Ok(heard) => self.interpreter().placed_order(order, heard.sent_at, heard.answer()),
            Err(outcome) => outcome,
        }
    }

    async fn place_algo(&self, order: &PlaceAlgo, need: Need, not_after: VenueMillis) -> Outcome {
        match self.mutate(order, need, not_after).await {
            Ok(heard) => self.interpreter().placed_algo(order, heard.sent_at, heard.answer()),
            Err(outcome) => outcome,
        }
    }

    async fn place_batch(&self, orders: Vec<PlaceOrder>, need: Need, not_after: VenueMillis) -> Vec<Outcome> {
        let legs = orders.len();
        let Some(batch) = PlaceBatch::new(orders) else {
            return vec![rejected(RejectKind::NotSent, "a batch of a size that is not taken"); legs];
        };
        match self.mutate(&batch, need, not_after).await {
            Ok(heard) => {
                let outcomes = self.interpreter().placed_batch(&batch, heard.sent_at, heard.answer());
                if heard.answer().is_success() {
                    outcomes.iter().for_each(|outcome| self.line.heed(outcome, need));
                }
                outcomes
            }
            Err(outcome) => vec![outcome; legs],
        }
    }

    pub(crate) async fn amend_order(&self, change: &Amend, not_after: VenueMillis) -> Outcome {
        if change.order.service != Service::Regular {
            return rejected(RejectKind::Other, "only LIMIT orders can be amended");
        }
        let need = if change.order.id.role().is_exit() { Need::Protect } else { Need::Open };
        match self.mutate(&AmendOrder::of(change), need, not_after).await {
            Ok(heard) => self.interpreter().amended(change, heard.sent_at, heard.answer()),
            Err(outcome) => outcome,
        }
    }

    pub(crate) async fn cancel_order(&self, order: &OrderRef, not_after: VenueMillis) -> Outcome {
        let heard = match order.service {
            Service::Regular => self.mutate(&CancelOrder::of(order), Need::Protect, not_after).await,
            Service::Conditional => self.mutate(&CancelAlgo::of(order), Need::Protect, not_after).await,
            Service::PositionPlan => return rejected(RejectKind::Other, "this venue has no position plans"),
        };
        match heard {
            Ok(heard) => self.interpreter().cancelled(order, heard.sent_at, heard.answer()),
            Err(outcome) => outcome,
        }
    }

    /// Reads how much is open and closes that, up to the largest MARKET order where that is known; what is left then is
    /// found by the next reading.
    pub(crate) async fn close(&self, position: &PositionRef, not_after: VenueMillis) -> Outcome {
        let call = GetPositions { symbol: Some(position.symbol.clone()) };
        let rows = match self.line.read(&call, Need::Protect).await {
            Ok(heard) => positions(heard.sent_at, heard.answer()),
            Err(error) => Err(error),
        };
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => return unsent(&error),
        };
        let open = rows.rows.iter().find(|row| row.symbol == position.symbol && row.direction == position.direction);
        let Some(open) = open.map(|row| row.qty).filter(|qty| qty.is_positive()) else {
            return if rows.complete {
                rejected(RejectKind::NoPosition, "nothing is open there")
            } else {
                rejected(RejectKind::NotSent, "the open positions could not be read in full")
            };
        };
        let largest = self.largest_market().get(&position.symbol).copied().filter(|qty| qty.is_positive());
        let qty = largest.map_or(open, |largest| open.min(largest));
        self.place_order(&Placement::close(position, qty), Need::Protect, not_after).await
    }

    pub(crate) async fn change_leverage(&self, symbol: &Symbol, leverage: u32, not_after: VenueMillis) -> Outcome {
        self.uses(symbol);
        let call = SetLeverage { symbol: symbol.clone(), leverage };
        match self.mutate(&call, Need::Open, not_after).await {
            Ok(heard) => leverage_set(symbol, leverage, heard.answer()),
            Err(outcome) => outcome,
        }
    }

    pub(crate) async fn change_margin(&self, symbol: &Symbol, mode: MarginMode, not_after: VenueMillis) -> Outcome {
        self.uses(symbol);
        let call = SetMarginType { symbol: symbol.clone(), mode };
        match self.mutate(&call, Need::Open, not_after).await {
            Ok(heard) => mode_set(heard.answer()),
            Err(outcome) => outcome,
        }
    }
}

const fn need_of(purpose: Purpose) -> Need {
    match purpose {
        Purpose::Close => Need::Protect,
        Purpose::Open => Need::Open,
    }
}

fn set(outcomes: &mut [Option<Outcome>], at: usize, outcome: Outcome) {
    if let Some(place) = outcomes.get_mut(at) {
        *place = Some(outcome);
    }
}

fn batches(limits: Vec<(usize, PlaceOrder)>, together: usize) -> Vec<Sending> {
    limits
        .chunks(together)
        .map(|chunk| match chunk {
            [(at, order)] => Sending::One(*at, Placement::Regular(order.clone())),
            many => {
                let (places, orders) = many.iter().cloned().unzip();
                Sending::Batch(places, orders)
            }
        })
        .collect()
}
