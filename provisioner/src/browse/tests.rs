//! The proxy over real sockets of this machine: its own loopback stands for the estate's network.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use tasks::browse::Realm;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::{TcpListener, UdpSocket};

use super::*;

/// An address of the loopback that is no host's.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

/// A way to one host at 127.0.1.2, and what a name server there says of all names.
struct World {
    way: Arc<Way>,
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl World {
    /// Makes a host that answers every connection with this, after it has read something, and ends it.
    async fn of(answer: &'static str, name: Option<Ipv4Addr>) -> Self {
        let at = Ipv4Addr::new(127, 0, 1, 2);
        let listener = TcpListener::bind((at, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let heard = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, from)) = listener.accept().await {
                let mut request = vec![0; 4096];
                let length = stream.read(&mut request).await.unwrap_or_default();
                let request = String::from_utf8_lossy(&request[..length]);
                heard
                    .lock()
                    .unwrap()
                    .push(format!("{} {request}", from.ip()));
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        let names = UdpSocket::bind((at, 0)).await.unwrap();
        let name_port = names.local_addr().unwrap().port();
        tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((length, from)) = names.recv_from(&mut question).await {
                let mut answer = question[..length].to_vec();
                answer[2] |= 0x80;
                if let Some(address) = name {
                    answer[7] = 1;
                    answer.extend(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04");
                    answer.extend(address.octets());
                }
                let _ = names.send_to(&answer, from).await;
            }
        });
        let way = Network {
            realm: Realm {
                estate: "trial".to_owned(),
                hosts: [(at, "web".to_owned())].into(),
                known: BTreeMap::new(),
                name_server: Some(at),
                search: None,
                networks: vec!["127.0.1.0/24".parse().unwrap()],
            },
            name_port,
        };
        Self {
            way: Arc::new(Way::Network(way)),
            port,
            asked,
        }
    }

    async fn web(answer: &'static str) -> Self {
        Self::of(answer, Some(Ipv4Addr::new(127, 0, 1, 2))).await
    }

    fn open(&self) -> DuplexStream {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let way = Arc::clone(&self.way);
        tokio::spawn(
            async move { by_protocol(far, &way, &(Arc::new(|_: &str| {}) as Told)).await },
        );
        near
    }

    /// Sends something and gives everything that comes until the connection ends.
    async fn say(&self, sent: impl AsRef<[u8]>) -> Vec<u8> {
        let mut stream = self.open();
        // Who is refused early need not have read it all.
        let _ = stream.write_all(sent.as_ref()).await;
        let mut answer = Vec::new();
        let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "the connection stays open");
        answer
    }

    async fn told(&self, sent: &str) -> String {
        String::from_utf8_lossy(&self.say(sent).await).into_owned()
    }

    fn heard(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

const PAGE: &str =
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close, X-Own\r\nX-Own: 1\r\n\r\nhi";

#[tokio::test]
async fn a_page_is_fetched_by_its_address_whatever_the_header_says() {
    let world = World::web(PAGE).await;
    let port = world.port;
    let answer = world
        .told(&format!(
            "GET http://www.shop.test:{port}/a?b HTTP/1.1\r\nHost: other.test\r\nProxy-Connection: keep-alive\r\n\
             Proxy-Authorization: Basic eA==\r\nConnection: X-Mine, close\r\nX-Mine: 1\r\nX-Stays: 1\r\n\r\n"
        ))
        .await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("hi"),
        "{answer}"
    );
    assert!(!answer.contains("X-Own"), "{answer}");
    let heard = world.heard().concat();
    assert!(
        heard.starts_with("127.0.1.1 GET /a?b HTTP/1.1\r\n"),
        "{heard}"
    );
    assert!(
        heard
            .to_lowercase()
            .contains(&format!("\r\nhost: www.shop.test:{port}\r\n")),
        "{heard}"
    );
    for gone in ["other.test", "Proxy-", "X-Mine"] {
        assert!(!heard.contains(gone), "{heard}");
    }
    assert!(heard.contains("X-Stays: 1"), "{heard}");
}

#[tokio::test]
async fn a_connection_is_handed_on_as_it_is() {
    let world = World::web("anything").await;
    let port = world.port;
    let answer = world
        .told(&format!(
            "CONNECT www.shop.test:{port} HTTP/1.1\r\n\r\n\x16\x03"
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nanything"), "{answer}");
    assert_eq!(world.heard(), ["127.0.1.1 \x16\x03"]);
}

#[tokio::test]
async fn socks_leads_to_a_name() {
    let world = World::web("anything").await;
    let mut sent = b"\x05\x02\x00\x02\x05\x01\x00\x03\x09shop.test".to_vec();
    sent.extend(world.port.to_be_bytes());
    sent.extend(b"EHLO");
    let answer = world.say(sent).await;
    assert_eq!(
        answer,
        b"\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00anything"
    );
    assert_eq!(world.heard(), ["127.0.1.1 EHLO"]);
    assert_eq!(world.say(b"\x05\x01\x02").await, b"\x05\xff");
}

/// Nothing that a page can make a browser send, nothing that is cut short or too long, reaches anybody, and nothing after it.
#[tokio::test]
async fn what_is_hostile_reaches_nobody() {
    let world = World::web(PAGE).await;
    let port = world.port;
    let page = format!("GET http://www.shop.test:{port}/ HTTP/1.1\r\nHost: www.shop.test\r\n\r\n");
    let long = "a".repeat(HEAD_AND_MORE);
    for (sent, status) in [
        (
            format!("GET / HTTP/1.1\r\nHost: www.shop.test:{port}\r\n\r\n"),
            "400",
        ),
        // A form of a page, whose body is a request to a proxy, and a second request behind it.
        (
            format!(
                "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{page}{page}",
                page.len()
            ),
            "400",
        ),
        (
            format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n{page}"),
            "400",
        ),
        (
            format!("OPTIONS * HTTP/1.1\r\nHost: www.shop.test:{port}\r\n\r\n"),
            "400",
        ),
        (
            format!("GET https://www.shop.test:{port}/ HTTP/1.1\r\n\r\n"),
            "501",
        ),
        (
            format!("GET http://user:p@www.shop.test:{port}/ HTTP/1.1\r\n\r\n"),
            "400",
        ),
        (
            format!("CONNECT www.shop.test:{port}x HTTP/1.1\r\n\r\n"),
            "400",
        ),
        ("CONNECT www.shop.test HTTP/1.1\r\n\r\n".to_owned(), "400"),
        (format!("CONNECT [::1]:{port} HTTP/1.1\r\n\r\n"), "501"),
        (
            format!(
                "POST http://www.shop.test:{port}/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"
            ),
            "400",
        ),
        (
            format!("GET http://www.shop.test:{port}/{long} HTTP/1.1\r\n\r\n"),
            "431",
        ),
        (
            format!("GET http://www.shop.test:{port}/ HTTP/1.1\r\nX: {long}\r\n\r\n"),
            "431",
        ),
        ("\x16\x03\x01\x02\x00".to_owned(), "400"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), ""),
        ("\x04\x01\x00\x50\x7f\x00\x00\x01\x00".to_owned(), "400"),
    ] {
        let answer = world.told(&sent).await;
        let start: String = sent.chars().take(60).collect();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")) || status.is_empty(),
            "{start}: {answer}"
        );
        assert_eq!(
            answer.matches("HTTP/1.1 ").count().max(1),
            1,
            "{start}: {answer}"
        );
        assert_eq!(world.heard(), Vec::<String>::new(), "{start}");
    }
}

/// More than the head of a request may have.
const HEAD_AND_MORE: usize = 70 * 1024;

#[tokio::test]
async fn names_and_addresses_of_others_are_refused() {
    let world = World::of(PAGE, Some(ELSEWHERE)).await;
    let port = world.port;
    for asked in [
        format!("rebound.test:{port}"),
        format!("127.0.0.1:{port}"),
        format!("127.0.0.9:{port}"),
    ] {
        let page = world
            .told(&format!("GET http://{asked}/ HTTP/1.1\r\n\r\n"))
            .await;
        assert!(page.starts_with("HTTP/1.1 403"), "{page}");
        let tunnel = world
            .told(&format!("CONNECT {asked} HTTP/1.1\r\n\r\n"))
            .await;
        assert!(tunnel.starts_with("HTTP/1.1 403"), "{tunnel}");
    }
    let socks = [
        &b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01"[..],
        &port.to_be_bytes(),
    ]
    .concat();
    let answer = world.say(socks).await;
    assert_eq!(answer[..4], [5, 0, 5, 2]);
    let unknown = World::of(PAGE, None).await;
    let page = unknown
        .told("GET http://nobody.test/ HTTP/1.1\r\n\r\n")
        .await;
    assert!(
        page.starts_with("HTTP/1.1 502") && page.contains("knows nobody.test"),
        "{page}"
    );
    assert_eq!(world.heard(), Vec::<String>::new());
}

#[tokio::test]
async fn a_host_that_takes_no_connection_is_named() {
    let world = World::web(PAGE).await;
    let answer = world.told("CONNECT www.shop.test:1 HTTP/1.1\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.1 502") && answer.contains("web does not answer at port 1"),
        "{answer}"
    );
}

/// Linux says who is at the other end, and this process is served.
#[tokio::test]
async fn the_user_of_a_connection_is_known() {
    let own = rustix::process::geteuid().as_raw();
    let callers = Callers { own, behind: None };
    let world = World::web(PAGE).await;
    let proxy = Proxy::listen(0, Arc::clone(&world.way), callers, Arc::new(|_: &str| {}))
        .await
        .unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let SocketAddr::V4(from) = stream.local_addr().unwrap() else {
        panic!("the loopback of IPv4");
    };
    assert_eq!(whose(from, proxy.address()).await, Some(Owner::User(own)));
    let served = async {
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 400"));
    };
    tokio::select! { () = served => {}, () = proxy.serve() => {} }
}
