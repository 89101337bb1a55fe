//! Disk, cache and clock.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use llmhost_models::free_space;
use llmhost_python_env::cache_folder;

use super::Finding;
use crate::commands::cache;
use crate::view;

/// Below this, the next compiled plugin or model may not fit.
const LITTLE: u64 = 2 << 30;
/// Below this, a state may not be written.
const NOTHING: u64 = 16 << 20;
/// How long files are counted: a cache may have hundreds of thousands.
const COUNTING: Duration = Duration::from_millis(1500);
/// No machine that runs this is older: 2026-01-01. AWS refuses requests whose time is 5 minutes off.
const OLDEST_TIME: u64 = 1_767_225_600;

/// Whether the cache folder can be written.
pub(super) fn cache() -> Vec<Finding> {
    const WHAT: &str = "cache";
    let folder = match cache_folder() {
        Ok(folder) => folder,
        Err(error) => return vec![Finding::broken(WHAT, error.to_string(), "Set HOME or XDG_CACHE_HOME.").needed()],
    };
    let probe = std::fs::create_dir_all(&folder).and_then(|()| tempfile::tempfile_in(&folder));
    if let Err(error) = probe {
        let found = format!("cannot write to {}: {error}", folder.display());
        return vec![Finding::broken(WHAT, found, "Change its permissions, or set XDG_CACHE_HOME.").needed()];
    }
    vec![Finding::ok(WHAT, folder.display().to_string())]
}

/// What is in the cache folder.
pub(super) fn cache_sizes() -> Vec<Finding> {
    const WHAT: &str = "cache sizes";
    let Ok(folder) = cache_folder() else { return Vec::new() };
    let (sizes, is_all) = cache::sizes(&folder, COUNTING);
    let parts: Vec<String> =
        sizes.iter().map(|(sort, bytes)| format!("{} {}", cache::name(*sort), view::bytes(*bytes))).collect();
    let all: u64 = sizes.values().sum();
    let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
    let least = if is_all { "" } else { "at least " };
    vec![Finding::ok(WHAT, format!("{least}{}{parts}", view::bytes(all)))]
}

/// Free space here and in the cache folder.
pub(super) fn disk() -> Vec<Finding> {
    const WHAT: &str = "disk";
    let here = free_space(Path::new(".")).ok();
    let of_cache = cache_folder().ok().and_then(|folder| {
        let there = folder.ancestors().find(|folder| folder.is_dir())?.to_owned();
        free_space(&there).ok()
    });
    let Some(least) = [here, of_cache].into_iter().flatten().min() else {
        return vec![Finding::missing(WHAT, "the free space cannot be read", "Check that this folder still exists.")];
    };
    let found = format!("{} free", view::bytes(least));
    let fix = "llmhost cache clean --older-than 30d frees space; llmhost cache list shows what uses it.";
    vec![match least {
        0..NOTHING => Finding::broken(WHAT, found, fix).needed(),
        NOTHING..LITTLE => Finding::missing(WHAT, format!("{found}: little for models and environments"), fix),
        _ => Finding::ok(WHAT, found),
    }]
}

/// The clock: requests to AWS are signed with it.
pub(super) fn clock() -> Vec<Finding> {
    const WHAT: &str = "clock";
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let fix = "Set the clock, best by NTP: timedatectl set-ntp true. AWS refuses requests whose time is 5 minutes off.";
    vec![match now < OLDEST_TIME {
        true => Finding::broken(WHAT, "the clock is in the past", fix).needed(),
        false => Finding::ok(WHAT, "set; whether it is right, AWS tells in the first request"),
    }]
}
