//! Files on this machine that are written whole or not at all, whatever ends prov meanwhile.

use std::fs::Permissions;
use std::io::{Error, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::NamedTempFile;

/// Puts a file with this very mode in the place of what is there, if anything is.
pub(crate) fn put(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    may_be_replaced(path)?;
    let file = beside(path, bytes, mode)?;
    file.as_file()
        .set_permissions(Permissions::from_mode(mode))?;
    file.persist(path)?;
    Ok(())
}

/// Makes a file where nothing is, with a mode that the user's mask narrows: what is there is
/// [`std::io::ErrorKind::AlreadyExists`].
pub(crate) fn create(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    beside(path, bytes, mode)?.persist_noclobber(path)?;
    Ok(())
}

/// Writes a file beside a path, under a hidden name that what ignores the path's own by its beginning and end ignores, too.
fn beside(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<NamedTempFile> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut file = tempfile::Builder::new()
        .prefix(&format!(".{}", name.trim_start_matches('.')))
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Refuses what no file may be put in the place of: a device such as `/dev/null`, a pipe, a folder.
fn may_be_replaced(path: &Path) -> std::io::Result<()> {
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(Error::other("there is something that is no file")),
        Ok(_) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_not_replaced_by_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan");
        assert!(may_be_replaced(&path).is_ok());
        let _listens = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(may_be_replaced(&path).is_err());
        assert!(!path.is_file());
    }

    #[test]
    fn what_is_there_is_replaced_by_one_and_kept_by_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.private.yml");
        create(&path, b"one", 0o600).unwrap();
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let refused = create(&path, b"two", 0o600).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        put(&path, b"two", 0o600).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        // Nothing is left beside it.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
