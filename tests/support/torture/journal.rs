//! The journal of a process, watched from outside.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Looks at a journal again and again until it is dropped.
pub struct Watch {
    over: Arc<AtomicBool>,
    most: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Calls `at`, once, as soon as the journal has so many lines: they are written then, and what they
    /// are about has hardly gone on.
    pub fn start(path: PathBuf, lines: usize, at: impl FnOnce() + Send + 'static) -> Self {
        let (over, most) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let thread = std::thread::spawn({
            let (over, most) = (Arc::clone(&over), Arc::clone(&most));
            move || {
                let (mut at, mut size) = (Some(at), 0);
                while !over.load(Ordering::SeqCst) {
                    let now = std::fs::metadata(&path).map(|found| found.len()).unwrap_or_default();
                    if now != size {
                        size = now;
                        let bytes = std::fs::read(&path).unwrap_or_default();
                        let found = bytes.iter().filter(|byte| **byte == b'\n').count();
                        most.fetch_max(found, Ordering::SeqCst);
                        if found >= lines
                            && let Some(at) = at.take()
                        {
                            at();
                        }
                    }
                    std::thread::sleep(Duration::from_micros(50));
                }
            }
        });
        Self { over, most, thread: Some(thread) }
    }

    /// The most lines that there were.
    pub fn end(mut self) -> usize {
        self.stop();
        self.most.load(Ordering::SeqCst)
    }

    fn stop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the watch does not panic");
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
    }
}
