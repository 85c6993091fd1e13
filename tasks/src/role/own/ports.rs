//! The function by which an expression asks which ports a host's roles serve, and to whom.
//!
//! Owns the form in which that is told: one entry for the ports of a role that are served alike, addresses by family, as a
//! firewall's rules take them. What is served was gathered before, of the other roles' promises.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tera::{Error, Kwargs, State, Tera, TeraResult};

use super::inventory::{Inventory, OPEN_PORTS_CALL, calls};
use super::toll::spend;
use crate::estate::{Estate, Host, Location, shorten};
use crate::promise::{Audience, OpenPort, Protocol};
use crate::value::Network;

/// The name by which expressions are filled with what was gathered; nobody can write it.
pub(super) const OPEN_PORTS: &str = "open ports";

/// Ports of one role that are served alike.
#[derive(Debug, Serialize)]
struct Entry {
    /// The role; empty for ports that were given as an argument.
    role: String,
    protocol: Protocol,
    ports: Vec<String>,
    everybody: bool,
    inside: bool,
    ip: Vec<Network>,
    ip6: Vec<Network>,
}

/// Tells whether a text may ask for the ports.
pub(super) fn asks(text: &str) -> bool {
    calls(text, OPEN_PORTS_CALL)
}

/// Makes the function known.
pub(super) fn register(tera: &mut Tera, inventory: &Arc<Inventory>) {
    let asked = Arc::clone(inventory);
    tera.register_function("open_ports", move |arguments: Kwargs, state: &State| {
        open_ports(asked.estate()?, &arguments, state)
    });
}

fn open_ports(estate: &Estate, arguments: &Kwargs, state: &State) -> TeraResult<tera::Value> {
    let gathered = state.get::<tera::Value>(OPEN_PORTS)?;
    let gathered = gathered
        .ok_or_else(|| Error::message("open_ports() can be asked by resources and checks alone"))?;
    let gathered: Vec<OpenPort> = read(&gathered)?;
    let mut inside: Vec<Network> = argument(arguments, "inside")?;
    // What is outside sees the office at its router.
    let serving = gathered.first().and_then(|port| estate.host(&port.host));
    let serving = serving.map_or(Location::Internal, Host::location);
    if let (Some(sides), Location::External) = (estate.sides(), serving) {
        inside.push(IpAddr::V4(sides.router.external).into());
    }
    let also: BTreeMap<String, Vec<String>> = argument(arguments, "also")?;
    let mut entries: Vec<Served> = Vec::new();
    for port in gathered {
        serve(
            &mut entries,
            port.role,
            port.protocol,
            port.port.to_string(),
            &port.to,
        );
    }
    for (ports, words) in also {
        let (ports, protocol) = named(&ports).map_err(Error::message)?;
        let to = Audience::named(&words, estate);
        let to = to.map_err(|problem| Error::message(format!("{ports}/{protocol}: {problem}")))?;
        serve(&mut entries, String::new(), protocol, ports, &to);
    }
    spend(entries.len())?;
    let mut told: Vec<(Audience, Entry)> = Vec::new();
    for Served {
        role,
        protocol,
        port,
        to,
    } in entries
    {
        let alike = told.iter_mut().find(|(audience, entry)| {
            *audience == to && entry.role == role && entry.protocol == protocol
        });
        if let Some((_, entry)) = alike {
            entry.ports.push(port);
        } else {
            let (ip6, ip) = addresses(&to, &inside, (estate, serving));
            let entry = Entry {
                role,
                protocol,
                ports: vec![port],
                everybody: to.everybody,
                inside: to.inside,
                ip,
                ip6,
            };
            told.push((to, entry));
        }
    }
    let told: Vec<_> = told.into_iter().map(|(_, entry)| entry).collect();
    Ok(tera::Value::from_serializable(&told))
}

/// A port of a role, and everybody to whom it is served.
struct Served {
    role: String,
    protocol: Protocol,
    port: String,
    to: Audience,
}

/// Adds a port; what several checks of a role say of one comes together.
fn serve(served: &mut Vec<Served>, role: String, protocol: Protocol, port: String, to: &Audience) {
    let mut known = served.iter_mut();
    let known = known.find(|it| it.role == role && it.protocol == protocol && it.port == port);
    if let Some(known) = known {
        known.to.join(to);
        return;
    }
    let mut news = Audience::default();
    news.join(to);
    served.push(Served {
        role,
        protocol,
        port,
        to: news,
    });
}

/// Gives the addresses of those who are not everybody, IPv6 first.
fn addresses(
    to: &Audience,
    inside: &[Network],
    (estate, serving): (&Estate, Location),
) -> (Vec<Network>, Vec<Network>) {
    if to.everybody {
        return (Vec::new(), Vec::new());
    }
    let seen = |host: &Host| Network::from(estate.seen_from(serving, host));
    let hosts = || estate.hosts().iter();
    let networks = to.networks.iter().map(|network| {
        let host = hosts().find(|host| Network::from(host.address()) == *network);
        host.map_or(*network, seen)
    });
    let mut all: Vec<Network> = networks.collect();
    if to.inside {
        let office = hosts().filter(|host| host.location() == Location::Internal);
        all.extend(office.map(seen));
        all.extend(inside);
    }
    Network::outermost(all)
        .into_iter()
        .partition(|it| it.is_v6())
}

/// Reads ports as `51820/udp` and `60000-61000/udp` name them.
fn named(text: &str) -> Result<(String, Protocol), String> {
    let wrong = || {
        let shown = shorten(text);
        format!("'{shown}' names no ports: write them like 8080/tcp, 51820/udp or 60000-61000/udp")
    };
    let (ports, protocol) = text.split_once('/').ok_or_else(wrong)?;
    let protocols = [Protocol::Tcp, Protocol::Udp];
    let mut protocols = protocols.into_iter();
    let protocol = protocols.find(|it| it.as_str() == protocol);
    let port = |text: &str| text.parse::<std::num::NonZeroU16>().ok();
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    match (protocol, port(first), port(last)) {
        (Some(protocol), Some(first), Some(last)) if first <= last => {
            let range = if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            };
            Ok((range, protocol))
        }
        (Some(_) | None, _, _) => Err(wrong()),
    }
}

/// Reads an argument; what nothing stands for where it is left out.
fn argument<T: DeserializeOwned + Default>(arguments: &Kwargs, name: &str) -> TeraResult<T> {
    let given = arguments.get::<tera::Value>(name)?;
    given.as_ref().map_or_else(|| Ok(T::default()), read)
}

fn read<T: DeserializeOwned>(value: &tera::Value) -> TeraResult<T> {
    let read = serde_json::to_value(value).and_then(serde_json::from_value);
    read.map_err(|error| Error::message(format!("open_ports(): {error}")))
}
