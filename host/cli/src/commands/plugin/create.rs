//! `llmhost plugin new` and `llmhost plugin wit`.

use std::fmt::Write;
use std::path::PathBuf;

use llmhost_authoring::{Project, Uses, World};

use super::{blocking, failed};
use crate::app::{self, Console};
use crate::args::{New, Wit};
use crate::failure::Failure;
use crate::view::style;

/// Makes a project.
pub(crate) async fn create(args: New) -> Result<(), Failure> {
    let world = match args.provider {
        true => World::Provider,
        false => World::Step(Uses::parse(&args.uses).map_err(|error| failed(&error))?),
    };
    let folder = args.dir.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    let (name, language, shown) = (args.name, args.language, folder.clone());
    let created = blocking(move || llmhost_authoring::create(&name, language, &world, &folder)).await?;
    let (good, faint) = (style::GOOD, style::FAINT);
    let mut text = format!("{good}Created{good:#} {} in {}\n", created.project.name, shown.display());
    for file in &created.files {
        let _ = writeln!(text, "  {faint}{file}{faint:#}");
    }
    if let World::Step(uses) = &created.project.world {
        let _ = write!(text, "It uses {}. ", uses.names().collect::<Vec<_>>().join(", "));
    }
    let _ = writeln!(text, "Next:\n  llmhost plugin build {}", shown.display());
    app::print(&text);
    Ok(())
}

/// Writes a project's WIT anew.
pub(crate) async fn wit(args: Wit) -> Result<(), Failure> {
    let console = Console::new(false);
    let uses = match &args.uses[..] {
        [] => None,
        names => Some(Uses::parse(names).map_err(|error| failed(&error))?),
    };
    let project = blocking(move || {
        let mut project = Project::open(&args.dir)?;
        llmhost_authoring::refresh(&mut project, uses, &|line| console.note(line))?;
        Ok(project)
    });
    let uses = match project.await?.world {
        World::Step(uses) => uses.names().map(str::to_owned).collect::<Vec<_>>(),
        World::Provider => {
            app::print("A provider can access what the pipeline file grants it.\n");
            return Ok(());
        }
    };
    let uses = if uses.is_empty() { "no capability".to_owned() } else { uses.join(", ") };
    app::print(&format!("The plugin can use {uses}.\n"));
    Ok(())
}
