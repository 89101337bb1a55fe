use std::collections::BTreeMap;

use llmhost_plugin::FailureCode;
use llmhost_plugin::serde_json::{Value, json};

use super::*;

/// Files in memory, of which all are named but what is in `hidden`.
struct Memory(BTreeMap<&'static str, &'static str>);

impl files::Files for Memory {
    fn entries(&self, folder: &str) -> Result<Vec<String>, Failure> {
        let (root, ending) = match folder.rsplit_once("/*") {
            Some((root, ending)) => (root, ending),
            None => (folder, ""),
        };
        let root = if root == "." { String::new() } else { format!("{}/", root.trim_end_matches('/')) };
        let names = self.0.keys().filter_map(|path| path.strip_prefix(root.as_str()));
        Ok(names.filter(|name| name.ends_with(ending)).map(str::to_owned).collect())
    }

    fn text(&self, file: &str) -> Result<String, Failure> {
        if file.starts_with("hidden/") {
            let message = format!("'{file}' is not named in the step's 'with' table, so the plugin may not read it");
            return Err(Failure { code: FailureCode::Refused, message });
        }
        match self.0.get(file) {
            Some(text) => Ok((*text).to_owned()),
            None => Err(Failure { code: FailureCode::NotFound, message: format!("there is no file '{file}'") }),
        }
    }
}

fn made(files: &[(&'static str, &'static str)], config: Value) -> Result<Vec<Object>, String> {
    let config: Config = serde_json::from_value(config).map_err(|error| error.to_string())?;
    objects(&config, &Memory(files.iter().copied().collect())).map_err(|failure| failure.message)
}

fn good(files: &[(&'static str, &'static str)], config: Value) -> Vec<Object> {
    made(files, config).unwrap_or_else(|message| panic!("{message}"))
}

fn identities(objects: &[Object]) -> Vec<String> {
    objects.iter().map(Object::identity).collect()
}

fn one<'a>(objects: &'a [Object], identity: &str) -> &'a Value {
    let found = objects.iter().find(|object| object.identity() == identity);
    &found.unwrap_or_else(|| panic!("{identity} in {:?}", identities(objects))).value
}

const WEB: &str = "\
# The web server.
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  selector: { app: web }
  ports: [{ port: 80, name: http }, { port: 443, name: https }]
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  creationTimestamp: null
spec:
  replicas: 1
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web }, creationTimestamp: null }
    spec:
      serviceAccountName: web
      containers:
      - name: web
        image: registry.example:5000/web:1.0
        env: [{ name: A, value: \"1\" }, { name: B, value: \"2\" }]
        volumeMounts: [{ name: settings, mountPath: /etc/web }]
      - { name: side, image: side@sha256:1234 }
      volumes:
      - name: settings
        configMap: { name: settings, defaultMode: 0644 }
status: {}
";

const MORE: &str = "\
kind: List
apiVersion: v1
items:
- { apiVersion: v1, kind: ConfigMap, metadata: { name: settings }, data: { on: 'yes' } }
- apiVersion: v1
  kind: List
  items: [{ apiVersion: v1, kind: ServiceAccount, metadata: { name: web, namespace: other } }]
---
---
# Nothing but a comment.
---
apiVersion: example.org/v1
kind: Widget
metadata: { name: w }
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: widgets.example.org }
spec: { group: example.org, scope: Cluster, names: { kind: Widget, plural: widgets } }
";

#[test]
fn documents_and_lists_become_objects_what_others_need_first() {
    let files = [
        ("k8s/web.yaml", WEB),
        ("k8s/deep/more.yml", MORE),
        ("k8s/ns.json", r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}"#),
        ("k8s/README.md", "no manifest"),
    ];
    let objects = good(&files, json!({ "files": ["./k8s/"], "namespace": "shop", "create_namespace": true }));
    assert_eq!(
        identities(&objects),
        [
            "Namespace.shop",
            "CustomResourceDefinition.widgets.example.org",
            "ServiceAccount.other.web",
            "ConfigMap.shop.settings",
            "Service.shop.web",
            "Deployment.shop.web",
            "Widget.example.org.w"
        ]
    );
    let places: Vec<_> = objects.iter().map(|object| object.place.as_str()).collect();
    assert_eq!(places[3..6], ["k8s/deep/more.yml:1 (items[0])", "k8s/web.yaml:2", "k8s/web.yaml:9"]);
    let deployment = one(&objects, "Deployment.shop.web");
    assert_eq!(deployment.get("status"), None);
    assert_eq!(deployment["metadata"], json!({ "name": "web", "namespace": "shop" }));
    assert_eq!(deployment["spec"]["template"]["metadata"], json!({ "labels": { "app": "web" } }));
    assert_eq!(deployment.pointer("/spec/template/spec/volumes/0/configMap/defaultMode"), Some(&json!(0o644)));
    // YAML's words for true are texts where they are in quotes.
    assert_eq!(one(&objects, "ConfigMap.shop.settings")["data"], json!({ "on": "yes" }));
    let patterned = good(&files, json!({ "files": ["k8s/*.json"] }));
    assert_eq!(identities(&patterned), ["Namespace.shop"]);
}

#[test]
fn what_is_wrong_is_said_with_file_line_and_column() {
    let (config, of) = (json!({ "files": ["a.yaml"] }), |text: &'static str| [("a.yaml", text)]);
    for (text, parts) in [
        ("apiVersion: v1\nkind: Pod\n---\nkind: [\n", &["a.yaml:4:7: unclosed bracket"][..]),
        ("kind: Pod\n\tmetadata: x\n", &["a.yaml:1:7: while scanning a plain scalar, found a tab"]),
        ("a: 1\na: 2\n", &["a.yaml:2:1", "duplicate"]),
        ("---\n\nname: x\n", &["a.yaml:3: this is no Kubernetes object: it has no kind"]),
        ("kind: Pod\nmetadata: { name: x }\n", &["a.yaml:1: the Pod has no apiVersion"]),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: { generateName: x- }\n",
            &["has no metadata.name; generateName gives another name in every run"],
        ),
        ("# nothing\n", &["the files have no objects in them"]),
    ] {
        let message = made(&of(text), config.clone()).expect_err(text);
        assert!(parts.iter().all(|part| message.contains(part)), "{text}: {message}");
    }
    for (config, part) in [
        (json!({ "files": ["b.yaml"] }), "there is no file b.yaml beside the pipeline file"),
        (json!({ "files": ["x/*.yaml"] }), "there is no file like x/*.yaml"),
        (
            json!({ "files": ["deep"] }),
            "deep/inner/kustomization.yaml is below deep, which has no kustomization itself",
        ),
        (json!({ "files": ["deep/inner/kustomization.yaml"] }), "name its folder, deep/inner"),
        (json!({ "files": ["a.yaml"], "create_namespace": true }), "set namespace"),
    ] {
        let files = [("a.yaml", WEB), ("deep/inner/kustomization.yaml", "")];
        let message = made(&files, config.clone()).expect_err(part);
        assert!(message.contains(part), "{config}: {message}");
    }
}

#[test]
fn a_patch_is_merged_by_names_or_is_a_json_patch() {
    let patch = |target: Value, patch: Value| json!({ "target": target, "patch": patch });
    let objects = good(
        &[("web.yaml", WEB), ("more.yaml", MORE)],
        json!({ "files": ["web.yaml", "more.yaml"], "namespace": "shop", "patches": [
            patch(json!({ "kind": "Deployment", "name": "web", "namespace": "shop", "group": "apps" }), json!({
                "metadata": { "annotations": { "a": "b" } },
                "spec": { "replicas": null, "template": { "spec": {
                    "containers": [
                        { "name": "web", "image": "web:2", "env": [{ "name": "B", "value": "3" }, { "name": "C", "value": "4" }] },
                        { "name": "side", "$patch": "delete" },
                        { "name": "new", "image": "new" },
                    ],
                    "tolerations": [{ "operator": "Exists" }],
                } } },
            })),
            patch(json!({ "kind": "Service" }), json!([
                { "op": "replace", "path": "/spec/ports/0/port", "value": 8080 },
                { "op": "add", "path": "/spec/type", "value": "ClusterIP" },
            ])),
            patch(json!({ "name": "w.*" , "kind": "Widget" }), json!({ "spec": { "list": [1] } })),
            patch(json!({ "kind": "ConfigMap" }), json!({ "$patch": "delete" })),
        ] }),
    );
    let deployment = one(&objects, "Deployment.shop.web");
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(deployment["spec"].get("replicas"), None);
    let names: Vec<_> = pod["containers"].as_array().expect("a list").iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["new", "web"]);
    assert_eq!(
        pod["containers"][1]["env"],
        json!([{ "name": "C", "value": "4" }, { "name": "A", "value": "1" }, { "name": "B", "value": "3" }])
    );
    assert_eq!(pod["tolerations"], json!([{ "operator": "Exists" }]));
    let service = one(&objects, "Service.shop.web");
    assert_eq!((&service["spec"]["ports"][0]["port"], &service["spec"]["type"]), (&json!(8080), &json!("ClusterIP")));
    assert_eq!(one(&objects, "Widget.example.org.w")["spec"], json!({ "list": [1] }));
    assert!(!identities(&objects).iter().any(|identity| identity.starts_with("ConfigMap")));
    for (target, change, part) in [
        (
            json!({ "name": "nobody" }),
            json!({}),
            "patches[0]: no object is name 'nobody'; there are Service.web, Deployment.web",
        ),
        (json!({}), json!({}), "state kind or name"),
        (json!({ "name": "(a|b)" }), json!({}), "only .* is supported"),
        (json!({ "kind": "Service" }), json!("text"), "a patch is a table that is merged, or a list"),
        (json!({ "kind": "Service" }), json!([{ "op": "no" }]), "this is not a JSON patch (RFC 6902)"),
        (json!({ "kind": "Service" }), json!([{ "op": "remove", "path": "/spec/no" }]), "patches[0], Service.web"),
        (json!({ "kind": "Service" }), json!({ "$retainKeys": [] }), "$retainKeys is not supported"),
    ] {
        let config = json!({ "files": ["web.yaml"], "patches": [patch(target, change)] });
        let message = made(&[("web.yaml", WEB)], config).expect_err(part);
        assert!(message.contains(part), "{message}");
    }
}

const OVERLAY: &str = "\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../base, binding.yaml]
namespace: prod
namePrefix: prod-
nameSuffix: -v2
commonLabels: { env: prod }
labels: [{ pairs: { team: shop }, includeTemplates: true }]
commonAnnotations: { note: hello }
images:
- { name: 'registry.example:5000/web', newTag: '2.0' }
- { name: side, newName: other/side, newTag: v1 }
replicas: [{ name: web, count: 3 }]
patches:
- path: memory.yaml
- target: { kind: Service, name: web }
  patch: |-
    - op: remove
      path: /spec/ports/1
";

#[test]
fn a_kustomization_is_taken_as_it_says() {
    let files = [
        ("base/kustomization.yaml", "resources:\n- web.yaml\n- more.yaml\nnamespace: base\nimages: null\n"),
        ("base/web.yaml", WEB),
        ("base/more.yaml", MORE),
        ("prod/kustomization.yaml", OVERLAY),
        (
            "prod/binding.yaml",
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: { name: web }\n\
             roleRef: { kind: ClusterRole, name: view, apiGroup: rbac.authorization.k8s.io }\n\
             subjects: [{ kind: ServiceAccount, name: web, namespace: base }, { kind: ServiceAccount, name: web, namespace: x }]\n",
        ),
        (
            "prod/memory.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: web }\nspec: { template: { spec: { containers: [{ name: web, \
             resources: { limits: { memory: 1Gi } } }] } } }\n",
        ),
    ];
    let objects = good(&files, json!({ "files": ["prod"], "bases": ["base"] }));
    assert_eq!(
        identities(&objects),
        [
            "CustomResourceDefinition.widgets.example.org",
            "ServiceAccount.prod.prod-web-v2",
            "ConfigMap.prod.prod-settings-v2",
            "ClusterRoleBinding.prod-web-v2",
            "Service.prod.prod-web-v2",
            "Deployment.prod.prod-web-v2",
            "Widget.example.org.prod-w-v2"
        ]
    );
    let deployment = one(&objects, "Deployment.prod.prod-web-v2");
    let spec = &deployment["spec"];
    assert_eq!(deployment["metadata"]["labels"], json!({ "env": "prod", "team": "shop" }));
    assert_eq!(deployment["metadata"]["annotations"], json!({ "note": "hello" }));
    assert_eq!(
        (&spec["replicas"], &spec["selector"]["matchLabels"]),
        (&json!(3), &json!({ "app": "web", "env": "prod" }))
    );
    assert_eq!(spec["template"]["metadata"]["labels"], json!({ "app": "web", "env": "prod", "team": "shop" }));
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["serviceAccountName"], "prod-web-v2");
    assert_eq!(pod["volumes"][0]["configMap"]["name"], "prod-settings-v2");
    assert_eq!(pod["containers"][0]["image"], "registry.example:5000/web:2.0");
    assert_eq!(pod["containers"][0]["resources"]["limits"]["memory"], "1Gi");
    assert_eq!(pod["containers"][1]["image"], "other/side:v1");
    let binding = one(&objects, "ClusterRoleBinding.prod-web-v2");
    let subject =
        |name: &str, namespace: &str| json!({ "kind": "ServiceAccount", "name": name, "namespace": namespace });
    assert_eq!(binding["subjects"], json!([subject("prod-web-v2", "prod"), subject("web", "x")]));
    assert_eq!(binding["roleRef"]["name"], "view");
    assert_eq!(binding["metadata"].get("namespace"), None);
    let service = one(&objects, "Service.prod.prod-web-v2");
    assert_eq!(service["spec"]["selector"], json!({ "app": "web", "env": "prod" }));
    assert_eq!(service["spec"]["ports"].as_array().map(Vec::len), Some(1));
}

#[test]
fn what_a_kustomization_has_and_this_does_not_is_refused_by_name() {
    for (text, part) in [
        (
            "configMapGenerator: []\n",
            "k/kustomization.yaml: configMapGenerator is not supported: write the ConfigMap as a file",
        ),
        ("helmCharts: []\n", "use a step of the plugin helm"),
        ("resorces: []\n", "resorces is not supported: it is none of resources, patches"),
        ("kind: Component\n", "it is a Component"),
        ("resources: [https://example.org/a.yaml]\n", "would be fetched: copy it beside the pipeline file"),
        ("resources: [../hidden/base]\n", "add bases = [\"hidden/base\"]"),
        ("resources: [../hidden/a.yaml]\n", "add bases = [\"hidden/a.yaml\"]"),
        ("resources: [no.yaml]\n", "there is no file k/no.yaml"),
        ("resources: [../k]\n", "refer to each other"),
        ("resources: [../empty]\n", "there is no kustomization in empty"),
        ("resources: [a.yaml]\nimages: [{ name: x, newTag: 1.0 }]\n", "put it in quotes"),
        ("resources: [a.yaml]\nreplicas: [{ name: x, count: 1 }]\n", "no workload is called x"),
        ("resources: [a.yaml]\npatches: [{ patch: '{}' }]\n", "patches[0]: target is not stated"),
        ("resources: [a.yaml]\npatches: [{ path: no.yaml }]\n", "there is no file k/no.yaml"),
        ("resources: a.yaml\n", "k/kustomization.yaml: invalid type"),
    ] {
        let message =
            made(&[("k/kustomization.yaml", text), ("k/a.yaml", WEB)], json!({ "files": ["k"] })).expect_err(part);
        assert!(message.contains(part), "{text}: {message}");
    }
}
