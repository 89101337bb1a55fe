//! What goes through the interface of a plugin: its configuration, and the outputs and facts that it asks for. The plugin
//! is the file that LLMHOST_FUZZ_PLUGIN names.
#![no_main]

use std::path::Path;
use std::sync::{Arc, LazyLock};

use llmhost_engine::plugin::{Limits, LoadRequest, Plugin, PluginLoader};
use llmhost_fuzz::guest::{Host, loader, wall_clock};
use llmhost_fuzz::parts;

static PLUGIN: LazyLock<Arc<dyn Plugin>> = LazyLock::new(|| {
    let uses = std::env::var("LLMHOST_FUZZ_PLUGIN").expect("LLMHOST_FUZZ_PLUGIN names a plugin");
    let (step, limits) = ("custom".parse().expect("a good name"), Limits::default());
    let allow = std::env::var("LLMHOST_FUZZ_GRANTS").unwrap_or_default();
    let allow: Vec<String> = allow.split(',').map(str::to_owned).collect();
    let request = LoadRequest { step: &step, uses: &uses, base: Path::new("/"), allow: &allow, limits: &limits };
    wall_clock(loader().load(&request)).expect("the plugin is good")
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [config, answers] = parts(data);
    let Ok(config) = serde_json::from_slice(config) else { return };
    let host = Host::answering(serde_json::from_slice(answers).unwrap_or_default());
    let _ = wall_clock(PLUGIN.run(&config, Arc::new(host)));
});
