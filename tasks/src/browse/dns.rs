//! Questions to a name server, and its answers (RFC 1035), for addresses of IPv4.

use std::net::Ipv4Addr;

use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, Question, RCODE, TYPE};

/// Writes the question for the addresses of a name; `None` where it is none that can be asked for.
#[must_use]
pub fn question(number: u16, name: &str) -> Option<Vec<u8>> {
    let mut packet = Packet::new_query(number);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(asked(name)?);
    packet.build_bytes_vec().ok()
}

/// Reads the answer to a question: the addresses that the name stands for, directly or by another name; none where it stands for
/// nothing. `None` is no answer to that question, but somebody else's or none at all.
#[must_use]
pub fn addresses(number: u16, name: &str, answer: &[u8]) -> Option<Vec<Ipv4Addr>> {
    let packet = Packet::parse(answer).ok()?;
    let [question] = packet.questions.as_slice() else {
        return None;
    };
    let wanted = asked(name)?;
    let is_asked = question.qtype == wanted.qtype
        && question
            .qname
            .to_string()
            .eq_ignore_ascii_case(&wanted.qname.to_string());
    if packet.id() != number || !packet.has_flags(PacketFlag::RESPONSE) || !is_asked {
        return None;
    }
    if packet.rcode() != RCODE::NoError {
        return Some(Vec::new());
    }
    let found = packet.answers.iter().filter_map(|record| {
        if let RData::A(A { address }) = record.rdata {
            Some(Ipv4Addr::from(address))
        } else {
            None
        }
    });
    Some(found.collect())
}

fn asked(name: &str) -> Option<Question<'_>> {
    let name = Name::new(name).ok()?;
    Some(Question::new(
        name,
        QTYPE::TYPE(TYPE::A),
        CLASS::IN.into(),
        false,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An answer as dnsmasq gave it: www.home.com is another name of web, which has an address.
    fn answer() -> Vec<u8> {
        let mut all = vec![0x13, 0x37, 0x85, 0x80, 0, 1, 0, 2, 0, 0, 0, 0];
        all.extend(b"\x03www\x04home\x03com\x00\x00\x01\x00\x01");
        all.extend(b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x00\x00\x06\x03web\xc0\x10");
        all.extend(b"\xc0\x2a\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04\x0a\x00\x00\x70");
        all
    }

    #[test]
    fn a_name_is_asked_for_and_followed_to_its_address() {
        let asked = question(0x1337, "www.home.com").unwrap();
        assert_eq!(asked[..12], [0x13, 0x37, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(asked[12..], answer()[12..30]);
        let found = addresses(0x1337, "www.home.com", &answer());
        assert_eq!(found, Some(vec![Ipv4Addr::new(10, 0, 0, 112)]));
    }

    #[test]
    fn answers_to_something_else_are_none() {
        assert_eq!(addresses(0x1338, "www.home.com", &answer()), None);
        assert_eq!(addresses(0x1337, "www.home.org", &answer()), None);
        // A question is no answer.
        let asked = question(0x1337, "www.home.com").unwrap();
        assert_eq!(addresses(0x1337, "www.home.com", &asked), None);
    }

    #[test]
    fn a_name_that_nobody_knows_has_no_address() {
        let mut unknown = answer();
        unknown[3] = 0x83;
        assert_eq!(
            addresses(0x1337, "www.home.com", &unknown),
            Some(Vec::new())
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_passed_over(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = addresses(0x1337, "www.home.com", &bytes);
        }

        #[test]
        fn a_damaged_answer_is_read_or_passed_over(at in 12..64_usize, byte: u8, length in 12..70_usize) {
            let mut damaged = answer();
            let last = damaged.len() - 1;
            damaged[at.min(last)] = byte;
            damaged.truncate(length);
            let _ = addresses(0x1337, "www.home.com", &damaged);
        }
    }
}
