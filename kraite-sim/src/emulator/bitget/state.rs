//! What this protocol adds to the emulated venue: names and numbers, strategies, orders that are being replaced.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use compact_str::CompactString;
use kraite_core::exchange::{Direction, OrderShape, PositionMode, Purpose, ReportStatus, Service, Side, VenueCause};
use kraite_core::time::VenueMillis;
use kraite_engine::Clock;
use serde_json::Value;

use super::Generation;
use super::common::{Common, Naming, Tif};
use super::contracts;
use super::credentials::Credentials;
use super::limits::Limits;
use super::listing::Contract;
use super::mover::Mover;
use super::sockets::Sockets;
use super::streams::Listener;
use crate::emulator::{Settings, StartError};
use crate::presets;
use crate::venue::{CloseOverlap, ObjectId, OrderObject, Owner, Wish};

/// Ids of everything start here: nineteen digits, one number space.
const IDS: u64 = 1_190_384_645_000_000_000;

/// Stop and target of a position, or one trigger, as one object with one id (R107).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Strategy {
    /// The client id.
    pub(super) name: CompactString,
    /// What the venue holds for it; the oldest gives the strategy its number.
    pub(super) legs: Vec<ObjectId>,
}

/// An order that ended so that another could take its place, which is yet to come.
#[derive(Debug, Clone)]
pub(super) struct Replacement {
    due: VenueMillis,
    wish: Wish,
    tif: Tif,
}

/// The emulated venue in this language.
#[derive(Debug)]
pub(in super::super) struct State {
    common: Common,
    pub(super) generation: Generation,
    pub(super) passphrase: String,
    pub(super) limits: Limits,
    pub(super) sockets: Sockets<Listener>,
    pub(super) strategies: BTreeMap<u64, Strategy>,
    /// Why an order was cancelled, where it was not by its owner.
    pub(super) reasons: BTreeMap<ObjectId, &'static str>,
    /// Orders that came in the place of another.
    pub(super) replacing: BTreeMap<ObjectId, ObjectId>,
    replacements: Vec<(ObjectId, Replacement)>,
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
        generation: Generation,
        credentials: Credentials,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let listing = match &settings.exchange_info {
            Some(path) => contracts::from_file(path)?,
            None => contracts::built_in(),
        };
        let mover = Mover::new(&settings.market, settings.seed, &listing)?;
        let naming = Naming { id: wire_id, name: name_of };
        let common = Common::new(settings, presets::bitget(), naming, credentials, listing, mover, clock);
        let mut state = Self {
            common,
            generation,
            passphrase: settings.passphrase.clone(),
            limits: Limits::default(),
            sockets: Sockets::default(),
            strategies: BTreeMap::new(),
            reasons: BTreeMap::new(),
            replacing: BTreeMap::new(),
            replacements: Vec::new(),
            names_made: 0,
        };
        state.set_mode(PositionMode::OneWay);
        Ok(state)
    }

    /// Changes how the account nets positions, and with it what a close does to those that rest.
    pub(super) fn set_mode(&mut self, mode: PositionMode) {
        let account = self.account;
        self.venue.set_mode(account, mode);
        self.venue.quirks_mut().close_overlap = match mode {
            PositionMode::Hedge => CloseOverlap::CutNew,
            PositionMode::OneWay => CloseOverlap::EndOlder,
        };
    }

    /// A client id for an order that came without one: a number like those of orders.
    pub(super) fn made_name(&mut self) -> CompactString {
        self.names_made = self.names_made.saturating_add(1);
        compact_str::format_compact!("{}", IDS.saturating_sub(self.names_made))
    }

    /// Takes a wish, and cancels at once what may not rest or may not take.
    pub(super) fn put(&mut self, wish: Wish, tif: Tif) -> Result<ObjectId, crate::venue::Refusal> {
        let now = self.now();
        let (symbol, side) = (wish.symbol.clone(), wish.side);
        let crossing = match wish.shape {
            OrderShape::Limit { price, qty } => {
                let cap = self.venue.market(&symbol).and_then(|m| m.liquidity.taker_cap);
                let crosses = self.venue.crosses(&symbol, side, price);
                Some((crosses, crosses && cap.is_none_or(|cap| cap >= qty)))
            }
            _ => None,
        };
        let (ends, trades) = match (tif, crossing) {
            (Tif::PostOnly, Some((crosses, _))) => (crosses.then_some("post_only_fill_cancel"), !crosses),
            (Tif::Fok, Some((_, whole))) => ((!whole).then_some("fok_not_full_cancel"), whole),
            (Tif::Ioc, Some(_)) => (Some("ioc_not_full_cancel"), true),
            _ => (None, true),
        };
        let offered = self.venue.market(&symbol).map(|m| m.liquidity);
        if let Some(offered) = offered.filter(|_| !trades) {
            // Nobody trades with it while it is taken in.
            let none = crate::venue::Liquidity { taker_cap: Some(kraite_core::number::Qty::ZERO), ..offered };
            self.venue.set_liquidity(&symbol, none);
        }
        let placed = self.venue.place_named(wish, now);
        if let Some(offered) = offered.filter(|_| !trades) {
            self.venue.set_liquidity(&symbol, offered);
        }
        let id = placed?;
        if tif != Tif::Gtc {
            self.tifs.insert(id, tif);
        }
        if let Some(reason) = ends.filter(|_| self.venue.object(id).is_some_and(OrderObject::is_open)) {
            self.reasons.insert(id, reason);
            self.venue.expire_order(id, now);
        }
        Ok(id)
    }

    /// Ends an order so that another takes its place, after the gap that the admin routes ask for.
    pub(super) fn replace(&mut self, old: ObjectId, wish: Wish, tif: Tif) {
        let now = self.now();
        self.reasons.insert(old, "modify_limit_order");
        // One that ended meanwhile is gone as well.
        let _ = self.venue.user_cancel(&old.venue_id(), now);
        let due = now.plus(self.replace_gap);
        self.replacements.push((old, Replacement { due, wish, tif }));
        self.place_replacements();
    }

    /// Places what is due. One that is refused now is heard of no more, as at the venue.
    pub(super) fn place_replacements(&mut self) {
        let now = self.now();
        let all = std::mem::take(&mut self.replacements);
        for (old, replacement) in all {
            if replacement.due > now {
                self.replacements.push((old, replacement));
            } else if let Ok(id) = self.put(replacement.wish, replacement.tif) {
                self.replacing.insert(id, old);
            }
        }
    }

    /// The strategy that an object is a leg of, with its number.
    pub(super) fn strategy_of(&self, id: ObjectId) -> Option<(u64, &Strategy)> {
        self.strategies.iter().find(|(_, s)| s.legs.contains(&id)).map(|(number, s)| (*number, s))
    }

    /// Every strategy, by number: those that were placed as such, and triggers of other hands.
    pub(super) fn all_strategies(&self) -> Vec<(u64, Strategy)> {
        let known: std::collections::BTreeSet<ObjectId> =
            self.strategies.values().flat_map(|s| s.legs.iter().copied()).collect();
        let mut all: Vec<(u64, Strategy)> = self.strategies.iter().map(|(n, s)| (*n, s.clone())).collect();
        let account = self.account;
        let others = self
            .venue
            .objects()
            .filter(|o| o.account == account && o.service != Service::Regular && !known.contains(&o.id));
        all.extend(others.map(|o| (wire_id(o), Strategy { name: name_of(o).into(), legs: vec![o.id] })));
        all.sort_by_key(|(number, _)| *number);
        all
    }

    /// The trigger order an order came from, if it came from one.
    pub(super) fn parent(&self, object: &OrderObject) -> Option<&OrderObject> {
        self.venue.object(object.parent?)
    }

    /// Lets go of what is known beside orders that the venue has forgotten.
    pub(super) fn forget_beside(&mut self) {
        let venue = &self.common.venue;
        self.reasons.retain(|id, _| venue.object(*id).is_some());
        self.replacing.retain(|id, _| venue.object(*id).is_some());
        self.strategies.retain(|_, s| s.legs.iter().any(|id| venue.object(*id).is_some()));
    }

    /// The contract of an object, for rows.
    pub(super) fn contract_for(&self, object: &OrderObject) -> Option<&Contract> {
        self.contract(&object.symbol)
    }

    /// `one_way_mode` or `hedge_mode`.
    pub(super) fn mode_word(&self) -> &'static str {
        if self.is_hedged() { "hedge_mode" } else { "one_way_mode" }
    }

    /// `long`, `short`, or `net` in one-way mode.
    pub(super) fn position_word(&self, object: &OrderObject) -> &'static str {
        if self.is_hedged() { direction_word(object.direction) } else { "net" }
    }

    /// The side as the classic calls say it: in hedge mode that of the position.
    pub(super) fn classic_side(&self, object: &OrderObject) -> &'static str {
        match (self.is_hedged(), object.direction) {
            (true, Direction::Long) => "buy",
            (true, Direction::Short) => "sell",
            (false, _) => side_word(object.side),
        }
    }

    /// Whether it opened or closed, and that the venue made it where it did.
    pub(super) fn trade_side(&self, object: &OrderObject) -> String {
        let hedged = self.is_hedged();
        let (closed, single) = (direction_word(object.direction), side_word(object.side));
        match (&object.owner, hedged) {
            (Owner::Venue(VenueCause::Liquidation), true) => format!("burst_close_{closed}"),
            (Owner::Venue(VenueCause::Liquidation), false) => format!("burst_{single}_single"),
            (Owner::Venue(VenueCause::AutoDeleverage), true) => format!("dte_sys_adl_close_{closed}"),
            (Owner::Venue(VenueCause::AutoDeleverage), false) => {
                format!("dte_sys_adl_{single}_in_single_side_mode")
            }
            (Owner::Venue(VenueCause::Settlement), true) => format!("delivery_close_{closed}"),
            (Owner::Venue(VenueCause::Settlement), false) => format!("delivery_{single}_single"),
            (_, false) => format!("{single}_single"),
            (_, true) if object.purpose == Purpose::Close => "close".into(),
            (_, true) => "open".into(),
        }
    }

    /// What an order came from.
    pub(super) fn source(&self, object: &OrderObject) -> &'static str {
        if matches!(object.owner, Owner::Venue(_)) {
            return "liquidation";
        }
        if self.replacing.contains_key(&object.id) {
            return "modify_order_limit";
        }
        let is_market = matches!(object.shape, OrderShape::Market { .. });
        match self.parent(object).map(|parent| (parent.service, parent.shape, parent.purpose)) {
            None if is_market => "market",
            None => "normal",
            Some((_, _, Purpose::Open)) => "plan_market",
            Some((Service::PositionPlan, OrderShape::StopMarket { .. }, _)) => "pos_loss_market",
            Some((Service::PositionPlan, ..)) => "pos_profit_market",
            Some((_, OrderShape::StopMarket { .. }, _)) => "loss_market",
            Some(_) => "profit_market",
        }
    }

    /// Who entered it.
    pub(super) fn entered_by(&self, object: &OrderObject) -> &'static str {
        match (&object.owner, object.via) {
            (Owner::Venue(_), _) => "SYS",
            (_, crate::venue::Via::User) => "WEB",
            _ => "API",
        }
    }

    /// Why it was cancelled; nothing where it was not.
    pub(super) fn reason(&self, object: &OrderObject) -> &'static str {
        match object.status {
            ReportStatus::Cancelled | ReportStatus::Expired | ReportStatus::Rejected => {
                let usual = match (object.status, object.shape) {
                    (ReportStatus::Expired, OrderShape::Market { .. }) => "slippage_cancel",
                    _ => "normal_cancel",
                };
                self.reasons.get(&object.id).copied().unwrap_or(usual)
            }
            _ => "",
        }
    }

    /// How long an order may stay, in words.
    pub(super) fn tif_word(&self, object: &OrderObject) -> &'static str {
        match self.tifs.get(&object.id).copied().unwrap_or_default() {
            Tif::Gtc => "gtc",
            Tif::Ioc => "ioc",
            Tif::Fok => "fok",
            Tif::PostOnly => "post_only",
        }
    }

    /// Whether an order shows the reduce-only flag, which hedge mode does not have.
    pub(super) fn reduce_only(&self, object: &OrderObject) -> &'static str {
        if !self.is_hedged() && object.purpose == Purpose::Close { "YES" } else { "NO" }
    }
}

/// The client id of an order as the wire shows it: what a trigger spawned goes by the number of that.
pub(super) fn name_of(object: &OrderObject) -> String {
    match (&object.owner, object.parent) {
        (_, Some(parent)) => number_of(parent.0).to_string(),
        (Owner::Ours(id), None) => id.to_string(),
        (Owner::User(text), None) => text.to_string(),
        (Owner::Untagged | Owner::Venue(_), None) => number_of(object.id.0).saturating_sub(1).to_string(),
    }
}

/// The number of an order on the wire.
pub(super) fn wire_id(object: &OrderObject) -> u64 {
    number_of(object.id.0)
}

/// A number of the one number space.
pub(super) const fn number_of(number: u64) -> u64 {
    IDS.saturating_add(number)
}

/// A number as the wire shows it.
pub(super) fn number_text(number: u64) -> Value {
    number_of(number).to_string().into()
}

/// buy or sell.
pub(super) const fn side_word(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

/// long or short.
pub(super) const fn direction_word(direction: Direction) -> &'static str {
    match direction {
        Direction::Long => "long",
        Direction::Short => "short",
    }
}
