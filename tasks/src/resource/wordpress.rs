//! What is chosen in sites of `WordPress`: theme, language, which plugins are active.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Former, Manage, Resource};
use crate::plan::{Action, Change, Planned, Reason, Remedy};
use crate::probe::{
    Becomes, Effect, Facts, NotAsked, PathFact, PathQuestion, Query, Read, SITE_ACCOUNT,
    SITE_PROGRAM, SITE_THEME, SiteChoice, SiteFact, SiteQuestion,
};
use crate::step::Run;
use crate::value::{DomainName, WordPressLocale, WordPressPart};

/// Manages what is chosen in a site of `WordPress`: its theme, its language, or whether a plugin is active.
///
/// Asks the site's database by the program of the role `wordpress`, which must be on the host, and chooses by it: plugins and
/// themes are switched by `WordPress` itself, so what they do at that moment is done. Their files are the business of others. A plugin
/// that breaks the site cannot be activated, and one that has broken it can be deactivated. With `active: false` a plugin is not
/// active, and a theme is refused while it is the site's: a site cannot be without one. Where the site has no configuration, nothing is active.
///
/// ```yaml
/// wordpress: {site: www.example.com, plugin: shop}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct WordPress {
    /// Name of the site.
    pub site: DomainName,
    /// A plugin: the name of its folder.
    #[serde(default)]
    pub plugin: Option<WordPressPart>,
    /// A theme: the name of its folder.
    #[serde(default)]
    pub theme: Option<WordPressPart>,
    /// A language.
    #[serde(default)]
    pub language: Option<WordPressLocale>,
    /// Whether the plugin is active, or the theme the site's.
    #[serde(default = "yes")]
    pub active: bool,
}

super::checked!(WordPress);

const fn yes() -> bool {
    true
}

impl WordPress {
    const fn of(site: DomainName) -> Self {
        Self {
            site,
            plugin: None,
            theme: None,
            language: None,
            active: true,
        }
    }

    /// Describes that a plugin is active, or that it is not.
    #[must_use]
    pub fn plugin(site: DomainName, name: WordPressPart, active: bool) -> Self {
        Self {
            plugin: Some(name),
            active,
            ..Self::of(site)
        }
    }

    /// Describes that a theme is the site's, or that it is not.
    #[must_use]
    pub fn theme(site: DomainName, name: WordPressPart, active: bool) -> Self {
        Self {
            theme: Some(name),
            active,
            ..Self::of(site)
        }
    }

    /// Describes that a site speaks a language.
    #[must_use]
    pub fn language(site: DomainName, language: WordPressLocale) -> Self {
        Self {
            language: Some(language),
            ..Self::of(site)
        }
    }

    /// Gives what is asked for, with the word that names it and the value that it should have.
    fn chosen(&self) -> Result<(SiteChoice, &'static str, &str), String> {
        match (&self.plugin, &self.theme, &self.language) {
            (Some(name), None, None) => {
                Ok((SiteChoice::Plugin(name.clone()), "plugin", name.as_str()))
            }
            (None, Some(name), None) => Ok((SiteChoice::Theme, "theme", name.as_str())),
            (None, None, Some(name)) => Ok((SiteChoice::Language, "language", name.as_str())),
            (_, _, _) => Err(format!(
                "wordpress {}: one of `plugin`, `theme` and `language` is needed, and no other",
                self.site
            )),
        }
    }

    fn question(&self) -> Option<SiteQuestion> {
        self.check().ok()?;
        Some(SiteQuestion {
            site: self.site.clone(),
            choice: self.chosen().ok()?.0,
        })
    }

    /// Gives the command that tells whether the site is installed.
    fn installed(&self) -> Vec<String> {
        let program = ["runuser", "-u", SITE_ACCOUNT, "--", SITE_PROGRAM];
        let words = program.into_iter();
        let words = words.chain(["installed", self.site.as_str()]);
        words.map(str::to_owned).collect()
    }

    /// Tells whether a site that this run installs begins so: in the language of its domain's file, and with the theme of all.
    fn is_first_choice(&self) -> bool {
        let theme = self.theme.as_ref().map(WordPressPart::as_str);
        self.active && (self.language.is_some() || theme == Some(SITE_THEME))
    }

    fn run(&self, question: &SiteQuestion, word: &str, name: &str) -> Run {
        let site = self.site.as_str();
        let program = ["runuser", "-u", SITE_ACCOUNT, "--", SITE_PROGRAM];
        let words = program.into_iter().chain([word, site, name]);
        let (run, becomes) = match (&question.choice, self.active) {
            (SiteChoice::Plugin(_), true) => (Run::new(words.chain(["on"])), SiteFact::Active),
            (SiteChoice::Plugin(_), false) => (Run::new(words.chain(["off"])), SiteFact::Inactive),
            (SiteChoice::Theme | SiteChoice::Language, _) => {
                (Run::new(words), SiteFact::Is(name.to_owned()))
            }
        };
        run.effect(Effect::Site(Becomes(question.clone(), becomes)))
    }
}

/// Tells what is chosen instead, where that is known.
fn instead(fact: &SiteFact) -> Option<String> {
    match fact {
        SiteFact::Is(name) => Some(format!("{name} before")),
        SiteFact::Active | SiteFact::Inactive | SiteFact::Unknown(_) => None,
    }
}

impl Manage for WordPress {
    fn kind(&self) -> &'static str {
        "wordpress"
    }

    /// A site has one language, whichever it is.
    fn id(&self) -> String {
        match self.chosen() {
            Ok((SiteChoice::Plugin(_) | SiteChoice::Theme, word, name)) => {
                format!("{} {word} {name}", self.site)
            }
            Ok((SiteChoice::Language, word, _)) => format!("{} {word}", self.site),
            Err(_) => self.site.to_string(),
        }
    }

    fn asks_server(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), String> {
        self.chosen()?;
        if self.language.is_some() && !self.active {
            return Err(format!(
                "wordpress {}: a site cannot be without a language; name another one, such as en_US",
                self.site
            ));
        }
        Ok(())
    }

    fn probe(&self) -> Vec<Query> {
        let Some(question) = self.question() else {
            return Vec::new();
        };
        let configuration = question.configuration().map(|path| {
            Query::Path(PathQuestion {
                path,
                read: Read::Attributes,
            })
        });
        let installed = self.is_first_choice().then(|| self.installed());
        configuration
            .into_iter()
            .chain([Query::Site(question)])
            .chain(installed.map(Query::Guard))
            .collect()
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let Some(question) = self.question() else {
            return Ok(Planned::Unchanged);
        };
        let (_, word, name) = match self.chosen() {
            Ok(chosen) => chosen,
            Err(cause) => return Ok(super::invalid(&cause)),
        };
        if !self.active {
            let is_served = match question.configuration() {
                Some(path) => *facts.path(&path)? != PathFact::Missing,
                None => false,
            };
            if !is_served {
                return Ok(Planned::Unchanged);
            }
        }
        let fact = facts.site(&question)?;
        if matches!(fact, SiteFact::Unknown(_))
            && self.is_first_choice()
            && facts.guard(&self.installed())? == 0
        {
            return Ok(Planned::Unchanged);
        }
        let change = |action, reason| {
            let run = self.run(&question, word, name);
            let change = Change::new(action, vec![reason], vec![run.into()]);
            match instead(fact) {
                Some(before) => change.detail(before).into(),
                None => change.into(),
            }
        };
        Ok(match (&question.choice, fact, self.active) {
            (SiteChoice::Theme, SiteFact::Is(is), false) if is == name => Planned::Impossible {
                cause: format!("{name} is the theme of {}, which cannot be without one", self.site),
                hint: "choose another: name it in the domain's `themes` with `active: true`; twentytwentythree is in every site".to_owned(),
            },
            (SiteChoice::Theme | SiteChoice::Language, SiteFact::Is(is), true) if is == name => {
                Planned::Unchanged
            }
            (_, SiteFact::Active, true)
            | (SiteChoice::Plugin(_), SiteFact::Inactive | SiteFact::Unknown(_), false)
            | (SiteChoice::Theme | SiteChoice::Language, _, false) => Planned::Unchanged,
            (SiteChoice::Plugin(_), SiteFact::Active | SiteFact::Is(_), false) => {
                change(Action::Update, Reason::Active)
            }
            (SiteChoice::Plugin(_), _, true) => change(Action::Update, Reason::NotActive),
            (SiteChoice::Theme | SiteChoice::Language, _, true) => {
                change(Action::Update, Reason::ValueDiffers)
            }
        })
    }

    fn former(&self, before: &Facts, _: &Facts) -> Result<Former, NotAsked> {
        let stays = || Former::stays(format!("what is chosen in the site {} stays", self.site));
        let Some(question) = self.question() else {
            return Ok(stays());
        };
        let former = match (&question.choice, before.site(&question)?) {
            (SiteChoice::Plugin(_), SiteFact::Active | SiteFact::Inactive) => Some(Self {
                active: !self.active,
                ..self.clone()
            }),
            (SiteChoice::Theme, SiteFact::Is(was)) => WordPressPart::new(was.as_str())
                .ok()
                .map(|was| Self::theme(self.site.clone(), was, true)),
            (SiteChoice::Language, SiteFact::Is(was)) => WordPressLocale::new(was.as_str())
                .ok()
                .map(|was| Self::language(self.site.clone(), was)),
            (SiteChoice::Plugin(_), SiteFact::Is(_) | SiteFact::Unknown(_))
            | (
                SiteChoice::Theme | SiteChoice::Language,
                SiteFact::Active | SiteFact::Inactive | SiteFact::Unknown(_),
            ) => None,
        };
        Ok(former.map_or_else(stays, |former| Former::back([Resource::WordPress(former)])))
    }

    fn absent(&self) -> Option<Resource> {
        self.language.is_none().then(|| {
            Resource::WordPress(Self {
                active: false,
                ..self.clone()
            })
        })
    }

    fn remedy(&self, output: &str) -> Option<Remedy> {
        output.contains("wordpress-site: usage:").then(|| {
            "run `prov apply` for this host first: its program is that of an earlier prov".into()
        })
    }
}
