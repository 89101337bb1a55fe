//! The server: started on a free port, ended with whoever started it, or kept on purpose.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use llmhost_python_env::last_lines;
use serde::{Deserialize, Serialize};

use crate::{EmulatorError, PACKAGES, SECRET_ACCESS_KEY, http, program};

/// A machine that is busy with other things may need so long to import moto.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running emulator. It ends when this is dropped, and when the process that holds it dies.
#[derive(Debug)]
pub struct Emulator {
    child: Option<Child>,
    /// Open as long as the emulator shall live.
    stdin: Option<ChildStdin>,
    url: String,
}

impl Emulator {
    /// Starts one; `tell` is told what takes long.
    pub async fn start(tell: &(dyn Fn(&str) + Sync)) -> Result<Self, EmulatorError> {
        Self::start_for(SECRET_ACCESS_KEY, tell).await
    }

    /// As [`start`](Self::start), for clients whose secret key is another: clusters check by it who
    /// signed a token.
    pub async fn start_for(secret: &str, tell: &(dyn Fn(&str) + Sync)) -> Result<Self, EmulatorError> {
        let python = PACKAGES.python(tell)?;
        let program = program::install(&PACKAGES.folder()?)?;
        let secret = secret.to_owned();
        let started = tokio::task::spawn_blocking(move || launch(&python, &program, &secret)).await;
        started.unwrap_or_else(|_| Err(EmulatorError::Start { reason: "it was interrupted".to_owned() }))
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Everything that is in it: AWS resources, and objects of its clusters. A region, or `account:region`, has its
    /// default network from then on.
    pub fn inventory(&self, region: &str) -> Result<BTreeSet<String>, EmulatorError> {
        let failed = || EmulatorError::Start { reason: format!("{} does not say what is in it", self.url) };
        let body = http::body(&self.url, &format!("/llmhost-emulator/inventory?{region}")).ok_or_else(failed)?;
        serde_json::from_slice(&body).map_err(|_| failed())
    }

    /// Says how long things take in it from now on.
    pub fn pace(&self, pace: Pace) -> Result<(), EmulatorError> {
        set(&self.url, &format!("pace={}", pace.word()))
    }

    /// Makes it eventually consistent, as AWS is: what is made from now on is not found for up to `longest`,
    /// as the seed has it. No time at all switches that off.
    pub fn lag(&self, seed: u64, longest: Duration) -> Result<(), EmulatorError> {
        set(&self.url, &format!("seed={seed}&lag={}", longest.as_secs_f64()))
    }

    /// Lets it live on after this process.
    pub fn keep(mut self) -> Kept {
        if let Some(mut stdin) = self.stdin.take() {
            // A server that is gone needs no telling.
            let _ = stdin.write_all(b"keep\n");
        }
        let pid = self.child.take().map_or(0, |child| child.id());
        Kept { pid, url: self.url.clone() }
    }

    /// Stops it, and waits until it is gone.
    pub fn stop(mut self) -> Result<(), EmulatorError> {
        self.end();
        Ok(())
    }

    fn end(&mut self) {
        drop(self.stdin.take());
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.end();
    }
}

/// How long things take in the emulator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pace {
    /// Everything passes through the states that it has in AWS, and stays in each for one look.
    #[default]
    Fast,
    /// Everything takes as long as it usually takes in AWS: a cluster nine minutes.
    Real,
}

impl Pace {
    fn word(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Real => "real",
        }
    }
}

fn set(url: &str, how: &str) -> Result<(), EmulatorError> {
    let refused = || EmulatorError::Start { reason: format!("{url} does not take the setting {how}") };
    http::body(url, &format!("/llmhost-emulator/set?{how}")).map(drop).ok_or_else(refused)
}

fn launch(python: &Path, program: &Path, secret: &str) -> Result<Emulator, EmulatorError> {
    let failed = |reason: String| EmulatorError::Start { reason };
    let mut log = tempfile::tempfile().map_err(|error| failed(error.to_string()))?;
    let stderr = log.try_clone().map_err(|error| failed(error.to_string()))?;
    let mut command = Command::new(python);
    command.arg(program.join("serve.py")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
    // A group of its own: Ctrl-C in the terminal is for llmhost, which ends the emulator last.
    command.process_group(0).env_remove("PYTHONHOME").env_remove("PYTHONPATH");
    command.env("LLMHOST_EMULATOR_SECRET", secret).env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true");
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let mut emulator = Emulator { child: Some(child), stdin, url: String::new() };
    let (send, port) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = stdout.map(|stdout| BufReader::new(stdout).read_line(&mut line));
        // Whoever gave up waiting does not want to know.
        let _ = send.send(read.is_some().then_some(line));
    });
    let line = port.recv_timeout(PATIENCE).ok().flatten().unwrap_or_default();
    let port: u16 = line.trim().parse().map_err(|_| failed(tail(&mut log)))?;
    emulator.url = format!("http://127.0.0.1:{port}");
    let began = Instant::now();
    while !http::is_emulator(&emulator.url) {
        if began.elapsed() > PATIENCE {
            return Err(failed(format!("{} does not respond; {}", emulator.url, tail(&mut log))));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(emulator)
}

fn tail(log: &mut File) -> String {
    let mut text = String::new();
    match log.rewind().and_then(|()| log.read_to_string(&mut text)) {
        Ok(_) if !text.trim().is_empty() => last_lines(&text),
        _ => "it printed nothing".to_owned(),
    }
}

/// An emulator that outlives the process that started it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pid: u32,
    url: String,
}

impl Kept {
    /// Reads what [`save`](Self::save) wrote; nothing where there is none.
    pub fn load(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// Remembers it in a file.
    pub fn save(&self, path: &Path) -> Result<(), EmulatorError> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|error| EmulatorError::io(folder, &error))?;
        let text = serde_json::to_vec_pretty(self).expect("plain data");
        std::fs::write(path, text).map_err(|error| EmulatorError::io(path, &error))
    }

    /// Whether it still answers.
    pub fn is_alive(&self) -> bool {
        http::is_emulator(&self.url)
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Says how long things take in it from now on.
    pub fn pace(&self, pace: Pace) -> Result<(), EmulatorError> {
        set(&self.url, &format!("pace={}", pace.word()))
    }

    /// Stops it, and waits until it is gone.
    pub fn stop(self) -> Result<(), EmulatorError> {
        // A process that does not answer as moto may be anybody's by now.
        let Some(pid) = i32::try_from(self.pid).ok().filter(|&pid| pid > 1 && self.is_alive()) else { return Ok(()) };
        // SAFETY: `kill` takes plain numbers and touches no memory of this process.
        unsafe { libc::kill(pid, libc::SIGTERM) };
        let began = Instant::now();
        while self.is_alive() {
            if began.elapsed() > Duration::from_secs(10) {
                let reason = format!("process {pid} at {} does not stop; stop it by hand", self.url);
                return Err(EmulatorError::Start { reason });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}
