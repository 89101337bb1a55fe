//! From an address to a folder with a model in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{StreamExt, TryStreamExt};
use tokio::sync::Semaphore;

use crate::cache::{Cache, hex, name_of};
use crate::download::{Traffic, discard, download, missing, settle};
use crate::manifest::check_path;
use crate::{MANIFEST, Manifest, ModelError, Object, Store, StoreError};

/// How much is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are there.
    pub done: u64,
    /// Bytes that there will be.
    pub total: u64,
}

/// A model that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The folder with its files.
    pub folder: PathBuf,
    /// Bytes that had to be fetched; 0 where all was there.
    pub bytes: u64,
}

/// Fetches models into a cache.
pub struct Fetch {
    /// The cache's folder. Made where it is not there.
    pub cache: PathBuf,
    /// Requests at a time.
    pub parallelism: usize,
    /// Whether files that are there are read and hashed again, and not only looked at.
    pub verify: bool,
}

/// A file of the model and the object it comes from.
struct Wanted {
    path: String,
    object: Object,
    /// As the manifest says.
    sha256: Option<String>,
}

impl Fetch {
    /// Makes the model at `prefix` of a store a folder of the cache. `address` is how people know it.
    pub async fn fetch(
        &self,
        store: Arc<dyn Store>,
        address: &str,
        prefix: &str,
        report: &(dyn Fn(Progress) + Sync),
    ) -> Result<Fetched, ModelError> {
        let cache = Cache::open(&self.cache)?;
        let wanted = wanted(store.as_ref(), address, prefix).await?;
        // What the objects are, and not when they were looked at, names the model.
        let content = wanted.iter().map(|file| format!("{} {}\n", file.path, file.object.etag)).collect::<String>();
        let key = name_of(&format!("{address}\n{content}"));
        let _lock = cache.lock(&key).await?;
        if let Some(folder) = self.finished(&cache, &key, &wanted)? {
            return Ok(Fetched { folder, bytes: 0 });
        }
        let total = wanted.iter().map(|file| file.object.size).sum();
        let partial =
            |file: &Wanted| cache.partial(&name_of(&format!("{address}\n{}\n{}", file.path, file.object.etag)));
        let there = |file: &Wanted| file.sha256.as_ref().is_some_and(|sha256| cache.blob(sha256).is_file());
        let needed: u64 =
            wanted.iter().filter(|file| !there(file)).map(|file| missing(&partial(file), file.object.size)).sum();
        cache.room_for(needed)?;
        let traffic =
            Traffic { store, slots: Semaphore::new(self.parallelism.max(1)), bytes: AtomicU64::new(total - needed) };
        let mut work: Vec<BoxFuture<'_, Result<(String, String), ModelError>>> = Vec::with_capacity(wanted.len());
        for file in &wanted {
            let (traffic, cache, partial) = (&traffic, &cache, partial(file));
            let fetched = async move { Ok((file.path.clone(), one(traffic, cache, file, &partial, address).await?)) };
            work.push(fetched.boxed());
        }
        let all = futures::stream::iter(work).buffered(self.parallelism.max(1)).try_collect::<Vec<_>>();
        let files = watched(all, || report(Progress { done: traffic.bytes.load(Ordering::Relaxed), total })).await?;
        let folder = cache.finish(&key, &files)?;
        Ok(Fetched { folder, bytes: needed })
    }

    /// The model's folder, where it is finished and nobody spoilt it.
    fn finished(&self, cache: &Cache, key: &str, wanted: &[Wanted]) -> Result<Option<PathBuf>, ModelError> {
        let Some(record) = cache.record(key) else { return Ok(None) };
        let mut whole = record.files.len() == wanted.len();
        for seen in &record.files {
            let path = cache.model(key).join(&seen.path);
            let good = match self.verify || !cache.is_as_seen(key, seen) {
                true => sha256_of(&path).is_ok_and(|found| found == seen.sha256),
                false => true,
            };
            if !good {
                // The file and the blob are one: both are spoilt.
                _ = std::fs::remove_file(cache.blob(&seen.sha256));
                whole = false;
            }
        }
        if !whole {
            cache.forget(key);
            return Ok(None);
        }
        Ok(Some(cache.model(key)))
    }
}

/// Calls `report` every now and then, and at the end.
async fn watched<T>(work: impl Future<Output = T>, report: impl Fn()) -> T {
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => {
                report();
                return done;
            }
            () = tokio::time::sleep(Duration::from_millis(100)) => report(),
        }
    }
}

/// One file: from the cache, or fetched and verified.
async fn one(
    traffic: &Traffic,
    cache: &Cache,
    file: &Wanted,
    partial: &Path,
    address: &str,
) -> Result<String, ModelError> {
    if let Some(sha256) = file.sha256.as_ref().filter(|sha256| cache.blob(sha256).is_file()) {
        return Ok(sha256.clone());
    }
    let found = download(traffic, &file.object, partial).await?;
    if let Some(wanted) = file.sha256.as_ref().filter(|wanted| **wanted != found) {
        discard(partial);
        let what = format!("{} of {address}", file.path);
        return Err(ModelError::Checksum { what, found, wanted: wanted.clone() });
    }
    settle(partial, &cache.blob(&found))?;
    Ok(found)
}

/// The files of a model: those of its manifest, or without one all there are.
async fn wanted(store: &dyn Store, address: &str, prefix: &str) -> Result<Vec<Wanted>, ModelError> {
    let folder = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    let refused = |what: &str, error: StoreError| ModelError::Store { what: what.to_owned(), message: error.message };
    let objects = store.list(&folder).await.map_err(|error| refused(address, error))?;
    let mut files: Vec<Wanted> = Vec::new();
    for object in objects {
        let Some(path) = object.key.strip_prefix(&folder).filter(|path| !path.is_empty() && !path.ends_with('/'))
        else {
            continue;
        };
        check_path(path).map_err(|reason| ModelError::Store { what: object.key.clone(), message: reason })?;
        files.push(Wanted { path: path.to_owned(), object, sha256: None });
    }
    if files.is_empty() {
        return Err(ModelError::Nothing { address: address.to_owned() });
    }
    let Some(at) = files.iter().position(|file| file.path == MANIFEST) else { return Ok(files) };
    let manifest = files.swap_remove(at).object;
    let unusable = |reason| ModelError::Manifest { address: address.to_owned(), reason };
    if manifest.size > 4 << 20 {
        return Err(unusable(format!("it has {} bytes", manifest.size)));
    }
    let mut bytes = Vec::new();
    let mut sink = |piece: &[u8]| {
        bytes.extend_from_slice(piece);
        Ok(())
    };
    let read = store.read(&manifest, 0..manifest.size, &mut sink).await;
    read.map_err(|error| refused(&manifest.key, error))?;
    let manifest = Manifest::parse(&bytes).map_err(unusable)?;
    let mut named = Vec::new();
    for file in manifest.files {
        let missing = || ModelError::Missing { address: address.to_owned(), path: file.path.clone() };
        let at = files.iter().position(|there| there.path == file.path).ok_or_else(missing)?;
        let mut there = files.swap_remove(at);
        if there.object.size != file.size {
            let (found, wanted) = (format!("that of {} bytes", there.object.size), format!("of {} bytes", file.size));
            return Err(ModelError::Checksum { what: there.object.key, found, wanted });
        }
        there.sha256 = Some(file.sha256);
        named.push(there);
    }
    named.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(named)
}

fn sha256_of(path: &Path) -> std::io::Result<String> {
    use sha2::{Digest, Sha256};
    let mut digest = Sha256::new();
    std::io::copy(&mut std::fs::File::open(path)?, &mut digest)?;
    Ok(hex(digest.finalize().as_slice()))
}
