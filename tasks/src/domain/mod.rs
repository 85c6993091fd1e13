//! Hosted domains: what their files say, and what is wrong with it.
//!
//! Owns the texts of the folder of domains and the checks of each domain against the estate and the other domains. Who
//! makes what of a domain on which host is the business of [`role`]. A domain's name becomes part of file names, names
//! of databases and configuration, so nothing but a plain DNS name in lower case is accepted.

mod check;
mod parts;
pub mod role;
mod settings;
mod site;
mod value;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

pub(crate) use check::variables;
pub use parts::{Origin, Parts, SitePlugin, SiteTheme};
pub use settings::{DynamicDns, MailGateway, MailUser, Settings, SiteTls, Webhost, WordPressAdmin};
pub use site::Site;
pub use value::{
    ArchiveDigest, ArchiveName, AskedHost, HostLabel, LocalPart, MailAddress, PhpModule,
};

use crate::content::Content;
use crate::estate::{self, Layer, Sources, Vars, parse_bytes};
use crate::value::DomainName;
use crate::{Diagnostic, Place, Secret};

/// Names of a domain's files: the public one and the one that is not in version control.
const PUBLIC: &str = "domain.yml";
const PRIVATE: &str = "domain.private.yml";
const SEALED: &str = "domain.private.yml.age";

/// Folder of the archives of plugins and themes, beside those files.
const ARCHIVES: &str = "archives/";

/// Every domain of an estate, by name.
#[derive(Debug, Clone, Default)]
pub struct Domains(BTreeMap<DomainName, Domain>);

/// A hosted domain.
#[derive(Debug, Clone)]
pub struct Domain {
    name: DomainName,
    settings: Settings,
    layer: Layer,
    file: String,
    /// Archives of plugins and themes, by the names of their files.
    archives: BTreeMap<String, Content>,
    /// Made when they are first needed, because that takes long on purpose.
    hashes: OnceLock<BTreeMap<LocalPart, Secret>>,
}

/// Logarithm of bcrypt's rounds for the passwords of users.
const COST: u32 = 9;

impl Domain {
    /// Gives the name, in lower case.
    #[must_use]
    pub const fn name(&self) -> &DomainName {
        &self.name
    }

    /// Gives what only a domain can say.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Adds the domain's settings of roles' variables to those of a host.
    #[must_use]
    pub fn over<'e>(&'e self, vars: Vars<'e>) -> Vars<'e> {
        vars.with_domain(&self.layer)
    }

    /// Tells whether anybody has mail in the domain.
    #[must_use]
    pub fn has_mail(&self) -> bool {
        !self.settings.users.is_empty()
    }

    /// Gives the full name of a web site.
    #[must_use]
    pub fn site(&self, webhost: &HostLabel) -> DomainName {
        self.sub(webhost.as_str())
    }

    /// Gives the name of something in the domain, by a label that is known to be one. A name beyond the length that DNS
    /// has room for is refused when the domain is read.
    #[must_use]
    pub fn sub(&self, label: &str) -> DomainName {
        DomainName::new(format!("{label}.{}", self.name)).unwrap_or_else(|_| self.name.clone())
    }

    /// Gives the hash of a user's password in the form of crypt(5), which both the system's accounts and Dovecot take.
    ///
    /// The salt is made of the address, so that the same password gives the same hash the next time; it still differs
    /// from user to user, which is what a salt is for.
    #[must_use]
    pub fn password_hash(&self, user: &LocalPart) -> Secret {
        let hashes = self.hashes.get_or_init(|| {
            let hashed = |(name, password): (&LocalPart, &Secret)| {
                let digest = Sha256::digest(format!("{name}@{}", self.name));
                let mut salt = [0; 16];
                salt.copy_from_slice(&digest[..16]);
                // What could be wrong, the length and a NUL in the password, was checked before.
                let hash = |text: &str| {
                    let made = bcrypt::hash_with_salt(text, COST, salt);
                    made.map_or_else(
                        |_| "*".to_owned(),
                        |parts| parts.format_for_version(bcrypt::Version::TwoY),
                    )
                };
                (name.clone(), password.map(hash))
            };
            self.settings.user_passwords.iter().map(hashed).collect()
        });
        hashes
            .get(user)
            .cloned()
            .unwrap_or_else(|| Secret::new("*"))
    }

    /// Describes a mistake in a setting, by the keys that lead to it.
    pub(crate) fn mistake(&self, keys: &[&str], message: impl Into<String>) -> Diagnostic {
        Diagnostic::at(self.place(keys), message)
    }

    /// Points at a setting, by the keys that lead to it; at the file where there is no such setting.
    fn place(&self, keys: &[&str]) -> Place {
        let Some((first, rest)) = keys.split_first() else {
            return Place::file(&self.file);
        };
        let Some(variable) = self.layer.get(first) else {
            return Place::file(&self.file);
        };
        if rest.is_empty() {
            return variable.mark().place();
        }
        let mut node = variable.node();
        for key in rest {
            match node.get(key) {
                Some(found) => node = found,
                None => break,
            }
        }
        node.mark().place()
    }
}

impl Domains {
    /// Reads every domain from the files of the folder of domains, each in a folder with its name.
    ///
    /// ```
    /// use tasks::domain::Domains;
    /// use tasks::estate::Sources;
    ///
    /// let sources = Sources::new("domains").with("example.com/domain.yml", "organisation: Example\n");
    /// assert_eq!(Domains::load(&sources).unwrap().get("example.com").unwrap().settings().organisation, "Example");
    /// ```
    pub fn load(sources: &Sources) -> Result<Self, Vec<Diagnostic>> {
        let mut mistakes = Vec::new();
        let mut found: BTreeMap<&str, [Option<&[u8]>; 3]> = BTreeMap::new();
        let mut archives: BTreeMap<&str, BTreeMap<String, Content>> = BTreeMap::new();
        for (path, bytes) in sources.files() {
            if path == "README.md" || path.split('/').any(|part| part.starts_with('.')) {
                continue;
            }
            match path.split_once('/') {
                Some((name, PUBLIC)) => found.entry(name).or_default()[0] = Some(bytes),
                Some((name, PRIVATE)) => found.entry(name).or_default()[1] = Some(bytes),
                Some((name, SEALED)) => found.entry(name).or_default()[2] = Some(bytes),
                Some((_, "README.md")) => {}
                Some((name, file)) if archive(file).is_some() => {
                    let files = archives.entry(name).or_default();
                    files.extend(archive(file).map(|file| (file.to_owned(), parts::kept(bytes))));
                }
                Some(_) | None => mistakes.push(stray(sources, path)),
            }
        }
        for name in archives.keys().filter(|name| !found.contains_key(*name)) {
            mistakes.push(stray(sources, &format!("{name}/{ARCHIVES}")));
        }
        let mut domains = BTreeMap::new();
        for (name, texts) in found {
            match read(sources, name, texts) {
                Ok(mut domain) => {
                    domain.archives = archives.remove(name).unwrap_or_default();
                    domains.insert(domain.name.clone(), domain);
                }
                Err(more) => mistakes.extend(more),
            }
        }
        if mistakes.is_empty() {
            Ok(Self(domains))
        } else {
            mistakes.sort();
            Err(mistakes)
        }
    }

    /// Finds a domain by its name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Domain> {
        self.iter().find(|domain| domain.name.as_str() == name)
    }

    /// Lists the domains in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Domain> {
        self.0.values()
    }

    /// Lists the names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(DomainName::as_str)
    }

    /// Counts the domains.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Gives the schema of [`Settings`], with their documentation.
#[must_use]
pub fn settings_schema() -> schemars::Schema {
    schemars::schema_for!(Settings)
}

/// Checks what is to name a domain: labels of lower-case letters, digits and `-`, at least two of them, the last one not
/// a number (RFC 1123, section 2.1, and RFC 3696, section 2).
pub fn domain_name(text: &str) -> Result<DomainName, String> {
    let refuse = |problem: &str| Err(format!("{text:?} is not the name of a domain: {problem}"));
    let Ok(name) = DomainName::new(text) else {
        return refuse("use letters, digits, '-', and dots between the parts");
    };
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return refuse("write it in lower case");
    }
    let last = text.rsplit('.').next().unwrap_or_default();
    if !text.contains('.') || last.bytes().all(|byte| byte.is_ascii_digit()) {
        return refuse("it needs a part after a dot that is not a number, such as '.com'");
    }
    // Names below it, of which the longest that prov makes by itself is `smtp.`.
    if text.len() > 253 - "smtp.".len() {
        return refuse("there must be room for names below it");
    }
    Ok(name)
}

fn read(
    sources: &Sources,
    name: &str,
    [public, private, sealed]: [Option<&[u8]>; 3],
) -> Result<Domain, Vec<Diagnostic>> {
    let file = sources.file(&format!("{name}/{PUBLIC}"));
    let named =
        domain_name(name).map_err(|problem| Diagnostic::at(Place::file(&file), problem).alone())?;
    let Some(public) = public else {
        let place = Place::file(sources.file(&format!("{name}/{PRIVATE}")));
        let mistake = Diagnostic::at(place, format!("there is no {PUBLIC} beside it"));
        return Err(mistake.hint(format!("write {file}")).alone());
    };
    let mut layer = Layer::new(estate::Origin::Domain(name.to_owned()));
    let mut mistakes = Vec::new();
    let texts = [
        (PUBLIC, Some(public), false),
        (PRIVATE, private, true),
        (SEALED, sealed, true),
    ];
    for (own, bytes, is_private) in texts {
        let Some(bytes) = bytes else { continue };
        let shown = sources.file(&format!("{name}/{own}"));
        match parse_bytes(&shown, bytes, is_private) {
            Ok(mut node) => {
                mistakes.extend(sources.filled(bytes, &mut node));
                mistakes.extend(layer.add(&node).err().into_iter().flatten());
            }
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let settings = layer.typed::<Settings>(|field| {
        Diagnostic::at(
            Place::file(&file),
            format!("the domain needs '{field}', which is not set"),
        )
        .hint(format!("set it in {file}"))
    })?;
    Ok(Domain {
        name: named,
        settings,
        layer,
        file,
        archives: BTreeMap::new(),
        hashes: OnceLock::new(),
    })
}

/// Gives the name of a file among the archives, if it is one.
fn archive(path: &str) -> Option<&str> {
    let name = path.strip_prefix(ARCHIVES)?;
    ArchiveName::new(name).is_ok().then_some(name)
}

fn stray(sources: &Sources, path: &str) -> Diagnostic {
    let mistake = Diagnostic::at(Place::file(sources.file(path)), "nothing reads this file");
    mistake.hint(format!(
        "a domain has NAME/{PUBLIC}, NAME/{PRIVATE} and NAME/{ARCHIVES} in the folder of domains"
    ))
}
