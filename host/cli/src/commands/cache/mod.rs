//! `llmhost cache`: what is kept on this machine and can be made again.

mod contents;
mod in_use;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use llmhost_python_env::cache_folder;
use serde_json::json;

use crate::app;
use crate::args::{Cache, CacheClean, CacheList, Sort};
use crate::failure::Failure;
use crate::view;
use contents::Item;
use in_use::InUse;

/// Does what is asked.
pub(crate) fn cache(command: &Cache) -> Result<(), Failure> {
    let folder = cache_folder().map_err(|error| Failure::usage(error.to_string(), "Set HOME or XDG_CACHE_HOME."))?;
    match command {
        Cache::List(args) => list(&folder, args),
        Cache::Clean(args) => clean(&folder, args),
    }
    Ok(())
}

/// Bytes of each sort, as far as they can be counted within this time; whether that is all.
pub(crate) fn sizes(folder: &Path, time: Duration) -> (BTreeMap<Sort, u64>, bool) {
    let mut sizes = BTreeMap::new();
    let until = Instant::now() + time;
    for item in contents::all(folder, Some(until)) {
        *sizes.entry(item.sort).or_default() += item.bytes;
    }
    (sizes, Instant::now() < until)
}

fn list(folder: &Path, args: &CacheList) {
    let items = contents::all(folder, None);
    let used = InUse::now(folder);
    if args.json {
        let items: Vec<_> = items.iter().map(|item| line(item, used.has(item))).collect();
        app::print(&(json!({ "folder": folder, "items": items }).to_string() + "\n"));
        return;
    }
    let mut text = format!("{}\n", folder.display());
    for sort in [Sort::Code, Sort::Models, Sort::Environments, Sort::Packages] {
        let of: Vec<&Item> = items.iter().filter(|item| item.sort == sort).collect();
        let bytes: u64 = of.iter().map(|item| item.bytes).sum();
        let busy = of.iter().filter(|item| used.has(item)).count();
        let busy = if busy > 0 { format!(", {busy} in use") } else { String::new() };
        let entries = if of.len() == 1 { "1 entry".to_owned() } else { format!("{} entries", of.len()) };
        text += &format!("  {:13} {:>10}  {entries}{busy}\n", name(sort), view::bytes(bytes));
        // Names of compiled code say nothing.
        for item in of.iter().filter(|_| sort != Sort::Code) {
            text += &format!("    {:>10}  {}\n", view::bytes(item.bytes), item.name);
        }
    }
    app::print(&text);
}

fn clean(folder: &Path, args: &CacheClean) {
    let used = InUse::now(folder);
    let now = SystemTime::now();
    let is_old = |written: SystemTime| {
        let age = now.duration_since(written).unwrap_or(Duration::ZERO);
        args.older_than.is_none_or(|least| age >= least)
    };
    let is_sort = |sort: Sort| args.only.is_empty() || args.only.contains(&sort);
    let is_wanted = |item: &&Item| is_sort(item.sort) && is_old(item.written);
    let all = contents::all(folder, None);
    let (mut freed, mut removed, mut kept, mut failed) = (0, Vec::new(), Vec::new(), Vec::new());
    for item in all.iter().filter(is_wanted) {
        // Whoever uses it holds its lock, or has a file of it open.
        let lock = item.lock();
        match (&lock, used.has(item)) {
            (None, _) | (_, true) => kept.push(item),
            _ if args.dry_run => {
                freed += item.bytes;
                removed.push(item);
            }
            _ => match item.remove() {
                Ok(()) => {
                    freed += item.bytes;
                    removed.push(item);
                }
                Err(error) => failed.push((item, error.to_string())),
            },
        }
    }
    if !args.dry_run && is_sort(Sort::Models) {
        contents::remove_unused_blobs(folder, &is_old);
    }
    if args.json {
        let lines = |items: &[&Item]| items.iter().map(|item| line(item, false)).collect::<Vec<_>>();
        let failed: Vec<_> = failed.iter().map(|(item, error)| json!({ "path": item.path, "error": error })).collect();
        let all = json!({ "removed": lines(&removed), "in_use": lines(&kept), "failed": failed, "bytes": freed,
            "dry_run": args.dry_run });
        app::print(&(all.to_string() + "\n"));
        return;
    }
    let mut text = String::new();
    for item in &kept {
        text += &format!("Kept, as it is in use: {}\n", item.path.display());
    }
    for (item, error) in &failed {
        text += &format!("Cannot remove {}: {error}\n", item.path.display());
    }
    let entries = if removed.len() == 1 { "1 entry".to_owned() } else { format!("{} entries", removed.len()) };
    let did = if args.dry_run { "Would remove" } else { "Removed" };
    text += &format!("{did} {entries}, {}.\n", view::bytes(freed));
    app::print(&text);
}

fn line(item: &Item, is_used: bool) -> serde_json::Value {
    json!({ "sort": item.sort, "name": item.name, "path": item.path, "bytes": item.bytes, "in_use": is_used })
}

/// As it is written and given.
pub(crate) fn name(sort: Sort) -> &'static str {
    match sort {
        Sort::Code => "code",
        Sort::Models => "models",
        Sort::Environments => "environments",
        Sort::Packages => "packages",
    }
}
