//! What fuzz targets share: a folder in memory, inputs of several parts, and a runtime whose clock does not wait.

pub mod guest;

use std::cell::OnceCell;
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};

/// Between two parts of an input. No text in UTF-8 has this byte.
const SEPARATOR: u8 = 0xff;

/// The parts of an input. Those that it does not have are empty; the last one has all that is left.
#[must_use]
pub fn parts<const COUNT: usize>(data: &[u8]) -> [&[u8]; COUNT] {
    let mut rest = data.splitn(COUNT, |byte| *byte == SEPARATOR);
    std::array::from_fn(|_| rest.next().unwrap_or_default())
}

/// A folder of this process, in memory where the system has that.
///
/// # Panics
///
/// No folder can be created.
#[must_use]
pub fn folder() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let folder = parent.join(format!("llmhost-fuzz-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for the inputs can be created");
    folder
}

/// Writes a file of [`folder`], or removes it where there is nothing to write.
///
/// # Panics
///
/// The file cannot be written.
#[must_use]
pub fn file(name: &str, content: &[u8]) -> PathBuf {
    let path = folder().join(name);
    if content.is_empty() {
        let _ = fs::remove_file(&path);
    } else {
        fs::write(&path, content).expect("a file for the inputs can be written");
    }
    path
}

thread_local! {
    static RUNTIME: OnceCell<tokio::runtime::Runtime> = const { OnceCell::new() };
}

/// Runs a future to its end. Timers end at once when nothing else is left to do.
///
/// # Panics
///
/// No runtime can be started.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    let start = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().expect("a runtime starts")
    };
    RUNTIME.with(|runtime| runtime.get_or_init(start).block_on(future))
}
