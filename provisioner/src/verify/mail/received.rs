//! The way of a message, from its `Received` fields (RFC 5321, section 4.4).

use std::fmt;
use std::net::IpAddr;

use mail_parser::{HeaderName, Host, Message, MessageParser, Protocol, Received};

/// How a server got a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transfer {
    /// SMTP, with or without TLS.
    Smtp,
    /// SMTP with TLS, from somebody who has logged in.
    Authenticated,
    /// Handed to the mailbox server on the same host.
    Lmtp,
    /// Fetched from another server's mailbox.
    Fetched,
}

impl Transfer {
    /// Lists the protocols that say so, the usual one first.
    const fn protocols(self) -> &'static [Protocol] {
        match self {
            Self::Smtp => &[Protocol::ESMTP, Protocol::ESMTPS, Protocol::SMTP],
            Self::Authenticated => &[Protocol::ESMTPSA],
            Self::Lmtp => &[Protocol::LMTP],
            Self::Fetched => &[Protocol::IMAP],
        }
    }
}

/// One station of a message's way, as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hop {
    /// The host that got the message.
    pub(super) by: String,
    /// How.
    pub(super) transfer: Transfer,
    /// From where: an address for SMTP, a name for what was fetched; `None` where it does not matter.
    pub(super) from: Option<Sender>,
}

/// Who handed a message on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sender {
    /// A host's address.
    Address(IpAddr),
    /// A host's name.
    Name(String),
    /// The host that got it, by a loopback address: which one is up to the resolver, so 127.0.0.1 or `::1`.
    Itself,
}

impl fmt::Display for Hop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (", self.by)?;
        if let [usual, ..] = self.transfer.protocols() {
            write!(formatter, "{usual}")?;
        }
        match &self.from {
            None => {}
            Some(Sender::Address(address)) => write!(formatter, " from {address}")?,
            Some(Sender::Name(name)) => write!(formatter, " from {name}")?,
            Some(Sender::Itself) => formatter.write_str(" from itself")?,
        }
        formatter.write_str(")")
    }
}

/// A `Received` field as it came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Station<'m>(&'m Received<'m>);

impl fmt::Display for Station<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |host: &Option<Host<'_>>| {
            let name = host.as_ref().map(Host::to_string);
            name.unwrap_or_else(|| "?".to_owned())
        };
        let with = self.0.with.map_or("?", |protocol| protocol.as_str());
        let (by, from) = (name(&self.0.by), name(&self.0.from));
        write!(formatter, "{by} ({with} from {from}")?;
        match self.address() {
            Some(address) if address.to_string() != from => write!(formatter, " [{address}])"),
            Some(_) | None => formatter.write_str(")"),
        }
    }
}

impl Station<'_> {
    /// Tells whether this is a station as it should be. Servers name themselves with and without the home domain.
    pub(super) fn is(self, hop: &Hop, home_domain: &str) -> bool {
        let is_host = |host: &Option<Host<'_>>, name: &str| match host {
            Some(Host::Name(host)) => {
                let short = host.strip_suffix(home_domain).unwrap_or(host);
                short.trim_end_matches('.') == name
            }
            Some(Host::IpAddr(_)) | None => false,
        };
        let protocols = hop.transfer.protocols();
        let transfer = self.0.with.is_some_and(|with| protocols.contains(&with));
        let from = match &hop.from {
            None => true,
            Some(Sender::Name(name)) => is_host(&self.0.from, name),
            Some(Sender::Address(address)) => self.address() == Some(*address),
            Some(Sender::Itself) => self.address().is_some_and(|from| from.is_loopback()),
        };
        transfer && from && is_host(&self.0.by, &hop.by)
    }

    /// Gives the address from which the message came, where the server noted it.
    fn address(self) -> Option<IpAddr> {
        self.0.from_ip.or(match self.0.from {
            Some(Host::IpAddr(address)) => Some(address),
            Some(Host::Name(_)) | None => None,
        })
    }
}

/// The head of a message.
#[derive(Debug)]
pub(super) struct Head<'m>(Message<'m>);

impl<'m> Head<'m> {
    /// Reads the head; `None` where there is none.
    pub(super) fn of(message: &'m str) -> Option<Self> {
        MessageParser::default().parse_headers(message).map(Self)
    }

    /// Gives the values of a field, unfolded.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        let fields = self.0.headers_raw();
        fields
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| unfolded(value))
            .collect()
    }

    /// Gives the stations, the first one first.
    pub(super) fn way(&self) -> Vec<Station<'_>> {
        let fields = self.0.header_values(HeaderName::Received);
        let mut way: Vec<_> = fields
            .filter_map(|value| value.as_received().map(Station))
            .collect();
        way.reverse();
        way
    }

    /// Gives what tells of the way, for a person to read.
    pub(super) fn text(&self) -> String {
        let told = [
            "Received",
            "X-Gateway-Account",
            "Delivered-To",
            "Envelope-to",
            "Subject",
        ];
        let fields = self.0.headers_raw();
        let lines: Vec<_> = fields
            .filter(|(name, _)| told.iter().any(|known| known.eq_ignore_ascii_case(name)))
            .map(|(name, value)| format!("{name}: {}\n", unfolded(value)))
            .collect();
        lines.concat()
    }
}

/// Makes one line of a field's lines (RFC 5322, section 2.2.3).
fn unfolded(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The head of a message as it came.
    const FETCHED: &str = "Return-path: <root@other.com>\n\
        Received: from [127.0.0.1] (helo=mail-internal.home.com)\n\tby mail-internal with esmtp (Exim 4.96)\n\
        \tid 1\n\tfor user2fname@localhost;\n\tSun, 22 Nov 2026 19:49:33 +0000\n\
        Received: from mail-external\n\tby mail-internal.home.com with IMAP (fetchmail-6.4.37)\n\
        \tfor <user2fname@localhost> (single-drop); Sun, 22 Nov 2026 19:49:33 +0000 (UTC)\n\
        Received: from prov-mail-mail-other.prov-mail ([10.98.3.111] helo=mail-other.home.com)\n\
        \tby mail-external with esmtps  (TLS1.3) tls TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384\n\t(Exim 4.96)\n\tid 2\n\
        X-Gateway-Account: gateway-home\n\nReceived: by nobody\n";

    fn hop(by: &str, transfer: Transfer, from: Option<Sender>) -> Hop {
        let by = by.to_owned();
        Hop { by, transfer, from }
    }

    #[test]
    fn a_host_reaches_itself_by_either_loopback_address_and_by_no_other() {
        let own = hop("mail-internal", Transfer::Smtp, Some(Sender::Itself));
        for (from, is_own) in [("127.0.0.1", true), ("::1", true), ("10.98.3.110", false)] {
            let text = FETCHED.replace("127.0.0.1", from);
            let head = Head::of(&text).unwrap();
            assert_eq!(head.way()[2].is(&own, "home.com"), is_own, "{from}");
        }
    }

    #[test]
    fn the_way_is_read_from_the_head_alone_the_first_station_first() {
        let head = Head::of(FETCHED).unwrap();
        let way = head.way();
        let name = |name: &str| Some(Sender::Name(name.to_owned()));
        let address = |text: &str| Some(Sender::Address(text.parse().unwrap()));
        let expected = [
            hop("mail-external", Transfer::Smtp, address("10.98.3.111")),
            hop("mail-internal", Transfer::Fetched, name("mail-external")),
            hop("mail-internal", Transfer::Smtp, Some(Sender::Itself)),
        ];
        assert_eq!(way.len(), 3);
        for (received, hop) in way.iter().zip(&expected) {
            assert!(received.is(hop, "home.com"), "{received} is not {hop}");
        }
        assert!(!way[0].is(&expected[1], "home.com"));
        let elsewhere = hop("mail-external", Transfer::Smtp, address("10.98.3.11"));
        assert!(!way[0].is(&elsewhere, "home.com"));
        let authenticated = hop("mail-external", Transfer::Authenticated, None);
        assert!(!way[0].is(&authenticated, "home.com"));
        assert_eq!(head.all("x-gateway-account"), ["gateway-home"]);
        let shown: Vec<_> = way.iter().map(ToString::to_string).collect();
        let first = "mail-external (ESMTPS from prov-mail-mail-other.prov-mail [10.98.3.111])";
        assert_eq!(shown[0], first);
        assert_eq!(shown[2], "mail-internal (ESMTP from 127.0.0.1)");
    }
}
