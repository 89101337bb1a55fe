//! Runs plugins: WebAssembly components that can do nothing but what the host hands them.
//!
//! [`Loader`] finds a plugin (`source`), turns it into machine code once per content and machine
//! (`cache`; `functions` for builds again and again), refuses what it imports without a grant
//! (`grants`), and gives out plugins that run in an instance of their own each time (`plugin`), inside limits (`limits`, `meter`) and with
//! a WASI that has nothing behind it (`wasi`). What a run wrote and called last (`last`) is told when it crashes (`crash`).
//! `wit` ties what it imports to the engine's capabilities. `provider` is for components that bring kinds of resources.

mod cache;
mod compile;
mod crash;
mod engine;
mod functions;
mod grants;
mod last;
mod limits;
mod loader;
mod meter;
mod packaged;
mod plugin;
mod preview1;
mod provider;
mod scoped;
mod source;
mod state;
mod wasi;
mod wit;
mod wrap;

pub use engine::SandboxError;
pub use functions::Functions;
pub use loader::{EventSink, Inspected, InspectedProvider, Loader, LoaderEvent, LoaderOptions};
pub use packaged::Packaged;
pub use source::Builtin;
pub use wrap::component;
