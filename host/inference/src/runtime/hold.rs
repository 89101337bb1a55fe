//! Weights that stay what they were, whatever happens to their files.
//!
//! ONNX Runtime maps the files beside a graph and leaves mapped what it has not packed in its own
//! way. A file that is cut then ends the process (SIGBUS), and one that is overwritten changes what
//! the model answers. So, once a session is there, what is still mapped is replaced in place by a
//! copy in the process's own memory. What was packed is not copied, so nothing is there twice.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files as they were when a model's folder was first looked at.
#[derive(Debug, Default)]
pub(crate) struct Files(BTreeMap<PathBuf, Stamp>);

/// What tells a file that was written from one that was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        Some(Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}

impl Files {
    /// The files of a folder and of the folders in it.
    pub(crate) fn of(folder: &Path) -> Self {
        let mut files = BTreeMap::new();
        let list = |folder: &Path| -> Vec<PathBuf> {
            std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
        };
        for path in list(folder) {
            let inside = if path.is_dir() { list(&path) } else { vec![path] };
            files.extend(inside.into_iter().filter_map(|path| Some((path.clone(), Stamp::of(&path)?))));
        }
        Self(files)
    }

    /// The first of them that is not what it was.
    pub(crate) fn changed(&self) -> Option<&Path> {
        self.0.iter().find(|(path, stamp)| Stamp::of(path) != Some(**stamp)).map(|(path, _)| path.as_path())
    }

    /// Takes what the process has mapped of these files into its own memory; gives the bytes. Nobody
    /// may map or unmap them meanwhile.
    #[cfg(target_os = "linux")]
    pub(crate) fn hold(&self) -> std::io::Result<usize> {
        use std::os::unix::fs::FileExt;

        let real: Vec<PathBuf> = self.0.keys().filter_map(|path| path.canonicalize().ok()).collect();
        let maps = std::fs::read_to_string("/proc/self/maps")?;
        // Read by the system: where a file was cut in this moment, that is an error and not the end.
        let memory = std::fs::File::open("/proc/self/mem")?;
        let mut bytes = 0;
        for mapped in maps.lines().filter_map(Mapped::parse) {
            let ours = real.iter().any(|path| path == Path::new(mapped.path))
                || self.0.values().any(|stamp| (stamp.device, stamp.inode) == (mapped.device, mapped.inode));
            if !ours {
                continue;
            }
            let own = Region::new(mapped.length)?;
            // SAFETY: the region is that long, and nobody else knows it.
            let target = unsafe { std::slice::from_raw_parts_mut(own.0.cast::<u8>(), own.1) };
            memory.read_exact_at(target, mapped.start as u64)?;
            own.replace(mapped.start, mapped.writable)?;
            bytes += mapped.length;
        }
        Ok(bytes)
    }

    /// Elsewhere files stay mapped.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn hold(&self) -> std::io::Result<usize> {
        Ok(0)
    }
}

/// A file's mapping, as /proc/self/maps has it.
#[cfg(target_os = "linux")]
#[derive(Debug, PartialEq, Eq)]
struct Mapped<'a> {
    start: usize,
    length: usize,
    writable: bool,
    device: u64,
    inode: u64,
    path: &'a str,
}

#[cfg(target_os = "linux")]
impl<'a> Mapped<'a> {
    /// `None` for what is no file's, is shared with others, or cannot be read.
    fn parse(line: &'a str) -> Option<Self> {
        let mut rest = line;
        let mut field = || {
            let (field, after) = rest.split_once(' ')?;
            rest = after.trim_start();
            Some(field)
        };
        let (range, rights, _, device, inode) = (field()?, field()?, field()?, field()?, field()?);
        let (start, end) = range.split_once('-')?;
        let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
        let (major, minor) = device.split_once(':')?;
        let device = libc::makedev(u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?);
        // Programs and libraries run from their files as always.
        let is_data = rights.starts_with('r') && rights.ends_with('p') && !rights.contains('x');
        let writable = rights.contains('w');
        let mapped =
            Self { start, length: end.checked_sub(start)?, writable, device, inode: inode.parse().ok()?, path: rest };
        (is_data && rest.starts_with('/')).then_some(mapped)
    }
}

/// Memory of the process's own.
#[cfg(target_os = "linux")]
struct Region(*mut libc::c_void, usize);

#[cfg(target_os = "linux")]
impl Region {
    fn new(length: usize) -> std::io::Result<Self> {
        let (rights, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at a place that the system chooses.
        match unsafe { libc::mmap(std::ptr::null_mut(), length, rights, kind, -1, 0) } {
            libc::MAP_FAILED => Err(std::io::Error::last_os_error()),
            place => Ok(Self(place, length)),
        }
    }

    /// Moves it to where a file is mapped, in one step.
    fn replace(self, start: usize, writable: bool) -> std::io::Result<()> {
        let (place, length) = (self.0, self.1);
        if !writable {
            // SAFETY: the region is this value's.
            if unsafe { libc::mprotect(place, length, libc::PROT_READ) } != 0 {
                return Err(std::io::Error::last_os_error());
            }
        }
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        // SAFETY: the target is a mapping of the same length that holds the same bytes, and nobody
        // unmaps it meanwhile; whoever reads there reads the same before and after.
        match unsafe { libc::mremap(place, length, length, flags, start as *mut libc::c_void) } {
            libc::MAP_FAILED => Err(std::io::Error::last_os_error()),
            _ => {
                // It is where the file was, and unmapped by whoever mapped that.
                std::mem::forget(self);
                Ok(())
            }
        }
    }
}

#[cfg(target_os = "linux")]
impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the region is this value's, and it did not move.
        unsafe { libc::munmap(self.0, self.1) };
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn lines_of_files_are_read_and_others_passed_over() {
        let line = "7f00a000-7f00c000 rw-p 00001000 fe:01 4242                       /models/a b/model.onnx.data";
        let mapped = Mapped::parse(line).expect("a file");
        assert_eq!((mapped.start, mapped.length, mapped.inode), (0x7f00_a000, 0x2000, 4242));
        assert_eq!(
            (mapped.path, mapped.device, mapped.writable),
            ("/models/a b/model.onnx.data", libc::makedev(0xfe, 1), true)
        );
        for line in [
            "7f00a000-7f00c000 r-xp 00001000 fe:01 4242 /lib/libc.so.6",
            "7f00a000-7f00c000 rw-s 00001000 fe:01 4242 /dev/shm/x",
            "7f00a000-7f00c000 rw-p 00000000 00:00 0 [heap]",
            "7f00a000-7f00c000 rw-p 00000000 00:00 0 ",
            "",
        ] {
            assert_eq!(Mapped::parse(line), None, "{line}");
        }
    }

    #[test]
    fn what_is_held_outlives_its_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("weights");
        let content: Vec<u8> = (0..100_000u32).map(|place| (place % 251) as u8).collect();
        std::fs::write(&path, &content).expect("written");
        let files = Files::of(folder.path());
        assert_eq!(files.changed(), None);
        let file = std::fs::File::open(&path).expect("open");
        // SAFETY: a new mapping of a file that is there.
        let place = unsafe {
            libc::mmap(std::ptr::null_mut(), content.len(), libc::PROT_READ, libc::MAP_PRIVATE, file.as_raw_fd(), 0)
        };
        assert_ne!(place, libc::MAP_FAILED);
        assert_eq!(files.hold().expect("held"), content.len().next_multiple_of(4096));
        std::fs::write(&path, b"").expect("cut");
        // SAFETY: the mapping is there, and is memory by now.
        let held = unsafe { std::slice::from_raw_parts(place.cast::<u8>(), content.len()) };
        assert_eq!(held, content);
        assert_eq!(files.changed(), Some(path.as_path()));
        assert_eq!(files.hold().expect("nothing left"), 0);
        // SAFETY: as whoever maps a file unmaps it.
        assert_eq!(unsafe { libc::munmap(place, content.len()) }, 0);
    }
}
