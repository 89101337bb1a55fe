//! Which runs a session on CUDA records and plays again.

use ort::session::{NoSelectedOutputs, RunOptions};

/// Says which recorded run is meant. It is recorded when it is first asked for.
const GRAPH: &str = "gpu_graph_id";
/// No recorded one, and none to record.
const NONE: &str = "-1";

/// Has a run recorded under a number, or played where that was done.
pub(crate) fn recorded(number: usize) -> ort::Result<RunOptions<NoSelectedOutputs>> {
    let mut options = RunOptions::new()?;
    options.set(GRAPH, number.to_string())?;
    Ok(options)
}

/// Has a run neither recorded nor played. In a session that records, every other run needs this.
pub(crate) fn unrecorded() -> ort::Result<RunOptions<NoSelectedOutputs>> {
    let mut options = RunOptions::new()?;
    options.set(GRAPH, NONE)?;
    Ok(options)
}
