//! The step's `with` table.

use std::collections::BTreeMap;

use llmhost_plugin::Elsewhere;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::gateway::Gateway;
use crate::model_cache::ModelCache;
use crate::monitor::Monitor;
use crate::rollout::{Rollout, Spread};
use crate::scaling::Scaling;

/// A model server.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the model runs: in the cluster, or on the machine that runs the pipeline.
    #[serde(default)]
    pub(crate) placement: Placement,
    /// What the model is asked, where it runs on this machine.
    #[serde(default)]
    pub(crate) prompt: Option<String>,
    /// System message: instructions for the model.
    #[serde(default)]
    pub(crate) system: Option<String>,
    /// Most tokens of the answer.
    #[serde(default = "default_tokens")]
    #[schemars(range(min = 1))]
    pub(crate) max_tokens: u32,
    /// 0 takes the likeliest token each time.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 2.0))]
    pub(crate) temperature: f32,
    /// Tokens of prompt and answer together, at most; by default what model and memory allow.
    #[serde(default)]
    pub(crate) context_length: Option<u32>,
    /// Name of the server: of its Deployment, Service and the rest.
    #[serde(default = "default_name")]
    pub(crate) name: String,
    /// Name of the cluster.
    #[serde(default)]
    pub(crate) cluster: Option<String>,
    /// Namespace.
    #[serde(default = "default_namespace")]
    pub(crate) namespace: String,
    /// Container image of the server; the repository's Dockerfile makes llmhost's, for CPU and for CUDA. Needed in the cluster.
    #[serde(default)]
    pub(crate) image: String,
    /// Whose server the image runs: llmhost's own, which gets llmhost's arguments, or another (custom), such as vLLM, which gets command and args alone. Needed where the image's name does not say llmhost.
    #[serde(default)]
    pub(crate) server: Option<Server>,
    /// Address of the model: s3://bucket/prefix, or on this machine a folder beside the pipeline file. For a custom server, set it in args.
    #[serde(default)]
    pub(crate) model: Option<String>,
    /// Service account of the pods; its role must be able to read the model.
    #[serde(default)]
    pub(crate) service_account: Option<String>,
    /// What the model runs on. auto takes a GPU if there is one, and says so loudly if there is none.
    #[serde(default)]
    pub(crate) device: Device,
    /// GPUs of each replica; by default 1, and 0 where the device is cpu.
    #[serde(default)]
    pub(crate) gpus: Option<u32>,
    /// What each replica asks for in place of whole GPUs of NVIDIA (gpus) or one MIG profile (mig_profile): any resource that a device plugin offers.
    #[serde(default)]
    pub(crate) gpu: Option<Gpu>,
    /// Ask for this number of devices of this MIG profile in place of whole GPUs: 1g.5gb. The device plugin must offer them: gpu_sharing = { mig = "mixed" }.
    #[serde(default)]
    pub(crate) mig_profile: Option<String>,
    /// How containers share GPUs, told to the device plugin that this step brings.
    #[serde(default)]
    pub(crate) gpu_sharing: Option<Sharing>,
    /// CPUs that each replica asks for.
    #[serde(default = "two")]
    pub(crate) cpu: String,
    /// Memory that each replica asks for, and may not exceed.
    #[serde(default = "eight_gib")]
    pub(crate) memory: String,
    /// How many replicas there are, by a number or by CPU use.
    #[serde(default)]
    pub(crate) replicas: Option<Replicas>,
    /// How many replicas there are, by what the server measures; in place of replicas.
    #[serde(default)]
    pub(crate) scaling: Option<Scaling>,
    /// How Prometheus finds the figures of the server: pod writes a PodMonitor of the Prometheus operator.
    #[serde(default)]
    pub(crate) monitor: Monitor,
    /// Labels of the PodMonitor, where the Prometheus chooses its monitors by labels: { release = "kube-prometheus-stack" }.
    #[serde(default)]
    pub(crate) monitor_labels: BTreeMap<String, String>,
    /// A Gateway that sends each request to the replica that is likely to answer it first: an InferencePool, its endpoint picker and an HTTPRoute.
    #[serde(default)]
    pub(crate) gateway: Option<Gateway>,
    /// How another image or model replaces the pods: surge starts a new replica before an old one ends, and needs room for one more; replace ends an old one first. By default surge, and replace where GPUs are asked for.
    #[serde(default)]
    pub(crate) rollout: Option<Rollout>,
    /// How replicas are spread over zones and nodes; by default prefer, where there can be more than one.
    #[serde(default)]
    pub(crate) topology_spread: Option<Spread>,
    /// Labels that nodes must have.
    #[serde(default)]
    pub(crate) node_selector: BTreeMap<String, String>,
    /// Taints that do not keep the pods away, by key, on top of nvidia.com/gpu where GPUs are asked for.
    #[serde(default)]
    pub(crate) tolerate: Vec<String>,
    /// Where the model is kept once it is fetched.
    #[serde(default)]
    pub(crate) cache: Cache,
    /// What replicas share of the model, so that a new one starts sooner: node keeps it on the node's disk for the pods that come after; mountpoint reads it from S3 as a file system and fetches nothing.
    #[serde(default)]
    pub(crate) model_cache: ModelCache,
    /// Port of the service.
    #[serde(default = "eighty")]
    #[schemars(range(min = 1, max = 65535))]
    pub(crate) port: u32,
    /// How the service is reached: from inside the cluster, or by a load balancer.
    #[serde(default)]
    pub(crate) service: Service,
    /// Annotations of the service, for the load balancer's controller.
    #[serde(default)]
    pub(crate) service_annotations: BTreeMap<String, String>,
    /// Port that the server in the container listens on.
    #[serde(default = "eight_thousand")]
    #[schemars(range(min = 1, max = 65535))]
    pub(crate) server_port: u32,
    /// Path that answers with 200 when a custom server is ready for requests; by default /health, as vLLM, SGLang and text-generation-inference have it.
    #[serde(default)]
    pub(crate) ready_path: Option<String>,
    /// Path that answers with 200 while a custom server is alive; by default the same.
    #[serde(default)]
    pub(crate) live_path: Option<String>,
    /// Environment of the server.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// Secrets and ConfigMaps of the namespace whose entries all become environment of the server.
    #[serde(default)]
    pub(crate) env_from: Vec<Source>,
    /// Key that requests to llmhost's server must carry: a secret of the file, ${secrets.name}.
    #[serde(default)]
    pub(crate) api_key: Option<String>,
    /// Environment of the server whose values are secrets of the file: name = "${secrets.name}".
    #[serde(default)]
    pub(crate) secret_env: BTreeMap<String, String>,
    /// Arguments of the server: further ones of llmhost's, all of a custom one.
    #[serde(default)]
    pub(crate) args: Vec<String>,
    /// Command of a custom server, in place of the image's entrypoint.
    #[serde(default)]
    pub(crate) command: Vec<String>,
    /// Number of the user that a custom server runs as; by default the image's own. llmhost's runs as a user without rights.
    #[serde(default)]
    pub(crate) run_as_user: Option<u32>,
    /// Shared memory in GiB (/dev/shm), which servers that use several GPUs exchange data by.
    #[serde(default)]
    pub(crate) shared_memory_gib: Option<u32>,
    /// How long a replica may take until it is ready: fetching the model, loading it, warming up.
    #[serde(default = "twenty")]
    #[schemars(range(min = 1, max = 1440))]
    pub(crate) startup_minutes: u32,
    /// How long a replica that is to stop still takes requests, until load balancers know that it stops.
    #[serde(default = "five")]
    #[schemars(range(max = 300))]
    pub(crate) drain_delay_seconds: u32,
    /// How long a replica may take after that to finish what it is at.
    #[serde(default = "thirty")]
    #[schemars(range(min = 1, max = 3600))]
    pub(crate) drain_seconds: u32,
    /// NVIDIA's device plugin, which makes GPUs known to the cluster: a DaemonSet. By default where GPUs are asked for; false where the nodes' image brings it (${gpu.needs_device_plugin}), or another step does.
    #[serde(default)]
    pub(crate) device_plugin: Option<bool>,
    /// Image of NVIDIA's device plugin.
    #[serde(default = "device_plugin_image")]
    pub(crate) device_plugin_image: String,
    /// Make the namespace.
    #[serde(default)]
    pub(crate) create_namespace: bool,
    /// Wait until the server is ready.
    #[serde(default = "yes")]
    pub(crate) wait: bool,
    /// Where the server goes, where it is not the cluster itself.
    #[serde(default)]
    pub(crate) target: Option<Elsewhere>,
}

/// What a model runs on.
#[derive(Deserialize, JsonSchema, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Device {
    #[default]
    Cuda,
    Cpu,
    Auto,
}

/// How many replicas there are.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replicas {
    /// Fewest.
    #[serde(default = "one")]
    pub(crate) min: u32,
    /// Most. More than the fewest lets an autoscaler choose.
    #[serde(default = "one")]
    pub(crate) max: u32,
    /// CPU use in percent that the autoscaler aims at.
    #[serde(default = "seventy")]
    #[schemars(range(min = 1, max = 100))]
    pub(crate) cpu_percent: u32,
}

/// What a replica computes on.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gpu {
    /// Name of the resource: nvidia.com/gpu, nvidia.com/mig-1g.10gb, nvidia.com/gpu.shared.
    pub(crate) resource: String,
    /// How many of it.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub(crate) count: u32,
}

impl Default for Replicas {
    fn default() -> Self {
        Self { min: one(), max: one(), cpu_percent: seventy() }
    }
}

/// Where a model runs.
#[derive(Deserialize, JsonSchema, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Placement {
    #[default]
    Cluster,
    Local,
}

/// Where a model is kept.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cache {
    /// Room for it in GiB.
    #[serde(default = "twenty")]
    pub(crate) size_gib: u32,
    /// Storage class of a volume that outlives pods; by default the node's own disk.
    #[serde(default)]
    pub(crate) storage_class: Option<String>,
    /// Where it is mounted: the folder that the server keeps models in.
    #[serde(default = "cache_path")]
    pub(crate) path: String,
}

impl Default for Cache {
    fn default() -> Self {
        Self { size_gib: twenty(), storage_class: None, path: cache_path() }
    }
}

/// Whose server an image runs.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Server {
    /// llmhost's.
    Llmhost,
    /// Another one, with arguments of its own.
    Custom,
}

/// Where environment comes from: a Secret or a ConfigMap.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Source {
    /// Name of a Secret.
    #[serde(default)]
    pub(crate) secret: Option<String>,
    /// Name of a ConfigMap.
    #[serde(default)]
    pub(crate) config_map: Option<String>,
    /// What each name starts with in the environment.
    #[serde(default)]
    pub(crate) prefix: Option<String>,
}

/// How a service is reached.
#[derive(Deserialize, JsonSchema, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Service {
    #[default]
    Internal,
    LoadBalancer,
}

fn default_name() -> String {
    "model-server".to_owned()
}

fn default_tokens() -> u32 {
    128
}

fn default_namespace() -> String {
    "default".to_owned()
}

fn two() -> String {
    "2".to_owned()
}

fn eight_gib() -> String {
    "8Gi".to_owned()
}

/// How containers share GPUs.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sharing {
    /// Offer each GPU, or MIG device, this number of times: containers take turns on it and share its memory, which nothing divides.
    #[serde(default)]
    #[schemars(range(min = 2, max = 100))]
    pub(crate) time_slicing: Option<u32>,
    /// Multi-Instance GPU: single offers the parts of GPUs that are all cut alike as nvidia.com/gpu, mixed each under a name of its own. The nodes cut their GPUs themselves.
    #[serde(default)]
    pub(crate) mig: Option<Mig>,
}

/// How parts of GPUs are offered.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mig {
    Single,
    Mixed,
}

fn device_plugin_image() -> String {
    "nvcr.io/nvidia/k8s-device-plugin:v0.17.4".to_owned()
}

fn one() -> u32 {
    1
}

fn twenty() -> u32 {
    20
}

fn five() -> u32 {
    5
}

fn thirty() -> u32 {
    30
}

fn seventy() -> u32 {
    70
}

fn eight_thousand() -> u32 {
    8000
}

fn cache_path() -> String {
    "/var/cache/llmhost".to_owned()
}

fn eighty() -> u32 {
    80
}

fn yes() -> bool {
    true
}
