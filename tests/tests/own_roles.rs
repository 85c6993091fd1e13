//! A role of an estate's own: a small web service, described by files, is previewed, applied, broken and repaired as one that
//! is part of prov.

use end_to_end::Estate;

const ROLE: &str = "
summary: A page of the office, served by nginx.
variables:
  page_title: {type: text, about: What the page is called.}
  page_port: {type: port, default: 8088}
  page_token: {type: secret, about: Opens the page's status.}
  page_writers: {type: list of account, default: []}
handlers:
  reload: {reload: nginx, validate: [nginx, -t]}
resources:
  - packages: {names: [curl, nginx-light]}
  - user: {name: page, system: true, home: /srv/page, create_home: false}
  - directory: {path: /srv/page, owner: page, group: page}
  - file: {path: /srv/page/index.html, template: index.html, owner: page, group: page}
  - file: {path: /srv/page/page.css, source: page.css}
  - file: {path: /etc/nginx/sites-enabled/page, template: nginx.conf}
    notify: reload
  - file: {path: /etc/nginx/page.token, content: '{{ page_token }}', mode: '0600'}
  - line: {path: /etc/default/nginx, line: '# page: {{ page_port }}', create: true}
  - directory: {path: '/srv/page/{{ item }}', owner: page}
    each: page_writers
  - directory: {path: /srv/never}
    when: page_port == 1
  - directory: {path: /srv/elsewhere}
    only: external
  - service: {name: nginx}
backup: [/srv/page]
";

const TEMPLATE: &str = "server {
    listen {{ page_port }};
    root /srv/page;
    location = /status { if ($arg_token != '{{ page_token }}') { return 403; } return 200 open; }
}
";

const APPLY: [&str; 3] = ["--output", "json", "apply"];
const DIFF: [&str; 3] = ["--output", "json", "diff"];
const SITE: &str = "file /etc/nginx/sites-enabled/page";

fn estate() -> Estate {
    let estate = Estate::located(&[("one", "internal"), ("two", "external")]);
    estate.inventory("roles: {page: [one]}\n");
    estate.write("roles/page/role.yml", ROLE);
    estate.write("roles/page/nginx.conf", TEMPLATE);
    estate.write(
        "roles/page/index.html",
        "<h1>{{ page_title }}</h1>\n{% for w in page_writers %}<p>{{ w }}</p>\n{% endfor %}",
    );
    estate.write("roles/page/page.css", "h1 { color: green }\n");
    estate.write(
        "hosts/one.yml",
        "page_title: Home\npage_writers: [anna, bert]\n",
    );
    estate.write("hosts/one.private.yml", "page_token: hunter22\n");
    estate
}

#[test]
fn a_role_of_files_is_as_good_as_one_that_is_part_of_prov() {
    let estate = estate();
    estate.prov(["check"]).run().exits(0).says("1 role,");
    estate.deploy();
    let expected = [
        "packages curl nginx-light",
        "user page",
        "directory /srv/page",
        "file /srv/page/index.html",
        "file /srv/page/page.css",
        SITE,
        "file /etc/nginx/page.token",
        "line /etc/default/nginx '# page: 8088'",
        "directory /srv/page/anna",
        "directory /srv/page/bert",
    ];
    let shown = estate.prov(["diff", "--limit", "one"]).run();
    shown.exits(0).never_says("hunter22").says("<secret>");
    shown.says("+<h1>Home</h1>");
    let fresh = estate.prov(DIFF).run();
    fresh.changed("one", &expected);
    fresh.unchanged("two");
    let applied = estate.prov(APPLY).run();
    applied.never_says("hunter22");
    applied.changed("one", &expected);
    estate.prov(APPLY).run().unchanged("one");
    estate.prov(["test"]).run().exits(0);
    estate.prov(["--output", "json", "complete"]).run().exits(0);
    let page = "curl -sf http://127.0.0.1:8088/";
    assert!(estate.on("one", page).contains("<p>bert</p>"));
    let status = "curl -s -o /dev/null -w '%{http_code}' 'http://127.0.0.1:8088/status?token=";
    assert_eq!(estate.on("one", &format!("{status}hunter22'")), "200");
    assert_eq!(estate.on("one", &format!("{status}x'")), "403");

    estate.on("one", "rm /srv/page/index.html; sed -i s/8088/8089/ /etc/nginx/sites-enabled/page; sv reload nginx");
    assert!(!estate.holds("one", page));
    let seen = ["file /srv/page/index.html", SITE];
    estate.prov(DIFF).run().changed("one", &seen);
    let repaired = estate.prov(APPLY).run();
    repaired.changed("one", &seen);
    assert_eq!(repaired.handlers("one"), ["reload nginx"]);
    assert!(estate.on("one", page).contains("<h1>Home</h1>"));
    a_configuration_that_its_validation_refuses_is_put_back(&estate, page);
}

fn a_configuration_that_its_validation_refuses_is_put_back(estate: &Estate, page: &str) {
    estate.write(
        "roles/page/nginx.conf",
        "server { lisen {{ page_port }}; }\n",
    );
    let refused = estate.prov(APPLY).run();
    refused.exits(1);
    assert!(refused.told().contains("lisen"), "{}", refused.told());
    assert!(estate.on("one", page).contains("<h1>Home</h1>"));
    let listens = "grep -q 'listen 8088' /etc/nginx/sites-enabled/page";
    assert!(estate.holds("one", listens));
}

/// A folder of the role is a folder of the host: templates filled, other bytes as they are, and nothing else in it.
#[test]
fn a_folder_of_a_role_becomes_one_of_the_host() {
    let estate = Estate::new(&["one"]);
    estate.inventory("roles: {site: [one]}\n");
    estate.write(
        "roles/site/role.yml",
        "summary: A site.\nvariables: {site_title: text, site_key: secret}\nresources:\n  - tree: {path: /srv/site, source: www, owner: games, modes: {'bin/*': '0755', '*.key': '0600'}, purge: true}\n",
    );
    estate.write(
        "roles/site/www/index.html.tera",
        "<h1>{{ site_title }}</h1>\n",
    );
    estate.write("roles/site/www/css/deep/page.css", "{{ as it is }}\n");
    estate.write("roles/site/www/site.key.tera", "{{ site_key }}\n");
    estate.write("roles/site/www/bin/run", "#!/bin/sh\n");
    let logo = estate.path("estate/roles/site/www/logo");
    std::fs::write(logo, b"\x89PNG\0\xff\xf4\x8f\xbf\xbf").unwrap();
    estate.write("hosts/one.yml", "site_title: Home\n");
    estate.write("hosts/one.private.yml", "site_key: hunter22\n");
    estate.prov(["check"]).run().exits(0);
    estate.deploy();
    let tree = ["tree /srv/site"];
    let fresh = estate.prov(["diff"]).run();
    fresh
        .exits(0)
        .says("(+ css/deep/page.css")
        .says("+<h1>Home</h1>")
        .never_says("hunter22");
    estate
        .prov(APPLY)
        .run()
        .changed("one", &tree)
        .never_says("hunter22");
    estate.prov(APPLY).run().unchanged("one");
    let list = "cd /srv/site && find . -mindepth 1 -printf '%P %u %m\n' | sort; od -An -tx1 logo; cat index.html css/deep/page.css";
    let listed = estate.on("one", list);
    assert_eq!(
        listed,
        "bin games 755\nbin/run games 755\ncss games 755\ncss/deep games 755\ncss/deep/page.css games 644\nindex.html games 644\n\
         logo games 644\nsite.key games 600\n 89 50 4e 47 00 ff f4 8f bf bf\n<h1>Home</h1>\n{{ as it is }}\n"
    );
    estate.on("one", "cd /srv/site; mkdir -p 'old things/x'; touch 'old things/x/y' css/$(printf 'n\\n') 2>/dev/null; rm -r css/n* css/deep; ln -s /etc/passwd extra; chmod 777 bin");
    estate
        .prov(["diff"])
        .run()
        .exits(0)
        .says("(- extra)")
        .says("(- old things)")
        .says("(~ bin/");
    estate.prov(APPLY).run().changed("one", &tree);
    assert_eq!(estate.on("one", list), listed);
    assert!(estate.holds("one", "[ -s /etc/passwd ]"));
    estate.prov(APPLY).run().unchanged("one");
    estate.inventory("");
    estate.prov(APPLY).run().exits(0);
    assert!(estate.holds("one", "[ ! -e /srv/site ]"));
    estate.inventory("roles: {site: [one]}\n");
    estate.write("roles/site/www/index.html", "twice\n");
    estate
        .prov(["check"])
        .run()
        .exits(64)
        .says("is there twice");
    std::fs::remove_file(estate.path("estate/roles/site/www/index.html")).unwrap();
}

#[test]
fn every_mistake_of_a_role_is_told_before_any_host_is_asked() {
    let estate = estate();
    let role = ROLE
        .replace("page_title }}", "x")
        .replace("source: page.css", "source: pge.css");
    estate.write(
        "roles/page/role.yml",
        &role.replace("when: page_port", "when: page_prt"),
    );
    let told = estate.prov(["diff"]).run();
    told.exits(64);
    told.says("the role's folder has no file 'pge.css'");
    told.says("there is no variable 'page_prt'");
    told.says("did you mean 'page_port'?");
    told.says("role.yml:23:11");
    estate.write("roles/page/role.yml", ROLE);
}
