//! The expressions and templates of one role of an estate, in the language of Tera, within bounds.
//!
//! Owns what is compiled and where it stands, so that a mistake is at its place. Refuses to read anything but the variables that it
//! is given; what a rendering may cost is the business of [`super::toll`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;
use tera::{Context, Error, ErrorKind, Tera};

use super::guard::{self, Field, Guarded, OUT, OWN};
use super::hosted;
use super::inventory::{self, Inventory};
use super::ports;
use super::toll::{self, Bounded, MOST_BYTES};
use crate::diagnostic::{Diagnostic, Place, nearest};
use crate::estate::{Estate, Mark};
use crate::foreign;
use crate::template::unreported;

/// Where a text stands.
#[derive(Debug, Clone)]
pub(super) enum Stands {
    /// As a value in `role.yml`.
    At(Mark),
    /// As a file, which is named as the user would.
    File(String),
}

impl Stands {
    fn place(&self, line: usize, column: usize) -> Place {
        match self {
            Self::At(mark) => mark.place(),
            Self::File(file) => Place {
                file: file.clone(),
                line,
                column,
                text: None,
            },
        }
    }
}

struct Compiled {
    stands: Stands,
    /// The text as it was compiled.
    source: String,
    added: Vec<(usize, usize, usize)>,
}

/// What is known while a text is compiled.
pub(super) struct Names<'n> {
    /// Everything that it may name.
    pub(super) known: &'n BTreeSet<String>,
    /// What of that is secret.
    pub(super) secret: &'n BTreeSet<String>,
}

/// Holds the texts of a role.
pub(super) struct Engine {
    tera: Tera,
    texts: BTreeMap<String, Compiled>,
    inventory: Arc<Inventory>,
    /// Whether any of the texts asks the inventory.
    asks: bool,
    /// Whether any of them asks for the ports that a host's roles serve.
    asks_open_ports: bool,
    /// The fields of what prov gives.
    fields: Vec<(&'static str, &'static [&'static str])>,
    /// What is wrong with texts of which nobody knows yet whether they are used.
    broken: BTreeMap<String, Diagnostic>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} texts", self.texts.len())
    }
}

impl Engine {
    /// Begins with nothing but names that prov gives the texts.
    pub(super) fn new(given: &[&str]) -> Self {
        let mut tera = Tera::default();
        tera.autoescape_on(Vec::<&str>::new());
        toll::register(&mut tera);
        let inventory = Arc::default();
        inventory::register(&mut tera, &inventory);
        ports::register(&mut tera, &inventory);
        Self {
            tera,
            texts: BTreeMap::new(),
            inventory,
            asks: false,
            asks_open_ports: false,
            fields: hosted::FIELDS
                .into_iter()
                .filter(|(of, _)| given.contains(of))
                .collect(),
            broken: BTreeMap::new(),
        }
    }

    /// Gives what the functions ask.
    pub(super) fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// Tells whether any of the texts asks for the ports that a host's roles serve.
    pub(super) const fn asks_open_ports(&self) -> bool {
        self.asks_open_ports
    }

    /// Lets the texts ask about an estate, if any of them does.
    pub(super) fn learn(&self, estate: &Estate) {
        if self.asks {
            self.inventory.learn(estate);
        }
    }

    /// Compiles a text that may never be written out: what is wrong with it counts once it is.
    pub(super) fn maybe(&mut self, name: &str, text: &str, stands: Stands, names: &Names<'_>) {
        let mistakes = self.text(name, text, stands, names);
        let first = mistakes.into_iter().next();
        self.broken
            .extend(first.map(|mistake| (name.to_owned(), mistake)));
    }

    /// Compiles an expression of which the value counts.
    pub(super) fn expression(
        &mut self,
        name: &str,
        text: &str,
        stands: Stands,
        names: &Names<'_>,
    ) -> Vec<Diagnostic> {
        let text = text.trim();
        if text.contains("%}") || text.contains("}}") || text.contains("{{") || text.contains("{%")
        {
            return vec![
                Diagnostic::at(
                    stands.place(1, 1),
                    "expected an expression, found a template",
                )
                .hint("leave out the braces"),
            ];
        }
        // Parted from what is put around it, so that the guard sees what people wrote.
        let guarded = match guard::guarded(&format!("{{{{ {text} }}}}"), names.secret) {
            Ok(guarded) => guarded,
            Err(refusal) => return vec![Diagnostic::at(stands.place(1, 1), refusal.message)],
        };
        let mut mistakes = self.unknown_fields(&guarded, &stands);
        let inside = guarded.text.trim_start_matches("{{").trim_end_matches("}}");
        let compiled = Compiled {
            stands,
            source: format!("{{{{ {OUT}(v={}) }}}}", inside.trim()),
            added: Vec::new(),
        };
        mistakes.extend(self.add(name, &BTreeSet::new(), compiled, names));
        mistakes
    }

    /// Compiles a condition.
    pub(super) fn condition(
        &mut self,
        name: &str,
        text: &str,
        stands: Stands,
        names: &Names<'_>,
    ) -> Vec<Diagnostic> {
        if guard::has_tags(text) || text.contains("%}") {
            return vec![
                Diagnostic::at(
                    stands.place(1, 1),
                    "expected an expression, found a template",
                )
                .hint("leave out the braces"),
            ];
        }
        self.text(
            name,
            &format!("{{% if {text} %}}1{{% endif %}}"),
            stands,
            names,
        )
    }

    /// Compiles a text that is written out.
    pub(super) fn text(
        &mut self,
        name: &str,
        text: &str,
        stands: Stands,
        names: &Names<'_>,
    ) -> Vec<Diagnostic> {
        match guard::guarded(text, names.secret) {
            Ok(guarded) => {
                let mut mistakes = self.unknown_fields(&guarded, &stands);
                let compiled = Compiled {
                    stands,
                    source: guarded.text,
                    added: guarded.added,
                };
                mistakes.extend(self.add(name, &guarded.sets, compiled, names));
                mistakes
            }
            Err(refusal) => {
                let place = stands.place(refusal.line, refusal.column);
                vec![Diagnostic::at(place, refusal.message)]
            }
        }
    }

    fn add(
        &mut self,
        name: &str,
        sets: &BTreeSet<String>,
        compiled: Compiled,
        names: &Names<'_>,
    ) -> Vec<Diagnostic> {
        let text = compiled.source.clone();
        self.asks |= inventory::asks(&text);
        self.asks_open_ports |= ports::asks(&text);
        let added = self.tera.add_raw_template(name, &text);
        self.texts.insert(name.to_owned(), compiled);
        if let Err(error) = added {
            return vec![self.mistake(name, &error)];
        }
        let used = self.tera.get_template_variables(name).unwrap_or_default();
        let is_known = |used: &&str| names.known.contains(*used) || sets.contains(*used);
        let mut unknown: Vec<String> = used
            .into_iter()
            .filter(|used| !is_known(used))
            .map(str::to_owned)
            .collect();
        unknown.sort();
        let place = |unknown: &str| match self.texts.get(name).map(|text| &text.stands) {
            Some(Stands::File(file)) => found(file, &text, unknown),
            Some(Stands::At(mark)) => mark.place(),
            None => Place::file(name),
        };
        let mistake = |unknown: &String| {
            let mistake =
                Diagnostic::at(place(unknown), format!("there is no variable '{unknown}'"));
            let known = names.known.iter().chain(sets).map(String::as_str);
            match (foreign::name(unknown), nearest(unknown, known)) {
                (Some(hint), _) => mistake.hint(hint),
                (None, Some(near)) => mistake.hint(format!("did you mean '{near}'?")),
                (None, None) => mistake.hint("declare it under `variables` of the role"),
            }
        };
        unknown.iter().map(mistake).collect()
    }

    /// Writes a text out.
    pub(super) fn render(&self, name: &str, context: &Context) -> Result<String, Diagnostic> {
        let mut bounded = Bounded::default();
        if let Some(mistake) = self.broken.get(name) {
            return Err(mistake.clone());
        }
        toll::begin();
        let rendered = self.tera.render_to(name, context, &mut bounded);
        if bounded.full {
            let stands = self.texts.get(name).map(|text| text.stands.place(1, 1));
            let message = format!("this makes more than {} KiB", MOST_BYTES >> 10);
            return Err(Diagnostic {
                place: stands,
                ..Diagnostic::new(message)
            });
        }
        rendered.map_err(|error| self.mistake(name, &error))?;
        Ok(String::from_utf8_lossy(&bounded.bytes).into_owned())
    }

    /// Gives the value of an expression.
    pub(super) fn value(&self, name: &str, context: &Context) -> Result<Value, Diagnostic> {
        self.render(name, context)?;
        Ok(toll::handed_out())
    }

    /// Tells whether a condition holds.
    pub(super) fn holds(&self, name: &str, context: &Context) -> Result<bool, Diagnostic> {
        self.render(name, context).map(|text| !text.is_empty())
    }

    /// Tells whether a text is known.
    pub(super) fn has(&self, name: &str) -> bool {
        self.texts.contains_key(name)
    }

    /// Names the fields that a template asks of what prov gives and that it does not have.
    fn unknown_fields(&self, guarded: &Guarded, stands: &Stands) -> Vec<Diagnostic> {
        let unknown = guarded.fields.iter().filter_map(|field| {
            let (_, known) = self.fields.iter().find(|(of, _)| *of == field.of)?;
            (!known.contains(&field.name.as_str())).then_some((field, known))
        });
        let mistake = |(field, known): (&Field, &&[&str])| {
            let Field { of, name, .. } = field;
            let place = stands.place(field.line, field.column);
            let mistake = Diagnostic::at(place, format!("there is no variable '{of}.{name}'"));
            match nearest(name, known.iter().copied()) {
                Some(near) => mistake.hint(format!("did you mean '{of}.{near}'?")),
                None => mistake.hint(format!("'{of}' has {}", known.join(", "))),
            }
        };
        unknown.map(mistake).collect()
    }

    fn mistake(&self, name: &str, error: &Error) -> Diagnostic {
        let compiled = self.texts.get(name);
        let (message, line, column) = if let ErrorKind::SyntaxError(report)
        | ErrorKind::RenderingError(report) = error.kind()
        {
            let span = report.span();
            let source = compiled.filter(|_| says_undefined(report.message()));
            let source = source.and_then(|text| as_written(&text.source, &span.range));
            let message = match source {
                Some(source) => format!("there is no such value: `{source}`"),
                None => report.message().to_owned(),
            };
            (message, span.start_line, span.start_col)
        } else {
            let (message, place) = unreported(error);
            let (line, column) = place.unwrap_or((1, 1));
            (message, line, column.saturating_sub(1))
        };
        let is_positional =
            message.starts_with("Found ") && message.ends_with("expected identifier.");
        let message = message.lines().next().unwrap_or_default().to_owned();
        let message = OWN.iter().fold(message, |message, own| {
            message
                .replace(&format!("Function `{own}`"), "this")
                .replace(own, "this")
        });
        let message = ["%}", "}}"].iter().fold(message, |message, end| {
            message.replace(&format!("Found `{end}`"), "Found the end")
        });
        let Some(compiled) = compiled else {
            return Diagnostic::new(message);
        };
        // What was put in before the place on its line does not count.
        let before = compiled
            .added
            .iter()
            .filter(|(on, at, _)| *on == line && *at < column);
        let shift: usize = before.map(|(_, _, characters)| characters).sum();
        let place = compiled
            .stands
            .place(line, (column + 1).saturating_sub(shift).max(1));
        let mistake = Diagnostic::at(place, message);
        if is_positional {
            mistake.hint(
                "what a filter or a function is given has a name, as in `default(value=\"a\")`",
            )
        } else {
            mistake
        }
    }
}

/// Tells whether Tera stumbled over a value that is not there, without saying what there would be.
fn says_undefined(message: &str) -> bool {
    let says = |words: &str| message.contains(words);
    (says("undefined") || says("not defined")) && !says("Available")
}

/// Gives a part of a compiled text as people wrote it, with all of the names and dots that it stands in.
fn as_written<'s>(source: &'s str, range: &Range<usize>) -> Option<&'s str> {
    let part = source.get(range.clone())?;
    if OWN.iter().any(|own| part.starts_with(own)) {
        let (_, inside) = part.split_once("v=")?;
        return inside.strip_suffix(')').map(str::trim);
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let rest = &source[range.end..];
    let after = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
    let before = source[..range.start].trim_end_matches(is_name).len();
    Some(source[before..range.end + after].trim())
}

/// Finds where a name stands first in a template.
fn found(file: &str, text: &str, name: &str) -> Place {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    for (index, line) in text.lines().enumerate() {
        for (at, _) in line.match_indices(name) {
            let before = line[..at].chars().next_back().is_some_and(word);
            let after = line[at + name.len()..]
                .chars()
                .next()
                .is_some_and(|c| word(c) && c != '.');
            if !before && !after {
                let column = line[..at].chars().count() + 1;
                return Place {
                    file: file.to_owned(),
                    line: index + 1,
                    column,
                    text: None,
                };
            }
        }
    }
    Place::file(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(text: &str) -> Result<String, String> {
        let known = ["name", "names"].map(str::to_owned).into();
        let names = Names {
            known: &known,
            secret: &BTreeSet::new(),
        };
        let mut engine = Engine::new(&["host", "domain"]);
        let mistakes = engine.text("t", text, Stands::File("t".to_owned()), &names);
        if let Some(mistake) = mistakes.first() {
            return Err(format!(
                "{mistake} ({})",
                mistake.hint.clone().unwrap_or_default()
            ));
        }
        let mut context = Context::new();
        context.insert("name", "x");
        context.insert("names", &["a", "b"]);
        engine
            .render("t", &context)
            .map_err(|mistake| mistake.to_string())
    }

    #[test]
    fn templates_are_written_out() {
        let text = "{% for n in names -%}\n  {{ loop.index }}{{ n | upper }};{% endfor %}{{ names | join(sep='-') }}";
        assert_eq!(render(text).unwrap(), "1A;2B;a-b");
        assert_eq!(
            render("{% set a = name ~ '!' %}{{ a | replace(from='!', to='?') }}").unwrap(),
            "x?"
        );
        assert_eq!(
            render("a\n{{ 'b\nc' | indent(width=2) }}").unwrap(),
            "a\nb\n  c"
        );
    }

    #[test]
    fn mistakes_are_at_their_places_with_the_nearest_name() {
        assert_eq!(
            render("a\n  {{ nmae }}").unwrap_err(),
            "t:2:6: there is no variable 'nmae' (did you mean 'name'?)"
        );
        let mistake = render("a\n{% for n in names %}{{ n.x.y }}{% endfor %}").unwrap_err();
        assert!(mistake.starts_with("t:2:2"), "{mistake}");
        let mistake = render("{% for n in names %}").unwrap_err();
        assert!(mistake.starts_with("t:"), "{mistake}");
    }

    #[test]
    fn a_value_that_is_not_there_is_named_as_it_was_written() {
        let known = |text: &str| render(text).unwrap_err();
        assert_eq!(
            known("a\n{{ domain.nam | upper }}"),
            "t:2:4: there is no variable 'domain.nam' (did you mean 'domain.name'?)"
        );
        assert_eq!(
            known("{% if host.xyz %}{% endif %}"),
            "t:1:7: there is no variable 'host.xyz' ('host' has name, address, location, groups, services, roles, is_container, port)"
        );
        for (text, value) in [
            ("{% for n in names %}{{ n.x | upper }}{% endfor %}", "n.x"),
            ("{% for n in names %}{{ n.x }}{% endfor %}", "n.x"),
            ("{% for n in names %}{{ n.x.y }}{% endfor %}", "n.x"),
            ("{% for n in name.x %}{% endfor %}", "name.x"),
            ("{% set a = name.x %}", "name.x"),
            ("{{ name.x ~ 'a' }}", "name.x"),
            ("{{ 'a' ~ name.x.y }}", "name.x.y"),
            ("{{ name ~ '-' ~ name.x ~ '.' }}", "name.x"),
            ("{% set a = 'a' ~ name.x %}", "name.x"),
            ("{% if name ~ name.x == 'a' %}{% endif %}", "name.x"),
            (
                "{% for n in names %}{{ n.x ~ (name.x ~ 'b') }}{% endfor %}",
                "n.x",
            ),
            ("{{ names | join(sep=name.x ~ ',') }}", "name.x"),
        ] {
            let mistake = known(text);
            assert!(
                mistake.contains("there is no such value: `") && mistake.contains(value),
                "{text}: {mistake}"
            );
        }
        let mistake = known("{{ name ~ name ~ name.x }}");
        assert!(mistake.starts_with("t:1:18: "), "{mistake}");
        for (text, expected) in [
            ("{{ name ~ '-' ~ name }}{{ loop }}", "x-x"),
            (
                "{% for n in names %}{{ loop.index ~ n ~ names[0] }}{% endfor %}",
                "1aa2ba",
            ),
            ("{{ name.x | default(value='d') ~ name }}", "dx"),
            ("{{ 'a' ~ name | upper }}", "aX"),
            ("{{ 1 ~ true ~ (name == 'x') }}", "1truetrue"),
            ("{{ name ~ '~ name.x' }}", "x~ name.x"),
        ] {
            let text = text.replace("{{ loop }}", "");
            assert_eq!(render(&text).as_deref(), Ok(expected), "{text}");
        }
        // What a template calls so itself is its own.
        let own =
            render("{% for host in names %}{% if host.x is defined %}{% endif %}{% endfor %}");
        assert_eq!(own.unwrap(), "");
    }

    #[test]
    fn nothing_runs_away() {
        let mut doubling = String::from("{% set a = 'x' %}");
        for _ in 0..64 {
            doubling.push_str("{% set a = a ~ a %}");
        }
        let loops = "{% for a in range(end=1000) %}{% for b in range(end=1000) %}{% for c in range(end=1000) %}{% endfor %}{% endfor %}{% endfor %}";
        let written = "{% for a in range(end=100000) %}aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{% endfor %}";
        let squares = "{{ 'aaaaaaaaaa' ~ name | replace(from='', to='bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb') | replace(from='', to='bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb') | replace(from='', to='bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb')| replace(from='', to='bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb') | replace(from='', to='bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb') }}";
        let wide = "{{ name | indent(width=9999999999, first=true) }}";
        for text in [doubling.as_str(), loops, written, squares, wide] {
            let mistake = render(text).unwrap_err();
            let known = ["too often", "more than"]
                .iter()
                .any(|it| mistake.contains(it));
            assert!(known, "{mistake}");
            assert!(!mistake.contains("prov_"), "{mistake}");
        }
        let deep = format!("{{{{ {}1{} }}}}", "(".repeat(10_000), ")".repeat(10_000));
        assert!(render(&deep).is_err());
    }
}
