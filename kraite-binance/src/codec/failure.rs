//! What an answer that is no success means: status, code and message together (R7).
//!
//! Only a 4xx with a listed code proves that nothing was executed; 429 and 418 are refusals of the gateway; of the
//! three 503 texts that the venue calls a failure, two are believed. Everything else is unknown.

use compact_str::{CompactString, format_compact};
use kraite_core::exchange::{Ack, Cause, Outcome, ReadError, Reject, RejectKind};
use kraite_core::time::{Millis, VenueMillis};
pub(crate) use kraite_wire::{Quiet, Scope, Verdict};
use serde::Deserialize;

use super::errors::{Class, ErrorRow, Placed, error_row};
use super::scalar;

/// The most characters of the venue's words that are kept.
const MAX_MESSAGE: usize = 200;
/// A broken limit is over after the minute it counts.
const LIMIT_PAUSE: Millis = Millis::from_secs(60);
/// The shortest ban.
const BAN_PAUSE: Millis = Millis::from_secs(120);
/// The first wait after "overloaded"; the caller doubles it.
const OVERLOAD_PAUSE: Millis = Millis(200);

/// 503: sent on, and no answer in time.
const TEXT_UNKNOWN: &str = "unknown error, please check your request or try again later.";
/// 503: nothing was done. Exactly this, since any proxy says something like it.
const TEXT_UNAVAILABLE: &str = "service unavailable.";
/// 503 with -1008: nothing was done.
const TEXT_THROTTLED: &str = "request throttled by system-level protection";

/// An answer as it came from the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The HTTP status, or that of a WebSocket API reply.
    pub status: u16,
    /// The whole body.
    pub body: &'a [u8],
}

impl Answer<'_> {
    /// True for 2xx. Whether the body then holds what was expected is another question (R21).
    #[must_use]
    pub const fn is_success(&self) -> bool {
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
        let code = body.as_ref().and_then(|body| body.code);
        let text = match body.and_then(|body| body.msg) {
            Some(message) => message,
            None => String::from_utf8_lossy(answer.body.get(..MAX_MESSAGE).unwrap_or(answer.body)).as_ref().into(),
        };
        let is_the_venues = code.is_some() || text.trim().eq_ignore_ascii_case(TEXT_UNAVAILABLE);
        let mut failure = Self::decide(answer.status, code, cut(&text));
        if !is_the_venues {
            // A page of a proxy may show the request with its key: it is judged, and not repeated.
            let (status, bytes) = (answer.status, answer.body.len());
            failure.message = format_compact!("status {status}, {bytes} bytes that are no answer of this API");
        }
        failure
    }

    /// Understands an error that stands inside a success, as one element of a batch.
    #[must_use]
    pub fn embedded(code: i64, message: &str) -> Self {
        Self::decide(400, Some(code), cut(message))
    }

    /// An answer that claims success and cannot be read: whatever was asked may have happened.
    #[must_use]
    pub fn undecodable(why: &str) -> Self {
        Self { verdict: Verdict::Unknown(Cause::Undecodable), code: 0, message: cut(why), quiet: None }
    }

    fn decide(status: u16, code: Option<i64>, message: CompactString) -> Self {
        let listed = code.and_then(error_row);
        let lower = message.trim().to_lowercase();
        let verdict = match status {
            418 | 429 => Verdict::RateLimited,
            408 => Verdict::Unknown(Cause::Timeout),
            503 => unavailable(code, &lower),
            400..=499 => match listed {
                Some(row) => by_row(row, &lower),
                None if code.is_none() => Verdict::Unknown(Cause::Undecodable),
                None => Verdict::Unknown(Cause::ServerError),
            },
            _ if code == Some(-1007) => Verdict::Unknown(Cause::Timeout),
            _ => Verdict::Unknown(Cause::ServerError),
        };
        let quiet = quiet(status, code, verdict, &lower);
        Self { verdict, code: code.unwrap_or(0), message, quiet }
    }

    /// The row of its code, if that is listed.
    #[must_use]
    pub fn row(&self) -> Option<&'static ErrorRow> {
        error_row(self.code)
    }

    /// True where the listen key is gone: make a new one and open the stream anew.
    #[must_use]
    pub fn is_listen_key(&self) -> bool {
        self.row().is_some_and(|row| row.class == Class::ListenKey)
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
            Verdict::RateLimited => ReadError::RateLimited(self.quiet.map_or(OVERLOAD_PAUSE, |quiet| quiet.pause)),
            Verdict::Unknown(Cause::Undecodable) => ReadError::Undecodable(said()),
            Verdict::Unknown(_) | Verdict::ClockSkew => ReadError::NoAnswer(said()),
            Verdict::Rejected(_) | Verdict::DuplicateId | Verdict::NotFound | Verdict::NoChange => {
                ReadError::Refused(said())
            }
        }
    }
}

/// The meanings of 503, told apart by its text.
///
/// "Internal error; unable to process your request" (-1001) is called a failure by the venue, with the advice to look
/// before sending again: that is what "unknown" leads to.
fn unavailable(code: Option<i64>, lower: &str) -> Verdict {
    if lower == TEXT_UNKNOWN {
        Verdict::Unknown(Cause::ServerError)
    } else if lower == TEXT_UNAVAILABLE || code == Some(-1008) || lower.starts_with(TEXT_THROTTLED) {
        Verdict::RateLimited
    } else if code == Some(-1007) {
        Verdict::Unknown(Cause::Timeout)
    } else {
        Verdict::Unknown(Cause::ServerError)
    }
}

/// What a 4xx with a listed code means.
fn by_row(row: &ErrorRow, lower: &str) -> Verdict {
    // Where the code says more, or less, than its class.
    match row.code {
        -1007 => return Verdict::Unknown(Cause::Timeout),
        -1001 => return Verdict::Unknown(Cause::ServerError),
        -1008 | -1016 => return Verdict::RateLimited,
        -2010 if lower.contains("duplicate") => return Verdict::DuplicateId,
        -4130 => return Verdict::Rejected(RejectKind::AlreadyExists),
        _ => {}
    }
    if row.placed == Placed::Maybe {
        return Verdict::Unknown(Cause::ServerError);
    }
    Verdict::Rejected(match row.class {
        Class::UnknownOutcome => return Verdict::Unknown(Cause::ServerError),
        Class::RateLimited => return Verdict::RateLimited,
        Class::ClockSkew => return Verdict::ClockSkew,
        Class::Noop => return Verdict::NoChange,
        Class::DuplicateId => return Verdict::DuplicateId,
        Class::OrderNotFound => return Verdict::NotFound,
        Class::Auth | Class::ModeMismatch | Class::SymbolState | Class::AccountState | Class::ConfigBlocked => {
            RejectKind::Account
        }
        Class::FilterPrecision | Class::MinNotional => RejectKind::Filter,
        Class::FilterPercentPrice => RejectKind::PriceBand,
        Class::InsufficientMargin => RejectKind::Margin,
        Class::WouldTrigger => RejectKind::WouldTrigger,
        Class::ReduceOnlyRejected => RejectKind::ReduceOnly,
        Class::LimitReached => RejectKind::OrderLimit,
        Class::Pending => RejectKind::ChangePending,
        Class::NoPosition => RejectKind::NoPosition,
        Class::TransientSafe
        | Class::DefinitelyRejected
        | Class::ListenKey
        | Class::WrongEndpoint
        | Class::PostOnlyRejected
        | Class::ModifyRejected => RejectKind::Other,
    })
}

fn quiet(status: u16, code: Option<i64>, verdict: Verdict, lower: &str) -> Option<Quiet> {
    let scope = if code == Some(-1015) { Scope::Account } else { Scope::Address };
    let until = if code == Some(-1003) { banned_until(lower) } else { None };
    let pause = match (status, verdict) {
        // The firewall: what it let through is not known, that it wants quiet is.
        (403 | 418, _) => BAN_PAUSE,
        (503, Verdict::RateLimited) => OVERLOAD_PAUSE,
        (_, Verdict::RateLimited) if matches!(code, Some(-1008 | -1016)) => OVERLOAD_PAUSE,
        (_, Verdict::RateLimited) => LIMIT_PAUSE,
        _ => return None,
    };
    Some(Quiet { scope, pause, until })
}

/// The instant in "… banned until 1763972531000 …".
fn banned_until(lower: &str) -> Option<VenueMillis> {
    let rest = lower.split_once("banned until ")?.1;
    let digits: &str = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok().map(VenueMillis)
}

fn cut(text: &str) -> CompactString {
    text.chars().take(MAX_MESSAGE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> Failure {
        Failure::of(Answer { status, body: body.as_bytes() })
    }

    #[test]
    fn r07_b07_503_is_split_by_its_text() {
        let text = |text: &str| of(503, &format!(r#"{{"code":-1,"msg":"{text}"}}"#)).verdict;
        let unknown = Verdict::Unknown(Cause::ServerError);
        assert_eq!(text("Unknown error, please check your request or try again later."), unknown);
        assert_eq!(text("Service Unavailable."), Verdict::RateLimited);
        assert_eq!(text("Internal error; unable to process your request. Please try again."), unknown);
        let throttled =
            r#"{"code":-1008,"msg":"Request throttled by system-level protection. Reduce-only orders are exempt."}"#;
        assert_eq!(of(503, throttled).verdict, Verdict::RateLimited);
        assert_eq!(of(503, "Service Unavailable.").verdict, Verdict::RateLimited);
        // A proxy's page says something like it and proves nothing.
        for page in ["<html><h1>503 Service Unavailable</h1></html>", "Service Unavailable", "", "{}"] {
            assert_eq!(of(503, page).verdict, unknown, "{page}");
        }
    }

    #[test]
    fn r06_only_a_4xx_with_a_listed_code_proves_that_nothing_happened() {
        let margin = r#"{"code":-2019,"msg":"Margin is insufficient."}"#;
        assert_eq!(of(400, margin).verdict, Verdict::Rejected(RejectKind::Margin));
        for status in [301, 500, 502, 504, 520] {
            assert!(matches!(of(status, margin).verdict, Verdict::Unknown(_)), "{status}");
        }
        assert_eq!(of(400, r#"{"code":-9876,"msg":"new"}"#).verdict, Verdict::Unknown(Cause::ServerError));
        assert_eq!(of(400, "<html>").verdict, Verdict::Unknown(Cause::Undecodable));
        assert_eq!(of(408, r#"{"code":-1007,"msg":"Timeout"}"#).verdict, Verdict::Unknown(Cause::Timeout));
        assert_eq!(of(504, r#"{"code":-1007,"msg":"Timeout"}"#).verdict, Verdict::Unknown(Cause::Timeout));
    }

    #[test]
    fn b10_limits_stop_the_right_scope_for_the_stated_time() {
        let ban = of(
            418,
            r#"{"code":-1003,"msg":"Way too many requests; IP(1.2.3.4) banned until 1763972531000. Please use the websocket."}"#,
        );
        assert_eq!(ban.verdict, Verdict::RateLimited);
        let quiet = ban.quiet.unwrap();
        assert_eq!((quiet.scope, quiet.until), (Scope::Address, Some(VenueMillis(1_763_972_531_000))));
        assert_eq!(quiet.pause, BAN_PAUSE);
        let orders =
            of(429, r#"{"code":-1015,"msg":"Too many new orders; current limit is 300 orders per TEN_SECONDS."}"#);
        assert_eq!(orders.quiet.unwrap().scope, Scope::Account);
        assert_eq!(of(429, "").verdict, Verdict::RateLimited);
        assert!(matches!(of(429, "").outcome(), Outcome::Rejected(reject) if reject.kind == RejectKind::RateLimited));
        assert_eq!(of(403, "<html>Forbidden").quiet.unwrap().pause, BAN_PAUSE);
        assert!(matches!(of(403, "<html>Forbidden").verdict, Verdict::Unknown(_)));
        assert_eq!(of(429, "").read_error(), ReadError::RateLimited(LIMIT_PAUSE));
        assert_eq!(of(400, r#"{"code":-2019,"msg":""}"#).quiet, None);
    }

    #[test]
    fn b08_r12_a_duplicate_means_that_one_exists() {
        for body in [
            r#"{"code":-4116,"msg":"ClientOrderId is duplicated."}"#,
            r#"{"code":-2010,"msg":"Duplicate order sent."}"#,
        ] {
            assert_eq!(of(400, body).outcome(), Outcome::Unknown(Cause::DuplicateId), "{body}");
        }
        let refused = of(400, r#"{"code":-2010,"msg":"New order rejected."}"#).verdict;
        assert_eq!(refused, Verdict::Rejected(RejectKind::Other));
    }

    #[test]
    fn r13_r14_not_found_and_no_change() {
        let gone = of(400, r#"{"code":-2011,"msg":"Unknown order sent."}"#);
        assert!(matches!(gone.outcome(), Outcome::Rejected(reject) if reject.kind == RejectKind::UnknownOrder));
        let same = of(400, r#"{"code":-5027,"msg":"No need to modify the order."}"#);
        assert_eq!(same.outcome(), Outcome::Accepted(Ack::default()));
        assert!(of(400, r#"{"code":-1125,"msg":"This listenKey does not exist."}"#).is_listen_key());
    }

    #[test]
    fn r109_a_page_that_shows_our_key_is_not_repeated() {
        for status in [400, 403, 429, 500, 503] {
            for body in ["<html>X-MBX-APIKEY: canary</html>", r#"{"msg":"canary"}"#, "canary", "[\"canary\"]"] {
                let failure = of(status, body);
                let shown = format!("{failure:?} {:?} {:?}", failure.outcome(), failure.read_error());
                assert!(!shown.contains("canary"), "{shown}");
            }
        }
        assert_eq!(of(503, "Service Unavailable.").message, "Service Unavailable.");
    }

    #[test]
    fn long_words_are_cut_and_odd_bytes_harmless() {
        let long = format!(r#"{{"code":-1102,"msg":"{}"}}"#, "é".repeat(5_000));
        assert_eq!(of(400, &long).message.chars().count(), MAX_MESSAGE);
        assert!(Failure::of(Answer { status: 400, body: &[0xff; 900] }).message.chars().count() <= MAX_MESSAGE);
        for text in ["banned until", "banned until 99999999999999999999999", "banned until x"] {
            assert_eq!(banned_until(text), None);
        }
    }
}
