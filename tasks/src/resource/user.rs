//! User accounts.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::essential::{self, Amended};
use super::{Former, Group, Manage, Resource, State, home};
use crate::content::{Content, Segment};
use crate::plan::{Action, Change, Planned, Reason};
use crate::probe::{
    Attributes, Becomes, Effect, Facts, GroupFact, HomeFact, NotAsked, PathFact, Query, UNKNOWN_ID,
    UserFact, UserQuestion,
};
use crate::secret::Secret;
use crate::step::Run;
use crate::value::{AccountName, HostPath, Mode};

/// Manages a user account: its number, groups, comment, home, shell and password.
///
/// Reads its lines of `/etc/passwd`, `/etc/group` and, where `password_hash` is given, `/etc/shadow` (passwd(5),
/// group(5), shadow(5)). Fields that are not given are chosen when the account is created and left alone afterwards.
/// The administrator, accounts of the base system (numbers below 100, `nobody`, `sshd` and the like) and the account that
/// prov logs in with are not removed; the administrator and that account are not shut out by another number, home or shell,
/// by a password that is locked or by leaving a group.
/// A number that another account has is refused. With `remove_home`, an account is not removed whose home is not its own: a folder that
/// the host stands on, that belongs to somebody else, in which other accounts live, or on which something is mounted.
/// A new account gets a group of its own name unless `group` is given. Changing `home` moves no files. Uses
/// `useradd`, `usermod` and `userdel` of the package passwd; a password hash travels on the standard input of
/// `chpasswd -e`.
///
/// ```yaml
/// user: {name: user1, comment: "First User", groups: [sudo]}
/// ```
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent settings, named as people know them"
)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct User {
    /// Name.
    pub name: AccountName,
    /// Number; when not given, whatever the host chooses.
    #[serde(default)]
    pub uid: Option<u32>,
    /// Primary group, which must exist.
    #[serde(default)]
    pub group: Option<AccountName>,
    /// Supplementary groups, which must exist.
    #[serde(default)]
    pub groups: BTreeSet<AccountName>,
    /// Whether the account keeps supplementary groups that are not named here; if false, it has exactly `groups`.
    #[serde(default = "yes")]
    pub append: bool,
    /// Comment, often the full name (GECOS).
    #[serde(default)]
    pub comment: Option<String>,
    /// Home; `/home/NAME` for a new account when not given.
    #[serde(default)]
    pub home: Option<HostPath>,
    /// Whether the home of a new account is made, from `/etc/skel`.
    #[serde(default = "yes")]
    pub create_home: bool,
    /// Login shell; for a new account `/bin/bash` when not given, `/usr/sbin/nologin` with `system`.
    #[serde(default)]
    pub shell: Option<HostPath>,
    /// Whether a new account gets a number from the range for system accounts.
    #[serde(default)]
    pub system: bool,
    /// Hash of the password as crypt(5) writes it; `*` or `!` for none. Never shown.
    #[serde(default)]
    pub password_hash: Option<Secret>,
    /// Whether a package makes the account, so that it is only amended here and never created.
    #[serde(default)]
    pub existing: bool,
    /// When absent, whether its home and mail spool are removed too.
    #[serde(default)]
    pub remove_home: bool,
    /// Whether the account goes alone where its home is not its own: nobody has asked for the home, and what has left a host is not to
    /// keep it from everything else.
    #[serde(skip)]
    home_may_stay: bool,
    /// Whether it should be there.
    #[serde(default)]
    pub state: State,
}

super::checked!(User);

const fn yes() -> bool {
    true
}

impl User {
    /// Describes an account for a person.
    #[must_use]
    pub const fn new(name: AccountName) -> Self {
        Self {
            name,
            uid: None,
            group: None,
            groups: BTreeSet::new(),
            append: true,
            comment: None,
            home: None,
            create_home: true,
            shell: None,
            system: false,
            password_hash: None,
            existing: false,
            remove_home: false,
            home_may_stay: false,
            state: State::Present,
        }
    }

    /// Says that the account goes as what has left a host: alone, where its home is not its own.
    #[must_use]
    pub fn leaving(self) -> Self {
        Self {
            home_may_stay: true,
            ..self
        }
    }

    /// Refuses what would leave a host without its administrator, whatever the host is like.
    fn check_root(&self) -> Result<(), &'static str> {
        if self.state == State::Absent {
            return Err("a host needs its administrator, who is not removed");
        }
        if self.uid.is_some_and(|uid| uid != 0) {
            return Err("the administrator has the number 0");
        }
        let shell = self.shell.as_ref().map_or("", HostPath::as_str);
        if essential::is_no_shell(shell) {
            return Err("`shell` lets nobody in, and a host needs its administrator");
        }
        Ok(())
    }

    /// Gives the account as it will be after it was created.
    fn created(&self, primary: &AccountName) -> UserFact {
        let home = || format!("/home/{}", self.name);
        let shell = if self.system {
            "/usr/sbin/nologin"
        } else {
            "/bin/bash"
        };
        UserFact {
            uid: self.uid.unwrap_or(UNKNOWN_ID),
            group: primary.to_string(),
            comment: self.comment.clone().unwrap_or_default(),
            home: self.home.as_ref().map_or_else(home, HostPath::to_string),
            shell: self
                .shell
                .as_ref()
                .map_or_else(|| shell.to_owned(), HostPath::to_string),
            groups: self.groups.iter().map(AccountName::to_string).collect(),
            password: self.password_hash.as_ref().map(|_| Secret::new("!")),
        }
    }

    fn create(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let own = self.group.is_none() && facts.group(&self.name)?.is_none();
        let primary = self.group.as_ref().unwrap_or(&self.name);
        let mut fact = self.created(primary);
        let mut run = Run::new(["useradd"]);
        let mut option = |name: &str, value: &str| {
            run.argv.push(name.to_owned());
            if !value.is_empty() {
                run.argv.push(value.to_owned());
            }
        };
        if self.system {
            option("--system", "");
        }
        if let Some(uid) = self.uid {
            option("--uid", &uid.to_string());
        }
        if own {
            option("--user-group", "");
        } else {
            option("--gid", primary.as_str());
        }
        if !self.groups.is_empty() {
            option("--groups", &list(&self.groups));
        }
        if !fact.comment.is_empty() {
            option("--comment", &fact.comment);
        }
        option("--home-dir", &fact.home);
        let make = if self.create_home {
            "--create-home"
        } else {
            "--no-create-home"
        };
        option(make, "");
        option("--shell", &fact.shell);
        option("--", self.name.as_str());
        if own {
            run.effects.push(Effect::Group(Becomes(
                self.name.clone(),
                Some(GroupFact { gid: UNKNOWN_ID }),
            )));
        }
        if self.create_home
            && let Ok(path) = HostPath::new(fact.home.as_str())
        {
            let home = PathFact::Directory(Attributes::new(
                self.name.to_string(),
                primary.to_string(),
                Mode::new(0o700),
            ));
            run.effects.push(Effect::Path(Becomes(path, home)));
        }
        let detail = format!("{} {}", fact.home, fact.shell);
        let mut steps = vec![run.effect(self.effect(Some(fact.clone()))).into()];
        if let Some(hash) = &self.password_hash {
            steps.push(self.set_password(hash, &mut fact).into());
        }
        Ok(Change::new(Action::Create, vec![Reason::Missing], steps)
            .detail(detail)
            .into())
    }

    /// Gives the groups that the account would leave.
    fn leaves(&self, have: &UserFact) -> BTreeSet<String> {
        let stays = |group: &str| {
            let named = self.groups.iter().any(|name| name.as_str() == group);
            named
                || self
                    .group
                    .as_ref()
                    .is_some_and(|name| name.as_str() == group)
        };
        let primary = self.group.as_ref().map(|_| &have.group);
        let others = have.groups.iter().filter(|_| !self.append);
        let others = others.filter(|group| **group != have.group);
        primary
            .into_iter()
            .chain(others)
            .filter(|group| !stays(group))
            .cloned()
            .collect()
    }

    /// Refuses to shut out those without whom nothing can be done on the host.
    fn shuts_out(&self, have: &UserFact, facts: &Facts) -> Option<Planned> {
        let locked = |hash: &Secret| {
            hash.expose().starts_with(['!', '*']) && have.password.as_ref() != Some(hash)
        };
        let wanted = Amended {
            uid: self.uid,
            home: self.home.as_ref().map(HostPath::as_str),
            shell: self.shell.as_ref().map(HostPath::as_str),
            locks_password: self.password_hash.as_ref().is_some_and(locked),
            leaves: self.leaves(have),
        };
        essential::amending_user(self.name.as_str(), have, &wanted, facts)
    }

    fn amend(&self, have: &UserFact) -> Planned {
        let mut fact = have.clone();
        let mut account = Vec::new();
        let mut shown = Vec::new();
        let mut field = |option: &str, have: &mut String, wanted: Option<&str>| {
            if let Some(wanted) = wanted.filter(|wanted| wanted != have) {
                let name = option.trim_start_matches('-');
                shown.push(format!("{name} {have} → {wanted}"));
                account.extend([option.to_owned(), wanted.to_owned()]);
                wanted.clone_into(have);
            }
        };
        let uid = self.uid.map(|uid| uid.to_string());
        field("--uid", &mut fact.uid.to_string(), uid.as_deref());
        field(
            "--gid",
            &mut fact.group,
            self.group.as_ref().map(AccountName::as_str),
        );
        field("--comment", &mut fact.comment, self.comment.as_deref());
        field(
            "--home",
            &mut fact.home,
            self.home.as_ref().map(HostPath::as_str),
        );
        field(
            "--shell",
            &mut fact.shell,
            self.shell.as_ref().map(HostPath::as_str),
        );
        fact.uid = self.uid.unwrap_or(fact.uid);
        let mut reasons = Vec::new();
        if !account.is_empty() {
            reasons.push(Reason::AccountDiffers);
        }
        if let Some((options, text)) = self.regroup(&mut fact) {
            account.extend(options);
            shown.push(text);
            reasons.push(Reason::GroupsDiffer);
        }
        let mut steps = Vec::new();
        if !account.is_empty() {
            let mut run = Run::new(["usermod"]).effect(self.effect(Some(fact.clone())));
            run.argv.extend(account);
            run.argv.extend(["--".to_owned(), self.name.to_string()]);
            steps.push(run.into());
        }
        if let Some(hash) = &self.password_hash
            && fact.password.as_ref() != Some(hash)
        {
            reasons.push(Reason::PasswordDiffers);
            steps.push(self.set_password(hash, &mut fact).into());
        }
        if steps.is_empty() {
            return Planned::Unchanged;
        }
        Change::new(Action::Update, reasons, steps)
            .detail(shown.join(", "))
            .into()
    }

    /// Gives the options that put the account into its groups, and how they are shown.
    fn regroup(&self, fact: &mut UserFact) -> Option<(Vec<String>, String)> {
        let wanted: BTreeSet<String> = self
            .groups
            .iter()
            .map(AccountName::to_string)
            .filter(|group| *group != fact.group)
            .collect();
        let join = |groups: &BTreeSet<String>| groups.iter().cloned().collect::<Vec<_>>().join(",");
        if self.append {
            let lacking: BTreeSet<String> = wanted.difference(&fact.groups).cloned().collect();
            if lacking.is_empty() {
                return None;
            }
            let list = join(&lacking);
            fact.groups.extend(lacking);
            let text = format!("groups +{list}");
            return Some((
                vec!["--append".to_owned(), "--groups".to_owned(), list],
                text,
            ));
        }
        let group = fact.group.clone();
        if fact
            .groups
            .iter()
            .filter(|have| **have != group)
            .eq(&wanted)
        {
            return None;
        }
        let list = join(&wanted);
        let text = format!("groups {} → {list}", join(&fact.groups));
        fact.groups = wanted;
        Some((vec!["--groups".to_owned(), list], text))
    }

    fn set_password(&self, hash: &Secret, fact: &mut UserFact) -> Run {
        fact.password = Some(hash.clone());
        let line = Content::of(vec![
            Segment::Plain(format!("{}:", self.name)),
            Segment::Secret(hash.clone()),
            Segment::Plain("\n".to_owned()),
        ]);
        Run::new(["chpasswd", "-e"])
            .stdin(line)
            .effect(self.effect(Some(fact.clone())))
    }

    fn effect(&self, fact: Option<UserFact>) -> Effect {
        Effect::User(Becomes(self.name.clone(), fact))
    }

    fn remove(&self, have: &UserFact, facts: &Facts) -> Result<Planned, NotAsked> {
        let stays = if self.remove_home {
            home::not_its_own(&self.name, have, facts)?
        } else {
            None
        };
        let stays = match stays {
            Some(stays) if !self.home_may_stay => return Ok(stays.refused(&self.name)),
            stays => stays,
        };
        let mut run = Run::new(["userdel"]).effect(self.effect(None));
        let numbers = facts.numbers()?;
        let gid = numbers.groups.get(&have.group);
        let is_shared = gid.is_some_and(|gid| {
            let mut members = numbers.in_group(*gid);
            members.any(|name| name != self.name.as_str())
        });
        if have.group == self.name.as_str() && !is_shared {
            // userdel(8) removes the group of the same name with the account, unless it is another one's, too.
            run.effects
                .push(Effect::Group(Becomes(self.name.clone(), None)));
        }
        let mut detail = String::new();
        if let Some(stays) = stays {
            detail = format!("alone: {}", stays.problem);
        } else if self.remove_home {
            run.argv.push("--remove".to_owned());
            detail = format!("with {}", have.home);
            let place = match facts.home(&self.name)? {
                HomeFact::Missing => {
                    detail = format!("{} is not there", have.home);
                    None
                }
                HomeFact::Folder { place, .. } => Some(place),
                HomeFact::Other | HomeFact::Hidden => None,
            };
            // What is stood on is looked for under either name, where links further up lead to the folder.
            let places: BTreeSet<_> = place.into_iter().flat_map(|it| [it, &have.home]).collect();
            let paths = places.into_iter().flat_map(|it| HostPath::new(it.as_str()));
            let gone = paths.map(|path| Effect::Path(Becomes(path, PathFact::Missing)));
            run.effects.extend(gone);
        }
        run.argv.extend(["--".to_owned(), self.name.to_string()]);
        let change = Change::new(Action::Remove, vec![Reason::Present], vec![run.into()]);
        Ok(change.detail(detail).into())
    }

    /// Finds that another account has the number.
    fn taken(&self, have: Option<&UserFact>, facts: &Facts) -> Result<Option<Planned>, NotAsked> {
        let Some(uid) = self
            .uid
            .filter(|uid| have.is_none_or(|have| have.uid != *uid))
        else {
            return Ok(None);
        };
        let holder = facts.numbers()?.user_with(uid, &self.name);
        Ok(holder.map(|holder| Planned::Impossible {
            cause: format!("the number {uid} is that of the account {holder}"),
            hint: format!("give another `uid`, or give {holder} another one before this account"),
        }))
    }

    /// Gives what has the account back that was removed.
    fn returns(&self, was: &UserFact, before: &Facts) -> Former {
        let group = AccountName::new(was.group.as_str()).ok();
        let own = group.as_ref() == Some(&self.name);
        let gid = before.group(&self.name).ok().flatten();
        let group_back = gid.filter(|_| own).map(|fact| {
            Resource::Group(Group {
                gid: Some(fact.gid),
                ..Group::new(self.name.clone())
            })
        });
        let others = was.groups.iter().filter(|name| **name != was.group);
        let account = Resource::User(Self {
            uid: Some(was.uid),
            group: group.filter(|_| !own),
            groups: others
                .filter_map(|name| AccountName::new(name.as_str()).ok())
                .collect(),
            comment: Some(was.comment.clone()),
            home: HostPath::new(was.home.as_str()).ok(),
            create_home: false,
            shell: HostPath::new(was.shell.as_str()).ok(),
            ..Self::new(self.name.clone())
        });
        let mut former = Former::back(group_back.into_iter().chain([account]));
        let name = &self.name;
        former
            .stays
            .push(format!("the password of {name} is not kept"));
        let home = self
            .remove_home
            .then(|| format!("what was in {} is not kept", was.home));
        former.stays.extend(home);
        former
    }

    /// Gives what has an account be again what it was, of what was changed.
    fn as_before(&self, was: &UserFact, is: &UserFact) -> Former {
        let changed = |was: &String, is: &String| (was != is).then(|| was.clone());
        let path = |was: &String, is: &String| HostPath::new(changed(was, is)?).ok();
        let names = |names: &BTreeSet<String>| -> BTreeSet<AccountName> {
            let others = names.iter().filter(|name| **name != was.group);
            others
                .filter_map(|name| AccountName::new(name.as_str()).ok())
                .collect()
        };
        let regrouped = was.groups != is.groups;
        let group = changed(&was.group, &is.group);
        let account = Self {
            uid: (was.uid != is.uid).then_some(was.uid),
            group: group.and_then(|group| AccountName::new(group).ok()),
            groups: if regrouped {
                names(&was.groups)
            } else {
                BTreeSet::new()
            },
            append: !regrouped,
            comment: changed(&was.comment, &is.comment),
            home: path(&was.home, &is.home),
            shell: path(&was.shell, &is.shell),
            ..Self::new(self.name.clone())
        };
        let is_more = account != Self::new(self.name.clone());
        let mut former = Former::back(is_more.then(|| Resource::User(account)));
        if was.password != is.password {
            let name = &self.name;
            former.stays.push(format!(
                "the password of {name} stays as the run set it: the one before is not kept"
            ));
        }
        former
    }

    /// Finds a group that is needed, does not exist and is not about to come with a package.
    fn missing_group(
        &self,
        facts: &Facts,
        have: Option<&UserFact>,
    ) -> Result<Option<Planned>, NotAsked> {
        for group in self.group.iter().chain(&self.groups) {
            let is_in = |have: &UserFact| {
                have.group == group.as_str() || have.groups.contains(group.as_str())
            };
            if have.is_some_and(is_in) {
                continue;
            }
            if facts.group(group)?.is_none() && facts.coming.is_empty() {
                return Ok(Some(Planned::Impossible {
                    cause: format!("the group {group} does not exist"),
                    hint: format!("declare a group {group} before the user {}", self.name),
                }));
            }
        }
        Ok(None)
    }
}

fn list(groups: &BTreeSet<AccountName>) -> String {
    let names: Vec<_> = groups.iter().map(AccountName::as_str).collect();
    names.join(",")
}

impl Manage for User {
    fn kind(&self) -> &'static str {
        "user"
    }

    fn secrets(&self) -> Vec<crate::Secret> {
        self.password_hash.iter().cloned().collect()
    }

    fn id(&self) -> String {
        self.name.to_string()
    }

    fn check(&self) -> Result<(), String> {
        let refuse = |problem: &str| Err(format!("user {}: {problem}", self.name));
        let field = |text: &str| text.contains(':') || text.chars().any(char::is_control);
        if self.comment.as_deref().is_some_and(field) {
            return refuse("`comment` has a colon or a control character");
        }
        if [&self.home, &self.shell]
            .into_iter()
            .flatten()
            .any(|path| field(path.as_str()))
        {
            return refuse("`home` or `shell` has a colon");
        }
        if let Some(hash) = &self.password_hash
            && (field(hash.expose()) || !hash.expose().starts_with(['$', '!', '*', '_']))
        {
            return refuse(
                "`password_hash` is not the hash of a password; make one with `mkpasswd`, or write '*' for none",
            );
        }
        if self.uid == Some(UNKNOWN_ID) {
            return refuse("`uid` is too large");
        }
        if self.name == AccountName::root() {
            return self.check_root().or_else(refuse);
        }
        if self.uid == Some(0) {
            return refuse("the number 0 is root's");
        }
        Ok(())
    }

    fn probe(&self) -> Vec<Query> {
        let user = Query::User(UserQuestion {
            name: self.name.clone(),
            password: self.password_hash.is_some(),
        });
        let own = self.group.as_ref().unwrap_or(&self.name);
        let groups = std::iter::once(own).chain(&self.groups);
        let gone = self.state == State::Absent;
        let numbers = (gone || self.uid.is_some()).then_some(Query::Numbers(()));
        let home = (gone && self.remove_home).then(|| Query::Home(self.name.clone()));
        [user, Query::Login(())]
            .into_iter()
            .chain(numbers)
            .chain(home)
            .chain(groups.cloned().map(Query::Group))
            .collect()
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let have = facts.user(&self.name)?;
        if self.state == State::Absent {
            let Some(have) = have else {
                return Ok(Planned::Unchanged);
            };
            return match essential::removing_user(self.name.as_str(), have, facts) {
                Some(refused) => Ok(refused),
                None => self.remove(have, facts),
            };
        }
        if let Some(problem) = self.missing_group(facts, have)? {
            return Ok(problem);
        }
        if let Some(problem) = self.taken(have, facts)? {
            return Ok(problem);
        }
        match have {
            None if self.existing && facts.coming.is_empty() => Ok(Planned::Impossible {
                cause: format!("the user {} does not exist", self.name),
                hint: "declare the package that makes it before it, or drop `existing`".to_owned(),
            }),
            None if self.existing => Ok(super::packages::waiting(facts)),
            None => self.create(facts),
            Some(have) => Ok(self
                .shuts_out(have, facts)
                .unwrap_or_else(|| self.amend(have))),
        }
    }

    fn unsettled(&self) -> Option<&'static str> {
        Some(
            "the account tools ended well and /etc/passwd, /etc/group or /etc/shadow says otherwise: look at these files on the host for a line that stands twice, and at what else manages accounts",
        )
    }

    fn former(&self, before: &Facts, after: &Facts) -> Result<Former, NotAsked> {
        let name = &self.name;
        let (was, is) = (before.user(name)?, after.user(name)?);
        Ok(match (was, is) {
            (None, _) => {
                let gone = Resource::User(Self {
                    state: State::Absent,
                    ..Self::new(name.clone())
                });
                // With an account goes the group of its name, whoever has made that.
                let group = before.group(name).ok().flatten();
                let group = group.filter(|_| is.is_some_and(|is| is.group == name.as_str()));
                let group = group.map(|group| {
                    Resource::Group(Group {
                        gid: Some(group.gid),
                        ..Group::new(name.clone())
                    })
                });
                let mut former = Former::back([gone].into_iter().chain(group));
                let home = self.create_home.then(|| is.map(|is| &is.home)).flatten();
                let home = home.map(|home| format!("the home {home} stays"));
                former.stays.extend(home);
                former
            }
            (Some(was), None) => self.returns(was, before),
            (Some(was), Some(is)) => self.as_before(was, is),
        })
    }

    fn absent(&self) -> Option<Resource> {
        let mut gone = self.clone().leaving();
        gone.remove_home = true;
        gone.password_hash = None;
        gone.state = State::Absent;
        Some(Resource::User(gone))
    }
}
