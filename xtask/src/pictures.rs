//! The pictures of the documents.

use std::process::Command;

use crate::{repository, run_quietly};

/// Makes docs/pictures/ anew: the tests that look at pages and terminals write what they saw there.
pub(crate) fn make() -> Result<(), String> {
    let folder = repository().join("docs/pictures");
    for tests in [["pictures", "pictured"], ["page", "the_chat_page_works_in_a_browser"]] {
        let cargo = ["test", "--workspace", "--test"];
        let mut command = Command::new("cargo");
        command.args(cargo).args(tests).env("LLMHOST_PICTURES", &folder).current_dir(repository());
        run_quietly(&mut command)?;
    }
    println!("The pictures are in {}.", folder.display());
    Ok(())
}
