//! Puts what several roles declare for a host into one order.
//!
//! Owns that packages are one transaction, that each thing is declared once, and that no two roles contradict each other.

use crate::diagnostic::Diagnostic;
use crate::resource::{Declared, Packages, Resource, Stage, State, User};

/// Puts what must come before packages first, then the packages, then the rest in the order of the roles.
///
/// What roles and domains declare for a host can be put together by it, too: then a domain is planned with what the roles
/// are about to change.
pub fn arrange(host: &str, declared: Vec<Declared>) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let mut before = Vec::new();
    let mut packages: Vec<(Declared, Packages)> = Vec::new();
    let mut rest: Vec<Declared> = Vec::new();
    let mut mistakes = Vec::new();
    for declaration in declared {
        if let Resource::Packages(wanted) = &declaration.resource {
            let merged = packages.iter_mut().any(|(first, together)| {
                let merged = together.merge(wanted);
                if merged && first.role.split(", ").all(|one| one != declaration.role) {
                    first.role = format!("{}, {}", first.role, declaration.role);
                }
                merged
            });
            if !merged {
                packages.push((declaration.clone(), wanted.clone()));
            }
            continue;
        }
        match declaration.resource.manage().stage() {
            Stage::BeforePackages => before.push(declaration),
            Stage::InOrder => rest.push(declaration),
        }
    }
    for (one, wanted) in &packages {
        mistakes.extend(wanted.names.intersection(&wanted.replaces).map(|name| {
            Diagnostic::new(format!(
                "host {host}: the package {name} is to be installed and to be replaced (roles {})",
                one.role
            ))
        }));
        for (other, unwanted) in &packages {
            let both = (wanted.state, unwanted.state) == (State::Present, State::Present);
            if let Some(name) = wanted.names.differs(&unwanted.names)
                && both
                && one.role < other.role
            {
                mistakes.push(Diagnostic::new(format!(
                    "host {host}: the roles {} and {} say different things of the package {name}: version, hold or pin",
                    one.role, other.role
                )));
            }
            if (wanted.state, unwanted.state) == (State::Present, State::Absent) {
                mistakes.extend(wanted.names.intersection(&unwanted.names).map(|name| {
                    Diagnostic::new(format!(
                        "host {host}: the package {name} is to be installed (role {}) and removed (role {})",
                        one.role, other.role
                    ))
                }));
            }
        }
    }
    // What is installed may conflict with what is to go.
    packages.sort_by_key(|(_, together)| together.state == State::Present);
    let packages = packages.into_iter().map(|(mut declaration, together)| {
        declaration.resource = Resource::Packages(together);
        declaration
    });
    let mut arranged: Vec<Declared> = Vec::new();
    let mut seen = std::collections::BTreeMap::new();
    for declaration in before
        .into_iter()
        .chain(packages)
        .chain(last_of_services(rest))
    {
        match seen.get(&declaration.name()) {
            None => {
                seen.insert(declaration.name(), arranged.len());
                arranged.push(declaration);
            }
            Some(&first) if arranged[first].resource == declaration.resource => {
                arranged[first].guarded |= declaration.guarded;
                let notify = &mut arranged[first].notify;
                let news = declaration
                    .notify
                    .into_iter()
                    .filter(|new| !notify.contains(new));
                let news: Vec<_> = news.collect();
                notify.extend(news);
            }
            Some(&first)
                if let Some(both) =
                    same_account(&arranged[first].resource, &declaration.resource) =>
            {
                arranged[first].resource = Resource::User(both);
                arranged[first].guarded |= declaration.guarded;
                arranged[first].notify.extend(declaration.notify);
            }
            Some(&first) => mistakes.push(Diagnostic::new(format!(
                "host {host}: the roles {} and {} both declare {}, and differ",
                arranged[first].role,
                declaration.role,
                declaration.name()
            ))),
        }
    }
    mistakes.extend(super::hidden::hidden(host, &arranged));
    if mistakes.is_empty() {
        Ok(arranged)
    } else {
        Err(mistakes)
    }
}

/// Puts together what two roles say of one account, where neither says what the other contradicts.
fn same_account(one: &Resource, other: &Resource) -> Option<User> {
    let (Resource::User(one), Resource::User(other)) = (one, other) else {
        return None;
    };
    let filled = |user: &User, from: &User| {
        let mut user = user.clone();
        if user.append && from.append {
            user.groups.extend(from.groups.iter().cloned());
        }
        user.uid = user.uid.or(from.uid);
        user.group = user.group.or_else(|| from.group.clone());
        user.comment = user.comment.or_else(|| from.comment.clone());
        user.home = user.home.or_else(|| from.home.clone());
        user.shell = user.shell.or_else(|| from.shell.clone());
        user.password_hash = user.password_hash.or_else(|| from.password_hash.clone());
        user
    };
    let both = filled(one, other);
    (both == filled(other, one)).then_some(both)
}

/// Leaves a service that several roles declare in the same way to the last of them: it may not start before each has brought its
/// part of the configuration.
fn last_of_services(declared: Vec<Declared>) -> Vec<Declared> {
    let mut kept: Vec<Declared> = Vec::with_capacity(declared.len());
    for mut declaration in declared.into_iter().rev() {
        let is_service = matches!(declaration.resource, Resource::Service(_));
        let later = kept
            .iter_mut()
            .find(|later| is_service && later.resource == declaration.resource);
        match later {
            Some(later) => {
                later.guarded |= declaration.guarded;
                later.notify.append(&mut declaration.notify);
            }
            None => kept.push(declaration),
        }
    }
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::fixed;

    fn packages(names: &[&'static str], state: State) -> Declared {
        let mut packages = Packages::new(names.iter().map(|name| fixed(name)));
        packages.state = state;
        Declared::new(
            if state == State::Present { "a" } else { "b" },
            Resource::Packages(packages),
        )
    }

    #[test]
    fn what_is_to_go_goes_before_what_is_installed_may_conflict_with_it() {
        let declared = vec![
            packages(&["postfix"], State::Present),
            packages(&["exim4-base"], State::Absent),
        ];
        let names: Vec<_> = arrange("h", declared)
            .unwrap()
            .iter()
            .map(Declared::name)
            .collect();
        assert_eq!(names, ["packages exim4-base", "packages postfix"]);
    }

    #[test]
    fn a_service_of_several_roles_is_started_when_the_last_of_them_has_written_its_files() {
        let service = |role| {
            let service = crate::resource::Service::new(fixed("dovecot"));
            Declared::new(role, Resource::Service(service))
        };
        let file = |role, path| {
            let content = crate::content::Content::plain("x");
            Declared::new(
                role,
                Resource::File(crate::resource::File::new(fixed(path), content)),
            )
        };
        let declared = vec![
            file("a", "/etc/a"),
            service("a"),
            file("b", "/etc/b"),
            service("b"),
        ];
        let names: Vec<_> = arrange("h", declared)
            .unwrap()
            .iter()
            .map(Declared::name)
            .collect();
        assert_eq!(names, ["file /etc/a", "file /etc/b", "service dovecot"]);
    }

    #[test]
    fn what_roles_say_of_one_account_is_put_together_unless_they_contradict_each_other() {
        let account = |role, change: fn(&mut User)| {
            let mut user = User::new(fixed("ada"));
            change(&mut user);
            Declared::new(role, Resource::User(user))
        };
        let bash = |user: &mut User| user.shell = Some(fixed("/bin/bash"));
        let locked = |user: &mut User| user.password_hash = Some(crate::Secret::new("!"));
        let arranged = arrange("h", vec![account("a", bash), account("b", locked)]).unwrap();
        let [Resource::User(user)] = [&arranged[0].resource] else {
            panic!("{arranged:?}");
        };
        assert_eq!(arranged.len(), 1);
        assert_eq!(user.shell, Some(fixed("/bin/bash")));
        assert!(user.password_hash.is_some());
        let nologin = |user: &mut User| user.shell = Some(fixed("/usr/sbin/nologin"));
        let mistakes = arrange("h", vec![account("a", bash), account("b", nologin)]).unwrap_err();
        assert_eq!(
            mistakes[0].message,
            "host h: the roles a and b both declare user ada, and differ"
        );
    }

    #[test]
    fn a_package_that_one_role_wants_and_another_does_not_is_a_mistake() {
        let declared = vec![
            packages(&["exim4-base", "dnsmasq"], State::Present),
            packages(&["exim4-base"], State::Absent),
        ];
        let mistakes = arrange("h", declared).unwrap_err();
        assert_eq!(
            mistakes[0].message,
            "host h: the package exim4-base is to be installed (role a) and removed (role b)"
        );
    }
}
