//! Which sockets are open and what each of them hears.
//!
//! Source: "Websocket Market Streams", "User Data Streams", and the notice of the split into routes.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::sockets::{Out, Sockets};

/// The most streams of one connection. Source: "Websocket Market Streams".
pub(super) const MOST_STREAMS: usize = 1_024;

/// Which kind of streams a path carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// Book tickers and depth.
    Public,
    /// Trades, marks, candles, tickers.
    Market,
    /// The account.
    Private,
    /// A path of before the split: everything, or only what is public, by choice.
    Legacy,
}

#[derive(Debug)]
struct Socket {
    route: Route,
    combined: bool,
    names: BTreeSet<String>,
    /// Which events of the account are wanted; all where none are named.
    events: BTreeSet<String>,
}

/// All sockets.
#[derive(Debug, Default)]
pub(super) struct Streams {
    sockets: Sockets<Socket>,
    /// Paths of before the split carry only what is public, as at the venue since April 2026.
    pub(super) legacy_is_public: bool,
}

/// What a path and its query ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opening {
    pub(super) route: Route,
    pub(super) combined: bool,
    pub(super) names: Vec<String>,
    pub(super) events: Vec<String>,
}

impl Opening {
    /// Reads a path: `/ws…`, `/stream…`, bare or under a route. `None` for no path of a stream.
    pub(super) fn read(path: &str, query: &str) -> Option<Self> {
        let path = path.trim_start_matches('/');
        let (route, rest) = match path.split_once('/') {
            Some(("public", rest)) => (Route::Public, rest),
            Some(("market", rest)) => (Route::Market, rest),
            Some(("private", rest)) => (Route::Private, rest),
            _ => (Route::Legacy, path),
        };
        let (kind, streams) = rest.split_once('/').unwrap_or((rest, ""));
        let combined = match kind {
            "ws" => false,
            "stream" => true,
            _ => return None,
        };
        let params = super::params::Params::read(query, "");
        let listed = |text: &str| -> Vec<String> {
            text.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect()
        };
        let mut names = listed(&super::text::decoded(streams));
        for name in ["streams", "listenKey"] {
            names.extend(params.get(name).map(listed).unwrap_or_default());
        }
        let events = params.get("events").map(listed).unwrap_or_default();
        Some(Self { route, combined, names, events })
    }
}

/// What became of a message from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// Answer this.
    Answer(String),
    /// The socket is gone.
    Gone,
}

impl Streams {
    /// Takes a socket in.
    pub(super) fn open(&mut self, opening: Opening) -> (u64, mpsc::Receiver<Out>) {
        let Opening { route, combined, names, events } = opening;
        let names = names.into_iter().take(MOST_STREAMS).collect();
        let events = events.into_iter().collect();
        self.sockets.open(Socket { route, combined, names, events })
    }

    /// Lets a socket go.
    pub(super) fn close(&mut self, id: u64) {
        self.sockets.close(id);
    }

    /// While set nothing is sent to anybody.
    pub(super) const fn set_silent(&mut self, silent: bool) {
        self.sockets.silent = silent;
    }

    /// How many are open.
    pub(super) fn count(&self) -> usize {
        self.sockets.count()
    }

    /// Tells every socket that carries the account, or every one, to go away.
    pub(super) fn drop_all(&mut self, users_only: bool, listen_key: Option<&str>, how: &Out) -> usize {
        let goes = |socket: &Socket| !users_only || listen_key.is_some_and(|key| socket.names.contains(key));
        self.sockets.drop_where(goes, how)
    }

    /// Every stream that somebody listens to.
    pub(super) fn wanted(&self) -> BTreeSet<String> {
        self.sockets.iter().flat_map(|socket| socket.names.iter().cloned()).collect()
    }

    /// Sends a frame of a market stream.
    pub(super) fn push(&mut self, name: &str, frame: &Value) {
        // Single trades are documented nowhere; clients ask for them on this route.
        let is_public =
            name.contains("bookTicker") || name.contains("depth") || name.contains("Depth") || name.ends_with("@trade");
        let legacy_is_public = self.legacy_is_public;
        self.send(name, frame, |socket| match socket.route {
            Route::Public => is_public,
            Route::Market => !is_public,
            Route::Private => false,
            Route::Legacy => is_public || !legacy_is_public,
        });
    }

    /// Sends a frame of the account to those who listen under its key.
    pub(super) fn push_user(&mut self, key: &str, frame: &Value) {
        let event = frame["e"].as_str().unwrap_or_default().to_owned();
        let legacy_is_public = self.legacy_is_public;
        self.send(key, frame, |socket| {
            let route = match socket.route {
                Route::Private => true,
                Route::Legacy => !legacy_is_public,
                Route::Public | Route::Market => false,
            };
            route && (socket.events.is_empty() || socket.events.contains(&event))
        });
    }

    fn send(&mut self, name: &str, frame: &Value, hears: impl Fn(&Socket) -> bool) {
        let mut raw = None;
        let mut wrapped = None;
        self.sockets.send(|socket| {
            if !socket.names.contains(name) || !hears(socket) {
                return None;
            }
            Some(if socket.combined {
                wrapped.get_or_insert_with(|| json!({ "stream": name, "data": frame }).to_string()).clone()
            } else {
                raw.get_or_insert_with(|| frame.to_string()).clone()
            })
        });
    }

    /// A message of a client: a live change of what it hears.
    pub(super) fn hear(&mut self, id: u64, text: &str) -> Heard {
        let Some(socket) = self.sockets.get_mut(id) else { return Heard::Gone };
        let answer = |value: Value| Heard::Answer(value.to_string());
        let wrong = |code: i64, msg: String, id: Option<&Value>| {
            answer(json!({ "error": { "code": code, "msg": msg }, "id": id }))
        };
        let Ok(message) = serde_json::from_str::<Value>(text) else {
            return wrong(3, "Invalid JSON: expected value".into(), None);
        };
        let number = &message["id"];
        if !(number.is_u64() || number.is_string()) {
            return wrong(2, "Invalid request: request ID must be an unsigned integer".into(), None);
        }
        let names = message["params"].as_array().map_or(&[][..], Vec::as_slice);
        let names = names.iter().filter_map(Value::as_str).map(str::to_owned);
        match message["method"].as_str() {
            Some("SUBSCRIBE") => {
                let names: Vec<String> = names.collect();
                if socket.names.len().saturating_add(names.len()) > MOST_STREAMS {
                    return wrong(2, format!("Invalid request: more than {MOST_STREAMS} streams"), Some(number));
                }
                socket.names.extend(names);
                answer(json!({ "result": null, "id": number }))
            }
            Some("UNSUBSCRIBE") => {
                for name in names {
                    socket.names.remove(&name);
                }
                answer(json!({ "result": null, "id": number }))
            }
            Some("LIST_SUBSCRIPTIONS") => answer(json!({ "result": socket.names, "id": number })),
            Some("SET_PROPERTY") => {
                if message["params"][0] == "combined" {
                    socket.combined = message["params"][1] == true;
                }
                answer(json!({ "result": null, "id": number }))
            }
            Some("GET_PROPERTY") => answer(json!({ "result": socket.combined, "id": number })),
            _ => wrong(2, "Invalid request: unknown variant, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`".into(), Some(number)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_stream_path_is_read() {
        let read = |path: &str, query: &str| Opening::read(path, query).unwrap();
        assert_eq!(read("/private/ws", "listenKey=K&events=A/B").names, ["K"]);
        assert_eq!(read("/private/ws", "listenKey=K&events=A/B").events, ["A", "B"]);
        assert_eq!(read("/ws/K", "").route, Route::Legacy);
        let wrapped = read("/market/stream", "streams=btcusdt@aggTrade/ethusdt@markPrice@1s");
        assert!(wrapped.combined && wrapped.route == Route::Market);
        assert_eq!(wrapped.names, ["btcusdt@aggTrade", "ethusdt@markPrice@1s"]);
        assert_eq!(read("/public/ws/!bookTicker", "").names, ["!bookTicker"]);
        assert_eq!(read("/ws", "").names.len(), 0);
        assert_eq!(Opening::read("/fapi/v1/time", ""), None);
    }

    #[test]
    fn a_stream_on_the_wrong_route_stays_silent() {
        let mut streams = Streams::default();
        let (_, mut market) = streams.open(Opening::read("/market/ws/a@bookTicker", "").unwrap());
        let (_, mut public) = streams.open(Opening::read("/public/ws/a@bookTicker", "").unwrap());
        streams.push("a@bookTicker", &json!({ "e": "bookTicker" }));
        assert!(market.try_recv().is_err());
        assert!(public.try_recv().is_ok());
    }
}
