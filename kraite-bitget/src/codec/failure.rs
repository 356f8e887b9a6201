//! What an answer that is no success means: status, code and message together (R7, R21).
//!
//! The envelope in the body decides, not the status: errors come with 200 and with 400. Only a listed code under a
//! 2xx or 4xx proves anything, and 429 is a refusal of the gateway. Everything else is unknown.

use compact_str::{CompactString, format_compact};
use kraite_core::exchange::{Ack, Cause, Outcome, ReadError, Reject, RejectKind};
use kraite_core::time::Millis;
pub(crate) use kraite_wire::{Quiet, Scope, Verdict};
use serde::Deserialize;

use super::errors::{Class, ErrorRow, error_row};
use super::scalar;
use super::terms::Generation;

/// The most characters of the venue's words that are kept.
const MAX_MESSAGE: usize = 200;
/// A limit of one endpoint clears in about a second.
const LIMIT_PAUSE: Millis = Millis::from_secs(1);
/// The wait after a 429, which does not say whether it is that of an endpoint or of the address.
const GATEWAY_PAUSE: Millis = Millis::from_secs(2);
/// How long the limit of the address lasts, for the caller who sees 429 on several endpoints in a row.
pub const ADDRESS_PAUSE: Millis = Millis::from_secs(300);

/// Parameters that a 40808 may name; it is a plain refusal then.
const PARAMETERS: &[&str] = &[
    "callbackratio",
    "clientoid",
    "executeprice",
    "force",
    "holdside",
    "margincoin",
    "marginmode",
    "orderid",
    "ordertype",
    "plantype",
    "price",
    "producttype",
    "qty",
    "reduceonly",
    "side",
    "size",
    "stoplosstriggerprice",
    "stopsurplustriggerprice",
    "symbol",
    "tradeside",
    "triggerprice",
    "triggertype",
];

/// An answer as it came from the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: &'a [u8],
}

impl Answer<'_> {
    /// True for 2xx; whether it is a success is for the envelope to say (R21).
    #[must_use]
    pub const fn is_2xx(&self) -> bool {
        self.status >= 200 && self.status < 300
    }
}

/// A failed request, understood.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Failure {
    /// What it means.
    pub verdict: Verdict,
    /// The venue's code; 0 where the answer has none.
    pub code: i64,
    /// The venue's words, cut, for humans only.
    pub message: CompactString,
    /// Whether to be quiet for a while.
    pub quiet: Option<Quiet>,
}

#[derive(Deserialize)]
struct Body {
    #[serde(default, deserialize_with = "scalar::whole")]
    code: Option<i64>,
    #[serde(default, deserialize_with = "scalar::text")]
    msg: Option<CompactString>,
}

impl Failure {
    /// Understands an answer that is no success.
    #[must_use]
    pub fn of(answer: Answer<'_>) -> Self {
        let body: Option<Body> = serde_json::from_slice(answer.body).ok();
        let Some((code, msg)) = body.and_then(|body| Some((body.code?, body.msg))) else {
            // A page of a proxy may show the request with its key: it is judged, and not repeated.
            let (status, bytes) = (answer.status, answer.body.len());
            let said = format_compact!("status {status}, {bytes} bytes that are no answer of this API");
            return Self::decide(status, None, said);
        };
        Self::decide(answer.status, Some(code), cut(msg.as_deref().unwrap_or_default()))
    }

    /// Understands an error that stands inside a success, as one element of a batch, or in a frame.
    #[must_use]
    pub fn embedded(code: Option<i64>, message: &str) -> Self {
        Self::decide(200, Some(code.unwrap_or(-1)), cut(message))
    }

    /// An answer that claims success and cannot be read: whatever was asked may have happened.
    #[must_use]
    pub fn undecodable(why: &str) -> Self {
        Self { verdict: Verdict::Unknown(Cause::Undecodable), code: 0, message: cut(why), quiet: None }
    }

    fn decide(status: u16, code: Option<i64>, message: CompactString) -> Self {
        let verdict = match (status, code) {
            (429, _) => Verdict::RateLimited,
            (408, _) => Verdict::Unknown(Cause::Timeout),
            // Success claimed by one half of the answer, or no half that can be read.
            (200..=299 | 400..=499, None | Some(0)) => Verdict::Unknown(Cause::Undecodable),
            (200..=299 | 400..=499, Some(code)) => match error_row(code) {
                Some(row) => by_row(row, &message.to_lowercase()),
                None => Verdict::Unknown(Cause::ServerError),
            },
            _ => Verdict::Unknown(Cause::ServerError),
        };
        let quiet = (verdict == Verdict::RateLimited).then_some(match (status, code) {
            (429, _) | (_, Some(429)) => Quiet { scope: Scope::Address, pause: GATEWAY_PAUSE, until: None },
            _ => Quiet { scope: Scope::Account, pause: LIMIT_PAUSE, until: None },
        });
        Self { verdict, code: code.unwrap_or(0), message, quiet }
    }

    /// The row of its code, if that is listed.
    #[must_use]
    pub fn row(&self) -> Option<&'static ErrorRow> {
        error_row(self.code)
    }

    /// The generation that the account belongs to, where this refusal says that it is not the one that was asked: stop,
    /// find out anew, reconcile everything (R106).
    #[must_use]
    pub const fn belongs_to(&self) -> Option<Generation> {
        match self.code {
            40_085 => Some(Generation::Unified),
            40_084 | 25_245 => Some(Generation::Classic),
            _ => None,
        }
    }

    /// True where a *close* was refused because nothing is open: one reading that says flat (R110). Of stop and target
    /// the same words say nothing, since a position is not visible to them right after its fill.
    #[must_use]
    pub fn says_flat(&self) -> bool {
        matches!(self.verdict, Verdict::Rejected(_)) && self.row().is_some_and(|row| row.class == Class::NoPosition)
    }

    fn reject(&self, kind: RejectKind) -> Outcome {
        Outcome::Rejected(Reject { kind, code: self.code, message: self.message.clone() })
    }

    /// The outcome of a request that may have changed something (4a.9).
    ///
    /// `NoChange` is accepted without a report: what is there is still to be read back (R14).
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self.verdict {
            Verdict::Rejected(kind) => self.reject(kind),
            Verdict::Unknown(cause) => Outcome::Unknown(cause),
            Verdict::DuplicateId => Outcome::Unknown(Cause::DuplicateId),
            Verdict::NotFound => self.reject(RejectKind::UnknownOrder),
            Verdict::RateLimited => self.reject(RejectKind::RateLimited),
            Verdict::ClockSkew => self.reject(RejectKind::ClockSkew),
            Verdict::NoChange => Outcome::Accepted(Ack::default()),
        }
    }

    /// Why a read gave nothing.
    #[must_use]
    pub fn read_error(&self) -> ReadError {
        let said = || CompactString::from(format!("{} {}", self.code, self.message));
        match self.verdict {
            Verdict::RateLimited => ReadError::RateLimited(self.quiet.map_or(LIMIT_PAUSE, |quiet| quiet.pause)),
            Verdict::Unknown(Cause::Undecodable) => ReadError::Undecodable(said()),
            Verdict::Unknown(_) | Verdict::ClockSkew => ReadError::NoAnswer(said()),
            Verdict::Rejected(_) | Verdict::DuplicateId | Verdict::NotFound | Verdict::NoChange => {
                ReadError::Refused(said())
            }
        }
    }
}

/// What a listed code means.
fn by_row(row: &ErrorRow, lower: &str) -> Verdict {
    Verdict::Rejected(match row.class {
        Class::UnknownOutcome => return Verdict::Unknown(Cause::ServerError),
        Class::TimedOut => return Verdict::Unknown(Cause::Timeout),
        Class::ByWords => return by_words(lower),
        Class::RateLimited => return Verdict::RateLimited,
        Class::ClockSkew => return Verdict::ClockSkew,
        Class::Noop => return Verdict::NoChange,
        Class::DuplicateId => return Verdict::DuplicateId,
        Class::OrderNotFound | Class::OrderFinal => return Verdict::NotFound,
        Class::Auth
        | Class::Generation
        | Class::ModeMismatch
        | Class::SymbolState
        | Class::AccountState
        | Class::ConfigBlocked => RejectKind::Account,
        Class::FilterPrecision | Class::MinNotional | Class::MaxSize => RejectKind::Filter,
        Class::FilterPercentPrice => RejectKind::PriceBand,
        Class::InsufficientMargin => RejectKind::Margin,
        Class::WouldTrigger => RejectKind::WouldTrigger,
        Class::ReduceOnlyRejected => RejectKind::ReduceOnly,
        Class::LimitReached => RejectKind::OrderLimit,
        Class::PlanExists => RejectKind::AlreadyExists,
        Class::Pending => RejectKind::ChangePending,
        Class::NoPosition | Class::PositionNotYet => RejectKind::NoPosition,
        Class::TransientSafe | Class::DefinitelyRejected | Class::ModifyRejected => RejectKind::Other,
    })
}

/// 40808: a parameter was checked and refused where it is named, else a release is under way and nobody knows.
fn by_words(lower: &str) -> Verdict {
    if lower.contains("scale") {
        return Verdict::Rejected(RejectKind::Filter);
    }
    let mut words = lower.split(|c: char| !c.is_ascii_alphanumeric());
    if words.any(|word| PARAMETERS.contains(&word)) {
        return Verdict::Rejected(RejectKind::Other);
    }
    Verdict::Unknown(Cause::ServerError)
}

pub(crate) fn cut(text: &str) -> CompactString {
    text.chars().take(MAX_MESSAGE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> Failure {
        Failure::of(Answer { status, body: body.as_bytes() })
    }

    fn said(code: &str, msg: &str) -> String {
        format!(r#"{{"code":"{code}","msg":"{msg}","requestTime":1,"data":null}}"#)
    }

    #[test]
    fn r21_the_envelope_decides_whatever_the_status() {
        let margin = said("40754", "balance not enough");
        for status in [200, 400, 404] {
            assert_eq!(of(status, &margin).verdict, Verdict::Rejected(RejectKind::Margin), "{status}");
        }
        for status in [301, 500, 502, 503, 504] {
            assert!(matches!(of(status, &margin).verdict, Verdict::Unknown(_)), "{status}");
        }
        assert_eq!(of(408, &margin).verdict, Verdict::Unknown(Cause::Timeout));
        assert_eq!(of(400, &said("39999", "new")).verdict, Verdict::Unknown(Cause::ServerError));
        for body in ["", "{}", "<html>", "null", r#"{"msg":"x"}"#, r#"{"code":"x"}"#, r#"{"code":""}"#] {
            for status in [200, 400, 403] {
                assert_eq!(of(status, body).verdict, Verdict::Unknown(Cause::Undecodable), "{status} {body}");
            }
        }
        // A refusal that says success.
        assert_eq!(of(400, &said("00000", "success")).verdict, Verdict::Unknown(Cause::Undecodable));
        assert_eq!(of(400, &said("00171", "x")).verdict, Verdict::Rejected(RejectKind::Other));
    }

    #[test]
    fn r07_40808_is_split_by_its_words() {
        let of = |msg: &str| of(400, &said("40808", msg)).verdict;
        let scale = "Parameter verification exception size checkBDScale error value=26.123456 checkScale=5";
        assert_eq!(of(scale), Verdict::Rejected(RejectKind::Filter));
        assert_eq!(of("Parameter verification exception holdSide"), Verdict::Rejected(RejectKind::Other));
        assert_eq!(of("Parameter verification exception"), Verdict::Unknown(Cause::ServerError));
        assert_eq!(of(""), Verdict::Unknown(Cause::ServerError));
    }

    #[test]
    fn b10_limits_stop_the_right_scope() {
        for body in ["", "too many", &said("429", "Too Many Requests")] {
            let failure = of(429, body);
            assert_eq!(failure.quiet, Some(Quiet { scope: Scope::Address, pause: GATEWAY_PAUSE, until: None }));
            assert!(matches!(failure.outcome(), Outcome::Rejected(reject) if reject.kind == RejectKind::RateLimited));
            assert_eq!(failure.read_error(), ReadError::RateLimited(GATEWAY_PAUSE));
        }
        assert_eq!(
            of(400, &said("25004", "x")).quiet,
            Some(Quiet { scope: Scope::Account, pause: LIMIT_PAUSE, until: None })
        );
        assert_eq!(of(400, &said("429", "x")).quiet.unwrap().scope, Scope::Address);
        assert_eq!(of(400, &said("40754", "x")).quiet, None);
    }

    #[test]
    fn b08_r12_a_duplicate_means_that_one_exists() {
        for code in ["40786", "25212"] {
            assert_eq!(of(400, &said(code, "duplicate")).outcome(), Outcome::Unknown(Cause::DuplicateId), "{code}");
        }
        assert!(
            matches!(of(400, &said("22001", "no order")).outcome(), Outcome::Rejected(r) if r.kind == RejectKind::UnknownOrder)
        );
    }

    #[test]
    fn r14_no_change_is_accepted_without_a_report() {
        for code in ["40923", "25600", "45054"] {
            assert_eq!(of(400, &said(code, "same")).outcome(), Outcome::Accepted(Ack::default()));
        }
    }

    #[test]
    fn r87_r110_a_plan_that_sees_no_position_is_refused_for_now_and_says_nothing_about_flatness() {
        for code in ["43023", "40891", "25601", "45068", "31008", "40837"] {
            let failure = of(400, &said(code, "no position"));
            assert!(!failure.says_flat(), "{code}");
            match failure.outcome() {
                Outcome::Rejected(reject) => assert!(reject.kind.is_retryable(), "{code}"),
                other => panic!("{other:?}"),
            }
        }
        for code in ["22002", "25227"] {
            let failure = of(400, &said(code, "no position to close"));
            assert!(failure.says_flat(), "{code}");
            assert!(matches!(failure.outcome(), Outcome::Rejected(reject) if reject.kind.is_retryable()));
            assert!(!of(500, &said(code, "x")).says_flat(), "{code}");
        }
    }

    #[test]
    fn r106_the_other_generation_is_named() {
        assert_eq!(of(400, &said("40085", "x")).belongs_to(), Some(Generation::Unified));
        assert_eq!(of(400, &said("40084", "x")).belongs_to(), Some(Generation::Classic));
        assert_eq!(of(400, &said("25245", "x")).belongs_to(), Some(Generation::Classic));
        assert_eq!(of(400, &said("40006", "x")).belongs_to(), None);
    }

    #[test]
    fn r109_a_page_that_shows_our_key_is_not_repeated() {
        for status in [200, 400, 403, 429, 500, 503] {
            for body in ["<html>ACCESS-KEY: canary</html>", r#"{"msg":"canary"}"#, "canary", "[\"canary\"]"] {
                let failure = of(status, body);
                let shown = format!("{failure:?} {:?} {:?}", failure.outcome(), failure.read_error());
                assert!(!shown.contains("canary"), "{shown}");
            }
        }
    }

    #[test]
    fn long_words_are_cut_and_odd_bytes_harmless() {
        assert_eq!(of(400, &said("40019", &"é".repeat(5_000))).message.chars().count(), MAX_MESSAGE);
        assert!(Failure::of(Answer { status: 400, body: &[0xff; 900] }).message.chars().count() <= MAX_MESSAGE);
    }
}
