//! Pipelines that are steps of others.
#![allow(missing_docs, clippy::unwrap_used, unreachable_pub)]

mod support;

use std::path::Path;

use llmhost_engine::diagnostic::Diagnostics;
use llmhost_engine::names::StepName;
use llmhost_engine::pipeline::Pipeline;
use serde_json::{Value, json};
use support::{World, fates};

const HEAD: &str = "[pipeline]\nname = \"test\"\nregion = \"us-east-1\"\n";

/// Writes files, and loads the first one.
fn load(files: &[(&str, &str)]) -> Result<(Pipeline, tempfile::TempDir), Diagnostics> {
    let folder = tempfile::tempdir().unwrap();
    for (at, (name, text)) in files.iter().enumerate() {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, if at == 0 { format!("{HEAD}{text}") } else { (*text).to_owned() }).unwrap();
    }
    Pipeline::load(&folder.path().join(files[0].0), &[], &|_| None).map(|pipeline| (pipeline, folder))
}

fn names(pipeline: &Pipeline) -> Vec<&str> {
    pipeline.steps.iter().map(|step| step.name.as_str()).collect()
}

fn needs(pipeline: &Pipeline, step: &str) -> Vec<String> {
    let graph = pipeline.graph();
    let at = pipeline.steps.iter().position(|known| known.name.as_str() == step).unwrap();
    graph.needs(at).into_iter().map(|need| graph.name(need).to_string()).collect()
}

/// The `with` table of a step, where every step has the outputs `id` and `sizes`.
fn with(pipeline: &Pipeline, step: &str) -> Value {
    let outputs = |name: &str| json!({ "id": format!("id-of-{name}"), "sizes": { "a": [1, 2] } });
    let outputs: Vec<(StepName, Value)> =
        pipeline.steps.iter().map(|step| (step.name.clone(), outputs(step.name.as_str()))).collect();
    let step = pipeline.steps.iter().find(|known| known.name.as_str() == step).unwrap();
    step.resolve(|name| outputs.iter().find(|(known, _)| known == name).map(|(_, value)| value)).unwrap()
}

/// The problems: `file:line: message | help`.
#[track_caller]
fn problems(files: &[(&str, &str)]) -> Vec<String> {
    let found = load(files).expect_err("a problem");
    let told = found.problems.iter().map(|problem| {
        let (file, span) = found.files.locate(&problem.span.clone().unwrap_or(0..0));
        let line = file.text[..span.start].matches('\n').count() + 1;
        let name = file.path.file_name().unwrap().to_string_lossy();
        format!("{name}:{line}: {} | {}", problem.message, problem.help.as_deref().unwrap_or_default())
    });
    told.collect()
}

const NETWORK: &str = r#"
[vars.cidr]
type = "string"
[vars.zones]
default = ["a", "b"]
[steps.vpc]
uses = "vpc"
with = { cidr = "${vars.cidr}", name = "net-${vars.cidr}" }
[steps.subnet]
uses = "./subnet.wasm"
for_each = "${vars.zones}"
with = { vpc = "${vpc.id}", zone = "${each.key}" }
[outputs]
vpc_id = "${vpc.id}"
subnets = "${subnet[*].id}"
first = "${subnet['a'].sizes.a[1]}"
all = { vpc = "${vpc.id}", plain = 7 }
given = "${vars.cidr}"
"#;

#[test]
fn the_steps_of_a_pipeline_become_steps_of_the_one_that_uses_it() {
    let (pipeline, folder) = load(&[
        (
            "main.toml",
            r#"
[steps.range]
uses = "s3"
[steps.net]
uses = "./parts/network.toml"
protect = true
after = ["other"]
with = { cidr = "${range.id}" }
[steps.other]
uses = "s3"
[steps.app]
uses = "s3"
after = ["net"]
with = { vpc = "${net.vpc_id}", subnets = "${net.subnets}", second = "${net.subnets[1]}", first = "${net.first}", text = "<${net.vpc_id} ${net.given}>", plain = "${net.all.plain}", all = "${net.all}" }
"#,
        ),
        ("parts/network.toml", NETWORK),
    ])
    .unwrap();
    assert_eq!(names(&pipeline), ["range", "other", "app", "net.vpc", "net.subnet:a", "net.subnet:b"]);
    assert_eq!(with(&pipeline, "net.vpc"), json!({ "cidr": "id-of-range", "name": "net-id-of-range" }));
    assert_eq!(with(&pipeline, "net.subnet:b"), json!({ "vpc": "id-of-net.vpc", "zone": "b" }));
    let app = json!({
        "vpc": "id-of-net.vpc", "subnets": ["id-of-net.subnet:a", "id-of-net.subnet:b"], "second": "id-of-net.subnet:b",
        "first": 2, "text": "<id-of-net.vpc id-of-range>", "plain": 7, "all": { "vpc": "id-of-net.vpc", "plain": 7 },
    });
    assert_eq!(with(&pipeline, "app"), app);
    assert_eq!(needs(&pipeline, "net.vpc"), ["range", "other"]);
    assert_eq!(needs(&pipeline, "net.subnet:a"), ["other", "net.vpc"]);
    assert_eq!(needs(&pipeline, "app"), ["range", "net.vpc", "net.subnet:a", "net.subnet:b"]);
    assert!(pipeline.steps.iter().all(|step| step.protect == step.name.as_str().starts_with("net.")));
    let uses = |name: &str| pipeline.steps.iter().find(|step| step.name.as_str() == name).unwrap().uses.clone();
    assert_eq!((uses("net.vpc"), uses("net.subnet:a")), ("vpc".to_owned(), "./parts/subnet.wasm".to_owned()));
    assert_eq!(pipeline.base_of(&"net.vpc".parse().unwrap()), folder.path().join("parts"));
    assert_eq!(pipeline.base_of(&"app".parse().unwrap()), folder.path());
}

#[test]
fn pipelines_are_repeated_left_out_and_three_levels_deep_and_give_to_each_other() {
    let (pipeline, _folder) = load(&[
        (
            "main.toml",
            r#"
[steps.team]
uses = "team.toml"
for_each = { red = { size = 1 }, blue = { size = 2 } }
with = { name = "${each.key}", size = "${each.value.size}", peer = "${hub.id}" }
[steps.hub]
uses = "hub.toml"
with = { teams = "${team[*].bucket}" }
[steps.off]
uses = "team.toml"
when = false
[steps.all]
uses = "s3"
with = { red = "${team['red'].bucket}", all = "${team[*].size}", off = "${off[*].bucket}" }
"#,
        ),
        (
            "team.toml",
            r#"
[pipeline]
name = "alone"
region = "eu-west-1"
[vars.name]
[vars.size]
type = "integer"
[vars.peer]
default = ""
[steps.store]
uses = "store/bucket.toml"
with = { bucket = "b-${vars.name}", peer = "${vars.peer}" }
[outputs]
bucket = "${store.bucket}"
size = "${vars.size}"
"#,
        ),
        (
            "store/bucket.toml",
            "[vars.bucket]\n[vars.peer]\n[steps.inner]\nuses = \"deep.toml\"\nwith = { bucket = \"${vars.bucket}\", peer = \"${vars.peer}\" }\n[outputs]\nbucket = \"arn:${inner.id}\"\n",
        ),
        (
            "store/deep.toml",
            "[vars.bucket]\n[vars.peer]\n[steps.s3]\nuses = \"s3\"\nwith = { bucket = \"${vars.bucket}\" }\n[steps.user]\nuses = \"s3\"\nwith = { peer = \"${vars.peer}\" }\n[outputs]\nid = \"${s3.id}\"\n",
        ),
        ("hub.toml", "[vars.teams]\ntype = \"list(string)\"\n[steps.hub]\nuses = \"s3\"\n[steps.list]\nuses = \"s3\"\nwith = { teams = \"${vars.teams}\" }\n[outputs]\nid = \"${hub.id}\"\n"),
    ])
    .unwrap();
    let steps = [
        "all",
        "team:red.store.inner.s3",
        "team:red.store.inner.user",
        "team:blue.store.inner.s3",
        "team:blue.store.inner.user",
        "hub.hub",
        "hub.list",
    ];
    assert_eq!(names(&pipeline), steps);
    let id = |team: &str| format!("arn:id-of-team:{team}.store.inner.s3");
    assert_eq!(with(&pipeline, "all"), json!({ "red": id("red"), "all": [1, 2], "off": [] }));
    assert_eq!(with(&pipeline, "hub.list"), json!({ "teams": [id("red"), id("blue")] }));
    // Pipelines may need each other, as long as no step does.
    assert_eq!(needs(&pipeline, "team:red.store.inner.user"), ["hub.hub"]);
}

#[test]
fn what_is_wrong_is_told_in_the_file_that_it_is_in() {
    let part = "[vars.cidr]\ntype = \"string\"\n[vars.size]\ndefault = 2\n[steps.vpc]\nuses = \"vpc\"\nwith = { cidr = \"${vars.cidr}\" }\n[outputs]\nid = \"${vpc.id}\"\n";
    let call = |with: &str| format!("[steps.net]\nuses = \"part.toml\"\nwith = {{ {with} }}\n");
    let uses = |more: &str| format!("{}[steps.x]\nuses = \"s3\"\nwith = {{ y = \"{more}\" }}\n", call("cidr = \"10\""));
    let cases: [(String, &str, &[&str]); 20] = [
        (
            call(""),
            part,
            &["main.toml:5: part.toml needs its variable 'cidr', and step 'net' does not give it | write cidr = …"],
        ),
        (
            call("cidr = 10"),
            part,
            &["main.toml:6: variable 'cidr' has the type string, and is given a number | write it like"],
        ),
        (
            call("cidr = \"x\", size = \"2\""),
            part,
            &["main.toml:6: variable 'size' has the type integer, and is given a string"],
        ),
        (
            call("cidr = \"x\", sise = 2"),
            part,
            &["main.toml:6: part.toml has no variable 'sise' | did you mean 'size'?"],
        ),
        (uses("${net.idd}"), part, &["main.toml:9: step 'net' has no output 'idd' | did you mean 'id'?"]),
        (
            uses("${net.id.a}"),
            &part.replace("\"${vpc.id}\"", "\"plain\""),
            &["main.toml:9: ${net.id.a} does not exist: the output has no such part"],
        ),
        (
            uses("${net.id}"),
            &part.replace("${vpc.id}", "${vcp.id}"),
            &["part.toml:9: there is no step 'vcp' | did you mean 'vpc'?"],
        ),
        (
            call("cidr = \"10\""),
            &part.replace("vars.cidr}", "vars.cider}"),
            &["part.toml:7: there is no variable 'cider' | did you mean 'cidr'?"],
        ),
        (call("cidr = \"10\""), "nonsense", &["part.toml:1: "]),
        (
            call("cidr = \"10\""),
            &part.replace("uses = \"vpc\"", "uses = \"part.toml\""),
            &["part.toml:6: part.toml uses itself"],
        ),
        (
            call("cidr = \"10\""),
            &part.replace("uses = \"vpc\"", "uses = \"main.toml\""),
            &["part.toml:6: main.toml uses itself"],
        ),
        (call("cidr = \"10\"").replace("part.toml", "none.toml"), part, &["main.toml:5: cannot read "]),
        (
            call("cidr = \"10\"").replace("[steps.net]", "[steps.net]\nallow = [\"ec2\"]"),
            part,
            &["main.toml:5: allow of [steps.net] is for plugins, and part.toml is a pipeline"],
        ),
        (
            call("cidr = \"10\""),
            &format!("{part}[secrets.a]\nenv = \"X\"\n"),
            &["part.toml:10: a pipeline that is a step has no [secrets] of its own"],
        ),
        (call("cidr = \"10\""), &format!("{part}[envs]\n"), &["part.toml:10: unknown key 'envs' in the file"]),
        (
            call("cidr = \"10\""),
            &part.replace("id = \"$", "\"a.b\" = \"$"),
            &["part.toml:9: an output cannot be called 'a.b'"],
        ),
        (
            format!("{}[steps.x]\nuses = \"s3\"\nwith = {{ y = \"${{net.id}}\" }}\n", call("cidr = \"${x.id}\"")),
            part,
            &["main.toml:6: these steps depend on each other: x -> net.vpc -> x"],
        ),
        (
            "[steps.net]\nuses = \"part.toml\"\nfor_each = \"${s3.id}\"\n[steps.s3]\nuses = \"s3\"\n".to_owned(),
            part,
            &["main.toml:6: for_each of [steps.net] cannot contain an output of a step"],
        ),
        (
            format!("[steps.s3]\nuses = \"s3\"\n{}", call("cidr = \"${s3.id}\"")),
            &part.replace("[steps.vpc]", "[steps.vpc]\nprotect = \"${vars.cidr}\""),
            &["part.toml:6: ${vars.cidr} is an output of a step, and this is needed before any step runs"],
        ),
        (
            format!("[steps.{}]\nuses = \"part.toml\"\nwith = {{ cidr = \"10\" }}\n", "x".repeat(64)),
            &part
                .replace("steps.vpc", &format!("steps.{}", "y".repeat(64)))
                .replace("${vpc", &format!("${{{}", "y".repeat(64))),
            &["part.toml:5: the step name 'xxxxxxxxxxxxxxxxxxxx…' has 129 characters; at most 128 are allowed"],
        ),
    ];
    for (main, part, said) in cases {
        let found = problems(&[("main.toml", &main), ("part.toml", part)]);
        let is_said = found.len() == said.len() && found.iter().zip(said).all(|(found, said)| found.starts_with(said));
        assert!(is_said, "{main}\n{part}\n{said:?}\n{found:#?}");
    }
}

#[test]
fn files_that_multiply_are_stopped() {
    let part = |next: &str| {
        format!(
            "[steps.a]\nuses = \"{next}\"\nfor_each = [\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\", \"h\", \"i\", \"j\"]\n"
        )
    };
    let names: Vec<String> = (0..9).map(|n| format!("p{n}.toml")).collect();
    let mut files: Vec<(&str, String)> = names.windows(2).map(|pair| (pair[0].as_str(), part(&pair[1]))).collect();
    files.push((&names[8], "[steps.s]\nuses = \"s3\"\n".to_owned()));
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let found = problems(&files);
    assert!(found.iter().all(|problem| problem.contains("more than 20000 steps")), "{found:#?}");
}

#[test]
fn outputs_that_stand_for_themselves_or_multiply_are_stopped() {
    let part = "[vars.in]\n[steps.s]\nuses = \"s3\"\nwith = { bucket = \"${vars.in}\" }\n[outputs]\nx = [\"${vars.in}\", \"${vars.in}\"]\n";
    let circle = "[steps.a]\nuses = \"p.toml\"\nwith = { in = \"${b.x}\" }\n[steps.b]\nuses = \"p.toml\"\nwith = { in = \"${a.x}\" }\n";
    let found = problems(&[("main.toml", circle), ("p.toml", part)]);
    assert!(found.iter().all(|problem| problem.contains("refers to itself")), "{found:#?}");
    let link =
        |n: usize, part: &str| format!("[steps.m{n}]\nuses = \"{part}\"\nwith = {{ in = \"${{m{}.x}}\" }}\n", n - 1);
    let chain = |part: &str| {
        let first = format!("[steps.m0]\nuses = \"{part}\"\nwith = {{ in = \"a\" }}\n");
        (1..60).fold(first, |all, n| all + &link(n, part))
    };
    let found = problems(&[("main.toml", &chain("p.toml")), ("p.toml", part)]);
    assert!(found.iter().all(|problem| problem.contains("more than 250000 times")), "{found:#?}");
    // What is passed on alone may be passed on as often as anybody likes.
    let plain = part.replace("x = [\"${vars.in}\", \"${vars.in}\"]", "x = \"${vars.in}\"");
    let (pipeline, _folder) = load(&[("main.toml", &chain("p.toml")), ("p.toml", &plain)]).unwrap();
    assert_eq!(with(&pipeline, "m59.s"), json!({ "bucket": "a" }));
}

#[test]
fn many_small_files_are_no_large_pipeline_and_a_mark_at_their_beginning_is_none_of_the_text() {
    let keys: Vec<String> = (0..150).map(|n| format!("\"k{n}\"")).collect();
    let main = format!("[steps.team]\nuses = \"team.toml\"\nfor_each = [{}]\n", keys.join(", "));
    let steps: String = (0..10).map(|n| format!("[steps.s{n}]\nuses = \"s3\"\n")).collect();
    let (pipeline, _folder) = load(&[("main.toml", &main), ("team.toml", &format!("\u{feff}{steps}"))]).unwrap();
    assert_eq!(pipeline.steps.len(), 1_500);
    let found = problems(&[("main.toml", &main), ("team.toml", &format!("\u{feff}{steps}what = 1\n"))]);
    assert!(found[0].starts_with("team.toml:21: unknown key 'what'"), "{found:#?}");
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

#[tokio::test]
async fn a_pipeline_is_renamed_and_moved_into_without_a_change() {
    let world = World::new();
    let folder = world.folder.path().to_owned();
    write(
        &folder,
        "slot.toml",
        "[vars.range]\n[steps.slot]\nuses = \"script:main\"\nwith = { declare = [{ name = \"main\", range = \"${vars.range}\" }] }\n[outputs]\nid = \"${slot.main}\"\n",
    );
    let call = |name: &str| {
        format!(
            "[steps.{name}]\nuses = \"slot.toml\"\nwith = {{ range = \"a\" }}\n[steps.user]\nuses = \"script:user\"\nwith = {{ declare = [{{ name = \"user\", in = [\"${{{name}.id}}\"] }}] }}\n"
        )
    };
    let single = "[steps.slot]\nuses = \"script:main\"\nwith = { declare = [{ name = \"main\", range = \"a\" }] }\n[steps.user]\nuses = \"script:user\"\nwith = { declare = [{ name = \"user\", in = [\"${slot.main}\"] }] }\n";
    assert!(world.run(single).await.is_ok());
    let ids = |world: &World| world.cloud.things.lock().unwrap().keys().cloned().collect::<Vec<_>>();
    let before = ids(&world);
    // A step moves into a pipeline, which is then called otherwise, and repeated.
    let steps = [
        format!("[[moved]]\nfrom = \"slot\"\nto = \"one.slot\"\n{}", call("one")),
        format!("[[moved]]\nfrom = \"one\"\nto = \"two\"\n{}", call("two")),
        format!(
            "[[moved]]\nfrom = \"two\"\nto = \"two:a\"\n{}",
            call("two").replace("[steps.two]", "[steps.two]\nfor_each = [\"a\"]").replace("two.id", "two['a'].id")
        ),
    ];
    for (text, address) in
        steps.iter().zip(["one.slot/test.slot/main", "two.slot/test.slot/main", "two:a.slot/test.slot/main"])
    {
        let report = world.run(text).await;
        assert!(
            report.is_ok() && report.done.create + report.done.delete + report.done.replace == 0,
            "{text}: {report:?}"
        );
        assert_eq!(ids(&world), before);
        assert!(world.state().resources.contains_key(&address.parse().unwrap()), "{address}");
        assert_eq!(fates(&world.plan(text).await), []);
    }
}
