//! Reads the files of an estate for the core, which does no I/O itself.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tasks::estate::sealed::SEALED;
use tasks::estate::{MAX_BYTES, Sources};
use tasks::{Diagnostic, Place};

use crate::authority;
use crate::engine::SavedPlan;
use crate::report::problem::Problem;
use crate::secrets::{self, Opener};

/// Levels of folders that an estate may have.
const MOST_DEPTH: usize = 8;

/// Folder of an estate's own domains, in its folder; or of the domains of several estates, beside the folder of estates.
const DOMAINS: &str = "domains";

/// Folder of estates.
const ESTATES: &str = "estate";

/// The estate that comes with prov, as seen from its folder.
const SAMPLE: &str = "estate/docker";

/// The file that every estate has, and the name by which it is missed most often.
const INVENTORIES: [&str; 2] = ["estate.yml", "estate.yaml"];

/// Gives the folder of the estate where none is named: the current one, which is `here`, if it is an estate, else the
/// sample. The folders above are not looked through: whoever stands in one of them may mean another estate.
pub(crate) fn default_estate(here: &Path) -> PathBuf {
    if has_inventory(here) {
        PathBuf::from(".")
    } else {
        PathBuf::from(SAMPLE)
    }
}

fn has_inventory(folder: &Path) -> bool {
    INVENTORIES.iter().any(|name| folder.join(name).is_file())
}

/// Tells whether others than this user and root could have written a file.
pub(crate) fn others_may_write(path: &Path) -> bool {
    let Ok(found) = std::fs::metadata(path) else {
        return false;
    };
    let is_mine = found.uid() == 0 || found.uid() == rustix::process::getuid().as_raw();
    !is_mine || found.mode() & 0o022 != 0
}

/// Reads every file of an estate folder.
pub(crate) fn read_estate(folder: &Path, opener: Opener<'_>) -> Result<Sources, Problem> {
    if !folder.is_dir() {
        return Err(Problem::Estate(vec![no_estate(folder)]));
    }
    let sources = read(folder, Some(&folder.join(DOMAINS)))?;
    opened(sources, "", opener)
}

fn no_estate(folder: &Path) -> Diagnostic {
    let shown = folder.display().to_string();
    if folder.is_file() {
        let parent = folder.parent().map(|parent| parent.display().to_string());
        let parent = parent.filter(|parent| !parent.is_empty());
        let mistake = Diagnostic::at(Place::file(shown), "an estate is a folder, not a file");
        return mistake.hint(format!(
            "name the folder: --estate {}",
            parent.as_deref().unwrap_or(".")
        ));
    }
    if folder == Path::new(SAMPLE) && !has_inventory(Path::new("")) {
        let message = "there is no estate here: the current folder has no estate.yml, and no folder estate/docker";
        return Diagnostic::new(message).hint(
            "go to the folder of the estate, or name it with --estate DIR or the variable PROV_ESTATE of the environment",
        );
    }
    Diagnostic::at(Place::file(shown), "there is no such estate folder")
        .hint("name the folder of the estate with --estate DIR or PROV_ESTATE")
}

/// Tells whether a file is one that prov wrote where the user stood, which may be the estate's folder: a saved plan, or the
/// results of checks.
fn is_own(path: &Path, bytes: &[u8]) -> bool {
    let ends = ["html", "xml", "applying"];
    ends.iter()
        .any(|end| path.extension().is_some_and(|it| it == *end))
        || SavedPlan::is_one(bytes)
}

/// Finds the folder of an estate's domains: the one that was named, else `domains` in the estate's folder, else `domains`
/// beside the folder `estate` in which the estate is. None of the last two need be there.
pub(crate) fn domains_folder(
    estate: &Path,
    named: Option<&Path>,
) -> Result<Option<PathBuf>, Problem> {
    if let Some(named) = named {
        if named.is_dir() {
            return Ok(Some(named.to_owned()));
        }
        let place = Place::file(named.display().to_string());
        let mistake = Diagnostic::at(place, "there is no such folder of domains");
        let hint = "name the folder that has a folder for each domain with --domains-folder DIR";
        return Err(Problem::Estate(vec![mistake.hint(hint)]));
    }
    let own = estate.join(DOMAINS);
    if own.is_dir() {
        return Ok(Some(own));
    }
    // A path such as `.` has no parts that could be looked at.
    let whole = std::path::absolute(estate).unwrap_or_else(|_| estate.to_owned());
    let estates = whole.parent().filter(|folder| folder.ends_with(ESTATES));
    let Some(beside) = estates.map(|folder| folder.with_file_name(DOMAINS)) else {
        return Ok(None);
    };
    let shown = match estate.parent() {
        Some(folder) if folder.ends_with(ESTATES) => folder.with_file_name(DOMAINS),
        Some(_) | None => beside,
    };
    Ok(shown.is_dir().then_some(shown))
}

/// Reads every file of a folder of domains.
pub(crate) fn read_domains(folder: &Path, opener: Opener<'_>) -> Result<Sources, Problem> {
    opened(read(folder, None)?, secrets::DOMAINS, opener)
}

/// Tells whether the core reads an encrypted file's values: not below the folders of templates and roles.
pub(crate) fn has_values(path: &str) -> bool {
    path.ends_with(SEALED) && !path.starts_with("templates/") && !path.starts_with("roles/")
}

/// Finds the clear file beside an encrypted one.
pub(crate) fn beside<'s>(sources: &'s Sources, sealed: &str) -> Option<(&'s str, &'s [u8])> {
    let clear = sealed.strip_suffix(".age")?;
    sources.files().find(|(path, _)| *path == clear)
}

/// Decrypts values of files; what there is no key for is noted. Files of domains belong to the folder `domains`, wherever it is.
fn opened(mut sources: Sources, folder: &str, opener: Opener<'_>) -> Result<Sources, Problem> {
    let sealed = sources.files().filter(|(path, _)| has_values(path));
    let sealed: Vec<_> = sealed
        .map(|(path, bytes)| (path.to_owned(), bytes.to_owned()))
        .collect();
    let mut mistakes = Vec::new();
    for (path, bytes) in sealed {
        let name = sources.file(&path);
        if let Some((clear, _)) = beside(&sources, &path) {
            let mistake = Diagnostic::at(
                Place::file(&name),
                format!(
                    "there is {} beside it, and one of them would be ignored",
                    sources.file(clear)
                ),
            );
            mistakes.push(mistake.hint(
                "put what is new in the clear file into the encrypted one with `prov secrets edit`, and remove the clear one",
            ));
            continue;
        }
        let file = format!("{folder}{}", secrets::stem(&path));
        match secrets::read(&file, &name, &bytes, opener.keys()?) {
            Ok(text) => {
                sources.insert(path, text.bytes);
                for part in text.unseen {
                    sources.leave_unseen(&part.place);
                }
            }
            Err(more) => mistakes.extend(more),
        }
    }
    if mistakes.is_empty() {
        Ok(sources)
    } else {
        Err(Problem::Estate(mistakes))
    }
}

/// Reads every file of a folder of roles that estates share.
pub(crate) fn read_library(folder: &Path) -> Result<Sources, Problem> {
    if !folder.is_dir() {
        let place = Place::file(folder.display().to_string());
        let mistake = Diagnostic::at(place, "there is no such folder of roles");
        let hint = "name the folder that has a folder for each role with --roles DIR or PROV_ROLES";
        return Err(Problem::Estate(vec![mistake.hint(hint)]));
    }
    read(folder, None)
}

fn read(folder: &Path, without: Option<&Path>) -> Result<Sources, Problem> {
    let (sources, mistakes) = look(folder, without)?;
    if mistakes.is_empty() {
        Ok(sources)
    } else {
        Err(Problem::Estate(mistakes))
    }
}

/// Reads the files of an estate as they are, without those of its domains; gives what is wrong with files besides.
pub(crate) fn look_at_estate(folder: &Path) -> Result<(Sources, Vec<Diagnostic>), Problem> {
    look(folder, Some(&folder.join(DOMAINS)))
}

/// Reads the files of a folder as they are; gives what is wrong with files besides.
pub(crate) fn look(
    folder: &Path,
    without: Option<&Path>,
) -> Result<(Sources, Vec<Diagnostic>), Problem> {
    let mut sources = Sources::new(folder.display().to_string());
    let mut mistakes = Vec::new();
    walk(folder, folder, 0, without, &mut sources, &mut mistakes)?;
    Ok((sources, mistakes))
}

fn walk(
    root: &Path,
    folder: &Path,
    depth: usize,
    without: Option<&Path>,
    sources: &mut Sources,
    mistakes: &mut Vec<Diagnostic>,
) -> Result<(), Problem> {
    let hint = "check that you may read the files of the estate";
    let unreadable = |path: &Path, error: &std::io::Error| Problem::file("read", path, error, hint);
    let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(|error| unreadable(folder, &error))?.path());
    }
    paths.sort();
    for path in paths {
        let shown = path.display().to_string();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden {
            continue;
        }
        let meta = std::fs::metadata(&path).map_err(|error| unreadable(&path, &error))?;
        if meta.is_dir() {
            if depth < MOST_DEPTH && without != Some(path.as_path()) {
                walk(root, &path, depth + 1, without, sources, mistakes)?;
            }
            continue;
        }
        // A plan of many hosts is larger than a file of an estate may be, and is not looked at.
        let is_large_plan = || depth == 0 && SavedPlan::begins(&path);
        if meta.len() > MAX_BYTES as u64 && is_large_plan() {
            continue;
        }
        if meta.len() > MAX_BYTES as u64 {
            let mistake =
                Diagnostic::at(Place::file(&shown), "the file is too large for an estate");
            mistakes.push(mistake.hint("move it out of the estate folder"));
            continue;
        }
        let private = [".private.yml", ".private.pem"];
        if private.iter().any(|end| shown.ends_with(end)) && meta.permissions().mode() & 0o077 != 0
        {
            let mistake = Diagnostic::at(
                Place::file(&shown),
                format!(
                    "others may read this private file (mode {:04o})",
                    meta.permissions().mode() & 0o7777
                ),
            );
            mistakes.push(mistake.hint(format!("run `chmod 600 {shown}`")));
        }
        // Read when it is needed; it is no text that the estate is made of.
        if [authority::FILE, authority::SEALED]
            .iter()
            .any(|name| path == root.join(name))
        {
            continue;
        }
        let bytes = std::fs::read(&path).map_err(|error| unreadable(&path, &error))?;
        if depth == 0 && is_own(&path, &bytes) {
            continue;
        }
        if let Some(name) = path.strip_prefix(root).ok().and_then(Path::to_str) {
            sources.insert(name, bytes);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none<'a>(estate: &'a Path, keys: &'a secrets::Keys) -> Opener<'a> {
        Opener {
            keys,
            estate,
            identity: None,
            ask: |_| None,
        }
    }

    fn mistakes(folder: &Path) -> Vec<Diagnostic> {
        let keys = secrets::Keys::none();
        match read_estate(folder, none(folder, &keys)) {
            Err(Problem::Estate(mistakes)) => mistakes,
            Ok(_) | Err(_) => Vec::new(),
        }
    }

    #[test]
    fn the_current_folder_is_the_estate_if_it_is_one() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(default_estate(folder.path()), Path::new(SAMPLE));
        for name in INVENTORIES {
            std::fs::write(folder.path().join(name), "name: x\n").unwrap();
            assert_eq!(default_estate(folder.path()), Path::new("."));
            std::fs::remove_file(folder.path().join(name)).unwrap();
        }
        std::fs::create_dir(folder.path().join("estate.yml")).unwrap();
        assert_eq!(default_estate(folder.path()), Path::new(SAMPLE));
    }

    #[test]
    fn a_file_in_place_of_a_folder_is_answered_with_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("estate.yml");
        std::fs::write(&file, "name: x\n").unwrap();
        let hint = mistakes(&file)[0].hint.clone().unwrap();
        assert_eq!(
            hint,
            format!("name the folder: --estate {}", folder.path().display())
        );
    }

    #[test]
    fn what_prov_writes_into_the_folder_is_passed_over_and_what_looks_like_it_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let scope = crate::engine::SavedScope::roles();
        let plan = SavedPlan::new("x", "now".into(), "k".into(), scope);
        plan.write(&file("plan")).unwrap();
        plan.write(&file("large")).unwrap();
        let mut large = std::fs::read(file("large")).unwrap();
        large.resize(MAX_BYTES + 1, b' ');
        std::fs::write(file("large"), large).unwrap();
        for name in ["results.html", "junit.xml", "notes.json", "estate.yml"] {
            std::fs::write(file(name), "{}").unwrap();
        }
        let keys = secrets::Keys::none();
        let Ok(sources) = read_estate(folder.path(), none(folder.path(), &keys)) else {
            panic!("the folder cannot be read");
        };
        let names: Vec<_> = sources.files().map(|(name, _)| name).collect();
        assert_eq!(names, ["estate.yml", "notes.json"]);
    }

    #[test]
    fn a_private_file_that_others_may_read_is_a_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("estate.private.yml");
        std::fs::write(&path, "connection: {}\n").unwrap();
        for (mode, count) in [(0o600, 0), (0o640, 1), (0o604, 1), (0o400, 0)] {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, permissions).unwrap();
            assert_eq!(mistakes(folder.path()).len(), count, "mode {mode:o}");
        }
    }

    #[test]
    fn an_authority_is_not_a_part_of_what_the_estate_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("authority.private.pem");
        std::fs::write(&path, "-----BEGIN").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(mistakes(folder.path()).len(), 1);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(folder.path().join("estate.yml"), "name: x\nhosts: {}\n").unwrap();
        let keys = secrets::Keys::none();
        let Ok(sources) = read_estate(folder.path(), none(folder.path(), &keys)) else {
            panic!("the folder cannot be read");
        };
        let told: Vec<_> = tasks::estate::Estate::load(&sources, &[])
            .err()
            .into_iter()
            .flatten()
            .map(|mistake| mistake.to_string())
            .collect();
        assert!(
            told.iter().all(|text| !text.contains("authority")),
            "{told:?}"
        );
    }

    #[test]
    fn files_of_tools_and_editors_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".git")).unwrap();
        std::fs::write(folder.path().join(".git/x.private.yml"), "").unwrap();
        std::fs::write(folder.path().join(".estate.yml.swp"), b"\xff").unwrap();
        assert_eq!(mistakes(folder.path()), []);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let mistakes = mistakes(Path::new("/no/such/estate"));
        assert!(
            mistakes[0].to_string().contains("/no/such/estate"),
            "{mistakes:?}"
        );
    }

    #[test]
    fn the_lock_that_an_editor_keeps_beside_a_file_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("estate.yml"), "name: x\n").unwrap();
        std::os::unix::fs::symlink("me@here.1", folder.path().join(".#estate.yml")).unwrap();
        let keys = secrets::Keys::none();
        assert!(read_estate(folder.path(), none(folder.path(), &keys)).is_ok());
    }
}
