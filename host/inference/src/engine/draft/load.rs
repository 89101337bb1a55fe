//! From a folder to a draft model, checked against the model that it is to guess for.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::{Draft, Held};
use crate::engine::budget::Budget;
use crate::engine::decoder::{CacheSize, Decoder, PlainDecoder, Row, SharedDecoder};
use crate::engine::error::LoadError;
use crate::engine::options::Options;
use crate::engine::speculate::{NEAR, Speculation};
use crate::model::{DecoderLayout, FolderError, Layout, Model};
use crate::runtime::{Opened as OpenedSession, Provider, Runtime, SessionSettings};

/// Steps before the first request, of which the first one allocates.
const WARM_STEPS: usize = 3;

/// A draft model that has no cache yet.
pub(in crate::engine) struct Opened {
    pub(in crate::engine) layout: DecoderLayout,
    model: Model,
    session: OpenedSession,
}

/// Whether the folder, or the graph that the address names, is there.
pub(in crate::engine) fn check(folder: &Path) -> Result<(), LoadError> {
    let reason = || "there is no such folder; check the address".to_owned();
    if folder.exists() { Ok(()) } else { Err(LoadError::Draft { folder: folder.to_owned(), reason: reason() }) }
}

/// Opens a folder and compares it with the model.
pub(in crate::engine) fn open(
    folder: &Path,
    model: &Model,
    runtime: &Arc<Runtime>,
    settings: &SessionSettings,
    verify: bool,
) -> Result<Opened, LoadError> {
    let refused = |reason: String| LoadError::Draft { folder: folder.to_owned(), reason };
    let advice = "name a smaller model of the same family";
    if !matches!(model.layout, Layout::Decoder(_)) {
        let kind = model.kind();
        return Err(refused(format!("the model is of the kind '{kind}' and generates no text; leave the draft out")));
    }
    let (draft, session) = Model::open(folder, None, runtime, settings, verify).map_err(|error| match error {
        FolderError::Runtime(error) => LoadError::Runtime(error),
        FolderError::Model(error) => refused(error.to_string()),
    })?;
    let Layout::Decoder(layout) = draft.layout.clone() else {
        let kind = draft.kind();
        return Err(refused(format!("it is of the kind '{kind}' and generates no text; {advice}")));
    };
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if real(&draft.graph) == real(&model.graph) {
        return Err(refused(format!("it is the model itself, which gains nothing; {advice}")));
    }
    let difference = match (&draft.tokenizer, &model.tokenizer) {
        (Some(own), Some(models)) => own.difference(models),
        _ => Some("it has no tokenizer".to_owned()),
    };
    match difference {
        Some(difference) => Err(refused(format!("{difference}, so its tokens mean something else; {advice}"))),
        None => Ok(Opened { layout, model: draft, session }),
    }
}

impl Opened {
    pub(in crate::engine) fn folder(&self) -> &Path {
        &self.model.folder
    }

    /// What its keys and values take of a memory of `limit` bytes. On a GPU a shared cache is taken at once.
    pub(in crate::engine) fn budget(&self, limit: usize) -> Option<Budget> {
        let provider = self.session.provider;
        let at_once = provider == Provider::Cuda && self.layout.shared;
        (!at_once).then(|| Budget::new(&self.layout, provider == Provider::Cpu, limit))
    }

    /// The longest text that it reads.
    pub(in crate::engine) fn context(&self, context: usize) -> usize {
        self.model.config.context_length.map_or(context, |own| own.min(context))
    }

    /// Gives it a cache and runs it for the first time.
    pub(in crate::engine) fn start(
        self,
        size: CacheSize,
        vocabulary: usize,
        options: &Options,
        costs: &mut Speculation,
    ) -> Result<Draft, LoadError> {
        let folder = self.model.folder.clone();
        let failed = |reason: String| LoadError::Draft { folder: folder.clone(), reason };
        let runs = |error: crate::engine::RequestError| failed(format!("it loads but does not run: {error}"));
        let context = self.context(size.context);
        let chunk = options.chunk.max(NEAR).min(context);
        let budget = self.budget(usize::MAX);
        let size = CacheSize { context, chunk, ..size };
        let vocabulary = self.layout.vocabulary.min(vocabulary);
        let OpenedSession { session, provider, proof, .. } = self.session;
        let mut decoder: Box<dyn Decoder> = match self.layout.shared {
            true => Box::new(
                SharedDecoder::new(session, self.layout, provider, options.gpu, size)
                    .map_err(|error| failed(error.message().to_owned()))?,
            ),
            false => Box::new(PlainDecoder::new(session, self.layout, size)),
        };
        let token = self.model.config.bos.unwrap_or(0);
        decoder.prefill(0, 0, &[token, token], true).map_err(runs)?;
        let mut lengths = vec![0; size.slots];
        for cached in 2..2 + WARM_STEPS.min(context.saturating_sub(3)) {
            lengths[0] = cached;
            let begun = Instant::now();
            decoder.decode(&[Row { slot: 0, cached, token }], &lengths).map_err(runs)?;
            costs.draft_stepped(1, begun.elapsed());
        }
        proof.give(decoder.session())?;
        decoder.release(0, 0).map_err(runs)?;
        let rows = (0..size.slots).map(|_| Held::default()).collect();
        Ok(Draft { decoder, rows, vocabulary, context, chunk, budget })
    }
}
