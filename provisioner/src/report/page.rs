//! The frame of pages to read, to print and to send.
//!
//! A page is complete in itself: style, pictures and whatever script it has are within, and its content security policy forbids the
//! browser to load anything. What comes from hosts goes through [`escape`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

use super::text::printable;

/// Begins a page, up to its body; `title` is escaped already.
pub(super) fn head(title: &str, style: &str, script: Option<&str>) -> String {
    let digest = |text: &str| format!("'sha256-{}'", BASE64.encode(Sha256::digest(text)));
    let scripts = script.map_or_else(String::new, |text| format!(" script-src {};", digest(text)));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:;{scripts} style-src {}; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n",
        digest(style)
    )
}

/// Ends a page.
pub(super) fn foot(script: Option<&str>) -> String {
    let script = script.map_or_else(String::new, |text| format!("<script>{text}</script>\n"));
    format!(
        "<footer>Written by prov {}. Nothing on this page is loaded from anywhere else.</footer>\n{script}</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// Makes text safe in an element and in a quoted attribute, and control characters visible.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
