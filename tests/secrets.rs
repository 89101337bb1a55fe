//! A secret reaches the place that it is for, and nobody sees it on the way.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::path::Path;

use serde_json::{Value, json};
use support::{ACCESS_KEY, Ran, SECRET_KEY, Scene, emulator, look, look_after};

const FILE: &str = "pipeline.toml";
const PLANTED: &str = "planted-api-key-that-must-not-appear";
const OTHER: &str = "planted-token-that-must-not-appear";

/// A cluster with a model server whose key is a secret.
fn pipeline(secrets: &str, more: &str) -> String {
    format!(
        r#"
[secrets]
{secrets}

[steps.network]
uses = "vpc"
with = {{ name = "n", azs = 2, nat = "single", cluster = "llm" }}

[steps.roles]
uses = "iam"
with = {{ cluster_role = "Cluster", node_role = "Node" }}

[steps.cluster]
uses = "eks"
with = {{ name = "llm", role_arn = "${{roles.cluster_role_arn}}", subnet_ids = "${{network.subnet_ids}}" }}

[steps.cpu]
uses = "nodegroup"
[steps.cpu.with]
name = "cpu"
cluster = "${{cluster.name}}"
role_arn = "${{roles.node_role_arn}}"
subnet_ids = "${{network.private_subnet_ids}}"
instance_types = ["t3.medium"]
min = 1
max = 1

[steps.model]
uses = "inference"
[steps.model.with]
cluster = "${{cluster.name}}"
image = "example.com/llmhost:1"
model = "s3://models/demo"
device = "cpu"
cpu = "500m"
memory = "1Gi"
api_key = "${{secrets.api_key}}"
secret_env = {{ HF_TOKEN = "Bearer ${{secrets.token}}" }}
{more}
"#
    )
}

const SOURCES: &str = "api_key = { env = \"MODEL_API_KEY\" }\ntoken = { file = \"token.txt\" }";

fn run(scene: &Scene, url: &str, key: Option<&str>, args: &[&str]) -> Ran {
    let mut command = scene.command(args);
    command.args(["--endpoint-url", url]).env("LLMHOST_LOG", "trace");
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    match key {
        Some(key) => command.env("MODEL_API_KEY", key),
        None => command.env_remove("MODEL_API_KEY"),
    };
    let output = command.output().unwrap();
    Ran {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn base64(text: &str) -> String {
    use std::io::Write;
    let mut child = std::process::Command::new("base64")
        .arg("-w0")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

/// No form of the planted values is in anything that was said or written.
fn nothing_leaked(scene: &Scene, said: &[&Ran]) {
    // Cut so that no padding hides where the text begins.
    let forms = [PLANTED, OTHER].into_iter().flat_map(|value| [value.to_owned(), base64(value)[..32].to_owned()]);
    for form in forms.chain([SECRET_KEY.to_owned()]) {
        for ran in said {
            for text in [&ran.stdout, &ran.stderr] {
                let at = text.find(&form);
                assert!(at.is_none(), "{form} was said: {}", &text[at.unwrap().saturating_sub(300)..][..400]);
            }
        }
        for path in files(scene.folder.path()).into_iter().filter(|path| !path.ends_with("token.txt")) {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(form.len()).any(|window| window == form.as_bytes());
            assert!(!found, "{form} is in {}", path.display());
        }
    }
}

fn secret(world: &Value) -> &Value {
    &world["objects"]["llm"]["secrets"]["default/model-server-secrets"]["data"]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_reaches_its_place_and_is_seen_nowhere_else() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let url = emulator.url();
    scene.pipeline(&pipeline(SOURCES, ""));
    scene.write("token.txt", format!("{OTHER}\n"));
    let mut said = Vec::new();

    // Everything that shows a plan, and everything that it can be written into.
    let shown =
        run(&scene, url, Some(PLANTED), &["run", FILE, "--dry-run", "--verbose", "--out", "plan.bin"]).status(0);
    shown.says(&["LLMHOST_API_KEY: secret api_key", "HF_TOKEN: \"Bearer {secret token}\""]);
    said.push(shown);
    for format in ["svg", "html", "dot", "mmd", "json"] {
        let out = format!("plan.{format}");
        said.push(run(&scene, url, Some(PLANTED), &["run", FILE, "--dry-run", "--graph", &out]).status(0));
    }
    // The page has what is known besides the plan, and is looked through with the rest below.
    let page = std::fs::read_to_string(scene.path("plan.html")).unwrap();
    assert!(page.contains("\"actions\":[") && page.contains("\"costs\":") && page.contains("\"grants\":"), "{page}");
    said.push(run(&scene, url, Some(PLANTED), &["run", FILE, "--dry-run", "--json"]).status(0));

    // Nothing is begun without it.
    let before = look(url);
    let missing = run(&scene, url, None, &["run", FILE]).status(1);
    missing.says(&["secret 'api_key': the environment variable MODEL_API_KEY", "Nothing was changed."]);
    said.push(missing);
    assert_eq!(look(url), before);

    let made = run(
        &scene,
        url,
        Some(PLANTED),
        &["run", "plan.bin", "--json", "--trace", "trace.jsonl", "--report", "ran.html"],
    )
    .status(0);
    assert!(made.stderr.contains("TRACE"), "the log was looked at, too");
    said.push(made);
    // What passed between plugins and host is on file, and is looked through with the rest below.
    let trace = std::fs::read_to_string(scene.path("trace.jsonl")).unwrap();
    assert!(trace.contains("<<secret:api_key>>") && trace.contains("\"phase\":\"apply\""), "{trace}");
    said.push(scene.llmhost(&["plugin", "replay", "trace.jsonl"]).status(0));
    let world = look(url);
    assert_eq!(
        *secret(&world),
        json!({ "LLMHOST_API_KEY": base64(PLANTED), "HF_TOKEN": base64(&format!("Bearer {OTHER}")) })
    );
    let server = &world["objects"]["llm"]["deployments"]["default/model-server"]["spec"]["template"];
    let env = server["spec"]["containers"][0]["env"].as_array().unwrap();
    let from = json!({ "secretKeyRef": { "name": "model-server-secrets", "key": "LLMHOST_API_KEY" } });
    assert!(env.contains(&json!({ "name": "LLMHOST_API_KEY", "valueFrom": from })), "{env:?}");

    for args in [
        &["run", FILE][..],
        &["drift", FILE],
        &["status", FILE, "--json"],
        &["state", "show", FILE, "model/kube.object/secrets"],
    ] {
        said.push(run(&scene, url, Some(PLANTED), args).status(0));
    }
    said[said.len() - 4].says(&["0 changes"]);
    said.push(scene.llmhost(&["graph", FILE]).status(0));

    // Another value: found where somebody looks, sent when it is asked for.
    let other = "another-planted-api-key-of-some-length";
    said.push(run(&scene, url, Some(other), &["run", FILE]).status(0));
    said.last().unwrap().says(&["0 changes"]);
    let drift = run(&scene, url, Some(other), &["drift", FILE, "--exit-code"]).status(3);
    drift.says(&["model/kube.object/secrets", "stringData.LLMHOST_API_KEY", "(another value)"]);
    said.push(drift);
    said.push(run(&scene, url, Some(other), &["run", FILE, "--refresh"]).status(0));
    assert_eq!(secret(&look(url))["LLMHOST_API_KEY"], base64(other));
    let annotation = |world: &Value| {
        let server = &world["objects"]["llm"]["deployments"]["default/model-server"];
        server["spec"]["template"]["metadata"]["annotations"]["llmhost.dev/secrets"].clone()
    };
    let first = annotation(&look(url));
    scene.edit(FILE, "env = \"MODEL_API_KEY\"", "env = \"MODEL_API_KEY\", version = 2");
    let again = run(&scene, url, Some(PLANTED), &["run", FILE]).status(0);
    again.says(&["secret api_key", "secret api_key, version 2", "2 updated"]);
    said.push(again);
    let world = look(url);
    assert_eq!(secret(&world)["LLMHOST_API_KEY"], base64(PLANTED));
    assert_ne!(annotation(&world), first, "pods start anew with it");

    // Deleting needs no secret.
    said.push(run(&scene, url, None, &["destroy", FILE, "--yes"]).status(0));
    assert!(said.iter().all(|ran| !ran.stdout.contains(other) && !ran.stderr.contains(other)));
    nothing_leaked(&scene, &said.iter().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_aws_are_read_when_they_are_needed() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let url = emulator.url();
    look_after(url, &["put-secret", "/llm/api-key", PLANTED, "llm/token", OTHER]);
    scene.pipeline(&pipeline(
        "api_key = { parameter = \"/llm/api-key\" }\ntoken = { secrets-manager = \"llm/token\" }",
        "",
    ));
    let made = run(&scene, url, None, &["run", FILE]).status(0);
    assert_eq!(secret(&look(url))["LLMHOST_API_KEY"], base64(PLANTED));
    nothing_leaked(&scene, &[&made]);
    let policy = scene.llmhost(&["policy", FILE]).status(0);
    policy.says(&[
        "ssm:GetParameter",
        ":parameter/llm/api-key",
        "secretsmanager:GetSecretValue",
        ":secret:llm/token-*",
    ]);

    scene.edit(FILE, "/llm/api-key", "/llm/gone");
    scene.edit(FILE, "parameter = ", "version = 3, parameter = ");
    let gone = run(&scene, url, None, &["run", FILE]).status(1);
    gone.says(&["Parameter /llm/gone not found", "Nothing was changed."]);

    // The environment says where AWS is just as well, also for services that no SDK is used for: a destroy asks
    // Elastic Load Balancing.
    let mut destroy = scene.command(&["destroy", FILE, "--yes"]);
    destroy.env("AWS_ENDPOINT_URL", url).env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    let output = destroy.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_secret_stands_where_nobody_reads_it_or_nowhere() {
    let scene = Scene::new();
    scene.write("token.txt", OTHER);
    let refused = |from: &str, to: &str, words: &[&str]| {
        scene.pipeline(&pipeline(SOURCES, "").replace(from, to));
        let ran = scene.llmhost(&["run", FILE, "--dry-run"]);
        assert!(ran.status == 1 || ran.status == 2, "{ran:?}");
        ran.says(words);
        assert!(!ran.stdout.contains("hunter2222") && !ran.stderr.contains("hunter2222"), "{ran:?}");
    };
    refused(
        "name = \"n\"",
        "name = \"${secrets.api_key}\"",
        &["the secret 'api_key' may not stand in", "it could be read there"],
    );
    refused(
        "cpu = \"500m\"",
        "cpu = \"500m\"\nenv = { KEY = \"${secrets.api_key}\" }",
        &["a secret is allowed only in a Secret"],
    );
    refused("\"${secrets.api_key}\"", "\"written-into-the-file\"", &["the contents of a Secret would be in the plan"]);
    refused("secrets.api_key", "secrets.api_kye", &["there is no secret 'api_kye'", "did you mean 'api_key'?"]);
    refused("env = \"MODEL_API_KEY\"", "env = \"A\", file = \"b\"", &["secret 'api_key' has 2 places, and needs one"]);
    refused("env = \"MODEL_API_KEY\"", "value = \"abc\"", &["unknown key 'value'"]);
    refused("{ env = \"MODEL_API_KEY\" }", "\"hunter2222\"", &["holds the value itself", "1 problem"]);
    refused(
        "env = \"MODEL_API_KEY\"",
        "env = \"A\", version = 0",
        &["version of [secrets.api_key] must be a whole number from 1"],
    );
    refused(
        "image =",
        "target = { manifests = \"out\" }\nimage =",
        &["everyone who can read the folder of manifests could read the secret"],
    );
}
