//! What a file may be put in the place of.

use std::io::Error;
use std::path::Path;

/// Refuses what no file may be put in the place of: a device such as `/dev/null`, a pipe, a folder.
pub(crate) fn may_be_replaced(path: &Path) -> std::io::Result<()> {
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
}
