//! The last line of what a running step has printed, for whoever watches.

use tasks::{Secret, without_private, without_secrets};

use super::script::TAIL;

/// Gives the last line of an output, of which this is the end, as it can be shown to whoever watches.
pub(super) fn last_line(tail: &[u8], secrets: &[Secret], private: &[Secret]) -> Option<String> {
    let line = whole_line(tail)?;
    let line = without_private(private, &without_secrets(secrets, &line));
    Some(as_drawn(&line).to_owned())
}

/// Gives the last line that says something. Only whole lines count: what is secret is found in those.
fn whole_line(tail: &[u8]) -> Option<String> {
    let text = tasks::raw::text(tail);
    // A line that was cut at its beginning is not whole.
    let text = match text.split_once('\n') {
        Some((_, rest)) if tail.len() >= TAIL => rest,
        Some(_) => &text,
        None => return None,
    };
    let (whole, _) = text.rsplit_once('\n')?;
    let line = whole.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(line.to_owned())
}

/// Gives what a program that draws over its own line has drawn last.
fn as_drawn(line: &str) -> &str {
    let mut parts = line.rsplit('\r').map(str::trim);
    parts.find(|part| !part.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_not_whole_is_not_shown() {
        let last = |text: &str| whole_line(text.as_bytes());
        assert_eq!(last("one\ntwo\n\n").as_deref(), Some("two"));
        assert_eq!(last("one\npass"), Some("one".to_owned()));
        assert_eq!(last("pass"), None);
        assert_eq!(last("\n \n"), None);
        let cut = format!("{}word\n", "x".repeat(TAIL - 5));
        assert_eq!(last(&cut), None);
        let cut = format!("{}\nnext\n", "x".repeat(TAIL - 6));
        assert_eq!(last(&cut).as_deref(), Some("next"));
    }

    #[test]
    fn a_line_that_holds_what_is_secret_or_private_is_hidden() {
        let (secrets, private) = ([Secret::new("hunter2")], [Secret::new("token=abcdefgh")]);
        let last = |text: &str| last_line(text.as_bytes(), &secrets, &private).unwrap();
        assert_eq!(
            last("login with hunter2 \r50%\n"),
            "<line hidden: it holds a secret>"
        );
        assert_eq!(
            last("read abcdefgh\n"),
            "<line hidden: it quotes what is private>"
        );
        assert_eq!(last("hunter2\nnext\n"), "next");
    }

    #[test]
    fn of_a_line_that_is_drawn_over_the_last_is_seen() {
        assert_eq!(as_drawn("  1%\r 50%\r100% "), "100%");
        assert_eq!(as_drawn("80%\r"), "80%");
        assert_eq!(as_drawn(""), "");
    }
}
