//! The emulated API server beside a real one: kube-apiserver, kube-controller-manager, kube-scheduler and
//! etcd, built from their Go modules.

mod both;

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use llmhost_python_env::{Environment, cache_folder};
use sha2::{Digest, Sha256};

use crate::run_quietly;

const USAGE: &str = "cargo xtask conformance [--requests | --tests [NAME…] | --generate]";
/// The program's sources.
const SOURCES: &str = "tests/conformance";
/// By which emulators learn of the control plane.
const VARIABLE: &str = "LLMHOST_EMULATOR_CONTROL_PLANE";
/// Where the table is written.
const PAGE: &str = "docs/conformance.md";
/// The version of Kubernetes that the program says it is.
const VERSION: (&str, &str, &str) = ("v1.34.4", "1", "34");
/// The emulator's packages.
const EMULATOR: Environment = Environment {
    name: "emulator",
    requirements: include_str!("../../host/emulator/python/requirements.txt"),
    variable: "LLMHOST_EMULATOR_VENV",
};

/// Builds the control plane where it is not cached, and sends requests to it and runs tests on it.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let (requests, tests, generate) = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => (true, true, false),
        ["--requests"] => (true, false, false),
        ["--tests", ..] => (false, true, false),
        ["--generate"] => (false, false, true),
        _ => return Err(USAGE.to_owned()),
    };
    let program = built()?;
    let python = EMULATOR.python(&|text| println!("{text}")).map_err(|error| error.to_string())?;
    let script = |name: &str, more: &[&str]| {
        println!("\n$ {SOURCES}/{name}");
        let plane = ControlPlane::start(&program)?;
        let mut command = Command::new(&python);
        command.arg(crate::repository().join(SOURCES).join(name)).arg(&plane.url).args(more);
        run_quietly(command.current_dir(crate::repository()).env_remove("PYTHONPATH"))
    };
    if generate {
        return script("generate.py", &[]);
    }
    let compared = if requests { script("compare.py", &[PAGE]) } else { Ok(()) };
    let tested = if tests { both::run(&program, &python, args.get(1..).unwrap_or_default()) } else { Ok(()) };
    compared.and(tested)
}

/// The program, built once for each state of its sources.
fn built() -> Result<PathBuf, String> {
    let sources = crate::repository().join(SOURCES);
    let folder = cache_folder().map_err(|error| error.to_string())?;
    fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let program = folder.join(format!("control-plane-{}", sum(&sources)?));
    // Whoever comes second waits for the first.
    let lock = folder.join("control-plane.lock");
    let held = OpenOptions::new().write(true).create(true).truncate(false).open(&lock);
    let _held = held.and_then(|file| file.lock().map(|()| file));
    let _held = _held.map_err(|error| format!("cannot lock {}: {error}", lock.display()))?;
    if program.is_file() {
        return Ok(program);
    }
    println!(
        "Building etcd and Kubernetes {}, once for this machine: some ten minutes, three gigabytes of Go's caches.",
        VERSION.0
    );
    let set = |name: &str, value: &str| format!("-X k8s.io/component-base/version.{name}={value}");
    let version = [set("gitVersion", VERSION.0), set("gitMajor", VERSION.1), set("gitMinor", VERSION.2)].join(" ");
    let draft = program.with_extension("draft");
    let mut command = Command::new("go");
    command.args(["build", "-trimpath", "-buildvcs=false", "-ldflags", &format!("-s -w {version}"), "-o"]).arg(&draft);
    command.arg(".").current_dir(&sources).env("CGO_ENABLED", "0");
    run_quietly(&mut command)
        .map_err(|error| format!("{error}; go 1.25 or newer is needed, and the way to its module proxy"))?;
    fs::rename(&draft, &program).map_err(|error| format!("cannot keep {}: {error}", program.display()))?;
    // Each is over a hundred megabytes.
    for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("control-plane-") && entry.path() != program {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(program)
}

/// A sum over the program's sources.
fn sum(sources: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", sources.display());
    let entries = fs::read_dir(sources).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    files.retain(|path| {
        path.extension().is_some_and(|ending| ["go", "mod", "sum"].iter().any(|known| ending == *known))
    });
    files.sort();
    let mut sum = Sha256::new();
    sum.update(VERSION.0);
    for file in files {
        sum.update(fs::read(&file).map_err(failed)?);
    }
    Ok(sum.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect())
}

/// A running control plane: it makes an API server for each cluster that is asked for.
struct ControlPlane {
    child: Child,
    url: String,
    /// What it keeps goes with it.
    _folder: tempfile::TempDir,
}

impl ControlPlane {
    fn start(program: &Path) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("cannot make a folder: {error}"))?;
        let mut command = Command::new(program);
        command.arg("serve").arg(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let mut url = String::new();
        let read = child.stdout.take().map(|stdout| BufReader::new(stdout).read_line(&mut url));
        let plane = Self { child, url: url.trim().to_owned(), _folder: folder };
        match read {
            Some(Ok(_)) if plane.url.starts_with("http://") => Ok(plane),
            _ => Err("the control plane did not start; it says why above".to_owned()),
        }
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // It ends its parts, and itself, when nobody holds its input any more.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
