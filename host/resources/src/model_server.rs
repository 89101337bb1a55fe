//! Model servers of llmhost among the objects of a plan or a state: what their containers run.

use llmhost_engine::names::ResourceAddress;
use llmhost_engine::plan::{Action, Plan};
use llmhost_engine::state::State;
use serde_json::Value;

/// The command that llmhost's server has among a container's arguments.
const SERVE: &str = "serve";

/// A Deployment whose container runs `llmhost serve`.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelServer {
    /// The Deployment.
    pub address: ResourceAddress,
    /// The name of the Deployment.
    pub name: String,
    /// The container's image.
    pub image: String,
    /// The container's arguments, `serve` included.
    pub args: Vec<String>,
    /// Its environment, without what comes from secrets and config maps.
    pub env: Vec<(String, String)>,
    /// Names in its environment whose values come from secrets.
    pub secret_env: Vec<String>,
    /// What the container may take at most: `memory`, `nvidia.com/gpu`.
    pub limits: Value,
    /// Labels that its nodes must have.
    pub node_selector: Value,
    /// The seconds that it may take until it is ready.
    pub startup_seconds: u64,
}

impl ModelServer {
    /// Every server that a plan declares.
    pub fn of_plan(plan: &Plan) -> Vec<Self> {
        let declared = plan.resources.iter().filter(|(_, planned)| planned.action != Action::Delete);
        declared.filter_map(|(address, planned)| Self::of_spec(address, &planned.spec)).collect()
    }

    /// Every server that a state holds.
    pub fn of_state(state: &State) -> Vec<Self> {
        state.instances().filter_map(|(address, instance)| Self::of_spec(address, &instance.spec)).collect()
    }

    /// Reads the spec of a `kube.object`; nothing where it is no server of llmhost.
    pub fn of_spec(address: &ResourceAddress, spec: &Value) -> Option<Self> {
        let manifest = &spec["manifest"];
        if address.kind() != "kube.object" || manifest["kind"] != "Deployment" {
            return None;
        }
        let pod = &manifest["spec"]["template"]["spec"];
        let container = pod["containers"].as_array()?.iter().find(|container| container["args"][0] == SERVE)?;
        let texts = |list: &Value| -> Vec<String> {
            list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let env = || container["env"].as_array().into_iter().flatten();
        let name = |entry: &Value| entry["name"].as_str().map(str::to_owned);
        let probe = &container["startupProbe"];
        let seconds = |field: &str, otherwise| probe[field].as_u64().unwrap_or(otherwise);
        Some(Self {
            address: address.clone(),
            name: manifest["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
            image: container["image"].as_str().unwrap_or_default().to_owned(),
            args: texts(&container["args"]),
            env: env().filter_map(|entry| Some((name(entry)?, entry["value"].as_str()?.to_owned()))).collect(),
            secret_env: env().filter(|entry| entry.get("valueFrom").is_some()).filter_map(name).collect(),
            limits: container["resources"]["limits"].clone(),
            node_selector: pod["nodeSelector"].clone(),
            startup_seconds: seconds("periodSeconds", 10) * seconds("failureThreshold", 3),
        })
    }

    /// The value of an option, the last where it stands there more than once: `--model`, `--weights`.
    pub fn option(&self, name: &str) -> Option<&str> {
        let at = self.args.iter().rposition(|arg| arg == name)?;
        self.args.get(at + 1).map(String::as_str)
    }

    /// Whether it may run on a GPU.
    pub fn wants_gpu(&self) -> bool {
        self.option("--device") != Some("cpu")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_deployment_that_runs_llmhost_is_told_from_others() {
        let address: ResourceAddress = "server/kube.object/deployment".parse().expect("an address");
        let spec = |args: Value| {
            json!({ "manifest": { "kind": "Deployment", "metadata": { "name": "chat" }, "spec": { "template": { "spec": {
                "containers": [{ "image": "llmhost:1", "args": args, "env": [
                    { "name": "A", "value": "1" }, { "name": "LLMHOST_API_KEY", "valueFrom": { "secretKeyRef": {} } },
                ], "startupProbe": { "periodSeconds": 10, "failureThreshold": 120 } }],
            } } } } })
        };
        let server = ModelServer::of_spec(&address, &spec(json!(["serve", "--model", "s3://b/m", "--device", "cpu"])));
        let server = server.expect("a server");
        assert_eq!((server.option("--model"), server.option("--weights")), (Some("s3://b/m"), None));
        assert_eq!((server.wants_gpu(), server.startup_seconds), (false, 1200));
        assert_eq!(server.env, [("A".to_owned(), "1".to_owned())]);
        assert_eq!(server.secret_env, ["LLMHOST_API_KEY"]);
        assert_eq!(ModelServer::of_spec(&address, &spec(json!(["--model", "mistral"]))), None);
    }
}
