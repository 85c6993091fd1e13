//! Verification of RSA signatures by `ring`, where the `rsa` crate is left out.

use crate::{Algorithm, HashAlg, Signature, public::RsaPublicKey};
use alloc::vec::Vec;
use ring::signature::{
    RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
    RsaParameters, RsaPublicKeyComponents,
};

/// Verifies a signature of the algorithms `rsa-sha2-256` and `rsa-sha2-512` (RFC 8332); `ssh-rsa` is refused.
///
/// Keys have 1024 to 8192 bits, as OpenSSH takes them by itself (`RequiredRSASize`).
pub(crate) fn verify(
    key: &RsaPublicKey,
    message: &[u8],
    signature: &Signature,
) -> signature::Result<()> {
    let parameters: &RsaParameters = match signature.algorithm() {
        Algorithm::Rsa {
            hash: Some(HashAlg::Sha256),
        } => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        Algorithm::Rsa {
            hash: Some(HashAlg::Sha512),
        } => &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        other => return Err(other.unsupported_error().into()),
    };
    let number = |mpint: &crate::Mpint| mpint.as_positive_bytes().map(<[u8]>::to_vec);
    let n = number(key.n()).ok_or_else(signature::Error::new)?;
    let e = number(key.e()).ok_or_else(signature::Error::new)?;
    // Zeros at the beginning may be left out (RFC 8332, section 3), and ring wants them all.
    let data = signature.as_bytes();
    let missing = n.len().saturating_sub(data.len());
    let mut padded: Vec<u8> = core::iter::repeat_n(0, missing).collect();
    padded.extend_from_slice(data);
    RsaPublicKeyComponents { n, e }
        .verify(parameters, message, &padded)
        .map_err(|_| signature::Error::new())
}
