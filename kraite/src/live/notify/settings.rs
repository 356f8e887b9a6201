//! `[notify]` in `kraite.toml`: where notices go.

use std::path::Path;
use std::time::Duration;

use kraite_wire::client::plain_url;
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use toml::Spanned;

use crate::keys::Source;
use crate::live::config::Misplaced;
use crate::settings::Wrong;

/// Where bots of Telegram are spoken to ("Telegram Bot API", "Making requests").
const TELEGRAM: &str = "https://api.telegram.org";
/// An equal notice within this time of the last is not sent again.
const REPEAT_AFTER: u32 = 600;
/// The longest that equal notices may be held back.
const REPEAT_AFTER_MAX: u32 = 86_400;
/// The longest name of a chat: usernames have at most 32 characters, ids fewer.
const LONGEST_CHAT: usize = 64;

/// The table as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::live) struct Table {
    repeat_after_seconds: Option<Spanned<u32>>,
    webhook: Option<Spanned<WebhookTable>>,
    telegram: Option<Spanned<TelegramTable>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookTable {
    url: Spanned<Place>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TelegramTable {
    chat: Spanned<String>,
    token: Source,
    api: Option<Spanned<String>>,
}

/// An address, or where one is that is a secret itself.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "toml::Value")]
enum Place {
    Plain(String),
    Secret(Source),
}

/// Whatever is written there may be a secret.
impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plain(_) => f.write_str("Plain(..)"),
            Self::Secret(source) => f.debug_tuple("Secret").field(source).finish(),
        }
    }
}

impl TryFrom<toml::Value> for Place {
    type Error = &'static str;

    fn try_from(value: toml::Value) -> Result<Self, Self::Error> {
        match value {
            toml::Value::String(url) => Ok(Self::Plain(url)),
            other => Source::try_from(other).map(Self::Secret),
        }
    }
}

/// Where notices go, checked as far as it can be without a secret.
#[derive(Debug, Clone)]
pub(in crate::live) struct Notify {
    /// How long equal notices are held back.
    pub(super) repeat_after: Duration,
    webhook: Option<Place>,
    telegram: Option<Telegram>,
}

#[derive(Debug, Clone)]
struct Telegram {
    chat: String,
    token: Source,
    api: Url,
}

/// Where notices go, with every secret that it takes.
#[derive(Debug)]
pub(in crate::live) struct Addresses {
    pub(super) repeat_after: Duration,
    pub(super) webhook: Option<SecretString>,
    /// The chat, and the address of the bot.
    pub(super) telegram: Option<(String, SecretString)>,
}

/// The address, if nobody can listen on the way: encrypted, or on this machine.
pub(super) fn private(url: &Url) -> bool {
    let is_here = || match url.host_str() {
        Some("localhost") => true,
        Some(host) => {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        None => false,
    };
    match url.scheme() {
        "https" => url.has_host(),
        "http" => is_here(),
        _ => false,
    }
}

const NOT_PRIVATE: &str = "an https address, or an http address on this machine";

/// An address that is written in the configuration: it holds no secret that can be seen as one.
fn address(text: &str) -> Result<Url, String> {
    plain_url(text, "it").ok().filter(private).ok_or_else(|| {
        format!(
            "{NOT_PRIVATE}, without user, password or query; one that is a secret belongs into env, file or credential"
        )
    })
}

impl Table {
    /// Checks it; `place` finds a key of the table that begins at a byte.
    pub(in crate::live) fn checked(
        self,
        folder: &Path,
        place: impl Fn(&std::ops::Range<usize>, Wrong) -> Misplaced,
    ) -> Result<Notify, Misplaced> {
        let seconds = match &self.repeat_after_seconds {
            Some(given) if *given.get_ref() > REPEAT_AFTER_MAX => {
                let why = format!("{} seconds are more than {REPEAT_AFTER_MAX}", given.get_ref());
                return Err(Misplaced::at(&given.span(), why));
            }
            Some(given) => *given.get_ref(),
            None => REPEAT_AFTER,
        };
        let webhook = self.webhook.map(|table| {
            let span = table.span();
            let url = table.into_inner().url;
            match url.get_ref() {
                Place::Plain(text) => {
                    address(text).map_err(|why| Misplaced::at(&url.span(), format!("url is {why}")))?;
                    Ok(url.into_inner())
                }
                Place::Secret(source) => {
                    let source =
                        source.clone().checked(folder).map_err(|why| place(&span, Wrong { key: "url", why }))?;
                    Ok(Place::Secret(source))
                }
            }
        });
        let telegram = self.telegram.map(|table| {
            let span = table.span();
            let TelegramTable { chat, token, api } = table.into_inner();
            let plain = |chat: &str| chat.bytes().all(|byte| byte.is_ascii_graphic()) && chat.len() <= LONGEST_CHAT;
            if chat.get_ref().is_empty() || !plain(chat.get_ref()) {
                let why =
                    "chat is the id of a chat, as \"-1001234\", or the name of a channel, as \"@name\"".to_owned();
                return Err(Misplaced::at(&chat.span(), why));
            }
            let api = match &api {
                Some(api) => {
                    address(api.get_ref()).map_err(|why| Misplaced::at(&api.span(), format!("api is {why}")))?
                }
                None => address(TELEGRAM).map_err(|why| place(&span, Wrong { key: "api", why }))?,
            };
            let token = token.checked(folder).map_err(|why| place(&span, Wrong { key: "token", why }))?;
            Ok(Telegram { chat: chat.into_inner(), token, api })
        });
        let (webhook, telegram) = (webhook.transpose()?, telegram.transpose()?);
        Ok(Notify { repeat_after: Duration::from_secs(u64::from(seconds)), webhook, telegram })
    }
}

impl Notify {
    /// Whether there is a way for a notice at all.
    pub(in crate::live) const fn has_a_way(&self) -> bool {
        self.webhook.is_some() || self.telegram.is_some()
    }

    /// Where its secrets are.
    pub(in crate::live) fn sources(&self) -> impl Iterator<Item = &Source> {
        let url = self.webhook.as_ref().and_then(|place| match place {
            Place::Plain(_) => None,
            Place::Secret(source) => Some(source),
        });
        url.into_iter().chain(self.telegram.as_ref().map(|telegram| &telegram.token))
    }

    /// Reads every secret. The error names the place and never what is in it.
    pub(in crate::live) fn read(&self) -> Result<Addresses, String> {
        let webhook = self.webhook.as_ref().map(|place| match place {
            Place::Plain(url) => Ok(SecretString::from(url.as_str())),
            Place::Secret(source) => {
                let url = SecretString::from(source.read().map_err(|why| format!("webhook: the url: {why}"))?);
                match Url::parse(url.expose_secret()) {
                    Ok(parsed) if private(&parsed) => Ok(url),
                    _ => Err(format!("webhook: the url: it is not {NOT_PRIVATE}")),
                }
            }
        });
        let telegram = self.telegram.as_ref().map(|telegram| {
            let token = telegram.token.read().map_err(|why| format!("telegram: the token: {why}"))?;
            // As BotFather gives them: 123456:ABC-DEF_.
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-' | b'_');
            if !token.bytes().all(plain) || !token.contains(':') {
                return Err("telegram: the token: it is not like the token of a bot, 123456:ABC".to_owned());
            }
            let mut bot = telegram.api.clone();
            bot.set_path(&format!("{}/bot{token}", bot.path().trim_end_matches('/')));
            Ok((telegram.chat.clone(), SecretString::from(String::from(bot))))
        });
        Ok(Addresses {
            repeat_after: self.repeat_after,
            webhook: webhook.transpose()?,
            telegram: telegram.transpose()?,
        })
    }
}
