//! Exercises the Docker side against the real engine, in an estate of its own that is removed before and after.
//!
//! There is no way to skip: without an engine these tests fail. A locked file keeps those of another checkout from working
//! on the same estate at the same time.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy allows them in test functions, but not in the functions that tests share"
)]

use std::{collections::HashMap, fs::File, future::Future, process::Command, time::Duration};

use futures_util::StreamExt;
use prov::docker::{
    ClientScope, DeployOptions, DockerError, DownOptions, Engine, EstateContainers, HostSpec,
    HostState, Mode, ServiceState, TestOptions,
};
use tasks::Secret;
use tasks::estate::{ContainerNetwork, Location};
use tokio::sync::Mutex;

/// The tests share one estate.
static ESTATE: Mutex<()> = Mutex::const_new(());

const USER: &str = "user1fname.user1lname";
const PASSWORD: &str = "pass'word $1 \"x\"";

fn quiet(_: &str, _: &str) {}

async fn with_estate<F, Fut>(test: F)
where
    F: FnOnce(EstateContainers) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let _alone = ESTATE.lock().await;
    let _claim = claim();
    let engine = Engine::connect()
        .await
        .expect("these tests need a Docker engine");
    let estate = engine.estate("provtest", network("10.99.7.0/24"));
    estate.down(DownOptions::default(), &quiet).await.unwrap();
    let outcome = tokio::spawn(test(estate.clone())).await;
    estate.down(DownOptions::default(), &quiet).await.unwrap();
    if let Err(failed) = outcome {
        std::panic::resume_unwind(failed.into_panic());
    }
}

fn network(text: &str) -> ContainerNetwork {
    text.parse().unwrap()
}

/// Waits until no other process works on the estate, and keeps others waiting as long as the file is open.
fn claim() -> File {
    let path = std::env::temp_dir().join("prov-provtest.lock");
    let file = File::options().create(true).append(true).open(path);
    let file = file.expect("a lock can be opened");
    file.lock().expect("a lock can be waited for");
    file
}

fn host(name: &str, last: u8, services: &[&str]) -> HostSpec {
    HostSpec {
        name: name.to_owned(),
        address: [10, 99, 7, last].into(),
        side: Location::Internal,
        release: "bookworm".to_owned(),
        services: services.iter().map(|&service| service.to_owned()).collect(),
        late: Vec::new(),
        definitions: Vec::new(),
        volumes: Vec::new(),
        admin_user: USER.to_owned(),
        admin_password: Secret::new(PASSWORD),
    }
}

async fn deploy(estate: &EstateContainers, hosts: &[HostSpec]) -> Vec<prov::docker::Deployed> {
    let deployed = estate
        .deploy(hosts, DeployOptions::default(), &quiet)
        .await
        .unwrap();
    deployed
        .into_iter()
        .map(|(_, outcome)| outcome.unwrap())
        .collect()
}

async fn switch(estate: &EstateContainers, hosts: &[HostSpec]) {
    for (host, outcome) in estate
        .test(hosts, TestOptions::default(), &quiet)
        .await
        .unwrap()
    {
        outcome.unwrap_or_else(|error| panic!("{host}: {error}"));
    }
}

async fn sh(estate: &EstateContainers, host: &str, script: &str) -> String {
    let answer = estate.exec(host, &["sh", "-c", script], b"").await.unwrap();
    assert_eq!(
        answer.code,
        0,
        "{script}: {}{}",
        answer.text(),
        answer.errors()
    );
    answer.text()
}

/// Becomes root as the administrator does; succeeds only with the right password.
async fn sudo(estate: &EstateContainers, host: &str, password: &str) -> bool {
    let argv = ["su", "-", USER, "-c", "sudo -k -S -p '' id -u"];
    let answer = estate
        .exec(host, &argv, format!("{password}\n").as_bytes())
        .await
        .unwrap();
    answer.text().trim() == "0"
}

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(
        output.status.success(),
        "docker {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_estate_goes_through_its_life() {
    with_estate(|estate| async move {
        let mut dns = host("dns", 101, &["dnsmasq"]);
        dns.volumes = vec!["/var/lib/kept".to_owned()];
        let hosts = [dns, host("other", 102, &[])];

        let deployed = deploy(&estate, &hosts).await;
        assert!(
            deployed[0].host_key.starts_with("ssh-ed25519 AAAA"),
            "{}",
            deployed[0].host_key
        );
        assert_ne!(deployed[0].host_key, deployed[1].host_key);
        let listed = estate.list().await.unwrap();
        assert_eq!(listed.len(), 2);
        assert_eq!(
            (listed[0].host.as_str(), listed[0].mode, listed[0].state),
            ("dns", Mode::Deploy, HostState::Running)
        );
        assert_eq!(listed[0].address, Some([10, 99, 7, 101].into()));
        assert_eq!(sh(&estate, "dns", "uname -n").await.trim(), "dns");
        assert!(estate.services("dns", None).await.unwrap().is_empty());
        assert!(sudo(&estate, "dns", PASSWORD).await);
        assert!(!sudo(&estate, "dns", "wrong").await);
        assert!(!docker(&["inspect", "prov-provtest-dns"]).contains("pass'word"));

        // No `apt-get update`: the image's package lists are to be good enough.
        sh(
            &estate,
            "dns",
            "DEBIAN_FRONTEND=noninteractive apt-get -qy install dnsmasq",
        )
        .await;
        sh(
            &estate,
            "dns",
            "printf 'no-resolv\\naddress=/check.example/192.0.2.7\\n' >/etc/dnsmasq.d/check.conf",
        )
        .await;
        sh(&estate, "dns", "echo precious >/var/lib/kept/file").await;
        switch(&estate, &hosts).await;
        assert!(
            estate
                .list()
                .await
                .unwrap()
                .iter()
                .all(|host| host.mode == Mode::Test)
        );
        assert_eq!(estate.host_key("dns").await.unwrap(), deployed[0].host_key);
        assert!(sudo(&estate, "dns", PASSWORD).await);
        assert_eq!(
            sh(&estate, "dns", "cat /var/lib/kept/file").await.trim(),
            "precious"
        );
        assert_eq!(
            sh(&estate, "dns", "env -i sv status dnsmasq | cut -c -12")
                .await
                .trim(),
            "run: dnsmasq"
        );

        asks_the_estates_dns_server(&estate).await;
        a_killed_daemon_comes_back(&estate).await;
        let log: Vec<String> = estate
            .logs(&["dns".to_owned()], false, None, &HashMap::new())
            .await
            .unwrap()
            .map(|line| line.unwrap().line)
            .collect()
            .await;
        assert!(
            log.iter()
                .any(|line| line.starts_with("dnsmasq: ") && line.contains("started")),
            "{log:#?}"
        );

        docker(&["stop", "prov-provtest-dns"]);
        let log = docker(&["logs", "--tail", "20", "prov-provtest-dns"]);
        assert!(
            log.contains("dnsmasq: ") && log.contains("exiting on receipt of SIGTERM"),
            "{log}"
        );
        assert_eq!(
            estate
                .start(&["dns".to_owned(), "other".to_owned()])
                .await
                .unwrap(),
            ["dns"]
        );
        switch(&estate, &hosts).await;

        estate.down(DownOptions::default(), &quiet).await.unwrap();
        let label = "label=io.prov.estate=provtest";
        for kind in ["container", "image", "volume", "network"] {
            let mut args = vec![kind, "ls", "-q", "--filter", label];
            args.extend((kind == "container").then_some("-a"));
            assert_eq!(docker(&args), "", "{kind} left over");
        }
        docker(&["image", "inspect", "prov/base:bookworm"]);
    })
    .await;
}

async fn asks_the_estates_dns_server(estate: &EstateContainers) {
    let scope = ClientScope {
        side: Location::External,
        nameserver: Some([10, 99, 7, 101].into()),
        hosts: Vec::new(),
        search: Some("example".to_owned()),
        files: Vec::new(),
        release: "bookworm".to_owned(),
    };
    let dig = estate.open_client("dig", &scope, &quiet).await.unwrap();
    let answer = dig.run(&["+short", "check.example"]).await.unwrap();
    assert_eq!((answer.text().trim(), answer.code), ("192.0.2.7", 0));
    // Docker's resolver would know this name.
    let answer = dig.run(&["prov-provtest-other"]).await.unwrap();
    assert!(
        answer.text().contains("SERVER: 10.99.7.101#53"),
        "{}",
        answer.text()
    );
    assert!(!answer.text().contains("10.99.7.102"), "{}", answer.text());
    assert_ne!(dig.run(&["+no-such-option"]).await.unwrap().code, 0);
    let clients = [
        "ps",
        "-aq",
        "--filter",
        "label=io.prov.estate=provtest",
        "--filter",
        "label=io.prov.mode=client",
    ];
    let addresses = docker(&[
        "inspect",
        "-f",
        "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
        docker(&clients).trim(),
    ]);
    let last: u8 = addresses
        .trim()
        .rsplit('.')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(last < 64, "{addresses}");
    dig.close().await.unwrap();
    assert_eq!(docker(&clients), "");
}

async fn a_killed_daemon_comes_back(estate: &EstateContainers) {
    let pid = |services: Vec<prov::docker::ServiceStatus>| {
        let dnsmasq = services
            .into_iter()
            .find(|service| service.name == "dnsmasq")
            .unwrap();
        match dnsmasq.state {
            ServiceState::Running { pid } => Some(pid),
            ServiceState::Down | ServiceState::Finishing => None,
        }
    };
    let before = pid(estate.services("dns", None).await.unwrap()).expect("dnsmasq runs");
    sh(estate, "dns", &format!("kill -9 {before}")).await;
    for _ in 0..50 {
        if pid(estate.services("dns", None).await.unwrap()).is_some_and(|after| after != before) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("dnsmasq was not started again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_switch_to_test_mode_loses_nothing() {
    with_estate(|estate| async move {
        let hosts = [host("a", 101, &[])];
        for delay in [
            20, 150, 400, 700, 900, 1000, 1100, 1200, 1300, 1400, 1500, 1600, 1800, 2000,
        ] {
            deploy(&estate, &hosts).await;
            sh(&estate, "a", &format!("echo {delay} >/root/marker; sync")).await;
            let options = TestOptions::default();
            let cut = tokio::time::timeout(
                Duration::from_millis(delay),
                estate.test(&hosts, options, &quiet),
            )
            .await;
            // Where it was interrupted, the engine may still be busy with what it was asked for last.
            println!(
                "{delay} ms: {}",
                if cut.is_err() { "interrupted" } else { "done" }
            );
            switch(&estate, &hosts).await;
            assert_eq!(
                sh(&estate, "a", "cat /root/marker").await.trim(),
                delay.to_string()
            );
            assert_eq!(
                docker(&["ps", "-aq", "--filter", "label=io.prov.estate=provtest"])
                    .lines()
                    .count(),
                1
            );
            assert_eq!(estate.list().await.unwrap()[0].mode, Mode::Test);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_services_are_a_reason_to_commit_again() {
    with_estate(|estate| async move {
        deploy(&estate, &[host("a", 101, &[])]).await;
        switch(&estate, &[host("a", 101, &[])]).await;
        sh(
            &estate,
            "a",
            "DEBIAN_FRONTEND=noninteractive apt-get -qy install dnsmasq",
        )
        .await;
        switch(&estate, &[host("a", 101, &["dnsmasq"])]).await;
        assert_eq!(estate.services("a", None).await.unwrap().len(), 4);
        let uptime = || sh(&estate, "a", "stat -c %Y /proc/1");
        let before = uptime().await;
        switch(&estate, &[host("a", 101, &["dnsmasq"])]).await;
        assert_eq!(
            uptime().await,
            before,
            "restarted although nothing has changed"
        );
        let restart = TestOptions {
            restart: true,
            ..TestOptions::default()
        };
        for (_, outcome) in estate
            .test(&[host("a", 101, &["dnsmasq"])], restart, &quiet)
            .await
            .unwrap()
        {
            outcome.unwrap();
        }
        assert_ne!(uptime().await, before);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_does_not_come_up_is_named_with_its_last_lines() {
    with_estate(|estate| async move {
        let hosts = [host("a", 101, &["bacula-fd"])];
        deploy(&estate, &hosts).await;
        let options = TestOptions {
            deadline: Duration::from_secs(4),
            ..TestOptions::default()
        };
        let (_, outcome) = estate
            .test(&hosts, options, &quiet)
            .await
            .unwrap()
            .remove(0);
        match outcome {
            Err(DockerError::ServiceNotReady {
                host,
                service,
                output,
                ..
            }) => {
                assert_eq!((host.as_str(), service.as_str()), ("a", "bacula-fd"));
                assert!(output.contains("bacula"), "{output}");
            }
            other => panic!("{other:?}"),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_others_is_not_touched() {
    with_estate(|estate| async move {
        estate
            .engine()
            .ensure_base("bookworm", false, &quiet)
            .await
            .unwrap();
        docker(&[
            "create",
            "--name",
            "prov-provtest-a",
            "prov/base:bookworm",
            "true",
        ]);
        let outcome = estate
            .deploy(&[host("a", 101, &[])], DeployOptions::default(), &quiet)
            .await;
        docker(&["rm", "prov-provtest-a"]);
        let (_, outcome) = outcome.unwrap().remove(0);
        assert!(
            matches!(
                outcome,
                Err(DockerError::Foreign {
                    kind: "container",
                    ..
                })
            ),
            "{outcome:?}"
        );

        let rival = estate
            .engine()
            .estate("provrival", network("10.99.7.128/25"));
        let error = rival.ensure_networks(&|_, _| {}).await.unwrap_err();
        assert!(error.to_string().contains("'prov-provtest'"), "{error}");
        assert!(error.hint().is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_nothing_brings_is_refused_and_the_container_stays() {
    with_estate(|estate| async move {
        let wrong = [host("a", 101, &["dnsmask"])];
        deploy(&estate, &wrong).await;
        let tested = estate.test(&wrong, TestOptions::default(), &quiet).await;
        let error = tested.unwrap().remove(0).1.unwrap_err();
        let told = error.to_string();
        assert!(
            told.contains("'dnsmask': nothing on the host brings the unit"),
            "{told}"
        );
        let listed = estate.list().await.unwrap();
        assert_eq!(listed[0].mode, Mode::Deploy);
    })
    .await;
}
