//! Mark prices of the contracts in use ("Binance USD-M, Mark Price Stream", on the route `/market`).

use std::collections::BTreeSet;

use kraite_core::id::Symbol;
use kraite_wire::client::{Ended, Socket};

use crate::client::backend::Inner;

/// What is subscribed on a socket.
pub(crate) struct Session {
    subscribed: BTreeSet<Symbol>,
    /// That of the last subscription.
    number: u32,
}

/// Opens a socket whose address names all of them.
pub(super) async fn open(inner: &Inner, wanted: &BTreeSet<Symbol>) -> Result<(Socket, Session), Ended> {
    let streams: Vec<String> = wanted.iter().map(stream_of).collect();
    let mut url = inner.streams.clone();
    url.set_path(&format!("{}/market/ws/{}", url.path().trim_end_matches('/'), streams.join("/")));
    let socket = inner.open_socket(&url).await?;
    Ok((socket, Session { subscribed: wanted.clone(), number: 0 }))
}

impl Session {
    /// One message for all that are new.
    pub(super) fn subscription(&mut self, wanted: &BTreeSet<Symbol>) -> Option<String> {
        let fresh: Vec<String> = wanted.difference(&self.subscribed).map(stream_of).collect();
        if fresh.is_empty() {
            return None;
        }
        self.subscribed.clone_from(wanted);
        self.number = self.number.saturating_add(1);
        Some(subscription(self.number, &fresh))
    }
}

fn stream_of(symbol: &Symbol) -> String {
    format!("{}@markPrice@1s", symbol.as_str().to_lowercase())
}

fn subscription(number: u32, streams: &[String]) -> String {
    let names = serde_json::Value::from(streams.to_vec());
    format!(r#"{{"method":"SUBSCRIBE","params":{names},"id":{number}}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_named_in_lower_case_and_subscribed_by_number() {
        assert_eq!(stream_of(&Symbol::new("1000PEPEUSDT")), "1000pepeusdt@markPrice@1s");
        assert_eq!(
            subscription(3, &["adausdt@markPrice@1s".to_owned()]),
            r#"{"method":"SUBSCRIBE","params":["adausdt@markPrice@1s"],"id":3}"#
        );
    }
}
