//! OpenPGP keys by which package sources are verified (RFC 9580): told from private keys, damage and other files.
//!
//! Owns what a key looks like, and what it is called so that apt reads it in the right form. Refuses to judge whom it belongs to.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// Packets by their tags (RFC 9580, section 5).
const SECRET_KEY: u8 = 5;
const PUBLIC_KEY: u8 = 6;

/// The form of a key, by which apt expects its file to be called (apt-secure(8), sources.list(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Armoured,
    Binary,
}

impl Form {
    /// Gives how the file's name ends.
    pub(super) const fn suffix(self) -> &'static str {
        match self {
            Self::Armoured => ".asc",
            Self::Binary => ".gpg",
        }
    }
}

/// Reads a key; says what is wrong with it, and what to do, where it is none.
pub(super) fn form(bytes: &[u8]) -> Result<Form, String> {
    let text = String::from_utf8_lossy(bytes);
    if text.contains("BEGIN PGP PRIVATE KEY BLOCK") {
        return Err(private());
    }
    let Some((_, block)) = text.split_once(BEGIN) else {
        return match tag(bytes) {
            Some(PUBLIC_KEY) => Ok(Form::Binary),
            Some(SECRET_KEY) => Err(private()),
            Some(_) | None => Err(format!(
                "the key is no public key of OpenPGP; give all of it, from '{BEGIN}' to its end"
            )),
        };
    };
    let cut = || "the key is not whole; give all of it, to its last line".to_owned();
    let (block, _) = block.split_once(END).ok_or_else(cut)?;
    let packets = packets(block).ok_or_else(cut)?;
    match tag(&packets) {
        Some(PUBLIC_KEY) => Ok(Form::Armoured),
        Some(_) | None => Err("the key holds something else than a public key; see with `gpg --show-keys FILE` what it is".to_owned()),
    }
}

fn private() -> String {
    "the key is a private one, which nobody may have but who signs; give the public one (`gpg --armor --export NAME`)".to_owned()
}

/// Decodes what stands between the first line and the last, if the checksum is right where there is one.
fn packets(block: &str) -> Option<Vec<u8>> {
    let lines = block.lines().map(str::trim);
    // Headers end with an empty line.
    let mut lines = lines.skip(1).skip_while(|line| !line.is_empty()).peekable();
    lines.peek()?;
    let (mut body, mut checksum) = (String::new(), None);
    for line in lines.filter(|line| !line.is_empty()) {
        match line.strip_prefix('=') {
            Some(sum) => checksum = Some(sum.to_owned()),
            None => body.push_str(line),
        }
    }
    let packets = STANDARD.decode(body).ok()?;
    let Some(checksum) = checksum else {
        return Some(packets);
    };
    let expected = STANDARD.decode(checksum).ok()?;
    let [_, sum @ ..] = crc24(&packets).to_be_bytes();
    (expected == sum).then_some(packets)
}

/// Sums up bytes (RFC 9580, section 6.1.1).
fn crc24(bytes: &[u8]) -> u32 {
    let mut sum = 0x00b7_04ce;
    for byte in bytes {
        sum ^= u32::from(*byte) << 16;
        for _ in 0..8 {
            sum <<= 1;
            if sum & 0x0100_0000 != 0 {
                sum ^= 0x0186_4cfb;
            }
        }
    }
    sum & 0x00ff_ffff
}

/// Gives the kind of the first packet (RFC 9580, section 4.2).
fn tag(bytes: &[u8]) -> Option<u8> {
    let first = *bytes.first()?;
    match first >> 6 {
        0b11 => Some(first & 0x3f),
        0b10 => Some(first >> 2 & 0x0f),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = include_str!("test-key.asc");

    #[test]
    fn a_public_key_is_told_from_all_else() {
        assert_eq!(form(KEY.as_bytes()), Ok(Form::Armoured));
        let block = KEY.split_once(BEGIN).unwrap().1;
        let packets = packets(block.split_once(END).unwrap().0).unwrap();
        assert_eq!(form(&packets), Ok(Form::Binary));
        for (key, words) in [
            (KEY.replace("PUBLIC", "PRIVATE"), "is a private one"),
            (KEY.replacen('A', "B", 1), "not whole"),
            (KEY.replace(END, ""), "not whole"),
            ("<html>not found</html>".to_owned(), "no public key"),
            (String::new(), "no public key"),
        ] {
            let problem = form(key.as_bytes()).unwrap_err();
            assert!(problem.contains(words), "{problem}");
        }
        assert!(form(&[0x95, 1]).unwrap_err().contains("is a private one"));
    }
}
