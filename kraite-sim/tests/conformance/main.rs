//! The conformance kit over the simulated venue: the right backend keeps everything, wrong ones do not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod catalogue;
mod right;
mod verdict;
