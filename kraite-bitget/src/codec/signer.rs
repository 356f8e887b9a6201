//! Keys and signatures: HMAC-SHA256 and RSA, both as base64. Secrets live in types that neither print nor serialize.

use std::fmt;

use data_encoding::BASE64;
use secrecy::SecretString;

pub use kraite_wire::{KeyError, SignError};

/// Signs what is sent. The same text always gives the same signature.
#[derive(Debug)]
pub struct Signer(kraite_wire::Signer);

impl Signer {
    /// A signer for the secret that came with a system-generated key.
    ///
    /// # Errors
    ///
    /// [`KeyError::Empty`].
    pub fn hmac(secret: &SecretString) -> Result<Self, KeyError> {
        kraite_wire::Signer::hmac(secret).map(Self)
    }

    /// A signer for an RSA private key, PKCS#8 as PEM or base64: RSASSA-PKCS1-v1_5 with SHA-256.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when it is something else.
    pub fn rsa(private_key: &SecretString) -> Result<Self, KeyError> {
        kraite_wire::Signer::rsa(private_key).map(Self)
    }

    /// The signature of `payload` in base64.
    ///
    /// # Errors
    ///
    /// [`SignError`] when the cryptographic library fails.
    pub fn sign(&self, payload: &str) -> Result<String, SignError> {
        self.0.sign(payload).map(|bytes| BASE64.encode(&bytes))
    }
}

/// What a request is sent with: the key that names the account, its passphrase, and the signer.
pub struct Credentials {
    api_key: SecretString,
    passphrase: SecretString,
    signer: Signer,
}

impl Credentials {
    /// Of an API key, the passphrase that was chosen with it, and the signer of its secret.
    #[must_use]
    pub const fn new(api_key: SecretString, passphrase: SecretString, signer: Signer) -> Self {
        Self { api_key, passphrase, signer }
    }

    /// The value of the header [`super::KEY_HEADER`].
    #[must_use]
    pub const fn api_key(&self) -> &SecretString {
        &self.api_key
    }

    /// The value of the header [`super::PASSPHRASE_HEADER`].
    #[must_use]
    pub const fn passphrase(&self) -> &SecretString {
        &self.passphrase
    }

    /// The signer.
    #[must_use]
    pub const fn signer(&self) -> &Signer {
        &self.signer
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("api_key", &"[hidden]")
            .field("passphrase", &"[hidden]")
            .field("signer", &self.signer)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};

    const PAYLOAD: &str = "1695806875837GET/api/v2/mix/order/detail?clientOid=caaaoaaaamaaaaaaaaabbaum&symbol=BTCUSDT";

    fn pem(der: &[u8]) -> SecretString {
        let base64 = BASE64.encode(der);
        let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).unwrap()).collect();
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n")).into()
    }

    #[test]
    fn hmac_gives_the_base64_that_another_implementation_gives() {
        let signer = Signer::hmac(&"2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9".into()).unwrap();
        assert_eq!(signer.sign(PAYLOAD).unwrap(), "ZfC2sRbSboEP4oDRBDxWSEFEidoKLfkzv/pAt+XdWmc=");
        // RFC 4231, test case 2.
        let rfc = Signer::hmac(&"Jefe".into()).unwrap();
        assert_eq!(rfc.sign("what do ya want for nothing?").unwrap(), "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=");
    }

    #[test]
    fn rsa_signatures_verify() {
        let pair = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
        let der = aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
        for key in [pem(der.as_ref()), BASE64.encode(der.as_ref()).into()] {
            let signature = BASE64.decode(Signer::rsa(&key).unwrap().sign(PAYLOAD).unwrap().as_bytes()).unwrap();
            let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
            public.verify(PAYLOAD.as_bytes(), &signature).unwrap();
            assert!(public.verify(b"other", &signature).is_err());
        }
    }

    #[test]
    fn r109_no_secret_is_in_any_debug_or_error() {
        const CANARY: &str = "canary0secret0canary";
        let credentials = Credentials::new(CANARY.into(), CANARY.into(), Signer::hmac(&CANARY.into()).unwrap());
        let mut seen = format!("{credentials:?} {:#?}", credentials.signer());
        for key in [CANARY, "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5MHNlY3JldDBjYW5hcnk=\n-----END PRIVATE KEY-----", ""]
        {
            let error = Signer::rsa(&key.into()).unwrap_err();
            seen.push_str(&format!(" {error} {error:?}"));
        }
        seen.push_str(&format!("{}", Signer::hmac(&"  ".into()).unwrap_err()));
        assert!(!seen.contains("canary") && !seen.contains("Y2FuYXJ5"), "{seen}");
        assert!(seen.contains("HMAC-SHA256"));
    }
}
