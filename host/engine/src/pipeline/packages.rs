//! Published pipelines that are steps: `uses = "oci://host/network:1.0@sha256:…"`.
//!
//! Whoever publishes one is somebody else. So it is pinned by its digest, its paths stay in its folder, and it does
//! not see the environment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Trust;
use super::modules::plain;

/// Fetches published pipelines.
pub trait Packages: Send + Sync {
    /// The pipeline file of a published pipeline, in a folder of its own. Nothing where the address is one of a plugin,
    /// or where nobody can tell. An error says what is wrong and what to do about it.
    fn pipeline(&self, uses: &str, trust: &Trust) -> Result<Option<PathBuf>, (String, String)>;
}

/// Whether a step may be a published pipeline: what has no digest is none.
pub(super) fn may_be_pipeline(uses: &str) -> bool {
    uses.starts_with("oci://") && uses.contains("@sha256:")
}

/// Whether a path leaves a folder that it starts in.
pub(super) fn leaves(root: &Path, base: &Path, path: &str) -> bool {
    !plain(&base.join(path)).starts_with(root)
}

/// The files that a pipeline file uses: pipelines, components, and every file and folder that a text in it names. By
/// their paths from its folder, with `/` between the parts.
pub fn used_files(file: &Path) -> Result<BTreeMap<String, PathBuf>, String> {
    let file = std::path::absolute(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let root = file.parent().map(Path::to_owned).unwrap_or_default();
    let (mut found, mut open) = (BTreeMap::new(), vec![plain(&file)]);
    let mut read = BTreeSet::new();
    while let Some(here) = open.pop() {
        if !read.insert(here.clone()) {
            continue;
        }
        add(&root, &here, &mut found)?;
        let shown = here.strip_prefix(&root).unwrap_or(&here).display().to_string();
        let text = std::fs::read_to_string(&here).map_err(|error| format!("cannot read {shown}: {error}"))?;
        let table: toml::Table =
            text.parse().map_err(|error: toml::de::Error| format!("{shown}: {}", error.message()))?;
        let base = here.parent().unwrap_or(&root);
        let steps = table.get("steps").and_then(toml::Value::as_table);
        for (name, step) in steps.into_iter().flatten() {
            let uses = step.get("uses").and_then(toml::Value::as_str).unwrap_or_default();
            let is_file =
                !uses.contains("://") && (uses.ends_with(".toml") || uses.ends_with(".wasm") || uses.contains('/'));
            if !is_file {
                continue;
            }
            if leaves(&root, base, uses) {
                return Err(format!("{shown}: step '{name}' uses {uses}, which is not in the folder of the pipeline"));
            }
            let path = plain(&base.join(uses));
            if !path.is_file() {
                return Err(format!("{shown}: step '{name}' uses {uses}, which is not there"));
            }
            match uses.ends_with(".toml") {
                true => open.push(path),
                false => add(&root, &path, &mut found)?,
            }
        }
        let mut texts = Vec::new();
        table.values().for_each(|value| collect(value, &mut texts));
        for text in texts {
            let path = plain(&base.join(text));
            if !text.is_empty() && path != root && path != base && !leaves(&root, base, text) && path.exists() {
                add(&root, &path, &mut found)?;
            }
        }
    }
    Ok(found)
}

fn collect<'a>(value: &'a toml::Value, texts: &mut Vec<&'a str>) {
    match value {
        toml::Value::String(text) => texts.push(text),
        toml::Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        toml::Value::Table(fields) => fields.values().for_each(|field| collect(field, texts)),
        _ => {}
    }
}

/// Adds a file, or all that is in a folder.
fn add(root: &Path, path: &Path, found: &mut BTreeMap<String, PathBuf>) -> Result<(), String> {
    let name = path.strip_prefix(root).ok().and_then(Path::to_str);
    let name = name.ok_or_else(|| format!("the name of {} is not UTF-8", path.display()))?;
    let unreadable = |error: std::io::Error| format!("cannot read {name}: {error}");
    let kind = std::fs::symlink_metadata(path).map_err(unreadable)?.file_type();
    if kind.is_symlink() {
        return Err(format!("{name} is a link; copy its target instead"));
    }
    if kind.is_dir() {
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            add(root, &entry.map_err(unreadable)?.path(), found)?;
        }
        return Ok(());
    }
    let name = Path::new(name).components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>();
    found.insert(name.join("/"), path.to_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_uses_is_found_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        };
        write(
            "main.toml",
            "[steps.a]\nuses = \"./parts/a.toml\"\n[steps.b]\nuses = \"./b.wasm\"\n[steps.c]\nuses = \"s3\"\nwith = { upload = [{ source = \"files\" }], x = \"../other\", y = \".\", z = \"none\" }\n",
        );
        write("parts/a.toml", "[vars.file]\ndefault = \"note.txt\"\n[steps.a]\nuses = \"../main.toml\"\n");
        for name in ["parts/note.txt", "b.wasm", "files/x", "files/deep/y", "unused.toml", ".env"] {
            write(name, "x");
        }
        let found = used_files(&folder.path().join("main.toml")).expect("all there");
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(names, ["b.wasm", "files/deep/y", "files/x", "main.toml", "parts/a.toml", "parts/note.txt"]);
        for (uses, said) in [
            ("../up.toml", "uses ../up.toml, which is not in the folder of the pipeline"),
            ("/x.wasm", "which is not in the folder"),
            ("./gone.wasm", "uses ./gone.wasm, which is not there"),
        ] {
            write("other.toml", &format!("[steps.a]\nuses = \"{uses}\"\n"));
            let error = used_files(&folder.path().join("other.toml")).expect_err(uses);
            assert!(error.starts_with("other.toml: step 'a' ") && error.contains(said), "{error}");
        }
    }
}
