//! The `inference` plugin: a model server in the cluster, or a model on this machine.

mod check;
mod config;
mod container;
mod device_plugin;
mod gateway;
mod local;
mod manifests;
mod model_cache;
mod monitor;
mod rollout;
mod scaling;

use config::{Config, Placement};
use llmhost_plugin::{Applier, Failure, How, Output, Outputs, Plugin, outputs};
use serde_json::{Value, json};

struct ModelServer;

impl Plugin for ModelServer {
    type Config = Config;
    const SUMMARY: &'static str =
        "A model: a server in the cluster with everything that it needs, or one prompt to a model on this machine.";
    const OUTPUTS: &'static [Output] = &[
        Output::text("url", "Address of the server inside the cluster, or null"),
        Output::text("deployment", "Name of the Deployment, or null"),
        Output::text("service", "Name of the Service, or null"),
        Output::text("namespace", "Namespace of both, or null"),
        Output::any("answer", "The answer of the model on this machine, or null"),
        Output::any("tokens_per_second", "Its tokens per second, or null"),
        Output::text("provider", "Its device, cpu or cuda, or null"),
    ];

    fn run(config: Config) -> Result<Outputs, Failure> {
        if config.placement == Placement::Local {
            return local::ask(&config);
        }
        check::in_cluster(&config)?;
        device_plugin::check(&config)?;
        let applier = Applier::new(config.cluster.as_deref(), config.target.as_ref(), config.startup_minutes)?;
        let (rolled_out, at_once) = (How { adopt: false, wait: config.wait }, How::default());
        if config.create_namespace {
            let manifest = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": config.namespace } });
            applier.apply("namespace", &manifest, at_once)?;
        }
        if config.brings_device_plugin() {
            for (name, manifest) in device_plugin::objects(&config)? {
                applier.apply(name, &manifest, rolled_out)?;
            }
        }
        if let Some(claim) = manifests::claim(&config) {
            applier.apply("cache", &claim, at_once)?;
        }
        for (name, object) in model_cache::objects(&config) {
            applier.apply(&name, &object, at_once)?;
        }
        if let Some(secret) = manifests::secret(&config) {
            applier.apply("secrets", &secret, at_once)?;
        }
        let deployment = applier.apply("server", &manifests::deployment(&config), rolled_out)?;
        let service = applier.apply("service", &manifests::service(&config), rolled_out)?;
        applier.apply("disruption-budget", &manifests::disruption_budget(&config), at_once)?;
        if let Some(autoscaler) = manifests::autoscaler(&config) {
            applier.apply("autoscaler", &autoscaler, at_once)?;
        }
        for (name, object) in scaling::objects(&config) {
            applier.apply(name, &object, at_once)?;
        }
        if let Some(monitor) = monitor::object(&config) {
            applier.apply("monitor", &monitor, at_once)?;
        }
        for (name, object, is_awaited) in gateway::objects(&config) {
            applier.apply(name, &object, if is_awaited { rolled_out } else { at_once })?;
        }
        let (service, namespace) = (service.name()?, &config.namespace);
        Ok(outputs! {
            "url": format!("http://{service}.{namespace}.svc:{}", config.port),
            "deployment": deployment.name()?,
            "service": service,
            "namespace": namespace,
            "answer": Value::Null,
            "tokens_per_second": Value::Null,
            "provider": Value::Null,
        })
    }
}

llmhost_plugin::export!(ModelServer);
