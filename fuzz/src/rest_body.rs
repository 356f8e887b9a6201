//! Answers of the REST API: whatever status and body come, nothing panics, and only what proves a refusal is one.
//!
//! The judge looks the code up field by field and shares nothing with the codec but the list of codes.

use kraite_binance::codec::{
    Answer, Failure, Interpreter, Placed, SocketReply, UsedLimits, account_balances, balances, error_row, fee_rates,
    key_rights, leverage_set, listen_key, marks, mode_set, position_mode, positions, server_time,
};
use kraite_binance::{ExchangeInfo, read_brackets};
use kraite_core::exchange::{Lookup, OrderReport, Outcome, RejectKind};
use serde_json::value::RawValue;

use crate::Bytes;
use crate::wire::{Fields, SENT, amend, batch, placements, refs, symbol, text_of, within_memory};

/// A gateway's refusals, which need no code.
const REFUSALS: [u16; 2] = [418, 429];
/// Nobody knows, or two texts that say no.
const UNAVAILABLE: u16 = 503;
/// A request that timed out, said with a 4xx.
const TIMED_OUT: u16 = 408;

/// What the codec makes of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Heard {
    /// Of mutations that were the only one of their request.
    outcomes: Vec<Outcome>,
    /// Of the legs of a batch.
    legs: Vec<Outcome>,
    /// Of questions about one order.
    found: Vec<Option<Lookup>>,
    /// Everything else, as it prints.
    rest: String,
}

/// How an answer becomes that; the tests give some that are wrong.
type Hear = fn(Answer<'_>) -> Heard;

fn hear(answer: Answer<'_>) -> Heard {
    let mut interpreter = Interpreter::new();
    let mut outcomes = Vec::new();
    for order in &placements() {
        outcomes.push(interpreter.placed(order, SENT, answer));
    }
    let mut found = Vec::new();
    for order in &refs() {
        outcomes.push(interpreter.cancelled(order, SENT, answer));
        found.push(interpreter.looked_up(order, SENT, answer).ok());
    }
    outcomes.push(interpreter.amended(&amend(), SENT, answer));
    outcomes.push(leverage_set(&symbol(), 3, answer));
    outcomes.push(mode_set(answer));
    let legs = interpreter.placed_batch(&batch(), SENT, answer);
    let rest = [read_lists(&mut interpreter, answer), read_single(answer), read_rules(answer.body)].concat();
    Heard { outcomes, legs, found, rest }
}

fn read_lists(interpreter: &mut Interpreter, answer: Answer<'_>) -> String {
    let orders = interpreter.orders(SENT, answer);
    let algos = interpreter.algos(SENT, answer);
    let fills = interpreter.fills(answer);
    let sane = |report: &OrderReport| report.executed.is_none_or(|qty| !qty.is_negative());
    for rows in [&orders, &algos].into_iter().flatten() {
        assert!(rows.rows.iter().all(sane), "{rows:?}");
    }
    if let Ok(fills) = &fills {
        assert!(fills.rows.iter().all(|fill| fill.trade.qty.is_positive() && fill.trade.price.is_positive()));
    }
    let counted = [orders.map(|rows| rows.rows.len()), algos.map(|rows| rows.rows.len())];
    format!("{counted:?} {:?}", fills.map(|rows| rows.complete))
}

fn read_single(answer: Answer<'_>) -> String {
    let account = (positions(SENT, answer), balances(answer), account_balances(answer));
    let single = (server_time(answer), marks(answer), position_mode(answer), fee_rates(answer), key_rights(answer));
    format!("{account:?} {single:?} {:?} {:?}", listen_key(answer).is_ok(), Failure::of(answer))
}

fn read_rules(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let brackets = read_brackets(&text).map(|brackets| brackets.len());
    let info = ExchangeInfo::read(&text);
    let info = info.map(|info| (info.instruments(None).0.len(), info.rate_limits().len(), info.unreadable().len()));
    let used = UsedLimits::of([("Retry-After", &*text), ("X-MBX-USED-WEIGHT-1M", &*text)]);
    let socket = SocketReply::read(body).map(|reply| (Failure::of(reply.answer()).verdict, reply.used_limits().len()));
    format!("{:?} {:?} {used:?} {socket:?}", brackets.ok(), info.ok())
}

/// The code that a body or a row of it states, read field by field.
fn stated_code(body: &str) -> Option<i64> {
    let code = Fields::of(body)?.get("code")?;
    text_of(code).unwrap_or_else(|| code.get().to_owned()).parse().ok()
}

/// Whether a code proves that nothing was done.
fn proves(code: i64) -> bool {
    error_row(code).is_some_and(|row| row.placed != Placed::Maybe)
}

fn refusal_is_proven(status: u16, outcome: &Outcome, stated: Option<i64>) {
    let Outcome::Rejected(reject) = outcome else { return };
    let limited = reject.kind == RejectKind::RateLimited;
    let proven = match status {
        status if REFUSALS.contains(&status) => limited,
        UNAVAILABLE => limited,
        TIMED_OUT => false,
        400..=499 => proves(reject.code) && stated == Some(reject.code),
        _ => false,
    };
    assert!(proven, "status {status}, code {stated:?} became {outcome:?}");
}

/// A mutation is accepted with a report only by a success, and that is about the order.
fn acceptance_is_a_success(answer: Answer<'_>, outcome: &Outcome) {
    if let Outcome::Accepted(ack) = outcome {
        assert!(answer.is_success() || ack.report.is_none(), "status {} became {outcome:?}", answer.status);
    }
}

fn judge(data: &[u8], hear: Hear) {
    let mut bytes = Bytes::new(data);
    let status = u16::from_le_bytes([bytes.u8(), bytes.u8()]);
    let answer = Answer { status, body: bytes.rest() };
    let heard = within_memory(answer.body.len(), || hear(answer));
    assert_eq!(heard, hear(answer), "the same answer said two things");

    // Bytes that are no text may stand in what is not looked at.
    let body = String::from_utf8_lossy(answer.body);
    let stated = stated_code(&body);
    let rows: Vec<&RawValue> = serde_json::from_str(&body).unwrap_or_default();
    for outcome in &heard.outcomes {
        refusal_is_proven(status, outcome, stated);
        acceptance_is_a_success(answer, outcome);
    }
    assert_eq!(heard.legs.len(), batch().orders().len());
    for (place, leg) in heard.legs.iter().enumerate() {
        let row = rows.get(place).and_then(|row| stated_code(row.get()));
        if answer.is_success() {
            refusal_is_proven(400, leg, row);
        } else {
            refusal_is_proven(status, leg, stated);
        }
        acceptance_is_a_success(answer, leg);
    }
    for found in heard.found.iter().flatten() {
        let missing = matches!(found, Lookup::NotFound);
        let may_miss = (400..500).contains(&status) && stated.is_some_and(proves);
        assert!(!missing || may_miss, "status {status}, code {stated:?} is read as: there is no such order");
    }
}

/// Reads any body under any status with everything that reads answers.
///
/// # Panics
///
/// When a refusal is not proven by status and listed code, a success is taken for one, the same answer is read in two
/// ways, or reading takes more memory than the body's size explains.
pub fn rest_body(data: &[u8]) {
    judge(data, hear);
}

/// Whether any order is accepted with a report, refused, or left unknown by an input.
#[cfg(test)]
pub(crate) fn fates(data: &[u8]) -> [bool; 3] {
    let mut bytes = Bytes::new(data);
    let status = u16::from_le_bytes([bytes.u8(), bytes.u8()]);
    let heard = hear(Answer { status, body: bytes.rest() });
    let all = || heard.outcomes.iter().chain(&heard.legs);
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

    fn refused(code: i64) -> Outcome {
        Outcome::Rejected(Reject { kind: RejectKind::Other, code, message: "".into() })
    }

    fn changed(answer: Answer<'_>, wrong: bool, code: i64) -> Heard {
        let mut heard = hear(answer);
        if wrong {
            heard.outcomes.iter_mut().for_each(|outcome| *outcome = refused(code));
        }
        heard
    }

    /// Takes each 4xx for a refusal.
    fn any_4xx_refuses(answer: Answer<'_>) -> Heard {
        let failure = Failure::of(answer);
        changed(answer, (400..500).contains(&answer.status) && error_row(failure.code).is_none(), failure.code)
    }

    /// Takes a success that it cannot read for a refusal.
    fn unreadable_refuses(answer: Answer<'_>) -> Heard {
        changed(answer, answer.is_success() && serde_json::from_slice::<serde_json::Value>(answer.body).is_err(), 0)
    }

    /// Takes an unknown order of any status for a missing one.
    fn gone_with_any_status(answer: Answer<'_>) -> Heard {
        let mut heard = hear(answer);
        if answer.status >= 500 {
            heard.found = vec![Some(Lookup::NotFound)];
        }
        heard
    }

    /// Keeps a page for each byte.
    fn hoards(answer: Answer<'_>) -> Heard {
        let pages: Vec<Vec<u8>> = answer.body.iter().map(|byte| vec![*byte; 4_096]).collect();
        assert_eq!(pages.len(), answer.body.len());
        hear(answer)
    }

    #[test]
    fn mutant_a_codec_that_refuses_without_proof_or_hoards_is_caught() {
        let seeds = crate::tests::seeds_of("rest_body");
        let wrong: [(&str, Hear); 4] = [
            ("any 4xx", any_4xx_refuses),
            ("unreadable", unreadable_refuses),
            ("gone", gone_with_any_status),
            ("hoards", hoards),
        ];
        for (name, hear) in wrong {
            let caught = seeds.iter().any(|(_, seed)| std::panic::catch_unwind(|| judge(seed, hear)).is_err());
            assert!(caught, "{name}");
        }
    }
}
