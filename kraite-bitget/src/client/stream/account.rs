//! Orders, plans, positions, trades: the private socket of the account's generation.

use bytes::Bytes;
use kraite_core::exchange::ReadError;
use kraite_core::time::Millis;
use kraite_wire::client::{AccountSocket, Need, Said, Socket, Streams as _};

use super::private_route;
use crate::client::backend::Inner;
use crate::codec::frame::Frame;
use crate::codec::{Generation, encode_account_channels, encode_logon};

/// Signing in and subscribing, each of them, may take this long; the venue answers within seconds or not at all.
const OPENING: Millis = Millis::from_secs(5);
/// What the channels may say before all of them are there.
const MAX_EARLY: usize = 1_000;

/// Opens a socket, signs it in and subscribes; no session is used of which a channel is missing.
pub(super) async fn open(inner: &Inner) -> Result<AccountSocket<Generation>, ReadError> {
    let lost = |why: &'static str| move |_| ReadError::NoAnswer(why.into());
    let generation = inner.generation(Need::Open).await?;
    let socket = inner.open_socket(private_route(generation)).await;
    let mut socket = socket.map_err(lost("the account socket could not be opened"))?;
    let now = inner.line.venue_now(Need::Open).await?;
    let logon = encode_logon(now.at, &inner.line.credentials);
    let logon = logon.map_err(|error| ReadError::Refused(error.to_string().into()))?;
    let mut early = Vec::new();
    socket.say(logon.text).await.map_err(lost("the account socket broke"))?;
    within(inner, signed_in(&mut socket)).await?;
    let channels = encode_account_channels(generation, &inner.products);
    socket.say(channels.text).await.map_err(lost("the account socket broke"))?;
    let wanted = match generation {
        Generation::Classic => inner.products.len().saturating_mul(CHANNELS),
        Generation::Unified => CHANNELS,
    };
    within(inner, subscribed(&mut socket, wanted, &mut early)).await?;
    Ok(AccountSocket { socket, session: generation, early })
}

/// Orders, plans, positions, trades, balances.
const CHANNELS: usize = 5;

async fn within(inner: &Inner, what: impl Future<Output = Result<(), ReadError>>) -> Result<(), ReadError> {
    tokio::select! {
        biased;
        done = what => done,
        () = inner.line.clock.sleep(OPENING) => Err(ReadError::NoAnswer("the account socket says nothing".into())),
    }
}

async fn heard(socket: &mut Socket) -> Result<Option<(Frame, Bytes)>, ReadError> {
    match socket.next(Inner::ACCOUNT_SILENCE, None).await {
        Ok(Said::Message(bytes)) => Ok(Frame::read(&bytes).ok().map(|frame| (frame, bytes))),
        Ok(Said::Alive | Said::Nothing) => Ok(None),
        Err(_) => Err(ReadError::NoAnswer("the account socket broke".into())),
    }
}

async fn signed_in(socket: &mut Socket) -> Result<(), ReadError> {
    loop {
        match heard(socket).await? {
            Some((Frame::LoggedOn, _)) => return Ok(()),
            Some((Frame::Refused { failure, .. }, _)) => return Err(refused("signing in", failure.code)),
            _ => {}
        }
    }
}

async fn subscribed(socket: &mut Socket, wanted: usize, early: &mut Vec<Bytes>) -> Result<(), ReadError> {
    let mut there = 0usize;
    while there < wanted {
        match heard(socket).await? {
            Some((Frame::Subscribed(_), _)) => there = there.saturating_add(1),
            Some((Frame::Refused { failure, .. }, _)) => return Err(refused("subscribing", failure.code)),
            Some((_, bytes)) if early.len() < MAX_EARLY => early.push(bytes),
            Some(_) => return Err(ReadError::Undecodable("too much before the channels are there".into())),
            None => {}
        }
    }
    Ok(())
}

/// The words are left out: they may repeat what was sent.
fn refused(what: &str, code: i64) -> ReadError {
    ReadError::Refused(format!("{what} was refused with {code}").into())
}
