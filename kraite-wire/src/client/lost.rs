//! What it means that there is no answer: provably not sent, or unknown, and never anything between (R6).

use compact_str::format_compact;
use kraite_core::exchange::{Cause, Outcome, ReadError, Reject, RejectKind};
use kraite_core::time::Millis;

/// Why there is no answer to what was to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// No byte of the request left: the connection was never made.
    NotSent(&'static str),
    /// It may have left; nothing came back in time.
    Timeout,
    /// It may have left; the connection broke, before or within the answer.
    Disconnected,
    /// An answer came that is larger than any can be.
    TooLarge,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// It was not sent: a limit is used up, for this long.
    Spent(Millis),
    /// None came.
    Lost(Lost),
}

impl Failed {
    /// The outcome of a request that may have changed something.
    #[must_use]
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Spent(wait) => rejected(RejectKind::RateLimited, &format!("not sent: to be quiet for {wait}")),
            Self::Lost(Lost::NotSent(why)) => rejected(RejectKind::NotSent, why),
            Self::Lost(Lost::Timeout) => Outcome::Unknown(Cause::Timeout),
            Self::Lost(Lost::Disconnected) => Outcome::Unknown(Cause::Disconnected),
            Self::Lost(Lost::TooLarge) => Outcome::Unknown(Cause::Undecodable),
        }
    }

    /// Why a read gave nothing.
    #[must_use]
    pub fn read_error(self) -> ReadError {
        match self {
            Self::Spent(wait) => ReadError::RateLimited(wait),
            Self::Lost(Lost::NotSent(why)) => ReadError::NoAnswer(why.into()),
            Self::Lost(Lost::Timeout) => ReadError::NoAnswer("no answer in time".into()),
            Self::Lost(Lost::Disconnected) => ReadError::NoAnswer("the connection broke".into()),
            Self::Lost(Lost::TooLarge) => ReadError::Undecodable("an answer larger than any can be".into()),
        }
    }
}

/// A definite refusal from here: nothing left.
#[must_use]
pub fn rejected(kind: RejectKind, why: &str) -> Outcome {
    Outcome::Rejected(Reject { kind, code: 0, message: why.into() })
}

/// What becomes of a mutation that was not sent because something had to be read first and could not be.
#[must_use]
pub fn unsent(error: &ReadError) -> Outcome {
    let kind = match error {
        ReadError::RateLimited(_) => RejectKind::RateLimited,
        ReadError::NoAnswer(_) | ReadError::Refused(_) | ReadError::Undecodable(_) => RejectKind::NotSent,
    };
    rejected(kind, &format_compact!("not sent: {error}"))
}
