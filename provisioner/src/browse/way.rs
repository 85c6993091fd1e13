//! The way to the estate's hosts. Of containers, names are asked of the side's name server, and connections are made, from this machine's address
//! in the estate's network. Where that network is gone there is no such address, so nothing is ever sent anywhere else.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use tasks::browse::{Realm, Refusal, Sites, Target, Where, addresses, question};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::ssh::{Connection, Stream};

/// How long a host may take to accept a connection.
const CONNECTING: Duration = Duration::from_secs(10);

/// How often a question is asked, and how long each answer may take.
const TRIES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(5),
];

/// How many bytes an answer has at most that no other size was agreed on for (RFC 1035, section 2.3.4).
const ANSWER: usize = 512;

/// Leads to what programs ask for.
pub(crate) enum Way {
    /// Over the network of the estate's containers.
    Network(Network),
    /// Over a server, whose connections and names they are, to these sites alone.
    Server(Box<Connection>, Sites),
}

impl Way {
    /// Connects to what a program asks for.
    pub(super) async fn connect(&self, target: &Target) -> Result<Box<dyn Stream>, Refusal> {
        match self {
            Self::Network(network) => Ok(Box::new(network.connect(target).await?)),
            Self::Server(server, sites) => {
                sites.admit(target)?;
                let host = target.at.to_string();
                let forwarded = timeout(CONNECTING, server.forward(&host, target.port)).await;
                let cause = match forwarded {
                    Ok(Ok(stream)) => return Ok(stream),
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => "nobody answers".to_owned(),
                };
                let port = target.port;
                Err(Refusal::Unreachable { host, port, cause })
            }
        }
    }
}

/// Leads to the hosts of an estate of containers.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    /// The hosts.
    pub(crate) realm: Realm,
    /// The port of name servers.
    pub(crate) name_port: u16,
}

impl Network {
    /// Connects to what a program asks for, if that is a host of the estate.
    async fn connect(&self, target: &Target) -> Result<TcpStream, Refusal> {
        let address = match &target.at {
            Where::Address(address) => self.realm.choose(&address.to_string(), &[*address])?,
            Where::Name(name) => self.find(name).await?,
        };
        let connected = timeout(CONNECTING, self.reach(address, target.port)).await;
        let outcome = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        outcome.map_err(|error| Refusal::Unreachable {
            host: self.realm.host(address).to_owned(),
            port: target.port,
            cause: if error.kind() == io::ErrorKind::AddrNotAvailable {
                "the estate's network is not on this machine any more".to_owned()
            } else {
                error.to_string()
            },
        })
    }

    async fn reach(&self, address: Ipv4Addr, port: u16) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(self.machine(address)?.into())?;
        let stream = socket
            .connect(SocketAddrV4::new(address, port).into())
            .await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Gives this machine's address in the network of a host; where that network is gone, nothing can be bound to it.
    fn machine(&self, address: Ipv4Addr) -> io::Result<SocketAddrV4> {
        let own = self.realm.machine(address);
        let own = own.ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(SocketAddrV4::new(own, 0))
    }

    /// Finds the address of a name.
    async fn find(&self, name: &str) -> Result<Ipv4Addr, Refusal> {
        for spelling in self.realm.spellings(name) {
            let found = match (self.realm.known.get(&spelling), self.realm.name_server) {
                (Some(address), _) => vec![*address],
                (None, Some(server)) => self.ask(server, &spelling).await?,
                (None, None) => Vec::new(),
            };
            if !found.is_empty() {
                return self.realm.choose(name, &found);
            }
        }
        Err(Refusal::NoSuchName(name.to_owned()))
    }

    /// Asks a name server for the addresses of a name.
    async fn ask(&self, server: Ipv4Addr, name: &str) -> Result<Vec<Ipv4Addr>, Refusal> {
        for limit in TRIES {
            if let Ok(Ok(found)) = timeout(limit, self.ask_once(server, name)).await {
                return Ok(found);
            }
        }
        Err(Refusal::NoAnswer(server))
    }

    async fn ask_once(&self, server: Ipv4Addr, name: &str) -> io::Result<Vec<Ipv4Addr>> {
        let mut number = [0; 2];
        getrandom::fill(&mut number).map_err(io::Error::other)?;
        let number = u16::from_ne_bytes(number);
        let Some(question) = question(number, name) else {
            return Ok(Vec::new());
        };
        let socket = UdpSocket::bind(self.machine(server)?).await?;
        socket.connect((server, self.name_port)).await?;
        socket.send(&question).await?;
        let mut answer = [0; ANSWER];
        loop {
            let length = socket.recv(&mut answer).await?;
            if let Some(found) = addresses(number, name, &answer[..length]) {
                return Ok(found);
            }
        }
    }
}
