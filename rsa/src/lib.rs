//! What ssh-key, which the SSH library is built on, asks of the crate of this name, and nothing more: it verifies
//! signatures of RSA keys, by `ring`.
//!
//! The crate of this name at crates.io is left out, because an advisory is open for it (RUSTSEC-2023-0071: the time that
//! an operation with a private key takes gives the key away). There are no private keys here, so nothing can be signed:
//! prov signs by `ring` itself. `[patch.crates-io]` in the workspace's `Cargo.toml` puts this crate in its place.

use crypto_bigint::{BoxedUint, NonZero};
use rand_core::CryptoRng;

/// Errors.
pub mod errors {
    use std::fmt;

    /// Says that a key cannot be used here.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Error;

    impl fmt::Display for Error {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the RSA key cannot be used")
        }
    }

    impl std::error::Error for Error {}
}

/// Parts of keys.
pub mod traits {
    use crypto_bigint::{BoxedUint, NonZero};

    /// The numbers of a public key.
    pub trait PublicKeyParts {
        /// Gives the modulus.
        fn n(&self) -> &NonZero<BoxedUint>;
        /// Gives the exponent.
        fn e(&self) -> &BoxedUint;
    }

    /// The numbers of a private key.
    pub trait PrivateKeyParts {
        /// Gives the exponent.
        fn d(&self) -> &BoxedUint;
        /// Gives the prime factors of the modulus.
        fn primes(&self) -> &[BoxedUint];
        /// Gives the inverse of the second factor modulo the first.
        fn crt_coefficient(&self) -> Option<BoxedUint>;
    }
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RsaPublicKey {
    n: NonZero<BoxedUint>,
    e: BoxedUint,
}

impl RsaPublicKey {
    /// Makes a key of modulus and exponent. Whether they are fit for verifying is found out by verifying.
    pub fn new(n: BoxedUint, e: BoxedUint) -> Result<Self, errors::Error> {
        let n = NonZero::new(n).into_option().ok_or(errors::Error)?;
        Ok(Self { n, e })
    }
}

impl traits::PublicKeyParts for RsaPublicKey {
    fn n(&self) -> &NonZero<BoxedUint> {
        &self.n
    }

    fn e(&self) -> &BoxedUint {
        &self.e
    }
}

/// A private key, of which there are none here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RsaPrivateKey {}

impl RsaPrivateKey {
    /// Refuses to make a key.
    pub const fn new<R: CryptoRng + ?Sized>(_: &mut R, _: usize) -> Result<Self, errors::Error> {
        Err(errors::Error)
    }

    /// Refuses to hold a key.
    pub fn from_components(
        _: BoxedUint,
        _: BoxedUint,
        _: BoxedUint,
        _: Vec<BoxedUint>,
    ) -> Result<Self, errors::Error> {
        Err(errors::Error)
    }

    /// Gives the public half.
    #[must_use]
    pub const fn to_public_key(&self) -> RsaPublicKey {
        match *self {}
    }
}

impl traits::PrivateKeyParts for RsaPrivateKey {
    fn d(&self) -> &BoxedUint {
        match *self {}
    }

    fn primes(&self) -> &[BoxedUint] {
        match *self {}
    }

    fn crt_coefficient(&self) -> Option<BoxedUint> {
        match *self {}
    }
}

/// Signatures in the form PKCS #1 v1.5 (RFC 8017, section 8.2).
pub mod pkcs1v15 {
    use std::marker::PhantomData;

    use ring::signature::{
        RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RsaParameters, RsaPublicKeyComponents,
    };
    use sha2::digest::const_oid::AssociatedOid;
    use sha2::{Digest, Sha256, Sha512};
    use signature::{Error, SignatureEncoding, Signer, Verifier};

    use super::traits::PublicKeyParts as _;
    use super::{RsaPrivateKey, RsaPublicKey};

    /// A signature.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Signature(Box<[u8]>);

    impl TryFrom<&[u8]> for Signature {
        type Error = Error;

        fn try_from(bytes: &[u8]) -> Result<Self, Error> {
            Ok(Self(bytes.into()))
        }
    }

    impl From<Signature> for Box<[u8]> {
        fn from(signature: Signature) -> Self {
            signature.0
        }
    }

    impl SignatureEncoding for Signature {
        type Repr = Box<[u8]>;
    }

    /// A key that verifies what was digested by `D`.
    #[derive(Debug, Clone)]
    pub struct VerifyingKey<D> {
        key: RsaPublicKey,
        digest: PhantomData<D>,
    }

    impl<D: Digest + AssociatedOid> VerifyingKey<D> {
        /// Makes a verifying key of a public one.
        #[must_use]
        pub const fn new(key: RsaPublicKey) -> Self {
            Self {
                key,
                digest: PhantomData,
            }
        }
    }

    impl<D: Digest + AssociatedOid> Verifier<Signature> for VerifyingKey<D> {
        /// Verifies a signature over SHA-256 or SHA-512; others are refused. Keys have 1,024 to 8,192 bits, as OpenSSH takes
        /// them by itself (`RequiredRSASize` of `ssh_config(5)`).
        fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), Error> {
            let parameters: &RsaParameters = if D::OID == Sha256::OID {
                &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY
            } else if D::OID == Sha512::OID {
                &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY
            } else {
                return Err(Error::new());
            };
            let n = self.key.n().as_ref().to_be_bytes_trimmed_vartime();
            let e = self.key.e().to_be_bytes_trimmed_vartime();
            // Zeros at the beginning may be left out (RFC 8332, section 3), and ring wants them all.
            let missing = n.len().saturating_sub(signature.0.len());
            let padded: Vec<u8> = std::iter::repeat_n(0, missing)
                .chain(signature.0.iter().copied())
                .collect();
            RsaPublicKeyComponents { n, e }
                .verify(parameters, message, &padded)
                .map_err(|_| Error::new())
        }
    }

    /// A key that signs, of which there are none here.
    #[derive(Debug, Clone)]
    pub struct SigningKey<D> {
        key: RsaPrivateKey,
        digest: PhantomData<D>,
    }

    impl<D: Digest + AssociatedOid> SigningKey<D> {
        /// Makes a signing key of a private one.
        #[must_use]
        pub const fn new(key: RsaPrivateKey) -> Self {
            match key {}
        }
    }

    impl<D: Digest + AssociatedOid> Signer<Signature> for SigningKey<D> {
        fn try_sign(&self, _: &[u8]) -> Result<Signature, Error> {
            match self.key {}
        }
    }
}
