//! Writes what an SDK has of the interfaces, for its `pack.sh`: `interfaces LANGUAGE FOLDER`.

use std::error::Error;
use std::path::Path;

use llmhost_authoring::{Language, interfaces};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [language, folder] = arguments.as_slice() else { return Err("interfaces LANGUAGE FOLDER".into()) };
    let language = Language::named(language).ok_or_else(|| format!("there is no language '{language}'"))?;
    Ok(interfaces(language, Path::new(folder))?)
}
