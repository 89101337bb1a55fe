//! An independent client, kept running: starting Python for each look would take most of the time.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use super::World;
use crate::support::{ACCESS_KEY, SECRET_KEY, repository};

/// An independent client that looks again and again.
pub(super) struct Looker {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Drop for Looker {
    fn drop(&mut self) {
        // It ends with its input, too.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Looker {
    pub(super) fn start(url: &str) -> Self {
        let mut command = Command::new(llmhost_emulator::python().expect("the emulator's Python is there"));
        command.arg(repository().join("tests/support/look.py")).args([url, "us-east-1", "each-line"]);
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
        let (to, from) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        Self { child, to, from: BufReader::new(from) }
    }

    pub(super) fn look(&mut self) -> World {
        World::of(&self.ask(""))
    }

    /// Makes a user who may do what the policy says and nothing else. Gives the user's access key.
    pub(super) fn caller(&mut self, policy: &Path) -> [String; 2] {
        let key = self.ask(&format!("deployer {}", policy.display()));
        serde_json::from_value(key).expect("an id and a secret")
    }

    fn ask(&mut self, what: &str) -> Value {
        let mut line = String::new();
        writeln!(self.to, "{what}").and_then(|()| self.from.read_line(&mut line)).expect("the client answers");
        serde_json::from_str(&line).expect("the client prints JSON")
    }
}
