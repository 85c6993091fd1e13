//! The way of a message, from its `Received` fields (RFC 5321, section 4.4).

use std::fmt;
use std::net::IpAddr;

/// How a server got a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum With {
    /// SMTP, with or without TLS.
    Smtp,
    /// SMTP with TLS, from somebody who has logged in.
    Authenticated,
    /// Handed to the mailbox server on the same host.
    Lmtp,
    /// Fetched from another server's mailbox.
    Fetched,
}

impl With {
    /// Gives the word of a `Received` field, or the beginning of it.
    const fn word(self) -> &'static str {
        match self {
            Self::Smtp => "esmtp",
            Self::Authenticated => "esmtpsa",
            Self::Lmtp => "LMTP",
            Self::Fetched => "IMAP",
        }
    }
}

/// One station of a message's way, as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hop {
    /// The host that got the message.
    pub(super) by: String,
    /// How.
    pub(super) with: With,
    /// From where: an address for SMTP, a name for what was fetched; `None` where it does not matter.
    pub(super) from: Option<From>,
}

/// Who handed a message on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum From {
    /// A host's address.
    Address(IpAddr),
    /// A host's name.
    Name(String),
}

impl fmt::Display for Hop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({}", self.by, self.with.word())?;
        match &self.from {
            None => {}
            Some(From::Address(address)) => write!(formatter, " from {address}")?,
            Some(From::Name(name)) => write!(formatter, " from {name}")?,
        }
        formatter.write_str(")")
    }
}

/// A `Received` field as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Received<'m> {
    from: &'m str,
    by: &'m str,
    with: &'m str,
    text: &'m str,
}

impl fmt::Display for Received<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, by, with, .. } = self;
        write!(formatter, "{by} ({with} from {from})")
    }
}

impl Received<'_> {
    /// Tells whether this is a station as it should be. Servers name themselves with and without the home domain.
    pub(super) fn is(&self, hop: &Hop, home_domain: &str) -> bool {
        let short = |name: &str| {
            let name = name.strip_suffix(home_domain).unwrap_or(name);
            name.trim_end_matches('.').to_owned()
        };
        let with = match hop.with {
            With::Smtp => ["esmtp", "esmtps", "smtp", "smtps"].contains(&self.with),
            With::Authenticated | With::Lmtp | With::Fetched => self.with == hop.with.word(),
        };
        let from = match &hop.from {
            None => true,
            Some(From::Name(name)) => short(self.from) == *name,
            Some(From::Address(address)) => self.text.contains(&format!("[{address}]")),
        };
        with && from && short(self.by) == hop.by
    }
}

/// The head of a message, its fields unfolded.
#[derive(Debug)]
pub(super) struct Head(Vec<(String, String)>);

impl Head {
    pub(super) fn of(message: &str) -> Self {
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in message.lines().take_while(|line| !line.is_empty()) {
            if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = fields.last_mut() {
                    value.push(' ');
                    value.push_str(line.trim());
                }
            } else if let Some((name, value)) = line.split_once(':') {
                fields.push((name.to_owned(), value.trim().to_owned()));
            }
        }
        Self(fields)
    }

    /// Gives the values of a field.
    pub(super) fn all<'h>(&'h self, name: &str) -> impl DoubleEndedIterator<Item = &'h str> {
        let is = move |field: &&(String, String)| field.0.eq_ignore_ascii_case(name);
        let fields: Vec<_> = self.0.iter().filter(is).collect();
        fields.into_iter().map(|(_, value)| value.as_str())
    }

    /// Gives the stations, the first one first.
    pub(super) fn way(&self) -> Vec<Received<'_>> {
        let fields = self.all("Received").rev();
        fields
            .map(|text| Received {
                from: after(text, "from"),
                by: after(text, "by"),
                with: after(text, "with"),
                text,
            })
            .collect()
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
        let mut text = String::new();
        for (name, value) in &self.0 {
            if told.contains(&name.as_str()) {
                text.extend([name, ": ", value, "\n"]);
            }
        }
        text
    }
}

/// Gives the word after another.
fn after<'t>(text: &'t str, word: &str) -> &'t str {
    let mut words = text.split_whitespace();
    words.find(|it| *it == word);
    words.next().unwrap_or("?")
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

    fn hop(by: &str, with: With, from: Option<From>) -> Hop {
        let by = by.to_owned();
        Hop { by, with, from }
    }

    #[test]
    fn the_way_is_read_from_the_head_alone_the_first_station_first() {
        let head = Head::of(FETCHED);
        let way = head.way();
        let name = |name: &str| Some(From::Name(name.to_owned()));
        let address = |text: &str| Some(From::Address(text.parse().unwrap()));
        let expected = [
            hop("mail-external", With::Smtp, address("10.98.3.111")),
            hop("mail-internal", With::Fetched, name("mail-external")),
            hop("mail-internal", With::Smtp, address("127.0.0.1")),
        ];
        assert_eq!(way.len(), 3);
        for (received, hop) in way.iter().zip(&expected) {
            assert!(received.is(hop, "home.com"), "{received} is not {hop}");
        }
        assert!(!way[0].is(&expected[1], "home.com"));
        let elsewhere = hop("mail-external", With::Smtp, address("10.98.3.11"));
        assert!(!way[0].is(&elsewhere, "home.com"));
        let authenticated = hop("mail-external", With::Authenticated, None);
        assert!(!way[0].is(&authenticated, "home.com"));
        assert_eq!(
            head.all("x-gateway-account").collect::<Vec<_>>(),
            ["gateway-home"]
        );
    }
}
