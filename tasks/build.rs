//! Lists what is embedded: the templates of the roles, and the roles that are described by files, so that a new file in
//! `templates/` or `roles/` needs no row anywhere.

#![expect(
    clippy::disallowed_methods,
    reason = "the wall is for the program, not for what builds it"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    table(
        "templates",
        "/// Every template of the roles: its name and its text.\n\
         pub(super) const BUILT_IN: &[(&str, &str)]",
        "include_str",
        "built_in.rs",
    )?;
    table(
        "roles",
        "/// Every file of the roles that are described by files: its path and its bytes.\n\
         pub(super) const FILES: &[(&str, &[u8])]",
        "include_bytes",
        "shipped.rs",
    )
}

/// Writes a table of all files below a folder of the repository.
fn table(folder: &str, head: &str, include: &str, to: &str) -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(folder);
    let mut files = Vec::new();
    list(&root, &mut files)?;
    files.sort();
    let mut table = format!("{head} = &[\n");
    for file in files {
        let name = file.strip_prefix(&root).map_err(io::Error::other)?;
        let (name, file) = (name.display(), file.display());
        // Writing to a string cannot fail.
        let _ = writeln!(table, "    (\"{name}\", {include}!(\"{file}\")),");
    }
    table.push_str("];\n");
    let folder = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&folder).join(to), table)
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
