//! Roles: each turns the variables of a host into the resources that it needs.
//!
//! One role is one file here and one row of `registry`; [`Catalogue`] holds them. Its variables are a typed struct with a description for every
//! field, from which the reference and the check for unknown variables are made. A role never assumes that it is
//! alone on its host: it owns whole files and drop-in folders of its own.

mod arrange;
pub(crate) mod backup;
mod backup_client;
mod backup_director;
mod backup_dropbox;
mod backup_storage;
mod calendar;
mod capability;
mod catalogue;
mod check;
pub(crate) mod database;
mod declarations;
pub(crate) mod dns;
pub(crate) mod dns_api;
mod dns_client;
pub(crate) mod dynamic_dns;
mod hidden;
pub(crate) mod mail;
pub(crate) mod mail_certificates;
pub(crate) mod mail_external;
mod mail_gateway;
pub(crate) mod mail_internal;
pub(crate) mod mta;
mod order;
mod own;
mod reach;
mod registry;
mod relied;
pub(crate) mod reverse_proxy;
mod served;
pub(crate) mod wordpress;

pub use arrange::arrange;
pub use capability::Capability;
pub use catalogue::{Catalogue, Entry, HostContext, Inputs, Role, resources};
pub(crate) use catalogue::{promises, variable_names};
pub use check::{check, notes, unknown};
pub(crate) use declarations::Declarations;
pub use dns_client::name_servers;
pub use mta::{ConfigType, MailServer, Takes};
pub use own::OwnRole;
pub(crate) use own::{BESIDE, BESIDE_CHECK, For, Hosted, from_folder};
pub use relied::{relied_on, taken_from_under};
pub use served::{Served, served};
pub use wordpress::COPIER as SITE_COPIER;

use crate::diagnostic::Diagnostic;
pub(crate) use crate::value::fixed;

/// Gives a value that is made of a text which may hold what an estate says.
pub(crate) fn checked<T: TryFrom<String, Error = String>>(text: String) -> Result<T, Diagnostic> {
    T::try_from(text).map_err(Diagnostic::new)
}
