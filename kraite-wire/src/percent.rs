//! Percent-encoding, as signatures of every venue want it.

/// The bytes that need no encoding.
#[allow(clippy::indexing_slicing, reason = "a byte is below 256")]
const STAYS: [bool; 256] = {
    let mut stays = [false; 256];
    let mut byte = 0u8;
    while byte < u8::MAX {
        stays[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
        byte += 1;
    }
    stays
};

/// Appends `text` with everything outside `A-Z a-z 0-9 - _ . ~` as `%XX` of its UTF-8 bytes.
pub fn percent_encode(text: &str, into: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let stays = |byte: u8| STAYS.get(usize::from(byte)) == Some(&true);
    if text.bytes().all(stays) {
        into.push_str(text);
        return;
    }
    for byte in text.bytes() {
        if stays(byte) {
            into.push(char::from(byte));
        } else {
            into.push('%');
            for digit in [byte >> 4, byte & 15] {
                into.push(HEX.get(usize::from(digit)).copied().map_or('0', char::from));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn everything_but_the_unreserved_is_encoded() {
        let mut text = String::new();
        super::percent_encode("币/a b:c-1_2.3~+", &mut text);
        assert_eq!(text, "%E5%B8%81%2Fa%20b%3Ac-1_2.3~%2B");
    }
}
