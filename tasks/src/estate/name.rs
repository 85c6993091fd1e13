//! Names: what a host, group, service, role or variable may be called.
//!
//! Owns the rules and their wording. Refuses characters that mean something in a limit pattern, a shell or a file name,
//! so that no other part has to think about them.

/// Name that stands for every host; nothing else may have it.
pub const ALL: &str = "all";

/// Longest name that is accepted, that of a DNS label (RFC 1035, section 2.3.4).
const LONGEST: usize = 63;

/// Checks the name of a host: a DNS label in lower case (RFC 1123, section 2.1). Says what is wrong with it.
///
/// ```
/// assert!(tasks::estate::host_name("dns-internal").is_ok());
/// assert!(tasks::estate::host_name("dns_internal").is_err());
/// ```
pub fn host_name(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.starts_with('-') || name.ends_with('-') {
        return Err("a host name neither begins nor ends with '-'".to_owned());
    }
    if !name.is_empty() && name.chars().all(|c| c.is_ascii_digit()) {
        return Err("a host name is not a number".to_owned());
    }
    common(name, "a host name", "a-z, 0-9 and '-'", allowed)
}

/// Checks the name of a group, service or role. Says what is wrong with it.
pub fn label(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.is_empty() {
        return Err("a name begins with one of a-z".to_owned());
    }
    common(name, "a name", "a-z, 0-9, '-' and '_'", allowed)
}

/// Checks the name of a variable. Says what is wrong with it.
pub fn variable(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.is_empty() {
        return Err("a variable's name begins with one of a-z".to_owned());
    }
    common(name, "a variable's name", "a-z, 0-9 and '_'", allowed)
}

fn common(
    name: &str,
    what: &str,
    characters: &str,
    allowed: impl Fn(char) -> bool,
) -> Result<(), String> {
    if name.is_empty() {
        return Err(format!("{what} is not empty"));
    }
    if name == ALL {
        return Err(format!("'{ALL}' stands for every host"));
    }
    if name.len() > LONGEST {
        return Err(format!("{what} has at most {LONGEST} characters"));
    }
    match name.chars().find(|c| !allowed(*c)) {
        Some(c) => Err(format!(
            "{what} consists of {characters}, not '{}'",
            c.escape_debug()
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_dns_labels() {
        for good in ["a", "dns-internal", "web1", "1st", &"a".repeat(63)] {
            assert_eq!(host_name(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "-a",
            "a-",
            "a_b",
            "A",
            "a.b",
            "all",
            "10",
            "ä",
            "a b",
            &"a".repeat(64),
        ] {
            assert!(host_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn labels_begin_with_a_letter() {
        for good in ["dns", "reverse_proxy", "reverse-proxy", "web2"] {
            assert_eq!(label(good), Ok(()), "{good}");
        }
        for bad in ["", "2web", "_x", "a,b", "a:b", "!a", "~a", "a*", "all"] {
            assert!(label(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn variables_have_no_dashes() {
        assert_eq!(variable("mta_smarthost"), Ok(()));
        assert_eq!(
            variable("mta-smarthost").unwrap_err(),
            "a variable's name consists of a-z, 0-9 and '_', not '-'"
        );
    }
}
