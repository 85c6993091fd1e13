//! Paths on hosts.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AccountName, ApacheModuleName, DomainName, ModuleName, NftTable, PackageName, SysctlKey,
    TimeZone, UnitName, Word,
};

/// Marks names that are valid parts of a path: not empty, without a slash, neither `.` nor `..`.
pub(crate) trait FileName: fmt::Display {}

impl FileName for DomainName {}

impl FileName for Word {}

/// Holds the absolute path of something on a host.
///
/// It has no `.` or `..` component, no control character, no backslash and no trailing slash, so that two equal
/// places have equal texts and `sha256sum` prints it as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPath(String);

impl HostPath {
    /// Checks a path.
    pub fn new(path: impl Into<String>) -> Result<Self, String> {
        let path = path.into();
        if !path.starts_with('/') {
            return Err(format!(
                "'{path}' is not an absolute path; write it from '/'"
            ));
        }
        if path.chars().any(|c| c.is_control() || c == '\\') {
            return Err(format!(
                "the path {path:?} has a control character or a backslash"
            ));
        }
        if path != "/"
            && path
                .split('/')
                .skip(1)
                .any(|part| part.is_empty() || part == "." || part == "..")
        {
            return Err(format!(
                "the path '{path}' has an empty, '.' or '..' part; write it plainly"
            ));
        }
        Ok(Self(path))
    }

    /// Gives the path's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Gives the folder that holds it; `/` is its own parent.
    #[must_use]
    pub fn parent(&self) -> Self {
        match self.0.rfind('/') {
            Some(0) | None => Self("/".to_owned()),
            Some(at) => Self(self.0[..at].to_owned()),
        }
    }

    /// Gives the path of something in this folder, by a name from prov's own code, which is a valid part of a path.
    pub(crate) fn child(&self, name: &'static str) -> Self {
        Self(format!("{}/{name}", self.0.trim_end_matches('/')))
    }

    /// Gives the path of something in this folder, by a name that cannot lead out of it, between two texts from prov's
    /// own code.
    pub(crate) fn join(
        &self,
        before: &'static str,
        name: &impl FileName,
        after: &'static str,
    ) -> Self {
        let folder = self.0.trim_end_matches('/');
        Self(format!("{folder}/{before}{name}{after}"))
    }

    /// Gives the path of something beside this one, whose name ends with a suffix from prov's own code.
    pub(crate) fn with_suffix(&self, suffix: &'static str) -> Self {
        Self(format!("{}{suffix}", self.0))
    }

    /// Gives the home that an account has unless it was given another: `/root`, or `/home/NAME`.
    #[must_use]
    pub fn usual_home(account: &AccountName) -> Self {
        Self(match account.as_str() {
            "root" => "/root".to_owned(),
            name => format!("/home/{name}"),
        })
    }

    /// Gives the file by which Apache loads a module, in `mods-available` or `mods-enabled`.
    #[must_use]
    pub(crate) fn apache_module(folder: &'static str, name: &ApacheModuleName) -> Self {
        Self(format!("/etc/apache2/{folder}/{name}.load"))
    }

    /// Gives the file that says where a package comes from (`apt_preferences(5)`), in whose name apt takes no `+`. It comes before
    /// those of repositories: of what names a package, the first counts.
    #[must_use]
    pub(crate) fn package_preferences(name: &PackageName) -> Self {
        let name = name.as_str().replace('+', "_");
        Self(format!("/etc/apt/preferences.d/00-{name}.pref"))
    }

    /// Takes over a path from prov's own code, which is a valid one.
    pub(crate) fn known(path: &'static str) -> Self {
        Self(path.to_owned())
    }

    /// Gives the file of an administrator's own that describes a unit, or a part of it.
    #[must_use]
    pub(crate) fn unit(name: &UnitName, drop_in: Option<&Word>) -> Self {
        let unit = format!("/etc/systemd/system/{}", name.unit());
        Self(match drop_in {
            Some(drop_in) => format!("{unit}.d/{drop_in}.conf"),
            None => unit,
        })
    }

    /// Gives the file by which a package brings a unit of that name.
    #[must_use]
    pub(crate) fn packaged_unit(name: &UnitName) -> Self {
        Self(format!("/usr/lib/systemd/system/{}", name.unit()))
    }

    /// Gives the file that holds one setting of the kernel. What is read later counts (sysctl.d(5)), and so it comes after the files
    /// of packages and after `99-sysctl.conf`.
    #[must_use]
    pub(crate) fn sysctl(key: &SysctlKey) -> Self {
        // A key has no `+`, so each has a name of its own.
        let name = key.slashed().replace('.', "+").replace('/', ".");
        Self(format!("/etc/sysctl.d/99-zz-{name}.conf"))
    }

    /// Gives the file of a table of the firewall.
    #[must_use]
    pub(crate) fn nft_table(table: &NftTable) -> Self {
        Self(format!("/etc/nftables.d/{}.nft", table.file_name()))
    }

    /// Gives the file that has a module of the kernel loaded at boot (modules-load.d(5)).
    #[must_use]
    pub(crate) fn modules_load(name: &ModuleName) -> Self {
        Self(format!(
            "/etc/modules-load.d/prov-{}.conf",
            name.loaded_as()
        ))
    }

    /// Gives the file that says how a module of the kernel is loaded (modprobe.d(5)).
    #[must_use]
    pub(crate) fn modprobe(name: &ModuleName) -> Self {
        Self(format!("/etc/modprobe.d/prov-{}.conf", name.loaded_as()))
    }

    /// Gives the file of a time zone.
    #[must_use]
    pub(crate) fn time_zone(zone: &TimeZone) -> Self {
        Self(format!("/usr/share/zoneinfo/{zone}"))
    }

    /// Tells whether this path lies below a folder.
    #[must_use]
    pub fn is_below(&self, folder: &Self) -> bool {
        folder.0 == "/" && self.0 != "/"
            || self
                .0
                .strip_prefix(&folder.0)
                .is_some_and(|rest| rest.starts_with('/'))
    }
}

impl TryFrom<String> for HostPath {
    type Error = String;

    fn try_from(path: String) -> Result<Self, String> {
        Self::new(path)
    }
}

impl From<HostPath> for String {
    fn from(path: HostPath) -> Self {
        path.0
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for HostPath {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Path".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "path" })
    }

    fn inline_schema() -> bool {
        true
    }
}
