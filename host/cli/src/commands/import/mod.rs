//! `llmhost import`: resources that exist become the pipeline's.

mod all;

use llmhost_engine::names::ResourceAddress;
use llmhost_engine::plan::{FieldChange, plain};
use llmhost_engine::run::{self, Existing, ImportError};

use crate::app::{self, Console};
use crate::args::{Adopt, Import};
use crate::failure::Failure;
use crate::looked_up;
use crate::place::Place;
use all::Whose;

/// Takes resources into the state.
pub(crate) async fn import(args: Import) -> Result<(), Failure> {
    let console = Console::new(args.json);
    let pipeline = app::pipeline(&args.at.file)?;
    let one = one_of(&args)?;
    let mut place = Place::new(&pipeline, &args.at.file, &args.at.place)?;
    let store = place.open_kept(&console, "import").await?;
    let work = async {
        let engine = app::engine(pipeline, &args.at.file, place.settings(), &told(&console), 10).await?;
        let engine = if place.is_emulated() { engine } else { app::locked(engine)? };
        let engine = looked_up::asking(engine, &place);
        let Some((address, existing)) = one else {
            return all::all(&engine, &*store, &console, !(args.yes || place.is_emulated()), Whose::Own).await;
        };
        let from = args.from_pipeline.as_deref();
        let imported = run::import(&engine, &*store, &address, &existing, from).await.map_err(failure)?;
        app::print(&format!("Imported {} as {}.\n", plain(&imported.id), imported.address));
        app::print(&fields(&imported.differs));
        app::print(match imported.differs.is_empty() {
            true => "It is as declared; the next run adds the pipeline's tags.\n",
            false => "The next run updates it to match the file.\n",
        });
        Ok(())
    };
    let result = app::close(&*store, &console, console.hear(work).await).await;
    place.leave(&console).await?;
    result
}

/// Takes over what others made and the file declares.
pub(crate) async fn adopt(args: Adopt) -> Result<(), Failure> {
    let console = Console::new(args.json);
    let pipeline = app::pipeline(&args.at.file)?;
    let mut place = Place::new(&pipeline, &args.at.file, &args.at.place)?;
    let store = place.open_kept(&console, "adopt").await?;
    let work = async {
        let engine = app::engine(pipeline, &args.at.file, place.settings(), &told(&console), 10).await?;
        let engine = if place.is_emulated() { engine } else { app::locked(engine)? };
        let engine = looked_up::asking(engine, &place);
        all::all(&engine, &*store, &console, !(args.yes || place.is_emulated()), Whose::Anybodys).await
    };
    let result = app::close(&*store, &console, console.hear(work).await).await;
    place.leave(&console).await?;
    result
}

/// Where the engine says what it does. It plans many times, which is nothing for a program.
fn told(console: &Console) -> Console {
    match console {
        // A second terminal would draw its own rows in place of these.
        Console::Text(_) => console.clone(),
        Console::Json(_) => Console::new(false),
    }
}

/// The one resource that is asked for, and what it is found by; nothing where it is all of them.
fn one_of(args: &Import) -> Result<Option<(ResourceAddress, Existing)>, Failure> {
    let Some(address) = args.address.as_ref().filter(|_| !args.all) else { return Ok(None) };
    let address: ResourceAddress = address.parse().map_err(|error| {
        let help = "Give step/kind/name, as llmhost run --dry-run and llmhost graph show it.";
        Failure::usage(format!("'{address}' is not an address: {error}"), help)
    })?;
    let existing = match &args.id {
        Some(id) => Existing::Id(id.clone()),
        None => Existing::Tags(args.tags.iter().cloned().collect()),
    };
    Ok(Some((address, existing)))
}

fn fields(all: &[FieldChange]) -> String {
    let word = |value: &Option<serde_json::Value>| value.as_ref().map_or("nothing".into(), ToString::to_string);
    let line = |field: &FieldChange| {
        format!("  {}: {} there, {} declared\n", plain(&field.path), plain(&word(&field.old)), plain(&word(&field.new)))
    };
    all.iter().map(line).collect()
}

fn failure(error: ImportError) -> Failure {
    let message = error.to_string();
    let (more, help) = match error {
        ImportError::Plan(error) => return error.into(),
        ImportError::World(error) => return error.into(),
        ImportError::State(error) => return error.into(),
        ImportError::Operation(error) => (String::new(), error.advice().to_owned()),
        ImportError::NotDeclared { near: Some(near), .. } => (String::new(), format!("did you mean '{near}'?")),
        ImportError::NotDeclared { .. } => (
            String::new(),
            "Declare it in the file first; llmhost run FILE --dry-run shows what is declared.".to_owned(),
        ),
        ImportError::Known { .. } | ImportError::Taken { .. } => {
            (String::new(), "To rename it in the state, run llmhost state mv.".to_owned())
        }
        ImportError::OtherId { declared, .. } => (
            String::new(),
            format!(
                "Resources of this kind are identified by their declaration. Use '{declared}', or change the file."
            ),
        ),
        ImportError::First { first, .. } => {
            let first: Vec<String> = first.iter().map(ToString::to_string).collect();
            (String::new(), format!("Import what it depends on first: {}", first.join(", ")))
        }
        ImportError::Claimed { pipeline, .. } => (
            String::new(),
            format!(
                "Nothing was changed. If that pipeline no longer has it (llmhost state rm), run again with --from-pipeline \
                 {pipeline}."
            ),
        ),
        ImportError::ByTags { ids, .. } if ids.is_empty() => {
            (String::new(), "Check the tags, the region and the account of the credentials.".to_owned())
        }
        ImportError::ByTags { .. } => {
            (String::new(), "Give another --tag that only one of them has, or the id of one.".to_owned())
        }
        ImportError::NotByTags { .. } => (
            String::new(),
            "Use its id. Resources with a name are identified by it, and the file has the name.".to_owned(),
        ),
        ImportError::Nothing { .. } => {
            (String::new(), "Check the id, the region and the account of the credentials.".to_owned())
        }
        ImportError::WouldReplace { fields: of, first, .. } if first.is_empty() => {
            (format!("\n{}", fields(&of).trim_end()), "Nothing was changed. Declare its real values.".to_owned())
        }
        ImportError::WouldReplace { fields: of, first, .. } => {
            let first: Vec<String> = first.iter().map(ToString::to_string).collect();
            let help = format!("Nothing was changed. Import what it depends on first: {}", first.join(", "));
            (format!("\n{}", fields(&of).trim_end()), help)
        }
        _ => (String::new(), "Nothing was changed.".to_owned()),
    };
    Failure::Other { message: message + &more, help, status: 1 }
}
