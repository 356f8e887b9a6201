//! What this protocol adds to the emulated venue.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use compact_str::CompactString;
use kraite_core::exchange::Service;
use kraite_core::time::{Millis, VenueMillis};
use kraite_engine::Clock;
use serde_json::Value;

use super::common::{Common, Naming};
use super::contracts;
use super::credentials::Credentials;
use super::events::Pushes;
use super::limits::Limits;
use super::listing::Listing;
use super::mover::Mover;
use super::streams::Streams;
use crate::emulator::Settings;
use crate::presets;
use crate::venue::{ObjectId, OrderObject, Owner};

/// Order ids of most contracts start here.
const ORDER_IDS: u64 = 900_000_000_000;
/// Order ids of contracts on ether start here: beyond what a float holds exactly, as at the venue.
const LARGE_ORDER_IDS: u64 = 8_389_765_500_000_000_000;
/// Ids of conditional orders start here; a number space of their own.
const ALGO_IDS: u64 = 4_000_000_000_000_000;
/// A listen key lives this long. Source: "User Data Streams".
const LISTEN_KEY_LIFE: Millis = Millis(60 * 60_000);
/// Length of a listen key at the venue.
const LISTEN_KEY_LEN: usize = 64;

/// The key of the account's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListenKey {
    pub(super) key: String,
    pub(super) until: VenueMillis,
}

/// The emulated venue in this language.
#[derive(Debug)]
pub(in super::super) struct State {
    common: Common,
    pub(super) limits: Limits,
    pub(super) streams: Streams,
    pub(super) pushes: Pushes,
    pub(super) modifications: BTreeMap<ObjectId, i64>,
    pub(super) listen: Option<ListenKey>,
    keys_made: u64,
    names_made: u64,
}

impl Deref for State {
    type Target = Common;

    fn deref(&self) -> &Common {
        &self.common
    }
}

impl DerefMut for State {
    fn deref_mut(&mut self) -> &mut Common {
        &mut self.common
    }
}

impl State {
    /// A venue of these settings, its clock at `clock`.
    ///
    /// # Errors
    ///
    /// A file of the settings is wrong.
    pub(in super::super) fn new(
        settings: &Settings,
        credentials: Credentials,
        clock: Clock,
    ) -> Result<Self, crate::emulator::StartError> {
        let listing: Listing = match &settings.exchange_info {
            Some(path) => contracts::from_file(path)?,
            None => contracts::built_in(),
        };
        let mover = Mover::new(&settings.market, settings.seed, &listing)?;
        let naming = Naming { id: wire_id, name: name_of };
        let common = Common::new(settings, presets::binance(), naming, credentials, listing, mover, clock);
        Ok(Self {
            common,
            limits: Limits::default(),
            streams: Streams::default(),
            pushes: Pushes::default(),
            modifications: BTreeMap::new(),
            listen: None,
            keys_made: settings.seed,
            names_made: 0,
        })
    }

    /// Lets go of what is known beside orders that the venue has forgotten.
    pub(super) fn forget_modifications(&mut self) {
        let venue = &self.common.venue;
        self.modifications.retain(|id, _| venue.object(*id).is_some());
    }

    /// Sends an event of the account to whoever listens.
    pub(super) fn tell_user(&mut self, frame: &Value) {
        if let Some(listen) = self.listen.as_ref().filter(|listen| self.clock.now().0 < listen.until.0) {
            self.streams.push_user(&listen.key, frame);
        }
    }

    /// The account's listen key, made or extended.
    pub(super) fn listen_key(&mut self) -> String {
        let until = self.now().plus(LISTEN_KEY_LIFE);
        let key = match self.listen.take().filter(|listen| self.clock.now().0 < listen.until.0) {
            Some(listen) => listen.key,
            None => {
                self.keys_made = self.keys_made.wrapping_add(1);
                token("listen", self.keys_made, LISTEN_KEY_LEN)
            }
        };
        self.listen = Some(ListenKey { key: key.clone(), until });
        key
    }

    /// A client id for an order that came without one.
    pub(super) fn made_name(&mut self) -> CompactString {
        self.names_made = self.names_made.wrapping_add(1);
        token("order", self.names_made, 22).into()
    }
}

/// A text of letters and digits that is the same for the same number.
fn token(kind: &str, number: u64, len: usize) -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::with_capacity(len);
    let mut round = 0u64;
    while text.len() < len {
        let mut bits = twox_hash::XxHash3_64::oneshot(format!("{kind}{number}/{round}").as_bytes());
        round = round.wrapping_add(1);
        for _ in 0..10 {
            let at = usize::try_from(bits % 62).unwrap_or(0);
            text.push(char::from(LETTERS.get(at).copied().unwrap_or(b'A')));
            bits /= 62;
        }
    }
    text.truncate(len);
    text
}

/// The client id of an order as the wire shows it.
pub(super) fn name_of(object: &OrderObject) -> String {
    use kraite_core::exchange::VenueCause;
    match &object.owner {
        Owner::Ours(id) => id.to_string(),
        Owner::Untagged => format!("untagged-{}", object.id.0),
        Owner::User(text) => text.to_string(),
        Owner::Venue(VenueCause::Liquidation) => format!("autoclose-{}", object.id.0),
        Owner::Venue(VenueCause::AutoDeleverage) => "adl_autoclose".into(),
        Owner::Venue(VenueCause::Settlement) => format!("settlement_autoclose-{}", object.id.0),
    }
}

/// The number of an order on the wire.
pub(super) fn wire_id(object: &OrderObject) -> u64 {
    let base = match object.service {
        Service::Regular if object.symbol.as_str().starts_with("ETH") => LARGE_ORDER_IDS,
        Service::Regular => ORDER_IDS,
        Service::Conditional | Service::PositionPlan => ALGO_IDS,
    };
    base.saturating_add(object.id.0)
}

/// True when an order goes by this client id.
pub(super) fn is_named(object: &OrderObject, name: &str) -> bool {
    Naming { id: wire_id, name: name_of }.is_named(object, name)
}
