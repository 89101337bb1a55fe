//! What nodes run when they start, in the form that their system takes: a MIME archive for Amazon Linux, TOML for
//! Bottlerocket.

use llmhost_plugin::{Failure, invalid};
use serde_json::{Map, Value, json};

use crate::config::{Config, LocalStorage, UserData};

/// Between the parts of an archive.
const BOUNDARY: &str = "==LLMHOST==";
/// What a NodeConfig says of a node.
const OF_NODES: [&str; 6] = ["cluster", "containerd", "featureGates", "hybrid", "instance", "kubelet"];

/// User data as text; nothing where nothing is asked for.
pub(crate) fn of(config: &Config, ami_type: &str) -> Result<Option<String>, Failure> {
    match ami_type {
        _ if ami_type.starts_with("BOTTLEROCKET") => bottlerocket(config),
        _ if ami_type.starts_with("AL2_") => script_alone(config, ami_type),
        _ => archive(config),
    }
}

/// Amazon Linux 2023: nodeadm reads NodeConfigs, and EKS adds its own to what it finds in an archive.
fn archive(config: &Config) -> Result<Option<String>, Failure> {
    let settings = settings(config)?;
    let (node, script) = match &config.user_data {
        None => (settings, None),
        Some(UserData::NodeConfig(table)) => (Some(merged(node_config(table)?, settings)?), None),
        Some(UserData::Text(text)) => match kind(&plain(text))? {
            Kind::Archive(archive) => {
                if settings.is_some() {
                    return Err(invalid(
                        "user_data is a MIME archive already, so max_pods, kubelet and local_storage belong into its NodeConfig; \
                         remove them, or give the parts in user_data without an archive",
                    ));
                }
                return Ok(Some(archive));
            }
            Kind::Script(script) => (settings, Some(script)),
            // As YAML it is not read here: nodeadm merges it with the other.
            Kind::NodeConfig(yaml) => {
                let mut parts = vec![("application/node.eks.aws", yaml)];
                parts.extend(settings.map(|node| ("application/node.eks.aws", shown(&node))));
                return Ok(Some(joined(&parts)));
            }
        },
    };
    let mut parts = Vec::new();
    parts.extend(node.map(|node| ("application/node.eks.aws", shown(&node))));
    parts.extend(script.map(|script| ("text/x-shellscript; charset=\"us-ascii\"", script)));
    Ok((!parts.is_empty()).then(|| joined(&parts)))
}

fn shown(node: &Value) -> String {
    // JSON is YAML.
    serde_json::to_string_pretty(node).unwrap_or_default()
}

/// The parts as one MIME archive.
fn joined(parts: &[(&str, String)]) -> String {
    let mut text = format!("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"{BOUNDARY}\"\n\n");
    for (kind, part) in parts {
        text.push_str(&format!("--{BOUNDARY}\nContent-Type: {kind}\n\n{}\n\n", part.trim_end()));
    }
    text + &format!("--{BOUNDARY}--\n")
}

/// What the options say, as a NodeConfig.
fn settings(config: &Config) -> Result<Option<Value>, Failure> {
    let mut kubelet = config.kubelet.clone();
    if let Some(wrong) = kubelet.keys().find(|key| key.contains(['-', '_']) || key.starts_with(char::is_uppercase)) {
        return Err(invalid(format!(
            "kubelet: '{wrong}' is not a field of KubeletConfiguration; these are written like evictionHard"
        )));
    }
    if let Some(most) = config.max_pods
        && let Some(other) = kubelet.insert("maxPods".to_owned(), json!(most))
        && other != json!(most)
    {
        return Err(invalid(format!("max_pods is {most}, and kubelet.maxPods {other}; remove one of them")));
    }
    let mut spec = Map::new();
    if !kubelet.is_empty() {
        spec.insert("kubelet".to_owned(), json!({ "config": kubelet }));
    }
    if let Some(local) = config.local_storage {
        let strategy = match local {
            LocalStorage::Raid0 => "RAID0",
            LocalStorage::Mount => "Mount",
        };
        spec.insert("instance".to_owned(), json!({ "localStorage": { "strategy": strategy } }));
    }
    Ok((!spec.is_empty()).then(|| head(spec)))
}

fn head(spec: Map<String, Value>) -> Value {
    json!({ "apiVersion": "node.eks.aws/v1alpha1", "kind": "NodeConfig", "spec": spec })
}

/// A NodeConfig that is written as a table: whole, or its spec alone.
fn node_config(table: &Map<String, Value>) -> Result<Value, Failure> {
    let spec = match table.get("spec") {
        Some(Value::Object(spec)) => spec,
        Some(_) => return Err(invalid("user_data.spec is not a table")),
        None => table,
    };
    if table.contains_key("spec") {
        let other = table.keys().find(|key| !["apiVersion", "kind", "metadata", "spec"].contains(&key.as_str()));
        if let Some(other) = other {
            return Err(invalid(format!("user_data: a NodeConfig has apiVersion, kind and spec, and no {other}")));
        }
    }
    if let Some(kind) = table.get("kind").filter(|kind| *kind != "NodeConfig") {
        return Err(invalid(format!("user_data is a table of the kind {kind}; nodes take a NodeConfig")));
    }
    if let Some(wrong) = spec.keys().find(|key| !OF_NODES.contains(&key.as_str())) {
        return Err(invalid(format!(
            "user_data: the spec of a NodeConfig has {}, and no {wrong}",
            OF_NODES.join(", ")
        )));
    }
    let mut whole = head(spec.clone());
    if let Some(version) = table.get("apiVersion") {
        whole["apiVersion"] = version.clone();
    }
    Ok(whole)
}

/// Both in one; where both say the same field, they have to agree.
fn merged(mut node: Value, settings: Option<Value>) -> Result<Value, Failure> {
    if let Some(settings) = settings {
        merge(&mut node["spec"], &settings["spec"], "user_data")?;
    }
    Ok(node)
}

fn merge(into: &mut Value, from: &Value, place: &str) -> Result<(), Failure> {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            from.iter().try_for_each(|(key, value)| match into.get_mut(key) {
                Some(there) => merge(there, value, &format!("{place}.{key}")),
                None => {
                    into.insert(key.clone(), value.clone());
                    Ok(())
                }
            })
        }
        (there, new) if there == new => Ok(()),
        (there, new) => Err(invalid(format!("{place} is {there}, and an option of its own says {new}; leave one out"))),
    }
}

/// Amazon Linux 2 is started by a script of EKS, which takes no settings in user data.
fn script_alone(config: &Config, ami_type: &str) -> Result<Option<String>, Failure> {
    if config.max_pods.is_some() || !config.kubelet.is_empty() || config.local_storage.is_some() {
        return Err(invalid(format!(
            "max_pods, kubelet and local_storage are settings of nodeadm, which {ami_type} lacks; leave ami_type out"
        )));
    }
    match &config.user_data {
        None => Ok(None),
        Some(UserData::NodeConfig(_)) => {
            Err(invalid(format!("user_data is a NodeConfig of nodeadm, which {ami_type} lacks; leave ami_type out")))
        }
        Some(UserData::Text(text)) => match kind(&plain(text))? {
            Kind::Archive(archive) => Ok(Some(archive)),
            Kind::Script(script) => Ok(Some(joined(&[("text/x-shellscript; charset=\"us-ascii\"", script)]))),
            Kind::NodeConfig(_) => Err(invalid(format!(
                "user_data is a NodeConfig of nodeadm, which {ami_type} lacks; leave ami_type out"
            ))),
        },
    }
}

fn bottlerocket(config: &Config) -> Result<Option<String>, Failure> {
    if !config.kubelet.is_empty() {
        return Err(invalid(
            "kubelet is for nodeadm, and Bottlerocket has settings of its own: state them in user_data, as [settings.kubernetes]",
        ));
    }
    let own = match &config.user_data {
        None => String::new(),
        Some(UserData::NodeConfig(_)) => {
            return Err(invalid(
                "user_data is a table, and Bottlerocket takes no NodeConfig; set its settings as TOML text",
            ));
        }
        Some(UserData::Text(text)) => {
            let text = plain(text);
            if text.starts_with("#!") || text.starts_with("MIME-Version:") {
                return Err(invalid(
                    "user_data is a script, and Bottlerocket runs none; set its settings as TOML text",
                ));
            }
            text
        }
    };
    let mut settings = Vec::new();
    if let Some(most) = config.max_pods {
        if own.contains("settings.kubernetes") {
            return Err(invalid("user_data has [settings.kubernetes]: state max-pods there, and leave max_pods out"));
        }
        settings.push(format!("[settings.kubernetes]\nmax-pods = {most}"));
    }
    match config.local_storage {
        None => {}
        Some(LocalStorage::Mount) => {
            return Err(invalid("Bottlerocket makes one of its local disks alone: local_storage = \"raid0\""));
        }
        // <https://bottlerocket.dev/en/os/1.x/concepts/ephemeral-storage/>
        Some(LocalStorage::Raid0) => settings.push(
            "[settings.bootstrap-commands.k8s-ephemeral-storage]\ncommands = [[\"apiclient\", \"ephemeral-storage\", \"init\"], \
             [\"apiclient\", \"ephemeral-storage\", \"bind\", \"--dirs\", \"/var/lib/containerd\", \"/var/lib/kubelet\", \
             \"/var/log/pods\"]]\nessential = true\nmode = \"always\""
                .to_owned(),
        ),
    }
    settings.extend((!own.is_empty()).then_some(own));
    Ok((!settings.is_empty()).then(|| settings.join("\n\n") + "\n"))
}

/// What a text is.
enum Kind {
    Script(String),
    NodeConfig(String),
    Archive(String),
}

fn kind(text: &str) -> Result<Kind, Failure> {
    let text = text.trim_start().to_owned();
    if text.starts_with("MIME-Version:") || text.starts_with("Content-Type: multipart/") {
        return Ok(Kind::Archive(text));
    }
    if text.contains("node.eks.aws/") && text.contains("NodeConfig") {
        return Ok(Kind::NodeConfig(text));
    }
    // What only applying can tell is taken for a script.
    if text.starts_with("#!") || text.starts_with("<<") {
        return Ok(Kind::Script(text));
    }
    if text.starts_with("#cloud-config") {
        return Err(invalid(
            "user_data is a cloud-config, and EKS's images accept it only in a MIME archive; write one, or a script (#!)",
        ));
    }
    Err(invalid(
        "user_data is neither a script that starts with #!, nor a NodeConfig (apiVersion: node.eks.aws/v1alpha1), nor a MIME \
         archive, in base64 or as it is",
    ))
}

/// A text as it is, where it is given in base64.
fn plain(text: &str) -> String {
    let compact: String = text.split_whitespace().collect();
    match decoded(&compact) {
        Some(bytes) if compact.len() >= 8 => String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned()),
        _ => text.to_owned(),
    }
}

/// The bytes that a text in base64 has; nothing where it is none.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for c in digits.bytes() {
        let digit = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        (bits, count) = (bits << 6 | u32::from(digit), count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(options: Value) -> Config {
        let mut all =
            json!({ "name": "n", "cluster": "c", "role_arn": "r", "subnet_ids": [], "instance_types": ["m6i.large"] });
        all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn nodes_of_amazon_linux_get_an_archive() {
        let of = |options| of(&config(options), "AL2023_x86_64_STANDARD").unwrap();
        assert_eq!(of(json!({})), None);
        let script = of(json!({ "user_data": "IyEvYmluL2Jhc2g=" })).unwrap();
        assert!(script.starts_with("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="), "{script}");
        assert!(script.contains("Content-Type: text/x-shellscript; charset=\"us-ascii\"\n\n#!/bin/bash\n"), "{script}");
        let both = of(json!({ "user_data": "#!/bin/sh\ntrue", "max_pods": 110, "local_storage": "raid0" })).unwrap();
        assert_eq!(both.matches("--==LLMHOST==").count(), 3, "{both}");
        assert!(both.contains("\"maxPods\": 110") && both.contains("\"strategy\": \"RAID0\""), "{both}");
        let table = json!({ "user_data": { "containerd": { "config": "a" }, "kubelet": { "flags": ["--v=2"] } },
            "kubelet": { "evictionHard": { "memory.available": "5%" } } });
        let node = of(table).unwrap();
        assert!(node.contains("--v=2") && node.contains("memory.available") && node.contains("NodeConfig"), "{node}");
        let archive = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\n\n--b--\n";
        assert_eq!(of(json!({ "user_data": archive })).as_deref(), Some(archive));
    }

    #[test]
    fn bottlerocket_gets_toml() {
        let of = |options| of(&config(options), "BOTTLEROCKET_x86_64");
        let text =
            of(json!({ "max_pods": 50, "user_data": "[settings.kernel]\nlockdown = \"integrity\"" })).unwrap().unwrap();
        assert_eq!(text, "[settings.kubernetes]\nmax-pods = 50\n\n[settings.kernel]\nlockdown = \"integrity\"\n");
        assert!(of(json!({ "local_storage": "raid0" })).unwrap().unwrap().contains("ephemeral-storage"));
        assert!(of(json!({ "user_data": "#!/bin/sh" })).is_err());
        assert!(of(json!({ "kubelet": { "maxPods": 1 } })).is_err());
    }

    #[test]
    fn what_nodes_do_not_take_is_said() {
        for (options, ami, words) in [
            (json!({ "user_data": "echo hello" }), "AL2023_x86_64_STANDARD", "neither a script"),
            (json!({ "user_data": "#cloud-config\n" }), "AL2023_x86_64_STANDARD", "cloud-config"),
            (json!({ "user_data": { "kublet": {} } }), "AL2023_x86_64_STANDARD", "and no kublet"),
            (json!({ "user_data": { "kind": "Pod", "spec": {} } }), "AL2023_x86_64_STANDARD", "take a NodeConfig"),
            (json!({ "kubelet": { "max-pods": 3 } }), "AL2023_x86_64_STANDARD", "written like evictionHard"),
            (json!({ "kubelet": { "maxPods": 3 }, "max_pods": 4 }), "AL2023_x86_64_STANDARD", "remove one of them"),
            (json!({ "max_pods": 4 }), "AL2_x86_64", "which AL2_x86_64 lacks"),
            (
                json!({ "user_data": { "kubelet": { "config": { "maxPods": 3 } } }, "max_pods": 4 }),
                "AL2023_x86_64_STANDARD",
                "user_data.kubelet.config.maxPods is 3",
            ),
        ] {
            let found = of(&config(options), ami).unwrap_err();
            assert!(found.message.contains(words), "{words}: {}", found.message);
        }
    }
}
