//! Blocks of lines between two markers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::edit::{self, Anchor, LineOf, Refusal, Splice, Target};
use super::{AtEnd, Former, Manage, Resource, State};
use crate::content::{Content, Segment};
use crate::plan::Planned;
use crate::probe::{Facts, NotAsked, Query};
use crate::value::{HostPath, Mode};

/// Manages lines of a file between two marker lines and leaves all others as they are.
///
/// Reads the whole file. A block that is there is replaced where it is; one that is not is inserted. Lines end as those
/// around them do (`\n` or `\r\n`); what files are refused, and what stays in others, is as for `line`. A link is followed. An empty block is as good as an absent one. A file
/// in which a marker is missing or is there twice is refused. When absent, the block is removed with its markers.
///
/// ```yaml
/// block: {path: /etc/hosts, name: estate, block: "10.0.0.106 dns.home.com dns\n"}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Block {
    /// Absolute path of the file.
    pub path: HostPath,
    /// The lines between the markers.
    #[serde(default)]
    pub block: Content,
    /// Tells several blocks of one file apart: stands in the markers in the place of `{name}`, or at their end.
    #[serde(default)]
    pub name: Option<String>,
    /// The marker lines, in which `{mark}` stands for `BEGIN` and `END`; in the comment syntax of the file.
    #[serde(default = "marker")]
    pub marker: String,
    /// Where a new block goes: after the last line in which this regular expression is found, or at the end (`EOF`,
    /// the default, also where it is found nowhere).
    #[serde(default)]
    pub insert_after: Option<Anchor>,
    /// Where a new block goes: before the last line in which this regular expression is found, or at the beginning
    /// (`BOF`).
    #[serde(default)]
    pub insert_before: Option<Anchor>,
    /// Whether the file is created if it does not exist.
    #[serde(default)]
    pub create: bool,
    /// Owner; when not given, kept, and root for a new file.
    #[serde(default)]
    pub owner: Option<String>,
    /// Group; when not given, kept, and root for a new file.
    #[serde(default)]
    pub group: Option<String>,
    /// Permission bits; when not given, kept, and `"0644"` for a new file.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// Whether the block should be there.
    #[serde(default)]
    pub state: State,
}

super::checked!(Block);

fn marker() -> String {
    "# {mark} PROV MANAGED BLOCK".to_owned()
}

impl Block {
    /// Describes a block that should be in a file.
    #[must_use]
    pub fn new(path: HostPath, block: Content) -> Self {
        Self {
            path,
            block,
            name: None,
            marker: marker(),
            insert_after: None,
            insert_before: None,
            create: false,
            owner: None,
            group: None,
            mode: None,
            state: State::Present,
        }
    }

    fn marker(&self, mark: &str) -> String {
        let text = self.marker.replace("{mark}", mark);
        match &self.name {
            Some(name) if text.contains("{name}") => text.replace("{name}", name),
            Some(name) => format!("{text} {name}"),
            None => text,
        }
    }

    fn target(&self) -> Target<'_> {
        Target {
            path: &self.path,
            owner: self.owner.as_deref(),
            group: self.group.as_deref(),
            mode: self.mode,
            create: Some(self.create),
            state: self.state,
            unsorted: self.block.is_unsorted(),
        }
    }

    /// Finds the marker lines of the block.
    fn find<'t>(&self, text: &'t str) -> Result<Option<[LineOf<'t>; 2]>, Refusal> {
        let [begin, end] = ["BEGIN", "END"].map(|mark| {
            let marker = self.marker(mark);
            let lines = edit::lines_of(text).enumerate();
            let at: Vec<_> = lines.filter(|(_, line)| line.body == marker).collect();
            (marker, at)
        });
        match (begin.1.as_slice(), end.1.as_slice()) {
            ([], []) => Ok(None),
            ([(from, first)], [(to, last)]) if from < to => Ok(Some([*first, *last])),
            ([(from, _)], [(to, _)]) => Err(self.refuse(&format!(
                "line {}, '{}', comes before line {}, '{}'",
                to + 1,
                end.0,
                from + 1,
                begin.0
            ))),
            ([(from, _)], []) => Err(self.refuse(&format!(
                "line {}, '{}', has no '{}'",
                from + 1,
                begin.0,
                end.0
            ))),
            ([], [(to, _)]) => Err(self.refuse(&format!(
                "line {}, '{}', has no '{}'",
                to + 1,
                end.0,
                begin.0
            ))),
            ([_, (second, _), ..], _) => {
                Err(self.refuse(&format!("line {} is a second '{}'", second + 1, begin.0)))
            }
            (_, [_, (second, _), ..]) => {
                Err(self.refuse(&format!("line {} is a second '{}'", second + 1, end.0)))
            }
        }
    }

    fn refuse(&self, what: &str) -> Refusal {
        Refusal {
            cause: format!("{} has an incomplete block: {what}", self.path),
            hint: format!("repair the markers in {} on the host", self.path),
        }
    }

    /// Gives the block between its markers, without the ending of the last line.
    fn with_markers(&self, ending: &str) -> Vec<Segment> {
        let mut segments = vec![Segment::Plain(self.marker("BEGIN") + ending)];
        segments.extend(self.block.segments().iter().map(|segment| match segment {
            Segment::Plain(text) => Segment::Plain(text.replace('\n', ending)),
            Segment::Secret(secret) => {
                Segment::Secret(secret.map(|text| text.replace('\n', ending)))
            }
            Segment::Input(input) => Segment::Input(input.clone()),
        }));
        let ended = self.block.expose().ends_with('\n');
        let before = if ended { "" } else { ending };
        segments.push(Segment::Plain(format!("{before}{}", self.marker("END"))));
        segments
    }

    fn decide(&self, text: &str) -> Result<Vec<Splice>, Refusal> {
        let found = self.find(text)?;
        let wanted = self.state == State::Present && !self.block.is_empty();
        Ok(match found {
            Some([first, last]) if wanted => {
                let block = self.block.expose();
                let inner = edit::lines_of(&text[first.end..last.start]);
                if inner.map(|line| line.body).eq(block
                    .split_terminator('\n')
                    .map(|line| line.trim_end_matches('\r')))
                {
                    return Ok(Vec::new());
                }
                vec![Splice {
                    range: first.start..last.words().end,
                    with: self.with_markers(edit::ending_at(text, first.end)),
                }]
            }
            Some([first, last]) => {
                vec![Splice::removal(first.start..last.end)]
            }
            None if wanted => {
                let at = edit::place(
                    text,
                    self.insert_after.as_ref(),
                    self.insert_before.as_ref(),
                    false,
                );
                let whole = self.with_markers(edit::ending_at(text, at));
                vec![edit::insertion(text, at, whole)]
            }
            None => Vec::new(),
        })
    }
}

impl Manage for Block {
    fn kind(&self) -> &'static str {
        "block"
    }

    fn id(&self) -> String {
        match &self.name {
            Some(name) => format!("{} '{name}'", self.path),
            None if self.marker == marker() => self.path.to_string(),
            None => format!("{} '{}'", self.path, self.marker("BEGIN")),
        }
    }

    fn place(&self) -> Option<(&HostPath, AtEnd)> {
        Some((&self.path, AtEnd::Followed))
    }

    fn check(&self) -> Result<(), String> {
        let refuse = |problem: &str| Err(format!("block of {}: {problem}", self.path));
        let lines = |text: &str| text.contains(['\n', '\r', '\0']);
        if self.insert_after.is_some() && self.insert_before.is_some() {
            return refuse("`insert_after` and `insert_before` exclude each other");
        }
        for (name, anchor) in [
            ("insert_after", &self.insert_after),
            ("insert_before", &self.insert_before),
        ] {
            edit::is_a_place(name, anchor.as_ref()).or_else(|cause| refuse(&cause))?;
        }
        if !self.marker.contains("{mark}") || lines(&self.marker) {
            return refuse("`marker` is one line that contains `{mark}`");
        }
        if self.marker.contains("{name}") && self.name.is_none() {
            return refuse("`marker` contains `{name}`, but `name` is not given");
        }
        if self
            .name
            .as_deref()
            .is_some_and(|n| n.is_empty() || lines(n))
        {
            return refuse("`name` is one line and not empty");
        }
        let block = self.block.expose();
        if block.contains(['\r', '\0']) {
            return refuse(
                "`block` has a carriage return or NUL; lines end as those of the file do",
            );
        }
        let markers = [self.marker("BEGIN"), self.marker("END")];
        if block.lines().any(|line| markers.iter().any(|m| m == line)) {
            return refuse("`block` contains a line that is its own marker");
        }
        Ok(())
    }

    fn probe(&self) -> Vec<Query> {
        self.target().probe()
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        self.target().plan(
            facts,
            &|text, _| self.decide(text),
            "give the block markers that are found in no other line",
        )
    }

    fn former(&self, _: &Facts, _: &Facts) -> Result<Former, NotAsked> {
        Ok(Former::files())
    }

    fn absent(&self) -> Option<Resource> {
        let mut gone = self.clone();
        gone.state = State::Absent;
        gone.block = Content::default();
        Some(Resource::Block(gone))
    }

    fn private(&self, facts: &Facts) -> Vec<&Content> {
        self.target().private(facts, Some(&self.block))
    }

    fn contents(&self) -> Vec<&Content> {
        vec![&self.block]
    }

    fn contents_mut(&mut self) -> Vec<&mut Content> {
        vec![&mut self.block]
    }
}
