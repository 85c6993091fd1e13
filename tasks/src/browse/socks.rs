//! Messages of SOCKS5 (RFC 1928), as far as a proxy needs them that asks for no password and makes connections alone.

use std::net::Ipv4Addr;

use super::{Refusal, Target};

/// The first byte of everything that is said.
pub const VERSION: u8 = 5;

/// How many bytes any message has at most.
pub const LONGEST: usize = 262;

/// What is answered to who offers to come without a password.
pub const WELCOME: [u8; 2] = [VERSION, 0];

/// What is answered to who does not.
pub const NOT_WELCOME: [u8; 2] = [VERSION, 0xff];

const CONNECT: u8 = 1;

/// What came of a message as far as it has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read<T> {
    /// So many bytes are needed in all.
    Needs(usize),
    /// What it says.
    Whole(T),
}

/// Reads a greeting; tells whether it offers to come without a password.
pub fn greeting(bytes: &[u8]) -> Result<Read<bool>, Refusal> {
    let Some((&version, rest)) = bytes.split_first() else {
        return Ok(Read::Needs(2));
    };
    if version != VERSION {
        return Err(Refusal::Unsupported("other versions of SOCKS than 5"));
    }
    let Some((&count, methods)) = rest.split_first() else {
        return Ok(Read::Needs(2));
    };
    let count = usize::from(count);
    match methods.get(..count) {
        Some(methods) => Ok(Read::Whole(methods.contains(&0))),
        None => Ok(Read::Needs(2 + count)),
    }
}

/// Reads a request.
pub fn request(bytes: &[u8]) -> Result<Read<Target>, Refusal> {
    let [version, command, _, kind, rest @ ..] = bytes else {
        return Ok(Read::Needs(5));
    };
    if *version != VERSION {
        return Err(Refusal::Malformed("it is none of SOCKS5"));
    }
    let length = match (kind, rest.first()) {
        (1, _) => 4,
        (3, Some(length)) => 1 + usize::from(*length),
        (3, None) => return Ok(Read::Needs(5)),
        (4, _) => 16,
        _ => return Err(Refusal::Malformed("it names no kind of address")),
    };
    let (Some(host), Some(port)) = (rest.get(..length), rest.get(length..length + 2)) else {
        return Ok(Read::Needs(4 + length + 2));
    };
    if *command != CONNECT {
        return Err(Refusal::Unsupported("SOCKS5 is for connections alone"));
    }
    let port = u16::from_be_bytes([port[0], port[1]]);
    let target = match (kind, host) {
        (1, &[a, b, c, d]) => Target::new(&Ipv4Addr::new(a, b, c, d).to_string(), port),
        (3, [_, name @ ..]) => match str::from_utf8(name) {
            Ok(name) => Target::new(name, port),
            Err(_) => Err(Refusal::Malformed("a name is no text")),
        },
        _ => Err(Refusal::Unsupported("the estate has no addresses of IPv6")),
    };
    target.map(Read::Whole)
}

/// Gives what is answered to a request: the connection stands, or why not. The address that a proxy connects from is nobody's
/// concern, so it is given as none.
#[must_use]
pub fn reply(outcome: Result<(), &Refusal>) -> [u8; 10] {
    let code = match outcome {
        Ok(()) => 0,
        Err(refusal) => code(refusal),
    };
    [VERSION, code, 0, 1, 0, 0, 0, 0, 0, 0]
}

const fn code(refusal: &Refusal) -> u8 {
    match refusal {
        Refusal::NoProxyRequest | Refusal::Malformed(_) => 1,
        Refusal::Foreign { .. } => 2,
        Refusal::NoSuchName(_) | Refusal::NoAnswer(_) => 4,
        Refusal::Unreachable { .. } => 5,
        Refusal::Unsupported(_) => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Where;
    use super::*;
    use proptest::prelude::*;

    fn named(name: &[u8], port: u16) -> Vec<u8> {
        let length = u8::try_from(name.len()).unwrap();
        let mut all = vec![5, 1, 0, 3, length];
        all.extend(name);
        all.extend(port.to_be_bytes());
        all
    }

    #[test]
    fn a_greeting_is_welcome_without_a_password() {
        assert_eq!(greeting(&[5, 2, 2, 0]), Ok(Read::Whole(true)));
        assert_eq!(greeting(&[5, 1, 2]), Ok(Read::Whole(false)));
        assert_eq!(greeting(&[5, 0]), Ok(Read::Whole(false)));
        assert_eq!(greeting(&[5, 3, 0]), Ok(Read::Needs(5)));
        assert!(greeting(&[4, 1, 0, 80]).is_err());
    }

    #[test]
    fn a_request_names_a_host_or_an_address() {
        let Ok(Read::Whole(target)) = request(&named(b"Imap.Home.Com", 993)) else {
            panic!("not read");
        };
        assert_eq!(target, Target::new("imap.home.com", 993).unwrap());
        let Ok(Read::Whole(target)) = request(&[5, 1, 0, 1, 10, 0, 0, 101, 0, 25]) else {
            panic!("not read");
        };
        assert_eq!(target.at, Where::Address(Ipv4Addr::new(10, 0, 0, 101)));
        // An address written as a name is an address.
        let Ok(Read::Whole(target)) = request(&named(b"127.0.0.1", 22)) else {
            panic!("not read");
        };
        assert_eq!(target.at, Where::Address(Ipv4Addr::LOCALHOST));
    }

    #[test]
    fn what_is_hostile_is_refused() {
        let codes = |bytes: &[u8]| request(bytes).map_err(|refusal| reply(Err(&refusal))[1]);
        // To listen, or to pass on datagrams.
        assert_eq!(codes(&[5, 2, 0, 1, 10, 0, 0, 101, 0, 25]), Err(7));
        assert_eq!(codes(&[5, 3, 0, 1, 10, 0, 0, 101, 0, 25]), Err(7));
        let ipv6 = [&[5, 1, 0, 4][..], &[0; 15], &[1, 0, 80]].concat();
        assert_eq!(codes(&ipv6), Err(7));
        assert_eq!(codes(&[5, 1, 0, 9, 0, 0]), Err(1));
        assert_eq!(codes(&[4, 1, 0, 1, 10, 0, 0, 101, 0, 25]), Err(1));
        assert_eq!(codes(&named(b"", 80)), Err(1));
        assert_eq!(codes(&named(b"a\r\nb", 80)), Err(1));
        assert_eq!(codes(&named(b"\xff", 80)), Err(1));
        assert_eq!(codes(&named(b"a", 0)), Err(1));
    }

    proptest! {
        /// Whoever reads on as it is told ends, within what a message may have, and a message is not read before it is whole.
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            for needs in [
                greeting(&bytes).map(|read| match read { Read::Needs(n) => Some(n), Read::Whole(_) => None }),
                request(&bytes).map(|read| match read { Read::Needs(n) => Some(n), Read::Whole(_) => None }),
            ].into_iter().flatten().flatten() {
                prop_assert!(needs > bytes.len() && needs <= LONGEST);
            }
        }
    }
}
