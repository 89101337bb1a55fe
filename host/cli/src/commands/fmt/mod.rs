//! `llmhost fmt`: pipeline files in one form. Comments stay, and the meaning does.

mod form;

use std::io::Read;
#[cfg(test)]
use std::path::Path;

use crate::app;
use crate::args::Fmt;
use crate::failure::Failure;
use crate::input;

/// A pipeline file that is larger is none.
const LARGEST: usize = 16 << 20;
const HELP: &str = "Give pipeline files: TOML.";

/// Formats files.
pub(crate) fn fmt(args: &Fmt) -> Result<(), Failure> {
    let mut unformatted = Vec::new();
    for path in &args.paths {
        let is_input = path.as_os_str() == "-";
        let text = if is_input { standard_input()? } else { input::read_text(path, LARGEST, HELP)? };
        let formatted = formatted(&text).map_err(|message| {
            let help = "Nothing was changed. llmhost validate FILE shows the place.";
            Failure::usage(format!("{}: {message}", path.display()), help)
        })?;
        match (is_input, args.check) {
            (true, false) => app::print_value(&formatted, true),
            _ if formatted == text => {}
            (_, true) => unformatted.push(path),
            (false, false) => {
                input::replace(path, &formatted)?;
                app::print(&format!("Formatted {}.\n", path.display()));
            }
        }
    }
    if unformatted.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = unformatted.iter().map(|path: &&std::path::PathBuf| path.display().to_string()).collect();
    Err(Failure::Other {
        message: format!("not formatted: {}", names.join(", ")),
        help: format!("Run llmhost fmt {}.", names.join(" ")),
        status: 1,
    })
}

fn standard_input() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let failed = |error: std::io::Error| Failure::usage(format!("cannot read standard input: {error}"), HELP);
    std::io::stdin().lock().take(LARGEST as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > LARGEST {
        return Err(Failure::usage("standard input is larger than 16 MB", HELP));
    }
    String::from_utf8(bytes).map_err(|_| Failure::usage("standard input is not a text", HELP))
}

/// A text of TOML in the one form; why not, where it is no TOML or the form would not mean the same.
pub(crate) fn formatted(text: &str) -> Result<String, String> {
    let before: toml::Table = toml::from_str(text).map_err(|error| place(text, &error))?;
    let mut document: toml_edit::DocumentMut =
        text.parse().map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
    let done = form::text(&mut document);
    let after: Option<toml::Table> = toml::from_str(&done).ok();
    // Comments and meaning are the user's: a form that loses either is no form.
    match after.as_ref() == Some(&before) && form::comments(&done) == form::comments(text) {
        true => Ok(done),
        false => Err("the formatted text would not mean the same; please report this file".to_owned()),
    }
}

fn place(text: &str, error: &toml::de::Error) -> String {
    match error.span() {
        Some(span) => {
            let line = text.get(..span.start).unwrap_or_default().matches('\n').count() + 1;
            format!("line {line}: {}", error.message())
        }
        None => error.message().to_owned(),
    }
}

/// Pipelines of the repository.
#[cfg(test)]
fn all_pipelines() -> Vec<std::path::PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    for folder in ["pipelines", "tests/eksctl"] {
        let entries = std::fs::read_dir(root.join(folder)).expect("the folder is there");
        let paths = entries.map(|entry| entry.expect("it can be read").path());
        found.extend(paths.filter(|path| path.extension().is_some_and(|ending| ending == "toml")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn comments_stay_and_spaces_become_one_form() {
        let text = "# head\n[pipeline]\nname=\"a\"   # why\nregion   = 'us-east-1'\n\n\n\n[steps.x] # a step\nuses = \"s3\"\n\
                    with = {bucket=\"b\",tags={a=\"1\"}}\n";
        let done = formatted(text).expect("it is TOML");
        for part in ["# head\n", "name = \"a\"", "# why", "# a step", "{ bucket = \"b\", tags = { a = \"1\" } }"] {
            assert!(done.contains(part), "{part} in\n{done}");
        }
        assert!(!done.contains("\n\n\n"), "{done}");
        assert_eq!(formatted(&done).expect("it is TOML"), done);
    }

    #[test]
    fn every_pipeline_of_the_repository_is_formatted_twice_alike() {
        let all = all_pipelines();
        assert!(all.len() > 40);
        for path in all {
            let text = std::fs::read_to_string(&path).expect("it can be read");
            let once = formatted(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert_eq!(formatted(&once).expect("it is TOML"), once, "{}", path.display());
            let comments = |text: &str| text.matches('#').count();
            assert_eq!(comments(&once), comments(&text), "{}", path.display());
        }
    }

    #[test]
    fn what_is_no_toml_is_told_with_its_line() {
        let error = formatted("a = 1\nb = = 2\n").expect_err("no TOML");
        assert!(error.starts_with("line 2: "), "{error}");
    }

    fn value() -> impl Strategy<Value = toml::Value> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(toml::Value::from),
            any::<bool>().prop_map(toml::Value::from),
            "[ -~\u{e4}\n\t\"'#\\\\]{0,20}".prop_map(toml::Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(toml::Value::from),
                prop::collection::btree_map("[a-z \"$.{}#-]{1,8}", inner, 0..4)
                    .prop_map(|map| toml::Value::Table(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_meaning_stays_and_a_second_time_changes_nothing(
            table in prop::collection::btree_map("[a-z]{1,6}", value(), 0..6),
            comment in "[ -~]{0,20}",
            noise in "[ \t]{0,3}\n{0,3}",
        ) {
            let table: toml::Table = table.into_iter().collect();
            let text = format!("# {comment}\n{noise}{}{noise}", toml::to_string(&table).expect("plain values"));
            let done = formatted(&text);
            prop_assert!(done.is_ok(), "{done:?}\n{text}");
            let done = done.unwrap_or_default();
            let after: toml::Table = toml::from_str(&done).expect("it is TOML");
            prop_assert_eq!(&after, &table);
            prop_assert!(done.contains(comment.trim_end()), "{} in\n{}", comment, done);
            prop_assert_eq!(formatted(&done).expect("it is TOML"), done);
        }
    }
}
