//! One connection: encrypted where it leaves the machine, to the server that is ahead of the others, and with an ear for
//! what the server says on its own.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use futures_util::StreamExt as _;
use futures_util::stream::poll_fn;
use kraite_core::journal::JournalError;
use rustls::{ClientConfig, RootCertStore};
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::error::Severity;
use tokio_postgres::{AsyncMessage, Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Which history a server writes; each promotion begins the next one.
const TIMELINE: &str = "SELECT substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)";

/// How connections are made. Clones share what was seen.
#[derive(Clone)]
pub(super) struct Line {
    /// One for each server of the address.
    first: Config,
    others: Arc<[Config]>,
    tls: MakeRustlsConnect,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    warnings: AtomicU64,
    timeline: AtomicU32,
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

/// What leaves the machine is encrypted and the server's name verified, unless the address says `sslmode=disable`; on
/// this machine nothing is, unless it says `sslmode=require`.
fn is_encrypted(config: &Config) -> bool {
    match config.get_ssl_mode() {
        SslMode::Disable => false,
        SslMode::Require => true,
        _ => !config.get_hosts().iter().all(is_here),
    }
}

fn tls(needed: bool, place: &str) -> Result<MakeRustlsConnect, JournalError> {
    let unfit = |why: &str| JournalError::Unavailable(format!("{place}: {why}"));
    let mut roots = RootCertStore::empty();
    if needed {
        let _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(unfit(
                "the connection is to be encrypted, and this machine has no root certificates: install \
                              them (ca-certificates), or name a file of them in SSL_CERT_FILE",
            ));
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| unfit(&error.to_string()))?;
    Ok(MakeRustlsConnect::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// The configuration of one of several servers: which of them is taken is decided here.
fn one_of(config: &Config, place: usize) -> Config {
    let mut one = Config::new();
    match config.get_hosts().get(place) {
        Some(Host::Tcp(name)) => drop(one.host(name)),
        #[cfg(unix)]
        Some(Host::Unix(folder)) => drop(one.host_path(folder)),
        None => {}
    }
    if let Some(address) = config.get_hostaddrs().get(place) {
        one.hostaddr(*address);
    }
    let ports = config.get_ports();
    if let Some(port) = ports.get(place).or_else(|| ports.first()) {
        one.port(*port);
    }
    if let Some(user) = config.get_user() {
        one.user(user);
    }
    if let Some(password) = config.get_password() {
        one.password(password);
    }
    if let Some(name) = config.get_dbname() {
        one.dbname(name);
    }
    if let Some(options) = config.get_options() {
        one.options(options);
    }
    if let Some(name) = config.get_application_name() {
        one.application_name(name);
    }
    if let Some(patience) = config.get_connect_timeout() {
        one.connect_timeout(*patience);
    }
    if let Some(patience) = config.get_tcp_user_timeout() {
        one.tcp_user_timeout(*patience);
    }
    one.ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .channel_binding(config.get_channel_binding())
        .keepalives(config.get_keepalives())
        .keepalives_idle(config.get_keepalives_idle())
        .target_session_attrs(TargetSessionAttrs::ReadWrite);
    one
}

impl Line {
    /// Connects to nothing yet. `place` is for errors.
    pub(super) fn new(config: &Config, place: &str) -> Result<Self, JournalError> {
        let mut config = config.clone();
        let needed = is_encrypted(&config);
        config.ssl_mode(if needed { SslMode::Require } else { SslMode::Disable });
        let several = config.get_hosts().len().max(config.get_hostaddrs().len());
        let first = if several < 2 { config.clone() } else { one_of(&config, 0) };
        let others = (1..several).map(|place| one_of(&config, place)).collect();
        Ok(Self { first, others, tls: tls(needed, place)?, seen: Arc::default() })
    }

    /// How many warnings servers have given.
    pub(super) fn warnings(&self) -> u64 {
        self.seen.warnings.load(Ordering::SeqCst)
    }

    /// Connects to the server that may be written to; of several, as an old primary that came back is one, to the one
    /// that was promoted last.
    pub(super) async fn connect(&self) -> Result<(Client, JoinHandle<()>), Error> {
        let mut newest = self.connect_to(&self.first).await;
        for server in self.others.iter() {
            let found = self.connect_to(server).await;
            let is_newer = match (&newest, &found) {
                (_, Err(_)) => false,
                (Err(_), Ok(_)) => true,
                (Ok((before, _)), Ok((timeline, _))) => timeline > before,
            };
            if is_newer {
                newest = found;
            }
        }
        newest.map(|(_, connected)| connected)
    }

    /// Refuses a server whose history is behind what was seen before: an old primary, or one that was put back.
    pub(super) async fn is_ahead(&self, client: &Client) -> Result<(), Behind> {
        let timeline = timeline(client).await.map_err(Behind::Unknown)?;
        let seen = self.seen.timeline.fetch_max(timeline, Ordering::SeqCst);
        if timeline < seen { Err(Behind::Is(timeline, seen)) } else { Ok(()) }
    }

    async fn connect_to(&self, server: &Config) -> Result<(u32, (Client, JoinHandle<()>)), Error> {
        let (client, mut connection) = server.connect(self.tls.clone()).await?;
        let seen = Arc::clone(&self.seen);
        let task = tokio::spawn(async move {
            let mut messages = poll_fn(move |cx| connection.poll_message(cx));
            // An error ends the connection, which whoever waits on it is told.
            while let Some(Ok(message)) = messages.next().await {
                if let AsyncMessage::Notice(notice) = message
                    && notice.parsed_severity() == Some(Severity::Warning)
                {
                    seen.warnings.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        Ok((timeline(&client).await?, (client, task)))
    }
}

async fn timeline(client: &Client) -> Result<u32, Error> {
    let row = client.query_one(TIMELINE, &[]).await?;
    Ok(u32::from_str_radix(row.try_get(0)?, 16).unwrap_or(0))
}

/// Why a server is not used that takes connections.
pub(super) enum Behind {
    /// It writes this history, and a later one was seen.
    Is(u32, u32),
    /// It does not say.
    Unknown(Error),
}

impl Behind {
    pub(super) fn words(&self) -> String {
        match self {
            Self::Is(timeline, seen) => format!(
                "the server writes timeline {timeline}, and timeline {seen} was seen: it is an old primary, or was put \
                 back; nothing is done on it"
            ),
            Self::Unknown(error) => format!("the server does not say which timeline it writes: {error}"),
        }
    }
}

impl deadpool_postgres::Connect for Line {
    fn connect(
        &self,
        _: &Config,
    ) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + '_>> {
        Box::pin(Self::connect(self))
    }
}
