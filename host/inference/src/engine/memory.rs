//! Memory that is free on this machine, and zeroed memory that costs nothing until it is written.

use std::ptr::NonNull;

/// Bytes that new work may take, a container's limit considered. `None` where the system does not say.
pub fn free() -> Option<usize> {
    let table = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = table.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: usize = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    let number = |name: &str| -> Option<usize> {
        std::fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?.trim().parse().ok()
    };
    let of_container = || Some(number("memory.max")?.saturating_sub(number("memory.current")?));
    Some((kilobytes * 1024).min(of_container().unwrap_or(usize::MAX)))
}

/// Zeroed pages, straight from the system.
///
/// The cache is as large as the longest requests need and mostly empty. Large pages would be
/// cleared two megabytes at a time for every few tokens, so they are declined.
#[derive(Debug)]
pub(super) struct Pages {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: plain memory, owned by this value.
unsafe impl Send for Pages {}

impl Pages {
    /// So many bytes, page aligned.
    pub(super) fn new(length: usize) -> Option<Self> {
        let length = length.max(1);
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a fresh anonymous mapping, at an address that the system chooses.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return None;
        }
        #[cfg(target_os = "linux")]
        // SAFETY: advice about the mapping just made; refusal changes nothing.
        unsafe {
            libc::madvise(start, length, libc::MADV_NOHUGEPAGE)
        };
        NonNull::new(start.cast()).map(|start| Self { start, length })
    }

    pub(super) fn as_ptr(&self) -> *mut u8 {
        self.start.as_ptr()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`, which nobody else unmaps.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}
