//! One way out: what is posted where, and what the answer means.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderValue;
use kraite_core::time::Millis;
use kraite_wire::Method;
use kraite_wire::client::{
    ConfigError, Dialect, Failed, LocalClock, Lost, Needed, Outgoing, SystemClock, Transport, client_config,
};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::mailbox::Posting;
use super::settings::private;
use crate::utc;

/// How long a connection may take to be made.
const CONNECT: Millis = Millis::from_secs(3);
/// How long a post may take in all.
const TOTAL: Millis = Millis::from_secs(5);
/// The most bytes of an answer.
const MAX_ANSWER: usize = 64 * 1_024;
/// Telegram takes about one message a second in one chat ("Bots FAQ", "My bot is hitting limits").
const TELEGRAM_EVERY: Duration = Duration::from_millis(1_100);
/// Nobody reads webhooks faster.
const WEBHOOK_EVERY: Duration = Duration::from_millis(200);
/// The longest text of a message is 4096 characters after its entities ("sendMessage").
const LONGEST_TEXT: usize = 4_000;

/// What is read of an answer's headers: when to come again.
struct Plain;

impl Dialect for Plain {
    type Host = ();
    type Limits = Option<u64>;

    const LIMIT_HEADERS: &'static str = "retry-after";

    fn limits<'a>(mut headers: impl Iterator<Item = (&'a str, &'a str)>) -> Self::Limits {
        headers.find_map(|(name, value)| if name == "retry-after" { value.trim().parse().ok() } else { None })
    }
}

enum Shape {
    Webhook,
    Telegram { chat: String },
}

/// How a post ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Posted {
    /// It was taken.
    Taken,
    /// It may be taken later, after a wait where one is told.
    Later(String, Option<Duration>),
    /// It will not be taken.
    Refused(String),
}

/// One way out.
pub(super) struct Channel {
    shape: Shape,
    transport: Transport<Plain>,
    path: &'static str,
    query: String,
    /// Where it leads, without anything that may be a secret.
    shown: String,
}

/// What Telegram says beside a refusal.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    parameters: Parameters,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Parameters {
    retry_after: Option<u64>,
}

impl Channel {
    pub(super) fn webhook(url: &SecretString) -> Result<Self, ConfigError> {
        Self::new(Shape::Webhook, url)
    }

    pub(super) fn telegram(chat: String, bot: &SecretString) -> Result<Self, ConfigError> {
        Self::new(Shape::Telegram { chat }, bot)
    }

    fn new(shape: Shape, url: &SecretString) -> Result<Self, ConfigError> {
        const WHAT: &str = "where notices go";
        let url = Url::parse(url.expose_secret()).ok().filter(private).ok_or(ConfigError::Address(WHAT))?;
        let encrypted = url.scheme() == "https";
        let tls = client_config(if encrypted { Needed::Yes } else { Needed::No })?;
        let clock: Arc<dyn LocalClock> = Arc::new(SystemClock::real());
        let path = match &shape {
            Shape::Telegram { .. } => "/sendMessage",
            Shape::Webhook if url.path().ends_with('/') => "/",
            Shape::Webhook => "",
        };
        let (query, shown) = (url.query().unwrap_or_default().to_owned(), url.origin().ascii_serialization());
        let transport = Transport::new([((), url)], encrypted, (CONNECT, TOTAL), &clock, &tls)?;
        Ok(Self { shape, transport, path, query, shown })
    }

    pub(super) const fn name(&self) -> &'static str {
        match self.shape {
            Shape::Webhook => "webhook",
            Shape::Telegram { .. } => "telegram",
        }
    }

    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// The least time from one post to the next.
    pub(super) const fn every(&self) -> Duration {
        match self.shape {
            Shape::Webhook => WEBHOOK_EVERY,
            Shape::Telegram { .. } => TELEGRAM_EVERY,
        }
    }

    /// Posts one, once. The words of a failure are ours: an answer, or an error of the library, may repeat the address.
    pub(super) async fn post(&self, posting: &Posting, is_paper: bool) -> Posted {
        let body = match &self.shape {
            Shape::Webhook => object(posting, is_paper),
            Shape::Telegram { chat } => json!({
                "chat_id": chat, "text": text(posting, is_paper), "disable_web_page_preview": true,
            }),
        };
        let request = Outgoing {
            host: (),
            method: Method::Post,
            path: self.path,
            query: self.query.clone(),
            body: Some(body.to_string()),
            media: HeaderValue::from_static("application/json"),
        };
        match self.transport.send(request, Ok::<_, Lost>([]), MAX_ANSWER).await {
            Ok(reply) => self.meaning(reply.status, &reply.body, reply.used),
            Err(lost) => Posted::Later(Failed::Lost(lost).read_error().to_string(), None),
        }
    }

    fn meaning(&self, status: u16, body: &[u8], retry_after: Option<u64>) -> Posted {
        let told = || match self.shape {
            Shape::Webhook => None,
            Shape::Telegram { .. } => serde_json::from_slice::<Refusal>(body).ok()?.parameters.retry_after,
        };
        match status {
            200..=299 => Posted::Taken,
            408 | 429 | 500..=599 => {
                let wait = told().or(retry_after).map(Duration::from_secs);
                Posted::Later(format!("it is answered with status {status}"), wait)
            }
            _ => Posted::Refused(format!("it is answered with status {status}{}", self.advice(status))),
        }
    }

    const fn advice(&self, status: u16) -> &'static str {
        match (&self.shape, status) {
            (Shape::Telegram { .. }, 401 | 404) => ": check the bot's token",
            (Shape::Telegram { .. }, 400 | 403) => ": check the chat, and that the bot is in it",
            (Shape::Webhook, 300..=399) => ": redirects are not followed; check the url",
            (Shape::Webhook, 401 | 403 | 404) => ": check the url",
            _ => "",
        }
    }
}

/// What a webhook gets.
fn object(posting: &Posting, is_paper: bool) -> Value {
    let letter = &posting.letter;
    json!({
        "schema": "kraite.notice/1", "account": letter.account, "position": letter.position, "alert": letter.alert,
        "message": letter.message, "time": utc::iso(posting.at.0), "time_ms": posting.at.0,
        "held_back": posting.held_back, "paper": is_paper,
    })
}

/// What a chat gets.
fn text(posting: &Posting, is_paper: bool) -> String {
    let letter = &posting.letter;
    let mut about = vec![if is_paper { "kraite, on paper".to_owned() } else { "kraite".to_owned() }];
    about.extend(letter.account.as_ref().map(|account| format!("account {account}")));
    about.extend(letter.position.map(|position| format!("position {position}")));
    let (alert, message, at) = (&letter.alert, &letter.message, utc::text(posting.at.0));
    let again = match posting.held_back {
        0 => String::new(),
        n => format!("\n{n} equal before it were held back"),
    };
    let text = format!("{alert}: {message}\n{}, {at} UTC{again}", about.join(", "));
    text.chars().take(LONGEST_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use kraite_core::time::LocalMillis;

    use super::super::mailbox::Letter;
    use super::*;

    fn posting() -> Posting {
        let letter = Letter {
            account: Some("main".into()),
            position: Some(3),
            alert: "Unprotected".into(),
            message: "no stop".into(),
        };
        Posting { letter, at: LocalMillis(1_760_000_000_123), held_back: 2 }
    }

    #[test]
    fn a_notice_says_what_about_what_and_when() {
        assert_eq!(
            text(&posting(), true),
            "Unprotected: no stop\nkraite, on paper, account main, position 3, 2025-10-09 08:53:20.123 UTC\n\
             2 equal before it were held back"
        );
        let mut long = posting();
        long.letter.message = "x".repeat(9_000);
        assert_eq!(text(&long, false).len(), LONGEST_TEXT);
        let object = object(&posting(), false);
        assert_eq!(
            (&object["account"], &object["position"], &object["paper"]),
            (&"main".into(), &3.into(), &false.into())
        );
        assert_eq!((&object["time"], &object["held_back"]), (&"2025-10-09T08:53:20.123Z".into(), &2.into()));
    }

    #[test]
    fn r117_an_answer_that_asks_for_patience_is_heard_and_its_words_are_not_repeated() {
        let url = SecretString::from("http://127.0.0.1:9/bot1:canary");
        let chat = Channel::telegram("1".into(), &url).unwrap();
        let slow = br#"{"ok":false,"description":"canary","parameters":{"retry_after":7}}"#;
        let later = |why: &str, wait| Posted::Later(why.into(), wait);
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(chat.meaning(200, b"", None), Posted::Taken);
        assert_eq!(chat.meaning(429, slow, Some(9)), later("it is answered with status 429", seconds(7)));
        assert_eq!(chat.meaning(429, b"canary", Some(9)), later("it is answered with status 429", seconds(9)));
        assert_eq!(chat.meaning(502, b"", None), later("it is answered with status 502", None));
        for status in [301, 400, 401, 403, 404] {
            let Posted::Refused(why) = chat.meaning(status, slow, None) else { panic!("{status}") };
            assert!(!why.contains("canary"), "{why}");
        }
        let hook = Channel::webhook(&SecretString::from("http://127.0.0.1:9/canary?canary=1")).unwrap();
        assert_eq!(hook.meaning(503, slow, Some(9)), later("it is answered with status 503", seconds(9)));
        assert_eq!((chat.shown(), hook.shown()), ("http://127.0.0.1:9", "http://127.0.0.1:9"));
    }
}
