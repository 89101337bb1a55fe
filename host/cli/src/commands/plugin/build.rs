//! `llmhost plugin build`.

use std::path::Path;

use llmhost_authoring::Project;
use llmhost_engine::pipeline::Trust;
use serde_json::json;

use super::{blocking, failed};
use crate::app::{self, Console};
use crate::args::Build;
use crate::failure::Failure;
use crate::view::style;

/// Builds a project to a component. One that cannot be loaded, or that uses more than the project says, does not take
/// the place of the one before.
pub(crate) async fn build(args: Build) -> Result<(), Failure> {
    let console = Console::new(args.json);
    let teller = console.clone();
    let (project, built) = blocking(move || {
        let project = Project::open(&args.dir)?;
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
    let checked = check(&project, &new, &console).await;
    let found = match checked {
        Ok(found) => found,
        Err(failure) => {
            let _ = std::fs::remove_file(&new);
            return Err(failure);
        }
    };
    std::fs::rename(&new, &path).map_err(|error| unwritable(&path, &error))?;
    let grants: Vec<&str> = found.grants.iter().map(String::as_str).chain(found.unsaid.iter().copied()).collect();
    if args.json {
        let all = json!({ "plugin": path, "bytes": component.len(), "sha256": found.sha256, "grants": grants });
        app::print(&format!("{all}\n"));
        return Ok(());
    }
    let (good, faint) = (style::GOOD, style::FAINT);
    let size = size(component.len());
    let wants = if grants.is_empty() { "nothing".to_owned() } else { grants.join(", ") };
    app::print(&format!(
        "{good}Built{good:#} {} ({size})\n{faint}sha256 {}{faint:#}\nwants granted {wants}\n",
        path.display(),
        found.sha256
    ));
    Ok(())
}

/// Loads the component as a pipeline would.
async fn check(project: &Project, component: &Path, console: &Console) -> Result<llmhost_sandbox::Inspected, Failure> {
    let loader = app::loader(console, &Trust::default())?;
    let found = loader.inspect(&component.to_string_lossy(), Path::new("/")).await;
    let found = found.map_err(|error| Failure::plugin(error, "Mend the plugin and build again."))?;
    let unsaid = found.unsaid.iter().map(|interface| (*interface).to_owned());
    let grants: Vec<String> = found.grants.iter().cloned().chain(unsaid).collect();
    project.uses.check(&grants).map_err(|error| failed(&error))?;
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
