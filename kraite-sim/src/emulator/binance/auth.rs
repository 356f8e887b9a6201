//! Who may ask: API key, time window, signature.

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use kraite_core::time::{Millis, VenueMillis};

use super::credentials::Credentials;
use super::errors::Problem;
use super::params::Params;

/// The validity window of a request that names none. Source: "General Info, Timing security".
const DEFAULT_WINDOW: Millis = Millis(5_000);
/// How far ahead of the venue's clock a request may be signed. Source: the same.
const AHEAD: Millis = Millis(1_000);
/// The longest window. Source: the documentation of the other products; none is stated for this one, and samples
/// use more, so it bounds only nonsense.
const LONGEST_WINDOW: i64 = 9_999_999;

impl Credentials {
    /// The key header: there, of a possible form, and the right one.
    pub(super) fn check_key(&self, given: Option<&str>) -> Result<(), Problem> {
        match given {
            None | Some("") => Err(Problem::of(-2014)),
            Some(key) if !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') => {
                Err(Problem::of(-2014))
            }
            Some(key) if !self.is_key(key) => Err(Problem::of(-2015)),
            Some(_) => Ok(()),
        }
    }

    /// The signature over the exact bytes that were sent.
    pub(super) fn check_signature(&self, payload: &[u8], signature: &str) -> Result<(), Problem> {
        let form = if self.has_public_key() { BASE64 } else { HEXLOWER_PERMISSIVE };
        let signature = form.decode(signature.as_bytes()).map_err(|_| Problem::of(-1022))?;
        if self.verifies(payload, &signature) { Ok(()) } else { Err(Problem::of(-1022)) }
    }
}

/// `timestamp` and `recvWindow` against the venue's clock.
pub(super) fn check_window(params: &Params, now: VenueMillis) -> Result<(), Problem> {
    let Some(stamp) = params.parsed::<i64>("timestamp")? else { return Err(Problem::malformed("timestamp")) };
    let window = params.parsed::<i64>("recvWindow")?.unwrap_or(DEFAULT_WINDOW.0);
    if !(0..=LONGEST_WINDOW).contains(&window) {
        return Err(Problem::saying(-1131, "recvWindow is out of range."));
    }
    let signed = VenueMillis(stamp);
    if signed >= now.plus(AHEAD) {
        return Err(Problem::saying(-1021, "Timestamp for this request was 1000ms ahead of the server's time."));
    }
    if now.since(signed).0 > window {
        return Err(Problem::of(-1021));
    }
    Ok(())
}

/// What is signed: the query string and then the body, as sent, without the signature parameter itself.
pub(super) fn signed_part(query: &str, body: &str) -> String {
    let without = |part: &str| {
        let kept: Vec<&str> = part.split('&').filter(|pair| !pair.starts_with("signature=")).collect();
        kept.join("&")
    };
    let mut payload = without(query);
    payload.push_str(&without(body));
    payload
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};

    const SECRET: &str = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9";

    #[test]
    fn the_published_vector_is_accepted_in_either_case_and_a_changed_byte_is_not() {
        let credentials = Credentials::new("k", SECRET);
        let sent = "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000&timestamp=1591702613943";
        let tag = "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9";
        let payload = signed_part(&format!("{sent}&signature={tag}"), "");
        assert_eq!(credentials.check_signature(payload.as_bytes(), tag), Ok(()));
        assert_eq!(credentials.check_signature(payload.as_bytes(), &tag.to_uppercase()), Ok(()));
        let other = payload.replace("quantity=1", "quantity=2");
        assert_eq!(credentials.check_signature(other.as_bytes(), tag), Err(Problem::of(-1022)));
        assert_eq!(credentials.check_signature(payload.as_bytes(), "zz"), Err(Problem::of(-1022)));
    }

    #[test]
    fn a_public_key_checks_what_its_private_half_signed() {
        let sent = b"symbol=BTCUSDT&timestamp=1591702613943";
        let pem = |der: &[u8]| {
            let base64 = BASE64.encode(der);
            let lines: Vec<&str> =
                base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
            format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
        };
        let ed25519 = Ed25519KeyPair::generate().unwrap();
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let mut by_rsa = vec![0; rsa.public_modulus_len()];
        rsa.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), sent, &mut by_rsa).unwrap();
        let public = |key: &dyn AsDer<PublicKeyX509Der<'static>>| pem(key.as_der().unwrap().as_ref());
        for (key, signature) in
            [(public(ed25519.public_key()), ed25519.sign(sent).as_ref().to_vec()), (public(rsa.public_key()), by_rsa)]
        {
            let credentials = Credentials::of_public_key("k", &key).unwrap();
            let signature = BASE64.encode(&signature);
            assert_eq!(credentials.check_signature(sent, &signature), Ok(()));
            assert_eq!(credentials.check_signature(b"symbol=ETHUSDT", &signature), Err(Problem::of(-1022)));
            assert_eq!(credentials.check_signature(sent, "zz"), Err(Problem::of(-1022)));
        }
        for wrong in ["", "k", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"] {
            assert!(Credentials::of_public_key("k", wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn query_and_body_are_joined_without_a_separator() {
        let query = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC";
        let body = "quantity=1&price=9000&recvWindow=5000&timestamp=1591702613943";
        let tag = "30baaf0fab549bbeda7f5ef201898b34122da25fd23c646cac2c529aebe670a4";
        let payload = signed_part(query, &format!("{body}&signature={tag}"));
        assert_eq!(Credentials::new("k", SECRET).check_signature(payload.as_bytes(), tag), Ok(()));
    }

    #[test]
    fn the_window_is_closed_at_its_end_and_open_a_second_ahead() {
        let at = |stamp: i64, extra: &str| {
            check_window(&Params::read(&format!("timestamp={stamp}{extra}"), ""), VenueMillis(10_000))
        };
        assert!(at(5_000, "").is_ok());
        assert_eq!(at(4_999, "").map_err(|p| p.code), Err(-1021));
        assert!(at(10_999, "").is_ok());
        assert_eq!(at(11_000, "").map_err(|p| p.code), Err(-1021));
        assert_eq!(at(9_000, "&recvWindow=500").map_err(|p| p.code), Err(-1021));
    }
}
