//! NVIDIA's device plugin, as its own manifest has it, and how it lets containers share GPUs.

use llmhost_plugin::{Failure, invalid};
use serde_json::{Value, json};

use crate::config::{Config, Mig, Sharing};

/// The objects, in the order in which they are applied, with their names in the step.
pub(crate) fn objects(config: &Config) -> Result<Vec<(&'static str, Value)>, Failure> {
    let image = &config.device_plugin_image;
    let Some(sharing) = &config.gpu_sharing else { return Ok(vec![("device-plugin", daemon(image, None))]) };
    if sharing.time_slicing.is_none() && sharing.mig.is_none() {
        return Err(invalid("gpu_sharing is empty; set time_slicing, mig or both"));
    }
    let text = settings(config, sharing).to_string();
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "nvidia-device-plugin", "namespace": "kube-system", "labels": labels() },
        // JSON is YAML.
        "data": { "config.yaml": text },
    });
    Ok(vec![("device-plugin-config", map), ("device-plugin", daemon(image, Some((sharing, &text))))])
}

/// Refuses what the pods ask for where nobody offers it.
pub(crate) fn check(config: &Config) -> Result<(), Failure> {
    let mixed = config.gpu_sharing.as_ref().is_some_and(|sharing| sharing.mig == Some(Mig::Mixed));
    if config.gpu_sharing.is_some() && !config.brings_device_plugin() {
        return Err(invalid(
            "gpu_sharing configures the device plugin, and this step installs none (device_plugin = false, or no GPUs); remove \
             it, and set it in the step that installs the device plugin",
        ));
    }
    match config.profile() {
        Some(_) if config.gpus() == 0 => Err(invalid("mig_profile is a part of a GPU, and gpus is 0")),
        // Another step's device plugin may offer it.
        Some(profile) if config.brings_device_plugin() && !mixed => Err(invalid(format!(
            "mig_profile {profile} is offered by a device plugin with gpu_sharing = {{ mig = \"mixed\" }}, and this step installs \
             one without it; set it, or set device_plugin = false if another step installs it"
        ))),
        Some(profile) if !is_profile(profile) => {
            Err(invalid(format!("mig_profile '{profile}' is not a profile of MIG such as 1g.5gb or 3g.20gb")))
        }
        None if mixed => Err(invalid(
            "gpu_sharing.mig is mixed, where each part has a name of its own, and mig_profile is missing: 1g.5gb, or what the \
             nodes cut",
        )),
        _ => Ok(()),
    }
}

/// `1g.5gb`, `1g.10gb.me`: how much of the GPU, and how much memory.
fn is_profile(profile: &str) -> bool {
    let mut parts = profile.split('.');
    let number = |part: Option<&str>, unit: &str| {
        part.and_then(|part| part.strip_suffix(unit)).is_some_and(|number| number.parse::<u32>().is_ok())
    };
    profile.contains("<<") || (number(parts.next(), "g") && number(parts.next(), "gb"))
}

fn settings(config: &Config, sharing: &Sharing) -> Value {
    let strategy = match sharing.mig {
        None => "none",
        Some(Mig::Single) => "single",
        Some(Mig::Mixed) => "mixed",
    };
    let mut all = json!({ "version": "v1", "flags": { "migStrategy": strategy } });
    if let Some(replicas) = sharing.time_slicing {
        all["sharing"] =
            json!({ "timeSlicing": { "resources": [{ "name": config.gpu_resource(), "replicas": replicas }] } });
    }
    all
}

fn labels() -> Value {
    json!({ "app.kubernetes.io/name": "nvidia-device-plugin" })
}

fn daemon(image: &str, shared: Option<(&Sharing, &str)>) -> Value {
    let labels = labels();
    let mut daemon = json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": { "name": "nvidia-device-plugin", "namespace": "kube-system", "labels": labels },
        "spec": {
            "selector": { "matchLabels": labels },
            "updateStrategy": { "type": "RollingUpdate" },
            "template": {
                "metadata": { "labels": labels },
                "spec": {
                    "tolerations": [{ "key": "nvidia.com/gpu", "operator": "Exists" }],
                    "priorityClassName": "system-node-critical",
                    "containers": [{
                        "name": "device-plugin", "image": image,
                        // Nodes without a GPU have nothing to offer, and that is no failure.
                        "env": [{ "name": "FAIL_ON_INIT_ERROR", "value": "false" }],
                        "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
                        "volumeMounts": [{ "name": "kubelet", "mountPath": "/var/lib/kubelet/device-plugins" }],
                    }],
                    "volumes": [{ "name": "kubelet", "hostPath": { "path": "/var/lib/kubelet/device-plugins" } }],
                },
            },
        },
    });
    let Some((sharing, text)) = shared else { return daemon };
    let template = &mut daemon["spec"]["template"];
    // It reads its settings when it starts: others make other pods.
    template["metadata"]["annotations"] = json!({ "llmhost.dev/settings": text });
    let spec = &mut template["spec"];
    let map = json!({ "name": "settings", "configMap": { "name": "nvidia-device-plugin" } });
    spec["volumes"].as_array_mut().map(|volumes| volumes.push(map)).unwrap_or_default();
    let container = &mut spec["containers"][0];
    let (file, mount) =
        ("/settings/config.yaml", json!({ "name": "settings", "mountPath": "/settings", "readOnly": true }));
    container["volumeMounts"].as_array_mut().map(|mounts| mounts.push(mount)).unwrap_or_default();
    let mut env = vec![json!({ "name": "CONFIG_FILE", "value": file })];
    if sharing.mig.is_some() {
        // Parts of GPUs are seen by those alone who may administer the machine, as NVIDIA's chart has it.
        env.push(json!({ "name": "NVIDIA_MIG_MONITOR_DEVICES", "value": "all" }));
        container["securityContext"] = json!({ "capabilities": { "add": ["SYS_ADMIN"] } });
    }
    container["env"].as_array_mut().map(|all| all.extend(env)).unwrap_or_default();
    daemon
}
