//! X.509 certificates (RFC 5280): an estate's own authority, what it issues, and what a certificate says.
//!
//! Issuing is pure: the signature is deterministic (RFC 6979), the serial number comes from what is certified, and the
//! time comes from the host. So a preview shows the very certificate that will be written.

use std::net::IpAddr;
use std::str::FromStr as _;
use std::time::Duration;

use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{Builder as _, CertificateBuilder};
use x509_cert::certificate::{Certificate, TbsCertificate};
use x509_cert::der::asn1::{Ia5String, OctetString};
use x509_cert::der::{DateTime, DecodePem as _, Encode as _, EncodePem as _};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages,
    SubjectAltName, SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, ToExtension as _};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{ObjectIdentifier, SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};
use x509_cert::time::{Time, Validity};

use crate::secret::{Secret, hex};
use crate::value::HostPath;

/// A day, in seconds.
const DAY: u64 = 24 * 60 * 60;

/// For how long a certificate is valid, in days: what browsers accept at most from any authority.
const VALID: u64 = 397;

/// How many days before its end a certificate is replaced.
const RENEWED: u64 = 30;

/// For how long an authority is valid, in days.
const AUTHORITY_VALID: u64 = 3650;

/// Longest common name (RFC 5280, appendix A.1, ub-common-name).
pub(crate) const MOST_COMMON_NAME: usize = 64;

/// Extended key usages of a server and of a client (RFC 5280, section 4.2.1.12).
const SERVER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

/// An authority of the estate's own: its certificate and its private key (P-256), both as PEM (RFC 7468).
///
/// Hosts remember by what they trust and present which authority the estate had. One that is neither this nor among
/// `trusted` is another administrator's, or was lost: what it signed is not replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// Its certificate, which whoever trusts it needs.
    pub certificate: String,
    /// Its private key (PKCS #8).
    pub key: Secret,
    /// Certificates of other authorities that the estate trusts meanwhile, while this one takes another's place or
    /// another one is to take its place.
    #[serde(default)]
    pub trusted: Vec<String>,
    /// Whether it takes the place of whatever authority hosts trust, because that one is lost.
    #[serde(default)]
    pub replaces_any: bool,
}

/// What of a certificate is compared with what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The names that it is for, sorted.
    pub names: Vec<String>,
    /// The public key that it is for, as digest (SHA-256, hexadecimal).
    pub public_key: String,
    /// Who issued it, as people read it.
    pub issuer: String,
    /// Identifier of the key that signed it, hexadecimal; empty where it does not say.
    authority: String,
    /// From when on it is valid, in seconds since 1970.
    pub begins: u64,
    /// Until when it is valid, in seconds since 1970.
    pub ends: u64,
    /// Identifier of its own key, hexadecimal.
    pub identifier: String,
    self_signed: bool,
}

impl Authority {
    /// Makes an authority from 32 random bytes; `now` is in seconds since 1970.
    pub fn new(estate: &str, random: &[u8; 32], now: u64) -> Result<Self, String> {
        let key = SigningKey::from_slice(random).map_err(text)?;
        let subject =
            Name::from_str(&format!("CN=Authority of the estate {estate}")).map_err(text)?;
        let public = SubjectPublicKeyInfoOwned::from_key(key.verifying_key()).map_err(text)?;
        let certificate = sign(
            &key,
            Profile {
                issuer: subject.clone(),
                subject,
                names: Vec::new(),
            },
            public,
            now,
            AUTHORITY_VALID,
        )?;
        let key = key.to_pkcs8_pem(LineEnding::LF).map_err(text)?;
        Ok(Self {
            certificate,
            key: Secret::new(key.as_str()),
            trusted: Vec::new(),
            replaces_any: false,
        })
    }

    /// Gives the certificates by which hosts and clients recognise what the estate has certified (PEM), that of the
    /// authority that issues first.
    #[must_use]
    pub fn trust(&self) -> String {
        let all = std::iter::once(&self.certificate).chain(&self.trusted);
        all.flat_map(|pem| [pem.trim_end(), "\n"]).collect()
    }

    /// Finds among certificates that a host trusts (PEM) one of an authority that the estate knows nothing of.
    #[must_use]
    pub fn stranger(&self, pem: &str) -> Option<Issued> {
        if self.replaces_any {
            return None;
        }
        let certificates = Certificate::load_pem_chain(pem.as_bytes()).ok()?;
        let all = certificates.iter().filter_map(|one| Issued::of(one).ok());
        let own = self.identifiers();
        all.into_iter()
            .find(|issued| !own.contains(&issued.identifier))
    }

    /// Tells whether a certificate was issued by an authority that the estate knows nothing of.
    #[must_use]
    pub fn is_strangers(&self, issued: &Issued) -> bool {
        !self.replaces_any && !issued.self_signed && !self.identifiers().contains(&issued.authority)
    }

    /// Says why what another authority signed is not replaced, and what to do.
    #[must_use]
    pub fn refusal(path: &HostPath, issued: &Issued) -> (String, String) {
        let cause = format!(
            "{path} is of another authority of this estate: {}, key {}, since {}",
            issued.issuer,
            if issued.self_signed {
                &issued.identifier
            } else {
                &issued.authority
            },
            date(issued.begins)
        );
        let hint = "whoever set the host up has that authority: `prov authority export FILE` there, `prov authority import FILE` here; \
                    one that is lost is replaced after `prov authority rotate --lost`";
        (cause, hint.to_owned())
    }

    /// Gives the identifiers of the keys of all authorities that are trusted.
    fn identifiers(&self) -> Vec<String> {
        let trust = Certificate::load_pem_chain(self.trust().as_bytes()).unwrap_or_default();
        let keys = trust
            .iter()
            .map(|own| own.tbs_certificate().subject_public_key_info());
        keys.filter_map(|key| key_identifier(key).ok()).collect()
    }

    /// Issues a certificate for a public key (PEM) and names, some of which may be addresses; gives it as PEM.
    pub fn issue(
        &self,
        public_key: &str,
        names: &[impl ToString],
        now: u64,
    ) -> Result<String, String> {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let key = SigningKey::from_pkcs8_pem(self.key.expose())
            .map_err(|_| "the authority's key is not a P-256 key in PKCS #8".to_owned())?;
        let own = Certificate::from_pem(&self.certificate)
            .map_err(|error| format!("the authority's certificate cannot be read: {error}"))?;
        let public = SubjectPublicKeyInfoOwned::from_pem(public_key).map_err(text)?;
        let common = names.first().filter(|name| name.len() <= MOST_COMMON_NAME);
        let subject = match common {
            Some(name) => Name::from_str(&format!("CN={name}")).map_err(text)?,
            None => Name::default(),
        };
        let profile = Profile {
            issuer: own.tbs_certificate().subject().clone(),
            subject,
            names,
        };
        sign(&key, profile, public, now, VALID)
    }

    /// Tells whether certificate and key belong together, and the certificate is the authority's own.
    pub fn check(&self) -> Result<(), String> {
        let own = Issued::read(&self.certificate)
            .map_err(|error| format!("its certificate cannot be read: {error}"))?;
        let key = SigningKey::from_pkcs8_pem(self.key.expose())
            .map_err(|_| "its key is not a P-256 key in PKCS #8".to_owned())?;
        let public = SubjectPublicKeyInfoOwned::from_key(key.verifying_key()).map_err(text)?;
        let public = public.to_der().map_err(text)?;
        if own.public_key != hex(&Sha256::digest(public)) || !own.self_signed {
            return Err("its certificate is not one of its own key".to_owned());
        }
        Ok(())
    }

    /// Tells whether this authority issued a certificate.
    fn has_issued(&self, issued: &Issued) -> bool {
        Certificate::from_pem(&self.certificate)
            .ok()
            .and_then(|own| {
                let public = own.tbs_certificate().subject_public_key_info();
                key_identifier(public).ok()
            })
            .is_some_and(|identifier| identifier == issued.authority)
    }
}

impl Issued {
    /// Reads a certificate (PEM; the first, where there are several).
    pub fn read(pem: &str) -> Result<Self, String> {
        let certificate = Certificate::load_pem_chain(pem.as_bytes())
            .map_err(text)?
            .into_iter()
            .next()
            .ok_or("there is no certificate in it")?;
        Self::of(&certificate)
    }

    fn of(certificate: &Certificate) -> Result<Self, String> {
        let tbs = certificate.tbs_certificate();
        let alternative: Option<(bool, SubjectAltName)> = tbs.get_extension().map_err(text)?;
        let mut names: Vec<String> = alternative
            .iter()
            .flat_map(|(_, names)| &names.0)
            .filter_map(|name| {
                if let GeneralName::DnsName(name) = name {
                    return Some(name.to_string());
                }
                if let GeneralName::IpAddress(octets) = name {
                    return address(octets.as_bytes()).map(|it| it.to_string());
                }
                None
            })
            .collect();
        names.sort();
        let identifier: Option<(bool, AuthorityKeyIdentifier)> =
            tbs.get_extension().map_err(text)?;
        let identifier = identifier.and_then(|(_, identifier)| identifier.key_identifier);
        let own = key_identifier(tbs.subject_public_key_info())?;
        let authority = identifier
            .map(|octets| hex(octets.as_bytes()))
            .unwrap_or_default();
        let public = tbs.subject_public_key_info().to_der().map_err(text)?;
        let seconds = |time: &Time| time.to_unix_duration().as_secs();
        Ok(Self {
            self_signed: authority == own
                || (authority.is_empty() && tbs.issuer() == tbs.subject()),
            names,
            public_key: hex(&Sha256::digest(public)),
            issuer: tbs.issuer().to_string(),
            authority,
            begins: seconds(&tbs.validity().not_before),
            ends: seconds(&tbs.validity().not_after),
            identifier: own,
        })
    }

    /// Tells whether it was issued by this authority; by itself, where there is none.
    #[must_use]
    pub fn is_from(&self, authority: Option<&Authority>) -> bool {
        match authority {
            Some(authority) => authority.has_issued(self),
            None => self.self_signed,
        }
    }

    /// Tells whether it has to be replaced because of its age.
    #[must_use]
    pub const fn is_old(&self, now: u64) -> bool {
        self.ends < now + RENEWED * DAY || self.begins > now
    }

    /// Says from when to when it is valid, for people.
    #[must_use]
    pub fn validity(&self) -> String {
        format!("{} to {}", date(self.begins), date(self.ends))
    }

    /// Describes it for people.
    #[must_use]
    pub fn described(&self) -> String {
        format!(
            "names:  {}\nissuer: {}\nvalid:  {} to {}\nkey:    SHA-256 {}\n",
            self.names.join(", "),
            self.issuer,
            date(self.begins),
            date(self.ends),
            self.public_key
        )
    }
}

/// Digests a public key (PEM) as [`Issued::public_key`] is.
pub fn digest_of_key(pem: &str) -> Result<String, String> {
    let key = SubjectPublicKeyInfoOwned::from_pem(pem).map_err(text)?;
    Ok(hex(&Sha256::digest(key.to_der().map_err(text)?)))
}

/// Writes a time as date, or as number where it is beyond the calendar.
fn date(seconds: u64) -> String {
    DateTime::from_unix_duration(Duration::from_secs(seconds)).map_or_else(
        |_| seconds.to_string(),
        |time| format!("{:04}-{:02}-{:02}", time.year(), time.month(), time.day()),
    )
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Reads an address in a certificate (RFC 5280, section 4.2.1.6).
fn address(octets: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .ok()
}

fn key_identifier(key: &SubjectPublicKeyInfoOwned) -> Result<String, String> {
    let der = key.to_der().map_err(text)?;
    let key = SubjectPublicKeyInfoRef::try_from(der.as_slice()).map_err(text)?;
    let identifier = SubjectKeyIdentifier::try_from(key).map_err(text)?;
    Ok(hex(identifier.0.as_bytes()))
}

/// Says what a certificate is for: an authority where there are no names, otherwise a server.
struct Profile {
    issuer: Name,
    subject: Name,
    names: Vec<String>,
}

impl BuilderProfile for Profile {
    fn get_issuer(&self, _: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        key: SubjectPublicKeyInfoRef<'_>,
        issuer_key: SubjectPublicKeyInfoRef<'_>,
        tbs: &TbsCertificate,
    ) -> x509_cert::builder::Result<Vec<Extension>> {
        let is_authority = self.names.is_empty();
        let subject = tbs.subject();
        let usage = if is_authority {
            KeyUsages::KeyCertSign | KeyUsages::CRLSign
        } else {
            KeyUsages::DigitalSignature.into()
        };
        let constraints = BasicConstraints {
            ca: is_authority,
            path_len_constraint: is_authority.then_some(0),
        };
        let mut extensions = vec![
            constraints.to_extension(subject, &[])?,
            KeyUsage(usage).to_extension(subject, &[])?,
            SubjectKeyIdentifier::try_from(key)?.to_extension(subject, &[])?,
            AuthorityKeyIdentifier::try_from(issuer_key)?.to_extension(subject, &[])?,
        ];
        if !is_authority {
            let names = self
                .names
                .iter()
                .map(|name| match name.parse() {
                    Ok(IpAddr::V4(address)) => {
                        OctetString::new(address.octets()).map(GeneralName::IpAddress)
                    }
                    Ok(IpAddr::V6(address)) => {
                        OctetString::new(address.octets()).map(GeneralName::IpAddress)
                    }
                    Err(_) => Ia5String::new(name).map(GeneralName::DnsName),
                })
                .collect::<Result<Vec<_>, _>>()?;
            // A daemon shows who it is by the same certificate where it connects to another one.
            extensions.push(ExtendedKeyUsage(vec![SERVER, CLIENT]).to_extension(subject, &[])?);
            extensions.push(SubjectAltName(names).to_extension(subject, &[])?);
        }
        Ok(extensions)
    }
}

fn sign(
    key: &SigningKey,
    profile: Profile,
    public: SubjectPublicKeyInfoOwned,
    now: u64,
    days: u64,
) -> Result<String, String> {
    // The day's beginning: a plan that is made and applied on one day has one certificate.
    let begins = now - now % DAY;
    let at = |seconds| {
        DateTime::from_unix_duration(Duration::from_secs(seconds))
            .map(Time::from)
            .map_err(text)
    };
    let validity = Validity::new(at(begins)?, at(begins + days * DAY)?);
    let mut hash = Sha256::new();
    hash.update(public.to_der().map_err(text)?);
    hash.update(profile.names.join(" "));
    hash.update(begins.to_be_bytes());
    // 16 bytes of it, positive and without a leading zero (RFC 5280, section 4.1.2.2).
    let mut serial: [u8; 16] = std::array::from_fn(|_| 0);
    serial.copy_from_slice(&hash.finalize()[..16]);
    serial[0] = serial[0] & 0x3f | 0x40;
    let serial = SerialNumber::new(&serial).map_err(text)?;
    let builder = CertificateBuilder::new(profile, serial, validity, public).map_err(text)?;
    let certificate = builder.build::<_, DerSignature>(key).map_err(text)?;
    certificate.to_pem(LineEnding::LF).map_err(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::DomainName;

    const NOW: u64 = 1_795_000_000;

    fn public_key(random: u8) -> String {
        let key = SigningKey::from_slice(&[random; 32]).unwrap();
        SubjectPublicKeyInfoOwned::from_key(key.verifying_key())
            .unwrap()
            .to_pem(LineEnding::LF)
            .unwrap()
    }

    fn names(names: &[&str]) -> Vec<DomainName> {
        names
            .iter()
            .map(|name| DomainName::new(*name).unwrap())
            .collect()
    }

    #[test]
    fn what_an_authority_issues_says_so_and_is_the_same_all_day() {
        let authority = Authority::new("docker", &[7; 32], NOW).unwrap();
        let other = Authority::new("docker", &[8; 32], NOW).unwrap();
        let names = names(&["www.customer.com", "customer.com"]);
        let pem = authority.issue(&public_key(1), &names, NOW).unwrap();
        assert_eq!(
            pem,
            authority.issue(&public_key(1), &names, NOW + 60).unwrap()
        );
        let issued = Issued::read(&pem).unwrap();
        assert_eq!(issued.names, ["customer.com", "www.customer.com"]);
        assert_eq!(issued.public_key, digest_of_key(&public_key(1)).unwrap());
        assert_ne!(issued.public_key, digest_of_key(&public_key(2)).unwrap());
        assert!(issued.is_from(Some(&authority)));
        assert!(!issued.is_from(Some(&other)) && !issued.is_from(None));
        assert!(!issued.is_old(NOW) && issued.is_old(NOW + 370 * DAY));
        assert!(
            issued
                .described()
                .contains("issuer: CN=Authority of the estate docker")
        );
    }

    #[test]
    fn a_name_that_is_too_long_for_a_common_name_is_certified_all_the_same() {
        let authority = Authority::new("docker", &[7; 32], NOW).unwrap();
        let long = format!("{}.{}.com", "a".repeat(63), "b".repeat(63));
        let pem = authority
            .issue(&public_key(1), &names(&[&long]), NOW)
            .unwrap();
        assert_eq!(Issued::read(&pem).unwrap().names, [long]);
    }

    #[test]
    fn what_another_authority_signed_is_recognised_until_both_are_trusted() {
        let mut authority = Authority::new("docker", &[7; 32], NOW).unwrap();
        let other = Authority::new("docker", &[8; 32], NOW).unwrap();
        let pem = other.issue(&public_key(1), &names(&["a.b"]), NOW).unwrap();
        let issued = Issued::read(&pem).unwrap();
        assert!(authority.is_strangers(&issued) && !other.is_strangers(&issued));
        let both = format!("{}{}", authority.certificate, other.certificate);
        let stranger = authority.stranger(&both).unwrap();
        assert!(other.stranger(&other.certificate).is_none());
        let (cause, hint) = Authority::refusal(&HostPath::new("/c.pem").unwrap(), &stranger);
        assert!(
            cause.contains("2026-11-18") && cause.contains(&stranger.identifier),
            "{cause}"
        );
        assert!(hint.contains("prov authority import"), "{hint}");
        authority.trusted = vec![other.certificate.clone()];
        assert!(!authority.is_strangers(&issued) && authority.stranger(&both).is_none());
        assert_eq!(authority.trust(), both);
        authority.trusted.clear();
        authority.replaces_any = true;
        assert!(!authority.is_strangers(&issued) && authority.stranger(&both).is_none());
    }

    #[test]
    fn an_authority_whose_key_belongs_to_another_certificate_is_noticed() {
        let mut authority = Authority::new("docker", &[7; 32], NOW).unwrap();
        assert_eq!(authority.check(), Ok(()));
        authority.key = Authority::new("docker", &[8; 32], NOW).unwrap().key;
        assert!(authority.check().unwrap_err().contains("own key"));
    }

    #[test]
    fn the_key_of_an_authority_is_not_shown() {
        let authority = Authority::new("docker", &[7; 32], NOW).unwrap();
        let shown = format!(
            "{authority:?}{}",
            serde_json::to_string(&authority).unwrap()
        );
        assert!(!shown.contains("PRIVATE"), "{shown}");
    }

    #[test]
    fn addresses_are_names_of_their_own_kind_and_the_first_is_the_common_name() {
        let authority = Authority::new("docker", &[7; 32], NOW).unwrap();
        let names = ["192.0.2.7", "localhost", "2001:db8::7"];
        let pem = authority.issue(&public_key(2), &names, NOW).unwrap();
        let issued = Issued::read(&pem).unwrap();
        assert_eq!(issued.names, ["192.0.2.7", "2001:db8::7", "localhost"]);
        let certificate = Certificate::from_pem(&pem).unwrap();
        let subject = certificate.tbs_certificate().subject();
        assert_eq!(subject.to_string(), "CN=192.0.2.7");
    }
}
