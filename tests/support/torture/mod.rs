//! A pipeline's life, disturbed: its process is killed, its calls fail, and it has to come to the
//! same end as if nothing had happened.

pub mod courses;
pub mod history;
pub mod journal;
mod looker;
pub mod pipelines;
pub mod process;
mod world;

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use journal::Watch;
use llmhost_emulator::Emulator;
use llmhost_emulator::testing::RecordingProxy;
use looker::Looker;
use pipelines::{HEAD, STATES, Subject};
use process::{kill, said, succeed, wait};
pub use world::World;

use super::{Scene, emulator, look_after};

const FILE: &str = "pipeline.toml";
const JOURNAL: &str = ".llmhost/torture/journal.jsonl";

/// What happens to a command.
pub enum Disturbance {
    /// It is killed at a call that changes something: before the service sees it, or after.
    KillAt { call: usize, after: bool },
    /// It is killed when its journal has so many lines.
    KillAtLine(usize),
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

/// A place where lives are lived, one after another.
pub struct Chamber {
    subject: Subject,
    emulator: Emulator,
    proxy: RecordingProxy,
    looker: Looker,
    scene: Scene,
    /// Whose credentials the commands have.
    key: [String; 2],
    /// Before anything was made.
    pub empty: World,
    /// After an undisturbed run.
    pub whole: World,
    /// Calls that change something, of an undisturbed run and destroy.
    pub calls: [usize; 2],
    /// How long a run and a destroy took when they were last undisturbed.
    pub times: [Duration; 2],
    /// Lines of the journal.
    pub lines: [usize; 2],
}

/// `run` or `destroy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    Run,
    Destroy,
}

impl Chamber {
    /// Starts an emulator and lives an undisturbed life in it.
    pub async fn open(subject: Subject) -> Self {
        let mut chamber = Self::with(subject).await;
        for (at, doing) in [Doing::Run, Doing::Destroy].into_iter().enumerate() {
            chamber.proxy.forget();
            let watch = Watch::start(chamber.scene.path(JOURNAL), usize::MAX, || ());
            chamber.timed(doing).await.expect("nothing disturbs it");
            chamber.lines[at] = watch.end();
            chamber.calls[at] = chamber.proxy.mutating();
            match doing {
                Doing::Run => chamber.whole = chamber.looker.look(),
                Doing::Destroy => assert!(chamber.empty.difference(&chamber.looker.look()).is_none()),
            }
        }
        assert!(chamber.whole.len() > chamber.empty.len() + 10, "the pipeline makes something");
        chamber
    }

    /// An emulator with nothing in it, and a folder with the pipeline.
    async fn with(subject: Subject) -> Self {
        let emulator = emulator().await;
        let proxy = RecordingProxy::start(emulator.url()).await.expect("a free port");
        let mut looker = Looker::start(emulator.url());
        let scene = Scene::new();
        scene.write(FILE, format!("{HEAD}{}", subject.steps));
        scene.write("key.txt", "the key of a torture");
        scene.write("model/config.json", "{}");
        scene.write("keys/public.txt", "a key");
        if subject.in_bucket {
            look_after(emulator.url(), &["make-bucket", STATES]);
        }
        let empty = looker.look();
        let (whole, calls, times, lines) = (empty.clone(), [0; 2], [Duration::ZERO; 2], [0; 2]);
        let key = Self::root();
        Self { subject, emulator, proxy, looker, scene, key, whole, empty, calls, times, lines }
    }

    /// Lives a life with this disturbance, and gives how the disturbed command ended, or what was
    /// wrong. The undisturbed commands after it have to bring the world to where it belongs.
    pub async fn live(&mut self, doing: Doing, disturbance: Disturbance, torn: bool) -> Result<End, String> {
        if doing == Doing::Destroy {
            self.timed(Doing::Run).await?;
        }
        let end = self.disturbed(doing, &disturbance).await?;
        if torn && end == End::Killed {
            self.tear();
        }
        if self.subject.in_bucket {
            self.unlock().await?;
        }
        self.undisturbed(doing).await?;
        self.compare(doing)?;
        if doing == Doing::Run {
            self.timed(Doing::Destroy).await?;
            self.compare(Doing::Destroy)?;
        }
        Ok(end)
    }

    /// A whole undisturbed command. How long it takes changes with what else the machine does.
    async fn timed(&mut self, doing: Doing) -> Result<(), String> {
        let began = Instant::now();
        self.undisturbed(doing).await?;
        self.times[usize::from(doing == Doing::Destroy)] = began.elapsed();
        Ok(())
    }

    /// A new world, and no state.
    pub async fn renew(&mut self) {
        *self = Self::open(self.subject).await;
    }

    fn compare(&mut self, after: Doing) -> Result<(), String> {
        let wanted = if after == Doing::Run { &self.whole } else { &self.empty };
        let difference = wanted.difference(&self.looker.look());
        if difference.is_none() { Ok(()) } else { Err(format!("after the {after:?}: {difference:#?}")) }
    }

    fn command(&self, doing: Doing, url: &str) -> Command {
        let verb = if doing == Doing::Run { "run" } else { "destroy" };
        self.command_of(&[verb], url)
    }

    fn command_of(&self, verb: &[&str], url: &str) -> Command {
        let mut command = self.piped(&[verb, &[FILE, "--yes", "--endpoint-url", url]].concat());
        if self.subject.in_bucket {
            command.args(["--state", &format!("s3://{STATES}/torture")]);
        }
        command
    }

    /// Any command, with the chamber's credentials.
    fn piped(&self, args: &[&str]) -> Command {
        let mut command = self.scene.command(args);
        command.env("AWS_ACCESS_KEY_ID", &self.key[0]).env("AWS_SECRET_ACCESS_KEY", &self.key[1]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    async fn undisturbed(&self, doing: Doing) -> Result<(), String> {
        self.undisturbed_words(doing).await.map(drop)
    }

    /// The same, with what it printed.
    async fn undisturbed_words(&self, doing: Doing) -> Result<String, String> {
        succeed(&format!("the undisturbed {doing:?}"), self.command(doing, self.proxy.url())).await
    }

    /// Takes the lease of a process that is dead, instead of waiting for its end.
    async fn unlock(&self) -> Result<(), String> {
        succeed("state unlock", self.command_of(&["state", "unlock"], self.proxy.url())).await.map(drop)
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
            Disturbance::KillIn(_) | Disturbance::KillAtLine(_) => {}
        }
        let mut command = self.command(doing, self.proxy.url());
        if matches!(disturbance, Disturbance::Faults(_)) {
            // Some calls are never answered.
            command.args(["--call-timeout", "2"]);
        }
        let child = command.spawn().expect("llmhost starts");
        victim.store(child.id(), Ordering::SeqCst);
        let output = match disturbance {
            Disturbance::KillIn(time) => {
                let time = *time;
                let killer = tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    kill();
                });
                let output = wait(child).await;
                // Whoever ended in time must not be hit: its number may be another's by now.
                killer.abort();
                output
            }
            Disturbance::KillAtLine(lines) => {
                let _watch = Watch::start(self.scene.path(JOURNAL), *lines, kill);
                wait(child).await
            }
            Disturbance::KillAt { .. } | Disturbance::Faults(_) => wait(child).await,
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
