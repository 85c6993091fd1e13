//! What a domain role declares, and what becomes of it when the domain is taken away.

use super::Purpose;
use crate::diagnostic::Diagnostic;
use crate::resource::{Declared, Resource};
use crate::role::Declarations;

/// Collects what a domain role makes on a host.
///
/// Every declaration says what becomes of it when the domain is taken away; a role is written once, for setting a domain
/// up. What is taken away goes in the reverse of the order in which it was declared.
pub struct DomainDeclarations {
    purpose: Purpose,
    role: Declarations,
    /// Takes what is not declared for the purpose, so that a role need not ask.
    unwanted: Declarations,
}

impl DomainDeclarations {
    pub(super) const fn new(role: &'static str, purpose: Purpose) -> Self {
        Self {
            purpose,
            role: Declarations::new(role),
            unwanted: Declarations::new(role),
        }
    }

    /// Declares something of the domain's own, which goes with it.
    pub(crate) fn add(&mut self, resource: Resource) -> &mut Declared {
        match self.purpose {
            Purpose::Setup => self.role.add(resource),
            Purpose::Removal | Purpose::Purge => self.without(resource),
        }
    }

    /// Declares something that holds what the domain's users have made: it goes only when that is asked for.
    pub(crate) fn data(&mut self, resource: Resource) -> &mut Declared {
        match self.purpose {
            Purpose::Setup => self.role.add(resource),
            Purpose::Removal => self.unwanted.add(resource),
            Purpose::Purge => self.without(resource),
        }
    }

    /// Declares something of which nothing remains that would have to go, or that is not the domain's own.
    pub(crate) fn once(&mut self, resource: Resource) -> &mut Declared {
        match self.purpose {
            Purpose::Setup => self.role.add(resource),
            Purpose::Removal | Purpose::Purge => self.unwanted.add(resource),
        }
    }

    /// Names something that is not declared, but there once the domain is set up: it goes with it.
    pub(crate) fn leftover(&mut self, resource: Resource) -> &mut Declared {
        match self.purpose {
            Purpose::Setup => self.unwanted.add(resource),
            Purpose::Removal | Purpose::Purge => self.without(resource),
        }
    }

    /// Declares something that is done only when the domain is taken away.
    pub(crate) fn at_the_end(&mut self, resource: Resource) -> &mut Declared {
        match self.purpose {
            Purpose::Setup => self.unwanted.add(resource),
            Purpose::Removal | Purpose::Purge => self.role.add(resource),
        }
    }

    /// Names something that holds what the domain's users have made, and is not declared: it goes only when that is
    /// asked for.
    pub(crate) fn leftover_data(&mut self, resource: Resource) -> &mut Declared {
        match self.purpose {
            Purpose::Setup | Purpose::Removal => self.unwanted.add(resource),
            Purpose::Purge => self.without(resource),
        }
    }

    /// Takes a value, or keeps the mistake for the end.
    pub(crate) fn take<T>(&mut self, result: Result<T, Diagnostic>) -> Option<T> {
        self.role.take(result)
    }

    /// Keeps mistakes for the end.
    pub(crate) fn refuse(&mut self, mistakes: impl IntoIterator<Item = Diagnostic>) {
        for mistake in mistakes {
            self.role.take::<()>(Err(mistake));
        }
    }

    pub(super) fn finish(self) -> Result<Vec<Declared>, Vec<Diagnostic>> {
        let mut declared = self.role.finish()?;
        if self.purpose != Purpose::Setup {
            declared.reverse();
        }
        Ok(declared)
    }

    fn without(&mut self, resource: Resource) -> &mut Declared {
        match resource.manage().absent() {
            Some(absent) => self.role.add(absent),
            None => self.unwanted.add(resource),
        }
    }
}
