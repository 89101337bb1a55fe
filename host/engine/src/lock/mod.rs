//! `llmhost.lock`: choices that were made once and hold for everybody who runs the pipeline: versions, and plugins.
//!
//! It lies beside the pipeline file and belongs into version control. Unlike the state it outlives
//! a destroy: what is made anew is made with the same versions.

mod plugins;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

pub use plugins::{PluginChange, PluginPin};

/// The file's name.
pub const FILE: &str = "llmhost.lock";
/// 2 has plugins.
const FORMAT: u32 = 2;
const HEAD: &str = "# Written by llmhost. Keep it beside the pipeline file, in version control; remove a fact to \
                    choose it again, and accept changed plugins with llmhost lock FILE --accept.\n";

/// The part of the file that belongs to one pipeline.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    pipeline: String,
    document: Mutex<Document>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    #[serde(default)]
    pipelines: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Facts by their keys.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    facts: BTreeMap<String, String>,
    /// Plugins by what `uses` says.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    plugins: BTreeMap<String, PluginPin>,
}

/// What every format has.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// Why the file cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot use {}: {reason}", .path.display())]
pub struct LockError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub advice: &'static str,
}

const MEND: &str = "Correct the file, or restore it from version control.";
const WRITE: &str = "Run llmhost lock FILE --accept where the file can be written, and keep it in version control.";

impl Lock {
    /// Reads the file of a folder; it need not be there.
    pub fn open(folder: &Path, pipeline: &str) -> Result<Self, LockError> {
        let path = folder.join(FILE);
        let document = read(&path)?;
        Ok(Self { path, pipeline: pipeline.to_owned(), document: Mutex::new(document) })
    }

    /// A fact that was chosen before.
    pub fn fact(&self, key: &str) -> Option<String> {
        let document = self.document.lock().expect("no panic under this lock");
        document.pipelines.get(&self.pipeline)?.facts.get(key).cloned()
    }

    /// Writes a choice down. What others wrote meanwhile stays.
    pub fn pin(&self, key: &str, value: &str) -> Result<(), LockError> {
        self.change(|entry| _ = entry.facts.insert(key.to_owned(), value.to_owned()))
    }

    /// Changes this pipeline's part of the file.
    fn change(&self, change: impl FnOnce(&mut Entry)) -> Result<(), LockError> {
        let mut document = self.document.lock().expect("no panic under this lock");
        let _turn = turn(&self.path);
        let mut fresh = read(&self.path)?;
        let before = fresh.pipelines.clone();
        let entry = fresh.pipelines.entry(self.pipeline.clone()).or_default();
        change(entry);
        if *entry == Entry::default() {
            fresh.pipelines.remove(&self.pipeline);
        }
        if fresh.pipelines != before {
            write(&self.path, &mut fresh)?;
        }
        *document = fresh;
        Ok(())
    }
}

/// Gives what was chosen for a pipeline to the name that it has now. Nothing where that has choices of its
/// own, or where nothing was chosen.
pub fn rename(folder: &Path, from: &str, to: &str) -> Result<(), LockError> {
    let path = folder.join(FILE);
    let _turn = turn(&path);
    let mut document = read(&path)?;
    if document.pipelines.contains_key(to) {
        return Ok(());
    }
    let Some(entry) = document.pipelines.remove(from) else { return Ok(()) };
    document.pipelines.insert(to.to_owned(), entry);
    write(&path, &mut document)
}

/// Other processes that change the file wait meanwhile. Where folders cannot be locked, the last one wins.
fn turn(path: &Path) -> Option<std::fs::File> {
    let folder = std::fs::File::open(path.parent()?).ok()?;
    folder.lock().inspect_err(|error| tracing::debug!("no lock: {error}")).ok()?;
    Some(folder)
}

fn write(path: &Path, document: &mut Document) -> Result<(), LockError> {
    let failed = |reason: String| LockError { path: path.to_owned(), reason, advice: WRITE };
    document.format = FORMAT;
    let text = toml::to_string(document).map_err(|error| failed(error.to_string()))?;
    let draft = path.with_extension(format!("lock.{}.tmp", std::process::id()));
    std::fs::write(&draft, format!("{HEAD}{text}")).map_err(|error| failed(error.to_string()))?;
    std::fs::rename(&draft, path).map_err(|error| {
        // It is of no use to anybody; that it stays is not the trouble.
        let _ = std::fs::remove_file(&draft);
        failed(error.to_string())
    })
}

fn read(path: &Path) -> Result<Document, LockError> {
    let failed = |reason: String| LockError { path: path.to_owned(), reason, advice: MEND };
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Document::default()),
        other => other.map_err(|error| failed(error.to_string()))?,
    };
    let wrong = |error: toml::de::Error| failed(error.message().to_owned());
    let Format { format } = toml::from_str(&text).map_err(wrong)?;
    if format > FORMAT {
        let reason = format!("it has format {format}, of a newer llmhost; this one knows {FORMAT}");
        return Err(LockError { advice: "Use that llmhost, or a newer one.", ..failed(reason) });
    }
    toml::from_str(&text).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_kept_for_its_pipeline_and_beside_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, two) =
            (Lock::open(folder.path(), "one").expect("new"), Lock::open(folder.path(), "two").expect("new"));
        one.pin("eks.newest-version", "1.34").expect("written");
        two.pin("eks.newest-version", "1.33").expect("written");
        let again = Lock::open(folder.path(), "one").expect("read");
        assert_eq!(again.fact("eks.newest-version").as_deref(), Some("1.34"));
        assert_eq!(again.fact("other"), None);
        assert!(std::fs::read_to_string(folder.path().join(FILE)).expect("there").contains("two"));
        for (from, to, kept) in [("one", "new", Some("1.34")), ("one", "none", None), ("two", "new", Some("1.34"))] {
            rename(folder.path(), from, to).expect("written");
            let renamed = Lock::open(folder.path(), to).expect("read");
            assert_eq!(renamed.fact("eks.newest-version").as_deref(), kept, "{from} to {to}");
        }
    }

    #[test]
    fn a_broken_or_newer_file_is_said() {
        let folder = tempfile::tempdir().expect("a folder");
        for (text, part) in [
            ("format = [", "cannot use"),
            ("format = 9", "newer llmhost"),
            ("format = 9\n[unknown]", "newer llmhost"),
            ("format = 1\nx = 1", "unknown field"),
        ] {
            std::fs::write(folder.path().join(FILE), text).expect("written");
            let error = Lock::open(folder.path(), "one").expect_err(part).to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
