//! Answers of both APIs of Bitget: whatever status and body come, nothing panics, and only what proves a refusal is one.
//!
//! The judge looks the code up field by field and shares nothing with the codec but the list of codes.

use kraite_bitget::codec::calls::{Order, Placement, classic, unified};
use kraite_bitget::codec::{
    Answer, Class, Failure, Generation, Interpreter, Placed, Product, Terms, UsedLimits, balances, classic_setup,
    closed, error_row, fee_rates, generation, key_rights, leverage_set, margin_set, marks, mode_set, positions,
    server_time, setting_set, unified_setup,
};
use kraite_bitget::{Contracts, read_brackets};
use kraite_core::exchange::{
    Direction, Lookup, MarginMode, NewOrder, OrderRef, OrderShape, Outcome, PairLeg, PositionMode, PositionTpsl,
    Purpose, RejectKind, Service, Side, TriggerBy,
};
use kraite_core::id::{Role, VenueOrderId};
use kraite_core::number::{Price, Qty};

use crate::Bytes;
use crate::wire::{Fields, SENT, id, symbol, text_of, within_memory};

/// The gateway's refusal, which needs no code.
const LIMITED: u16 = 429;
/// A request that timed out, said with a 4xx.
const TIMED_OUT: u16 = 408;
/// The code of a success.
const DONE: &str = "00000";
/// What the name of a parameter, or of what is wrong with it, holds.
const NAMES: [&str; 14] = [
    "scale", "ratio", "oid", "price", "force", "side", "coin", "mode", "orderid", "type", "qty", "size", "only",
    "symbol",
];
const BOTH: [Generation; 2] = [Generation::Classic, Generation::Unified];

/// What the codec makes of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Heard {
    /// Of mutations that were the only one of their request.
    outcomes: Vec<Outcome>,
    /// What may be refused inside a success: legs of a batch.
    inside: Vec<Outcome>,
    /// What is refused too where a success lists nothing that was done: a close without a quantity, a plan's cancel.
    listed: [Outcome; 2],
    /// Of questions about one order.
    found: Vec<Option<Lookup>>,
    /// Everything else, as it prints.
    rest: String,
}

/// How an answer becomes that; the tests give some that are wrong.
type Hear = fn(Answer<'_>) -> Heard;

fn entry() -> Order {
    let order = NewOrder {
        id: id(Role::Entry),
        symbol: symbol(),
        side: Side::Buy,
        direction: Direction::Long,
        mode: PositionMode::Hedge,
        purpose: Purpose::Open,
        shape: OrderShape::Market { qty: Qty::from_units(1, 0).unwrap() },
    };
    let terms = Terms { generation: Generation::Classic, product: Product::Usdt, margin: MarginMode::Cross };
    match Placement::of(&order, terms).unwrap() {
        Placement::Regular(order) => order,
        Placement::Plan(_) => panic!("an entry is no plan"),
    }
}

fn pair() -> PositionTpsl {
    let leg =
        |role, price| PairLeg { id: id(role), trigger: Price::from_units(price, 0).unwrap(), by: TriggerBy::Mark };
    PositionTpsl {
        symbol: symbol(),
        direction: Direction::Long,
        mode: PositionMode::Hedge,
        stop: leg(Role::Stop, 1),
        target: leg(Role::Target, 9),
    }
}

fn named(role: Role, service: Service, venue_id: Option<&str>) -> OrderRef {
    OrderRef { symbol: symbol(), service, id: id(role), venue_id: venue_id.map(VenueOrderId::new) }
}

fn hear(answer: Answer<'_>) -> Heard {
    let mut interpreter = Interpreter::new();
    let (entry, pair, product) = (entry(), pair(), Product::Usdt);
    let (regular, plan) =
        (named(Role::Entry, Service::Regular, None), named(Role::Stop, Service::PositionPlan, Some("plan:7")));
    let inside = interpreter.placed_batch(&[entry.clone(), entry.clone()], SENT, answer);
    assert_eq!(inside.len(), 2);
    let listed = [closed(&symbol(), answer), interpreter.cancelled_plan(&plan, answer)];
    let mut outcomes = vec![interpreter.placed_order(&entry, SENT, answer)];
    let changed = unified::ModifyPair { strategy: "7".into(), pair: pair.clone() };
    let pairs = [
        interpreter.placed_pair(&classic::PlacePair::of(&pair, product).unwrap(), SENT, answer),
        interpreter.placed_strategy(&unified::PlacePair::of(&pair, product).unwrap(), SENT, answer),
        interpreter.changed_strategy(&changed, SENT, answer),
    ];
    outcomes.extend(pairs.into_iter().flat_map(|pair| [pair.stop, pair.target]));
    outcomes.extend([interpreter.cancelled(&regular, answer), interpreter.amended(&regular, answer)]);
    outcomes.push(interpreter.cancelled_strategy(&plan, answer));
    outcomes.extend(settings(answer));
    let mut found = Vec::new();
    let mut rest = String::new();
    for generation_of in BOTH {
        found.push(interpreter.looked_up(&regular, generation_of, SENT, answer).ok());
        if let Ok(rows) = interpreter.plans(generation_of, SENT, answer) {
            rest += &format!("{:?}", interpreter.found(&plan, &rows.rows));
        }
        rest += &lists(&mut interpreter, generation_of, answer);
    }
    rest += &single(answer);
    Heard { outcomes, inside, listed, found, rest }
}

fn settings(answer: Answer<'_>) -> [Outcome; 4] {
    let (symbol, product, margin, mode) = (symbol(), Product::Usdt, MarginMode::Cross, PositionMode::Hedge);
    [
        leverage_set(&classic::SetLeverage { symbol: symbol.clone(), product, margin, mode, leverage: 3 }, answer),
        margin_set(&classic::SetMarginMode { symbol, product, margin }, answer),
        mode_set(&classic::SetPositionMode { product, mode }, answer),
        setting_set(answer),
    ]
}

fn lists(interpreter: &mut Interpreter, of: Generation, answer: Answer<'_>) -> String {
    let orders = interpreter.orders(of, SENT, answer);
    if let Ok(orders) = &orders {
        assert!(orders.rows.iter().all(|row| row.executed.is_none_or(|qty| !qty.is_negative())), "{orders:?}");
    }
    let fills = interpreter.fills(of, answer);
    if let Ok(fills) = &fills {
        assert!(fills.rows.iter().all(|fill| fill.trade.qty.is_positive() && fill.trade.price.is_positive()));
    }
    let counted = (orders.map(|rows| rows.rows.len()), fills.map(|fills| fills.rows.len()));
    format!("{counted:?} {:?} {:?} {:?}", positions(of, SENT, answer), balances(of, answer), generation(of, answer))
}

fn single(answer: Answer<'_>) -> String {
    let text = String::from_utf8_lossy(answer.body);
    let rules = (read_brackets(&text).is_ok(), Contracts::read(&text).is_ok());
    let used = UsedLimits::of([("Retry-After", &*text), ("x-mbx-used-remain-limit", &*text)]);
    let account = (classic_setup(answer), unified_setup(&symbol(), Product::Usdt, answer), key_rights(answer));
    format!("{rules:?} {used:?} {account:?} {:?} {:?} {:?}", server_time(answer), marks(answer), fee_rates(answer))
}

/// The code that a body states, read field by field.
fn stated(body: &str) -> Option<String> {
    let code = Fields::of(body)?.get("code")?;
    Some(text_of(code).unwrap_or_else(|| code.get().to_owned()))
}

/// Whether what a body brings is there and has no row.
fn lists_nothing(body: &str) -> bool {
    let Some(data) = Fields::of(body).and_then(|fields| fields.get("data")) else { return false };
    let (mut objects, mut quoted, mut escaped) = (0, false, false);
    for letter in data.get().chars() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            '{' if !quoted => objects += 1,
            _ => {}
        }
    }
    objects == usize::from(data.get().starts_with('{'))
}

/// Whether a code proves that nothing was done; one of them does by the parameter that its words name.
fn proves(code: i64, body: &str) -> bool {
    let named = || NAMES.iter().any(|name| body.to_lowercase().contains(name));
    error_row(code).is_some_and(|row| row.placed != Placed::Maybe || (row.class == Class::ByWords && named()))
}

/// Where the venue is heard at all: what a gateway says with another status proves nothing.
fn is_heard(status: u16) -> bool {
    matches!(status, 200..=299 | 400..=499) && status != TIMED_OUT
}

fn refusal_is_proven(status: u16, body: &str, outcome: &Outcome, said: impl Fn(i64) -> bool) {
    let Outcome::Rejected(reject) = outcome else { return };
    let limited = status == LIMITED && reject.kind == RejectKind::RateLimited;
    let proven = is_heard(status) && proves(reject.code, body) && said(reject.code);
    assert!(limited || proven, "status {status} became {outcome:?}");
}

fn acceptance_is_a_success(answer: Answer<'_>, outcome: &Outcome, code: Option<&str>) {
    if let Outcome::Accepted(ack) = outcome {
        let done = answer.is_2xx() && code == Some(DONE);
        assert!(done || ack.report.is_none(), "status {}, code {code:?} became {outcome:?}", answer.status);
    }
}

fn judge(data: &[u8], hear: Hear) {
    let mut bytes = Bytes::new(data);
    let status = u16::from_le_bytes([bytes.u8(), bytes.u8()]);
    let answer = Answer { status, body: bytes.rest() };
    let heard = within_memory(answer.body.len(), || hear(answer));
    assert_eq!(heard, hear(answer), "the same answer said two things");

    let body = String::from_utf8_lossy(answer.body);
    let code = stated(&body);
    for outcome in &heard.outcomes {
        refusal_is_proven(status, &body, outcome, |said| code.as_ref().is_some_and(|code| code.parse() == Ok(said)));
        acceptance_is_a_success(answer, outcome, code.as_deref());
    }
    let none = answer.is_2xx() && code.as_deref() == Some(DONE) && lists_nothing(&body);
    let by_rows = |outcome: &Outcome| {
        matches!(outcome, Outcome::Rejected(reject)
            if reject.code == 0 && matches!(reject.kind, RejectKind::NoPosition | RejectKind::UnknownOrder))
    };
    for outcome in heard.listed.iter().filter(|outcome| by_rows(outcome)) {
        assert!(none, "status {status} became {outcome:?}");
    }
    for outcome in heard.inside.iter().chain(heard.listed.iter().filter(|outcome| !by_rows(outcome))) {
        refusal_is_proven(status, &body, outcome, |said| body.contains(&said.to_string()));
        acceptance_is_a_success(answer, outcome, code.as_deref());
    }
    for found in heard.found.iter().flatten() {
        assert!(!matches!(found, Lookup::NotFound) || is_heard(status), "status {status} is read as: no such order");
    }
    if !is_heard(status) && status != LIMITED {
        let failure = Failure::of(answer);
        assert!(matches!(failure.outcome(), Outcome::Unknown(_)), "status {status} became {failure:?}");
    }
}

/// Reads any body under any status with everything that reads answers, of both generations.
///
/// # Panics
///
/// When a refusal is not proven by status and listed code, a success is taken for one, the same answer is read in two
/// ways, or reading takes more memory than the body's size explains.
pub fn bitget_body(data: &[u8]) {
    judge(data, hear);
}

/// Whether any order is accepted with a report, refused, or left unknown by an input.
#[cfg(test)]
pub(crate) fn fates(data: &[u8]) -> [bool; 3] {
    let mut bytes = Bytes::new(data);
    let status = u16::from_le_bytes([bytes.u8(), bytes.u8()]);
    let heard = hear(Answer { status, body: bytes.rest() });
    let all = || heard.outcomes.iter().chain(&heard.inside).chain(&heard.listed);
    [
        all().any(|outcome| matches!(outcome, Outcome::Accepted(ack) if ack.report.is_some())),
        all().any(|outcome| matches!(outcome, Outcome::Rejected(_))),
        all().all(|outcome| matches!(outcome, Outcome::Unknown(_))),
    ]
}

#[cfg(test)]
mod tests {
    use kraite_core::exchange::Reject;

    use super::*;

    fn changed(answer: Answer<'_>, wrong: bool, code: i64) -> Heard {
        let mut heard = hear(answer);
        if wrong {
            let refused = Outcome::Rejected(Reject { kind: RejectKind::Other, code, message: "".into() });
            heard.outcomes.iter_mut().for_each(|outcome| *outcome = refused.clone());
        }
        heard
    }

    /// Takes each code for a refusal.
    fn any_code_refuses(answer: Answer<'_>) -> Heard {
        let code = Failure::of(answer).code;
        changed(answer, code > 0 && error_row(code).is_none(), code)
    }

    /// Believes a listed code under a gateway's status.
    fn a_gateway_refuses(answer: Answer<'_>) -> Heard {
        let code = Failure::of(answer).code;
        changed(answer, answer.status >= 500 && proves(code, ""), code)
    }

    /// Takes a success that it cannot read for a refusal.
    fn unreadable_refuses(answer: Answer<'_>) -> Heard {
        changed(answer, answer.is_2xx() && serde_json::from_slice::<serde_json::Value>(answer.body).is_err(), 0)
    }

    /// Takes rows that it does not know for none.
    fn nothing_was_open(answer: Answer<'_>) -> Heard {
        let mut heard = hear(answer);
        if answer.is_2xx() {
            let message = "nothing was open".into();
            heard.listed[0] = Outcome::Rejected(Reject { kind: RejectKind::NoPosition, code: 0, message });
        }
        heard
    }

    /// Takes an order of any status for a missing one.
    fn gone_with_any_status(answer: Answer<'_>) -> Heard {
        let mut heard = hear(answer);
        if answer.status >= 500 {
            heard.found = vec![Some(Lookup::NotFound)];
        }
        heard
    }

    #[test]
    fn mutant_a_codec_that_refuses_without_proof_is_caught() {
        let seeds = crate::tests::seeds_of("bitget_body");
        let wrong: [(&str, Hear); 5] = [
            ("any code", any_code_refuses),
            ("gateway", a_gateway_refuses),
            ("unreadable", unreadable_refuses),
            ("nothing", nothing_was_open),
            ("gone", gone_with_any_status),
        ];
        for (name, hear) in wrong {
            let caught = seeds.iter().any(|(_, seed)| std::panic::catch_unwind(|| judge(seed, hear)).is_err());
            assert!(caught, "{name}");
        }
    }
}
