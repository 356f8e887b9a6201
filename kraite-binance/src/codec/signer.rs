//! Keys and signatures: HMAC-SHA256, Ed25519, RSA. Secrets live in types that neither print nor serialize.

use std::fmt;

use data_encoding::{BASE64, HEXLOWER};
use kraite_wire::{KeyKind, percent_encode};
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

    /// A signer for an Ed25519 private key, PKCS#8 as PEM or base64.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when it is something else.
    pub fn ed25519(private_key: &SecretString) -> Result<Self, KeyError> {
        kraite_wire::Signer::ed25519(private_key).map(Self)
    }

    /// A signer for an RSA private key, PKCS#8 as PEM or base64: RSASSA-PKCS1-v1_5 with SHA-256.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when it is something else.
    pub fn rsa(private_key: &SecretString) -> Result<Self, KeyError> {
        kraite_wire::Signer::rsa(private_key).map(Self)
    }

    /// The signature of `payload` as it stands in JSON: hex of an HMAC, base64 of the others.
    ///
    /// # Errors
    ///
    /// [`SignError`] when the cryptographic library fails.
    pub fn sign(&self, payload: &str) -> Result<String, SignError> {
        let bytes = self.0.sign(payload)?;
        Ok(if self.0.kind() == KeyKind::Hmac { HEXLOWER.encode(&bytes) } else { BASE64.encode(&bytes) })
    }

    /// Appends `&signature=…` to the text that it signs; base64 is percent-encoded.
    ///
    /// # Errors
    ///
    /// [`SignError`]; `payload` is unchanged then.
    pub fn append_to(&self, payload: &mut String) -> Result<(), SignError> {
        let bytes = self.0.sign(payload)?;
        payload.push_str(if payload.is_empty() { "signature=" } else { "&signature=" });
        if self.0.kind() == KeyKind::Hmac {
            HEXLOWER.encode_append(&bytes, payload);
        } else {
            percent_encode(&BASE64.encode(&bytes), payload);
        }
        Ok(())
    }

    /// True for the one kind that a WebSocket API session can be opened with.
    #[must_use]
    pub fn can_log_on(&self) -> bool {
        self.0.kind() == KeyKind::Ed25519
    }
}

/// What a request is sent with: the key that names the account, and the signer.
pub struct Credentials {
    api_key: SecretString,
    signer: Signer,
}

impl Credentials {
    /// Of an API key and the signer of its secret.
    #[must_use]
    pub const fn new(api_key: SecretString, signer: Signer) -> Self {
        Self { api_key, signer }
    }

    /// The value of the header [`super::KEY_HEADER`].
    #[must_use]
    pub const fn api_key(&self) -> &SecretString {
        &self.api_key
    }

    /// The signer.
    #[must_use]
    pub const fn signer(&self) -> &Signer {
        &self.signer
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("api_key", &"[hidden]").field("signer", &self.signer).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};

    /// The venue's own example.
    const SECRET: &str = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9";
    const PAYLOAD: &str = "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000&timestamp=1591702613943";
    const SIGNATURE: &str = "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9";

    fn pem(der: &[u8]) -> SecretString {
        let base64 = BASE64.encode(der);
        let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).unwrap()).collect();
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n")).into()
    }

    #[test]
    fn hmac_gives_the_signature_of_the_documentation() {
        let signer = Signer::hmac(&SECRET.into()).unwrap();
        assert_eq!(signer.sign(PAYLOAD).unwrap(), SIGNATURE);
        // Query and form together are signed without a `&` between them.
        let mixed = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTCquantity=1&price=9000&recvWindow=5000&timestamp=1591702613943";
        assert_eq!(signer.sign(mixed).unwrap(), "30baaf0fab549bbeda7f5ef201898b34122da25fd23c646cac2c529aebe670a4");
        let mut sent = PAYLOAD.to_owned();
        signer.append_to(&mut sent).unwrap();
        assert_eq!(sent, format!("{PAYLOAD}&signature={SIGNATURE}"));
    }

    #[test]
    fn ed25519_gives_the_signature_of_rfc_8032_and_reads_pem_and_base64() {
        // RFC 8032, 7.1, test 1: the empty message.
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let mut der = HEXLOWER.decode(b"302e020100300506032b657004220420").unwrap();
        der.extend(HEXLOWER.decode(seed.as_bytes()).unwrap());
        let expected = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
        for key in [pem(&der), BASE64.encode(&der).into()] {
            let signer = Signer::ed25519(&key).unwrap();
            assert!(signer.can_log_on());
            let signature = BASE64.decode(signer.sign("").unwrap().as_bytes()).unwrap();
            assert_eq!(HEXLOWER.encode(&signature), expected);
            let mut sent = "timestamp=1".to_owned();
            signer.append_to(&mut sent).unwrap();
            let text = sent.strip_prefix("timestamp=1&signature=").unwrap();
            assert!(!text.contains(['+', '/', '=']), "base64 is percent-encoded: {text}");
        }
        assert_eq!(Signer::rsa(&pem(&der)).unwrap_err(), KeyError::Kind("RSA"));
    }

    #[test]
    fn rsa_signatures_verify() {
        let pair = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
        let der = aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
        let signer = Signer::rsa(&pem(der.as_ref())).unwrap();
        let signature = BASE64.decode(signer.sign(PAYLOAD).unwrap().as_bytes()).unwrap();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
        public.verify(PAYLOAD.as_bytes(), &signature).unwrap();
        assert!(public.verify(b"other", &signature).is_err());
        assert!(!signer.can_log_on());
        assert_eq!(Signer::ed25519(&pem(der.as_ref())).unwrap_err(), KeyError::Kind("Ed25519"));
    }

    #[test]
    fn r109_no_secret_is_in_any_debug_or_error() {
        const CANARY: &str = "canary0secret0canary";
        let credentials = Credentials::new(CANARY.into(), Signer::hmac(&CANARY.into()).unwrap());
        let mut seen = format!("{credentials:?} {:#?}", credentials.signer());
        for key in [CANARY, "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5MHNlY3JldDBjYW5hcnk=\n-----END PRIVATE KEY-----", ""]
        {
            for error in [Signer::ed25519(&key.into()).unwrap_err(), Signer::rsa(&key.into()).unwrap_err()] {
                seen.push_str(&format!(" {error} {error:?}"));
            }
        }
        seen.push_str(&format!("{}", Signer::hmac(&"  ".into()).unwrap_err()));
        assert!(!seen.contains("canary") && !seen.contains("Y2FuYXJ5"), "{seen}");
        assert!(seen.contains("HMAC-SHA256"));
    }
}
