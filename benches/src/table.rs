//! Results as a Markdown table.

use std::fmt;

/// One comparison.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// What prov took.
    pub prov: String,
    /// What it is compared with, and what that took.
    pub other: String,
    /// The ratio, where there is one.
    pub ratio: Option<f64>,
    /// The target, where there is one.
    pub target: Option<Target>,
}

/// A target, and what was reached.
#[derive(Debug, Clone)]
pub struct Target {
    /// What was aimed at.
    pub text: String,
    /// Whether it was reached.
    pub met: bool,
}

impl Row {
    /// Compares two times; the ratio is prov's by the other.
    #[must_use]
    pub fn ratio(
        what: &str,
        prov: &crate::sample::Samples,
        other: Option<(&str, &crate::sample::Samples)>,
    ) -> Self {
        Self {
            what: what.to_owned(),
            prov: prov.to_string(),
            other: other.map_or_else(String::new, |(name, samples)| format!("{name} {samples}")),
            ratio: other.map(|(_, samples)| prov.median() / samples.median()),
            target: None,
        }
    }

    /// Compares two amounts of memory in KiB; the ratio is prov's by the other.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "no machine has memory that a float cannot count"
    )]
    pub fn sizes(what: &str, prov: u64, (name, other): (&str, u64)) -> Self {
        Self {
            what: what.to_owned(),
            prov: format!("{} MB", prov / 1024),
            other: format!("{name} {} MB", other / 1024),
            ratio: Some(prov as f64 / other as f64),
            target: None,
        }
    }

    /// Adds the highest ratio that is good enough.
    #[must_use]
    pub fn at_most(mut self, most: f64) -> Self {
        self.target = self.ratio.map(|ratio| Target {
            text: format!("≤ {most} ×"),
            met: ratio <= most,
        });
        self
    }

    /// Adds a target that is no ratio.
    #[must_use]
    pub fn target(mut self, text: &str, met: bool) -> Self {
        let text = text.to_owned();
        self.target = Some(Target { text, met });
        self
    }

    fn verdict(&self) -> &'static str {
        match &self.target {
            None => "",
            Some(Target { met: true, .. }) => "met",
            Some(Target { met: false, .. }) => "**missed**",
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratio = self.ratio.map_or_else(String::new, |ratio| {
            // What is many times faster is of interest to the thousandth.
            let digits = if ratio < 0.2 { 3 } else { 2 };
            format!("{ratio:.digits$} ×")
        });
        let target = self.target.as_ref().map_or("", |target| &target.text);
        let verdict = self.verdict();
        let Self {
            what, prov, other, ..
        } = self;
        write!(
            f,
            "| {what} | {prov} | {other} | {ratio} | {target} | {verdict} |"
        )
    }
}

/// The first two lines of a table.
pub const HEADER: &str =
    "| work | prov | compared with | ratio | target | |\n|---|---|---|---|---|---|";
