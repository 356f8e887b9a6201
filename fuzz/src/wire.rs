//! What the targets of the venue's language share: the orders that answers are about, and how much memory one takes.

use std::collections::BTreeMap;

use kraite_binance::codec::calls::{PlaceBatch, PlaceOrder, Placement};
use kraite_core::exchange::{
    Amend, Direction, NewOrder, OrderRef, OrderShape, PositionMode, Purpose, Service, Side, TriggerBy, TriggerSize,
};
use kraite_core::id::{
    AccountTag, Attempt, ClientOrderId, Epoch, LogicalOrder, OrderKey, PositionNo, Revision, Role, Symbol,
};
use kraite_core::number::{Price, Qty};
use kraite_core::time::VenueMillis;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The contract that everything is about.
pub(crate) const SYMBOL: &str = "ADAUSDT";
/// When everything was sent.
pub(crate) const SENT: VenueMillis = VenueMillis(1_700_000_000_000);

/// What reading may take for each byte that was sent: rows that say nothing are three bytes each.
const MEMORY_PER_BYTE: u64 = 512;
/// What reading may take of anything, however short.
const MEMORY_AT_LEAST: u64 = 64 << 10;

pub(crate) fn symbol() -> Symbol {
    Symbol::new(SYMBOL)
}

pub(crate) fn id(role: Role) -> ClientOrderId {
    ClientOrderId::encode(&OrderKey {
        account: AccountTag::new(7).unwrap(),
        position: PositionNo::new(3).unwrap(),
        logical: LogicalOrder { role, revision: Revision::new(0).unwrap() },
        attempt: Attempt::new(0).unwrap(),
        epoch: Epoch::new(1).unwrap(),
    })
}

fn placement(role: Role, shape: OrderShape) -> Placement {
    let closes = role.is_exit();
    Placement::of(&NewOrder {
        id: id(role),
        symbol: symbol(),
        side: if closes { Side::Sell } else { Side::Buy },
        direction: Direction::Long,
        mode: PositionMode::OneWay,
        purpose: if closes { Purpose::Close } else { Purpose::Open },
        shape,
    })
    .unwrap()
}

/// An entry, and the stop below it.
pub(crate) fn placements() -> [Placement; 2] {
    let market = OrderShape::Market { qty: Qty::from_units(1, 0).unwrap() };
    let trigger = Price::from_units(1, 0).unwrap();
    let stop = OrderShape::StopMarket { trigger, by: TriggerBy::Mark, size: TriggerSize::ClosePosition };
    [placement(Role::Entry, market), placement(Role::Stop, stop)]
}

/// Two entries in one request.
pub(crate) fn batch() -> PlaceBatch {
    let [Placement::Regular(entry), _] = placements() else { panic!("an entry is no conditional order") };
    PlaceBatch::new(vec![PlaceOrder { id: Some(id(Role::Rung(1))), ..entry.clone() }, entry]).unwrap()
}

pub(crate) fn refs() -> [OrderRef; 2] {
    [(Role::Entry, Service::Regular), (Role::Stop, Service::Conditional)].map(|(role, service)| OrderRef {
        symbol: symbol(),
        service,
        id: id(role),
        venue_id: None,
    })
}

pub(crate) fn amend() -> Amend {
    let [order, _] = refs();
    let (price, qty) = (Price::from_units(1, 0).unwrap(), Qty::from_units(1, 0).unwrap());
    Amend { order, side: Side::Buy, price, qty }
}

/// The fields of an object by name, none of them looked into. What a name means that comes twice nobody knows: it is
/// left out.
#[derive(Default)]
pub(crate) struct Fields<'a>(BTreeMap<String, Option<&'a RawValue>>);

impl<'a> Fields<'a> {
    /// `None` where the text is no object.
    pub(crate) fn of(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        *self.0.get(name)?
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut pairs: M) -> Result<Fields<'de>, M::Error> {
                let mut fields = Fields::default();
                while let Some((name, value)) = pairs.next_entry::<String, &RawValue>()? {
                    fields.0.entry(name).and_modify(|known| *known = None).or_insert(Some(value));
                }
                Ok(fields)
            }
        }
        from.deserialize_map(Pairs)
    }
}

/// What a value says, if it is a text.
pub(crate) fn text_of(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

/// Reads, and looks at the most memory that the reading held at once.
pub(crate) fn within_memory<T>(bytes: usize, read: impl FnOnce() -> T) -> T {
    let mut read = Some(read);
    let mut told = None;
    let used = allocation_counter::measure(|| told = read.take().map(|read| read()));
    let most = MEMORY_AT_LEAST + MEMORY_PER_BYTE * u64::try_from(bytes).unwrap();
    assert!(used.bytes_max <= most, "{bytes} bytes took {} of memory, more than {most}", used.bytes_max);
    told.unwrap()
}
