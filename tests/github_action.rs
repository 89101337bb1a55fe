//! The GitHub Action and the scripts of a release: what they run, on this machine.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::process::{Command, Output};

use support::{Scene, repository};

/// Runs a script of `packaging/` in the scene's folder, with llmhost and the scene's own programs on PATH.
fn script(scene: &Scene, name: &str, args: &[&str], env: &[(&str, &str)]) -> Output {
    let binary = Path::new(env!("CARGO_BIN_EXE_llmhost")).parent().unwrap();
    let path = format!("{}:{}:{}", scene.path("bin").display(), binary.display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    bash.arg(repository().join("packaging").join(name)).args(args).current_dir(scene.folder.path());
    for credential in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"] {
        bash.env_remove(credential);
    }
    bash.env("PATH", path).env("RUNNER_TEMP", scene.path("tmp")).env("GITHUB_OUTPUT", scene.path("outputs"));
    bash.envs(env.iter().copied()).output().unwrap()
}

fn text(scene: &Scene, name: &str) -> String {
    std::fs::read_to_string(scene.path(name)).unwrap()
}

/// A `gh` that knows one comment of an earlier plan where the file `before` exists, and notes what it is asked to do.
const GH: &str = r#"#!/usr/bin/env bash
set -eu
case "$*" in
    *--jq*) if [ -e before ]; then echo 42; fi ;;
    *) echo "$*" >> asked ;;
esac
"#;

fn executable(scene: &Scene, name: &str, content: &str) {
    use std::os::unix::fs::PermissionsExt;
    let file = scene.write(name, content);
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_plan_with_changes_becomes_a_comment_with_its_graph() {
    let scene = Scene::with_examples();
    let env = [("PIPELINE", "llm-on-eks.toml"), ("ARGUMENTS", "--new-region")];
    let ran = script(&scene, "github/plan.sh", &[], &env);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let comment = text(&scene, "tmp/llmhost/comment.md");
    assert!(
        comment.starts_with("<!-- llmhost plan llm-on-eks.toml -->\n### llmhost: plan for `llm-on-eks.toml`"),
        "{comment}"
    );
    let (summary, _) = comment.split_once("<details>").unwrap();
    assert!(summary.contains("\n\nPlan: 46 to create, 0 to update, 0 to replace, 0 to delete.\n"), "{comment}");
    assert!(comment.contains("46 to create") && comment.contains("```mermaid\nflowchart LR"), "{comment}");
    assert!(comment.len() < 65_536 && !comment.contains('\u{1b}'), "{}", comment.len());
    assert!(text(&scene, "outputs").contains("changes=true\n"));
    // What a later job applies is the plan that was shown.
    assert!(scene.path("tmp/llmhost/plan.bin").exists());
}

#[test]
fn a_plan_that_fails_is_a_comment_too_and_fails_the_job() {
    let scene = Scene::new();
    scene.pipeline("[steps.logs]\nuses = \"s3\"\nwith = { bukcet = \"x\" }\n");
    let ran = script(&scene, "github/plan.sh", &[], &[("PIPELINE", "pipeline.toml")]);
    assert_eq!(ran.status.code(), Some(2));
    let comment = text(&scene, "tmp/llmhost/comment.md");
    assert!(comment.contains("planning `pipeline.toml` failed") && comment.contains("bukcet"), "{comment}");
    assert!(text(&scene, "outputs").contains("changes=false\n"));
}

#[test]
fn the_comment_of_the_plan_before_is_written_over() {
    let scene = Scene::new();
    executable(&scene, "bin/gh", GH);
    scene.write("comment.md", "<!-- llmhost plan p.toml -->\n");
    let env = [("PIPELINE", "p.toml"), ("NUMBER", "7"), ("GITHUB_REPOSITORY", "acme/infra")];
    assert!(script(&scene, "github/comment.sh", &["comment.md"], &env).status.success());
    scene.write("before", "");
    assert!(script(&scene, "github/comment.sh", &["comment.md"], &env).status.success());
    let asked = text(&scene, "asked");
    let [first, second] = asked.lines().collect::<Vec<_>>()[..] else { panic!("{asked}") };
    assert_eq!(first, "api --method POST repos/acme/infra/issues/7/comments --field body=@comment.md");
    assert_eq!(second, "api --method PATCH repos/acme/infra/issues/comments/42 --field body=@comment.md");
}

#[test]
fn a_release_is_installed_where_its_digest_is_right() {
    let scene = Scene::new();
    let version = format!("v{}", env!("CARGO_PKG_VERSION"));
    let name = format!("llmhost-{}-{}-unknown-linux-gnu", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    executable(&scene, &format!("{name}/llmhost"), "#!/bin/sh\necho installed $1\n");
    let folder = format!("releases/{version}");
    std::fs::create_dir_all(scene.path(&folder)).unwrap();
    let pack = format!(
        "tar -czf {folder}/{name}.tar.gz {name} && cd {folder} && sha256sum {name}.tar.gz > {name}.tar.gz.sha256"
    );
    assert!(Command::new("bash").args(["-euc", &pack]).current_dir(scene.folder.path()).status().unwrap().success());
    let (releases, into) = (format!("file://{}", scene.path("releases").display()), scene.path("into"));
    let env = [("VERSION", &*version), ("LLMHOST_RELEASES", &releases), ("LLMHOST_INTO", into.to_str().unwrap())];
    let env = [&env[..], &[("LLMHOST_REPOSITORY", "acme/llmhost")]].concat();
    let ran = script(&scene, "github/install.sh", &[], &env);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "installed --version\n");
    scene.write(&format!("{folder}/{name}.tar.gz"), "another");
    std::fs::remove_file(into.join("llmhost")).unwrap();
    assert!(!script(&scene, "github/install.sh", &[], &env).status.success());
    assert!(!into.join("llmhost").exists());
}

#[test]
fn notes_of_a_release_are_its_section_of_the_changelog() {
    let scene = Scene::new();
    let ran = script(&scene, "release-notes.sh", &["Unreleased"], &[]);
    assert!(ran.status.success() && !ran.stdout.is_empty());
    let none = script(&scene, "release-notes.sh", &["9.9.9"], &[]);
    assert!(!none.status.success());
    assert!(String::from_utf8_lossy(&none.stderr).contains("no section '## 9.9.9'"));
}
