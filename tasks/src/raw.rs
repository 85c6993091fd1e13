//! Bytes in any encoding as text: what a file holds is searched and edited as text, and comes out as it went in.
//!
//! A byte that is no part of a character in UTF-8 is one of the last 128 characters of Unicode, which are for private use.
//! So that nothing is ambiguous, these characters themselves are taken for the bytes that they consist of.

use std::borrow::Cow;

/// The character that stands for the byte 0x80; those for the bytes up to 0xff follow it.
const FIRST: u32 = 0x0010_ff80;

/// What begins these characters, and few others, in UTF-8.
const LEAD: u8 = 0xf4;

/// Gives the byte that a character stands for.
#[must_use]
pub fn byte_of(c: char) -> Option<u8> {
    u32::from(c)
        .checked_sub(FIRST)
        .and_then(|offset| u8::try_from(offset + 0x80).ok())
}

fn stand_in(byte: u8) -> char {
    char::from_u32(FIRST + u32::from(byte) - 0x80).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Gives any bytes as text.
///
/// ```
/// let latin = b"caf\xe9\n";
/// assert_eq!(tasks::raw::bytes(&tasks::raw::text(latin)).as_ref(), latin);
/// assert_eq!(tasks::visible(&tasks::raw::text(b"caf\xe9")), "caf\\xe9");
/// ```
#[must_use]
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    if !bytes.contains(&LEAD)
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if byte_of(c).is_some() {
                text.extend(c.encode_utf8(&mut [0; 4]).bytes().map(stand_in));
            } else {
                text.push(c);
            }
        }
        text.extend(chunk.invalid().iter().copied().map(stand_in));
    }
    Cow::Owned(text)
}

/// Gives the bytes of a text that [`text`] may have made.
#[must_use]
pub fn bytes(text: &str) -> Cow<'_, [u8]> {
    if !text.as_bytes().contains(&LEAD) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match byte_of(c) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Cow::Owned(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_come_out_as_they_went_in(
            parts in proptest::collection::vec(prop_oneof![
                any::<Vec<u8>>(),
                any::<char>().prop_map(|c| c.to_string().into_bytes()),
                (0x0010_ff70..=0x0010_ffff_u32).prop_map(|c| char::from_u32(c).unwrap().to_string().into_bytes()),
            ], 0..6),
        ) {
            let all = parts.concat();
            let text = text(&all);
            let back = bytes(&text);
            prop_assert_eq!(back.as_ref(), all.as_slice());
        }
    }

    #[test]
    fn text_in_utf_8_stays_as_it_is_and_other_bytes_are_seen() {
        assert!(matches!(text("Grüße 世界".as_bytes()), Cow::Borrowed(_)));
        assert_eq!(text(b"a\xffb").chars().count(), 3);
        let own = "a\u{10ffff}b";
        assert_eq!(text(own.as_bytes()).chars().count(), 6);
        assert_eq!(byte_of('\u{10ff7f}'), None);
    }
}
