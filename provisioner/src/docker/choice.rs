//! Which engine is asked: the one that the command `docker` would ask, as far as it is one of this machine.
//!
//! `DOCKER_HOST` counts first, then the context that `DOCKER_CONTEXT` names or `docker context use` has chosen (`config.json` and
//! `contexts/meta` below `DOCKER_CONFIG` or `~/.docker`), then the system's own engine. Hosts are reached by their addresses in a
//! network that the engine makes, which only an engine on this machine, with the networks of this machine, can.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tasks::content::Content;
use tokio::net::UnixStream;

use super::DockerError;

/// Where the system's own engine listens.
const USUAL: &str = "/var/run/docker.sock";

/// What the command `docker` calls the engine that no context names.
const NO_CONTEXT: &str = "default";

/// The engine that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// The path of its socket.
    pub(super) socket: String,
    /// What chose it, for people; nothing where it is the system's own.
    pub(super) by: Option<String>,
}

/// What the choice depends on.
pub(super) struct Surroundings<'a> {
    /// Reads a variable of the environment.
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
    /// Reads a file.
    pub(super) file: &'a dyn Fn(&Path) -> Option<String>,
    /// The user's home directory.
    pub(super) home: PathBuf,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    current_context: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Context {
    endpoints: Endpoints,
}

#[derive(Deserialize)]
struct Endpoints {
    docker: Endpoint,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Endpoint {
    host: String,
}

impl Surroundings<'_> {
    /// Chooses the engine; an error where that is none of this machine.
    pub(super) fn choose(&self) -> Result<Choice, DockerError> {
        let said = |name: &str| (self.variable)(name).filter(|value| !value.is_empty());
        if let Some(host) = said("DOCKER_HOST") {
            return of(&host, "DOCKER_HOST".to_owned());
        }
        let folder = said("DOCKER_CONFIG").map_or_else(|| self.home.join(".docker"), PathBuf::from);
        let current = || {
            // As for `docker`, a file that cannot be read chooses nothing.
            let text = (self.file)(&folder.join("config.json"))?;
            let config: Config = serde_json::from_str(&text).ok()?;
            config.current_context.filter(|name| !name.is_empty())
        };
        let (name, by) = match (said("DOCKER_CONTEXT"), current) {
            (Some(name), _) => (name, "DOCKER_CONTEXT"),
            (None, current) => match current() {
                Some(name) => (name, "docker context use"),
                None => return Ok(usual()),
            },
        };
        if name == NO_CONTEXT {
            return Ok(usual());
        }
        let digest = Content::plain(name.as_str()).sha256();
        let file = folder.join("contexts/meta").join(digest).join("meta.json");
        let context =
            (self.file)(&file).and_then(|text| serde_json::from_str::<Context>(&text).ok());
        let Some(context) = context else {
            return Err(DockerError::NoContext {
                context: name,
                by,
                file,
            });
        };
        of(
            &context.endpoints.docker.host,
            format!("the Docker context '{name}' ({by})"),
        )
    }
}

fn usual() -> Choice {
    Choice {
        socket: USUAL.to_owned(),
        by: None,
    }
}

/// Takes the path out of an engine's address.
fn of(host: &str, by: String) -> Result<Choice, DockerError> {
    match host.strip_prefix("unix://") {
        Some(path) if path.starts_with('/') => Ok(Choice {
            socket: path.to_owned(),
            by: Some(by),
        }),
        Some(_) | None => Err(DockerError::EngineElsewhere {
            host: tasks::visible(host),
            by,
        }),
    }
}

/// Refuses an engine that is not root's: its networks are not those of this machine, and neither are those of an engine behind a
/// socket that somebody forwards. Where nobody listens, that is for the first request to say.
pub(super) async fn must_be_roots(socket: &str) -> Result<(), DockerError> {
    let listener = UnixStream::connect(socket).await;
    match listener.and_then(|stream| stream.peer_cred()) {
        Ok(listener) if listener.uid() != 0 => Err(DockerError::EngineApart {
            socket: socket.to_owned(),
            user: listener.uid(),
        }),
        Ok(_) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const META: &str = "/h/.docker/contexts/meta/8fbd42ad079a6ceeaf6cecc9f333f41f53335eba32cafff07f5c9555680fdce4/meta.json";

    fn choose(variables: &[(&str, &str)], files: &[(&str, &str)]) -> Result<Choice, DockerError> {
        let find = |all: &[(&str, &str)], name: &str| {
            let found = all.iter().find(|(it, _)| *it == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let surroundings = Surroundings {
            variable: &|name| find(variables, name),
            file: &|path| find(files, path.to_str()?),
            home: PathBuf::from("/h"),
        };
        surroundings.choose()
    }

    fn socket(variables: &[(&str, &str)], files: &[(&str, &str)]) -> String {
        choose(variables, files).unwrap().socket
    }

    /// What the command `docker` 20.10 writes for `docker context create rem --docker host=…`.
    fn meta(host: &str) -> String {
        format!(
            r#"{{"Name":"rem","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}","SkipTLSVerify":false}}}}}}"#
        )
    }

    #[test]
    fn the_engine_is_the_one_that_docker_would_ask() {
        let meta = meta("unix:///run/other.sock");
        let config = r#"{"auths":{},"currentContext":"rem"}"#;
        let files = [("/h/.docker/config.json", config), (META, &meta)];
        assert_eq!(socket(&[], &[]), USUAL);
        assert_eq!(socket(&[("DOCKER_HOST", "")], &[]), USUAL);
        assert_eq!(socket(&[], &files), "/run/other.sock");
        assert_eq!(
            socket(&[("DOCKER_CONTEXT", "rem")], &files[1..]),
            "/run/other.sock"
        );
        assert_eq!(socket(&[("DOCKER_CONTEXT", "default")], &files), USUAL);
        let host = ("DOCKER_HOST", "unix:///run/mine.sock");
        assert_eq!(
            socket(&[host, ("DOCKER_CONTEXT", "rem")], &files),
            "/run/mine.sock"
        );
        assert_eq!(
            socket(&[], &[("/h/.docker/config.json", "{nonsense")]),
            USUAL
        );
        assert_eq!(socket(&[("DOCKER_CONFIG", "/c")], &files), USUAL);
    }

    #[test]
    fn engines_elsewhere_are_refused_by_who_named_them() {
        for host in [
            "tcp://192.0.2.1:2376",
            "ssh://root@192.0.2.1",
            "npipe:////./pipe/x",
            "unix://x",
            "x",
        ] {
            let refused = choose(&[("DOCKER_HOST", host)], &[]).unwrap_err();
            assert!(refused.to_string().contains(host), "{refused}");
            assert!(refused.hint().unwrap().contains("DOCKER_HOST"), "{refused}");
        }
        let meta = meta("ssh://root@192.0.2.1");
        let files = [
            ("/h/.docker/config.json", r#"{"currentContext":"rem"}"#),
            (META, &meta),
        ];
        let refused = choose(&[], &files).unwrap_err();
        insta::assert_snapshot!(refused, @"the Docker context 'rem' (docker context use) names the engine ssh://root@192.0.2.1, and prov works with engines of this machine alone (unix:///PATH)");
        let missing = choose(&[("DOCKER_CONTEXT", "rem")], &[]).unwrap_err();
        assert!(
            missing.to_string().contains("'rem'") && missing.to_string().contains(META),
            "{missing}"
        );
    }
}
