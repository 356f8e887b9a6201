//! What is sent wrongly, and which outcomes are told wrongly.

use std::sync::atomic::Ordering;

use kraite_core::exchange::{
    Ack, Amend, Cause, Direction, MarginMode, NewOrder, OrderRef, OrderShape, Outcome, PairOutcome, PositionMode,
    PositionRef, PositionTpsl, Purpose, Reject, RejectKind, ReportedId, Side, TriggerBy, TriggerSize,
};
use kraite_core::id::{
    AccountTag, Attempt, ClientOrderId, Epoch, LogicalOrder, OrderKey, PositionNo, Revision, Role, Symbol,
};
use kraite_core::number::Qty;
use kraite_core::time::VenueMillis;

use super::super::sim::SECRET;
use super::{Wrong, WrongExchange, cut, rounded_price, rounded_qty, whenever};

pub(super) fn next_attempt(id: ClientOrderId) -> ClientOrderId {
    let key = id.key();
    let attempt = key.attempt.next().unwrap_or(key.attempt);
    ClientOrderId::encode(&OrderKey { attempt, ..key })
}

fn refused(kind: RejectKind) -> Outcome {
    Outcome::Rejected(Reject { kind, code: 0, message: "told wrongly".into() })
}

fn is(outcome: &Outcome, kind: RejectKind) -> bool {
    matches!(outcome, Outcome::Rejected(reject) if reject.kind == kind)
}

const fn is_unknown(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Unknown(_))
}

fn done() -> Outcome {
    Outcome::Accepted(Ack::default())
}

impl WrongExchange {
    /// What leaves in the place of an order.
    fn sent(&self, order: &NewOrder) -> NewOrder {
        let mut order = order.clone();
        match self.wrong {
            Wrong::FlipsHedgeDirection if order.mode == PositionMode::Hedge => {
                order.direction = order.direction.opposite();
            }
            Wrong::FlipsShortSide if order.direction == Direction::Short => {
                order.side = match order.side {
                    Side::Buy => Side::Sell,
                    Side::Sell => Side::Buy,
                };
            }
            Wrong::OpensInsteadOfCloses => order.purpose = Purpose::Open,
            Wrong::ChangesId => order.id = next_attempt(order.id),
            _ => order.shape = self.shape(order.shape),
        }
        order
    }

    fn shape(&self, shape: OrderShape) -> OrderShape {
        match (self.wrong, shape) {
            (Wrong::RoundsQty, OrderShape::Market { qty }) => OrderShape::Market { qty: rounded_qty(qty) },
            (Wrong::RoundsQty, OrderShape::Limit { price, qty }) => OrderShape::Limit { price, qty: rounded_qty(qty) },
            (Wrong::RoundsPrice, OrderShape::Limit { price, qty }) => {
                OrderShape::Limit { price: rounded_price(price), qty }
            }
            (Wrong::WatchesLast, OrderShape::StopMarket { trigger, size, .. }) => {
                OrderShape::StopMarket { trigger, by: TriggerBy::Last, size }
            }
            (Wrong::StopForTarget, OrderShape::TakeProfitMarket { trigger, by, size }) => {
                OrderShape::StopMarket { trigger, by, size }
            }
            (Wrong::StopWithQuantity, OrderShape::StopMarket { trigger, by, .. }) => {
                let size = TriggerSize::Qty(Qty::from_units(1, 0).unwrap_or_default());
                OrderShape::StopMarket { trigger, by, size }
            }
            (_, shape) => shape,
        }
    }

    /// What is told in the place of an outcome.
    fn told(&self, outcome: Outcome) -> Outcome {
        match (self.wrong, outcome) {
            (Wrong::SwallowsServerError, Outcome::Unknown(Cause::ServerError))
            | (Wrong::TakesTimeoutForRefusal, Outcome::Unknown(Cause::Timeout | Cause::Disconnected))
            | (Wrong::TakesDuplicateForRefusal, Outcome::Unknown(Cause::DuplicateId)) => refused(RejectKind::Other),
            (Wrong::TakesTimeoutForNotSent, Outcome::Unknown(Cause::Timeout | Cause::Disconnected)) => {
                refused(RejectKind::NotSent)
            }
            (Wrong::TakesUnknownForAccepted, Outcome::Unknown(_))
            | (Wrong::TakesGarbageForAccepted, Outcome::Unknown(Cause::Undecodable))
            | (Wrong::TakesDuplicateForAccepted, Outcome::Unknown(Cause::DuplicateId)) => done(),
            (Wrong::MisnamesRefusals, Outcome::Rejected(reject)) => {
                Outcome::Rejected(Reject { kind: RejectKind::Other, ..reject })
            }
            (Wrong::TellsSecrets, Outcome::Rejected(reject)) => {
                Outcome::Rejected(Reject { message: SECRET.into(), ..reject })
            }
            (Wrong::TakesRefusalForUnknown, Outcome::Rejected(_)) => Outcome::Unknown(Cause::ServerError),
            (Wrong::AcknowledgesAnother, Outcome::Accepted(mut ack)) => {
                if let Some(report) = ack.report.as_mut()
                    && let ReportedId::Ours(id) = report.id
                {
                    report.id = ReportedId::Ours(next_attempt(id));
                }
                Outcome::Accepted(ack)
            }
            (_, outcome) => outcome,
        }
    }

    pub(super) async fn place_wrong(&self, orders: &[NewOrder], not_after: VenueMillis) -> Vec<Outcome> {
        let sent: Vec<NewOrder> = orders.iter().map(|order| self.sent(order)).collect();
        let mut leaves = sent.as_slice();
        if self.wrong == Wrong::DropsLastOrder
            && let [first @ .., _] = sent.as_slice()
            && !first.is_empty()
        {
            leaves = first;
        }
        let until = if self.wrong == Wrong::IgnoresNotAfter { whenever(not_after) } else { not_after };
        let mut outcomes = self.inner.place(leaves, until).await;
        match self.wrong {
            Wrong::RetriesUnknown if outcomes.iter().any(is_unknown) => {
                outcomes = self.inner.place(leaves, until).await;
            }
            Wrong::RetriesRefused if outcomes.iter().any(|o| is(o, RejectKind::RateLimited)) => {
                outcomes = self.inner.place(leaves, until).await;
            }
            Wrong::TellsNotSentAndSends if outcomes.iter().any(|o| is(o, RejectKind::NotSent)) => {
                self.inner.place(leaves, whenever(not_after)).await;
            }
            Wrong::ReversesOutcomes => outcomes.reverse(),
            Wrong::DropsLastOutcome => drop(outcomes.pop()),
            Wrong::RepeatsFirstOutcome => {
                if let Some(first) = outcomes.first().cloned() {
                    outcomes.fill(first);
                }
            }
            Wrong::DropsLastOrder => outcomes.resize(orders.len(), done()),
            Wrong::RefusesAllForOne => {
                if let Some(first) = outcomes.iter().find(|o| matches!(o, Outcome::Rejected(_))).cloned() {
                    outcomes.fill(first);
                }
            }
            _ => {}
        }
        outcomes.into_iter().map(|outcome| self.told(outcome)).collect()
    }

    pub(super) async fn pair_wrong(&self, pair: &PositionTpsl, not_after: VenueMillis) -> PairOutcome {
        let mut pair = pair.clone();
        match self.wrong {
            Wrong::SwapsLegIds => std::mem::swap(&mut pair.stop.id, &mut pair.target.id),
            Wrong::RoundsTriggers => {
                pair.stop.trigger = cut(pair.stop.trigger, 0);
                pair.target.trigger = cut(pair.target.trigger, 0);
            }
            Wrong::FlipsHedgeDirection if pair.mode == PositionMode::Hedge => {
                pair.direction = pair.direction.opposite();
            }
            _ => {}
        }
        let earlier = self.pairs.fetch_add(1, Ordering::Relaxed);
        if self.wrong == Wrong::ForgetsOverwrite && earlier > 0 {
            return PairOutcome { stop: done(), target: done() };
        }
        let until = if self.wrong == Wrong::IgnoresNotAfter { whenever(not_after) } else { not_after };
        let mut outcome = self.inner.place_position_tpsl(&pair, until).await;
        let refusal = [&outcome.stop, &outcome.target].into_iter().find(|o| matches!(o, Outcome::Rejected(_))).cloned();
        let accepted = [&outcome.stop, &outcome.target].into_iter().any(|o| matches!(o, Outcome::Accepted(_)));
        match (self.wrong, refusal) {
            (Wrong::RetriesPair, _) if is_unknown(&outcome.stop) => {
                outcome = self.inner.place_position_tpsl(&pair, until).await;
            }
            (Wrong::SwapsLegOutcomes, _) => std::mem::swap(&mut outcome.stop, &mut outcome.target),
            (Wrong::RefusesBothLegs, Some(refusal)) => {
                outcome = PairOutcome { stop: refusal.clone(), target: refusal };
            }
            (Wrong::AcceptsBothLegs, _) if accepted => outcome = PairOutcome { stop: done(), target: done() },
            _ => {}
        }
        PairOutcome { stop: self.told(outcome.stop), target: self.told(outcome.target) }
    }

    pub(super) async fn amend_wrong(&self, change: &Amend, not_after: VenueMillis) -> Outcome {
        let mut sent = change.clone();
        match self.wrong {
            Wrong::AmendsNothing => return done(),
            Wrong::AmendsByReplacing => {
                let outcome = self.inner.cancel(&change.order, not_after).await;
                if !matches!(outcome, Outcome::Accepted(_)) {
                    return outcome;
                }
                return self.placed_anew(change, not_after).await;
            }
            Wrong::AmendsRounded => (sent.price, sent.qty) = (rounded_price(sent.price), rounded_qty(sent.qty)),
            _ => {}
        }
        let until = if self.wrong == Wrong::IgnoresNotAfter { whenever(not_after) } else { not_after };
        let mut outcome = self.inner.amend(&sent, until).await;
        if self.wrong == Wrong::RetriesAmend && is_unknown(&outcome) {
            outcome = self.inner.amend(&sent, until).await;
        }
        if self.wrong == Wrong::AmendRevives && is(&outcome, RejectKind::UnknownOrder) {
            outcome = self.placed_anew(change, not_after).await;
        }
        self.told(outcome)
    }

    /// The order of a change as a new one.
    async fn placed_anew(&self, change: &Amend, not_after: VenueMillis) -> Outcome {
        let direction = match change.side {
            Side::Buy => Direction::Long,
            Side::Sell => Direction::Short,
        };
        let order = NewOrder {
            id: change.order.id,
            symbol: change.order.symbol.clone(),
            side: change.side,
            direction,
            mode: self.inner.position_mode().await.unwrap_or(PositionMode::OneWay),
            purpose: Purpose::Open,
            shape: OrderShape::Limit { price: change.price, qty: change.qty },
        };
        self.inner.place(&[order], not_after).await.pop().unwrap_or(Outcome::Unknown(Cause::Interrupted))
    }

    pub(super) async fn cancel_wrong(&self, order: &OrderRef, not_after: VenueMillis) -> Outcome {
        let until = if self.wrong == Wrong::IgnoresNotAfter { whenever(not_after) } else { not_after };
        let mut named = order.clone();
        match self.wrong {
            Wrong::CancelsNothing => return done(),
            Wrong::NeverAnswers => return std::future::pending().await,
            Wrong::CancelsAll | Wrong::CancelsOldest => {
                let open = self.inner.open_orders(Some(order.symbol.clone())).await;
                let rows = open.map(|reading| reading.value).unwrap_or_default();
                let ours = rows.into_iter().filter_map(|row| match row.id {
                    ReportedId::Ours(id) => {
                        Some(OrderRef { id, service: row.service, venue_id: None, ..order.clone() })
                    }
                    ReportedId::Venue(_) | ReportedId::Foreign(_) => None,
                });
                for other in ours {
                    if self.wrong == Wrong::CancelsOldest {
                        named = other;
                        break;
                    }
                    if other.id != order.id {
                        self.inner.cancel(&other, until).await;
                    }
                }
            }
            _ => {}
        }
        let mut outcome = self.inner.cancel(&named, until).await;
        if self.wrong == Wrong::RetriesCancel && is_unknown(&outcome) {
            outcome = self.inner.cancel(&named, until).await;
        }
        match self.wrong {
            Wrong::TakesGoneForCancelled if is(&outcome, RejectKind::UnknownOrder) => done(),
            Wrong::TakesLostCancelForGone if is_unknown(&outcome) => refused(RejectKind::UnknownOrder),
            _ => self.told(outcome),
        }
    }

    pub(super) async fn close_wrong(&self, position: &PositionRef, not_after: VenueMillis) -> Outcome {
        if self.wrong != Wrong::CloseOpens {
            return self.inner.close_position(position, not_after).await;
        }
        // The other side is opened where nothing is there to be closed.
        let order = NewOrder {
            id: ClientOrderId::encode(&OrderKey {
                account: AccountTag::default(),
                position: PositionNo::default(),
                logical: LogicalOrder { role: Role::Close, revision: Revision::default() },
                attempt: Attempt::default(),
                epoch: Epoch::default(),
            }),
            symbol: position.symbol.clone(),
            side: position.direction.closing_side(),
            direction: position.direction.opposite(),
            mode: position.mode,
            purpose: Purpose::Open,
            shape: OrderShape::Market { qty: Qty::from_units(4, 0).unwrap_or_default() },
        };
        self.inner.place(&[order], not_after).await.pop().unwrap_or(Outcome::Unknown(Cause::Interrupted))
    }

    pub(super) async fn leverage_wrong(&self, symbol: &Symbol, leverage: u32, not_after: VenueMillis) -> Outcome {
        let until = if self.wrong == Wrong::IgnoresNotAfter { whenever(not_after) } else { not_after };
        match self.wrong {
            Wrong::LeverageNotSent => done(),
            Wrong::LeverageOff => self.inner.set_leverage(symbol, leverage.saturating_add(1), until).await,
            _ => self.told(self.inner.set_leverage(symbol, leverage, until).await),
        }
    }

    pub(super) async fn margin_wrong(&self, symbol: &Symbol, mode: MarginMode, not_after: VenueMillis) -> Outcome {
        let until = if self.wrong == Wrong::IgnoresNotAfter { whenever(not_after) } else { not_after };
        let mode = match (self.wrong, mode) {
            (Wrong::MarginInverted, MarginMode::Cross) => MarginMode::Isolated,
            (Wrong::MarginInverted, MarginMode::Isolated) => MarginMode::Cross,
            _ => mode,
        };
        if self.wrong == Wrong::MarginNotSent {
            return done();
        }
        self.told(self.inner.set_margin_mode(symbol, mode, until).await)
    }
}
