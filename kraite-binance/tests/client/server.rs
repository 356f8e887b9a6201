//! The scripted server, as this venue tells its clock.

pub(crate) use kraite_wire::client::test_server::{Reaction, Request, answer};

pub(crate) struct Clock;

impl kraite_wire::client::test_server::Clockwork for Clock {
    const PATH: &'static str = "/fapi/v1/time";

    fn body(now: i64) -> String {
        format!(r#"{{"serverTime":{now}}}"#)
    }
}

pub(crate) type Server = kraite_wire::client::test_server::Server<Clock>;
