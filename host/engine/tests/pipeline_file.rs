//! What a pipeline file may say with variables, and what is refused, each problem with its place.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::PathBuf;

use llmhost_engine::diagnostic::Diagnostics;
use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::secret::SecretSource;
use serde_json::{Value, json};

/// Loads a file with these variables; the environment has `STAGE` alone.
fn load(text: &str, vars: &[(&str, &str)]) -> Result<Pipeline, Diagnostics> {
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("pipeline.toml");
    std::fs::write(&file, text).unwrap();
    let vars: Vec<_> = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Pipeline::load(&file, &vars, &|name| (name == "STAGE").then(|| "qa".to_owned()))
}

/// The value of a variable, as a step gets it.
fn value(declaration: &str, told: Option<&str>) -> Result<Value, Diagnostics> {
    let text = format!(
        "[pipeline]\nname = \"test\"\nregion = \"us-east-1\"\n[vars.x]\n{declaration}\n[steps.a]\nuses = \"s3\"\nwith = {{ x = \"${{vars.x}}\" }}\n"
    );
    let told: Vec<_> = told.into_iter().map(|value| ("x", value)).collect();
    let pipeline = load(&text, &told)?;
    Ok(pipeline.steps[0].resolve(|_| None).unwrap()["x"].clone())
}

#[test]
fn variables_stand_in_the_head_of_the_file_and_in_secrets() {
    let text = r#"
[vars.env]
default = "dev"
[vars.build]
default = 7
[vars.keep]
type = "bool"
default = false
[pipeline]
name   = "llm-${vars.env}"
region = "${vars.env}-east-1"
state  = "s3://states/${vars.env}/${env.STAGE}"
tags   = { env = "${vars.env}", build = "${vars.build}", stage = "${env.STAGE}", price = "1" }
[secrets.key]
parameter = "/${vars.env}/key"
version   = "${vars.build}"
[steps.a]
uses    = "s3"
protect = "${vars.keep}"
with    = { "literal-$${key}" = "$${vars.env}", text = "a-${vars.env}" }
"#;
    for (env, keep) in [("us", false), ("eu", true)] {
        let pipeline = load(text, &[("env", env), ("keep", &keep.to_string())]).unwrap();
        assert_eq!(pipeline.name, format!("llm-{env}"));
        assert_eq!(pipeline.region, format!("{env}-east-1"));
        assert_eq!(pipeline.state.clone().unwrap().0, format!("s3://states/{env}/qa"));
        let tags = serde_json::to_value(&pipeline.tags).unwrap();
        assert_eq!(tags, json!({"build": "7", "env": env, "price": "1", "stage": "qa"}));
        let secret = &pipeline.secrets["key"];
        assert_eq!(secret.version, 7);
        assert!(matches!(&secret.source, SecretSource::Parameter(name) if *name == format!("/{env}/key")));
        assert_eq!(pipeline.steps[0].protect, keep);
        let with = pipeline.steps[0].resolve(|_| None).unwrap();
        assert_eq!(with, json!({"literal-${key}": "${vars.env}", "text": format!("a-{env}")}));
    }
}

#[test]
fn a_reference_that_cannot_stand_somewhere_is_refused_with_its_place() {
    let file = |from: &str, to: &str| {
        let text = r#"[vars.env]
default = "dev"
[vars.list]
default = ["a"]
[pipeline]
name = "test"
region = "us-east-1"
state = "here"
tags = { team = "ml" }
[secrets.key]
env = "KEY"
[steps.net]
uses = "vpc"
with = { name = "n" }
[steps.a]
uses = "s3"
after = ["net"]
allow = ["s3:bucket"]
protect = false
limits = { memory = "1GiB" }
with = { bucket = "b" }
"#;
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    };
    for (from, to, at, words) in [
        ("\"test\"", "\"${net.vpc_id}\"", "${net.vpc_id}", "name of [pipeline] cannot contain an output of a step"),
        ("\"test\"", "\"${secrets.key}\"", "${secrets.key}", "name of [pipeline] cannot contain a secret"),
        ("\"test\"", "\"${vars.nev}\"", "${vars.nev}", "there is no variable 'nev'"),
        ("\"test\"", "\"${var.env}\"", "${var.env}", "there is no step 'var'"),
        ("\"test\"", "\"${vars.env\"", "${vars.env", "is not closed"),
        ("\"test\"", "\"${vars.list}\"", "\"${vars.list}\"", "must be a string, not a list"),
        ("\"test\"", "\"Test-${vars.env}\"", "\"Test-${vars.env}\"", "the pipeline name 'Test-dev'"),
        ("\"us-east-1\"", "\"${vars.env}\"", "\"${vars.env}\"", "'dev' is not a region"),
        ("\"here\"", "\"${net.vpc_id}\"", "${net.vpc_id}", "state of [pipeline] cannot contain an output of a step"),
        ("\"ml\"", "\"${net.vpc_id}\"", "${net.vpc_id}", "the tag 'team' cannot contain an output of a step"),
        ("team =", "\"team-${vars.env}\" =", "\"team-${vars.env}\"", "a tag's key cannot hold a reference"),
        ("\"KEY\"", "\"${net.vpc_id}\"", "${net.vpc_id}", "env of [secrets.key] cannot contain an output of a step"),
        ("\"s3\"\nafter", "\"${vars.env}\"\nafter", "\"${vars.env}\"", "uses of [steps.a] cannot hold a reference"),
        (
            "[\"net\"]",
            "[\"${vars.env}\"]",
            "\"${vars.env}\"",
            "every entry of after of [steps.a] cannot hold a reference",
        ),
        ("[\"s3:bucket\"]", "[\"s3:${vars.env}\"]", "\"s3:${vars.env}\"", "cannot hold a reference"),
        ("[\"s3:bucket\"]", "\"${vars.list}\"", "\"${vars.list}\"", "must be a list of strings"),
        ("\"1GiB\"", "\"${vars.env}\"", "\"${vars.env}\"", "memory of limits cannot hold a reference"),
        ("= false", "= \"${vars.env}\"", "\"${vars.env}\"", "must be true or false, not a string"),
        ("[steps.net]", "[steps.\"${vars.env}\"]", "\"${vars.env}\"", "the name of a step cannot hold a reference"),
        ("bucket =", "\"bucket-${vars.env}\" =", "\"bucket-${vars.env}\"", "a key cannot hold a reference"),
        ("default = \"dev\"", "default = \"${vars.list}\"", "${vars.list}", "can refer only to the environment"),
        (
            "default = \"dev\"",
            "default = \"${env.NOT_SET}\"",
            "${env.NOT_SET}",
            "the environment variable NOT_SET is not set",
        ),
    ] {
        let text = file(from, to);
        let found = load(&text, &[]).expect_err(to);
        let problem = found.problems.iter().find(|problem| problem.message.contains(words));
        let problem = problem.unwrap_or_else(|| panic!("{to}: {:#?}", found.problems));
        assert_eq!(&text[problem.span.clone().unwrap()], at, "{to}");
    }
}

#[test]
fn tags_keep_the_rules_of_aws() {
    let many: String = (0..47).map(|at| format!("t{at} = \"x\", ")).collect();
    for (tags, words) in [
        ("env = \"dev\", Env = \"x\"", "the tags 'env' and 'Env' differ only in case"),
        ("\"cost,centre\" = \"x\"", "has the character ','"),
        ("team = \"a*b\"", "has the character '*'"),
        ("\"aws:x\" = \"x\"", "starts with aws:, which is reserved"),
        ("\"\" = \"x\"", "empty key"),
        (&many, "47 tags are too many"),
    ] {
        let text = format!(
            "[pipeline]\nname = \"test\"\nregion = \"us-east-1\"\ntags = {{ {} }}\n",
            tags.trim_end_matches(", ")
        );
        let found = load(&text, &[]).expect_err(words);
        assert!(found.problems.iter().any(|problem| problem.message.contains(words)), "{words}: {:#?}", found.problems);
    }
}

#[test]
fn a_value_of_the_command_line_has_the_type_of_its_variable() {
    for (declaration, told, wanted) in [
        // Neither type nor default: text, whatever it looks like.
        ("", Some("1.30"), json!("1.30")),
        ("", Some("012345678901"), json!("012345678901")),
        ("", Some("true"), json!("true")),
        ("type = \"string\"", Some("1.30"), json!("1.30")),
        ("default = \"1.29\"", Some("1.30"), json!("1.30")),
        ("default = \"${env.STAGE}\"", None, json!("qa")),
        ("default = \"${env.NOT_SET}\"", Some("3"), json!("3")),
        ("default = 2", None, json!(2)),
        ("default = 2", Some("3"), json!(3)),
        ("type = \"number\"\ndefault = 2", Some("0.5"), json!(0.5)),
        ("default = true", Some("false"), json!(false)),
        ("default = [\"a\"]", Some("[\"b\", \"c\"]"), json!(["b", "c"])),
        ("type = \"list(string)\"", Some("[\"1.30\"]"), json!(["1.30"])),
        ("type = \"map(number)\"\ndefault = { a = 1 }", Some("{ b = 2 }"), json!({"b": 2})),
        ("type = \"any\"", Some("3"), json!(3)),
        ("type = \"any\"", Some("t3.medium"), json!("t3.medium")),
    ] {
        assert_eq!(value(declaration, told).unwrap(), wanted, "{declaration} {told:?}");
    }
    for (declaration, told, words, help) in [
        ("default = 2", Some("two"), "has the type integer, which its default has", "--var x=3"),
        ("default = 2", Some("2.5"), "'2.5' is a number", "--var x=3"),
        ("type = \"integer\"", Some("012345678901"), "cannot be read", "--var x=3"),
        ("type = \"bool\"", Some("yes"), "has the type bool", "--var x=true"),
        ("type = \"list(string)\"", Some("a,b"), "has the type list(string)", "--var 'x=[\"text\", \"text\"]'"),
        ("type = \"list(string)\"", Some("[1.30]"), "'[1.30]' is a list", "--var 'x=[\"text\", \"text\"]'"),
        ("type = \"string\"\ndefault = 1.30", None, "must have the type string, and is a number", "\"text\""),
        ("type = \"number\"\ndefault = \"1\"", Some("2"), "must have the type number, and is a string", "0.5"),
        ("type = \"secret\"", Some("2"), "'secret' is not a type", "a type is string, number"),
        ("type = \"boolean\"", Some("true"), "'boolean' is not a type", "did you mean 'bool'?"),
        ("type = \"string\"", None, "variable 'x' has no value", "--var x=VALUE"),
    ] {
        let found = value(declaration, told).expect_err(words);
        let problem = found.problems.iter().find(|problem| problem.message.contains(words));
        let problem = problem.unwrap_or_else(|| panic!("{declaration} {told:?}: {:#?}", found.problems));
        assert!(problem.span.is_some(), "{problem:?}");
        assert!(problem.help.as_ref().is_some_and(|text| text.contains(help)), "{problem:?}");
    }
}

#[test]
fn providers_take_what_is_known_before_any_step_runs() {
    let text = r#"[vars.stage]
default = "qa"
[pipeline]
name = "test"
region = "us-east-1"
[secrets.key]
env = "KEY"
[providers.dns]
uses        = "./dns.wasm"
description = "Names of our servers."
allow       = ["http:https://api.example.com/v1/*"]
with        = { url = "https://${vars.stage}.example.com/${env.STAGE}", key = "Bearer ${secrets.key}" }
limits      = { time = "20s" }
[steps.a]
uses = "s3"
with = { bucket = "b" }
"#;
    let pipeline = load(text, &[]).unwrap();
    let [dns] = &pipeline.providers[..] else { panic!("one provider") };
    assert_eq!((dns.name.as_str(), dns.uses.as_str()), ("dns", "./dns.wasm"));
    assert_eq!(dns.allow, ["http:https://api.example.com/v1/*"]);
    assert_eq!(dns.limits.time, Some(std::time::Duration::from_secs(20)));
    assert_eq!(dns.config(), json!({"url": "https://qa.example.com/qa", "key": "Bearer <<secret:key>>"}));
    for (from, to, at, words) in [
        ("${vars.stage}", "${a.arn}", "${a.arn}", "with of [providers.dns] cannot contain an output of a step"),
        ("${vars.stage}", "${existing.x.id}", "${existing.x.id}", "with of [providers.dns] cannot contain a look-up"),
        ("${secrets.key}", "${secrets.kye}", "${secrets.kye}", "there is no secret 'kye'"),
        ("\"./dns.wasm\"", "\"./dns.toml\"", "\"./dns.toml\"", "./dns.toml is a pipeline"),
        ("\"./dns.wasm\"", "\"${vars.stage}\"", "\"${vars.stage}\"", "uses of [providers.dns] cannot hold a reference"),
        ("providers.dns", "providers.secrets", "secrets", "a provider cannot be called 'secrets'"),
        ("limits ", "limit ", "limit", "unknown key 'limit' in [providers.dns]"),
        ("\"20s\"", "\"soon\"", "\"soon\"", "'soon' is not a time limit"),
    ] {
        let changed = text.replacen(from, to, 1);
        let problems = load(&changed, &[]).unwrap_err().problems;
        let found = problems.iter().find(|problem| problem.message.contains(words));
        let found = found.unwrap_or_else(|| panic!("{words} in {problems:?}"));
        assert_eq!(&changed[found.span.clone().unwrap()], at, "{words}");
    }
}
