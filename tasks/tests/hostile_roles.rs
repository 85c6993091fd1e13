//! Roles of an estate in which texts are mutated: `prov check` says what is wrong, and never panics or hangs.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and is the shell that hands texts to the core"
)]

mod chance;

use chance::Chance;
use tasks::domain::Domains;
use tasks::estate::{Estate, Sources};
use tasks::role::{self, Catalogue, Inputs};
use tasks::template::Templates;

/// Runs that `./check` has time for.
const RUNS: u64 = 2_000;

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

#[test]
fn no_role_makes_the_check_panic_or_hang() {
    let templates = Templates::load(&Sources::new("e")).ok().unwrap();
    let (mut right, mut wrong) = (0, 0);
    for run in chance::runs(RUNS) {
        let mut chance = Chance::of(run);
        let role = chance.mutated(ROLE, PARTS);
        let template = chance.mutated(TEMPLATE, PARTS);
        match chance::make(run, &[&role, &template], || {
            check(&role, &template, &templates)
        }) {
            0 => right += 1,
            _ => wrong += 1,
        }
    }
    chance::told("roles", chance::count(RUNS));
    assert!(
        wrong > right / 4,
        "{wrong} of {} runs had mistakes",
        wrong + right
    );
}
