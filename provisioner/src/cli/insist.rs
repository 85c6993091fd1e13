//! `--insist`: resources of which the user says twice that they are meant.

use tasks::resource::KINDS;

/// Stands before the name of a role that leaves a host.
pub(super) const ROLE: &str = "role";

/// Reads the name of a resource as refusals give it: its kind, a space, and what tells it from others of its kind; or that of a role that
/// leaves a host, after `role`.
pub(super) fn resource(text: &str) -> Result<String, String> {
    let example = "write the resource as the refusal names it, for instance 'service ssh'";
    let Some((kind, id)) = text.split_once(' ') else {
        return Err(format!("'{text}' names no resource; {example}"));
    };
    let kinds = KINDS.iter().map(|kind| kind.name).chain([ROLE]);
    if !kinds.clone().any(|known| known == kind) {
        let hint = tasks::nearest(kind, kinds).map_or_else(
            || example.to_owned(),
            |name| format!("did you mean '{name}'?"),
        );
        return Err(format!("there is no resource '{kind}'; {hint}"));
    }
    if id.trim().is_empty() {
        return Err(format!("'{text}' does not say which {kind}; {example}"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::resource;

    #[test]
    fn a_resource_has_a_kind_that_there_is_and_says_which() {
        assert_eq!(resource("service ssh").as_deref(), Ok("service ssh"));
        assert_eq!(resource("role dns").as_deref(), Ok("role dns"));
        assert_eq!(
            resource("line /etc/aliases '^root:'").as_deref(),
            Ok("line /etc/aliases '^root:'")
        );
        for (wrong, says) in [
            ("", "names no resource"),
            ("ssh", "names no resource"),
            ("servise ssh", "did you mean 'service'?"),
            ("service ", "does not say which service"),
        ] {
            let refused = resource(wrong).unwrap_err();
            assert!(refused.contains(says), "{wrong}: {refused}");
        }
    }
}
