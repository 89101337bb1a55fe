//! Plugins are published in a registry, fetched from there, and pinned.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::registry::{PASSWORD, Registry, USER};
use support::user::{FILE, User, WASM, digest, plugin, rebuilt};

#[test]
fn a_published_plugin_is_in_the_layout_of_wkg_and_has_the_same_digest_each_time() {
    let (user, registry) = (User::new(), Registry::open());
    let address = registry.address("team/s3:1.0");
    let pushed = user.push(WASM, &address);
    assert_eq!(user.push(WASM, &address), pushed, "the same component is the same artifact");
    let accept = "Accept: application/vnd.oci.image.manifest.v1+json\r\n";
    let (status, head, body) = registry.ask("GET", "/v2/team/s3/manifests/1.0", accept, b"");
    assert_eq!((status, digest(&body)), (200, pushed), "{head}");
    let manifest: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    assert_eq!(manifest["layers"].as_array().map(Vec::len), Some(1));
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    assert_eq!(manifest["layers"][0]["digest"], digest(&plugin()));
    let config = format!("/v2/team/s3/blobs/{}", manifest["config"]["digest"].as_str().unwrap());
    let config: Value = serde_json::from_slice(&registry.ask("GET", &config, "", b"").2).unwrap();
    assert_eq!((&config["architecture"], &config["os"]), (&json!("wasm"), &json!("wasip2")));
    assert_eq!(config["layerDigests"], json!([digest(&plugin())]));
    let imports = config["component"]["imports"].as_array().unwrap();
    assert!(imports.iter().any(|import| import.as_str().unwrap().starts_with("llmhost:aws-s3/s3@")), "{config}");
}

#[test]
fn a_plugin_runs_from_a_registry_and_without_it_once_it_was_there() {
    let (user, mut registry) = (User::new(), Registry::open());
    let pushed = user.push(WASM, &registry.address("team/s3:1.0"));
    user.pipeline(&registry.address("team/s3:1.0"), "");
    user.llmhost(&["run", FILE, "--dry-run"]).status(0).says(&["1 to create", "1 new plugin"]);
    let lock = std::fs::read_to_string(user.scene.path("llmhost.lock")).unwrap();
    assert!(lock.contains(&format!("digest = \"{pushed}\"")), "{lock}");
    let inspected = user.llmhost(&["plugin", "inspect", &registry.address("team/s3:1.0"), "--json"]).status(0);
    assert!(inspected.stdout.contains(&digest(&plugin())["sha256:".len()..]));
    let pinned = user.llmhost(&["plugin", "pull", &registry.address("team/s3:1.0"), "-o", "pulled.wasm"]).status(0);
    let uses = format!("oci://{}/team/s3:1.0@{pushed}", registry.host);
    pinned.says(&[&format!("uses = \"{uses}\"")]);
    assert_eq!(std::fs::read(user.scene.path("pulled.wasm")).unwrap(), plugin());

    registry.stop();
    // The tag cannot be asked for; what it was is known.
    let away = user.llmhost(&["validate", FILE]).status(0);
    away.says(&["as pinned in llmhost.lock", &format!("cannot reach {}", registry.host)]);
    // A digest asks nobody: with tag and without, with the lock file and without, compiled before or not.
    std::fs::remove_file(user.scene.path("llmhost.lock")).unwrap();
    std::fs::remove_dir_all(user.scene.path("cache/llmhost/code")).unwrap();
    for uses in [uses.clone(), uses.replace(":1.0@", "@")] {
        user.pipeline(&uses, "");
        let ran = user.llmhost(&["validate", FILE]).status(0);
        assert!(!ran.said(&user.scene).contains("cannot reach"), "{ran:?}");
        user.llmhost(&["plugin", "pull", &uses, "-o", "again.wasm"]).status(0);
        assert_eq!(std::fs::read(user.scene.path("again.wasm")).unwrap(), plugin());
    }
    // Who never had it hears what is wrong.
    let other = User::new();
    other.pipeline(&uses, "");
    let words =
        [&format!("cannot reach {}: ", registry.host)[..], "check the address and the network", "pipeline.toml:6"];
    other.llmhost(&["validate", FILE]).status(2).says(&words);
    let refused = other.llmhost(&["plugin", "push", WASM, &registry.address("team/s3:1.0")]).status(1);
    refused.says(&[&format!("cannot reach {}: ", registry.host)]);
}

#[test]
fn a_tag_that_moved_stops_until_it_is_accepted() {
    let (user, registry) = (User::new(), Registry::open());
    let address = registry.address("team/s3:latest");
    let first = user.push(WASM, &address);
    user.pipeline(&address, "");
    user.llmhost(&["validate", FILE]).status(0);
    let second = user.push("new.wasm", &address);
    let words = [&format!("its digest was {first} and is {second}")[..], "llmhost lock pipeline.toml --accept"];
    for command in [&["validate", FILE][..], &["run", FILE, "--dry-run"]] {
        user.llmhost(command).status(2).says(&words);
    }
    user.llmhost(&["lock", FILE]).status(0).says(&words[..1]);
    user.llmhost(&["lock", FILE, "--accept"]).status(0);
    user.llmhost(&["validate", FILE]).status(0);
    // The first one is still there, by its digest.
    user.pipeline(&format!("{address}@{first}"), "");
    user.llmhost(&["validate", FILE]).status(0).says(&["1 new plugin"]);
}

#[test]
fn credentials_are_those_of_docker_and_are_seen_nowhere() {
    let (user, registry) = (User::new(), Registry::guarded());
    let (host, address) = (registry.host.clone(), registry.address("team/s3:1.0"));
    let push = ["plugin", "push", WASM, &address];
    user.llmhost(&push).status(1).says(&[&format!("{host} denies anonymous access to"), "docker login"]);
    // base64 of author:planted-registry-password, and of author:wrong-password.
    let (right, wrong) = ("YXV0aG9yOnBsYW50ZWQtcmVnaXN0cnktcGFzc3dvcmQ=", "YXV0aG9yOndyb25nLXBhc3N3b3Jk");
    user.login(&json!({ "auths": { host.as_str(): { "auth": wrong } } }));
    user.llmhost(&push).status(1).says(&[&format!("{host} denies user '{USER}' access to")]);
    user.login(&json!({ "auths": { host.as_str(): { "auth": right } } }));
    user.llmhost(&push).status(0);
    user.pipeline(&address, "");
    let mut verbose = user.command(&["run", FILE, "--dry-run"]);
    let output = verbose.env("LLMHOST_LOG", "trace").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(log.len() > 1000, "it logs: {log}");
    for secret in [PASSWORD, right] {
        assert!(!log.contains(secret), "{log}");
        let found = Command::new("grep").args(["-rlF", secret, "."]).current_dir(user.scene.folder.path()).output();
        let found = String::from_utf8_lossy(&found.unwrap().stdout).replace("./docker/config.json\n", "");
        assert_eq!(found, "", "{secret} is written down");
    }
    user.llmhost(&["doctor"]).says(&[&format!("credentials for {host}")]);

    // Another user without any, then with a helper of this registry, then with one for all.
    let other = User::new();
    let pull = ["plugin", "pull", &address];
    other.llmhost(&pull).status(1).says(&["denies anonymous access"]);
    let helper = format!(
        "#!/bin/sh\nread server\n[ \"$server\" = {host} ] || exit 1\necho '{{\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}'\n"
    );
    let path = other.scene.write("bin/docker-credential-planted", helper);
    make_executable(&path);
    other.login(&json!({ "credHelpers": { host.as_str(): "planted" } }));
    other.llmhost(&pull).status(0);
    other.login(&json!({ "auths": { host.as_str(): {} }, "credsStore": "planted" }));
    other.llmhost(&pull).status(0);
    other.scene.write("bin/docker-credential-planted", format!("#!/bin/sh\nread server\necho {PASSWORD}\nexit 1\n"));
    other.llmhost(&pull).status(1).says(&[&format!("the credentials for {host} are not usable"), "planted failed"]);
    other.login(&json!({ "credsStore": "missing" }));
    other.llmhost(&pull).status(1).says(&["the credential helper", "does not start"]);
    other.scene.write("docker/config.json", "{ \"auths\": ");
    other.llmhost(&pull).status(1).says(&["config.json is not valid", "docker login"]);
}

fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn what_is_damaged_in_the_cache_is_fetched_again_and_what_is_damaged_elsewhere_refused() {
    let (user, mut registry) = (User::new(), Registry::open());
    let address = registry.address("team/s3:1.0");
    let pushed = user.push(WASM, &address);
    let pinned = format!("{address}@{pushed}");
    user.llmhost(&["plugin", "pull", &pinned]).status(0);
    let stored = user.stored(&plugin());
    std::fs::write(&stored, rebuilt()).unwrap();
    user.llmhost(&["plugin", "pull", &pinned, "-o", "out.wasm"]).status(0);
    assert_eq!(std::fs::read(user.scene.path("out.wasm")).unwrap(), plugin());
    assert_eq!(std::fs::read(&stored).unwrap(), plugin());

    // In the registry itself.
    let hex = &digest(&plugin())["sha256:".len()..];
    let blob = registry.folder.path().join(format!("data/docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]));
    let mut other = plugin();
    *other.last_mut().unwrap() ^= 1;
    std::fs::write(&blob, other).unwrap();
    std::fs::write(&stored, b"damaged").unwrap();
    // What was compiled was checked then, and need not be read again.
    std::fs::remove_dir_all(user.scene.path("cache/llmhost/code")).unwrap();
    user.pipeline(&pinned, "");
    user.llmhost(&["validate", FILE]).status(2).says(&["does not match its digest", "do not use it"]);
    assert!(!stored.exists(), "nothing of it is kept");

    registry.stop();
    std::fs::write(&stored, b"damaged").unwrap();
    user.llmhost(&["plugin", "pull", &pinned]).status(1).says(&["cannot reach"]);
}

#[test]
fn many_processes_fetch_one_plugin_at_once() {
    let (user, registry) = (User::new(), Registry::open());
    let pushed = user.push(WASM, &registry.address("team/s3:1.0"));
    let pinned = format!("{}@{pushed}", registry.address("team/s3:1.0"));
    let mut children: Vec<_> = (0..4)
        .map(|number| {
            let mut command = user.command(&["plugin", "pull", &pinned, "-o", &format!("out-{number}.wasm")]);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for (number, child) in children.drain(..).enumerate() {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(std::fs::read(user.scene.path(&format!("out-{number}.wasm"))).unwrap(), plugin());
    }
    let files = std::fs::read_dir(user.scene.path("cache/llmhost/plugins/sha256")).unwrap().count();
    assert_eq!(files, 2, "a manifest and a component, and nothing half-done");
}

#[test]
fn what_a_registry_does_not_have_or_has_of_another_kind_is_said() {
    let (user, registry) = (User::new(), Registry::open());
    user.push(WASM, &registry.address("team/s3:1.0"));
    let host = registry.host.clone();
    for name in ["team/s3:2.0", "team/none:1.0"] {
        let words = [&format!("{host}/{name} was not found")[..], "Check the name and the tag"];
        user.llmhost(&["plugin", "pull", &registry.address(name)]).status(1).says(&words);
    }
    let accept = "Accept: application/vnd.oci.image.manifest.v1+json\r\n";
    let body = String::from_utf8(registry.ask("GET", "/v2/team/s3/manifests/1.0", accept, b"").2).unwrap();
    let media_type = "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n";
    for (from, to, part) in [
        ("application/vnd.wasm.config.v0+json", "application/vnd.oci.image.config.v1+json", "its config is of type"),
        ("\"application/wasm\"", "\"application/vnd.oci.image.layer.v1.tar\"", "its layer is of type"),
        (&format!("\"size\":{}", plugin().len()), "\"size\":999999999", "larger than the limit of 256 MiB"),
    ] {
        assert!(body.contains(from), "{body}");
        let manifest = body.replace(from, to);
        let put = registry.ask("PUT", "/v2/team/s3/manifests/odd", media_type, manifest.as_bytes());
        assert_eq!(put.0, 201, "{}", String::from_utf8_lossy(&put.2));
        let refused = user.llmhost(&["plugin", "pull", &registry.address("team/s3:odd")]).status(1);
        refused.says(&[part, &format!("{host}/team/s3")]);
    }
    user.scene.write("text.wasm", "#!/bin/sh\n");
    let refused = user.llmhost(&["plugin", "push", "text.wasm", &registry.address("team/x:1")]).status(2);
    refused.says(&["is not a plugin"]);
    assert_eq!(registry.ask("GET", "/v2/team/x/tags/list", "", b"").0, 404, "nothing was sent");
    for (address, part) in [
        ("oci://acme/x:1", "not the host of a registry"),
        ("https://example.com/x.wasm", "it has no digest"),
        ("http://example.com/x.wasm", "plain http works only for this machine"),
    ] {
        user.llmhost(&["plugin", "pull", address]).status(2).says(&[part]);
        user.pipeline(address, "");
        user.llmhost(&["validate", FILE]).status(2).says(&[part, "pipeline.toml:6"]);
    }
}

#[test]
fn a_registry_that_says_nothing_is_waited_for_with_a_limit() {
    let user = User::new();
    // It takes connections and never answers.
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = socket.local_addr().unwrap().to_string();
    let pull = user.llmhost(&["plugin", "pull", &format!("oci://{host}/team/s3:1.0")]).status(1);
    pull.says(&[&format!("{host} did not answer within 30 seconds")]);
}

const NET: &str = r#"[vars.bucket]
type = "string"
[steps.logs]
uses = "./plugins/s3.wasm"
allow = ["s3"]
with = { bucket = "${vars.bucket}" }
[steps.part]
uses = "./parts/part.toml"
with = { bucket = "${vars.bucket}-files" }
[outputs]
bucket = "${logs.bucket}"
"#;
const PART: &str = r#"[vars.bucket]
[steps.files]
uses = "s3"
with = { bucket = "${vars.bucket}", upload = [{ source = "files", prefix = "files" }], force_destroy = true }
"#;

/// Writes a pipeline with all that it uses, and publishes it; gives the line that pins it.
fn publish(user: &User, registry: &Registry, more: &[&str]) -> String {
    for (name, bytes) in [
        ("net/net.toml", NET.as_bytes()),
        ("net/parts/part.toml", PART.as_bytes()),
        ("net/parts/files/hello.txt", b"hello"),
        ("net/plugins/s3.wasm", &plugin()),
        ("net/.env", b"TOKEN=planted"),
        ("net/unused.toml", b""),
    ] {
        std::fs::create_dir_all(user.scene.path(name).parent().unwrap()).unwrap();
        user.scene.write(name, bytes);
    }
    let address = registry.address("acme/net:1.0");
    let push = [&["pipeline", "push", "net/net.toml", &address, "--json"], more].concat();
    let line: Value = serde_json::from_str(&user.llmhost(&push).status(0).stdout).unwrap();
    let files = ["net.toml", "parts/files/hello.txt", "parts/part.toml", "plugins/s3.wasm"];
    assert_eq!(line["files"], json!(files), "what it uses, and nothing else");
    line["uses"].as_str().unwrap().to_owned()
}

fn uses_pipeline(user: &User, uses: &str, more: &str) {
    user.scene.pipeline(&format!("[steps.net]\nuses = \"{uses}\"\nwith = {{ bucket = \"acme-net\" }}\n{more}"));
}

#[test]
fn a_published_pipeline_is_a_step_and_needs_no_registry_once_it_was_there() {
    let (user, mut registry) = (User::new(), Registry::open());
    let uses = publish(&user, &registry, &[]);
    assert_eq!(publish(&user, &registry, &[]), uses, "the same files are the same artifact");
    let more = "[steps.app]\nuses = \"s3\"\nwith = { bucket = \"app\", tags = { logs = \"${net.bucket}\" } }\n";
    uses_pipeline(&user, &uses, more);
    let ran = user.llmhost(&["run", FILE, "--dry-run"]).status(0);
    ran.says(&["net.logs (", "net.part.files (", "s3.folder/files", "app (s3)"]);
    // ORAS and others see its files.
    let accept = "Accept: application/vnd.oci.image.manifest.v1+json\r\n";
    let (_, _, body) = registry.ask("GET", "/v2/acme/net/manifests/1.0", accept, b"");
    let manifest: Value = serde_json::from_slice(&body).unwrap();
    let titles: Vec<&Value> = manifest["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| &layer["annotations"]["org.opencontainers.image.title"])
        .collect();
    assert_eq!(titles, ["net.toml", "parts/files/hello.txt", "parts/part.toml", "plugins/s3.wasm"]);
    assert_eq!(manifest["artifactType"], "application/vnd.llmhost.pipeline.v1+json");

    // A tag alone names no pipeline that somebody could use, and says how to pin it.
    uses_pipeline(&user, &registry.address("acme/net:1.0"), "");
    let tag = ["it is a pipeline: uses = ", &uses, "add the digest to uses"];
    user.llmhost(&["validate", FILE]).status(2).says(&tag);
    // What is damaged in the cache is unpacked again.
    uses_pipeline(&user, &uses, "");
    let folder = user.scene.path("cache/llmhost/pipelines/sha256").join(uses.rsplit_once(':').unwrap().1);
    std::fs::write(folder.join("net.toml"), "damaged").unwrap();
    registry.stop();
    user.llmhost(&["validate", FILE]).status(0);
    user.llmhost(&["rehearse", FILE]).status(0).says(&["Rehearsed"]);
    assert_eq!(std::fs::read_to_string(folder.join("net.toml")).unwrap(), NET);
    // Who never had it hears what is wrong.
    let other = User::new();
    uses_pipeline(&other, &uses, "");
    other.llmhost(&["validate", FILE]).status(2).says(&["cannot reach", "pipeline.toml:"]);
}

#[test]
fn a_published_pipeline_has_to_be_signed_where_trust_says_so_and_reads_nothing_of_its_users() {
    let (user, registry) = (User::new(), Registry::open());
    let (good, other) = (user.key("good"), user.key("other"));
    let unsigned = publish(&user, &registry, &[]);
    let key = user.scene.path("good").display().to_string();
    let signed = publish(&user, &registry, &["--sign", &key]);
    let trust = |key: &str| format!("[trust]\n\"{}/*\" = [\"{key}\"]\n", registry.host);
    for (uses, key, status, said) in [
        (&unsigned, &good, 2, "is not signed, and [trust] requires a signature"),
        (&signed, &other, 2, "which [trust] does not list"),
        (&signed, &good, 0, "Valid"),
    ] {
        uses_pipeline(&user, uses, &trust(key));
        user.llmhost(&["validate", FILE]).status(status).says(&[said]);
    }
    // Files of those who use it are not there, however it asks.
    user.scene.write("secret.txt", "planted");
    let secret = user.scene.path("").display().to_string();
    for (from, to, said) in [
        ("source = \"files\"", "source = \"../../../../../..\"", "is not in the folder of the published pipeline"),
        ("source = \"files\"", &format!("source = \"{secret}\"")[..], "is not in the folder of the published pipeline"),
        (
            "bucket = \"${vars.bucket}\"",
            "bucket = \"x-${env.HOME}\"",
            "a published pipeline does not see the environment",
        ),
    ] {
        publish(&user, &registry, &[]);
        user.scene.write("net/parts/part.toml", PART.replacen(from, to, 1));
        let push = ["pipeline", "push", "net/net.toml", &registry.address("acme/net:2"), "--json"];
        let line: Value = serde_json::from_str(&user.llmhost(&push).status(0).stdout).unwrap();
        uses_pipeline(&user, line["uses"].as_str().unwrap(), "");
        let ran = user.llmhost(&["run", FILE, "--dry-run"]);
        assert_ne!(ran.status, 0, "{ran:?}");
        ran.says(&[said]);
    }
}

#[test]
fn what_is_no_pipeline_is_not_published() {
    let (user, registry) = (User::new(), Registry::open());
    let address = registry.address("acme/net:1");
    user.scene.write("a.toml", "[steps.a]\nuses = \"../b.toml\"\n");
    user.scene.write("c.toml", "[steps\n");
    for (file, address, words) in [
        (
            "a.toml",
            &address[..],
            &["a.toml: step 'a' uses ../b.toml, which is not in the folder", "Nothing was published"][..],
        ),
        ("c.toml", &address, &["c.toml: "]),
        ("gone.toml", &address, &["cannot read gone.toml"]),
        (WASM, &address, &["is not a pipeline file"]),
        ("a.toml", "https://example.com/a.toml", &["is not the address"]),
    ] {
        user.llmhost(&["pipeline", "push", file, address]).status(2).says(words);
    }
    let (status, ..) = registry.ask("GET", "/v2/acme/net/manifests/1", "", b"");
    assert_eq!(status, 404, "nothing was published");
}
