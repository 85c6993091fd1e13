//! What the checks of web sites must know of the estate and its domains, and the clients that they need.

use std::path::Path;

use tasks::domain::{Domain, Site};
use tasks::estate::{Host, Location};

use super::super::app::App;
use super::super::client;
use super::super::containers::Shown;
use super::unless_stopped;
use crate::docker::{BROWSER, EstateContainers};
use crate::report::problem::Problem;
use crate::verify::{self, Check, EvidenceKind, WebScope, WebServer, WebSite};

/// Folder of the current one in which pictures of pages are kept.
const ARTEFACTS: &str = ".artefacts";

/// Makes the checks, none where no domain has a web site.
pub(super) async fn run(app: &App) -> Result<Vec<Check>, Problem> {
    let sites = sites(app)?;
    if sites.is_empty() {
        return Ok(Vec::new());
    }
    let containers = app.containers().await?;
    let pictured = |outside: bool| {
        let mut sites = sites.iter();
        sites.any(|site| site.pictured && site.outside == outside)
    };
    let inside = open(app, &containers, Location::Internal, pictured(false)).await?;
    let outside = match open(app, &containers, Location::External, pictured(true)).await {
        Ok(outside) => outside,
        Err(problem) => {
            inside.close().await?;
            return Err(problem);
        }
    };
    // The clients' containers must go, also when the user has seen enough.
    let checks = unless_stopped(verify::web(&sites, &containers, &inside, &outside)).await;
    let closed = (inside.close().await, outside.close().await);
    let mut checks = checks?;
    closed.0?;
    closed.1?;
    keep(app, &mut checks)?;
    Ok(checks)
}

/// Opens the clients of a scope.
async fn open(
    app: &App,
    containers: &EstateContainers,
    location: Location,
    with_browser: bool,
) -> Result<WebScope, Problem> {
    let scope = client::scope(app, location.as_str())?;
    let shown = Shown::new(app);
    let progress = |host: &str, doing: &str| shown.show(host, doing);
    let curl = containers.open_client("curl", &scope, &progress).await?;
    let browser = if with_browser {
        match containers.open_client(BROWSER, &scope, &progress).await {
            Ok(browser) => Some(browser),
            Err(error) => {
                curl.close().await?;
                return Err(error.into());
            }
        }
    } else {
        None
    };
    shown.clear();
    let name = match location {
        Location::Internal => "inside",
        Location::External => "outside",
    };
    Ok(WebScope {
        name,
        curl,
        browser,
    })
}

/// Gathers what to expect of every site of every domain.
fn sites(app: &App) -> Result<Vec<WebSite>, Problem> {
    let mut expected = Vec::new();
    for domain in app.domains.iter() {
        let mut sites = Vec::new();
        for (label, webhost) in &domain.settings().webhosts {
            let site = Site::find(&app.estate, domain, label, webhost)?;
            sites.push(expectations(app, domain, &site)?);
        }
        // The one that the domain's name leads to, or any where it leads to none.
        let one = sites.iter().position(|site| site.bare.is_some());
        if let Some(site) = sites.get_mut(one.unwrap_or(0)) {
            site.pictured = true;
        }
        expected.extend(sites);
    }
    Ok(expected)
}

fn expectations(app: &App, domain: &Domain, site: &Site<'_>) -> Result<WebSite, Problem> {
    let exposed = app.estate.vars(site.database);
    let exposed: Option<bool> = exposed
        .value("database_expose_externally")
        .map_err(|mistake| vec![mistake])?;
    let server = |host: &Host| WebServer {
        name: host.name().to_owned(),
        address: host.address(),
    };
    Ok(WebSite {
        name: site.name.to_string(),
        bare: site.bare.as_ref().map(ToString::to_string),
        organisation: domain.settings().organisation.clone(),
        uses_ssl: site.uses_ssl,
        outside: site.proxy.location() == Location::External,
        pictured: false,
        proxy: server(site.proxy),
        wordpress: (server(site.wordpress), site.port),
        database: server(site.database),
        database_exposed: exposed.unwrap_or(false),
        account: site.database_name(),
        account_from: site.account_from(),
        private_files: vec![site.configuration(), site.keys()],
    })
}

/// Keeps the pictures of pages as files.
fn keep(app: &App, checks: &mut [Check]) -> Result<(), Problem> {
    let failed = |path: &Path, error: &std::io::Error| {
        Problem::file(
            "write",
            path,
            error,
            "run prov in a folder in which you may write",
        )
    };
    for evidence in checks.iter_mut().flat_map(|check| &mut check.evidence) {
        let EvidenceKind::Png { bytes, file } = &mut evidence.kind else {
            continue;
        };
        let folder = Path::new(ARTEFACTS);
        std::fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
        let path = folder.join(format!("{}-{}.png", app.estate.name(), evidence.title));
        std::fs::write(&path, bytes).map_err(|error| failed(&path, &error))?;
        *file = Some(path.display().to_string());
    }
    Ok(())
}
