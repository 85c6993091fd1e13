//! Groups.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Former, Manage, Resource, State, essential};
use crate::plan::{Action, Change, Planned, Reason};
use crate::probe::{Becomes, Effect, Facts, GroupFact, NotAsked, Query, UNKNOWN_ID};
use crate::step::Run;
use crate::value::AccountName;

/// Manages a group: that it is there, with its number; or, when absent, that it is gone.
///
/// Reads its line of `/etc/group` (group(5)); members are the business of `user`. Uses `groupadd`, `groupmod` and
/// `groupdel` of the package passwd. Groups of the base system (numbers below 100, `nogroup` and the like) and those of the
/// account that prov logs in with are not removed, and neither is the primary group of an account. A number that another group has
/// is refused.
///
/// ```yaml
/// group: {name: radicale, system: true}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Group {
    /// Name.
    pub name: AccountName,
    /// Number; when not given, whatever the host chooses.
    #[serde(default)]
    pub gid: Option<u32>,
    /// Whether a new group gets a number from the range for system groups.
    #[serde(default)]
    pub system: bool,
    /// Whether it should be there.
    #[serde(default)]
    pub state: State,
}

super::checked!(Group);

impl Group {
    /// Describes a group with any number.
    #[must_use]
    pub const fn new(name: AccountName) -> Self {
        Self {
            name,
            gid: None,
            system: false,
            state: State::Present,
        }
    }

    /// Refuses to take away what the host or prov stands on.
    fn refusal(
        &self,
        have: Option<&GroupFact>,
        facts: &Facts,
    ) -> Result<Option<Planned>, NotAsked> {
        let Some(have) = have else {
            return self.taken(facts);
        };
        let name = self.name.as_str();
        let refused = match (self.state, self.gid) {
            (State::Absent, _) => essential::removing_group(name, have.gid, facts),
            (State::Present, Some(gid)) if gid != have.gid && have.gid == 0 => {
                Some(Planned::Impossible {
                    cause: format!("{name} has the number 0 and keeps it"),
                    hint: "leave `gid` out".to_owned(),
                })
            }
            (State::Present, Some(gid)) if gid != have.gid => return self.taken(facts),
            (State::Present, _) => None,
        };
        if refused.is_none() && self.state == State::Absent {
            return self.is_needed(have, facts);
        }
        Ok(refused)
    }

    /// Finds that another group has the number.
    fn taken(&self, facts: &Facts) -> Result<Option<Planned>, NotAsked> {
        let Some(gid) = self.gid.filter(|_| self.state == State::Present) else {
            return Ok(None);
        };
        let holder = facts.numbers()?.group_with(gid, &self.name);
        Ok(holder.map(|holder| Planned::Impossible {
            cause: format!("the number {gid} is that of the group {holder}"),
            hint: format!("give another `gid`, or give {holder} another one before this group"),
        }))
    }

    /// Finds accounts that would be left without a primary group, which groupdel(8) refuses. It is nobody else's business: an account
    /// that is not removed for what it has brought about itself does not keep its host from everything else by its group.
    fn is_needed(&self, have: &GroupFact, facts: &Facts) -> Result<Option<Planned>, NotAsked> {
        let members: Vec<_> = facts.numbers()?.in_group(have.gid).collect();
        Ok((!members.is_empty()).then(|| {
            Planned::refused(
                format!(
                    "{} is the primary group of {} and is not removed before",
                    self.name,
                    members.join(", ")
                ),
                format!(
                    "declare `user: {{name: {}, …}}` before it, with another `group` or `state: absent`",
                    members[0]
                ),
            )
        }))
    }

    fn change(
        &self,
        action: Action,
        reason: Reason,
        mut run: Run,
        fact: Option<GroupFact>,
    ) -> Change {
        run.argv.extend(["--".to_owned(), self.name.to_string()]);
        let run = run.effect(Effect::Group(Becomes(self.name.clone(), fact)));
        Change::new(action, vec![reason], vec![run.into()])
    }
}

impl Manage for Group {
    fn kind(&self) -> &'static str {
        "group"
    }

    fn id(&self) -> String {
        self.name.to_string()
    }

    fn check(&self) -> Result<(), String> {
        let is_root = self.name == AccountName::root();
        if is_root && (self.state == State::Absent || self.gid.is_some_and(|gid| gid != 0)) {
            return Err("group root: a host needs it, with the number 0".to_owned());
        }
        Ok(())
    }

    fn probe(&self) -> Vec<Query> {
        let all = self.gid.is_some() || self.state == State::Absent;
        [Query::Group(self.name.clone()), Query::Login(())]
            .into_iter()
            .chain(all.then_some(Query::Numbers(())))
            .collect()
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let have = facts.group(&self.name)?;
        if let Some(problem) = self.refusal(have, facts)? {
            return Ok(problem);
        }
        let gid = self.gid.map(|gid| gid.to_string());
        Ok(match (self.state, have, self.gid) {
            (State::Absent, Some(_), _) => self
                .change(
                    Action::Remove,
                    Reason::Present,
                    Run::new(["groupdel"]),
                    None,
                )
                .into(),
            (State::Present, None, _) => {
                let mut run = Run::new(["groupadd"]);
                if self.system {
                    run.argv.push("--system".to_owned());
                }
                if let Some(gid) = &gid {
                    run.argv.extend(["--gid".to_owned(), gid.clone()]);
                }
                let fact = GroupFact {
                    gid: self.gid.unwrap_or(UNKNOWN_ID),
                };
                self.change(Action::Create, Reason::Missing, run, Some(fact))
                    .detail(gid.map_or_else(String::new, |gid| format!("gid {gid}")))
                    .into()
            }
            (State::Present, Some(have), Some(gid)) if have.gid != gid => self
                .change(
                    Action::Update,
                    Reason::ValueDiffers,
                    Run::new(["groupmod".to_owned(), "--gid".to_owned(), gid.to_string()]),
                    Some(GroupFact { gid }),
                )
                .detail(format!("gid {} → {gid}", have.gid))
                .into(),
            (State::Absent, None, _) | (State::Present, Some(_), _) => Planned::Unchanged,
        })
    }

    fn unsettled(&self) -> Option<&'static str> {
        Some(
            "the account tools ended well and /etc/group says otherwise: look there for a line that stands twice, and at what else manages accounts",
        )
    }

    fn former(&self, before: &Facts, after: &Facts) -> Result<Former, NotAsked> {
        let was = before.group(&self.name)?;
        Ok(match was {
            Some(was) if after.group(&self.name)? != Some(was) => {
                let mut former = Former::back([Resource::Group(Self {
                    gid: Some(was.gid),
                    ..Self::new(self.name.clone())
                })]);
                if self.state == State::Absent {
                    former
                        .stays
                        .push(format!("who was in the group {} is not kept", self.name));
                }
                former
            }
            None => Former::back(self.absent()),
            Some(_) => Former::files(),
        })
    }

    fn absent(&self) -> Option<Resource> {
        let mut gone = self.clone();
        gone.state = State::Absent;
        Some(Resource::Group(gone))
    }
}
