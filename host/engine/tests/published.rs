//! Published pipelines that are steps: pinned, and shut in their folders.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use llmhost_engine::diagnostic::Diagnostics;
use llmhost_engine::pipeline::{Given, Packages, Pipeline, Trust};

const PIN: &str = "oci://example.com/net:1@sha256:aa";

/// One published pipeline, unpacked.
struct One(PathBuf);

impl Packages for One {
    fn pipeline(&self, uses: &str, trust: &Trust) -> Result<Option<PathBuf>, (String, String)> {
        match uses {
            PIN if trust.of("example.com/net").is_some() => Err(("it is not signed".into(), "sign it".into())),
            PIN => Ok(Some(self.0.clone())),
            _ => Ok(None),
        }
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Loads a file that uses a published one.
fn load(steps: &str, published: &str) -> (Result<Pipeline, Diagnostics>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "main/main.toml", &format!("[pipeline]\nname = \"x\"\nregion = \"us-east-1\"\n{steps}"));
    write(folder.path(), "cache/net.toml", published);
    write(folder.path(), "cache/parts/part.toml", "[steps.inner]\nuses = \"./p.wasm\"\nwith = { file = \"f\" }\n");
    write(folder.path(), "other.toml", "");
    let packages: Option<Arc<dyn Packages>> = Some(Arc::new(One(folder.path().join("cache/net.toml"))));
    let given = Given { packages, ..Given::default() };
    (Pipeline::load_given(&folder.path().join("main/main.toml"), &given, &|name| Some(format!("the {name}"))), folder)
}

fn uses(more: &str) -> String {
    format!("[steps.net]\nuses = \"{PIN}\"\n{more}\n")
}

#[test]
fn a_published_pipeline_is_a_step_like_one_beside_the_file() {
    let published = "[vars.name]\n[steps.vpc]\nuses = \"vpc\"\nwith = { name = \"${vars.name}\" }\n\
                     [steps.part]\nuses = \"./parts/part.toml\"\n[outputs]\nid = \"${vpc.vpc_id}\"\n";
    let steps =
        uses("with = { name = \"${env.NAME}\" }") + "[steps.app]\nuses = \"s3\"\nwith = { a = \"${net.id}\" }\n";
    let (pipeline, folder) = load(&steps, published);
    let pipeline = pipeline.unwrap();
    let names: Vec<&str> = pipeline.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["app", "net.vpc", "net.part.inner"]);
    let root = folder.path().join("cache");
    let inner = "net.part.inner".parse().unwrap();
    assert_eq!(pipeline.base_of(&inner), root.join("parts"), "paths start at the file that they stand in");
    assert_eq!(pipeline.root_of(&inner), Some(root.as_path()));
    assert_eq!(pipeline.root_of(&"app".parse().unwrap()), None);
    assert_eq!(pipeline.steps[2].uses, root.join("parts/p.wasm").display().to_string());
}

#[test]
fn what_leads_out_of_a_published_pipeline_is_refused_with_its_place() {
    let outside = "is not in the folder of the published pipeline";
    for (more, published, said) in [
        ("", "[steps.a]\nuses = \"../other.toml\"", outside),
        ("", "[steps.a]\nuses = \"/other.toml\"", outside),
        ("", "[steps.a]\nuses = \"../x.wasm\"", outside),
        ("", "[steps.a]\nuses = \"./parts/../../x.wasm\"", outside),
        ("", "[steps.a]\nuses = \"/x.wasm\"", outside),
        (
            "",
            "[steps.a]\nuses = \"s3\"\nwith = { a = \"${env.HOME}\" }",
            "a published pipeline does not see the environment",
        ),
        ("", "[vars.a]\ndefault = \"${env.HOME}\"", "a published pipeline does not see the environment"),
        ("allow = [\"ec2\"]", "", "allow and limits are for plugins"),
    ] {
        let (found, _folder) = load(&uses(more), published);
        let found = found.expect_err(said);
        let problem = found.problems.iter().find(|problem| problem.message.contains(said));
        let problem = problem.unwrap_or_else(|| panic!("{said}: {:?}", found.problems));
        assert!(problem.span.is_some() && problem.help.is_some(), "{problem:?}");
        let (file, _) = found.files.locate(problem.span.as_ref().unwrap());
        assert_eq!(file.path.ends_with("net.toml"), more.is_empty(), "{problem:?}");
    }
    let key = "\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKwc5IF3+ZKZ5mZc0CIU1PM1e2VuQ0VnIcHUpKlTDR a@b\"";
    let (found, _folder) = load(&(uses("") + &format!("[trust]\n\"example.com/*\" = [{key}]\n")), "");
    let found = found.expect_err("it is not signed");
    assert_eq!(found.problems[0].message, "it is not signed", "{:?}", found.problems);
    assert_eq!(found.problems[0].help.as_deref(), Some("sign it"));
}

#[test]
fn what_is_no_published_pipeline_is_a_plugin() {
    for address in ["oci://example.com/net:1", "oci://example.com/other:1@sha256:bb"] {
        let (pipeline, _folder) = load(&format!("[steps.net]\nuses = \"{address}\"\n"), "");
        assert_eq!(pipeline.unwrap().steps[0].uses, address);
    }
}
