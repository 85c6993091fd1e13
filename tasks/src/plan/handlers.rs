//! The order of handlers at the end of a host's run, and which of them may run.

use std::collections::BTreeSet;

use crate::resource::{Declared, Handler, HandlerAction, Resource};

/// Puts handlers in the order in which the host's resources name them, each once; those of an earlier run that no
/// resource names any more come last.
#[must_use]
pub fn in_order(resources: &[Declared], due: &[Handler]) -> Vec<Handler> {
    let mut ordered: Vec<Handler> = Vec::new();
    let declared = resources.iter().flat_map(|declared| &declared.notify);
    let due_names: BTreeSet<_> = due.iter().map(|handler| handler.name.as_str()).collect();
    let wanted = declared.filter(|handler| due_names.contains(handler.name.as_str()));
    for handler in wanted.chain(due) {
        if ordered.iter().all(|known| known.name != handler.name) {
            ordered.push(handler.clone());
        }
    }
    ordered
}

/// Tells whether an earlier run left the handler and nothing that is declared for the host names it any more, nor its
/// service: then there is nothing left that it could be for.
#[must_use]
pub fn is_left_over(declared: &[&[Declared]], handler: &Handler) -> bool {
    let is_service = |resource: &Resource| match (resource, &handler.action) {
        (Resource::Service(one), HandlerAction::Restart(name) | HandlerAction::Reload(name)) => {
            one.name == *name
        }
        (_, _) => false,
    };
    let names = |one: &Declared| {
        one.notify
            .iter()
            .any(|notified| notified.name == handler.name)
    };
    let mut declared = declared.iter().copied().flatten();
    declared.all(|one| !names(one) && !is_service(&one.resource))
}

/// Finds the command that validates the configuration of a service, among the handlers of a host's resources.
#[must_use]
pub fn validator<'a>(resources: &'a [Declared], service: &str) -> Option<&'a [String]> {
    let mut handlers = resources.iter().flat_map(|declared| &declared.notify);
    handlers.find_map(|handler| match &handler.action {
        HandlerAction::Restart(name) | HandlerAction::Reload(name) if name.as_str() == service => {
            handler.validate.as_deref()
        }
        HandlerAction::Restart(_) | HandlerAction::Reload(_) | HandlerAction::Run(_) => None,
    })
}

/// Validates handlers together: no service gets a configuration of which another one is about to be refused.
///
/// Each is judged in turn. Where one is refused, its files are put back, and those may be part of what was valid a moment
/// ago: so all that are left are judged again, until a whole round passes.
#[derive(Debug)]
pub struct Validation {
    waiting: std::collections::VecDeque<Handler>,
    valid: Vec<Handler>,
    again: bool,
}

impl Validation {
    /// Begins with the handlers that are due.
    #[must_use]
    pub fn new(due: Vec<Handler>) -> Self {
        Self {
            waiting: due.into(),
            valid: Vec::new(),
            again: false,
        }
    }

    /// Gives the next handler to judge; `None` once those that are left are valid together.
    pub fn next_handler(&mut self) -> Option<Handler> {
        if self.waiting.is_empty() && self.again {
            self.again = false;
            self.waiting = std::mem::take(&mut self.valid).into();
        }
        self.waiting.pop_front()
    }

    /// Keeps a handler whose configuration is valid.
    pub fn accept(&mut self, handler: Handler) {
        self.valid.push(handler);
    }

    /// Leaves a handler out: its files were put back, or there is nothing for it to do.
    pub fn leave_out(&mut self) {
        self.again = true;
    }

    /// Gives the handlers that may run.
    #[must_use]
    pub fn finish(self) -> Vec<Handler> {
        self.valid
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Content;
    use crate::resource::{File, Service};
    use crate::value::{HostPath, ServiceName};

    fn restart(name: &str) -> Handler {
        Handler::restart(ServiceName::new(name).unwrap())
    }

    fn notifying(handlers: &[&str]) -> Declared {
        let file = File::new(HostPath::new("/etc/x").unwrap(), Content::plain("x"));
        let mut declared = Declared::new("r", Resource::File(file));
        declared.notify = handlers.iter().map(|name| restart(name)).collect();
        declared
    }

    fn names(handlers: &[Handler]) -> Vec<&str> {
        handlers
            .iter()
            .map(|handler| handler.name.as_str())
            .collect()
    }

    #[test]
    fn handlers_run_once_in_the_order_of_the_resources_and_left_over_ones_last() {
        let resources = [notifying(&["a", "b"]), notifying(&["b", "c"])];
        let due = [restart("old"), restart("c"), restart("b"), restart("c")];
        let ordered = in_order(&resources, &due);
        assert_eq!(names(&ordered), ["restart b", "restart c", "restart old"]);
        let service = Service::new(ServiceName::new("kept").unwrap());
        let others = [Declared::new("r", Resource::Service(service))];
        let left_over = |name| is_left_over(&[&resources, &others], &restart(name));
        assert!(left_over("old"));
        assert!(!left_over("a") && !left_over("kept"));
    }

    #[test]
    fn what_was_valid_is_judged_again_once_files_were_put_back() {
        let mut validation = Validation::new(vec![restart("a"), restart("b"), restart("c")]);
        let mut judged = Vec::new();
        while let Some(handler) = validation.next_handler() {
            judged.push(handler.name.clone());
            // The files that b brought made a valid; without them, a is refused, too.
            let b_was_refused = judged.iter().filter(|name| *name == "restart b").count() > 0;
            match handler.name.as_str() {
                "restart b" => validation.leave_out(),
                "restart a" if b_was_refused => validation.leave_out(),
                _ => validation.accept(handler),
            }
        }
        assert_eq!(
            judged,
            [
                "restart a",
                "restart b",
                "restart c",
                "restart a",
                "restart c",
                "restart c"
            ]
        );
        assert_eq!(names(&validation.finish()), ["restart c"]);
    }

    #[test]
    fn what_is_valid_together_is_judged_once() {
        let mut validation = Validation::new(vec![restart("a"), restart("b")]);
        let mut judged = 0;
        while let Some(handler) = validation.next_handler() {
            judged += 1;
            validation.accept(handler);
        }
        assert_eq!(judged, 2);
        assert_eq!(validation.finish().len(), 2);
    }
}
