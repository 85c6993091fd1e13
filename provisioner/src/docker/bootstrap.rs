//! Makes a root file system from the package archive where no image can be had, and imports it.
//!
//! `mmdebstrap` is preferred because it is faster; `debootstrap` does as well. The system is streamed into the engine,
//! never held in memory.

use std::{
    collections::VecDeque,
    env,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use bollard::{body_try_stream, query_parameters::CreateImageOptionsBuilder};
use futures_util::{StreamExt, stream};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    process::{Child, Command},
};

use super::{DockerError, Engine, Progress, archive::Archive, engine::label};

/// How much of a tool's output an error shows.
const TAIL: usize = 15;

type Tail = Arc<Mutex<VecDeque<String>>>;

impl Engine {
    /// Bootstraps a Debian release and imports it under the given name.
    pub(super) async fn bootstrap(
        &self,
        image: &str,
        release: &str,
        archive: &Archive,
        progress: &Progress<'_>,
    ) -> Result<(), DockerError> {
        if let Some(tool) = find("mmdebstrap") {
            let mut command = Command::new(tool);
            command.args([
                "--variant=minbase",
                "--include=ca-certificates",
                "--format=tar",
                "--dpkgopt=path-exclude=/usr/share/man/*",
                "--dpkgopt=path-exclude=/usr/share/info/*",
                "--dpkgopt=path-exclude=/usr/share/locale/*",
                "--quiet",
                release,
                "-",
            ]);
            command.args(archive.main.as_deref());
            return self
                .import_output("mmdebstrap", command, image, progress)
                .await;
        }
        let Some(tool) = find("debootstrap") else {
            return Err(DockerError::NoBootstrapTool {
                image: format!("debian:{release}"),
            });
        };
        // Not /tmp: it may be small, in memory, or mounted without devices and programs.
        let folder = tempfile::Builder::new()
            .prefix("prov-")
            .tempdir_in("/var/tmp")
            .map_err(DockerError::local("make a temporary folder in /var/tmp"))?;
        let root = folder.path().join("root");
        let mut command = Command::new(tool);
        command
            .args(["--variant=minbase", "--include=ca-certificates", release])
            .arg(&root)
            .args(archive.main.as_deref());
        let mut child = spawn("debootstrap", command.stdout(Stdio::piped()))?;
        let tail = Tail::default();
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let ((), (), status) = tokio::join!(
            follow(out, &tail, image, Some(progress)),
            follow(err, &tail, image, None),
            child.wait(),
        );
        finished("debootstrap", status, &tail)?;

        progress(image, "importing the root file system");
        let mut command = Command::new("tar");
        command.arg("-C").arg(&root).args([
            "--exclude=./dev/*",
            "--exclude=./proc/*",
            "--exclude=./var/cache/apt/archives/*.deb",
            "--exclude=./var/lib/apt/lists/*",
            "--exclude=./usr/share/man/*",
            "--exclude=./usr/share/info/*",
            "--exclude=./usr/share/locale/*",
            "--numeric-owner",
            "-c",
            ".",
        ]);
        let imported = self.import_output("tar", command, image, progress).await;
        // Removing thousands of files takes a while; keep it off the async threads.
        let removed = tokio::task::spawn_blocking(move || folder.close()).await;
        if let Ok(removed) = removed {
            removed.map_err(DockerError::local(
                "remove the bootstrapped folder in /var/tmp",
            ))?;
        }
        imported
    }

    /// Imports what a command writes to its standard output, a tar archive, as an image.
    async fn import_output(
        &self,
        tool: &'static str,
        mut command: Command,
        image: &str,
        progress: &Progress<'_>,
    ) -> Result<(), DockerError> {
        let mut child = spawn(tool, command.stdout(Stdio::piped()))?;
        let tail = Tail::default();
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let body = stream::try_unfold(out, |out| async move {
            let Some(mut out) = out else { return Ok(None) };
            let mut chunk = Vec::with_capacity(1 << 18);
            let read = out.read_buf(&mut chunk).await?;
            Ok((read > 0).then(|| (chunk.into(), Some(out))))
        });
        let options = CreateImageOptionsBuilder::new()
            .from_src("-")
            .repo(image)
            .changes(vec![format!("LABEL {}=image", label::ROLE)])
            .build();
        let import = async {
            let mut answers =
                self.docker
                    .create_image(Some(options), Some(body_try_stream(body)), None);
            while let Some(answer) = answers.next().await {
                answer?;
            }
            Ok(())
        };
        let (imported, (), status) = tokio::join!(
            import,
            follow(err, &tail, image, Some(progress)),
            child.wait()
        );
        // A tool that failed half-way leaves half an image behind, which must not be taken for a whole one later.
        if let Err(error) = finished(tool, status, &tail) {
            let _ = self.remove_image(image).await;
            return Err(error);
        }
        imported.map_err(DockerError::request(format!("import {image}")))
    }
}

fn spawn(tool: &str, command: &mut Command) -> Result<Child, DockerError> {
    command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .env("LC_ALL", "C")
        .kill_on_drop(true)
        .spawn()
        .map_err(DockerError::local(format!("run {tool}")))
}

/// Reads a tool's lines as progress and keeps the last ones for an error.
async fn follow(
    output: Option<impl AsyncRead + Unpin>,
    tail: &Tail,
    image: &str,
    progress: Option<&Progress<'_>>,
) {
    let Some(output) = output else { return };
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(progress) = progress {
            progress(image, line.trim_start_matches("I: "));
        }
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        if tail.len() == TAIL {
            tail.pop_front();
        }
        tail.push_back(line);
    }
}

fn finished(
    tool: &'static str,
    status: std::io::Result<ExitStatus>,
    tail: &Tail,
) -> Result<(), DockerError> {
    let status = status.map_err(DockerError::local(format!("wait for {tool}")))?;
    if status.success() {
        return Ok(());
    }
    let tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
    Err(DockerError::Bootstrap {
        tool,
        status: status.to_string(),
        output: Vec::from(tail.clone()).join("\n"),
    })
}

/// Looks a program up where root finds it; an ordinary user's PATH often lacks the sbin folders.
fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into(), "/usr/bin".into()])
        .map(|folder| folder.join(program))
        .find(|candidate| Path::is_file(candidate))
}
