//! `prov site`: takes web sites from one place to another. The program on their hosts does the work and says what there is
//! (role `wordpress`); the archive goes through this machine, in a file without a name.

use std::fs::{File, OpenOptions};
use std::io::Seek as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tasks::domain::Site as SiteOf;
use tasks::estate::Host;
use tasks::history::{Record, SiteChange};
use tasks::plan::Remedy;
use tasks::{push, pushln, visible};

use super::app::App;
use super::arguments::Site;
use super::jobs;
use crate::engine::script::quote_all;
use crate::engine::{self, Failure};
use crate::report::health::bytes;
use crate::report::print::{jsonln, outln};
use crate::report::problem::{Problem, exit};
use crate::report::style::{self, paint};
use crate::report::text::counted;
use crate::ssh::{Connection, Sudo, connect, piped};

/// How long a site may take to be written or read.
const MOST: Duration = Duration::from_secs(2 * 3600);

/// What a host says of a site.
#[derive(Debug, Deserialize, Serialize)]
struct Content {
    installed: bool,
    wordpress: String,
    title: String,
    posts: u64,
    pages: u64,
    comments: u64,
    users: u64,
    newest: String,
    files: u64,
    bytes: u64,
    theme: String,
    themes: Vec<String>,
    plugins: Vec<String>,
    active: Vec<String>,
    /// Since when what was replaced is kept.
    kept: Option<String>,
    unfinished: bool,
    /// Texts that an import has changed, for their addresses.
    #[serde(default)]
    places: u64,
}

/// A site of the estate.
struct Place {
    name: String,
    /// The other name that leads to it.
    bare: Option<String>,
    host: String,
    connection: Connection,
    sudo: Sudo,
}

pub(super) async fn run(app: &App, action: &Site) -> Result<u8, Problem> {
    app.check()?;
    match action {
        Site::Show { site } => {
            let place = Place::find(app, site).await?;
            let content = place.show().await?;
            if app.json() {
                jsonln!(
                    "{:#}",
                    json!({ "site": place.name, "host": place.host, "content": content })
                );
            } else {
                outln!("{}", side_by_side(&[(&place.name, &content)]));
            }
        }
        Site::Export { site, file } => {
            let place = Place::find(app, site).await?;
            let mut options = OpenOptions::new();
            let options = options.write(true).create_new(true).mode(0o600);
            let to = options.open(file).map_err(|error| unusable(file, &error))?;
            if let Err(problem) = place.export(&to).await {
                // Half an archive is of no use, and would be in the way of the next try.
                let _ = std::fs::remove_file(file);
                return Err(problem);
            }
            let size = to.metadata().map_or(0, |file| file.len());
            done(
                app,
                &format!("{} is in {} ({})", place.name, file.display(), bytes(size)),
            );
        }
        Site::Import { file, site } => {
            let from = File::open(file).map_err(|error| unusable(file, &error))?;
            let place = Place::find(app, site).await?;
            let name = file.display().to_string();
            place.must_keep_nothing(&place.show().await?)?;
            let content = place.import(app, &from, &name).await?;
            imported(app, &place, &content, &name);
        }
        Site::Copy { from, to, diff } => return copy(app, from, to, *diff).await,
        Site::Undo { site } => {
            let place = Place::find(app, site).await?;
            place
                .change(app, "undo", &nothing()?, &SiteChange::Exchanged)
                .await?;
            done(
                app,
                &format!(
                    "{site} is as it was before the last import; `prov site undo {site}` exchanges them once more"
                ),
            );
        }
        Site::Confirm { site } => {
            let place = Place::find(app, site).await?;
            place
                .change(app, "confirm", &nothing()?, &SiteChange::Confirmed)
                .await?;
            done(
                app,
                &format!("{site} stays as it is; what it replaced is deleted"),
            );
        }
    }
    Ok(exit::DONE)
}

async fn copy(app: &App, from: &str, to: &str, diff: bool) -> Result<u8, Problem> {
    if from == to {
        return Err(Problem::usage(
            format!("{from} would be copied to itself"),
            "name two sites",
        ));
    }
    let (from, to) = (Place::find(app, from).await?, Place::find(app, to).await?);
    let (new, old) = (from.show().await?, to.show().await?);
    if !new.installed {
        return Err(from.failed(
            "is not installed, so there is nothing to copy",
            "set it up with `prov domain`",
        ));
    }
    to.must_keep_nothing(&old)?;
    if !app.json() {
        outln!("{}", side_by_side(&[(&to.name, &old), (&from.name, &new)]));
    }
    if diff {
        if app.json() {
            jsonln!(
                "{:#}",
                json!({ "from": from.name, "to": to.name, "before": old, "after": new })
            );
        } else {
            outln!(
                "{} would be as {} is, with its own addresses",
                to.name,
                from.name
            );
        }
        return Ok(exit::DONE);
    }
    let mut archive = tempfile::tempfile_in("/var/tmp")
        .map_err(|error| unusable(Path::new("/var/tmp"), &error))?;
    from.export(&archive).await?;
    archive
        .rewind()
        .map_err(|error| unusable(Path::new("/var/tmp"), &error))?;
    let content = to.import(app, &archive, &from.name).await?;
    imported(app, &to, &content, &from.name);
    Ok(exit::DONE)
}

impl Place {
    /// Finds a site and connects to its host.
    async fn find(app: &App, name: &str) -> Result<Self, Problem> {
        let mut names = Vec::new();
        for domain in app.domains.iter() {
            for (label, webhost) in &domain.settings().webhosts {
                let site =
                    SiteOf::find(&app.estate, domain, label, webhost).map_err(Problem::Usage)?;
                if site.name.as_str() == name {
                    return Self::connected(app, &site, site.wordpress).await;
                }
                names.push(site.name.to_string());
            }
        }
        let hint = match tasks::nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean '{near}'?"),
            None if names.is_empty() => "no domain has 'webhosts'".to_owned(),
            None => format!("there are: {}", names.join(", ")),
        };
        Err(Problem::usage(
            format!("there is no web site '{name}'"),
            hint,
        ))
    }

    async fn connected(app: &App, site: &SiteOf<'_>, host: &Host) -> Result<Self, Problem> {
        let targets = app.targets(&[host]).await?;
        let Some((_, target)) = targets.into_iter().next() else {
            return Err(Problem::usage(
                format!("there is no host {}", host.name()),
                "check estate.yml",
            ));
        };
        let target = target?;
        Ok(Self {
            name: site.name.to_string(),
            bare: site.bare.as_ref().map(ToString::to_string),
            host: host.name().to_owned(),
            connection: connect(&target).await.map_err(Failure::from)?,
            sudo: target.sudo,
        })
    }

    fn failed(&self, what: &str, hint: impl Into<Remedy>) -> Problem {
        let failure = Failure::new(what, hint);
        Problem::Failed(failure.of(format!("{}: web site {}", self.host, self.name)))
    }

    /// Runs the program of sites, as a command that begins with these words.
    async fn call(&self, command: &str, input: &File, output: &File) -> Result<(), Problem> {
        let copied = |file: &File| file.try_clone().map(tokio::fs::File::from_std);
        let (input, output) = match (copied(input), copied(output)) {
            (Ok(input), Ok(output)) => (input, output),
            (Err(error), _) | (_, Err(error)) => {
                return Err(unusable(Path::new("/dev/null"), &error));
            }
        };
        let ended = piped(&self.connection, (command, &self.sudo), MOST, input, output).await;
        let ended = ended.map_err(|error| {
            Problem::Failed(
                Failure::from(error).of(format!("{}: web site {}", self.host, self.name)),
            )
        })?;
        if ended.code == 0 {
            return Ok(());
        }
        // What went wrong first is said first, what that means last.
        let said = ended
            .said
            .lines()
            .map(|line| visible(line.trim_start_matches("wordpress-copy: ")));
        let said = said.collect::<Vec<_>>().join("; ");
        Err(match ended.code {
            127 => self.failed(
                "its host does not have the program that copies sites yet",
                format!("run `prov apply --limit {}` first", self.host),
            ),
            _ => self.failed(
                &said,
                "mend what is said, then run the same command again: it begins anew, or ends what was begun",
            ),
        })
    }

    /// Has the program of sites do something, and reads what it then says of the site.
    async fn ask(&self, command: &str, input: &File) -> Result<Content, Problem> {
        let mut answer =
            tempfile::tempfile().map_err(|error| unusable(&std::env::temp_dir(), &error))?;
        self.call(command, input, &answer).await?;
        let read = answer
            .rewind()
            .and_then(|()| std::io::read_to_string(&answer));
        let text = read.map_err(|error| unusable(&std::env::temp_dir(), &error))?;
        serde_json::from_str(&text).map_err(|error| {
            self.failed(
                &format!("what its host says of it cannot be read: {error}"),
                format!(
                    "run `prov apply --limit {}`: the program there may be of another prov",
                    self.host
                ),
            )
        })
    }

    async fn show(&self) -> Result<Content, Problem> {
        self.ask(&copier(["show", &self.name]), &nothing()?).await
    }

    /// Refuses to import where what an earlier import replaced is still kept.
    fn must_keep_nothing(&self, content: &Content) -> Result<(), Problem> {
        if content.kept.is_none() {
            return Ok(());
        }
        let name = &self.name;
        Err(self.failed(
            "what an earlier import replaced is still kept",
            format!("run `prov site confirm {name}` to delete that, or `prov site undo {name}` to have it back"),
        ))
    }

    async fn export(&self, to: &File) -> Result<(), Problem> {
        let words = ["export", self.name.as_str()]
            .into_iter()
            .chain(self.bare.as_deref());
        self.call(&copier(words), &nothing()?, to).await
    }

    async fn import(&self, app: &App, archive: &File, from: &str) -> Result<Content, Problem> {
        let change = SiteChange::Imported {
            from: from.to_owned(),
        };
        self.change(app, "import", archive, &change).await
    }

    /// Has the program of sites change something, which the host remembers as a run.
    async fn change(
        &self,
        app: &App,
        word: &str,
        input: &File,
        change: &SiteChange,
    ) -> Result<Content, Problem> {
        let run = jobs::lock(app, 0).await.run;
        let record = Record::of_site(&self.name, change);
        let command = engine::recording(&run, &record, &copier([word, self.name.as_str()]));
        self.ask(&command, input).await
    }
}

/// Gives the command that the program of sites is called by.
fn copier<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    quote_all([tasks::role::SITE_COPIER].into_iter().chain(words))
}

fn nothing() -> Result<File, Problem> {
    let path = Path::new("/dev/null");
    File::open(path).map_err(|error| unusable(path, &error))
}

fn unusable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::usage(
        format!("cannot use {}: {error}", path.display()),
        "name a file that can be read, or one that is not there yet, in a folder with space left",
    )
}

fn done(app: &App, what: &str) {
    if app.json() {
        jsonln!("{:#}", json!({ "done": what }));
    } else {
        outln!("{what}");
    }
}

fn imported(app: &App, place: &Place, content: &Content, from: &str) {
    if app.json() {
        jsonln!(
            "{:#}",
            json!({ "from": from, "to": place.name, "places": content.places, "content": content })
        );
        return;
    }
    let name = &place.name;
    outln!(
        "{name} is now as {from} was; {} had addresses of before",
        counted(
            usize::try_from(content.places).unwrap_or(usize::MAX),
            "text",
            "texts"
        )
    );
    outln!(
        "what was there is kept: `prov site undo {name}` has it back, `prov site confirm {name}` deletes it"
    );
}

/// Shows one site, or what is there beside what would come.
fn side_by_side(sites: &[(&String, &Content)]) -> String {
    let listed = |names: &[String]| match names {
        [] => "none".to_owned(),
        names => names.join(" "),
    };
    let row = |title: &str, cell: &dyn Fn(&Content) -> String| {
        let cells = sites.iter().map(|(_, content)| visible(&cell(content)));
        (title.to_owned(), cells.collect::<Vec<_>>())
    };
    let rows = [
        row("title", &|it| it.title.clone()),
        row("WordPress", &|it| it.wordpress.clone()),
        row("posts", &|it| it.posts.to_string()),
        row("pages", &|it| it.pages.to_string()),
        row("comments", &|it| it.comments.to_string()),
        row("users", &|it| it.users.to_string()),
        row("last change", &|it| it.newest.clone()),
        row("uploads", &|it| {
            format!(
                "{}, {}",
                counted(
                    usize::try_from(it.files).unwrap_or(usize::MAX),
                    "file",
                    "files"
                ),
                bytes(it.bytes)
            )
        }),
        row("theme", &|it| it.theme.clone()),
        row("themes", &|it| listed(&it.themes)),
        row("plugins", &|it| listed(&it.plugins)),
        row("active", &|it| listed(&it.active)),
        row("kept", &|it| match (&it.kept, it.unfinished) {
            (_, true) => "an exchange was interrupted; undo, confirm or import ends it".to_owned(),
            (Some(since), false) => format!("what was replaced at {since}"),
            (None, false) => "nothing".to_owned(),
        }),
    ];
    let cells = rows.iter().filter_map(|(_, cells)| cells.first());
    let widest = cells
        .map(|cell| cell.chars().count())
        .chain(sites.first().map(|(name, _)| name.len()))
        .max();
    let width = widest.unwrap_or(0);
    let mut text = String::new();
    let mut line = |title: &str, cells: &[String]| {
        let (first, second) = (cells.first().map_or("", String::as_str), cells.get(1));
        push!(text, "  {title:<12} ");
        if let Some(second) = second {
            pushln!(text, "{first:width$}   {second}");
        } else {
            pushln!(text, "{first}");
        }
    };
    // Colours have no width.
    let names = sites
        .iter()
        .map(|(name, _)| paint(style::STRONG, &format!("{name:width$}")));
    let names: Vec<_> = names.collect();
    line("", &names);
    for (title, cells) in &rows {
        line(title, cells);
    }
    text.trim_end().to_owned()
}
