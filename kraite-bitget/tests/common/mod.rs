//! What the tests of the codec share.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use kraite_bitget::codec::calls::{Order, Placement};
use kraite_bitget::codec::{Answer, Credentials, Generation, Product, Signer, Terms};
use kraite_core::exchange::{
    Direction, MarginMode, NewOrder, OrderRef, OrderShape, PairLeg, PositionMode, PositionTpsl, Purpose, Service,
    TriggerBy,
};
use kraite_core::id::{
    AccountTag, Attempt, ClientOrderId, Epoch, LogicalOrder, OrderKey, PositionNo, Revision, Role, Symbol, VenueOrderId,
};
use kraite_core::time::VenueMillis;

pub(crate) const SECRET: &str = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9";
pub(crate) const SENT: VenueMillis = VenueMillis(1_700_000_000_000);
pub(crate) const BOTH: [Generation; 2] = [Generation::Classic, Generation::Unified];

pub(crate) fn credentials() -> Credentials {
    Credentials::new("the-api-key".into(), "the-passphrase".into(), Signer::hmac(&SECRET.into()).unwrap())
}

pub(crate) fn revised(role: Role, revision: u16, attempt: u8) -> ClientOrderId {
    ClientOrderId::encode(&OrderKey {
        account: AccountTag::new(7).unwrap(),
        position: PositionNo::new(3).unwrap(),
        logical: LogicalOrder { role, revision: Revision::new(revision).unwrap() },
        attempt: Attempt::new(attempt).unwrap(),
        epoch: Epoch::new(1).unwrap(),
    })
}

pub(crate) fn id(role: Role) -> ClientOrderId {
    revised(role, 0, 0)
}

pub(crate) fn terms(generation: Generation, margin: MarginMode) -> Terms {
    Terms { generation, product: Product::Usdt, margin }
}

pub(crate) fn new_order(role: Role, direction: Direction, mode: PositionMode, shape: OrderShape) -> NewOrder {
    NewOrder {
        id: id(role),
        symbol: Symbol::new("ADAUSDT"),
        side: if role.is_exit() { direction.closing_side() } else { direction.opening_side() },
        direction,
        mode,
        purpose: if role.is_exit() { Purpose::Close } else { Purpose::Open },
        shape,
    }
}

pub(crate) fn market(qty: &str) -> OrderShape {
    OrderShape::Market { qty: qty.parse().unwrap() }
}

pub(crate) fn limit(price: &str, qty: &str) -> OrderShape {
    OrderShape::Limit { price: price.parse().unwrap(), qty: qty.parse().unwrap() }
}

pub(crate) fn order(role: Role, direction: Direction, mode: PositionMode, shape: OrderShape) -> Order {
    let terms = terms(Generation::Classic, MarginMode::Cross);
    match Placement::of(&new_order(role, direction, mode, shape), terms).unwrap() {
        Placement::Regular(order) => order,
        Placement::Plan(_) => panic!("a regular order"),
    }
}

pub(crate) fn pair(revision: u16, direction: Direction, mode: PositionMode) -> PositionTpsl {
    let leg =
        |role, trigger: &str, by| PairLeg { id: revised(role, revision, 0), trigger: trigger.parse().unwrap(), by };
    PositionTpsl {
        symbol: Symbol::new("ADAUSDT"),
        direction,
        mode,
        stop: leg(Role::Stop, "0.3400", TriggerBy::Mark),
        target: leg(Role::Target, "0.401", TriggerBy::Last),
    }
}

pub(crate) fn order_ref(role: Role, service: Service, venue_id: Option<&str>) -> OrderRef {
    OrderRef { symbol: Symbol::new("ADAUSDT"), service, id: id(role), venue_id: venue_id.map(VenueOrderId::new) }
}

/// A success with that data.
pub(crate) fn done(data: &str) -> String {
    format!(r#"{{"code":"00000","msg":"success","requestTime":1700000000500,"data":{data}}}"#)
}

pub(crate) fn refused(code: &str) -> String {
    format!(r#"{{"code":"{code}","msg":"words of the venue","requestTime":1700000000500,"data":null}}"#)
}

pub(crate) fn ok(body: &str) -> Answer<'_> {
    Answer { status: 200, body: body.as_bytes() }
}

pub(crate) fn answer(status: u16, body: &str) -> Answer<'_> {
    Answer { status, body: body.as_bytes() }
}
