//! The page that `prov verify --html` writes, opened in a browser.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use end_to_end::{Estate, docker, release};

/// What a browser made of a page.
struct Seen {
    dom: String,
    console: String,
    addresses: String,
    picture: u64,
}

/// Opens a page in the image of the client `chromium`, in a container without a network.
fn open(page: &str) -> Seen {
    let script = "cat >/tmp/page.html; \
        browser --enable-logging=stderr --log-net-log=/tmp/net.json --dump-dom --screenshot=/tmp/page.png \
            file:///tmp/page.html 2>/tmp/said; \
        echo =====; grep CONSOLE /tmp/said; \
        echo =====; grep -Eo '\"url\":\"https?:[^\"]*' /tmp/net.json; \
        echo =====; head -c 4 /tmp/page.png | tail -c 3; stat -c ' %s' /tmp/page.png";
    let image = &format!("prov/client-chromium:{}", release());
    let run = ["run", "--rm", "--interactive", "--network", "none"];
    let said = docker(
        &[&run[..], &["--entrypoint", "sh", image, "-c", script]].concat(),
        page,
    );
    let parts: Vec<_> = said.split("=====\n").collect();
    let [dom, console, addresses, picture] = parts[..] else {
        panic!("the browser did not come to its end: {said}");
    };
    let size = picture.trim().strip_prefix("PNG ");
    Seen {
        dom: dom.to_owned(),
        console: console.to_owned(),
        addresses: addresses.to_owned(),
        picture: size.map_or(0, |size| size.parse().unwrap()),
    }
}

fn page_of(estate: &Estate, exits: i32) -> String {
    let file = estate.path("report.html");
    let path = estate.path_text("report.html");
    // A name that the external server knows stands for one of the Internet's.
    let names = ["verify", "dns", "--upstream-name", "dns-external"];
    let verify = estate.prov(names).args(["--html", &path]);
    verify.run().exits(exits);
    let page = std::fs::read_to_string(&file).unwrap();
    let password = estate.password();
    assert!(!page.contains(password), "the page has a password");
    page
}

#[test]
fn a_verification_is_a_page_that_a_browser_shows_without_asking_anybody() {
    let estate = Estate::name_servers();
    for phase in ["deploy", "apply", "test"] {
        estate.prov([phase]).run().exits(0);
    }
    // Makes the image.
    let client = ["client", "chromium", "internal", "--version"];
    estate.prov(client).run().exits(0).says("Chromium");

    let page = page_of(&estate, 0);
    let seen = open(&page);
    for shown in [
        &format!("Verification of the estate {}", estate.name()),
        "checks passed</p>",
        "<code>dig internal desk.home.test</code>",
        "dns-internal is not known outside",
        &estate.address("dns-internal"),
    ] {
        assert!(seen.dom.contains(shown), "no '{shown}' in {}", seen.dom);
    }
    assert!(!seen.dom.contains("FAIL"), "{}", seen.dom);
    assert_eq!((seen.console.as_str(), seen.addresses.as_str()), ("", ""));
    assert!(seen.picture > 20_000, "{} bytes", seen.picture);
    what_is_not_looked_for_is_found(&page);

    estate.on(
        "dns-internal",
        "sed -i 's/ dns-internal/ dns-infernal/' /etc/dnsmasq-hosts.d/estate; sv restart dnsmasq",
    );
    let seen = open(&page_of(&estate, 1));
    let (heading, rest) = seen.dom.split_once("What failed").unwrap();
    assert!(heading.contains("2 of "), "{heading}");
    assert!(rest.contains("dns: dns-internal is known inside"), "{rest}");
    assert!(rest.contains("<details open=\"\"><summary>what dig printed"));
    let (bad, good) = (rest.find(">FAIL<"), rest.find(">pass<"));
    assert!(bad.unwrap() < good.unwrap(), "what failed is not first");
    assert_eq!((seen.console.as_str(), seen.addresses.as_str()), ("", ""));
}

/// Shows that the browser would tell of what a page must not have.
fn what_is_not_looked_for_is_found(page: &str) {
    let picture = "<img src=\"https://outside.test/x.png\">";
    let hurt = page.replace("<main>", &format!("<main>{picture}<script>1</script>"));
    let seen = open(&hurt);
    for what in ["img-src", "script-src"] {
        assert!(seen.console.contains(what), "{}", seen.console);
    }
    let seen = open(picture);
    assert!(
        seen.addresses.contains("outside.test"),
        "{}",
        seen.addresses
    );
}

#[test]
fn a_page_that_cannot_be_written_is_refused_before_anything_is_asked() {
    let estate = Estate::name_servers();
    for option in ["--html", "--junit"] {
        let path = estate.path_text("missing/report");
        // No container runs, so a check would fail in its own way.
        let ran = estate.prov(["verify", "dns", option, &path]).run();
        ran.exits(1).says("cannot write").says(&path).says(option);
    }
}
