//! How a ledger is written: each object with its own trades, as format 1 of the journals has it. In memory the
//! trades of all objects lie side by side, and what they come to is kept with them.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use serde::de::Error as _;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ledger::{Count, Ledger, VenueObject};
use crate::exchange::{ReportStatus, Service};
use crate::id::{TradeId, VenueOrderId};
use crate::number::{Notional, Price, Qty};
use crate::time::VenueMillis;

/// One trade, once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct TradeEntry {
    pub(super) id: TradeId,
    pub(super) qty: Qty,
    pub(super) cost: Notional,
    pub(super) fee: Notional,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "VenueObject")]
struct StoredObject<'a> {
    venue_id: VenueOrderId,
    parent: Option<VenueOrderId>,
    service: Service,
    status: ReportStatus,
    price: Option<(VenueMillis, Price)>,
    qty: Option<(VenueMillis, Qty)>,
    cumulative: Qty,
    cumulative_cost: Option<Notional>,
    trades: Cow<'a, [TradeEntry]>,
}

#[derive(Deserialize)]
#[serde(rename = "Ledger")]
struct StoredLedger {
    objects: Vec<StoredObject<'static>>,
}

struct Objects<'a>(&'a Ledger);

impl Serialize for Objects<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rest: &[TradeEntry] = &self.0.trades;
        serializer.collect_seq(self.0.objects.iter().map(|object| {
            let VenueObject { venue_id, parent, service, status, price, qty, count } = object;
            let (trades, others) = rest.split_at_checked(usize::from(count.trades)).unwrap_or((rest, &[]));
            rest = others;
            StoredObject {
                venue_id: venue_id.clone(),
                parent: parent.clone(),
                service: *service,
                status: *status,
                price: *price,
                qty: *qty,
                cumulative: count.cumulative,
                cumulative_cost: count.cumulative_cost,
                trades: Cow::Borrowed(trades),
            }
        }))
    }
}

impl Serialize for Ledger {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut ledger = serializer.serialize_struct("Ledger", 1)?;
        ledger.serialize_field("objects", &Objects(self))?;
        ledger.end()
    }
}

impl<'de> Deserialize<'de> for Ledger {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = StoredLedger::deserialize(deserializer)?;
        let mut ledger = Self::default();
        for object in stored.objects {
            let StoredObject { venue_id, parent, service, status, price, qty, cumulative, cumulative_cost, trades } =
                object;
            let mut count = Count::of(cumulative, cumulative_cost);
            for trade in trades.iter() {
                count.take_trade(trade).map_err(D::Error::custom)?;
            }
            ledger.trades.extend(trades.into_owned());
            ledger.objects.push(VenueObject { venue_id, parent, service, status, price, qty, count });
        }
        Ok(ledger)
    }
}
