//! `llmhost doctor`: what of this machine llmhost can use, and what to do where something is missing.
//!
//! Nothing leaves the machine unless `--online` says so, and no check takes longer than its time: a program that hangs is
//! one of the findings.

mod aws;
mod machine;
mod program;
mod serving;
mod tools;

use std::sync::mpsc;
use std::time::Duration;

use llmhost_inference::runtime::OWN;
use serde::Serialize;

use crate::app::{self, Console};
use crate::args::Doctor;
use crate::failure::Failure;
use crate::view::style;

/// How long a check may take.
const TIME: Duration = Duration::from_secs(2);
/// Loading ONNX Runtime: with CUDA it has a gigabyte, which a cold disk gives slowly.
const TIME_OF_LIBRARY: Duration = Duration::from_secs(10);

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Ok,
    /// Not there, and only some things need it.
    Missing,
    /// There, and not to be used.
    Broken,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
struct Finding {
    what: &'static str,
    state: State,
    found: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
    /// Whether every pipeline needs it.
    needed: bool,
}

impl Finding {
    fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, state: State::Ok, found: found.into(), fix: None, needed: false }
    }

    fn missing(what: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what, state: State::Missing, found: found.into(), fix: Some(fix.into()), needed: false }
    }

    fn broken(what: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what, state: State::Broken, found: found.into(), fix: Some(fix.into()), needed: false }
    }

    /// Every pipeline needs it.
    fn needed(self) -> Self {
        Self { needed: true, ..self }
    }
}

/// A check, by its name, with the time that it has.
type Check = (&'static str, Duration, Box<dyn FnOnce() -> Vec<Finding> + Send>);

/// Looks around.
pub(crate) async fn doctor(args: Doctor) -> Result<(), Failure> {
    let console = Console::new(args.json);
    if args.install {
        OWN.python(&|text| console.note(text)).map_err(|error| Failure::Other {
            message: error.to_string(),
            help: "Or install onnxruntime yourself, and set its library with --onnxruntime.".to_owned(),
            status: 1,
        })?;
    }
    let onnxruntime = args.onnxruntime.clone();
    let checks: Vec<Check> = vec![
        ("credentials", TIME, Box::new(aws::credentials)),
        ("region", TIME, Box::new(aws::region)),
        ("quotas", TIME, Box::new(aws::quotas)),
        ("ONNX Runtime", TIME_OF_LIBRARY, Box::new(move || serving::runtime(onnxruntime))),
        ("GPU", TIME, Box::new(serving::gpus)),
        ("Python", TIME, Box::new(tools::python)),
        ("emulator", TIME, Box::new(tools::emulator)),
        ("registries", TIME, Box::new(tools::registries)),
        ("kubectl", TIME, Box::new(tools::kubectl)),
        ("helm", TIME, Box::new(tools::helm)),
        ("plugin tools", TIME, Box::new(tools::languages)),
        ("cache", TIME, Box::new(machine::cache)),
        ("cache sizes", TIME, Box::new(machine::cache_sizes)),
        ("disk", TIME, Box::new(machine::disk)),
        ("clock", TIME, Box::new(machine::clock)),
    ];
    let mut all = run(checks);
    if args.online {
        all.insert(1, aws::online().await);
    }
    show(&all, args.json);
    let broken: Vec<&str> =
        all.iter().filter(|one| one.needed && one.state == State::Broken).map(|one| one.what).collect();
    match broken.is_empty() {
        true => Ok(()),
        false => Err(Failure::Other {
            message: format!("pipelines cannot run here: {}", broken.join(", ")),
            help: "Fix what is reported as broken above.".to_owned(),
            status: 1,
        }),
    }
}

/// Runs all checks at once; in the order that they have here.
fn run(checks: Vec<Check>) -> Vec<Finding> {
    let running: Vec<_> = checks
        .into_iter()
        .map(|(what, time, check)| {
            let (done, result) = mpsc::channel();
            std::thread::spawn(move || _ = done.send(check()));
            (what, time, result)
        })
        .collect();
    let began = std::time::Instant::now();
    let late = |what, time: Duration| {
        let found = format!("no answer within {} seconds", time.as_secs());
        vec![Finding::broken(what, found, "Try again; if it stays so, look for a program or a disk that hangs.")]
    };
    running
        .into_iter()
        .flat_map(|(what, time, result)| {
            result.recv_timeout(time.saturating_sub(began.elapsed())).unwrap_or_else(|_| late(what, time))
        })
        .collect()
}

fn show(all: &[Finding], json: bool) {
    if json {
        let text = serde_json::to_string(all).expect("plain data");
        return app::print(&(text + "\n"));
    }
    let faint = style::FAINT;
    let mut text = String::new();
    for one in all {
        let (style, word) = match one.state {
            State::Ok => (style::GOOD, "ok"),
            State::Missing => (style::WARN, "missing"),
            State::Broken => (style::BAD, "broken"),
        };
        text += &format!("{style}{word:8}{style:#} {:14} {}\n", one.what, one.found);
        if let Some(fix) = &one.fix {
            text += &format!("{:24}{faint}-> {fix}{faint:#}\n", "");
        }
    }
    app::print(&text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_hangs_is_a_finding_and_holds_up_nobody() {
        let short = Duration::from_millis(50);
        let began = std::time::Instant::now();
        let (_held, waits) = mpsc::channel::<()>();
        let found = run(vec![
            (
                "slow",
                short,
                Box::new(move || {
                    _ = waits.recv();
                    Vec::new()
                }),
            ),
            ("quick", Duration::from_secs(5), Box::new(|| vec![Finding::ok("quick", "here")])),
        ]);
        assert!(began.elapsed() < Duration::from_secs(4));
        let states: Vec<_> = found.iter().map(|one| (one.what, one.state)).collect();
        assert_eq!(states, [("slow", State::Broken), ("quick", State::Ok)]);
    }
}
