//! Commands that need no exchange, made durable while there is none.

use kraite_core::capabilities::Capabilities;
use kraite_core::engine::{Command, CommandId, Config, Effect, Engine, Input, InputKind, commit};
use kraite_core::id::AccountTag;
use kraite_core::journal::{Journal, Record};
use kraite_core::time::{Millis, Moment, VenueMillis};

use crate::clock::Clock;
use crate::reactor::ReactorError;

/// How far the venue's clock may be from ours where nobody has asked: nothing is concluded from it.
const UNKNOWN_CLOCK: Millis = Millis::from_secs(3_600);

/// Why a command was not made durable.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// It asks for something at the exchange, which a worker has to do.
    #[error("the command asks for something at the exchange: a worker has to run")]
    NeedsExchange,
    /// The journal failed, or cannot be restored from.
    #[error(transparent)]
    Reactor(#[from] ReactorError),
}

/// True for what takes effect by being recorded.
#[must_use]
pub const fn is_recorded_only(command: &Command) -> bool {
    matches!(command, Command::Halt | Command::Resume)
}

/// Makes a command durable that takes effect by being recorded, while no worker runs for the account: it takes the
/// account over, and sends nothing.
///
/// # Errors
///
/// [`OfflineError`]; with [`OfflineError::NeedsExchange`] no record was written.
pub async fn record_command(
    journal: &dyn Journal,
    account: AccountTag,
    config: &Config,
    capabilities: &Capabilities,
    clock: &Clock,
    (id, command): (CommandId, Command),
) -> Result<(Engine, Option<Record>), OfflineError> {
    if !is_recorded_only(&command) {
        return Err(OfflineError::NeedsExchange);
    }
    let epoch = journal.acquire(account).await.map_err(ReactorError::from)?;
    let loaded = journal.load(account).await.map_err(ReactorError::from)?;
    let mut engine =
        Engine::restore(config.clone(), capabilities.clone(), account, epoch, loaded).map_err(ReactorError::from)?;
    let local = clock.now();
    let at = Moment { local, venue: VenueMillis(local.0), error: UNKNOWN_CLOCK };
    let step = engine.step(Input { at, kind: InputKind::Command(id, command) });
    if step.preview().iter().any(|effect| matches!(effect, Effect::Send { .. })) {
        return Err(OfflineError::NeedsExchange);
    }
    let released = commit(journal, step).await.map_err(ReactorError::from)?;
    Ok((engine, released.record))
}
