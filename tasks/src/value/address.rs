//! Addresses of files, repositories of packages and repositories of git; none of them holds a password.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HostPath, checked_name, starts_like_a_word};

checked_name!(
    /// Holds an address on the web, `http` or `https`, without account or fragment; it is not secret. Other characters than
    /// those of RFC 3986 are percent-encoded.
    HttpUrl,
    "url",
    "an http or https address; an account (user:password@) is kept in a file in /etc/apt/auth.conf.d (apt_auth.conf(5)) \
     instead, a fragment (#…) is left out, and other characters are percent-encoded",
    |text| {
        let rest = text
            .strip_prefix("http://")
            .or_else(|| text.strip_prefix("https://"));
        rest.is_some_and(|rest| {
            !rest.is_empty()
                && !rest.starts_with(['/', ':', '?'])
                && rest
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._~:/[]!$&()*+,;=%?".contains(&b))
        })
    }
);

checked_name!(
    /// Holds the address of a repository of packages, as sources.list(5) takes it: `http`, `https`, a list of mirrors of
    /// either, or a folder of the host (`file:/srv/packages`), without account; it is not secret.
    RepositoryUri,
    "repository",
    "the address of a repository; use http://, https://, mirror+http://, mirror+https:// or file:/PATH; an account \
     (user:password@) is kept in a file in /etc/apt/auth.conf.d (apt_auth.conf(5)) instead",
    |text| {
        let plain = |rest: &str| {
            rest.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._~:/[]!$&()*+,;=%".contains(&b))
        };
        let web = ["http://", "https://", "mirror+http://", "mirror+https://"];
        let web = web.iter().find_map(|scheme| text.strip_prefix(scheme));
        let folder = text.strip_prefix("file:").filter(|path| path.starts_with('/'));
        web.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', ':']) && plain(rest))
            || folder.is_some_and(plain)
    }
);

checked_name!(
    /// Holds the address of a repository of git (git-clone(1), "GIT URLS"): `https`, `http`, `ssh`, `USER@HOST:PATH`, or a folder
    /// of the host; without password, as it is not secret.
    GitUrl,
    "git",
    "the address of a repository of git; use https://, http://, ssh://USER@HOST/PATH, USER@HOST:PATH or an absolute path, without a \
     password: a private key is given as `key`",
    |text| {
        let plain = |rest: &str| {
            !rest.is_empty()
                && rest
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._~:/[]+,%@".contains(&b))
        };
        let web = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let ssh = text.strip_prefix("ssh://").or_else(|| {
            let (user, rest) = text.split_once('@')?;
            let (host, path) = rest.split_once(':')?;
            let names = [user, host].iter().all(|name| starts_like_a_word(name) && !name.contains('/'));
            (names && !path.is_empty() && !text.contains("://")).then_some(text)
        });
        let starts = |rest: &&str| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
        match (web, ssh.filter(starts)) {
            (Some(rest), _) => starts(&rest) && plain(rest) && !rest.contains('@'),
            (None, Some(rest)) => plain(rest),
            (None, None) => text.starts_with('/') && HostPath::new(text).is_ok(),
        }
    }
);

impl GitUrl {
    /// Tells whether the remote is reached by SSH.
    #[must_use]
    pub fn is_ssh(&self) -> bool {
        let others = ["/", "http://", "https://"];
        let other = others.iter().any(|start| self.0.starts_with(start));
        self.0.starts_with("ssh://") || !other && self.0.contains('@')
    }
}

impl RepositoryUri {
    /// Gives the name or address of the server; empty where it is the host itself.
    #[must_use]
    pub fn host(&self) -> &str {
        let Some((_, place)) = self.0.split_once("://") else {
            return "";
        };
        let host = place.split('/').next().unwrap_or_default();
        match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => host.split(':').next().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_have_a_query_and_never_shows_a_password() {
        for good in [
            "https://example.org/x?a=b&c=d%20",
            "http://[2001:db8::1]:8080/x",
            "https://example.org",
        ] {
            assert!(HttpUrl::new(good).is_ok(), "{good}");
        }
        for bad in [
            "ftp://a/b",
            "https://?a",
            "https://a/b#c",
            "https://a/b c",
            "https:///x",
        ] {
            assert!(HttpUrl::new(bad).is_err(), "{bad}");
        }
        let problem = HttpUrl::new("https://me:hunter2@example.org/x").unwrap_err();
        assert!(
            !problem.contains("hunter2") && problem.contains("auth.conf.d"),
            "{problem}"
        );
    }

    #[test]
    fn an_address_of_git_runs_no_command_and_shows_no_password() {
        for (good, ssh) in [
            ("https://git.example.org/a/b.git", false),
            ("git@git.example.org:a/b.git", true),
            ("ssh://git@[2001:db8::1]:2222/b.git", true),
            ("/srv/git/b.git", false),
        ] {
            assert_eq!(GitUrl::new(good).unwrap().is_ssh(), ssh, "{good}");
        }
        for bad in [
            "ext::sh -c id",
            "-oProxyCommand=id@a:b",
            "ssh://-oProxyCommand=id/x",
            "git@-oProxyCommand=id:b",
            "file:///srv/b",
            "https://me:hunter2@a/b",
            "b.git",
            "",
        ] {
            assert!(GitUrl::new(bad).is_err(), "{bad}");
        }
    }
}
