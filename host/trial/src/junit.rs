//! Reports of cases as the XML that CI systems read.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::report::{CaseReport, Verdict};

/// One suite with a test for each case, in the format of JUnit. `plugin` names the suite.
pub fn junit(plugin: &str, cases: &[CaseReport]) -> Result<String, String> {
    let mut suite = TestSuite::new(plugin);
    for case in cases {
        let status = match &case.verdict {
            Verdict::Passed => TestCaseStatus::success(),
            Verdict::Failed(differences) => {
                let lines: Vec<String> = differences.iter().map(|difference| difference.to_string()).collect();
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(format!("{} differences", differences.len()));
                status.set_description(lines.join("\n"));
                status
            }
        };
        let mut test = TestCase::new(case.name.as_str(), status);
        test.set_classname(plugin).set_time(case.took);
        if !case.log.is_empty() {
            test.set_system_out(case.log.join("\n"));
        }
        suite.add_test_case(test);
    }
    let mut report = Report::new("llmhost plugin test");
    report.add_test_suite(suite);
    report.to_string().map_err(|error| error.to_string())
}
