//! What to do about a failure, as data: people read its words, programs its code.

use std::fmt;

use crate::value::HostPath;

/// Says what to do about a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// Running the same command again.
    Again {
        /// What comes first, if anything does: `free space on the host`.
        first: String,
        /// What is added, with what separates it: `: what was done is kept`.
        note: String,
    },
    /// Making a new plan, as the saved one is applied once.
    NewPlan {
        /// What comes first, if anything does.
        first: String,
    },
    /// Declaring a package absent that is in conflict with another one.
    RemoveConflictingPackage,
    /// Correcting a package's name, or the sources it comes from.
    PackageSource,
    /// Letting the host reach its package archive.
    PackageArchive,
    /// Correcting an address or a digest, or letting the host reach a server.
    Download,
    /// Finding out why a file system is read-only.
    ReadOnlyFileSystem,
    /// Declaring an owner before what it owns.
    DeclareOwner,
    /// Correcting a change after which prov did not get in again.
    LockedOut,
    /// Looking at a service's log.
    ServiceLog,
    /// Reporting a defect of prov.
    ReportDefect,
    /// Whatever the words say.
    Words(String),
}

impl Remedy {
    /// Runs the same command again once something is done.
    pub fn again_after(first: impl Into<String>) -> Self {
        Self::Again {
            first: first.into(),
            note: String::new(),
        }
    }

    /// Runs the same command again; the note says why that is enough.
    pub fn again(note: impl Into<String>) -> Self {
        Self::Again {
            first: String::new(),
            note: note.into(),
        }
    }

    /// Gives the word by which programs know it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Again { .. } => "run_again",
            Self::NewPlan { .. } => "new_plan",
            Self::RemoveConflictingPackage => "remove_conflicting_package",
            Self::PackageSource => "package_source",
            Self::PackageArchive => "package_archive",
            Self::Download => "download",
            Self::ReadOnlyFileSystem => "read_only_file_system",
            Self::DeclareOwner => "declare_owner",
            Self::LockedOut => "locked_out",
            Self::ServiceLog => "service_log",
            Self::ReportDefect => "report_defect",
            Self::Words(_) => "other",
        }
    }

    /// Gives the remedy where the same command would be refused, because a saved plan is applied once.
    #[must_use]
    pub fn with_new_plan(self) -> Self {
        match self {
            Self::Again { first, .. } => Self::NewPlan { first },
            other @ (Self::NewPlan { .. }
            | Self::RemoveConflictingPackage
            | Self::PackageSource
            | Self::PackageArchive
            | Self::Download
            | Self::ReadOnlyFileSystem
            | Self::DeclareOwner
            | Self::LockedOut
            | Self::ServiceLog
            | Self::ReportDefect
            | Self::Words(_)) => other,
        }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let then = |first: &str| {
            if first.is_empty() {
                String::new()
            } else {
                format!("{first}, then ")
            }
        };
        match self {
            Self::Again { first, note } => {
                write!(f, "{}run the same command again{note}", then(first))
            }
            Self::NewPlan { first } => {
                write!(
                    f,
                    "{}make a new plan in the same way as this one (`prov diff … --out FILE`)",
                    then(first)
                )
            }
            Self::RemoveConflictingPackage => f.write_str(
                "the package conflicts with one that is installed: declare that one absent",
            ),
            Self::PackageSource => f.write_str(
                "check the package's name, and the package sources in /etc/apt on the host",
            ),
            Self::PackageArchive => f.write_str(
                "check that the host reaches the package archive named in its /etc/apt, and resolves its name (/etc/resolv.conf)",
            ),
            Self::Download => f.write_str(
                "check the address, the digest, and that the host reaches the server",
            ),
            Self::ReadOnlyFileSystem => {
                f.write_str("the host's file system is read-only; look at its kernel log")
            }
            Self::DeclareOwner => {
                f.write_str("declare the user or the group before what it owns")
            }
            Self::LockedOut => f.write_str(
                "correct what is declared, so that a new login works after it; `--unguarded` keeps it whatever becomes of the login",
            ),
            Self::ServiceLog => f.write_str(
                "look at the service's log (`journalctl -u` on a server, `docker logs` for a container), repair the cause, and run the same command again",
            ),
            Self::ReportDefect => f.write_str("this is a defect of prov: please report it"),
            Self::Words(words) => f.write_str(words),
        }
    }
}

impl From<&str> for Remedy {
    fn from(words: &str) -> Self {
        Self::Words(words.to_owned())
    }
}

impl From<String> for Remedy {
    fn from(words: String) -> Self {
        Self::Words(words)
    }
}

/// Tells whether a program gave up because another process installs packages.
#[must_use]
pub fn is_locked(output: &str) -> bool {
    // The words of apt, of dpkg in Debian 12 and of dpkg in Debian 13.
    let says = |words| output.contains(words);
    says("Could not get lock") || says("locked by another process") || says("lock was locked by")
}

/// Places of prov's own on a host; what goes wrong there says so.
const OWN_PLACES: [&str; 2] = ["/var/lib/prov", "/var/tmp"];

/// Says what to do after a step failed whose program said this. The resource may know better than anybody; `place` is the path
/// that it manages.
#[must_use]
pub fn after_failed_step(
    of_resource: Option<Remedy>,
    place: Option<&HostPath>,
    output: &str,
) -> Remedy {
    let says = |words: &[&str]| words.iter().any(|words| output.contains(words));
    if says(&[
        "No space left on device",
        "enough free space",
        "Disk quota exceeded",
    ]) {
        let own = OWN_PLACES.iter().find(|own| output.contains(**own));
        let full = own
            .map(|own| (*own).to_owned())
            .or_else(|| Some(place?.parent().to_string()));
        Remedy::again_after(match full {
            Some(full) => {
                format!(
                    "free space on the host (`df -h {full}`; for the number of files `df -i {full}`)"
                )
            }
            None => "free space on the host (`df -h`)".to_owned(),
        })
    } else if says(&["Read-only file system"]) {
        Remedy::ReadOnlyFileSystem
    } else if says(&["invalid user", "invalid group"]) {
        Remedy::DeclareOwner
    } else if says(&["Operation not permitted"])
        && let Some(path) = place
    {
        let folder = path.parent();
        let inside = if says(&["rm: cannot remove"]) {
            format!(", or with `lsattr -aR {path}` whether something in it,")
        } else {
            String::new()
        };
        Remedy::again_after(format!(
            "see with `lsattr -d {path} {folder}` whether one of them{inside} is immutable (i) or append-only (a), and take that away (`chattr -ia`); a file system of another kind, such as vfat or NFS, may know no owners"
        ))
    } else {
        of_resource
            .unwrap_or_else(|| Remedy::again_after("read what the host answered, repair the cause"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{Manage, Packages, Service};
    use crate::value::{PackageName, ServiceName};

    #[test]
    fn a_full_disk_is_told_whatever_the_resource_and_a_kind_knows_its_own_programs() {
        let packages = Packages::new([PackageName::new("nginx").unwrap()]);
        let service = Service::new(ServiceName::new("nginx").unwrap());
        let code = |resource: &dyn Manage, output| {
            after_failed_step(resource.remedy(output), None, output).code()
        };
        assert_eq!(code(&service, "cp: No space left on device"), "run_again");
        assert_eq!(
            code(&service, "Job for nginx.service failed"),
            "service_log"
        );
        assert_eq!(
            code(&packages, "E: Unable to locate package nginx"),
            "package_source"
        );
        assert_eq!(code(&packages, "E: Failed to fetch x"), "package_archive");
        assert_eq!(code(&packages, "dpkg: error"), "run_again");
    }

    #[test]
    fn what_is_full_or_immutable_is_named() {
        let place = HostPath::new("/srv/a/f").unwrap();
        let remedy = |output| after_failed_step(None, Some(&place), output).to_string();
        let full = "cat: write error: No space left on device";
        assert!(remedy(full).contains("`df -h /srv/a`"));
        let own = "cat: write error: No space left on device\nin /var/lib/prov";
        assert!(remedy(own).contains("`df -h /var/lib/prov`"));
        let immutable = "mv: cannot move 'file' to '../f': Operation not permitted";
        assert!(remedy(immutable).contains("`lsattr -d /srv/a/f /srv/a`"));
        assert!(remedy(immutable).contains("`chattr -ia`"));
        assert!(!remedy(immutable).contains("-aR"));
        let inside = "rm: cannot remove './f/g': Operation not permitted";
        assert!(remedy(inside).contains("`lsattr -aR /srv/a/f`"));
        assert!(
            after_failed_step(None, None, full)
                .to_string()
                .contains("`df -h`")
        );
    }

    #[test]
    fn a_plan_that_was_used_up_cannot_be_applied_again() {
        let remedy = Remedy::again_after("free space").with_new_plan();
        assert_eq!(
            remedy.to_string(),
            "free space, then make a new plan in the same way as this one (`prov diff … --out FILE`)"
        );
        assert_eq!(remedy.code(), "new_plan");
    }
}
