//! `--trace`: what passes between plugins and host, into a file.

use std::path::Path;
use std::sync::Arc;

use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::trace::Trace;

use crate::app::Console;
use crate::failure::Failure;
use crate::private;

/// Begins a trace in a file that only its owner reads.
pub(crate) fn begin(pipeline: &Pipeline, path: &Path) -> Result<Arc<Trace>, Failure> {
    let file = private::create(path).map_err(|error| {
        let message = format!("cannot write the trace to {}: {error}", path.display());
        Failure::Other { message, help: "Choose another file with --trace.".to_owned(), status: 1 }
    })?;
    Ok(Arc::new(Trace::begin(pipeline, Box::new(file))))
}

/// Ends it. A run whose trace could not be written is still a run.
pub(crate) fn end(trace: &Trace, path: &Path, console: &Console) {
    if let Err(error) = trace.end() {
        console.note(&format!("The trace {} is incomplete: {error}.", path.display()));
    }
}
