//! Pages as a browser shows them: headless Chromium in a client's container.

use std::net::SocketAddrV4;

use super::{ClientFile, ClientSession, DockerError, Engine, Progress};

/// The client that is a browser.
pub const BROWSER: &str = "chromium";

/// Where a picture is put inside the container.
const PICTURE: &str = "/tmp/page.png";

/// A page as the browser showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// A picture of it as a PNG file; empty where the page could not be loaded.
    pub png: Vec<u8>,
    /// The document after its scripts ran, as HTML.
    pub dom: String,
    /// What appeared on the browser's console, such as errors of scripts and what the page was not allowed to load.
    pub console: Vec<String>,
    /// Why the page could not be loaded, if so: `net::ERR_CERT_AUTHORITY_INVALID`, for example.
    pub problem: Option<String>,
}

impl Engine {
    /// Opens a browser on this machine that visits what a SOCKS5 proxy of its loopback leads to, and trusts an estate's authority.
    pub async fn open_browser(
        &self,
        (estate, release): (&str, &str),
        trust: Option<&str>,
        proxy: SocketAddrV4,
        progress: &Progress<'_>,
    ) -> Result<ClientSession, DockerError> {
        let files: Vec<_> = trust.map(ClientFile::authority).into_iter().collect();
        // Names are asked at the other end, as Chromium has it with SOCKS5. Nothing of a page reaches this machine's own services:
        // neither by its loopback, which Chromium leaves to the machine otherwise, nor past the proxy.
        let options = [
            format!("--proxy-server=socks5://{proxy}"),
            "--proxy-bypass-list=<-loopback>".to_owned(),
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1".to_owned(),
            "--force-webrtc-ip-handling-policy=disable_non_proxied_udp".to_owned(),
        ];
        let client = (BROWSER, release);
        self.open_here(client, estate, &files, options.into(), progress)
            .await
    }
}

impl ClientSession {
    /// Opens a page in a window of 1280 × 1024 pixels; the session must be one of the client [`BROWSER`].
    pub async fn page(&self, url: &str) -> Result<Page, DockerError> {
        self.other(&["rm", "--force", PICTURE], b"").await?;
        let picture = format!("--screenshot={PICTURE}");
        let output = self
            .run(&[
                "--enable-logging=stderr",
                "--window-size=1280,1024",
                "--timeout=30000",
                "--dump-dom",
                &picture,
                url,
            ])
            .await?;
        let said = output.errors();
        let mut problem = problem(&said);
        let picture = self.other(&["cat", PICTURE], b"").await?;
        if problem.is_none() && picture.stdout.is_empty() {
            let last = said.lines().next_back().unwrap_or("it said nothing");
            problem = Some(format!("the browser gave no picture ({last})"));
        }
        Ok(Page {
            png: picture.stdout,
            dom: output.text(),
            console: console(&said),
            problem,
        })
    }
}

/// Finds why a page could not be loaded.
fn problem(said: &str) -> Option<String> {
    let (_, rest) = said.split_once("Page load failed: ")?;
    Some(rest.lines().next().unwrap_or_default().trim().to_owned())
}

/// Finds what appeared on the console.
fn console(said: &str) -> Vec<String> {
    let lines = said.lines().filter(|line| line.contains(":CONSOLE:"));
    lines
        .filter_map(|line| Some(line.split_once("] ")?.1.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "[1122/191636.4:ERROR:dbus/bus.cc:405] Failed to connect to the bus: no file\n\
        [1122/191637.7:INFO:CONSOLE:1] \"Refused to load\", source: https://www.customer.com/ (1)\n";

    #[test]
    fn the_console_is_told_from_what_chromium_has_to_say_about_its_machine() {
        let line = "\"Refused to load\", source: https://www.customer.com/ (1)";
        assert_eq!(console(SAID), [line]);
        assert_eq!(problem(SAID), None);
    }

    #[test]
    fn a_page_that_does_not_load_says_why() {
        let failed = "[1122/1:ERROR:headless_command_handler.cc:403] Page load failed: net::ERR_NAME_NOT_RESOLVED\n";
        let problem = problem(&format!("{SAID}{failed}{SAID}"));
        assert_eq!(problem.as_deref(), Some("net::ERR_NAME_NOT_RESOLVED"));
    }
}
