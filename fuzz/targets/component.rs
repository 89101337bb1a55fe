//! The bytes of a plugin: refused with a reason, or it loads and runs within its limits.
#![no_main]

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use llmhost_engine::plugin::{Limits, LoadRequest, PluginLoader};
use llmhost_fuzz::file;
use llmhost_fuzz::guest::{Host, loader, wall_clock};
use llmhost_sandbox::Loader;
use serde_json::json;

static LOADER: LazyLock<Loader> = LazyLock::new(loader);

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let path = file("plugin.wasm", data);
    let (uses, step) = (path.to_string_lossy(), "custom".parse().expect("a good name"));
    let limits = Limits { time: Some(Duration::from_millis(200)), ..Limits::default() };
    let allow = ["ec2".to_owned(), "sts".to_owned()];
    let request = LoadRequest { step: &step, uses: &uses, base: Path::new("/"), allow: &allow, limits: &limits };
    wall_clock(async {
        if let Ok(plugin) = LOADER.load(&request).await {
            let _ = plugin.run(&json!({}), Arc::new(Host::default())).await;
        }
    });
});
