//! What would change on a host, as a value that can be shown, saved and compared.

use serde::{Deserialize, Serialize};

use super::diff::Diff;
use super::waiting::{Awaited, Deferral};
use crate::step::Step;

/// What becomes of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Planned {
    /// It is as it should be.
    Unchanged,
    /// It must change, and it is known how.
    Change(Change),
    /// It cannot be told before something else has been applied.
    Unknown(Awaited),
    /// It must change, but only once something is there that is not there yet.
    Deferred(Deferral),
    /// It cannot be made so, and that is nobody else's business: everything else is still done.
    Refused {
        /// Why.
        cause: String,
        /// What to do about it, in words.
        hint: String,
        /// What differs, where there is text to compare.
        #[serde(skip_serializing_if = "Diff::is_empty")]
        diff: Diff,
    },
    /// It cannot be made so: the host is in a state that the resource refuses to touch. Nothing is done on the host.
    Impossible {
        /// Why.
        cause: String,
        /// What to do about it, in words.
        hint: String,
    },
}

/// Says what kind of change it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Something comes into being.
    Create,
    /// Something that exists becomes different.
    Update,
    /// Something is taken away.
    Remove,
    /// A command runs.
    Run,
}

impl Action {
    /// Gives the character that stands before a change.
    #[must_use]
    pub const fn glyph(self) -> char {
        match self {
            Self::Create => '+',
            Self::Update => '~',
            Self::Remove => '-',
            Self::Run => '!',
        }
    }
}

/// Says why something changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It is not there.
    Missing,
    /// It is there and should not be.
    Present,
    /// Something else is in its place.
    KindDiffers,
    /// Its bytes differ.
    ContentDiffers,
    /// Its owner differs.
    OwnerDiffers,
    /// Its group differs.
    GroupDiffers,
    /// Its permission bits differ.
    ModeDiffers,
    /// The link leads elsewhere.
    TargetDiffers,
    /// A package is not installed.
    NotInstalled,
    /// An earlier installation was interrupted.
    Interrupted,
    /// A package is marked as installed for others alone.
    Automatic,
    /// Another version of a package is installed.
    OtherVersion,
    /// A package is held and should not be, or the other way round.
    HoldDiffers,
    /// A package is pinned to something else.
    PinDiffers,
    /// The host runs another release.
    OtherRelease,
    /// Newer versions of packages are there.
    UpdatesPending,
    /// Services run programs that were replaced.
    RunsReplaced,
    /// A field of an account differs.
    AccountDiffers,
    /// A password differs.
    PasswordDiffers,
    /// An account is not in its groups.
    GroupsDiffer,
    /// A certificate is for other names.
    NamesDiffer,
    /// A certificate is for another key.
    KeyDiffers,
    /// Somebody else has issued a certificate.
    IssuerDiffers,
    /// A certificate ends soon, or has ended.
    Expires,
    /// What an account may do differs.
    PrivilegesDiffer,
    /// A service does not run.
    NotRunning,
    /// A service runs and should not.
    Running,
    /// A service ends, and is started again, again and again.
    EndsAgainAndAgain,
    /// A service is masked and should not be.
    Masked,
    /// A service is not masked and should be.
    NotMasked,
    /// A service does not start at boot.
    NotEnabled,
    /// A service starts at boot and should not.
    Enabled,
    /// A setting has another value.
    ValueDiffers,
    /// A plugin is not active.
    NotActive,
    /// A plugin is active and should not be.
    Active,
    /// A file was changed since the service manager has read it.
    NotRead,
    /// A locale cannot be used by programs.
    NotGenerated,
    /// A module of the kernel is not loaded.
    NotLoaded,
    /// A module of the kernel is loaded and should not be.
    Loaded,
    /// A file system is not mounted.
    NotMounted,
    /// A file system is mounted and should not be.
    Mounted,
    /// It is mounted with other options.
    OptionsDiffer,
    /// Swap space is not in use.
    NotUsed,
    /// Swap space is in use and should not be.
    Used,
    /// It has another size.
    SizeDiffers,
    /// What the command makes is not there, or what it checks fails.
    NotDone,
}

impl Reason {
    /// Gives the wording that people read.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Present => "present",
            Self::KindDiffers => "something else is there",
            Self::ContentDiffers => "content differs",
            Self::OwnerDiffers => "owner differs",
            Self::GroupDiffers => "group differs",
            Self::ModeDiffers => "mode differs",
            Self::TargetDiffers => "target differs",
            Self::NotInstalled => "not installed",
            Self::Interrupted => "installation was interrupted",
            Self::Automatic => "marked as automatic",
            Self::OtherVersion => "other version",
            Self::HoldDiffers => "hold differs",
            Self::PinDiffers => "pin differs",
            Self::OtherRelease => "runs another release",
            Self::UpdatesPending => "updates pending",
            Self::RunsReplaced => "run what was replaced",
            Self::AccountDiffers => "account differs",
            Self::PasswordDiffers => "password differs",
            Self::GroupsDiffer => "groups differ",
            Self::NamesDiffer => "names differ",
            Self::KeyDiffers => "key differs",
            Self::IssuerDiffers => "issuer differs",
            Self::Expires => "expires",
            Self::PrivilegesDiffer => "privileges differ",
            Self::NotRunning => "not running",
            Self::Running => "running",
            Self::EndsAgainAndAgain => "ends again and again",
            Self::Masked => "masked",
            Self::NotMasked => "not masked",
            Self::NotEnabled => "not enabled",
            Self::Enabled => "enabled",
            Self::ValueDiffers => "value differs",
            Self::NotActive => "not active",
            Self::Active => "active",
            Self::NotRead => "not read yet",
            Self::NotGenerated => "not generated",
            Self::NotLoaded => "not loaded",
            Self::Loaded => "loaded",
            Self::NotMounted => "not mounted",
            Self::Mounted => "mounted",
            Self::OptionsDiffer => "options differ",
            Self::NotUsed => "not in use",
            Self::Used => "in use",
            Self::SizeDiffers => "size differs",
            Self::NotDone => "not done",
        }
    }
}

/// One change: what, why, how it looks before and after, and the steps that make it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What kind of change.
    pub action: Action,
    /// Why; at least one.
    pub reasons: Vec<Reason>,
    /// What follows the resource's name on its line, for instance `root:root 0644`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The text before and after, where there is text.
    #[serde(skip_serializing_if = "Diff::is_empty")]
    pub diff: Diff,
    /// How it is made so.
    pub steps: Vec<Step>,
}

impl Change {
    /// Makes a change of these steps.
    #[must_use]
    pub fn new(action: Action, reasons: Vec<Reason>, steps: Vec<Step>) -> Self {
        Self {
            action,
            reasons,
            detail: String::new(),
            diff: Diff::default(),
            steps,
        }
    }

    /// Adds what follows the resource's name.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Adds the difference between before and after.
    #[must_use]
    pub fn diff(mut self, diff: Diff) -> Self {
        self.diff = diff;
        self
    }

    /// Adds what another change does after this one.
    fn append(&mut self, other: Self) {
        if self.action != other.action {
            self.action = Action::Update;
        }
        let news = other.reasons.into_iter();
        let news: Vec<_> = news.filter(|new| !self.reasons.contains(new)).collect();
        self.reasons.extend(news);
        if !self.detail.is_empty() && !other.detail.is_empty() {
            self.detail.push_str("   ");
        }
        self.detail.push_str(&other.detail);
        self.diff.append(other.diff);
        self.steps.extend(other.steps);
    }

    /// Gives the reasons as people read them.
    #[must_use]
    pub fn reason(&self) -> String {
        let texts: Vec<_> = self.reasons.iter().map(|reason| reason.text()).collect();
        texts.join(", ")
    }
}

impl Planned {
    /// Says that something cannot be made so, why, and what to do about it, while everything else is still done.
    pub fn refused(cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused {
            cause: cause.into(),
            hint: hint.into(),
            diff: Diff::default(),
        }
    }

    /// Puts what becomes of the parts of one resource together: one change, unless a part cannot be made so, or waits.
    #[must_use]
    pub fn together(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut together: Option<Change> = None;
        for part in parts {
            match (part, &mut together) {
                (Self::Unchanged, _) => {}
                (Self::Change(change), Some(together)) => together.append(change),
                (Self::Change(change), none @ None) => *none = Some(change),
                (
                    other @ (Self::Unknown(_)
                    | Self::Deferred(_)
                    | Self::Refused { .. }
                    | Self::Impossible { .. }),
                    _,
                ) => return other,
            }
        }
        together.map_or(Self::Unchanged, Self::Change)
    }
}

impl From<Change> for Planned {
    fn from(change: Change) -> Self {
        Self::Change(change)
    }
}
