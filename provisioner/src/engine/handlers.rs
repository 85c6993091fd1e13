//! Handlers at the end of a host's run: validated together, put back where one is refused, run, struck off.

use std::time::Instant;

use tasks::plan::handlers;
use tasks::resource::{Handler, Handling};
use tasks::step;

use super::Event;
use super::outcome::{Failure, HostOutcome};
use super::run::HostRun;
use super::script::STATE;
use super::session::Output;

impl HostRun<'_> {
    /// Validates what is due, then runs it: no service gets a configuration of which another is about to be refused.
    pub(super) async fn handlers(&mut self, outcome: &mut HostOutcome) -> Result<(), Failure> {
        let left = self.due.iter().filter(|due| self.job.is_left_over(due));
        let left: Vec<_> = left.cloned().collect();
        for handler in &left {
            self.strike(handler).await?;
            outcome.dropped.push(handler.name.clone());
        }
        let due = handlers::in_order(&self.job.resources, &self.due);
        outcome.touched |= !due.is_empty();
        let mut first_failure = None;
        let mut validation = handlers::Validation::new(due);
        while let Some(handler) = validation.next_handler() {
            match self.validate(&handler).await {
                Ok(()) => validation.accept(handler),
                Err(failure) => {
                    validation.leave_out();
                    outcome.take_back(&std::mem::take(&mut self.put_back));
                    first_failure.get_or_insert(failure.of(format!("handler {}", handler.name)));
                }
            }
        }
        let due = validation.finish();
        for handler in &due {
            self.progress
                .send(&self.job.host, Event::Doing(handler.name.clone()));
            let since = Instant::now();
            let handled = self.handle(handler).await;
            outcome.took(format!("handler {}", handler.name), since);
            match handled {
                Ok(true) => outcome.handlers.push(handler.name.clone()),
                Ok(false) => {}
                Err(failure) => {
                    first_failure.get_or_insert(failure.of(format!("handler {}", handler.name)));
                }
            }
        }
        first_failure.map_or(Ok(()), Err)
    }

    /// Validates what a handler would make effective.
    async fn validate(&mut self, handler: &Handler) -> Result<(), Failure> {
        if let Some(argv) = &handler.validate {
            let output = self.session.run(&step::Run::new(argv.iter())).await?;
            if output.exit != 0 {
                return Err(self.refuse(handler, argv, &output).await?);
            }
        }
        Ok(())
    }

    /// Runs a handler; tells whether there was anything to do.
    async fn handle(&mut self, handler: &Handler) -> Result<bool, Failure> {
        let handling = handler.action.handling(&self.facts);
        let ran = handling != Handling::Nothing;
        match handling {
            Handling::Nothing => {}
            Handling::Run(commands) => {
                for command in commands {
                    let output = self.session.run(&command).await?;
                    if output.exit != 0 {
                        return Err(Failure::new(
                            format!("{} ended with exit code {}", spoken(&command), output.exit),
                            "repair the cause on the host; the handler is kept and runs again with the next `prov apply`",
                        )
                        .output(&self.shown(&output.text)));
                    }
                }
            }
        }
        self.strike(handler).await?;
        Ok(ran)
    }

    /// Puts the files back that made a validation fail, and says so.
    async fn refuse(
        &mut self,
        handler: &Handler,
        argv: &[String],
        output: &Output,
    ) -> Result<Failure, Failure> {
        let back = self.session.put_back(handler).await?;
        if back.exit != 0 {
            return Err(Failure::new(
                "the new configuration is not valid, and the previous files could not be put back",
                format!("put them back by hand from {STATE}/undo"),
            )
            .output(&self.shown(&format!("{}\n{}", output.text, back.text))));
        }
        self.strike(handler).await?;
        let files: Vec<String> = back.text.lines().map(str::to_owned).collect();
        let failure = Failure::new(
            format!(
                "`{}` does not accept the new configuration; the previous files were put back ({}) and the service was not touched",
                argv.join(" "),
                files.join(", ")
            ),
            "correct the template or the variables it is made from",
        )
        .output(&self.shown(&output.text));
        self.put_back = files;
        Ok(failure)
    }

    fn shown(&self, text: &str) -> String {
        self.quotable(text)
    }

    async fn strike(&mut self, handler: &Handler) -> Result<(), Failure> {
        self.due.retain(|due| due.name != handler.name);
        Ok(self.session.forget(handler, &self.due).await?)
    }
}

/// Gives a command as people read it; a script stands for the unit that it looks at.
fn spoken(command: &step::Run) -> String {
    match command.argv.as_slice() {
        [shell, option, _, _, unit] if shell == "sh" && option == "-c" => {
            format!("{unit} does not stay up: looking at it")
        }
        argv => format!("`{}`", argv.join(" ")),
    }
}
