//! From answers to the outcomes of requests that may have changed something.
//!
//! A success is believed only as far as it can be read and is about what was asked (R21). Where it cannot, the
//! outcome is unknown, never a refusal; where it can but leaves something out, it is accepted without a report (R15).

use kraite_core::exchange::{Ack, Amend, Cause, MarginMode, OrderRef, OrderReport, Outcome, Service};
use kraite_core::id::{ClientOrderId, Symbol};
use kraite_core::time::VenueMillis;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::calls::{PlaceAlgo, PlaceBatch, PlaceOrder, Placement};
use super::failure::{Answer, Failure};
use super::ids::OrderName;
use super::interpret::{Asked, Interpreter, Unmapped};
use super::plain;
use super::reply::{AlgoReply, CodeReply, LeverageReply, OrderReply};

/// What a success has to hold to be about the order that was asked for.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    symbol: &'a Symbol,
    client: Option<ClientOrderId>,
    number: Option<i64>,
}

impl<'a> Wanted<'a> {
    const fn placed(symbol: &'a Symbol, client: Option<ClientOrderId>) -> Self {
        Self { symbol, client, number: None }
    }

    fn named(order: &'a OrderRef) -> Self {
        let (client, number) = match OrderName::of(order) {
            OrderName::Venue(number) => (None, Some(number)),
            OrderName::Client(client) => (Some(client), None),
        };
        Self { symbol: &order.symbol, client, number }
    }

    /// True where the answer names an order, and no other than this one.
    fn is(self, number: Option<i64>, client: Option<&str>, symbol: Option<&str>) -> bool {
        let same_number = self.number.is_none_or(|wanted| number.is_none_or(|number| number == wanted));
        let same_client = self.client.is_none_or(|wanted| client.is_none_or(|client| wanted.is_written(client)));
        let same_symbol = symbol.is_none_or(|symbol| symbol == self.symbol.as_str());
        (number.is_some() || client.is_some()) && same_number && same_client && same_symbol
    }

    fn is_order(self, reply: &OrderReply) -> bool {
        self.is(reply.order_id, reply.client_order_id.as_deref(), reply.symbol.as_deref())
    }

    fn is_algo(self, reply: &AlgoReply) -> bool {
        self.is(reply.algo_id, reply.client_algo_id.as_deref(), reply.symbol.as_deref())
    }
}

const UNDECODABLE: Outcome = Outcome::Unknown(Cause::Undecodable);

fn accepted(report: Result<OrderReport, Unmapped>) -> Outcome {
    Outcome::Accepted(Ack { report: report.ok().map(Box::new) })
}

/// The body of a success; an outcome where there is none.
fn success<'a, T: Deserialize<'a>>(answer: Answer<'a>) -> Result<T, Outcome> {
    if !answer.is_success() {
        return Err(Failure::of(answer).outcome());
    }
    serde_json::from_slice(answer.body).map_err(|_| UNDECODABLE)
}

/// [`success`] of what names one regular order.
fn order_reply(answer: Answer<'_>) -> Result<OrderReply, Outcome> {
    let text = std::str::from_utf8(answer.body).ok().filter(|_| answer.is_success());
    text.and_then(plain::order_reply).map_or_else(|| success(answer), Ok)
}

impl Interpreter {
    /// What became of a placed order.
    pub fn placed(&mut self, order: &Placement, sent_at: VenueMillis, answer: Answer<'_>) -> Outcome {
        match order {
            Placement::Regular(order) => self.placed_order(order, sent_at, answer),
            Placement::Algo(order) => self.placed_algo(order, sent_at, answer),
        }
    }

    /// What became of a placed regular order.
    pub fn placed_order(&self, order: &PlaceOrder, sent_at: VenueMillis, answer: Answer<'_>) -> Outcome {
        match order_reply(answer) {
            Ok(reply) => self.accept_order(order, sent_at, &reply),
            Err(outcome) => outcome,
        }
    }

    fn accept_order(&self, order: &PlaceOrder, sent_at: VenueMillis, reply: &OrderReply) -> Outcome {
        if !Wanted::placed(&order.symbol, order.id).is_order(reply) {
            return UNDECODABLE;
        }
        let asked = Asked {
            symbol: Some(&order.symbol),
            id: order.id,
            side: Some(order.side),
            direction: Some(order.direction),
            sent_at,
        };
        accepted(self.order(reply, asked))
    }

    /// What became of each order of a batch, in order: always as many as were sent.
    pub fn placed_batch(&self, batch: &PlaceBatch, sent_at: VenueMillis, answer: Answer<'_>) -> Vec<Outcome> {
        let orders = batch.orders();
        let rows: Vec<&RawValue> = match success(answer) {
            Ok(rows) => rows,
            Err(outcome) => return vec![outcome; orders.len()],
        };
        if rows.len() != orders.len() {
            return vec![UNDECODABLE; orders.len()];
        }
        let leg = |order: &PlaceOrder, row: &RawValue| {
            let Ok(head) = serde_json::from_str::<CodeReply>(row.get()) else { return UNDECODABLE };
            if let Some(code) = head.code.filter(|code| *code != 200) {
                return Failure::embedded(code, head.msg.as_deref().unwrap_or_default()).outcome();
            }
            match serde_json::from_str(row.get()) {
                Ok(reply) => self.accept_order(order, sent_at, &reply),
                Err(_) => UNDECODABLE,
            }
        };
        orders.iter().zip(rows).map(|(order, row)| leg(order, row)).collect()
    }

    /// What became of a placed conditional order.
    pub fn placed_algo(&mut self, order: &PlaceAlgo, sent_at: VenueMillis, answer: Answer<'_>) -> Outcome {
        let reply: AlgoReply = match success(answer) {
            Ok(reply) => reply,
            Err(outcome) => return outcome,
        };
        if !Wanted::placed(&order.symbol, Some(order.id)).is_algo(&reply) {
            return UNDECODABLE;
        }
        let asked = Asked {
            symbol: Some(&order.symbol),
            id: Some(order.id),
            side: Some(order.side),
            direction: Some(order.direction),
            sent_at,
        };
        accepted(self.algo(&reply, asked).map(|reports| reports.order))
    }

    /// What became of a change.
    pub fn amended(&self, change: &Amend, sent_at: VenueMillis, answer: Answer<'_>) -> Outcome {
        let reply = match order_reply(answer) {
            Ok(reply) => reply,
            Err(outcome) => return outcome,
        };
        if !Wanted::named(&change.order).is_order(&reply) {
            return UNDECODABLE;
        }
        let asked = Asked {
            symbol: Some(&change.order.symbol),
            id: Some(change.order.id),
            side: Some(change.side),
            direction: None,
            sent_at,
        };
        accepted(self.order(&reply, asked))
    }

    /// What became of a cancellation. Accepted says that the venue took it; only a report says what the order came to.
    pub fn cancelled(&mut self, order: &OrderRef, sent_at: VenueMillis, answer: Answer<'_>) -> Outcome {
        let asked = Asked { symbol: Some(&order.symbol), id: Some(order.id), side: None, direction: None, sent_at };
        let wanted = Wanted::named(order);
        if order.service != Service::Conditional {
            return match order_reply(answer) {
                Ok(reply) if wanted.is_order(&reply) => accepted(self.order(&reply, asked)),
                Ok(_) => UNDECODABLE,
                Err(outcome) => outcome,
            };
        }
        match success::<AlgoReply>(answer) {
            Ok(reply) if reply.code.is_some_and(|code| code != 200) => UNDECODABLE,
            Ok(reply) if wanted.is_algo(&reply) => accepted(self.algo(&reply, asked).map(|reports| reports.order)),
            Ok(_) => UNDECODABLE,
            Err(outcome) => outcome,
        }
    }
}

/// What became of a change of the leverage: the reply has to show what was asked for (R35).
#[must_use]
pub fn leverage_set(symbol: &Symbol, leverage: u32, answer: Answer<'_>) -> Outcome {
    match success::<LeverageReply>(answer) {
        Ok(reply)
            if reply.leverage == Some(i64::from(leverage))
                && reply.symbol.as_deref().is_none_or(|of| of == symbol.as_str()) =>
        {
            Outcome::Accepted(Ack::default())
        }
        Ok(_) => UNDECODABLE,
        Err(outcome) => outcome,
    }
}

/// What became of a change of margin type or position mode; already so is accepted.
#[must_use]
pub fn mode_set(answer: Answer<'_>) -> Outcome {
    match success::<CodeReply>(answer) {
        Ok(CodeReply { code: Some(200), .. }) => Outcome::Accepted(Ack::default()),
        Ok(_) => UNDECODABLE,
        Err(outcome) => outcome,
    }
}

/// The venue's word for a margin mode; `None` for one that is not known.
#[must_use]
pub fn margin_mode_of(word: &str) -> Option<MarginMode> {
    if word.eq_ignore_ascii_case("cross") || word.eq_ignore_ascii_case("crossed") {
        Some(MarginMode::Cross)
    } else if word.eq_ignore_ascii_case("isolated") {
        Some(MarginMode::Isolated)
    } else {
        None
    }
}
