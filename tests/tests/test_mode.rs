//! Services of roles of an estate's own in test mode: as the unit of their package says, as their role says, or with the reason
//! why they cannot be run there.

use end_to_end::Estate;

const ROLE: &str = r#"
summary: Services that prov knows nothing of.
resources:
  - packages: {names: [redis-server, memcached, prometheus-node-exporter, haproxy, rsync]}
  - file: {path: /etc/default/prometheus-node-exporter, content: "ARGS=\"--web.listen-address=:9101 --no-collector.wifi\"\n"}
  - directory: {path: /etc/systemd/system/memcached.service.d}
  - file:
      path: /etc/systemd/system/memcached.service.d/more.conf
      content: "[Service]\nExecStart=\nExecStart=/usr/bin/memcached -p 11300 -l 0.0.0.0\nUser=nobody\n"
  - file: {path: /etc/systemd/system/echo@.service, source: echo.service}
  - user: {name: echo, system: true, home: /nonexistent}
  - file: {path: /usr/local/bin/echoes, source: echoes, mode: '0755'}
  - file: {path: /etc/rsyncd.conf, content: "[pub]\npath = /etc\nlist = yes\n"}
  - service: {name: redis-server}
  - service: {name: memcached}
  - service: {name: prometheus-node-exporter}
  - service: {name: haproxy}
  - service: {name: 'echo@one-two'}
  - service: {name: rsync}
  - service: {name: dpkg-db-backup.timer}
checks:
  - command: {argv: [redis-cli, ping], stdout: '^PONG'}
  - http: {url: 'http://{{ host.name }}:9101/metrics', body: '^node_load1 '}
  - tcp: {port: 11300, sends: "stats\r\n", answers: '^STAT pid'}
  - command: {argv: [ps, -o, user=, -C, memcached], stdout: '^nobody'}
  - command: {argv: [ps, -o, user=, -C, redis-server], stdout: '^redis'}
  - file: {path: /run/echo-one-two/said, contains: '^one/two a\.b "c d" e f \$HOME one-two echo /var/lib/echoes$'}
  - command: {argv: [stat, -c, '%U %a', /var/lib/echoes], stdout: '^echo 700$'}
  - tcp: {port: 873, answers: '^@RSYNCD'}
  - service: {name: haproxy}
"#;

const UNIT: &str = r#"
# A unit with what units may have.
[Unit]
Description=Echo of %I
[Service]
Type=notify
User=echo
Environment="WORDS=e f" A=a.b
EnvironmentFile=-/etc/default/nothing
RuntimeDirectory=echo-%i
StateDirectory=echoes
StateDirectoryMode=0700
UMask=0077
ExecStartPre=-/bin/false
ExecStartPre=+/usr/bin/touch /run/echo-%i/root
ExecStart=/usr/local/bin/echoes %I ${A} "\"c d\"" \
    $WORDS $$HOME \
    %i
[Install]
WantedBy=multi-user.target
"#;

const PROGRAM: &str = r#"#!/usr/bin/perl
use Socket;
open my $out, '>', "$ENV{RUNTIME_DIRECTORY}/said" or die;
print $out "@ARGV[0..6] $ENV{USER} $ENV{STATE_DIRECTORY}\n";
close $out;
socket my $socket, AF_UNIX, SOCK_DGRAM, 0;
sleep 3;
send $socket, "READY=1\n", 0, sockaddr_un($ENV{NOTIFY_SOCKET});
sleep 1000 while 1;
"#;

fn estate() -> Estate {
    let estate = Estate::new(&["one"]);
    estate.inventory("roles: {things: [one]}\n");
    estate.write("roles/things/role.yml", ROLE);
    estate.write("roles/things/echo.service", UNIT);
    estate.write("roles/things/echoes", PROGRAM);
    estate.write(
        "roles/things/services/rsync/run",
        "#!/bin/sh\nexec rsync --daemon --no-detach\n",
    );
    estate.write(
        "roles/things/services/rsync/check",
        "#!/bin/sh\nexec /usr/local/lib/prov/listening tcp 873\n",
    );
    estate
}

#[test]
fn services_run_as_their_units_say() {
    let estate = estate();
    estate.deploy();
    estate.prov(["apply"]).run().exits(0);
    estate.prov(["test"]).run().exits(0);
    estate.prov(["complete"]).run().exits(0);
    estate
        .prov(["verify"])
        .run()
        .exits(0)
        .says("9 checks passed, 0 failed");
    // A unit that changes is the service's next start.
    estate.write(
        "roles/things/role.yml",
        &ROLE
            .replace("-p 11300", "-p 11301")
            .replace("port: 11300", "port: 11301"),
    );
    estate.prov(["apply"]).run().exits(0);
    estate.on("one", "sv restart memcached");
    estate.prov(["verify"]).run().exits(0);
}

#[test]
fn a_service_that_needs_systemd_is_named_with_the_reason() {
    let estate = Estate::new(&["one"]);
    let service = |name: &str| {
        estate.write(
            "hosts/one.yml",
            &format!("resources: [{{file: {{path: /etc/systemd/system/forks.service, content: \"[Service]\\nType=forking\\nExecStart=/bin/true\\n\"}}}}, {{service: {{name: {name}}}}}]\n"),
        );
    };
    service("forks");
    estate.deploy();
    estate.prov(["apply"]).run().exits(0);
    let refused = estate.prov(["test"]).run();
    refused
        .exits(1)
        .says("test mode cannot run the service 'forks': it puts itself into the background");
    refused.says("services/forks/run");
    service("nothing");
    let refused = estate.prov(["test"]).run();
    refused
        .exits(1)
        .says("'nothing': nothing on the host brings the unit");
}
