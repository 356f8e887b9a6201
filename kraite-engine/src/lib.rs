//! The tokio shell around kraite-core: clock, reactor, executor.
