//! The port of the core, call by call.

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use kraite_core::capabilities::Capabilities;
use kraite_core::exchange::{
    Amend, Balance, Books, Direction, Endpoint, Exchange, KeyRights, Lookup, MarginMode, Mark, NewOrder, OrderRef,
    OrderReport, Outcome, PairOutcome, PositionMode, PositionRef, PositionReport, PositionTpsl, ReadError, Reading,
    RejectKind, StreamEvent,
};
use kraite_core::id::Symbol;
use kraite_core::instrument::{Instrument, LeverageBracket};
use kraite_core::number::Factor;
use kraite_core::time::VenueMillis;
use kraite_wire::client::{account_stream, rejected};

use super::backend::Binance;

#[async_trait]
impl Exchange for Binance {
    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    async fn place(&self, orders: &[NewOrder], not_after: VenueMillis) -> Vec<Outcome> {
        // One is the most frequent, and nothing of many is carried with it.
        match orders {
            [order] => vec![self.0.place_one(order, not_after).await],
            many => Box::pin(self.0.place_many(many, not_after)).await,
        }
    }

    async fn place_position_tpsl(&self, _: &PositionTpsl, _: VenueMillis) -> PairOutcome {
        let refused = || rejected(RejectKind::Other, "this venue takes stop and target one by one");
        PairOutcome { stop: refused(), target: refused() }
    }

    async fn amend(&self, change: &Amend, not_after: VenueMillis) -> Outcome {
        self.0.amend_order(change, not_after).await
    }

    async fn cancel(&self, order: &OrderRef, not_after: VenueMillis) -> Outcome {
        self.0.cancel_order(order, not_after).await
    }

    async fn close_position(&self, position: &PositionRef, not_after: VenueMillis) -> Outcome {
        self.0.close(position, not_after).await
    }

    async fn set_leverage(&self, symbol: &Symbol, leverage: u32, not_after: VenueMillis) -> Outcome {
        self.0.change_leverage(symbol, leverage, not_after).await
    }

    async fn set_margin_mode(&self, symbol: &Symbol, mode: MarginMode, not_after: VenueMillis) -> Outcome {
        self.0.change_margin(symbol, mode, not_after).await
    }

    async fn lookup(&self, order: &OrderRef, endpoint: Endpoint) -> Result<Reading<Lookup>, ReadError> {
        self.0.look_up(order, endpoint).await
    }

    async fn open_orders(&self, symbol: Option<Symbol>) -> Result<Reading<Vec<OrderReport>>, ReadError> {
        self.0.read_open(symbol).await
    }

    async fn positions(&self) -> Result<Reading<Vec<PositionReport>>, ReadError> {
        self.0.read_positions().await
    }

    async fn history(
        &self,
        symbol: &Symbol,
        from: VenueMillis,
        to: VenueMillis,
    ) -> Result<Reading<Vec<OrderReport>>, ReadError> {
        self.0.read_history(symbol, from, to).await
    }

    async fn books(
        &self,
        symbol: &Symbol,
        _: Direction,
        from: VenueMillis,
        to: VenueMillis,
    ) -> Result<Reading<Books>, ReadError> {
        self.0.read_books(symbol, from, to).await
    }

    async fn server_time(&self) -> Result<VenueMillis, ReadError> {
        self.0.read_server_time().await
    }

    async fn instruments(&self) -> Result<Vec<Instrument>, ReadError> {
        self.0.read_instruments().await
    }

    async fn leverage_brackets(&self, symbol: &Symbol) -> Result<Vec<LeverageBracket>, ReadError> {
        self.0.read_brackets_of(symbol).await
    }

    async fn mark_price(&self, symbol: &Symbol) -> Result<Mark, ReadError> {
        self.0.read_mark(symbol).await
    }

    async fn position_mode(&self) -> Result<PositionMode, ReadError> {
        self.0.read_position_mode().await
    }

    async fn balances(&self) -> Result<Vec<Balance>, ReadError> {
        self.0.read_balances().await
    }

    async fn fee_rates(&self, symbol: &Symbol) -> Result<(Factor, Factor), ReadError> {
        self.0.read_fee_rates(symbol).await
    }

    async fn key_rights(&self) -> Result<KeyRights, ReadError> {
        self.0.read_key_rights().await
    }

    async fn account_stream(&self) -> Result<BoxStream<'static, StreamEvent>, ReadError> {
        account_stream(&self.0).await
    }
}
