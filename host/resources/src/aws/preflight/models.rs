//! Whether the folder that a model server loads from is a model, and whether it fits where it runs.

use std::path::{Path, PathBuf};

use llmhost_engine::kind::OpError;
use llmhost_engine::unknown::{self, Source};
use llmhost_inference::model::{Inspected, Precision, inspect};
use serde_json::Value;

use super::capacity;
use super::{Declared, Finding, Severity, View, text};
use crate::aws::clients::Aws;
use crate::model_server::ModelServer;

/// What a server takes beside the weights: the library, the cache of keys and values, buffers.
const OVERHEAD: f64 = 1.1;

/// A server with the local folder that its model is uploaded from.
struct Uploaded<'a> {
    server: ModelServer,
    declared: Declared<'a>,
    folder: PathBuf,
    /// As the file names it.
    source: &'a str,
}

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for uploaded in uploaded(view) {
        let found = inspect(&uploaded.folder, uploaded.server.option("--weights"), uploaded.server.wants_gpu());
        match found {
            Err(error) => findings.push(finding(
                &uploaded,
                Severity::Error,
                "model-folder",
                format!("the server cannot load the model that is uploaded from '{}': {error}", uploaded.source),
                format!(
                    "Put an ONNX export with config.json and tokenizer.json into '{}', such as `optimum-cli export onnx --model \
                     MODEL FOLDER` writes, or `llmhost fetch --model s3://BUCKET/PREFIX --to FOLDER` fetches.",
                    uploaded.source
                ),
            )),
            Ok(model) => {
                findings.extend(slow(&uploaded, &model));
                findings.extend(no_memory(&uploaded, &model));
            }
        }
    }
}

/// What only AWS knows: the memory of the GPUs. A model of random weights is said where something real is made of it.
pub(super) async fn ask(aws: &Aws, view: &View<'_>, findings: &mut Vec<Finding>) -> Result<(), OpError> {
    for uploaded in uploaded(view) {
        let server = &uploaded.server;
        let Ok(model) = inspect(&uploaded.folder, server.option("--weights"), server.wants_gpu()) else { continue };
        if model.is_random && !aws.settings.placeholder_secrets {
            findings.push(finding(
                &uploaded,
                Severity::Warning,
                "model-random",
                format!("the model in '{}' has random weights: its answers mean nothing", uploaded.source),
                "Upload a trained model; docs/serving.md says how to export and fetch one.".to_owned(),
            ));
        }
        if !server.wants_gpu() {
            continue;
        }
        let name = &server.node_selector["eks.amazonaws.com/nodegroup"];
        for group in view.of_kind("eks.node-group").filter(|group| is_called(group, name)) {
            for info in capacity::types(aws, &group).await? {
                let kind = info.instance_type().map(|kind| kind.as_str()).unwrap_or_default();
                let gpus = info.gpu_info().map(|info| info.gpus()).unwrap_or_default();
                let mib = gpus.iter().filter_map(|gpu| gpu.memory_info()?.size_in_mib()).max();
                let Some(bytes) = mib.and_then(|mib| u64::try_from(mib).ok()).map(|mib| mib << 20) else { continue };
                if needed(&model) > bytes {
                    findings.push(finding(
                        &uploaded,
                        Severity::Error,
                        "gpu-memory",
                        format!(
                            "the model takes {} or more, and a GPU of {kind} has {}",
                            gib(needed(&model)),
                            gib(bytes)
                        ),
                        "Choose an instance type with more memory per GPU, or upload a smaller precision of the model."
                            .to_owned(),
                    ));
                }
            }
        }
    }
    Ok(())
}

/// Whether a selector's value is the name of a node group, or stands for it.
pub(super) fn is_called(group: &Declared<'_>, name: &Value) -> bool {
    let is_token = || match unknown::whole(name.as_str().unwrap_or_default()) {
        Some(Source::Output(address, _)) => address == *group.address,
        _ => false,
    };
    group.spec["node_group_name"] == *name || is_token()
}

/// A precision that the device has no quick code for.
fn slow(uploaded: &Uploaded<'_>, model: &Inspected) -> Option<Finding> {
    let stated = uploaded.server.option("--device");
    let (message, fix) = match (stated, model.precision) {
        (Some("cuda"), Precision::Int8) => (
            "the model is in 8-bit integers, for which CUDA has no kernels: they run on the processor".to_owned(),
            "Upload the model in 16-bit floats (model_fp16.onnx) or in blocks of 4 bits (model_q4f16.onnx).",
        ),
        (Some("cuda"), Precision::Fp32) if model.has_group_query_attention => (
            "the model's attention (GroupQueryAttention) is in 32-bit floats, for which CUDA has no kernel".to_owned(),
            "Upload the model in 16-bit floats (model_fp16.onnx).",
        ),
        (Some("cpu"), Precision::Fp16) => (
            "the model is in 16-bit floats, which a processor converts at each step".to_owned(),
            "Upload the model in 32-bit floats, in 8-bit integers, or in blocks of 4 bits (model_q4.onnx).",
        ),
        _ => return None,
    };
    Some(finding(uploaded, Severity::Warning, "model-precision", message, fix.to_owned()))
}

/// On a processor the weights count against the container's memory.
fn no_memory(uploaded: &Uploaded<'_>, model: &Inspected) -> Option<Finding> {
    let limit = uploaded.server.limits["memory"].as_str().and_then(bytes)?;
    if uploaded.server.wants_gpu() || needed(model) <= limit {
        return None;
    }
    Some(finding(
        uploaded,
        Severity::Error,
        "model-memory",
        format!("the model takes {} or more, and a replica may take {}", gib(needed(model)), gib(limit)),
        format!("Set memory = \"{}Gi\" or more, on nodes that have it.", needed(model).div_ceil(1 << 30) + 1),
    ))
}

fn needed(model: &Inspected) -> u64 {
    (model.bytes as f64 * OVERHEAD) as u64
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

/// Bytes of a quantity of Kubernetes, in the units that memory is written in.
fn bytes(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let unit: u64 = match &text[end..] {
        "" => 1,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        _ => return None,
    };
    Some((number * unit as f64) as u64)
}

fn uploaded<'a>(view: &View<'a>) -> Vec<Uploaded<'a>> {
    let mut all = Vec::new();
    for declared in view.checked("kube.object") {
        let Some(server) = ModelServer::of_spec(declared.address, declared.spec) else { continue };
        let address = server.option("--model").and_then(|model| model.strip_prefix("s3://"));
        let Some((bucket, key)) = address.and_then(parted) else { continue };
        let folders = view.of_kind("s3.folder");
        let found = folders.into_iter().find_map(|folder| {
            if bucket_of(view, text(folder.spec, "bucket")) != bucket_of(view, bucket) {
                return None;
            }
            let rest = match text(folder.spec, "prefix") {
                "" => key,
                prefix => key.strip_prefix(prefix)?,
            };
            (rest.is_empty() || rest.starts_with('/') || text(folder.spec, "prefix").is_empty()).then(|| {
                (text(folder.spec, "source"), Path::new(text(folder.spec, "path")).join(rest.trim_matches('/')))
            })
        });
        // What others uploaded is not here to be read.
        if let Some((source, folder)) = found {
            all.push(Uploaded { server, declared, folder, source });
        }
    }
    all
}

/// Bucket and key of an address. A token of a bucket has slashes in it, too.
fn parted(address: &str) -> Option<(&str, &str)> {
    let token = if address.starts_with("<<") { address.find(">>").map_or(0, |at| at + 2) } else { 0 };
    let slash = token + address[token..].find('/')?;
    Some((&address[..slash], &address[slash + 1..]))
}

/// The name of a bucket, where the text is its token.
fn bucket_of<'a>(view: &View<'a>, bucket: &'a str) -> &'a str {
    match unknown::whole(bucket) {
        Some(Source::Output(address, _)) => {
            let declared = view.of_kind("s3.bucket").find(|declared| *declared.address == address);
            declared.map_or(bucket, |declared| text(declared.spec, "bucket"))
        }
        _ => bucket,
    }
}

fn finding(uploaded: &Uploaded<'_>, severity: Severity, code: &'static str, message: String, fix: String) -> Finding {
    Finding { severity, code, address: uploaded.declared.address.clone(), keys: &["model"], message, fix }
}

#[cfg(test)]
mod tests {
    use llmhost_example_models::Example;
    use serde_json::json;

    use super::super::testing::{found, plan, says, token};
    use super::*;

    fn declared(folder: &Path, device: &str, memory: &str) -> llmhost_engine::plan::Plan {
        let bucket = token("models/s3.bucket/main", "bucket");
        let model = format!("s3://{bucket}/chat");
        let container = json!({ "args": ["serve", "--model", model, "--device", device], "resources": { "limits": { "memory": memory } } });
        let manifest =
            json!({ "kind": "Deployment", "spec": { "template": { "spec": { "containers": [container] } } } });
        plan([
            ("models/s3.bucket/main".to_owned(), json!({ "bucket": "b" })),
            (
                "models/s3.folder/chat".to_owned(),
                json!({ "bucket": "b", "prefix": "chat", "source": "models/chat", "path": folder }),
            ),
            ("server/kube.object/deployment".to_owned(), json!({ "manifest": manifest })),
        ])
    }

    #[test]
    fn the_folder_has_to_be_a_model_that_fits_its_device() {
        let empty = tempfile::tempdir().expect("a folder");
        std::fs::write(empty.path().join("config.json"), "{}").expect("written");
        let (tiny, half) = (Example::Tiny.folder().expect("made"), Example::TinyFp16.folder().expect("made"));
        for (folder, device, memory, wanted) in [
            (half.as_path(), "cuda", "8Gi", None),
            (&tiny, "cpu", "8Gi", None),
            (empty.path(), "cuda", "8Gi", Some(("model-folder", "uploaded from 'models/chat'"))),
            (empty.path(), "cuda", "8Gi", Some(("model-folder", "has no model.onnx"))),
            (&tiny, "cuda", "8Gi", Some(("model-precision", "GroupQueryAttention"))),
            (&half, "cpu", "8Gi", Some(("model-precision", "16-bit floats"))),
            (&tiny, "cpu", "100Ki", Some(("model-memory", "a replica may take"))),
        ] {
            says(&found(&declared(folder, device, memory), check), wanted);
        }
    }

    #[test]
    fn what_another_uploads_is_not_looked_at() {
        let mut plan = declared(Path::new("/nowhere"), "cuda", "8Gi");
        plan.resources.retain(|address, _| address.kind() != "s3.folder");
        says(&found(&plan, check), None);
    }
}
