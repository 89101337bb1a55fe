//! `llmhost state unlock`: says who holds the state, and breaks their lease.

use std::path::Path;
use std::sync::Arc;

use llmhost_engine::state::{BucketStore, LocalStore};

use crate::app::{self, Console};
use crate::args::StateUnlock;
use crate::asked::confirm;
use crate::failure::Failure;
use crate::keep::Keep;
use crate::place::Place;

/// Breaks a lease.
pub(super) async fn unlock(args: StateUnlock) -> Result<(), Failure> {
    let console = Console::new(false);
    let pipeline = app::pipeline(&args.at.file)?;
    let place = Place::new(&pipeline, &args.at.file, &args.at.place)?;
    let keep = place.keep();
    let bucket = match &keep {
        Keep::Bucket(bucket) => Arc::clone(bucket),
        Keep::Folder(folder) => return locked(folder, &keep),
    };
    let Some(shown) = BucketStore::shown(&*bucket).await? else { return nobody(&keep) };
    console.note(&format!("Held by {shown}."));
    if !args.yes {
        console.note("If that run is still active, its further changes are not recorded.");
        confirm(&format!("Break the lease of {}?", keep.address()))?;
    }
    place.break_lease(&console, bucket, &shown).await?;
    app::print(&format!("Unlocked {}.\n", keep.address()));
    Ok(())
}

fn nobody(keep: &Keep) -> Result<(), Failure> {
    app::print(&format!("The state {} is not locked.\n", keep.address()));
    Ok(())
}

/// A folder has no lease that could be broken.
fn locked(folder: &Path, keep: &Keep) -> Result<(), Failure> {
    let Some(holder) = LocalStore::holder(folder)? else { return nobody(keep) };
    let message = format!("the state {} is in use by {holder}", keep.address());
    let help = "The lock of a folder is released when its process ends: stop that process if it hangs.";
    Err(Failure::Other { message, help: help.to_owned(), status: 1 })
}
