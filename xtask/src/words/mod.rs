//! `cargo xtask words`: holds the texts that users read to the glossary in CONTRIBUTING.md.
//!
//! The glossary is a table: the first column has the word to write, the second the words not to write, each in backticks.
//! An entry between slashes is a regular expression.

mod glossary;
mod markdown;
mod rust;

use std::path::{Path, PathBuf};

use glossary::Glossary;

/// A text that a user reads, and where it is.
struct Text {
    line: usize,
    text: String,
}

/// What a file says against the glossary.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    file: PathBuf,
    line: usize,
    found: String,
    write: String,
}

/// Prints every word that is against the glossary.
pub(crate) fn run() -> Result<(), String> {
    let findings = check(crate::repository())?;
    for Finding { file, line, found, write } in &findings {
        println!("{}:{line}: '{found}': write {write}", file.display());
    }
    match findings.len() {
        0 => Ok(()),
        1 => Err("1 word is against the glossary in CONTRIBUTING.md".to_owned()),
        many => Err(format!("{many} words are against the glossary in CONTRIBUTING.md")),
    }
}

fn check(repository: &Path) -> Result<Vec<Finding>, String> {
    let guide = repository.join("CONTRIBUTING.md");
    let text = std::fs::read_to_string(&guide).map_err(|error| format!("cannot read {}: {error}", guide.display()))?;
    let glossary = Glossary::read(&text)?;
    let mut findings = Vec::new();
    for file in files(repository)? {
        let content =
            std::fs::read_to_string(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        let texts = match file.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => rust::texts(&content).map_err(|error| format!("{}: {error}", file.display()))?,
            Some("md") => markdown::texts(&content),
            Some("wit") => comments(&content, "///"),
            _ => comments(&content, "#"),
        };
        let shown = file.strip_prefix(repository).unwrap_or(&file);
        for Text { line, text } in texts {
            findings.extend(glossary.against(&text).map(|(found, write)| Finding {
                file: shown.to_owned(),
                line,
                found,
                write: write.to_owned(),
            }));
        }
    }
    Ok(findings)
}

/// Files with texts for users: programs, but for tests; documents, interfaces, and example pipelines.
fn files(repository: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = vec![repository.join("README.md")];
    for (folder, extension) in
        [("host", "rs"), ("plugins", "rs"), ("docs", "md"), ("wit", "wit"), ("pipelines", "toml")]
    {
        walk(&repository.join(folder), extension, &mut found)?;
    }
    Ok(found)
}

fn walk(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let wrong = |error| format!("cannot read {}: {error}", folder.display());
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(wrong)?
        .map(|entry| entry.map(|entry| entry.path()).map_err(wrong))
        .collect::<Result<_, _>>()?;
    entries.sort();
    for path in entries {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if !["target", "tests", "benches", "examples", "node_modules"].contains(&name) {
                walk(&path, extension, found)?;
            }
        } else if path.extension().is_some_and(|own| own == extension) && is_shipped(name) {
            found.push(path);
        }
    }
    Ok(())
}

/// Whether a file of this name has texts for users: not one that is for tests or for the build. `test.rs` is a command's.
fn is_shipped(name: &str) -> bool {
    !["tests.rs", "testing.rs", "build.rs"].contains(&name) && !name.ends_with("_tests.rs")
}

/// The comments of a file whose lines of comment begin like this.
fn comments(content: &str, mark: &str) -> Vec<Text> {
    let lines = content.lines().enumerate();
    lines
        .filter_map(|(at, line)| {
            let text = line.trim_start().strip_prefix(mark)?.trim().to_owned();
            Some(Text { line: at + 1, text })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_of_this_repository_keep_to_the_glossary() {
        let findings = check(crate::repository()).unwrap();
        let lines: Vec<_> =
            findings.iter().map(|one| format!("{}:{} {}", one.file.display(), one.line, one.found)).collect();
        assert!(findings.is_empty(), "see CONTRIBUTING.md:\n{}", lines.join("\n"));
    }

    #[test]
    fn strings_and_help_are_read_and_tests_and_panics_are_not() {
        let source = r#"
            /// Mend it.
            #[derive(clap::Args)]
            struct Args {
                /// Make it anew.
                again: bool,
            }
            /// Not for users: mend.
            fn f() {
                let text = format!("mend {}", "the anew");
                x.expect("mend");
                panic!("mend");
            }
            #[cfg(test)]
            mod tests {
                const T: &str = "mend";
            }
        "#;
        let texts: Vec<_> = rust::texts(source).unwrap().into_iter().map(|one| one.text).collect();
        assert_eq!(texts, [" Mend it.", " Make it anew.", "mend {}", "the anew"]);
    }

    #[test]
    fn tests_are_told_from_commands_and_documents_about_tests() {
        for name in ["test.rs", "testing.md", "latest.rs"] {
            assert!(is_shipped(name), "{name}");
        }
        for name in ["tests.rs", "scaling_tests.rs", "testing.rs", "build.rs"] {
            assert!(!is_shipped(name), "{name}");
        }
    }

    #[test]
    fn code_in_documents_is_not_read() {
        let texts: Vec<_> = markdown::texts("Mend *it*, `mend`.\n\n    mend\n\n```\nmend\n```\n").into_iter().collect();
        let found: String = texts.iter().map(|one| one.text.as_str()).collect();
        assert_eq!(found, "Mend it,  .");
        assert_eq!(texts[0].line, 1);
    }
}
