//! A pipeline's life, disturbed: its process is killed, its calls fail, and it has to come to the
//! same end as if nothing had happened.

mod world;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use llmhost_emulator::Emulator;
use llmhost_emulator::testing::RecordingProxy;
pub use world::World;

use super::{ACCESS_KEY, SECRET_KEY, Scene, emulator, repository};

const HEAD: &str = r#"
[pipeline]
name   = "torture"
region = "us-east-1"
"#;

/// Networks, roles and buckets: what AWS has no client tokens for.
pub const BASE: &str = r#"

[steps.network]
uses = "vpc"
with = { name = "torture", cidr = "10.0.0.0/16", azs = 1, nat = "single" }

[steps.roles]
uses = "iam"
with = { cluster_role = "ClusterRole", node_role = "NodeRole" }

[steps.models]
uses = "s3"
with = { bucket = "torture-models", force_destroy = true, upload = [{ source = "model", prefix = "model" }] }
"#;

/// A cluster with nodes, and a model server in it.
pub const STACK: &str = r#"
[secrets]
api_key = { file = "key.txt" }

[steps.network]
uses = "vpc"
with = { name = "torture", cidr = "10.0.0.0/16", azs = 2, nat = "single", cluster = "llm" }

[steps.roles]
uses = "iam"
with = { cluster_role = "ClusterRole", node_role = "NodeRole" }

[steps.cluster]
uses = "eks"
with = { name = "llm", role_arn = "${roles.cluster_role_arn}", subnet_ids = "${network.subnet_ids}" }

[steps.cpu]
uses = "nodegroup"
[steps.cpu.with]
name           = "cpu"
cluster        = "${cluster.name}"
role_arn       = "${roles.node_role_arn}"
subnet_ids     = "${network.private_subnet_ids}"
instance_types = ["t3.medium"]
min            = 1
max            = 1

[steps.identity]
uses = "irsa"
with = { cluster = "${cluster.name}", namespace = "models", service_account = "model", bucket = "models", prefix = "demo", mode = "pod-identity" }

[steps.model]
uses = "inference"
[steps.model.with]
cluster         = "${cluster.name}"
namespace       = "${identity.namespace}"
service_account = "${identity.service_account}"
image           = "example.com/llmhost:1"
model           = "s3://models/demo"
device          = "cpu"
cpu             = "500m"
memory          = "1Gi"
api_key         = "${secrets.api_key}"
"#;
const FILE: &str = "pipeline.toml";
const JOURNAL: &str = ".llmhost/torture/journal.jsonl";
/// However disturbed: a command that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// What happens to a command.
pub enum Disturbance {
    /// It is killed at a call that changes something: before the service sees it, or after.
    KillAt { call: usize, after: bool },
    /// It is killed after a time.
    KillIn(Duration),
    /// Its calls fail, as the seed has it.
    Faults(u64),
}

/// How a disturbed command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As if nothing had happened.
    Whole,
    /// It said why it could not go on.
    Stopped,
    Killed,
}

/// An independent client that looks again and again.
struct Looker {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Drop for Looker {
    fn drop(&mut self) {
        // It ends with its input, too.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Looker {
    fn start(url: &str) -> Self {
        let mut command = Command::new(llmhost_emulator::python().expect("the emulator's Python is there"));
        command.arg(repository().join("tests/support/look.py")).args([url, "us-east-1", "each-line"]);
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
        let (to, from) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        Self { child, to, from: BufReader::new(from) }
    }

    fn look(&mut self) -> World {
        let mut line = String::new();
        writeln!(self.to).and_then(|()| self.from.read_line(&mut line)).expect("the client looks");
        World::of(&serde_json::from_str(&line).expect("the client prints JSON"))
    }
}

/// A place where lives are lived, one after another.
pub struct Chamber {
    /// The steps of the pipeline.
    steps: &'static str,
    emulator: Emulator,
    proxy: RecordingProxy,
    looker: Looker,
    scene: Scene,
    /// Before anything was made.
    pub empty: World,
    /// After an undisturbed run.
    pub whole: World,
    /// Calls that change something, of an undisturbed run and destroy, and how long each took.
    pub calls: [usize; 2],
    pub times: [Duration; 2],
}

/// `run` or `destroy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    Run,
    Destroy,
}

impl Chamber {
    /// Starts an emulator and lives an undisturbed life of a pipeline with these steps in it.
    pub async fn open(steps: &'static str) -> Self {
        let emulator = emulator().await;
        let proxy = RecordingProxy::start(emulator.url()).await.expect("a free port");
        let mut looker = Looker::start(emulator.url());
        let scene = Scene::new();
        scene.write(FILE, format!("{HEAD}{steps}"));
        scene.write("key.txt", "the key of a torture");
        scene.write("model/config.json", "{}");
        let empty = looker.look();
        let (calls, times) = ([0; 2], [Duration::ZERO; 2]);
        let mut chamber = Self { steps, emulator, proxy, looker, scene, whole: empty.clone(), empty, calls, times };
        for (at, doing) in [Doing::Run, Doing::Destroy].into_iter().enumerate() {
            chamber.proxy.forget();
            let began = Instant::now();
            chamber.undisturbed(doing).await.expect("nothing disturbs it");
            chamber.times[at] = began.elapsed();
            chamber.calls[at] = chamber.proxy.mutating();
            match doing {
                Doing::Run => chamber.whole = chamber.looker.look(),
                Doing::Destroy => assert!(chamber.empty.difference(&chamber.looker.look()).is_none()),
            }
        }
        assert!(chamber.whole.len() > chamber.empty.len() + 10, "the pipeline makes something");
        chamber
    }

    /// Lives a life with this disturbance, and gives how the disturbed command ended, or what was
    /// wrong. The undisturbed commands after it have to bring the world to where it belongs.
    pub async fn live(&mut self, doing: Doing, disturbance: Disturbance, torn: bool) -> Result<End, String> {
        if doing == Doing::Destroy {
            self.undisturbed(Doing::Run).await?;
        }
        let end = self.disturbed(doing, &disturbance).await?;
        if torn && end == End::Killed {
            self.tear();
        }
        self.undisturbed(doing).await?;
        self.compare(doing)?;
        if doing == Doing::Run {
            self.undisturbed(Doing::Destroy).await?;
            self.compare(Doing::Destroy)?;
        }
        Ok(end)
    }

    /// A new world, and no state.
    pub async fn renew(&mut self) {
        *self = Self::open(self.steps).await;
    }

    fn compare(&mut self, after: Doing) -> Result<(), String> {
        let wanted = if after == Doing::Run { &self.whole } else { &self.empty };
        let difference = wanted.difference(&self.looker.look());
        if difference.is_none() { Ok(()) } else { Err(format!("after the {after:?}: {difference:#?}")) }
    }

    fn command(&self, doing: Doing, url: &str) -> Command {
        let verb = if doing == Doing::Run { "run" } else { "destroy" };
        let mut command = self.scene.command(&[verb, FILE, "--yes", "--endpoint-url", url]);
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    async fn undisturbed(&self, doing: Doing) -> Result<(), String> {
        let child = self.command(doing, self.proxy.url()).spawn().expect("llmhost starts");
        let output = wait(child).await?;
        if output.status.success() {
            Ok(())
        } else {
            Err(format!("the undisturbed {doing:?} failed: {}", said(&output)))
        }
    }

    async fn disturbed(&self, doing: Doing, disturbance: &Disturbance) -> Result<End, String> {
        let victim = Arc::new(AtomicU32::new(0));
        let kill = {
            let victim = Arc::clone(&victim);
            move || kill(victim.load(Ordering::SeqCst))
        };
        match disturbance {
            Disturbance::KillAt { call, after } => self.proxy.at(*call, *after, kill.clone()),
            Disturbance::Faults(seed) => self.proxy.mix(*seed, 8),
            Disturbance::KillIn(_) => {}
        }
        let mut command = self.command(doing, self.proxy.url());
        if matches!(disturbance, Disturbance::Faults(_)) {
            // Some calls are never answered.
            command.args(["--call-timeout", "2"]);
        }
        let child = command.spawn().expect("llmhost starts");
        victim.store(child.id(), Ordering::SeqCst);
        let output = if let Disturbance::KillIn(time) = disturbance {
            let killer = tokio::spawn({
                let time = *time;
                async move {
                    tokio::time::sleep(time).await;
                    kill();
                }
            });
            let output = wait(child).await;
            // Whoever ended in time must not be hit: its number may be another's by now.
            killer.abort();
            output
        } else {
            wait(child).await
        };
        self.proxy.clear();
        let output = output?;
        let words = said(&output);
        match output.status.code() {
            _ if words.contains("panicked at") => Err(words),
            Some(0) => Ok(End::Whole),
            Some(_) if words.contains("error") => Ok(End::Stopped),
            Some(status) => Err(format!("it ended with {status} and no reason: {words}")),
            None => Ok(End::Killed),
        }
    }

    /// As a crash leaves a line that was being written.
    fn tear(&self) {
        let path = self.scene.path(JOURNAL);
        let Ok(text) = std::fs::read_to_string(&path) else { return };
        if let Some(line) = text.lines().last() {
            let half: String = line.chars().take(line.chars().count() / 2).collect();
            std::fs::write(&path, text.clone() + &half).expect("the journal can be written");
        }
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn kill(id: u32) {
    let id = i32::try_from(id).expect("the number of a process");
    // SAFETY: a plain system call. The process is this one's child and was not waited for yet.
    unsafe { libc::kill(id, libc::SIGKILL) };
}

/// Waits for a command; one that hangs is an error.
async fn wait(child: Child) -> Result<Output, String> {
    let id = child.id();
    let output = tokio::task::spawn_blocking(move || child.wait_with_output());
    match tokio::time::timeout(PATIENCE, output).await {
        Ok(output) => output.expect("no panic").map_err(|error| error.to_string()),
        Err(_) => {
            kill(id);
            Err("it hangs".to_owned())
        }
    }
}
