//! The key of the one account, and what the signatures of its requests are checked with.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use data_encoding::BASE64;

/// What proves that a request was signed.
enum Proof {
    Secret(Box<hmac::Key>),
    PublicKey(ParsedPublicKey),
}

/// The key that a request must carry and what its signature is checked with.
pub(super) struct Credentials {
    key: String,
    proof: Proof,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Credentials {
    /// A pair of key and secret.
    pub(super) fn new(key: &str, secret: &str) -> Self {
        Self {
            key: key.to_owned(),
            proof: Proof::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()))),
        }
    }

    /// A key and the public half of the pair that signs: Ed25519 or RSA as PEM, as the venue is given it. `None` where
    /// it is neither.
    pub(super) fn of_public_key(key: &str, pem: &str) -> Option<Self> {
        let base64: String =
            pem.lines().filter(|line| !line.starts_with("-----")).flat_map(str::split_whitespace).collect();
        let der = BASE64.decode(base64.as_bytes()).ok()?;
        let public = ParsedPublicKey::new(&ED25519, &der)
            .or_else(|_| ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &der))
            .ok()?;
        Some(Self { key: key.to_owned(), proof: Proof::PublicKey(public) })
    }

    /// Whether this is the key.
    pub(super) fn is_key(&self, key: &str) -> bool {
        key == self.key
    }

    /// Whether signatures are made with the private half of a pair.
    pub(super) const fn has_public_key(&self) -> bool {
        matches!(self.proof, Proof::PublicKey(_))
    }

    /// Whether this signature was made over these bytes.
    pub(super) fn verifies(&self, payload: &[u8], signature: &[u8]) -> bool {
        match &self.proof {
            Proof::Secret(secret) => hmac::verify(secret, payload, signature).is_ok(),
            Proof::PublicKey(public) => public.verify_sig(payload, signature).is_ok(),
        }
    }
}
