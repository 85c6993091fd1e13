//! The files of `docker/`, embedded so that the binary works from anywhere.
//!
//! The tables are explicit: a service or a client is a folder there and a row here. A test compares them with the
//! folders.

use std::{borrow::Cow, io};

use sha2::{Digest, Sha256};

use super::DockerError;

/// Where prov's own files live inside a container.
pub(super) const LIB: &str = tasks::estate::CONTAINER_PROGRAMS;

/// Holds one file of a build context.
#[derive(Debug)]
pub(super) struct Asset {
    /// The path in the build context.
    pub(super) path: &'static str,
    pub(super) mode: u32,
    pub(super) content: &'static str,
}

/// Defines a service that the supervisor of test mode can run.
pub(super) struct Service {
    pub(super) name: &'static str,
    run: &'static str,
    check: &'static str,
}

/// Defines an image with a client program.
#[derive(Debug)]
pub(super) struct ClientImage {
    pub(super) name: &'static str,
    /// The program that the image is for; it gets the arguments.
    pub(super) program: &'static str,
    pub(super) files: &'static [Asset],
}

/// Defines an image of a stand-in.
#[derive(Debug)]
pub(super) struct StandInImage {
    pub(super) name: &'static str,
    pub(super) files: &'static [Asset],
}

macro_rules! file {
    ($mode:literal, $path:literal, $source:expr) => {
        Asset {
            path: $path,
            mode: $mode,
            content: include_str!(concat!("../../../docker/", $source)),
        }
    };
}

macro_rules! service {
    ($name:literal) => {
        Service {
            name: $name,
            run: include_str!(concat!("../../../docker/services/", $name, "/run")),
            check: include_str!(concat!("../../../docker/services/", $name, "/check")),
        }
    };
}

macro_rules! stand_in {
    ($name:literal) => {
        StandInImage {
            name: $name,
            files: &[
                file!(
                    0o644,
                    "Dockerfile",
                    concat!("stand-ins/", $name, "/Dockerfile")
                ),
                file!(
                    0o755,
                    "files/usr/local/lib/prov/stand-in/serve",
                    concat!("stand-ins/", $name, "/serve")
                ),
                file!(
                    0o755,
                    "files/usr/local/lib/prov/stand-in/check",
                    concat!("stand-ins/", $name, "/check")
                ),
            ],
        }
    };
}

const BASE: &[Asset] = &[
    file!(0o644, "Dockerfile", "base/Dockerfile"),
    file!(0o755, "files/usr/sbin/policy-rc.d", "base/policy-rc.d"),
    file!(0o644, "files/etc/apt/apt.conf.d/prov", "base/apt.conf"),
    file!(0o644, "files/etc/dpkg/dpkg.cfg.d/prov", "base/dpkg.cfg"),
    file!(
        0o644,
        "files/etc/ssh/sshd_config.d/prov.conf",
        "base/sshd.conf"
    ),
    file!(
        0o644,
        "files/usr/local/lib/prov/rsyslog.conf",
        "base/rsyslog.conf"
    ),
    file!(
        0o755,
        "files/usr/local/lib/prov/account",
        "base/lib/account"
    ),
    file!(0o755, "files/usr/local/lib/prov/build", "base/lib/build"),
    file!(0o755, "files/usr/local/lib/prov/client", "base/lib/client"),
    file!(0o755, "files/usr/local/lib/prov/deploy", "base/lib/deploy"),
    file!(
        0o755,
        "files/usr/local/lib/prov/host-keys",
        "base/lib/host-keys"
    ),
    file!(0o755, "files/usr/local/lib/prov/init", "base/lib/init"),
    file!(
        0o755,
        "files/usr/local/lib/prov/listening",
        "base/lib/listening"
    ),
    file!(0o755, "files/usr/local/lib/prov/log", "base/lib/log"),
    file!(0o755, "files/usr/local/lib/prov/unit", "base/lib/unit"),
];

/// What is added to the base image of an estate whose containers boot systemd.
pub(super) const SYSTEMD: &[Asset] = &[file!(0o644, "Dockerfile", "systemd/Dockerfile"), BOOT];

/// The main process of such a container until systemd takes its place.
const BOOT: Asset = file!(0o755, "files/usr/local/lib/prov/boot", "systemd/boot");

/// What is between the two networks of an estate.
pub(super) const ROUTER: &[Asset] = &[
    file!(0o644, "Dockerfile", "router/Dockerfile"),
    file!(
        0o755,
        "files/usr/local/lib/prov/router/serve",
        "router/serve"
    ),
    file!(
        0o755,
        "files/usr/local/lib/prov/router/check",
        "router/check"
    ),
];

/// The services that test mode can run.
pub(super) const SERVICES: &[Service] = &[
    service!("apache2"),
    service!("bacula-director"),
    service!("bacula-fd"),
    service!("bacula-sd"),
    service!("cron"),
    service!("dnsmasq"),
    service!("dovecot"),
    service!("exim4"),
    service!("fetchmail"),
    service!("mariadb"),
    service!("nginx"),
    service!("postgresql"),
    service!("radicale"),
    service!("ssh"),
    service!("syslog"),
];

/// The clients.
pub(super) const CLIENTS: &[ClientImage] = &[
    ClientImage {
        name: "bconsole",
        program: "bconsole",
        files: &[file!(0o644, "Dockerfile", "clients/bconsole/Dockerfile")],
    },
    ClientImage {
        name: "cadaver",
        program: "cadaver",
        files: &[file!(0o644, "Dockerfile", "clients/cadaver/Dockerfile")],
    },
    ClientImage {
        name: "chromium",
        program: "browser",
        files: &[
            file!(0o644, "Dockerfile", "clients/chromium/Dockerfile"),
            file!(0o755, "browser", "clients/chromium/browser"),
        ],
    },
    ClientImage {
        name: "curl",
        program: "curl",
        files: &[file!(0o644, "Dockerfile", "clients/curl/Dockerfile")],
    },
    ClientImage {
        name: "dig",
        program: "dig",
        files: &[file!(0o644, "Dockerfile", "clients/dig/Dockerfile")],
    },
    ClientImage {
        name: "lynx",
        program: "lynx",
        files: &[file!(0o644, "Dockerfile", "clients/lynx/Dockerfile")],
    },
    ClientImage {
        name: "mail",
        program: "mailbox",
        files: &[
            file!(0o644, "Dockerfile", "clients/mail/Dockerfile"),
            file!(0o755, "mailbox", "clients/mail/mailbox"),
        ],
    },
    ClientImage {
        name: "mutt",
        program: "mutt",
        files: &[
            file!(0o644, "Dockerfile", "clients/mutt/Dockerfile"),
            file!(0o755, "certificate", "clients/openssl/certificate"),
        ],
    },
    ClientImage {
        name: "openssl",
        program: "certificate",
        files: &[
            file!(0o644, "Dockerfile", "clients/openssl/Dockerfile"),
            file!(0o755, "certificate", "clients/openssl/certificate"),
        ],
    },
    ClientImage {
        name: "swaks",
        program: "swaks",
        files: &[file!(0o644, "Dockerfile", "clients/swaks/Dockerfile")],
    },
    ClientImage {
        name: "traceroute",
        program: "traceroute",
        files: &[file!(0o644, "Dockerfile", "clients/traceroute/Dockerfile")],
    },
    ClientImage {
        name: "vantage",
        program: "bash",
        files: &[file!(0o644, "Dockerfile", "clients/vantage/Dockerfile")],
    },
];

/// The stand-ins.
pub(super) const STAND_INS: &[StandInImage] = &[stand_in!("dropbox"), stand_in!("linode")];

type File<'a> = (String, u32, &'a str);

/// Says what the base image is made of, besides the embedded files.
pub(super) struct BaseInputs<'a> {
    pub(super) release: &'a str,
    /// The archive's address, or nothing.
    pub(super) main: &'a str,
    /// The address of the security updates, or nothing.
    pub(super) security: &'a str,
}

impl BaseInputs<'_> {
    /// Packs the build context of the base image.
    pub(super) fn context(&self, labels: &str) -> io::Result<Vec<u8>> {
        context(base_files(&self.archive()), labels)
    }

    /// Digests everything that decides what the base image becomes.
    pub(super) fn digest(&self) -> String {
        digest(base_files(&self.archive()), "")
    }

    fn archive(&self) -> String {
        format!("{}\n{}\n{}\n", self.release, self.main, self.security)
    }
}

/// Packs the build context of an image that builds upon the base image.
pub(super) fn context_of(files: &[Asset], labels: &str) -> io::Result<Vec<u8>> {
    context(files.iter().map(Asset::file), labels)
}

/// Digests the files of an image and the digest of the image that it builds upon.
pub(super) fn digest_of(files: &[Asset], base: &str) -> String {
    digest(files.iter().map(Asset::file), base)
}

impl Asset {
    fn file<'a>(&self) -> File<'a> {
        (self.path.to_owned(), self.mode, self.content)
    }
}

fn base_files(archive: &str) -> impl Iterator<Item = File<'_>> {
    let services = SERVICES.iter().flat_map(|service| {
        let path = |file| format!("files{LIB}/services/{}/{file}", service.name);
        [
            (path("run"), 0o755, service.run),
            (path("check"), 0o755, service.check),
        ]
    });
    let archive = (format!("files{LIB}/archive"), 0o644, archive);
    BASE.iter()
        .map(Asset::file)
        .chain(services)
        .chain([archive])
}

/// Packs what test mode runs, to be unpacked at `/` in a container whose image was made by an older prov.
///
/// `definitions` are services of an estate's own: paths below the folder of services, and their content.
pub(super) fn library(definitions: &[(String, String)]) -> io::Result<Vec<u8>> {
    let ours = format!("files{LIB}/");
    let more = definitions.iter().map(|(path, content)| {
        let path = format!("{}/services/{path}", &LIB[1..]);
        (path, 0o755, content.as_str())
    });
    let files = base_files("").filter_map(|(path, mode, content)| {
        let name = path.strip_prefix(&ours)?;
        // The archive's address is the image's own.
        (name != "archive").then(|| (format!("{}/{name}", &LIB[1..]), mode, content))
    });
    context(files.chain(more), "")
}

/// Packs the same for a container that boots systemd, which has its own definitions.
pub(super) fn boot_library() -> io::Result<Vec<u8>> {
    let path = BOOT.path.trim_start_matches("files/").to_owned();
    context(std::iter::once((path, BOOT.mode, BOOT.content)), "")
}

/// Packs files, the labels as a last instruction of the Dockerfile.
fn context<'a>(files: impl Iterator<Item = File<'a>>, labels: &str) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, mode, content) in files {
        let content = match path.as_str() {
            "Dockerfile" => format!("{content}LABEL {labels}\n").into(),
            _ => Cow::Borrowed(content),
        };
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        archive.append_data(&mut header, path, content.as_bytes())?;
    }
    archive.into_inner()
}

fn digest<'a>(files: impl Iterator<Item = File<'a>>, below: &str) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    };
    for (path, mode, content) in files {
        add(path.as_bytes());
        add(&mode.to_be_bytes());
        add(content.as_bytes());
    }
    add(below.as_bytes());
    tasks::hex(&hash.finalize())
}

/// Finds a client by its name.
pub(super) fn find_client(name: &str) -> Result<&'static ClientImage, DockerError> {
    CLIENTS
        .iter()
        .find(|client| client.name == name)
        .ok_or_else(|| DockerError::UnknownClient {
            client: name.to_owned(),
            nearest: tasks::nearest(name, CLIENTS.iter().map(|client| client.name)),
        })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    fn folders(under: &str) -> BTreeSet<String> {
        fs::read_dir(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../docker")
                .join(under),
        )
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
    }

    #[test]
    fn every_service_folder_has_a_row() {
        let rows: BTreeSet<_> = SERVICES
            .iter()
            .map(|service| service.name.to_owned())
            .collect();
        assert_eq!(rows, folders("services"));
    }

    #[test]
    fn every_client_folder_has_a_row() {
        let rows: BTreeSet<_> = CLIENTS
            .iter()
            .map(|client| client.name.to_owned())
            .collect();
        assert_eq!(rows, folders("clients"));
    }

    #[test]
    fn every_stand_in_folder_has_a_row_and_a_name_that_an_estate_may_use() {
        let rows: BTreeSet<_> = STAND_INS
            .iter()
            .map(|stand_in| stand_in.name.to_owned())
            .collect();
        assert_eq!(rows, folders("stand-ins"));
        let names = tasks::estate::STAND_INS.map(str::to_owned);
        assert_eq!(rows, BTreeSet::from(names));
        for row in STAND_INS {
            let files = folders(&format!("stand-ins/{}", row.name));
            assert_eq!(files.len(), row.files.len(), "{}", row.name);
        }
    }

    #[test]
    fn every_file_of_the_base_image_is_embedded() {
        let embedded: BTreeSet<_> = BASE
            .iter()
            .map(|file| file.path.rsplit('/').next().unwrap())
            .collect();
        for name in folders("base/lib") {
            assert!(
                embedded.contains(name.as_str()),
                "base/lib/{name} has no row"
            );
        }
        assert_eq!(
            BASE.len(),
            folders("base/lib").len() + folders("base").len() - 1
        );
    }

    #[test]
    fn every_file_of_the_image_with_systemd_is_embedded() {
        let embedded: BTreeSet<_> = SYSTEMD
            .iter()
            .map(|file| file.path.rsplit('/').next().unwrap().to_owned())
            .collect();
        assert_eq!(embedded, folders("systemd"));
    }

    #[test]
    fn every_file_of_the_router_is_embedded() {
        let embedded: BTreeSet<_> = ROUTER
            .iter()
            .map(|file| file.path.rsplit('/').next().unwrap().to_owned())
            .collect();
        assert_eq!(embedded, folders("router"));
    }

    #[test]
    fn the_digest_of_the_base_depends_on_the_archive() {
        let inputs = |main, security| BaseInputs {
            release: "bookworm",
            main,
            security,
        };
        assert_ne!(inputs("a", "b").digest(), inputs("b", "a").digest());
        assert_eq!(inputs("a", "b").digest(), inputs("a", "b").digest());
    }

    #[test]
    fn the_dockerfile_ends_with_the_labels() {
        let packed = context_of(CLIENTS[0].files, "io.prov.role=image").unwrap();
        let mut archive = tar::Archive::new(packed.as_slice());
        let dockerfile = archive.entries().unwrap().next().unwrap().unwrap();
        let text = std::io::read_to_string(dockerfile).unwrap();
        assert!(text.ends_with("\nLABEL io.prov.role=image\n"), "{text}");
    }
}
