//! Somebody who publishes plugins, or uses those of others.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::registry::PASSWORD;
use super::{Ran, Scene};

/// The pipeline file.
pub const FILE: &str = "pipeline.toml";
/// A plugin's file.
pub const WASM: &str = "s3.wasm";

/// A user with an own cache and an own configuration of docker.
pub struct User {
    pub scene: Scene,
}

impl User {
    pub fn new() -> Self {
        let scene = Scene::new();
        scene.write(WASM, plugin());
        scene.write("new.wasm", rebuilt());
        Self { scene }
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.scene.command(args);
        command.env("XDG_CACHE_HOME", self.scene.path("cache")).env("DOCKER_CONFIG", self.scene.path("docker"));
        // Helpers lie there, where they are needed.
        let path = std::env::var("PATH").expect("it works");
        command.env("PATH", format!("{}:{path}", self.scene.path("bin").display()));
        command
    }

    pub fn llmhost(&self, args: &[&str]) -> Ran {
        let output = self.command(args).output().expect("it works");
        let ran = Ran {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert!(!format!("{ran:?}").contains(PASSWORD), "{ran:?}");
        ran
    }

    /// Publishes; gives the manifest's digest.
    #[track_caller]
    pub fn push(&self, file: &str, address: &str) -> String {
        let pushed = self.llmhost(&["plugin", "push", file, address, "--json"]).status(0);
        let line: Value = serde_json::from_str(&pushed.stdout).expect("it works");
        line["digest"].as_str().expect("it works").to_owned()
    }

    pub fn pipeline(&self, uses: &str, trust: &str) {
        let step =
            format!("[steps.logs]\nuses = \"{uses}\"\nallow = [\"s3\"]\nwith = {{ bucket = \"my-logs-bucket\" }}\n");
        self.scene.pipeline(&(step + trust));
    }

    pub fn login(&self, config: &Value) {
        self.scene.write("docker/config.json", config.to_string());
    }

    /// What is stored of a component.
    pub fn stored(&self, bytes: &[u8]) -> PathBuf {
        self.scene.path("cache/llmhost/plugins/sha256").join(&digest(bytes)["sha256:".len()..])
    }

    /// An ed25519 key; gives the public one.
    pub fn key(&self, name: &str) -> String {
        let path = self.scene.path(name);
        let mut make = Command::new("ssh-keygen");
        make.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(&path);
        let output = make.output().expect("ssh-keygen is there; cargo xtask setup installs openssh-client");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read_to_string(path.with_extension("pub")).expect("it works").trim().to_owned()
    }
}

/// A plugin that does something, as a file of the user's.
pub fn plugin() -> Vec<u8> {
    llmhost_builtin::ALL.iter().find(|builtin| builtin.name == "s3").expect("it works").wasm.to_vec()
}

/// The same, built anew: a custom section more.
pub fn rebuilt() -> Vec<u8> {
    [&plugin()[..], &[0, 5, 4], b"anew"].concat()
}

/// As OCI writes it.
pub fn digest(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}
