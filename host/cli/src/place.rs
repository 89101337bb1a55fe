//! Where a pipeline lives: AWS or the emulator, and the state that goes with it.
//!
//! Emulated and real resources never share a state. A kept emulator is remembered in
//! `.llmhost/NAME/emulator/`, beside the state of what was made in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use llmhost_emulator::{Emulator, Kept, Pace};
use llmhost_engine::kind::Permission;
use llmhost_engine::names::StepName;
use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::placement::Placement;
use llmhost_engine::registry::Registry;
use llmhost_engine::run;
use llmhost_engine::state::{Bucket, BucketStore, LeaseSettings, Shown, State, StateError, StateStore};
use llmhost_resources::{Aws, AwsSettings};

use crate::app::{self, Console};
use crate::args::{self, File, Where};
use crate::failure::Failure;
use crate::keep::{Keep, StatePlace};
use crate::renamed::Renamed;
use crate::saved::World;
use crate::view::{JsonLine, style};

/// Where a pipeline lives.
pub(crate) struct Place {
    pipeline: String,
    settings: AwsSettings,
    state: StatePlace,
    lease: Duration,
    emulation: Option<Emulation>,
    /// Whether AWS is asked for anything there.
    asks: bool,
    /// A state that may be the pipeline's, where it has none.
    renamed: Option<Renamed>,
    /// Steps that make what they make elsewhere. A state knows where the others did.
    placements: BTreeMap<StepName, Placement>,
    /// Every region that the file names; in an account of its own, as `account:region`.
    regions: BTreeSet<String>,
}

struct Emulation {
    keep: bool,
    /// The kept emulator's folder.
    folder: PathBuf,
    emulator: Option<Emulator>,
    kept: Option<Kept>,
    /// State of an emulator that goes with the run.
    temporary: Option<tempfile::TempDir>,
    destroyed: bool,
    pace: Pace,
}

impl Place {
    /// The place that the command line asks for. Touches nothing yet.
    pub(crate) fn new(pipeline: &Pipeline, file: &File, place: &Where) -> Result<Self, Failure> {
        if !(place.emulate || place.emulate_keep) {
            if place.emulate_pace.is_some() {
                let help = "Add --emulate, or remove --emulate-pace.";
                return Err(Failure::usage("--emulate-pace is for the emulator", help));
            }
            let mut real = Self::real(pipeline, file)?;
            real.settings.endpoint_url.clone_from(&place.endpoint_url);
            real.settings.profile.clone_from(&place.profile);
            if let Some(timeout) = place.call_timeout {
                real.settings.attempt_timeout = Duration::from_secs(timeout.into());
            }
            if let Some(wait) = place.wait_timeout {
                real.settings.wait = Duration::from_secs(wait.into());
            }
            if let Some(lease) = place.lease_seconds {
                real.lease = Duration::from_secs(lease.into());
            }
            return Ok(real);
        }
        if file.state.is_some() {
            let help = "Remove --state; the state of an emulator is kept with the emulator.";
            return Err(Failure::usage("--state cannot be used with --emulate", help));
        }
        let mut kept = Self::kept(pipeline, place.emulate_pace);
        if let Some(wait) = place.wait_timeout {
            kept.settings.wait = Duration::from_secs(wait.into());
            kept.settings.rollout_wait = Some(kept.settings.wait);
        }
        if let Some(timeout) = place.call_timeout {
            kept.settings.attempt_timeout = Duration::from_secs(timeout.into());
        }
        if let Some(emulation) = &mut kept.emulation {
            emulation.keep = place.emulate_keep;
        }
        Ok(kept)
    }

    /// AWS.
    pub(crate) fn real(pipeline: &Pipeline, file: &File) -> Result<Self, Failure> {
        let state = StatePlace::of(pipeline, file.state.as_ref(), &folder(pipeline))?;
        let usual = file.state.is_none() && pipeline.state.is_none();
        let renamed = usual.then(|| Renamed::find(pipeline)).flatten();
        Ok(Self { renamed, ..Self::at(pipeline, settings(pipeline), state, None) })
    }

    fn at(pipeline: &Pipeline, settings: AwsSettings, state: StatePlace, emulation: Option<Emulation>) -> Self {
        Self {
            pipeline: pipeline.name.clone(),
            settings,
            state,
            lease: LeaseSettings::TTL,
            emulation,
            asks: true,
            renamed: None,
            placements: pipeline
                .placements()
                .filter(|(_, placement)| !placement.is_own())
                .map(|(step, placement)| (step.clone(), placement.clone()))
                .collect(),
            regions: regions(pipeline),
        }
    }

    /// For what asks AWS nothing: an endpoint that is not given is none that would be asked.
    pub(crate) fn offline(mut self) -> Self {
        self.asks = false;
        self
    }

    /// The emulator, perhaps one that an earlier run kept.
    fn kept(pipeline: &Pipeline, pace: Option<args::Pace>) -> Self {
        let folder = folder(pipeline).join("emulator");
        let kept = Kept::load(&folder.join("emulator.json")).filter(Kept::is_alive);
        let state = StatePlace::Folder(folder.join("state"));
        let emulation = Emulation::new(folder, kept, pace);
        let mut settings = emulation.settings(pipeline);
        settings.endpoint_url = emulation.kept.as_ref().map(|kept| kept.url().to_owned());
        Self::at(pipeline, settings, state, Some(emulation))
    }

    /// An emulator of its own, whatever an earlier run kept.
    pub(crate) fn rehearsal(pipeline: &Pipeline, pace: Option<args::Pace>) -> Self {
        let emulation = Emulation::new(folder(pipeline).join("emulator"), None, pace);
        let state = StatePlace::Folder(PathBuf::new());
        Self::at(pipeline, emulation.settings(pipeline), state, Some(emulation))
    }

    /// Everything that is in the emulator.
    pub(crate) fn inventory(&self) -> Result<BTreeSet<String>, Failure> {
        let emulator = self.emulation.as_ref().and_then(|emulation| emulation.emulator.as_ref());
        let Some(emulator) = emulator else { return Ok(BTreeSet::new()) };
        let mut found = BTreeSet::new();
        for region in &self.regions {
            found.extend(emulator.inventory(region)?);
        }
        Ok(found)
    }

    /// How long others wait for one who died with the state in hand.
    pub(crate) fn lease(&self) -> Duration {
        self.lease
    }

    /// How to reach AWS there.
    pub(crate) fn settings(&self) -> AwsSettings {
        self.settings.clone()
    }

    /// Where a plan for this place may be applied.
    pub(crate) fn world(&self) -> World {
        let emulator = self.is_emulated().then(|| "emulator".to_owned());
        World {
            region: self.settings.region.clone(),
            endpoint: emulator.or_else(|| self.settings.endpoint_url.clone()),
            state: match &self.state {
                StatePlace::Folder(_) => None,
                StatePlace::S3(address) => Some(address.to_string()),
            },
        }
    }

    /// Whether AWS is asked for anything there.
    pub(crate) fn asks(&self) -> bool {
        self.asks
    }

    /// Whether nothing there is real.
    pub(crate) fn is_emulated(&self) -> bool {
        self.emulation.is_some()
    }

    /// Whether what is made there may cost money: an endpoint on this machine bills nobody.
    pub(crate) fn is_real(&self) -> bool {
        let is_here = |url: &String| url::Url::parse(url).is_ok_and(|url| is_loopback(&url));
        !self.is_emulated() && !self.settings.endpoint_url.as_ref().is_some_and(is_here)
    }

    /// The state as it is, without a lock and without writing anything. One that belongs elsewhere is refused.
    pub(crate) async fn read(&self) -> Result<State, Failure> {
        let state = self.look().await?;
        self.admit(&state).await?;
        Ok(state)
    }

    /// As `read`, wherever the state belongs.
    pub(crate) async fn look(&self) -> Result<State, Failure> {
        self.has_begun()?;
        match &self.emulation {
            // What an emulator made went with it.
            Some(Emulation { kept: None, .. }) => Ok(State { pipeline: self.pipeline.clone(), ..State::default() }),
            _ => self.here(self.keep().read(&self.pipeline).await?),
        }
    }

    /// Refuses to take a state that still has the pipeline's old name for none.
    fn has_begun(&self) -> Result<(), Failure> {
        self.renamed.as_ref().map_or(Ok(()), |renamed| Err(renamed.refusal()))
    }

    /// Refuses a state that is kept elsewhere now.
    fn here(&self, state: State) -> Result<State, Failure> {
        match state.moved_to {
            Some(to) => Err(StateError::MovedAway { path: self.keep().address(), to }.into()),
            None => {
                state.hide_sensitive();
                Ok(state)
            }
        }
    }

    /// Refuses a state that belongs to another world, as far as that is known without a call.
    async fn admit(&self, state: &State) -> Result<(), Failure> {
        Ok(run::check_world(&self.registry(), state, self.asks).await?)
    }

    /// The kinds of resources, as they are made there.
    pub(crate) fn registry(&self) -> Arc<Registry> {
        self.placed(&llmhost_resources::registry(Arc::new(Aws::new(self.settings()))))
    }

    /// Kinds of resources with the placements of all steps.
    pub(crate) fn placed(&self, kinds: &Registry) -> Arc<Registry> {
        kinds.placed(&self.placements)
    }

    /// Where the state is kept.
    pub(crate) fn keep(&self) -> Keep {
        self.state.keep(&self.settings)
    }

    /// What the state needs in IAM.
    pub(crate) fn state_permissions(&self) -> Vec<Permission> {
        match &self.state {
            StatePlace::Folder(_) => Vec::new(),
            StatePlace::S3(address) => address.permissions(&self.settings.region),
        }
    }

    /// Starts the emulator where one is wanted and none is kept, and opens the state. One that belongs
    /// elsewhere is refused.
    pub(crate) async fn open(&mut self, console: &Console, command: &str) -> Result<Arc<dyn StateStore>, Failure> {
        if let Some(emulation) = &mut self.emulation {
            self.settings.endpoint_url = Some(emulation.start(console).await?);
            if let Some(temporary) = &emulation.temporary {
                self.state = StatePlace::Folder(temporary.path().to_owned());
            }
        }
        let store = self.open_state(console, command).await?;
        if let Err(failure) = self.admit(&store.snapshot()).await {
            app::close(&*store, console, Err(failure)).await?;
        }
        Ok(store)
    }

    /// Breaks the lease of the run that was shown. Whoever held it is fenced off by the one who
    /// opens the state next: that is done now.
    pub(crate) async fn break_lease(
        &self,
        console: &Console,
        bucket: Arc<dyn Bucket>,
        shown: &Shown,
    ) -> Result<(), Failure> {
        let settings = LeaseSettings { command: "state unlock".to_owned(), ttl: self.lease, by_force: true };
        let (store, notes) = BucketStore::break_lease(bucket, &self.pipeline, settings, shown).await?;
        notes.iter().for_each(|note| console.note(&note.to_string()));
        Ok(store.close().await?)
    }

    /// Opens the state, wherever it belongs.
    pub(crate) async fn open_state(&self, console: &Console, command: &str) -> Result<Arc<dyn StateStore>, Failure> {
        self.has_begun()?;
        let keep = self.keep();
        let open = keep.open(&self.pipeline, command, self.lease);
        let (store, notes) = console.during("opening the state", open).await?;
        notes.iter().for_each(|note| console.note(&note.to_string()));
        if let Err(failure) = self.here(store.snapshot()) {
            app::close(&*store, console, Err(failure)).await?;
        }
        Ok(store)
    }

    /// As `open`, but an emulator must be there already.
    pub(crate) async fn open_kept(&mut self, console: &Console, command: &str) -> Result<Arc<dyn StateStore>, Failure> {
        if let Some(Emulation { kept: None, .. }) = &self.emulation {
            let message = format!("there is no kept emulator for '{}'", self.pipeline);
            let help = "Run with --emulate-keep to keep one.".to_owned();
            return Err(Failure::Other { message, help, status: 1 });
        }
        self.open(console, command).await
    }

    /// Everything there is gone; a kept emulator has no more to keep.
    pub(crate) fn destroyed(&mut self) {
        if let Some(emulation) = &mut self.emulation {
            emulation.destroyed = true;
        }
    }

    /// Stops the emulator, or keeps it.
    pub(crate) async fn leave(&mut self, console: &Console) -> Result<(), Failure> {
        match self.emulation.take() {
            Some(emulation) => emulation.leave(console, &self.settings).await,
            None => Ok(()),
        }
    }
}

impl Emulation {
    fn new(folder: PathBuf, kept: Option<Kept>, pace: Option<args::Pace>) -> Self {
        let pace = match pace {
            Some(args::Pace::Real) => Pace::Real,
            Some(args::Pace::Fast) | None => Pace::Fast,
        };
        Self { keep: false, folder, emulator: None, kept, temporary: None, destroyed: false, pace }
    }

    /// How to reach it, with credentials that are worth nothing anywhere else, and what to expect of it.
    fn settings(&self, pipeline: &Pipeline) -> AwsSettings {
        let mut settings = settings(pipeline);
        settings.access_key = Some(emulator_key());
        settings.placeholder_secrets = true;
        if self.pace == Pace::Fast {
            // What is in the way stays in the way, and pods that do not start at once never do.
            settings.wait = Duration::from_secs(if llmhost_emulator::has_real_clusters() { 60 } else { 5 });
            settings.rollout_wait = Some(settings.wait);
        }
        settings
    }

    async fn start(&mut self, console: &Console) -> Result<String, Failure> {
        if let Some(kept) = &self.kept {
            console.note(&format!("Using the emulator that an earlier run kept, at {}.", kept.url()));
            kept.pace(self.pace)?;
            return Ok(kept.url().to_owned());
        }
        let note = |text: &str| console.note(text);
        let emulator = console.during("starting the emulator", Emulator::start(&note)).await?;
        emulator.pace(self.pace)?;
        let url = emulator.url().to_owned();
        if self.keep {
            // What an earlier one held went with it.
            remove(&self.folder)?;
        } else {
            self.temporary = Some(tempfile::tempdir().map_err(|error| folder_failure("a temporary folder", &error))?);
        }
        self.emulator = Some(emulator);
        Ok(url)
    }

    async fn leave(self, console: &Console, settings: &AwsSettings) -> Result<(), Failure> {
        if let Some(kept) = self.kept {
            if self.destroyed && !self.keep {
                kept.stop()?;
                remove(&self.folder)?;
            }
            return Ok(());
        }
        let Some(emulator) = self.emulator else { return Ok(()) };
        if !self.keep {
            emulator.stop()?;
            return Ok(());
        }
        let kept = emulator.keep();
        kept.save(&self.folder.join("emulator.json"))?;
        let text = || {
            let name = style::NAME;
            let (url, region) = (kept.url(), &settings.region);
            format!(
                "{name}The emulator keeps running{name:#} at {url}; use any AWS client with it:\n  \
                 AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={} aws --endpoint-url {url} --region {region} ec2 describe-vpcs\n\
                 Use kubectl with its clusters:\n  llmhost kubeconfig FILE --emulate -o kubeconfig; kubectl --kubeconfig kubeconfig get pods -A\n\
                 Later runs with --emulate use it. Stop it: llmhost destroy FILE --emulate\n",
                llmhost_emulator::ACCESS_KEY_ID,
                llmhost_emulator::SECRET_ACCESS_KEY,
            )
        };
        console.result(text, &JsonLine::Emulator { url: kept.url(), kept: true });
        Ok(())
    }
}

/// Where an emulator has something of a pipeline.
fn regions(pipeline: &Pipeline) -> BTreeSet<String> {
    let own = std::iter::once(pipeline.region.clone());
    let of_steps = pipeline.placements().map(|(_, placement)| placement);
    let placed = of_steps.chain(pipeline.existing.iter().map(|one| &one.placement)).map(|placement| {
        let region = placement.region_in(&pipeline.region);
        match placement.account_of_role() {
            Some(account) => format!("{account}:{region}"),
            None => region.to_owned(),
        }
    });
    own.chain(placed).collect()
}

fn settings(pipeline: &Pipeline) -> AwsSettings {
    AwsSettings { region: pipeline.region.clone(), secrets: pipeline.secrets.clone(), ..AwsSettings::default() }
}

/// The access key of every emulator, which is worth nothing anywhere else.
pub(crate) fn emulator_key() -> (String, String) {
    (llmhost_emulator::ACCESS_KEY_ID.to_owned(), llmhost_emulator::SECRET_ACCESS_KEY.to_owned())
}

fn folder(pipeline: &Pipeline) -> PathBuf {
    folder_of(pipeline, &pipeline.name)
}

/// Where the state of a pipeline of this name is kept beside the file, where nobody says otherwise.
pub(crate) fn folder_of(pipeline: &Pipeline, name: &str) -> PathBuf {
    pipeline.base.join(".llmhost").join(name)
}

fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn remove(folder: &Path) -> Result<(), Failure> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(folder_failure(&folder.display().to_string(), &error))
        }
        _ => Ok(()),
    }
}

fn folder_failure(what: &str, error: &std::io::Error) -> Failure {
    let help = "Check that the folder is writable.".to_owned();
    Failure::Other { message: format!("cannot use {what}: {error}"), help, status: 1 }
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn an_address_of_this_machine_is_told_from_others() {
        let found = |url: &str| is_loopback(&url::Url::parse(url).expect("an address"));
        let here = ["http://127.0.0.1:4566", "http://localhost:5000/x", "http://[::1]:1", "http://s3.localhost"];
        assert!(here.iter().all(|url| found(url)));
        let others = ["https://vpce-1.eks.eu-west-1.vpce.amazonaws.com", "http://localhost.example", "http://10.0.0.1"];
        assert!(!others.iter().any(|url| found(url)));
    }
}
