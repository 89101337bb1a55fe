//! `llmhost schema`: the JSON Schema of the pipeline file, built-in plugins included.

use llmhost_engine::pipeline::{Trust, file_schema};

use crate::app::{self, Console};
use crate::failure::Failure;

/// Prints the schema.
pub(crate) async fn schema() -> Result<(), Failure> {
    let loader = app::loader(&Console::new(false), &Trust::default())?;
    let mut plugins = Vec::new();
    for builtin in llmhost_builtin::ALL {
        let described = loader.inspect(builtin.name, std::path::Path::new(".")).await;
        let described = described.map_err(|error| Failure::usage(error.to_string(), "Tell the plugin's author."))?;
        plugins.push((builtin.name, described.description));
    }
    let plugins: Vec<_> = plugins.iter().map(|(name, d)| (*name, &d.config_schema, d.summary.as_str())).collect();
    let text = serde_json::to_string_pretty(&file_schema(&plugins)).expect("a schema is plain data");
    app::print(&(text + "\n"));
    Ok(())
}
