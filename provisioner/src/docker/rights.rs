//! What a container needs that boots systemd: rights, the program that becomes systemd, and how it is told to end.

use bollard::models::{HostConfig, HostConfigCgroupnsModeEnum};

use super::assets::LIB;

/// systemd mounts, and confines services by that; debuggers and start-stop-daemon(8) look at processes of other accounts; addresses
/// and rules of the firewall are the container's own.
const CAPABILITIES: [&str; 3] = ["SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN"];

/// systemd's word for "end all services, then yourself" (systemd(1)).
pub(super) const STOP_SIGNAL: &str = "SIGRTMIN+3";

/// The path of the program that becomes systemd.
pub(super) fn boot() -> String {
    format!("{LIB}/boot")
}

/// Adds what systemd needs to a container's rights.
pub(super) fn with_rights(config: HostConfig) -> HostConfig {
    HostConfig {
        cap_add: Some(CAPABILITIES.map(str::to_owned).into()),
        // What systemd makes is below the container's own group, and seen by nobody else.
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        // Docker's profile of AppArmor forbids to mount, whatever the capabilities.
        security_opt: Some(vec!["apparmor=unconfined".to_owned()]),
        ..config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_keeps_its_network_beside_the_rights() {
        let config = with_rights(HostConfig {
            network_mode: Some("office".to_owned()),
            ..HostConfig::default()
        });
        assert_eq!(config.network_mode.as_deref(), Some("office"));
        assert_eq!(
            config.cgroupns_mode,
            Some(HostConfigCgroupnsModeEnum::PRIVATE)
        );
        assert!(config.privileged.is_none());
    }
}
