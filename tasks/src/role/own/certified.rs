//! The estate's authority for certificates, where a role names it.

use super::Item;
use crate::authority::Authority;
use crate::content::Content;
use crate::estate::{Key, Mark, Node, Value};

/// The field of a certificate that says who issues it.
pub(super) const AUTHORITY: &str = "authority";

/// The word for the estate's own.
const OF_ESTATE: &str = "estate";

impl Item {
    /// Tells whether it names the estate's authority.
    pub(super) fn is_certified(&self) -> bool {
        let authority = self.said.fields.get(AUTHORITY).and_then(Node::as_str);
        self.kind.name.starts_with("tls_") && authority == Some(OF_ESTATE)
    }
}

/// Writes an authority as a role would.
pub(super) fn authority(authority: &Authority, mark: &Mark) -> Node {
    let node = |value| Node {
        value,
        mark: mark.clone(),
    };
    let text = |text: &String| node(Value::String(text.clone()));
    let Authority {
        certificate,
        key,
        trusted,
        replaces_any,
    } = authority;
    let fields = [
        ("certificate", text(certificate)),
        ("key", node(Value::Filled(Content::secret(key.clone())))),
        (
            "trusted",
            node(Value::Sequence(trusted.iter().map(text).collect())),
        ),
        ("replaces_any", node(Value::Bool(*replaces_any))),
    ];
    let fields = fields.map(|(name, node)| {
        let mark = mark.clone();
        let text = name.to_owned();
        (Key { text, mark }, node)
    });
    node(Value::Mapping(fields.into()))
}
