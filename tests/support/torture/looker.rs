//! An independent client, kept running: starting Python for each look would take most of the time.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

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
        let mut line = String::new();
        writeln!(self.to).and_then(|()| self.from.read_line(&mut line)).expect("the client looks");
        World::of(&serde_json::from_str(&line).expect("the client prints JSON"))
    }
}
