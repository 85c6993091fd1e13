//! The clients that people use by hand: what each is told beforehand, and what is to be done where it ends with an error that names no
//! remedy of its own.
//!
//! Their words are theirs: they are told apart by their exit codes alone, as their manuals have them.

use crate::estate::Location;

/// What a client is told before everything that a person tells it, who can say otherwise afterwards: by themselves they would wait for minutes
/// or hours for a host that does not answer, and lynx would not log in to a site.
#[must_use]
pub fn first_words(client: &str) -> &'static [&'static str] {
    match client {
        "curl" => &["--connect-timeout", "10"],
        "lynx" => &["-accept_all_cookies", "-connect_timeout=10"],
        _ => &[],
    }
}

/// Says what to do about a client's exit code; nothing where it went well, or where the client says it itself.
#[must_use]
pub fn remedy(client: &str, code: i64, side: Location) -> Option<String> {
    let status = "`prov status` tells whether its host and services run";
    let remedy = match (client, code) {
        // curl(1), "EXIT CODES".
        ("curl", 6) => format!(
            "`prov client dig {side} NAME` asks the name servers of that side; on the other side names may be others"
        ),
        ("curl", 7) => {
            format!("{status}; where it serves at another port, write that at the name, NAME:PORT")
        }
        ("curl", 28) => format!(
            "{status}; a firewall may drop what is asked from this side, and `prov client traceroute {side} NAME` shows the way"
        ),
        ("curl", 35) => format!(
            "`prov client openssl {side} NAME:PORT` tells what is wrong with TLS there; without TLS, write http://"
        ),
        ("curl", 60) => {
            format!(
                "`prov client openssl {side} NAME:PORT` shows the certificate and what is wrong"
            )
        }
        // dig(1), "RETURN CODES": no server has answered.
        ("dig", 9) => {
            "`prov status` tells whether the host with the role dns runs, and dnsmasq on it"
                .to_owned()
        }
        // lynx gives neither the port nor the cause.
        ("lynx", 1) => format!("`prov client curl {side} URL` tells the port and the cause"),
        // swaks(1), "EXIT CODES": it has not connected.
        ("swaks", 2) => format!("{status}; `--server HOST --port PORT` names another server"),
        _ => return None,
    };
    Some(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_has_not_reached_anybody_is_followed_by_what_to_do() {
        let of = |client, code| remedy(client, code, Location::External).unwrap_or_default();
        assert!(of("curl", 7).contains("NAME:PORT"));
        assert!(of("curl", 28).contains("prov client traceroute external NAME"));
        assert!(of("dig", 9).contains("role dns"));
        assert!(of("lynx", 1).contains("prov client curl external URL"));
        assert!(of("swaks", 2).contains("--server"));
    }

    #[test]
    fn what_went_well_or_is_a_persons_own_needs_no_remedy() {
        for client in ["curl", "dig", "lynx", "swaks", "vantage"] {
            assert_eq!(remedy(client, 0, Location::Internal), None);
        }
        assert_eq!(remedy("curl", 22, Location::Internal), None);
        assert_eq!(remedy("vantage", 7, Location::Internal), None);
    }
}
