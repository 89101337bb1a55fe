//! The wasmtime engine: what guests are compiled for, where they live, how they are interrupted.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

use tokio::sync::Semaphore;
use wasmtime::component::Linker;
use wasmtime::{
    Collector, Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    WasmBacktraceDetails, WasmFeatures,
};

use crate::functions::Functions;
use crate::limits;
use crate::state::State;
use crate::wit;

/// How often a computing guest gives way to others and has its time checked.
const TICK: Duration = Duration::from_millis(10);
/// Memory and tables that stay warm after a run, so that the next one takes no page faults.
const WARM_MEMORY: usize = 1 << 20;
const WARM_TABLE: usize = 64 << 10;
/// Instances at a time; more only makes the pool larger than any machine needs.
const MOST_AT_A_TIME: usize = 64;

/// The sandbox cannot be set up on this machine.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the WebAssembly sandbox: {reason}")]
pub struct SandboxError {
    reason: String,
}

impl SandboxError {
    fn new(error: &wasmtime::Error) -> Self {
        Self { reason: format!("{error:#}") }
    }
}

/// What all plugins of a process share.
pub(crate) struct Sandbox {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<State>,
    pub(crate) ticker: Ticker,
    /// As many as the pool has room for; who comes later waits.
    pub(crate) room: Semaphore,
}

impl Sandbox {
    pub(crate) fn new(parallelism: usize, functions: Option<Arc<Functions>>) -> Result<Self, SandboxError> {
        let parallelism = parallelism.clamp(1, MOST_AT_A_TIME);
        let engine = engine(parallelism, functions).map_err(|error| SandboxError::new(&error))?;
        let linker = linker(&engine).map_err(|error| SandboxError::new(&error))?;
        let ticker = Ticker::new(engine.weak());
        Ok(Self { engine, linker, ticker, room: Semaphore::new(parallelism) })
    }
}

/// A pooled engine, or one that allocates as it goes where the system does not give the address
/// space for a pool (`ulimit -v`, strict overcommit). Compiled code fits both.
fn engine(parallelism: usize, functions: Option<Arc<Functions>>) -> wasmtime::Result<Engine> {
    let mut config = config();
    if let Some(functions) = functions {
        config.enable_incremental_compilation(functions)?;
    }
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(parallelism)));
    Engine::new(&config).or_else(|error| {
        tracing::warn!("cannot reserve a pool of instances, continuing without one: {error:#}");
        config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
        Engine::new(&config)
    })
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // Interruptible at any point, with names in backtraces; the guest's DWARF is read by `crash::places`,
        // in a bounded number of steps.
        .epoch_interruption(true)
        .debug_info(false)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        // Panic machinery comes first; what called it must still be there.
        .wasm_backtrace_max_frames(NonZeroUsize::new(64))
        .max_wasm_stack(limits::WASM_STACK)
        .async_stack_size(limits::WHOLE_STACK)
        // The same bits on every machine.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        // Kotlin, Dart, OCaml and exceptions of C++. The collector finds circles, and its heap counts as memory.
        .wasm_function_references(true)
        .wasm_gc(true)
        .wasm_exceptions(true)
        .collector(Collector::Copying)
        .wasm_features(WasmFeatures::THREADS, false)
        .shared_memory(false)
        // Memories of at most 4 GiB, so that guard pages stand for bounds checks.
        .wasm_memory64(false)
        // Nothing here uses WASI 0.3, and without it stores are cheaper to make.
        .concurrency_support(false)
        .cranelift_opt_level(OptLevel::Speed)
        .memory_init_cow(true);
    config
}

/// Room for `parallelism` guests of the largest kind, such as Python's interpreter. Only address
/// space is taken up front.
fn pool(parallelism: usize) -> PoolingAllocationConfig {
    let guests = u32::try_from(parallelism).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(guests)
        .total_core_instances(guests * limits::CORE_INSTANCES)
        // The heap of a garbage collector lies in a memory of its own.
        .total_gc_heaps(guests)
        .total_memories(guests * (limits::MEMORIES + 1))
        .total_tables(guests * limits::TABLES)
        .total_stacks(guests)
        .max_core_instances_per_component(limits::CORE_INSTANCES)
        .max_memories_per_component(limits::MEMORIES)
        .max_tables_per_component(limits::TABLES)
        .max_tables_per_module(limits::TABLES)
        .max_core_instance_size(1 << 20)
        .max_component_instance_size(1 << 20)
        .max_memory_size(4 << 30)
        .table_elements(limits::TABLE_ELEMENTS)
        .max_unused_warm_slots(guests)
        // Where the kernel can tell which pages a run touched, only those are put back.
        .pagemap_scan(Enabled::Auto)
        .linear_memory_keep_resident(WARM_MEMORY)
        .table_keep_resident(WARM_TABLE);
    pool
}

fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wit::add_to_linker(&mut linker)?;
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    Ok(linker)
}

/// A thread that moves the engine's epoch on, as long as guests run.
pub(crate) struct Ticker {
    shared: Arc<Ticks>,
    thread: OnceLock<Option<Thread>>,
    engine: EngineWeak,
}

#[derive(Default)]
struct Ticks {
    running: AtomicUsize,
    parked: AtomicBool,
    ended: AtomicBool,
}

impl Ticker {
    fn new(engine: EngineWeak) -> Self {
        Self { shared: Arc::default(), thread: OnceLock::new(), engine }
    }

    /// Keeps the ticks coming until the guard goes.
    pub(crate) fn run(&self) -> Running<'_> {
        let thread = self.thread.get_or_init(|| self.start());
        self.shared.running.fetch_add(1, SeqCst);
        if self.shared.parked.swap(false, SeqCst)
            && let Some(thread) = thread
        {
            thread.unpark();
        }
        Running(&self.shared)
    }

    fn start(&self) -> Option<Thread> {
        let (shared, engine) = (self.shared.clone(), self.engine.clone());
        let started =
            std::thread::Builder::new().name("llmhost-ticks".to_owned()).spawn(move || tick(&shared, &engine));
        match started {
            Ok(handle) => Some(handle.thread().clone()),
            Err(error) => {
                tracing::warn!("no thread for the plugins' time limit: {error}");
                None
            }
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.ended.store(true, SeqCst);
        if let Some(Some(thread)) = self.thread.get() {
            thread.unpark();
        }
    }
}

fn tick(shared: &Ticks, engine: &EngineWeak) {
    while !shared.ended.load(SeqCst) {
        if shared.running.load(SeqCst) == 0 {
            shared.parked.store(true, SeqCst);
            // Who starts a run between the look above and the parking unparks this thread, which
            // then does not park at all.
            if shared.running.load(SeqCst) == 0 {
                std::thread::park();
            }
            shared.parked.store(false, SeqCst);
            continue;
        }
        std::thread::sleep(TICK);
        match engine.upgrade() {
            Some(engine) => engine.increment_epoch(),
            None => return,
        }
    }
}

/// A guest runs as long as this lives.
pub(crate) struct Running<'a>(&'a Ticks);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
    }
}
