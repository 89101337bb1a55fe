//! `llmhost plugin build`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use llmhost_authoring::{Project, World};
use llmhost_engine::pipeline::Trust;
use llmhost_engine::plugin::LoadError;
use llmhost_sandbox::{Functions, Inspected, InspectedProvider};
use serde_json::json;

use super::{blocking, failed};
use crate::app::{self, Console};
use crate::args::Build;
use crate::failure::Failure;
use crate::view::style;

/// Builds a project, and says what came of it.
pub(crate) async fn build(args: Build) -> Result<(), Failure> {
    let Component { path, bytes, found: Found { sha256, wants } } =
        built(&args.dir, &Console::new(args.json), None).await?;
    if args.json {
        let all = json!({ "plugin": path, "bytes": bytes, "sha256": sha256, "grants": wants.unwrap_or_default() });
        app::print(&format!("{all}\n"));
        return Ok(());
    }
    let (good, faint) = (style::GOOD, style::FAINT);
    let wants = match wants.as_deref() {
        Some([]) => "needs no grants".to_owned(),
        Some(grants) => format!("wants granted {}", grants.join(", ")),
        None => format!("its kinds: llmhost plugin inspect {}", path.display()),
    };
    app::print(&format!(
        "{good}Built{good:#} {} ({})\n{faint}sha256 {sha256}{faint:#}\n{wants}\n",
        path.display(),
        size(bytes),
    ));
    Ok(())
}

/// What was seen of a component when it was loaded.
struct Found {
    sha256: String,
    /// The grants that a plugin needs. What a provider reaches is the pipeline file's to say, and no import shows it.
    wants: Option<Vec<String>>,
}

/// What was built.
pub(super) struct Component {
    path: PathBuf,
    bytes: usize,
    found: Found,
}

/// Builds a project to a component. One that cannot be loaded, or that uses more than the project says, does not take
/// the place of the one before.
pub(super) async fn built(
    folder: &Path,
    console: &Console,
    functions: Option<Arc<Functions>>,
) -> Result<Component, Failure> {
    let (teller, folder) = (console.clone(), folder.to_owned());
    let (project, built) = blocking(move || {
        let project = Project::open(&folder)?;
        let built = llmhost_authoring::build(&project, &|line| teller.note(line))?;
        Ok((project, built))
    })
    .await?;
    let component = llmhost_sandbox::component(&built.bytes).map_err(|reason| Failure::Other {
        message: format!("the built file is not a plugin: {reason}"),
        help: "The plugin must export what the world in wit/world.wit exports.".to_owned(),
        status: 1,
    })?;
    let (path, new) = (project.component(), project.component().with_extension("wasm.new"));
    write(&new, &component)?;
    let found = match check(&project, &new, console, functions).await {
        Ok(found) => found,
        Err(failure) => {
            let _ = std::fs::remove_file(&new);
            return Err(failure);
        }
    };
    std::fs::rename(&new, &path).map_err(|error| unwritable(&path, &error))?;
    Ok(Component { path, bytes: component.len(), found })
}

/// Loads the component as a pipeline would.
async fn check(
    project: &Project,
    component: &Path,
    console: &Console,
    functions: Option<Arc<Functions>>,
) -> Result<Found, Failure> {
    let loader = app::loader_with(console, &Trust::default(), functions)?;
    let wrong = |error: LoadError| Failure::plugin(error, "Correct the plugin and build again.");
    let (uses, base) = (component.to_string_lossy(), Path::new("/"));
    match &project.world {
        World::Provider => {
            let found = loader.inspect_provider(&uses, base).await.map_err(wrong)?;
            let InspectedProvider { described, sha256, .. } = found.ok_or_else(|| {
                let reason = "it exports no kinds".to_owned();
                wrong(LoadError::NotAPlugin { path: project.component().display().to_string(), reason })
            })?;
            llmhost_provider::check(&described).map_err(|reason| {
                let uses = project.component().display().to_string();
                wrong(LoadError::BadDescription { uses, reason, crash: None })
            })?;
            Ok(Found { sha256, wants: None })
        }
        World::Step(uses_of_it) => {
            let Inspected { grants, unsaid, sha256, .. } = loader.inspect(&uses, base).await.map_err(wrong)?;
            let grants: Vec<String> = grants.into_iter().chain(unsaid.into_iter().map(str::to_owned)).collect();
            uses_of_it.check(&grants).map_err(|error| failed(&error))?;
            Ok(Found { sha256, wants: Some(grants) })
        }
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    made.and_then(|()| std::fs::write(path, bytes)).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Other {
        message: format!("cannot write {}: {error}", path.display()),
        help: "Check `output` in llmhost-plugin.toml.".to_owned(),
        status: 1,
    }
}

fn size(bytes: usize) -> String {
    const KILO: usize = 1 << 10;
    const MEGA: usize = 1 << 20;
    match bytes {
        0..MEGA => format!("{} kB", bytes.div_ceil(KILO)),
        _ => format!("{:.1} MB", bytes as f64 / MEGA as f64),
    }
}
