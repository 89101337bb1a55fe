//! `llmhost import`: a resource that exists becomes the pipeline's.

use llmhost_engine::names::ResourceAddress;
use llmhost_engine::plan::{FieldChange, plain};
use llmhost_engine::run::{self, Existing, ImportError};

use crate::app::{self, Console};
use crate::args::Import;
use crate::failure::Failure;
use crate::place::Place;

/// Takes a resource into the state.
pub(crate) async fn import(args: Import) -> Result<(), Failure> {
    let console = Console::new(false);
    let pipeline = app::pipeline(&args.at.file)?;
    let address: ResourceAddress = args.address.parse().map_err(|error| {
        let help = "Give step/kind/name, as llmhost run --dry-run and llmhost graph show it.";
        Failure::usage(format!("'{}' is no address: {error}", args.address), help)
    })?;
    let existing = match args.id {
        Some(id) => Existing::Id(id),
        None => Existing::Tags(args.tags.into_iter().collect()),
    };
    let mut place = Place::new(&pipeline, &args.at.file, &args.at.place)?;
    let store = place.open_kept(&console, "import").await?;
    let work = async {
        let engine = app::engine(pipeline, place.settings(), &console, 10).await?;
        let engine = if place.is_emulated() { engine } else { app::locked(engine)? };
        let imported = run::import(&engine, &*store, &address, &existing).await.map_err(failure)?;
        app::print(&format!("{} is {} from now on.\n", imported.address, plain(&imported.id)));
        app::print(&fields(&imported.differs));
        app::print(match imported.differs.is_empty() {
            true => "It is as declared; the next run tags it as its own.\n",
            false => "The next run brings it in line.\n",
        });
        Ok(())
    };
    let result = app::close(&*store, &console, console.hear(work).await).await;
    place.leave(&console).await?;
    result
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
        ImportError::Account(error) => return error.into(),
        ImportError::State(error) => return error.into(),
        ImportError::Operation(error) => (String::new(), error.advice().to_owned()),
        ImportError::NotDeclared { near: Some(near), .. } => (String::new(), format!("did you mean '{near}'?")),
        ImportError::NotDeclared { .. } => (
            String::new(),
            "Declare it in the file first; llmhost run FILE --dry-run says what is declared.".to_owned(),
        ),
        ImportError::Known { .. } | ImportError::Taken { .. } => {
            (String::new(), "llmhost state rm forgets it, llmhost state mv calls it otherwise.".to_owned())
        }
        ImportError::ByTags { ids, .. } if ids.is_empty() => {
            (String::new(), "Check the tags, the region and the account of the credentials.".to_owned())
        }
        ImportError::ByTags { .. } => {
            (String::new(), "Give another --tag that only one of them has, or the id of one.".to_owned())
        }
        ImportError::NotByTags { .. } => (
            String::new(),
            "Give its id. What has a name is known by it, and the file has the name already.".to_owned(),
        ),
        ImportError::Nothing { .. } => {
            (String::new(), "Check the id, the region and the account of the credentials.".to_owned())
        }
        ImportError::WouldReplace { fields: of, first, .. } if first.is_empty() => {
            (format!("\n{}", fields(&of).trim_end()), "Nothing was changed. Declare it as it is there.".to_owned())
        }
        ImportError::WouldReplace { fields: of, first, .. } => {
            let first: Vec<String> = first.iter().map(ToString::to_string).collect();
            let help = format!("Nothing was changed. Import what it hangs on first: {}", first.join(", "));
            (format!("\n{}", fields(&of).trim_end()), help)
        }
        _ => (String::new(), "Nothing was changed.".to_owned()),
    };
    Failure::Other { message: message + &more, help, status: 1 }
}
