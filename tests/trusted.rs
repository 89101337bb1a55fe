//! `[trust]`: plugins from elsewhere have to carry the signature of a key that the pipeline file names.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::process::Command;

use serde_json::Value;
use support::registry::{Registry, ask, files};
use support::user::{FILE, User, WASM, digest, plugin, rebuilt};

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
        (&signed, trust("acme/signed", &bob), Some("which [trust] does not list for")),
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
    user.llmhost(&["validate", FILE])
        .status(2)
        .says(&["the signature of", "is not valid: it is for another component"]);
    let missing = user.llmhost(&["plugin", "push", WASM, &signed, "--sign", "nobody"]).status(1);
    missing.says(&["cannot sign with nobody", "ssh-keygen -t ed25519"]);
}

#[test]
fn keys_and_patterns_of_trust_are_checked_with_the_file() {
    let user = User::new();
    let key = user.key("ann");
    for (trust, part) in [
        ("[trust]\n\"ghcr.io/*\" = [\"ssh-rsa AAAA\"]\n".to_owned(), "not a public key that can be used"),
        ("[trust]\n\"ghcr.io/*\" = []\n".to_owned(), "names no key"),
        (format!("[trust]\n\"ghcr.io/*\" = \"{key}\"\n"), "must be a list of strings"),
        (format!("[trust]\n\"oci://ghcr.io/*\" = [\"{key}\"]\n"), "is not a pattern"),
        ("[trust]\n\"ghcr.io/*\" = [\"${vars.key}\"]\n".to_owned(), "cannot hold a reference"),
    ] {
        user.pipeline("./s3.wasm", &trust);
        user.llmhost(&["validate", FILE]).status(2).says(&[part]);
    }
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
    user.llmhost(&["validate", FILE]).status(0).says(&["1 new plugin"]);
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
    user.llmhost(&["plugin", "push", WASM, &good]).status(2).says(&["can be pushed only to OCI registries"]);
}
