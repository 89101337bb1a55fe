//! Files of other tools become pipelines: every public example of eksctl is converted and rehearsed, and what Terraform's
//! modules made is imported.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use support::{ACCESS_KEY, SECRET_KEY, Scene, emulator, repository};

/// How many are rehearsed at a time; each has an emulator of its own.
const TOGETHER: usize = 4;

/// Why a control plane on AWS Outposts is not converted at all.
const IMPOSSIBLE: [&str; 3] = ["35-outposts", "36-outposts-vpc", "37-outposts-fully-private"];

/// What a new account, or an emulator, does not have: what a user changes in the pipeline before it is rehearsed there.
const EDITS: [(&str, &[(&str, &str)]); 5] = [
    // AWS has retired the type.
    ("05-advanced-nodegroups", &[("c3.8xlarge", "c5.9xlarge")]),
    // A launch template that stands in has one version.
    ("15-managed-nodes", &[("version = \"3\"", "version = \"${existing.lt-1234.version}\"")]),
    // 416 vCPUs are more than the quota of a new account.
    ("18-node-to-pod-label-matching", &[("min = 8\nmax = 8", "min = 2\nmax = 2")]),
    ("22-managed-nodes-launch-template", &[("version = \"2\"", "version = \"${existing.lt-1234.version}\"")]),
    (
        "23-kubeflow-spot-instance",
        &[
            ("p3.2xlarge", "g5.2xlarge"),
            ("p3.8xlarge", "g5.12xlarge"),
            ("p3dn.24xlarge", "g5.48xlarge"),
            ("max = 10", "max = 2"),
            ("max = 4", "max = 1"),
        ],
    ),
];

fn examples() -> BTreeMap<String, PathBuf> {
    let folder = repository().join("tests/convert/eksctl").read_dir().unwrap();
    let files =
        folder.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|it| it == "yaml"));
    files.map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), path)).collect()
}

fn edits(name: &str) -> &'static [(&'static str, &'static str)] {
    EDITS.iter().find(|(of, _)| *of == name).map_or(&[], |(_, edits)| edits)
}

/// Converts one, and rehearses what comes of it; says what went wrong.
fn try_one(name: &str, path: &std::path::Path) -> Result<(), String> {
    let scene = Scene::new();
    let converted = scene.llmhost(&["convert", path.to_str().unwrap(), "--output", "pipeline.toml", "--json"]);
    // Where it fails, why stands in a line of its own after the report.
    let first = converted.stdout.lines().next().unwrap_or_default();
    let report: Value = serde_json::from_str(first).map_err(|error| format!("{name}: {error}"))?;
    let fields = report["report"]["fields"].as_array().unwrap();
    if fields.iter().any(|field| field["line"].as_u64() < Some(1)) {
        return Err(format!("{name}: a field without a line"));
    }
    if IMPOSSIBLE.contains(&name) {
        let is_told = fields.iter().any(|field| field["path"].as_str().unwrap().starts_with("outpost"));
        let nothing = !scene.path("pipeline.toml").exists() && converted.status == 1 && report["pipeline"].is_null();
        return if is_told && nothing { Ok(()) } else { Err(format!("{name}: {converted:?}")) };
    }
    if converted.status != 0 {
        return Err(format!("{name}: {converted:?}"));
    }
    let valid = scene.llmhost(&["validate", "pipeline.toml"]);
    if valid.status != 0 {
        return Err(format!("{name}: not valid: {}{}", valid.stdout, valid.stderr));
    }
    for (from, to) in edits(name) {
        scene.edit("pipeline.toml", from, to);
    }
    let ran = scene.llmhost(&["rehearse", "pipeline.toml"]);
    let is_rehearsed = ran.status == 0 && ran.stdout.contains("Rehearsed");
    if is_rehearsed { Ok(()) } else { Err(format!("=== {name}: {}\n{}{}", ran.status, ran.stdout, ran.stderr)) }
}

#[test]
fn every_public_example_but_those_on_outposts_becomes_a_pipeline_that_rehearses() {
    let mut all: Vec<(String, PathBuf)> = examples().into_iter().collect();
    assert_eq!(all.len(), 44);
    let document = std::fs::read_to_string(repository().join("docs/eksctl.md")).unwrap();
    let sentence = format!(
        "Of {} examples, {} become a pipeline that rehearses as it is, {} after a change, and {} do not.",
        all.len(),
        all.len() - EDITS.len() - IMPOSSIBLE.len(),
        EDITS.len(),
        IMPOSSIBLE.len()
    );
    assert!(document.contains(&sentence), "{sentence}");
    all.retain(|(name, _)| !IMPOSSIBLE.contains(&name.as_str()));
    let next = AtomicUsize::new(0);
    let work = || {
        let mut failed = Vec::new();
        while let Some((name, path)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            failed.extend(try_one(name, path).err());
        }
        failed
    };
    let failed: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..TOGETHER).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), all.len(), failed.join("\n"));
}

#[test]
fn a_control_plane_on_outposts_is_not_converted_and_the_report_says_why() {
    let all = examples();
    for name in IMPOSSIBLE {
        assert_eq!(try_one(name, &all[name]), Ok(()));
    }
}

#[test]
fn what_has_no_counterpart_is_named_with_its_line_and_what_to_do() {
    let scene = Scene::new();
    scene.write(
        "cluster.yaml",
        "apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\nmetadata: {name: c, region: eu-west-1}\nmanagedNodeGroups:\n\
         \x20 - name: a\n    desiredCapacity: many\n    minSizes: 2\nnodeGroups:\n  - {name: w, amiFamily: WindowsServer2022CoreContainer}\n\
         gitOps: {}\nkarpenter: {version: v1}\nmetadatas: 1\n",
    );
    let ran = scene.llmhost(&["convert", "cluster.yaml"]).status(0);
    ran.says(&[
        "line 6: managedNodeGroups[0].desiredCapacity it is not a whole number",
        "line 7: managedNodeGroups[0].minSizes",
        "line 9: nodeGroups[0] nodes run Linux",
        "line 11: karpenter Karpenter comes as a Helm chart",
        "line 12: metadatas llmhost does not know this field",
    ]);
    assert!(ran.stdout.starts_with("# The cluster c"), "the pipeline alone goes to standard output: {}", ran.stdout);
    scene.write("pipeline.toml", &ran.stdout);
    scene.llmhost(&["validate", "pipeline.toml"]).status(0);
    scene
        .llmhost(&["convert", "cluster.yaml", "-o", "pipeline.toml"])
        .status(2)
        .says(&["pipeline.toml exists", "--force"]);
    scene.llmhost(&["convert", "cluster.yaml", "-o", "pipeline.toml", "--force"]).status(0).says(&["Next:"]);
}

#[test]
fn names_of_strangers_are_text_and_no_references() {
    let scene = Scene::new();
    scene.write(
        "cluster.yaml",
        "apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\nmetadata:\n  name: c\n  region: eu-west-1\n  tags: {a: '${env.HOME}', \
         \"b\\nc\": \"x\\\"\\n[steps.evil]\"}\nmanagedNodeGroups:\n  - name: \"n]\\n[steps.evil]\"\n    labels: {k: '${cluster.arn}'}\n",
    );
    let ran = scene.llmhost(&["convert", "cluster.yaml"]).status(0);
    let table: toml::Table = toml::from_str(&ran.stdout).unwrap();
    assert_eq!(table["pipeline"]["tags"]["a"].as_str(), Some("$${env.HOME}"));
    assert!(table["steps"].as_table().unwrap().keys().all(|name| name != "evil"), "{}", ran.stdout);
}

#[test]
fn a_file_that_is_neither_is_one_sentence() {
    let scene = Scene::new();
    scene.write("empty", "");
    scene.write("other.yaml", "kind: Deployment\napiVersion: apps/v1\n");
    scene.write("binary", [0u8, 159, 146, 150]);
    let bomb: String =
        (1..12).map(|at| format!("a{at}: &a{at} [{}]\n", vec![format!("*a{}", at - 1); 10].join(", "))).collect();
    scene.write("bomb.yaml", format!("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n{bomb}"));
    std::fs::create_dir(scene.path("folder")).unwrap();
    let large = std::fs::File::create(scene.path("large")).unwrap();
    large.set_len(100 << 20).unwrap();
    for (file, words) in [
        ("empty", "the file is empty"),
        ("other.yaml", "neither a ClusterConfig of eksctl nor a Terraform state"),
        ("binary", "is not a text"),
        ("bomb.yaml", "more than 50,000 values"),
        ("folder", "folder is a folder"),
        ("large", "larger than 32 MB"),
        ("nowhere", "cannot read nowhere: No such file or directory"),
    ] {
        let began = std::time::Instant::now();
        scene.llmhost(&["convert", file, "-o", "out.toml"]).status(2).says(&[words, "Give a ClusterConfig"]);
        assert!(began.elapsed().as_secs() < 20, "{file}");
        assert!(!scene.path("out.toml").exists(), "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_terraform_made_is_imported_and_nothing_is_created_or_replaced() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let python = llmhost_emulator::python().unwrap();
    let script = repository().join("tests/support/terraform.py");
    let mut made = std::process::Command::new(python);
    made.arg(script).args([emulator.url(), "us-west-2", "1.34"]);
    made.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    let made = made.output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    scene.write("terraform.tfstate", &made.stdout);

    let args = ["convert", "terraform.tfstate", "-o", "pipeline.toml", "--imports", "import.sh"];
    scene.llmhost(&args).status(0).says(&[
        "module.vpc.aws_subnet.database[0] the plugin vpc creates only public and private subnets",
        "module.eks.aws_security_group.cluster[0]",
        "module.vpc.aws_vpc.this[0] -> network/ec2.vpc/main, imported by its id",
        "sh import.sh",
    ]);
    scene.llmhost(&["validate", "pipeline.toml"]).status(0);
    let script = std::fs::read_to_string(scene.path("import.sh")).unwrap();
    let commands: Vec<&str> = script.lines().filter_map(|line| line.strip_prefix("llmhost ")).collect();
    assert_eq!(commands.len(), 11, "{script}");
    for command in commands {
        let mut words: Vec<&str> = command.split(' ').collect();
        if words[0] == "adopt" {
            words.push("--yes");
        }
        scene.at(emulator.url(), &words).status(0);
    }
    scene
        .at(emulator.url(), &["run", "pipeline.toml", "--dry-run"])
        .status(0)
        .says(&["Plan: 0 to create, 14 to update, 0 to replace, 0 to delete, 6 unchanged."]);
    scene.at(emulator.url(), &["run", "pipeline.toml", "--yes"]).status(0);
    scene.at(emulator.url(), &["run", "pipeline.toml", "--dry-run", "--exit-code"]).status(0);
}

#[test]
fn a_state_without_a_network_or_a_cluster_is_told_so() {
    let scene = Scene::new();
    let state = |version: u8, resources: &str| {
        format!(r#"{{"version": {version}, "terraform_version": "1.13.0", "resources": [{resources}]}}"#)
    };
    scene.write("old.tfstate", state(3, ""));
    scene.llmhost(&["convert", "old.tfstate"]).status(2).says(&["another version than 4"]);
    let bucket =
        r#"{"mode": "managed", "type": "aws_s3_bucket", "name": "b", "instances": [{"attributes": {"id": "b"}}]}"#;
    scene.write("bucket.tfstate", state(4, bucket));
    scene
        .llmhost(&["convert", "bucket.tfstate"])
        .status(1)
        .says(&["aws_s3_bucket.b no built-in plugin", "Nothing was written"]);
    // Attributes of any sort.
    let odd = r#"{"mode": "managed", "type": "aws_vpc", "name": "v", "instances": [{"attributes": null}, {}, 7]},
        {"type": 1}, {"mode": "managed", "type": "aws_eks_cluster", "instances": {"a": 1}}"#;
    scene.write("odd.tfstate", state(4, odd));
    scene.llmhost(&["convert", "odd.tfstate"]).status(1);
}
