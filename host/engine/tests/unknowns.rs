//! Values that are not known while planning: what a plugin may do with them, and the errors.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use llmhost_engine::crash::Crash;
use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::plan::Plan;
use llmhost_engine::plugin::*;
use llmhost_engine::run::{Cancel, DecidesByUnknown, Departure, Difference, Engine, Events, PlanError, Reason, Report};
use serde_json::{Value, json};
use support::World;

/// A plugin that does what `with.how` says, and counts its runs.
struct Looker {
    description: Description,
    runs: Arc<AtomicUsize>,
}

#[async_trait]
impl Plugin for Looker {
    fn description(&self) -> &Description {
        &self.description
    }

    fn sha256(&self) -> &str {
        "2"
    }

    async fn run(&self, config: &Value, host: Arc<dyn Capabilities>) -> Result<Value, PluginError> {
        let run = self.runs.fetch_add(1, Ordering::SeqCst) + 1;
        if config["how"] == "crash" && text(config, "a").starts_with("id-") {
            return Err(PluginError::Trapped(Box::new(Crash::new("it is too real"))));
        }
        look(config, &*host, run).await.map_err(PluginError::Returned)
    }
}

fn text(config: &Value, key: &str) -> String {
    config[key].as_str().unwrap_or_default().to_owned()
}

async fn look(config: &Value, host: &dyn Capabilities, run: usize) -> Result<Value, Failure> {
    let slot = |name: &str, spec: Value, after: &[String]| {
        let mut all = json!({ "name": name });
        all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        host.declare("test.slot", name, all, after)
    };
    let (a, b) = (text(config, "a"), text(config, "b"));
    let is_real = |text: &str| text.starts_with("id-");
    let mut out = json!({ "id": a });
    match config["how"].as_str().unwrap() {
        // A step that gives unknown values to others.
        "give" => {
            let of = |name: &'static str| (name, slot(name, json!({}), &[]));
            for (name, address) in [of("a"), of("b")] {
                out[name] = host.output(&address?, "id").await?;
            }
            let disk = host.declare("test.disk", "d", json!({ "name": "d" }), &[])?;
            out["id"] = host.output(&disk, "id").await?;
        }
        "pass" => {
            slot("x", json!({ "parents": [a, b], "tags": { "t": format!("of {a} and {b}") } }), &[])?;
            out["id"] = format!("a-{a}-{b}").into();
        }
        "branch" if is_real(&a) => _ = slot("x", json!({}), &[])?,
        "omit" if !is_real(&a) => _ = slot("x", json!({}), &[])?,
        "second" if is_real(&b) => _ = slot("x", json!({}), &[])?,
        "both" if is_real(&a) && is_real(&b) => _ = slot("x", json!({}), &[])?,
        "spec" => _ = slot("x", json!({ "range": if is_real(&a) { "1" } else { "2" } }), &[])?,
        "after" => {
            let (one, two) = (slot("one", json!({}), &[])?, slot("two", json!({}), &[])?);
            let first = if is_real(&a) { one } else { two };
            slot("x", json!({}), &[first.to_string()])?;
        }
        "count" => out["id"] = a.len().into(),
        "refuse" if is_real(&a) => return Err(Failure::invalid("a must not be real")),
        // The form of a disk's id is not known to the host.
        "guess" if !a.contains("<<") => _ = slot("x", json!({}), &[])?,
        "check" if !a.contains("<<") && !a.starts_with("disk:") => {
            return Err(Failure::invalid(format!("{a} is not the id of a disk")));
        }
        "ask" if host.is_known(&a) && !a.starts_with("disk:") => _ = slot("x", json!({}), &[])?,
        "fact" => {
            let fact = host.fact("test.fact").await?;
            slot(if fact.len() > 20 { "long" } else { "short" }, json!({}), &[])?;
        }
        "cut" => {
            let piece = &a[..7];
            slot("x", json!({ "range": "bad", "tags": { "t": format!("x-{piece}") } }), &[])?;
        }
        "own" => {
            let id = host.output(&slot("x", json!({}), &[])?, "id").await?;
            if is_real(id.as_str().unwrap()) {
                slot("y", json!({}), &[])?;
            }
        }
        "secret" if a != "<<secret:key>>" => _ = slot("x", json!({}), &[])?,
        "drift" => {
            // In the plan, in its second run, and then when it is applied.
            let id = host.output(&slot("x", json!({}), &[])?, "id").await?;
            out = json!({ "id": id, "turn": if run > 2 { "real" } else { "planned" } });
        }
        "filled" => {
            slot("x", json!({}), &[])?;
            out["id"] = json!([config["size"], config["pool"], host.is_known(&a)]);
        }
        _ => {}
    }
    Ok(out)
}

struct Lookers {
    schema: Value,
    outputs: Vec<&'static str>,
    runs: Arc<AtomicUsize>,
}

#[async_trait]
impl PluginLoader for Lookers {
    async fn load(&self, _: &LoadRequest<'_>) -> Result<Arc<dyn Plugin>, LoadError> {
        let outputs = self
            .outputs
            .iter()
            .map(|name| OutputDoc {
                name: (*name).to_owned(),
                description: String::new(),
                value_type: None,
                sensitive: false,
            })
            .collect();
        let description =
            Description { summary: "Looks.".into(), config_schema: self.schema.clone(), outputs, needs: Vec::new() };
        Ok(Arc::new(Looker { description, runs: Arc::clone(&self.runs) }))
    }
}

/// A world, and the engine of a pipeline in it.
async fn loaded(
    steps: &str,
    schema: Value,
    outputs: &[&'static str],
) -> (World, Result<Engine, String>, Arc<AtomicUsize>) {
    let (world, runs) = (World::new(), Arc::new(AtomicUsize::new(0)));
    let engine = load_in(&world, steps, schema, outputs, &runs).await;
    (world, engine, runs)
}

async fn load_in(
    world: &World,
    steps: &str,
    schema: Value,
    outputs: &[&'static str],
    runs: &Arc<AtomicUsize>,
) -> Result<Engine, String> {
    let file = world.folder.path().join("pipeline.toml");
    std::fs::write(&file, format!("[pipeline]\nname = \"test\"\nregion = \"us-east-1\"\n{steps}")).unwrap();
    let pipeline = Arc::new(Pipeline::load(&file, &[], &|_| Some("value".into())).unwrap());
    let loader = Lookers { schema, outputs: outputs.to_vec(), runs: Arc::clone(runs) };
    let loaded = Engine::load(pipeline, &loader, world.registry(), Events::none(), 4).await;
    loaded.map_err(|found| found.problems[0].message.clone())
}

const OUTPUTS: [&str; 3] = ["id", "a", "b"];

/// A step that gives values and one that looks into them.
fn two(how: &str, a: &str) -> String {
    format!(
        "[steps.give]\nuses = \"x\"\nwith = {{ how = \"give\" }}\n\
         [steps.look]\nuses = \"x\"\nwith = {{ how = \"{how}\", a = \"{a}\", b = \"${{give.b}}\" }}\n"
    )
}

async fn planned(steps: &str) -> (Result<Plan, PlanError>, usize) {
    let (world, engine, runs) = loaded(steps, json!({}), &OUTPUTS).await;
    let plan = engine.unwrap().plan(&Arc::new(world.state())).await;
    (plan, runs.load(Ordering::SeqCst))
}

async fn told(how: &str, a: &str) -> Box<DecidesByUnknown> {
    match planned(&two(how, a)).await.0.map_err(|error| error.failures) {
        Err(mut failures) => match (failures.pop(), failures.len()) {
            (Some(failure), 0) => match failure.reason {
                Reason::DecidesByUnknown(found) if failure.step.as_str() == "look" => found,
                other => panic!("{how}: {other:?}"),
            },
            other => panic!("{how}: {other:?}"),
        },
        Ok(plan) => panic!("{how}: {plan:?}"),
    }
}

#[tokio::test]
async fn whoever_decides_by_an_unknown_value_is_told_which_and_what_comes_of_it() {
    let (a, b) = ("the output 'id' of give/test.slot/a", "the output 'id' of give/test.slot/b");
    for (how, unknown, words) in [
        ("branch", &[a][..], "it declares look/test.slot/x, which is not in the plan"),
        ("omit", &[a][..], "it does not declare look/test.slot/x, which is in the plan"),
        ("second", &[b][..], "it declares look/test.slot/x, which is not in the plan"),
        ("both", &[a, b][..], "it declares look/test.slot/x, which is not in the plan"),
        ("spec", &[a][..], "look/test.slot/x: range: planned \"2\", then \"1\""),
        ("after", &[a][..], "it no longer depends on look/test.slot/two; it depends on look/test.slot/one;"),
        ("count", &[a][..], "outputs: id: planned 23, then 20"),
        ("refuse", &[a][..], "a must not be real"),
        ("crash", &[a][..], "the plugin crashed: it is too real"),
        ("own", &["the output 'id' of look/test.slot/x"][..], "it declares look/test.slot/y"),
    ] {
        let found = told(how, "${give.a}").await;
        assert_eq!(found.unknown, unknown, "{how}");
        assert!(found.to_string().contains(words), "{how}: {found}");
        assert_eq!(found.crash().is_some(), how == "crash");
        assert_eq!(found.to_string().contains("It fails when"), ["refuse", "crash"].contains(&how), "{found}");
    }
}

#[tokio::test]
async fn a_value_whose_form_nobody_knows_counts_only_where_the_plugin_does_something_else() {
    let found = told("guess", "${give.id}").await;
    assert_eq!(found.unknown, ["the output 'id' of give/test.disk/d"]);
    assert!(matches!(found.differences[..], [Difference::Declares(_)]), "{found}");
    // It refuses the sample, as it may: the real value can have the form that it asks for. And it asks first.
    for how in ["check", "ask"] {
        let (plan, runs) = planned(&two(how, "${give.id}")).await;
        assert!(plan.is_ok() && runs > 2, "{how}: {plan:?}");
    }
    // Of a value whose form is known, asking first is no excuse for doing something else.
    assert!(matches!(told("ask", "${give.a}").await.differences[..], [Difference::Declares(_)]));
    let (plan, _) = planned("[steps.look]\nuses = \"x\"\nwith = { how = \"fact\" }\n").await;
    let error = plan.unwrap_err();
    assert!(error.failures[0].to_string().contains("the fact test.fact"), "{error:?}");
}

#[tokio::test]
async fn a_sample_that_the_schema_of_the_options_refuses_is_not_tried() {
    for (how, a, pattern, is_told) in [
        ("guess", "${give.id}", "^disk:", false),
        ("guess", "${give.id}", "^s", true),
        ("branch", "${give.a}", "^id-0", true),
        ("branch", "${give.a}", "^x", false),
    ] {
        let string = json!({ "type": "string", "pattern": pattern });
        let schema = json!({ "properties": { "a": string, "b": { "type": "string", "pattern": "^never$" } } });
        let (world, engine, runs) = loaded(&two(how, a), schema, &OUTPUTS).await;
        let plan = engine.unwrap().plan(&Arc::new(world.state())).await;
        assert_eq!(plan.is_err(), is_told, "{how} {pattern}: {plan:?}");
        assert!(is_told || runs.load(Ordering::SeqCst) == 3, "there is nothing to try");
    }
}

#[tokio::test]
async fn a_step_without_unknown_values_runs_once_and_one_with_some_twice() {
    let known = |how: &str| format!("[steps.look]\nuses = \"x\"\nwith = {{ how = \"{how}\", a = \"id-1\" }}\n");
    assert_eq!(planned(&known("branch")).await.1, 1);
    assert_eq!(planned(&two("pass", "${give.a}")).await.1, 4);
    let secret = format!("[secrets.key]\nenv = \"KEY\"\n{}", known("secret").replace("id-1", "${secrets.key}"));
    let (plan, runs) = planned(&secret).await;
    assert_eq!((plan.unwrap().resources.len(), runs), (0, 1), "a handle is known, and stays");
    let beside = format!("[secrets.key]\nenv = \"KEY\"\n{}", two("secret", "${secrets.key}"));
    assert_eq!(planned(&beside).await.0.unwrap().resources.len(), 3);
}

async fn applied(world: &World, engine: &Engine) -> Report {
    let store = world.store();
    let plan = engine.plan(&Arc::new(store.snapshot())).await.unwrap();
    let report = engine.apply(Arc::new(plan), Arc::clone(&store), Cancel::default()).await.unwrap();
    store.close().await.unwrap();
    report
}

#[tokio::test]
async fn samples_stay_out_of_the_plan_and_the_state() {
    let (world, engine, _) = loaded(&two("pass", "${give.a}"), json!({}), &OUTPUTS).await;
    let engine = engine.unwrap();
    let plan = engine.plan(&Arc::new(world.state())).await.unwrap();
    let address: llmhost_engine::names::ResourceAddress = "look/test.slot/x".parse().unwrap();
    let x = &plan.resources[&address];
    assert_eq!(
        x.depends_on.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["give/test.slot/a", "give/test.slot/b"]
    );
    assert!(!serde_json::to_string(&plan).unwrap().contains("0417263"));
    let report = applied(&world, &engine).await;
    assert!(report.is_ok(), "{report:?}");
    assert!(!serde_json::to_string(&world.state()).unwrap().contains("0417263"));
    assert_eq!(engine.plan(&Arc::new(world.state())).await.unwrap().summary().changes(), 0);
}

#[tokio::test]
async fn outputs_are_held_to_the_plan() {
    let steps = "[steps.look]\nuses = \"x\"\nwith = { how = \"drift\" }\n";
    let (world, engine, runs) = loaded(steps, json!({}), &["id", "turn"]).await;
    let engine = engine.unwrap();
    let report = applied(&world, &engine).await;
    let [failure] = &report.failures[..] else { panic!("{report:?}") };
    let Reason::NotAsPlanned(Departure::Outputs(changes)) = &failure.reason else { panic!("{failure:?}") };
    let paths: Vec<_> = changes.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(paths, ["turn"], "the id became known, and that is no departure");
    assert_eq!(
        failure.to_string(),
        "its outputs differ from the plan that was shown: turn: planned \"planned\", then \"real\""
    );
    assert!(world.state().resources.len() == 1 && world.state().outputs.is_empty(), "what was made is recorded");
    // What is planned from then on is what comes.
    assert_eq!(runs.load(Ordering::SeqCst), 3);
    assert!(applied(&world, &engine).await.is_ok());
}

#[tokio::test]
async fn an_error_about_a_cut_value_says_which_value_it_was() {
    let error = planned(&two("cut", "${give.a}")).await.0.unwrap_err();
    let [failure] = &error.failures[..] else { panic!("{error:?}") };
    assert_eq!(
        failure.to_string(),
        "look/test.slot/x: the range is bad. It contains part of an unknown value: the output 'id' of \
            give/test.slot/a. A plugin cannot cut a value that is known only after apply"
    );
}

#[tokio::test]
async fn defaults_of_the_schema_are_there_when_the_plugin_runs() {
    let schema = json!({ "properties": {
        "size": { "type": "integer", "default": 3 },
        "pool": { "properties": { "of": { "default": "x" } } },
    } });
    let with = |more: &str| format!("[steps.look]\nuses = \"x\"\nwith = {{ how = \"filled\"{more} }}\n");
    for (more, seen) in [("", json!([3, null, true])), (", size = 4, pool = {}", json!([4, { "of": "x" }, true]))] {
        let (world, engine, _) = loaded(&with(more), schema.clone(), &["id"]).await;
        let engine = engine.unwrap();
        assert_eq!(engine.plan(&Arc::new(world.state())).await.unwrap().steps[0].outputs["id"], seen);
        assert_eq!(applied(&world, &engine).await.outputs[0].1["id"], seen);
    }
}

#[tokio::test]
async fn a_plugin_that_describes_itself_wrongly_is_refused_before_it_runs() {
    let step = "[steps.look]\nuses = \"x\"\nwith = { how = \"pass\" }\n";
    for (schema, outputs, words) in [
        (json!({ "type": "nonsense" }), &["id"][..], "its schema is not JSON Schema"),
        (json!({}), &["id", "a", "id"][..], "it describes the output 'id' twice"),
        (
            json!({ "properties": { "n": { "type": "integer", "default": "x" } } }),
            &["id"][..],
            "the default of 'n' does not fit its schema: \"x\" is not of type \"integer\"",
        ),
    ] {
        let error = loaded(step, schema, outputs).await.1.err().expect("it is refused");
        assert!(error.contains(words), "{error}");
    }
}
