//! `llmhost state unlock`: says who holds the state, and breaks their lease.

use llmhost_engine::state::StateError;

use crate::app::{self, Console};
use crate::args::StateUnlock;
use crate::commands::run::confirm;
use crate::failure::Failure;
use crate::keep::Keep;
use crate::place::Place;

/// Breaks a lease.
pub(super) async fn unlock(args: StateUnlock) -> Result<(), Failure> {
    let console = Console::new(false);
    let pipeline = app::pipeline(&args.at.file)?;
    let place = Place::new(&pipeline, &args.at.file, &args.at.place)?;
    let keep = place.keep();
    let holder = match keep.holder().await {
        // One that cannot be read is broken already, and stands in the way.
        Err(error @ StateError::Lease { .. }) => Some(error.to_string()),
        holder => holder?,
    };
    let Some(holder) = holder else {
        app::print(&format!("Nobody holds the state {}.\n", keep.address()));
        return Ok(());
    };
    if matches!(keep, Keep::Folder(_)) {
        let message = format!("the state {} is in use by {holder}", keep.address());
        let help =
            "The lock of a folder goes with its process and cannot be left behind: end that process if it hangs.";
        return Err(Failure::Other { message, help: help.to_owned(), status: 1 });
    }
    console.note(&format!("Held by {holder}."));
    if !args.yes {
        console.note("If that run still goes on, what it makes from now on is not recorded.");
        confirm(&format!("This breaks the lease of {}.", keep.address()))?;
    }
    // Whoever held it is fenced off by the one who opens it next: that is done now.
    place.open_state(&console, "state unlock", true).await?.close().await?;
    app::print(&format!("Unlocked {}.\n", keep.address()));
    Ok(())
}
