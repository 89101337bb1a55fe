//! Plugins are published in a registry, fetched from there, pinned, and trusted by their signatures.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::registry::{PASSWORD, Registry, USER, ask, files};
use support::{Ran, Scene};

const FILE: &str = "pipeline.toml";
const WASM: &str = "s3.wasm";

/// A user with an own cache and an own configuration of docker.
struct User {
    scene: Scene,
}

impl User {
    fn new() -> Self {
        let scene = Scene::new();
        scene.write(WASM, plugin());
        scene.write("new.wasm", rebuilt());
        Self { scene }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.scene.command(args);
        command.env("XDG_CACHE_HOME", self.scene.path("cache")).env("DOCKER_CONFIG", self.scene.path("docker"));
        // Helpers lie there, where they are needed.
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", self.scene.path("bin").display()));
        command
    }

    fn llmhost(&self, args: &[&str]) -> Ran {
        let output = self.command(args).output().unwrap();
        let ran = Ran {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert!(!format!("{ran:?}").contains(PASSWORD), "{ran:?}");
        ran
    }

    /// Publishes; gives the manifest's digest.
    #[track_caller]
    fn push(&self, file: &str, address: &str) -> String {
        let pushed = self.llmhost(&["plugin", "push", file, address, "--json"]).status(0);
        let line: Value = serde_json::from_str(&pushed.stdout).unwrap();
        line["digest"].as_str().unwrap().to_owned()
    }

    fn pipeline(&self, uses: &str, trust: &str) {
        let step =
            format!("[steps.logs]\nuses = \"{uses}\"\nallow = [\"s3\"]\nwith = {{ bucket = \"my-logs-bucket\" }}\n");
        self.scene.pipeline(&(step + trust));
    }

    fn login(&self, config: &Value) {
        self.scene.write("docker/config.json", config.to_string());
    }

    /// What is stored of a component.
    fn stored(&self, bytes: &[u8]) -> PathBuf {
        self.scene.path("cache/llmhost/plugins/sha256").join(&digest(bytes)["sha256:".len()..])
    }

    /// An ed25519 key; gives the public one.
    fn key(&self, name: &str) -> String {
        let path = self.scene.path(name);
        let mut make = Command::new("ssh-keygen");
        make.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(&path);
        let output = make.output().expect("ssh-keygen is there; cargo xtask setup installs openssh-client");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read_to_string(path.with_extension("pub")).unwrap().trim().to_owned()
    }
}

fn plugin() -> Vec<u8> {
    llmhost_builtin::ALL.iter().find(|builtin| builtin.name == "s3").unwrap().wasm.to_vec()
}

fn rebuilt() -> Vec<u8> {
    [&plugin()[..], &[0, 5, 4], b"anew"].concat()
}

fn digest(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

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
    assert!(imports.iter().any(|import| import.as_str().unwrap().starts_with("llmhost:aws/s3@")), "{config}");
}

#[test]
fn a_plugin_runs_from_a_registry_and_without_it_once_it_was_there() {
    let (user, mut registry) = (User::new(), Registry::open());
    let pushed = user.push(WASM, &registry.address("team/s3:1.0"));
    user.pipeline(&registry.address("team/s3:1.0"), "");
    user.llmhost(&["run", FILE, "--dry-run"]).status(0).says(&["1 to create", "1 plugin is new"]);
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
    away.says(&["is taken as llmhost.lock pins it", &format!("cannot reach {}", registry.host)]);
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
    user.llmhost(&["validate", FILE]).status(0).says(&["1 plugin is new"]);
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
    other.scene.write("bin/docker-credential-planted", format!("#!/bin/sh\necho {PASSWORD}\nexit 1\n"));
    other.llmhost(&pull).status(1).says(&[&format!("the credentials for {host} cannot be used"), "planted failed"]);
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
fn a_trusted_pattern_takes_only_what_its_keys_signed() {
    let (user, registry) = (User::new(), Registry::open());
    let (ann, bob) = (user.key("ann"), user.key("bob"));
    let trust = |pattern: &str, key: &str| format!("[trust]\n\"{}/{pattern}\" = [\"{key}\"]\n", registry.host);
    let (signed, plain) = (registry.address("acme/signed:1"), registry.address("acme/plain:1"));
    let pushed = user.llmhost(&["plugin", "push", WASM, &signed, "--sign", "ann"]).status(0);
    pushed.says(&["signed by SHA256:"]);
    user.push(WASM, &plain);
    for (uses, trust, part) in [
        (&signed, trust("acme/*", &ann), None),
        (&signed, String::new(), None),
        (&plain, String::new(), None),
        (&plain, trust("other/*", &ann), None),
        (&plain, trust("acme/*", &ann), Some("is not signed, and [trust] requires a signature for")),
        (&signed, trust("acme/*", &bob), Some("is signed by the key SHA256:")),
        (&signed, trust("acme/signed", &bob), Some("which [trust] does not name for")),
    ] {
        user.pipeline(uses, &trust);
        // Whatever was compiled before it was asked for trust does not count.
        for _ in 0..2 {
            match part {
                None => _ = user.llmhost(&["validate", FILE]).status(0),
                Some(part) => _ = user.llmhost(&["validate", FILE]).status(2).says(&[part, "[trust]"]),
            }
        }
    }
    // The longest pattern counts: one key for all, another for one.
    let both = trust("*", &bob) + &format!("\"{}/acme/*\" = [\"{ann}\"]\n", registry.host);
    user.pipeline(&signed, &both);
    user.llmhost(&["validate", FILE]).status(0);
    user.llmhost(&["plugin", "pull", &signed]).status(0).says(&["signed by SHA256:"]);

    // OpenSSH's own tool takes the signature, too.
    let accept = "Accept: application/vnd.oci.image.manifest.v1+json\r\n";
    let body = registry.ask("GET", "/v2/acme/signed/manifests/1", accept, b"").2;
    let manifest: Value = serde_json::from_slice(&body).unwrap();
    user.scene.write("s3.sig", manifest["annotations"]["dev.llmhost.signature"].as_str().unwrap());
    user.scene.write("signers", format!("ann@example.com {ann}\n"));
    let args = ["-Y", "verify", "-n", "llmhost-plugin", "-f", "signers", "-I", "ann@example.com", "-s", "s3.sig"];
    let component = std::fs::File::open(user.scene.path(WASM)).unwrap();
    let mut verify = Command::new("ssh-keygen");
    let verified = verify.args(args).current_dir(user.scene.folder.path()).stdin(component).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));

    // A signature of another component, put to this one.
    let forged = String::from_utf8(body).unwrap().replace(&digest(&plugin()), &digest(&rebuilt()));
    let forged = forged.replace(&format!("\"size\":{}", plugin().len()), &format!("\"size\":{}", rebuilt().len()));
    user.push("new.wasm", &registry.address("acme/signed:other"));
    let media_type = "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n";
    assert_eq!(registry.ask("PUT", "/v2/acme/signed/manifests/forged", media_type, forged.as_bytes()).0, 201);
    user.pipeline(&registry.address("acme/signed:forged"), &trust("acme/*", &ann));
    user.llmhost(&["validate", FILE]).status(2).says(&["the signature of", "is not valid: it is of another component"]);
    let missing = user.llmhost(&["plugin", "push", WASM, &signed, "--sign", "nobody"]).status(1);
    missing.says(&["cannot sign with nobody", "ssh-keygen -t ed25519"]);
}

#[test]
fn keys_and_patterns_of_trust_are_checked_with_the_file() {
    let user = User::new();
    let key = user.key("ann");
    for (trust, part) in [
        ("[trust]\n\"ghcr.io/*\" = [\"ssh-rsa AAAA\"]\n".to_owned(), "not a public key that can be used"),
        ("[trust]\n\"ghcr.io/*\" = []\n".to_owned(), "trusts no key"),
        (format!("[trust]\n\"ghcr.io/*\" = \"{key}\"\n"), "must be a list of strings"),
        (format!("[trust]\n\"oci://ghcr.io/*\" = [\"{key}\"]\n"), "is not a pattern"),
        ("[trust]\n\"ghcr.io/*\" = [\"${vars.key}\"]\n".to_owned(), "cannot hold a reference"),
    ] {
        user.pipeline("./s3.wasm", &trust);
        user.llmhost(&["validate", FILE]).status(2).says(&[part]);
    }
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
        (&format!("\"size\":{}", plugin().len()), "\"size\":999999999", "larger than the 256 MiB"),
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
        ("http://example.com/x.wasm", "plain http is for this machine alone"),
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

#[test]
fn a_plugin_runs_from_a_server_by_its_digest() {
    let user = User::new();
    let ann = user.key("ann");
    let mut sign = Command::new("ssh-keygen");
    sign.args(["-q", "-Y", "sign", "-n", "llmhost-plugin", "-f"])
        .arg(user.scene.path("ann"))
        .arg(user.scene.path(WASM));
    assert!(sign.output().unwrap().status.success());
    let signature = std::fs::read(user.scene.path("s3.wasm.sig")).unwrap();
    let host = files(vec![
        ("/p/s3.wasm".to_owned(), plugin()),
        ("/p/s3.wasm.sig".to_owned(), signature),
        ("/p/unsigned.wasm".to_owned(), rebuilt()),
    ]);
    assert_eq!(ask(&host, "GET", "/p/s3.wasm", "", b"").2, plugin());
    let address = |path: &str, bytes: &[u8]| format!("http://{host}{path}#{}", digest(bytes).replace(':', "="));
    let good = address("/p/s3.wasm", &plugin());
    user.pipeline(&good, "");
    user.llmhost(&["validate", FILE]).status(0).says(&["1 plugin is new"]);
    let lock = std::fs::read_to_string(user.scene.path("llmhost.lock")).unwrap();
    assert!(lock.contains(&good) && lock.contains(&digest(&plugin())), "{lock}");
    let trust = format!("[trust]\n\"{host}/*\" = [\"{ann}\"]\n");
    user.pipeline(&good, &trust);
    user.llmhost(&["validate", FILE]).status(0);
    for (address, part) in [
        (address("/p/unsigned.wasm", &rebuilt()), "is not signed"),
        (address("/p/none.wasm", b"none"), "was not found"),
        (address("/p/unsigned.wasm", b"other"), "does not match its digest"),
    ] {
        user.pipeline(&address, &trust);
        user.llmhost(&["validate", FILE]).status(2).says(&[part]);
    }
    user.llmhost(&["plugin", "push", WASM, &good]).status(2).says(&["pushed to OCI registries alone"]);
}
