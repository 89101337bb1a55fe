//! What would go wrong, said before anything is made.

use std::sync::Arc;

use llmhost_engine::diagnostic::Diagnostic;
use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::plan::Plan;
use llmhost_engine::state::State;
use llmhost_resources::{Aws, AwsSettings, Finding, ModelServer, Severity};

use crate::app::Console;
use crate::failure::Failure;
use crate::view::{self, JsonLine};

/// What the checks are made for: it decides what can be done about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    Run,
    Validation,
    Rehearsal,
}

impl Before {
    /// What to do about findings that cannot work.
    fn help(self) -> &'static str {
        match self {
            Self::Run => "Fix the errors above. To run without these checks, use --skip-preflight.",
            Self::Validation => "Fix the errors above. A run makes the same checks, unless you use --skip-preflight.",
            Self::Rehearsal => {
                "Fix the errors above, and rehearse again. A rehearsal starts in an empty account: resources that the file uses \
                 but does not create do not exist there, so rehearse a file that creates them as well."
            }
        }
    }
}

/// Checks a plan that was made from `state` and shows the findings. With `online`, AWS is asked too. `all` includes
/// what stays as it is.
pub(crate) async fn check(
    console: &Console,
    pipeline: &Pipeline,
    (plan, state): (&Plan, &State),
    online: Option<AwsSettings>,
    all: bool,
) -> Result<Vec<Finding>, Failure> {
    if online.is_none() {
        tell_unchecked(console, plan);
    }
    let aws = online.map(|settings| Arc::new(Aws::new(settings)));
    let checks = llmhost_resources::preflight(aws.as_ref(), plan, state, all);
    let findings = console.during("checking before the run", checks).await;
    let findings = findings.map_err(|error| Failure::Other {
        message: format!("the checks before the run could not call AWS: {error}"),
        help: format!("{} To run without these checks, use llmhost run --skip-preflight.", error.advice()),
        status: 1,
    })?;
    show(console, pipeline, &findings);
    Ok(findings)
}

/// Says what of a model server nobody but a registry and AWS can tell.
fn tell_unchecked(console: &Console, plan: &Plan) {
    for server in ModelServer::of_plan(plan) {
        let (name, image) = (&server.name, &server.image);
        let gpu = if server.wants_gpu() { ", and whether the model fits the memory of the GPUs" } else { "" };
        console.note(&format!(
            "Not checked without AWS, for {name}: whether the image {image} exists and is llmhost's{gpu}. llmhost validate --online \
             checks it."
        ));
    }
}

/// Ends the command where something cannot work.
pub(crate) fn stop_at_errors(findings: &[Finding], before: Before) -> Result<(), Failure> {
    match findings.iter().filter(|finding| finding.severity == Severity::Error).count() {
        0 => Ok(()),
        count => Err(Failure::Other {
            message: format!("{count} preflight error{}; nothing was changed", if count == 1 { "" } else { "s" }),
            help: before.help().to_owned(),
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
                Severity::Warning => "intended?".to_owned(),
            },
            help: Some(finding.fix.clone()),
        };
        let is_error = finding.severity == Severity::Error;
        let text = view::finding(&pipeline.files, &diagnostic, is_error);
        match is_error {
            true => view::screen().line(text.trim_end()),
            false => console.note(text.trim_end()),
        }
    }
    if !findings.is_empty() {
        console.note(&view::more_about(findings.iter().map(|finding| finding.code)));
    }
}
