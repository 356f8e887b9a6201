//! Requests: what a server reads from the bytes is what was meant, and the signature stands last and fits exactly the
//! bytes before it.
//!
//! The server's part is played by `form_urlencoded`, by a JSON reader, and by an HMAC of its own.

use aws_lc_rs::hmac;
use data_encoding::{BASE64, HEXLOWER};
use kraite_binance::codec::calls::{CancelAlgo, CancelOrder, PlaceBatch, PlaceOrder, Placement, SetLeverage};
use kraite_binance::codec::{
    Call, Carrier, Credentials, Method, Params, Security, Session, Signer, Stamp, WireRequest, encode, encode_socket,
};
use kraite_core::exchange::{OrderRef, Service};
use kraite_core::id::{Role, Symbol, VenueOrderId};
use kraite_core::number::Qty;
use kraite_core::time::{Millis, VenueMillis};

use crate::Bytes;
use crate::wire::{batch, id, placements};

/// The names that values are given; a request names none twice.
const NAMES: [&str; 6] = ["symbol", "newClientOrderId", "price", "side", "orderIdList", "note"];
/// The API key, which no query carries.
const KEY: &str = "the-api-key";
/// A secret of the venue's form.
const SECRET: &str = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9";
/// An Ed25519 private key, PKCS#8, of 32 times the byte 7: its signatures hold `+`, `/` and `=`.
const ED25519: &str = "MC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH";
/// The window of every request.
const WINDOW: Millis = Millis(3_000);
/// The field that stands last.
const SIGNATURE: &str = "&signature=";

enum Value {
    Text(String),
    Whole(i64),
}

/// A request with any values at all.
struct Anything(Vec<(&'static str, Value)>);

impl Call for Anything {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/fapi/v1/order";
    const SECURITY: Security = Security::Signed;
    const MUTATES: bool = true;
    const SOCKET_METHOD: Option<&'static str> = Some("order.place");

    fn weight(&self) -> u32 {
        1
    }

    fn parameters(&self, params: &mut Params) {
        for (name, value) in &self.0 {
            match value {
                Value::Text(text) => params.push(name, text),
                Value::Whole(whole) => params.push_whole(name, *whole),
            }
        }
    }
}

impl Anything {
    /// Values that lie one after the other: a byte for the kind, then a number, or a length and a text.
    fn read(bytes: &mut Bytes<'_>) -> Self {
        let count = usize::from(bytes.u8()) % (NAMES.len() + 1);
        let value = |bytes: &mut Bytes<'_>| {
            if bytes.flag() {
                return Value::Whole(bytes.u64().cast_signed());
            }
            let raw: Vec<u8> = (0..bytes.u8()).map(|_| bytes.u8()).collect();
            Value::Text(String::from_utf8_lossy(&raw).into_owned())
        };
        Self(NAMES.iter().take(count).map(|name| (*name, value(bytes))).collect())
    }

    /// The first text among the values.
    fn text(&self) -> &str {
        let text = |(_, value): &'_ (_, Value)| matches!(value, Value::Text(_));
        match self.0.iter().find(|pair| text(pair)) {
            Some((_, Value::Text(text))) => text,
            _ => "",
        }
    }
}

/// How a call becomes a request; the tests give some that are wrong.
struct Maker {
    credentials: Credentials,
    secret: Option<&'static str>,
    spoil: fn(&mut String),
}

impl Maker {
    fn hmac(spoil: fn(&mut String)) -> Self {
        let signer = Signer::hmac(&SECRET.into()).unwrap();
        Self { credentials: Credentials::new(KEY.into(), signer), secret: Some(SECRET), spoil }
    }

    fn ed25519(spoil: fn(&mut String)) -> Self {
        let signer = Signer::ed25519(&ED25519.into()).unwrap();
        Self { credentials: Credentials::new(KEY.into(), signer), secret: None, spoil }
    }

    fn request<C: Call>(&self, call: &C, carrier: Carrier, at: VenueMillis) -> WireRequest {
        let mut request = encode(call, carrier, Stamp::of_read(at, WINDOW), &self.credentials).unwrap();
        (self.spoil)(request.form.as_mut().unwrap_or(&mut request.query));
        request
    }

    /// Whether the venue would take this signature: of an HMAC by its own arithmetic, else by what the key signs.
    fn fits(&self, payload: &str, signature: &str) -> bool {
        match self.secret {
            Some(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
                let tag = HEXLOWER.decode(signature.as_bytes()).unwrap_or_default();
                hmac::verify(&key, payload.as_bytes(), &tag).is_ok()
            }
            None => {
                let signed = self.credentials_sign(payload);
                BASE64.decode(signature.as_bytes()).is_ok_and(|bytes| bytes.len() == 64) && signed == signature
            }
        }
    }

    fn credentials_sign(&self, payload: &str) -> String {
        Signer::ed25519(&ED25519.into()).unwrap().sign(payload).unwrap()
    }

    /// Query and form of a call, as a server reads them.
    fn travels<C: Call>(&self, call: &C, at: VenueMillis) {
        for carrier in [Carrier::Query, Carrier::Form] {
            let request = self.request(call, carrier, at);
            self.text(request.form.as_deref().unwrap_or(&request.query), &meant(call, at));
        }
        self.socket(call, at);
    }

    fn text(&self, text: &str, meant: &[(String, String)]) {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~%&=".contains(&byte);
        assert!(text.bytes().all(plain), "something is not escaped: {text}");
        let (payload, signature) = text.rsplit_once(SIGNATURE).expect("no signature");
        assert!(!payload.contains("signature="), "two signatures: {text}");
        let read: Vec<(String, String)> =
            form_urlencoded::parse(payload.as_bytes()).map(|(name, value)| (name.into(), value.into())).collect();
        assert_eq!(read, meant, "{text}");
        let whole = format!("signature={signature}");
        let signature = form_urlencoded::parse(whole.as_bytes()).next().map(|(_, value)| value.into_owned());
        assert!(self.fits(payload, &signature.unwrap_or_default()), "the signature does not fit: {text}");
    }

    /// The same call as a frame: signed in alphabetical order and in clear.
    fn socket<C: Call>(&self, call: &C, at: VenueMillis) {
        for session in [Session::Anonymous, Session::LoggedOn] {
            let stamp = Stamp::of_read(at, WINDOW);
            let Some(frame) = encode_socket(call, 7, stamp, session, &self.credentials).unwrap() else { return };
            let read: serde_json::Value = serde_json::from_str(&frame.text).expect("a frame that is no JSON");
            let params = read["params"].as_object().expect("no parameters");
            let mut pairs = meant(call, at);
            if session == Session::Anonymous {
                pairs.push(("apiKey".into(), KEY.into()));
            }
            pairs.sort();
            let said = |name: &str| match &params[name] {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            for (name, value) in &pairs {
                assert_eq!(&said(name), value, "{}", frame.text);
            }
            let signed = usize::from(session == Session::Anonymous);
            assert_eq!(params.len(), pairs.len() + signed, "{}", frame.text);
            if signed == 1 {
                let payload: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
                assert!(self.fits(&payload.join("&"), &said("signature")), "{}", frame.text);
            }
        }
    }
}

/// The parameters of a call, with its stamp, in the order in which they are meant to travel.
fn meant<C: Call>(call: &C, at: VenueMillis) -> Vec<(String, String)> {
    let mut params = Params::new();
    call.parameters(&mut params);
    params.push_whole("recvWindow", WINDOW.0);
    params.push_whole("timestamp", at.0);
    params.iter().map(|(name, value)| (name.to_owned(), value.as_str().to_owned())).collect()
}

/// The batch of the JSON that it travels as holds what each order alone holds.
fn batch_says_its_orders(batch: &PlaceBatch) {
    let mut params = Params::new();
    batch.parameters(&mut params);
    let (_, list) = params.iter().next().expect("one parameter");
    let json: serde_json::Value = serde_json::from_str(list.as_str()).expect("no JSON");
    for (row, order) in json.as_array().expect("no list").iter().zip(batch.orders()) {
        let mut fields = Params::new();
        order.parameters(&mut fields);
        assert_eq!(row.as_object().map(serde_json::Map::len), Some(fields.len()));
        for (name, value) in fields.iter() {
            assert_eq!(row[name].as_str(), Some(value.as_str()), "{row}");
        }
    }
}

fn judge(data: &[u8], spoil: fn(&mut String)) {
    let mut bytes = Bytes::new(data);
    let maker = if bytes.flag() { Maker::ed25519(spoil) } else { Maker::hmac(spoil) };
    let at = VenueMillis(bytes.u64().cast_signed());
    let anything = Anything::read(&mut bytes);
    maker.travels(&anything, at);
    // The venue's own calls, on a contract of any name.
    let symbol = Symbol::new(anything.text());
    let qty: Qty = bytes.number(Qty::from_units);
    maker.travels(&SetLeverage { symbol: symbol.clone(), leverage: bytes.u32() }, at);
    let [regular, algo] = placements();
    if let (Placement::Regular(order), Placement::Algo(stop)) = (regular, algo) {
        let order = PlaceOrder { symbol: symbol.clone(), kind: market(qty), ..order };
        maker.travels(&order, at);
        let stop = kraite_binance::codec::calls::PlaceAlgo { symbol: symbol.clone(), ..stop };
        maker.travels(&stop, at);
        let orders = batch().orders().iter().map(|leg| PlaceOrder { symbol: symbol.clone(), ..leg.clone() }).collect();
        let orders = PlaceBatch::new(orders).unwrap();
        batch_says_its_orders(&orders);
        maker.travels(&orders, at);
    }
    let venue_id = bytes.flag().then(|| VenueOrderId::new(anything.text()));
    let named = |service, role| OrderRef { symbol: symbol.clone(), service, id: id(role), venue_id: venue_id.clone() };
    maker.travels(&CancelOrder::of(&named(Service::Regular, Role::Entry)), at);
    maker.travels(&CancelAlgo::of(&named(Service::Conditional, Role::Stop)), at);
}

const fn market(qty: Qty) -> kraite_binance::codec::calls::OrderKind {
    kraite_binance::codec::calls::OrderKind::Market { qty }
}

/// Encodes any values as query, form and frame.
///
/// # Panics
///
/// When a server would read something else than was meant, or would not take the signature.
pub fn signed_query(data: &[u8]) {
    judge(data, |_| ());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded_once(text: &mut String) {
        *text = text.replace("%26", "&").replace("%3D", "=");
    }

    fn plus_for_blank(text: &mut String) {
        *text = text.replace("%2B", "+");
    }

    fn stamped_later(text: &mut String) {
        *text = text.replacen("timestamp=", "timestamp=0", 1);
    }

    fn signature_first(text: &mut String) {
        if let Some((payload, signature)) = text.rsplit_once(SIGNATURE) {
            *text = format!("signature={signature}&{payload}");
        }
    }

    #[test]
    fn mutant_a_request_that_is_changed_after_it_was_signed_is_caught() {
        let seeds = crate::tests::seeds_of("signed_query");
        type Spoil = fn(&mut String);
        let wrong: [(&str, Spoil); 4] = [
            ("decoded", decoded_once),
            ("plus", plus_for_blank),
            ("stamped later", stamped_later),
            ("signature first", signature_first),
        ];
        for (name, spoil) in wrong {
            let caught = seeds.iter().any(|(_, seed)| std::panic::catch_unwind(|| judge(seed, spoil)).is_err());
            assert!(caught, "{name}");
        }
    }
}
