//! Whether the image of a model server is there, is for the nodes' processor, and is llmhost's.

use llmhost_engine::unknown;
use llmhost_registry::{Image, OciAddress, RegistryError, image};

use super::instances::machine;
use super::models::is_called;
use super::{Finding, Severity, View, texts};
use crate::aws::clients::{Aws, AwsSettings};
use crate::aws::ecr::{ecr_login, ecr_region};
use crate::model_server::ModelServer;

/// What llmhost's own images are labelled with.
pub const LABEL: &str = "dev.llmhost.server";
/// The program that they start.
const PROGRAM: &str = "llmhost";
/// How an image is made.
const BUILD: &str =
    "Build and push it: llmhost image --push REPOSITORY:TAG (docs/serving.md), and give its name in image.";

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for server in servers(view) {
        if let Err(error) = OciAddress::of_image(&server.image) {
            let message = format!("'{}' is not the name of an image: {}", server.image, reason(&error));
            let fix = "Write it like 123456789012.dkr.ecr.us-east-1.amazonaws.com/llmhost:0.1.0.".to_owned();
            findings.push(finding(&server, Severity::Error, "image-name", message, fix));
        }
    }
}

/// Asks the registries. Where AWS is emulated, so are the nodes, and nobody pulls.
pub(super) async fn ask(aws: &Aws, view: &View<'_>, findings: &mut Vec<Finding>) {
    if aws.settings.placeholder_secrets {
        return;
    }
    for server in servers(view) {
        let Ok(address) = OciAddress::of_image(&server.image) else { continue };
        let found = match look(&aws.settings, &address).await {
            Some(found) => found,
            None => continue,
        };
        findings.extend(match found {
            Ok(image) => faults(&server, &image, architecture(view, &server)),
            Err(trouble) => vec![trouble.finding(&server)],
        });
    }
}

/// Why an image is not known.
enum Trouble {
    /// It is not there.
    Missing(String),
    /// Nobody could say whether it is.
    Unknown(String),
}

impl Trouble {
    fn finding(self, server: &ModelServer) -> Finding {
        let image = &server.image;
        match self {
            Self::Missing(reason) => finding(
                server,
                Severity::Error,
                "image-missing",
                format!("there is no image {image} in its registry ({reason})"),
                BUILD.to_owned(),
            ),
            Self::Unknown(reason) => finding(
                server,
                Severity::Warning,
                "image-unchecked",
                format!("whether the image {image} exists could not be checked: {reason}"),
                "Log in with docker login where the registry is private, and see that the nodes may pull from it."
                    .to_owned(),
            ),
        }
    }
}

/// Asks one registry; nothing where there is none behind an emulated AWS.
async fn look(settings: &AwsSettings, address: &OciAddress) -> Option<Result<Image, Trouble>> {
    let region = ecr_region(address.host());
    let login = match region {
        // ECR is where AWS is, and there is no registry at this endpoint.
        Some(_) if Aws::new(settings.clone()).endpoint().await.is_some() => return None,
        Some(region) => match ecr_login(settings, region).await {
            Ok(login) => Some(login),
            Err(error) => return Some(Err(Trouble::Unknown(error.to_string()))),
        },
        None => None,
    };
    Some(image(address, login).await.map_err(|error| match error {
        RegistryError::NotFound { .. } | RegistryError::NotImage { .. } => Trouble::Missing(reason(&error)),
        // With a login of the account, ECR says so of what is not there.
        RegistryError::Denied { .. } if region.is_some() => Trouble::Missing(reason(&error)),
        other => Trouble::Unknown(reason(&other)),
    }))
}

/// What is wrong with an image that is there.
fn faults(server: &ModelServer, found: &Image, wanted: Option<&str>) -> Vec<Finding> {
    let image = &server.image;
    let mut all = Vec::new();
    if let Some(wanted) = wanted.filter(|wanted| !found.architectures.iter().any(|one| one == wanted)) {
        let message = format!("{image} is for {}, and the nodes are {wanted}", found.architectures.join(", "));
        let fix = format!("Build it for {wanted} (llmhost image on such a machine), or choose other instance types.");
        all.push(finding(server, Severity::Error, "image-architecture", message, fix));
    }
    let program = found.command.first().and_then(|first| first.rsplit('/').next());
    if !found.labels.contains_key(LABEL) && program != Some(PROGRAM) {
        let starts = if found.command.is_empty() { "nothing".to_owned() } else { found.command.join(" ") };
        let message = format!("{image} starts {starts}, and not llmhost, whose arguments it would get");
        let fix = "Name an image that llmhost image made, or state server = \"custom\" with the server's own args."
            .to_owned();
        all.push(finding(server, Severity::Error, "image-server", message, fix));
    }
    all
}

/// The processor of the nodes that a server runs on, by Docker's names, where all have the same.
fn architecture(view: &View<'_>, server: &ModelServer) -> Option<&'static str> {
    let name = &server.node_selector["eks.amazonaws.com/nodegroup"];
    let groups: Vec<_> = view.of_kind("eks.node-group").collect();
    let chosen = groups.iter().filter(|group| name.is_null() || is_called(group, name));
    let mut all: Vec<bool> =
        chosen.flat_map(|group| texts(group.spec, "instance_types")).filter_map(machine).map(|one| one.arm).collect();
    all.dedup();
    match all[..] {
        [arm] => Some(if arm { "arm64" } else { "amd64" }),
        _ => None,
    }
}

/// The servers that are made or changed, and whose image is known.
fn servers(view: &View<'_>) -> Vec<ModelServer> {
    let declared = view.checked("kube.object");
    let servers = declared.filter_map(|declared| ModelServer::of_spec(declared.address, declared.spec));
    servers.filter(|server| !unknown::is_unknown(&server.image)).collect()
}

fn reason(error: &RegistryError) -> String {
    match error {
        RegistryError::Address { reason, .. } => reason.clone(),
        other => other.to_string(),
    }
}

fn finding(server: &ModelServer, severity: Severity, code: &'static str, message: String, fix: String) -> Finding {
    Finding { severity, code, address: server.address.clone(), keys: &["image"], message, fix }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{found, plan, says, token};
    use super::*;

    fn declared(image: &str, types: &[&str]) -> llmhost_engine::plan::Plan {
        let selector = json!({ "eks.amazonaws.com/nodegroup": token("gpu/eks.node-group/main", "node_group_name") });
        let pod = json!({ "containers": [{ "image": image, "args": ["serve", "--model", "s3://b/m"] }], "nodeSelector": selector });
        plan([
            ("gpu/eks.node-group/main".to_owned(), json!({ "instance_types": types, "node_group_name": "gpu" })),
            (
                "cpu/eks.node-group/main".to_owned(),
                json!({ "instance_types": ["t4g.medium"], "node_group_name": "cpu" }),
            ),
            (
                "server/kube.object/deployment".to_owned(),
                json!({ "manifest": { "kind": "Deployment", "spec": { "template": { "spec": pod } } } }),
            ),
        ])
    }

    #[test]
    fn an_image_has_a_name_that_a_registry_would_take() {
        for (image, wanted) in [
            ("public.ecr.aws/llmhost/llmhost:1", None),
            ("llmhost", None),
            ("llmhost:a b", Some(("image-name", "'llmhost:a b' is not the name of an image"))),
            ("Llmhost/Server:1", Some(("image-name", "is not the name"))),
        ] {
            says(&found(&declared(image, &["g4dn.xlarge"]), check), wanted);
        }
    }

    #[test]
    fn an_image_is_for_the_nodes_and_llmhosts() {
        let image = |architecture: &str, command: &str, label: &str| Image {
            architectures: vec![architecture.to_owned()],
            command: vec![command.to_owned()],
            labels: [(label.to_owned(), "1".to_owned())].into(),
        };
        let plan = declared("llmhost:1", &["g4dn.xlarge"]);
        let state = llmhost_engine::state::State::default();
        let view = View::new(&plan, &state, false);
        let server = servers(&view).remove(0);
        assert_eq!(architecture(&view, &server), Some("amd64"));
        for (image, wanted) in [
            (image("amd64", "/usr/local/bin/llmhost", "other"), None),
            (image("amd64", "/run.sh", LABEL), None),
            (image("arm64", "llmhost", LABEL), Some(("image-architecture", "is for arm64, and the nodes are amd64"))),
            (image("amd64", "python3", "other"), Some(("image-server", "starts python3, and not llmhost"))),
        ] {
            says(&faults(&server, &image, Some("amd64")), wanted);
        }
        for (trouble, wanted) in [
            (Trouble::Missing("llmhost:1 was not found".to_owned()), ("image-missing", "there is no image llmhost:1")),
            (Trouble::Unknown("it is down".to_owned()), ("image-unchecked", "could not be checked: it is down")),
        ] {
            says(&[trouble.finding(&server)], Some(wanted));
        }
    }
}
