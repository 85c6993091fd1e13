//! Lists the templates of the roles, so that a new file in `templates/` needs no row anywhere.

#![expect(
    clippy::disallowed_methods,
    reason = "the wall is for the program, not for what builds it"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../templates");
    let mut files = Vec::new();
    list(&root, &mut files)?;
    files.sort();
    let mut table = "/// Every template of the roles: its name and its text.\n\
                     pub(super) const BUILT_IN: &[(&str, &str)] = &[\n"
        .to_owned();
    for file in files {
        let name = file.strip_prefix(&root).map_err(io::Error::other)?;
        let (name, file) = (name.display(), file.display());
        // Writing to a string cannot fail.
        let _ = writeln!(table, "    (\"{name}\", include_str!(\"{file}\")),");
    }
    table.push_str("];\n");
    let folder = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&folder).join("built_in.rs"), table)
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
