//! Runs a tool, and reports its output where it fails.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use crate::{AuthoringError, Tell};

/// What tools say when a registry does not answer.
const AWAY: &[&str] = &[
    "Could not resolve host",
    "failed to download from",
    "failed to get `",
    "Unable to update registry",
    "failed to fetch `",
    "ENOTFOUND",
    "ECONNREFUSED",
    "ECONNRESET",
    "ETIMEDOUT",
    "EAI_AGAIN",
    "ERR_SOCKET_TIMEOUT",
    "NewConnectionError",
    "ConnectTimeoutError",
    "Failed to establish a new connection",
    "dial tcp",
];

/// How many lines of a compiler's output are shown: a few screens.
const LINES: usize = 120;

/// A tool at work.
pub(crate) struct Tool<'a> {
    /// What is called: `cargo`.
    pub(crate) program: &'a str,
    /// What it may get from a registry.
    pub(crate) gets: &'a str,
    /// Told each line while it works.
    pub(crate) live: Option<Tell<'a>>,
}

impl Tool<'_> {
    /// Runs it to its end, which must be good. Gives what it wrote to standard output.
    pub(crate) fn run(&self, command: &mut Command) -> Result<String, AuthoringError> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let program = command.get_program().to_owned();
        let mut child = command.spawn().map_err(|error| AuthoringError::io(Path::new(&program), &error))?;
        let all = Mutex::new(Vec::new());
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let said = std::thread::scope(|scope| {
            let stdout = scope.spawn(|| self.hear(stdout, &all, false));
            self.hear(stderr, &all, true);
            stdout.join().unwrap_or_default()
        });
        let status = child.wait().map_err(|error| AuthoringError::io(Path::new(&program), &error))?;
        if status.success() {
            return Ok(said);
        }
        let all = all.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(reason) = all.iter().find(|line| AWAY.iter().any(|words| line.contains(words))) {
            return Err(AuthoringError::Registry { what: self.gets.to_owned(), reason: reason.trim().to_owned() });
        }
        let output = match all.len() {
            0 => status.to_string(),
            // Where a tool tells the same as it goes, its end is enough.
            _ => all[all.len().saturating_sub(LINES)..].join("\n"),
        };
        Err(AuthoringError::Compile { program: self.program.to_owned(), output })
    }

    fn hear(&self, pipe: Option<impl Read>, all: &Mutex<Vec<String>>, is_error: bool) -> String {
        let mut said = String::new();
        let Some(pipe) = pipe else { return said };
        let mut lines = BufReader::new(pipe).split(b'\n');
        while let Some(Ok(line)) = lines.next() {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if let Some(tell) = self.live.filter(|_| is_error && !line.is_empty()) {
                tell(&line);
            }
            if !is_error {
                said.push_str(&line);
                said.push('\n');
            }
            if !line.is_empty() {
                all.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(line);
            }
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str) -> Result<String, AuthoringError> {
        let tool = Tool { program: "sh", gets: "packages", live: None };
        tool.run(Command::new("sh").args(["-c", script]))
    }

    #[test]
    fn what_a_tool_says_is_told_when_it_fails() {
        assert_eq!(run("echo out; echo err >&2").expect("it ends well"), "out\n");
        let error = run("echo 'plugin.c:3: no such thing' >&2; exit 1").expect_err("it fails");
        assert!(error.to_string().ends_with("sh says\nplugin.c:3: no such thing"), "{error}");
        let error = run("exit 7").expect_err("it fails");
        assert!(error.to_string().contains("exit status: 7"), "{error}");
    }

    #[test]
    fn a_registry_that_is_away_is_told_apart() {
        let error = run("echo 'npm error code ENOTFOUND'; exit 1").expect_err("it fails");
        assert!(matches!(error, AuthoringError::Registry { .. }), "{error}");
        assert!(error.advice().contains("HTTPS_PROXY"), "{}", error.advice());
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let tool = Tool { program: "x", gets: "", live: None };
        let error = tool.run(&mut Command::new("/nowhere/compiler")).expect_err("there is none");
        assert!(error.to_string().contains("/nowhere/compiler"), "{error}");
    }
}
