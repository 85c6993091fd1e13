//! Records of a run as a host might give them back, mutated: what is read of them is undone or refused, without panic or hang.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and reads its own environment"
)]

mod chance;

use std::collections::BTreeMap;

use chance::Chance;
use tasks::history;

/// Runs that `./check` has time for.
const RUNS: u64 = 2_000;

const RECORDS: &str = r#"{"number":1,"resource":"file","id":"/etc/motd","role":"staff","action":"update","reason":"content differs","diff":"-a\n+b\n","altered":[{"path":{"path":"/etc/motd","before":{"file":{"sha256":"aa","size":2,"attributes":{"owner":"root","group":"root","mode":"0644"}}},"after":{"file":{"sha256":"bb","size":2,"attributes":{"owner":"root","group":"root","mode":"0644"}}}}}],"notify":[{"name":"restart x","action":{"restart":"x.service"}}]}
{"done":1}
{"number":2,"resource":"symlink","id":"/etc/link","role":"staff","action":"create","reason":"missing","altered":[{"path":{"path":"/etc/link","before":"missing","after":{"link":{"target":"/srv"}}}}]}
{"done":2}
{"number":3,"resource":"packages","id":"nginx","role":"web","action":"create","reason":"not installed","altered":[{"installed":["nginx","libc6"]},{"service":{"name":"nginx","running":false,"enabled":true,"masked":false}},{"made":{"user":{"name":"anna"}}}],"stays":"it is data"}
{"put_back":true}
"#;

const PARTS: [&str; 22] = [
    "",
    "\0",
    "\n",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\u0000",
    "\\ud800",
    "null",
    "-1",
    "1e999",
    "18446744073709551616",
    "/",
    "..",
    "\u{202e}",
    "\"file\":",
    "\"missing\"",
    "\"mode\":\"7777777\"",
    "{\"done\":0}\n",
    "[[[[[[[[[[[[[[[[",
];

#[test]
fn no_record_makes_undo_panic_or_hang() {
    let kept: BTreeMap<_, _> = [("aa", b"a\n"), ("bb", b"\xff\n")]
        .map(|(name, bytes)| (name.to_owned(), bytes.to_vec()))
        .into();
    let whole = history::read(RECORDS);
    assert_eq!(
        (whole.records.len(), whole.done.len(), whole.put_back),
        (3, 2, true)
    );
    let mut declared = 0_usize;
    for run in chance::runs(RUNS) {
        let text = Chance::of(run).mutated(RECORDS, &PARTS);
        declared += chance::make(run, &[&text], || {
            let records = history::read(&text).records;
            assert!(history::needed(&records).len() <= 2 * text.len());
            let undoing = history::undo("20300101", &records, &[], &kept, true);
            let probed: Vec<_> = undoing
                .declared
                .iter()
                .flat_map(|declared| declared.resource.manage().probe())
                .collect();
            probed.len() + undoing.stays.len()
        });
    }
    chance::told("records of history", chance::count(RUNS));
    assert!(declared > 0, "no record was read");
}
