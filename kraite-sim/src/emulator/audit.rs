//! The omniscient view of what clients did: ids used twice, orders that double an intent, positions without a stop.
//!
//! It reads the venue's book alone and believes no client.

use std::collections::BTreeMap;

use kraite_core::exchange::{Direction, OrderShape, Purpose, ReportStatus, Service};
use kraite_core::id::{AccountTag, LogicalOrder, PositionNo, Symbol};
use kraite_core::number::Qty;
use kraite_core::time::{Millis, VenueMillis};
use serde_json::{Value, json};

use super::common::Naming;
use crate::venue::{OrderObject, Owner, Venue, Via};

/// How long a position may be without a stop before the verdict says so, unless the reader says otherwise. Source: the
/// engine's own deadline for an emergency close.
pub(super) const NAKED_FOR: Millis = Millis(30_000);

/// What can only be seen while it happens.
#[derive(Debug, Clone, Default)]
pub(super) struct Audit {
    /// Since when a position has had no stop.
    naked: BTreeMap<(Symbol, Direction), VenueMillis>,
    /// The longest time without one, per side of a contract, with when it began.
    longest: BTreeMap<(Symbol, Direction), (VenueMillis, Millis)>,
    seen: u64,
}

impl Audit {
    /// Looks after something happened.
    pub(super) fn look(&mut self, venue: &Venue, account: AccountTag, now: VenueMillis) {
        if venue.changes() == self.seen && self.naked.is_empty() {
            return;
        }
        self.seen = venue.changes();
        let open: Vec<(Symbol, Direction, Qty)> = venue.exposures(account).collect();
        let mut naked = BTreeMap::new();
        for (symbol, direction, qty) in open {
            if covered(venue, account, &symbol, direction) >= qty {
                continue;
            }
            let key = (symbol, direction);
            let since = self.naked.get(&key).copied().unwrap_or(now);
            naked.insert(key, since);
        }
        for (key, since) in self.naked.iter().chain(&naked) {
            let span = now.since(*since);
            let longest = self.longest.entry(key.clone()).or_insert((*since, span));
            if span > longest.1 {
                *longest = (*since, span);
            }
        }
        self.naked = naked;
    }

    /// The verdict: `ok` where nothing is doubled and no position was without a stop for longer than `allowed`.
    pub(super) fn verdict(
        &self,
        venue: &Venue,
        account: AccountTag,
        naming: Naming,
        now: VenueMillis,
        allowed: Millis,
    ) -> Value {
        let mut violations = Vec::new();
        reused(venue, account, naming, &mut violations);
        doubled(venue, account, naming, &mut violations);
        let side =
            |(symbol, direction): &(Symbol, Direction)| json!({ "symbol": symbol.as_str(), "side": word(*direction) });
        for (key, (since, span)) in self.longest.iter().filter(|(_, (_, span))| *span > allowed) {
            violations.push(json!({
                "what": "naked", "position": side(key), "since": since.0, "ms": span.0,
                "says": "a position was without a stop for longer than allowed",
            }));
        }
        let naked: Vec<Value> = self
            .naked
            .iter()
            .map(|(key, since)| json!({ "position": side(key), "since": since.0, "ms": now.since(*since).0 }))
            .collect();
        let longest = self.longest.values().map(|(_, span)| span.0).max().unwrap_or(0);
        json!({
            "schema": "kraite.emulator-audit/1",
            "ok": violations.is_empty(),
            "violations": violations,
            "naked_now": naked,
            "longest_naked_ms": longest,
            "allowed_naked_ms": allowed.0,
            "orphans_now": orphans(venue, account, naming),
            "orders": venue.objects().filter(|o| o.account == account).count(),
            "trades": venue.trade_count(),
            "overflows": venue.overflows(),
        })
    }
}

const fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Long => "long",
        Direction::Short => "short",
    }
}

/// How much of a position open stops would close.
fn covered(venue: &Venue, account: AccountTag, symbol: &Symbol, direction: Direction) -> Qty {
    let stops = venue.open(account).filter(|o| {
        o.symbol == *symbol
            && o.purpose == Purpose::Close
            && o.side == direction.closing_side()
            && matches!(o.shape, OrderShape::StopMarket { .. })
    });
    let all = venue.position(account, symbol, direction);
    stops.fold(Qty::ZERO, |sum, stop| {
        let more = stop.shape.qty().unwrap_or(all);
        sum.checked_add(more).unwrap_or(all)
    })
}

/// Client ids under which more than one order was ever placed. What one request placed together is one order to its
/// client.
fn reused(venue: &Venue, account: AccountTag, naming: Naming, violations: &mut Vec<Value>) {
    let mut placed: BTreeMap<String, BTreeMap<Via, u64>> = BTreeMap::new();
    for object in venue.objects().filter(|o| o.account == account && o.parent.is_none()) {
        if !matches!(object.owner, Owner::Venue(_)) {
            let by_request = placed.entry((naming.name)(object)).or_default();
            by_request.entry(object.via).or_insert((naming.id)(object));
        }
    }
    for (name, orders) in placed.into_iter().filter(|(_, orders)| orders.len() > 1) {
        let orders: Vec<u64> = orders.into_values().collect();
        violations.push(json!({
            "what": "client_id_used_again", "client_id": name, "orders": orders,
            "says": "two orders were placed under one client id",
        }));
    }
}

/// Intents of ours of which two attempts live, or filled above plan, together.
fn doubled(venue: &Venue, account: AccountTag, naming: Naming, violations: &mut Vec<Value>) {
    let mut intents: BTreeMap<(u32, PositionNo, LogicalOrder), Vec<&OrderObject>> = BTreeMap::new();
    for object in venue.objects().filter(|o| o.account == account && o.parent.is_none()) {
        if let Some(key) = object.client_id().map(|id| id.key()) {
            intents.entry((key.account.get(), key.position, key.logical)).or_default().push(object);
        }
    }
    for ((_, position, logical), orders) in intents {
        let acts = |o: &OrderObject| {
            let child = o.child.and_then(|child| venue.object(child));
            o.is_open() || (o.status == ReportStatus::Triggered && child.is_some_and(OrderObject::is_open))
        };
        let live = orders.iter().filter(|o| acts(o)).count();
        let filled = orders.iter().fold(Qty::ZERO, |sum, o| sum.checked_add(o.executed).unwrap_or(sum));
        let planned = orders.iter().filter_map(|o| o.placed_qty.max(o.shape.qty())).max();
        if live > 1 || planned.is_some_and(|planned| filled > planned) {
            let ids: Vec<u64> = orders.iter().map(|o| (naming.id)(o)).collect();
            violations.push(json!({
                "what": "duplicate", "position": position.get(), "order": format!("{} r{}", logical.role, logical.revision),
                "orders": ids, "says": "two attempts of one intent are live, or filled above plan",
            }));
        }
    }
}

/// Open close-only orders with nothing to close.
fn orphans(venue: &Venue, account: AccountTag, naming: Naming) -> Vec<Value> {
    let flat = |o: &&OrderObject| {
        let direction = if o.side == kraite_core::exchange::Side::Sell { Direction::Long } else { Direction::Short };
        o.purpose == Purpose::Close && venue.position(account, &o.symbol, direction).is_zero()
    };
    venue
        .open(account)
        .filter(flat)
        .map(|o| {
            let service = if o.service == Service::Regular { "order" } else { "algo" };
            json!({ "service": service, "id": (naming.id)(o), "client_id": (naming.name)(o), "symbol": o.symbol.as_str() })
        })
        .collect()
}
