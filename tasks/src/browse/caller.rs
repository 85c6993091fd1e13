//! Who is at the other end of a connection from this machine: Linux lists the user of each (`proc_net_tcp`, and proc(5)).

use std::net::{Ipv4Addr, SocketAddrV4};

/// Whose a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// This user's.
    User(u32),
    /// Nobody's: whoever it was has closed it already, and it could be anybody's.
    Gone,
}

/// Whom a proxy serves: the user that started it and root, who may do anything anyhow, and the user on whose behalf root did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Callers {
    /// The user that runs the proxy.
    pub own: u32,
    /// Who became that user by sudo, if anybody did.
    pub behind: Option<u32>,
}

impl Callers {
    /// Tells whether somebody is served.
    #[must_use]
    pub fn include(self, owner: Owner) -> bool {
        match owner {
            Owner::User(user) => user == 0 || user == self.own || Some(user) == self.behind,
            Owner::Gone => false,
        }
    }
}

/// Finds in Linux's list of connections, of IPv4 or of IPv6, whose the one is that comes from this end to that one; `None` where
/// it is not listed.
#[must_use]
pub fn owner(list: &str, from: SocketAddrV4, to: SocketAddrV4) -> Option<Owner> {
    let mut lines = list.lines().skip(1);
    lines.find_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (local, remote) = (end(words.next()?)?, end(words.next()?)?);
        if (local, remote) != (from, to) {
            return None;
        }
        // State, queues, timer, retransmissions; then the user, its timeout, and the number of the socket.
        let mut words = words.skip(4);
        let user = words.next()?.parse().ok()?;
        let socket = words.nth(1)?;
        Some(if socket == "0" {
            Owner::Gone
        } else {
            Owner::User(user)
        })
    })
}

/// Reads `ADDRESS:PORT` in hexadecimal, the address as the machine has it in memory; one of IPv6 where it stands for one of IPv4.
fn end(text: &str) -> Option<SocketAddrV4> {
    let (address, port) = text.split_once(':')?;
    let address = match address.len() {
        8 => address,
        32 => {
            let (before, address) = address.split_at_checked(24)?;
            let mapped = format!("{:016X}{:08X}", 0, u32::from_ne_bytes([0, 0, 0xff, 0xff]));
            (before == mapped).then_some(address)?
        }
        _ => return None,
    };
    let address = u32::from_str_radix(address, 16).ok()?.to_ne_bytes();
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(SocketAddrV4::new(Ipv4Addr::from(address), port))
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;

    const LIST: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1201 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 1202 1 0000000000000000 20 4 30 10 -1
   2: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 1203 1 0000000000000000 20 4 30 10 -1
   3: 0100007F:C351 0100007F:1F90 06 00000000:00000000 03:00000EA2 00000000     0        0 0 3 0000000000000000
";
    const MAPPED: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0000000000000000FFFF00000100007F:C352 0000000000000000FFFF00000100007F:1F90 01 00000000:00000000 00:00000000 00000000  1001        0 1204 1 0000000000000000 20 4 30 10 -1
   1: 00000000000000000000000001000000:C353 00000000000000000000000001000000:1F90 01 00000000:00000000 00:00000000 00000000  1002        0 1205 1 0000000000000000 20 4 30 10 -1
";

    fn of(list: &str, port: u16) -> Option<Owner> {
        let at = |port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        owner(list, at(port), at(8080))
    }

    #[test]
    fn a_connection_is_its_callers_and_not_the_proxys() {
        assert_eq!(of(LIST, 50000), Some(Owner::User(1000)));
        assert_eq!(of(MAPPED, 50002), Some(Owner::User(1001)));
        assert_eq!(of(LIST, 50009), None);
        // ::1 is not 127.0.0.1.
        assert_eq!(of(MAPPED, 50003), None);
        for nonsense in ["", "x", "x\n0: 1 2 3", "x\n 0: zz:zz 0100007F:1F90 01"] {
            assert_eq!(of(nonsense, 50000), None);
        }
    }

    /// Linux lists what is closed as root's: who closes at once must not pass for root.
    #[test]
    fn what_is_closed_is_nobodys() {
        assert_eq!(of(LIST, 50001), Some(Owner::Gone));
        let callers = Callers {
            own: 1000,
            behind: None,
        };
        assert!(!callers.include(Owner::Gone));
    }

    #[test]
    fn the_user_and_root_are_served_and_nobody_else() {
        let mut callers = Callers {
            own: 1000,
            behind: None,
        };
        let served =
            |callers: Callers| [0, 1000, 1001].map(|user| callers.include(Owner::User(user)));
        assert_eq!(served(callers), [true, true, false]);
        callers = Callers {
            own: 0,
            behind: Some(1001),
        };
        assert_eq!(served(callers), [true, false, true]);
    }
}
