//! Units of systemd.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{File, Former, Manage, Resource, Service, State};
use crate::content::Content;
use crate::plan::{Action, Change, Planned, Reason, Remedy};
use crate::probe::{
    Becomes, Effect, Facts, NotAsked, PathFact, PathQuestion, Query, Read, ServiceFact,
    ServiceManager,
};
use crate::step::{Run, Step};
use crate::value::{HostPath, ServiceName, UnitName, Word};

/// Manages a unit of systemd, or a drop-in for one, in `/etc/systemd/system` (systemd.unit(5)).
///
/// What is to be written is verified first (`systemd-analyze verify`) and not placed if systemd finds a mistake in it: a key that it
/// does not know, a program that is not there, a socket without its service. So programs, and services before their sockets, are
/// declared before it. systemd reads its files again after each change; what runs is not restarted, unless a handler does. Whether it
/// runs and starts at boot is the business of a `service` after it. When absent, the unit is stopped and disabled first, unless a package brings
/// one of that name. Everybody can read a unit, and ask systemd what is in it: a secret in it is refused.
///
/// Where systemd does not run, as in containers in deploy and test mode, the file is placed, and verified if systemd is
/// installed; that is all. A file that is a link, as a masked unit is, is refused.
///
/// ```yaml
/// unit: {name: page.service, content: "[Service]\nExecStart=/usr/local/bin/page\n[Install]\nWantedBy=multi-user.target\n"}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Unit {
    /// Name, without its suffix if that is `.service`; of a template, with an empty instance: `page@.service`.
    pub name: UnitName,
    /// Name of the drop-in that is managed, and not the unit itself: `limits` is the file `limits.conf` in `NAME.d`.
    #[serde(default)]
    pub drop_in: Option<Word>,
    /// The text. Needed when present.
    #[serde(default)]
    pub content: Option<Content>,
    /// Whether it should be there.
    #[serde(default)]
    pub state: State,
}

super::checked!(Unit);

/// The program that verifies units.
const ANALYZE: &str = "/usr/bin/systemd-analyze";

/// Verifies a unit, and how its drop-ins change it, in a folder of its own under its name. Mistakes of other units are theirs.
const VERIFY: &str = r#"folder=$(mktemp -d /run/prov.XXXXXXXXXX) || exit; trap 'rm -rf -- "$folder"' EXIT; unit=$1 drop_in=$2
if [ -z "$drop_in" ]; then cat >"$folder/$unit" || exit
else
  template=$unit; case $unit in (*@*) template=${unit%%@*}@.${unit##*.};; esac
  for name in "$unit" "$template"; do
    for place in /etc/systemd/system /run/systemd/system /run/systemd/generator /usr/local/lib/systemd/system /usr/lib/systemd/system; do
      [ -f "$folder/$unit" ] || [ ! -f "$place/$name" ] || cp -- "$place/$name" "$folder/$unit" || exit
    done
  done
  [ -f "$folder/$unit" ] || exit 0
  mkdir -- "$folder/$unit.d" && cat >"$folder/$unit.d/$drop_in.conf" || exit
fi
said=$(systemd-analyze verify --man=no --recursive-errors=no "$folder/$unit" 2>&1); status=$?
[ $status = 0 ] || printf '%s\n' "$said" | sed "s|$folder/||g"
exit $status"#;

/// Has systemd read its files again; what it still runs of a unit that has no file any more ends.
const LEFT_OVER: &str = r#"systemctl daemon-reload || exit; [ "$(systemctl show -P LoadState -- "$1")" = not-found ] || exit 0
case $(systemctl show -P ActiveState -- "$1") in (inactive|failed) ;; (*) systemctl -q stop -- "$1" || exit;; esac
systemctl reset-failed -- "$1" 2>/dev/null || :"#;

/// Has systemd read its files again, and forget that a unit which has gone had failed.
const FORGET: &str = r#"[ -z "$2" ] || rmdir --ignore-fail-on-non-empty -- "$2" || exit
[ -n "$1" ] || exit 0; systemctl daemon-reload || exit
systemctl reset-failed -- "$1" 2>/dev/null || :"#;

impl Unit {
    fn file(&self) -> File {
        let path = HostPath::unit(&self.name, self.drop_in.as_ref());
        match &self.content {
            Some(content) if self.state == State::Present => File::new(path, content.clone()),
            Some(_) | None => File::gone(path),
        }
    }

    /// Gives the unit of that name that a package may bring.
    fn packaged(&self) -> HostPath {
        HostPath::packaged_unit(&self.name)
    }

    /// Tells whether it is a unit that no package brings, and no drop-in.
    fn is_own(&self, facts: &Facts) -> Result<bool, NotAsked> {
        Ok(self.drop_in.is_none() && *facts.path(&self.packaged())? == PathFact::Missing)
    }

    fn fact<'f>(&self, facts: &'f Facts) -> Result<Option<&'f ServiceFact>, NotAsked> {
        if facts.manager != ServiceManager::Systemd {
            return Ok(None);
        }
        let service = self.name.service();
        service.map(|name| facts.service(&name)).transpose()
    }

    /// Says what becomes of the unit, under each name that a `service` may call it by.
    fn becomes(&self, fact: &ServiceFact) -> Vec<Effect> {
        let full = ServiceName::new(self.name.unit()).ok();
        let names = self.name.service().into_iter().chain(full);
        names
            .map(|name| Effect::Service(Becomes(name, fact.clone())))
            .collect()
    }

    /// Describes the unit as systemd will know it once it has read the file.
    fn read_again(&self, fact: &ServiceFact) -> ServiceFact {
        let mut fact = ServiceFact {
            known: true,
            outdated: false,
            problem: None,
            ..fact.clone()
        };
        let text = self.content.as_ref().filter(|_| self.drop_in.is_none());
        if let Some(text) = text.map(Content::expose) {
            let says = |setting: &str| text.lines().any(|line| line.trim() == setting);
            fact.fixed = (!says("[Install]")).then(|| ServiceFact::WITHOUT_INSTALL.to_owned());
            // Blanks around the sign, and a later setting in the place of an earlier one (systemd.syntax(7)).
            let setting = |key: &str| {
                let lines = text.lines().filter_map(|line| line.split_once('='));
                let mut of_key = lines.filter(|(name, _)| name.trim() == key);
                of_key
                    .next_back()
                    .map(|(_, value)| value.trim().to_ascii_lowercase())
            };
            let remains = setting("RemainAfterExit");
            let remains =
                ["1", "yes", "y", "true", "t", "on"].contains(&remains.as_deref().unwrap_or("no"));
            fact.ends = setting("Type").as_deref() == Some("oneshot") && !remains;
        }
        fact
    }

    fn reload(&self, fact: Option<&ServiceFact>) -> Run {
        let mut run = Run::new(["systemctl", "daemon-reload"]);
        run.effects = fact
            .map(|fact| self.becomes(&self.read_again(fact)))
            .unwrap_or_default();
        run
    }

    fn verify(&self, content: &Content) -> Run {
        let drop_in = self.drop_in.as_ref().map_or("", Word::as_str);
        Run::new(["sh", "-c", VERIFY, "sh", &self.name.unit(), drop_in]).stdin(content.clone())
    }

    fn plan_present(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let runs = facts.manager == ServiceManager::Systemd;
        let fact = self.fact(facts)?;
        let unit = self.name.unit();
        if self.drop_in.is_some() && fact.is_some_and(|fact| !fact.known) && facts.coming.is_empty()
        {
            return Ok(Planned::Impossible {
                cause: format!("systemd does not know {unit}, which the drop-in is for"),
                hint: format!(
                    "check its name with `systemctl status {unit}` on the host, or declare what brings it before the drop-in"
                ),
            });
        }
        let planned = self.file().plan_with_folder(facts)?;
        if planned == Planned::Unchanged && fact.is_some_and(|fact| fact.outdated) {
            let steps = vec![self.reload(fact).into()];
            return Ok(Change::new(Action::Update, vec![Reason::NotRead], steps).into());
        }
        let Planned::Change(mut change) = planned else {
            return Ok(planned);
        };
        let written = change.steps.iter().find_map(|step| {
            if let Step::WriteFile { content, .. } = step {
                Some(content.clone())
            } else {
                None
            }
        });
        if let Some(content) = written {
            if *facts.path(&HostPath::known(ANALYZE))? != PathFact::Missing {
                change.steps.insert(0, self.verify(&content).into());
            } else if facts.coming.is_empty() {
                change
                    .detail
                    .push_str("   not verified: systemd is not installed");
            }
            if runs {
                change.steps.push(self.reload(fact).into());
            }
        }
        Ok(change.into())
    }

    /// Ends what is left of a unit whose file is gone: a removal that did not come to its end, or a file that somebody took away.
    fn plan_left_over(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let Some(fact) = self.fact(facts)? else {
            return Ok(Planned::Unchanged);
        };
        let is_own = self.is_own(facts)?;
        let runs = is_own && !fact.known && (fact.running || fact.looping);
        let reason = match (fact.outdated, runs) {
            (true, _) => Reason::NotRead,
            (false, true) => Reason::Running,
            (false, false) => return Ok(Planned::Unchanged),
        };
        let run = if is_own {
            let mut run = Run::new(["sh", "-c", LEFT_OVER, "sh", &self.name.unit()]);
            run.effects = self.becomes(&ServiceFact::default());
            run
        } else {
            self.reload(Some(fact))
        };
        Ok(Change::new(Action::Remove, vec![reason], vec![run.into()]).into())
    }

    /// Gives what has the unit run and start at boot as it did.
    fn state_before(&self, fact: &ServiceFact) -> Option<Resource> {
        let name = self.name.service()?;
        Some(Resource::Service(Service {
            running: (fact.running || fact.looping) && !fact.ends,
            enabled: fact.enabled && fact.fixed.is_none(),
            ..Service::new(name)
        }))
    }

    fn plan_absent(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let planned = self.file().plan(facts)?;
        if planned == Planned::Unchanged {
            return self.plan_left_over(facts);
        }
        let Planned::Change(mut change) = planned else {
            return Ok(planned);
        };
        let runs = facts.manager == ServiceManager::Systemd;
        let unit = self.name.unit();
        let mut steps = Vec::new();
        let is_own = self.is_own(facts)?;
        if runs && is_own {
            let systemctl = |verb| Run::new(["systemctl", "-q", verb, "--", &unit]);
            if let Some(fact) = self.fact(facts)? {
                if fact.running || fact.looping {
                    change.reasons.push(Reason::Running);
                    steps.push(systemctl("stop").into());
                }
                if fact.enabled && fact.fixed.is_none() {
                    change.reasons.push(Reason::Enabled);
                    steps.push(systemctl("disable").into());
                }
            } else {
                // Of a template, what runs are its instances.
                let instances = unit.replacen("@.", "@*.", 1);
                steps.push(Run::new(["systemctl", "-q", "stop", "--", &instances]).into());
                steps.push(systemctl("disable").into());
            }
        }
        let mut forget = Run::new(["sh", "-c", FORGET, "sh"]);
        let folder = self.file().path.parent().to_string();
        let folder = self.drop_in.as_ref().map_or(String::new(), |_| folder);
        forget
            .argv
            .extend([if runs { unit } else { String::new() }, folder]);
        if is_own {
            forget.effects = self.becomes(&ServiceFact::default());
        }
        steps.append(&mut change.steps);
        if runs || self.drop_in.is_some() {
            steps.push(forget.into());
        }
        change.steps = steps;
        Ok(change.into())
    }
}

impl Manage for Unit {
    fn kind(&self) -> &'static str {
        "unit"
    }

    fn id(&self) -> String {
        let unit = self.name.unit();
        match &self.drop_in {
            Some(drop_in) => format!("{unit}.d/{drop_in}.conf"),
            None => unit,
        }
    }

    fn check(&self) -> Result<(), String> {
        let refuse = |problem: &str| Err(format!("unit {}: {problem}", self.id()));
        match (&self.content, self.state) {
            (None, State::Present) => refuse("`content` is needed"),
            (Some(content), _) if content.has_secrets() => refuse(
                "systemd tells everybody what is in a unit: put the secret into a `file`, and name that by EnvironmentFile= or LoadCredential=",
            ),
            (Some(content), State::Present) if content.expose().trim().is_empty() => refuse(
                "`content` is empty, which masks a unit; say `masked: true` of the `service` where that is meant",
            ),
            (_, State::Present | State::Absent) => Ok(()),
        }
    }

    fn probe(&self) -> Vec<Query> {
        let mut queries = self.file().probe();
        if self.state == State::Absent {
            // What goes can be brought back.
            let (path, read) = (self.file().path, Read::Body);
            queries.push(Query::Path(PathQuestion { path, read }));
        }
        queries.extend([HostPath::known(ANALYZE), self.packaged()].map(|path| {
            Query::Path(PathQuestion {
                path,
                read: Read::Attributes,
            })
        }));
        queries.extend(self.name.service().map(Query::Service));
        queries
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let file = self.file();
        if let PathFact::Link { target, .. } = facts.path(&file.path)? {
            let unit = self.name.unit();
            return Ok(Planned::Impossible {
                cause: format!("{} is a link to {target}", file.path),
                hint: if target == "/dev/null" {
                    format!(
                        "the unit is masked: run `systemctl unmask {unit}` on the host if it should be there"
                    )
                } else {
                    format!(
                        "name the unit that it leads to, or run `systemctl disable {unit}` on the host if the link is of no use"
                    )
                },
            });
        }
        match self.state {
            State::Present => self.plan_present(facts),
            State::Absent => self.plan_absent(facts),
        }
    }

    fn former(&self, before: &Facts, after: &Facts) -> Result<Former, NotAsked> {
        let path = self.file().path;
        let place = before.path(&path)?;
        let unit = self.name.unit();
        if place == after.path(&path)? {
            let fact = self.fact(before)?;
            let ran = fact.is_some_and(|fact| fact.running || fact.looping);
            return Ok(if ran && self.state == State::Absent {
                Former::stays(format!(
                    "what ran of {unit} without a file is not started again"
                ))
            } else {
                Former::files()
            });
        }
        if let (PathFact::File(was), PathFact::File(is)) = (place, after.path(&path)?)
            && was.holds_as(is)
        {
            return Ok(Former::files());
        }
        let former = match place {
            PathFact::Missing => self.absent(),
            PathFact::File(file) => {
                let text = file.body.as_ref().and_then(|body| body.text());
                text.map(|text| {
                    Resource::Unit(Self {
                        content: Some(Content::plain(text)),
                        state: State::Present,
                        ..self.clone()
                    })
                })
            }
            PathFact::Directory(_) | PathFact::Link { .. } | PathFact::Other => None,
        };
        let mut otherwise =
            format!("systemd has {unit} as the run left it until `systemctl daemon-reload`");
        if self.state == State::Absent && self.is_own(before)? {
            otherwise.push_str("; it is neither enabled nor started again");
        }
        let mut former = Former::back(former).otherwise(otherwise);
        if self.state == State::Absent && self.is_own(before)? {
            match self.fact(before)? {
                Some(fact) => former.back.extend(self.state_before(fact)),
                None if before.manager == ServiceManager::Systemd => {
                    former.stays.push(format!(
                        "instances of {unit} that ran, and were enabled, are stopped and disabled"
                    ));
                }
                None => {}
            }
        }
        if self.drop_in.is_some() && *place == PathFact::Missing {
            former = former.covering([path.parent()]);
        }
        Ok(former)
    }

    fn absent(&self) -> Option<Resource> {
        Some(Resource::Unit(Self {
            content: None,
            state: State::Absent,
            ..self.clone()
        }))
    }

    fn contents(&self) -> Vec<&Content> {
        self.content.iter().collect()
    }

    fn contents_mut(&mut self) -> Vec<&mut Content> {
        self.content.iter_mut().collect()
    }

    fn remedy(&self, output: &str) -> Option<Remedy> {
        let said = |words| output.contains(words);
        Some(if said("is not executable") {
            Remedy::from(
                "declare what brings the program before the unit, or correct its path; the unit was not placed",
            )
        } else if said("not loaded, socket cannot be started") {
            Remedy::from("declare the service before its socket; the socket was not placed")
        } else if said("Failed to stop") || said("Failed to disable") {
            Remedy::ServiceLog
        } else {
            Remedy::from(
                "correct the unit as systemd says (systemd.syntax(7), systemd.unit(5)); it was not placed",
            )
        })
    }

    fn unsettled(&self) -> Option<&'static str> {
        Some(
            "systemd was told and did not keep to it: see `systemctl status` of the unit on the host",
        )
    }
}
