//! Whoever does not encrypt is refused: consoles by the director, directors by the other daemons.

use std::net::{IpAddr, SocketAddr};

use tasks::promise::{FILE_DAEMON_PORT, STORAGE_DAEMON_PORT};

use crate::verify::{Check, Open, Seat, TestbedError};

pub(super) const SERVICE: &str = "backup";

/// Shows that the director takes no console that does not encrypt.
pub(super) async fn console(console: &Seat, director: &str) -> Result<Check, TestbedError> {
    let open = Open::new(
        SERVICE,
        "a console without TLS is refused".to_owned(),
        "bconsole -c FILE, without the lines of TLS".to_owned(),
        "a refusal that speaks of TLS".to_owned(),
    );
    let plain = "plain=$(mktemp) && trap 'rm -f \"$plain\"' EXIT\n\
        sed '/^ *TLS /d' /etc/bacula/bconsole.conf >\"$plain\"; bconsole -c \"$plain\"";
    let output = console
        .other(&["sh", "-c", plain], b"status director\n")
        .await?;
    let text = output.text() + &output.errors();
    let let_in = text.contains(&format!("{director} Version: "));
    let said = text.lines().find(|line| line.contains("TLS"));
    let came = said.or(text.lines().last()).unwrap_or("nothing");
    Ok(open.close(came.trim().to_owned(), said.is_some() && !let_in))
}

/// A daemon that a director commands.
pub(super) struct Daemon<'d> {
    name: &'d str,
    address: SocketAddr,
    /// How a director addresses it.
    greeting: &'static str,
}

impl<'d> Daemon<'d> {
    /// Describes a file daemon.
    pub(super) fn of_files(name: &'d str, address: IpAddr) -> Self {
        Self {
            name,
            address: (address, FILE_DAEMON_PORT).into(),
            greeting: "Hello Director",
        }
    }

    /// Describes a storage daemon.
    pub(super) fn of_storage(name: &'d str, address: IpAddr) -> Self {
        Self {
            name,
            address: (address, STORAGE_DAEMON_PORT).into(),
            greeting: "Hello SD: Bacula Director",
        }
    }

    /// Shows that it takes no director that does not encrypt: it says so in its answer to the first line, with which it asks
    /// for the password.
    pub(super) async fn takes_nobody(
        self,
        console: &Seat,
        director: &str,
    ) -> Result<Check, TestbedError> {
        // As Bacula sends a name with blanks.
        let hello = format!(
            "{} {} calling",
            self.greeting,
            director.replace(' ', "\u{1}")
        );
        let open = Open::new(
            SERVICE,
            format!("{} takes no director without TLS", self.name),
            format!(
                "{} {director} calling, sent to {}",
                self.greeting, self.address
            ),
            "auth cram-md5 … ssl=2".to_owned(),
        );
        // Every message has its length before it, in four bytes.
        let speak = r#"exec 3<>"/dev/tcp/$1/$2" || exit
printf "\\0\\0\\0\\x$(printf %02x ${#3})%s" "$3" >&3; timeout 10 head -n 1 <&3 | tail -c +5"#;
        let (ip, port) = (
            self.address.ip().to_string(),
            self.address.port().to_string(),
        );
        let argv = ["bash", "-c", speak, "bash", &ip, &port, &hello];
        let output = console.other(&argv, b"").await?;
        let came = (output.text() + &output.errors()).trim().to_owned();
        let required = came.starts_with("auth cram-md5") && came.ends_with("ssl=2");
        Ok(open.close(came, required))
    }
}
