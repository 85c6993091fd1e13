//! The first apply of the whole estate against one plain `apt-get install` per host, on fresh containers each time.

use benches::estate::{self, Estate};
use benches::facts::AllFacts;
use benches::sample::Samples;
use benches::table::Row;
use benches::{Result, container, wanted};

use crate::arguments::Arguments;
use crate::prepared::{HOSTS, floor, targets};

pub(crate) fn run(arguments: &Arguments) -> Result<Vec<Row>> {
    let estate = Estate::of_containers(&arguments.prov, &arguments.sample)?;
    let facts = wanted::facts(&wanted::of_estate(&estate.folder())?)?;
    let (mut apply, mut install) = <(Samples, Samples)>::default();
    for round in 0..arguments.runs.min(3) {
        // Whoever comes first is not always the same.
        for turn in 0..2 {
            eprintln!("  round {round}, turn {turn}");
            estate.prov(&["deploy", "--renew-volumes"])?;
            if (round + turn) % 2 == 0 {
                let ran = estate.prov(&["apply", "--forks", "14", "--output", "json"])?;
                estate::outcome(&ran, HOSTS, HOSTS)?;
                apply.push(ran.seconds);
            } else {
                let targets = targets(&estate)?;
                let ran = floor(&arguments.floor, "install", &estate, &targets, &facts)?;
                install.push(ran.seconds);
            }
            installed(&facts)?;
        }
    }
    let other = Some(("`apt-get install`", &install));
    Ok(vec![
        Row::ratio("first `apply`, 14 fresh hosts", &apply, other).at_most(1.1),
    ])
}

/// Fails unless every host has its packages.
fn installed(facts: &AllFacts) -> Result<()> {
    for (host, facts) in facts {
        let packages = facts.packages.join(" ");
        let look = format!("dpkg -s {packages} >/dev/null");
        container::run(estate::NAME, host, &look)?;
    }
    Ok(())
}
