//! Signatures of RSA keys are verified by the crate in the folder `rsa`, in the place of the one that has an open advisory.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ssh_key::{Algorithm, HashAlg, PublicKey, Signature};

/// Made for this test: `ssh-keygen -t rsa -b 2048`.
const KEY: &str = "ssh-rsa \
     AAAAB3NzaC1yc2EAAAADAQABAAABAQClmMSVgCOzF2kEUWYz9quo8pmR5uQ3SHAEp26FmIYqHBG6ttlm7SUdVFbxyi67vwmPHWqe\
     FSi43PYVuQKexWbK7wSkmZjnn9KiNdeNgL8pgCCl/a7neoNZQQY+e9kIPAWRCcVjZO9q27w+C5ZkUOOAW6tCrLWlDY7TasHbFrIG\
     8lr2qCPDWFSbKcmuJOGACuio3qhR0uMXlBnRvxcLqVR5bA2kzbTT7zj1ZpJVvUNpS2vSL1GPurAjRuMGUxkVaT/IuJDLIj21Q1/Z\
     kpOXrFHnLhrOb9W/ZCfVekbkY06OUEvgL4FSOdl+1tpek0I7tvn5c66yfW3JD+J1eB+f8teP";

const MESSAGE: &[u8] = b"what is signed";

/// Made by `openssl dgst -sha1 -sign`, and so on.
const SHA1: &str = "\
     bF3ejct6uZX2hzJtRrhCmGxrDhiEjW3XNlpJjXcyDeQp2qROcpHb/wcjzEkha4uC9/JtTupAtytut1vKt8jJM5cxr1cd5aKBoyYT\
     Orej9PSqGUdjg45J4qzSc/DsXhFBpXLv9uWLaAKjfEi5NnMp7kvNUP0rI8C1RMCUgre3lm3o7OxBuU6jo+nQ/n/VAI6ffomwEeW3\
     doto8U4mDvAtMAqafnr2uR95OY1XlqtILfSPfVDTWzUzHveJxNS45BtLgd7dtLmEyx1V3WnW7/0iahIc/LRHl7L3h53pI04U4woq\
     LCXsf+Pb4sK6IbdoRvdQU8PDFpHiCkdI3OcRACSeig==";
const SHA256: &str = "\
     TSS1IUKEnttEP1WrKilbX+a7NCnv2qUSJjSWU4ll/vViwe5n1ZzKFZUofHVVq1+soR1UzJgFu6DzQHhRthkqT1/7xzVSY92LhPxE\
     V0dz+HPVdvgDQnH9RHVli0ilHIxOO11Fu9XY6qUylBfimgoQM4mPc1WLEPhaPKuFVYfIn9UhdZk743OhaRIERQLmZ+42drBV2M8h\
     A50H4xmzLYAMYAuDs6O2HhXksb6Nv1JkQzGuDS7pNJJLhWBArHc4pdSnYRC9FUW7KP4wsf1EC4McSK+fLD6FfZlk4onzTCpT7pBu\
     1bLiRneeoi3DEaoibTkz5ThUNN4CWW8ROUl0qW2utg==";
const SHA512: &str = "\
     X2PxDkdRIrMOjRHmg6pu73qTCyVeBSD+hI1UdCyKYJvw1IVJUGcLJ8oT0Ree3r7PqAbB8sb9QV6uj4pgOcN3GAK5MrcM6wFW8S/B\
     cuK4v1R/lPvZLBC3VmpDS8GMhoekkPups+9YRxMGdEcRNXvZHHstwrAXSmJWHzA+r+Hs5jdtlC2YeN4SKOi9PV/J9aM+PTiUiMQb\
     YX9UvJHGUaGoSGtcHvFr7Ns2AdEEcq8jywGJeET6wFtOm7mACgU4o3Kj4YHzKGfILHeMoeKOZ+4P8JGAOOdU/9wDzycLMMt+FqWR\
     s0TXjxtNm2DI5KbZ3uuhZ+ADOiVvegT5qX2qU6Nf9A==";

fn verifies(hash: Option<HashAlg>, message: &[u8], signature: &[u8]) -> bool {
    use signature::Verifier;
    let key = PublicKey::from_openssh(KEY).unwrap();
    let signature = Signature::new(Algorithm::Rsa { hash }, signature).unwrap();
    Verifier::verify(&key, message, &signature).is_ok()
}

#[test]
fn what_openssl_signed_verifies_by_its_own_digest_and_nothing_else_does() {
    let signatures = [SHA1, SHA256, SHA512].map(|text| STANDARD.decode(text).unwrap());
    let hashes = [None, Some(HashAlg::Sha256), Some(HashAlg::Sha512)];
    for (of, signature) in signatures.iter().enumerate() {
        for (by, hash) in hashes.iter().enumerate() {
            // SHA-1 is refused in any case.
            assert_eq!(
                verifies(*hash, MESSAGE, signature),
                of == by && by != 0,
                "{of} by {by}"
            );
            assert!(!verifies(*hash, b"what is sighed", signature));
        }
        let mut changed = signature.clone();
        changed[7] ^= 1;
        assert!(!hashes.iter().any(|hash| verifies(*hash, MESSAGE, &changed)));
        assert!(
            !hashes
                .iter()
                .any(|hash| verifies(*hash, MESSAGE, &signature[1..]))
        );
    }
}
