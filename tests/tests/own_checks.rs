//! Checks that roles of an estate's own bring: every kind is seen to hold, and to fail once what it proves is broken.

use end_to_end::Estate;

const ROLE: &str = r#"
summary: A web page and mail, with proof that both work.
variables:
  desk_password: {type: secret, about: Opens the page and the mailbox.}
  desk_mode: {type: one of open or shut, default: open}
handlers:
  names: {restart: dnsmasq}
  web: {reload: nginx, validate: [nginx, -t]}
  mail: {restart: exim4}
  box: {restart: dovecot, validate: [doveconf, -n]}
resources:
  - packages: {names: [nginx-light, openssl, dnsmasq, exim4-daemon-light, dovecot-imapd]}
  - tls_key: {path: /etc/ssl/private/desk.pem}
  - tls_certificate: {path: /etc/ssl/certs/desk.pem, key: /etc/ssl/private/desk.pem, names: ['{{ host.name }}'], authority: estate}
  - file: {path: /etc/nginx/sites-enabled/desk, source: nginx.conf}
    notify: web
  - file: {path: /etc/nginx/desk.users, content: "anna:{PLAIN}{{ desk_password }}\n", mode: '0644'}
    notify: web
  - file: {path: /etc/exim4/update-exim4.conf.conf, source: exim.conf}
    notify: mail
  - group: {name: desk, system: true}
  - user: {name: info}
  - user: {name: desk, group: desk, system: true, home: /srv/desk, create_home: true}
  - file: {path: /etc/dovecot/desk.users, content: "anna:{PLAIN}{{ desk_password }}\n", mode: '0644'}
  - file: {path: /etc/dovecot/dovecot.conf, template: dovecot.conf}
    notify: box
  - file: {path: /etc/dnsmasq.d/desk.conf, content: "no-resolv\naddress=/desk.test/192.0.2.7\n"}
    notify: names
  - service: {name: dnsmasq}
  - service: {name: nginx}
  - service: {name: exim4}
  - service: {name: dovecot}
checks:
  - tcp: {port: 80}
  - tcp: {port: 25, answers: '^220 '}
    within: 20s
  - tcp: {port: 81, open: false}
  - tcp: {port: 80, sends: "GET / HTTP/1.0\r\n\r\n", answers: '^HTTP/1.1 200'}
    from: host
    when: desk_mode == "open"
  - http: {body: '^welcome', headers: {Content-Type: '^text/plain'}}
  - http: {url: 'http://{{ host.name }}/away', status: 302}
  - http: {url: 'http://{{ host.name }}/away', follow: true, body: '^welcome'}
  - http: {url: 'http://{{ host.name }}/private', status: 401}
  - http: {url: 'http://{{ host.name }}/private', user: anna, password: '{{ desk_password }}', body: '^inner'}
    shows: anna can read the private page
  - http: {url: 'https://{{ host.name }}/', body: '^welcome'}
  - dns: {name: desk.test, answers: [192.0.2.7]}
  - dns: {name: other.test, exists: false}
  - udp: {port: 53, sends_hex: '000101000001000000000000046465736b04746573740000010001', answers: desk}
  - tls: {port: 443, days: 20}
  - tls: {port: 143, starttls: imap}
  - smtp: {to: info@desk.test}
  - smtp: {to: info@elsewhere.test, accepted: false}
  - imap: {user: anna, password: '{{ desk_password }}'}
  - imap: {user: anna, password: wrong, accepted: false}
  - command: {argv: [nginx, -v], stderr: '^nginx version'}
  - command: {argv: [id, -un], user: desk, stdout: '^desk$'}
  - file: {path: /etc/nginx/sites-enabled/desk, contains: 'server_name desk'}
  - file: {path: '/etc/nginx/{{ item }}', exists: false}
    each: [never, nowhere]
  - service: {name: nginx}
"#;

const NGINX: &str = "server {
    listen 80;
    listen 443 ssl;
    server_name desk;
    ssl_certificate /etc/ssl/certs/desk.pem;
    ssl_certificate_key /etc/ssl/private/desk.pem;
    default_type text/plain;
    location / { return 200 'welcome\\n'; }
    location /away { return 302 /; }
    location /private {
        auth_basic desk;
        auth_basic_user_file /etc/nginx/desk.users;
        try_files /nothing @inner;
    }
    location @inner { return 200 'inner\\n'; }
}
";

const EXIM: &str = "dc_eximconfig_configtype='internet'
dc_other_hostnames='desk.test'
dc_local_interfaces=''
dc_readhost=''
dc_relay_domains=''
dc_minimaldns='false'
dc_relay_nets=''
dc_smarthost=''
CFILEMODE='644'
dc_use_split_config='false'
dc_hide_mailname=''
dc_mailname_in_oh='true'
dc_localdelivery='mail_spool'
";

const DOVECOT: &str = r#"{% if release == "bookworm" %}protocols = imap
mail_location = maildir:~/Maildir
ssl_cert = </etc/ssl/certs/desk.pem
ssl_key = </etc/ssl/private/desk.pem
passdb {
  driver = passwd-file
  args = /etc/dovecot/desk.users
}
userdb {
  driver = static
  args = uid=desk gid=desk home=/srv/desk
}
{% else %}dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
protocols = imap
mail_driver = maildir
mail_path = ~/Maildir
ssl_server_cert_file = /etc/ssl/certs/desk.pem
ssl_server_key_file = /etc/ssl/private/desk.pem
passdb passwd-file {
  passwd_file_path = /etc/dovecot/desk.users
}
userdb static {
  fields {
    uid = desk
    gid = desk
    home = /srv/desk
  }
}
{% endif %}"#;

fn estate() -> Estate {
    let estate = Estate::located(&[("desk", "internal"), ("far", "external")]);
    estate.inventory("roles: {desk: [desk]}\n");
    estate.write("roles/desk/role.yml", ROLE);
    estate.write("roles/desk/nginx.conf", NGINX);
    estate.write("roles/desk/exim.conf", EXIM);
    estate.write("roles/desk/dovecot.conf", DOVECOT);
    estate.write("hosts/desk.private.yml", "desk_password: 'pa\"ss \\wörd'\n");
    // What only one host has needs no role; seen from the other side, too.
    estate.write("hosts/far.yml", "checks: [{file: {path: /etc/hostname}}]\n");
    estate
}

#[test]
fn every_kind_of_check_holds_and_fails_when_it_is_broken() {
    let estate = estate();
    estate.prov(["check"]).run().exits(0);
    estate.deploy();
    estate.prov(["apply"]).run().exits(0);
    estate.prov(["test"]).run().exits(0);
    estate.prov(["complete"]).run().exits(0);
    let verify = ["--output", "json", "verify"];
    let sound = estate.prov(verify).run();
    sound.never_says("wörd");
    assert_eq!(sound.failed_checks(), [""; 0], "{}", sound.told());
    assert_eq!(sound.json()["passed"], 26);
    sound.exits(0);
    let one = estate.prov(["verify", "far"]).run();
    one.exits(0)
        .says("/etc/hostname is on far")
        .says("1 check passed, 0 failed");

    estate.on("desk", "sv stop nginx; sv stop dnsmasq; sed -i s/desk.test/other.test/ /etc/exim4/update-exim4.conf.conf; \
        update-exim4.conf; sv restart exim4; echo nobody:x > /etc/dovecot/desk.users; touch /etc/nginx/never; usermod -l dusk desk");
    let broken = estate.prov(verify).run();
    broken.exits(1).never_says("wörd");
    let expected = [
        "port 80 of desk is open",
        "port 80 of desk is open",
        "http://desk/ answers 200",
        "http://desk/away answers 302",
        "http://desk/away answers 200",
        "http://desk/private answers 401",
        "anna can read the private page",
        "https://desk/ answers 200",
        "desk knows desk.test A",
        "desk does not know other.test A",
        "UDP port 53 of desk answers",
        "port 443 of desk has a certificate for desk",
        "desk takes mail for info@desk.test",
        "anna can read mail on desk",
        "id does on desk what it should",
        "/etc/nginx/never is not on desk",
        "nginx runs on desk",
    ];
    assert_eq!(broken.failed_checks(), expected, "{}", broken.told());
    estate
        .prov(["verify", "nowhere"])
        .run()
        .exits(64)
        .says("what has checks: desk, far");
}
