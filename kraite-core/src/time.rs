//! Two clocks with two types: ours and the venue's. Neither is ever read here; both arrive in inputs.

use core::fmt;

use serde::{Deserialize, Serialize};

macro_rules! instant {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl $name {
            /// The instant `span` later, saturating.
            #[must_use]
            pub fn plus(self, span: Millis) -> Self {
                Self(self.0.saturating_add(span.0))
            }

            /// The instant `span` earlier, saturating.
            #[must_use]
            pub fn minus(self, span: Millis) -> Self {
                Self(self.0.saturating_sub(span.0))
            }

            /// The span from `earlier` to here; negative if `earlier` is later.
            #[must_use]
            pub fn since(self, earlier: Self) -> Millis {
                Millis(self.0.saturating_sub(earlier.0))
            }
        }
    };
}

instant! {
    /// Milliseconds on the worker's own monotonic-enough clock since the Unix epoch.
    LocalMillis
}
instant! {
    /// Milliseconds on the venue's clock since the Unix epoch, as measured from its responses.
    VenueMillis
}

/// A span of time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub i64);

impl Millis {
    /// A span of whole seconds.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000))
    }

    /// The sum of two spans, saturating.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// One instant on both clocks: what every [`crate::Input`] carries.
///
/// `venue` is the shell's best estimate of the venue's clock and `error` bounds how wrong it may be. An
/// instant that must be *after* something on the venue's clock is compared as `venue - error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Moment {
    /// Our clock.
    pub local: LocalMillis,
    /// The venue's clock, estimated.
    pub venue: VenueMillis,
    /// The largest possible error of `venue`.
    pub error: Millis,
}
