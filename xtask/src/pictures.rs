//! The pictures of the documents.

use std::process::Command;

use crate::{repository, run_quietly};

/// Makes docs/pictures/ anew: the tests that look at pages and terminals write what they saw there.
pub(crate) fn make() -> Result<(), String> {
    let folder = repository().join("docs/pictures");
    let tests = ["test", "--package", "llmhost", "--test", "pictures", "pictured"];
    run_quietly(Command::new("cargo").args(tests).env("LLMHOST_PICTURES", &folder).current_dir(repository()))?;
    println!("The pictures are in {}.", folder.display());
    Ok(())
}
