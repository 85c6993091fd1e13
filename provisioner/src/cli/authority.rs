//! `prov authority`: the estate's authority for certificates, handed on to other administrators and replaced.

use std::io::Read as _;
use std::path::Path;

use serde_json::json;
use tasks::authority::Issued;
use tasks::domain::role::DomainWork;
use tasks::estate::Host;
use tasks::plan::Phase;

use super::app::App;
use super::arguments::{AuthorityAction, Rotate};
use super::domains;
use super::jobs::{self, Jobs, Show};
use super::work::Work;
use crate::authority::{self, FILE, Kept, Stage};
use crate::engine::Status;
use crate::report::print::{out, outln};
use crate::report::problem::{Problem, exit};

pub(super) async fn run(app: &App, action: &AuthorityAction) -> Result<u8, Problem> {
    match action {
        AuthorityAction::Show => show(app),
        AuthorityAction::Export { file, certificate } => export(app, file, *certificate),
        AuthorityAction::Import { file } => import(app, file),
        AuthorityAction::Rotate(options) => rotate(app, options).await,
    }
}

/// Gives what there is, which must not be made by asking for it.
fn there(app: &App) -> Result<Kept, Problem> {
    let found = authority::find(app.global.opener(), &app.state()?)?;
    found.ok_or_else(|| {
        Problem::usage(
            format!("the estate {} has no authority here yet", app.estate.name()),
            "it is made when a role first needs it; if a colleague has one, take it over with `prov authority import FILE`",
        )
    })
}

fn show(app: &App) -> Result<u8, Problem> {
    let kept = there(app)?;
    let others = kept.others.iter().map(|pair| (&pair.certificate, false));
    let all = std::iter::once((&kept.first.certificate, true)).chain(others);
    let read = |(pem, issues): (&String, bool)| {
        let issued = Issued::read(pem).map_err(|error| {
            Problem::usage(format!("{}: {error}", kept.path.display()), "get it anew")
        })?;
        Ok((issued, issues))
    };
    let all = all.map(read).collect::<Result<Vec<_>, Problem>>()?;
    if app.json() {
        let all: Vec<_> = all
            .iter()
            .map(|(issued, issues)| {
                json!({ "name": issued.issuer, "key": issued.identifier, "begins": issued.begins, "ends": issued.ends, "issues": issues })
            })
            .collect();
        outln!(
            "{:#}",
            json!({ "file": kept.path, "shared": kept.shared, "stage": kept.stage, "authorities": all })
        );
        return Ok(exit::DONE);
    }
    for (issued, issues) in &all {
        let does = if *issues {
            "issues certificates"
        } else {
            "is trusted"
        };
        outln!("{}", issued.issuer);
        outln!("  {does}, valid {}", issued.validity());
        outln!("  key {}", issued.identifier);
    }
    let whose = if kept.shared {
        "for everybody who works on the estate's folder"
    } else {
        "on this machine alone"
    };
    outln!("in {}, {whose}", kept.path.display());
    if let Some(next) = next_step(kept.stage) {
        outln!("{next}");
    }
    Ok(exit::DONE)
}

const fn next_step(stage: Stage) -> Option<&'static str> {
    match stage {
        Stage::Settled => None,
        Stage::Spreading => Some(
            "The next authority is to be trusted everywhere before it issues: `prov apply` (and `prov domain --all`), then `prov authority rotate` again.",
        ),
        Stage::Issuing => Some(
            "The new authority issues, and the previous one is trusted until everything is issued anew: `prov apply` (and `prov domain --all`), then `prov authority rotate` again.",
        ),
        Stage::Lost => Some(
            "The authority takes the place of whatever hosts trust: `prov apply` (and `prov domain --all`), then `prov authority rotate` again.",
        ),
    }
}

fn export(app: &App, file: &Path, certificate: bool) -> Result<u8, Problem> {
    let kept = there(app)?;
    if certificate {
        let trust = kept.first.trust();
        if file == Path::new("-") {
            out(format_args!("{trust}"));
        } else {
            std::fs::write(file, trust)
                .map_err(|error| Problem::file("write", file, &error, "name another file"))?;
        }
        return Ok(exit::DONE);
    }
    if file == Path::new("-") {
        return Err(Problem::usage(
            "the authority's private key is not printed",
            "name a file; `--certificate` prints what is public",
        ));
    }
    if file.exists() {
        return Err(Problem::usage(
            format!("{} is there already", file.display()),
            "name a file that is not there",
        ));
    }
    crate::state::write_private(file, kept.text().expose().as_bytes())?;
    if !app.json() {
        outln!(
            "Whoever has {} can issue certificates that the estate trusts: hand it on by a safe way, have it taken over with \
             `prov authority import FILE`, and remove it.",
            file.display()
        );
    }
    Ok(exit::DONE)
}

fn import(app: &App, file: &Path) -> Result<u8, Problem> {
    let state = app.state()?;
    let text = if file == Path::new("-") {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        read.map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    let text = text.map_err(|error| {
        Problem::file(
            "read",
            file,
            &error,
            "name what `prov authority export` has written",
        )
    })?;
    // A mistake in it is said with the name of the file that was given.
    Kept::read(&text, file.to_owned(), false)?;
    let new = Kept::read(&text, state.path(FILE), false)?;
    match authority::find(app.global.opener(), &state)? {
        Some(old) if old.text().expose() == new.text().expose() => {
            say(app, "This is the estate's authority already.");
            return Ok(exit::DONE);
        }
        Some(old) if old.shared => {
            return Err(Problem::usage(
                format!(
                    "{} is the estate's authority for everybody",
                    old.path.display()
                ),
                "replace that file, if it is the wrong one",
            ));
        }
        Some(old) => {
            let aside = "authority.replaced.private.pem";
            state.write_private(aside, old.text().expose().as_bytes())?;
            say(
                app,
                &format!(
                    "The authority that was here is kept as {}.",
                    state.path(aside).display()
                ),
            );
        }
        None => {}
    }
    new.write(&state)?;
    say(
        app,
        &format!("The estate's authority is in {}.", new.path.display()),
    );
    Ok(exit::DONE)
}

fn say(app: &App, text: &str) {
    if !app.json() {
        outln!("{text}");
    }
}

async fn rotate(app: &App, options: &Rotate) -> Result<u8, Problem> {
    let state = app.state()?;
    let kept = there(app)?;
    let next = if options.lost {
        kept.in_place_of_lost()
    } else if options.give_up {
        if kept.stage != Stage::Spreading {
            return Err(Problem::usage(
                "there is no next authority that could be given up",
                "`prov authority show` tells how far it is",
            ));
        }
        kept.given_up()
    } else {
        if kept.stage != Stage::Settled {
            everything_is_done(app).await?;
        }
        kept.next(app.estate.name())?
    };
    next.write(&state)?;
    let said = next_step(next.stage)
        .unwrap_or("There is one authority again; `prov apply` takes the trust in others away.");
    say(app, said);
    Ok(exit::DONE)
}

/// Refuses the next step as long as hosts have not taken the last one.
async fn everything_is_done(app: &App) -> Result<(), Problem> {
    let hosts: Vec<&Host> = app.limited()?;
    let work = DomainWork::setup(&app.domains);
    let on = domains::concerned(app, &work, &hosts)?;
    for (hosts, work) in [
        (hosts, Work::Roles(Phase::Completion)),
        (on, Work::Domains(&work)),
    ] {
        if hosts.is_empty() {
            continue;
        }
        let jobs = Jobs::gather(app, &hosts, work).await?;
        let (outcome, _) = jobs::preview(app, jobs, Show::Later).await;
        let left = outcome
            .hosts
            .iter()
            .filter(|host| host.status() != Status::UpToDate);
        let left: Vec<_> = left.map(|host| host.host.as_str()).collect();
        if !left.is_empty() {
            return Err(Problem::usage(
                format!(
                    "the next step would take trust away, as this one is not done on {}",
                    left.join(", ")
                ),
                "run `prov apply` and `prov domain --all` until `prov diff` finds nothing; --limit leaves out hosts that are gone",
            ));
        }
    }
    Ok(())
}
