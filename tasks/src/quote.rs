//! How a text is written in the syntaxes of others, so that their programs read back exactly that text.
//!
//! One function for each syntax. Where a syntax cannot express a character, its function says so instead of leaving it
//! out. That each program reads back what was quoted is tested with the program itself: `provisioner/tests/quote.rs` and
//! `tests/tests/quote.rs`.

use crate::diagnostic::Diagnostic;

/// Why a text cannot be written in a syntax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Inexpressible {
    /// One of its characters has no form there.
    #[error("{syntax} cannot express the character U+{:04X}", u32::from(*.character))]
    Character {
        /// What the text was to be written for.
        syntax: &'static str,
        /// The first such character.
        character: char,
    },
    /// The program would read less than the text, or something else.
    #[error("{syntax} takes {what}")]
    Shape {
        /// What the text was to be written for.
        syntax: &'static str,
        /// What it does take.
        what: &'static str,
    },
    /// The program would take the text for several.
    #[error("{syntax} takes no value of more than {most} bytes")]
    Long {
        /// What the text was to be written for.
        syntax: &'static str,
        /// How many bytes there may be, quoted.
        most: usize,
    },
}

impl From<Inexpressible> for Diagnostic {
    fn from(problem: Inexpressible) -> Self {
        Self::new(problem.to_string()).hint("give another value")
    }
}

/// Quotes one word for POSIX `sh`.
///
/// No argument can hold NUL. A word that does becomes an expansion that ends the shell with an error, so nothing is ever
/// run with a part of a word.
#[must_use]
pub fn sh(word: &str) -> String {
    shlex::try_quote(word).map_or_else(
        |_| "\"${prov_word:?no argument can hold NUL}\"".to_owned(),
        std::borrow::Cow::into_owned,
    )
}

/// Quotes words for POSIX `sh` and joins them.
pub fn sh_all<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.into_iter().map(sh).collect();
    words.join(" ")
}

/// Writes a text as a basic regular expression of GNU `sed` that matches this text alone, between slashes.
#[must_use]
pub fn sed(text: &str) -> String {
    written(text, |c| match c {
        '/' | '\\' | '.' | '*' | '[' | ']' | '^' | '$' => Some(format!("\\{c}")),
        '\n' => Some(r"\n".to_owned()),
        '\0' => Some(r"\x00".to_owned()),
        _ => None,
    })
}

/// Quotes a string for Bacula's configuration (Bacula Main Reference, "Customizing the Configuration Files"), which cannot
/// express the end of a line.
pub fn bacula(text: &str) -> Result<String, Inexpressible> {
    refuse("Bacula's configuration", text, &['\0', '\n', '\r'])?;
    Ok(in_quotes(text, |c| backslashed(c, "\"\\")))
}

/// Quotes a name of Bacula's own (a director, a storage, a monitor), of which its programs take fewer characters than of other
/// strings (Bacula Main Reference, "Resource Directive Keywords"; `is_name_valid` in its source), and 127 bytes.
pub fn bacula_name(text: &str) -> Result<String, Inexpressible> {
    let fits = |c: char| c.is_ascii_alphanumeric() || " :._-".contains(c);
    if text.trim().is_empty() || text.len() > 127 || !text.chars().all(fits) {
        let what = "names of letters, digits, blanks and ':._-', at most 127";
        return Err(Inexpressible::Shape {
            syntax: "Bacula",
            what,
        });
    }
    bacula(text)
}

/// Longest part of a line that Exim looks up in a file.
const EXIM_LINE: usize = 4000;

/// Writes a user for `passwd.client` (exim4-config_files(5)), where a colon ends it and Exim leaves out blanks before it.
pub fn exim_user(text: &str) -> Result<String, Inexpressible> {
    let syntax = "Exim's passwd.client";
    if text.is_empty() || text.trim() != text || text.contains(':') {
        let what = "no user that is empty, has a colon, or begins or ends with a blank";
        return Err(Inexpressible::Shape { syntax, what });
    }
    exim_part(syntax, text)
}

/// Writes a password for `passwd.client` (exim4-config_files(5)): all that follows the second colon, but for blanks at its
/// end, which Exim leaves out.
pub fn exim_password(text: &str) -> Result<String, Inexpressible> {
    let syntax = "Exim's passwd.client";
    if text.is_empty() || text.trim_end() != text {
        let what = "no password that is empty or ends with a blank";
        return Err(Inexpressible::Shape { syntax, what });
    }
    exim_part(syntax, text)
}

fn exim_part(syntax: &'static str, text: &str) -> Result<String, Inexpressible> {
    if let Some(character) = text.chars().find(|c| c.is_control()) {
        return Err(Inexpressible::Character { syntax, character });
    }
    if text.len() > EXIM_LINE {
        return Err(Inexpressible::Long {
            syntax,
            most: EXIM_LINE,
        });
    }
    Ok(text.to_owned())
}

/// Writes a value that a program takes for one word, up to a blank or the end of the line.
pub fn word(text: &str) -> Result<String, Inexpressible> {
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(Inexpressible::Shape {
            syntax: "the file",
            what: "one word there, without blanks",
        });
    }
    Ok(text.to_owned())
}

/// Quotes a value for curl's configuration file (curl(1), `--config`).
pub fn curl(text: &str) -> Result<String, Inexpressible> {
    refuse("curl's configuration", text, &['\0'])?;
    Ok(in_quotes(text, |c| {
        line_end(c).or_else(|| backslashed(c, "\"\\"))
    }))
}

/// Quotes a value for an option file of MariaDB ("Configuring MariaDB with Option Files", Option Values), whose programs
/// read lines of at most 4095 bytes and take the rest of a longer one for another line.
pub fn mariadb_option(text: &str) -> Result<String, Inexpressible> {
    let (syntax, most) = ("an option file of MariaDB", 4000);
    refuse(syntax, text, &['\0'])?;
    let quoted = in_quotes(text, |c| line_end(c).or_else(|| backslashed(c, "\"\\")));
    if quoted.len() > most {
        return Err(Inexpressible::Long { syntax, most });
    }
    Ok(quoted)
}

/// Quotes a name for PostgreSQL (PostgreSQL, "Identifiers and Key Words"): nothing but the quote itself means anything there.
#[must_use]
pub fn postgresql_name(text: &str) -> String {
    in_quotes(text, |c| (c == '"').then(|| "\"\"".to_owned()))
}

/// Quotes a string for PHP, in single quotes (PHP Manual, "Strings"): nothing but a backslash and the quote itself means
/// anything there.
#[must_use]
pub fn php(text: &str) -> String {
    format!("'{}'", written(text, |c| backslashed(c, "'\\")))
}

/// Quotes a string for Fetchmail (fetchmail(1), "THE RUN CONTROL FILE"): in double quotes, within which a double quote, a
/// backslash and control characters can be by their numbers alone.
pub fn fetchmail(text: &str) -> Result<String, Inexpressible> {
    refuse("Fetchmail's configuration", text, &['\0'])?;
    Ok(in_quotes(text, |c| {
        let special = matches!(c, '"' | '\\') || c.is_ascii_control();
        special.then(|| format!("\\x{:02x}", u32::from(c)))
    }))
}

/// Quotes a value for mutt (muttrc(5)): within double quotes, mutt expands `$`, `` ` `` and `\`.
pub fn mutt(text: &str) -> Result<String, Inexpressible> {
    refuse("mutt's configuration", text, &['\0'])?;
    Ok(in_quotes(text, |c| {
        if c.is_ascii_control() {
            Some(format!("\\{:03o}", u32::from(c)))
        } else {
            backslashed(c, "\"\\$`")
        }
    }))
}

fn refuse(syntax: &'static str, text: &str, characters: &[char]) -> Result<(), Inexpressible> {
    match text.chars().find(|c| characters.contains(c)) {
        Some(character) => Err(Inexpressible::Character { syntax, character }),
        None => Ok(()),
    }
}

/// Writes a text with other forms for some of its characters.
fn written(text: &str, form: impl Fn(char) -> Option<String>) -> String {
    text.chars()
        .map(|c| form(c).unwrap_or_else(|| c.to_string()))
        .collect()
}

fn in_quotes(text: &str, form: impl Fn(char) -> Option<String>) -> String {
    format!("\"{}\"", written(text, form))
}

fn backslashed(c: char, special: &str) -> Option<String> {
    special.contains(c).then(|| format!("\\{c}"))
}

fn line_end(c: char) -> Option<String> {
    match c {
        '\n' => Some(r"\n".to_owned()),
        '\r' => Some(r"\r".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_syntax_cannot_express_is_named() {
        let problem = bacula("a\nb").unwrap_err();
        assert_eq!(
            problem.to_string(),
            "Bacula's configuration cannot express the character U+000A"
        );
        for quote in [bacula, curl, mariadb_option, fetchmail, mutt] {
            let problem = quote("a\0").unwrap_err().to_string();
            assert!(problem.ends_with("U+0000"), "{problem}");
        }
    }

    #[test]
    fn an_option_that_mariadb_would_cut_is_refused() {
        let problem = mariadb_option(&"\\".repeat(2000)).unwrap_err();
        assert!(problem.to_string().contains("4000 bytes"), "{problem}");
        assert!(mariadb_option(&"x".repeat(3998)).is_ok());
    }

    #[test]
    fn a_login_that_exim_would_read_otherwise_is_refused() {
        for user in ["", "me:x", " me", "me ", "a\nb", "a\0"] {
            assert!(exim_user(user).is_err(), "{user:?}");
        }
        for password in ["", "trail ", "trail\t", "a\nb", "a\rb", "\u{85}"] {
            assert!(exim_password(password).is_err(), "{password:?}");
        }
        for kept in [" a:b", "^x", "$1 \\ {}", "#", "ü"] {
            assert_eq!(exim_password(kept).unwrap(), kept);
        }
        assert!(exim_password(&"x".repeat(4001)).is_err());
        assert_eq!(exim_user("me@x.test").unwrap(), "me@x.test");
    }

    #[test]
    fn a_name_that_bacula_does_not_take_is_refused() {
        for name in ["", " ", "a\"b", "a/b", "ü", "a\nb", &"x".repeat(128)] {
            assert!(bacula_name(name).is_err(), "{name:?}");
        }
        assert_eq!(bacula_name("office dir").unwrap(), "\"office dir\"");
    }

    #[test]
    fn each_syntax_has_its_own_way_out_of_a_quote() {
        let text = "a\"b'c\\d$e`f/\t";
        assert_eq!(bacula(text).unwrap(), "\"a\\\"b'c\\\\d$e`f/\t\"");
        assert_eq!(curl(text).unwrap(), "\"a\\\"b'c\\\\d$e`f/\t\"");
        assert_eq!(mariadb_option(text).unwrap(), "\"a\\\"b'c\\\\d$e`f/\t\"");
        assert_eq!(postgresql_name(text), "\"a\"\"b'c\\d$e`f/\t\"");
        assert_eq!(php(text), "'a\"b\\'c\\\\d$e`f/\t'");
        assert_eq!(fetchmail(text).unwrap(), r#""a\x22b'c\x5cd$e`f/\x09""#);
        assert_eq!(mutt(text).unwrap(), r#""a\"b'c\\d\$e\`f/\011""#);
        assert_eq!(sed(text), "a\"b'c\\\\d\\$e`f\\/\t");
    }
}
