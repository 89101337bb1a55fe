//! Addresses of models and plugins, and the manifest of a model.
#![no_main]

use llmhost_fuzz::parts;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [address, manifest] = parts(data);
    let address = String::from_utf8_lossy(address);
    let _ = llmhost_models::Address::parse(&address);
    if let Ok(plugin) = llmhost_registry::Address::parse(&address) {
        let _ = plugin.name();
    }
    let _ = llmhost_models::Manifest::parse(manifest);
});
