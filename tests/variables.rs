//! Values of variables: where they come from, what they have to be, and which of them nobody sees.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{ACCESS_KEY, Ran, SECRET_KEY, Scene, emulator, look};

const FILE: &str = "pipeline.toml";

/// Runs llmhost with these environment variables.
fn with_env(scene: &Scene, env: &[(&str, &str)], args: &[&str]) -> Ran {
    let output = scene.command(args).envs(env.iter().copied()).output().unwrap();
    Ran {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A pipeline that plans a bucket with the value of `x`, declared so.
fn declare(scene: &Scene, declaration: &str) {
    scene.pipeline(&format!(
        "[vars.x]\n{declaration}\n[steps.b]\nuses = \"s3\"\nwith = {{ bucket = \"the-bucket\", tags = {{ x = \"${{vars.x}}\" }} }}\n"
    ));
}

#[test]
fn of_several_values_the_one_that_was_given_most_purposely_counts() {
    let scene = Scene::new();
    declare(&scene, "default = \"of-default\"");
    scene.write("one.toml", "x = \"of-one\"\n");
    scene.write("two.json", "{ \"x\": \"of-two\" }");
    let env = [("LLMHOST_VAR_x", "of-env"), ("LLMHOST_VAR_other", "nobody's")];
    let (none, flag): (&[_], _) = (&[], ["--var", "x=of-first", "--var", "x=of-flag"]);
    let (one, both) = (["--var-file", "one.toml"], ["--var-file", "one.toml", "--var-file", "two.json"]);
    let reversed = ["--var-file", "two.json", "--var-file", "one.toml"];
    for (env, args, counts) in [
        (none, &[][..], "of-default"),
        (&env, &[], "of-env"),
        (&env, &one, "of-one"),
        (&env, &both, "of-two"),
        (none, &reversed, "of-one"),
        (&env, &[&flag[..], &both].concat(), "of-flag"),
    ] {
        let ran = with_env(&scene, env, &[&["run", FILE, "--dry-run", "--verbose"], args].concat()).status(0);
        ran.says(&[&format!("x: \"{counts}\"")]);
    }
    // Every command that takes a variable takes a file of them.
    for command in [
        &["run"][..],
        &["destroy"],
        &["lock"],
        &["graph"],
        &["validate"],
        &["status"],
        &["outputs"],
        &["import"],
        &["drift"],
        &["rehearse"],
        &["policy"],
        &["kubeconfig"],
        &["state", "list"],
        &["state", "show"],
        &["state", "rm"],
        &["state", "mv"],
        &["state", "pin"],
        &["state", "unlock"],
    ] {
        let help = scene.llmhost(&[command, &["--help"]].concat()).status(0).stdout;
        assert!(help.contains("--var <NAME=VALUE>") && help.contains("--var-file <FILE>"), "{command:?}: {help}");
    }
}

#[test]
fn a_value_of_a_file_has_the_type_that_it_is_written_with() {
    let scene = Scene::new();
    for (of, written, wrong) in [
        ("string", "\"1.30\"", None),
        ("string", "1.30", Some("vars.toml:2: 'x' is a number, and variable 'x' has the type string")),
        ("integer", "3", None),
        ("integer", "\"3\"", Some("vars.toml:2: 'x' is a string, and variable 'x' has the type integer")),
        ("integer", "3.0", Some("vars.toml:2: 'x' is a number")),
        ("number", "3", None),
        ("bool", "\"true\"", Some("vars.toml:2: 'x' is a string")),
        ("list(string)", "[\n \"a\"\n]", None),
        ("list(string)", "[1]", Some("vars.toml:2: 'x' is a list")),
        ("map(number)", "{ a = 1 }", None),
    ] {
        scene.pipeline(&format!("[vars.x]\ntype = \"{of}\"\n"));
        scene.write("vars.toml", format!("# of prod\nx = {written}\n"));
        let ran = scene.llmhost(&["graph", FILE, "--var-file", "vars.toml"]);
        match wrong {
            None => _ = ran.status(0),
            Some(words) => _ = ran.status(2).says(&[words, "[vars.x]", "write it like x = "]),
        }
    }
    let env = with_env(&scene, &[("LLMHOST_VAR_x", "no map")], &["graph", FILE]).status(2);
    env.says(&["LLMHOST_VAR_x: 'no map' cannot be read", "write it like LLMHOST_VAR_x='{ key = 0.5 }'"]);
}

#[test]
fn a_file_that_cannot_be_taken_is_refused_with_its_place() {
    let scene = Scene::new();
    declare(&scene, "default = \"of-default\"");
    for (name, text, words) in [
        ("v.toml", "\nxx = 1\n", &["v.toml:2: the pipeline file has no variable 'xx'", "did you mean 'x'?"][..]),
        ("v.json", "{\n\n\"other\": 1}", &["v.json:3: the pipeline file has no variable 'other'", "[vars.other]"]),
        ("v.toml", "x = \"a\"\nx == planted\n", &["v.toml:2: this is not TOML"]),
        ("v.json", "{\"x\": planted}", &["v.json:1: this is not JSON: expected value", "a .json file with an object"]),
        ("v.toml", "x = 2020-01-01", &["v.toml:1: 'x' has no value: a date"]),
    ] {
        scene.write(name, text);
        let ran = scene.llmhost(&["validate", FILE, "--var-file", name]).status(2);
        ran.says(words).says(&["1 problem"]).does_not_say(&["planted"]);
    }
    let missing = scene.llmhost(&["validate", FILE, "--var-file", "no-such.toml"]).status(2);
    missing.says(&["cannot read the file of variables no-such.toml: No such file"]);
    let folder = scene.llmhost(&["validate", FILE, "--var-file", "."]).status(2);
    folder.says(&["it is a folder"]);
    let none = scene.llmhost(&["validate", FILE, "--var-file"]).status(2);
    none.says(&["--var-file <FILE>"]);
}

#[test]
fn a_value_that_breaks_a_rule_is_refused_with_the_rule_and_where_it_came_from() {
    let scene = Scene::new();
    scene.write("dev.toml", "x = \"prd\"\n");
    for (declaration, args, words) in [
        (
            "validation = { one_of = [\"dev\", \"prod\"], message = \"dev and prod are all there is\" }",
            &["--var-file", "dev.toml"][..],
            &[
                "dev.toml:1: \"prd\" breaks the rule one_of = [\"dev\", \"prod\"] of variable 'x'",
                "dev and prod are all there is; did you mean 'prod'?",
                "[vars.x]",
            ][..],
        ),
        (
            "default = \"Prod\"\nvalidation = { pattern = '[a-z]+' }",
            &["--var", "x=prod"],
            &["default of [vars.x]: \"Prod\" breaks the rule pattern = '[a-z]+'"],
        ),
        (
            "type = \"list(string)\"\nvalidation = { pattern = '[a-z]', max_length = 3 }",
            &["--var", "x=[\"a\", \"bb\"]"],
            &["--var x: \"bb\" (entry [1]) breaks the rule pattern = '[a-z]'"],
        ),
        (
            "type = \"map(integer)\"\nvalidation = { min = 1, max = 9 }",
            &["--var", "x={ a = 5, b = 10 }"],
            &["--var x: 10 (entry .b) breaks the rule max = 9"],
        ),
        (
            "type = \"list(any)\"\nvalidation = { min_length = 1 }",
            &["--var", "x=[]"],
            &["[] breaks the rule min_length = 1"],
        ),
        ("validation = { max_length = 2 }", &["--var", "x=€€€"], &["\"€€€\" breaks the rule max_length = 2"]),
    ] {
        declare(&scene, declaration);
        scene.llmhost(&[&["graph", FILE], args].concat()).status(2).says(words);
    }
    // What keeps the rules is taken.
    declare(
        &scene,
        "default = \"prod\"\nvalidation = { one_of = [\"dev\", \"prod\"], pattern = '\\w+', min_length = 3 }",
    );
    scene.llmhost(&["run", FILE, "--dry-run", "--verbose", "--var", "x=dev"]).status(0).says(&["x: \"dev\""]);
}

#[test]
fn a_rule_that_cannot_hold_is_an_error_at_its_place() {
    let scene = Scene::new();
    for (declaration, words) in [
        ("default = 1\nvalidation = { pattern = '.' }", &["is for strings, and the variable has the type integer"][..]),
        (
            "validation = { min = 1 }",
            &["min of [vars.x.validation] is for numbers, and the variable has the type string"],
        ),
        ("default = true\nvalidation = { max_length = 1 }", &["booleans take one_of"]),
        ("type = \"any\"\nvalidation = { pattern = 'a' }", &["write the type of the variable"]),
        ("validation = { pattern = 'a(' }", &["is no regular expression: unclosed group"]),
        ("validation = { one_of = [] }", &["no value would be allowed"]),
        ("validation = { one_of = [\"a\", 1] }", &["holds a number, and the values have the type string"]),
        ("validation = { one_of = [\"${env.HOME}\"] }", &["cannot hold a reference"]),
        ("default = 1\nvalidation = { min = 3, max = 2 }", &["min is more than max"]),
        ("validation = { min_length = -1 }", &["must be a whole number from 0"]),
        ("validation = { patern = 'a' }", &["unknown key 'patern'", "did you mean 'pattern'?"]),
        ("validation = 'a'", &["validation of [vars.x] must be a table"]),
        ("secret = \"yes\"", &["secret of [vars.x] must be true or false"]),
        ("type = \"integer\"\nsecret = true", &["secret of [vars.x] is for strings"]),
    ] {
        declare(&scene, declaration);
        // Line 6 is the first of the declaration.
        let ran = scene.llmhost(&["graph", FILE, "--var", "x=1"]).status(2);
        ran.says(words).says(&["pipeline.toml:"]);
        let line = if declaration.contains('\n') { "pipeline.toml:7:" } else { "pipeline.toml:6:" };
        assert!(ran.stderr.contains(line), "{}", ran.stderr);
    }
}

#[test]
fn the_schema_for_editors_knows_rules_and_secrets() {
    let schema: Value = serde_json::from_str(&Scene::new().llmhost(&["schema"]).status(0).stdout).unwrap();
    let variable = &schema["properties"]["vars"]["additionalProperties"]["properties"];
    assert_eq!(variable["secret"]["type"], "boolean");
    let rules = &variable["validation"];
    assert_eq!(rules["additionalProperties"], false);
    let known: Vec<_> = rules["properties"].as_object().unwrap().keys().collect();
    assert_eq!(known, ["one_of", "pattern", "min", "max", "min_length", "max_length", "message"]);
}

const PLANTED: &str = "planted-variable-that-must-not-appear";

/// A bucket that has the secret in a tag: a plain value to the plugin, to AWS and to the state.
const SECRET: &str = r#"
[vars.env]
default = "dev"
[vars.token]
secret = true
validation = { min_length = 20 }
[steps.b]
uses = "s3"
with = { bucket = "the-bucket-of-${vars.env}", tags = { token = "Bearer ${vars.token}" } }
"#;

fn run(scene: &Scene, url: &str, args: &[&str]) -> Ran {
    let env = [("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY), ("LLMHOST_LOG", "trace")];
    let ran = with_env(scene, &env, &[args, &["--endpoint-url", url]].concat());
    // The log is long; what is looked for in it must not be there.
    hidden(&ran);
    ran
}

#[track_caller]
fn hidden(ran: &Ran) {
    // Cut so that neither a cut nor an escape hides it.
    for text in [&ran.stdout, &ran.stderr] {
        let at = text.find(&PLANTED[..12]).map(|at| at.saturating_sub(300));
        assert!(at.is_none(), "it was said: {}", &text.chars().skip(at.unwrap()).take(600).collect::<String>());
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_a_secret_variable_and_plugin_aws_and_state_have_it() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(SECRET);
    scene.write("secret.toml", format!("token = \"{PLANTED}\"\n"));
    let given = format!("token={PLANTED}");
    let url = emulator.url();
    let file = ["--var-file", "secret.toml"];
    let plan = run(&scene, url, &["run", FILE, "--dry-run", "-v", "--var", &given, "--graph", "plan.html"]).status(0);
    plan.says(&["token: \"Bearer (secret)\""]);
    run(&scene, url, &[&["run", FILE, "--json", "--trace", "trace.jsonl", "-y"], &file[..]].concat()).status(0);
    let world = look(url);
    let bucket = world["storage"].as_array().unwrap().iter().find(|one| one["name"] == "the-bucket-of-dev").unwrap();
    assert_eq!(bucket["tags"]["token"], format!("Bearer {PLANTED}"), "{bucket}");
    // What AWS says is compared with the value, not with a mask.
    run(&scene, url, &[&["run", FILE, "--refresh", "-y"], &file[..]].concat()).status(0).says(&["No changes"]);
    run(&scene, url, &[&["drift", FILE], &file[..]].concat()).status(0);
    run(&scene, url, &[&["status", FILE, "--json"], &file[..]].concat()).status(0);
    run(&scene, url, &[&["state", "show", FILE, "b/s3.bucket/main"], &file[..]].concat());
    let changed = run(&scene, url, &["run", FILE, "--dry-run", "--var", "token=another-planted-variable-value"]);
    changed.status(0).says(&["\"(secret)\" -> \"Bearer (secret)\""]);
    let own = [scene.path("secret.toml")];
    let with_it: Vec<_> = files(scene.folder.path())
        .into_iter()
        .filter(|path| !own.contains(path))
        .filter(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).contains(PLANTED))
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert!(with_it.contains(&"state.json".to_owned()), "{with_it:?}");
    assert!(with_it.iter().all(|name| name.starts_with("state.json") || name.starts_with("journal")), "{with_it:?}");
}

#[test]
fn no_error_says_the_value_of_a_secret_variable() {
    let scene = Scene::new();
    scene.write("number.toml", "x = 123456789\n");
    scene.write("good.toml", format!("x = \"{PLANTED}\"\n"));
    for (declaration, args, words) in [
        (
            "secret = true\nvalidation = { max_length = 9 }",
            &["--var-file", "good.toml"][..],
            "the value breaks the rule",
        ),
        (
            "secret = true\nvalidation = { one_of = [\"a\"] }",
            &["--var-file", "good.toml"],
            "good.toml:1: the value breaks",
        ),
        ("secret = true\ntype = \"list(string)\"", &["--var-file", "good.toml"], "is a string"),
        (
            "secret = true\ntype = \"list(string)\"",
            &["--var", "x=planted-variable"],
            "--var x: the value cannot be read",
        ),
        ("secret = true", &["--var-file", "number.toml"], "number.toml:1: the value is a number"),
        ("secret = true", &["--var", "x=abc"], "holds a string shorter than 6 characters"),
        ("secret = true\ntype = \"string\"\ndefault = 123456789", &[], "must have the type string, and is a number"),
        ("secret = true\ntype = \"string\"\ndefault = 98765", &[], "must have the type string, and is a number"),
        (
            "secret = true\ndefault = \"planted-variable\"\nvalidation = { min_length = 99 }",
            &[],
            "the value breaks the rule",
        ),
        // Other parts of the file are wrong because of it, with and without a line of it.
        ("secret = true\ndefault = \"planted-variable of the default\"\nother = 1", &[], "unknown key 'other'"),
    ] {
        declare(&scene, declaration);
        for json in [&[][..], &["--json"]] {
            let ran = scene.llmhost(&[&["validate", FILE], args, json].concat()).status(2);
            ran.does_not_say(&["planted-variable", "123456789", "98765", "abc"]);
            ran.says(&[words]);
        }
    }
    let bad = |name: &str| {
        let text = format!(
            "[vars.x]\nsecret = true\n[pipeline]\nname = \"{name}\"\nregion = \"us-east-1\"\n[steps.b]\nuses = \"s3\"\n\
             with = {{ bucket = \"the-bucket\", lifecycle = \"${{vars.x}}\" }}\n"
        );
        scene.write(FILE, text);
        let long = format!("x={}", "planted-variable with spaces ".repeat(9));
        let ran = scene.llmhost(&["run", FILE, "--dry-run", "--var", &long]).status(2);
        ran.does_not_say(&["planted-v"]);
        ran
    };
    bad("llm-${vars.x}").says(&["the pipeline name holds the value of a secret variable"]);
    // The options of the plugin are checked with the value, which is longer than what a message shows.
    bad("llm").says(&["(secret)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_plan_holds_variables_and_asks_for_secret_ones_again() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(SECRET);
    let url = emulator.url();
    scene.write("prod.toml", format!("env = \"prod\"\ntoken = \"{PLANTED}\"\n"));
    let file = ["--var-file", "prod.toml"];
    run(&scene, url, &[&["run", FILE, "--dry-run", "--out", "plan.bin"], &file[..]].concat()).status(0);
    let saved = String::from_utf8(std::fs::read(scene.path("plan.bin")).unwrap()).unwrap();
    assert!(!saved.contains("planted") && saved.contains("the-bucket-of-prod"), "{saved}");

    let asked = run(&scene, url, &["run", "plan.bin"]).status(2);
    asked.says(&["the saved plan does not hold the value of the secret variable 'token'", "--var token=VALUE"]);
    let other = run(&scene, url, &["run", "plan.bin", "--var", "token=another-planted-variable-value"]).status(1);
    other.says(&["Saved plan is stale", "a secret variable"]);
    let plain = format!("token={PLANTED}");
    let refused = run(&scene, url, &["run", "plan.bin", "--var", &plain, "--var", "env=dev"]).status(2);
    refused.says(&["a saved plan cannot be used with --var", "accepts only the values of secret variables"]);
    // What the plan was made with counts, whatever the environment has now; the secret may come from the same file.
    scene.edit("prod.toml", "env = \"prod\"", "env = \"qa\"");
    run(&scene, url, &[&["run", "plan.bin"], &file[..]].concat()).status(0).says(&["1 created"]);
    let world = look(url);
    let names: Vec<_> = world["storage"].as_array().unwrap().iter().map(|bucket| &bucket["name"]).collect();
    assert_eq!(names, ["the-bucket-of-prod"]);
}
