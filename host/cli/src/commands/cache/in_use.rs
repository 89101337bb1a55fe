//! Which parts of the cache a running process uses: a file that is open or mapped, a program that runs from there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use llmhost_python_env::FINISHED;

use super::contents::Item;

/// What processes of this user have to do with the cache folder.
#[derive(Debug)]
pub(super) struct InUse {
    paths: BTreeSet<PathBuf>,
    /// Files that are open or mapped, by device and inode: a model is linked from two places.
    files: BTreeSet<(u64, u64)>,
}

impl InUse {
    /// Looks at the processes that run now. Where there is no `/proc`, locks alone tell.
    pub(super) fn now(folder: &Path) -> Self {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let mut paths = BTreeSet::new();
        let mut take = |path: PathBuf| {
            if path.starts_with(&folder) {
                paths.insert(path);
            }
        };
        let own = std::process::id().to_string();
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let name = process.file_name();
            let is_other =
                name.to_str().is_some_and(|name| name != own && name.bytes().all(|byte| byte.is_ascii_digit()));
            if !is_other {
                continue;
            }
            let at = process.path();
            for link in ["exe", "cwd"] {
                fs::read_link(at.join(link)).ok().into_iter().for_each(&mut take);
            }
            let open = fs::read_dir(at.join("fd")).into_iter().flatten().flatten();
            open.filter_map(|entry| fs::read_link(entry.path()).ok()).for_each(&mut take);
            let maps = fs::read_to_string(at.join("maps")).unwrap_or_default();
            maps.lines().filter_map(|line| line.find('/').map(|at| PathBuf::from(&line[at..]))).for_each(&mut take);
            // The interpreter of a Python environment is a link out of it; its name is in the command line.
            let words = fs::read(at.join("cmdline")).unwrap_or_default();
            let words = words.split(|byte| *byte == 0).map(|word| PathBuf::from(&*String::from_utf8_lossy(word)));
            words.for_each(&mut take);
        }
        let files = paths.iter().filter_map(|path| identity(path)).collect();
        Self { paths, files }
    }

    /// Whether some process uses it.
    pub(super) fn has(&self, item: &Item) -> bool {
        let path = item.path.canonicalize().unwrap_or_else(|_| item.path.clone());
        self.paths.iter().any(|used| used.starts_with(&path)) || self.links_to(&path)
    }

    /// Whether a file below is used under another name.
    fn links_to(&self, path: &Path) -> bool {
        if self.files.is_empty() {
            return false;
        }
        let is_folder = path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
        match is_folder {
            // Environments have thousands of files, and no second names.
            true if path.join(FINISHED).exists() => false,
            true => fs::read_dir(path).into_iter().flatten().flatten().any(|entry| self.links_to(&entry.path())),
            false => identity(path).is_some_and(|file| self.files.contains(&file)),
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = path.symlink_metadata().ok().filter(|metadata| metadata.is_file())?;
    Some((metadata.dev(), metadata.ino()))
}
