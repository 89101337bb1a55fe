//! llmhost's engine, in a process of its own that answers task after task.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// The example `answers` of the inference crate.
pub(super) struct Answers {
    child: Child,
    tasks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Answers {
    pub(super) fn start() -> Result<Self, String> {
        let library = llmhost_example_models::onnxruntime().map_err(|error| error.to_string())?;
        let mut command = Command::new(crate::target().join("debug/examples/answers"));
        command.arg(library).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("cannot start {command:?}: {error}"))?;
        let (Some(tasks), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the engine has no standard input or output".to_owned());
        };
        Ok(Self { child, tasks, answers: BufReader::new(answers) })
    }

    /// What it answers; a reason where it refuses.
    pub(super) fn ask(&mut self, task: &Value) -> Result<Result<Value, String>, String> {
        let mut line = String::new();
        let asked = writeln!(self.tasks, "{task}").and_then(|()| self.answers.read_line(&mut line));
        match asked {
            Ok(1..) => {}
            Ok(0) => return Err(format!("the engine ended at {}", task["model"])),
            Err(error) => return Err(format!("the engine does not answer: {error}")),
        }
        let answer: Value = serde_json::from_str(&line).map_err(|error| format!("the engine said {line}: {error}"))?;
        Ok(answer["refused"].as_str().map_or(Ok(answer.clone()), |reason| Err(reason.to_owned())))
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
