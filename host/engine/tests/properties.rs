//! What holds of every pipeline and every change to it: once it was applied there is nothing left
//! to do, nothing is deleted while something hangs on it, and whatever fails in between, the next
//! run comes to the same end. The cloud in memory refuses what breaks a reference.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod support;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use llmhost_engine::kind::ErrorClass;
use llmhost_engine::run::{Cancel, Events, Selection, destroy};
use proptest::prelude::*;
use support::{World, fates};

/// A resource as a pipeline declares it.
#[derive(Debug, Clone)]
struct Thing {
    /// In which step, and whether it is there at all.
    step: usize,
    there: bool,
    disk: bool,
    /// Another one means another resource.
    range: u8,
    /// Another one means an update.
    tag: u8,
    /// Which of the earlier ones it hangs on, a bit each.
    parents: u16,
}

const STEPS: usize = 3;
const THINGS: usize = 9;

fn thing() -> impl Strategy<Value = Thing> {
    (0..STEPS, prop::bool::weighted(0.8), any::<bool>(), 0..3_u8, 0..3_u8, any::<u16>()).prop_map(
        |(step, there, disk, range, tag, parents)| Thing {
            step,
            there,
            disk,
            range,
            tag,
            parents: parents & (parents >> 3),
        },
    )
}

/// Versions of one pipeline: things keep step and kind, and change in everything else.
fn versions() -> impl Strategy<Value = Vec<Vec<Thing>>> {
    prop::collection::vec(prop::collection::vec(thing(), THINGS), 2..4).prop_map(|mut versions| {
        let first = versions[0].clone();
        for version in &mut versions {
            for (thing, kept) in version.iter_mut().zip(&first) {
                (thing.step, thing.disk) = (kept.step, kept.disk);
            }
        }
        versions
    })
}

/// The pipeline's text, and the names that it declares.
fn pipeline(things: &[Thing]) -> (String, BTreeSet<String>) {
    let mut steps = String::new();
    for step in 0..STEPS {
        let (mut entries, mut names) = (String::new(), Vec::new());
        for (at, thing) in things.iter().enumerate().filter(|(_, thing)| thing.there && thing.step == step) {
            let (mut of, mut from) = (Vec::new(), Vec::new());
            for (earlier, parent) in things[..at].iter().enumerate() {
                let wanted = parent.there && thing.parents & (1 << earlier) != 0;
                match () {
                    () if wanted && parent.step == step => of.push(format!("\"t{earlier}\"")),
                    // Steps refer to earlier steps alone: circles are another test's.
                    () if wanted && parent.step < step => from.push(format!("\"${{s{}.t{earlier}}}\"", parent.step)),
                    () => {}
                }
            }
            let Thing { disk, range, tag, .. } = thing;
            writeln!(
                entries,
                "{{ name = \"t{at}\", disk = {disk}, range = \"{at}.{range}\", tags = {{ t = \"{tag}\" }}, of = [{}], in = [{}] }},",
                of.join(", "),
                from.join(", ")
            )
            .unwrap();
            names.push(format!("t{at}"));
        }
        writeln!(steps, "[steps.s{step}]\nuses = \"script:{}\"\nwith = {{ declare = [\n{entries}] }}", names.join(","))
            .unwrap();
    }
    let names = things.iter().enumerate().filter(|(_, thing)| thing.there).map(|(at, _)| format!("t{at}"));
    (steps, names.collect())
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

async fn applied(world: &World, text: &str, names: &BTreeSet<String>) {
    let report = world.run(text).await;
    assert!(report.is_ok(), "{report:?}\n{text}");
    assert_eq!(fates(&world.plan(text).await), [], "nothing is left to do after\n{text}");
    let there = world.cloud.names();
    assert_eq!(there, names.iter().cloned().collect::<Vec<_>>(), "each once, and nothing else\n{text}");
    world.cloud.take_calls();
    assert_eq!(world.run(text).await.done.changes(), 0);
    assert!(world.cloud.take_calls().is_empty(), "nobody is called for nothing");
}

async fn destroyed(world: &World) {
    let store = world.store();
    let report =
        destroy(world.registry(), Arc::clone(&store), Events::none(), Cancel::default(), 4, &Selection::default())
            .await
            .unwrap();
    assert!(report.is_ok(), "{report:?}");
    store.close().await.unwrap();
    assert!(world.cloud.names().is_empty() && world.state().resources.is_empty(), "{:?}", world.cloud.names());
}

/// With `LLMHOST_TORTURE=long` (`cargo xtask torture`) as many as a coffee takes.
fn cases() -> u32 {
    if std::env::var("LLMHOST_TORTURE").is_ok_and(|extent| extent == "long") { 2_000 } else { 64 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_applied_leaves_nothing_to_do_and_can_be_taken_apart(versions in versions()) {
        block_on(async {
            let world = World::new();
            for version in &versions {
                let (text, names) = pipeline(version);
                applied(&world, &text, &names).await;
            }
            destroyed(&world).await;
        });
    }

    #[test]
    fn whatever_fails_in_between_the_next_run_comes_to_the_same_end(
        versions in versions(),
        broken in prop::collection::btree_set(0..THINGS, 0..3),
        silent in prop::collection::btree_set(0..THINGS, 0..3),
        twice in any::<bool>(),
    ) {
        block_on(async {
            let world = World::new();
            for version in &versions {
                let (text, names) = pipeline(version);
                let failing = broken.iter().map(|at| (format!("t{at}"), ErrorClass::Quota));
                world.cloud.broken.lock().unwrap().extend(failing);
                world.cloud.silent.lock().unwrap().extend(silent.iter().map(|at| format!("t{at}")));
                for _ in 0..=u8::from(twice) {
                    // It may fail or not; what it leaves is what counts.
                    world.run(&text).await;
                }
                world.cloud.broken.lock().unwrap().clear();
                world.cloud.silent.lock().unwrap().clear();
                applied(&world, &text, &names).await;
            }
            // A destroy that comes after a failed run ends as well.
            let (text, _) = pipeline(&versions[0]);
            world.cloud.silent.lock().unwrap().extend(silent.iter().map(|at| format!("t{at}")));
            world.run(&text).await;
            world.cloud.silent.lock().unwrap().clear();
            destroyed(&world).await;
        });
    }
}
