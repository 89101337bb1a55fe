//! `llmhost completions` and `llmhost man`: what shells and manuals know of the command line.

use crate::app;
use crate::args::{self, Completions, Man};
use crate::failure::Failure;

/// Prints the script that completes command lines in a shell.
pub(crate) fn completions(args: &Completions) {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::command(), "llmhost", &mut script);
    app::print_value(&String::from_utf8_lossy(&script), true);
}

/// Writes a manual page for each command.
pub(crate) fn man(args: &Man) -> Result<(), Failure> {
    let folder = &args.folder;
    let failed = |error: std::io::Error| Failure::Other {
        message: format!("cannot write manual pages to {}: {error}", folder.display()),
        help: "Name a folder that you may write to, such as ~/.local/share/man/man1.".to_owned(),
        status: 1,
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(args::command(), folder).map_err(failed)?;
    let pages = std::fs::read_dir(folder).map_err(failed)?.flatten();
    let pages = pages.filter(|entry| entry.file_name().to_string_lossy().starts_with("llmhost")).count();
    app::print(&format!("Wrote {pages} manual pages to {}.\n", folder.display()));
    Ok(())
}
