//! Access to the API of the DNS provider.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Declarations, HostContext, fixed};
use crate::Secret;
use crate::diagnostic::Diagnostic;
use crate::promise::{ApiAccount, Promises};
use crate::resource::{Declared, File, Resource};
use crate::value::{HttpUrl, Mode};

/// Variables of the role.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Variables {
    /// Token for Linode's API (Linode calls it a personal access token); it needs to read and write domains.
    dns_linode_key: Secret,
    /// Where Linode's API has its domains.
    #[serde(default = "linode")]
    dns_linode_base_url: HttpUrl,
}

fn linode() -> HttpUrl {
    fixed("https://api.linode.com/v4/domains")
}

/// The file with the token, which the roles `dynamic_dns` and `mail_certificates` read.
pub(super) const CREDENTIALS: &str = "/usr/local/etc/linode.ini";

pub(super) fn resources(cx: &HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("dns_api")?;
    let mut role = Declarations::new("dns_api");
    if !is_token(variables.dns_linode_key.expose()) {
        return Err(vec![
            Diagnostic::new(format!(
                "host {}: 'dns_linode_key' is not a token",
                cx.host.name()
            ))
            .hint("a token has letters, digits and '-._~+/=' only; copy it once more"),
        ]);
    }
    let content = cx
        .render("dns_api/linode.ini")
        .secret("key", &variables.dns_linode_key)
        .finish();
    if let Some(content) = role.take(content) {
        let mut file = File::new(fixed(CREDENTIALS), content);
        file.mode = Mode::new(0o600);
        role.add(Resource::File(file));
    }
    role.finish()
}

/// Gives the address of the API's domains, without a slash at its end, to a role that needs this one beside it.
pub(crate) fn address(cx: &HostContext<'_>, role: &str) -> Result<String, Vec<Diagnostic>> {
    let host = cx.host.name();
    if !cx.host.has_role("dns_api") {
        return Err(vec![
            Diagnostic::new(format!(
                "host {host}: the role {role} needs the token that the role dns_api keeps"
            ))
            .hint("give the host the role dns_api, too"),
        ]);
    }
    let variables: Variables = cx.vars.typed("dns_api")?;
    let address = variables.dns_linode_base_url.as_str();
    if address.contains('?') {
        return Err(vec![
            Diagnostic::new(format!("host {host}: 'dns_linode_base_url' has a query"))
                .hint("give the address up to its path"),
        ]);
    }
    Ok(address.trim_end_matches('/').to_owned())
}

pub(super) fn promises(
    cx: &HostContext<'_>,
    promises: &mut Promises,
) -> Result<(), Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("dns_api")?;
    promises.api_accounts.push(ApiAccount {
        host: cx.host.name().to_owned(),
        token: variables.dns_linode_key,
    });
    Ok(())
}

/// Tells whether a text can be a bearer token (RFC 6750, section 2.1); it then needs no quotes anywhere.
fn is_token(text: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    !text.is_empty() && text.chars().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_need_quotes_is_no_token() {
        assert!(is_token("0123456789abcdefABCDEF-._~+/="));
        for text in ["", "two words", "a#b", "a\nb", "a\"b", "ä"] {
            assert!(!is_token(text), "{text:?}");
        }
    }
}
