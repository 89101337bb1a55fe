//! Plans for the tests of the checks.

use llmhost_engine::names::ResourceAddress;
use llmhost_engine::plan::{Action, Plan, PlannedResource};
use llmhost_engine::state::State;
use llmhost_engine::unknown;
use serde_json::Value;

use super::{Finding, View};

/// A plan that creates these resources.
pub(super) fn plan(resources: impl IntoIterator<Item = (String, Value)>) -> Plan {
    let mut plan = Plan { pipeline: "test".to_owned(), ..Plan::default() };
    for (address, spec) in resources {
        let planned = PlannedResource {
            action: Action::Create,
            spec,
            changes: Vec::new(),
            depends_on: Vec::new(),
            leftovers: Vec::new(),
            takes_over: None,
            was_going: false,
            broken: None,
            unfinished: false,
            interrupts: None,
            derived: &[],
        };
        plan.resources.insert(address.parse().expect("an address"), planned);
    }
    plan
}

/// The token of an output.
pub(super) fn token(address: &str, output: &str) -> String {
    unknown::output(&address.parse::<ResourceAddress>().expect("an address"), output)
}

/// What a check finds in a plan, with nothing in the state.
pub(super) fn found(plan: &Plan, check: impl Fn(&View<'_>, &mut Vec<Finding>)) -> Vec<Finding> {
    let state = State::default();
    let mut findings = Vec::new();
    check(&View::new(plan, &state, false), &mut findings);
    findings
}

/// Holds the one finding to its words, or sees that there is none.
#[track_caller]
pub(super) fn says(findings: &[Finding], wanted: Option<(&str, &str)>) {
    match (findings, wanted) {
        ([], None) => {}
        ([one], Some((code, words))) => {
            assert_eq!(one.code, code, "{one:?}");
            assert!(one.message.contains(words), "{one:?}");
        }
        _ => panic!("{wanted:?} and {findings:?}"),
    }
}
