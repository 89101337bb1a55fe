//! The server behind a Gateway that chooses the replica: the inference extension of the Gateway API.

use llmhost_plugin::{Failure, invalid};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::check;
use crate::config::{Config, Server};

/// Port of the endpoint picker of the inference extension.
const PICKER_PORT: u32 = 9002;

/// A Gateway that sends each request to the replica that is likely to answer it first.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gateway {
    /// Name of the Gateway, which exists: another step or another team made it.
    pub(crate) name: String,
    /// Namespace of the Gateway; by default the server's.
    #[serde(default)]
    pub(crate) namespace: Option<String>,
    /// Name of the Gateway's listener; by default all that take the route.
    #[serde(default)]
    pub(crate) listener: Option<String>,
    /// Host names that the route takes; by default all of the listener's.
    #[serde(default)]
    pub(crate) hostnames: Vec<String>,
    /// What paths of requests start with.
    #[serde(default = "slash")]
    pub(crate) path: String,
    /// How long an answer may take until it is whole. Gateways have a limit of their own, often 15 seconds, which a long answer exceeds.
    #[serde(default = "ten_minutes")]
    #[schemars(range(min = 1, max = 86400))]
    pub(crate) timeout_seconds: u32,
    /// Whose names the server's figures have; the pods get the label that says so. llmhost's server has vLLM's names beside its own.
    #[serde(default)]
    pub(crate) engine_type: EngineType,
    /// What chooses the replica.
    #[serde(default)]
    pub(crate) endpoint_picker: Picker,
}

/// Whose names the figures of a server have.
#[derive(Deserialize, JsonSchema, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EngineType {
    #[default]
    Vllm,
    Sglang,
}

/// What chooses the replica.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Picker {
    /// Service of a picker that exists; by default this step makes one, NAME-epp.
    #[serde(default)]
    pub(crate) service: Option<String>,
    /// Port of that service.
    #[serde(default = "picker_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub(crate) port: u32,
    /// Image of the picker that this step makes.
    #[serde(default = "picker_image")]
    pub(crate) image: String,
    /// What happens while the picker does not answer: open sends requests to any replica, close refuses them.
    #[serde(default)]
    pub(crate) failure_mode: FailureMode,
}

/// What happens while the picker does not answer.
#[derive(Deserialize, JsonSchema, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FailureMode {
    #[default]
    Open,
    Close,
}

impl Default for Picker {
    fn default() -> Self {
        Self { service: None, port: picker_port(), image: picker_image(), failure_mode: FailureMode::default() }
    }
}

/// Refuses a route that nothing takes.
pub(crate) fn check(config: &Config) -> Result<(), Failure> {
    let Some(gateway) = &config.gateway else { return Ok(()) };
    if !gateway.path.starts_with('/') {
        return Err(invalid(format!("gateway.path '{}' does not start with a slash", gateway.path)));
    }
    if gateway.name.is_empty() {
        return Err(invalid("gateway.name is empty: set the name of the route's Gateway"));
    }
    if gateway.engine_type == EngineType::Sglang && matches!(check::server(config), Ok(Server::Llmhost)) {
        return Err(invalid(
            "gateway.engine_type = \"sglang\" is for server = \"custom\"; llmhost's server has vLLM's names",
        ));
    }
    Ok(())
}

/// The label that tells the picker whose names the pods' figures have.
pub(crate) fn engine_label(config: &Config) -> Option<(&'static str, &'static str)> {
    let gateway = config.gateway.as_ref()?;
    let name = match gateway.engine_type {
        EngineType::Vllm => "vllm",
        EngineType::Sglang => "sglang",
    };
    Some(("inference.networking.k8s.io/engine-type", name))
}

/// The objects, with their names in the step; whether the step waits for them.
pub(crate) fn objects(config: &Config) -> Vec<(&'static str, Value, bool)> {
    let Some(gateway) = &config.gateway else { return Vec::new() };
    let own = gateway.endpoint_picker.service.is_none();
    let mut all = if own { picker(config, &gateway.endpoint_picker) } else { Vec::new() };
    all.push(("pool", pool(config, &gateway.endpoint_picker), false));
    all.push(("route", route(config, gateway), false));
    all
}

fn picker_name(config: &Config) -> String {
    format!("{}-epp", config.name)
}

fn pool(config: &Config, picker: &Picker) -> Value {
    let mode = if picker.failure_mode == FailureMode::Open { "FailOpen" } else { "FailClose" };
    let (service, port) = match &picker.service {
        Some(service) => (service.clone(), picker.port),
        None => (picker_name(config), PICKER_PORT),
    };
    json!({
        "apiVersion": "inference.networking.k8s.io/v1", "kind": "InferencePool", "metadata": config.metadata(&config.name),
        "spec": {
            "selector": { "matchLabels": config.selector() },
            "targetPorts": [{ "number": config.server_port }],
            "endpointPickerRef": { "name": service, "port": { "number": port }, "failureMode": mode },
        },
    })
}

fn route(config: &Config, gateway: &Gateway) -> Value {
    let mut parent = json!({ "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": gateway.name });
    if let Some(namespace) = &gateway.namespace {
        parent["namespace"] = json!(namespace);
    }
    if let Some(listener) = &gateway.listener {
        parent["sectionName"] = json!(listener);
    }
    let timeout = format!("{}s", gateway.timeout_seconds);
    let mut route = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": config.metadata(&config.name),
        "spec": {
            "parentRefs": [parent],
            "rules": [{
                "matches": [{ "path": { "type": "PathPrefix", "value": gateway.path } }],
                "backendRefs": [{ "group": "inference.networking.k8s.io", "kind": "InferencePool", "name": config.name }],
                "timeouts": { "request": timeout },
            }],
        },
    });
    if !gateway.hostnames.is_empty() {
        route["spec"]["hostnames"] = json!(gateway.hostnames);
    }
    route
}

/// The endpoint picker, as the chart `inferencepool` of the inference extension has it.
fn picker(config: &Config, picker: &Picker) -> Vec<(&'static str, Value, bool)> {
    let name = picker_name(config);
    let labels =
        json!({ "app.kubernetes.io/name": "llmhost-endpoint-picker", "app.kubernetes.io/instance": config.name });
    let metadata = json!({ "name": name, "namespace": config.namespace, "labels": labels });
    let settings = settings().to_string();
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata });
    let look = ["get", "watch", "list"];
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata,
        "rules": [
            { "apiGroups": [""], "resources": ["pods"], "verbs": look },
            { "apiGroups": ["inference.networking.k8s.io"], "resources": ["inferencepools"], "verbs": look },
            {
                "apiGroups": ["inference.networking.x-k8s.io"],
                "resources": ["inferenceobjectives", "inferencemodelrewrites"], "verbs": look,
            },
        ],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
        "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": config.namespace }],
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name },
    });
    // JSON is YAML.
    let map =
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": { "plugins.yaml": settings } });
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": metadata,
        "spec": {
            "selector": labels,
            "ports": [{ "name": "grpc-ext-proc", "port": PICKER_PORT, "targetPort": "grpc" }],
        },
    });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
        "spec": {
            "replicas": 1,
            // Which replica has what in its cache is known to one picker: two would know half of it each.
            "strategy": { "type": "Recreate" },
            "selector": { "matchLabels": labels },
            "template": {
                // It reads its settings when it starts: others make other pods.
                "metadata": { "labels": labels, "annotations": { "llmhost.dev/settings": settings } },
                "spec": picker_pod(config, picker, &name),
            },
        },
    });
    vec![
        ("picker-account", account, false),
        ("picker-role", role, false),
        ("picker-binding", binding, false),
        ("picker-settings", map, false),
        ("picker", deployment, true),
        ("picker-service", service, false),
    ]
}

fn picker_pod(config: &Config, picker: &Picker, name: &str) -> Value {
    let mut args = vec![
        "--pool-name",
        &config.name,
        "--pool-namespace",
        &config.namespace,
        "--pool-group",
        "inference.networking.k8s.io",
        "--config-file",
        "/config/plugins.yaml",
        "--zap-encoder",
        "json",
        "--tracing=false",
    ];
    if matches!(check::server(config), Ok(Server::Llmhost)) {
        // llmhost's server has no adapters to tell of; what is not looked for is not reported as missing.
        args.extend(["--lora-info-metric=", "--cache-info-metric="]);
    }
    let probe =
        |period: u32| json!({ "grpc": { "port": 9003, "service": "inference-extension" }, "periodSeconds": period });
    json!({
        "serviceAccountName": name,
        "terminationGracePeriodSeconds": 130,
        "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
        "containers": [{
            "name": "epp", "image": picker.image, "args": args,
            "ports": [
                { "name": "grpc", "containerPort": PICKER_PORT }, { "name": "grpc-health", "containerPort": 9003 },
                { "name": "metrics", "containerPort": 9090 },
            ],
            "resources": { "requests": { "cpu": "500m", "memory": "512Mi" }, "limits": { "memory": "2Gi" } },
            "livenessProbe": probe(10), "readinessProbe": probe(2),
            "env": [
                { "name": "NAMESPACE", "valueFrom": { "fieldRef": { "fieldPath": "metadata.namespace" } } },
                { "name": "POD_NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
            ],
            "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
            "volumeMounts": [{ "name": "settings", "mountPath": "/config", "readOnly": true }],
        }],
        "volumes": [{ "name": "settings", "configMap": { "name": name } }],
    })
}

/// A short queue and a free cache count, and a cache that has the beginning of the prompt counts most.
fn settings() -> Value {
    json!({
        "apiVersion": "inference.networking.x-k8s.io/v1alpha1", "kind": "EndpointPickerConfig",
        "plugins": [
            { "type": "queue-scorer" }, { "type": "kv-cache-utilization-scorer" }, { "type": "prefix-cache-scorer" },
        ],
        "schedulingProfiles": [{
            "name": "default",
            "plugins": [
                { "pluginRef": "queue-scorer", "weight": 2 }, { "pluginRef": "kv-cache-utilization-scorer", "weight": 2 },
                { "pluginRef": "prefix-cache-scorer", "weight": 3 },
            ],
        }],
    })
}

fn slash() -> String {
    "/".to_owned()
}

fn ten_minutes() -> u32 {
    600
}

fn picker_port() -> u32 {
    PICKER_PORT
}

fn picker_image() -> String {
    "registry.k8s.io/gateway-api-inference-extension/epp:v1.5.0".to_owned()
}
