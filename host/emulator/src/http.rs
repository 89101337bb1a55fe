//! The little HTTP that is needed to ask the emulator whether it is there.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Whether an emulator answers at this address.
pub(crate) fn is_emulator(url: &str) -> bool {
    get(url, "/llmhost-emulator/alive").is_some_and(|answer| answer.starts_with("HTTP/1.") && answer.contains(" 200 "))
}

/// The body of an answer, where it came whole.
pub(crate) fn body(url: &str, path: &str) -> Option<Vec<u8>> {
    let mut answer = Vec::new();
    ask(url, path, WHOLE)?.read_to_end(&mut answer).ok()?;
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    answer.starts_with(b"HTTP/1.1 200 ").then(|| answer.split_off(head + 4))
}

fn get(url: &str, path: &str) -> Option<String> {
    let mut head = vec![0; 256];
    let read = ask(url, path, ALIVE)?.read(&mut head).ok()?;
    Some(String::from_utf8_lossy(&head[..read]).into_owned())
}

/// How long a server takes at most that is alive.
const ALIVE: Duration = Duration::from_secs(5);
/// How long it may take to say all that is in it, on a machine that is busy with other things.
const WHOLE: Duration = Duration::from_secs(60);

fn ask(url: &str, path: &str, patience: Duration) -> Option<TcpStream> {
    let address: SocketAddr = url.strip_prefix("http://")?.parse().ok()?;
    let mut stream = TcpStream::connect_timeout(&address, ALIVE).ok()?;
    stream.set_read_timeout(Some(patience)).ok()?;
    stream.set_write_timeout(Some(patience)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    Some(stream)
}
