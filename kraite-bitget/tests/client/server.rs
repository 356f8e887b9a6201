//! The scripted server, as this venue tells its clock, with the answers that every account gives.

pub(crate) use kraite_wire::client::test_server::{Reaction, Request, answer};

use kraite_bitget::codec::Generation;

use crate::common::{done, refused};

pub(crate) struct Clock;

impl kraite_wire::client::test_server::Clockwork for Clock {
    const PATH: &'static str = "/api/v2/public/time";

    fn body(now: i64) -> String {
        format!(r#"{{"code":"00000","msg":"success","requestTime":{now},"data":{{"serverTime":"{now}"}}}}"#)
    }
}

pub(crate) type Server = kraite_wire::client::test_server::Server<Clock>;

pub(crate) const PROBE: &str = "/api/v2/spot/account/info";
pub(crate) const SETTINGS: &str = "/api/v3/account/settings";
pub(crate) const ACCOUNT: &str = "/api/v2/mix/account/account";

/// What an account of that generation says of itself; `None` for what is about something else.
pub(crate) fn of_account(generation: Generation, margin: &str, request: &Request) -> Option<Reaction> {
    let other = |code| Some(answer(400, &refused(code)));
    match (request.path(), generation) {
        (PROBE, Generation::Classic) => Some(answer(200, &done(r#"{"userId":"1","authorities":["trade"]}"#))),
        (ACCOUNT, Generation::Classic) => Some(answer(
            200,
            &done(&format!(
                r#"{{"marginCoin":"USDT","marginMode":"{margin}","posMode":"hedge_mode","crossedMarginLeverage":"10","isolatedLongLever":"10","isolatedShortLever":"10"}}"#
            )),
        )),
        (SETTINGS, Generation::Unified) => Some(answer(
            200,
            &done(&format!(
                r#"{{"accountMode":"unified","holdMode":"hedge_mode","symbolConfigList":[{{"category":"USDT-FUTURES","symbol":"ADAUSDT","marginMode":"{margin}","leverage":"10"}}]}}"#
            )),
        )),
        (path, Generation::Unified) if path.starts_with("/api/v2/") && !path.starts_with("/api/v2/mix/market") => {
            other("40085")
        }
        (path, Generation::Classic) if path.starts_with("/api/v3/") => other("40084"),
        _ => None,
    }
}

/// An account in cross margin, whose other answers the script gives.
pub(crate) async fn account(
    generation: Generation,
    script: impl Fn(&Request, usize) -> Reaction + Send + Sync + 'static,
) -> Server {
    Server::start(move |request, before| {
        of_account(generation, "crossed", request).unwrap_or_else(|| script(request, before))
    })
    .await
}

/// What arrived beside the questions for the clock, the generation and the setup.
pub(crate) fn asked(server: &Server) -> Vec<Request> {
    let known = [PROBE, SETTINGS, ACCOUNT];
    server.seen().into_iter().filter(|request| !known.contains(&request.path())).collect()
}
