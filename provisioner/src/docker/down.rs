//! Taking an estate down: whatever carries its label goes, and nothing else.

use bollard::query_parameters::{
    ListImagesOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
    RemoveImageOptionsBuilder, RemoveVolumeOptions,
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

impl EstateContainers {
    /// Removes the estate's containers, images, volumes and network; returns how many things went.
    pub async fn down(
        &self,
        options: DownOptions,
        progress: &Progress<'_>,
    ) -> Result<usize, DockerError> {
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
        removed += self.remove_images(&mine).await?;
        removed += self.remove_volumes("").await?;
        removed += self.remove_networks().await?;
        if options.base_images {
            removed += self.remove_images(&[(label::ROLE, "image")]).await?;
        }
        Ok(removed)
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

    /// Removes images by label, the newest first because an image cannot go before those that build upon it.
    async fn remove_images(&self, wanted: &[(&str, &str)]) -> Result<usize, DockerError> {
        let options = ListImagesOptionsBuilder::new()
            .filters(&with_labels(wanted))
            .build();
        let listed = self.docker().list_images(Some(options)).await;
        let mut images = listed.map_err(DockerError::request("list images"))?;
        images.sort_by_key(|image| std::cmp::Reverse(image.created));
        for image in &images {
            let force = RemoveImageOptionsBuilder::new().force(true).build();
            missing_is_none(
                self.docker()
                    .remove_image(&image.id, Some(force), None)
                    .await,
            )
            .map_err(DockerError::request(format!(
                "remove the image {}",
                image.repo_tags.join(", ")
            )))?;
        }
        Ok(images.len())
    }
}
