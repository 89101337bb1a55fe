//! llmhost on a terminal, seen by a terminal emulator.

use std::process::Command;

use serde_json::Value;

use super::{ACCESS_KEY, SECRET_KEY, Scene};

/// What was on the terminal.
pub struct Seen {
    pub status: i32,
    /// The screen after each part that was written, lines without the spaces at their ends.
    pub screens: Vec<Vec<String>>,
    /// Every byte that was written.
    pub written: String,
    /// How much was written when each screen stood.
    pub until: Vec<usize>,
}

impl Seen {
    /// The last screen.
    pub fn last(&self) -> String {
        self.screens.last().map(|lines| lines.join("\n").trim_end().to_owned()).unwrap_or_default()
    }

    /// The last screen that has this text on it.
    #[track_caller]
    pub fn with(&self, text: &str) -> String {
        let found = self.screens.iter().rfind(|lines| lines.iter().any(|line| line.contains(text)));
        let Some(found) = found else { panic!("'{text}' was never seen; last:\n{}", self.last()) };
        found.join("\n").trim_end().to_owned()
    }
}

/// Runs llmhost on a terminal of this size. What happens to it, `support/terminal.py` says.
pub fn on_terminal(scene: &Scene, size: &str, happens: &[&str], env: &[(&str, &str)], args: &[&str]) -> Seen {
    let python = llmhost_emulator::python().unwrap();
    let mut command = Command::new(python);
    command.arg(super::repository().join("tests/support/terminal.py")).current_dir(scene.folder.path());
    command.arg(size).args(happens).arg("--").arg(env!("CARGO_BIN_EXE_llmhost")).args(args);
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY).env_remove("NO_COLOR");
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("LANG", "C.UTF-8").env("TERM", "xterm-256color");
    command.envs(env.iter().copied());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(seen["left"], serde_json::json!([]), "not everything happened: {seen}");
    let (mut terminal, mut screens, mut written) = (vt100::Parser::default(), Vec::new(), String::new());
    let mut until = Vec::new();
    for part in seen["parts"].as_array().unwrap() {
        if let Some(text) = part["text"].as_str() {
            terminal.process(&bytes(text));
            written += text;
        } else {
            let of = |name: &str| u16::try_from(part[name].as_u64().unwrap()).unwrap().try_into().unwrap();
            terminal.screen_mut().set_size(of("lines"), of("columns"));
        }
        let (_, columns) = terminal.screen().size();
        until.push(written.len());
        screens.push(terminal.screen().rows(0, columns.get()).map(|line| line.trim_end().to_owned()).collect());
    }
    Seen { status: i32::try_from(seen["status"].as_i64().unwrap()).unwrap(), screens, written, until }
}

/// What was written, which stands in texts as Latin-1.
pub fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|byte| u8::try_from(u32::from(byte)).unwrap()).collect()
}
