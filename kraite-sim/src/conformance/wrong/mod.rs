//! A catalogue of wrong backends: each does everything that the backend inside it does, but for one thing.
//!
//! They are for checking a stage: a kit that lets them pass says nothing about the backend that it judges. None of
//! them is of any other use.

mod reads;
mod stream;
mod writes;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use kraite_core::capabilities::Capabilities;
use kraite_core::exchange::{
    Amend, Balance, Books, Direction, Endpoint, Exchange, KeyRights, Lookup, MarginMode, Mark, NewOrder, OrderRef,
    OrderReport, Outcome, PairOutcome, PositionMode, PositionRef, PositionReport, PositionTpsl, ReadError, Reading,
    StreamEvent,
};
use kraite_core::id::Symbol;
use kraite_core::instrument::{Instrument, LeverageBracket};
use kraite_core::number::{Factor, Price, Qty};
use kraite_core::time::{Millis, VenueMillis};

macro_rules! catalogue {
    ($($name:ident $about:literal,)*) => {
        /// One thing that a backend can get wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Wrong {
            $(#[doc = $about] $name,)*
        }

        impl Wrong {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What is wrong, in a line.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self {
                    $(Self::$name => $about,)*
                }
            }
        }
    };
}

catalogue! {
    RetriesUnknown "Sends an order again whose outcome is unknown.",
    RetriesRefused "Sends an order again that was refused for now.",
    SwallowsServerError "Takes the venue's \"I do not know\" for a refusal.",
    TakesTimeoutForRefusal "Takes a lost answer for a refusal.",
    TakesTimeoutForNotSent "Takes a lost answer for a request that never left.",
    TakesUnknownForAccepted "Takes whatever is unknown for accepted.",
    TakesGarbageForAccepted "Takes an answer that cannot be read for a success.",
    TakesDuplicateForRefusal "Takes a repeated id for a refusal.",
    TakesDuplicateForAccepted "Takes a repeated id for accepted.",
    ReversesOutcomes "Tells the outcomes of several orders from the last to the first.",
    DropsLastOutcome "Tells one outcome too few.",
    RepeatsFirstOutcome "Tells the first outcome for every order.",
    DropsLastOrder "Does not send the last of several orders and tells it as accepted.",
    RefusesAllForOne "Tells all orders as refused where one is.",
    IgnoresNotAfter "Sends whatever the time is.",
    TellsNotSentAndSends "Tells a late order as not sent and sends it.",
    FlipsHedgeDirection "Mixes up the sides of a hedged account.",
    FlipsShortSide "Sells where a short position is to be bought back, and the reverse.",
    RoundsQty "Sends quantities with one decimal.",
    RoundsPrice "Sends prices with one decimal.",
    WatchesLast "Lets stops watch the last price.",
    OpensInsteadOfCloses "Leaves the close-only flag out.",
    ChangesId "Sends orders under the next attempt's id.",
    StopForTarget "Sends a stop where a trigger target is asked for.",
    StopWithQuantity "Sends a stop for one unit where it is to close the whole position.",
    MisnamesRefusals "Tells every refusal as of no particular kind.",
    TakesRefusalForUnknown "Tells refusals as unknown.",
    AcknowledgesAnother "Answers about the next attempt.",
    SwapsLegOutcomes "Tells the stop's outcome for the target, and the reverse.",
    SwapsLegIds "Sends the stop under the target's id, and the reverse.",
    ForgetsOverwrite "Sends the first pair only and tells later ones as accepted.",
    RetriesPair "Sends a pair again whose outcome is unknown.",
    RefusesBothLegs "Tells both legs as refused where one is.",
    AcceptsBothLegs "Tells both legs as accepted where one is.",
    RoundsTriggers "Sends the triggers of a pair without their decimals.",
    NeverAnswers "Does not answer a cancellation.",
    CancelsAll "Cancels every order of the contract.",
    CancelsOldest "Cancels the oldest order of the contract.",
    CancelsNothing "Tells a cancellation as done and sends nothing.",
    TakesGoneForCancelled "Tells a cancellation of what is gone as done.",
    RetriesCancel "Sends a cancellation again whose outcome is unknown.",
    TakesLostCancelForGone "Takes the lost answer to a cancellation for an order that is gone.",
    AmendsNothing "Tells a change as done and sends nothing.",
    AmendsByReplacing "Cancels and places anew where a change is asked for.",
    AmendsRounded "Sends changes with one decimal.",
    AmendRevives "Places an order anew whose change finds it gone.",
    RetriesAmend "Sends a change again whose outcome is unknown.",
    CloseOpens "Closes with an order that may open.",
    LeverageNotSent "Tells a leverage as set and sends nothing.",
    LeverageOff "Sets one more than the leverage asked for.",
    MarginNotSent "Tells a margin mode as set and sends nothing.",
    MarginInverted "Sets cross margin for isolated, and the reverse.",
    MissForEver "Takes not found for never.",
    FailureIsMiss "Takes a failed look-up for not found.",
    FailureIsNoOrders "Takes a failed reading for no open orders.",
    FailureIsFlat "Takes a failed reading for no position.",
    FailureIsNoMoney "Takes a failed reading for an empty account.",
    FailureIsNoHistory "Takes a failed reading for an empty history.",
    FailureIsForGood "Tells a failure that passes as a refusal for good.",
    IgnoresEndpoint "Looks everything up by id, whatever the endpoint.",
    FindsAnother "Finds some other order where there is none.",
    DropsChildren "Leaves out what a trigger order has spawned.",
    StampsTheAnswer "Stamps a reading with the time of its answer.",
    NamesNoEndpoint "Does not say where a reading was taken.",
    AlwaysWhole "Tells every reading as whole.",
    DropsLastRow "Leaves out the last open order.",
    DropsTriggerOrders "Leaves out the open orders of all services but the regular one.",
    IgnoresContract "Tells the open orders of all contracts for those of one.",
    IgnoresWindow "Tells a history from the beginning of time.",
    BooksOfAnyTime "Tells what was booked from the beginning of time.",
    FeesLeftOut "Tells booked trades without their fees.",
    FundingInverted "Tells funding that was paid as received, and the reverse.",
    FailureIsNoBooks "Takes a failed reading for empty books.",
    DropsUnfilled "Leaves out of a history what did not fill.",
    ShortIsLong "Tells every position as long.",
    RoundsPositions "Tells positions with one decimal.",
    HidesStrangers "Leaves out what strangers do.",
    LiquidationIsAStranger "Tells the venue's own orders as a stranger's.",
    ExecutedIsStated "Tells the whole size as executed.",
    CancelledIsExpired "Tells cancelled orders as expired.",
    PartIsFilled "Tells a part as the whole fill.",
    ModeInverted "Tells hedge mode for one-way, and the reverse.",
    FeesSwapped "Tells the maker's fee for the taker's, and the reverse.",
    WalletIsFree "Tells what is free as what there is.",
    ClockBehind "Tells the venue's clock a minute late.",
    MarkRounded "Tells the mark without its decimals.",
    TicksForLots "Tells a tenth of the tick for the tick.",
    TellsSecrets "Repeats the account's secret in what it says of failures.",
    DeclaresMore "Declares larger batches than it has.",
    NeverConnects "Never says that the stream is up.",
    SwallowsReconnects "Does not say that the stream was away.",
    DropsFills "Leaves trades out of the stream.",
    DropsEnds "Leaves the ends of orders out of the stream.",
    StreamsAnotherId "Streams orders under the next attempt's id.",
    TradeIsTotal "Tells what has executed in all as the size of each trade.",
    HidesPositions "Leaves positions out of the stream.",
}

/// The backend inside, with one thing wrong.
#[must_use]
pub fn wrong(inner: Arc<dyn Exchange>, wrong: Wrong) -> Arc<dyn Exchange> {
    let mut capabilities = inner.capabilities().clone();
    if wrong == Wrong::DeclaresMore {
        capabilities.batch_size = capabilities.batch_size.saturating_add(1);
    }
    Arc::new(WrongExchange { inner, wrong, capabilities, pairs: AtomicUsize::new(0) })
}

struct WrongExchange {
    inner: Arc<dyn Exchange>,
    wrong: Wrong,
    capabilities: Capabilities,
    /// How many pairs were asked for.
    pairs: AtomicUsize,
}

/// Long after any time at which a request may still be sent.
fn whenever(not_after: VenueMillis) -> VenueMillis {
    not_after.plus(Millis::from_secs(3_600))
}

/// With so many decimals.
fn cut<T: ToString + std::str::FromStr + Copy>(number: T, decimals: usize) -> T {
    let text = number.to_string();
    let Some((whole, rest)) = text.split_once('.') else { return number };
    let rest: String = rest.chars().take(decimals).collect();
    let text = if rest.is_empty() { whole.to_owned() } else { format!("{whole}.{rest}") };
    text.parse().unwrap_or(number)
}

fn rounded_qty(qty: Qty) -> Qty {
    cut(qty, 1)
}

fn rounded_price(price: Price) -> Price {
    cut(price, 1)
}

#[async_trait]
impl Exchange for WrongExchange {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn place(&self, orders: &[NewOrder], not_after: VenueMillis) -> Vec<Outcome> {
        self.place_wrong(orders, not_after).await
    }

    async fn place_position_tpsl(&self, pair: &PositionTpsl, not_after: VenueMillis) -> PairOutcome {
        self.pair_wrong(pair, not_after).await
    }

    async fn amend(&self, change: &Amend, not_after: VenueMillis) -> Outcome {
        self.amend_wrong(change, not_after).await
    }

    async fn cancel(&self, order: &OrderRef, not_after: VenueMillis) -> Outcome {
        self.cancel_wrong(order, not_after).await
    }

    async fn close_position(&self, position: &PositionRef, not_after: VenueMillis) -> Outcome {
        self.close_wrong(position, not_after).await
    }

    async fn set_leverage(&self, symbol: &Symbol, leverage: u32, not_after: VenueMillis) -> Outcome {
        self.leverage_wrong(symbol, leverage, not_after).await
    }

    async fn set_margin_mode(&self, symbol: &Symbol, mode: MarginMode, not_after: VenueMillis) -> Outcome {
        self.margin_wrong(symbol, mode, not_after).await
    }

    async fn lookup(&self, order: &OrderRef, endpoint: Endpoint) -> Result<Reading<Lookup>, ReadError> {
        self.lookup_wrong(order, endpoint).await
    }

    async fn open_orders(&self, symbol: Option<Symbol>) -> Result<Reading<Vec<OrderReport>>, ReadError> {
        self.open_orders_wrong(symbol).await
    }

    async fn positions(&self) -> Result<Reading<Vec<PositionReport>>, ReadError> {
        self.positions_wrong().await
    }

    async fn history(
        &self,
        symbol: &Symbol,
        from: VenueMillis,
        to: VenueMillis,
    ) -> Result<Reading<Vec<OrderReport>>, ReadError> {
        self.history_wrong(symbol, from, to).await
    }

    async fn books(
        &self,
        symbol: &Symbol,
        direction: Direction,
        from: VenueMillis,
        to: VenueMillis,
    ) -> Result<Reading<Books>, ReadError> {
        self.books_wrong(symbol, direction, from, to).await
    }

    async fn server_time(&self) -> Result<VenueMillis, ReadError> {
        let late = if self.wrong == Wrong::ClockBehind { Millis::from_secs(60) } else { Millis(0) };
        Ok(self.inner.server_time().await?.minus(late))
    }

    async fn instruments(&self) -> Result<Vec<Instrument>, ReadError> {
        self.instruments_wrong().await
    }

    async fn leverage_brackets(&self, symbol: &Symbol) -> Result<Vec<LeverageBracket>, ReadError> {
        self.inner.leverage_brackets(symbol).await
    }

    async fn mark_price(&self, symbol: &Symbol) -> Result<Mark, ReadError> {
        let mut mark = self.inner.mark_price(symbol).await?;
        if self.wrong == Wrong::MarkRounded {
            mark.price = cut(mark.price, 0);
        }
        Ok(mark)
    }

    async fn position_mode(&self) -> Result<PositionMode, ReadError> {
        let mode = self.inner.position_mode().await?;
        Ok(match (self.wrong, mode) {
            (Wrong::ModeInverted, PositionMode::OneWay) => PositionMode::Hedge,
            (Wrong::ModeInverted, PositionMode::Hedge) => PositionMode::OneWay,
            _ => mode,
        })
    }

    async fn balances(&self) -> Result<Vec<Balance>, ReadError> {
        self.balances_wrong().await
    }

    async fn fee_rates(&self, symbol: &Symbol) -> Result<(Factor, Factor), ReadError> {
        let (maker, taker) = self.inner.fee_rates(symbol).await?;
        Ok(if self.wrong == Wrong::FeesSwapped { (taker, maker) } else { (maker, taker) })
    }

    async fn key_rights(&self) -> Result<KeyRights, ReadError> {
        self.inner.key_rights().await
    }

    async fn account_stream(&self) -> Result<BoxStream<'static, StreamEvent>, ReadError> {
        Ok(stream::wrong(self.inner.account_stream().await?, self.wrong))
    }
}
