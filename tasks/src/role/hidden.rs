//! What would be hidden: files that are made in a folder before something is mounted over it.

use crate::diagnostic::Diagnostic;
use crate::resource::{Declared, MountState, Resource};
use crate::value::HostPath;

/// Finds what is declared below a folder before the file system that is mounted over it: the next run would not find it again.
pub(super) fn hidden(host: &str, declared: &[Declared]) -> Vec<Diagnostic> {
    let place = |one: &Declared| -> Option<HostPath> {
        if let Resource::Mount(mount) = &one.resource {
            return (mount.state != MountState::Absent).then(|| mount.path.clone());
        }
        one.resource.manage().place().map(|(path, _)| path.clone())
    };
    let mut mistakes = Vec::new();
    for (index, over) in declared.iter().enumerate() {
        let Resource::Mount(mount) = &over.resource else {
            continue;
        };
        if mount.state == MountState::Absent {
            continue;
        }
        let before = &declared[..index];
        let below = |one: &&Declared| place(one).is_some_and(|path| path.is_below(&mount.path));
        mistakes.extend(before.iter().find(below).map(|under| {
            Diagnostic::new(format!(
                "host {host}: {} (role {}) would hide {} (role {}), which is made before it",
                over.name(),
                over.role,
                under.name(),
                under.role
            ))
            .hint("declare the mount first: before it in the role, or in a role that the other one comes `after`")
        }));
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(texts: &[&str]) -> Vec<String> {
        let declared: Vec<_> = texts
            .iter()
            .map(|text| Declared::new("r", serde_yaml::from_str(text).unwrap()))
            .collect();
        let found = hidden("h", &declared);
        found.into_iter().map(|mistake| mistake.message).collect()
    }

    const MOUNT: &str = "mount: {path: /srv/data, source: /dev/vdb, fstype: ext4}";

    #[test]
    fn what_is_made_before_a_mount_over_its_folder_is_a_mistake() {
        assert_eq!(
            found(&["file: {path: /srv/data/x, content: x}", MOUNT]),
            [
                "host h: mount /srv/data (role r) would hide file /srv/data/x (role r), which is made before it"
            ]
        );
        let inner = "mount: {path: /srv/data/in, source: /dev/vdc, fstype: ext4}";
        assert_eq!(found(&[inner, MOUNT]).len(), 1);
    }

    #[test]
    fn what_is_made_afterwards_or_beside_it_is_none() {
        for texts in [
            &[MOUNT, "file: {path: /srv/data/x, content: x}"][..],
            &["directory: {path: /srv/data}", MOUNT],
            &["file: {path: /srv/database, content: x}", MOUNT],
            &[
                "file: {path: /srv/data/x, content: x}",
                "mount: {path: /srv/data, state: absent}",
            ],
        ] {
            assert!(found(texts).is_empty(), "{texts:?}");
        }
    }
}
