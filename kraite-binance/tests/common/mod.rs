//! What the tests of the codec share.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use kraite_binance::codec::{Answer, Credentials, Signer};
use kraite_core::exchange::{Direction, NewOrder, OrderRef, OrderShape, PositionMode, Purpose, Service};
use kraite_core::id::{
    AccountTag, Attempt, ClientOrderId, Epoch, LogicalOrder, OrderKey, PositionNo, Revision, Role, Symbol, VenueOrderId,
};
use kraite_core::time::VenueMillis;

pub(crate) const SECRET: &str = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9";
pub(crate) const SENT: VenueMillis = VenueMillis(1_700_000_000_000);

pub(crate) fn credentials() -> Credentials {
    Credentials::new("the-api-key".into(), Signer::hmac(&SECRET.into()).unwrap())
}

pub(crate) fn id(role: Role, position: u32) -> ClientOrderId {
    ClientOrderId::encode(&OrderKey {
        account: AccountTag::new(7).unwrap(),
        position: PositionNo::new(position).unwrap(),
        logical: LogicalOrder { role, revision: Revision::new(0).unwrap() },
        attempt: Attempt::new(0).unwrap(),
        epoch: Epoch::new(1).unwrap(),
    })
}

pub(crate) fn new_order(role: Role, direction: Direction, mode: PositionMode, shape: OrderShape) -> NewOrder {
    NewOrder {
        id: id(role, 3),
        symbol: Symbol::new("ADAUSDT"),
        side: if role.is_exit() { direction.closing_side() } else { direction.opening_side() },
        direction,
        mode,
        purpose: if role.is_exit() { Purpose::Close } else { Purpose::Open },
        shape,
    }
}

pub(crate) fn order_ref(role: Role, service: Service, venue_id: Option<&str>) -> OrderRef {
    OrderRef { symbol: Symbol::new("ADAUSDT"), service, id: id(role, 3), venue_id: venue_id.map(VenueOrderId::new) }
}

pub(crate) fn ok(body: &str) -> Answer<'_> {
    Answer { status: 200, body: body.as_bytes() }
}

pub(crate) fn answer(status: u16, body: &str) -> Answer<'_> {
    Answer { status, body: body.as_bytes() }
}
