//! Which of a folder's graphs runs: exports put several precisions of one model side by side.
//!
//! The name says the precision, as in transformers.js: `model.onnx` is what was exported,
//! `model_fp16.onnx` has 16-bit floats, `model_quantized.onnx` 8 bits, `model_q4.onnx` 4. A folder
//! of onnxruntime-genai names its file in genai_config.json, and Optimum has
//! `decoder_model_merged.onnx`. Without a wish, the choice is the first of [`ON_CPU`] or [`ON_CUDA`]
//! that is there.

use std::path::{Component, Path, PathBuf};

use super::config;
use super::error::ModelError;

/// The file name of most exports.
pub(super) const MODEL: &str = "model.onnx";
/// Names without a precision, the first that is there.
const BASES: [&str; 2] = ["model", "decoder_model_merged"];
/// Precisions on a processor: as exported, then what it computes quickest; 16-bit floats it has to convert.
const ON_CPU: [&str; 8] = ["", "_quantized", "_int8", "_uint8", "_q4", "_bnb4", "_q4f16", "_fp16"];
/// Precisions on a GPU: 16-bit floats first, for which it has kernels that 32-bit ones lack.
const ON_CUDA: [&str; 8] = ["_fp16", "", "_q4f16", "_q4", "_bnb4", "_quantized", "_int8", "_uint8"];

/// A model's address taken apart: its folder, and the graph where the address names one.
pub(super) fn split(address: &Path) -> (PathBuf, Option<String>) {
    let is_graph = address.extension().is_some_and(|kind| kind == "onnx") && address.is_file();
    let (Some(parent), Some(name)) = (address.parent(), address.file_name().filter(|_| is_graph)) else {
        return (address.to_owned(), None);
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let name = name.to_string_lossy().into_owned();
    match parent.file_name().is_some_and(|folder| folder == "onnx").then(|| parent.parent()).flatten() {
        Some(above) if !parent.join("config.json").is_file() => (above.to_owned(), Some(format!("onnx/{name}"))),
        _ => (parent.to_owned(), Some(name)),
    }
}

/// The graph to run. `wanted` is a file's name with or without its ending, or a precision such as `q4`.
pub(super) fn choose(folder: &Path, wanted: Option<&str>, on_cuda: bool) -> Result<PathBuf, ModelError> {
    let found = graphs(folder);
    let named = named_by_genai(folder)?;
    let stem = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let chosen = match wanted {
        Some(wanted) => found.iter().find(|path| {
            let relative = path.strip_prefix(folder).unwrap_or(path).to_string_lossy();
            let name = stem(path);
            relative == wanted
                || path.file_name().is_some_and(|file| file == wanted)
                || name == wanted
                || BASES.iter().any(|base| name == format!("{base}{}", suffix(wanted)))
        }),
        None => {
            let order = if on_cuda { ON_CUDA } else { ON_CPU };
            // The file that the configuration describes, then names in their order.
            named.as_ref().and_then(|named| found.iter().find(|path| **path == folder.join(named))).or_else(|| {
                let names =
                    order.iter().flat_map(|precision| BASES.iter().map(move |base| format!("{base}{precision}")));
                names.into_iter().find_map(|name| found.iter().find(|path| stem(path) == name))
            })
        }
    };
    match (chosen, wanted, found.as_slice()) {
        (Some(path), ..) => {
            let others = found.len() - 1;
            tracing::info!(file = %path.display(), others, "the graph that runs");
            Ok(path.clone())
        }
        // A graph of another name, where there is no choice.
        (None, None, [path]) if named.is_none() => Ok(path.clone()),
        (None, None, []) => Err(ModelError::Missing {
            folder: folder.to_owned(),
            file: named.map_or_else(|| MODEL.to_owned(), |path| path.display().to_string()),
            advice: "it contains the graph. Export one (`optimum-cli export onnx`)",
        }),
        (None, ..) => {
            let wanted = wanted.map_or_else(|| MODEL.to_owned(), str::to_owned);
            let names = found.iter().map(|path| path.strip_prefix(folder).unwrap_or(path).display().to_string());
            let names: Vec<String> = names.collect();
            let halves = names.iter().any(|name| name.contains("decoder_with_past_model"));
            let advice = match halves {
                true => {
                    "decoder_model and decoder_with_past_model are two halves of one model: export it again without `--legacy`"
                }
                false => "Set one of them as the weights",
            };
            let found = if names.is_empty() { "no graph".to_owned() } else { names.join(", ") };
            Err(ModelError::NoWeights { folder: folder.to_owned(), wanted, found, advice })
        }
    }
}

/// What a precision adds to a file's name.
fn suffix(precision: &str) -> String {
    match precision {
        "fp32" => String::new(),
        "q8" => "_quantized".to_owned(),
        other => format!("_{other}"),
    }
}

/// Every graph of the folder and of `onnx/` in it, in the order of their names.
fn graphs(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for place in [folder.to_owned(), folder.join("onnx")] {
        let entries = std::fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut here: Vec<PathBuf> =
            entries.filter(|path| path.extension().is_some_and(|kind| kind == "onnx") && path.is_file()).collect();
        here.sort();
        found.extend(here);
    }
    found
}

/// The file that genai_config.json names, below the folder.
fn named_by_genai(folder: &Path) -> Result<Option<PathBuf>, ModelError> {
    let path = folder.join("genai_config.json");
    let Some(name) = config::json(&path)?["model"]["decoder"]["filename"].as_str().map(PathBuf::from) else {
        return Ok(None);
    };
    if name.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
        let reason = format!("model.decoder.filename '{}' is outside the folder", name.display());
        return Err(ModelError::Invalid { path, reason });
    }
    Ok(Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, "").expect("written");
        }
        folder
    }

    #[test]
    fn the_choice_is_by_device_and_by_what_is_there() {
        let all = ["onnx/model.onnx", "onnx/model_fp16.onnx", "onnx/model_q4.onnx", "onnx/model_quantized.onnx"];
        for (files, wanted, on_cpu, on_cuda) in [
            (&all[..], None, "onnx/model.onnx", "onnx/model_fp16.onnx"),
            (&all[1..], None, "onnx/model_quantized.onnx", "onnx/model_fp16.onnx"),
            (&all[1..3], None, "onnx/model_q4.onnx", "onnx/model_fp16.onnx"),
            (&all[..], Some("q4"), "onnx/model_q4.onnx", "onnx/model_q4.onnx"),
            (&all[..], Some("q8"), "onnx/model_quantized.onnx", "onnx/model_quantized.onnx"),
            (&all[..], Some("fp32"), "onnx/model.onnx", "onnx/model.onnx"),
            (&all[..], Some("model_fp16"), "onnx/model_fp16.onnx", "onnx/model_fp16.onnx"),
            (&all[..], Some("onnx/model_fp16.onnx"), "onnx/model_fp16.onnx", "onnx/model_fp16.onnx"),
            (&["model.onnx", "onnx/model.onnx"], None, "model.onnx", "model.onnx"),
            (
                &["decoder_model.onnx", "decoder_model_merged.onnx"],
                None,
                "decoder_model_merged.onnx",
                "decoder_model_merged.onnx",
            ),
            (&["phi.onnx"], None, "phi.onnx", "phi.onnx"),
            (&["model_O4.onnx", "model.onnx"], Some("model_O4"), "model_O4.onnx", "model_O4.onnx"),
        ] {
            let folder = folder(files);
            for (on_cuda, expected) in [(false, on_cpu), (true, on_cuda)] {
                let path = choose(folder.path(), wanted, on_cuda).expect(expected);
                assert_eq!(path, folder.path().join(expected), "{files:?} {wanted:?}");
            }
        }
    }

    #[test]
    fn genai_names_its_own_file() {
        let folder = folder(&["phi-int4.onnx", "model.onnx", "genai_config.json"]);
        let config = |name: &str| format!(r#"{{"model":{{"decoder":{{"filename":"{name}"}}}}}}"#);
        let write = |text: String| std::fs::write(folder.path().join("genai_config.json"), text).expect("written");
        write(config("phi-int4.onnx"));
        assert_eq!(choose(folder.path(), None, false).expect("it is there"), folder.path().join("phi-int4.onnx"));
        assert_eq!(choose(folder.path(), Some("model"), false).expect("asked for"), folder.path().join("model.onnx"));
        write(config("../phi.onnx"));
        assert!(choose(folder.path(), None, false).expect_err("outside").to_string().contains("outside the folder"));
    }

    #[test]
    fn what_is_not_there_is_said_with_what_is() {
        for (files, wanted, part) in [
            (&[][..], None, "has no model.onnx; it contains the graph"),
            (
                &["onnx/model_q4.onnx", "model.onnx"],
                Some("q5"),
                "has no weights 'q5'; it has model.onnx, onnx/model_q4.onnx",
            ),
            (&["a.onnx", "b.onnx"], None, "it has a.onnx, b.onnx. Set one"),
            (&["decoder_model.onnx", "decoder_with_past_model.onnx"], None, "two halves"),
        ] {
            let error = choose(folder(files).path(), wanted, false).expect_err(part).to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn an_address_may_name_the_graph() {
        let folder = folder(&["config.json", "onnx/model_q4.onnx", "model.onnx"]);
        let path = folder.path();
        assert_eq!(split(path), (path.to_owned(), None));
        assert_eq!(split(&path.join("model.onnx")), (path.to_owned(), Some("model.onnx".to_owned())));
        let named = (path.to_owned(), Some("onnx/model_q4.onnx".to_owned()));
        assert_eq!(split(&path.join("onnx/model_q4.onnx")), named);
        assert_eq!(split(&path.join("none.onnx")), (path.join("none.onnx"), None));
    }
}
