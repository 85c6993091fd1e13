//! Keeps a template from running away before it is parsed, and a secret from being looked into.
//!
//! Owns which tags a template of an estate's role may have, and puts a toll before everything that can grow: what is looped
//! over pays for each turn, what is kept under a name pays for its size ([`super::engine`] takes it). Refuses what can call
//! itself, what keeps rendered text, and loops inside of expressions. It reads the tags as Tera's lexer does.

use std::collections::BTreeSet;
use std::ops::Range;

use regex::Regex;

/// Name of the function that lets a list or map be looped over.
pub(super) const EACH: &str = "prov_each";

/// Name of the function that lets a value be kept.
pub(super) const KEEP: &str = "prov_keep";

/// Name of the function that hands the value of an expression out.
pub(super) const OUT: &str = "prov_out";

/// Name of the function that gives a value which is there; Tera joins one that is not as an empty text.
pub(super) const THERE: &str = "prov_there";

/// The functions of prov's own, which no template calls by itself.
pub(super) const OWN: [&str; 4] = [EACH, KEEP, OUT, THERE];

/// Words of Tera that are no names.
const KEYWORDS: [&str; 10] = [
    "and", "or", "not", "in", "is", "if", "else", "true", "false", "none",
];

/// Digits in which the cost of a turn is written.
const DIGITS: usize = 7;

/// Longest template.
pub(super) const LONGEST: usize = 256 << 10;

/// Filters that choose among secrets, and change none.
const CHOOSING: [&str; 8] = [
    "default", "first", "last", "nth", "get", "join", "values", "keys",
];

/// A template that can be parsed.
#[derive(Debug, Default)]
pub(super) struct Guarded {
    pub(super) text: String,
    /// Names that the template gives values itself.
    pub(super) sets: BTreeSet<String>,
    /// What was put in: line, column from 0 among all that is there then, characters.
    pub(super) added: Vec<(usize, usize, usize)>,
    /// The fields that it asks of names which it gives no value itself.
    pub(super) fields: Vec<Field>,
}

/// A field that a template asks of a name: what stands around the dot in `host.name`, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) of: String,
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// What is wrong with a template, and where: line from 1, column from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) message: String,
}

/// A word or sign of a tag outside of texts: where it is in the tag, and what.
struct Token<'t> {
    at: usize,
    text: &'t str,
}

struct Guard<'t> {
    source: &'t str,
    secrets: BTreeSet<String>,
    done: Guarded,
    /// Where the costs of the loops that are open stand in the result, and where the loops began in the source.
    loops: Vec<(usize, usize)>,
    /// Names that loops give values.
    turns: BTreeSet<String>,
}

/// Guards a template in which these names stand for secrets.
pub(super) fn guarded(source: &str, secrets: &BTreeSet<String>) -> Result<Guarded, Refusal> {
    let mut guard = Guard {
        source,
        secrets: secrets.clone(),
        done: Guarded::default(),
        loops: Vec::new(),
        turns: BTreeSet::new(),
    };
    if source.len() > LONGEST {
        return Err(guard.refuse(0, &format!("a template has at most {LONGEST} bytes")));
    }
    guard.walk()?;
    let Guard {
        mut done, turns, ..
    } = guard;
    done.fields
        .retain(|field| !done.sets.contains(&field.of) && !turns.contains(&field.of));
    Ok(done)
}

/// Finds the end of a tag: what comes first outside of a text.
fn end_of(text: &str, end: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut quote = None;
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        match quote {
            Some(_) if byte == b'\\' => at += 1,
            Some(open) if byte == open => quote = None,
            None if b"\"'`".contains(&byte) => quote = Some(byte),
            None if text.as_bytes()[at..].starts_with(end.as_bytes()) => return Some(at),
            Some(_) | None => {}
        }
        at += 1;
    }
    None
}

/// Parts a tag into words and signs; texts are left out, but for an empty sign in their place.
fn tokens(tag: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let bytes = tag.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let byte = bytes[at];
        if b"\"'`".contains(&byte) {
            at += 1;
            while at < bytes.len() && bytes[at] != byte {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
            at = (at + 1).min(bytes.len());
            tokens.push(Token {
                at: start,
                text: "",
            });
            continue;
        }
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if word(byte) {
            while at < bytes.len() && word(bytes[at]) {
                at += 1;
            }
        } else {
            at += 1;
            let pair = bytes.get(at).is_some_and(|next| *next == b'=');
            if b"=!<>".contains(&byte) && pair {
                at += 1;
            }
        }
        if let Some(text) = tag.get(start..at).filter(|text| !text.trim().is_empty()) {
            tokens.push(Token { at: start, text });
        }
    }
    tokens
}

/// Finds the names and fields that are joined with something by `~`: where each begins and ends. One with a filter, an index or a test is
/// left alone: what it gives is there, or fails by itself, or is asked for that.
fn joined(tokens: &[Token<'_>]) -> Vec<Range<usize>> {
    let text = |at: Option<usize>| at.and_then(|at| tokens.get(at)).map_or("", |it| it.text);
    let is_name = |at: Option<usize>| is_word(text(at)) && !KEYWORDS.contains(&text(at));
    let mut found: Vec<Range<usize>> = Vec::new();
    for at in (0..tokens.len()).filter(|at| tokens[*at].text == "~") {
        let (mut first, mut last) = (at.checked_sub(1), at + 1);
        let left_end = first;
        while let Some(dot) = first.and_then(|first| first.checked_sub(2))
            && text(Some(dot + 1)) == "."
            && is_word(text(Some(dot)))
        {
            first = Some(dot);
        }
        while text(Some(last + 1)) == "." && is_word(text(Some(last + 2))) {
            last += 2;
        }
        let before = text(first.and_then(|first| first.checked_sub(1)));
        if is_name(first) && !["|", ".", "is", "not", "]", ")"].contains(&before) {
            found.extend(first.zip(left_end).map(|(first, end)| first..end));
        }
        let after = text(Some(last + 1));
        if is_name(Some(at + 1)) && !["(", "[", "|", ".", "is", "?"].contains(&after) {
            found.push(at + 1..last);
        }
    }
    let mut ranges: Vec<_> = found
        .into_iter()
        .map(|it| tokens[it.start].at..tokens[it.end].at + tokens[it.end].text.len())
        .collect();
    ranges.dedup();
    ranges
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

impl Guard<'_> {
    fn walk(&mut self) -> Result<(), Refusal> {
        let mut at = 0;
        loop {
            let rest = &self.source[at..];
            let next = ["{{", "{%", "{#"]
                .iter()
                .filter_map(|tag| rest.find(tag))
                .min();
            let Some(next) = next else {
                self.done.text.push_str(rest);
                return Ok(());
            };
            self.done.text.push_str(&rest[..next]);
            let open = at + next;
            let inside = &self.source[open + 2..];
            let (close, end) = match &self.source[open..open + 2] {
                "{#" => (inside.find("#}"), "#}"),
                "{{" => (end_of(inside, "}}"), "}}"),
                _ => (end_of(inside, "%}"), "%}"),
            };
            let Some(close) = close else {
                return Err(self.refuse(open, &format!("this has no end: '{end}' is missing")));
            };
            let tag = &inside[..close];
            let after = open + 2 + close + 2;
            at = match end {
                "#}" => {
                    self.done.text.push_str(&self.source[open..after]);
                    after
                }
                "}}" => {
                    self.expression(tag, open)?;
                    after
                }
                _ if tag.trim_matches('-').trim() == "raw" => self.raw(open, after)?,
                _ => {
                    self.tag(tag, open)?;
                    after
                }
            };
        }
    }

    fn raw(&mut self, open: usize, after: usize) -> Result<usize, Refusal> {
        #[expect(clippy::expect_used, reason = "a literal, which the tests compile")]
        let end = Regex::new(r"\{%-?\s*endraw\s*-?%\}").expect("a literal");
        match end.find(&self.source[after..]) {
            Some(found) => {
                let end = after + found.end();
                self.done.text.push_str(&self.source[open..end]);
                Ok(end)
            }
            None => Err(self.refuse(open, "this has no end: {% endraw %} is missing")),
        }
    }

    fn expression(&mut self, tag: &str, open: usize) -> Result<(), Refusal> {
        let tokens = tokens(tag);
        if tag.trim_start_matches('-').trim_start().starts_with('<') {
            return Err(self.refuse(open, "roles have no components"));
        }
        self.inside(&tokens, open)?;
        self.done.text.push_str("{{");
        self.written(tag, 0, open);
        self.done.text.push_str("}}");
        Ok(())
    }

    fn tag(&mut self, tag: &str, open: usize) -> Result<(), Refusal> {
        let all = tokens(tag);
        let all = match all.first() {
            Some(first) if first.text == "-" => &all[1..],
            _ => &all[..],
        };
        let keyword = all.first().map_or("", |first| first.text);
        let rest = all.get(1..).unwrap_or_default();
        match keyword {
            "else" | "endif" | "break" | "continue" => {}
            "if" | "elif" => {
                self.inside(rest, open)?;
            }
            "endfor" => self.pay(open),
            "for" => return self.looped(tag, rest, open),
            "set" | "set_global" => return self.kept(tag, rest, open),
            other => {
                return Err(self.refuse(
                    open,
                    &format!("roles have no tag '{other}', only if, elif, else, for, set, set_global and raw"),
                ));
            }
        }
        self.done.text.push_str("{%");
        self.written(tag, 0, open);
        self.done.text.push_str("%}");
        Ok(())
    }

    /// Writes a tag from somewhere on; of what it joins, only what is there.
    fn written(&mut self, tag: &str, from: usize, open: usize) {
        let mut at = from;
        for range in joined(&tokens(tag)) {
            if range.start < at {
                continue;
            }
            self.done.text.push_str(&tag[at..range.start]);
            self.put(&format!("{THERE}(v="), open + 2 + range.start);
            self.done.text.push_str(&tag[range.clone()]);
            self.put(")", open + 2 + range.end);
            at = range.end;
        }
        self.done.text.push_str(&tag[at..]);
    }

    /// Puts something in that is not in the source, before what is there at a place.
    fn put(&mut self, text: &str, before: usize) {
        let (line, column) = self.position(before);
        let earlier = self.done.added.iter().filter(|(on, ..)| *on == line);
        let shift: usize = earlier.map(|(_, _, characters)| characters).sum();
        let characters = text.chars().count();
        self.done.added.push((line, column - 1 + shift, characters));
        self.done.text.push_str(text);
    }

    /// Writes what a turn of the loop that ends here costs: as much as the loop is long.
    fn pay(&mut self, end: usize) {
        if let Some((slot, began)) = self.loops.pop() {
            let cost = format!("{:0DIGITS$}", (end - began).max(1));
            self.done.text.replace_range(slot..slot + DIGITS, &cost);
        }
    }

    fn looped(&mut self, tag: &str, rest: &[Token<'_>], open: usize) -> Result<(), Refusal> {
        let Some(at) = rest.iter().position(|token| token.text == "in") else {
            return Err(self.refuse(open, "expected {% for NAME in LIST %}"));
        };
        let is_secret = self.inside(&rest[at + 1..], open)?;
        let names = rest[..at]
            .iter()
            .map(|token| token.text)
            .filter(|it| is_word(it));
        self.turns.extend(names.clone().map(str::to_owned));
        if is_secret {
            self.secrets.extend(names.map(str::to_owned));
        }
        let start = rest[at].at + "in".len();
        let before = format!(" {EACH}(c=");
        self.wrapped(
            tag,
            start,
            open,
            &format!("{before}{}, v=", "0".repeat(DIGITS)),
        );
        let digits = self
            .done
            .text
            .rfind(&before)
            .map(|found| found + before.len());
        self.loops.extend(digits.map(|digits| (digits, open)));
        Ok(())
    }

    fn kept(&mut self, tag: &str, rest: &[Token<'_>], open: usize) -> Result<(), Refusal> {
        let [name, equals, value @ ..] = rest else {
            return Err(self.refuse(open, "expected {% set NAME = VALUE %}"));
        };
        if equals.text != "=" {
            return Err(self.refuse(
                open,
                "expected {% set NAME = VALUE %}; roles keep no rendered text",
            ));
        }
        self.done.sets.insert(name.text.to_owned());
        if self.inside(value, open)? {
            self.secrets.insert(name.text.to_owned());
        }
        self.wrapped(tag, equals.at + 1, open, &format!(" {KEEP}(v="));
        Ok(())
    }

    /// Writes a tag with the rest of it as the argument of a function.
    fn wrapped(&mut self, tag: &str, start: usize, open: usize, call: &str) {
        let (whole, trim) = match tag.strip_suffix('-') {
            Some(whole) => (whole, "-"),
            None => (tag, ""),
        };
        self.done.text.push_str("{%");
        self.done.text.push_str(&tag[..start]);
        self.put(call, open + 2 + start);
        self.written(whole, start, open);
        let text = &mut self.done.text;
        text.push(')');
        text.push_str(trim);
        text.push_str("%}");
    }

    /// Looks through an expression; tells whether it speaks of a secret.
    fn inside(&mut self, tokens: &[Token<'_>], open: usize) -> Result<bool, Refusal> {
        self.note_fields(tokens, open);
        let words = tokens.iter().map(|token| token.text);
        if words.clone().any(|word| word == "for") {
            return Err(self.refuse(
                open,
                "roles have no loops inside of expressions; use {% for %}",
            ));
        }
        if let Some(word) = words.clone().find(|word| OWN.contains(word)) {
            return Err(self.refuse(open, &format!("the function '{word}' is prov's own")));
        }
        let field = |at: usize| at > 0 && tokens[at - 1].text == ".";
        let secret =
            (0..tokens.len()).find(|at| self.secrets.contains(tokens[*at].text) && !field(*at));
        let Some(secret) = secret else {
            return Ok(false);
        };
        let following = |at: usize, by: usize| tokens.get(at + by).map_or("", |token| token.text);
        for at in 0..tokens.len() {
            let looks_in = match tokens[at].text {
                "|" => !CHOOSING.contains(&following(at, 1)),
                "==" | "!=" | "<" | ">" | "<=" | ">=" | "in" | ":" => true,
                "is" => {
                    let test = following(at, if following(at, 1) == "not" { 2 } else { 1 });
                    !["defined", "undefined", "none"].contains(&test)
                }
                _ => false,
            };
            if looks_in {
                let name = tokens[secret].text;
                return Err(self.refuse(
                    open,
                    &format!(
                        "'{name}' is a secret: it can be written, and nothing else be done with it"
                    ),
                ));
            }
        }
        Ok(true)
    }

    fn note_fields(&mut self, tokens: &[Token<'_>], open: usize) {
        for (at, parts) in tokens.windows(3).enumerate() {
            let [of, dot, name] = parts else { continue };
            let is_first = at == 0 || tokens[at - 1].text != ".";
            if is_first && dot.text == "." && is_word(of.text) && is_word(name.text) {
                let (line, column) = self.position(open + 2 + of.at);
                self.done.fields.push(Field {
                    of: of.text.to_owned(),
                    name: name.text.to_owned(),
                    line,
                    column,
                });
            }
        }
    }

    fn position(&self, at: usize) -> (usize, usize) {
        let before = &self.source[..at];
        let line = before.matches('\n').count() + 1;
        let last = before.rsplit('\n').next().unwrap_or_default();
        (line, last.chars().count() + 1)
    }

    fn refuse(&self, at: usize, message: &str) -> Refusal {
        let (line, column) = self.position(at);
        Refusal {
            line,
            column,
            message: message.to_owned(),
        }
    }
}

/// Tells whether a text has a tag.
pub(super) fn has_tags(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

/// Gives the blanks and line ends around an expression that a text consists of, without those that it takes away itself.
pub(super) fn around(text: &str) -> (&str, &str) {
    let inside = text.trim();
    let (before, after) = text.split_once(inside).unwrap_or_default();
    let or_none = |is_taken: bool, blanks| if is_taken { "" } else { blanks };
    (
        or_none(inside.starts_with("{{-"), before),
        or_none(inside.ends_with("-}}"), after),
    )
}

/// Gives the expression that a text consists of but for blanks and line ends around it, if it is one alone.
pub(super) fn alone(text: &str) -> Option<&str> {
    let inside = text.trim().strip_prefix("{{")?;
    let end = end_of(inside, "}}")?;
    let whole = end + 2 == inside.len();
    let expression = inside[..end].trim_matches('-').trim();
    whole.then_some(expression).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(text: &str) -> Result<Guarded, Refusal> {
        let secrets = ["password", "passwords"].map(str::to_owned);
        guarded(text, &secrets.into())
    }

    #[test]
    fn what_can_grow_pays_toll() {
        let text =
            guard("{% for a in hosts -%}\n{{ a }}{% set b = a ~ 'x' %}{%- endfor %}").unwrap();
        assert_eq!(
            text.text,
            "{% for a in prov_each(c=0000050, v= hosts )-%}\n{{ a }}{% set b = prov_keep(v= prov_there(v=a) ~ 'x' )%}{%- endfor %}"
        );
        assert_eq!(
            text.added,
            [(1, 11, 24), (2, 17, 13), (2, 31, 13), (2, 45, 1)]
        );
    }

    #[test]
    fn what_can_call_itself_or_keep_text_is_refused() {
        for text in [
            "{% include 'x' %}",
            "{% component a() %}{% endcomponent %}",
            "{% set x %}y{% endset %}",
            "{% filter upper %}x{% endfilter %}",
            "{{ [a for a in b] }}",
            "{{ <a /> }}",
            "{% block a %}{% endblock %}",
            "{{ prov_out(v=1) }}",
            "{{ x",
            "{% raw %}",
        ] {
            assert!(guard(text).is_err(), "{text}");
        }
        assert!(guard("{% raw %}{% include x %}{% endraw %}{# {% include x %} #}").is_ok());
        assert!(guard("{{ '{% include x %}' }}").is_ok());
    }

    #[test]
    fn a_secret_is_written_and_not_looked_into() {
        for good in [
            "{{ password }}",
            "{% if password %}p={{ password ~ ';' }}{% endif %}",
            "{% for p in passwords %}{{ p }}{% endfor %}",
            "{{ passwords | join(sep=',') }}",
            "{{ user.password | upper }}",
            "{% if password is defined and name == 'x' %}{% endif %}",
        ] {
            let ok = guard(good).is_ok();
            assert_eq!(ok, !good.contains("=="), "{good}");
        }
        for bad in [
            "{{ password | upper }}",
            "{% if password == 'x' %}{% endif %}",
            "{% for p in passwords %}{{ p | length }}{% endfor %}",
            "{% set q = password %}{{ q | replace(from='a', to='b') }}",
            "{{ password[0:1] }}",
            "{% if password is containing('x') %}{% endif %}",
        ] {
            let refusal = guard(bad).unwrap_err();
            assert!(
                refusal.message.contains("is a secret"),
                "{bad}: {refusal:?}"
            );
        }
    }

    #[test]
    fn an_expression_alone_is_known() {
        assert_eq!(alone(" {{ a.b }} "), Some("a.b"));
        assert_eq!(alone("{{ '}}' }}"), Some("'}}'"));
        assert_eq!(alone("{{ a }}{{ b }}"), None);
        assert_eq!(alone("x{{ a }}"), None);
        assert_eq!(around("{{ a }}"), ("", ""));
        assert_eq!(around("  {{ a }}\n\n"), ("  ", "\n\n"));
        assert_eq!(around("  {{- a }}\n"), ("", "\n"));
        assert_eq!(around("  {{ a -}}\n"), ("  ", ""));
    }
}
