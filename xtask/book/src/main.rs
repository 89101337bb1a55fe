//! Builds the documents as a book: `cargo xtask book [--out DIR]`.
//!
//! A crate of its own, so that the daily `cargo xtask` does not compile mdBook.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it talks to a person at a terminal")]

mod links;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use mdbook_driver::MDBook;

const USAGE: &str = "cargo xtask book [--out DIR]    build the documents as a book, into target/book or DIR";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let out = match args[..] {
        [] => None,
        ["--out", folder] => Some(std::path::absolute(folder)),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    let built = match out.transpose() {
        Ok(out) => build(&repository(), out.as_deref()),
        Err(error) => Err(format!("cannot use this folder: {error}")),
    };
    match built {
        Ok(page) => {
            println!("{}", page.display());
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("cannot build the book: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The repository: the one that cargo was called in. Clones that share a target folder share this program.
fn repository() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    PathBuf::from(here).ancestors().nth(2).expect("xtask/book/ lies in the repository").to_owned()
}

/// Builds the book of a repository, and returns its first page.
fn build(repository: &Path, out: Option<&Path>) -> Result<PathBuf, String> {
    // The messages of mdBook say what, and the causes say where.
    let say = |error: mdbook_driver::errors::Error| format!("{error:#}");
    let mut book = MDBook::load(repository).map_err(say)?;
    if let Some(out) = out {
        book.config.build.build_dir = out.to_owned();
    }
    let address = book.config.html_config().and_then(|html| html.git_repository_url).unwrap_or_default();
    book.with_preprocessor(links::Links { source: book.source_dir(), repository: repository.to_owned(), address });
    book.build().map_err(say)?;
    Ok(book.build_dir_for("html").join("index.html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
    }

    const BOOK: &str = "[book]\nsrc = \"docs\"\n[build]\ncreate-missing = false\nuse-default-preprocessors = false\n\
                        [output.html]\ngit-repository-url = \"https://code.example/llmhost\"\n";

    #[test]
    fn links_lead_to_pages_of_the_book_or_to_the_repository() {
        let folder = tempfile::tempdir().expect("a folder");
        write(
            folder.path(),
            &[
                ("book.toml", BOOK),
                ("wit/a.wit", ""),
                ("docs/SUMMARY.md", "[Start](index.md)\n\n# Part\n\n- [Two](deep/two.md)\n"),
                ("docs/index.md", "# Start\n\n[two](deep/two.md#it), [schema](a.json), `[code](../x)`\n"),
                ("docs/a.json", "{}"),
                (
                    "docs/deep/two.md",
                    "# It\n\nThe [interface](../../wit/a.wit#L1), {{#include ../index.md}}, [out](https://a.b)\n",
                ),
            ],
        );
        let page = build(folder.path(), Some(&folder.path().join("out"))).expect("a book");
        let first = std::fs::read_to_string(page).expect("a page");
        assert!(first.contains("href=\"deep/two.html#it\""), "{first}");
        assert!(first.contains("<code>[code](../x)</code>"), "{first}");
        assert!(folder.path().join("out/a.json").exists());
        let second = std::fs::read_to_string(folder.path().join("out/deep/two.html")).expect("a page");
        for part in ["https://code.example/llmhost/blob/main/wit/a.wit#L1", "{{#include ../index.md}}", "https://a.b"] {
            assert!(second.contains(part), "{part}: {second}");
        }
    }

    #[test]
    fn what_is_missing_fails_the_build_and_is_named() {
        for (summary, page, wanted) in [
            ("- [One](index.md)\n- [Two](two.md)\n", "# One\n", "two.md"),
            ("- [One](index.md)\n", "# One\n\n[two](two.md)\n", "index.md: there is no two.md"),
            ("- [One](index.md)\n", "# One\n\n[x](other.md)\n", "index.md: other.md is not in SUMMARY.md"),
            ("- [One](index.md)\n", "# One\n\n[x](../../etc/passwd)\n", "outside the repository"),
            ("- [One](index.md)\n", "# One\n\n![x](../picture.svg)\n", "pictures lie in docs"),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            let files = [("docs/SUMMARY.md", summary), ("docs/index.md", page), ("docs/other.md", "# Other\n")];
            write(folder.path(), &[("book.toml", BOOK), ("picture.svg", "<svg/>")]);
            write(folder.path(), &files);
            let message = build(folder.path(), Some(&folder.path().join("out"))).expect_err(wanted);
            assert!(message.contains(wanted), "{message}");
        }
    }

    /// The pages that the repository has, as far as its summary names them.
    #[test]
    fn the_configuration_of_the_repository_reads() {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the repository");
        let config = mdbook_driver::config::Config::from_disk(repository.join("book.toml")).expect("a configuration");
        assert!(!config.build.create_missing);
        assert!(config.html_config().is_some_and(|html| html.git_repository_url.is_some()));
    }
}
