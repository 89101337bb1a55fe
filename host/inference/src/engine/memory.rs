//! Memory that is free on this machine, and zeroed memory that costs nothing until it is written.

use std::ops::Range;
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

/// Bytes that the system gives memory in.
pub(super) fn page_size() -> usize {
    // SAFETY: a question about a constant of the system.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok().filter(|size| *size > 0).unwrap_or(4096)
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

    /// Gives the whole pages of a part back to the system; they read as zeros from then on.
    pub(super) fn release(&mut self, part: Range<usize>) {
        let page = page_size();
        let (start, end) = (part.start.next_multiple_of(page), part.end.min(self.length) / page * page);
        if start < end {
            // SAFETY: whole pages of the mapping, which nobody borrows while it is borrowed mutably.
            // A refusal only means that the memory stays taken.
            unsafe { libc::madvise(self.start.as_ptr().add(start).cast(), end - start, libc::MADV_DONTNEED) };
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`, which nobody else unmaps.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pages that are in memory.
    fn resident(pages: &Pages) -> usize {
        let mut found = vec![0u8; pages.length.div_ceil(page_size())];
        // SAFETY: one byte for each page of a mapping that is alive.
        let result = unsafe { libc::mincore(pages.as_ptr().cast(), pages.length, found.as_mut_ptr().cast()) };
        assert_eq!(result, 0);
        found.iter().filter(|page| **page & 1 == 1).count()
    }

    #[test]
    fn pages_cost_nothing_until_they_are_written_and_after_they_are_given_back() {
        let page = page_size();
        let mut pages = Pages::new(1024 * page).expect("address space");
        assert_eq!(resident(&pages), 0);
        // SAFETY: within the mapping.
        unsafe { std::slice::from_raw_parts_mut(pages.as_ptr(), 100 * page).fill(7) };
        assert_eq!(resident(&pages), 100);
        // Only whole pages go: of the first and the last there is a part that stays.
        pages.release(10 * page + 1..90 * page - 1);
        assert_eq!(resident(&pages), 22);
        // SAFETY: within the mapping.
        let bytes = unsafe { std::slice::from_raw_parts(pages.as_ptr(), 100 * page) };
        assert_eq!([10 * page, 11 * page, 89 * page - 1, 89 * page].map(|at| bytes[at]), [7, 0, 0, 7]);
        pages.release(0..usize::MAX);
        assert_eq!(resident(&pages), 0);
    }
}
