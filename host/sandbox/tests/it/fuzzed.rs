//! Real components with some of their bytes changed: each is refused with a reason, or loads and runs. A few each time;
//! for an hour with `LLMHOST_TORTURE=long` (`cargo xtask torture`).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use llmhost_engine::plugin::{Limits, LoadError};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use wasmparser::{Parser, Payload};

use crate::fake::{Notes, load, loader};
use crate::languages::{scratch, sources, with_world};
use crate::support::guest;

/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// A loader keeps what it loaded.
const LOADS_OF_A_LOADER: usize = 500;

/// Real components, and a core module that says its world.
fn seeds() -> Vec<Vec<u8>> {
    let gc = scratch().join(format!("fuzzed-{}.wasm", std::process::id()));
    fs::write(&gc, wat::parse_file(sources("gc.wat")).expect("good text")).expect("the target folder can be written");
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stored/0.1.0/c.wasm");
    let files = [guest("quick"), guest("crash"), guest("wasi"), with_world(&gc), stored];
    files.iter().map(|file| fs::read(file).expect("it was built")).collect()
}

/// The places of the sections of a component or module, of those inside as well.
fn sections(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let payloads = Parser::new(0).parse_all(bytes).map_while(Result::ok);
    let range = |payload: Payload<'_>| payload.as_section().map(|(_, range)| range);
    payloads.filter_map(range).filter(|range| !range.is_empty() && range.end <= bytes.len()).collect()
}

/// Some bytes changed, some taken out, some put in twice, some from another. Half of them anywhere, which is mostly in
/// code and data; half of them in one section, so that small ones are met as well.
fn spoiled(seed: &[u8], other: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..rng.random_range(1..4) {
        let all = sections(&bytes);
        if all.is_empty() {
            return bytes;
        }
        let section = if rng.random() { 8..bytes.len() } else { all[rng.random_range(0..all.len())].clone() };
        let at = rng.random_range(section.clone());
        let length = rng.random_range(1..=16.min(section.end - at));
        match rng.random_range(0..9) {
            0..=2 => bytes[at] ^= 1 << rng.random_range(0..8),
            3 => bytes[at] = rng.random(),
            4 => bytes[at..at + length].fill(0xff),
            5 => drop(bytes.drain(at..at + length)),
            6 => {
                let twice = bytes[at..at + length].to_vec();
                drop(bytes.splice(at..at, twice));
            }
            7 => {
                let from = rng.random_range(0..other.len());
                let part = other[from..other.len().min(from + length)].to_vec();
                let end = bytes.len().min(at + part.len());
                drop(bytes.splice(at..end, part));
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}

/// Loads it and runs it; gives how that ended. A panic or a hang is an error.
async fn tried(loader: &Arc<llmhost_sandbox::Loader>, file: &Path) -> Result<&'static str, String> {
    let (loader, file) = (loader.clone(), file.to_owned());
    let all = tokio::spawn(async move {
        let limits = Limits { time: Some(Duration::from_millis(200)), ..Limits::default() };
        match load(&loader, &file, &limits).await {
            Ok(plugin) => match plugin.run(&json!({}), Arc::new(Notes::default())).await {
                Ok(_) => "ran",
                Err(_) => "failed",
            },
            Err(LoadError::NotAPlugin { reason, .. }) => {
                assert!(!reason.contains("the compiler failed"), "{reason}");
                "refused"
            }
            Err(LoadError::BadDescription { .. }) => "does not describe itself",
            Err(LoadError::NotGranted { .. }) => "not granted",
            Err(other) => panic!("{other}"),
        }
    });
    match tokio::time::timeout(PATIENCE, all).await {
        Ok(Ok(end)) => Ok(end),
        Ok(Err(panic)) => Err(panic.to_string()),
        Err(_) => Err("it hangs".to_owned()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_its_bytes_a_component_neither_panics_nor_hangs() {
    let seed = std::env::var("LLMHOST_TORTURE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let (mut rng, seeds) = (StdRng::seed_from_u64(seed), seeds());
    let (began, long) = (Instant::now(), std::env::var("LLMHOST_TORTURE").is_ok_and(|value| value == "long"));
    let is_over = |count: usize| if long { began.elapsed() >= HOUR } else { count >= 200 };
    let folder = tempfile::tempdir().unwrap();
    let mut ends = BTreeMap::<&str, usize>::new();
    let mut current = Arc::new(loader());
    let mut count = 0;
    while !is_over(count) {
        let [one, other] = [(); 2].map(|()| rng.random_range(0..seeds.len()));
        let bytes = spoiled(&seeds[one], &seeds[other], &mut rng);
        // Where the process dies with it, the file is still there.
        let file = folder.path().join("fuzzed.wasm");
        fs::write(&file, &bytes).unwrap();
        match tried(&current, &file).await {
            Ok(end) => *ends.entry(end).or_default() += 1,
            Err(reason) => panic!("{reason}: {}", folder.keep().join("fuzzed.wasm").display()),
        }
        count += 1;
        if count.is_multiple_of(LOADS_OF_A_LOADER) {
            current = Arc::new(loader());
        }
    }
    eprintln!("{count} components in {:?}: {ends:?}", began.elapsed());
    assert!(ends.contains_key("refused"), "nothing was spoiled: {ends:?}");
}
