//! Roles of an estate in which texts are mutated: `prov check` says what is wrong, and never panics or hangs.
//!
//! `PROV_HOSTILE_RUNS` says how often; each run is made of its number alone, so that one that fails can be repeated with
//! `PROV_HOSTILE_FIRST`.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and is the shell that hands texts to the core"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use tasks::domain::Domains;
use tasks::estate::{Estate, Sources};
use tasks::role::{self, Catalogue, Inputs};
use tasks::template::Templates;

/// Runs that `./check` has time for.
const RUNS: u64 = 2_000;

/// No run may take longer than this; most take milliseconds.
const DEADLINE: Duration = Duration::from_secs(20);

const INVENTORY: &str = "
name: tiny
hosts:
  web: {address: 192.0.2.7, location: external}
  app: {address: 192.0.2.8, location: internal}
roles:
  page: [web, app]
";

const ROLE: &str = "
summary: A page, and who writes it.
after: [dns]
variables:
  page_title: {type: text, default: Home, about: What the page is called.}
  page_port: {type: port, default: 8080}
  page_token: {type: secret, default: ~}
  page_writers: {type: map of account, default: {Anna: anna}}
  page_level: {type: one of low high, default: low}
handlers:
  restart: {restart: page, validate: [pagectl, '--port={{ page_port }}']}
resources:
  - packages: {names: [page]}
  - file: {path: /etc/page.conf, template: page.conf, mode: '0640'}
    notify: restart
  - line: {path: /etc/default/page, line: 'PORT={{ page_port }}', regexp: '^PORT='}
  - file: {path: '/etc/{{ item }}', content: '{{ page_token }}'}
    when: page_token
    each: hosts(role='page')
  - user: {name: '{{ value }}', comment: '{{ key }}', groups: '{{ host.groups }}'}
    each: page_writers
  - cron: {name: page, command: 'true', minute: '*/5'}
    only: internal,&web
  - service: {name: page, running: true}
checks:
  - http: {url: 'http://{{ host.name }}/{{ page_title }}', body: 'x$', headers: {a: 'b'}}
    from: host
    within: 5s
  - tcp: {port: 80, open: false}
    each: [a, b]
    when: page_title
    shows: 'port {{ item }}'
  - command: {argv: [echo, '{{ page_title }}'], stdout: '^H'}
backup: ['/srv/{{ page_title | lower }}']
";

const TEMPLATE: &str = "title = {{ page_title | replace(from='a', to='b') }}
{% if page_token and page_port > 1 %}token = {{ page_token }}{% endif %}
{% for name, w in page_writers -%} {% set x = x ~ w %}{{ loop.index }}{{ x }} {%- endfor %}
{% raw %}{{ }}{% endraw %}{# note #}{% for a in range(end=10) %}{% for b in hosts() %}{{ b }}{% endfor %}{% endfor %}
";

/// What is put into texts.
const PARTS: &[&str] = &[
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "-",
    "'",
    "\"",
    "`",
    "\\",
    "\n",
    "  ",
    ":",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "|",
    "~",
    "&",
    "*",
    "!",
    "#",
    ",",
    "9999999999999999999",
    "0",
    "-1",
    "1e308",
    "true",
    "~",
    "\u{f8f0}0\u{f8f1}",
    "\u{0}",
    "ä",
    "\u{200b}",
    "/",
    "../",
    "%",
    "{% for a in range(end=99999) %}",
    "{% endfor %}",
    "{% set x = x ~ x %}",
    "{% include 'page.conf' %}",
    "{% raw %}",
    "{% endraw %}",
    "{{ page_token | upper }}",
    "{{ hosts() }}",
    "{{ variable(host='web', name='x') }}",
    "((((((((((((",
    "[[[[[[",
    "not not not ",
    " ~ x ~ x ~ x",
    " | indent(width=999999999)",
    "each: page_writers",
    "when: ",
    "only: all",
    "template: page.conf",
    "item",
    "loop",
    "{% if ",
    "{% endif %}",
    "{% block x %}",
    "{% macro x() %}",
    "{% component x() %}",
    " in ",
    " is ",
    "a.b.c",
    "x[",
    "list of list of text",
];

/// A generator that is made of a number (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (end.max(1) as u64)).unwrap()
    }

    fn mutated(&mut self, text: &str) -> String {
        let mut letters: Vec<char> = text.chars().collect();
        for _ in 0..=self.below(4) {
            let at = self.below(letters.len() + 1);
            let end = (at + self.below(12)).min(letters.len());
            match self.below(4) {
                0 => drop(letters.drain(at..end)),
                1 => {
                    let part: Vec<char> = letters[at..end].to_vec();
                    let to = self.below(letters.len() + 1);
                    letters.splice(to..to, part);
                }
                2 => {
                    let part = PARTS[self.below(PARTS.len())];
                    letters.splice(at..at, part.chars());
                }
                _ => {
                    let part = PARTS[self.below(PARTS.len())];
                    letters.splice(at..end, part.chars());
                }
            }
        }
        letters.into_iter().collect()
    }
}

/// Does what `prov check` does; gives the number of mistakes.
fn check(role: &str, template: &str, templates: &Templates) -> usize {
    let sources = Sources::new("e")
        .with("estate.yml", INVENTORY)
        .with("roles/page/role.yml", role)
        .with("roles/page/page.conf", template);
    let estate = Estate::load(&sources, &[]).unwrap();
    match Catalogue::load(&sources, &[]) {
        Ok(roles) => {
            let inputs = Inputs {
                roles,
                ..Inputs::default()
            };
            role::check(&estate, &Domains::default(), templates, &inputs).len()
        }
        Err(mistakes) => mistakes.len(),
    }
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

#[test]
fn no_role_makes_the_check_panic_or_hang() {
    let templates = Templates::load(&Sources::new("e")).ok().unwrap();
    let first = number("PROV_HOSTILE_FIRST", 1);
    let (mut right, mut wrong) = (0, 0);
    for run in first..first + number("PROV_HOSTILE_RUNS", RUNS) {
        let mut chance = Chance(run.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let role = chance.mutated(ROLE);
        let template = chance.mutated(TEMPLATE);
        let started = Instant::now();
        let checked = catch_unwind(AssertUnwindSafe(|| check(&role, &template, &templates)));
        let took = started.elapsed();
        assert!(took < DEADLINE, "run {run} took {took:?}");
        assert!(checked.is_ok(), "run {run} panicked\n{role}\n{template}");
        match checked.unwrap() {
            0 => right += 1,
            _ => wrong += 1,
        }
    }
    assert!(
        wrong > right / 4,
        "{wrong} of {} runs had mistakes",
        wrong + right
    );
}
