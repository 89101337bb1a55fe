//! Commands that documents show are commands that llmhost has.

#[path = "../../../../tests/support/commands.rs"]
mod commands;

use std::path::Path;

use clap::error::ErrorKind;

use super::command;

/// What is wrong with a command, where something is.
fn problem(words: &[String], is_inline: bool) -> Option<String> {
    let words = words.iter().filter(|word| !["…", "..."].contains(&word.as_str()));
    // Buckets have small letters: BUCKET is a place for the name of one.
    let words = words.map(|word| if word.starts_with("s3://") { word.to_lowercase() } else { word.clone() });
    let error = command().try_get_matches_from(["llmhost".to_owned()].into_iter().chain(words)).err()?;
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => None,
        // A sentence names a command or an option of it, and not what else it needs.
        ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand => Some(error.to_string()),
        _ if is_inline => None,
        _ => Some(error.to_string()),
    }
}

#[test]
fn every_command_of_the_documents_is_one_that_llmhost_has() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the repository");
    let shown = commands::shown(repository);
    assert!(shown.iter().filter(|shown| !shown.is_inline).count() > 50, "{shown:?}");
    let wrong: Vec<String> = shown
        .iter()
        .filter_map(|shown| {
            let problem = problem(&shown.words, shown.is_inline)?;
            Some(format!("{}: llmhost {}\n{problem}", shown.page.display(), shown.words.join(" ")))
        })
        .collect();
    assert!(wrong.is_empty(), "{}\n{} commands do not parse", wrong.join("\n"), wrong.len());
}

#[test]
fn commands_are_found_as_a_shell_reads_them() {
    let text = "Text with `llmhost plugin new`.\n\n    llmhost a --b 'c d' x#y   # said\n    other; A=1 llmhost e > f; llmhost g | h\n\n\
                ```yaml\n- run: llmhost i \"${{ secrets.A B }}\" $(j k) \\\n    --l\n```\n\n    $ llmhost m && llmhost n\n    # llmhost o\n";
    let found = commands::read(text);
    let found: Vec<String> = found.iter().map(|(words, is_inline)| format!("{}{is_inline}", words.join(","))).collect();
    let wanted = ["plugin,newtrue", "a,--b,c d,x#yfalse", "efalse", "gfalse"];
    assert_eq!(found[..4], wanted);
    assert_eq!(found[4..], ["i,${{ secrets.A B }},$(j k),--lfalse", "mfalse", "nfalse"]);
}

#[test]
fn a_flag_that_does_not_exist_is_found() {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    assert!(problem(&words("run FILE --dry-runn"), false).is_some_and(|text| text.contains("--dry-runn")));
    assert!(problem(&words("rum FILE"), true).is_some());
    assert!(problem(&words("state mv --no-such"), true).is_some());
    assert!(problem(&words("plugin inspect"), false).is_some());
    assert_eq!(problem(&words("plugin inspect"), true), None);
    assert_eq!(problem(&words("run FILE --dry-run"), false), None);
}
