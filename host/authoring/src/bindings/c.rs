//! A header for C, which C++ and Zig read too.

use std::path::Path;

use wit_bindgen_core::Files;

use crate::{AuthoringError, create, wit};

/// Writes `guest.h`, `guest.c` and an object that says the world.
pub(crate) fn write(folder: &Path, wit: &wit::Folder) -> Result<(), AuthoringError> {
    let mut files = Files::default();
    let mut generator = wit_bindgen_c::Opts::default().build();
    let generated = generator.generate(&mut wit.resolve.clone(), wit.world, &mut files);
    generated.map_err(|error| AuthoringError::Wit(format!("{error:#}")))?;
    for (name, bytes) in files.iter() {
        create::write(&folder.join(name), bytes)?;
    }
    Ok(())
}
