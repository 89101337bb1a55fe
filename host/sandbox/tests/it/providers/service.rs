//! A service that keeps records and speaks JSON over HTTP, on this machine.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What it does with the next request of a method.
#[derive(Debug, Clone, Copy)]
pub(super) enum Instead {
    /// Answers with this status, and does nothing.
    Says(u16),
    /// Does it, and says nothing.
    Drops,
}

#[derive(Default)]
pub(super) struct Service {
    pub(super) records: Mutex<BTreeMap<String, Value>>,
    /// Methods and paths, in order.
    pub(super) asked: Mutex<Vec<String>>,
    /// The authorization of the last request.
    pub(super) key: Mutex<String>,
    instead: Mutex<BTreeMap<&'static str, VecDeque<Instead>>>,
    serial: Mutex<u64>,
    port: Mutex<u16>,
}

impl Service {
    pub(super) async fn start() -> Arc<Self> {
        let service = Arc::new(Self::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        *service.port.lock().unwrap() = listener.local_addr().unwrap().port();
        let serving = Arc::clone(&service);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serving).serve(stream));
            }
        });
        service
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.lock().unwrap())
    }

    /// The next request of this method is treated like this.
    pub(super) fn instead(&self, method: &'static str, what: Instead) {
        self.instead.lock().unwrap().entry(method).or_default().push_back(what);
    }

    /// The requests that changed something, since the last time.
    pub(super) fn take_changes(&self) -> Vec<String> {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.into_iter().filter(|request| !request.starts_with("GET")).collect()
    }

    /// One field of each record, in the order of their ids.
    pub(super) fn all(&self, field: &str) -> Vec<String> {
        let text = |record: &Value| record[field].as_str().map_or_else(|| record[field].to_string(), str::to_owned);
        self.records.lock().unwrap().values().map(text).collect()
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let Some((method, path, head, body)) = request(&mut stream).await else { return };
        self.asked.lock().unwrap().push(format!("{method} {path}"));
        let key = head.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or_default();
        *self.key.lock().unwrap() = key.to_owned();
        let instead = self.instead.lock().unwrap().get_mut(&*method).and_then(VecDeque::pop_front);
        let (status, answer) = match instead {
            Some(Instead::Says(status)) => (status, json!(format!("as told, with {key}"))),
            Some(Instead::Drops) => {
                self.act(&method, &path, &body);
                return;
            }
            None => self.act(&method, &path, &body),
        };
        let answer = answer.to_string();
        let text =
            format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}", answer.len());
        let _ = stream.write_all(text.as_bytes()).await;
    }

    fn act(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let mut records = self.records.lock().unwrap();
        let id = path.strip_prefix("/records/").unwrap_or_default();
        match method {
            "POST" if records.values().any(|there| there["name"] == body["name"]) => (409, json!("the name is taken")),
            "POST" => {
                let mut serial = self.serial.lock().unwrap();
                *serial += 1;
                let mut record = body.clone();
                record["id"] = json!(format!("r{serial}"));
                record["serial"] = json!(1);
                records.insert(format!("r{serial}"), record.clone());
                (201, record)
            }
            "GET" if id.is_empty() => {
                let token = path.split_once("?token=").map_or("", |(_, token)| token);
                (200, records.values().filter(|there| there["token"] == token).cloned().collect())
            }
            "GET" => records.get(id).map_or((404, Value::Null), |there| (200, there.clone())),
            "PUT" => match records.get_mut(id) {
                Some(there) => {
                    let serial = there["serial"].as_u64().unwrap() + 1;
                    body.as_object().unwrap().iter().for_each(|(key, value)| there[key] = value.clone());
                    there["serial"] = json!(serial);
                    (200, there.clone())
                }
                None => (404, Value::Null),
            },
            _ => records.remove(id).map_or((404, Value::Null), |_| (204, Value::Null)),
        }
    }
}

/// Method, path, head and body of a request.
async fn request(stream: &mut TcpStream) -> Option<(String, String, String, Value)> {
    let mut read = Vec::new();
    let head = loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        let mut more = [0; 4096];
        match stream.read(&mut more).await {
            Ok(length) if length > 0 => read.extend_from_slice(&more[..length]),
            _ => return None,
        }
    };
    let text = String::from_utf8_lossy(&read[..head]).into_owned();
    let length = text.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    while read.len() < head + length.unwrap_or(0) {
        let mut more = [0; 4096];
        let length = stream.read(&mut more).await.ok().filter(|length| *length > 0)?;
        read.extend_from_slice(&more[..length]);
    }
    let mut words = text.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    Some((method, path, text, serde_json::from_slice(&read[head..]).unwrap_or_default()))
}
