//! Versions of Kubernetes: whether EKS offers them, and how long it supports them.

use std::time::{SystemTime, UNIX_EPOCH};

use llmhost_engine::kind::OpError;
use llmhost_engine::unknown;

use super::{Declared, Finding, Severity, View, text};
use crate::aws::clients::Aws;
use crate::aws::eks::{self, Offered};

/// When EKS ends its standard and its extended support of a version: "Amazon EKS Kubernetes release calendar" in the
/// Amazon EKS User Guide, as of April 2026. Only for checks without AWS; with it, EKS is asked.
const CALENDAR: [(&str, &str, &str); 8] = [
    ("1.28", "2024-11-26", "2025-11-26"),
    ("1.29", "2025-03-23", "2026-03-23"),
    ("1.30", "2025-07-23", "2026-07-23"),
    ("1.31", "2025-11-26", "2026-11-26"),
    ("1.32", "2026-03-23", "2027-03-23"),
    ("1.33", "2026-07-29", "2027-07-29"),
    ("1.34", "2026-12-02", "2027-12-02"),
    ("1.35", "2027-03-27", "2028-03-27"),
];
/// The last version with images of Amazon Linux 2, and the day since when there are no new ones.
const LAST_AL2: ((u32, u32), &str) = ((1, 32), "2025-11-26");

/// Codes of the findings that EKS itself knows better.
const BY_CALENDAR: [&str; 2] = ["extended-support", "unsupported-version"];

/// Today, as the calendar writes days.
pub(super) fn today() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    eks::day_of(now.as_secs().try_into().unwrap_or_default())
}

/// What the calendar and the node groups' images tell.
pub(super) fn check(view: &View<'_>, today: &str, findings: &mut Vec<Finding>) {
    for cluster in view.checked("eks.cluster") {
        let known = CALENDAR.iter().find(|(version, ..)| *version == text(cluster.spec, "version"));
        let Some((version, standard, extended)) = known else { continue };
        if today > *extended {
            let message = format!("EKS supported Kubernetes {version} until {extended}, and may no longer offer it");
            findings.push(finding(&cluster, Severity::Warning, "unsupported-version", message, newer(version)));
        } else if today > *standard {
            findings.push(in_extended_support(&cluster, version, Some((standard, extended))));
        }
    }
    for group in view.checked("eks.node-group") {
        let ami = text(group.spec, "ami_type");
        if !ami.starts_with("AL2_") {
            continue;
        }
        let version = text(group.spec, "version");
        let (severity, message) = match eks::number(version).is_some_and(|number| number > LAST_AL2.0) {
            true => (Severity::Error, format!("EKS has no {ami} image for Kubernetes {version}")),
            false => (Severity::Warning, format!("EKS publishes no new Amazon Linux 2 images since {}", LAST_AL2.1)),
        };
        findings.push(Finding {
            severity,
            code: "amazon-linux-2",
            address: group.address.clone(),
            keys: &["ami_type", "instance_types"],
            message,
            fix: "Remove ami_type, and an image of Amazon Linux 2023 is chosen; or set one of those.".to_owned(),
        });
    }
}

/// What EKS says of its versions.
pub(super) async fn ask(aws: &Aws, view: &View<'_>, findings: &mut Vec<Finding>) -> Result<(), OpError> {
    for cluster in view.checked("eks.cluster") {
        let version = text(cluster.spec, "version");
        if unknown::is_unknown(version) {
            continue;
        }
        let offered = eks::offered_versions(aws).await?;
        findings.retain(|found| !(BY_CALENDAR.contains(&found.code) && found.address == *cluster.address));
        findings.extend(by_offer(&cluster, version, &offered));
    }
    Ok(())
}

fn by_offer(cluster: &Declared<'_>, version: &str, offered: &[Offered]) -> Option<Finding> {
    let Some(found) = offered.iter().find(|offered| offered.version == version) else {
        let all: Vec<&str> = offered.iter().map(|offered| offered.version.as_str()).collect();
        let message = format!("EKS does not offer Kubernetes {version}");
        let fix = format!("Choose one of {}.", all.join(", "));
        return Some(finding(cluster, Severity::Error, "version-not-offered", message, fix));
    };
    let ends = found.ends.as_ref().map(|(standard, extended)| (standard.as_str(), extended.as_str()));
    (!found.is_standard).then(|| in_extended_support(cluster, version, ends))
}

/// What extended support means for a cluster: a higher price, or an upgrade that nobody asked for.
fn in_extended_support(cluster: &Declared<'_>, version: &str, ends: Option<(&str, &str)>) -> Finding {
    let since = ends.map(|(standard, _)| format!(" since {standard}")).unwrap_or_default();
    let until = ends.map(|(_, extended)| format!(" until {extended}")).unwrap_or_default();
    let means = match cluster.spec["extended_support"] == true {
        true => format!("EKS charges more for the cluster{until}"),
        false => "EKS may upgrade the cluster by itself, because support is \"standard\"".to_owned(),
    };
    let message = format!("Kubernetes {version} is not in standard support{since}: {means}");
    finding(cluster, Severity::Warning, "extended-support", message, newer(version))
}

/// Advice to go up, which an existing cluster does one minor version at a time.
fn newer(version: &str) -> String {
    let next = eks::number(version).map(|(major, minor)| format!("{major}.{}", minor + 1)).unwrap_or_default();
    format!("Create a new cluster with a newer version; upgrade an existing one: version = \"{next}\" is next.")
}

fn finding(cluster: &Declared<'_>, severity: Severity, code: &'static str, message: String, fix: String) -> Finding {
    let keys = &["version", "support", "name"];
    Finding { severity, code, address: cluster.address.clone(), keys, message, fix }
}

#[cfg(test)]
mod tests {
    use llmhost_engine::plan::{Action, Plan, PlannedResource};
    use llmhost_engine::state::State;
    use serde_json::{Value, json};

    use super::*;

    fn plan(kind: &str, spec: Value) -> Plan {
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
        let mut plan = Plan::default();
        plan.resources.insert(format!("step/{kind}/main").parse().expect("an address"), planned);
        plan
    }

    #[test]
    fn the_calendar_tells_what_a_version_costs_on_a_day() {
        for (version, extended, today, code, words) in [
            ("1.33", false, "2026-07-29", None, ""),
            ("1.33", false, "2026-07-30", Some("extended-support"), "EKS may upgrade the cluster by itself"),
            ("1.33", true, "2026-07-30", Some("extended-support"), "EKS charges more for the cluster until 2027-07-29"),
            ("1.33", true, "2027-07-30", Some("unsupported-version"), "until 2027-07-29"),
            ("1.99", true, "2027-07-30", None, ""),
            ("<<fact:eks.newest-version>>", true, "2027-07-30", None, ""),
        ] {
            let plan = plan("eks.cluster", json!({ "version": version, "extended_support": extended }));
            let mut findings = Vec::new();
            check(&View::new(&plan, &State::default(), false), today, &mut findings);
            assert_eq!(findings.first().map(|found| found.code), code, "{version} {today}");
            assert!(findings.iter().all(|found| found.message.contains(words)), "{findings:?}");
        }
    }

    #[test]
    fn eks_knows_better_than_the_calendar() {
        let offer = |version: &str, is_standard| Offered { version: version.to_owned(), is_standard, ends: None };
        let offered = [offer("1.33", false), offer("1.34", true)];
        for (version, code) in
            [("1.34", None), ("1.33", Some("extended-support")), ("1.12", Some("version-not-offered"))]
        {
            let plan = plan("eks.cluster", json!({ "version": version, "extended_support": false }));
            let state = State::default();
            let view = View::new(&plan, &state, false);
            let cluster = view.of_kind("eks.cluster").next().expect("the cluster");
            assert_eq!(by_offer(&cluster, version, &offered).map(|found| found.code), code, "{version}");
        }
    }

    #[test]
    fn images_of_amazon_linux_2_have_ended() {
        for (ami, version, severity) in [
            ("AL2_x86_64", "1.32", Some(Severity::Warning)),
            ("AL2_x86_64", "1.33", Some(Severity::Error)),
            ("AL2023_x86_64_STANDARD", "1.33", None),
        ] {
            let plan = plan("eks.node-group", json!({ "version": version, "ami_type": ami }));
            let mut findings = Vec::new();
            check(&View::new(&plan, &State::default(), false), "2026-01-01", &mut findings);
            assert_eq!(findings.first().map(|found| found.severity), severity, "{ami} {version}");
        }
    }
}
