//! ONNX Runtime as a library found at run time, so that one binary serves machines with and
//! without a GPU.
//!
//! Nothing here trusts what it is given: a candidate is opened and asked for its version before the
//! bindings see it, because they panic on a library of the wrong kind. And "runs on the GPU" is
//! counted, node by node, never assumed.

mod check;
mod device;
mod driver;
mod error;
mod gpu;
mod hold;
mod library;
mod log;
mod own;
mod profile;
mod recorded;
mod report;
mod search;
mod session;

pub use device::Device;
pub(crate) use driver::{Address, Block, Gpu, Pinned, Reserved, Strips};
pub use error::RuntimeError;
pub use gpu::{GpuMemory, gpu_memory};
pub(crate) use hold::Files;
pub use library::{LibraryInfo, Runtime};
pub use own::OWN;
pub(crate) use recorded::{recorded, unrecorded};
pub use report::{GpuUse, Provider, RuntimeReport};
pub use search::Search;
pub(crate) use session::{OpenError, Opened, Proof, SessionSettings, may_use_cuda, open};
