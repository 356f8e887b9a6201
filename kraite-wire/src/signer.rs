//! Keys and signatures: HMAC-SHA256, Ed25519, RSA. Secrets live in types that neither print nor serialize.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use aws_lc_rs::{hmac, signature};
use data_encoding::BASE64;
use secrecy::{ExposeSecret, SecretSlice, SecretString};

/// A key that cannot be used. Says which, never what was in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing but blanks.
    #[error("the secret is empty")]
    Empty,
    /// Neither PEM nor base64.
    #[error("the private key is neither PEM nor base64")]
    Encoding,
    /// Not a PKCS#8 private key of the expected kind.
    #[error("this is no unencrypted PKCS#8 {0} private key")]
    Kind(&'static str),
}

/// Signs what is sent. The same text always gives the same signature.
pub struct Signer(Kind);

enum Kind {
    Hmac(Box<hmac::Key>),
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

/// Which algorithm a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// HMAC-SHA256, with a secret that both sides have.
    Hmac,
    /// Ed25519.
    Ed25519,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rsa,
}

/// Signing failed inside the cryptographic library: nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request could not be signed")]
pub struct SignError;

impl Signer {
    /// A signer for the secret that came with a system-generated key.
    ///
    /// # Errors
    ///
    /// [`KeyError::Empty`].
    pub fn hmac(secret: &SecretString) -> Result<Self, KeyError> {
        let secret = secret.expose_secret().trim();
        if secret.is_empty() {
            return Err(KeyError::Empty);
        }
        Ok(Self(Kind::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())))))
    }

    /// A signer for an Ed25519 private key, PKCS#8 as PEM or base64.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when it is something else.
    pub fn ed25519(private_key: &SecretString) -> Result<Self, KeyError> {
        let der = der_of(private_key)?;
        Ed25519KeyPair::from_pkcs8(der.expose_secret())
            .map(|pair| Self(Kind::Ed25519(pair)))
            .map_err(|_| KeyError::Kind("Ed25519"))
    }

    /// A signer for an RSA private key, PKCS#8 as PEM or base64: RSASSA-PKCS1-v1_5 with SHA-256.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when it is something else.
    pub fn rsa(private_key: &SecretString) -> Result<Self, KeyError> {
        let der = der_of(private_key)?;
        RsaKeyPair::from_pkcs8(der.expose_secret())
            .map(|pair| Self(Kind::Rsa(Box::new(pair))))
            .map_err(|_| KeyError::Kind("RSA"))
    }

    /// The signature of `payload`, as bytes: how they are written is the venue's.
    ///
    /// # Errors
    ///
    /// [`SignError`] when the cryptographic library fails.
    pub fn sign(&self, payload: &str) -> Result<Vec<u8>, SignError> {
        match &self.0 {
            Kind::Hmac(key) => Ok(hmac::sign(key, payload.as_bytes()).as_ref().to_vec()),
            Kind::Ed25519(pair) => Ok(pair.sign(payload.as_bytes()).as_ref().to_vec()),
            Kind::Rsa(pair) => {
                let mut bytes = vec![0; pair.public_modulus_len()];
                let padding: &'static dyn signature::RsaEncoding = &RSA_PKCS1_SHA256;
                pair.sign(padding, &SystemRandom::new(), payload.as_bytes(), &mut bytes).map_err(|_| SignError)?;
                Ok(bytes)
            }
        }
    }

    /// Which algorithm it is.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        match self.0 {
            Kind::Hmac(_) => KeyKind::Hmac,
            Kind::Ed25519(_) => KeyKind::Ed25519,
            Kind::Rsa(_) => KeyKind::Rsa,
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind() {
            KeyKind::Hmac => "Signer(HMAC-SHA256)",
            KeyKind::Ed25519 => "Signer(Ed25519)",
            KeyKind::Rsa => "Signer(RSA)",
        })
    }
}

/// The bytes of a private key: PEM of one block, or its base64 alone.
fn der_of(private_key: &SecretString) -> Result<SecretSlice<u8>, KeyError> {
    let base64: String = private_key
        .expose_secret()
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("-----"))
        .flat_map(|line| line.chars().filter(|c| !c.is_whitespace()))
        .collect();
    let base64 = SecretString::from(base64);
    if base64.expose_secret().is_empty() {
        return Err(KeyError::Empty);
    }
    let der = BASE64.decode(base64.expose_secret().as_bytes()).map_err(|_| KeyError::Encoding)?;
    Ok(SecretSlice::from(der))
}
