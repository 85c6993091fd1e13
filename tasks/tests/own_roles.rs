//! Roles of an estate's own: what they declare, and every mistake in them, with its place.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use insta::assert_snapshot;
use tasks::Diagnostic;
use tasks::content::Content;
use tasks::domain::Domains;
use tasks::estate::{Estate, Sources};
use tasks::resource::{Declared, Resource};
use tasks::role::{self, Catalogue, HostContext, Inputs};
use tasks::template::Templates;

const INVENTORY: &str = "
name: tiny
hosts:
  web: {address: 192.0.2.7, location: external, release: trixie}
  app: {address: 192.0.2.8, location: internal}
roles:
  page: [web, app]
";

const ROLE: &str = "
summary: A page, and who writes it.
variables:
  page_title: {type: text, about: What the page is called.}
  page_port: {type: port, default: 8080}
  page_token: {type: secret, default: ~}
  page_writers: {type: map of account, default: {}}
handlers:
  restart: {restart: page, validate: [pagectl, '--port={{ page_port }}']}
resources:
  - packages: {names: [page]}
  - file: {path: /etc/page.conf, template: page.conf, mode: '0640'}
    notify: restart
  - file: {path: /etc/page.css, source: page.css}
  - line: {path: /etc/default/page, line: 'PORT={{ page_port }}'}
  - file: {path: /etc/page.token, content: '{{ page_token }}', mode: '0600'}
    when: page_token
  - user: {name: '{{ value }}', comment: '{{ key }}'}
    each: page_writers
  - directory: {path: /srv/new}
    when: release == 'trixie'
  - directory: {path: /srv/inside}
    only: internal
  - service: {name: page}
backup: ['/srv/{{ page_title | lower }}']
";

fn sources(role: &str, variables: &str) -> Sources {
    Sources::new("e")
        .with("estate.yml", INVENTORY)
        .with("groups/all.yml", variables)
        .with("roles/page/role.yml", role)
        .with(
            "roles/page/page.conf",
            "title = {{ page_title }}\n{% if page_token %}token = {{ page_token }}\n{% endif %}",
        )
        .with("roles/page/page.css", "b { {{ x }} }\n")
}

fn inputs(sources: &Sources) -> Result<Inputs, Vec<Diagnostic>> {
    Ok(Inputs {
        roles: Catalogue::load(sources, &[])?,
        ..Inputs::default()
    })
}

/// Does what `prov check` does.
fn check(sources: &Sources) -> String {
    let templates = Templates::load(&Sources::new("e")).ok().unwrap();
    let mistakes = match (Estate::load(sources, &[]), inputs(sources)) {
        (Ok(estate), Ok(inputs)) => role::check(&estate, &Domains::default(), &templates, &inputs),
        (estate, inputs) => {
            let mistakes = [estate.err(), inputs.err()].into_iter().flatten();
            mistakes.flatten().collect()
        }
    };
    let told = mistakes.iter().map(|mistake| match &mistake.hint {
        Some(hint) => format!("{mistake}\n  {hint}"),
        None => mistake.to_string(),
    });
    told.collect::<Vec<_>>().join("\n")
}

fn declared(sources: &Sources, host: &str) -> Vec<Declared> {
    let estate = Estate::load(sources, &[]).unwrap();
    let inputs = inputs(sources).unwrap();
    let templates = Templates::load(&Sources::new("e")).ok().unwrap();
    let host = estate.host(host).unwrap();
    role::resources(&HostContext::new(&estate, host, &inputs, &templates)).unwrap()
}

fn names(declared: &[Declared]) -> Vec<String> {
    declared.iter().map(Declared::name).collect()
}

#[test]
fn a_role_declares_what_its_host_needs() {
    let variables = "page_title: Home\npage_token: hunter2\npage_writers: {Anna: anna}\n";
    let sources = sources(ROLE, variables);
    assert_eq!(check(&sources), "");
    let of_web = declared(&sources, "web");
    assert_eq!(
        names(&of_web),
        [
            "packages page",
            "file /etc/page.conf",
            "file /etc/page.css",
            "line /etc/default/page 'PORT=8080'",
            "file /etc/page.token",
            "user anna",
            "directory /srv/new",
            "service page",
        ]
    );
    let of_app = declared(&sources, "app");
    let inside = "directory /srv/inside".to_owned();
    assert!(names(&of_app).contains(&inside) && !names(&of_web).contains(&inside));
    let Resource::File(file) = &of_web[1].resource else {
        unreachable!()
    };
    let content = file.content.clone().unwrap();
    assert_eq!(content.expose(), "title = Home\ntoken = hunter2\n");
    assert_eq!(content.masked(), "title = Home\ntoken = <secret>\n");
    assert!(!content.is_unsorted());
    assert_eq!(of_web[1].notify[0].name, "restart page");
    let validate = of_web[1].notify[0].validate.clone().unwrap();
    assert_eq!(validate, ["pagectl", "--port=8080"]);
    let Resource::File(css) = &of_web[2].resource else {
        unreachable!()
    };
    assert_eq!(
        css.content.clone().unwrap().expose(),
        "b { {{ x }} }\n",
        "a file is no template"
    );
}

#[test]
fn what_may_be_left_out_may_be_left_out() {
    let sources = sources(ROLE, "page_title: Home\n");
    assert_eq!(check(&sources), "");
    let names = names(&declared(&sources, "web"));
    assert!(!names.contains(&"file /etc/page.token".to_owned()));
}

#[test]
fn every_mistake_in_a_role_is_found_at_once() {
    let role = "
sumary: x
after: [dsn]
variables:
  a: {type: adress}
  b: {type: port, default: 70000}
  c: {type: secret, default: x}
  item: text
  d: {type: text, abuot: x}
  e: {type: list of secret, default: [x]}
handlers:
  go: {restrat: x}
resources:
  - pakages: {names: [x]}
  - file: {path: etc/x, content: a}
  - file: {path: /etc/x, template: page.cnf}
    notify: restart
  - file: {path: /etc/x, mdoe: '0600'}
  - line: {path: /etc/x, line: '{{ dd }}'}
    when: d ==
  - directory: {path: '/srv/{{ c }}'}
  - directory: {path: '/srv/{{ c | upper }}'}
  - service: {name: x, running: yes}
  - {only: all}
";
    assert_snapshot!(check(&sources(role, "")));
}

/// Whoever knows Ansible writes its words; each is answered with what is written here.
#[test]
fn a_role_of_ansible_is_answered_word_by_word() {
    let role = "
summary: x
tasks: []
dependencies: []
variables:
  a: {b: text}
  c: [1]
handlers:
  - name: restart
resources:
  - name: install
    ansible.builtin.apt: {name: nginx}
    become: true
    register: out
    tags: [a]
  - ansible.posix.authorized_key: {user: x}
  - community.docker.docker_container: {name: x}
  - block:
    - apt: {name: x}
  - file: {path: /x, state: directory}
  - file: {path: /x, content: '{{ inventory_hostname }} {{ hostvars }}'}
  - file: {path: /x, content: \"{{ d | default('a') }}\"}
  - file: {path: /x, content: '{{ c | to_nice_yaml }}'}
  - file: {path: /y}
    when: [a, b]
  - wait_for: {port: 80}
  - service: {name: x, state: restarted}
";
    let mut sources = sources(role, "");
    for left in ["tasks/web.yml", "handlers/main.yml", "defaults/main.yml"] {
        sources.insert(format!("roles/page/{left}"), b"a: 1\n".to_vec());
    }
    assert_snapshot!(check(&sources));
}

#[test]
fn every_mistake_that_a_host_makes_is_found_at_once() {
    let role = "
summary: x
variables:
  page_title: text
  page_token: secret
resources:
  - file: {path: '{{ page_title }}', content: x}
  - file: {path: '/{{ page_token }}', content: x}
  - file: {path: /x, content: x, mode: '{{ page_title }}', owner: '{{ page_token }}'}
  - file: {path: /y, template: '{{ page_title }}.conf'}
  - directory: {path: /z}
    only: nobody
  - directory: {path: '/a/{{ item }}'}
    each: page_title
  - directory: {path: '/b/{{ page_title.nmae | upper }}'}
";
    let variables = "page_title: Home\npage_token: hunter2\npage_tokn: x\n";
    assert_snapshot!(check(&sources(role, variables)));
    let unset = check(&sources(role, ""));
    assert!(
        unset.contains("groups/external.private.yml") && unset.contains("'page_title'"),
        "{unset}"
    );
}

#[test]
fn a_role_takes_the_place_of_one_of_provs_only_where_it_says_so() {
    let named = |text: &str| {
        let inventory =
            "name: tiny\nhosts: {a: {address: 192.0.2.7, location: internal}}\nroles: {dns: [a]}\n";
        let sources = Sources::new("e")
            .with("estate.yml", inventory)
            .with("roles/dns/role.yml", text);
        (check(&sources), sources)
    };
    let (told, _) = named("summary: x\n");
    assert!(
        told.contains("e/roles/dns/role.yml: the role 'dns' is part of prov"),
        "{told}"
    );
    let role = "summary: x\nreplaces_builtin: true\nresources: [{directory: {path: /srv}}]\n";
    let (told, sources) = named(role);
    assert_eq!(told, "");
    assert_eq!(names(&declared(&sources, "a")), ["directory /srv"]);
}

#[test]
fn a_role_comes_after_those_that_it_names() {
    let sources = Sources::new("e")
        .with("roles/a/role.yml", "summary: a\nafter: [b]\n")
        .with("roles/b/role.yml", "summary: b\nafter: [dns]\n")
        .with("roles/c/role.yml", "summary: c\n");
    let roles = Catalogue::load(&sources, &[]).unwrap();
    let names: Vec<_> = roles.iter().map(|role| role.name().to_owned()).collect();
    let at = |name: &str| names.iter().position(|it| it == name).unwrap();
    assert_eq!((at("b"), at("a")), (at("dns") + 1, at("dns") + 2));
    assert_eq!(at("c"), names.len() - 1);
    let circle = Sources::new("e")
        .with("roles/a/role.yml", "summary: a\nafter: [b]\n")
        .with("roles/b/role.yml", "summary: b\nafter: [a]\n");
    let told = Catalogue::load(&circle, &[]).unwrap_err();
    assert_eq!(told.len(), 2);
    assert!(told[0].message.contains("comes after itself"), "{told:?}");
}

#[test]
fn libraries_share_roles_and_the_estates_own_counts_first() {
    let estate = Sources::new("e").with("roles/a/role.yml", "summary: the estate's\n");
    let library = Sources::new("shared")
        .with("a/role.yml", "summary: the library's\n")
        .with("b/role.yml", "summary: the library's\n");
    let roles = Catalogue::load(&estate, &[library]).unwrap();
    let summaries: Vec<_> = roles
        .own()
        .filter(|role| !role.is_shipped())
        .map(|role| (role.name(), role.summary()))
        .collect();
    assert_eq!(summaries, [("a", "the estate's"), ("b", "the library's")]);
    let broken = Sources::new("shared").with("a/role.yml", "sumary: x\n");
    let told = Catalogue::load(&estate, &[broken]).unwrap_err();
    assert_eq!(told[0].place.as_ref().unwrap().file, "shared/a/role.yml");
}

#[test]
fn expressions_ask_the_inventory_and_no_secret_leaves_its_host() {
    let with = |line: &str| {
        let role = format!(
            "summary: x\nvariables:\n  page_title: text\n  page_place: {{type: path, default: /cellar}}\n  page_token: {{type: secret, default: ~}}\nresources:\n  - {line}\n"
        );
        sources(&role, "page_title: Home\n")
            .with("hosts/web.yml", "page_title: Web\npage_token: public\n")
            .with("hosts/app.private.yml", "page_title: hidden\n")
    };
    let named = |line: &str| {
        let sources = with(line);
        assert_eq!(check(&sources), "");
        names(&declared(&sources, "app")).join(" ")
    };
    let each = "directory: {path: '/{{ address(host=item) }}'}\n    each: hosts";
    assert_eq!(
        named(&format!("{each}(role='page')")),
        "directory /192.0.2.7 directory /192.0.2.8"
    );
    assert_eq!(
        named(&format!("{each}(group='internal')")),
        "directory /192.0.2.8"
    );
    assert_eq!(named(&format!("{each}(role='none')")), "");
    let title = "directory: {path: \"/{{ variable(host='web', name='page_title') }}\"}";
    assert_eq!(named(title), "directory /Web");
    let place = "directory: {path: \"{{ variable(host='web', name='page_place') }}\"}";
    assert_eq!(named(place), "directory /cellar");
    for (line, told) in [
        (
            "directory: {path: \"/{{ address(host='wbe') }}\"}",
            "did you mean 'web'?",
        ),
        (
            "directory: {path: '/x'}\n    each: hosts(role='pag')",
            "did you mean 'page'?",
        ),
        (
            "directory: {path: '/x'}\n    each: hosts(group='intrnal')",
            "did you mean 'internal'?",
        ),
        (
            "directory: {path: \"/{{ variable(host='web', name='page_token') }}\"}",
            "is secret",
        ),
        (
            "directory: {path: \"/{{ variable(host='app', name='page_title') }}\"}",
            "is secret",
        ),
        (
            "directory: {path: \"/{{ variable(host='app', name='page_token') }}\"}",
            "is secret",
        ),
    ] {
        let mistakes = check(&with(line));
        assert!(mistakes.contains(told), "{line}: {mistakes}");
        assert!(!mistakes.contains("hidden"), "{mistakes}");
    }
}

#[test]
fn what_is_one_hosts_own_stands_beside_its_variables() {
    let of = |resources: &str| {
        sources("summary: x\n", "")
            .with("hosts/web.yml", resources)
            .with(
                "groups/internal.yml",
                "resources: [{directory: {path: /inside}}]\n",
            )
    };
    let web = "handlers: {go: {run: [true]}}\nresources:\n  - directory: {path: '/{{ host.name }}'}\n    notify: go\n".replace("true", "sync");
    let sources = of(&web);
    assert_eq!(check(&sources), "");
    let of_web = declared(&sources, "web");
    assert_eq!(names(&of_web), ["directory /web"]);
    assert_eq!(of_web[0].role, "host web");
    assert_eq!(of_web[0].notify[0].name, "run sync");
    assert_eq!(names(&declared(&sources, "app")), ["directory /inside"]);
    let told = check(&of("resources: [{directory: {pth: /x}}]\n"));
    assert!(
        told.contains("e/hosts/web.yml:1:26: unknown field 'pth'"),
        "{told}"
    );
}

#[test]
fn blanks_around_an_expression_are_part_of_a_text_and_of_nothing_else() {
    let role = r#"
summary: Texts that are one expression.
variables:
  page_title: {type: text}
  page_token: {type: secret}
  page_list: {type: list of text, default: [jq, tree]}
resources:
  - file: {path: /srv/a, content: "{{ page_title }}\n"}
  - file: {path: /srv/b, content: "  {{ page_title }}  \n\n"}
  - file:
      path: /srv/c
      content: |
        {{ page_token }}
  - file: {path: /srv/d, content: "{{ 5 }}\n"}
  - file: {path: /srv/e, content: "{{ page_title }}"}
  - directory:
      path: >
        {{ "/srv/" ~ page_title }}
      mode: " {{ '0750' }} "
  - packages:
      names: >
        {{ page_list }}
"#;
    let variables = "page_title: Home\npage_token: hunter2\n";
    let sources = sources(role, variables);
    let declared = declared(&sources, "app");
    let mut contents = Vec::new();
    for one in &declared {
        if let Resource::File(file) = &one.resource {
            contents.push(file.content.clone().unwrap());
        }
    }
    let texts: Vec<_> = contents.iter().map(Content::expose).collect();
    assert_eq!(
        texts,
        ["Home\n", "  Home  \n\n", "hunter2\n", "5\n", "Home"]
    );
    assert_eq!(contents[2].masked(), "<secret>\n");
    for name in ["packages jq tree", "directory /srv/Home"] {
        assert!(names(&declared).contains(&name.to_owned()), "{name}");
    }
}

/// A file that changes by itself is written by every run.
#[test]
fn what_is_written_of_a_mapping_is_the_same_in_every_run() {
    let role = r"
summary: Mappings.
variables:
  page_map: {type: map of text}
resources:
  - file: {path: /srv/map, template: page.conf}
";
    let keys: Vec<_> = (b'a'..=b'z').map(char::from).collect();
    let variables: Vec<_> = keys.iter().rev().map(|key| format!("{key}: x")).collect();
    let sources = sources(
        role,
        &format!("page_map: {{{}}}\n", variables.join(", ")),
    )
    .with(
        "roles/page/page.conf",
        "{% for key, value in page_map %}{{ key }}{% endfor %} {{ page_map | keys | join(sep='') }} {% for key, value in {'z': 1, 'b': 2, 'y': 3} %}{{ key }}{% endfor %}",
    );
    let Resource::File(file) = &declared(&sources, "app")[0].resource else {
        unreachable!()
    };
    let sorted: String = keys.iter().collect();
    let content = file.content.clone().unwrap();
    assert_eq!(content.expose(), format!("{sorted} {sorted} zby"));
}

#[test]
fn an_unknown_field_is_told_once() {
    let role = "
summary: A slip of the pen.
resources:
  - service: {name: ssh, state: started}
  - packages: {names: [jq], version: 3}
";
    let told = check(&sources(role, ""));
    assert_eq!(told.matches("unknown field").count(), 2, "{told}");
}
