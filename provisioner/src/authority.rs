//! The estate's own authority for certificates: found, or made when it is first needed.
//!
//! It is a PEM file with a certificate and a private key: `authority.private.pem` in the estate's folder where people
//! share one, otherwise among what prov remembers on this machine. Without the file there is a new authority, and every
//! certificate of the old one is issued anew.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use tasks::Secret;
use tasks::authority::Authority;

use crate::report::problem::Problem;
use crate::state::State;

/// Name of the file.
pub(crate) const FILE: &str = "authority.private.pem";

/// Line that begins a private key (RFC 7468, section 10).
const KEY: &str = "-----BEGIN PRIVATE KEY-----";

/// Finds the authority of an estate, or makes it.
pub(crate) fn of(estate: &str, folder: &Path, state: &State) -> Result<Authority, Problem> {
    let shared = folder.join(FILE);
    if shared.exists() {
        return read(&shared);
    }
    let own = state.path(FILE);
    if own.exists() {
        return read(&own);
    }
    let unusable = |error: String| {
        Problem::usage(
            format!("no authority can be made for the estate: {error}"),
            "check the machine's clock and its random numbers",
        )
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|error| unusable(error.to_string()))?;
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| unusable(error.to_string()))?;
    let authority = Authority::new(estate, &random, now.as_secs()).map_err(unusable)?;
    let text = format!("{}{}", authority.certificate, authority.key.expose());
    state.write_private(FILE, text.as_bytes())?;
    Ok(authority)
}

fn read(path: &Path) -> Result<Authority, Problem> {
    let hint = "put a certificate and its P-256 key (PKCS #8) into it as PEM, readable by you alone; or remove it, and a new authority is made";
    let text =
        std::fs::read_to_string(path).map_err(|error| Problem::file("read", path, &error, hint))?;
    let wrong = |what: &str| Problem::usage(format!("{}: {what}", path.display()), hint);
    let at = text
        .find(KEY)
        .ok_or_else(|| wrong("it has no private key"))?;
    let (before, key) = text.split_at(at);
    let end = key.rfind("-----").map_or(key.len(), |end| end + 5);
    let (key, after) = key.split_at(end.min(key.len()));
    let authority = Authority {
        certificate: format!("{before}{}", after.trim_start()),
        key: Secret::new(format!("{}\n", key.trim_end())),
    };
    authority.check().map_err(|error| wrong(&error))?;
    Ok(authority)
}
