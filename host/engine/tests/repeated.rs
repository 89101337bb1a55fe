//! Steps that are repeated (`for_each`) or left out (`when`).
#![allow(missing_docs, clippy::unwrap_used, unreachable_pub)]

mod support;

use std::path::PathBuf;

use llmhost_engine::diagnostic::Diagnostics;
use llmhost_engine::names::StepName;
use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::run::Selection;
use serde_json::{Value, json};
use support::{World, fates};

fn load(text: &str, vars: &[(&str, &str)]) -> Result<Pipeline, Diagnostics> {
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("pipeline.toml");
    std::fs::write(&file, format!("{text}\n[pipeline]\nname = \"test\"\nregion = \"us-east-1\"\n")).unwrap();
    let vars: Vec<_> = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Pipeline::load(&file, &vars, &|_| None)
}

fn names(pipeline: &Pipeline) -> Vec<&str> {
    pipeline.steps.iter().map(|step| step.name.as_str()).collect()
}

/// The `with` table of a step, where every step has the output `id`, `ID-OF-step`, and `sizes`.
fn with(pipeline: &Pipeline, step: &str) -> Value {
    let outputs = |name: &str| json!({ "id": format!("id-of-{name}"), "sizes": { "a": 1, "b.c": 2 } });
    let outputs: Vec<(StepName, Value)> =
        pipeline.steps.iter().map(|step| (step.name.clone(), outputs(step.name.as_str()))).collect();
    let step = pipeline.steps.iter().find(|known| known.name.as_str() == step).unwrap();
    step.resolve(|name| outputs.iter().find(|(known, _)| known == name).map(|(_, value)| value)).unwrap()
}

/// The problems of a file: `line: message`.
#[track_caller]
fn problems(text: &str, vars: &[(&str, &str)]) -> Vec<String> {
    let found = load(text, vars).expect_err("a problem");
    let line = |at: usize| found.files.first().text[..at].matches('\n').count() + 1;
    let told = found.problems.iter();
    told.map(|problem| {
        let help = problem.help.as_deref().unwrap_or("");
        format!("{}: {} | {help}", problem.span.as_ref().map_or(0, |span| line(span.start)), problem.message)
    })
    .collect()
}

const TEAMS: &str = r#"
[vars.teams]
default = ["a", "b", "c"]
[vars.env]
default = "dev"
[steps.team]
uses = "s3"
for_each = "${vars.teams}"
with = { bucket = "acme-${each.key}", same = "${each.value}" }
[steps.all]
uses = "s3"
with = { one = "${team[\"b\"].id}", parts = "${team['a'].sizes.a}", all = "${team[*].id}", text = "<${team[\"c\"].id}>" }
"#;

#[test]
fn a_step_is_repeated_for_each_key_of_a_list() {
    let pipeline = load(TEAMS, &[]).unwrap();
    assert_eq!(names(&pipeline), ["team:a", "team:b", "team:c", "all"]);
    assert_eq!(with(&pipeline, "team:b"), json!({ "bucket": "acme-b", "same": "b" }));
    let all = json!({
        "one": "id-of-team:b", "parts": 1, "text": "<id-of-team:c>",
        "all": ["id-of-team:a", "id-of-team:b", "id-of-team:c"],
    });
    assert_eq!(with(&pipeline, "all"), all);
    let graph = pipeline.graph();
    assert_eq!(graph.needs(3).len(), 3);
    // No keys, no steps; and the list of all is empty.
    let (teams, _) = TEAMS.split_once("[steps.all]").unwrap();
    let none = format!("{teams}[steps.all]\nuses = \"s3\"\nwith = {{ all = \"${{team[*].id}}\" }}\n");
    let pipeline = load(&none, &[("teams", "[]")]).unwrap();
    assert_eq!((names(&pipeline), with(&pipeline, "all")), (vec!["all"], json!({ "all": [] })));
}

#[test]
fn values_of_a_table_may_be_outputs_of_other_steps_repeated_or_not() {
    let text = r#"
[steps.net]
uses = "vpc"
for_each = ["eu", "us"]
[steps.top]
uses = "vpc"
[steps.app]
uses = "s3"
for_each = { x = { net = "${net[\"eu\"].id}", size = 3, tag = "n-${top.id}" }, y = { net = "${top.id}", size = 4, tag = "t" } }
with = { net = "${each.value.net}", size = "${each.value.size}", name = "${each.key}-${each.value.net}-${each.value.tag}", whole = "${each.value}" }
after = ["net"]
[steps.twin]
uses = "s3"
for_each = ["eu", "us"]
with = { net = "${net[each.key].id}", sizes = "${net[each.key].sizes[\"b.c\"]}" }
after = ["app", 'net["us"]']
"#;
    let pipeline = load(text, &[]).unwrap();
    assert_eq!(names(&pipeline), ["net:eu", "net:us", "top", "app:x", "app:y", "twin:eu", "twin:us"]);
    let x = with(&pipeline, "app:x");
    assert_eq!((&x["net"], &x["size"]), (&json!("id-of-net:eu"), &json!(3)));
    assert_eq!(x["name"], "x-id-of-net:eu-n-id-of-top");
    assert_eq!(x["whole"], json!({ "net": "id-of-net:eu", "size": 3, "tag": "n-id-of-top" }));
    assert_eq!(with(&pipeline, "twin:us"), json!({ "net": "id-of-net:us", "sizes": 2 }));
    let graph = pipeline.graph();
    let needs = |step| graph.needs(step).into_iter().map(|need| graph.name(need).to_string()).collect::<Vec<_>>();
    assert_eq!(needs(3), ["net:eu", "net:us", "top"]);
    assert_eq!(needs(5), ["net:eu", "net:us", "app:x", "app:y"]);
}

#[test]
fn a_step_is_there_where_its_condition_holds() {
    let text = r#"
[vars.env]
default = "dev"
[vars.gpu]
default = false
[vars.sizes]
default = { small = 1, large = 8 }
[steps.gpu]
uses = "s3"
when = "${vars.gpu}"
[steps.prod]
uses = "s3"
when = { value = "${vars.env}", in = ["prod", "stage"] }
[steps.both]
uses = "s3"
when = ["${vars.gpu}", { value = "${vars.env}", is_not = "dev" }]
[steps.pool]
uses = "s3"
for_each = "${vars.sizes}"
when = { value = "${each.value}", not_in = [1] }
with = { size = "${vars.sizes.small}" }
[steps.list]
uses = "s3"
with = { gpu = "${gpu[*].id}", pools = "${pool[*].id}" }
after = ["gpu", "prod", "pool:small"]
"#;
    for (vars, steps, gpu) in [
        (&[][..], &["pool:large", "list"][..], json!([])),
        (&[("gpu", "true")], &["gpu", "pool:large", "list"], json!(["id-of-gpu"])),
        (&[("env", "stage")], &["prod", "pool:large", "list"], json!([])),
        (&[("env", "prod"), ("gpu", "true")], &["gpu", "prod", "both", "pool:large", "list"], json!(["id-of-gpu"])),
    ] {
        let pipeline = load(text, vars).unwrap();
        assert_eq!(names(&pipeline), steps);
        assert_eq!(with(&pipeline, "list"), json!({ "gpu": gpu, "pools": ["id-of-pool:large"] }));
        assert_eq!(with(&pipeline, "pool:large"), json!({ "size": 1 }));
    }
}

#[test]
fn what_is_wrong_is_said_once_with_its_place_and_what_to_do() {
    for (step, said) in [
        ("for_each = [\"a\", \"b\", \"a\"]", "3: for_each of [steps.x] has the key 'a' twice"),
        ("for_each = \"${net.id}\"", "3: for_each of [steps.x] cannot contain an output of a step"),
        ("for_each = [\"${net.id}\"]", "3: for_each of [steps.x] is a list of strings, which are keys"),
        ("for_each = [1, 2]", "3: every entry of for_each of [steps.x] must be a string, not a number"),
        ("for_each = \"a\"", "3: for_each of [steps.x] must be a list of strings or a table, not a string"),
        ("for_each = [\"10.0.0.0/8\"]", "3: the key name '10.0.0.0/8' has the character '.'; keys are made of"),
        (
            "for_each = [\"a\", \"b\"]\nwith = { y = \"${nett.id}\" }",
            "4: there is no step 'nett' | did you mean 'net'?",
        ),
        (
            "for_each = { a = { s = 1 }, b = {} }\nwith = { y = \"${each.value.s}\" }",
            "4: ${each.value.s} does not exist: the value of 'b' has no such part",
        ),
        ("for_each = [\"a\"]\nwith = { y = \"${each.name}\" }", "4: '${each.name}' is not a reference"),
        ("with = { y = \"${each.key}\" }", "3: ${each.…} works only in steps with for_each"),
        (
            "with = { y = \"${many.id}\" }",
            "3: step 'many' is repeated, so that a reference needs a key | write ${many['one'].output}",
        ),
        (
            "with = { y = \"${many[\\\"onee\\\"].id}\" }",
            "3: step 'many' is not repeated for 'onee' | did you mean 'one'?",
        ),
        ("with = { y = \"${many[0].id}\" }", "3: '[0]' is no key of a step"),
        ("with = { y = \"${net[\\\"a\\\"].id}\" }", "3: step 'net' has no for_each, so that it has no key"),
        (
            "with = { y = \"a ${many[*].id}\" }",
            "3: ${many[*].id} is a list or a table, which cannot be part of a string",
        ),
        ("with = { y = \"${off.id}\" }", "3: step 'off' is disabled by its 'when'"),
        ("with = { y = \"${many[\\\"two\\\"].id}\" }", "3: step 'many[\"two\"]' is disabled by its 'when'"),
        ("when = \"${net.id}\"", "3: when of [steps.x] cannot contain an output of a step"),
        ("when = \"yes\"", "3: when of [steps.x] must be true or false, not a string"),
        ("when = { value = 1 }", "3: a condition of when of [steps.x] needs one of is, is_not, in, not_in"),
        ("when = { value = 1, is = \"1\" }", "3: a number is compared with a string, \"1\": they are never equal"),
        ("when = { value = 1, in = 1 }", "3: in of a condition of when of [steps.x] must be a list, not a number"),
        ("after = [\"many:three\"]", "3: step 'many' is not repeated for 'three'"),
        ("after = [\"net:a\"]", "3: step 'net' is not repeated for 'a'"),
        ("protect = \"${each.value}\"\nfor_each = { a = \"${net.id}\" }", "3: ${each.value} is an output of a step"),
    ] {
        let text = format!(
            "[steps.x]\nuses = \"s3\"\n{step}\n[steps.net]\nuses = \"vpc\"\n[steps.off]\nuses = \"s3\"\nwhen = false\n\
             [steps.many]\nuses = \"s3\"\nfor_each = [\"one\", \"two\"]\nwhen = {{ value = \"${{each.key}}\", is = \"one\" }}"
        );
        let found = problems(&text, &[]);
        assert!(found.len() == 1 && found[0].starts_with(said), "{step}: {found:#?}");
    }
    for (text, said) in [
        (
            "[steps.\"net.vpc\"]\nuses = \"s3\"",
            "1: the step name 'net.vpc' has the character '.'; step names start with a lower-case letter",
        ),
        ("[steps.each]\nuses = \"s3\"", "1: a step cannot be called 'each': ${each.x} means something else"),
        ("[steps.\"team:a\"]\nuses = \"s3\"", "1: a step cannot be called 'team:a': keys come from for_each"),
        ("[steps.fact]\nuses = \"s3\"\nfor_each = [\"a\"]", "1: a step named 'fact' cannot have for_each"),
        (
            "[vars.v]\ndefault = { a = 1 }\n[steps.x]\nuses = \"s3\"\nwith = { y = \"${vars.v.b}\" }",
            "5: ${vars.v.b} does not exist: variable 'v' has no such part",
        ),
    ] {
        let found = problems(text, &[]);
        assert!(found.len() == 1 && found[0].starts_with(said), "{text}: {found:#?}");
    }
}

#[test]
fn a_key_that_makes_the_name_too_long_is_refused() {
    let (name, key) = ("n".repeat(64), "k".repeat(64));
    let text = format!("[steps.{name}]\nuses = \"s3\"\nfor_each = [\"{key}\"]\n");
    let found = problems(&text, &[]);
    assert!(found.len() == 1 && found[0].contains("has 129 characters; at most 128"), "{found:#?}");
}

#[test]
fn a_move_to_what_has_no_steps_in_this_run_is_no_mistake() {
    let step = |more: &str| {
        format!(
            "[vars.on]\ndefault = false\n[vars.keys]\ndefault = [\"a\"]\n[steps.gpu]\nuses = \"s3\"\n{more}\n[[moved]]\nfrom = \"old\"\n"
        )
    };
    for (more, to) in [
        ("when = \"${vars.on}\"", "gpu"),
        ("for_each = \"${vars.keys}\"", "gpu:b"),
        ("for_each = \"${vars.keys}\"\nwhen = \"${vars.on}\"", "gpu"),
    ] {
        load(&(step(more) + &format!("to = \"{to}\"\n")), &[]).unwrap();
    }
    let found = problems(&(step("") + "to = \"gpuu\"\n"), &[]);
    assert!(found.len() == 1 && found[0].contains("there is no step 'gpuu'"), "{found:#?}");
}

const SLOTS: &str = r#"
[vars.keys]
default = ["a", "b", "c"]
[steps.slot]
uses = "script:main"
for_each = "${vars.keys}"
with = { declare = [{ name = "main", range = "${each.key}" }] }
[steps.user]
uses = "script:user"
with = { declare = [{ name = "user", in = "${slot[*].main}" }] }
"#;

#[tokio::test]
async fn a_key_that_goes_takes_its_own_resources_along_and_nothing_else() {
    let world = World::new();
    let keys: Vec<String> = (0..100).map(|n| format!("\"k{n}\"")).collect();
    let with_keys = |keys: &[String]| SLOTS.replace(r#"["a", "b", "c"]"#, &format!("[{}]", keys.join(", ")));
    let slots = |keys: &[String]| with_keys(keys).split("[steps.user]").next().unwrap().to_owned();
    assert!(world.run(&slots(&keys)).await.is_ok());
    assert_eq!(world.state().resources.len(), 100);
    let mut fewer = keys.clone();
    fewer.remove(50);
    let plan = world.plan(&slots(&fewer)).await;
    let changed: Vec<_> =
        plan.resources.iter().filter(|(_, one)| one.action != llmhost_engine::plan::Action::Keep).collect();
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert_eq!(changed[0].0.to_string(), "slot:k50/test.slot/main");
    assert!(world.run(&slots(&fewer)).await.is_ok());
    // In another order, nothing changes.
    fewer.reverse();
    assert_eq!(fates(&world.plan(&slots(&fewer)).await), []);
}

#[tokio::test]
async fn a_step_becomes_one_of_several_without_a_change() {
    let world = World::new();
    let single = r#"
[steps.slot]
uses = "script:main"
with = { declare = [{ name = "main", range = "a" }] }
"#;
    assert!(world.run(single).await.is_ok());
    let moved = format!("[[moved]]\nfrom = \"slot\"\nto = 'slot[\"a\"]'\n{SLOTS}");
    let plan = world.plan(&moved).await;
    // The tag with the address follows, as it does where a step is renamed.
    let mut told = fates(&plan);
    told.sort();
    assert_eq!(told.iter().map(|(_, fate)| *fate).collect::<Vec<_>>(), ["create", "create", "update", "create"]);
    let ids = |world: &World| world.cloud.things.lock().unwrap().keys().cloned().collect::<Vec<_>>();
    let before = ids(&world);
    let report = world.run(&moved).await;
    assert!(report.is_ok() && report.done.delete == 0 && report.done.replace == 0, "{report:?}");
    assert!(before.iter().all(|id| ids(&world).contains(id)));
    assert_eq!(world.plan(SLOTS).await.summary().changes(), 0);

    // The name of the entry means all of its steps, and a key one of them.
    let engine_file = format!("{SLOTS}\n[pipeline]\nname = \"test\"\nregion = \"us-east-1\"\n");
    let file = world.folder.path().join("again.toml");
    std::fs::write(&file, engine_file).unwrap();
    let pipeline = Pipeline::load(&file, &[], &|_| None).unwrap();
    let out = |only: &str| {
        let selection = Selection::new(&pipeline, &[only.to_owned()], &[]).unwrap();
        pipeline.steps.iter().filter(|step| selection.leaves_out(&step.name)).count()
    };
    assert_eq!([out("slot"), out("slot:b"), out("slot[\"b\"]"), out("user")], [1, 3, 3, 3]);
    assert!(Selection::new(&pipeline, &["slot:x".to_owned()], &[]).is_err());
}
