//! Client order ids: any text is refused or is one of ours, and what is ours says the same both ways.

use kraite_core::id::{
    AccountTag, Attempt, ClientOrderId, DecodeIdError, Epoch, LogicalOrder, MAX_RUNGS, OrderKey, PositionNo, Revision,
    Role,
};

use crate::Bytes;

/// How a text becomes an id; the tests give one that is wrong.
type Decode = fn(&str) -> Result<ClientOrderId, DecodeIdError>;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Any key that an id has room for.
fn key(bytes: &mut Bytes<'_>) -> OrderKey {
    let role = match bytes.u8() % 5 {
        0 => Role::Entry,
        1 => Role::Rung(bytes.u8() % MAX_RUNGS + 1),
        2 => Role::Target,
        3 => Role::Stop,
        _ => Role::Close,
    };
    let word = |bytes: &mut Bytes<'_>, most: u32| bytes.u32() & most;
    let revision = word(bytes, u32::from(Revision::MAX.get()));
    OrderKey {
        account: AccountTag::new(word(bytes, AccountTag::MAX.get())).unwrap(),
        position: PositionNo::new(word(bytes, PositionNo::MAX.get())).unwrap(),
        logical: LogicalOrder { role, revision: Revision::new(revision.try_into().unwrap()).unwrap() },
        attempt: Attempt::new(bytes.u8()).unwrap(),
        epoch: Epoch::new(word(bytes, Epoch::MAX.get())).unwrap(),
    }
}

fn text_is_refused_or_says_itself(text: &str, decode: Decode) {
    if let Ok(id) = decode(text) {
        assert_eq!(id.to_string(), text);
        assert_eq!(ClientOrderId::encode(&id.key()), id, "{text}");
    }
}

fn key_round_trips(data: &[u8], decode: Decode) {
    let mut bytes = Bytes::new(data);
    let key = key(&mut bytes);
    let id = ClientOrderId::encode(&key);
    assert_eq!(id.key(), key);
    let text = id.to_string();
    assert_eq!(decode(&text), Ok(id));
    // One character mistyped.
    let place = usize::from(bytes.u8()) % text.len();
    let other = bytes.pick(ALPHABET);
    let mut typed = text.clone().into_bytes();
    if std::mem::replace(&mut typed[place], other) != other {
        let typed = String::from_utf8(typed).unwrap();
        assert!(decode(&typed).is_err(), "{typed} is taken although {text} was meant");
    }
}

fn judge(data: &[u8], decode: Decode) {
    text_is_refused_or_says_itself(&String::from_utf8_lossy(data), decode);
    key_round_trips(data, decode);
    // As it lies in a journal.
    if let Ok(id) = postcard::from_bytes::<ClientOrderId>(data) {
        assert_eq!(ClientOrderId::encode(&id.key()), id);
    }
}

/// Decodes any text, and encodes any key.
///
/// # Panics
///
/// When an id says something else than it was made from, or a mistyped one is taken.
pub fn client_id(data: &[u8]) {
    judge(data, str::parse);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Forgives one wrong character, as a decoder without a checksum would.
    fn forgiving(text: &str) -> Result<ClientOrderId, DecodeIdError> {
        let fixed = |place: usize, other: &u8| {
            let mut bytes = text.as_bytes().to_vec();
            *bytes.get_mut(place)? = *other;
            String::from_utf8(bytes).ok()?.parse().ok()
        };
        text.parse().or_else(|error| {
            let all = (0..24).flat_map(|place| ALPHABET.iter().map(move |other| (place, other)));
            all.filter_map(|(place, other)| fixed(place, other)).next().ok_or(error)
        })
    }

    #[test]
    fn mutant_a_decoder_that_forgives_a_typing_error_is_caught() {
        let seeds = crate::tests::seeds_of("client_id");
        assert!(seeds.iter().any(|(_, seed)| std::panic::catch_unwind(|| judge(seed, forgiving)).is_err()));
    }
}
