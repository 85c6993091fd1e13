//! How a change is made: data that the shell carries out, one after the other.
//!
//! Steps are argument vectors, bytes and file operations. Quoting happens in the transport, once; how a file is
//! replaced atomically is the shell's business. Secrets are in contents only, which travel by standard input.

use serde::Serialize;

use crate::content::Content;
use crate::probe::{Attributes, Effect};
use crate::value::{HostPath, HttpUrl};

/// Does one thing on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Puts a file in place: atomically, or in place where the path is a mount point.
    WriteFile {
        /// The file.
        path: HostPath,
        /// Its bytes.
        content: Content,
        /// Its owner, group and mode.
        attributes: Attributes,
        /// Digest of the bytes that it was made from (SHA-256, hexadecimal): where the file holds others by now, nothing
        /// is written.
        #[serde(skip_serializing_if = "Option::is_none")]
        replaces: Option<String>,
    },
    /// Fetches a file from the web and, if its bytes have the digest, puts it in place atomically.
    Fetch {
        /// The file.
        path: HostPath,
        /// Its address.
        url: HttpUrl,
        /// The digest of its bytes (SHA-256, hexadecimal).
        sha256: String,
        /// Its owner, group and mode.
        attributes: Attributes,
    },
    /// Unpacks an archive into a new folder, and puts that in place, with all that was there before going.
    Unpack(Unpack),
    /// Sets owner, group and mode of what is there.
    SetAttributes {
        /// The file or directory.
        path: HostPath,
        /// What they become.
        attributes: Attributes,
    },
    /// Makes a directory, with missing parents (root:root 0755).
    MakeDirectory {
        /// The directory.
        path: HostPath,
        /// Its owner, group and mode.
        attributes: Attributes,
    },
    /// Makes a symbolic link, in place of a link or file that is there.
    MakeLink {
        /// The link.
        path: HostPath,
        /// What it says.
        target: String,
    },
    /// Removes a file, a link, or a directory with all it contains.
    Remove {
        /// What is removed.
        path: HostPath,
    },
    /// Runs a command.
    Run(Run),
}

impl Step {
    /// Gives the path that the step writes to, if it is known.
    #[must_use]
    pub const fn path(&self) -> Option<&HostPath> {
        match self {
            Self::WriteFile { path, .. }
            | Self::Fetch { path, .. }
            | Self::Unpack(Unpack { path, .. })
            | Self::SetAttributes { path, .. }
            | Self::MakeDirectory { path, .. }
            | Self::MakeLink { path, .. }
            | Self::Remove { path } => Some(path),
            Self::Run(_) => None,
        }
    }

    /// Gives the bytes that the step carries to the host, if any.
    #[must_use]
    pub const fn content(&self) -> Option<&Content> {
        match self {
            Self::WriteFile { content, .. } => Some(content),
            Self::Unpack(unpack) => unpack.content.as_ref(),
            Self::Run(run) => run.stdin.as_ref(),
            Self::Fetch { .. }
            | Self::SetAttributes { .. }
            | Self::MakeDirectory { .. }
            | Self::MakeLink { .. }
            | Self::Remove { .. } => None,
        }
    }
}

/// Unpacks an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unpack {
    /// The folder.
    pub path: HostPath,
    /// Where the archive is fetched from; it is sent when `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<HttpUrl>,
    /// The bytes of an archive that is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// Digest of the archive (SHA-256, hexadecimal).
    pub sha256: String,
    /// `zip`; anything else is for tar(1) to recognise.
    pub form: &'static str,
    /// How many parts at the beginning of each name are left out.
    pub strip: u8,
    /// What the folder remembers as unpacked.
    pub record: String,
    /// What must be there once it is unpacked, below the folder; anything when empty.
    pub creates: String,
    /// Owner and group of everything, and mode of the folder.
    pub attributes: Attributes,
}

/// Runs a command without a shell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// The command and its arguments.
    pub argv: Vec<String>,
    /// Its standard input; none when `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin: Option<Content>,
    /// Variables added to its environment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<(String, String)>,
    /// A command that says why, and runs only if this one fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explained_by: Option<Vec<String>>,
    /// The folder it runs in; `/` when `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<HostPath>,
    /// What facts it changes, as far as they are known beforehand.
    #[serde(skip)]
    pub effects: Vec<Effect>,
}

impl Run {
    /// Runs this command, with nothing on its standard input.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            stdin: None,
            env: Vec::new(),
            explained_by: None,
            directory: None,
            effects: Vec::new(),
        }
    }

    /// Adds what the command reads.
    #[must_use]
    pub fn stdin(mut self, content: Content) -> Self {
        self.stdin = Some(content);
        self
    }

    /// Adds the command that says why this one has failed.
    #[must_use]
    pub fn explained_by(mut self, argv: Vec<String>) -> Self {
        self.explained_by = Some(argv);
        self
    }

    /// Adds what the command changes.
    #[must_use]
    pub fn effect(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }
}

impl From<Run> for Step {
    fn from(run: Run) -> Self {
        Self::Run(run)
    }
}
