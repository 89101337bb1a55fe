//! What every user test needs: a folder with a pipeline, the binary, an emulator, and an
//! independent client that looks into it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part of this")]

pub mod alertmanager;
pub mod browser;
pub mod helm;
pub mod kept;
pub mod postgres;
pub mod registry;
pub mod screenshot;
pub mod served;
pub mod terminal;
pub mod torture;
pub mod user;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use llmhost_emulator::Emulator;
use serde_json::Value;

/// A folder of its own for one test, with the repository's example pipelines in it.
pub struct Scene {
    pub folder: tempfile::TempDir,
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Scene {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// A scene with a copy of `pipelines/`.
    pub fn with_examples() -> Self {
        let scene = Self::new();
        copy(&repository().join("pipelines"), scene.folder.path());
        scene
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the folder can be made");
        std::fs::write(&path, text).expect("the file can be written");
        path
    }

    /// Writes `pipeline.toml`: the usual head and these steps.
    pub fn pipeline(&self, steps: &str) {
        self.write("pipeline.toml", format!("[pipeline]\nname = \"test\"\nregion = \"us-east-1\"\n\n{steps}"));
    }

    /// Replaces a text in a file of the scene; it must be there.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(name)).expect("the file can be read");
        assert!(text.contains(from), "'{from}' is not in {name}");
        self.write(name, text.replace(from, to));
    }

    /// Runs llmhost in the scene's folder with no credentials around.
    pub fn llmhost(&self, args: &[&str]) -> Ran {
        ran(self.command(args).output())
    }

    /// Runs llmhost against an emulator.
    pub fn at(&self, url: &str, args: &[&str]) -> Ran {
        let mut command = self.command(args);
        command.args(["--endpoint-url", url]);
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        ran(command.output())
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_llmhost"));
        command.args(args).current_dir(self.folder.path()).stdin(std::process::Stdio::null());
        command.env("NO_COLOR", "1").env("AWS_EC2_METADATA_DISABLED", "true").env("LANG", "C.UTF-8");
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("AWS_") && name != "AWS_EC2_METADATA_DISABLED" {
                command.env_remove(name);
            }
        }
        command
            .env("HOME_WITHOUT_AWS", "1")
            .env("AWS_CONFIG_FILE", "/nonexistent")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent");
        command
    }
}

/// The credentials of these tests: planted, so that they can be looked for where they must not be.
pub const ACCESS_KEY: &str = "AKIAPLANTEDACCESSKEY";
/// As above.
pub const SECRET_KEY: &str = "planted-secret-key-that-must-not-appear";

impl Ran {
    /// The run, if it ended with this status.
    #[track_caller]
    pub fn status(self, status: i32) -> Self {
        assert_eq!(self.status, status, "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// Everything that was said, the folder's name left out.
    pub fn said(&self, scene: &Scene) -> String {
        let all = format!("{}{}", self.stdout, self.stderr);
        all.replace(&scene.folder.path().display().to_string(), "[folder]")
    }

    #[track_caller]
    pub fn does_not_say(&self, words: &[&str]) -> &Self {
        for word in words {
            assert!(!self.stdout.contains(word), "{word} in stdout\n{}", self.stdout);
            assert!(!self.stderr.contains(word), "{word} in stderr\n{}", self.stderr);
        }
        self
    }

    pub fn says(&self, words: &[&str]) -> &Self {
        let all = format!("{}{}", self.stdout, self.stderr);
        let flat = flat(&all);
        for word in words {
            assert!(flat.contains(word), "'{word}' is not in:\n{all}");
        }
        // Of llmhost itself; a plugin's stand in a line of the report.
        let panic = all.lines().find(|line| line.starts_with("thread '") && line.contains("panicked at"));
        assert_eq!(panic, None, "{all}");
        self
    }
}

/// A text in one line. Long lines are wrapped for the terminal; words matter, not breaks.
pub fn flat(text: &str) -> String {
    text.replace(['│', '\n'], " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The steps of thirty networks, with 36 resources each.
pub fn thousand() -> String {
    let network = |n: u32| {
        format!(
            "[steps.network-{n}]\nuses = \"vpc\"\nwith = {{ name = \"n-{n}\", cidr = \"10.{n}.0.0/16\", azs = 3, nat = \"per-az\" }}\n"
        )
    };
    (0..30).map(network).collect()
}

/// A run with `--watch`, and its address without the scheme: `127.0.0.1:PORT/TOKEN/`.
pub fn watched(scene: &Scene, url: &str, more: &[&str]) -> (Child, String) {
    let mut command = scene.command(&["run", "pipeline.toml", "--watch", "--endpoint-url", url]);
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    let mut run = command.args(more).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(run.stderr.take().unwrap()).lines();
    let address = lines
        .by_ref()
        .map(|line| line.unwrap())
        .find_map(|line| Some(line.split_once("Watch the run at http://")?.1.to_owned()))
        .expect("the address is printed");
    // What follows is read away, so that the run never waits for it.
    std::thread::spawn(move || lines.for_each(drop));
    (run, address)
}

/// What a command of llmhost did.
pub fn ran(output: std::io::Result<Output>) -> Ran {
    let output = output.expect("llmhost starts");
    Ran {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Starts an emulator of the test's own.
pub async fn emulator() -> Emulator {
    Emulator::start_for(SECRET_KEY, &|_| ()).await.expect("the emulator starts")
}

/// A policy with these actions taken out, wherever they stand.
pub fn without(policy: &Value, out: &[&str]) -> Value {
    let text = policy.to_string();
    for action in out {
        assert!(text.contains(&format!("\"{action}\"")), "{action} is not in the policy");
    }
    let mut less = policy.clone();
    let statements = less["Statement"].as_array_mut().expect("a policy");
    for statement in &mut *statements {
        statement["Action"]
            .as_array_mut()
            .expect("a policy")
            .retain(|action| !out.contains(&action.as_str().expect("a policy")));
    }
    statements.retain(|statement| !statement["Action"].as_array().expect("a policy").is_empty());
    less
}

/// What an independent client (boto3) finds behind an endpoint.
pub fn look(url: &str) -> Value {
    look_after(url, &[])
}

/// As `look`, in a region, or in a role's account as `region@role`.
pub fn look_in(url: &str, place: &str) -> Value {
    look_with(url, place, &[])
}

/// As `look`, after doing something there.
pub fn look_after(url: &str, doing: &[&str]) -> Value {
    look_with(url, "us-east-1", doing)
}

fn look_with(url: &str, place: &str, doing: &[&str]) -> Value {
    let python = llmhost_emulator::python().expect("the emulator's Python is there");
    let script = repository().join("tests/support/look.py");
    let mut command = Command::new(python);
    command.arg(script).args([url, place]).args(doing);
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    let output = command.output().expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the client prints JSON")
}

/// Copies a folder with what is below it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("the folder can be made");
    for entry in std::fs::read_dir(from).expect("the folder can be read").flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name() == ".llmhost" {
            continue;
        }
        if path.is_dir() { copy(&path, &to) } else { _ = std::fs::copy(&path, &to).expect("the file can be copied") }
    }
}
