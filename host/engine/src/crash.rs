//! What is known of a plugin's run that ended badly.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a plugin crashed, for its author: what it said, where it was, what it did last.
///
/// The sandbox fills it in; values of secrets are masked and control characters removed before. Its
/// [`Display`](fmt::Display) is the one text that the terminal, `--json`, traces and `plugin inspect` show.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Crash {
    /// What ended the run: the trap, the exit or the limit, in words.
    pub reason: String,
    /// The plugin's own message with its place, such as `panicked at src/lib.rs:38:24: no subnet`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The plugin's own functions, innermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<Frame>,
    /// How many frames of the language's runtime are left out of `frames`.
    #[serde(skip_serializing_if = "is_zero")]
    pub hidden_frames: usize,
    /// The last lines that it wrote to standard error, standard output and the log, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub output: Vec<Line>,
    /// The last capability calls, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub advice: String,
}

/// One function of a backtrace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Its name, demangled.
    pub function: String,
    /// `src/lib.rs:38:24`, where the plugin carries line tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// One line that a plugin wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Where to: `stderr`, `stdout`, `debug`, `info`, `warn`.
    pub to: String,
    /// The line.
    pub text: String,
}

impl Crash {
    /// A crash of which only the reason is known.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), ..Self::default() }
    }

    /// The plugin's own message, or what ended the run where it left none.
    pub fn headline(&self) -> &str {
        self.message.as_deref().unwrap_or(&self.reason)
    }
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.headline())?;
        for Frame { function, place } in &self.frames {
            match place {
                Some(place) => write!(f, "\n    at {function} ({place})")?,
                None => write!(f, "\n    at {function}")?,
            }
        }
        match (self.hidden_frames, self.frames.is_empty()) {
            (0, _) | (_, true) => {}
            (1, false) => f.write_str("\n    (1 frame of the runtime is not shown)")?,
            (many, false) => write!(f, "\n    ({many} frames of the runtime are not shown)")?,
        }
        if !self.output.is_empty() {
            f.write_str("\n  last output:")?;
        }
        for Line { to, text } in &self.output {
            write!(f, "\n    {to}: {text}")?;
        }
        if !self.calls.is_empty() {
            f.write_str("\n  last calls:")?;
        }
        self.calls.iter().try_for_each(|call| write!(f, "\n    {call}"))
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_is_told_from_its_message_to_its_last_calls() {
        let crash = Crash {
            reason: "it reached an 'unreachable' instruction".into(),
            message: Some("panicked at src/lib.rs:38:24: the flux is 42".into()),
            frames: vec![
                Frame { function: "flux::measure".into(), place: Some("src/lib.rs:38:24".into()) },
                Frame { function: "run".into(), place: None },
            ],
            hidden_frames: 6,
            output: vec![Line { to: "info".into(), text: "measuring".into() }],
            calls: vec!["declare ec2.vpc 'main'".into()],
            advice: String::new(),
        };
        insta::assert_snapshot!(crash.to_string(), @r"
        panicked at src/lib.rs:38:24: the flux is 42
            at flux::measure (src/lib.rs:38:24)
            at run
            (6 frames of the runtime are not shown)
          last output:
            info: measuring
          last calls:
            declare ec2.vpc 'main'
        ");
        assert_eq!(Crash::new("it ran out of memory").to_string(), "it ran out of memory");
    }

    #[test]
    fn a_crash_is_the_same_after_it_was_written_as_json() {
        let crash = Crash { message: Some("m".into()), hidden_frames: 2, ..Crash::new("r") };
        let text = serde_json::to_string(&crash).unwrap();
        assert_eq!(text, r#"{"reason":"r","message":"m","hidden_frames":2}"#);
        assert_eq!(serde_json::from_str::<Crash>(&text).unwrap(), crash);
    }
}
