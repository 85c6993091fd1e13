//! Turns steps into the commands that carry them out.

use tasks::content::Content;
use tasks::history;
use tasks::probe::Attributes;
use tasks::resource::Handler;
use tasks::step::{Run, Step};
use tasks::value::{HostPath, HttpUrl};

use super::script::{HISTORY, STATE, encode, framed_command, quote, quote_all};

/// Writes the script of one step; the functions are those of [`super::script::writing_preamble`].
#[must_use]
pub(super) fn command(step: &Step) -> String {
    match step {
        Step::WriteFile {
            path,
            content,
            attributes,
            replaces,
        } => {
            let write = format!(
                "prov_write_file {} {}",
                placed(path, attributes),
                quote(replaces.as_deref().unwrap_or_default())
            );
            received(&content.bytes(), &write)
        }
        Step::Fetch {
            path,
            url,
            sha256,
            attributes,
        } => format!(
            "prov_fetch_file {} {}",
            placed(path, attributes),
            quote_all([url.as_str(), sha256])
        ),
        Step::Unpack(unpack) => {
            let strip = unpack.strip.to_string();
            let words = [
                &unpack.sha256,
                unpack.form,
                &strip,
                &unpack.record,
                &unpack.creates,
                unpack.url.as_ref().map(HttpUrl::as_str).unwrap_or_default(),
            ];
            let command = format!(
                "prov_unpack {} {}",
                placed(&unpack.path, &unpack.attributes),
                quote_all(words)
            );
            let bytes = unpack.content.as_ref().map(Content::bytes);
            received(&bytes.unwrap_or_default(), &command)
        }
        Step::SetAttributes { path, attributes } => {
            format!("prov_set_attributes {}", placed(path, attributes))
        }
        Step::MakeDirectory { path, attributes } => {
            format!("prov_make_directory {}", placed(path, attributes))
        }
        Step::MakeLink { path, target } => {
            format!("prov_make_link {} {}", quote(path.as_str()), quote(target))
        }
        Step::Remove { path } => format!("prov_remove {}", quote(path.as_str())),
        Step::Run(run) => run_command(run),
    }
}

/// Writes a command that takes these bytes, which come with it or were sent ahead.
fn received(bytes: &[u8], command: &str) -> String {
    if bytes.len() > PART {
        format!("content=; spooled=/dev/fd/6; {command}")
    } else {
        format!("content={}; spooled=; {command}", encode(bytes))
    }
}

/// Bytes beyond which a content is sent in parts before the script that puts it in place: a shell holds the whole of a
/// script in memory.
pub(super) const PART: usize = 1024 * 1024;

/// Gives the content that is to be sent ahead of the script, if a step has one. No resource writes two as large.
#[must_use]
pub(super) fn ahead(step: &Step) -> Option<Vec<u8>> {
    let bytes = step.content()?.bytes();
    (matches!(step, Step::WriteFile { .. } | Step::Unpack(_)) && bytes.len() > PART)
        .then_some(bytes)
}

/// Opens a file for it that has no name any more: whatever becomes of the session, nothing is left.
pub(super) const BEGIN_AHEAD: &str = "exec 6>&-\nif spooled=$(mktemp -p /var/tmp prov.XXXXXXXXXX 2>&1); then exec 6<>\"$spooled\"; rm -f -- \"$spooled\"; printf '\\n0' | prov_frame ahead\nelse printf '%s\\n1' \"$spooled\" | prov_frame ahead; fi\n";

/// Writes one part of it.
#[must_use]
pub(super) fn part_ahead(bytes: &[u8]) -> String {
    let command = format!(
        "printf %s {} | base64 -d >&6 || {{ printf '%s\\n' 'in /var/tmp, where the content was to come before it is put in place'; return 1; }}",
        encode(bytes)
    );
    framed_command("ahead", &command)
}

/// Closes the file.
pub(super) const FORGET_AHEAD: &str = "exec 6>&-\n";

/// Writes the command of a `Run`, its standard input included.
#[must_use]
pub(super) fn run_command(run: &Run) -> String {
    let mut words: Vec<String> = Vec::new();
    if !run.env.is_empty() {
        words.push("env".to_owned());
        words.extend(
            run.env
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        );
    }
    words.extend(run.argv.iter().cloned());
    let mut command = quote_all(words.iter().map(String::as_str));
    if let Some(directory) = &run.directory {
        command = format!("cd {} && {command}", quote(directory.as_str()));
    }
    if let Some(content) = &run.stdin {
        // `printf` is built into the shell, so what it prints is on no command line.
        command = format!(
            "printf %s {} | base64 -d | {{ {command}\n}}",
            encode(&content.bytes())
        );
    }
    match &run.explained_by {
        None => command,
        Some(argv) => format!(
            "{{ {command}\n}} || {{ failed=$?; {}; return $failed; }}",
            quote_all(argv.iter().map(String::as_str))
        ),
    }
}

fn placed(path: &HostPath, attributes: &Attributes) -> String {
    let mode = attributes.mode.to_string();
    let words = [path.as_str(), &attributes.owner, &attributes.group, &mode];
    quote_all(words)
}

/// Gives the path whose previous content must be kept so that the step can be taken back.
#[must_use]
pub(super) fn replaced_path(step: &Step) -> Option<&HostPath> {
    match step {
        Step::WriteFile { path, .. }
        | Step::Fetch { path, .. }
        | Step::SetAttributes { path, .. }
        | Step::MakeLink { path, .. }
        | Step::Remove { path } => Some(path),
        Step::MakeDirectory { .. } | Step::Unpack(_) | Step::Run(_) => None,
    }
}

/// Gives the name of the folder that keeps what a handler's validation may put back.
#[must_use]
pub(super) fn slug(handler: &Handler) -> String {
    key(&handler.name)
}

/// Gives a file name that stands for any text.
#[must_use]
pub(super) fn key(text: &str) -> String {
    let mut digest = tasks::content::Content::plain(text).sha256();
    digest.truncate(24);
    digest
}

/// Writes the script that records a handler on the host before the change that notifies it is made.
#[must_use]
pub(super) fn record(handler: &Handler) -> String {
    let line = serde_json::to_string(handler).unwrap_or_default();
    // A line of its own even after one that a crash cut short.
    let append = format!(
        "mkdir -p -m 0700 {STATE} && printf '\\n%s\\n' {} | cat >>{STATE}/pending && sync {STATE}/pending",
        quote(&line)
    );
    recorded(&append)
}

/// Writes the script that does something before the change that depends on it, which is not made if that fails.
#[must_use]
pub(super) fn recorded(command: &str) -> String {
    // Not every program names the place that is full.
    let command = format!("{{ {command}; }} || {{ printf '%s\\n' 'in {STATE}'; return 1; }}");
    format!(
        "[ $result = 0 ] && {{\n{}}}\n",
        framed_command("record", &command)
    )
}

/// Writes a value as a line of JSON, in base64.
fn line(value: &impl serde::Serialize) -> String {
    // What is recorded has no maps with other keys than texts.
    let text = serde_json::to_string(value).unwrap_or_default() + "\n";
    encode(text.as_bytes())
}

/// Writes the commands that record a change on the host: before it is made, and once it is.
#[must_use]
pub(super) fn history(run: &history::RecordedRun, record: &history::Record) -> (String, String) {
    let (before, after) = noted(run, record);
    (recorded(&before), after)
}

/// Writes a command that makes a change which is recorded before it and, if it ends well, after it; its standard input and output are
/// the command's.
#[must_use]
pub fn recording(run: &history::RecordedRun, record: &history::Record, command: &str) -> String {
    let (before, after) = noted(run, record);
    let script = format!(
        "prov_state={STATE}\n{HISTORY}( {before} ) </dev/null >&2 && {command} && {{ ( {after} ) </dev/null >&2; }}"
    );
    quote_all(["sh", "-c", &script])
}

fn noted(run: &history::RecordedRun, record: &history::Record) -> (String, String) {
    let name = quote(&run.run);
    let keep = |later| {
        let kept = record.keeps(later).into_iter();
        let kept = kept.map(|(path, sha256)| {
            format!("prov_history_keep {name} {sha256} {}", quote(path.as_str()))
        });
        kept.collect::<Vec<_>>()
    };
    let begin = format!(
        "prov_history_begin {name} {} {}",
        line(run),
        history::MOST_RUNS
    );
    let mut before = vec![begin];
    before.extend(keep(false));
    before.push(format!("prov_history_note {name} {}", line(record)));
    let mut after = keep(true);
    let done = format!("{{\"done\":{}}}\n", record.number);
    after.push(format!(
        "prov_history_note {name} {}",
        encode(done.as_bytes())
    ));
    (before.join(" && "), after.join(" && "))
}

/// Writes the command that has the host remember a text in a file of its own, all of it or nothing.
#[must_use]
pub(super) fn remember(file: &HostPath, text: &str) -> String {
    let folder = file.parent();
    let (folder, file) = (quote(folder.as_str()), quote(file.as_str()));
    format!(
        "umask 077; mkdir -p -m 0700 {STATE} && mkdir -p -m 0700 -- {folder} && printf %s {} | base64 -d >{file}.new && sync -- {file}.new && mv -f -- {file}.new {file}",
        encode(text.as_bytes())
    )
}

/// Writes the script that forgets a handler, leaving those that are still to run, and what was kept for it.
///
/// What was kept goes first: a run that dies in between runs the handler once more, and does not leave old files
/// behind that a later failure would put back.
#[must_use]
pub(super) fn forget(handler: &Handler, remaining: &[Handler]) -> String {
    let folder = slug(handler);
    if remaining.is_empty() {
        return format!("rm -rf {STATE}/undo/{folder}; rm -f {STATE}/pending\n");
    }
    let lines: Vec<_> = remaining
        .iter()
        .map(|handler| quote(&serde_json::to_string(handler).unwrap_or_default()))
        .collect();
    format!(
        "rm -rf {STATE}/undo/{folder}; printf '%s\\n' {} | cat >{STATE}/pending.new && mv -f {STATE}/pending.new {STATE}/pending\n",
        lines.join(" ")
    )
}
