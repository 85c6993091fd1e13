//! What to do about what apt and dpkg say.

use crate::plan::{Remedy, is_locked};

/// Reads what apt said of a transaction that failed, or that it would refuse.
pub(in crate::resource) fn remedy(output: &str) -> Option<Remedy> {
    let says = |words: &[&str]| words.iter().any(|words| output.contains(words));
    if is_locked(output) {
        Some(Remedy::again_after(
            "wait until the other process on the host has installed its packages",
        ))
    } else if says(&["Held packages were changed"]) {
        Some(Remedy::from(
            "a package is held: run `apt-mark showhold` on the host, and `apt-mark unhold NAME` for what may change, or say here what becomes of its hold (`{name: NAME, hold: true}`)",
        ))
    } else if says(&["would not get in again", "would not become root again"]) {
        Some(Remedy::from(
            "do not remove what it depends on; if this is what you want, say it twice: --insist, with the name of this resource",
        ))
    } else if says(&[
        "Essential packages were removed",
        "and the host starts and stops by it",
        "and the host and prov work with it",
    ]) {
        Some(Remedy::from(
            "the host cannot do without one of the packages that would go: do not remove what it depends on",
        ))
    } else if says(&["need to be removed but remove is disabled"]) {
        Some(Remedy::RemoveConflictingPackage)
    } else if says(&["Packages were downgraded and -y was used"]) {
        Some(Remedy::from(
            "a newer version is installed: set `allow_downgrade: true` if the older one is meant",
        ))
    } else if output.contains("Version '") && output.contains("was not found") {
        Some(Remedy::from(
            "the package sources have no such version: see `apt-cache madison NAME` on the host, and correct `version`",
        ))
    } else if says(&["is a virtual package"]) {
        Some(Remedy::from("name the package that is meant instead"))
    } else if says(&["has no installation candidate"]) {
        Some(Remedy::from(
            "apt knows it and may not install it: `apt-cache policy NAME` on the host shows whether a pin (/etc/apt/preferences.d) forbids it; otherwise check the package sources in /etc/apt",
        ))
    } else if says(&["Unable to locate package"]) {
        Some(Remedy::PackageSource)
    } else if says(&[
        "unmet dependencies",
        "held broken packages",
        "Unable to satisfy dependencies",
        "pkgProblemResolver",
        "--fix-broken",
    ]) {
        Some(Remedy::from(
            "dependencies do not fit: packages may exclude each other, be held (`apt-mark showhold` on the host) or be pinned (`apt-cache policy NAME`); `apt-get -s install` there with the same names says more",
        ))
    } else if says(&[
        "NO_PUBKEY",
        "is not signed",
        "signatures couldn't be verified",
    ]) {
        Some(Remedy::from(
            "a package source is not signed by a key that the host knows: put the key where its source names it (`Signed-By`)",
        ))
    } else if says(&[
        "Failed to fetch",
        "Could not resolve",
        "Could not connect",
        "Some index files failed to download",
    ]) {
        Some(Remedy::PackageArchive)
    } else {
        broken_package(output).map(|name| {
            Remedy::again_after(format!(
                "see above what the package {name} says, repair that on the host (`dpkg --configure {name}`)"
            ))
        })
    }
}

/// Finds the package that dpkg could not finish: `dpkg: error processing package NAME (--configure):`.
fn broken_package(output: &str) -> Option<&str> {
    let (_, rest) = output.split_once("error processing package ")?;
    let name = rest.split_whitespace().next()?;
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_and_dpkg_say_leads_to_what_helps() {
        for (output, words) in [
            (
                "E: Held packages were changed and -y was used without --allow-change-held-packages.",
                "apt-mark unhold",
            ),
            (
                "E: Essential packages were removed and -y was used without --allow-remove-essential.",
                "cannot do without",
            ),
            (
                "E: Packages need to be removed but remove is disabled.",
                "conflicts with one",
            ),
            (
                "E: Package 'x' has no installation candidate",
                "apt-cache policy",
            ),
            ("E: Unable to locate package x", "package sources"),
            (
                "Unable to correct problems, you have held broken packages.",
                "apt-mark showhold",
            ),
            (
                "E: Unable to correct problems, you have held broken packages.\n x : Depends: y but it is not going to be installed\nE: The following packages have unmet dependencies",
                "do not fit",
            ),
            (
                "E: Packages were downgraded and -y was used without --allow-downgrades.",
                "allow_downgrade",
            ),
            ("E: Version '9*' for 'x' was not found", "apt-cache madison"),
            ("W: GPG error: NO_PUBKEY 12", "Signed-By"),
            (
                "dpkg: error processing package man-db (--configure):\n x",
                "the package man-db says",
            ),
        ] {
            let remedy = remedy(output).unwrap().to_string();
            assert!(remedy.contains(words), "{output}: {remedy}");
        }
        assert!(remedy("E: something else").is_none());
    }
}
