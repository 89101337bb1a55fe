//! Charts: from a registry, with secrets, with objects that stay, and Karpenter's as its authors publish it.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::process::Output;

use serde_json::{Value, json};
use support::helm::{USES, component};
use support::registry::{PASSWORD, Registry, USER};
use support::user::{FILE, User, digest};
use support::{ACCESS_KEY, Ran, SECRET_KEY, Scene, emulator, look, repository};

const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
const LAYER: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A chart in a registry, as `helm push` puts it there.
struct Published {
    registry: Registry,
    /// Of its layer.
    chart: Vec<u8>,
    manifest: Value,
}

/// `author:planted-registry-password` in base64.
const BASIC: &str = "YXV0aG9yOnBsYW50ZWQtcmVnaXN0cnktcGFzc3dvcmQ=";

impl Published {
    fn new(user: &User, registry: Registry) -> Self {
        let chart = std::fs::read(repository().join("plugins/helm/cases/charts/small-0.1.0.tgz")).unwrap();
        // Blobs go where those of any artifact go.
        user.scene.write("chart.tgz", &chart);
        user.scene.write("config.json", "{}");
        user.scene
            .write("carrier.toml", "[vars.a]\ndefault = \"chart.tgz\"\n[vars.b]\ndefault = \"config.json\"\n[steps]\n");
        user.llmhost(&["pipeline", "push", "carrier.toml", &registry.address("charts/small:carrier")]).status(0);
        let blob = |media_type: &str, bytes: &[u8]| json!({ "mediaType": media_type, "digest": digest(bytes), "size": bytes.len() });
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": blob(CONFIG, b"{}"), "layers": [blob(LAYER, &chart)],
        });
        Self { registry, chart, manifest }
    }

    /// Publishes a manifest; gives its digest.
    fn push(&self, tag: &str, manifest: &Value) -> String {
        let body = manifest.to_string();
        let headers = format!("Content-Type: {MANIFEST}\r\nAuthorization: Basic {BASIC}\r\n");
        let put = self.registry.ask("PUT", &format!("/v2/charts/small/manifests/{tag}"), &headers, body.as_bytes());
        assert_eq!(put.0, 201, "{}", String::from_utf8_lossy(&put.2));
        digest(body.as_bytes())
    }
}

fn shown(output: Output) -> Ran {
    Ran {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Has the step's chart at an address.
fn uses_chart(user: &User, chart: &str, more: &str) {
    let with = format!(
        "chart = \"{chart}\"\nrelease = \"web\"\nleave_out = [\"Job/web-prepare\", \"Secret/web-key\"]\nvalues = {{ key = \"x\" }}\n\
         target = {{ manifests = \"out\" }}\n"
    );
    user.scene.pipeline(&format!("[steps.web]\n{USES}\n[steps.web.with]\n{with}{more}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_of_a_registry_is_fetched_once_by_its_digest() {
    let (user, emulator) = (User::new(), emulator().await);
    user.scene.write("helm.wasm", component());
    let mut published = Published::new(&user, Registry::open());
    let host = published.registry.host.clone();
    let pin = published.push("0.1.0", &published.manifest);
    let (tag, dry) = (published.registry.address("charts/small:0.1.0"), ["run", FILE, "--dry-run"]);
    let pinned = format!("{tag}@{pin}");

    // A tag is refused with what to write.
    uses_chart(&user, &tag, "");
    user.llmhost(&dry).status(1).says(&[
        "has a tag, which its publisher can move",
        &format!("it is {pinned} now"),
        "with its digest",
    ]);
    uses_chart(&user, &published.registry.address("charts/none:1"), "");
    user.llmhost(&dry).status(1).says(&["has a tag, which its publisher can move", "helm pull prints it"]);

    // What is not there, or no chart, is refused by its name.
    let none = format!("sha256:{}", "0".repeat(64));
    let of = |change: &dyn Fn(&mut Value)| {
        let mut manifest = published.manifest.clone();
        change(&mut manifest);
        published.push("odd", &manifest)
    };
    for (name, digest, said) in [
        ("charts/small", none.clone(), "was not found"),
        ("charts/none", pin.clone(), "was not found"),
        (
            "charts/small",
            of(&|odd| odd["config"]["mediaType"] = "application/vnd.wasm.config.v0+json".into()),
            "not a Helm chart: its config is of type application/vnd.wasm",
        ),
        (
            "charts/small",
            of(&|odd| odd["layers"][0]["mediaType"] = "application/x-tar".into()),
            "no layer of type application/vnd.cncf.helm.chart.content.v1.tar+gzip, but application/x-tar",
        ),
        ("charts/small", of(&|odd| odd["layers"][0]["size"] = (17 << 20).into()), "larger than the limit of 16 MiB"),
        ("charts/small", "sha256:zz".to_owned(), "64 lower-case"),
    ] {
        uses_chart(&user, &format!("oci://{host}/{name}@{digest}"), "");
        user.llmhost(&dry).status(1).says(&["step web", &format!("{host}/{name}"), said]);
    }
    let key = user.key("good");
    uses_chart(&user, &pinned, &format!("[trust]\n\"{host}/*\" = [\"{key}\"]\n"));
    user.llmhost(&dry).status(1).says(&["is not signed, and [trust] requires a signature"]);

    uses_chart(&user, &pinned, "");
    user.llmhost(&[&dry[..], &["--json"]].concat()).status(0).says(&[
        "ConfigMap.default.web-settings",
        "\"files\":{",
        &pinned,
    ]);
    let at = |args: &[&str]| {
        let mut command = user.command(args);
        command.args(["--endpoint-url", emulator.url()]);
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        shown(command.output().unwrap())
    };
    at(&["run", FILE, "--yes"]).status(0).says(&["web.chart = \"small-0.1.0\"", "1 created"]);
    // From here on nobody is asked.
    published.registry.stop();
    at(&["run", FILE, "--yes"]).status(0).says(&["0 changes"]);
    let stored = user.stored(&published.chart);
    std::fs::write(&stored, "damaged").unwrap();
    at(&["run", FILE, "--yes"])
        .status(1)
        .says(&[&format!("cannot reach {host}"), "pinned artifacts that were fetched before"]);
    assert!(!stored.exists(), "nothing of it is kept");
}

#[test]
fn credentials_for_charts_are_those_of_docker_and_what_is_damaged_is_refused() {
    let (user, registry) = (User::new(), Registry::guarded());
    user.scene.write("helm.wasm", component());
    let host = registry.host.clone();
    user.login(&json!({ "auths": { host.as_str(): { "auth": BASIC } } }));
    let published = Published::new(&user, registry);
    let pin = published.push("0.1.0", &published.manifest);
    uses_chart(&user, &format!("oci://{host}/charts/small@{pin}"), "");
    user.login(&json!({}));
    let dry = ["run", FILE, "--dry-run"];
    user.llmhost(&dry).status(1).says(&[&format!("{host} denies anonymous access"), "docker login"]);
    user.login(&json!({ "auths": { host.as_str(): { "auth": BASIC } } }));
    // In the registry itself.
    let hex = &digest(&published.chart)["sha256:".len()..];
    let blob = format!("data/docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]);
    let blob = published.registry.folder.path().join(blob);
    let mut other = published.chart.clone();
    *other.last_mut().unwrap() ^= 1;
    std::fs::write(&blob, other).unwrap();
    user.llmhost(&dry).status(1).says(&["does not match its digest", "do not use it"]);
    std::fs::write(&blob, &published.chart).unwrap();
    let mut verbose = user.command(&dry);
    let ran = shown(verbose.env("LLMHOST_LOG", "trace").output().unwrap()).status(0);
    for secret in [PASSWORD, BASIC] {
        ran.does_not_say(&[secret]);
    }
    assert_eq!(USER, "author", "BASIC is of this user");
}

/// A cluster, and a release of the chart in the folder `chart`.
const CLUSTER: &str = r#"[secrets]
password = { env = "SHOP_PASSWORD" }

[steps.network]
uses = "vpc"
with = { name = "n", azs = 2, nat = "none", cluster = "c" }

[steps.roles]
uses = "iam"
with = { cluster_role = "Cluster", node_role = false }

[steps.cluster]
uses = "eks"
with = { name = "c", role_arn = "${roles.cluster_role_arn}", subnet_ids = "${network.subnet_ids}" }

[steps.shop]
USES
[steps.shop.with]
chart = "chart"
release = "shop"
namespace = "shop"
create_namespace = true
cluster = "${cluster.name}"
values = { password = "${secrets.password}" }
"#;
const OBJECTS: &str = r#"apiVersion: v1
kind: Secret
metadata: { name: plain }
stringData: { url: "postgres://shop:{{ .Values.password }}@db" }
---
apiVersion: v1
kind: Secret
metadata: { name: encoded }
data: { password: {{ .Values.password | b64enc | quote }} }
"#;
const KEPT: &str = r#"apiVersion: v1
kind: ConfigMap
metadata: { name: books, annotations: { helm.sh/resource-policy: keep } }
data: { year: "1" }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn secrets_go_through_a_chart_and_what_it_keeps_stays() {
    const PLANTED: &str = "planted-shop-password";
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.write("helm.wasm", component());
    scene.pipeline(&CLUSTER.replace("USES", USES));
    scene.write("chart/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 0.1.0\n");
    scene.write("chart/templates/objects.yaml", OBJECTS);
    scene.write("chart/templates/kept.yaml", KEPT);
    let run = |args: &[&str]| {
        let mut command = scene.command(args);
        command.args(["--endpoint-url", emulator.url(), "--yes"]).env("SHOP_PASSWORD", PLANTED);
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        let ran = shown(command.output().unwrap());
        ran.does_not_say(&[PLANTED]);
        ran
    };
    let objects = |kind: &str| look(emulator.url())["objects"]["c"][kind].clone();
    run(&["run", FILE]).status(0);
    // base64 of postgres://shop:planted-shop-password@db, and of the password.
    let secrets = objects("secrets");
    assert_eq!(secrets["shop/plain"]["data"]["url"], "cG9zdGdyZXM6Ly9zaG9wOnBsYW50ZWQtc2hvcC1wYXNzd29yZEBkYg==");
    assert_eq!(secrets["shop/encoded"]["data"]["password"], "cGxhbnRlZC1zaG9wLXBhc3N3b3Jk");
    let state = std::fs::read_to_string(scene.path(".llmhost/test/state.json")).unwrap();
    assert!(!state.contains(PLANTED) && !state.contains("cGxhbnRlZC1"), "{state}");
    run(&["run", FILE]).status(0).says(&["0 changes"]);

    // What is written into a chart is no secret of the file.
    scene.edit("chart/templates/objects.yaml", "{{ .Values.password }}", "open");
    run(&["run", FILE]).status(1).says(&[
        "url of Secret Secret.shop.plain: plain text would stand in the plan",
        "leave_out = [\"Secret/plain\"]",
    ]);
    scene.edit("chart/templates/objects.yaml", "open", "{{ .Values.password }}");

    // It leaves the chart, and stays in the cluster; it comes back, and is taken over.
    scene.write("chart/templates/kept.yaml", "");
    run(&["run", FILE]).status(0).says(&["ConfigMap shop/books", "helm.sh/resource-policy: keep", "kept"]);
    assert_eq!(objects("config_maps")["shop/books"]["data"]["year"], "1");
    run(&["run", FILE]).status(0).says(&["0 changes"]);
    scene.write("chart/templates/kept.yaml", KEPT.replace("\"1\"", "\"2\""));
    run(&["run", FILE]).status(0).says(&["1 created"]);
    assert_eq!(objects("config_maps")["shop/books"]["data"]["year"], "2");

    let destroyed = run(&["destroy", FILE, "--only", "shop"]).status(0);
    destroyed.says(&["ConfigMap shop/books", "Namespace shop", "2 stay"]);
    assert_eq!(objects("config_maps")["shop/books"]["data"]["year"], "2", "its namespace stays with it");
    assert_eq!(objects("secrets")["shop/plain"], Value::Null);
    run(&["destroy", FILE]).status(0);
}

#[test]
fn karpenter_is_rehearsed_with_its_own_chart() {
    let charts = repository().join("pipelines/karpenter/charts");
    assert!(charts.join("karpenter/Chart.yaml").is_file(), "'cargo xtask setup' gets Karpenter's charts; it needs Go");
    let scene = Scene::with_examples();
    scene.write("karpenter/helm.wasm", component());
    scene.edit("karpenter/karpenter.toml", "uses = \"helm\"", USES);
    let ran = scene.llmhost(&["rehearse", "karpenter/karpenter.toml"]).status(0);
    ran.says(&["Rehearsed", "64 resources made"]);
    // Karpenter takes its nodes back while it may and can.
    let deleted = |what: &str| {
        let at = ran.stderr.find(&format!("- deleted {what} "));
        at.unwrap_or_else(|| panic!("{what} is not deleted in:\n{}", ran.stderr))
    };
    for object in ["NodePool.karpenter.sh.gpu", "EC2NodeClass.karpenter.k8s.aws.gpu"] {
        let object = deleted(&format!("gpu/kube.object/{object}"));
        for used in [
            "karpenter/kube.object/Deployment.kube-system.karpenter",
            "karpenter/kube.object/ClusterRoleBinding.karpenter",
            "controller/eks.pod-identity-association/pods",
            "controller/iam.role/pods",
            "nodes/iam.role/node",
            "entry/cloud-control.entity/main",
            "system/eks.node-group/main",
        ] {
            assert!(object < deleted(used), "{used} went before what needs it:\n{}", ran.stderr);
        }
    }
}
