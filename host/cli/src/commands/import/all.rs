//! `llmhost import FILE --all`: a lost state is rebuilt from what exists.

use llmhost_engine::run::{self, Engine, Survey};
use llmhost_engine::state::StateStore;

use super::failure;
use crate::app::Console;
use crate::asked::confirm;
use crate::commands::run::text_style;
use crate::failure::Failure;
use crate::view::{self, JsonLine};

/// Whose resources are taken into the state.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// The pipeline's own, by its tags and names: a lost state is rebuilt.
    Own,
    /// Nobody's as well, by the names, places and Name tags that the file declares.
    Anybodys,
}

/// Shows what exists of the pipeline and is not in its state, asks, and takes it in.
pub(super) async fn all(
    engine: &Engine,
    store: &dyn StateStore,
    console: &Console,
    asks: bool,
    whose: Whose,
) -> Result<(), Failure> {
    let survey = match whose {
        Whose::Own => {
            console.note("Searching for resources with the tags or names of this pipeline.");
            run::survey(engine, store).await
        }
        Whose::Anybodys => {
            console.note("Searching for resources with the names, ranges and Name tags of the file.");
            run::adoptable(engine, store).await
        }
    };
    let survey = survey.map_err(failure)?;
    let name = &engine.pipeline().name;
    console.result(|| view::survey(&survey, name, text_style()), &JsonLine::Survey { survey: &survey });
    if !survey.found.is_empty() {
        if asks {
            confirm(&question(survey.found.len(), whose))?;
        }
        survey.take_in(engine, store).await.map_err(failure)?;
        console.note(&format!("Imported {}.", resources(survey.found.len())));
    }
    incomplete(&survey)
}

fn question(count: usize, whose: Whose) -> String {
    let them = if count == 1 { "it" } else { "them" };
    let then = match whose {
        Whose::Own => String::new(),
        Whose::Anybodys => format!(" After that, this pipeline manages {them}, and destroy deletes {them}."),
    };
    format!("Import {}?{then}", resources(count))
}

fn resources(count: usize) -> String {
    format!("{count} resource{}", if count == 1 { "" } else { "s" })
}

/// Whether something that exists could not be taken in, which a script has to hear of.
fn incomplete(survey: &Survey) -> Result<(), Failure> {
    let left = survey.missing.iter().filter(|missing| !missing.why.is_absent()).count();
    if left == 0 {
        return Ok(());
    }
    let was = if left == 1 { "resource was" } else { "resources were" };
    Err(Failure::Other {
        message: format!("{left} declared {was} not imported, and may exist; they are listed above"),
        help: "The imported resources are in the state. Follow the advice for each of the others, and run the same command \
               again; or import one by its id: llmhost import FILE ADDRESS ID."
            .to_owned(),
        status: 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_resource_is_told_apart_from_several() {
        assert_eq!(question(1, Whose::Own), "Import 1 resource?");
        assert_eq!(
            question(1, Whose::Anybodys),
            "Import 1 resource? After that, this pipeline manages it, and destroy deletes it."
        );
        assert_eq!(
            question(2, Whose::Anybodys),
            "Import 2 resources? After that, this pipeline manages them, and destroy deletes them."
        );
    }
}
