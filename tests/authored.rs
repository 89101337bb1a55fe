//! One plugin of some use in every language, made with the binary alone: a topic, a bucket, and a security group in
//! another step's network, with typed options and outputs. `tests/authored` holds its source in each language, and one
//! case for all of them.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::path::PathBuf;

use support::{Scene, emulator, look, repository};

/// Each language, its source here, and where that stands in a project.
const PLUGINS: [(&str, &str, &str); 9] = [
    ("rust", "plugin.rs", "src/lib.rs"),
    ("javascript", "plugin.js", "plugin.js"),
    // The types of the SDK make the same text a program in TypeScript.
    ("typescript", "plugin.js", "src/plugin.ts"),
    ("assemblyscript", "plugin.as.ts", "assembly/plugin.ts"),
    ("python", "plugin.py", "plugin.py"),
    ("go", "plugin.go", "plugin.go"),
    ("c", "plugin.c", "src/plugin.c"),
    ("cpp", "plugin.cpp", "src/plugin.cpp"),
    ("zig", "plugin.zig", "src/plugin.zig"),
];
const USES: &str = "cloud-control,ec2:security-group,ec2:security-group-rule,s3:bucket";

/// Makes a project of the template, with the plugin's source in place of the template's, builds it and runs its case.
fn built(scene: &Scene, (language, source, place): (&str, &str, &str)) -> PathBuf {
    let own = |name: &str| std::fs::read_to_string(repository().join("tests/authored").join(name)).unwrap();
    let project = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("authored").join(language);
    let folder = project.to_str().unwrap();
    // A project is made in an empty folder. What its compiler made in the last run of this test spares it time.
    let kept = ["target", "build"].map(|name| (project.join(name), project.with_extension(name)));
    kept.iter().for_each(|(from, to)| drop(std::fs::rename(from, to)));
    drop(std::fs::remove_dir_all(&project));
    scene.llmhost(&["plugin", "new", "alerts", "--lang", language, "--dir", folder, "--uses", USES]).status(0);
    kept.iter().for_each(|(to, from)| drop(std::fs::rename(from, to)));
    assert!(project.join(place).is_file(), "{language} has its source elsewhere");
    std::fs::write(project.join(place), own(source)).unwrap();
    std::fs::write(project.join("cases/default.toml"), own("case.toml")).unwrap();
    let ran = scene.llmhost(&["plugin", "build", folder]).status(0);
    ran.says(&["ec2:security-group, ec2:security-group-rule, s3:bucket, cloud-control:AWS::SNS::Topic"]);
    scene.llmhost(&["plugin", "test", folder]).status(0).says(&["1 case passed"]);
    project.join("alerts.wasm")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_useful_plugin_in_each_language_is_made_tested_and_run_beside_the_others() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let mut steps =
        "[steps.network]\nuses = \"vpc\"\nwith = { name = \"network\", azs = 2, nat = \"none\" }\n".to_owned();
    for plugin in PLUGINS {
        let language = plugin.0;
        std::fs::copy(built(&scene, plugin), scene.path(&format!("{language}.wasm"))).unwrap();
        steps += &format!(
            "[steps.{language}]\nuses = \"./{language}.wasm\"\n\
             allow = [\"ec2:security-group\", \"ec2:security-group-rule\", \"s3:bucket\", \"cloud-control:AWS::SNS::Topic\"]\n\
             with = {{ name = \"alerts-{language}\", vpc_id = \"${{network.vpc_id}}\", port = 8443 }}\n"
        );
    }
    scene.pipeline(&steps);
    let ran = scene.at(emulator.url(), &["run", "pipeline.toml"]).status(0);
    let world = look(emulator.url());
    let named = |list: &str, key: &str, name: &str| {
        world[list].as_array().unwrap().iter().any(|one| one[key].as_str().is_some_and(|one| one.ends_with(name)))
    };
    let outputs = scene.llmhost(&["outputs", "pipeline.toml"]).status(0);
    outputs.says(&["sensitive outputs are hidden"]).does_not_say(&["arn:aws:sns:"]);
    for (language, ..) in PLUGINS {
        ran.says(&[&format!("{language}: alerts of alerts-{language} are kept")]);
        outputs.says(&[
            &format!("{language}.bucket_arn = \"arn:aws:s3:::alerts-{language}-archive\""),
            &format!("{language}.security_group_id = \"sg-"),
            &format!("{language}.port = 8443"),
        ]);
        // Its resource's ID is the same text.
        ran.does_not_say(&[&format!("arn:aws:sns:us-east-1:123456789012:alerts-{language}")]);
        assert!(named("storage", "name", &format!("alerts-{language}-archive")), "{language}");
    }
    scene.at(emulator.url(), &["run", "pipeline.toml"]).status(0).says(&["0 changes"]).does_not_say(&["arn:aws:sns:"]);
    for command in
        [&["status", "pipeline.toml"][..], &["status", "pipeline.toml", "--json"], &["run", "pipeline.toml", "--json"]]
    {
        scene.at(emulator.url(), command).status(0).says(&["(sensitive)"]).does_not_say(&["arn:aws:sns:"]);
    }
    // A wrong option is an error of the file, in every language, before any of them runs.
    scene.pipeline(&steps.replace("port = 8443", "port = \"https\""));
    let refused = scene.at(emulator.url(), &["run", "pipeline.toml", "--dry-run"]).status(2);
    for (language, ..) in PLUGINS {
        refused.says(&[&format!("port of step {language} must be a whole number")]);
    }
    scene.pipeline(&steps);
    scene.at(emulator.url(), &["destroy", "pipeline.toml", "--yes"]).status(0);
    assert_eq!(look(emulator.url())["storage"], serde_json::json!([]));
}
