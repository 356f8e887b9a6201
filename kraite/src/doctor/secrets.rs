//! Key and secret: read once, and never written.

use std::path::Path;

use super::Args;
use crate::exit::{Exit, Failed};
use crate::flags::VenueName;
use crate::keys;

/// What stands for a secret that would have been shown.
const HIDDEN: &str = "(hidden)";
/// The longest name of a variable that is repeated.
const LONGEST_NAME: usize = 48;

/// What signs. Has no way to be printed.
pub(super) struct Secrets {
    key: String,
    secret: String,
    passphrase: Option<String>,
}

/// Where something is read from, and what it is.
struct Source<'a> {
    what: &'static str,
    flag: &'static str,
    variable: Option<&'a str>,
    file: Option<&'a Path>,
}

impl Source<'_> {
    fn wrong(&self, why: &str) -> Failed {
        Failed::new(Exit::Configuration, format!("the {}: {why}", self.what))
    }

    /// The name as it may be shown: whoever gives the secret in its place must not find it in a log.
    fn shown(&self, name: &str) -> String {
        let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        if name.len() <= LONGEST_NAME && name.bytes().all(plain) {
            format!("{name} is not set")
        } else {
            format!("the variable that {} names is not set; it takes a name, not the {} itself", self.flag, self.what)
        }
    }

    fn read(&self) -> Result<String, Failed> {
        let text = match (self.variable, self.file) {
            (Some(name), _) => std::env::var(name).map_err(|_| self.wrong(&self.shown(name)))?,
            (None, Some(file)) => std::fs::read_to_string(file)
                .map_err(|error| self.wrong(&format!("{} cannot be read: {}", file.display(), error.kind())))?,
            (None, None) => return Err(self.wrong("neither variable nor file is named")),
        };
        let text = text.trim().to_owned();
        if text.is_empty() { Err(self.wrong("it is empty")) } else { Ok(text) }
    }
}

impl Secrets {
    pub(super) fn read(args: &Args) -> Result<Self, Failed> {
        let key = Source {
            what: "API key",
            flag: "--key-env",
            variable: args.key_env.as_deref(),
            file: args.key_file.as_deref(),
        };
        let secret = Source {
            what: "secret",
            flag: "--secret-env",
            variable: args.secret_env.as_deref(),
            file: args.secret_file.as_deref(),
        };
        let passphrase = Source {
            what: "passphrase",
            flag: "--passphrase-env",
            variable: args.passphrase_env.as_deref(),
            file: args.passphrase_file.as_deref(),
        };
        let is_given = passphrase.variable.is_some() || passphrase.file.is_some();
        match (args.venue, is_given) {
            (VenueName::Bitget, false) => {
                let why = "a key of Bitget has a passphrase: --passphrase-env or --passphrase-file";
                return Err(Failed::new(Exit::Usage, why));
            }
            (VenueName::Binance, true) => return Err(Failed::new(Exit::Usage, "a key of Binance has no passphrase")),
            _ => {}
        }
        let passphrase = is_given.then(|| passphrase.read()).transpose()?;
        let secrets = Self { key: key.read()?, secret: secret.read()?, passphrase };
        if secrets.key.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(secrets)
        } else {
            Err(key.wrong("it holds blanks or other characters that no key has"))
        }
    }

    pub(super) fn binance(&self) -> Result<kraite_binance::codec::Credentials, Failed> {
        let signer = keys::binance_signer(&self.secret).map_err(unusable)?;
        Ok(kraite_binance::codec::Credentials::new(self.key.as_str().into(), signer))
    }

    pub(super) fn bitget(&self) -> Result<kraite_bitget::codec::Credentials, Failed> {
        let signer = keys::bitget_signer(&self.secret).map_err(unusable)?;
        let passphrase = self.passphrase.as_deref().unwrap_or_default();
        Ok(kraite_bitget::codec::Credentials::new(self.key.as_str().into(), passphrase.into(), signer))
    }

    /// A text without any of them, whoever put them there: an exchange may repeat the key that it refuses.
    pub(super) fn scrubbed(&self, text: &str) -> String {
        let long = |secret: &&String| secret.len() >= SHORTEST_HIDDEN;
        let all = [Some(&self.secret), self.passphrase.as_ref(), Some(&self.key)];
        all.into_iter().flatten().filter(long).fold(text.to_owned(), |text, it| text.replace(it, HIDDEN))
    }
}

fn unusable(error: impl std::fmt::Display) -> Failed {
    Failed::new(Exit::Configuration, format!("the secret: {error}"))
}

/// A shorter one is none of a real account, and would hide parts of words.
const SHORTEST_HIDDEN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_the_place_of_a_name_is_not_repeated() {
        let source = Source { what: "secret", flag: "--secret-env", variable: None, file: None };
        for canary in ["2b5eb11e18796d12d88f13dc27dbbd02", "canary", &"A".repeat(64)] {
            assert!(!source.shown(canary).contains(canary), "{canary}");
        }
        assert_eq!(source.shown("KRAITE_SECRET_2"), "KRAITE_SECRET_2 is not set");
    }

    #[test]
    fn what_the_exchange_repeats_is_hidden() {
        let passphrase = Some("canary-passphrase".into());
        let secrets = Secrets { key: "canary-key".into(), secret: "canary-secret".into(), passphrase };
        assert_eq!(secrets.scrubbed("canary-key of canary-secret is bad"), "(hidden) of (hidden) is bad");
        assert_eq!(secrets.scrubbed("canary-passphrase"), "(hidden)");
        let short = Secrets { key: "k".into(), secret: "s".into(), passphrase: None };
        assert_eq!(short.scrubbed("ok so"), "ok so");
    }
}
