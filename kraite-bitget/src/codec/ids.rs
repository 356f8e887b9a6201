//! The venue's ids in the core's words. They are texts and stay texts. Plans and strategies carry a prefix, which never
//! reaches the wire, so that the same number in two services is two ids; a strategy is one object behind two orders of
//! ours, so that its id also says which leg.

use compact_str::{CompactString, format_compact};
use kraite_core::exchange::{OrderRef, PositionTpsl, Service};
use kraite_core::id::{Attempt, CLIENT_ORDER_ID_LEN, ClientOrderId, OrderKey, Revision, Role, VenueOrderId};

/// What the id of a classic plan starts with.
const PLAN: &str = "plan:";
/// What the id of a leg of a unified strategy starts with.
const STRATEGY: &str = "strategy:";
/// The letters and digits of our ids, each worth five bits.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// How many of them spell revision (12 bits) and attempt (8 bits) of the target.
const TARGET_LEN: usize = 4;

/// A leg of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leg {
    /// The stop-loss.
    Stop,
    /// The take-profit.
    Target,
}

impl Leg {
    /// Both, the stop first.
    pub const BOTH: [Self; 2] = [Self::Stop, Self::Target];

    /// The leg of a role, if it is one.
    #[must_use]
    pub const fn of(role: Role) -> Option<Self> {
        match role {
            Role::Stop => Some(Self::Stop),
            Role::Target => Some(Self::Target),
            Role::Entry | Role::Rung(_) | Role::Close => None,
        }
    }

    const fn suffix(self) -> &'static str {
        match self {
            Self::Stop => ":stop",
            Self::Target => ":target",
        }
    }
}

/// The id of a regular order.
#[must_use]
pub fn regular_id(id: &str) -> VenueOrderId {
    VenueOrderId::new(id)
}

/// The id of a classic plan.
#[must_use]
pub fn plan_id(id: &str) -> VenueOrderId {
    VenueOrderId(format_compact!("{PLAN}{id}"))
}

/// The id of one leg of a unified strategy.
#[must_use]
pub fn strategy_id(id: &str, leg: Leg) -> VenueOrderId {
    VenueOrderId(format_compact!("{STRATEGY}{id}{}", leg.suffix()))
}

/// The parent of a child whose plan is not known yet; a known one replaces it when reports are merged.
#[must_use]
pub fn unknown_parent() -> VenueOrderId {
    VenueOrderId::new(PLAN)
}

/// How a request names an order: by one of the two, never both.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OrderName {
    /// By the venue's id, as on the wire.
    Venue(CompactString),
    /// By our id.
    Client(ClientOrderId),
}

impl OrderName {
    /// The most certain name there is: the venue's id if it is of that service, else our id.
    #[must_use]
    pub fn of(order: &OrderRef) -> Self {
        let wire = order.venue_id.as_ref().and_then(|id| wire_id(id.as_str(), order.service));
        wire.map_or(Self::Client(order.id), |id| Self::Venue(id.into()))
    }
}

/// The id as on the wire; `None` for one of another service.
fn wire_id(id: &str, service: Service) -> Option<&str> {
    let plan = id.strip_prefix(PLAN).or_else(|| {
        let leg = id.strip_prefix(STRATEGY)?;
        Leg::BOTH.iter().find_map(|of| leg.strip_suffix(of.suffix()))
    });
    let wire = match service {
        Service::Regular => plan.is_none().then_some(id),
        Service::Conditional | Service::PositionPlan => plan,
    };
    wire.filter(|id| !id.is_empty())
}

/// The one client id under which a strategy holds stop and target of a position: the stop's, and what sets the
/// target's apart from it. 28 characters of our alphabet, of the 32 that the venue allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PairName {
    /// The id of the stop.
    pub stop: ClientOrderId,
    /// The id of the target.
    pub target: ClientOrderId,
}

impl PairName {
    /// The name of a pair; `None` where its ids are not stop and target of one position under one epoch.
    #[must_use]
    pub fn of(pair: &PositionTpsl) -> Option<Self> {
        let name = Self { stop: pair.stop.id, target: pair.target.id };
        let target = name.target.key();
        let derived = target_of(name.stop, target.logical.revision, target.attempt);
        (name.stop.role() == Role::Stop && derived == name.target).then_some(name)
    }

    /// The pair that a client id spells.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (stop, rest) = text.split_at_checked(CLIENT_ORDER_ID_LEN)?;
        let stop: ClientOrderId = stop.parse().ok()?;
        if rest.len() != TARGET_LEN || stop.role() != Role::Stop {
            return None;
        }
        let mut bits = 0u32;
        for byte in rest.bytes() {
            let value = ALPHABET.iter().position(|known| *known == byte)?;
            bits = (bits << 5) | u32::try_from(value).ok()?;
        }
        let revision = Revision::new(u16::try_from(bits >> 8).ok()?)?;
        let attempt = Attempt::new(u8::try_from(bits & 0xFF).ok()?)?;
        Some(Self { stop, target: target_of(stop, revision, attempt) })
    }

    /// The client id.
    #[must_use]
    pub fn text(self) -> CompactString {
        let target = self.target.key();
        let bits = (u32::from(target.logical.revision.get()) << 8) | u32::from(target.attempt.get());
        let mut text = format_compact!("{}", self.stop);
        for at in (0..4u32).rev() {
            let value = usize::try_from((bits >> (at * 5)) & 31).unwrap_or_default();
            text.push(ALPHABET.get(value).copied().map_or('a', char::from));
        }
        text
    }

    /// The id of one leg.
    #[must_use]
    pub const fn leg(self, leg: Leg) -> ClientOrderId {
        match leg {
            Leg::Stop => self.stop,
            Leg::Target => self.target,
        }
    }
}

fn target_of(stop: ClientOrderId, revision: Revision, attempt: Attempt) -> ClientOrderId {
    let key = stop.key();
    let mut logical = key.logical;
    logical.role = Role::Target;
    logical.revision = revision;
    ClientOrderId::encode(&OrderKey { logical, attempt, ..key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use kraite_core::exchange::{Direction, PairLeg, PositionMode, TriggerBy};
    use kraite_core::id::{AccountTag, Epoch, LogicalOrder, PositionNo, Symbol};

    fn id(role: Role, revision: u16, attempt: u8, epoch: u32) -> ClientOrderId {
        ClientOrderId::encode(&OrderKey {
            account: AccountTag::new(7).unwrap(),
            position: PositionNo::new(3).unwrap(),
            logical: LogicalOrder { role, revision: Revision::new(revision).unwrap() },
            attempt: Attempt::new(attempt).unwrap(),
            epoch: Epoch::new(epoch).unwrap(),
        })
    }

    fn pair(stop: ClientOrderId, target: ClientOrderId) -> PositionTpsl {
        let leg = |id| PairLeg { id, trigger: "1".parse().unwrap(), by: TriggerBy::Mark };
        PositionTpsl {
            symbol: Symbol::new("BTCUSDT"),
            direction: Direction::Long,
            mode: PositionMode::Hedge,
            stop: leg(stop),
            target: leg(target),
        }
    }

    #[test]
    fn r107_one_client_id_spells_both_legs() {
        for (revision, attempt) in [(0, 0), (1, 2), (4_095, 255), (77, 0)] {
            let (stop, target) = (id(Role::Stop, 5, 1, 9), id(Role::Target, revision, attempt, 9));
            let name = PairName::of(&pair(stop, target)).unwrap();
            let text = name.text();
            assert_eq!(text.len(), 28);
            assert!(text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
            assert_eq!(PairName::read(&text), Some(name));
            assert_eq!((name.leg(Leg::Stop), name.leg(Leg::Target)), (stop, target));
        }
        let stop = id(Role::Stop, 0, 0, 9);
        assert_eq!(PairName::of(&pair(stop, id(Role::Target, 0, 0, 8))), None, "another epoch");
        assert_eq!(PairName::of(&pair(stop, stop)), None);
        assert_eq!(PairName::of(&pair(id(Role::Target, 0, 0, 9), id(Role::Target, 0, 0, 9))), None);
        for text in ["", "x", &stop.to_string(), &format!("{stop}aaa"), &format!("{stop}AAAA"), &format!("{stop}aaaaa")]
        {
            assert_eq!(PairName::read(text), None, "{text}");
        }
        assert_eq!(PairName::read("ééééééééééééééé"), None);
        let target = id(Role::Target, 0, 0, 9);
        assert_eq!(PairName::read(&format!("{target}aaaa")), None, "the stop comes first");
    }

    #[test]
    fn one_id_in_two_services_is_two_ids_and_no_service_gets_the_other_s() {
        let ids = [regular_id("7"), plan_id("7"), strategy_id("7", Leg::Stop), strategy_id("7", Leg::Target)];
        for (at, id) in ids.iter().enumerate() {
            assert_eq!(ids.iter().position(|other| other == id), Some(at));
        }
        let name = |id: &VenueOrderId, service| {
            let (symbol, venue_id) = (Symbol::new("BTCUSDT"), Some(id.clone()));
            OrderName::of(&OrderRef { symbol, service, id: super::tests::id(Role::Stop, 0, 0, 1), venue_id })
        };
        let ours = OrderName::Client(id(Role::Stop, 0, 0, 1));
        assert_eq!(name(&ids[0], Service::Regular), OrderName::Venue("7".into()));
        assert_eq!(name(&ids[0], Service::PositionPlan), ours);
        for plan in &ids[1..] {
            assert_eq!(name(plan, Service::PositionPlan), OrderName::Venue("7".into()));
            assert_eq!(name(plan, Service::Regular), ours);
        }
        assert_eq!(name(&unknown_parent(), Service::PositionPlan), ours);
        assert!(unknown_parent() < plan_id("0"), "a parent that becomes known replaces the unknown one");
        assert!(unknown_parent() < strategy_id("0", Leg::Stop));
    }
}
