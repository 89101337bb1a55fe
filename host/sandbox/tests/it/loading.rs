//! What is refused before it runs, and what is compiled once.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use llmhost_engine::plugin::{Limits, LoadError, LoadRequest, Plugin, PluginLoader};
use llmhost_registry::Digest;
use llmhost_sandbox::{Builtin, Loader, LoaderEvent, LoaderOptions};
use serde_json::json;

use crate::fake::{Notes, load, load_with, loader, step};
use crate::support::guest;

/// A guest with each `from` in its bytes made a `to` of the same length, in a file of its own.
fn changed(name: &str, from: &str, to: &str, folder: &Path) -> PathBuf {
    assert_eq!(from.len(), to.len());
    let mut bytes = fs::read(guest(name)).unwrap();
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(from.len()).position(|window| window == from.as_bytes()) {
        bytes[at + found..at + found + to.len()].copy_from_slice(to.as_bytes());
        at += found + to.len();
    }
    let path = folder.join("changed.wasm");
    fs::write(&path, bytes).unwrap();
    path
}

fn failed(result: Result<Arc<dyn Plugin>, LoadError>) -> LoadError {
    result.err().expect("it must not load")
}

#[tokio::test]
async fn what_was_not_granted_is_refused_by_name_before_any_call() {
    let (loader, limits) = (loader(), Limits::default());
    let all = ["ec2:describe", "ec2:elastic-ip", "ec2:vpc", "sts:identity"];
    for (allow, refused) in [
        (&[][..], &all[..]),
        (&["ec2"][..], &["sts:identity"][..]),
        (&["ec2:vpc", "sts", "s3"][..], &["ec2:describe", "ec2:elastic-ip"][..]),
        (&all[..], &[][..]),
    ] {
        let allow: Vec<String> = allow.iter().map(|&grant| grant.to_owned()).collect();
        match load_with(&loader, &guest("hostile"), &limits, &allow).await {
            Ok(_) => assert!(refused.is_empty(), "{allow:?}"),
            Err(LoadError::NotGranted { missing, .. }) => assert_eq!(missing, refused, "{allow:?}"),
            Err(other) => panic!("{allow:?}: {other}"),
        }
    }
    // WASI and the log need no grant.
    load_with(&loader, &guest("wasi"), &limits, &[]).await.expect("it imports nothing of ours");
}

#[tokio::test]
async fn a_grant_that_names_nothing_is_refused() {
    let error = failed(load_with(&loader(), &guest("hostile"), &Limits::default(), &["ec2:subnets".to_owned()]).await);
    assert!(matches!(error, LoadError::UnknownGrant { grant, .. } if grant == "ec2:subnets"));
}

#[tokio::test]
async fn a_component_of_another_world_is_no_plugin() {
    let folder = tempfile::tempdir().unwrap();
    let loader = loader();
    for (from, to, part) in [
        ("llmhost:aws/ec2@0.1.0", "llmhost:aws/ec2@0.2.0", "serves llmhost:aws 0.1.0"),
        ("llmhost:aws/ec2@0.1.0", "llmhost:aws/rds@0.1.0", "no such interface"),
        ("llmhost:aws/ec2@0.1.0", "wasi:http/types@0.2.6", "no network"),
        ("llmhost:aws/ec2@0.1.0", "acme:things/ec2@0.1.0", "does not have"),
        ("availability-zone", "availability-zona", "availability-zona"),
        ("describe", "descrybe", "describe"),
    ] {
        let path = changed("hostile", from, to, folder.path());
        match failed(load(&loader, &path, &Limits::default()).await) {
            LoadError::NotAPlugin { reason, .. } => assert!(reason.contains(part), "{to}: {reason}"),
            other => panic!("{to}: {other}"),
        }
    }
}

#[tokio::test]
async fn what_is_not_a_component_is_no_plugin() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(guest("hostile")).unwrap();
    let path = folder.path().join("x.wasm");
    for (bytes, part) in [
        (&b""[..], "empty"),
        (b"\0asm\x01\0\0\0", "core WebAssembly module"),
        (b"(component)", "text"),
        (b"hello", "not WebAssembly"),
        (&whole[..whole.len() / 2], "cannot be compiled"),
        (&whole[..9], "cannot be compiled"),
    ] {
        fs::write(&path, bytes).unwrap();
        match failed(load(&loader(), &path, &Limits::default()).await) {
            LoadError::NotAPlugin { reason, .. } => assert!(reason.contains(part), "{reason}"),
            other => panic!("{part}: {other}"),
        }
    }
}

#[tokio::test]
async fn a_component_whose_description_is_nonsense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (to, part) in [(r#"{"type"; "object","#, "not JSON"), (r#""type - - object","#, "not JSON")] {
        let path = changed("hostile", r#"{"type": "object","#, to, folder.path());
        match failed(load(&loader(), &path, &Limits::default()).await) {
            LoadError::BadDescription { reason, .. } => assert!(reason.contains(part), "{reason}"),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn a_place_that_has_no_plugin_is_told() {
    let (loader, step, limits) = (loader(), step(), Limits::default());
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("folder.wasm")).unwrap();
    fs::File::create(folder.path().join("large.wasm")).unwrap().set_len(257 << 20).unwrap();
    for (uses, part) in [
        ("./missing.wasm", "missing.wasm"),
        ("./folder.wasm", "not a file"),
        ("./large.wasm", "257 MiB"),
        ("/dev/zero", "not a file"),
        ("oci://host.example/name@sha256:0", "not a digest"),
        ("https://host/x.wasm", "it has no digest"),
        ("s3://bucket/x.wasm", "plugins come from oci://"),
        ("vpcs", "no built-in plugin 'vpcs'"),
    ] {
        let request = LoadRequest { step: &step, uses, base: folder.path(), allow: &[], limits: &limits };
        let error = failed(loader.load(&request).await);
        assert!(error.to_string().contains(part), "{uses}: {error}");
    }
}

/// A loader that counts what it compiles.
fn counting(cache: &Path, builtins: Vec<Builtin>) -> (Loader, Arc<AtomicUsize>, Arc<Mutex<Vec<String>>>) {
    let (compiled, warned) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (count, warn) = (compiled.clone(), warned.clone());
    let on_event = move |event: &LoaderEvent<'_>| match event {
        LoaderEvent::Compiling { bytes, .. } => {
            assert!(*bytes > 0);
            count.fetch_add(1, SeqCst);
        }
        LoaderEvent::CacheUnusable { reason, .. } => warn.lock().unwrap().push((*reason).to_owned()),
        _ => {}
    };
    let options = LoaderOptions {
        cache_dir: Some(cache.to_owned()),
        builtins,
        parallelism: 2,
        on_event: Some(Arc::new(on_event)),
        ..LoaderOptions::default()
    };
    (Loader::new(options).expect("a sandbox"), compiled, warned)
}

#[tokio::test]
async fn code_is_compiled_once_and_found_again_by_the_next_process() {
    let cache = tempfile::tempdir().unwrap();
    for times in [1, 0] {
        let (loader, compiled, _) = counting(cache.path(), vec![]);
        for _ in 0..3 {
            load(&loader, &guest("hostile"), &Limits::default()).await.expect("a plugin");
        }
        assert_eq!(compiled.load(SeqCst), times);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loaders_that_start_together_compile_once() {
    let cache = tempfile::tempdir().unwrap();
    let loads: Vec<_> = (0..4)
        .map(|_| {
            let (loader, compiled, _) = counting(cache.path(), vec![]);
            tokio::spawn(async move {
                load(&loader, &guest("hostile"), &Limits::default()).await.expect("a plugin");
                compiled.load(SeqCst)
            })
        })
        .collect();
    let mut compiled = 0;
    for load in loads {
        compiled += load.await.expect("no panic");
    }
    assert_eq!(compiled, 1);
}

#[tokio::test]
async fn a_damaged_cache_is_made_anew() {
    let cache = tempfile::tempdir().unwrap();
    let whole = |path: &Path| fs::read(path).unwrap();
    for damage in [
        (|_: &[u8]| Vec::new()) as fn(&[u8]) -> Vec<u8>,
        |_| b"hello".to_vec(),
        |whole| whole[..whole.len() / 2].to_vec(),
        |whole| whole[..100].to_vec(),
    ] {
        let (loader, _, _) = counting(cache.path(), vec![]);
        load(&loader, &guest("hostile"), &Limits::default()).await.expect("a plugin");
        drop(loader);
        let files = fs::read_dir(cache.path().join("llmhost/code")).unwrap().map(|file| file.unwrap().path());
        let code: Vec<_> = files.filter(|path| path.extension().is_some_and(|ending| ending == "cwasm")).collect();
        assert_eq!(code.len(), 1);
        let before = whole(&code[0]);
        fs::write(&code[0], damage(&before)).unwrap();

        let (loader, compiled, _) = counting(cache.path(), vec![]);
        let plugin = load(&loader, &guest("hostile"), &Limits::default()).await.expect("a plugin");
        assert_eq!(compiled.load(SeqCst), 1);
        plugin.run(&json!({"do": "nop"}), Arc::new(Notes::default())).await.expect("it runs");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_cache_that_others_can_write_is_left_alone() {
    use std::os::unix::fs::PermissionsExt;
    let cache = tempfile::tempdir().unwrap();
    let code = cache.path().join("llmhost/code");
    fs::create_dir_all(&code).unwrap();
    fs::set_permissions(&code, fs::Permissions::from_mode(0o777)).unwrap();
    let (loader, compiled, warned) = counting(cache.path(), vec![]);
    load(&loader, &guest("hostile"), &Limits::default()).await.expect("compiled in memory");
    assert_eq!((compiled.load(SeqCst), fs::read_dir(&code).unwrap().count()), (1, 0));
    assert!(warned.lock().unwrap()[0].contains("other users"));
}

#[tokio::test]
async fn a_builtin_carries_its_grants() {
    let cache = tempfile::tempdir().unwrap();
    let wasm: &'static [u8] = fs::read(guest("hostile")).unwrap().leak();
    let (loader, _, _) = counting(cache.path(), vec![Builtin { name: "mine", wasm, packed: false, sha256: "" }]);
    let (step, limits) = (step(), Limits::default());
    let request = LoadRequest { step: &step, uses: "mine", base: Path::new("/"), allow: &[], limits: &limits };
    let plugin = loader.load(&request).await.expect("a plugin");
    assert_eq!(plugin.description().summary, "Misbehaves.");
    assert_eq!(plugin.description().outputs[0].name, "done");
    assert_eq!(loader.builtins().collect::<Vec<_>>(), ["mine"]);
}

#[tokio::test]
async fn a_builtin_may_be_packed_and_one_that_is_not_there_says_what_to_do() {
    let cache = tempfile::tempdir().unwrap();
    let wasm = fs::read(guest("hostile")).unwrap();
    let sha256: &'static str = Digest::of(&wasm).hex().leak();
    let packed: &'static [u8] = miniz_oxide::deflate::compress_to_vec(&wasm, 1).leak();
    let builtins = vec![Builtin { name: "mine", wasm: packed, packed: true, sha256 }];
    let options = || LoaderOptions {
        cache_dir: Some(cache.path().to_owned()),
        builtins: builtins.clone(),
        absent: &[("helm", "build it")],
        ..LoaderOptions::default()
    };
    let (step, limits) = (step(), Limits::default());
    let request = |uses| LoadRequest { step: &step, uses, base: Path::new("/"), allow: &[], limits: &limits };
    // Unpacked once; then its code is in the cache.
    for _ in 0..2 {
        let plugin = Loader::new(options()).unwrap().load(&request("mine")).await.expect("a plugin");
        assert_eq!((plugin.description().summary.as_str(), plugin.sha256()), ("Misbehaves.", sha256));
    }
    let error = failed(Loader::new(options()).unwrap().load(&request("helm")).await);
    assert!(
        matches!(&error, LoadError::AbsentBuiltin { name, help } if name == "helm" && help == "build it"),
        "{error}"
    );
}
