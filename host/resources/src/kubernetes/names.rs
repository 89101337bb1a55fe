//! Names, labels and annotations as Kubernetes takes them (RFC 1123, RFC 1035).
//!
//! <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/> and, beside it, labels/ and annotations/.

use llmhost_engine::unknown;
use serde_json::{Map, Value};

/// Characters of a label: of a domain's part, of a label's or taint's name, and of its value.
const LABEL: usize = 63;
/// Characters of a domain name.
const SUBDOMAIN: usize = 253;
/// Bytes of all annotations of an object together.
const ANNOTATIONS: usize = 256 * 1024;

/// Checks the name of an object: what is allowed depends on its kind.
pub(super) fn check_object(group: &str, kind: &str, name: &str) -> Result<(), String> {
    match (group, kind) {
        ("rbac.authorization.k8s.io", _) => path_segment("metadata.name", name),
        ("", "Namespace") => dns_label("metadata.name", name),
        ("", "Service") => {
            dns_label("metadata.name", name)?;
            match name.starts_with(|c: char| c.is_ascii_digit()) && !unknown::is_unknown(name) {
                true => Err(format!("metadata.name '{name}' starts with a digit, which is not allowed for a Service")),
                false => Ok(()),
            }
        }
        // Their pods carry the name in a label.
        ("apps", "StatefulSet") => dns_label("metadata.name", name),
        ("batch", "Job") => {
            dns_subdomain("metadata.name", name)?;
            shorter("metadata.name", name, LABEL)
        }
        // The names of its jobs are eleven characters longer.
        ("batch", "CronJob") => {
            dns_subdomain("metadata.name", name)?;
            shorter("metadata.name", name, LABEL - 11)
        }
        ("" | "apps" | "autoscaling" | "networking.k8s.io" | "policy", _) => dns_subdomain("metadata.name", name),
        _ => super::manifest::check_name("metadata.name", name),
    }
}

/// Checks labels and annotations of an object and of the pods that come of it.
pub(super) fn check_marks(manifest: &Map<String, Value>) -> Result<(), String> {
    let metadata = manifest.get("metadata");
    let of_pods = ["/spec/template/metadata", "/spec/jobTemplate/spec/template/metadata"];
    let whole = |pointer: &str| manifest.get("spec").and_then(|spec| spec.pointer(&pointer["/spec".len()..]));
    for metadata in metadata.into_iter().chain(of_pods.into_iter().filter_map(whole)) {
        let marks = |what: &str| metadata.get(what).and_then(Value::as_object).into_iter().flatten();
        for (key, value) in marks("labels") {
            qualified("the label", key)?;
            if let Some(value) = value.as_str() {
                label_value(&format!("the label '{key}'"), value)?;
            }
        }
        let mut bytes = 0;
        for (key, value) in marks("annotations") {
            // Upper case is allowed in an annotation's domain, and nowhere else.
            qualified("the annotation", &key.to_lowercase())?;
            bytes += key.len() + value.as_str().map_or(0, str::len);
        }
        if bytes > ANNOTATIONS {
            return Err(format!("the annotations have {bytes} bytes; Kubernetes allows {ANNOTATIONS} in an object"));
        }
    }
    Ok(())
}

/// Checks a name of letters, digits and hyphens: a namespace's.
pub(crate) fn dns_label(what: &str, name: &str) -> Result<(), String> {
    if unknown::is_unknown(name) {
        return Ok(());
    }
    shorter(what, name, LABEL)?;
    match is_dns_label(name) {
        true => Ok(()),
        false => Err(format!(
            "{what} '{name}' is not a valid name for Kubernetes: lower-case letters, digits and hyphens, starting and \
             ending with a letter or digit"
        )),
    }
}

/// Checks a name of such parts with dots between them: a service account's.
pub(crate) fn dns_subdomain(what: &str, name: &str) -> Result<(), String> {
    if unknown::is_unknown(name) {
        return Ok(());
    }
    shorter(what, name, SUBDOMAIN)?;
    match name.split('.').all(is_dns_label) {
        true => Ok(()),
        false => Err(format!(
            "{what} '{name}' is not a valid name for Kubernetes: lower-case letters, digits, hyphens and dots, each part \
             between dots starting and ending with a letter or digit"
        )),
    }
}

/// Checks the key of a label, a taint or an annotation: a name, perhaps below a domain.
pub(crate) fn qualified(what: &str, key: &str) -> Result<(), String> {
    if unknown::is_unknown(key) {
        return Ok(());
    }
    let (domain, name) = key.split_once('/').map_or((None, key), |(domain, name)| (Some(domain), name));
    if let Some(domain) = domain {
        dns_subdomain(&format!("{what} '{key}' has a wrong domain: "), domain)?;
    }
    if name.len() > LABEL {
        return Err(format!("{what} '{key}' has a name of {} characters; Kubernetes allows {LABEL}", name.len()));
    }
    match !name.is_empty() && is_label_text(name) {
        true => Ok(()),
        false => Err(format!(
            "{what} '{key}' is not a valid key for Kubernetes: letters, digits and any of -_. starting and ending with a \
             letter or digit, with an optional domain and slash before them"
        )),
    }
}

/// Checks the value of a label or a taint.
pub(crate) fn label_value(what: &str, value: &str) -> Result<(), String> {
    if unknown::is_unknown(value) {
        return Ok(());
    }
    if value.len() > LABEL {
        return Err(format!("{what} has a value of {} characters; Kubernetes allows {LABEL}", value.len()));
    }
    match is_label_text(value) {
        true => Ok(()),
        false => Err(format!(
            "{what} has the value '{value}': Kubernetes allows letters, digits and any of -_. starting and ending with a \
             letter or digit"
        )),
    }
}

fn path_segment(what: &str, name: &str) -> Result<(), String> {
    match matches!(name, "." | "..") || name.contains(['/', '%']) {
        true => Err(format!(
            "{what} '{name}' is not a valid name for Kubernetes: it cannot contain / or %, and cannot be . or .."
        )),
        false => Ok(()),
    }
}

fn shorter(what: &str, name: &str, most: usize) -> Result<(), String> {
    match name.len() > most && !unknown::is_unknown(name) {
        true => Err(format!("{what} '{name}' has {} characters; Kubernetes allows {most}", name.len())),
        false => Ok(()),
    }
}

fn is_dns_label(part: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=LABEL).contains(&part.len()) && part.chars().all(inner) && !part.starts_with('-') && !part.ends_with('-')
}

/// Nothing, or letters, digits and `-_.` between letters or digits.
fn is_label_text(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.chars().all(inner) && edge(text.chars().next()) && edge(text.chars().last())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_name_of_an_object_is_checked_by_its_kind() {
        let long = |n: usize| "a".repeat(n);
        for (group, kind, name, wrong) in [
            ("", "Namespace", long(63).as_str(), None),
            ("", "Namespace", &long(64), Some("64 characters; Kubernetes allows 63")),
            ("", "Namespace", "team.a", Some("lower-case letters, digits and hyphens")),
            ("", "Service", "a-1", None),
            ("", "Service", "1a", Some("starts with a digit")),
            ("", "Service", &long(64), Some("allows 63")),
            ("", "ConfigMap", &format!("{0}.{0}.{0}", long(63)), None),
            ("", "ConfigMap", &vec![long(50); 5].join("."), Some("254 characters; Kubernetes allows 253")),
            ("", "ConfigMap", "a..b", Some("each part")),
            ("apps", "Deployment", "Server", Some("lower-case")),
            ("batch", "CronJob", &long(52), None),
            ("batch", "CronJob", &long(53), Some("allows 52")),
            ("rbac.authorization.k8s.io", "ClusterRole", "system:nodes", None),
            ("rbac.authorization.k8s.io", "ClusterRole", "a/b", Some("cannot contain / or %")),
        ] {
            let found = check_object(group, kind, name);
            match wrong {
                None => assert_eq!(found, Ok(()), "{kind} {name}"),
                Some(words) => assert!(found.as_ref().is_err_and(|e| e.contains(words)), "{kind} {name}: {found:?}"),
            }
        }
    }

    #[test]
    fn labels_of_an_object_and_of_its_pods_have_63_characters() {
        let long = |n: usize| "a".repeat(n);
        for (key, value, wrong) in [
            (long(63), long(63), None),
            (format!("{}/{}", long(63), long(63)), String::new(), None),
            (long(64), String::new(), Some("a name of 64 characters")),
            ("a".to_owned(), long(64), Some("a value of 64 characters")),
            ("a".to_owned(), "b c".to_owned(), Some("the value 'b c'")),
            ("a".to_owned(), "-b".to_owned(), Some("the value '-b'")),
            ("a b".to_owned(), String::new(), Some("not a valid key")),
            ("/a".to_owned(), String::new(), Some("domain")),
            ("A_/a".to_owned(), String::new(), Some("domain")),
            ("example.org/".to_owned(), String::new(), Some("not a valid key")),
        ] {
            for manifest in [
                json!({ "metadata": { "labels": { &key: value } } }),
                json!({ "spec": { "template": { "metadata": { "labels": { &key: value } } } } }),
            ] {
                let found = check_marks(manifest.as_object().expect("an object"));
                match wrong {
                    None => assert_eq!(found, Ok(()), "{manifest}"),
                    Some(words) => assert!(found.as_ref().is_err_and(|e| e.contains(words)), "{manifest}: {found:?}"),
                }
            }
        }
    }

    #[test]
    fn annotations_have_256_kib_together() {
        let of = |bytes: usize| json!({ "metadata": { "annotations": { "Example.org/a": "x".repeat(bytes) } } });
        let check = |value: Value| check_marks(value.as_object().expect("an object"));
        assert_eq!(check(of(ANNOTATIONS - "Example.org/a".len())), Ok(()));
        assert!(check(of(ANNOTATIONS)).is_err_and(|error| error.contains("262144")));
    }
}
