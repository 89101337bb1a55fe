//! From the words of a command line to a command, or to why there is none.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, FromArgMatches};

use super::Cli;
use crate::failure::Failure;

/// Words of other tools for what has another name here, and what to use.
const OTHER_WORDS: [(&[&str], &str); 6] = [
    (&["plan", "diff", "preview"], "llmhost run FILE --dry-run shows the plan and changes nothing."),
    (&["apply", "up", "deploy", "create"], "llmhost run FILE shows the plan and applies it."),
    (&["delete", "down", "remove"], "llmhost destroy FILE deletes what a pipeline created."),
    (&["show", "list", "ls"], "llmhost status FILE lists what a pipeline created."),
    (&["output"], "llmhost outputs FILE prints the outputs of the last run."),
    (&["refresh"], "llmhost drift FILE shows what differs from the state; llmhost run FILE --refresh plans from it."),
];

/// A command line that was understood.
pub(crate) struct Parsed {
    pub(crate) cli: Cli,
    /// Whether standard output is for a program: it gets failures as JSON, too.
    pub(crate) json: bool,
}

/// Why there is no command.
pub(crate) enum NotParsed {
    /// Help and versions are printed, and are no failure. Wrong arguments say what is right by themselves.
    Clap(Box<clap::Error>),
    /// For a program, or with better help.
    Failure { failure: Failure, json: bool },
}

/// Reads the command line.
pub(crate) fn parse(words: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Parsed, NotParsed> {
    let words: Vec<_> = words.into_iter().collect();
    let parsed = super::command().try_get_matches_from(&words).and_then(|mut matches| {
        let json = prints_json(&matches);
        Cli::from_arg_matches_mut(&mut matches).map(|cli| Parsed { cli, json })
    });
    parsed.map_err(|error| {
        let json = words.iter().any(|word| word == "--json");
        match (usage(&error), json && error.use_stderr()) {
            (Some(failure), _) => NotParsed::Failure { failure, json },
            (None, true) => NotParsed::Failure { failure: in_words(&error), json },
            (None, false) => NotParsed::Clap(Box::new(error)),
        }
    })
}

/// Whether the command was asked for JSON: every one that can print it has an argument of this name.
fn prints_json(matches: &ArgMatches) -> bool {
    match matches.subcommand() {
        Some((_, matches)) => prints_json(matches),
        None => matches.try_get_one("json").ok().flatten().copied().unwrap_or(false),
    }
}

/// A command that has another name here.
fn usage(error: &clap::Error) -> Option<Failure> {
    let (ErrorKind::InvalidSubcommand, Some(ContextValue::String(word))) =
        (error.kind(), error.get(ContextKind::InvalidSubcommand))
    else {
        return None;
    };
    let (_, help) = OTHER_WORDS.iter().find(|(words, _)| words.contains(&word.as_str()))?;
    Some(Failure::usage(format!("llmhost has no command '{word}'"), *help))
}

/// What clap says, its first sentence as the message.
fn in_words(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let (message, help) = text.split_once("\n\n").unwrap_or((&text, ""));
    let message = message.strip_prefix("error: ").unwrap_or(message).trim();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    Failure::usage(message, help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Parsed, NotParsed> {
        parse(line.split(' ').map(Into::into))
    }

    #[test]
    fn every_command_that_has_the_flag_is_known_to_print_json() {
        for (line, expected) in [
            ("llmhost run a.toml", false),
            ("llmhost run a.toml --json", true),
            ("llmhost adopt a.toml --json", true),
            ("llmhost state list a.toml --json", true),
            ("llmhost plugin inspect a.wasm --json", true),
            ("llmhost pipeline push a.toml oci://h/n:1 --json", true),
            ("llmhost kubeconfig a.toml", false),
        ] {
            assert_eq!(parsed(line).ok().map(|parsed| parsed.json), Some(expected), "{line}");
        }
    }

    #[test]
    fn words_of_other_tools_lead_to_the_command_that_is_meant() {
        for (line, words) in [
            ("llmhost plan a.toml", "run FILE --dry-run"),
            ("llmhost apply a.toml --json", "llmhost run FILE"),
            ("llmhost down", "llmhost destroy FILE"),
        ] {
            let Err(NotParsed::Failure { failure, json }) = parsed(line) else { panic!("{line}") };
            assert_eq!(json, line.contains("--json"));
            assert!(failure.help().is_some_and(|help| help.contains(words)), "{line}");
            assert_eq!(failure.status(), 2);
        }
        assert!(matches!(parsed("llmhost rum a.toml"), Err(NotParsed::Clap(_))));
        assert!(matches!(parsed("llmhost --help"), Err(NotParsed::Clap(_))));
        assert!(matches!(parsed("llmhost run --json --help"), Err(NotParsed::Clap(_))));
    }

    #[test]
    fn wrong_arguments_are_a_failure_for_programs_that_asked_for_json() {
        let Err(NotParsed::Failure { failure, json }) = parsed("llmhost run a.toml --jsno --json") else { panic!() };
        assert!(json && failure.to_string().contains("--jsno"), "{failure}");
        assert!(failure.help().is_some_and(|help| help.contains("--json")));
    }

    #[test]
    fn none_of_the_other_words_is_a_command_here() {
        let commands = crate::args::command();
        let known: Vec<&str> = commands.get_subcommands().map(clap::Command::get_name).collect();
        for word in OTHER_WORDS.iter().flat_map(|(words, _)| *words) {
            assert!(!known.contains(word), "{word}");
        }
    }
}
