//! Tokens (`%h`), variables (`${NAME}`) and `~` in values (`ssh_config(5)`, TOKENS and ENVIRONMENT VARIABLES).

use std::path::{Path, PathBuf};

use super::Question;

/// What tokens stand for.
#[derive(Debug, Clone)]
pub(in crate::ssh) struct Expansion<'e> {
    /// `%h`: where the connection goes.
    pub(in crate::ssh) address: &'e str,
    /// `%n`: the name that was asked for.
    pub(in crate::ssh) name: &'e str,
    /// `%p`.
    pub(in crate::ssh) port: u16,
    /// `%r`: the user on the host.
    pub(in crate::ssh) user: &'e str,
    /// `%k`: the name that the host's key is looked up by.
    pub(in crate::ssh) key_name: &'e str,
    /// `%d`, and `~`.
    pub(in crate::ssh) home: &'e Path,
}

impl Expansion<'_> {
    /// Expands the tokens of a value.
    pub(in crate::ssh) fn text(&self, value: &str) -> Result<String, String> {
        expand(value, |token| {
            Some(match token {
                'h' => self.address.to_owned(),
                'n' => self.name.to_owned(),
                'p' => self.port.to_string(),
                'r' => self.user.to_owned(),
                'k' => self.key_name.to_owned(),
                'd' => self.home.display().to_string(),
                'i' => rustix::process::getuid().as_raw().to_string(),
                'u' => crate::state::local_user(),
                'l' => host_name(),
                'L' => host_name().split('.').next().unwrap_or_default().to_owned(),
                _ => return None,
            })
        })
    }

    /// Expands the tokens of a value but some, which are known later: the value is then to be expanded once more.
    pub(in crate::ssh) fn early(&self, value: &str, late: &str) -> Result<String, String> {
        expand(&value.replace("%%", "%%%%"), |token| {
            if late.contains(token) {
                return Some(format!("%{token}"));
            }
            Some(self.text(&format!("%{token}")).ok()?.replace('%', "%%"))
        })
    }

    /// Expands `~`, tokens and variables of a file's name.
    pub(in crate::ssh) fn path(&self, value: &str) -> Result<PathBuf, String> {
        let value = match value.strip_prefix('~') {
            None => value.to_owned(),
            Some("") => self.home.display().to_string(),
            Some(rest) if rest.starts_with('/') => format!("{}{rest}", self.home.display()),
            Some(_) => {
                return Err(format!(
                    "'{value}': write out the other user's home directory"
                ));
            }
        };
        Ok(PathBuf::from(variables(&self.text(&value)?)?))
    }
}

/// Expands what a name alone can tell: `%h`, `%n` and what else was asked with.
pub(super) fn simple(value: &str, question: &Question) -> Result<String, String> {
    expand(value, |token| match token {
        'h' | 'n' => Some(question.name.clone()),
        'p' => Some(question.port.unwrap_or(22).to_string()),
        'r' => question.user.clone(),
        _ => None,
    })
}

/// Puts in what tokens stand for.
pub(in crate::ssh) fn expand(
    value: &str,
    meaning: impl Fn(char) -> Option<String>,
) -> Result<String, String> {
    let mut text = String::new();
    let mut rest = value.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        match rest.next() {
            Some('%') => text.push('%'),
            Some(token) => match meaning(token) {
                Some(meant) => text.push_str(&meant),
                None => {
                    return Err(format!(
                        "prov does not know %{token} there; write out what it stands for"
                    ));
                }
            },
            None => return Err("it ends in %".to_owned()),
        }
    }
    Ok(text)
}

/// Expands `${NAME}`.
pub(in crate::ssh) fn variables(value: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut rest = value;
    while let Some((before, behind)) = rest.split_once("${") {
        text.push_str(before);
        let (name, after) = behind.split_once('}').ok_or("'}' is missing behind '${'")?;
        text.push_str(&variable(name)?);
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

/// Gives a variable of the environment.
pub(in crate::ssh) fn variable(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("the environment has no variable {name}"))
}

fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_home_are_filled_in() {
        let expansion = Expansion {
            address: "192.0.2.1",
            name: "web",
            port: 2222,
            user: "anna",
            key_name: "alias",
            home: Path::new("/home/me"),
        };
        let command = expansion.text("nc -x %r@%n:%k %h %p 100%%");
        assert_eq!(
            command.as_deref(),
            Ok("nc -x anna@web:alias 192.0.2.1 2222 100%")
        );
        let path = |text| expansion.path(text).map(|path| path.display().to_string());
        assert_eq!(
            path("~/.ssh/%r-%n").as_deref(),
            Ok("/home/me/.ssh/anna-web")
        );
        assert_eq!(path("%d/x").as_deref(), Ok("/home/me/x"));
        let cargo = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        if !cargo.is_empty() {
            assert_eq!(path("${CARGO_MANIFEST_DIR}/k"), Ok(format!("{cargo}/k")));
        }
        for bad in [
            "%C",
            "100%",
            "${prov_has_no_such_variable}",
            "${x",
            "~other/x",
        ] {
            assert!(path(bad).is_err(), "{bad}");
        }
    }
}
