//! Files of containers, read through the engine, whether a container runs or not.

use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use bollard::query_parameters::DownloadFromContainerOptionsBuilder;
use futures_util::TryStreamExt as _;

use super::{DockerError, EstateContainers};

/// Where a host says which time its clock shows (localtime(5)).
const LOCAL_TIME: &str = "/etc/localtime";

/// Links that are followed on the way to a file.
const MOST_LINKS: usize = 8;

/// What stands at a path.
enum Entry {
    Content(Vec<u8>),
    /// A link, and where it leads.
    Link(PathBuf),
}

impl EstateContainers {
    /// Reads the time zone of a host (tzfile(5)), running or not; `None` where there is no
    /// container. Where there is no such file, the clock shows UTC, and the engine says that it is not there.
    pub async fn time_zone(&self, host: &str) -> Result<Option<Vec<u8>>, DockerError> {
        let Some(container) = self.find(host).await?.into_iter().next() else {
            return Ok(None);
        };
        let mut path = PathBuf::from(LOCAL_TIME);
        for _ in 0..MOST_LINKS {
            match self.entry(&container.id, &path, LOCAL_TIME).await? {
                Entry::Content(bytes) => return Ok(Some(bytes)),
                Entry::Link(target) => path = led_to(&path, &target),
            }
        }
        Ok(None)
    }

    /// Reads a file of a container.
    pub(super) async fn content(
        &self,
        container: &str,
        path: &str,
        what: &str,
    ) -> Result<Vec<u8>, DockerError> {
        match self.entry(container, Path::new(path), what).await? {
            Entry::Content(bytes) => Ok(bytes),
            Entry::Link(_) => Ok(Vec::new()),
        }
    }

    async fn entry(&self, container: &str, path: &Path, what: &str) -> Result<Entry, DockerError> {
        let reading = || format!("read {what}");
        let options = DownloadFromContainerOptionsBuilder::new()
            .path(&path.to_string_lossy())
            .build();
        let archive = self
            .docker()
            .download_from_container(container, Some(options));
        let chunks: Vec<_> = archive
            .try_collect()
            .await
            .map_err(DockerError::request(reading()))?;
        let bytes: Vec<u8> = chunks
            .iter()
            .flat_map(|chunk| chunk.iter().copied())
            .collect();
        first(&bytes).map_err(DockerError::local(reading()))
    }
}

/// Gives what an archive begins with.
fn first(archive: &[u8]) -> std::io::Result<Entry> {
    let mut archive = tar::Archive::new(archive);
    let entry = archive
        .entries()?
        .next()
        .ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let mut entry = entry?;
    if entry.header().entry_type().is_symlink() {
        let target = entry.link_name()?.unwrap_or_default();
        return Ok(Entry::Link(target.into_owned()));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes)?;
    Ok(Entry::Content(bytes))
}

/// Gives where a link leads.
fn led_to(link: &Path, target: &Path) -> PathBuf {
    let joined = link.parent().unwrap_or(link).join(target);
    let mut path = PathBuf::from("/");
    for part in joined.components() {
        match part {
            Component::ParentDir => _ = path.pop(),
            Component::Normal(name) => path.push(name),
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_on_from_the_folder_that_they_are_in() {
        for (target, path) in [
            ("/usr/share/zoneinfo/UTC", "/usr/share/zoneinfo/UTC"),
            ("../usr/share/zoneinfo/UTC", "/usr/share/zoneinfo/UTC"),
            ("./zone", "/etc/zone"),
        ] {
            let led = led_to(Path::new(LOCAL_TIME), Path::new(target));
            assert_eq!(led, Path::new(path));
        }
    }
}
