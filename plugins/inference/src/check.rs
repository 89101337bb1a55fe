//! Options of a server in the cluster that cannot work, said before anything is made.

use llmhost_plugin::{Failure, invalid};

use crate::config::{Config, Device, Server};
use crate::{gateway, model_cache, monitor, scaling};

/// Checks the options of a server in the cluster.
pub(crate) fn in_cluster(config: &Config) -> Result<(), Failure> {
    if config.prompt.is_some() {
        return Err(invalid("prompt is only for placement = \"local\""));
    }
    if config.image.is_empty() || config.image.contains(char::is_whitespace) {
        return Err(invalid(format!("image '{}' is not the name of an image", config.image)));
    }
    if let Some(replicas) = config.replicas.as_ref().filter(|replicas| replicas.max < replicas.min) {
        let (min, max) = (replicas.min, replicas.max);
        return Err(invalid(format!("replicas.max is {max}, fewer than replicas.min ({min})")));
    }
    for source in &config.env_from {
        if source.secret.is_some() == source.config_map.is_some() {
            return Err(invalid("every entry of env_from names one secret or one config_map"));
        }
    }
    let mut twice = config.secret_env.keys().filter(|name| config.env.contains_key(*name));
    if let Some(name) = twice.next() {
        return Err(invalid(format!("{name} is in env and in secret_env; keep one of them")));
    }
    if !config.cache.path.starts_with('/') {
        return Err(invalid(format!("cache.path '{}' does not start with a slash", config.cache.path)));
    }
    if let Some(gpu) = &config.gpu {
        gpu_resource(config, &gpu.resource)?;
    }
    match server(config)? {
        Server::Llmhost => own(config),
        Server::Custom => custom(config),
    }?;
    model_cache::check(config)?;
    monitor::check(config)?;
    gateway::check(config)?;
    scaling::check(config)
}

fn gpu_resource(config: &Config, resource: &str) -> Result<(), Failure> {
    if config.gpus.is_some() || config.mig_profile.is_some() {
        return Err(invalid("gpu, gpus and mig_profile all set the device of a replica; keep gpu, or the other two"));
    }
    if config.device == Device::Cpu {
        return Err(invalid(format!("gpu requests {resource}, and device is cpu")));
    }
    // Extended resources have a domain: what has none is Kubernetes' own.
    let parts = resource.split_once('/').filter(|(domain, name)| domain.contains('.') && !name.is_empty());
    match parts {
        None if !resource.contains("<<") => Err(invalid(format!(
            "gpu.resource '{resource}' is not the name of a device such as nvidia.com/gpu or nvidia.com/mig-1g.10gb"
        ))),
        _ => Ok(()),
    }
}

/// Whose server it is: what the file states, or llmhost's, where the image's name says so. Nothing is guessed: another
/// server would not understand llmhost's arguments.
pub(crate) fn server(config: &Config) -> Result<Server, Failure> {
    match config.server {
        Some(stated) => Ok(stated),
        None if is_named_llmhost(&config.image) => Ok(Server::Llmhost),
        None => Err(invalid(format!(
            "image '{}' does not show which server it runs; set server = \"llmhost\" if llmhost's Dockerfile built the \
             image, or server = \"custom\" with its args if it is another server",
            config.image
        ))),
    }
}

/// Whether the name of an image, without registry and tag, says llmhost.
fn is_named_llmhost(image: &str) -> bool {
    let image = image.split('@').next().unwrap_or_default();
    let name = image.rsplit('/').next().unwrap_or_default();
    name.split(':').next().unwrap_or_default().contains("llmhost")
}

fn own(config: &Config) -> Result<(), Failure> {
    match &config.model {
        None => return Err(invalid("model is missing: the s3:// address of the model that llmhost's server loads")),
        Some(model) if !model.starts_with("s3://") && !model.contains("<<") => {
            return Err(invalid(format!("model '{model}' is not an s3:// address")));
        }
        Some(_) => {}
    }
    let stated = [
        ("command", !config.command.is_empty()),
        ("ready_path", config.ready_path.is_some()),
        ("live_path", config.live_path.is_some()),
        ("run_as_user", config.run_as_user.is_some()),
    ];
    match stated.into_iter().find(|(_, is_stated)| *is_stated) {
        Some((option, _)) => {
            Err(invalid(format!("{option} is for server = \"custom\"; llmhost's server has it built in")))
        }
        None => Ok(()),
    }
}

fn custom(config: &Config) -> Result<(), Failure> {
    if let Some(model) = config.model.as_ref().filter(|_| !model_cache::takes_model(config)) {
        return Err(invalid(format!(
            "model is for llmhost's server; use the options of a custom server, such as args = [\"--model\", \
                \"{model}\"]"
        )));
    }
    if config.api_key.is_some() {
        return Err(invalid(
            "api_key is for llmhost's server; set the key of a custom server with secret_env, such as \
             secret_env = { VLLM_API_KEY = \"${secrets.name}\" }",
        ));
    }
    if config.context_length.is_some() {
        return Err(invalid("context_length is for placement = \"local\"; use args for a custom server"));
    }
    for (option, path) in [("ready_path", &config.ready_path), ("live_path", &config.live_path)] {
        if let Some(path) = path.as_ref().filter(|path| !path.starts_with('/')) {
            return Err(invalid(format!("{option} '{path}' does not start with a slash")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(options: &str) -> Config {
        serde_json::from_str(options).expect("options")
    }

    #[test]
    fn whose_server_it_is_is_stated_or_stands_in_the_images_name() {
        for (image, is_own) in [
            ("public.ecr.aws/llmhost/llmhost:0.1.0-cuda", true),
            ("123456789012.dkr.ecr.us-east-1.amazonaws.com/team/llmhost-cpu@sha256:0", true),
            ("vllm/vllm-openai:v0.8.5", false),
            ("ghcr.io/llmhost/vllm:1", false),
            ("example.com/ours:llmhost", false),
        ] {
            let found = server(&config(&format!(r#"{{ "image": "{image}" }}"#)));
            assert_eq!(found.is_ok(), is_own, "{image}");
        }
    }

    #[test]
    fn options_that_the_server_would_not_understand_are_refused() {
        let (own, custom) =
            (r#""image": "llmhost:1", "model": "s3://b/m""#, r#""image": "vllm:1", "server": "custom""#);
        for (options, words) in [
            (own.to_string(), None),
            (custom.to_string(), None),
            (format!(r#"{custom}, "args": ["--model", "m"], "command": ["vllm"], "ready_path": "/ready""#), None),
            (r#""image": "llmhost:1""#.to_owned(), Some("model is missing")),
            (format!(r#"{own}, "command": ["vllm"]"#), Some("command is for server")),
            (format!(r#"{own}, "gpu": {{ "resource": "nvidia.com/mig-1g.10gb" }}"#), None),
            (format!(r#"{own}, "gpu": {{ "resource": "nvidia.com/gpu" }}, "gpus": 2"#), Some("keep gpu")),
            (format!(r#"{own}, "gpu": {{ "resource": "nvidia.com/gpu" }}, "device": "cpu""#), Some("device is cpu")),
            (format!(r#"{own}, "gpu": {{ "resource": "gpu" }}"#), Some("not the name of a device")),
            (format!(r#"{own}, "monitor_labels": {{ "release": "p" }}"#), Some("set monitor")),
            (format!(r#"{own}, "gateway": {{ "name": "g", "path": "v1" }}"#), Some("start with a slash")),
            (format!(r#"{own}, "gateway": {{ "name": "g", "engine_type": "sglang" }}"#), Some("has vLLM's names")),
            (format!(r#"{own}, "model_cache": "mountpoint""#), None),
            (
                format!(r#"{own}, "model_cache": "node", "cache": {{ "storage_class": "efs" }}"#),
                Some("keep one of them"),
            ),
            (format!(r#"{custom}, "model_cache": "mountpoint", "model": "s3://b/m""#), None),
            (format!(r#"{custom}, "model_cache": "mountpoint""#), Some("needs the model's address")),
            (
                r#""image": "llmhost:1", "model": "s3://<<x>>/m", "model_cache": "mountpoint""#.to_owned(),
                Some("known only"),
            ),
            (format!(r#"{own}, "live_path": "/health""#), Some("live_path is for server")),
            (format!(r#"{custom}, "model": "s3://b/m""#), Some("args = [\"--model\", \"s3://b/m\"]")),
            (format!(r#"{custom}, "api_key": "x""#), Some("secret_env")),
            (format!(r#"{custom}, "ready_path": "health""#), Some("does not start with a slash")),
            (format!(r#"{custom}, "env_from": [{{}}]"#), Some("one secret or one config_map")),
            (
                format!(r#"{custom}, "env": {{ "A": "1" }}, "secret_env": {{ "A": "2" }}"#),
                Some("A is in env and in secret_env"),
            ),
        ] {
            let checked = in_cluster(&config(&format!("{{ {options} }}"))).map_err(|failure| format!("{failure:?}"));
            match words {
                None => assert_eq!(checked, Ok(()), "{options}"),
                Some(words) => {
                    assert!(checked.as_ref().is_err_and(|error| error.replace("\\", "").contains(words)), "{checked:?}")
                }
            }
        }
    }
}
