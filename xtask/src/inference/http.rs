//! A client that costs next to nothing, so that on a machine with few cores the server is measured
//! and not the client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A connection that is kept open.
pub(super) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub(super) fn connect(address: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(address).map_err(|error| format!("cannot reach {address}: {error}"))?;
        let ready = stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(Duration::from_secs(60))));
        ready.map_err(|error| error.to_string())?;
        Ok(Self { stream: BufReader::with_capacity(64 << 10, stream) })
    }

    /// Sends a request; gives the body of the answer.
    pub(super) fn post(&mut self, path: &str, body: &str) -> Result<Vec<u8>, String> {
        match self.exchange(path, body)? {
            (200, answer) => Ok(answer),
            (status, _) => Err(format!("the server answered {status}")),
        }
    }

    /// Sends a request; gives status and body of the answer.
    pub(super) fn exchange(&mut self, path: &str, body: &str) -> Result<(u16, Vec<u8>), String> {
        self.send("POST", path, body)?;
        self.answer()
    }

    /// Asks for a path; gives status and body of the answer.
    pub(super) fn get(&mut self, path: &str) -> Result<(u16, Vec<u8>), String> {
        self.send("GET", path, "")?;
        self.answer()
    }

    fn answer(&mut self) -> Result<(u16, Vec<u8>), String> {
        let (status, length) = self.head()?;
        let mut answer = vec![0; length.ok_or("the answer has no length")?];
        self.stream.read_exact(&mut answer).map_err(|error| format!("the response ended early: {error}"))?;
        Ok((status, answer))
    }

    /// Sends a request that is answered by events; gives when each of them came.
    pub(super) fn events(&mut self, path: &str, body: &str) -> Result<Vec<Instant>, String> {
        self.send("POST", path, body)?;
        let (status, _) = self.head()?;
        if status != 200 {
            return Err(format!("the server answered {status}"));
        }
        let (mut at, mut line) = (Vec::new(), String::new());
        loop {
            line.clear();
            self.stream.read_line(&mut line).map_err(|error| format!("the response ended early: {error}"))?;
            match line.trim_end() {
                "data: [DONE]" => break,
                event if event.starts_with("data: ") => at.push(Instant::now()),
                _ if line.is_empty() => return Err("the response ended early".to_owned()),
                _ => {}
            }
        }
        // What is left of the last chunk, and the empty one that ends all.
        while line != "0\r\n" {
            line.clear();
            if self.stream.read_line(&mut line).is_ok_and(|read| read == 0) {
                break;
            }
        }
        line.clear();
        _ = self.stream.read_line(&mut line);
        Ok(at)
    }

    fn send(&mut self, method: &str, path: &str, body: &str) -> Result<(), String> {
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n");
        let request = format!("{head}Content-Length: {length}\r\n\r\n{body}");
        self.stream.get_mut().write_all(request.as_bytes()).map_err(|error| format!("cannot ask: {error}"))
    }

    /// Reads up to the body; gives the status, and the body's length where it is said.
    fn head(&mut self) -> Result<(u16, Option<usize>), String> {
        let (mut line, mut status, mut length) = (String::new(), None, None);
        loop {
            line.clear();
            self.stream.read_line(&mut line).map_err(|error| format!("no answer: {error}"))?;
            let text = line.trim_end();
            let Some(status) = status else {
                let number = text.split(' ').nth(1).and_then(|number| number.parse().ok());
                status = Some(number.ok_or_else(|| format!("the server said '{text}'"))?);
                continue;
            };
            match text.split_once(':') {
                _ if text.is_empty() => return Ok((status, length)),
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().ok()
                }
                _ => {}
            }
        }
    }
}
