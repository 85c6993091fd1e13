//! Patterns of `ssh_config(5)` and `sshd(8)`: `*`, `?`, and `!` in lists.

/// Tells whether a text matches a pattern with `*` and `?`.
pub(in crate::ssh) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    // Where the last star stands, and how much of the text it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(one) if *one == b'?' || *one == text[from] => {
                at += 1;
                from += 1;
            }
            _ => match &mut star {
                Some((position, taken)) => {
                    *taken += 1;
                    (at, from) = (*position + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|one| *one == b'*')
}

/// Tells whether a name matches a list of patterns: one of them, and none of those behind `!`.
pub(in crate::ssh) fn in_list<P: AsRef<[u8]>>(patterns: &[P], name: &str) -> bool {
    let mut found = false;
    for pattern in patterns {
        let pattern = pattern.as_ref();
        match pattern.strip_prefix(b"!") {
            Some(pattern) if matches(pattern, name.as_bytes()) => return false,
            Some(_) => {}
            None => found = found || matches(pattern, name.as_bytes()),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_stand_for_anything() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("10.0.31.*", "10.0.31.101", true),
            ("10.0.31.*", "10.0.32.101", false),
            ("[10.0.31.*]:2222", "[10.0.31.101]:2222", true),
            ("a?c*e", "abcde", true),
            ("a?c*e", "abce", true),
            ("a?c", "ac", false),
            ("*a*b", "xaxbxb", true),
            ("*a*b", "xaxbxbc", false),
            ("", "x", false),
        ] {
            let found = matches(pattern.as_bytes(), text.as_bytes());
            assert_eq!(found, expected, "{pattern} {text}");
        }
    }

    #[test]
    fn an_exclamation_mark_excludes_wherever_it_stands() {
        assert!(in_list(&["web", "db"], "db"));
        for list in [["*", "!db"], ["!db", "*"]] {
            assert!(!in_list(&list, "db"));
            assert!(in_list(&list, "web"));
        }
        assert!(!in_list(&["!db"], "web"), "nothing is included");
    }
}
