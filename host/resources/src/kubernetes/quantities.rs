//! What a container asks for: quantities as Kubernetes writes them. A server refuses any other, and a rehearsal would not.

use llmhost_engine::unknown;
use serde_json::{Map, Value};

/// Checks what the containers of a pod, or of an object that makes pods, ask for.
pub(super) fn check(manifest: &Map<String, Value>) -> Result<(), String> {
    let Some(spec) = manifest.get("spec") else { return Ok(()) };
    for pod in [Some(spec), spec.pointer("/template/spec"), spec.pointer("/jobTemplate/spec/template/spec")] {
        for kind in ["containers", "initContainers"] {
            let all = pod.and_then(|pod| pod.get(kind)?.as_array()).into_iter().flatten();
            all.enumerate().try_for_each(|(at, container)| of_container(&format!("{kind}[{at}]"), container))?;
        }
    }
    Ok(())
}

fn of_container(what: &str, container: &Value) -> Result<(), String> {
    for side in ["requests", "limits"] {
        let all = container.pointer(&format!("/resources/{side}")).and_then(Value::as_object);
        for (name, quantity) in all.into_iter().flatten() {
            let text = match quantity {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            if !unknown::is_opaque(&text) && !is_quantity(&text) {
                return Err(format!(
                    "{name} of {what} is '{text}', which is not a Kubernetes quantity: write memory like 8Gi or 512Mi, and \
                     CPUs like 2 or 500m"
                ));
            }
        }
    }
    Ok(())
}

/// A number that is not negative, with a unit behind it or an exponent.
fn is_quantity(text: &str) -> bool {
    const UNITS: [&str; 15] = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi"];
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let is_number = number.chars().any(|c| c.is_ascii_digit()) && number.matches('.').count() <= 1;
    let is_exponent = || {
        let digits = unit.strip_prefix(['e', 'E']).map(|rest| rest.strip_prefix(['+', '-']).unwrap_or(rest));
        digits.is_some_and(|digits| !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit()))
    };
    is_number && (UNITS.contains(&unit) || unit == "Ei" || is_exponent())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_are_told_from_what_is_none() {
        for good in ["8Gi", "512Mi", "2", "0.5", "500m", "1e3", "1E", "12E+2", ".5", "5.", "1Ei", "0"] {
            assert!(is_quantity(good), "{good}");
        }
        for bad in ["8 gigs", "8GB", "8gi", "-1", "lots", "", "1.2.3", "Gi", "e3", "1e", "8 Gi"] {
            assert!(!is_quantity(bad), "{bad}");
        }
    }

    #[test]
    fn the_container_and_what_it_asks_for_are_named() {
        let deployment = |memory: Value| {
            let container =
                json!({ "name": "a", "resources": { "limits": { "memory": memory, "nvidia.com/gpu": "1" } } });
            let manifest =
                json!({ "kind": "Deployment", "spec": { "template": { "spec": { "containers": [container] } } } });
            check(manifest.as_object().expect("an object"))
        };
        assert_eq!(deployment(json!("8Gi")), Ok(()));
        assert_eq!(deployment(json!(1_000_000)), Ok(()));
        assert_eq!(deployment(json!("<<a/ec2.vpc/b#id>>")), Ok(()));
        let error = deployment(json!("8 gigs")).expect_err("not a Kubernetes quantity");
        assert!(error.contains("memory of containers[0] is '8 gigs'"), "{error}");
    }
}
