//! From an empty folder to a plugin in a pipeline, in every language, with the binary alone.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Scene, emulator, look, repository};

const LANGUAGES: [&str; 9] = ["rust", "javascript", "typescript", "assemblyscript", "python", "go", "c", "cpp", "zig"];

/// A project that was built before: its compiler finds there what it made, as an author's does.
fn kept(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("authoring").join(name)
}

/// Copies what is different, so that the rest keeps its time.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else if std::fs::read(&path).unwrap() != std::fs::read(&to).unwrap_or_default() {
            std::fs::write(&to, std::fs::read(&path).unwrap()).unwrap();
        }
    }
}

/// Makes a project in an empty folder.
fn made(scene: &Scene, language: &str, uses: &[&str]) {
    let mut args = vec!["plugin", "new", "logs", "--lang", language, "--dir", language];
    uses.iter().for_each(|uses| args.extend(["--uses", uses]));
    scene.llmhost(&args).status(0).says(&["Created logs", "llmhost-plugin.toml", "cases/default.toml", "README.md"]);
}

/// Builds it as it is, in a folder that is kept under a name.
fn built(scene: &Scene, language: &str, name: &str) -> PathBuf {
    let project = kept(name);
    copy(&scene.path(language), &project);
    let args = ["plugin", "build", project.to_str().unwrap()];
    let ran = scene.llmhost(&args).status(0);
    ran.says(&["Compiling with", "Built", "logs.wasm (", "sha256"]);
    // Least privilege, whatever the language's tools import.
    ran.says(&["wants granted s3:bucket"]);
    assert!(!ran.stdout.contains(','), "it wants no more: {}", ran.stdout);
    project.join("logs.wasm")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_in_each_language_is_built_and_runs_beside_the_others() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let mut steps = String::new();
    for language in LANGUAGES {
        made(&scene, language, &[]);
        let built = built(&scene, language, language);
        scene
            .llmhost(&["plugin", "test", built.to_str().unwrap()])
            .status(0)
            .says(&["default: A bucket for logs", "1 case passed"]);
        std::fs::copy(built, scene.path(&format!("{language}.wasm"))).unwrap();
        let inspected = scene.llmhost(&["plugin", "inspect", &format!("./{language}.wasm"), "--json"]).status(0);
        let inspected: serde_json::Value = serde_json::from_str(&inspected.stdout).unwrap();
        assert_eq!(inspected["grants"], serde_json::json!(["s3:bucket"]), "{language}");
        assert_eq!(inspected["config_schema"]["properties"]["keep_days"]["default"], 30, "{language}");
        assert_eq!(inspected["config_schema"]["required"], serde_json::json!(["bucket"]), "{language}");
        assert_eq!(inspected["outputs"]["arn"]["type"], "text", "{language}");
        steps += &format!(
            "[steps.{language}]\nuses = \"./{language}.wasm\"\nallow = [\"s3:bucket\"]\nwith = {{ bucket = \"logs-of-{language}\" }}\n"
        );
    }
    scene.pipeline(&steps);
    let ran = scene.at(emulator.url(), &["run", "pipeline.toml"]).status(0);
    let world = look(emulator.url());
    let outputs = scene.llmhost(&["outputs", "pipeline.toml"]).status(0);
    for language in LANGUAGES {
        ran.says(&[&format!("{language}: logs stay 30 days")]);
        outputs.says(&[
            &format!("{language}.name = \"logs-of-{language}\""),
            &format!("{language}.arn = \"arn:aws:s3:::logs-of-{language}\""),
        ]);
        let buckets = world["storage"].as_array().unwrap();
        let bucket = buckets.iter().find(|bucket| bucket["name"] == format!("logs-of-{language}")).expect(language);
        assert_eq!(bucket["lifecycle"]["Rules"][0]["Expiration"]["Days"], 30, "{language}");
    }
    scene.at(emulator.url(), &["run", "pipeline.toml"]).status(0).says(&["0 changes"]);

    // A failure of the host comes back as the plugin's own, and is no crash.
    scene.pipeline(&steps.replace("logs-of-", "Logs_of_"));
    let refused = scene.llmhost(&["run", "pipeline.toml", "--dry-run"]).status(1);
    for language in LANGUAGES {
        refused.says(&[&format!("bucket 'Logs_of_{language}' is not a bucket name")]);
    }
    assert!(!refused.stderr.contains("crashed"), "{}", refused.stderr);

    // Rust's SDK has every interface; what is called beyond the list is refused all the same.
    let (project, manifest) = (kept("rust"), kept("rust").join("llmhost-plugin.toml"));
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("s3:bucket", "sts")).unwrap();
    let refused = scene.llmhost(&["plugin", "build", project.to_str().unwrap()]);
    std::fs::write(&manifest, text).unwrap();
    refused.status(1).says(&["the plugin calls s3:bucket", "llmhost plugin wit --uses s3:bucket,sts"]);
}

/// What of a template's step is changed so that it crashes for 7 days, and what the report says of it.
#[test]
fn a_crash_names_the_function_and_the_line_of_the_source() {
    let cases: [(&str, &str, &str, &str, &[&str]); 10] = [
        (
            "rust",
            "src/lib.rs",
            "        log::write",
            "        assert_ne!(config.keep_days, 7, \"no rule has 7 days\");\n        log::write",
            &["src/lib.rs:48:", "no rule has 7 days"],
        ),
        (
            "javascript",
            "plugin.js",
            "    log.write",
            "    if (config.keep_days === 7) undefined.days\n    log.write",
            &["TypeError: cannot read property 'days' of undefined (plugin.js:24:", "at run (plugin.js:24:"],
        ),
        (
            "typescript",
            "src/plugin.ts",
            "    log.write",
            "    if (config.keep_days === 7) (undefined as any).days\n    log.write",
            &["TypeError: cannot read property 'days' of undefined (src/plugin.ts:24:"],
        ),
        (
            "python",
            "plugin.py",
            "    log.write",
            "    if config.keep_days == 7:\n        [].days\n    log.write",
            &["AttributeError: 'list' object has no attribute 'days' (plugin.py:32)"],
        ),
        (
            "assemblyscript",
            "assembly/plugin.ts",
            "  console.info",
            "  if (keepDays == 7) throw new Error('no rule has 7 days')\n  console.info",
            &["abort: no rule has 7 days (assembly/plugin.ts:51:22)", "at assembly/plugin/run (assembly/plugin.ts:51:"],
        ),
        (
            "assemblyscript",
            "assembly/plugin.ts",
            "  console.info",
            "  if (keepDays == 7) store<u8>(0xfffffff0, 1)\n  console.info",
            &["memory outside of its own", "at assembly/plugin/run (assembly/plugin.ts:51:"],
        ),
        (
            "c",
            "src/plugin.c",
            "    char message[64];",
            "    if (days == 7) *(volatile int *)0xfffffff0 = 1;\n    char message[64];",
            &["exports_guest_run (plugin.c:65:"],
        ),
        (
            "cpp",
            "src/plugin.cpp",
            "    const std::string message",
            "    if (options.keep_days == 7) *(volatile int *)0xfffffff0 = 1;\n    const std::string message",
            &["exports_guest_run (plugin.cpp:89:"],
        ),
        (
            "zig",
            "src/plugin.zig",
            "    var buffer",
            "    if (options.keep_days == 7) @panic(\"no rule has 7 days\");\n    var buffer",
            &["panic: no rule has 7 days", "exports_guest_run (src/plugin.zig:90:"],
        ),
        (
            "go",
            "plugin.go",
            "\tlog.Write",
            "\tif config.KeepDays == 7 {\n\t\tpanic(\"no rule has 7 days\")\n\t}\n\tlog.Write",
            &["panic: no rule has 7 days", "plugin.go:38"],
        ),
    ];
    let scene = Scene::new();
    for (language, file, from, to, words) in cases {
        // A language may crash in more than one way; a project is made in an empty folder.
        drop(std::fs::remove_dir_all(scene.path(language)));
        made(&scene, language, &[]);
        scene.edit(&format!("{language}/{file}"), from, to);
        let built = built(&scene, language, &format!("crash-{language}"));
        scene.write("plugin.wasm", std::fs::read(built).unwrap());
        scene.pipeline(
            "[steps.s]\nuses = \"./plugin.wasm\"\nallow = [\"s3:bucket\"]\nwith = { bucket = \"logs\", keep_days = 7 }\n",
        );
        let ran = scene.llmhost(&["run", "pipeline.toml", "--dry-run", "--accept-plugins"]).status(1);
        ran.says(&["the plugin crashed"]).says(words);
    }
}

#[test]
fn a_plugin_that_does_not_compile_says_where_and_leaves_the_one_before() {
    let scene = Scene::new();
    for (language, file, from, to, words) in [
        (
            "typescript",
            "src/plugin.ts",
            "bucket: config.bucket,",
            "bucket: config.keep_days,",
            &["tsc says", "src/plugin.ts(", "Type 'number' is not assignable to type 'string'"],
        ),
        (
            "assemblyscript",
            "assembly/plugin.ts",
            "bucket: options.get('bucket').asText(),",
            "bucket: keepDays,",
            &["asc says", "assembly/plugin.ts(37,", "Type 'u32' is not assignable to type"],
        ),
    ] {
        made(&scene, language, &["ec2:vpc"]);
        scene.write(&format!("{language}/logs.wasm"), "the one before");
        scene.edit(&format!("{language}/{file}"), from, to);
        scene.llmhost(&["plugin", "build", language]).status(1).says(&["does not compile"]).says(words);
        let json = scene.llmhost(&["plugin", "build", language, "--json"]).status(1).stdout;
        let error: serde_json::Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
        assert!(error["message"].as_str().unwrap().contains(&format!("{file}(")), "{error}");
        let left = std::fs::read_to_string(scene.path(&format!("{language}/logs.wasm"))).unwrap();
        assert_eq!(left, "the one before");
    }
}

#[test]
fn the_wit_is_cut_to_what_is_used_and_written_anew_for_another_list() {
    let scene = Scene::new();
    made(&scene, "javascript", &["ec2:security-group,sts", "ec2:describe"]);
    let read = |path: &str| std::fs::read_to_string(scene.path(&format!("javascript/{path}"))).unwrap();
    assert!(read("llmhost-plugin.toml").contains("[\"ec2:describe\", \"ec2:security-group\", \"s3:bucket\", \"sts\"]"));
    let ec2 = read("wit/deps/aws-ec2/ec2.wit");
    assert!(
        ec2.contains("resource security-group {") && ec2.contains("availability-zone") && !ec2.contains("vpc-spec {"),
        "{ec2}"
    );
    // Comments are an author's documentation.
    let original = std::fs::read_to_string(repository().join("wit/aws-ec2/0.2.0/ec2.wit")).unwrap();
    let comment = original.lines().find(|line| line.contains("IAM: ec2:CreateSecurityGroup")).unwrap().trim();
    assert!(ec2.contains(comment), "{comment} in {ec2}");
    let module = |name: &str| read(&format!("node_modules/llmhost-plugin/interfaces/{name}.d.ts"));
    assert!(module("ec2").contains("export class SecurityGroup {") && !module("s3").contains("class Folder"));

    scene.llmhost(&["plugin", "wit", "javascript", "--uses", "s3"]).status(0).says(&["The plugin can use s3."]);
    assert!(read("wit/deps/aws-s3/s3.wit").contains("resource folder {"));
    assert!(!scene.path("javascript/wit/deps/aws-ec2").exists());
    assert!(module("s3").contains("export class Folder {"));
    assert!(!scene.path("javascript/node_modules/llmhost-plugin/interfaces/ec2.js").exists());

    // Nothing of an interface is there that the list does not name; the advice says so.
    scene.llmhost(&["plugin", "wit", "javascript", "--uses", "sts"]).status(0);
    let refused = scene.llmhost(&["plugin", "build", "javascript"]).status(1);
    refused.says(&["\"llmhost-plugin/s3\"", "in `uses` of llmhost-plugin.toml"]);
}

#[test]
fn bad_input_is_one_clear_error() {
    let scene = Scene::new();
    scene.write("full/file", "");
    for (args, words) in [
        (&["new", "Logs", "--lang", "rust"][..], &["'Logs' cannot be the name of a plugin", "lower-case letter"][..]),
        (&["new", "../logs", "--lang", "rust"], &["'../logs' cannot be the name"]),
        (&["new", "fn", "--lang", "rust"], &["'fn' cannot be the name"]),
        (&["new", "logs", "--lang", "cobol"], &["invalid value 'cobol'", "rust, javascript, typescript"]),
        (
            &["new", "logs", "--lang", "c", "--uses", "ec2:vpcs"],
            &["no interface 'ec2:vpcs'", "Did you mean 'ec2:vpc'?"],
        ),
        (&["new", "logs", "--lang", "c", "--dir", "full"], &["full is not empty: it has file", "--dir"]),
        (&["build"], &[". is not a plugin project", "llmhost plugin new"]),
        (&["build", "nowhere"], &["nowhere is not a plugin project"]),
        (&["wit", "full"], &["full is not a plugin project"]),
    ] {
        let all: Vec<&str> = ["plugin"].iter().chain(args).copied().collect();
        scene.llmhost(&all).status(2).says(words);
    }
    assert!(!scene.path("logs").exists());
    for (text, words) in [
        ("name = \"logs\"\nlanguage = \"cobol\"\n", &["no language 'cobol'", "rust, javascript"][..]),
        (
            "name = \"logs\"\nlanguage = \"rust\"\ntarget = 1\n",
            &["unknown field `target`", "name, language, world, uses and output"],
        ),
        ("name = \"logs\"\nlanguage = \"rust\"\nuses = [\"s4\"]\n", &["no interface 's4'", "s3"]),
        ("name", &["llmhost-plugin.toml", "line 1"]),
    ] {
        scene.write("llmhost-plugin.toml", text);
        scene.llmhost(&["plugin", "build"]).status(2).says(words);
    }
}

/// A folder for PATH with a shell and these programs, which print the given text.
fn programs(scene: &Scene, programs: &[(&str, &str)]) -> PathBuf {
    let folder = scene.path("bin");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, prints) in programs {
        let path = scene.write(&format!("bin/{name}"), format!("#!/bin/sh\necho '{prints}'\n"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

/// `llmhost plugin build` with other surroundings.
fn build(scene: &Scene, language: &str, surroundings: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command: Command = scene.command(&["plugin", "build", language]);
    surroundings.iter().for_each(|(name, value)| _ = command.env(name, value));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    (output.status.code(), said)
}

#[test]
fn a_tool_that_is_missing_or_too_old_is_named_with_where_it_is_from() {
    let scene = Scene::new();
    let cache = scene.path("cache");
    for (language, there, words) in [
        ("javascript", &[][..], &["Node.js 20 or newer", "there is no node on PATH", "https://nodejs.org"][..]),
        ("typescript", &[("node", "v16.20.0")], &["Node.js 20 or newer", "node is v16.20.0", "https://nodejs.org"]),
        ("javascript", &[("node", "v22.1.0")], &["there is no npm on PATH", "https://nodejs.org"]),
        ("assemblyscript", &[], &["a plugin in AssemblyScript needs Node.js 20", "https://nodejs.org"]),
        ("go", &[], &["Go 1.25 or newer", "Go was not found on PATH", "https://go.dev/dl"]),
        ("go", &[("go", "go version go1.21.5 linux/amd64")], &["go is 1.21.5", "https://go.dev/dl"]),
        ("python", &[], &["Python 3.10 or newer", "no python3 on PATH", "https://www.python.org"]),
        ("zig", &[], &["Python 3.10 or newer", "no python3 on PATH", "https://www.python.org"]),
    ] {
        if !scene.path(language).exists() {
            made(&scene, language, &[]);
        }
        let _ = std::fs::remove_dir_all(scene.path("bin"));
        let path = programs(&scene, there);
        let around = [("PATH", path.to_str().unwrap()), ("XDG_CACHE_HOME", cache.to_str().unwrap())];
        let (status, said) = build(&scene, language, &around);
        assert_eq!(status, Some(1), "{language} {there:?}: {said}");
        for word in words {
            assert!(said.contains(word), "{word} in {said}");
        }
    }
}

#[test]
fn a_registry_that_is_away_is_said_with_what_to_do() {
    let scene = Scene::new();
    let cache = scene.path("cache");
    for (language, registry, words) in [
        (
            "javascript",
            &[("npm_config_registry", "http://127.0.0.1:1/"), ("npm_config_fetch_retries", "0")][..],
            "the packages of npm",
        ),
        ("python", &[("PIP_INDEX_URL", "http://127.0.0.1:1/"), ("PIP_RETRIES", "0")], "the Python packages"),
    ] {
        made(&scene, language, &[]);
        let around: Vec<_> = registry.iter().copied().chain([("XDG_CACHE_HOME", cache.to_str().unwrap())]).collect();
        let (status, said) = build(&scene, language, &around);
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains(words) && said.contains("HTTPS_PROXY"), "{said}");
    }
}
