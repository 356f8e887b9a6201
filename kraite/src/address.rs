//! The address of a database: where it comes from, and what of it anybody may see.

use secrecy::SecretString;

use crate::exit::{Exit, Failed};
use crate::keys::Source;

/// Where libpq's programs find a password, too.
const PASSWORD: &str = "PGPASSWORD";

/// Where the address of a database comes from.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    /// From where a secret is.
    Of(Source),
    /// From the command line, without a password.
    Said(#[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "nobody connects to it"))] String),
}

/// Whether a journal is named by the address of a database.
pub(crate) fn is_address(journal: &str) -> bool {
    journal.starts_with("postgres://") || journal.starts_with("postgresql://")
}

/// For a build that knows only files.
#[cfg(not(feature = "postgres"))]
pub(crate) fn not_built_in() -> Failed {
    Failed::new(Exit::Usage, "this kraite is built without PostgreSQL: build it with --features postgres")
}

/// The password in an address, as it is written there.
fn password(address: &str) -> Option<&str> {
    if let Some((_, rest)) = address.split_once("password=") {
        return rest.split(['&', ' ']).next();
    }
    let (user, _) = address.split_once("://")?.1.split_once('@')?;
    user.split_once(':').map(|(_, password)| password)
}

impl Address {
    /// Whatever of it nobody may see, as far as it can be read from here.
    pub(crate) fn secrets(&self) -> Vec<SecretString> {
        let whole = match self {
            Self::Said(_) => return std::env::var(PASSWORD).into_iter().map(SecretString::from).collect(),
            Self::Of(source) => source.read().ok(),
        };
        let password = whole.as_deref().and_then(password).map(str::to_owned);
        whole.into_iter().chain(password).map(SecretString::from).collect()
    }

    /// All of it, with its password.
    #[cfg(feature = "postgres")]
    pub(crate) fn read(&self) -> Result<SecretString, Failed> {
        match self {
            Self::Said(address) => with_password(address, std::env::var(PASSWORD).ok().as_deref()),
            Self::Of(source) => {
                let read = source.read();
                let wrong = |why| Failed::new(Exit::Configuration, format!("postgres: address: {why}"));
                read.map(Into::into).map_err(wrong)
            }
        }
    }
}

/// An address as it was said on the command line, which everybody on the machine can read.
#[cfg(feature = "postgres")]
fn with_password(address: &str, password: Option<&str>) -> Result<SecretString, Failed> {
    let wrong = |why: &str| Err(Failed::new(Exit::Usage, why));
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    // What is before the first '@' is taken for user and password, whatever is in it.
    let user = rest.split_once('@').map_or("", |(user, _)| user);
    if user.contains(':') || rest.to_ascii_lowercase().contains("password=") {
        return wrong(
            "a password on the command line can be read by everybody on this machine: set PGPASSWORD, or \
                      give the whole address in [postgres] of the configuration",
        );
    }
    if rest.contains('#') {
        return wrong("the address of the database holds a '#': write it as %23");
    }
    let Some(password) = password else { return Ok(address.to_owned().into()) };
    let joint = if rest.contains('?') { '&' } else { '?' };
    let mut whole = format!("{address}{joint}password=");
    for byte in password.bytes() {
        if byte.is_ascii_alphanumeric() {
            whole.push(char::from(byte));
        } else {
            whole.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(whole.into())
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "postgres")]
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn the_password_in_an_address_is_found_to_keep_it_out_of_what_is_shown() {
        let canary = Some("canary");
        assert_eq!(password("postgres://u:canary@h:1/d?sslmode=disable"), canary);
        assert_eq!(password("postgres://u@h/d?password=canary&sslmode=disable"), canary);
        assert_eq!(password("host=h password=canary user=u"), canary);
        assert_eq!((password("postgres://u@h:1/d"), password("host=h user=u")), (None, None));
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn a_password_that_is_said_is_refused_wherever_it_is_and_one_of_the_environment_is_added() {
        let whole = |address: &str| with_password(address, Some("a/b c")).map(|whole| whole.expose_secret().to_owned());
        assert_eq!(whole("postgres://u@h/d").unwrap(), "postgres://u@h/d?password=a%2Fb%20c");
        assert_eq!(whole("postgres://u@h:1/d?sslmode=disable").unwrap().matches('&').count(), 1);
        assert_eq!(with_password("postgres://u@h/d", None).unwrap().expose_secret(), "postgres://u@h/d");
        for said in [
            "postgres://u:canary@h/d",
            "postgres://u:can/ary@h/d",
            "postgres://u:can?ary@h/d",
            "postgresql://u:can@ary@h/d",
            "postgres://u@h/d?Password=canary",
            "postgres://u@h/d#canary",
        ] {
            let refused = whole(said).unwrap_err();
            assert!(refused.exit == Exit::Usage && !refused.message.contains("canary"), "{said}: {refused}");
        }
    }
}
