//! The container of a model server: llmhost's own, or another with arguments of its own.

use serde_json::{Value, json};

use crate::check;
use crate::config::{Config, Device, Server};
use crate::model_cache;

/// The user of llmhost's image, which has no name.
const USER: u32 = 10_001;
/// Where servers that are not llmhost's say that they are well.
const HEALTH: &str = "/health";

fn is_custom(config: &Config) -> bool {
    matches!(check::server(config), Ok(Server::Custom))
}

/// Who the pod runs as.
pub(crate) fn security(config: &Config) -> Value {
    let mut security = json!({ "seccompProfile": { "type": "RuntimeDefault" } });
    if let Some(user) = user(config) {
        for field in ["runAsUser", "runAsGroup", "fsGroup"] {
            security[field] = json!(user);
        }
        security["runAsNonRoot"] = json!(user != 0);
    }
    security
}

/// The number of the server's user, as far as that is stated.
pub(crate) fn user(config: &Config) -> Option<u32> {
    if is_custom(config) { config.run_as_user } else { Some(USER) }
}

/// What is mounted into the container.
pub(crate) fn volumes(config: &Config) -> Value {
    let mut volumes = model_cache::volumes(config);
    volumes.push(json!({ "name": "tmp", "emptyDir": {} }));
    if let Some(size) = config.shared_memory_gib {
        volumes.push(
            json!({ "name": "shared-memory", "emptyDir": { "medium": "Memory", "sizeLimit": format!("{size}Gi") } }),
        );
    }
    json!(volumes)
}

/// The container.
pub(crate) fn container(config: &Config) -> Value {
    let mut mounts =
        vec![json!({ "name": "cache", "mountPath": config.cache.path }), json!({ "name": "tmp", "mountPath": "/tmp" })];
    mounts.extend(model_cache::mount(config));
    if config.shared_memory_gib.is_some() {
        mounts.push(json!({ "name": "shared-memory", "mountPath": "/dev/shm" }));
    }
    let mut limits = json!({ "memory": config.memory });
    if config.gpus() > 0 {
        limits[config.gpu_resource()] = json!(config.gpus().to_string());
    }
    let (ready, live) = paths(config);
    let probe = |path: &str, period: u32, failures: u32| {
        json!({
            "httpGet": { "path": path, "port": "http" },
            "periodSeconds": period, "failureThreshold": failures,
        })
    };
    let mut container = json!({
        "name": "server",
        "image": config.image,
        "ports": [{ "name": "http", "containerPort": config.server_port }],
        "resources": { "requests": { "cpu": config.cpu, "memory": config.memory }, "limits": limits },
        // Fetching and loading count for the start only: once it is ready, silence is trouble.
        "startupProbe": probe(ready, 10, config.startup_minutes * 6),
        "readinessProbe": probe(ready, 5, 2),
        "livenessProbe": probe(live, 10, 3),
        "securityContext": {
            // Where another's image writes is not known.
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": !is_custom(config), "capabilities": { "drop": ["ALL"] },
        },
        "volumeMounts": mounts,
    });
    // llmhost's server waits by itself, and says meanwhile that it is not ready. What another does on SIGTERM is not
    // known, so it gets the signal later.
    if is_custom(config) && config.drain_delay_seconds > 0 {
        container["lifecycle"] = json!({ "preStop": { "sleep": { "seconds": config.drain_delay_seconds } } });
    }
    if !config.command.is_empty() {
        container["command"] = json!(config.command);
    }
    let args = args(config);
    if !args.is_empty() {
        container["args"] = json!(args);
    }
    let env = env(config);
    if !env.is_empty() {
        container["env"] = json!(env);
    }
    if !config.env_from.is_empty() {
        container["envFrom"] = env_from(config);
    }
    container
}

/// Where the server says that it is ready, and that it is alive.
fn paths(config: &Config) -> (&str, &str) {
    if !is_custom(config) {
        return ("/readyz", "/livez");
    }
    let ready = config.ready_path.as_deref().unwrap_or(HEALTH);
    (ready, config.live_path.as_deref().unwrap_or(ready))
}

/// The arguments: llmhost's own before those of the file, or those of the file alone.
fn args(config: &Config) -> Vec<String> {
    if is_custom(config) {
        return config.args.clone();
    }
    let device = match config.device {
        Device::Cuda => "cuda",
        Device::Cpu => "cpu",
        Device::Auto => "auto",
    };
    let port = config.server_port.to_string();
    let (delay, drain) = (config.drain_delay_seconds.to_string(), config.drain_seconds.to_string());
    let own = ["serve", "--model", model_cache::model(config), "--device", device, "--host", "0.0.0.0"];
    let more = ["--port", &port, "--cache", &config.cache.path, "--drain-delay", &delay, "--drain-seconds", &drain];
    own.into_iter().chain(more).map(str::to_owned).chain(config.args.iter().cloned()).collect()
}

fn env(config: &Config) -> Vec<Value> {
    let open = config.env.iter().map(|(name, value)| json!({ "name": name, "value": value }));
    let name = config.secrets_name();
    let secrets = config.secrets();
    let secret =
        secrets.keys().map(|key| json!({ "name": key, "valueFrom": { "secretKeyRef": { "name": name, "key": key } } }));
    open.chain(secret).collect()
}

fn env_from(config: &Config) -> Value {
    let source = |source: &crate::config::Source| {
        let mut from = match (&source.secret, &source.config_map) {
            (Some(name), _) => json!({ "secretRef": { "name": name } }),
            (None, name) => json!({ "configMapRef": { "name": name } }),
        };
        if let Some(prefix) = &source.prefix {
            from["prefix"] = json!(prefix);
        }
        from
    };
    config.env_from.iter().map(source).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(options: &str) -> (Value, Value) {
        let config: Config = serde_json::from_str(options).expect("options");
        (container(&config), security(&config))
    }

    #[test]
    fn llmhosts_server_gets_llmhosts_arguments() {
        let (container, security) = made(r#"{ "image": "llmhost:1", "model": "s3://b/m", "args": ["--batch", "4"] }"#);
        let args: Vec<&str> = container["args"].as_array().expect("args").iter().filter_map(Value::as_str).collect();
        let own = "serve --model s3://b/m --device cuda --host 0.0.0.0 --port 8000 --cache /var/cache/llmhost --drain-delay 5 --drain-seconds 30";
        assert_eq!(args.join(" "), format!("{own} --batch 4"));
        assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz");
        assert_eq!(security["runAsUser"], 10_001);
        assert!(container.get("lifecycle").is_none(), "it waits by itself");
    }

    #[test]
    fn a_custom_server_gets_its_own_arguments_and_nothing_else() {
        let (container, security) = made(
            r#"{ "image": "vllm/vllm-openai:v0.8.5", "server": "custom", "args": ["--model", "mistral"], "server_port": 9000,
                 "env": { "LOG": "1" }, "secret_env": { "TOKEN": "<<secret:token>>" }, "shared_memory_gib": 8,
                 "env_from": [{ "secret": "hub" }, { "config_map": "settings", "prefix": "S_" }] }"#,
        );
        assert_eq!(container["args"], json!(["--model", "mistral"]));
        assert!(container.get("command").is_none());
        assert_eq!(container["ports"][0]["containerPort"], 9000);
        assert_eq!(container["lifecycle"], json!({ "preStop": { "sleep": { "seconds": 5 } } }));
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            assert_eq!(container[probe]["httpGet"], json!({ "path": "/health", "port": "http" }), "{probe}");
        }
        assert_eq!(
            container["envFrom"],
            json!([{ "secretRef": { "name": "hub" } }, { "configMapRef": { "name": "settings" }, "prefix": "S_" }])
        );
        let names: Vec<&str> =
            container["env"].as_array().expect("env").iter().filter_map(|entry| entry["name"].as_str()).collect();
        assert_eq!(names, ["LOG", "TOKEN"]);
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], false);
        assert!(security.get("runAsUser").is_none() && security.get("runAsNonRoot").is_none());
    }
}
