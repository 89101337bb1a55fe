//! Many requests over one session.
//!
//! A thread of its own owns the session. It gathers the requests that generate into one step after
//! another (continuous batching): a request joins between two steps and leaves between two others,
//! and prompts are read in chunks between steps, so that neither long prompts nor long answers hold
//! up the rest. Keys and values lie in one buffer that the graph reads and writes in place.
//!
//! | file | what |
//! |---|---|
//! | `handle` | [`Engine`]: what callers hold |
//! | `load` | folder to running engine |
//! | `worker` | the thread: commands in, steps, errors out |
//! | `generation` | which request runs next |
//! | `slots`, `sequence` | rows of the cache, and the requests in them |
//! | `speculate` | several tokens of an answer in one run, where they can be guessed |
//! | `decoder` | one step of a graph, for either cache layout |
//! | `embed`, `pool`, `tensors` | the other things that models do |

mod budget;
mod counters;
mod decoder;
mod embed;
mod error;
mod generation;
mod handle;
mod load;
mod memory;
mod options;
mod pool;
mod positions;
mod request;
mod sequence;
mod slots;
mod speculate;
mod tensors;
mod worker;

pub use counters::Stats;
pub use embed::Embeddings;
pub use error::{LoadError, RequestError};
pub use handle::{EmbedInput, Engine, PromptToken, Scores};
pub use memory::free as free_memory;
pub use options::Options;
pub use request::{Event, Finish, Generated, Prompt, Request, Stream, Timings, Usage};
pub use speculate::Speculate;
pub use tensors::{ElementType, NamedTensor, TensorInfo};
