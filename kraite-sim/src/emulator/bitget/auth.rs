//! Who may ask: key, passphrase, time, signature.

use data_encoding::BASE64;
use kraite_core::time::{Millis, VenueMillis};

use super::credentials::Credentials;
use super::errors::Problem;
use super::server::Call;

/// How far a request's time may be from the venue's. Source: "Signature".
const WINDOW: Millis = Millis(30_000);
/// What signing a socket in is a signature of, after the time.
const LOGON_TARGET: &str = "GET/user/verify";
/// From here on a number of the time is in milliseconds: it would be the year 5138 in seconds.
const MILLISECONDS: i64 = 100_000_000_000;

/// Checks a request.
pub(super) fn check(credentials: &Credentials, passphrase: &str, call: &Call, now: VenueMillis) -> Result<(), Problem> {
    let header = |name: &str, missing: i64| {
        call.header(name).filter(|value| !value.is_empty()).ok_or_else(|| Problem::of(missing))
    };
    let key = header("access-key", 40_001)?;
    let sign = header("access-sign", 40_003)?;
    let stamp = header("access-timestamp", 40_005)?;
    let given = header("access-passphrase", 40_011)?;
    let signed_at: i64 = stamp.parse().map_err(|_| Problem::of(40_005))?;
    if now.since(VenueMillis(signed_at)).0.saturating_abs() > WINDOW.0 {
        return Err(Problem::of(40_008));
    }
    if !credentials.is_key(key) {
        return Err(Problem::of(40_006));
    }
    let question = if call.query.is_empty() { "" } else { "?" };
    let payload = format!("{stamp}{}{}{question}{}{}", call.method, call.path, call.query, call.body);
    if !is_signed(credentials, &payload, sign) {
        return Err(Problem::of(40_009));
    }
    if given == passphrase { Ok(()) } else { Err(Problem::of(40_012)) }
}

fn is_signed(credentials: &Credentials, payload: &str, sign: &str) -> bool {
    BASE64.decode(sign.as_bytes()).is_ok_and(|sign| credentials.verifies(payload.as_bytes(), &sign))
}

/// Checks who signs a socket in. The time is in seconds or milliseconds, a number or its text.
pub(super) fn check_logon(
    credentials: &Credentials,
    passphrase: &str,
    argument: &serde_json::Value,
    now: VenueMillis,
) -> Result<(), (i64, &'static str)> {
    let text = |name: &str| match &argument[name] {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => String::new(),
        other => other.to_string(),
    };
    if !credentials.is_key(&text("apiKey")) {
        return Err((30_011, "Invalid ACCESS_KEY"));
    }
    if text("passphrase") != passphrase {
        return Err((30_012, "Invalid ACCESS_PASSPHRASE"));
    }
    let stamp = text("timestamp");
    let number: i64 = stamp.parse().map_err(|_| (30_013, "Invalid ACCESS_TIMESTAMP"))?;
    let signed_at = if number < MILLISECONDS { number.saturating_mul(1_000) } else { number };
    if now.since(VenueMillis(signed_at)).0.saturating_abs() > WINDOW.0 {
        return Err((30_014, "Request timestamp expired"));
    }
    if is_signed(credentials, &format!("{stamp}{LOGON_TARGET}"), &text("sign")) {
        Ok(())
    } else {
        Err((30_015, "Invalid signature"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};

    const NOW: VenueMillis = VenueMillis(1_695_806_875_837);

    fn call(sign: &str) -> Call {
        let mut call = Call::of("GET", "/api/v2/mix/order/detail", "clientOid=a&symbol=BTCUSDT");
        let stamp = NOW.0.to_string();
        for (name, value) in
            [("access-key", "k"), ("access-sign", sign), ("access-timestamp", &stamp), ("access-passphrase", "p")]
        {
            call.headers.insert(name.to_owned(), value.to_owned());
        }
        call
    }

    #[test]
    fn a_request_is_signed_with_an_rsa_key_too() {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", BASE64.encode(der.as_ref()));
        let credentials = Credentials::of_public_key("k", &pem).unwrap();
        let payload = format!("{}GET/api/v2/mix/order/detail?clientOid=a&symbol=BTCUSDT", NOW.0);
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), payload.as_bytes(), &mut signature).unwrap();
        let sign = BASE64.encode(&signature);
        assert_eq!(check(&credentials, "p", &call(&sign), NOW), Ok(()));
        let other = Call { query: "clientOid=b&symbol=BTCUSDT".into(), ..call(&sign) };
        assert_eq!(check(&credentials, "p", &other, NOW).map_err(|problem| problem.code), Err(40_009));
    }
}
