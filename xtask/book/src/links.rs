//! Links in documents, as the book needs them.
//!
//! Documents are read in the repository as well, where a link to an interface or an example leads to the file. The book
//! has no such files: there, such a link leads to the repository.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use mdbook_preprocessor::book::Book;
use mdbook_preprocessor::errors::{Error, Result};
use mdbook_preprocessor::{Preprocessor, PreprocessorContext};
use pulldown_cmark::{Event, Options, Parser, Tag};

/// Rewrites links to files outside the book, and refuses links to nothing.
pub(crate) struct Links {
    /// The folder of the documents.
    pub(crate) source: PathBuf,
    /// The folder of the repository.
    pub(crate) repository: PathBuf,
    /// The repository's address.
    pub(crate) address: String,
}

impl Preprocessor for Links {
    fn name(&self) -> &'static str {
        "links-to-the-repository"
    }

    fn run(&self, _: &PreprocessorContext, mut book: Book) -> Result<Book> {
        let pages: BTreeSet<PathBuf> = book.chapters().filter_map(|chapter| chapter.source_path.clone()).collect();
        let mut wrong = Vec::new();
        book.for_each_chapter_mut(|chapter| {
            let Some(page) = &chapter.source_path else { return };
            match self.rewrite(&chapter.content, page, &pages) {
                Ok(text) => chapter.content = text,
                Err(messages) => wrong.extend(messages.iter().map(|message| format!("{}: {message}", page.display()))),
            }
        });
        if wrong.is_empty() { Ok(book) } else { Err(Error::msg(wrong.join("\n"))) }
    }
}

impl Links {
    /// The text of a page with its links replaced, or what is wrong with them.
    fn rewrite(&self, text: &str, page: &Path, pages: &BTreeSet<PathBuf>) -> std::result::Result<String, Vec<String>> {
        let (mut edits, mut wrong): (Vec<(Range<usize>, String)>, _) = (Vec::new(), Vec::new());
        let options = Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH;
        for (event, place) in Parser::new_ext(text, options).into_offset_iter() {
            let (to, is_picture) = match &event {
                Event::Start(Tag::Link { dest_url, .. }) => (dest_url, false),
                Event::Start(Tag::Image { dest_url, .. }) => (dest_url, true),
                _ => continue,
            };
            match self.instead(to, is_picture, page, pages) {
                Ok(None) => {}
                Ok(Some(other)) => match text[place.clone()].rfind(&**to) {
                    Some(at) => edits.push((place.start + at..place.start + at + to.len(), other)),
                    None => wrong.push(format!("write the link to {to} as [text]({to})")),
                },
                Err(message) => wrong.push(message),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let mut text = text.to_owned();
        for (place, other) in edits.into_iter().rev() {
            text.replace_range(place, &other);
        }
        Ok(text)
    }

    /// What takes a link's place, where it has to be another.
    fn instead(
        &self,
        to: &str,
        is_picture: bool,
        page: &Path,
        pages: &BTreeSet<PathBuf>,
    ) -> std::result::Result<Option<String>, String> {
        let (path, section) = to.split_once('#').map_or((to, None), |(path, section)| (path, Some(section)));
        if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
            return Ok(None);
        }
        let folder = self.source.join(page.parent().unwrap_or(Path::new("")));
        let file = without_dots(&folder.join(path));
        let Ok(in_repository) = file.strip_prefix(&self.repository) else {
            return Err(format!("{path} is outside the repository"));
        };
        if !file.exists() {
            return Err(format!("there is no {path}"));
        }
        match file.strip_prefix(&self.source) {
            Ok(in_book) if path.ends_with(".md") && !pages.contains(in_book) => {
                Err(format!("{path} is not in SUMMARY.md"))
            }
            Ok(_) => Ok(None),
            Err(_) if is_picture => Err(format!("{path} is outside the book: pictures lie in docs")),
            Err(_) => {
                let section = section.map_or(String::new(), |section| format!("#{section}"));
                Ok(Some(format!("{}/blob/main/{}{section}", self.address, in_repository.display())))
            }
        }
    }
}

/// A path without `.` and `..`, by its words alone.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => _ = plain.pop(),
            other => plain.push(other),
        }
    }
    plain
}
