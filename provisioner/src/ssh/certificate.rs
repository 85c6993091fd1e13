//! Host certificates (`ssh-keygen(1)`, CERTIFICATES): an authority that is known vouches for a host's key.

use std::time::{SystemTime, UNIX_EPOCH};

use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey};

use super::config::pattern::matches;
use super::known_hosts::Entry;

/// Says why a certificate does not vouch for a host, if it does not.
pub(super) fn refusal(
    certificate: &Certificate,
    host: &str,
    authorities: &[Entry],
) -> Option<String> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    refusal_at(certificate, host, authorities, now)
}

fn refusal_at(
    certificate: &Certificate,
    host: &str,
    authorities: &[Entry],
    now: u64,
) -> Option<String> {
    let authority = PublicKey::from(certificate.signature_key().clone());
    let id = certificate.key_id();
    let fingerprint = authority.fingerprint(HashAlg::Sha256);
    if !authorities.iter().any(|entry| entry.is(&authority)) {
        return Some(format!(
            "its authority {fingerprint} is not known for the host"
        ));
    }
    if certificate.cert_type() != CertType::Host {
        return Some(format!("the certificate '{id}' is one of a user"));
    }
    let is_sha1 = certificate.signature().algorithm() == Algorithm::Rsa { hash: None };
    let from = certificate.valid_after();
    if is_sha1 || certificate.validate_at(from, [&fingerprint]).is_err() {
        return Some(format!(
            "the signature of the certificate '{id}' is not good"
        ));
    }
    if now < from || now >= certificate.valid_before() {
        return Some(format!(
            "the certificate '{id}' is valid from {} to {}",
            time(from),
            time(certificate.valid_before())
        ));
    }
    let names = certificate.valid_principals();
    let is_named = |name: &String| matches(name.to_lowercase().as_bytes(), host.as_bytes());
    if !names.is_empty() && !names.iter().any(is_named) {
        return Some(format!(
            "the certificate '{id}' is for {}, not for {host}",
            names.join(", ")
        ));
    }
    if !certificate.critical_options().is_empty() {
        return Some(format!(
            "the certificate '{id}' has conditions that nobody knows"
        ));
    }
    None
}

fn time(seconds: u64) -> String {
    let time = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or_else(|| "no end".to_owned(), |time| time.to_string())
}
