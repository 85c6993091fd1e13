//! Which private files there are, and which one a name means.

use std::path::{Path, PathBuf};

use tasks::estate::sealed::SEALED;

use super::super::arguments::Global;
use crate::files;
use crate::report::problem::Problem;
use crate::secrets::{DOMAINS, stem};
use crate::state::write_private;

/// What the name of a clear private file ends with.
const CLEAR: &str = ".private.yml";

/// A private file, which need not be there yet.
pub(super) struct File {
    path: PathBuf,
    /// What its values belong to.
    pub(super) belongs: String,
}

impl File {
    /// Takes the file of a folder; `belongs` is its path there without its ending.
    fn at(base: &Path, own: &str, prefix: &str) -> Self {
        let sealed = base.join(format!("{own}{SEALED}"));
        let clear = base.join(format!("{own}{CLEAR}"));
        let path = if clear.exists() && !sealed.exists() {
            clear
        } else {
            sealed
        };
        Self {
            path,
            belongs: format!("{prefix}{own}"),
        }
    }

    /// Finds the file that a name means.
    pub(super) fn named(global: &Global, name: &str) -> Result<Self, Problem> {
        let estate = &global.estate;
        let typed = Path::new(name);
        let named = typed
            .strip_prefix(estate)
            .unwrap_or(typed)
            .to_string_lossy()
            .into_owned();
        let mut own = stem(named.trim_start_matches("./"));
        own = own.strip_suffix(".yml").unwrap_or(own);
        if own.is_empty()
            || own.starts_with('/')
            || own.split('/').any(|part| matches!(part, "" | "." | ".."))
        {
            return Err(unknown(name));
        }
        if let Some(domain) = own.strip_prefix(DOMAINS) {
            let domain = domain.strip_suffix("/domain").unwrap_or(domain);
            let folder = files::domains_folder(estate, global.domains_folder.as_deref())?;
            let folder = folder.filter(|folder| folder.join(domain).join("domain.yml").is_file());
            let folder = folder.ok_or_else(|| unknown(name))?;
            return Ok(Self::at(&folder, &format!("{domain}/domain"), DOMAINS));
        }
        if own == "estate" {
            return Ok(Self::at(estate, own, ""));
        }
        let (groups, hosts) = (format!("groups/{own}"), format!("hosts/{own}"));
        let candidates = if own.contains('/') {
            vec![own.to_owned()]
        } else {
            vec![groups, hosts]
        };
        let there = |own: &&String| {
            let ends = [".yml", CLEAR, SEALED];
            ends.iter()
                .any(|end| estate.join(format!("{own}{end}")).is_file())
        };
        if let Some(own) = candidates.iter().find(there) {
            return Ok(Self::at(estate, own, ""));
        }
        // A host or a group need not have a file yet.
        let loaded = super::super::app::load(global)?;
        let known = |own: &String| match own.split_once('/') {
            Some(("groups", "all")) => true,
            Some(("groups", name)) => loaded.estate.groups().any(|group| group == name),
            Some(("hosts", name)) => loaded.estate.host(name).is_some(),
            Some(_) | None => false,
        };
        match candidates.iter().find(|own| known(own)) {
            Some(own) => Ok(Self::at(estate, own, "")),
            None => Err(unknown(name)),
        }
    }

    /// Gives the path of what is there.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Names it.
    pub(super) fn shown(&self) -> String {
        shown(&self.path)
    }

    /// Tells whether its values are, or will be, encrypted.
    pub(super) fn is_sealed(&self) -> bool {
        self.shown().ends_with(SEALED)
    }

    pub(super) fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Gives the path that it has when it is encrypted.
    pub(super) fn sealed_path(&self) -> PathBuf {
        if self.is_sealed() {
            return self.path.clone();
        }
        let mut path = self.path.as_os_str().to_owned();
        path.push(".age");
        PathBuf::from(path)
    }

    /// Gives the path that it has in the clear.
    pub(super) fn clear_path(&self) -> PathBuf {
        if self.is_sealed() {
            return self.path.with_extension("");
        }
        self.path.clone()
    }

    pub(super) fn read(&self) -> Result<Vec<u8>, Problem> {
        let hint = format!(
            "`prov secrets edit {}` or `prov secrets set` makes it",
            self.belongs
        );
        std::fs::read(&self.path).map_err(|error| Problem::file("read", &self.path, &error, &hint))
    }

    /// Writes it encrypted, all of it or nothing.
    pub(super) fn write_sealed(&self, bytes: &[u8]) -> Result<(), Problem> {
        let path = self.sealed_path();
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.exists() && !folder.as_os_str().is_empty())
        {
            std::fs::create_dir_all(folder).map_err(|error| {
                Problem::file("make", folder, &error, "check that you may write there")
            })?;
        }
        write_private(&path, bytes)
    }
}

/// Names a path of the estate as it was typed.
pub(super) fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

fn unknown(name: &str) -> Problem {
    Problem::usage(
        format!("nothing in the estate is called '{name}' and can have secrets"),
        "name all, estate, a group, a host, domains/NAME, or a file such as groups/all.private.yml.age",
    )
}

/// Lists the private files of the estate and of its domains.
pub(super) fn all(global: &Global) -> Result<Vec<File>, Problem> {
    let mut found = Vec::new();
    let estate = &global.estate;
    if !estate.join("estate.yml").is_file() {
        return Err(Problem::usage(
            format!("{} is no estate", estate.display()),
            "name the folder of the estate with --estate DIR or PROV_ESTATE",
        ));
    }
    for folder in ["", "groups", "hosts"] {
        list(estate, folder, "", &mut found)?;
    }
    if let Some(folder) = files::domains_folder(estate, global.domains_folder.as_deref())? {
        for name in names(&folder)? {
            if folder.join(&name).is_dir() && !name.starts_with('.') {
                list(&folder, &name, DOMAINS, &mut found)?;
            }
        }
    }
    Ok(found)
}

fn names(folder: &Path) -> Result<Vec<String>, Problem> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let hint = "check that you may read the folder";
    let failed = |error: std::io::Error| Problem::file("read", folder, &error, hint);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        names.extend(entry.map_err(failed)?.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}

fn list(base: &Path, folder: &str, prefix: &str, found: &mut Vec<File>) -> Result<(), Problem> {
    for name in names(&base.join(folder))? {
        if name.starts_with('.') || !(name.ends_with(CLEAR) || name.ends_with(SEALED)) {
            continue;
        }
        let own = if folder.is_empty() {
            name
        } else {
            format!("{folder}/{name}")
        };
        let path = base.join(&own);
        if prefix.is_empty() && folder.is_empty() && stem(&own) != "estate" {
            continue;
        }
        found.push(File {
            path,
            belongs: format!("{prefix}{}", stem(&own)),
        });
    }
    Ok(())
}
