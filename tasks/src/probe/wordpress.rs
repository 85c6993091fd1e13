//! What is chosen in a site of `WordPress`, asked of its database by the program of the role `wordpress` on the host.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::answers::broken;
use super::{Answers, Broken, Facts, Kind, NotAsked, Written};
use crate::Secret;
use crate::quote;
use crate::value::{DomainName, HostPath, WordPressPart};

/// Sets sites up and tells what is chosen in them; its text says how.
pub(crate) const SITE_PROGRAM: &str = "/usr/local/sbin/wordpress-site";

/// The account of the web server, which alone reads the site's configuration.
pub(crate) const SITE_ACCOUNT: &str = "www-data";

/// The theme that every site begins with.
pub(crate) const SITE_THEME: &str = "twentytwentythree";

/// Asks for one thing that is chosen in a site.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SiteQuestion {
    /// Name of the site.
    pub site: DomainName,
    /// What is asked for.
    pub choice: SiteChoice,
}

/// What is chosen in a site.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SiteChoice {
    /// Its theme.
    Theme,
    /// Its language.
    Language,
    /// Whether a plugin is active.
    Plugin(WordPressPart),
}

/// Tells what is chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SiteFact {
    /// The theme or language of this name.
    Is(String),
    /// The plugin is active.
    Active,
    /// The plugin is not active.
    Inactive,
    /// Nobody can tell: the site is not there yet, or its database does not answer. Why, in the program's words.
    Unknown(String),
}

impl SiteQuestion {
    /// Gives the file of the site's configuration.
    #[must_use]
    pub fn configuration(&self) -> Option<HostPath> {
        HostPath::new(format!("/etc/wordpress/config-{}.php", self.site)).ok()
    }
}

impl From<SiteQuestion> for String {
    fn from(question: SiteQuestion) -> Self {
        let site = question.site;
        match question.choice {
            SiteChoice::Theme => format!("{site} theme"),
            SiteChoice::Language => format!("{site} language"),
            SiteChoice::Plugin(name) => format!("{site} plugin {name}"),
        }
    }
}

impl TryFrom<String> for SiteQuestion {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let words: Vec<_> = text.split(' ').collect();
        let (site, choice) = match words[..] {
            [site, "theme"] => (site, SiteChoice::Theme),
            [site, "language"] => (site, SiteChoice::Language),
            [site, "plugin", name] => (site, SiteChoice::Plugin(WordPressPart::new(name)?)),
            _ => return Err(format!("{text:?} names nothing that is chosen in a site")),
        };
        Ok(Self {
            site: DomainName::new(site)?,
            choice,
        })
    }
}

impl Facts {
    /// Tells what is chosen in a site.
    pub fn site(&self, question: &SiteQuestion) -> Result<&SiteFact, NotAsked> {
        let fact = self.sites.get(question);
        fact.ok_or_else(|| NotAsked(format!("site {}", String::from(question.clone()))))
    }
}

/// What the program says of one site.
enum Said<'a> {
    /// The site is installed.
    Chosen {
        theme: &'a str,
        language: &'a str,
        plugins: BTreeSet<&'a str>,
    },
    Nothing(&'a str),
}

impl<'a> Said<'a> {
    /// Reads `theme NAME`, `language NAME` and `plugin NAME` for each that is active, or `unknown WHY`.
    fn read(name: &str, text: &'a str) -> Result<Self, Broken> {
        let (mut theme, mut language, mut plugins) = (None, None, BTreeSet::new());
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("unknown", why)) => return Ok(Self::Nothing(why)),
                Some(("theme", one)) => theme = Some(one),
                Some(("language", one)) => language = Some(one),
                Some(("plugin", one)) => {
                    plugins.insert(one);
                }
                Some(_) | None => return Err(broken(name, format!("has a line {line:?}"))),
            }
        }
        match (theme, language) {
            (Some(theme), Some(language)) => Ok(Self::Chosen {
                theme,
                language,
                plugins,
            }),
            (_, _) => Err(broken(name, "does not name a theme and a language")),
        }
    }

    fn fact(&self, choice: &SiteChoice) -> SiteFact {
        match (self, choice) {
            (Self::Nothing(why), _) => SiteFact::Unknown((*why).to_owned()),
            (Self::Chosen { theme, .. }, SiteChoice::Theme) => SiteFact::Is((*theme).to_owned()),
            (Self::Chosen { language, .. }, SiteChoice::Language) => {
                SiteFact::Is((*language).to_owned())
            }
            (Self::Chosen { plugins, .. }, SiteChoice::Plugin(name)) => {
                if plugins.contains(name.as_str()) {
                    SiteFact::Active
                } else {
                    SiteFact::Inactive
                }
            }
        }
    }
}

/// Lists the sites that are asked about, each once.
fn sites(questions: &[SiteQuestion]) -> BTreeSet<&str> {
    questions.iter().map(|one| one.site.as_str()).collect()
}

/// The kind of this module.
pub struct Sites;

impl Kind for Sites {
    type Question = SiteQuestion;
    type Known = BTreeMap<SiteQuestion, SiteFact>;

    fn key(question: &SiteQuestion) -> SiteQuestion {
        question.clone()
    }

    /// The program is run once for each site; why it fails is its first line on standard error.
    fn script(questions: &[SiteQuestion]) -> String {
        let sites = quote::sh_all(sites(questions));
        format!(
            r#"index=0; for site in {sites}; do prov_answer "site:$index"; index=$((index + 1))
if [ -x {SITE_PROGRAM} ]; then chosen=$(runuser -u {SITE_ACCOUNT} -- {SITE_PROGRAM} chosen "$site" 2>&1 </dev/null 3>&- 9>&-); exit=$?
else chosen='the host has no {SITE_PROGRAM}'; exit=1; fi
[ $exit -gt 127 ] || {{ if [ $exit -eq 0 ]; then printf '%s\n' "$chosen"; else printf 'unknown %s\n' "$(printf '%s\n' "$chosen" | head -n 1)"; fi; prov_complete; }}
done
"#
        )
    }

    fn read(questions: &[SiteQuestion], answers: &Answers) -> Result<Self::Known, Broken> {
        let mut known = BTreeMap::new();
        for (index, site) in sites(questions).into_iter().enumerate() {
            let name = format!("site:{index}");
            let text = String::from_utf8_lossy(answers.bytes(&name)?).into_owned();
            let said = Said::read(&name, &text)?;
            let of_site = questions.iter().filter(|one| one.site.as_str() == site);
            known.extend(of_site.map(|one| (one.clone(), said.fact(&one.choice))));
        }
        Ok(known)
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    fn follows(question: &SiteQuestion, written: &Written<'_>) -> bool {
        let configuration = question.configuration();
        let mut paths = written.paths.iter();
        paths.any(|path| path.as_str() == SITE_PROGRAM || Some(*path) == configuration.as_ref())
    }

    fn samples() -> Vec<SiteQuestion> {
        let choices = [
            SiteChoice::Theme,
            SiteChoice::Language,
            SiteChoice::Plugin(crate::value::fixed("shop")),
        ];
        let site: DomainName = crate::value::fixed("www.example.test");
        let question = |choice| SiteQuestion {
            site: site.clone(),
            choice,
        };
        choices.into_iter().map(question).collect()
    }
}
