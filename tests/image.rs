//! Images of the model server: made and pushed without a container engine, and checked before a cluster is made for them.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::io::Read;

use serde_json::{Value, json};
use support::registry::Registry;
use support::user::digest;
use support::{Ran, Scene, emulator};

const FILE: &str = "llm-on-eks.toml";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Uploads a blob as a client without any library does. `Registry::ask` lowers heads, and the address has a state in base64.
fn blob(registry: &Registry, name: &str, bytes: &[u8]) -> Value {
    use std::io::Write;
    let mut stream = std::net::TcpStream::connect(&registry.host).unwrap();
    let host = &registry.host;
    write!(stream, "POST /v2/{name}/blobs/uploads/ HTTP/1.0\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let location = answer.lines().find_map(|line| line.strip_prefix("Location: ")).unwrap();
    let path = location.split_once("//").map_or(location, |(_, rest)| &rest[rest.find('/').unwrap()..]);
    let sum = digest(bytes);
    let kind = "Content-Type: application/octet-stream\r\n";
    let (status, head, _) = registry.ask("PUT", &format!("{path}&digest={sum}"), kind, bytes);
    assert_eq!(status, 201, "{head}");
    json!({ "digest": sum, "size": bytes.len() })
}

fn described(mut descriptor: Value, kind: &str) -> Value {
    descriptor["mediaType"] = json!(kind);
    descriptor
}

fn put(registry: &Registry, name: &str, tag: &str, kind: &str, manifest: &Value) -> Value {
    let bytes = manifest.to_string().into_bytes();
    let path = format!("/v2/{name}/manifests/{tag}");
    let (status, head, body) = registry.ask("PUT", &path, &format!("Content-Type: {kind}\r\n"), &bytes);
    assert_eq!(status, 201, "{head} {}", String::from_utf8_lossy(&body));
    json!({ "mediaType": kind, "digest": digest(&bytes), "size": bytes.len() })
}

/// Puts an image into a registry, with this tag, in an index as build tools make one.
fn base(registry: &Registry, tag: &str, architecture: &str, command: &str) -> String {
    let layer = described(blob(registry, "base", b"no real layer"), LAYER);
    let config = json!({
        "architecture": architecture, "os": "linux", "config": { "Env": ["PATH=/usr/bin"], "Cmd": [command] },
        "rootfs": { "type": "layers", "diff_ids": ["sha256:1"] }, "history": [{ "created_by": "hand" }],
    });
    let config = described(blob(registry, "base", config.to_string().as_bytes()), CONFIG);
    let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] });
    let mut entry = put(registry, "base", &format!("{tag}-{architecture}"), MANIFEST, &manifest);
    entry["platform"] = json!({ "os": "linux", "architecture": architecture });
    let mut attestation = entry.clone();
    attestation["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
    put(
        registry,
        "base",
        tag,
        INDEX,
        &json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [attestation, entry] }),
    );
    format!("{}/base:{tag}", registry.host)
}

/// A scene with a small program of Linux and something that is called like ONNX Runtime.
fn scene() -> Scene {
    let scene = Scene::with_examples();
    std::fs::copy("/bin/true", scene.path("program")).unwrap();
    scene.write("ort/libonnxruntime.so.1.32.0", "a library");
    scene
}

fn image(scene: &Scene, options: &[&str]) -> Ran {
    let mut command = scene.command(&[&["image", "--onnxruntime", "ort"], options].concat());
    support::ran(command.env("DOCKER_CONFIG", scene.path("docker")).output())
}

fn fetched(registry: &Registry, path: &str) -> Vec<u8> {
    let (status, head, body) = registry.ask("GET", path, &format!("Accept: {MANIFEST}\r\n"), b"");
    assert_eq!(status, 200, "{head}");
    body
}

#[test]
fn an_image_is_the_base_and_one_layer_with_llmhost_and_its_library() {
    let (scene, registry) = (scene(), Registry::open());
    let base = base(&registry, "1", "amd64", "bash");
    let name = format!("{}/team/llmhost:0.1.0", registry.host);
    let options = ["--push", &name, "--device", "cpu", "--base", &base, "--program", "program"];
    image(&scene, &options).status(0).says(&["Pushed", &format!("--var image={name}")]);
    let manifest: Value = serde_json::from_slice(&fetched(&registry, "/v2/team/llmhost/manifests/0.1.0")).unwrap();
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!((layers.len(), &layers[0]["digest"]), (2, &json!(digest(b"no real layer"))));
    let blob = |descriptor: &Value| {
        fetched(&registry, &format!("/v2/team/llmhost/blobs/{}", descriptor["digest"].as_str().unwrap()))
    };
    let config: Value = serde_json::from_slice(&blob(&manifest["config"])).unwrap();
    let of = &config["config"];
    assert_eq!((&of["Entrypoint"], &of["User"]), (&json!(["/usr/local/bin/llmhost"]), &json!("10001:10001")));
    assert_eq!(of["Env"], json!(["PATH=/usr/bin", "ORT_DYLIB_PATH=/usr/local/lib/onnxruntime"]));
    assert_eq!((&of["Labels"]["dev.llmhost.device"], &of["ExposedPorts"]), (&json!("cpu"), &json!({ "8000/tcp": {} })));
    assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), 2);
    let layer = blob(&layers[1]);
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&layer[..]));
    let files: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            format!(
                "{} {:o}",
                entry.as_ref().unwrap().path().unwrap().display(),
                entry.as_ref().unwrap().header().mode().unwrap()
            )
        })
        .collect();
    assert_eq!(files[0], "usr/local/bin/llmhost 755");
    assert!(files.contains(&"usr/local/lib/onnxruntime/libonnxruntime.so.1.32.0 644".to_owned()), "{files:?}");
    // The same files are the same image.
    let again = image(&scene, &[&options[..], &["--json"]].concat()).status(0);
    let line: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(line["digest"], json!(digest(&serde_json::to_vec(&manifest).unwrap())));
}

#[test]
fn what_makes_no_image_is_said() {
    let (scene, registry) = (scene(), Registry::open());
    let base = base(&registry, "1", "arm64", "bash");
    let name = format!("{}/llmhost:1", registry.host);
    scene.write("script", "#!/bin/sh\n");
    for (device, below, program, words) in [
        ("cpu", base.as_str(), "program", "it is there for arm64, and not for amd64"),
        ("cpu", &format!("{}/base:2", registry.host), "program", "base:2 was not found"),
        ("cpu", &base, "script", "is no program for Linux"),
        ("cuda", &base, "program", "is for processors: there is no libonnxruntime_providers_cuda.so"),
    ] {
        image(&scene, &["--push", &name, "--device", device, "--base", below, "--program", program])
            .status(1)
            .says(&[words]);
    }
    image(&scene, &["--push", "No Name", "--device", "cpu"]).status(2).says(&["'No Name' is not"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_image_of_a_server_is_checked_before_anything_is_made() {
    let (scene, registry, guarded, emulator) = (scene(), Registry::open(), Registry::guarded(), emulator().await);
    let good = base(&registry, "good", "amd64", "llmhost");
    let (other, arm) = (base(&registry, "other", "amd64", "python3"), base(&registry, "arm", "arm64", "llmhost"));
    let check = |image: &str, command: &[&str]| {
        let image = format!("image={image}");
        scene.edit(FILE, "model = \"s3", "server = \"llmhost\"\nmodel = \"s3");
        let ran = scene.at(emulator.url(), &[command, &[FILE, "--var", &image]].concat());
        scene.edit(FILE, "server = \"llmhost\"\nmodel = \"s3", "model = \"s3");
        ran
    };
    check(&good, &["validate", "--online"]).status(0).does_not_say(&["image-"]);
    for (image, words) in [
        (format!("{}/base:none", registry.host), ["image-missing", "there is no image", "llmhost image --push"]),
        (other, ["image-server", "starts python3, and not llmhost", "server = \"custom\""]),
        (arm, ["image-architecture", "is for arm64, and the nodes are amd64", "llmhost image"]),
    ] {
        check(&image, &["run"]).status(1).says(&words).does_not_say(&["created"]);
    }
    let image = format!("{}/llmhost:1", guarded.host);
    check(&image, &["validate", "--online"]).status(0).says(&[
        "image-unchecked",
        "denies anonymous access",
        "docker login",
    ]);
    check("ba d", &["validate"]).status(1).says(&["image"]);
}
