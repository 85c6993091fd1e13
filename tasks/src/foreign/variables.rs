//! Variables of Ansible's inventories, and those of the playbooks that prov came from, which docs/from-ansible.md lists.

use super::advice::CONNECTION;

/// Where something is said here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Now {
    /// By a variable of this name.
    Variable(&'static str),
    /// Elsewhere, which the sentence says.
    Elsewhere(&'static str),
}

use Now::{Elsewhere, Variable};

pub(super) const VARIABLES: &[(&str, Now)] = &[
    ("ansible_become", Elsewhere(SUDO)),
    ("ansible_become_method", Elsewhere(SUDO)),
    ("ansible_become_pass", Elsewhere(SUDO)),
    ("ansible_become_password", Elsewhere(SUDO)),
    ("ansible_become_user", Elsewhere(SUDO)),
    ("ansible_connection", Elsewhere(CONNECTION)),
    ("ansible_host", Elsewhere(ADDRESS)),
    ("ansible_password", Elsewhere(PASSWORD)),
    ("ansible_port", Elsewhere(PORT)),
    (
        "ansible_python_interpreter",
        Elsewhere("leave it out: hosts need nothing but a shell"),
    ),
    ("ansible_ssh_common_args", Elsewhere(SSH)),
    ("ansible_ssh_extra_args", Elsewhere(SSH)),
    ("ansible_ssh_host", Elsewhere(ADDRESS)),
    ("ansible_ssh_pass", Elsewhere(PASSWORD)),
    ("ansible_ssh_port", Elsewhere(PORT)),
    ("ansible_ssh_private_key_file", Elsewhere(SSH)),
    ("ansible_ssh_user", Elsewhere(CONNECTION)),
    ("ansible_sudo_pass", Elsewhere(SUDO)),
    ("ansible_user", Elsewhere(CONNECTION)),
    (
        "backup_director_monitor_password",
        Variable("backup_monitor_director_password"),
    ),
    (
        "backup_linked_to_dropbox",
        Elsewhere("give the host the role 'backup_dropbox'"),
    ),
    ("dns_client_nameservers", Variable("dns_resolvers")),
    ("dns_host_patterns", Variable("dns_group")),
    ("dns_hosts_group", Variable("dns_group")),
    (
        "dns_mx_host",
        Elsewhere("leave it out: it is the host with the role 'mail_external'"),
    ),
    (
        "dynamic_dns_records_dir",
        Variable("dynamic_dns_domains_dir"),
    ),
    (
        "dynamic_dns_use_ipify",
        Variable("dynamic_dns_address_urls"),
    ),
    ("email_exim_configtype", Variable("mta_configtype")),
    ("email_exim_hide_mailname", Variable("mta_hide_mailname")),
    (
        "email_exim_local_interfaces",
        Variable("mta_local_interfaces"),
    ),
    ("email_exim_localdelivery", Variable("mta_localdelivery")),
    ("email_exim_mailname", Variable("mta_mailname")),
    (
        "email_exim_other_hostnames",
        Variable("mta_other_hostnames"),
    ),
    ("email_exim_readhost", Variable("mta_readhost")),
    ("email_exim_relay_nets", Variable("mta_relay_nets")),
    ("email_exim_smarthost", Elsewhere(SMARTHOST)),
    ("email_exim_smarthosts", Elsewhere(SMARTHOST)),
    (
        "email_exim_use_split_config",
        Variable("mta_use_split_config"),
    ),
    ("email_uses_ca", Variable("mail_uses_ca")),
    ("host_enabled_for_ssl", Variable("reverse_proxy_uses_ssl")),
    ("fname", Elsewhere(USERS)),
    (
        "hostnames",
        Elsewhere(
            "it is called 'webhosts' in the domain's file: `webhosts: {NAME: {proxy: …, wordpress: …, database: …}}`",
        ),
    ),
    (
        "hosts_to_roles_map",
        Elsewhere("'roles' in estate.yml says which hosts have which roles"),
    ),
    (
        "linode_domain_id",
        Elsewhere("write `dynamic_dns: {id: …, records: […]}` in the domain's file"),
    ),
    (
        "linode_dynamic_dns_domain_records",
        Elsewhere("write `dynamic_dns: {id: …, records: […]}` in the domain's file"),
    ),
    ("lname", Elsewhere(USERS)),
    ("passwd", Elsewhere(USERS)),
    ("reverse_proxy_host", Elsewhere(WEBHOSTS)),
    (
        "reverse_proxy_pass_port",
        Elsewhere(
            "it is called 'reverse_proxy_port' in the domain's file, and 'port' for one of its sites",
        ),
    ),
    (
        "unsafe_writes",
        Elsewhere(
            "leave it out: what a container has mounted in the place of a file is written in place",
        ),
    ),
    ("wordpress_database_host", Elsewhere(WEBHOSTS)),
    (
        "wordpress_database_password",
        Elsewhere("write `database_passwords: {SITE: …}` in the domain's private file"),
    ),
    ("wordpress_host", Elsewhere(WEBHOSTS)),
    (
        "wordpress_site_admin_password",
        Elsewhere("it is called 'wordpress_admin_password', in the domain's private file"),
    ),
    (
        "wordpress_site_admin_user_email",
        Elsewhere("write `wordpress_admin: {name: …, email: …}` in the domain's file"),
    ),
    ("wp_uses_ca", Variable("reverse_proxy_uses_ca")),
    ("wp_uses_ssl", Variable("reverse_proxy_uses_ssl")),
];

const ADDRESS: &str =
    "the address stands in estate.yml: `hosts: {HOST: {address: …, location: …}}`";
const PASSWORD: &str =
    "write `connection: {password: …}` in a private file, estate.private.yml; better a key";
const PORT: &str = "say it in estate.yml, as in `connection: {port: 2222}`, or in ~/.ssh/config";
const SMARTHOST: &str = "write `mta_smarthost: {hostname: …, port: …, username: …, userpass: …}`";
const SSH: &str = "what ~/.ssh/config says of a host counts as it does for ssh";
const SUDO: &str = "say it in estate.yml: `connection: {sudo: password}`, or `sudo: true` where no password is asked for";
const USERS: &str = "write `users: [{name: FIRST.LAST}]` in the domain's file, and `user_passwords: {FIRST.LAST: …}` in its private one";
const WEBHOSTS: &str =
    "write `webhosts: {NAME: {proxy: HOST, wordpress: HOST, database: HOST}}` in the domain's file";
