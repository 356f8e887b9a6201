//! Where keys and secrets are read from: the environment, a file that nobody else may read, a credentials directory.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Where systemd puts the credentials of a unit ("systemd.exec, LoadCredential").
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";
/// The largest key: an RSA private key as PEM has under 4 KiB.
const MAX_BYTES: u64 = 64 * 1_024;
/// Rights of the group and of others.
const OF_OTHERS: u32 = 0o077;
/// The same of a credential, but for reading by the group: systemd lets the user of a unit read one by an access list,
/// whose mask stands where the rights of the group do, and Kubernetes by the group of the pod.
const OF_STRANGERS: u32 = 0o027;

/// One place: an environment variable, a file, or a credential by its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "toml::Value")]
pub(crate) struct Source {
    env: Option<String>,
    file: Option<PathBuf>,
    credential: Option<String>,
}

/// The reader's own words for a wrong type repeat the value, which may be the secret itself.
impl TryFrom<toml::Value> for Source {
    type Error = &'static str;

    fn try_from(value: toml::Value) -> Result<Self, Self::Error> {
        const WRONG: &str = "say where it is: { env = \"NAME\" }, { file = \"PATH\" } or { credential = \"NAME\" }";
        let toml::Value::Table(table) = value else { return Err(WRONG) };
        let mut source = Self::default();
        for (place, value) in table {
            let toml::Value::String(value) = value else { return Err(WRONG) };
            match place.as_str() {
                "env" => source.env = Some(value),
                "file" => source.file = Some(value.into()),
                "credential" => source.credential = Some(value),
                _ => return Err(WRONG),
            }
        }
        Ok(source)
    }
}

impl Source {
    /// Exactly one place is named; paths begin at `folder`.
    pub(crate) fn checked(mut self, folder: &Path) -> Result<Self, String> {
        let named = [self.env.is_some(), self.file.is_some(), self.credential.is_some()];
        if named.into_iter().filter(|named| *named).count() != 1 {
            return Err("name one of env, file and credential".to_owned());
        }
        if let Some(name) = &self.env {
            let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
            if name.is_empty() || !name.bytes().all(plain) {
                return Err("env takes the name of a variable (A-Z, 0-9, _), not what is in it".to_owned());
            }
        }
        if self.credential.as_ref().is_some_and(|name| name.is_empty() || name.contains('/')) {
            return Err("credential takes a name in the credentials directory, not a path".to_owned());
        }
        self.file = self.file.map(|file| folder.join(file));
        Ok(self)
    }

    /// What is there, without blanks around it. The error names the place and never what is in it.
    pub(crate) fn read(&self) -> Result<String, String> {
        let text = match (&self.env, &self.file, &self.credential) {
            (Some(name), _, _) => std::env::var(name).map_err(|_| format!("the variable {name} is not set"))?,
            (_, Some(file), _) => read_private(file, OF_OTHERS)?,
            (_, _, Some(name)) => {
                let folder = std::env::var_os(CREDENTIALS_DIRECTORY).ok_or_else(|| {
                    format!("{CREDENTIALS_DIRECTORY} is not set: no service manager gave credentials")
                })?;
                read_private(&Path::new(&folder).join(name), OF_STRANGERS)?
            }
            (None, None, None) => return Err("no place is named".to_owned()),
        };
        let text = text.trim().to_owned();
        if text.is_empty() { Err("there is nothing in it".to_owned()) } else { Ok(text) }
    }
}

/// What a private key begins with.
const PEM: &str = "-----BEGIN";

/// Signs for Binance: with an Ed25519 or RSA private key as PEM, or with the secret of an HMAC key.
pub(crate) fn binance_signer(secret: &str) -> Result<kraite_binance::codec::Signer, kraite_binance::codec::KeyError> {
    use kraite_binance::codec::Signer;
    if secret.starts_with(PEM) {
        Signer::ed25519(&secret.into()).or_else(|_| Signer::rsa(&secret.into()))
    } else {
        Signer::hmac(&secret.into())
    }
}

/// Reads what signs for Binance.
pub(crate) fn binance(key: &Source, secret: &Source) -> Result<kraite_binance::codec::Credentials, String> {
    let signer = binance_signer(&named("secret", secret)?).map_err(|error| format!("the secret: {error}"))?;
    Ok(kraite_binance::codec::Credentials::new(api_key(key)?.as_str().into(), signer))
}

/// Signs for Bitget: with an RSA private key as PEM, or with the secret of an HMAC key.
pub(crate) fn bitget_signer(secret: &str) -> Result<kraite_bitget::codec::Signer, kraite_bitget::codec::KeyError> {
    use kraite_bitget::codec::Signer;
    let text = secret.into();
    if secret.starts_with(PEM) { Signer::rsa(&text) } else { Signer::hmac(&text) }
}

/// Reads what signs for Bitget: an RSA private key as PEM or the secret of an HMAC key, and the passphrase.
pub(crate) fn bitget(
    key: &Source,
    secret: &Source,
    passphrase: Option<&Source>,
) -> Result<kraite_bitget::codec::Credentials, String> {
    let signer = bitget_signer(&named("secret", secret)?).map_err(|error| format!("the secret: {error}"))?;
    let passphrase = passphrase.map_or_else(|| Ok(String::new()), |source| named("passphrase", source))?;
    Ok(kraite_bitget::codec::Credentials::new(api_key(key)?.as_str().into(), passphrase.as_str().into(), signer))
}

fn named(what: &str, source: &Source) -> Result<String, String> {
    source.read().map_err(|why| format!("the {what}: {why}"))
}

fn api_key(source: &Source) -> Result<String, String> {
    let key = named("API key", source)?;
    if key.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(key)
    } else {
        Err("the API key: it holds blanks or other characters that no key has".to_owned())
    }
}

/// A file on which nobody else has those rights. What is checked and what is read is one open file.
fn read_private(path: &Path, others: u32) -> Result<String, String> {
    let at = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let file = File::open(path).map_err(|error| at(&error.kind()))?;
    let rights = file.metadata().map_err(|error| at(&error.kind()))?;
    if !rights.is_file() {
        return Err(at(&"not a file"));
    }
    if rights.permissions().mode() & others != 0 {
        return Err(at(&"others may read it: chmod 600"));
    }
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(|error| at(&error.kind()))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(toml: &str) -> Result<Source, String> {
        toml::from_str::<Source>(toml).map_err(|error| error.to_string())?.checked(Path::new("/etc/kraite"))
    }

    #[test]
    fn one_place_is_named_and_a_secret_is_none() {
        #[derive(Debug, Deserialize)]
        struct Table {
            #[allow(dead_code, reason = "it is never read well")]
            secret: Source,
        }
        for pasted in ["\"canary\"", "[\"canary\"]", "{ canary = \"x\" }", "{ env = 7 }"] {
            let error = toml::from_str::<Table>(&format!("secret = {pasted}")).unwrap_err();
            assert!(error.message().starts_with("say where it is") && !error.message().contains("canary"), "{error}");
        }
        assert!(source("env = \"KRAITE_KEY\"").is_ok());
        assert_eq!(source("file = \"key\"").unwrap().file.unwrap(), Path::new("/etc/kraite/key"));
        for wrong in
            ["", "env = \"A\"\nfile = \"b\"", "env = \"q3Vx9-canary\"", "credential = \"../x\"", "vault = \"x\""]
        {
            let error = source(wrong).unwrap_err();
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_and_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, " canary-key \n").unwrap();
        for (mode, readable) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let source = Source { file: Some(path.clone()), ..Source::default() };
            match source.read() {
                Ok(text) => assert!(readable && text == "canary-key"),
                Err(why) => assert!(!readable && why.contains("chmod 600") && !why.contains("canary"), "{why}"),
            }
        }
        // What a service manager gives is read by an access list or by a group.
        for (mode, readable) in [(0o400, true), (0o440, true), (0o460, false), (0o444, false), (0o441, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_private(&path, OF_STRANGERS).is_ok(), readable, "{mode:o}");
        }
        let gone = Source { file: Some(folder.path().join("gone")), ..Source::default() };
        assert!(gone.read().unwrap_err().contains("not found"));
        assert!(Source { file: Some(folder.path().to_owned()), ..Source::default() }.read().is_err());
    }
}
