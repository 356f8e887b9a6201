//! The `kraite` command as its users meet it, command by command. In one program, since most of what it does is to wait for
//! processes: they are waited for side by side.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "../bench/mod.rs"]
mod bench;
#[path = "../stage/mod.rs"]
mod stage;

mod cli;
mod deploy;
mod doctor;
mod dry_run;
mod emulate;
mod fetch;
mod http;
mod journal_commands;
mod notify;
mod recover;
mod restoring;
mod run;
mod stumbles;
mod support;
