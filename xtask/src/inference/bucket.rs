//! A bucket in this process: as much of S3 as fetching a model takes.

use std::io::{BufRead, BufReader, Error, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Bytes that go through the line in one piece.
const PIECE: usize = 1 << 20;

/// A content of that size: these bytes, again and again.
pub(super) struct Object {
    pub(super) key: String,
    pub(super) content: Vec<u8>,
    pub(super) size: u64,
}

/// A bucket of some objects, whatever it is called.
pub(super) struct Bucket {
    objects: Vec<Object>,
    /// Changes with each round, as if the objects were written again.
    version: AtomicU64,
    /// Bytes a second of all connections together; 0 for as many as go.
    rate: AtomicU64,
    /// Up to when the line is taken.
    taken: Mutex<Instant>,
}

impl Bucket {
    pub(super) fn new(objects: Vec<Object>) -> Arc<Self> {
        let (version, rate, taken) = (AtomicU64::new(0), AtomicU64::new(0), Mutex::new(Instant::now()));
        Arc::new(Self { objects, version, rate, taken })
    }

    /// Of the files in a folder, as objects under a prefix.
    pub(super) fn of(folder: &Path, prefix: &str) -> Result<Arc<Self>, Error> {
        let mut objects = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let content = std::fs::read(entry.path())?;
            let key = format!("{prefix}/{}", entry.file_name().to_string_lossy());
            objects.push(Object { key, size: content.len() as u64, content });
        }
        Ok(Self::new(objects))
    }

    /// Megabits a second from now on; 0 is as fast as this machine sends to itself.
    pub(super) fn limit(&self, megabits: u64) {
        self.rate.store(megabits * 1_000_000 / 8, Relaxed);
    }

    /// As if all objects were written again.
    pub(super) fn change(&self) {
        self.version.fetch_add(1, Relaxed);
    }

    /// Gives the address.
    pub(super) fn serve(self: &Arc<Self>) -> Result<String, Error> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let bucket = Arc::clone(self);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let bucket = Arc::clone(&bucket);
                // A client that has gone ends its thread.
                std::thread::spawn(move || bucket.connection(stream));
            }
        });
        Ok(address)
    }

    /// Waits for the time that this number of bytes takes on the line.
    fn pace(&self, bytes: usize) {
        let rate = self.rate.load(Relaxed);
        if rate > 0 {
            let mut taken = self.taken.lock().expect("no panic under this lock");
            let free = (*taken).max(Instant::now()) + Duration::from_secs_f64(bytes as f64 / rate as f64);
            *taken = free;
            drop(taken);
            std::thread::sleep(free.saturating_duration_since(Instant::now()));
        }
    }

    fn connection(&self, stream: TcpStream) -> Result<(), Error> {
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        loop {
            let (mut line, mut path, mut range) = (String::new(), String::new(), None);
            while line != "\r\n" {
                line.clear();
                if stream.read_line(&mut line)? == 0 {
                    return Ok(());
                }
                if let Some(bytes) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
                    range = bytes.trim().split_once('-').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
                } else if path.is_empty() {
                    path = line.split(' ').nth(1).unwrap_or_default().to_owned();
                }
            }
            let key = path.split('?').next().unwrap_or_default().splitn(3, '/').nth(2).unwrap_or_default();
            match self.objects.iter().find(|object| object.key == key) {
                _ if path.contains("list-type=2") => self.list(stream.get_mut())?,
                Some(object) => self.send(object, range, stream.get_mut())?,
                None => write!(stream.get_mut(), "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?,
            }
        }
    }

    fn list(&self, to: &mut TcpStream) -> Result<(), Error> {
        let etag = self.version.load(Relaxed);
        let entry = |object: &Object| {
            let (key, size) = (&object.key, object.size);
            format!("<Contents><Key>{key}</Key><Size>{size}</Size><ETag>\"{etag}\"</ETag></Contents>")
        };
        let entries: String = self.objects.iter().map(entry).collect();
        let body = format!("<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>");
        write!(to, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    fn send(&self, object: &Object, range: Option<(u64, u64)>, to: &mut TcpStream) -> Result<(), Error> {
        let etag = self.version.load(Relaxed);
        let (mut at, last) = range.unwrap_or((0, object.size.saturating_sub(1)));
        let end = (last + 1).min(object.size);
        let status = if range.is_some() { "206 Partial Content" } else { "200 OK" };
        let length = end.saturating_sub(at);
        write!(to, "HTTP/1.1 {status}\r\nETag: \"{etag}\"\r\nContent-Length: {length}\r\n\r\n")?;
        while at < end {
            let from = (at % object.content.len() as u64) as usize;
            let piece = ((end - at) as usize).min(object.content.len() - from).min(PIECE);
            self.pace(piece);
            to.write_all(&object.content[from..from + piece])?;
            at += piece as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn ask(address: &str, path: &str, head: &str) -> String {
        let mut stream = TcpStream::connect(address).expect("it listens");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n").expect("it reads");
        stream.shutdown(std::net::Shutdown::Write).expect("it is open");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }

    #[test]
    fn objects_are_listed_and_read_whole_and_by_ranges() {
        let object = Object { key: "model/a.onnx".to_owned(), content: b"0123456789".to_vec(), size: 25 };
        let address = Bucket::new(vec![object]).serve().expect("a port is free");
        let listed = ask(&address, "/bucket/?list-type=2&prefix=model%2F", "");
        assert!(listed.contains("<Key>model/a.onnx</Key><Size>25</Size>"), "{listed}");
        let whole = ask(&address, "/bucket/model/a.onnx?x-id=GetObject", "");
        assert!(whole.starts_with("HTTP/1.1 200") && whole.ends_with("\r\n\r\n0123456789012345678901234"), "{whole}");
        let part = ask(&address, "/bucket/model/a.onnx", "Range: bytes=8-12\r\n");
        assert!(part.starts_with("HTTP/1.1 206") && part.ends_with("\r\n\r\n89012"), "{part}");
        assert!(ask(&address, "/bucket/model/b.onnx", "").starts_with("HTTP/1.1 404"));
    }
}
