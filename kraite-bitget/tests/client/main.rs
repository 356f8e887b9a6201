//! The backend against real sockets, for accounts of both generations: what leaves, how often, and what is made of each
//! answer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, unused_crate_dependencies)]
#![allow(clippy::disallowed_methods, reason = "a test waits for sockets on the wall clock")]

#[path = "../common/mod.rs"]
mod common;
mod generations;
mod limits;
mod orders;
mod pairs;
mod readings;
mod secrets;
mod server;
mod streams;

use kraite_bitget::{Bitget, Config, Hosts, LocalClock, SystemClock};
use kraite_core::exchange::{Outcome, RejectKind};
use kraite_core::time::{Millis, VenueMillis};

use common::credentials;
use server::Server;

/// The total timeout of these tests: short enough to wait for.
const SOON: Millis = Millis(400);

fn config(server: &Server) -> Config {
    let hosts = Hosts::emulator(&server.url(), &server.url().replace("http", "ws")).unwrap();
    Config::new(hosts).timeouts(Millis(200), SOON)
}

async fn backend(server: &Server) -> Bitget {
    Bitget::connect(config(server), credentials()).await.unwrap()
}

fn now() -> VenueMillis {
    VenueMillis(SystemClock::real().now().0)
}

/// Late enough for anything.
fn later() -> VenueMillis {
    now().plus(Millis::from_secs(60))
}

fn kind(outcome: &Outcome) -> Option<RejectKind> {
    match outcome {
        Outcome::Rejected(reject) => Some(reject.kind),
        Outcome::Accepted(_) | Outcome::Unknown(_) => None,
    }
}

fn is_accepted(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Accepted(_))
}

/// A value of a JSON body, by its key.
fn value(body: &str, key: &str) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(body).unwrap();
    Some(json.get(key)?.as_str()?.to_owned())
}
