//! What the languages of venues have in common, and no venue's name: how single values are read ([`scalar`]), words
//! that grow without notice ([`words!`]), percent-encoding, signatures ([`Signer`]), and what a refusal means
//! ([`Verdict`]).
//!
//! For the codecs of kraite's backends; it does no I/O. With the feature `client` it is also what their backends are
//! made of: [`client`].

#[cfg(feature = "client")]
pub mod client;
mod events;
mod meaning;
mod percent;
pub mod scalar;
mod signer;
mod word;

pub use events::Events;
pub use meaning::{Method, Quiet, Scope, Unmapped, Verdict};
pub use percent::percent_encode;
pub use signer::{KeyError, KeyKind, SignError, Signer};
pub use word::{any_case, exact};

#[doc(hidden)]
pub use compact_str::CompactString;
#[doc(hidden)]
pub use serde;
