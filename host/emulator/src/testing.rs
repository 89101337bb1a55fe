//! A proxy for tests: stands between a client and the emulator, writes down every request, and
//! spoils some on purpose.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The action, of services that name it in a form (EC2, IAM, STS) or a header (Cloud Control); empty for others.
    pub action: String,
    /// The service that it was signed for: `ec2`; empty where it was not.
    pub service: String,
}

impl Request {
    /// The action as IAM names it, of services whose requests carry it.
    pub fn iam_action(&self) -> Option<String> {
        let named = !self.action.is_empty() && !self.service.is_empty();
        named.then(|| format!("{}:{}", self.service, self.action))
    }

    /// Whether it changes something at the server.
    pub fn is_mutating(&self) -> bool {
        let reads = ["Describe", "Get", "List"];
        match self.action.as_str() {
            // Kubernetes says what it would do, and does not.
            "" if self.path.contains("dryRun=All") => false,
            "" => !matches!(self.method.as_str(), "GET" | "HEAD"),
            action => !reads.iter().any(|read| action.starts_with(read)),
        }
    }
}

/// What happens to a spoilt request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Answered with this status; the server never sees it.
    Status(u16),
    /// Answered with "too many requests"; the server never sees it.
    Throttle,
    /// Answered as an overloaded API server does: 429, and to be asked again after so many seconds; the server
    /// never sees it.
    Busy(u32),
    /// Never answered; the server never sees it.
    HangBefore,
    /// Never answered, though the server did as asked.
    HangAfter,
    /// The connection is cut before the server sees it.
    Reset,
    /// The connection is cut, though the server did as asked.
    ResetAfter,
    /// The server did as asked, and half of its answer comes.
    Truncate,
}

/// Something to do at one request.
struct Hook {
    /// Requests that change something and come before it.
    left: usize,
    /// Whether the server sees the request first.
    after: bool,
    call: Box<dyn FnOnce() + Send>,
}

struct Rule {
    matches: Box<dyn Fn(&Request) -> bool + Send>,
    times: usize,
    fault: Fault,
}

#[derive(Default)]
struct Shared {
    requests: Vec<Request>,
    rules: Vec<Rule>,
    hook: Option<Hook>,
    mix: Option<Mix>,
    met: BTreeMap<String, usize>,
}

impl Shared {
    fn count(&mut self, what: String) {
        *self.met.entry(what).or_default() += 1;
    }
}

/// Numbers drawn from a seed.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Any seed will do.
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below this one, which is not 0.
    pub fn draw(&mut self, below: u64) -> u64 {
        // SplitMix64 (Steele, Lea, Flood 2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }
}

/// Faults drawn from a seed.
struct Mix {
    dice: Dice,
    /// One request of so many is spoilt.
    one_in: u64,
}

impl Mix {
    /// The next request's fault. Hangs are rarer: each costs the client its patience.
    fn fault(&mut self) -> Option<Fault> {
        if self.dice.draw(self.one_in) > 0 {
            return None;
        }
        Some(match self.dice.draw(21) {
            0..4 => Fault::Status(500),
            4..8 => Fault::Throttle,
            8..12 => Fault::Reset,
            12..16 => Fault::ResetAfter,
            16..19 => Fault::Truncate,
            19 => Fault::HangBefore,
            _ => Fault::HangAfter,
        })
    }
}

/// The proxy. Ends with the runtime it was started on.
pub struct RecordingProxy {
    url: String,
    shared: Arc<Mutex<Shared>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for RecordingProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl RecordingProxy {
    /// Starts one on a free port, in front of `target`.
    pub async fn start(target: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let target = target.trim_start_matches("http://").to_owned();
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let seen = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (target, seen) = (target.clone(), Arc::clone(&seen));
                // A connection that breaks is the client's to notice.
                tokio::spawn(async move { serve(client, &target, &seen).await });
            }
        });
        Ok(Self { url, shared, task })
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }

    /// How many of them change something.
    pub fn mutating(&self) -> usize {
        self.lock().requests.iter().filter(|request| request.is_mutating()).count()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.lock().requests.clear();
    }

    /// Spoils the next `times` requests that match.
    pub fn inject(&self, matches: impl Fn(&Request) -> bool + Send + 'static, times: usize, fault: Fault) {
        self.lock().rules.push(Rule { matches: Box::new(matches), times, fault });
    }

    /// Spoils one request of `one_in`, each in a way of its own, as the seed has it.
    pub fn mix(&self, seed: u64, one_in: u64) {
        self.lock().mix = Some(Mix { dice: Dice::of(seed), one_in: one_in.max(1) });
    }

    /// Calls `call` at the request that follows `nth` others that change something: before the
    /// server sees it, or after it was answered. Whoever asked gets no answer.
    pub fn at(&self, nth: usize, after: bool, call: impl FnOnce() + Send + 'static) {
        self.lock().hook = Some(Hook { left: nth, after, call: Box::new(call) });
    }

    /// Every fault that clients met since this was last asked, and how often: the proxy's own by their kind, and the
    /// error codes that the server answered with.
    pub fn take_met(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut self.lock().met)
    }

    /// Spoils nothing any more; gives whether a call of [`RecordingProxy::at`] was still to come.
    pub fn clear(&self) -> bool {
        let mut shared = self.lock();
        shared.rules.clear();
        shared.mix = None;
        shared.hook.take().is_some()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(mut client: TcpStream, target: &str, shared: &Mutex<Shared>) -> std::io::Result<()> {
    let Some((head, body)) = read(&mut client).await? else { return Ok(()) };
    let request = parse(&head, &body);
    let (fault, hook) = {
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let hook = match &mut shared.hook {
            Some(hook) if request.is_mutating() && hook.left == 0 => shared.hook.take(),
            Some(hook) if request.is_mutating() => {
                hook.left -= 1;
                None
            }
            _ => None,
        };
        let rule = shared.rules.iter_mut().find(|rule| rule.times > 0 && (rule.matches)(&request));
        let fault = rule.map(|rule| {
            rule.times -= 1;
            rule.fault
        });
        let fault = fault.or_else(|| shared.mix.as_mut()?.fault());
        if let Some(fault) = fault {
            shared.count(format!("proxy: {fault:?}"));
        }
        shared.requests.push(request);
        (fault, hook)
    };
    if let Some(hook) = hook {
        if hook.after {
            forward(target, &head, &body).await?;
        }
        (hook.call)();
        return Ok(());
    }
    let answer = match fault {
        Some(Fault::Reset) => return Ok(()),
        Some(Fault::HangBefore) => return hang(client).await,
        Some(Fault::Status(status)) => spoilt(status, "InternalError", "the proxy says so"),
        Some(Fault::Busy(seconds)) => busy(seconds),
        Some(Fault::Throttle) => spoilt(503, "RequestLimitExceeded", "Request limit exceeded."),
        Some(Fault::HangAfter | Fault::ResetAfter | Fault::Truncate) => forward(target, &head, &body).await?,
        None => {
            let answer = forward(target, &head, &body).await?;
            if let Some(code) = error_code(&answer) {
                shared.lock().unwrap_or_else(PoisonError::into_inner).count(code);
            }
            answer
        }
    };
    if fault == Some(Fault::HangAfter) {
        return hang(client).await;
    }
    let whole = match fault {
        Some(Fault::ResetAfter) => 0,
        Some(Fault::Truncate) => answer.len() / 2,
        _ => answer.len(),
    };
    client.write_all(&answer[..whole]).await?;
    client.shutdown().await
}

/// The code of an answer that is an error: in a header, in XML, in JSON, or the bare status.
fn error_code(answer: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(answer);
    let status = text.split(' ').nth(1).filter(|status| status.starts_with(['4', '5']))?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let between = |start: &str, end: &str| Some(body.split_once(start)?.1.split_once(end)?.0.to_owned());
    let named = header(head, "x-amzn-errortype").map(str::to_owned);
    let named = named.or_else(|| between("<Code>", "</Code>")).or_else(|| between("\"__type\": \"", "\""));
    Some(named.unwrap_or_else(|| format!("status {status}")))
}

async fn hang(_client: TcpStream) -> std::io::Result<()> {
    tokio::time::sleep(Duration::from_secs(600)).await;
    Ok(())
}

fn spoilt(status: u16, code: &str, message: &str) -> Vec<u8> {
    let body = format!(
        "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>\
         <RequestID>from-the-proxy</RequestID></Response>"
    );
    let length = body.len();
    format!("HTTP/1.1 {status} Spoilt\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
        .into_bytes()
}

/// As kube-apiserver's priority and fairness refuses a request.
fn busy(seconds: u32) -> Vec<u8> {
    let body = "Too many requests, please try again later.\n";
    let length = body.len();
    format!(
        "HTTP/1.1 429 Too Many Requests\r\nContent-Type: text/plain; charset=utf-8\r\nRetry-After: {seconds}\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Head and body of a request; nothing where the client has nothing more to say.
async fn read(client: &mut TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    if header(&head, "expect").is_some() {
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let mut body = bytes.split_off(end);
    let length: usize = header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while body.len() < length && client.read_buf(&mut body).await? > 0 {}
    Ok(Some((head, body)))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn parse(head: &str, body: &[u8]) -> Request {
    let mut words = head.lines().next().unwrap_or_default().split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let form = header(head, "content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let body = if form { String::from_utf8_lossy(body) } else { "".into() };
    let target = header(head, "x-amz-target").and_then(|target| target.rsplit('.').next());
    let action = body.split('&').find_map(|field| field.strip_prefix("Action=")).or(target).unwrap_or_default();
    let signed = header(head, "authorization").and_then(|value| value.split_once("Credential="));
    // KEY/DATE/REGION/SERVICE/aws4_request
    let service = signed.and_then(|(_, scope)| scope.split('/').nth(3)).unwrap_or_default();
    Request { method: method.to_owned(), path: path.to_owned(), action: action.to_owned(), service: service.to_owned() }
}

/// Asks the server and gives its whole answer. One request a connection keeps this simple.
async fn forward(target: &str, head: &str, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(target).await?;
    let (first, rest) = head.split_once("\r\n").unwrap_or((head, ""));
    let unwanted = ["connection", "expect"];
    let kept = rest.lines().filter(|line| {
        let key = line.split(':').next().unwrap_or_default().trim().to_lowercase();
        !line.is_empty() && !unwanted.contains(&key.as_str())
    });
    let kept: String = kept.map(|line| format!("{line}\r\n")).collect();
    server.write_all(format!("{first}\r\n{kept}Connection: close\r\n\r\n").as_bytes()).await?;
    server.write_all(body).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    Ok(answer)
}
