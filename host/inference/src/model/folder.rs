//! A model's folder, read and opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::chat::ChatTemplate;
use super::config::ModelConfig;
use super::edit;
use super::error::ModelError;
use super::files;
use super::graph::Graph;
use super::layout::Layout;
use super::reranker::Head;
use super::sentence::{Gives, SentenceConfig};
use super::weights;
use crate::runtime::{
    Files, Gpu, OpenError, Opened, Provider, Runtime, RuntimeError, SessionSettings, may_use_cuda, open,
};
use crate::tokens::Tokenizer;

/// What a folder holds, beside the session.
#[derive(Debug, Clone)]
pub struct Model {
    /// The folder.
    pub folder: PathBuf,
    /// The graph's file.
    pub graph: PathBuf,
    /// The numbers of its JSON files.
    pub config: ModelConfig,
    /// Text to tokens and back; models of named tensors may have none.
    pub tokenizer: Option<Arc<Tokenizer>>,
    /// The chat template, where there is one.
    pub chat: Option<ChatTemplate>,
    pub(crate) layout: Layout,
    /// What is done around the graph, where it takes whole texts.
    pub(crate) sentence: Option<SentenceConfig>,
    /// Why it does not rerank; nothing where it does.
    pub(crate) no_reranker: Option<String>,
}

/// Why a folder could not be opened.
#[derive(Debug)]
pub(crate) enum FolderError {
    Runtime(RuntimeError),
    Model(ModelError),
}

impl From<ModelError> for FolderError {
    fn from(error: ModelError) -> Self {
        Self::Model(error)
    }
}

impl Model {
    /// Reads a folder and opens its graph: `weights`, the one that the address names, or by device.
    pub(crate) fn open(
        address: &Path,
        weights: Option<&str>,
        runtime: &Arc<Runtime>,
        settings: &SessionSettings,
        hashes: bool,
    ) -> Result<(Self, Opened), FolderError> {
        let (folder, named) = weights::split(address);
        let folder = folder.as_path();
        if !folder.is_dir() {
            return Err(ModelError::NoFolder { folder: folder.to_owned() }.into());
        }
        let before = Files::of(folder);
        files::verify(folder, hashes)?;
        let on_cuda = may_use_cuda(runtime, settings);
        let path = weights::choose(folder, weights.or(named.as_deref()), on_cuda)?;
        let graph = Graph::read(&path)?;
        // Runs of other shapes each time cannot be played again.
        let settings = &SessionSettings { records: settings.records && graph.shares_cache(), ..settings.clone() };
        graph.check_data(&path)?;
        let config = ModelConfig::read(folder)?;
        let head = Head::read(folder)?;
        let open =
            |changed: Option<&[u8]>| open(runtime, (&path, changed), &before, graph.operators.values().sum(), settings);
        let likeliest = settings.likeliest.unwrap_or(on_cuda) && graph.shares_cache();
        // On a GPU starting a product costs little, and nobody has measured it there.
        let wanted = edit::Wanted { likeliest, joins: !on_cuda };
        let changed = edit::open_at_positions(&path, (&graph, &config), wanted, &|bytes| open(Some(bytes)));
        let (opened, layout) = match changed {
            Some((opened, layout)) => (opened, Layout::Decoder(layout)),
            None => {
                let opened = open(None).map_err(|error| match error {
                    OpenError::Runtime(error) => FolderError::Runtime(error),
                    OpenError::Changed(path) => FolderError::Model(ModelError::Changed { path }),
                    OpenError::Model(reason) => FolderError::Model(refused(&path, &graph, runtime, reason)),
                })?;
                let layout = Layout::of(&opened.session, &graph, &config, head.as_ref(), &path, false)?;
                (opened, layout)
            }
        };
        if opened.provider == Provider::Cuda && (graph.is_bf16() || layout.is_bf16()) {
            let able = bf16_on(settings.gpu, Gpu::new(settings.gpu).and_then(|gpu| gpu.capability()));
            able.map_err(|reason| ModelError::Unsuitable { path: path.clone(), reason })?;
        }
        let sentence = match &layout {
            Layout::Encoder(encoder) if encoder.pooled => Some(SentenceConfig::read(folder, Gives::Vectors)?),
            Layout::Encoder(_) => Some(SentenceConfig::read(folder, Gives::Tokens)?),
            Layout::Reranker(..) => Some(SentenceConfig::read(folder, Gives::Scores)?),
            Layout::Decoder(_) | Layout::Tensors => None,
        };
        let lower_case = sentence.as_ref().is_some_and(|sentence| sentence.lower_case);
        let tokenizer = match folder.join("tokenizer.json") {
            file if file.is_file() => Some(Arc::new(Tokenizer::read(&file, lower_case)?)),
            _ if matches!(layout, Layout::Tensors) => None,
            _ => {
                let advice = "without it, text cannot be converted to tokens. Save it with the export \
                    (`tokenizer.save_pretrained`)";
                return Err(missing(folder, "tokenizer.json", advice).into());
            }
        };
        let chat = ChatTemplate::read(folder)?;
        let no_reranker = layout.no_reranker(&opened.session, head.as_ref());
        let folder = folder.to_owned();
        Ok((Self { folder, graph: path, config, tokenizer, chat, layout, sentence, no_reranker }, opened))
    }

    /// `decoder`, `encoder`, `reranker` or `tensors`.
    pub fn kind(&self) -> &'static str {
        self.layout.name()
    }
}

fn missing(folder: &Path, file: &str, advice: &'static str) -> ModelError {
    ModelError::Missing { folder: folder.to_owned(), file: file.to_owned(), advice }
}

/// Whether a GPU of this compute capability computes with bfloat16; else the reason.
fn bf16_on(gpu: i32, capability: Result<(i32, i32), String>) -> Result<(), String> {
    match capability {
        Ok(capability) if capability >= (8, 0) => Ok(()),
        Ok((major, minor)) => Err(format!(
            "its numbers are bfloat16, and GPU {gpu} has compute capability {major}.{minor}, where 8.0 is needed; export \
             the model in float16 (`--dtype fp16`)"
        )),
        Err(reason) => Err(format!("its numbers are bfloat16, and what GPU {gpu} can do is not known ({reason})")),
    }
}

/// ONNX Runtime's words, with what they mean where that is known.
fn refused(path: &Path, graph: &Graph, runtime: &Runtime, reason: String) -> ModelError {
    let future =
        ["is under development", "Unsupported model IR version", "No Op registered", "not a registered function"];
    if future.iter().any(|words| reason.contains(words)) {
        let (domain, opset) = graph.opset();
        let runtime = runtime.info().version.clone();
        return ModelError::TooNew { path: path.to_owned(), domain, opset, runtime, reason };
    }
    if graph.is_bf16() && reason.contains("Could not find an implementation") {
        let reason = format!(
            "its numbers are bfloat16, and ONNX Runtime has no kernels for them on this device ({reason}); export the model \
             in float32 for a processor, or run it on a GPU of compute capability 8.0 or more"
        );
        return ModelError::Unsuitable { path: path.to_owned(), reason };
    }
    ModelError::Refused { path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::bf16_on;

    #[test]
    fn bfloat16_runs_where_the_gpu_has_it() {
        assert!(bf16_on(0, Ok((8, 0))).is_ok() && bf16_on(0, Ok((9, 0))).is_ok());
        let error = bf16_on(1, Ok((7, 5))).expect_err("too old");
        assert!(error.contains("GPU 1 has compute capability 7.5") && error.contains("float16"), "{error}");
        assert!(bf16_on(0, Err("no driver".to_owned())).expect_err("not known").contains("no driver"));
    }
}
