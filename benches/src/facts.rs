//! The facts that a preview of the sample estate needs, read with as few programs as possible and no framing.

/// Packages that the sample estate's roles ask about.
pub const PACKAGES: &[&str] = &["bacula-fd", "exim4-daemon-light"];

/// What a name server has besides.
pub const DNS_PACKAGES: &[&str] = &["dnsmasq"];

/// Files that roles own whole.
pub const FILES: &[&str] = &[
    "/etc/bacula/bacula-fd.conf",
    "/etc/mailname",
    "/etc/exim4/update-exim4.conf.conf",
    "/etc/exim4/passwd.client",
    "/etc/resolv.conf",
];

/// Files of name servers.
pub const DNS_FILES: &[&str] = &["/etc/dnsmasq-hosts.d/estate", "/etc/dnsmasq.d/estate.conf"];

/// Files of which a role owns a line, so that they are read whole.
pub const EDITED: &[&str] = &["/etc/aliases", "/etc/hosts"];

/// Services.
pub const SERVICES: &[&str] = &["bacula-fd", "exim4"];

/// Tells whether the sample estate makes this host a name server.
#[must_use]
pub fn is_name_server(host: &str) -> bool {
    host.starts_with("dns-")
}

/// Gives the packages of a host.
#[must_use]
pub fn packages(host: &str) -> Vec<&'static str> {
    with(host, PACKAGES, DNS_PACKAGES)
}

/// Gives the files that roles own whole on a host.
#[must_use]
pub fn files(host: &str) -> Vec<&'static str> {
    with(host, FILES, DNS_FILES)
}

/// Gives the services of a host.
#[must_use]
pub fn services(host: &str) -> Vec<&'static str> {
    with(host, SERVICES, DNS_PACKAGES)
}

fn with(host: &str, all: &[&'static str], more: &[&'static str]) -> Vec<&'static str> {
    let more = if is_name_server(host) { more } else { &[] };
    all.iter().chain(more).copied().collect()
}

/// Writes the script of the floor for a host: which supervisor runs, whose the files are and what is in them, which
/// packages are installed and how old the lists are, accounts, services.
#[must_use]
pub fn script(host: &str) -> String {
    let files = files(host).join(" ");
    let edited = EDITED.join(" ");
    let packages = packages(host).join(" ");
    let services = services(host).join(" ");
    format!(
        r"export LC_ALL=C.UTF-8
cat /proc/1/comm {edited} /etc/passwd /etc/group
stat -c '%n %f %U %u %G %g %s' {files} {edited} /etc/dnsmasq-hosts.d /var/lib/apt/lists 2>/dev/null
sha256sum {files}
dpkg-query -W -f='${{Package}} ${{db:Status-Abbrev}} ${{Version}}\n' {packages}
sv status {services}
echo complete
"
    )
}

/// Tells what is missing in the answer to [`script`]; nothing if the host is as the estate wants it.
#[must_use]
pub fn missing(host: &str, answer: &str) -> Vec<String> {
    let installed = packages(host).into_iter().map(|name| format!("{name} ii "));
    let running = services(host)
        .into_iter()
        .map(|name| format!("run: {name}:"));
    let hashed = files(host).into_iter().map(|path| format!("  {path}\n"));
    installed
        .chain(running)
        .chain(hashed)
        .chain(["root: user1fname".to_owned(), "\ncomplete\n".to_owned()])
        .filter(|part| !answer.contains(part.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_lacks_a_fact_is_noticed() {
        let host = "dns-internal";
        let packages = packages(host)
            .into_iter()
            .map(|name| format!("{name} ii 1\n"));
        let services = services(host)
            .into_iter()
            .map(|name| format!("run: {name}: (pid 1) 2s\n"));
        let files = files(host).into_iter().map(|path| format!("abc  {path}\n"));
        let facts: Vec<_> = packages.chain(services).chain(files).collect();
        let whole = format!("root: user1fname\n{}complete\n", facts.concat());
        assert!(missing("dns-internal", &whole).is_empty());
        let stopped = whole.replace("run: dnsmasq", "down: dnsmasq");
        assert_eq!(missing("dns-internal", &stopped), ["run: dnsmasq:"]);
        assert!(missing("caldav", &stopped).is_empty());
    }
}
