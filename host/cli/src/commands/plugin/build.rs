//! `llmhost plugin build`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use llmhost_authoring::{Project, World};
use llmhost_engine::pipeline::Trust;
use llmhost_sandbox::{Functions, Inspected};
use serde_json::json;

use super::{blocking, failed};
use crate::app::{self, Console};
use crate::args::Build;
use crate::failure::Failure;
use crate::view::style;

/// Builds a project, and says what came of it.
pub(crate) async fn build(args: Build) -> Result<(), Failure> {
    let Component { path, bytes, found } = built(&args.dir, &Console::new(args.json), None).await?;
    let grants: Vec<&str> = found.grants.iter().map(String::as_str).chain(found.unsaid.iter().copied()).collect();
    if args.json {
        let all = json!({ "plugin": path, "bytes": bytes, "sha256": found.sha256, "grants": grants });
        app::print(&format!("{all}\n"));
        return Ok(());
    }
    let (good, faint) = (style::GOOD, style::FAINT);
    let wants = if grants.is_empty() { "nothing".to_owned() } else { grants.join(", ") };
    app::print(&format!(
        "{good}Built{good:#} {} ({})\n{faint}sha256 {}{faint:#}\nwants granted {wants}\n",
        path.display(),
        size(bytes),
        found.sha256
    ));
    Ok(())
}

/// What was built.
pub(super) struct Component {
    path: PathBuf,
    bytes: usize,
    found: Inspected,
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
        message: format!("what was built is no plugin: {reason}"),
        help: "The plugin has to export what the world in wit/world.wit exports.".to_owned(),
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
) -> Result<Inspected, Failure> {
    let loader = app::loader_with(console, &Trust::default(), functions)?;
    let found = loader.inspect(&component.to_string_lossy(), Path::new("/")).await;
    let found = found.map_err(|error| Failure::plugin(error, "Correct the plugin and build again."))?;
    let unsaid = found.unsaid.iter().map(|interface| (*interface).to_owned());
    let grants: Vec<String> = found.grants.iter().cloned().chain(unsaid).collect();
    // What a provider reaches is the pipeline file's to say, and no import shows it.
    if let World::Step(uses) = &project.world {
        uses.check(&grants).map_err(|error| failed(&error))?;
    }
    Ok(found)
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
