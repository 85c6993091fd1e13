//! The base image and those of clients and stand-ins: found, built, rebuilt when their definitions change.

use std::{collections::HashMap, collections::VecDeque, time::Duration};

use bollard::{
    body_full,
    query_parameters::{
        BuildImageOptionsBuilder, CreateImageOptionsBuilder, RemoveImageOptionsBuilder,
    },
};
use futures_util::StreamExt;
use tasks::estate::Init;

use super::{
    DockerError, Engine, Progress,
    archive::Archive,
    assets::{
        Asset, BaseInputs, ClientImage, ROUTER, SYSTEMD, StandInImage, context_of, digest_of,
        find_client,
    },
    engine::{DONE, Labels, label},
};

/// Names the base image; the tag is the Debian release.
pub const BASE_IMAGE: &str = "prov/base";

/// Names the image with systemd.
const SYSTEMD_IMAGE: &str = "prov/systemd";

const ROOT_IMAGE: &str = "prov/rootfs";

/// How long a registry may take to answer before it counts as out of reach.
const PULL_PATIENCE: Duration = Duration::from_secs(6);

/// How much of a build an error shows.
const TAIL: usize = 20;

impl Engine {
    /// Makes sure that the base image of a Debian release exists and is current; returns its name.
    ///
    /// Starts from `debian:<release>` if that is present or can be pulled, otherwise from a root file system
    /// bootstrapped from the package archive. With `rebuild` the image is made anew, package lists included, even if
    /// its definition has not changed.
    pub async fn ensure_base(
        &self,
        release: &str,
        rebuild: bool,
        progress: &Progress<'_>,
    ) -> Result<String, DockerError> {
        let image = format!("{BASE_IMAGE}:{release}");
        let archive = Archive::of_machine();
        let inputs = BaseInputs {
            release,
            main: archive.main.as_deref().unwrap_or_default(),
            security: archive.security.as_deref().unwrap_or_default(),
        };
        let digest = inputs.digest();
        let _alone = self.alone_with(&image).await;
        if !rebuild && self.image_digest(&image).await?.as_deref() == Some(&digest) {
            return Ok(image);
        }
        let from = self.root_image(release, &archive, &image, progress).await?;
        let context = inputs.context(&image_labels(&digest)).map_err(packing())?;
        self.build(&image, context, &from, rebuild, progress)
            .await?;
        progress(&image, DONE);
        Ok(image)
    }

    /// Makes sure of the image that a host starts from, which is the base image or builds upon it.
    pub(super) async fn ensure_host_image(
        &self,
        release: &str,
        init: Init,
        progress: &Progress<'_>,
    ) -> Result<String, DockerError> {
        match init {
            Init::Runit => self.ensure_base(release, false, progress).await,
            Init::Systemd => {
                let (image, _) = self
                    .ensure_upon_base(SYSTEMD_IMAGE, SYSTEMD, release, progress)
                    .await?;
                Ok(image)
            }
        }
    }

    /// Makes sure that a client's image exists and is current.
    pub async fn ensure_client(
        &self,
        client: &str,
        release: &str,
        progress: &Progress<'_>,
    ) -> Result<(), DockerError> {
        let client = find_client(client)?;
        self.client_image(client, release, progress).await?;
        Ok(())
    }

    /// Makes sure of the same; returns the image's name.
    pub(super) async fn client_image(
        &self,
        client: &ClientImage,
        release: &str,
        progress: &Progress<'_>,
    ) -> Result<String, DockerError> {
        let name = format!("prov/client-{}", client.name);
        let (image, _) = self
            .ensure_upon_base(&name, client.files, release, progress)
            .await?;
        Ok(image)
    }

    /// Makes sure that a stand-in's image exists and is current; returns its name and its digest.
    pub(super) async fn ensure_stand_in(
        &self,
        stand_in: &StandInImage,
        release: &str,
        progress: &Progress<'_>,
    ) -> Result<(String, String), DockerError> {
        let name = format!("prov/stand-in-{}", stand_in.name);
        self.ensure_upon_base(&name, stand_in.files, release, progress)
            .await
    }

    /// Makes sure that the image of routers exists and is current; returns its name and its digest.
    pub(super) async fn ensure_router_image(
        &self,
        release: &str,
        progress: &Progress<'_>,
    ) -> Result<(String, String), DockerError> {
        self.ensure_upon_base("prov/router", ROUTER, release, progress)
            .await
    }

    /// Makes sure of an image that builds upon the base image; returns its name and its digest.
    async fn ensure_upon_base(
        &self,
        name: &str,
        files: &[Asset],
        release: &str,
        progress: &Progress<'_>,
    ) -> Result<(String, String), DockerError> {
        let base = self.ensure_base(release, false, progress).await?;
        let base_digest = self.image_digest(&base).await?.unwrap_or_default();
        let digest = digest_of(files, &base_digest);
        let image = format!("{name}:{release}");
        let _alone = self.alone_with(&image).await;
        if self.image_digest(&image).await?.as_deref() != Some(&digest) {
            let context = context_of(files, &image_labels(&digest)).map_err(packing())?;
            self.build(&image, context, &base, false, progress).await?;
            progress(&image, DONE);
        }
        Ok((image, digest))
    }

    /// Finds, pulls or bootstraps what the base image starts from.
    async fn root_image(
        &self,
        release: &str,
        archive: &Archive,
        about: &str,
        progress: &Progress<'_>,
    ) -> Result<String, DockerError> {
        let official = format!("debian:{release}");
        if self.image_labels(&official).await?.is_some() {
            return Ok(official);
        }
        let bootstrapped = format!("{ROOT_IMAGE}:{release}");
        if self.image_labels(&bootstrapped).await?.is_some() {
            return Ok(bootstrapped);
        }
        progress(about, &format!("pulling {official}"));
        if self.pull(&official, about, progress).await {
            return Ok(official);
        }
        progress(about, "no registry, bootstrapping from the package archive");
        self.bootstrap(&bootstrapped, release, archive, progress)
            .await?;
        progress(&bootstrapped, DONE);
        Ok(bootstrapped)
    }

    /// Tries to pull an image. Any failure means that it has to be made: why does not matter.
    async fn pull(&self, image: &str, about: &str, progress: &Progress<'_>) -> bool {
        let options = CreateImageOptionsBuilder::new().from_image(image).build();
        let mut answers = self.docker.create_image(Some(options), None, None);
        // The first message comes once the registry has answered; the layers may then take their time.
        let Ok(mut answer) = tokio::time::timeout(PULL_PATIENCE, answers.next()).await else {
            return false;
        };
        while let Some(Ok(message)) = answer {
            if let Some(status) = message.status {
                progress(about, &status);
            }
            answer = answers.next().await;
        }
        answer.is_none() && matches!(self.image_labels(image).await, Ok(Some(_)))
    }

    async fn build(
        &self,
        image: &str,
        context: Vec<u8>,
        from: &str,
        anew: bool,
        progress: &Progress<'_>,
    ) -> Result<(), DockerError> {
        progress(image, "building");
        let old = self.image_id(image).await?;
        let args = HashMap::from([("FROM".to_owned(), from.to_owned())]);
        let options = BuildImageOptionsBuilder::new()
            .dockerfile("Dockerfile")
            .t(image)
            .rm(true)
            .forcerm(true)
            .nocache(anew)
            .buildargs(&args)
            .build();
        let mut answers = self
            .docker
            .build_image(options, None, Some(body_full(context.into())));
        let mut tail = VecDeque::with_capacity(TAIL);
        let failed = |message: String, tail: &mut VecDeque<String>| DockerError::Build {
            image: image.to_owned(),
            message,
            output: tail.make_contiguous().join("\n"),
        };
        while let Some(answer) = answers.next().await {
            let info = answer.map_err(|error| failed(error.to_string(), &mut tail))?;
            if let Some(message) = info.error_detail.and_then(|detail| detail.message) {
                return Err(failed(message, &mut tail));
            }
            for line in info.stream.as_deref().unwrap_or_default().lines() {
                let Some(line) = readable(line) else { continue };
                progress(image, &line);
                if tail.len() == TAIL {
                    tail.pop_front();
                }
                tail.push_back(line);
            }
        }
        if let Some(old) = old
            && self.image_id(image).await?.as_ref() != Some(&old)
        {
            // Still in use by containers of the old image; then it goes when they go.
            let _ = self.remove_image(&old).await;
        }
        Ok(())
    }

    pub(super) async fn remove_image(&self, image: &str) -> Result<(), bollard::errors::Error> {
        let options = RemoveImageOptionsBuilder::new().build();
        self.docker
            .remove_image(image, Some(options), None)
            .await
            .map(drop)
    }

    pub(super) async fn image_id(&self, image: &str) -> Result<Option<String>, DockerError> {
        Ok(self.inspect_image(image).await?.and_then(|found| found.id))
    }

    async fn image_digest(&self, image: &str) -> Result<Option<String>, DockerError> {
        Ok(self
            .image_labels(image)
            .await?
            .and_then(|mut labels| labels.remove(label::DIGEST)))
    }

    async fn image_labels(&self, image: &str) -> Result<Option<Labels>, DockerError> {
        let found = self.inspect_image(image).await?;
        Ok(found.map(|found| {
            found
                .config
                .and_then(|config| config.labels)
                .unwrap_or_default()
        }))
    }

    async fn inspect_image(
        &self,
        image: &str,
    ) -> Result<Option<bollard::models::ImageInspect>, DockerError> {
        missing_is_none(self.docker.inspect_image(image).await)
            .map_err(DockerError::request(format!("look at image {image}")))
    }
}

/// Cleans a line of a build for a person: without colours, of a counter only the last state; nothing if it is blank.
fn readable(line: &str) -> Option<String> {
    let line = line.trim_end().rsplit('\r').next().unwrap_or_default();
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        text.push_str(before);
        let end = after
            .find(|c: char| c.is_ascii_alphabetic())
            .map_or(after.len(), |end| end + 1);
        rest = &after[end..];
    }
    text.push_str(rest);
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn image_labels(digest: &str) -> String {
    format!("{}=image {}={digest}", label::ROLE, label::DIGEST)
}

fn packing() -> impl FnOnce(std::io::Error) -> DockerError {
    DockerError::local("pack the build context")
}

/// Turns the engine's 404 into `None`.
pub(super) fn missing_is_none<T>(
    answer: Result<T, bollard::errors::Error>,
) -> Result<Option<T>, bollard::errors::Error> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(bollard::errors::Error::DockerResponseServerError {
            status_code: 404, ..
        }) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_readable() {
        assert_eq!(
            readable("\u{1b}[91mwarning\u{1b}[0m\n").as_deref(),
            Some("warning")
        );
        assert_eq!(
            readable("reading 5%\rreading 10%").as_deref(),
            Some("reading 10%")
        );
        assert_eq!(readable(" \u{1b}[0m"), None);
    }
}
