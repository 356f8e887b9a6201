//! Stop and target of a whole position: two plans set by one call that overwrites, or one strategy behind two orders of
//! ours (R41, R42, R107).

use kraite_core::exchange::{
    Ack, Cause, OrderRef, OrderReport, Outcome, PairLeg, PairOutcome, PositionTpsl, RejectKind, ReportStatus,
    ReportedId, Service,
};
use kraite_core::id::Symbol;
use kraite_core::time::{Millis, VenueMillis};
use kraite_wire::client::{Need, rejected, unsent};

use super::backend::Inner;
use crate::codec::calls::{classic, unified};
use crate::codec::{Generation, OrderName, Product};

/// Reading back may take this long: what was accepted is not to be kept from the core for it.
const READ_BACK: Millis = Millis::from_secs(2);

fn both(outcome: Outcome) -> PairOutcome {
    PairOutcome { stop: outcome.clone(), target: outcome }
}

const fn is(outcome: &PairOutcome, kind: RejectKind) -> bool {
    matches!(&outcome.stop, Outcome::Rejected(reject) if reject.kind as u8 == kind as u8)
}

/// The strategy behind a leg of ours.
fn strategy_of(report: &OrderReport) -> Option<compact_str::CompactString> {
    let ReportedId::Ours(id) = report.id else { return None };
    let (symbol, venue_id) = (report.symbol.clone(), Some(report.venue_id.clone()));
    match OrderName::of(&OrderRef { symbol, service: Service::PositionPlan, id, venue_id }) {
        OrderName::Venue(number) => Some(number),
        OrderName::Client(_) => None,
    }
}

/// Whether the strategy that was said to hold a leg is listed with its other leg alone. One row tells both: this is no
/// list that lags, and the leg is not there.
fn lacks(listed: &[OrderReport], answered: &Outcome) -> bool {
    let Outcome::Accepted(Ack { report: Some(leg) }) = answered else { return false };
    let strategy = strategy_of(leg);
    strategy.is_some()
        && listed.iter().any(|row| strategy_of(row) == strategy)
        && !listed.iter().any(|row| row.venue_id == leg.venue_id)
}

impl Inner {
    pub(crate) async fn place_pair(&self, pair: &PositionTpsl, not_after: VenueMillis) -> PairOutcome {
        self.uses(&pair.symbol);
        let (generation, product) = match self.place_of(&pair.symbol, Need::Protect).await {
            Ok(place) => place,
            Err(outcome) => return both(outcome),
        };
        let outcome = match generation {
            Generation::Classic => self.place_plans(pair, product, not_after).await,
            Generation::Unified => Box::pin(self.place_strategy(pair, product, not_after)).await,
        };
        let taken = [&outcome.stop, &outcome.target].into_iter().any(|leg| matches!(leg, Outcome::Accepted(_)));
        if taken { self.read_back(generation, product, pair, outcome).await } else { outcome }
    }

    /// Both legs always, each under its own id; again to overwrite.
    async fn place_plans(&self, pair: &PositionTpsl, product: Product, not_after: VenueMillis) -> PairOutcome {
        let call = match classic::PlacePair::of(pair, product) {
            Ok(call) => call,
            Err(reject) => return both(Outcome::Rejected(reject)),
        };
        match self.line.mutate(&call, Need::Protect, not_after).await {
            Ok(heard) => self.interpreter().placed_pair(&call, heard.sent_at, heard.answer()),
            Err(outcome) => both(outcome),
        }
    }

    /// Changes the strategy that holds the pair, if one is known, else places one. What was refused because none is
    /// there any more, or because one is there after all, was not done: the other request may then be sent.
    async fn place_strategy(&self, pair: &PositionTpsl, product: Product, not_after: VenueMillis) -> PairOutcome {
        let call = match unified::PlacePair::of(pair, product) {
            Ok(call) => call,
            Err(reject) => return both(Outcome::Rejected(reject)),
        };
        let side = (pair.symbol.clone(), pair.direction);
        let known = self.known().strategies.get(&side).cloned();
        if let Some(strategy) = known {
            let outcome = self.change_strategy(&strategy, pair, not_after).await;
            if !is(&outcome, RejectKind::UnknownOrder) {
                return outcome;
            }
            self.known().strategies.remove(&side);
        }
        let outcome = match self.line.mutate(&call, Need::Protect, not_after).await {
            Ok(heard) => self.interpreter().placed_strategy(&call, heard.sent_at, heard.answer()),
            Err(outcome) => both(outcome),
        };
        if !is(&outcome, RejectKind::AlreadyExists) {
            self.holds(pair, &outcome);
            return outcome;
        }
        // Lists lag: one that is not shown yet is looked for again soon.
        let unseen = || both(rejected(RejectKind::ChangePending, "a strategy is there that is not listed yet"));
        let Ok(listed) = self.pending_plans(Generation::Unified, product, &pair.symbol).await else { return unseen() };
        let stands = |leg: &&OrderReport| {
            leg.direction == pair.direction && leg.service == Service::PositionPlan && leg.status == ReportStatus::New
        };
        let mut there = listed.iter().filter(stands).peekable();
        if there.peek().is_none() {
            return unseen();
        }
        // One that is not ours is left alone (R99): the core has another way to protect the position then.
        match there.find_map(strategy_of) {
            Some(strategy) => self.change_strategy(&strategy, pair, not_after).await,
            None => outcome,
        }
    }

    async fn change_strategy(&self, strategy: &str, pair: &PositionTpsl, not_after: VenueMillis) -> PairOutcome {
        // Both legs are wanted from now on.
        self.known().wants(strategy);
        let call = unified::ModifyPair { strategy: strategy.into(), pair: pair.clone() };
        let outcome = match self.line.mutate(&call, Need::Protect, not_after).await {
            Ok(heard) => self.interpreter().changed_strategy(&call, heard.sent_at, heard.answer()),
            Err(outcome) => both(outcome),
        };
        self.holds(pair, &outcome);
        outcome
    }

    /// Remembers which strategy holds a pair.
    fn holds(&self, pair: &PositionTpsl, outcome: &PairOutcome) {
        let Outcome::Accepted(Ack { report: Some(report) }) = &outcome.stop else { return };
        if let Some(strategy) = strategy_of(report) {
            self.known().strategies.insert((pair.symbol.clone(), pair.direction), strategy);
        }
    }

    /// Looks whether both legs stand as they were asked for. What is seen says more than the answer did; what is not
    /// seen proves nothing, since lists lag, and the answer counts.
    async fn read_back(
        &self,
        generation: Generation,
        product: Product,
        pair: &PositionTpsl,
        outcome: PairOutcome,
    ) -> PairOutcome {
        let listed = tokio::select! {
            biased;
            listed = self.pending_plans(generation, product, &pair.symbol) => listed.ok(),
            () = self.line.clock.sleep(READ_BACK) => None,
        };
        let Some(listed) = listed else { return outcome };
        let seen = |leg: &PairLeg, answered: Outcome| {
            let stands = |row: &&OrderReport| {
                row.id == ReportedId::Ours(leg.id)
                    && row.direction == pair.direction
                    && row.status == ReportStatus::New
                    && row.stated.and_then(|stated| stated.price) == Some(leg.trigger)
            };
            // A definite refusal of this leg is not taken back by a row that looks like it.
            if matches!(answered, Outcome::Rejected(_)) {
                return answered;
            }
            match listed.iter().find(stands) {
                Some(row) => Outcome::Accepted(Ack { report: Some(Box::new(row.clone())) }),
                None if lacks(&listed, &answered) => Outcome::Unknown(Cause::ServerError),
                None => answered,
            }
        };
        PairOutcome { stop: seen(&pair.stop, outcome.stop), target: seen(&pair.target, outcome.target) }
    }

    /// Cancels one leg of a strategy. The venue takes both or none: while the other leg is open and wanted, nothing is
    /// sent, and what is not wanted is remembered until the other leg is not wanted either (R107).
    pub(crate) async fn cancel_leg(&self, order: &OrderRef, product: Product, not_after: VenueMillis) -> Outcome {
        let listed = match self.pending_plans(Generation::Unified, product, &order.symbol).await {
            Ok(listed) => listed,
            Err(error) => return unsent(&error),
        };
        let is_it = |row: &&OrderReport| match &order.venue_id {
            Some(id) => row.venue_id == *id,
            None => row.id == ReportedId::Ours(order.id),
        };
        let Some(leg) = listed.iter().find(is_it) else {
            return rejected(RejectKind::UnknownOrder, "no strategy holds it");
        };
        let Some(strategy) = strategy_of(leg) else {
            return rejected(RejectKind::UnknownOrder, "the strategy is not one of ours");
        };
        let wanted = {
            let mut known = self.known();
            // By the venue's ids: the list may show the ids of an earlier pair.
            known.unwanted.insert(leg.venue_id.clone());
            listed.iter().any(|row| {
                row.status == ReportStatus::New
                    && strategy_of(row).as_ref() == Some(&strategy)
                    && !known.unwanted.contains(&row.venue_id)
            })
        };
        if wanted {
            return rejected(RejectKind::ChangePending, "both legs go together, and the other one is still wanted");
        }
        let call = unified::CancelStrategy { name: unified::StrategyName::Venue(strategy.clone()) };
        let outcome = match self.line.mutate(&call, Need::Protect, not_after).await {
            Ok(heard) => self.interpreter().cancelled_strategy(order, heard.answer()),
            Err(outcome) => outcome,
        };
        if matches!(outcome, Outcome::Accepted(_)) {
            let mut known = self.known();
            known.strategies.retain(|_, held| *held != strategy);
            known.wants(&strategy);
        }
        outcome
    }

    async fn pending_plans(
        &self,
        generation: Generation,
        product: Product,
        symbol: &Symbol,
    ) -> Result<Vec<OrderReport>, kraite_core::exchange::ReadError> {
        Ok(self.open_plans(generation, product, Some(symbol), Need::Protect).await?.rows)
    }
}
