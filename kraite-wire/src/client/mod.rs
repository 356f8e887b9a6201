//! What backends are made of, whatever the venue: one request out and one answer in ([`Transport`]), sockets that are
//! never trusted to be alive ([`Socket`]), the account's push stream over them ([`account_stream`]), the venue's clock ([`Keeper`]), limits ([`Window`], [`Recent`], [`Silence`],
//! [`SharedBudget`]), and what an answer that never came means ([`Failed`]).
//!
//! The venue gives its hosts, headers, limits and heartbeat; nothing here knows one by name.

mod alarm;
mod budget;
mod config;
mod keeper;
mod local;
mod lost;
mod socket;
mod stream;
#[cfg(feature = "test-server")]
pub mod test_server;
mod tls;
mod transport;
mod watch;

pub use budget::{Need, Recent, SharedBudget, Silence, Spent, Window};
pub use config::{
    CONNECT_TIMEOUT, ConfigError, ConnectError, KeyPolicy, SOCKET_AGE, TOTAL_TIMEOUT, check_key, check_sockets,
    check_timeouts, host_is_among, plain_url,
};
pub use keeper::{Keeper, VenueNow};
pub use local::{LocalClock, SystemClock};
pub use lost::{Failed, Lost, rejected, unsent};
pub use socket::{Heartbeat, Said, Socket, ramp};
pub use stream::{AccountSocket, MarksInUse, Message, Streams, account_stream};
pub use tls::{Needed, client_config};
pub use transport::{Dialect, MAX_BODY, MAX_RULES_BODY, Outgoing, Reply, Transport};
pub use watch::{Ended, SocketKind, Told, Watch};
