//! The state in a folder: durable, recovered after a crash, never guessed at.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use llmhost_engine::kind::{Intent, Outputs};
use llmhost_engine::names::{ResourceAddress, StepName};
use llmhost_engine::state::{Change, Instance, LocalStore, Pending, Recovered, State, StateError, StateStore};
use proptest::prelude::*;
use serde_json::json;

fn open(folder: &Path) -> LocalStore {
    LocalStore::open(folder, "test", "run").unwrap().0
}

fn step(n: usize) -> Change {
    Change::StepDone {
        step: format!("s{n}").parse().unwrap(),
        outputs: json!({ "n": n }),
        sensitive: Default::default(),
    }
}

fn address(n: u8) -> ResourceAddress {
    format!("step/test.thing/r{n}").parse().unwrap()
}

fn instance(id: &str) -> Instance {
    let spec = json!({ "of": id });
    Instance {
        id: id.into(),
        spec,
        outputs: Outputs::new(),
        depends_on: vec![address(9)],
        generation: String::new(),
        bound: Default::default(),
        was: None,
        going: false,
        unfinished: false,
        broken: None,
    }
}

/// Every file of a folder but the lock.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name() != "lock")
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn what_is_recorded_is_there_again_with_and_without_an_orderly_end() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.record(step(1)).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(files(folder.path()).len(), 1, "an orderly end leaves one readable document");
    let store = open(folder.path());
    store.record(step(2)).await.unwrap();
    // Dropped without an end, as a crash does.
    drop(store);
    assert_eq!(LocalStore::read(folder.path(), "test").unwrap().outputs.len(), 2);
    let (store, notes) = LocalStore::open(folder.path(), "test", "run").unwrap();
    assert_eq!(notes, [Recovered::Unended { changes: 1 }]);
    store.close().await.unwrap();
    let (_, notes) = LocalStore::open(folder.path(), "test", "run").unwrap();
    assert_eq!(notes, []);
}

#[tokio::test]
async fn a_run_that_records_nothing_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.record(step(1)).await.unwrap();
    store.close().await.unwrap();
    let before = files(folder.path());
    open(folder.path()).close().await.unwrap();
    assert_eq!(files(folder.path()), before);
}

#[tokio::test]
async fn a_state_in_use_names_its_holder() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let Err(StateError::Locked { holder, .. }) = LocalStore::open(folder.path(), "test", "destroy") else {
        panic!("two at once")
    };
    assert!(holder.contains("llmhost run") && holder.contains(&std::process::id().to_string()), "{holder}");
    store.close().await.unwrap();
    assert!(LocalStore::open(folder.path(), "test", "destroy").is_ok());
}

#[tokio::test]
async fn a_crash_between_snapshot_and_journal_applies_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.record(Change::Current { address: address(1), instance: instance("a") }).await.unwrap();
    let intent = Intent { address: address(1), token: "token".into() };
    let pending = Pending {
        intent,
        spec: json!({}),
        begun: 0,
        replaces: Some("a".into()),
        depends_on: vec![],
        bound: Default::default(),
    };
    store.record(Change::Intent { pending }).await.unwrap();
    store.record(Change::Current { address: address(1), instance: instance("b") }).await.unwrap();
    let journal = std::fs::read(folder.path().join("journal.jsonl")).unwrap();
    store.close().await.unwrap();
    std::fs::write(folder.path().join("journal.jsonl"), journal).unwrap();
    let state = LocalStore::read(folder.path(), "test").unwrap();
    assert_eq!(state.resources[&address(1)].deposed.len(), 1, "{state:?}");
    let (_, notes) = LocalStore::open(folder.path(), "test", "run").unwrap();
    assert_eq!(notes, []);
}

#[tokio::test]
async fn damage_is_said_with_its_place_and_never_guessed_at() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.record(step(1)).await.unwrap();
    store.close().await.unwrap();
    let (snapshot, journal) = (folder.path().join("state.json"), folder.path().join("journal.jsonl"));
    let good = std::fs::read_to_string(&snapshot).unwrap();
    for (text, words) in [
        ("", "it is empty"),
        ("{", "line 1"),
        ("\u{0}\u{1}", "line 1"),
        (&good.replace("\"serial\"", "\"cereal\""), "missing field `serial`"),
        (&good.replace("\"llmhost_state\": 1", "\"llmhost_state\": 7"), "version 7"),
        (&good.replace("\"test\"", "\"other\""), "belongs to the pipeline 'other'"),
    ] {
        std::fs::write(&snapshot, text).unwrap();
        let error = LocalStore::read(folder.path(), "test").unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    std::fs::write(&snapshot, &good).unwrap();
    let store = open(folder.path());
    for n in 2..5 {
        store.record(step(n)).await.unwrap();
    }
    drop(store);
    let mut bytes = std::fs::read(&journal).unwrap();
    let at = bytes.iter().position(|&byte| byte == b'\n').unwrap() + 20;
    bytes[at] ^= 1;
    std::fs::write(&journal, bytes).unwrap();
    let error = LocalStore::open(folder.path(), "test", "run").err().unwrap().to_string();
    assert!(error.contains("damaged at line 2: its checksum is wrong"), "{error}");
}

#[tokio::test]
async fn a_journal_of_another_pipeline_is_never_taken_in() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = LocalStore::open(other.path(), "other", "run").unwrap().0;
    store.record(Change::Current { address: address(1), instance: instance("theirs") }).await.unwrap();
    drop(store);
    let theirs = std::fs::read(other.path().join("journal.jsonl")).unwrap();
    let refused = || {
        let journal = folder.path().join("journal.jsonl");
        std::fs::write(&journal, &theirs).unwrap();
        for error in [
            LocalStore::read(folder.path(), "test").unwrap_err(),
            LocalStore::open(folder.path(), "test", "run").err().unwrap(),
        ] {
            let words = "journal.jsonl belongs to the pipeline 'other', not to 'test'";
            assert!(error.to_string().contains(words), "{error}");
        }
        std::fs::remove_file(&journal).unwrap();
    };
    refused();
    let store = open(folder.path());
    store.record(step(1)).await.unwrap();
    store.close().await.unwrap();
    // Now theirs is older than the snapshot, which makes it no more ours.
    refused();
}

#[tokio::test]
async fn a_pipeline_is_renamed_in_one_step_whenever_the_process_dies() {
    let named = |folder: &Path| {
        let read = |name| LocalStore::read(folder, name).map(|state| (state.pipeline, state.outputs.len()));
        match (read("test"), read("new")) {
            (Ok(state), Err(StateError::OtherPipeline { .. })) | (Err(StateError::OtherPipeline { .. }), Ok(state)) => {
                state
            }
            both => panic!("{both:?}"),
        }
    };
    // With a snapshot, and of a first run that has none.
    for has_snapshot in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        store.record(step(1)).await.unwrap();
        if has_snapshot {
            store.close().await.unwrap();
        } else {
            drop(store);
        }
        let store = open(folder.path());
        assert_eq!(named(folder.path()), ("test".to_owned(), 1));
        store.record(Change::PipelineMoved { to: "new".into() }).await.unwrap();
        // It dies before the end of the run ...
        assert_eq!(named(folder.path()), ("new".to_owned(), 1));
        let journal = std::fs::read(folder.path().join("journal.jsonl")).unwrap();
        store.close().await.unwrap();
        assert_eq!(named(folder.path()), ("new".to_owned(), 1));
        // ... or between the snapshot and the end of the journal that has the old name.
        std::fs::write(folder.path().join("journal.jsonl"), journal).unwrap();
        assert_eq!(named(folder.path()), ("new".to_owned(), 1));
        let store = LocalStore::open(folder.path(), "new", "run").unwrap().0;
        store.record(step(2)).await.unwrap();
        drop(store);
        assert_eq!(named(folder.path()), ("new".to_owned(), 2));
    }
}

#[tokio::test]
async fn a_snapshot_that_is_missing_is_never_taken_for_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(LocalStore::read(folder.path(), "test").unwrap().outputs.len(), 0, "a first run has none");
    for n in 1..3 {
        let store = open(folder.path());
        store.record(step(n)).await.unwrap();
        store.close().await.unwrap();
    }
    let (snapshot, backup) = (folder.path().join("state.json"), folder.path().join("state.json.backup"));
    let elsewhere = folder.path().join("elsewhere");
    std::fs::rename(&snapshot, &elsewhere).unwrap();
    let missing = |words: &str| {
        for error in [
            LocalStore::read(folder.path(), "test").unwrap_err(),
            LocalStore::open(folder.path(), "test", "run").err().unwrap(),
        ] {
            let text = error.to_string();
            assert!(matches!(error, StateError::Missing { .. }) && text.contains(words), "{text}");
            assert!(error.advice().unwrap().contains("Restore the file"), "{error}");
        }
    };
    missing(&backup.display().to_string());
    std::fs::remove_file(&backup).unwrap();
    let away = folder.path().join("away");
    std::os::unix::fs::symlink(&away, &snapshot).unwrap();
    missing("it is a link to");
    std::fs::rename(&elsewhere, &away).unwrap();
    assert_eq!(LocalStore::read(folder.path(), "test").unwrap().outputs.len(), 2);
}

/// A line with its checksum, as any llmhost writes it.
fn line(json: &str) -> String {
    format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()))
}

#[test]
fn what_a_newer_llmhost_wrote_is_called_newer_and_not_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let ours = line(r#"{"llmhost_journal":1,"serial":0,"pipeline":"test"}"#);
    let lines = |json: &str| format!("{ours}{}", line(json));
    for (text, words, cut) in [
        (line(r#"{"llmhost_journal":2,"of":{"serial":"x"}}"#), "has version 2", false),
        (lines(r#"{"change":"renewed","address":1}"#), "line 2 of the journal", false),
        (
            lines(r#"{"change":"step-gone","step":"a","why":"b"}"#),
            "written by a newer llmhost: unknown field `why`",
            false,
        ),
        (lines("[1]"), "damaged at line 2", true),
        (lines("{"), "damaged at line 2", true),
        (line(r#"{"serial":1}"#), "damaged at line 1", true),
    ] {
        std::fs::write(folder.path().join("journal.jsonl"), text).unwrap();
        let error = LocalStore::read(folder.path(), "test").unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("journal.jsonl"), "{error}");
        assert_eq!((error.contains("cut it there"), error.contains("use a newer llmhost")), (cut, !cut), "{error}");
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_said_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for error in [
        LocalStore::open(&file, "test", "run").err().unwrap(),
        LocalStore::open(&file.join("below"), "test", "run").err().unwrap(),
        LocalStore::read(&file, "test").unwrap_err(),
    ] {
        assert!(error.to_string().contains(&file.display().to_string()), "{error}");
    }
    std::fs::create_dir(folder.path().join("state.json")).unwrap();
    let error = LocalStore::read(folder.path(), "test").unwrap_err().to_string();
    assert!(error.contains("state.json"), "{error}");
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_is_known_at_once_and_the_end_saves_everything() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let journal = folder.path().join("journal.jsonl");
    std::os::unix::fs::symlink("/dev/full", &journal).unwrap();
    assert!(store.check().is_ok());
    let failed = store.record(step(1)).await.unwrap_err().to_string();
    assert!(failed.contains("cannot write") && failed.contains("journal.jsonl"), "{failed}");
    assert_eq!(store.check().unwrap_err().to_string(), failed);
    std::fs::remove_file(&journal).unwrap();
    assert_eq!(store.record(step(2)).await.unwrap_err().to_string(), failed, "a gap would be worse than a stop");
    store.close().await.unwrap();
    assert_eq!(LocalStore::read(folder.path(), "test").unwrap().outputs.len(), 2);
}

#[tokio::test]
async fn a_state_that_is_closed_is_written_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("made/for/it");
    let store = open(&below);
    store.record(step(1)).await.unwrap();
    store.close().await.unwrap();
    let other = open(&below);
    let before = files(&below);
    let error = store.record(step(2)).await.unwrap_err().to_string();
    assert!(error.contains("the state is closed"), "{error}");
    assert!(store.check().is_err());
    store.close().await.unwrap();
    assert_eq!(files(&below), before);
    other.close().await.unwrap();
}

#[test]
fn a_reader_sees_one_moment_while_runs_begin_and_end() {
    let folder = tempfile::tempdir().unwrap();
    let (path, runs) = (folder.path().to_owned(), 200);
    let writer = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for n in 0..runs {
            let store = open(&path);
            runtime.block_on(store.record(step(n))).unwrap();
            runtime.block_on(store.close()).unwrap();
        }
    });
    let mut before = 0;
    while before < runs {
        let ended = writer.is_finished();
        let seen = LocalStore::read(folder.path(), "test").unwrap().outputs.len();
        assert!(seen >= before, "{seen} after {before}");
        assert!(seen == runs || !ended, "{seen} in the end");
        before = seen;
    }
    writer.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_that_record_together_share_a_sync_and_cost_grows_with_changes_only() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path()));
    let records: Vec<_> = (0..2_000)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.record(step(n)).await })
        })
        .collect();
    for record in records {
        record.await.unwrap().unwrap();
    }
    let (syncs, bytes) = (store.cost().syncs.load(Ordering::Relaxed), store.cost().bytes.load(Ordering::Relaxed));
    assert!(syncs < 1_000, "{syncs} syncs for 2,000 changes");
    assert!(bytes < 2_000 * 100, "{bytes} bytes for 2,000 changes");
    store.close().await.unwrap();
    assert_eq!(LocalStore::read(folder.path(), "test").unwrap().outputs.len(), 2_000);
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let one = (0u8..7, 0u8..3).prop_map(|(what, n)| {
        let (address, id) = (address(n), format!("id-{n}"));
        let intent = Intent { address: address.clone(), token: format!("token-{n}") };
        let pending = |replaces| Pending {
            intent,
            begun: 0,
            spec: json!({ "n": n }),
            replaces,
            depends_on: vec![],
            bound: Default::default(),
        };
        match what {
            0 => Change::Fact { key: format!("fact-{n}"), value: "yes".into() },
            1 => Change::Intent { pending: pending(None) },
            2 => Change::Current { address, instance: instance(&id) },
            3 => Change::Intent { pending: pending(Some(id)) },
            4 => Change::Gone { address, id },
            5 => Change::NothingMade { address },
            _ => Change::StepDone {
                step: format!("s{n}").parse::<StepName>().unwrap(),
                outputs: json!({ "n": n }),
                sensitive: Default::default(),
            },
        }
    });
    proptest::collection::vec(one, 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_journal_cut_anywhere_gives_the_state_after_the_lines_that_are_whole(changes in changes(), cut in 0.0..1.0f64) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        for change in &changes {
            runtime.block_on(store.record(change.clone())).unwrap();
        }
        drop(store);
        let journal = folder.path().join("journal.jsonl");
        let bytes = std::fs::read(&journal).unwrap_or_default();
        let cut = (bytes.len() as f64 * cut) as usize;
        std::fs::write(&journal, &bytes[..cut]).unwrap();
        let whole = bytes[..cut].iter().filter(|&&byte| byte == b'\n').count().saturating_sub(1);
        let mut expected = State { pipeline: "test".into(), ..State::default() };
        changes.iter().take(whole).cloned().for_each(|change| expected.apply(change));
        prop_assert_eq!(&LocalStore::read(folder.path(), "test").unwrap(), &expected);
        // And goes on from there.
        let store = open(folder.path());
        runtime.block_on(store.record(step(77))).unwrap();
        drop(store);
        expected.apply(step(77));
        prop_assert_eq!(&LocalStore::read(folder.path(), "test").unwrap(), &expected);
    }
}
