//! Results as JUnit XML, which build servers read.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Check, EvidenceKind};

/// Renders checks as JUnit XML, one suite per service.
pub fn junit(checks: &[Check]) -> Result<String, String> {
    let mut report = Report::new("prov verify");
    let mut suites: Vec<TestSuite> = Vec::new();
    for check in checks {
        let mut status = TestCaseStatus::success();
        if !check.passed {
            status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(format!("expected {}, came {}", check.expected, check.came));
            status.set_description(format!(
                "asked: {}\nexpected: {}\ncame: {}",
                check.asked, check.expected, check.came
            ));
        }
        let mut case = TestCase::new(check.shows.clone(), status);
        case.set_classname(format!("prov.{}", check.service));
        case.set_time(check.elapsed);
        case.set_system_out(format!(
            "asked: {}\nexpected: {}\ncame: {}\n{}",
            check.asked,
            check.expected,
            check.came,
            evidence(check)
        ));
        let same = |suite: &&mut TestSuite| suite.name.as_str() == check.service;
        if let Some(suite) = suites.iter_mut().find(same) {
            suite.add_test_case(case);
        } else {
            let mut suite = TestSuite::new(check.service.clone());
            suite.add_test_case(case);
            suites.push(suite);
        }
    }
    report.add_test_suites(suites);
    report.to_string().map_err(|error| error.to_string())
}

/// Gives what was seen as text; a picture has no place in a build server's log.
fn evidence(check: &Check) -> String {
    let texts = check.evidence.iter().filter_map(|it| match &it.kind {
        EvidenceKind::Text(text) => Some(format!("\n{}:\n{text}\n", it.title)),
        EvidenceKind::Png { .. } => None,
    });
    texts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::{Evidence, Open};

    #[test]
    fn evidence_that_is_text_is_in_the_log_of_its_check() {
        let open = Open::new("dns", "shows".into(), "dig".into(), "an address".into());
        let open = open.evidence(Evidence::text("what dig printed", "; <NXDOMAIN>\u{1b}[2J"));
        let open = open.evidence(Evidence::png("a page", vec![1], None));
        let xml = junit(&[open.close("nothing".into(), false)]).unwrap();
        assert!(
            xml.contains("what dig printed:\n; &lt;NXDOMAIN&gt;"),
            "{xml}"
        );
        assert!(!xml.contains('\u{1b}') && !xml.contains("a page"), "{xml}");
        assert!(xml.contains("failures=\"1\""), "{xml}");
    }
}
