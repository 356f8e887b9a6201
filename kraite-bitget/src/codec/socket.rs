//! What is sent on a socket: signing in and subscribing. Orders go over HTTP.

use std::fmt;

use kraite_core::id::Symbol;
use kraite_core::time::VenueMillis;
use secrecy::ExposeSecret;

use super::signer::{Credentials, SignError};
use super::terms::{Generation, Product};

/// What signing in is a signature of, after the time.
const LOGON_TARGET: &str = "GET/user/verify";

/// A frame to send once. Does not print what it holds, which may be the key.
pub struct SocketRequest {
    /// What it asks for.
    pub op: &'static str,
    /// The frame.
    pub text: String,
}

impl fmt::Debug for SocketRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketRequest").field("op", &self.op).finish_non_exhaustive()
    }
}

/// Encodes the frame that signs a connection in, the same in both generations. The time is in whole seconds here.
///
/// # Errors
///
/// [`SignError`] when the cryptographic library fails: nothing was sent.
pub fn encode_logon(now: VenueMillis, credentials: &Credentials) -> Result<SocketRequest, SignError> {
    let seconds = now.0.div_euclid(1_000);
    let sign = credentials.signer().sign(&format!("{seconds}{LOGON_TARGET}"))?;
    let quoted = |text: &str| serde_json::Value::String(text.to_owned()).to_string();
    let text = format!(
        r#"{{"op":"login","args":[{{"apiKey":{},"passphrase":{},"timestamp":"{seconds}","sign":{}}}]}}"#,
        quoted(credentials.api_key().expose_secret()),
        quoted(credentials.passphrase().expose_secret()),
        quoted(&sign),
    );
    Ok(SocketRequest { op: "login", text })
}

/// The private channels of an account: the classic ones for each product line it trades, the unified ones once.
#[must_use]
pub fn encode_account_channels(generation: Generation, products: &[Product]) -> SocketRequest {
    let mut args: Vec<String> = Vec::new();
    match generation {
        Generation::Classic => {
            for product in products {
                let kind = product.as_str();
                for channel in ["orders", "orders-algo", "positions", "fill"] {
                    args.push(format!(r#"{{"instType":"{kind}","channel":"{channel}","instId":"default"}}"#));
                }
                args.push(format!(r#"{{"instType":"{kind}","channel":"account","coin":"default"}}"#));
            }
        }
        Generation::Unified => {
            for topic in ["order", "strategy-order", "position", "fill", "account"] {
                args.push(format!(r#"{{"instType":"UTA","topic":"{topic}"}}"#));
            }
        }
    }
    subscribe(&args)
}

/// The channel of the mark price of one contract, on the public socket.
#[must_use]
pub fn encode_mark_channel(generation: Generation, product: Product, symbol: &Symbol) -> SocketRequest {
    let symbol = serde_json::Value::String(symbol.as_str().to_owned());
    let kind = product.as_str();
    subscribe(&[match generation {
        Generation::Classic => format!(r#"{{"instType":"{kind}","channel":"ticker","instId":{symbol}}}"#),
        Generation::Unified => {
            format!(r#"{{"instType":"{}","topic":"ticker","symbol":{symbol}}}"#, kind.to_ascii_lowercase())
        }
    }])
}

fn subscribe(args: &[String]) -> SocketRequest {
    SocketRequest { op: "subscribe", text: format!(r#"{{"op":"subscribe","args":[{}]}}"#, args.join(",")) }
}
