//! Plugins and themes of web sites: unpacked by prov, made active by WordPress.
//!
//! What is no longer named goes: a plugin is made inactive before that, and a theme goes after another is the site's. What came
//! from elsewhere is not touched.

use super::DomainDeclarations;
use crate::diagnostic::Diagnostic;
use crate::domain::{Domain, Site, Webhost};
use crate::resource::{Archive, ArchiveFormat, Handler, Packages, Resource, WordPress};
use crate::role::{checked, fixed};
use crate::value::WordPressLocale;

/// Declares the files of plugins and themes. Whether they are in use is asked when they go, not when the whole site does: its
/// configuration goes before them then. The web server is told of other files: PHP would know them by their times alone, which
/// archives may have in common.
pub(super) fn files(
    made: &mut DomainDeclarations,
    domain: &Domain,
    site: &Site<'_>,
    webhost: &Webhost,
    reload: &Handler,
) -> Result<(), Diagnostic> {
    let folder = site.folder();
    for (name, plugin) in webhost.plugins.iter() {
        let path = checked(format!("{folder}/plugins/{name}"))?;
        if let Some(archive) = plugin.origin().unpacked(domain, path, None) {
            unpacks(made, &archive);
            made.add(Resource::Archive(archive)).notifies(reload);
            let unused = WordPress::plugin(site.name.clone(), name.clone(), false);
            made.at_the_end(Resource::WordPress(unused));
        }
    }
    for (name, theme) in webhost.themes.iter() {
        let path = checked(format!("{folder}/themes/{name}"))?;
        if let Some(archive) = theme.origin().unpacked(domain, path, Some("style.css")) {
            unpacks(made, &archive);
            made.add(Resource::Archive(archive))
                .notifies(reload)
                .goes_last();
            let unused = WordPress::theme(site.name.clone(), name.clone(), false);
            made.at_the_end(Resource::WordPress(unused)).goes_last();
        }
    }
    Ok(())
}

/// Declares the packages that a site needs besides those of every site. They stay, as other sites may need them.
pub(super) fn packages(
    made: &mut DomainDeclarations,
    webhost: &Webhost,
    reload: &Handler,
) -> Result<(), Diagnostic> {
    let modules = webhost.php_modules.iter();
    let modules: Vec<_> = modules
        .map(|name| checked(format!("php-{name}")))
        .collect::<Result<_, _>>()?;
    if !modules.is_empty() {
        made.once(Resource::Packages(Packages::new(modules)))
            .notifies(reload);
    }
    if webhost.locale.as_ref().is_some_and(is_translated) {
        made.once(Resource::Packages(Packages::new([fixed("wordpress-l10n")])));
    }
    Ok(())
}

/// Tells whether a language needs texts besides WordPress' own.
pub(super) fn is_translated(locale: &WordPressLocale) -> bool {
    locale.as_str() != "en_US"
}

/// Declares the program that an archive needs; it stays, as other sites may need it.
fn unpacks(made: &mut DomainDeclarations, archive: &Archive) {
    let package = archive.format().and_then(ArchiveFormat::package);
    if let Some(package) = package {
        made.once(Resource::Packages(Packages::new([package])));
    }
}

/// Declares what is chosen in a site that is installed.
pub(super) fn choices(made: &mut DomainDeclarations, site: &Site<'_>, webhost: &Webhost) {
    if let Some(locale) = &webhost.locale {
        let language = WordPress::language(site.name.clone(), locale.clone());
        made.once(Resource::WordPress(language));
    }
    for (name, plugin) in webhost.plugins.iter() {
        let plugin = WordPress::plugin(site.name.clone(), name.clone(), plugin.active);
        made.once(Resource::WordPress(plugin));
    }
    for (name, _) in webhost.themes.iter().filter(|(_, theme)| theme.active) {
        let theme = WordPress::theme(site.name.clone(), name.clone(), true);
        made.once(Resource::WordPress(theme));
    }
}
