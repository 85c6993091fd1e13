//! Results as JUnit XML, which build servers read.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::Check;

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
            "asked: {}\nexpected: {}\ncame: {}\n",
            check.asked, check.expected, check.came
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
