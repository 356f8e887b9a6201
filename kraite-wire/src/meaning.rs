//! What requests are and what answers mean, in words that every venue shares.

use compact_str::CompactString;
use kraite_core::exchange::{Cause, RejectKind};
use kraite_core::time::{Millis, VenueMillis};

/// The verb of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Reads.
    Get,
    /// Makes something new.
    Post,
    /// Changes.
    Put,
    /// Takes away.
    Delete,
}

impl Method {
    /// As on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// What a failed request means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Not executed.
    Rejected(RejectKind),
    /// It may have happened.
    Unknown(Cause),
    /// An open order with this id exists.
    DuplicateId,
    /// Not open, or not known here, or not yet.
    NotFound,
    /// Not executed: a limit, or an overloaded venue.
    RateLimited,
    /// Not executed: outside the window.
    ClockSkew,
    /// It was so already.
    NoChange,
}

/// Who has to be quiet after a broken limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everything from this address, whatever the account.
    Address,
    /// What this account was limited in: its orders, or one endpoint, by venue.
    Account,
}

/// How long who has to be quiet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quiet {
    /// Who.
    pub scope: Scope,
    /// At least this long; a `Retry-After` header may say more.
    pub pause: Millis,
    /// Until this instant of the venue's clock, where the answer names one.
    pub until: Option<VenueMillis>,
}

/// Why something the venue said is no report: it is told, and never guessed (R54).
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unmapped {
    /// A field without which it cannot be placed.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A word that this version does not know.
    #[error("{0} `{1}` is not known")]
    Word(&'static str, CompactString),
    /// Two fields contradict each other.
    #[error("{0} cannot be")]
    Contradiction(&'static str),
}
