//! What would go wrong, said before anything is made.

use std::sync::Arc;

use llmhost_engine::diagnostic::Diagnostic;
use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::plan::Plan;
use llmhost_resources::{Aws, AwsSettings, Finding, Severity};

use crate::app::Console;
use crate::failure::Failure;
use crate::view::{self, JsonLine};

/// Checks a plan and shows the findings; an error among them ends the run. With `online`, AWS is
/// asked too.
pub(crate) async fn check(
    console: &Console,
    pipeline: &Pipeline,
    plan: &Plan,
    online: Option<AwsSettings>,
    all: bool,
) -> Result<Vec<Finding>, Failure> {
    let aws = online.map(|settings| Arc::new(Aws::new(settings)));
    let findings = llmhost_resources::preflight(aws.as_deref(), plan, all).await.map_err(|error| Failure::Other {
        message: format!("the checks before the run could not ask AWS: {error}"),
        help: format!("{} To run without these checks, use llmhost run --skip-preflight.", error.advice()),
        status: 1,
    })?;
    show(console, pipeline, &findings);
    Ok(findings)
}

/// Ends the run where something cannot work.
pub(crate) fn stop_at_errors(findings: &[Finding]) -> Result<(), Failure> {
    match findings.iter().filter(|finding| finding.severity == Severity::Error).count() {
        0 => Ok(()),
        count => Err(Failure::Other {
            message: format!(
                "{count} finding{} that cannot work; nothing was changed",
                if count == 1 { "" } else { "s" }
            ),
            help: "Mend what is said above. To run all the same, use --skip-preflight.".to_owned(),
            status: 1,
        }),
    }
}

fn show(console: &Console, pipeline: &Pipeline, findings: &[Finding]) {
    if let Console::Json(json) = console {
        findings.iter().for_each(|finding| json.line(&JsonLine::Finding { finding }));
        return;
    }
    for finding in findings {
        let diagnostic = Diagnostic {
            code: finding.code,
            message: format!("{}: {}", finding.address, finding.message),
            span: pipeline.place_of(finding.address.step(), finding.keys),
            label: match finding.severity {
                Severity::Error => "cannot work".to_owned(),
                Severity::Warning => "is this meant?".to_owned(),
            },
            help: Some(finding.fix.clone()),
        };
        let is_error = finding.severity == Severity::Error;
        console.note(view::finding(&pipeline.path, &pipeline.source, &diagnostic, is_error).trim_end());
    }
}
