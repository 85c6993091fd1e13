//! What a role declares: resources, whom their changes notify, mistakes on the way.

use crate::diagnostic::Diagnostic;
use crate::plan::Phase;
use crate::resource::{Declared, Handler, Leaves, Resource};

/// Collects what a role declares.
pub(crate) struct Declarations {
    role: &'static str,
    declared: Vec<Declared>,
    pub(super) mistakes: Vec<Diagnostic>,
}

impl Declarations {
    pub(crate) const fn new(role: &'static str) -> Self {
        Self {
            role,
            declared: Vec::new(),
            mistakes: Vec::new(),
        }
    }

    /// Declares a resource; what follows says who is notified and when it is applied.
    pub(crate) fn add(&mut self, resource: Resource) -> &mut Declared {
        self.declared.push(Declared::new(self.role, resource));
        let last = self.declared.len() - 1;
        &mut self.declared[last]
    }

    /// Takes a value, or keeps the mistake for the end.
    pub(crate) fn take<T>(&mut self, result: Result<T, Diagnostic>) -> Option<T> {
        result.map_err(|mistake| self.mistakes.push(mistake)).ok()
    }

    /// Gives what is declared, unless there are mistakes, or variables have made resources that cannot be.
    pub(crate) fn finish(mut self) -> Result<Vec<Declared>, Vec<Diagnostic>> {
        let role = self.role;
        let checked = self.declared.iter().filter_map(|declared| {
            let cause = declared.resource.manage().check().err()?;
            let mut mistake = Diagnostic::of_check(&cause);
            mistake.message = format!("role {role}: {}", mistake.message);
            mistake.hint.get_or_insert_with(|| {
                "correct the variables that this resource is made of".to_owned()
            });
            Some(mistake)
        });
        self.mistakes.extend(checked);
        if self.mistakes.is_empty() {
            Ok(self.declared)
        } else {
            Err(self.mistakes)
        }
    }
}

impl Declared {
    /// Makes the resource notify a handler when it changes.
    pub(crate) fn notifies(&mut self, handler: &Handler) -> &mut Self {
        self.notify.push(handler.clone());
        self
    }

    /// Has the resource stay when the role leaves the host, which needs one all the same.
    pub(crate) const fn stays(&mut self) -> &mut Self {
        self.leaves = Leaves::Stays;
        self
    }

    /// Has the resource go only after what is declared by then is in place.
    pub(crate) const fn goes_last(&mut self) -> &mut Self {
        self.goes_last = true;
        self
    }

    /// Leaves the resource to completion on containers.
    pub(crate) const fn on_completion(&mut self) -> &mut Self {
        self.phase = Phase::Completion;
        self
    }
}
