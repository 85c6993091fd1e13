//! How old apt's lists of packages are.

use super::{Answers, Broken, Kind};
use crate::Secret;

/// The kind of this module: seconds since the lists were fetched; `None` where there are none.
pub struct Lists;

impl Kind for Lists {
    type Question = ();
    type Known = Option<u64>;

    const LASTS: bool = false;

    fn key((): &()) {}

    fn script(_: &[()]) -> String {
        "set -- /var/lib/apt/lists/*Packages*\n\
         { if [ -e \"$1\" ]; then date +%s; stat -c %Y /var/lib/apt/lists /var/cache/apt/pkgcache.bin 2>/dev/null; fi; prov_complete; } \
         | prov_answer package_lists\n"
            .to_owned()
    }

    fn read(_: &[()], answers: &Answers) -> Result<Option<u64>, Broken> {
        let lines = answers.text("package_lists")?.lines();
        let times: Vec<u64> = lines.filter_map(|line| line.trim().parse().ok()).collect();
        Ok(times.split_first().and_then(|(now, fetched)| {
            let newest = fetched.iter().max()?;
            Some(now.saturating_sub(*newest))
        }))
    }

    fn secrets(_: &Option<u64>) -> Vec<&Secret> {
        Vec::new()
    }

    fn samples() -> Vec<()> {
        vec![()]
    }
}
