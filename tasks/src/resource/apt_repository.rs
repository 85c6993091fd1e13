//! Repositories of packages: a source, the key that it is verified by, and what may come from it.

mod key;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::download;
use super::packages::{self, apt};
use super::{AtEnd, Download, File, Former, Manage, Resource, Stage, State};
use crate::content::Content;
use crate::plan::{Action, Change, Diff, Planned, Remedy};
use crate::probe::{
    Becomes, Effect, Facts, ListsFact, NotAsked, PackageFact, PathFact, PathQuestion, Query, Read,
};
use crate::pushln;
use crate::step::{Run, Step};
use crate::value::{HostPath, HttpUrl, PackageName, RepositoryUri, Word, fixed};
use key::Form;

/// Fields of a source that are set by fields of the resource.
const OWN_FIELDS: [&str; 6] = [
    "types",
    "uris",
    "suites",
    "components",
    "architectures",
    "signed-by",
];

/// Fields by which apt would install what nobody has signed (sources.list(5)).
const INSECURE: [&str; 4] = [
    "trusted",
    "allow-insecure",
    "allow-weak",
    "allow-downgrade-to-insecure",
];

/// The priority that packages have unless something says otherwise (`apt_preferences(5)`).
const USUAL: i16 = 500;

/// Fetches the lists of the one source that is read from standard input, before it is put in place. How old the other lists are
/// must stay known, so the time of their folder is put back.
const FETCH: &str = r#"name=$1; key=$2; shift 2
case $key in
(*.asc) grep -q -e '-----BEGIN PGP PUBLIC KEY BLOCK-----' -- "$key" || { echo "E: $key is not in ASCII armour"; exit 1; };;
(*/keyrings/*.gpg) case $(head -c 1 -- "$key" | od -An -tx1) in (*98|*99|*9a|*c6) ;; (*) echo "E: $key is not in binary form"; exit 1;; esac;;
esac
[ -s "$key" ] || { echo "E: there is no key $key"; exit 1; }
folder=$(mktemp -d /run/prov.XXXXXXXXXX) && trap 'touch -r "$folder/time" /var/lib/apt/lists; rm -rf -- "$folder"' EXIT || exit
touch -r /var/lib/apt/lists "$folder/time" && chmod 0755 "$folder" && cat >"$folder/$name.sources" || exit
"$@" -o "Dir::Etc::sourcelist=$folder/$name.sources" -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=false -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= update --error-on=any"#;

/// Manages a repository that packages can be installed from: its source, its key, and what may come from it.
///
/// The source is a file `/etc/apt/sources.list.d/NAME.sources` (sources.list(5), deb822). Its key is in `/etc/apt/keyrings` and
/// is trusted for this source alone. It is given as text (`key`), by an address and a digest (`key_url`), or is a keyring that
/// a package brings (`signed_by`). A source without a key, or one that is trusted without, is refused; plain `http` is safe, as
/// what comes is signed. Before a source takes effect its lists are fetched and verified: one that cannot be is not put in place.
/// Where https is used and the host cannot check certificates, `ca-certificates` is installed first.
///
/// With `packages`, nothing but what is named comes from the repository, dependencies included; with `priority`, what comes from it
/// has that priority (`apt_preferences(5)`: below 500 after Debian's, below 100 only where nothing else has it, above 1000 even as
/// a downgrade). Both are a file `/etc/apt/preferences.d/NAME.pref`, by the names of the servers.
/// When absent, source, key and preferences are removed; packages that came from it stay.
///
/// ```yaml
/// apt_repository:
///   name: example
///   uris: [https://packages.example.org/debian]
///   suites: [trixie]
///   components: [main]
///   key_url: https://packages.example.org/key.asc
///   key_sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
///   packages: [example-server, "example-*"]
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct AptRepository {
    /// Name of its files.
    pub name: Word,
    /// Addresses of the repository: `http`, `https`, `file:/PATH`, `mirror+https`. Needed when present.
    #[serde(default)]
    pub uris: Vec<RepositoryUri>,
    /// Suites, for instance `trixie`, or paths that end with `/`. Needed when present.
    #[serde(default)]
    pub suites: Vec<String>,
    /// Components, for instance `main`. Needed unless the suites are paths.
    #[serde(default)]
    pub components: Vec<String>,
    /// Whether packages, their sources or both are taken.
    #[serde(default = "binary")]
    pub types: BTreeSet<SourceType>,
    /// Architectures, for instance `amd64`; the host's own when empty.
    #[serde(default)]
    pub architectures: Vec<String>,
    /// Further fields of the source, for instance `{By-Hash: "no"}`.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// The public key, in ASCII armour; a role takes it from a file of its folder with `key_source`, in either form.
    #[serde(default)]
    pub key: Option<Content>,
    /// Address of the public key.
    #[serde(default)]
    pub key_url: Option<HttpUrl>,
    /// Digest of what is at `key_url` (SHA-256, 64 hexadecimal digits in lower case).
    #[serde(default)]
    pub key_sha256: Option<String>,
    /// Whether what is at `key_url` is in binary form; otherwise it is in ASCII armour.
    #[serde(default)]
    pub key_binary: bool,
    /// A keyring of the host, for instance `/usr/share/keyrings/debian-archive-keyring.gpg`.
    #[serde(default)]
    pub signed_by: Option<HostPath>,
    /// Packages that may come from it, by name or by a pattern with `*` and `?`; all when empty.
    #[serde(default)]
    pub packages: BTreeSet<String>,
    /// Priority of what may come from it; apt's usual one when not given.
    #[serde(default)]
    pub priority: Option<i16>,
    /// Whether it should be there.
    #[serde(default)]
    pub state: State,
}

/// What a source gives.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum SourceType {
    /// Packages.
    #[serde(rename = "deb")]
    Binary,
    /// Their sources.
    #[serde(rename = "deb-src")]
    Source,
}

fn binary() -> BTreeSet<SourceType> {
    [SourceType::Binary].into()
}

super::checked!(AptRepository);

impl AptRepository {
    /// Preferences go by the name of the server, which Debian's own sources share.
    fn check_servers(&self) -> Result<(), String> {
        let is_debians = |host: &&str| host.ends_with("debian.org");
        match self.servers().iter().copied().find(is_debians) {
            Some(host) if self.has_preferences() => Err(format!(
                "`packages` and `priority` would be those of everything else from {host}, too; write a file in /etc/apt/preferences.d with 'Pin: release n={}' instead",
                self.suites[0]
            )),
            Some(_) | None => Ok(()),
        }
    }

    fn check_key(&self) -> Result<(), String> {
        let given = [
            self.key.is_some(),
            self.key_url.is_some(),
            self.signed_by.is_some(),
        ];
        if given.into_iter().filter(|it| *it).count() != 1 {
            return Err("one of `key`, `key_url` and `signed_by` is needed: apt verifies by it what comes from the repository".to_owned());
        }
        if self.key_url.is_some() != self.key_sha256.is_some() {
            return Err("`key_url` and `key_sha256` are needed together".to_owned());
        }
        if self
            .key_sha256
            .as_deref()
            .is_some_and(|it| !download::is_digest(it))
        {
            return Err(
                "`key_sha256` is no digest; write its 64 hexadecimal digits in lower case"
                    .to_owned(),
            );
        }
        if self.key_binary && self.key_url.is_none() {
            return Err("`key_binary` is for `key_url`; leave it out".to_owned());
        }
        match &self.key {
            Some(key) => key::form(&key.bytes()).map(|_| ()),
            None => Ok(()),
        }
    }

    fn has_preferences(&self) -> bool {
        !self.packages.is_empty() || self.priority.is_some()
    }

    /// Gives the servers, by which preferences tell where a package comes from; nothing stands for the host itself.
    fn servers(&self) -> BTreeSet<&str> {
        self.uris.iter().map(RepositoryUri::host).collect()
    }

    fn source(&self) -> HostPath {
        fixed_folder("/etc/apt/sources.list.d").join("", &self.name, ".sources")
    }

    fn keyring(&self, form: Form) -> HostPath {
        fixed_folder("/etc/apt/keyrings").join("", &self.name, form.suffix())
    }

    fn preferences(&self) -> HostPath {
        fixed_folder("/etc/apt/preferences.d").join("", &self.name, ".pref")
    }

    /// Gives the form of the key, if it has a file of its own.
    fn form(&self) -> Option<Form> {
        match (&self.key, &self.key_url, self.key_binary) {
            (Some(key), _, _) => key::form(&key.bytes()).ok(),
            (None, Some(_), true) => Some(Form::Binary),
            (None, Some(_), false) => Some(Form::Armoured),
            (None, None, _) => None,
        }
    }

    /// Gives where apt finds the key.
    fn key_place(&self) -> Option<HostPath> {
        let own = self.form().map(|form| self.keyring(form));
        own.or_else(|| self.signed_by.clone())
    }

    /// Writes the source as sources.list(5) has it.
    fn source_text(&self) -> String {
        let uris = self.uris.iter().map(RepositoryUri::as_str);
        let types = self.types.iter().map(|kind| match kind {
            SourceType::Binary => "deb",
            SourceType::Source => "deb-src",
        });
        let strings = |words: &[String]| words.join(" ");
        let key = self.key_place().map(|path| path.to_string());
        let mut text = String::new();
        for (name, value) in [
            ("Types", types.collect::<Vec<_>>().join(" ")),
            ("URIs", uris.collect::<Vec<_>>().join(" ")),
            ("Suites", strings(&self.suites)),
            ("Components", strings(&self.components)),
            ("Architectures", strings(&self.architectures)),
            ("Signed-By", key.unwrap_or_default()),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .chain(
            self.options
                .iter()
                .map(|(name, value)| (name.as_str(), value.clone())),
        ) {
            pushln!(text, "{name}: {value}");
        }
        text
    }

    /// Writes the preferences as `apt_preferences(5)` has them. What names a package goes before what is for all.
    fn preferences_text(&self) -> String {
        let mut text = String::new();
        let priority = self.priority.unwrap_or(USUAL);
        let named: Vec<_> = self.packages.iter().map(String::as_str).collect();
        for server in self.servers() {
            let mut put = |packages: &str, priority: i16| {
                pushln!(
                    text,
                    "Package: {packages}\nPin: origin \"{server}\"\nPin-Priority: {priority}\n"
                );
            };
            if named.is_empty() {
                put("*", priority);
            } else {
                put(&named.join(" "), priority);
                put("*", -1);
            }
        }
        text
    }

    /// Gives the resources that it consists of, in the order in which they are put in place: the source is the last.
    fn parts(&self) -> Vec<Resource> {
        let mut parts = Vec::new();
        let gone = |path| Resource::File(File::gone(path));
        if self.state == State::Absent {
            return vec![
                gone(self.source()),
                gone(self.preferences()),
                gone(self.keyring(Form::Armoured)),
                gone(self.keyring(Form::Binary)),
            ];
        }
        let form = self.form();
        match (&self.key, &self.key_url, &self.key_sha256, form) {
            (Some(key), _, _, Some(form)) => {
                parts.push(Resource::File(File::new(self.keyring(form), key.clone())));
            }
            (None, Some(url), Some(sha256), Some(form)) => {
                let key = Download::new(url.clone(), self.keyring(form), sha256.clone());
                parts.push(Resource::Download(key));
            }
            (_, _, _, _) => {}
        }
        parts.push(if self.has_preferences() {
            let text = Content::plain(self.preferences_text());
            Resource::File(File::new(self.preferences(), text))
        } else {
            gone(self.preferences())
        });
        let text = Content::plain(self.source_text());
        parts.push(Resource::File(File::new(self.source(), text)));
        let others = [Form::Armoured, Form::Binary].into_iter();
        let others = others.filter(|other| Some(*other) != form);
        parts.extend(others.map(|other| gone(self.keyring(other))));
        parts
    }

    /// Fetches and verifies the lists of the source.
    fn fetch(&self, facts: &Facts) -> Run {
        let key = self.key_place().map(|path| path.to_string());
        let mut run = Run::new(["sh", "-c", FETCH, "sh", self.name.as_str()]);
        run.argv.push(key.unwrap_or_default());
        run.argv.extend(apt([]).argv);
        let lists = facts.apt_lists.clone().unwrap_or_default();
        let newer = Some(self.source().to_string());
        run.stdin(Content::plain(self.source_text()))
            .effect(Effect::PackageLists(Becomes(
                (),
                ListsFact { newer, ..lists },
            )))
    }

    /// Installs what certificates are checked with, if https is used and it is not there.
    fn certificates(&self, facts: &Facts) -> Result<Vec<Step>, NotAsked> {
        let key = self.key_url.iter().map(HttpUrl::as_str);
        let mut used = self.uris.iter().map(RepositoryUri::as_str).chain(key);
        let name = certificates();
        if !used.any(|uri| uri.contains("https:")) || facts.package(&name)?.is_installed() {
            return Ok(Vec::new());
        }
        let mut install = apt(["install", "--no-remove", "--no-install-recommends", "--"]);
        install.argv.push(name.to_string());
        let there = PackageFact::Installed(String::new());
        let install = install.effect(Effect::Package(Becomes(name, there)));
        let mut steps = vec![packages::repair()];
        if packages::stale(facts.apt_lists.as_ref()).is_some() {
            steps.push(packages::update());
        }
        steps.push(install.into());
        Ok(steps)
    }

    fn combine(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let (mut steps, mut reasons, mut diffs) = (Vec::new(), BTreeSet::new(), Vec::new());
        let mut fetch = false;
        for part in self.parts() {
            let planned = part.manage().plan(facts)?;
            let change = match planned {
                Planned::Unchanged => continue,
                Planned::Change(change) => change,
                Planned::Unknown(_)
                | Planned::Deferred(_)
                | Planned::Refused { .. }
                | Planned::Impossible { .. } => return Ok(planned),
            };
            let is = |path: HostPath| part.manage().id() == path.as_str();
            let is_key = Some(part.manage().id()) == self.key_place().map(|it| it.to_string());
            fetch |= self.state == State::Present && (is_key || is(self.source()));
            if is(self.source()) || is(self.preferences()) {
                diffs.push((part.manage().id(), change.diff));
            } else if is_key {
                let note = format!("(the key {})", part.manage().id());
                diffs.push((String::new(), Diff::list([note])));
            }
            reasons.extend(change.reasons);
            steps.extend(change.steps);
        }
        if steps.is_empty() {
            return Ok(Planned::Unchanged);
        }
        if fetch {
            // Before the source is put in place, or where only its key is another one, last.
            let source = self.source();
            let at = steps.iter().position(|step| step.path() == Some(&source));
            steps.insert(at.unwrap_or(steps.len()), self.fetch(facts).into());
            steps.splice(0..0, self.certificates(facts)?);
        }
        let there = *facts.path(&self.source())? != PathFact::Missing;
        let action = match (self.state, there) {
            (State::Absent, _) => Action::Remove,
            (State::Present, false) => Action::Create,
            (State::Present, true) => Action::Update,
        };
        let first = steps.iter().filter(|step| matches!(step, Step::Run(run) if run.argv.iter().any(|word| word == "ca-certificates")));
        let detail = if first.count() > 0 {
            "after installing ca-certificates"
        } else {
            ""
        };
        Ok(Change::new(action, reasons.into_iter().collect(), steps)
            .detail(detail)
            .diff(Diff::joined(diffs))
            .into())
    }
}

fn certificates() -> PackageName {
    fixed("ca-certificates")
}

fn fixed_folder(path: &'static str) -> HostPath {
    fixed(path)
}

impl AptRepository {
    /// Reads what the check of the key says, and what apt says of it; where the key is from decides what is to be corrected.
    fn remedy_of_key(&self, output: &str) -> Option<Remedy> {
        let says = |words: &[&str]| words.iter().any(|words| output.contains(words));
        let other_form = says(&["is not in ASCII armour", "is not in binary form"]);
        let not_signed = says(&[
            "NO_PUBKEY",
            "Missing key",
            "is not signed",
            "BADSIG",
            "EXPKEYSIG",
            "signatures were invalid",
        ]);
        Some(match &self.signed_by {
            Some(path) if other_form => Remedy::from(format!(
                "apt tells by the name of a keyring what is in it, .asc for ASCII armour and .gpg for binary form: correct {path} on the host, or name another one in `signed_by`"
            )),
            Some(path) if says(&["there is no key "]) => Remedy::from(format!(
                "{path} is empty: name another keyring in `signed_by`"
            )),
            Some(path) if not_signed => Remedy::from(format!(
                "the repository is not signed by a key of {path}: name another keyring in `signed_by`, or give the key of whoever publishes the repository by `key` or `key_url` in its place, and see whether it has ended; nothing was put in place"
            )),
            None if says(&["is not in ASCII armour"]) => Remedy::from(
                "what is at `key_url` is no key in ASCII armour: look at it, and set `key_binary: true` if it is a key in binary form",
            ),
            None if says(&["is not in binary form"]) => Remedy::from(
                "what is at `key_url` is no key in binary form: look at it, and leave out `key_binary` if it is a key in ASCII armour",
            ),
            None if not_signed => Remedy::from(
                "the repository is not signed by this key: take the key from whoever publishes the repository, and see whether it has ended; nothing was put in place",
            ),
            Some(_) | None => return None,
        })
    }
}

impl Manage for AptRepository {
    fn kind(&self) -> &'static str {
        "apt_repository"
    }

    fn id(&self) -> String {
        self.name.to_string()
    }

    fn place(&self) -> Option<(&HostPath, AtEnd)> {
        None
    }

    fn stage(&self) -> Stage {
        Stage::BeforePackages
    }

    fn check(&self) -> Result<(), String> {
        let refuse = |problem: String| Err(format!("apt_repository {}: {problem}", self.name));
        if self.state == State::Absent {
            return Ok(());
        }
        if self.uris.is_empty() || self.suites.is_empty() || self.types.is_empty() {
            return refuse("`uris`, `suites` and `types` are needed".to_owned());
        }
        let words = [&self.suites, &self.components, &self.architectures];
        for word in words.into_iter().flatten() {
            let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._/~+:".contains(&b);
            if word.is_empty() || word.starts_with('-') || !word.bytes().all(fits) {
                return refuse(format!(
                    "{word:?} is no suite, component or architecture; use letters, digits and '-._/~+:'"
                ));
            }
        }
        let flat = self.suites.iter().filter(|suite| suite.ends_with('/'));
        match (flat.count(), self.components.is_empty()) {
            (0, true) => return refuse("`components` is needed".to_owned()),
            (0, false) => {}
            (count, true) if count == self.suites.len() => {}
            (_, true) => return refuse("suites that end with '/' have no components, the others need them; declare two repositories".to_owned()),
            (_, false) => return refuse("a suite that ends with '/' is a folder and has no components; leave them out".to_owned()),
        }
        for (name, value) in &self.options {
            let lower = name.to_ascii_lowercase();
            if OWN_FIELDS.contains(&lower.as_str()) {
                return refuse(format!(
                    "'{name}' in `options` is said by a field of the resource; use that"
                ));
            }
            if INSECURE.contains(&lower.as_str()) {
                return refuse(format!(
                    "'{name}' would have apt install what nobody has signed; leave it out"
                ));
            }
            let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            if !plain || name.is_empty() || value.is_empty() || value.chars().any(char::is_control)
            {
                return refuse(format!(
                    "{name:?} in `options` is no field with a value in one line"
                ));
            }
        }
        let pattern = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.*?".contains(&b);
        let odd = |name: &&String| name.is_empty() || !name.bytes().all(pattern);
        if let Some(name) = self.packages.iter().find(odd) {
            return refuse(format!(
                "{name:?} in `packages` is no name of a package, nor a pattern with '*' and '?'"
            ));
        }
        if self.packages.contains("*") {
            return refuse("`packages` has '*', which is all; leave `packages` out".to_owned());
        }
        if self.priority == Some(0) {
            return refuse("apt knows no priority 0; give another number".to_owned());
        }
        self.check_servers().or_else(refuse)?;
        self.check_key().or_else(refuse)
    }

    fn probe(&self) -> Vec<Query> {
        let parts = self.parts();
        let parts = parts.iter().flat_map(|part| part.manage().probe());
        let keyring = self.signed_by.iter().map(|path| {
            Query::Path(PathQuestion {
                path: path.clone(),
                read: Read::Attributes,
            })
        });
        parts
            .chain(keyring)
            .chain([Query::Package(certificates()), Query::PackageLists(())])
            .collect()
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        if let Some(path) = &self.signed_by
            && self.state == State::Present
            && *facts.path(path)? == PathFact::Missing
        {
            return Ok(Planned::Impossible {
                cause: format!("the keyring {path} is not on the host"),
                hint: "correct the path, or give the key itself by `key` or `key_url` in the place of `signed_by`: repositories come before packages and files, so a keyring that one of those brings is not there in time".to_owned(),
            });
        }
        self.combine(facts)
    }

    fn former(&self, before: &Facts, after: &Facts) -> Result<Former, NotAsked> {
        let name = certificates();
        let is_there = |facts: &Facts| facts.package(&name).is_ok_and(PackageFact::is_installed);
        let comes = !is_there(before) && is_there(after);
        Ok(if comes {
            Former::stays(format!(
                "the package {name}, which was installed for it, stays"
            ))
        } else {
            Former::files()
        })
    }

    fn absent(&self) -> Option<Resource> {
        Some(Resource::AptRepository(Self {
            name: self.name.clone(),
            uris: Vec::new(),
            suites: Vec::new(),
            components: Vec::new(),
            types: binary(),
            architectures: Vec::new(),
            options: BTreeMap::new(),
            key: None,
            key_url: None,
            key_sha256: None,
            key_binary: false,
            signed_by: None,
            packages: BTreeSet::new(),
            priority: None,
            state: State::Absent,
        }))
    }

    fn contents(&self) -> Vec<&Content> {
        self.key.iter().collect()
    }

    fn contents_mut(&mut self) -> Vec<&mut Content> {
        self.key.iter_mut().collect()
    }

    fn remedy(&self, output: &str) -> Option<Remedy> {
        self.remedy_of_key(output)
            .or_else(|| remedy(output))
            .or_else(|| packages::remedy(output))
    }
}

/// Reads what apt says of the source.
fn remedy(output: &str) -> Option<Remedy> {
    let says = |words: &[&str]| words.iter().any(|words| output.contains(words));
    if says(&["does not have a Release file", "doesn't have the component"]) {
        Some("the repository has no such suite or component: look at its folder `dists`; nothing was put in place".into())
    } else if says(&["Hash Sum mismatch"]) {
        Some("the address of the key has a file with another digest: take `key_sha256` from whoever publishes the repository".into())
    } else {
        None
    }
}
