//! How a run or a destroy ends: for people, for programs, and for the process.

use std::time::{Duration, Instant};

use llmhost_engine::run::Report;
use llmhost_engine::secret::shown;
use llmhost_engine::state::State;

use crate::app::{self, Console};
use crate::args::{File, Where};
use crate::failure::Failure;
use crate::quoted::quoted;
use crate::view::ending::{self, Commands};
use crate::view::{self, JsonLine};

/// What was run, so that the end can say what to do next.
pub(crate) struct Ran {
    began: Instant,
    /// Nothing where all of it goes with an emulator that is not kept.
    commands: Option<Commands>,
    is_destroy: bool,
}

impl Ran {
    /// Begins now.
    pub(crate) fn run(file: &File, place: &Where) -> Self {
        Self { began: Instant::now(), commands: commands(file, place), is_destroy: false }
    }

    /// As `run`, of a destroy.
    pub(crate) fn destroy(file: &File, place: &Where) -> Self {
        Self { is_destroy: true, ..Self::run(file, place) }
    }

    fn took(&self) -> Duration {
        self.began.elapsed()
    }
}

/// Shows how a run ended and turns that into the program's end. `ran` is missing where more follows.
pub(crate) fn conclude(console: &Console, report: &Report, ran: Option<(&Ran, &State)>) -> Result<(), Failure> {
    match console {
        Console::Text(terminal) => {
            if report.is_ok() {
                app::print(&outputs(report, ran.and_then(|(ran, _)| ran.commands.as_ref())));
            }
            let failures = view::failures(&report.failures, &report.skipped);
            failures.lines().for_each(|line| view::screen().line(line));
            view::kept(&report.kept).lines().for_each(|line| terminal.line(line));
            app::print(&(view::summary(report, ran.map(|(ran, _)| ran.took())) + "\n"));
            if let Some((ran, state)) = ran {
                app::print(&ending::by_step(&terminal.done()));
                next(ran, report, state).lines().for_each(|line| terminal.line(line));
            }
        }
        Console::Json(json) => {
            report.outputs.iter().for_each(|(step, outputs)| json.line(&JsonLine::Outputs { step, outputs }));
            if report.file_outputs.as_object().is_some_and(|own| !own.is_empty()) {
                json.line(&JsonLine::FileOutputs { outputs: &report.file_outputs });
            }
            report.failures.iter().for_each(|failure| json.line(&JsonLine::failure(failure)));
            report.skipped.iter().for_each(|(step, because)| json.line(&JsonLine::Skipped { step, because }));
        }
    }
    match (report.is_ok(), report.interrupted) {
        (true, _) => Ok(()),
        (false, true) => Err(Failure::Interrupted),
        (false, false) => Err(Failure::Reported),
    }
}

/// The outputs that matter: those of the file, or else a choice of those of the steps.
fn outputs(report: &Report, commands: Option<&Commands>) -> String {
    if let Some(own) = report.file_outputs.as_object().filter(|own| !own.is_empty()) {
        return view::own_outputs(own);
    }
    let (mut text, left_out) = view::highlights(&report.outputs);
    if let (1.., Some(commands)) = (left_out, commands) {
        text += &format!("… and {left_out} more: llmhost outputs {}\n", commands.arguments);
    }
    text
}

fn next(ran: &Ran, report: &Report, state: &State) -> String {
    match &ran.commands {
        None => String::new(),
        Some(commands) if !report.is_ok() => ending::after_failure(state, commands, ran.is_destroy),
        Some(_) if ran.is_destroy || report.done.changes() == 0 => String::new(),
        Some(commands) => ending::after_success(state, commands),
    }
}

/// What names this pipeline in other commands, as it was named in this one.
fn commands(file: &File, place: &Where) -> Option<Commands> {
    // A file that a command makes up is gone as well.
    if file.unpinned || place.emulate && !place.emulate_keep {
        return None;
    }
    let mut words = vec![file.path.display().to_string()];
    let mut flag = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            words.extend([name.to_owned(), value]);
        }
    };
    flag("--env", file.environment.clone());
    flag("--state", file.state.as_ref().map(ToString::to_string));
    file.var_files.iter().for_each(|path| flag("--var-file", Some(path.display().to_string())));
    file.vars.iter().for_each(|(name, value)| flag("--var", Some(format!("{name}={value}"))));
    flag("--endpoint-url", place.endpoint_url.clone());
    flag("--profile", place.profile.clone());
    if place.emulate_keep {
        words.push("--emulate".to_owned());
    }
    if file.new_region {
        words.push("--new-region".to_owned());
    }
    // Secrets are masked before the quotes: in quotes a value may not be found.
    let arguments = words.iter().map(|word| quoted(&shown(word))).collect::<Vec<_>>().join(" ");
    Some(Commands { arguments, is_emulated: place.emulate_keep })
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use llmhost_engine::secret::hide_variable;

    use super::*;
    use crate::args::{Cli, Command};

    #[test]
    fn later_commands_name_the_pipeline_as_this_one_did_and_show_no_secret() {
        hide_variable(&"it's-planted-in-a-run".into());
        let line = ["llmhost", "run", "a.toml", "--new-region", "--env", "dev", "--var", "key=it's-planted-in-a-run"];
        let Command::Run(run) = Cli::parse_from(line).command else { panic!("the line says run") };
        let found = commands(&run.file, &run.place).expect("the pipeline stays");
        assert_eq!(found.arguments, "a.toml --env dev --var 'key=(secret)' --new-region");
    }
}
