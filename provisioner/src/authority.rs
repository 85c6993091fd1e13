//! The estate's own authority for certificates: found, or made when it is first needed, handed on, and replaced.
//!
//! It is a file of certificates and private keys in PEM: `authority.private.pem` in the estate's folder where people
//! share one, otherwise among what prov remembers on this machine. The first certificate is that of the authority that
//! issues. Others are trusted besides, while one authority takes another's place.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tasks::Secret;
use tasks::authority::Authority;
use tasks::pushln;

use crate::engine::Failure;
use crate::report::problem::Problem;
use crate::secrets::{self, Opener, Recipients, Shut};
use crate::state::State;

/// Name of the file.
pub(crate) const FILE: &str = "authority.private.pem";

/// Its name when it is encrypted, as a whole, for the recipients of the estate.
pub(crate) const SEALED: &str = "authority.private.pem.age";

/// What begins the line that says how far one authority has taken another's place.
const ROTATION: &str = "rotation: ";

/// What begins the line that says for whom the file was encrypted.
const FOR: &str = "recipients: ";

/// What is done about a file that cannot be used.
const HINT: &str = "it needs a certificate and its P-256 key (PKCS #8) as PEM, readable by you alone: get it anew by `prov authority export` from who has it";

/// An authority with its key, or one that is trusted only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: Option<Secret>,
}

/// How far one authority has taken another's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// There is one authority.
    Settled,
    /// The next one is trusted, and does not issue yet.
    Spreading,
    /// The new one issues, and the previous one is still trusted.
    Issuing,
    /// The new one takes the place of one that is lost.
    Lost,
}

impl Stage {
    const fn word(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Spreading => "spreading",
            Self::Issuing => "issuing",
            Self::Lost => "lost",
        }
    }
}

/// What the file holds.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Whether it is in the estate's folder, for whoever works on it.
    pub(crate) shared: bool,
    /// The authority that issues, and its key.
    pub(crate) first: Authority,
    /// Those that are trusted besides.
    pub(crate) others: Vec<Pair>,
    /// How far one has taken another's place.
    pub(crate) stage: Stage,
}

/// Finds the authority of an estate, or makes it.
pub(crate) fn of(estate: &str, opener: Opener<'_>, state: &State) -> Result<Authority, Problem> {
    if let Some(kept) = find(opener, state)? {
        return Ok(kept.first);
    }
    let first = made(estate)?;
    let kept = Kept {
        path: state.path(FILE),
        shared: false,
        first: first.clone(),
        others: Vec::new(),
        stage: Stage::Settled,
    };
    kept.write(state)?;
    Ok(first)
}

/// Finds what there is of an authority.
pub(crate) fn find(opener: Opener<'_>, state: &State) -> Result<Option<Kept>, Problem> {
    let (shared, own) = (opener.estate.join(FILE), state.path(FILE));
    let sealed = opener.estate.join(SEALED);
    if sealed.exists() {
        if shared.exists() {
            return Err(Problem::usage(
                format!("there are {} and {}", shared.display(), sealed.display()),
                "remove the one that is not the estate's authority",
            ));
        }
        let text = open(&sealed, opener)?;
        return Kept::read(text.expose(), sealed, true).map(Some);
    }
    let (path, shared) = if shared.exists() {
        (shared, true)
    } else if own.exists() {
        (own, false)
    } else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Problem::file("read", &path, &error, HINT))?;
    Kept::read(&text, path, shared).map(Some)
}

/// Encrypts the text of a file, with a line that says for whom.
pub(crate) fn sealed(text: &str, recipients: &Recipients) -> Result<Vec<u8>, Problem> {
    let mut all = String::new();
    for line in text.lines().filter(|line| !line.starts_with(FOR)) {
        all.push_str(line);
        all.push('\n');
    }
    pushln!(all, "{FOR}{}", recipients.digest());
    secrets::encrypt(all.as_bytes(), recipients)
}

/// Tells whether the text of a file was encrypted for these recipients.
pub(crate) fn is_for(text: &Secret, recipients: &Recipients) -> bool {
    let mut lines = text.expose().lines();
    lines.any(|line| line.strip_prefix(FOR) == Some(recipients.digest().as_str()))
}

/// Decrypts the file of an authority.
pub(crate) fn open(path: &Path, opener: Opener<'_>) -> Result<Secret, Problem> {
    let bytes = std::fs::read(path).map_err(|error| Problem::file("read", path, &error, HINT))?;
    let failed = |cause: &str, hint: &str| {
        Problem::Failed(Failure::new(format!("{}: {cause}", path.display()), hint))
    };
    let text = secrets::decrypt(&bytes, opener.keys()?).map_err(|shut| match shut {
        Shut::Locked => failed(
            "no key that is here decrypts the authority",
            "name the private key of one of the estate's recipients.txt with --identity FILE (PROV_IDENTITY)",
        ),
        Shut::Wrong(why) => failed(&why, "take it back from version control"),
    })?;
    String::from_utf8(text)
        .map(Secret::new)
        .map_err(|_| failed("it holds no text", HINT))
}

/// Makes a new authority.
pub(crate) fn made(estate: &str) -> Result<Authority, Problem> {
    let unusable = |error: String| {
        Problem::usage(
            format!("no authority can be made for the estate: {error}"),
            "check the machine's clock and its random numbers",
        )
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|error| unusable(error.to_string()))?;
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| unusable(error.to_string()))?;
    Authority::new(estate, &random, now.as_secs()).map_err(unusable)
}

impl Kept {
    /// Reads the text of a file.
    pub(crate) fn read(text: &str, path: PathBuf, shared: bool) -> Result<Self, Problem> {
        let wrong = |what: &str| Problem::usage(format!("{}: {what}", path.display()), HINT);
        let blocks = |label: &str| -> Vec<String> {
            let (begin, end) = (
                format!("-----BEGIN {label}-----"),
                format!("-----END {label}-----"),
            );
            let parts = text.split(begin.as_str()).skip(1);
            let bodies = parts.filter_map(|part| part.split_once(end.as_str()));
            bodies
                .map(|(body, _)| format!("{begin}{body}{end}\n"))
                .collect()
        };
        let mut keys: Vec<_> = blocks("PRIVATE KEY").into_iter().map(Secret::new).collect();
        if keys.is_empty() {
            return Err(wrong("it has no private key"));
        }
        let mut pairs = Vec::new();
        for certificate in blocks("CERTIFICATE") {
            let fits = |key: &Secret| authority(&certificate, key).check().is_ok();
            let key = keys.iter().position(fits).map(|at| keys.remove(at));
            pairs.push(Pair { certificate, key });
        }
        if pairs.is_empty() {
            return Err(wrong("it has no certificate"));
        }
        let Pair { certificate, key } = pairs.remove(0);
        let Some(key) = key else {
            let key = keys.remove(0);
            let refused = authority(&certificate, &key).check();
            return Err(wrong(&refused.err().unwrap_or_default()));
        };
        let mut first = authority(&certificate, &key);
        first.trusted = pairs.iter().map(|pair| pair.certificate.clone()).collect();
        let stages = [
            Stage::Settled,
            Stage::Spreading,
            Stage::Issuing,
            Stage::Lost,
        ];
        let said = text.lines().find_map(|line| line.strip_prefix(ROTATION));
        let said = said.map_or(Stage::Settled.word(), str::trim);
        let stage = stages.into_iter().find(|stage| stage.word() == said);
        let stage = stage.ok_or_else(|| wrong(&format!("'{said}' is no stage of a rotation")))?;
        first.replaces_any = stage == Stage::Lost;
        Ok(Self {
            path,
            shared,
            first,
            others: pairs,
            stage,
        })
    }

    /// Gives what is written: whoever has it can issue certificates.
    pub(crate) fn text(&self) -> Secret {
        let mut text = String::new();
        if self.stage != Stage::Settled {
            pushln!(text, "{ROTATION}{}", self.stage.word());
        }
        text.push_str(&self.first.certificate);
        text.push_str(self.first.key.expose());
        for Pair { certificate, key } in &self.others {
            text.push_str(certificate);
            text.push_str(key.as_ref().map_or("", |key| key.expose()));
        }
        Secret::new(text)
    }

    /// Writes the file where it is.
    pub(crate) fn write(&self, state: &State) -> Result<(), Problem> {
        let text = self.text();
        let folder = self.path.parent().unwrap_or(Path::new("."));
        if self.path.ends_with(SEALED) {
            let recipients = Recipients::load(folder)?;
            let sealed = sealed(text.expose(), &recipients)?;
            crate::state::write_private(&self.path, &sealed)
        } else if self.shared {
            crate::state::write_private(&self.path, text.expose().as_bytes())
        } else {
            state.write_private(FILE, text.expose().as_bytes())
        }
    }

    /// Gives the next stage: another authority is trusted, issues, and is the only one.
    pub(crate) fn next(&self, estate: &str) -> Result<Self, Problem> {
        let (first, others, stage) = match (self.stage, self.others.first()) {
            (Stage::Settled, _) => {
                let Authority {
                    certificate, key, ..
                } = made(estate)?;
                let next = Pair {
                    certificate,
                    key: Some(key),
                };
                (self.first.clone(), vec![next], Stage::Spreading)
            }
            (
                Stage::Spreading,
                Some(Pair {
                    certificate,
                    key: Some(key),
                }),
            ) => {
                let previous = Pair {
                    certificate: self.first.certificate.clone(),
                    key: Some(self.first.key.clone()),
                };
                (authority(certificate, key), vec![previous], Stage::Issuing)
            }
            (Stage::Spreading, _) => {
                return Err(Problem::usage(
                    format!("{} lacks the next authority's key", self.path.display()),
                    HINT,
                ));
            }
            (Stage::Issuing | Stage::Lost, _) => (self.first.clone(), Vec::new(), Stage::Settled),
        };
        Ok(self.of_stage(first, others, stage))
    }

    /// Gives the only authority again.
    pub(crate) fn given_up(&self) -> Self {
        self.of_stage(self.first.clone(), Vec::new(), Stage::Settled)
    }

    /// Has this authority take the place of whatever hosts trust.
    pub(crate) fn in_place_of_lost(&self) -> Self {
        self.of_stage(self.first.clone(), self.others.clone(), Stage::Lost)
    }

    fn of_stage(&self, first: Authority, others: Vec<Pair>, stage: Stage) -> Self {
        let trusted = others.iter().map(|pair| pair.certificate.clone());
        Self {
            path: self.path.clone(),
            shared: self.shared,
            first: Authority {
                trusted: trusted.collect(),
                replaces_any: stage == Stage::Lost,
                ..first
            },
            others,
            stage,
        }
    }
}

fn authority(certificate: &str, key: &Secret) -> Authority {
    Authority {
        certificate: certificate.to_owned(),
        key: key.clone(),
        trusted: Vec::new(),
        replaces_any: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str) -> Result<Kept, Problem> {
        Kept::read(text, PathBuf::from("authority.private.pem"), false)
    }

    fn text(kept: &Kept) -> String {
        kept.text().expose().to_owned()
    }

    fn settled() -> Kept {
        let Authority {
            certificate, key, ..
        } = made("docker").unwrap();
        kept(&format!("{certificate}{}", key.expose())).unwrap()
    }

    #[test]
    fn every_stage_is_read_back_as_it_was_written() {
        let first = settled();
        let spreading = first.next("docker").unwrap();
        let issuing = spreading.next("docker").unwrap();
        let settled = issuing.next("docker").unwrap();
        for stage in [
            &first,
            &spreading,
            &issuing,
            &settled,
            &first.in_place_of_lost(),
        ] {
            let read = kept(&text(stage)).unwrap();
            assert_eq!(text(&read), text(stage));
            assert_eq!(
                (read.stage, &read.first, &read.others),
                (stage.stage, &stage.first, &stage.others)
            );
        }
        assert_eq!(spreading.first.certificate, first.first.certificate);
        assert_eq!(spreading.given_up().first, first.first);
        assert_eq!(spreading.first.trusted.concat(), issuing.first.certificate);
        assert_eq!(issuing.first.trusted.concat(), first.first.certificate);
        assert!(settled.first.trusted.is_empty() && settled.stage == Stage::Settled);
    }

    #[test]
    fn the_key_may_stand_before_the_certificate_and_text_around_both() {
        let first = settled();
        let Authority {
            certificate, key, ..
        } = &first.first;
        let read = kept(&format!("mine\n{}between\n{certificate}\n", key.expose())).unwrap();
        assert_eq!(read.first, first.first);
    }

    #[test]
    fn what_is_no_authority_is_refused() {
        let (one, other) = (settled().first, settled().first);
        for bad in [
            String::new(),
            one.certificate.clone(),
            one.key.expose().to_owned(),
            format!("{}{}", one.certificate, other.key.expose()),
            format!(
                "rotation: sideways\n{}{}",
                one.certificate,
                one.key.expose()
            ),
            one.certificate.replace("CERTIFICATE", "CERTIFICATES"),
        ] {
            assert!(kept(&bad).is_err(), "{bad}");
        }
    }
}
