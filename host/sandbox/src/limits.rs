//! How much of everything one run may use, and what is said when it wants more.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use wasmtime::ResourceLimiter;

/// Linear memory of a run, all memories of the component together, unless the step says else.
/// JavaScript and Python guests bring their interpreter and need some 64 MiB.
pub(crate) const MEMORY: u64 = 256 << 20;
/// Seconds of computing, unless the step says else.
pub(crate) const TIME_SECONDS: u64 = 10;
/// How long a plugin may take to be compiled. The largest ones, with Python's interpreter, take some ten seconds.
pub(crate) const COMPILE_TIME: Duration = Duration::from_secs(300);
/// How deep components and modules may lie in one another. Tools that compose components nest them a few levels deep.
pub(crate) const NESTING: usize = 100;
/// Elements of one table; componentize-py's interpreter needs nearly as many.
pub(crate) const TABLE_ELEMENTS: usize = 40_000;
/// Core instances, memories and tables of one component: what componentize-py makes, and air.
pub(crate) const CORE_INSTANCES: u32 = 64;
pub(crate) const MEMORIES: u32 = 16;
pub(crate) const TABLES: u32 = 64;
/// Bytes that one call may carry from the guest to the host, the result of `run` included.
pub(crate) const CALL_BYTES: usize = 8 << 20;
/// Bytes of a file that one call gives.
pub(crate) const FILE_PART: u32 = 256 << 10;
/// Bytes of a file that is given as a text.
pub(crate) const FILE_TEXT: u32 = 4 << 20;
/// Requests that one call of a provider may send, and how long it may wait at a time and all together: a call that
/// never ends is ended.
pub(crate) const REQUESTS: u32 = 2_000;
pub(crate) const PAUSE: Duration = Duration::from_secs(60);
pub(crate) const PAUSES: Duration = Duration::from_secs(3600);
/// Resources that one run may declare.
pub(crate) const DECLARATIONS: usize = 10_000;
/// Bytes that all declarations of one run may take up together.
pub(crate) const DECLARED_BYTES: usize = 64 << 20;
/// Handles that a guest may hold at a time.
pub(crate) const HANDLES: usize = 50_000;
/// Where a message is cut.
pub(crate) const MESSAGE_BYTES: usize = 4 << 10;
/// Messages of one run that are passed on.
pub(crate) const MESSAGES: u32 = 1_000;
/// Stack of WebAssembly code, and of it and the host functions that it calls together.
pub(crate) const WASM_STACK: usize = 1 << 20;
pub(crate) const WHOLE_STACK: usize = 3 << 20;

/// A limit that was hit: ends the run, and becomes `PluginError::LimitHit`.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{limit} limit: {detail}")]
pub(crate) struct Hit {
    pub(crate) limit: &'static str,
    pub(crate) detail: String,
}

impl Hit {
    fn new(limit: &'static str, detail: String) -> Self {
        Self { limit, detail }
    }

    pub(crate) fn memory(table: &str, wanted: usize, allowed: usize) -> Self {
        let (wanted, allowed) = (bytes(wanted), bytes(allowed));
        Self::new(
            "memory",
            format!("it requested {wanted} and its limit is {allowed}; raise it with 'memory' in [{table}.limits]"),
        )
    }

    pub(crate) fn table(wanted: usize) -> Self {
        Self::new("table", format!("it requested a table of {wanted} elements; the fixed limit is {TABLE_ELEMENTS}"))
    }

    pub(crate) fn time(table: &str, limit: Duration, waiting: bool) -> Self {
        let doing = if waiting {
            "waited for an event that never happens in the sandbox, or slept, until the end of its"
        } else {
            "computed for longer than its"
        };
        Self::new(
            "time",
            format!(
                "it {doing} {limit:?}; waiting for resources does not count; raise it with 'time' in [{table}.limits]"
            ),
        )
    }

    pub(crate) fn compiling(limit: Duration) -> Self {
        Self::new(
            "compile time",
            format!(
                "compiling it takes longer than {limit:?}, which is a fixed limit; make it smaller, or split it \
                    into several plugins"
            ),
        )
    }

    pub(crate) fn nesting() -> Self {
        Self::new(
            "nesting",
            format!("its components are nested more than {NESTING} levels deep, which is a fixed limit"),
        )
    }

    pub(crate) fn stack() -> Self {
        let allowed = bytes(WASM_STACK);
        Self::new("stack", format!("its calls are nested too deep for a stack of {allowed}, which is a fixed limit"))
    }

    pub(crate) fn call_bytes() -> Self {
        let allowed = bytes(CALL_BYTES);
        Self::new("message size", format!("one call or result has more than {allowed}, which is a fixed limit"))
    }

    pub(crate) fn handles() -> Self {
        Self::new(
            "handles",
            format!("it holds too many handles; the fixed limit is {HANDLES}: drop handles that are no longer used"),
        )
    }

    pub(crate) fn requests() -> Self {
        Self::new("requests", format!("it sent more than {REQUESTS} requests in one call, which is a fixed limit"))
    }

    pub(crate) fn pauses() -> Self {
        let hours = PAUSES.as_secs() / 3600;
        Self::new("waiting", format!("it waited for more than {hours} hour in one call, which is a fixed limit"))
    }

    pub(crate) fn declarations(count: usize) -> Self {
        Self::new("declarations", format!("it declared {count} resources; a step may declare {DECLARATIONS}"))
    }

    pub(crate) fn declared_bytes(count: usize) -> Self {
        let allowed = bytes(DECLARED_BYTES);
        Self::new(
            "declarations",
            format!("its {count} declarations together need more than {allowed}, which is a fixed limit"),
        )
    }
}

/// Counts what a store's guest grows. A refusal ends the run there and then, so that its
/// backtrace shows who asked.
pub(crate) struct Limiter {
    table: Arc<str>,
    memory: usize,
    memory_limit: usize,
    /// Why memory was refused last. A garbage collector that is refused more collects once more before it gives
    /// up, and then does not say why.
    refused: Option<Hit>,
}

impl Limiter {
    /// Why memory was refused last.
    pub(crate) fn refused(&self) -> Option<&Hit> {
        self.refused.as_ref()
    }

    pub(crate) fn new(table: Arc<str>, memory: Option<u64>) -> Self {
        let memory_limit = usize::try_from(memory.unwrap_or(MEMORY)).unwrap_or(usize::MAX);
        Self { table, memory: 0, memory_limit, refused: None }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // Over its own maximum it gets the answer that WebAssembly gives.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let wanted = self.memory.saturating_sub(current).saturating_add(desired);
        if wanted > self.memory_limit {
            let hit = Hit::memory(&self.table, wanted, self.memory_limit);
            self.refused = Some(hit.clone());
            return Err(hit.into());
        }
        self.memory = wanted;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // `maximum` is the smaller of the guest's own and the pool's, so the guest's own cannot
        // be told apart here: whatever goes beyond ours is ours.
        if desired > TABLE_ELEMENTS {
            return Err(Hit::table(desired).into());
        }
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }
}

/// The bytes that a value takes up, near enough.
pub(crate) fn size_of(value: &Value) -> usize {
    const EACH: usize = 16;
    EACH + match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size_of).sum(),
        Value::Object(map) => map.iter().map(|(key, value)| key.len() + size_of(value)).sum(),
        _ => 0,
    }
}

/// The start of a text, at most `most` bytes and whole characters.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// `1536 KiB`, `256 MiB`: the largest unit that loses little.
fn bytes(count: usize) -> String {
    const UNITS: [(usize, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    for (unit, name) in UNITS {
        if count >= unit && count.is_multiple_of(unit) {
            return format!("{} {name}", count / unit);
        }
        if count >= 10 * unit {
            #[allow(clippy::cast_precision_loss)]
            return format!("{:.1} {name}", count as f64 / unit as f64);
        }
    }
    format!("{count} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_counted_over_all_memories_of_a_run() {
        let mut limiter = Limiter::new("steps.s".into(), Some(10 << 16));
        assert!(limiter.memory_growing(0, 6 << 16, None).expect("within the limit"));
        assert!(limiter.memory_growing(0, 2 << 16, None).expect("within the limit"));
        assert!(limiter.memory_growing(2 << 16, 4 << 16, None).expect("just within the limit"));
        let error = limiter.memory_growing(6 << 16, 7 << 16, None).expect_err("one page too many");
        let hit = error.downcast_ref::<Hit>().expect("a limit");
        assert_eq!(hit.limit, "memory");
        assert!(hit.detail.contains("704 KiB") && hit.detail.contains("640 KiB"), "{}", hit.detail);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
    }

    #[test]
    fn sizes_are_said_in_the_unit_that_fits() {
        for (count, text) in
            [(3, "3 bytes"), (256 << 20, "256 MiB"), ((300 << 20) + 5, "300.0 MiB"), (1536 << 10, "1536 KiB")]
        {
            assert_eq!(bytes(count), text);
        }
    }
}
