//! Everything that moves money, but for stop and target of a whole position.

use futures_util::future::join_all;
use kraite_core::exchange::{
    Amend, Cause, MarginMode, NewOrder, OrderRef, Outcome, PositionMode, PositionRef, Purpose, RejectKind, Service,
};
use kraite_core::id::Symbol;
use kraite_core::time::VenueMillis;
use kraite_wire::client::{Need, rejected, unsent};

use super::backend::Inner;
use crate::codec::calls::{Order, OrderKind, PartialPlan, Placement, classic, unified};
use crate::codec::{Generation, closed, leverage_set, margin_set, positions, setting_set};

/// One request that places orders, with the places of their outcomes.
enum Sending {
    One(usize, Placement),
    Batch(Vec<usize>, Vec<Order>),
}

impl Inner {
    /// Places orders; those without an edge among themselves leave together: LIMIT orders of one purpose and contract
    /// in batches.
    pub(crate) async fn place_many(&self, orders: &[NewOrder], not_after: VenueMillis) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = vec![None; orders.len()];
        let mut sendings = Vec::new();
        for purpose in [Purpose::Close, Purpose::Open] {
            let need = need_of(purpose);
            let mut limits: Vec<(Generation, Vec<usize>, Vec<Order>)> = Vec::new();
            for (at, order) in orders.iter().enumerate().filter(|(_, order)| order.purpose == purpose) {
                // One id is placed once; that it is asked for twice at once cannot be meant.
                let twice = orders.iter().take(at).any(|earlier| earlier.id == order.id);
                let placement = if twice {
                    Err(rejected(RejectKind::Other, "the same id twice in one call"))
                } else {
                    self.placement(order, need).await
                };
                match placement {
                    Ok((generation, Placement::Regular(order))) if goes_in_batches(generation, &order) => {
                        gather(&mut limits, usize::from(self.capabilities.batch_size), generation, at, order);
                    }
                    Ok((generation, placement)) => sendings.push((need, generation, Sending::One(at, placement))),
                    Err(outcome) => set(&mut outcomes, at, outcome),
                }
            }
            sendings.extend(limits.into_iter().map(|(generation, places, orders)| {
                let sending = match (places.as_slice(), orders.as_slice()) {
                    ([at], [order]) => Sending::One(*at, Placement::Regular(order.clone())),
                    _ => Sending::Batch(places, orders),
                };
                (need, generation, sending)
            }));
        }
        let sent = sendings.into_iter().map(|(need, of, sending)| self.send(of, sending, need, not_after));
        for (at, outcome) in join_all(sent).await.into_iter().flatten() {
            set(&mut outcomes, at, outcome);
        }
        // None is left out; should one be, nothing is known of it.
        outcomes.into_iter().map(|outcome| outcome.unwrap_or(Outcome::Unknown(Cause::Interrupted))).collect()
    }

    pub(crate) async fn place_one(&self, order: &NewOrder, not_after: VenueMillis) -> Outcome {
        let need = need_of(order.purpose);
        match self.placement(order, need).await {
            Ok((generation, Placement::Regular(order))) => self.place_order(generation, order, need, not_after).await,
            Ok((generation, Placement::Plan(plan))) => self.place_plan(generation, plan, need, not_after).await,
            Err(outcome) => outcome,
        }
    }

    /// What an order is here, with everything that it has to state.
    async fn placement(&self, order: &NewOrder, need: Need) -> Result<(Generation, Placement), Outcome> {
        self.uses(&order.symbol);
        let terms = self.terms(&order.symbol, need).await?;
        Ok((terms.generation, Placement::of(order, terms).map_err(Outcome::Rejected)?))
    }

    async fn send(
        &self,
        generation: Generation,
        sending: Sending,
        need: Need,
        not_after: VenueMillis,
    ) -> Vec<(usize, Outcome)> {
        match sending {
            Sending::One(at, Placement::Regular(order)) => {
                vec![(at, self.place_order(generation, order, need, not_after).await)]
            }
            Sending::One(at, Placement::Plan(plan)) => {
                vec![(at, self.place_plan(generation, plan, need, not_after).await)]
            }
            Sending::Batch(places, orders) => {
                let outcomes = self.place_batch(generation, orders, need, not_after).await;
                places.into_iter().zip(outcomes).collect()
            }
        }
    }

    async fn place_order(&self, generation: Generation, order: Order, need: Need, not_after: VenueMillis) -> Outcome {
        let (heard, order) = match generation {
            Generation::Classic => {
                let call = classic::PlaceOrder(order);
                (self.line.mutate(&call, need, not_after).await, call.0)
            }
            Generation::Unified => {
                let call = unified::PlaceOrder(order);
                (self.line.mutate(&call, need, not_after).await, call.0)
            }
        };
        let outcome = match heard {
            Ok(heard) => self.interpreter().placed_order(&order, heard.sent_at, heard.answer()),
            Err(outcome) => outcome,
        };
        self.doubts_terms(&order.symbol, &outcome);
        outcome
    }

    async fn place_plan(
        &self,
        generation: Generation,
        plan: PartialPlan,
        need: Need,
        not_after: VenueMillis,
    ) -> Outcome {
        let (heard, plan) = match generation {
            Generation::Classic => {
                let call = classic::PlacePlan(plan);
                (self.line.mutate(&call, need, not_after).await, call.0)
            }
            Generation::Unified => {
                let call = unified::PlacePlan(plan);
                (self.line.mutate(&call, need, not_after).await, call.0)
            }
        };
        match heard {
            Ok(heard) => self.interpreter().placed_plan(&plan, generation, heard.sent_at, heard.answer()),
            Err(outcome) => outcome,
        }
    }

    async fn place_batch(
        &self,
        generation: Generation,
        orders: Vec<Order>,
        need: Need,
        not_after: VenueMillis,
    ) -> Vec<Outcome> {
        let legs = orders.len();
        let refused = || vec![rejected(RejectKind::NotSent, "a batch of a kind that is not taken"); legs];
        let outcomes = match generation {
            Generation::Classic => {
                let Some(batch) = classic::PlaceBatch::new(orders) else { return refused() };
                let heard = self.line.mutate(&batch, need, not_after).await;
                heard.map(|heard| self.interpreter().placed_batch(batch.orders(), heard.sent_at, heard.answer()))
            }
            Generation::Unified => {
                let Some(batch) = unified::PlaceBatch::new(orders) else { return refused() };
                let heard = self.line.mutate(&batch, need, not_after).await;
                heard.map(|heard| self.interpreter().placed_batch(batch.orders(), heard.sent_at, heard.answer()))
            }
        };
        let outcomes = outcomes.unwrap_or_else(|outcome| vec![outcome; legs]);
        for outcome in &outcomes {
            match generation {
                Generation::Classic => self.line.heed::<classic::PlaceBatch>(outcome, need),
                Generation::Unified => self.line.heed::<unified::PlaceBatch>(outcome, need),
            }
        }
        outcomes
    }

    /// A refusal of the account's configuration: what is known of it is read again before the next order.
    fn doubts_terms(&self, symbol: &Symbol, outcome: &Outcome) {
        if matches!(outcome, Outcome::Rejected(reject) if reject.kind == RejectKind::Account) {
            self.forget_margin(symbol);
        }
    }

    /// In place where the generation can do that. The classic API ends the order and makes another one under another
    /// id, which a change has none of: that is refused, and the core has other ways (`Capabilities`).
    pub(crate) async fn amend_order(&self, change: &Amend, not_after: VenueMillis) -> Outcome {
        if change.order.service != Service::Regular {
            return rejected(RejectKind::Other, "only LIMIT orders can be amended");
        }
        let need = if change.order.id.role().is_exit() { Need::Protect } else { Need::Open };
        match self.place_of(&change.order.symbol, need).await {
            Ok((Generation::Classic, _)) => {
                rejected(RejectKind::Other, "a change makes another order here, under an id that it does not have")
            }
            Ok((Generation::Unified, product)) => {
                let call = unified::ModifyOrder::of(change, product);
                match self.line.mutate(&call, need, not_after).await {
                    Ok(heard) => self.interpreter().amended(&change.order, heard.answer()),
                    Err(outcome) => outcome,
                }
            }
            Err(outcome) => outcome,
        }
    }

    pub(crate) async fn cancel_order(&self, order: &OrderRef, not_after: VenueMillis) -> Outcome {
        let need = Need::Protect;
        let (generation, product) = match self.place_of(&order.symbol, need).await {
            Ok(place) => place,
            Err(outcome) => return outcome,
        };
        let heard = match (order.service, generation) {
            (Service::Regular, Generation::Classic) => {
                self.line.mutate(&classic::CancelOrder::of(order, product), need, not_after).await
            }
            (Service::Regular, Generation::Unified) => {
                self.line.mutate(&unified::CancelOrder::of(order, product), need, not_after).await
            }
            (_, Generation::Classic) => {
                let Some(call) = classic::CancelPlan::of(order, product) else {
                    return rejected(RejectKind::Other, "a plan is a stop or a target");
                };
                return match self.line.mutate(&call, need, not_after).await {
                    Ok(heard) => self.interpreter().cancelled_plan(order, heard.answer()),
                    Err(outcome) => outcome,
                };
            }
            (Service::Conditional, Generation::Unified) => {
                let Some(name) = unified::StrategyName::of(order) else {
                    return rejected(RejectKind::Other, "a strategy that cannot be named");
                };
                return match self.line.mutate(&unified::CancelStrategy { name }, need, not_after).await {
                    Ok(heard) => self.interpreter().cancelled_strategy(order, heard.answer()),
                    Err(outcome) => outcome,
                };
            }
            (Service::PositionPlan, Generation::Unified) => return self.cancel_leg(order, product, not_after).await,
        };
        match heard {
            Ok(heard) => self.interpreter().cancelled(order, heard.answer()),
            Err(outcome) => outcome,
        }
    }

    /// Closes the whole of one side, untagged. In one-way mode the call cannot say which side: it is read first, so
    /// that a position of the other one is not closed.
    pub(crate) async fn close(&self, position: &PositionRef, not_after: VenueMillis) -> Outcome {
        let need = Need::Protect;
        let (generation, product) = match self.place_of(&position.symbol, need).await {
            Ok(place) => place,
            Err(outcome) => return outcome,
        };
        if position.mode == PositionMode::OneWay {
            let symbol = position.symbol.clone();
            let heard = match generation {
                Generation::Classic => self.line.read(&classic::GetPosition { symbol, product }, need).await,
                Generation::Unified => {
                    self.line.read(&unified::GetPositions { product, symbol: Some(symbol) }, need).await
                }
            };
            let rows = match heard.and_then(|heard| positions(generation, heard.sent_at, heard.answer())) {
                Ok(rows) => rows,
                Err(error) => return unsent(&error),
            };
            let is_open = |row: &kraite_core::exchange::PositionReport| {
                row.symbol == position.symbol && row.direction == position.direction && row.qty.is_positive()
            };
            if !rows.rows.iter().any(is_open) {
                return if rows.complete {
                    rejected(RejectKind::NoPosition, "nothing is open there")
                } else {
                    rejected(RejectKind::NotSent, "the open positions could not be read in full")
                };
            }
        }
        let position = position.clone();
        let symbol = position.symbol.clone();
        let heard = match generation {
            Generation::Classic => {
                self.line.mutate(&classic::ClosePosition { product, position }, need, not_after).await
            }
            Generation::Unified => {
                self.line.mutate(&unified::ClosePosition { product, position }, need, not_after).await
            }
        };
        match heard {
            Ok(heard) => closed(&symbol, heard.answer()),
            Err(outcome) => outcome,
        }
    }

    /// Sets the leverage in the margin mode that the contract has; accepted only once it is seen there (R35).
    pub(crate) async fn change_leverage(&self, symbol: &Symbol, leverage: u32, not_after: VenueMillis) -> Outcome {
        self.uses(symbol);
        let need = Need::Open;
        let (generation, product) = match self.place_of(symbol, need).await {
            Ok(place) => place,
            Err(outcome) => return outcome,
        };
        let setup = match self.setup(symbol, generation, product, need).await {
            Ok(setup) => setup,
            Err(error) => return unsent(&error),
        };
        let Some(margin) = setup.margin else {
            return rejected(RejectKind::Account, "the margin mode of the contract is not known: set it");
        };
        let (symbol, mode) = (symbol.clone(), setup.mode);
        match generation {
            Generation::Classic => {
                let call = classic::SetLeverage { symbol, product, margin, mode, leverage };
                match self.line.mutate(&call, need, not_after).await {
                    Ok(heard) => leverage_set(&call, heard.answer()),
                    Err(outcome) => outcome,
                }
            }
            Generation::Unified => {
                let call = unified::SetLeverage { symbol, product, margin, mode, leverage };
                self.set_unified(&call, not_after).await
            }
        }
    }

    /// Sets the margin mode. The unified API does it together with the leverage, which stays what it is; that of a
    /// contract which never had one becomes the lowest there is, until it is set.
    pub(crate) async fn change_margin(&self, symbol: &Symbol, margin: MarginMode, not_after: VenueMillis) -> Outcome {
        self.uses(symbol);
        let need = Need::Open;
        let (generation, product) = match self.place_of(symbol, need).await {
            Ok(place) => place,
            Err(outcome) => return outcome,
        };
        let setup = match self.setup(symbol, generation, product, need).await {
            Ok(setup) => setup,
            Err(error) => return unsent(&error),
        };
        if setup.margin == Some(margin) {
            return Outcome::Accepted(kraite_core::exchange::Ack::default());
        }
        self.forget_margin(symbol);
        match generation {
            Generation::Classic => {
                let call = classic::SetMarginMode { symbol: symbol.clone(), product, margin };
                match self.line.mutate(&call, need, not_after).await {
                    Ok(heard) => margin_set(&call, heard.answer()),
                    Err(outcome) => outcome,
                }
            }
            Generation::Unified => {
                let leverage = setup.leverage.and_then(|(long, _)| u32::try_from(long).ok()).unwrap_or(1);
                let (symbol, mode) = (symbol.clone(), setup.mode);
                let call = unified::SetLeverage { symbol, product, margin, mode, leverage };
                self.set_unified(&call, not_after).await
            }
        }
    }

    /// The unified API says no more than that a setting was done: it is believed once it is seen.
    async fn set_unified(&self, call: &unified::SetLeverage, not_after: VenueMillis) -> Outcome {
        let outcome = match self.line.mutate(call, Need::Open, not_after).await {
            Ok(heard) => setting_set(heard.answer()),
            Err(outcome) => outcome,
        };
        if !matches!(outcome, Outcome::Accepted(_)) {
            return outcome;
        }
        let wanted = i64::from(call.leverage);
        match self.setup(&call.symbol, Generation::Unified, call.product, Need::Open).await {
            Ok(seen) if seen.margin == Some(call.margin) && seen.leverage == Some((wanted, wanted)) => outcome,
            Ok(_) => Outcome::Unknown(Cause::ServerError),
            Err(_) => Outcome::Unknown(Cause::Timeout),
        }
    }
}

/// The unified API takes no close-only order of one-way mode in a batch.
fn goes_in_batches(generation: Generation, order: &Order) -> bool {
    let flagged = generation == Generation::Unified && order.closes && order.mode == PositionMode::OneWay;
    matches!(order.kind, OrderKind::Limit { .. }) && !flagged
}

/// Puts an order to others of its contract, `most` at a time.
fn gather(
    batches: &mut Vec<(Generation, Vec<usize>, Vec<Order>)>,
    most: usize,
    generation: Generation,
    at: usize,
    order: Order,
) {
    let fits = |(of, _, orders): &&mut (Generation, Vec<usize>, Vec<Order>)| {
        *of == generation
            && orders.len() < most
            && orders.first().is_some_and(|first| (&first.symbol, first.margin) == (&order.symbol, order.margin))
    };
    match batches.iter_mut().find(fits) {
        Some((_, places, orders)) => {
            places.push(at);
            orders.push(order);
        }
        None => batches.push((generation, vec![at], vec![order])),
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
