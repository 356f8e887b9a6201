//! Identity: who an order belongs to, readable from the order itself.
//!
//! A [`ClientOrderId`] is 24 characters of `[a-z2-7]` that spell out account, position, role, rung,
//! revision, attempt and owner epoch with a checksum, so a worker with an empty disk can tell whose order
//! it is looking at. It fits the client id rules of every supported venue with room for a broker prefix.

use core::fmt;
use core::str::FromStr;

use compact_str::CompactString;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const VERSION: u128 = 1;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Where rung and role lie: above checksum, epoch, attempt and revision.
const ROLE_AT: u32 = 20 + 24 + 8 + 12;
/// How many bits the rung has.
const RUNG_BITS: u32 = 5;
/// Where its position begins.
const POSITION_AT: u32 = ROLE_AT + RUNG_BITS + 3;
/// The length of every client order id.
pub const CLIENT_ORDER_ID_LEN: usize = 24;
/// The most rungs a ladder can have, bounded by the 5 bits an id has for them.
pub const MAX_RUNGS: u8 = 31;

macro_rules! bounded {
    ($(#[$doc:meta])* $name:ident, $repr:ty, $bits:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
        #[serde(transparent)]
        pub struct $name($repr);

        impl $name {
            /// The largest value an id has room for.
            pub const MAX: Self = Self(((1u64 << $bits) - 1) as $repr);

            /// The value, or `None` if an id has no room for it.
            #[must_use]
            pub const fn new(value: $repr) -> Option<Self> {
                if value as u64 >= 1u64 << $bits { None } else { Some(Self(value)) }
            }

            /// The plain number.
            #[must_use]
            pub const fn get(self) -> $repr {
                self.0
            }

            /// The next value, or `None` when the room in an id is used up.
            #[must_use]
            pub const fn next(self) -> Option<Self> {
                match self.0.checked_add(1) {
                    Some(value) => Self::new(value),
                    None => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = <$repr>::deserialize(deserializer)?;
                Self::new(value).ok_or_else(|| D::Error::custom(concat!(stringify!($name), " out of range")))
            }
        }
    };
}

bounded! {
    /// A short name of one venue account, chosen by the operator, unique among the accounts that share a venue login.
    AccountTag, u32, 20
}
bounded! {
    /// The running number of a position within its account, never used again.
    PositionNo, u32, 24
}
bounded! {
    /// Rises on every deliberate re-price or replacement of a logical order.
    Revision, u16, 12
}
bounded! {
    /// Rises on every re-send of one revision: after proven absence or a retryable rejection.
    Attempt, u8, 8
}
bounded! {
    /// Rises each time an account changes its owner; only the highest epoch may write.
    Epoch, u32, 24
}

/// What one order is for (requirement S1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// The MARKET order that opens the position.
    Entry,
    /// One LIMIT rung of the DCA ladder, counted from 1 (nearest) to N.
    Rung(u8),
    /// The take-profit.
    Target,
    /// The stop-loss.
    Stop,
    /// A close-only MARKET order that takes exposure off.
    Close,
}

impl Role {
    fn bits(self) -> (u128, u128) {
        match self {
            Self::Entry => (0, 0),
            Self::Rung(n) => (1, u128::from(n)),
            Self::Target => (2, 0),
            Self::Stop => (3, 0),
            Self::Close => (4, 0),
        }
    }

    fn from_bits(role: u128, rung: u128) -> Option<Self> {
        let rung = u8::try_from(rung).ok()?;
        match (role, rung) {
            (0, 0) => Some(Self::Entry),
            (1, 1..=MAX_RUNGS) => Some(Self::Rung(rung)),
            (2, 0) => Some(Self::Target),
            (3, 0) => Some(Self::Stop),
            (4, 0) => Some(Self::Close),
            _ => None,
        }
    }

    /// True for orders that can only take exposure off.
    #[must_use]
    pub const fn is_exit(self) -> bool {
        matches!(self, Self::Target | Self::Stop | Self::Close)
    }

    /// True for the two orders that protect a position while nobody watches.
    #[must_use]
    pub const fn is_protective(self) -> bool {
        matches!(self, Self::Target | Self::Stop)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry => f.write_str("entry"),
            Self::Rung(n) => write!(f, "rung {n}"),
            Self::Target => f.write_str("target"),
            Self::Stop => f.write_str("stop"),
            Self::Close => f.write_str("close"),
        }
    }
}

/// The logical order within one position: what exists at most once alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogicalOrder {
    /// What it is for.
    pub role: Role,
    /// Which deliberate version of it.
    pub revision: Revision,
}

/// Everything a client order id says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OrderKey {
    /// Whose order.
    pub account: AccountTag,
    /// Which position.
    pub position: PositionNo,
    /// Which role and revision.
    pub logical: LogicalOrder,
    /// Which send of it.
    pub attempt: Attempt,
    /// Under which ownership the intent was written.
    pub epoch: Epoch,
}

/// The id under which an order is placed, looked up and adopted; each is placed at most once, ever.
///
/// Ordered and hashed by its bits; prints as 24 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientOrderId(u128);

/// Why a text is not a client order id of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DecodeIdError {
    /// Not 24 characters long.
    #[error("a kraite id has 24 characters")]
    Length,
    /// A character outside `[a-z2-7]`.
    #[error("a kraite id has only the characters a-z and 2-7")]
    Alphabet,
    /// The checksum does not match: mistyped, or made by somebody else.
    #[error("the checksum does not match, so this id is mistyped or not ours")]
    Checksum,
    /// Made by a newer kraite.
    #[error("made by an id format this version does not know")]
    Version,
    /// The checksum matches but a field has no meaning.
    #[error("the id names a role or rung that does not exist")]
    Field,
}

fn checksum(body: u128) -> u128 {
    // 100 body bits, big endian; the 20-bit tail is the truncated CRC-32.
    u128::from(crc32fast::hash(&body.to_be_bytes()) & 0xF_FFFF)
}

impl ClientOrderId {
    /// The id of `key`; the same key always gives the same id.
    #[must_use]
    pub fn encode(key: &OrderKey) -> Self {
        let (role, rung) = key.logical.role.bits();
        let mut body = VERSION;
        for (value, bits) in [
            (u128::from(key.account.get()), 20),
            (u128::from(key.position.get()), 24),
            (role, 3),
            (rung, 5),
            (u128::from(key.logical.revision.get()), 12),
            (u128::from(key.attempt.get()), 8),
            (u128::from(key.epoch.get()), 24),
        ] {
            body = (body << bits) | value;
        }
        Self((body << 20) | checksum(body))
    }

    /// What the id says. Infallible: a value of this type was checked when it was made.
    #[must_use]
    pub fn key(self) -> OrderKey {
        Self::fields(self.0).unwrap_or(OrderKey {
            account: AccountTag(0),
            position: PositionNo(0),
            logical: LogicalOrder { role: Role::Entry, revision: Revision(0) },
            attempt: Attempt(0),
            epoch: Epoch(0),
        })
    }

    /// The position alone.
    #[must_use]
    pub fn position(self) -> PositionNo {
        u32::try_from((self.0 >> POSITION_AT) & 0xFF_FFFF).map_or(PositionNo(0), PositionNo)
    }

    /// The role alone, which is asked for far more often than the rest.
    #[must_use]
    pub fn role(self) -> Role {
        let bits = self.0 >> ROLE_AT;
        Role::from_bits((bits >> 5) & 7, bits & 31).unwrap_or(Role::Entry)
    }

    /// The first and the last id that a role has beside this one: of the same account and position.
    pub(crate) fn span_of(self, role: Role) -> (Self, Self) {
        let (kind, rung) = role.bits();
        let place = ((self.0 >> POSITION_AT) << POSITION_AT) | (((kind << RUNG_BITS) | rung) << ROLE_AT);
        (Self(place), Self(place | ((1 << ROLE_AT) - 1)))
    }

    /// True where both are of one account and position.
    pub(crate) const fn is_beside(self, other: Self) -> bool {
        self.0 >> POSITION_AT == other.0 >> POSITION_AT
    }

    fn fields(bits: u128) -> Option<OrderKey> {
        let mut rest = bits >> 20;
        let mut take = |width: u32| {
            let value = rest & !(u128::MAX << width);
            rest >>= width;
            value
        };
        let epoch = take(24);
        let attempt = take(8);
        let revision = take(12);
        let rung = take(5);
        let role = take(3);
        let position = take(24);
        let account = take(20);
        Some(OrderKey {
            account: AccountTag::new(u32::try_from(account).ok()?)?,
            position: PositionNo::new(u32::try_from(position).ok()?)?,
            logical: LogicalOrder {
                role: Role::from_bits(role, rung)?,
                revision: Revision::new(u16::try_from(revision).ok()?)?,
            },
            attempt: Attempt::new(u8::try_from(attempt).ok()?)?,
            epoch: Epoch::new(u32::try_from(epoch).ok()?)?,
        })
    }

    fn from_bits(bits: u128) -> Result<Self, DecodeIdError> {
        let body = bits >> 20;
        if checksum(body) != bits & 0xF_FFFF {
            return Err(DecodeIdError::Checksum);
        }
        if body >> 96 != VERSION {
            return Err(DecodeIdError::Version);
        }
        Self::fields(bits).map(|_| Self(bits)).ok_or(DecodeIdError::Field)
    }
}

impl FromStr for ClientOrderId {
    type Err = DecodeIdError;

    fn from_str(text: &str) -> Result<Self, DecodeIdError> {
        if text.len() != CLIENT_ORDER_ID_LEN {
            return Err(DecodeIdError::Length);
        }
        let mut bits = 0u128;
        for byte in text.bytes() {
            let value = match byte {
                b'a'..=b'z' => byte.wrapping_sub(b'a'),
                b'2'..=b'7' => byte.wrapping_sub(b'2').wrapping_add(26),
                _ => return Err(DecodeIdError::Alphabet),
            };
            bits = (bits << 5) | u128::from(value);
        }
        Self::from_bits(bits)
    }
}

impl ClientOrderId {
    /// True where the text spells this id; cheaper than reading it.
    #[must_use]
    pub fn is_written(self, text: &str) -> bool {
        self.text() == *text.as_bytes()
    }

    fn text(self) -> [u8; CLIENT_ORDER_ID_LEN] {
        let mut text = [0; CLIENT_ORDER_ID_LEN];
        let mut rest = self.0;
        for byte in text.iter_mut().rev() {
            let index = usize::try_from(rest & 31).unwrap_or(0);
            *byte = ALPHABET.get(index).copied().unwrap_or(b'a');
            rest >>= 5;
        }
        text
    }
}

impl fmt::Display for ClientOrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(core::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl fmt::Debug for ClientOrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key();
        write!(
            f,
            "{self}(p{} {} r{} a{} e{})",
            key.position, key.logical.role, key.logical.revision, key.attempt, key.epoch
        )
    }
}

impl Serialize for ClientOrderId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for ClientOrderId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = <alloc::borrow::Cow<'de, str>>::deserialize(deserializer)?;
            text.parse().map_err(D::Error::custom)
        } else {
            Self::from_bits(u128::deserialize(deserializer)?).map_err(D::Error::custom)
        }
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub CompactString);

        impl $name {
            /// Wraps the venue's own text.
            #[must_use]
            pub fn new(text: &str) -> Self {
                Self(CompactString::new(text))
            }

            /// The venue's own text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.0.as_str())
            }
        }
    };
}

text_id! {
    /// A venue's name of a contract, for example `BTCUSDT`.
    Symbol
}
text_id! {
    /// A venue's name of an order, a conditional order, a plan or a child. Never a number: some exceed 2^53.
    VenueOrderId
}
text_id! {
    /// A venue's name of one trade (fill), unique per symbol.
    TradeId
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn key() -> OrderKey {
        OrderKey {
            account: AccountTag(77),
            position: PositionNo(12_345),
            logical: LogicalOrder { role: Role::Rung(6), revision: Revision(3) },
            attempt: Attempt(2),
            epoch: Epoch(9),
        }
    }

    #[test]
    fn r02_an_id_round_trips_and_any_flipped_character_is_refused() {
        let id = ClientOrderId::encode(&key());
        let text = id.to_string();
        assert_eq!(text.len(), CLIENT_ORDER_ID_LEN);
        assert_eq!(text.parse::<ClientOrderId>(), Ok(id));
        assert!(id.is_written(&text));
        assert_eq!(id.key(), key());
        for role in [Role::Entry, Role::Rung(1), Role::Rung(MAX_RUNGS), Role::Target, Role::Stop, Role::Close] {
            let logical = LogicalOrder { role, revision: Revision::MAX };
            let id = ClientOrderId::encode(&OrderKey { logical, ..key() });
            assert_eq!((id.role(), id.position()), (role, key().position));
        }
        for place in 0..text.len() {
            for other in ALPHABET {
                let mut bytes = text.clone().into_bytes();
                if bytes[place] == *other {
                    continue;
                }
                bytes[place] = *other;
                let flipped = String::from_utf8(bytes).unwrap_or_default();
                assert!(flipped.parse::<ClientOrderId>().is_err(), "{flipped}");
                assert!(!id.is_written(&flipped));
            }
        }
    }

    #[test]
    fn r02_foreign_ids_do_not_decode() {
        for text in
            ["", "web_abc", "x-cvBPrNm94d4f2c7d79294456984674", "autoclose-1234567890", "ABCDEFGHIJKLMNOPQRSTUVWX"]
        {
            assert!(text.parse::<ClientOrderId>().is_err());
            assert!(!ClientOrderId::encode(&key()).is_written(text));
        }
    }
}
