//! Templates: configuration files with variables, in the language of Tera (<https://keats.github.io/tera/>).
//!
//! Templates are part of the binary; an estate may override one by a file of the same name below its `templates/`.
//! A template may have a variant for a release of Debian, `RELEASE/NAME`, which is preferred on hosts of that release; of an
//! estate, too. Every template can ask for the host's `release`.
//!
//! Nothing is escaped: what a value needs in the syntax of a daemon is the role's business. An undefined variable is
//! an error, and so is a plain value that contains the characters which mark the place of a secret.

mod built_in {
    include!(concat!(env!("OUT_DIR"), "/built_in.rs"));
}

use std::collections::BTreeSet;

use serde::Serialize;
use tera::{Context, ErrorKind, Tera};

use built_in::BUILT_IN;

use crate::content::{Content, Placeholders};
use crate::diagnostic::{Diagnostic, Place};
use crate::estate::Sources;
use crate::quote::Inexpressible;
use crate::release::Release;
use crate::{Input, Secret};

/// Holds the parsed templates of an estate.
pub struct Templates {
    tera: Tera,
    /// Folder of the estate's own templates, to name the file in messages.
    folder: String,
    overridden: Vec<String>,
}

impl Templates {
    /// Parses the built-in templates and those by which the estate overrides them.
    pub fn load(sources: &Sources) -> Result<Self, Vec<Diagnostic>> {
        let mut templates = Self {
            tera: Tera::default(),
            folder: format!("{}/templates", sources.folder()),
            overridden: Vec::new(),
        };
        let mut mistakes = Vec::new();
        let mut texts: Vec<(String, String)> = Vec::new();
        for (name, text) in BUILT_IN {
            texts.push(((*name).to_owned(), (*text).to_owned()));
        }
        for (name, bytes) in sources.templates() {
            let path = format!("{}/{name}", templates.folder);
            let known = || BUILT_IN.iter().map(|(name, _)| *name);
            let at = texts.iter().position(|(known, _)| known == name);
            let variant = without_release(name).is_some_and(|name| known().any(|it| it == name));
            let slot = if let Some(at) = at {
                texts.get_mut(at)
            } else if variant {
                texts.push((name.to_owned(), String::new()));
                texts.last_mut()
            } else {
                None
            };
            let Some(slot) = slot else {
                let mut mistake = Diagnostic::at(Place::file(path), "no role has this template");
                if let Some(nearest) = crate::nearest(name, known()) {
                    mistake = mistake.hint(format!("did you mean '{nearest}'?"));
                } else {
                    let folder = name.split('/').next().unwrap_or_default();
                    let in_folder = |other: &&str| other.split('/').next() == Some(folder);
                    let of_role: Vec<_> = known().filter(in_folder).collect();
                    let list = if of_role.is_empty() {
                        known().collect()
                    } else {
                        of_role
                    };
                    mistake = mistake.hint(format!("there are: {}", list.join(", ")));
                }
                mistakes.push(mistake);
                continue;
            };
            match std::str::from_utf8(bytes) {
                Ok(text) => {
                    text.clone_into(&mut slot.1);
                    templates.overridden.push(name.to_owned());
                }
                Err(_) => mistakes.push(
                    Diagnostic::at(Place::file(path), "the template is not UTF-8")
                        .hint("save it as UTF-8 text"),
                ),
            }
        }
        templates.tera.autoescape_on(Vec::<&str>::new());
        for (name, text) in &texts {
            // One by one, so that every template with a mistake is named.
            if let Err(error) = templates.tera.add_raw_template(name, text) {
                mistakes.push(templates.mistake(name, &error));
            }
        }
        if mistakes.is_empty() {
            Ok(templates)
        } else {
            Err(mistakes)
        }
    }

    /// Begins the rendering of a template for hosts of a release.
    #[must_use]
    pub fn render(&self, name: &'static str, release: Release) -> Rendering<'_> {
        let mut context = Context::new();
        context.insert("release", release.codename());
        Rendering {
            templates: self,
            name: self.variant(name, release),
            context,
            places: Placeholders::default(),
            mistake: None,
        }
    }

    /// Chooses between a template and its variant for a release. What an estate says of all releases is preferred to what
    /// prov says of one.
    fn variant(&self, name: &str, release: Release) -> String {
        let variant = format!("{release}/{name}");
        let is_own = |name: &str| self.overridden.iter().any(|known| known == name);
        let is_there = self.tera.get_template_names().any(|known| known == variant);
        if is_there && (is_own(&variant) || !is_own(name)) {
            variant
        } else {
            name.to_owned()
        }
    }

    fn mistake(&self, name: &str, error: &tera::Error) -> Diagnostic {
        let path = if self.overridden.iter().any(|known| known == name) {
            format!("{}/{name}", self.folder)
        } else {
            format!("templates/{name} (built in)")
        };
        let (text, line, column) = if let ErrorKind::SyntaxError(report)
        | ErrorKind::RenderingError(report) = error.kind()
        {
            let span = report.span();
            let message = report.message().to_owned();
            (message, span.start_line, span.start_col + 1)
        } else {
            let (message, place) = unreported(error);
            let (line, column) = place.unwrap_or_default();
            (message, line, column)
        };
        let place = Place {
            file: path,
            line,
            column,
            text: None,
        };
        let text = text.lines().next().unwrap_or_default().to_owned();
        Diagnostic::at(place, text).hint(
            "correct the template; `prov template list` shows the variables that it may use, `prov template show NAME` the original",
        )
    }
}

/// Gives the message of an error that Tera reports in words alone, and its line and column where they are among them. It writes them as
/// compilers do: `error: MESSAGE`, and on the next line `--> NAME:LINE:COLUMN`.
pub(crate) fn unreported(error: &tera::Error) -> (String, Option<(usize, usize)>) {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    let message = first.strip_prefix("error: ").unwrap_or(first).to_owned();
    let place = text.lines().find_map(|line| {
        let (_, place) = line.split_once("--> ")?;
        let (rest, column) = place.trim().rsplit_once(':')?;
        let (_, line) = rest.rsplit_once(':')?;
        Some((line.parse().ok()?, column.parse().ok()?))
    });
    (message, place)
}

/// A template as it comes with prov.
#[derive(Debug, Clone, Copy)]
pub struct Original {
    /// Name, as that of the file which takes its place: `ROLE/FILE`, or `RELEASE/ROLE/FILE` for a variant.
    pub name: &'static str,
    /// Text.
    pub text: &'static str,
}

impl Original {
    /// Lists them all, by their names.
    pub fn all() -> impl Iterator<Item = Self> {
        let all = BUILT_IN.iter();
        all.map(|(name, text)| Self { name, text })
    }

    /// Names the role that it belongs to.
    #[must_use]
    pub fn role(&self) -> &'static str {
        let name = without_release(self.name).unwrap_or(self.name);
        name.split('/').next().unwrap_or(name)
    }

    /// Lists the variables that it uses; a template in its place may use the same.
    #[must_use]
    pub fn variables(&self) -> BTreeSet<&'static str> {
        let mut used = BTreeSet::from(["release"]);
        let mut own = BTreeSet::new();
        let mut rest = self.text;
        while let Some(at) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
            rest = &rest[at + 2..];
            let end = rest.find("}}").into_iter().chain(rest.find("%}")).min();
            let inside = &rest[..end.unwrap_or(rest.len())];
            words(inside, &mut used, &mut own);
        }
        &used - &own
    }
}

/// Words of the template language itself.
const LANGUAGE: [&str; 19] = [
    "and", "as", "break", "continue", "elif", "else", "endfor", "endif", "false", "filter", "for",
    "if", "in", "is", "loop", "not", "or", "set", "true",
];

/// Finds the variables in what stands between braces, and those that it sets itself.
fn words<'t>(inside: &'t str, used: &mut BTreeSet<&'t str>, own: &mut BTreeSet<&'t str>) {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (mut before, mut at) = ("", 0);
    while let Some(c) = inside[at..].chars().next() {
        let rest = &inside[at..];
        if c == '"' || c == '\'' {
            let end = rest[1..].find(c).map_or(rest.len(), |end| end + 2);
            (before, at) = (&rest[..end], at + end);
        } else if is_word(c) {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (word, after) = (&rest[..end], rest[end..].trim_start());
            let is_called = after.starts_with('(');
            let is_named = after.starts_with('=') && !after.starts_with("==");
            if ["for", "set"].contains(&before) || (before == "," && after.starts_with("in ")) {
                own.insert(word);
            } else if !c.is_ascii_digit()
                && !LANGUAGE.contains(&word)
                && ![".", "|", "is"].contains(&before)
                && !is_called
                && !is_named
            {
                used.insert(word);
            }
            (before, at) = (word, at + end);
        } else {
            if !c.is_whitespace() {
                before = &rest[..c.len_utf8()];
            }
            at += c.len_utf8();
        }
    }
}

/// How a text is written in the syntax of a file; an error where it cannot be.
pub type Syntax = fn(&str) -> Result<String, Inexpressible>;

/// Gives the name of the template of which this one is the variant for a release.
fn without_release(name: &str) -> Option<&str> {
    let (release, name) = name.split_once('/')?;
    Release::of_codename(release).map(|_| name)
}

/// Collects the variables of one rendering.
pub struct Rendering<'t> {
    templates: &'t Templates,
    name: String,
    context: Context,
    places: Placeholders,
    mistake: Option<Diagnostic>,
}

impl Rendering<'_> {
    /// Sets a variable.
    #[must_use]
    pub fn set<T: Serialize + ?Sized>(mut self, name: &'static str, value: &T) -> Self {
        let text = serde_json::to_string(value).unwrap_or_default();
        if Placeholders::is_forged(&text) {
            let mistake = format!(
                "the variable '{name}' of the template {} has a private-use character that prov uses itself",
                self.name
            );
            let hint = "remove the characters U+F8F0, U+F8F1 and those from U+10FF80 on from it";
            self.mistake = Some(Diagnostic::new(mistake).hint(hint));
        }
        self.context.insert(name, value);
        self
    }

    /// Sets a variable that is secret.
    #[must_use]
    pub fn secret(mut self, name: &'static str, value: &Secret) -> Self {
        let hidden = self.places.hide(value);
        self.context.insert(name, &hidden);
        self
    }

    /// Sets a variable to a text as a syntax quotes it (see [`crate::quote`]).
    #[must_use]
    pub fn quoted(self, name: &'static str, syntax: Syntax, value: &str) -> Self {
        match syntax(value) {
            Ok(quoted) => self.set(name, &quoted),
            Err(problem) => self.inexpressible(name, problem),
        }
    }

    /// Sets a variable to a secret as a syntax quotes it; an empty one is a secret that everybody knows.
    #[must_use]
    pub fn quoted_secret(self, name: &'static str, syntax: Syntax, value: &Secret) -> Self {
        if value.expose().is_empty() {
            let (syntax, what) = ("a password", "at least one character");
            return self.inexpressible(name, Inexpressible::Shape { syntax, what });
        }
        match value.try_map(syntax) {
            Ok(quoted) => self.secret(name, &quoted),
            Err(problem) => self.inexpressible(name, problem),
        }
    }

    fn inexpressible(mut self, name: &str, problem: Inexpressible) -> Self {
        let mut mistake = Diagnostic::from(problem);
        mistake.message = format!(
            "the variable '{name}' of the template {}: {}",
            self.name, mistake.message
        );
        self.mistake = Some(mistake);
        self
    }

    /// Sets a variable to what a file of another host says.
    #[must_use]
    pub fn input(mut self, name: &'static str, input: Input) -> Self {
        let hidden = self.places.input(input);
        self.context.insert(name, &hidden);
        self
    }

    /// Renders.
    pub fn finish(self) -> Result<Content, Diagnostic> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        self.templates
            .tera
            .render(&self.name, &self.context)
            .map(|text| self.places.reveal(&text))
            .map_err(|error| self.templates.mistake(&self.name, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, text: &str) -> Result<Templates, Vec<Diagnostic>> {
        let sources = Sources::new("estate/x").with(format!("templates/{name}"), text);
        Templates::load(&sources)
    }

    #[test]
    fn an_undefined_variable_names_the_template_and_the_line() {
        let templates = with("dns_client/resolv.conf", "a\n{{ nothing }}\n").unwrap();
        let mistake = templates
            .render("dns_client/resolv.conf", Release::Bookworm)
            .finish()
            .unwrap_err();
        let place = mistake.place.unwrap();
        assert_eq!(
            (place.file.as_str(), place.line),
            ("estate/x/templates/dns_client/resolv.conf", 2)
        );
        assert!(mistake.message.contains("nothing"), "{}", mistake.message);
    }

    #[test]
    fn an_empty_secret_is_a_mistake() {
        let templates = with("dns_client/resolv.conf", "a\n").unwrap();
        let rendered = |secret: &str| {
            let file = templates.render("backup_client/bacula-fd.conf", Release::Bookworm);
            let secret = Secret::new(secret);
            file.quoted_secret("director_password", crate::quote::bacula, &secret)
                .finish()
                .unwrap_err()
                .message
        };
        let empty = rendered("");
        assert!(empty.contains("'director_password'"), "{empty}");
        assert!(empty.contains("at least one character"), "{empty}");
        assert!(!rendered("x").contains("at least one character"));
    }

    #[test]
    fn a_template_that_does_not_parse_names_the_file_and_the_line() {
        let mistakes = with("dns/hosts", "a\n{% if x %}\n").err().unwrap();
        let place = mistakes[0].place.clone().unwrap();
        assert_eq!(place.file, "estate/x/templates/dns/hosts");
        assert!(place.line >= 2, "{place:?}");
    }

    #[test]
    fn an_override_of_nothing_is_a_mistake_with_a_hint() {
        let mistakes = with("dns/host", "a\n").err().unwrap();
        assert_eq!(
            mistakes[0].hint.as_deref(),
            Some("did you mean 'dns/hosts'?")
        );
        let of_role = with("dns_client/something-else", "a").err().unwrap();
        let hint = of_role[0].hint.clone().unwrap();
        assert!(hint.starts_with("there are: dns_client/"), "{hint}");
        let of_none = with("firewall/rules", "a").err().unwrap();
        assert!(of_none[0].hint.clone().unwrap().contains("dns/hosts"));
    }

    #[test]
    fn a_value_that_a_syntax_cannot_express_is_a_mistake_that_names_the_variable() {
        let templates = with("dns_client/resolv.conf", "{{ a }}\n").unwrap();
        let render = || templates.render("dns_client/resolv.conf", Release::Bookworm);
        let quoted = render().quoted("a", crate::quote::bacula, "x\"y");
        assert_eq!(quoted.finish().unwrap().expose(), "\"x\\\"y\"\n");
        let secret = Secret::new("hunter2\nx");
        let mistake = render().quoted_secret("a", crate::quote::bacula, &secret);
        let mistake = mistake.finish().unwrap_err().message;
        assert!(
            mistake.contains("'a'") && mistake.contains("U+000A"),
            "{mistake}"
        );
        assert!(!mistake.contains("hunter2"), "{mistake}");
    }

    #[test]
    fn an_estate_has_variants_for_a_release() {
        let sources = Sources::new("estate/x")
            .with("templates/dns_client/resolv.conf", "all {{ release }}")
            .with(
                "templates/trixie/dns_client/resolv.conf",
                "new {{ release }}",
            );
        let templates = Templates::load(&sources).unwrap();
        let text = |release| {
            let rendering = templates.render("dns_client/resolv.conf", release);
            rendering.finish().unwrap().expose()
        };
        assert_eq!(text(Release::Bookworm), "all bookworm");
        assert_eq!(text(Release::Trixie), "new trixie");
        assert!(with("sid/dns_client/resolv.conf", "x").is_err());
    }

    #[test]
    fn the_variables_of_a_template_are_found() {
        let text = "{% for a, b in pairs %}{{ a.x | join(sep=\", \") }}{{ b }}{% endfor %}\
                    {% if key is defined and not other == \"word\" -%}{{ key }}{% set mine = 1 %}{{ mine }}{% endif %} plain";
        let variables = Original {
            name: "trixie/mail/x",
            text,
        }
        .variables();
        let expected = BTreeSet::from(["key", "other", "pairs", "release"]);
        assert_eq!(variables, expected);
        assert_eq!(
            Original {
                name: "trixie/mail/x",
                text
            }
            .role(),
            "mail"
        );
        let hosts = Original::all()
            .find(|it| it.name == "dns_client/resolv.conf")
            .unwrap();
        assert_eq!(
            hosts.variables(),
            BTreeSet::from(["domain", "release", "resolvers"])
        );
    }

    #[test]
    fn a_plain_value_cannot_pretend_to_be_a_secret() {
        let templates = with("dns_client/resolv.conf", "{{ a }}{{ s }}\n").unwrap();
        let rendering = templates
            .render("dns_client/resolv.conf", Release::Bookworm)
            .secret("s", &Secret::new("x"))
            .set("a", "\u{f8f0}0\u{f8f1}");
        assert!(rendering.finish().is_err());
    }
}
