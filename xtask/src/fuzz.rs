//! `cargo xtask fuzz`: everything that reads what comes from outside, with inputs that libFuzzer finds.
//!
//! The targets are in fuzz/targets, their first inputs in fuzz/seeds. What a run finds is kept below Cargo's target folder,
//! so that the next one goes on from there.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{repository, run_quietly, target};

const USAGE: &str = "cargo xtask fuzz [--seconds SECONDS] [TARGET ...]   (by default 300 seconds each)";
const TRIPLE: &str = "x86_64-unknown-linux-gnu";
/// Coverage counters and compared values, as libFuzzer reads them. They need no nightly compiler.
const FLAGS: [&str; 8] = [
    "--cfg=fuzzing",
    "-Ccodegen-units=1",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Clink-dead-code",
];
/// An input that takes longer, or more memory, is a finding. In seconds and in MiB.
const LONGEST: u32 = 5;
const MOST_MEMORY: u32 = 500;
/// In bytes. Every target's code can be reached with less.
const LONGEST_INPUT: u32 = 64 << 10;

/// What a command line asks for.
struct Asked {
    seconds: u32,
    targets: Vec<String>,
}

/// What one target did.
struct Done {
    target: String,
    runs: u64,
    peak_mib: u64,
    slowest: u64,
    finding: Option<PathBuf>,
}

/// Builds the targets and runs each of them; fails if there is a finding.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let asked = Asked::parse(args, &targets()?)?;
    let folder = target().join("fuzz");
    build(&folder)?;
    let done = asked.targets.iter().map(|name| fuzz(&folder, name, asked.seconds)).collect::<Result<Vec<_>, _>>()?;
    println!("\n| target | inputs | inputs a second | slowest, s | peak memory, MiB | findings |");
    println!("|---|---:|---:|---:|---:|---:|");
    for one in &done {
        let (a_second, findings) = (one.runs / u64::from(asked.seconds), usize::from(one.finding.is_some()));
        println!("| {} | {} | {a_second} | {} | {} | {findings} |", one.target, one.runs, one.slowest, one.peak_mib);
    }
    let findings: Vec<String> =
        done.iter().filter_map(|one| Some(one.again(&folder, one.finding.as_deref()?))).collect();
    if findings.is_empty() { Ok(()) } else { Err(format!("found:\n{}", findings.join("\n"))) }
}

impl Asked {
    fn parse(args: &[String], known: &[String]) -> Result<Self, String> {
        let mut asked = Self { seconds: 300, targets: Vec::new() };
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            if arg == "--seconds" {
                let seconds = rest.next().and_then(|text| text.parse().ok()).filter(|seconds| *seconds > 0);
                asked.seconds = seconds.ok_or("--seconds takes a number of seconds, at least 1")?;
            } else if known.contains(arg) {
                asked.targets.push(arg.clone());
            } else {
                return Err(format!("there is no target {arg}\n{USAGE}\ntargets: {}", known.join(", ")));
            }
        }
        if asked.targets.is_empty() {
            known.clone_into(&mut asked.targets);
        }
        Ok(asked)
    }
}

impl Done {
    /// How to see a finding again.
    fn again(&self, folder: &Path, finding: &Path) -> String {
        format!("  {}: {} {}", self.target, program(folder, &self.target).display(), finding.display())
    }
}

/// Every target, by name.
fn targets() -> Result<Vec<String>, String> {
    let mut names: Vec<String> = files(&repository().join("fuzz/targets"))?
        .iter()
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort_unstable();
    Ok(names)
}

fn program(folder: &Path, target: &str) -> PathBuf {
    folder.join(TRIPLE).join("release").join(target)
}

fn build(folder: &Path) -> Result<(), String> {
    println!("\n$ cargo build --release --manifest-path fuzz/Cargo.toml   (with coverage counters)");
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--target", TRIPLE, "--manifest-path", "fuzz/Cargo.toml"]);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}")).env("CARGO_TARGET_DIR", folder);
    run_quietly(cargo.current_dir(repository()))
}

/// Runs one target, and reads what libFuzzer says at its end.
fn fuzz(folder: &Path, name: &str, seconds: u32) -> Result<Done, String> {
    println!("\n{name}: {seconds} s");
    let [corpus, findings] = ["corpus", "findings"].map(|kind| folder.join(kind).join(name));
    for folder in [&corpus, &findings] {
        fs::create_dir_all(folder).map_err(|error| format!("cannot create {}: {error}", folder.display()))?;
    }
    let mut fuzzer = Command::new(program(folder, name));
    fuzzer.arg(&corpus).args(seeds(name)?).current_dir(repository());
    fuzzer.arg(format!("-max_total_time={seconds}")).arg(format!("-timeout={LONGEST}"));
    fuzzer.arg(format!("-rss_limit_mb={MOST_MEMORY}")).arg(format!("-max_len={LONGEST_INPUT}"));
    fuzzer.arg(format!("-artifact_prefix={}/", findings.display())).arg("-print_final_stats=1");
    if let Some(path) = plugin(name)? {
        fuzzer.env("LLMHOST_FUZZ_PLUGIN", path).env("LLMHOST_FUZZ_GRANTS", "s3");
    }
    let output = fuzzer.output().map_err(|error| format!("cannot start {fuzzer:?}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let number = |key: &str| said.lines().filter_map(|line| line.strip_prefix(key)?.trim().parse().ok()).next_back();
    let finding = said.lines().filter_map(|line| line.split_once("Test unit written to ")).next_back();
    let finding = finding.map(|(_, path)| PathBuf::from(path.trim()));
    if !output.status.success() {
        println!(
            "{}",
            said.lines().rev().take(40).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
        );
    }
    if !output.status.success() && finding.is_none() {
        return Err(format!("{name} ended with {} and no finding", output.status));
    }
    Ok(Done {
        target: name.to_owned(),
        runs: number("stat::number_of_executed_units:").unwrap_or(0),
        peak_mib: number("stat::peak_rss_mb:").unwrap_or(0),
        slowest: number("stat::slowest_unit_time_sec:").unwrap_or(0),
        finding,
    })
}

/// Folders with first inputs of a target: its own, and real files of the repository.
fn seeds(target: &str) -> Result<Vec<PathBuf>, String> {
    let repository = repository();
    let real = match target {
        "pipeline_file" => Some("pipelines"),
        "component" => Some("host/sandbox/tests/stored/0.1.0"),
        _ => None,
    };
    let folders = [Some(format!("fuzz/seeds/{target}")), real.map(str::to_owned)];
    let folders: Vec<PathBuf> = folders.into_iter().flatten().map(|folder| repository.join(folder)).collect();
    match folders.iter().any(|folder| folder.is_dir()) {
        true => Ok(folders.into_iter().filter(|folder| folder.is_dir()).collect()),
        false => Err(format!("{target} has no first inputs in fuzz/seeds/{target}")),
    }
}

/// The built-in plugin whose calls are tried, as the build of llmhost leaves it.
fn plugin(target: &str) -> Result<Option<PathBuf>, String> {
    if target != "plugin_call" {
        return Ok(None);
    }
    let path = crate::target().join("llmhost-plugins/wasm32-unknown-unknown/release/s3.wasm");
    if path.is_file() { Ok(Some(path)) } else { Err(format!("{} is missing: cargo build makes it", path.display())) }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let read = fs::read_dir(folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let paths = read.map(|entry| entry.map(|entry| entry.path()).map_err(|error| error.to_string()));
    let paths: Vec<PathBuf> = paths.collect::<Result<_, _>>()?;
    Ok(paths.into_iter().filter(|path| path.extension() == Some(OsStr::new("rs"))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_named_and_times_are_numbers() {
        let known = targets().expect("fuzz/targets is there");
        let parse = |args: &[&str]| Asked::parse(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>(), &known);
        let all = parse(&[]).expect("all targets");
        assert_eq!((all.seconds, all.targets.len()), (300, known.len()));
        let one = parse(&["--seconds", "7", "trace"]).expect("one target");
        assert_eq!((one.seconds, one.targets), (7, vec!["trace".to_owned()]));
        for wrong in [&["--seconds"][..], &["--seconds", "0"], &["--seconds", "x"], &["no_target"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn every_target_is_built_and_has_first_inputs() {
        let manifest = fs::read_to_string(repository().join("fuzz/Cargo.toml")).expect("fuzz/Cargo.toml is there");
        for name in targets().expect("fuzz/targets is there") {
            assert!(manifest.contains(&format!("path = \"targets/{name}.rs\"")), "{name} is not in fuzz/Cargo.toml");
            let seeds = seeds(&name).expect("first inputs");
            assert!(seeds.iter().any(|folder| folder.read_dir().is_ok_and(|mut entries| entries.next().is_some())));
        }
    }
}
