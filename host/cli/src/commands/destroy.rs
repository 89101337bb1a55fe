//! `llmhost destroy`: everything that the state holds goes.

use std::sync::Arc;

use llmhost_engine::names::ResourceAddress;
use llmhost_engine::run;
use llmhost_resources::Aws;

use super::run::{conclude, confirm};
use crate::app::{self, Console};
use crate::args::Destroy;
use crate::failure::Failure;
use crate::place::Place;
use crate::signals;

/// Destroys what a pipeline made.
pub(crate) async fn destroy(args: Destroy) -> Result<(), Failure> {
    let console = Console::new(args.how.json);
    let pipeline = app::pipeline(&args.file)?;
    let mut place = Place::new(&pipeline, &args.file, &args.place)?;
    let store = place.open_kept(&console, "destroy").await?;
    let result = async {
        let resources: Vec<ResourceAddress> = store.snapshot().resources.into_keys().collect();
        if resources.is_empty() {
            console.note(&format!("Nothing to destroy: the state of '{}' is empty.", pipeline.name));
            return Ok(());
        }
        let protected = run::protected(&pipeline, &store.snapshot());
        if !protected.is_empty() {
            let names: Vec<String> = protected.iter().map(ToString::to_string).collect();
            let help = "Nothing was deleted. To lift it, take 'protect = true' out of the step, in the file; a step that is \
                        no longer in the file has to be put back first, without it.";
            let message = format!("protected, and not to be destroyed: {}", names.join(", "));
            return Err(Failure::Other { message, help: help.to_owned(), status: 1 });
        }
        if !(args.how.yes || place.is_emulated()) {
            resources.iter().for_each(|address| console.note(&format!("- {address}")));
            confirm(&format!("{} resources to delete.", resources.len()))?;
        }
        let registry = Arc::new(llmhost_resources::registry(Arc::new(Aws::new(place.settings()))));
        let (events, cancel) = (console.events(), signals::listen(&console));
        let report = run::destroy(registry, Arc::clone(&store), events, cancel, args.how.parallelism.into()).await?;
        conclude(&console, &report)
    }
    .await;
    let result = app::close(&*store, &console, result).await;
    if result.is_ok() {
        place.destroyed();
    }
    place.leave(&console).await?;
    result
}
