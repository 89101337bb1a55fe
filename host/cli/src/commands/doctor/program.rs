//! Asking other programs what they are.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a program may take.
const TIME: Duration = Duration::from_millis(1500);

/// What became of it.
pub(super) enum Said {
    /// What it wrote.
    Line(String),
    /// There is no such program.
    Nowhere,
    /// It failed, or took too long.
    Failed(String),
}

/// Runs a program, and reads the beginning of its output. It is ended when it takes too long.
pub(super) fn ask(program: &str, args: &[&str]) -> Said {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    // What asks the network, such as a version manager or a toolchain switch, must not.
    command.env("GOTOOLCHAIN", "local");
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Said::Nowhere,
        Err(error) => return Said::Failed(error.to_string()),
    };
    let until = Instant::now() + TIME;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                let mut text = Vec::new();
                let read = child.stdout.take().map(|output| output.take(64 << 10).read_to_end(&mut text));
                let text = String::from_utf8_lossy(&text).trim().to_owned();
                return match (status.success(), read) {
                    (true, Some(Ok(_))) => Said::Line(text),
                    _ => Said::Failed(format!("it ended with {status}")),
                };
            }
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(10)),
            _ => {
                _ = child.kill();
                _ = child.wait();
                return Said::Failed("it took longer than 1.5 seconds".to_owned());
            }
        }
    }
}

/// The first word in a text that looks like a version: 1.26.8.
pub(super) fn version(text: &str) -> Option<(u32, u32, String)> {
    text.split([' ', '\n', '\t', ',']).find_map(|word| {
        let word = word.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let mut parts = word.split(['.', '-', '+']);
        let (major, minor) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some((major, minor, word.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        for (text, version_of) in [
            ("go version go1.26.8 linux/amd64", (1, 26)),
            ("v24.1.0", (24, 1)),
            ("Python 3.12.3", (3, 12)),
            ("Client Version: v1.37.1\nKustomize", (1, 37)),
            ("rustc 1.95.0-nightly (abc 2026-01-01)", (1, 95)),
        ] {
            let (major, minor, _) = version(text).expect(text);
            assert_eq!((major, minor), version_of, "{text}");
        }
        assert!(version("nothing here").is_none());
    }

    #[test]
    fn a_program_that_hangs_is_ended_and_one_that_is_not_there_is_told_apart() {
        assert!(matches!(ask("no-such-program-at-all", &[]), Said::Nowhere));
        assert!(matches!(ask("sh", &["-c", "exit 3"]), Said::Failed(_)));
        let began = Instant::now();
        assert!(matches!(ask("sleep", &["30"]), Said::Failed(_)));
        assert!(began.elapsed() < Duration::from_secs(10));
    }
}
