//! Taking an estate down: whatever carries its label goes, and nothing else.

use bollard::{
    errors::Error,
    models::ImageSummary,
    query_parameters::{
        ListImagesOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
        RemoveVolumeOptions,
    },
};
use futures_util::FutureExt;

use super::{
    DockerError, EstateContainers, Progress,
    engine::{at_once, label, with_labels},
    image::missing_is_none,
};

/// Chooses what is removed with an estate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DownOptions {
    /// Removes the images that all estates share, too: base, root file system, clients.
    pub base_images: bool,
}

/// What came of taking an estate down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// How many things went.
    pub things: usize,
    /// Images that stay because something else still needs them.
    pub kept: Vec<String>,
}

impl EstateContainers {
    /// Removes the estate's containers, images, volumes and network.
    pub async fn down(
        &self,
        options: DownOptions,
        progress: &Progress<'_>,
    ) -> Result<Removed, DockerError> {
        let containers = self.containers(&[]).await?;
        let mut removed = containers.len();
        let work = containers.into_iter().map(|container| {
            async move {
                let name = container.names.unwrap_or_default();
                progress(
                    name.first().map_or("", |name| name.trim_start_matches('/')),
                    "removing",
                );
                self.remove(&container.id.unwrap_or_default()).await
            }
            .boxed()
        });
        at_once(work.collect())
            .await
            .into_iter()
            .collect::<Result<(), _>>()?;
        let mine = [
            (label::ESTATE, self.estate.as_str()),
            (label::ROLE, "image"),
        ];
        let (images, mut kept) = self.remove_images(&self.images(&mine).await?).await?;
        removed += images;
        removed += self.remove_volumes("").await?;
        removed += self.remove_networks().await?;
        if options.base_images {
            let mut shared = self.images(&[(label::ROLE, "image")]).await?;
            // What another estate has committed is all that is left of its hosts.
            shared.retain(|image| !image.labels.contains_key(label::ESTATE));
            let (images, still) = self.remove_images(&shared).await?;
            removed += images;
            kept.extend(still);
        }
        Ok(Removed {
            things: removed,
            kept,
        })
    }

    /// Removes the volumes of a host, or of all hosts if the name is empty.
    pub(super) async fn remove_volumes(&self, host: &str) -> Result<usize, DockerError> {
        let mut wanted = vec![
            (label::ESTATE, self.estate.as_str()),
            (label::ROLE, "volume"),
        ];
        if !host.is_empty() {
            wanted.push((label::HOST, host));
        }
        let options = ListVolumesOptionsBuilder::new()
            .filters(&with_labels(&wanted))
            .build();
        let listed = self.docker().list_volumes(Some(options)).await;
        let volumes = listed
            .map_err(DockerError::request("list volumes"))?
            .volumes
            .unwrap_or_default();
        for volume in &volumes {
            missing_is_none(
                self.docker()
                    .remove_volume(&volume.name, None::<RemoveVolumeOptions>)
                    .await,
            )
            .map_err(DockerError::request(format!(
                "remove the volume {}",
                volume.name
            )))?;
        }
        Ok(volumes.len())
    }

    async fn remove_networks(&self) -> Result<usize, DockerError> {
        let mine = [
            (label::ESTATE, self.estate.as_str()),
            (label::ROLE, "network"),
        ];
        let options = ListNetworksOptionsBuilder::new()
            .filters(&with_labels(&mine))
            .build();
        let listed = self.docker().list_networks(Some(options)).await;
        let networks = listed.map_err(DockerError::request("list networks"))?;
        for network in &networks {
            let name = network.name.as_deref().unwrap_or_default();
            missing_is_none(
                self.docker()
                    .remove_network(network.id.as_deref().unwrap_or(name))
                    .await,
            )
            .map_err(DockerError::request(format!("remove the network {name}")))?;
        }
        Ok(networks.len())
    }

    /// Lists images by label, the newest first because an image cannot go before those that build upon it.
    async fn images(&self, wanted: &[(&str, &str)]) -> Result<Vec<ImageSummary>, DockerError> {
        let options = ListImagesOptionsBuilder::new()
            .filters(&with_labels(wanted))
            .build();
        let listed = self.docker().list_images(Some(options)).await;
        let mut images = listed.map_err(DockerError::request("list images"))?;
        images.sort_by_key(|image| std::cmp::Reverse(image.created));
        Ok(images)
    }

    /// Removes images; gives how many went, and the names of those that containers or other images need. Not by force:
    /// that would take them from containers that have stopped, too.
    async fn remove_images(
        &self,
        images: &[ImageSummary],
    ) -> Result<(usize, Vec<String>), DockerError> {
        let (mut removed, mut kept) = (0, Vec::new());
        for image in images {
            let name = image.repo_tags.first().unwrap_or(&image.id);
            // By its number: by its name it would lose that name first, and then be found to be needed.
            match missing_is_none(self.engine.remove_image(&image.id).await) {
                Ok(_) => removed += 1,
                Err(Error::DockerResponseServerError {
                    status_code: 409, ..
                }) => kept.push(name.clone()),
                Err(error) => {
                    let doing = format!("remove the image {name}");
                    return Err(DockerError::request(doing)(error));
                }
            }
        }
        Ok((removed, kept))
    }
}
