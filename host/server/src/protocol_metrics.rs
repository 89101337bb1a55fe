//! The figures that endpoint pickers of the Gateway API's inference extension choose a replica by, under the names of vLLM
//! that their model server protocol takes by default. Each is one figure for the whole server.

use std::fmt::Write;

use crate::models::Served;

/// How OpenMetrics ends.
const END: &str = "# EOF\n";

/// Adds the figures to a text of OpenMetrics, before its end.
pub(crate) fn add(text: &mut String, models: &[Served]) {
    let (mut waiting, mut running, mut used) = (0, 0, 0_f64);
    for now in models.iter().map(|model| model.backend().stats()) {
        waiting += now.waiting;
        running += now.running;
        used = used.max(now.cache_used);
    }
    let body = text.strip_suffix(END).map_or(text.len(), str::len);
    text.truncate(body);
    for (name, help, value) in [
        ("vllm:num_requests_waiting", "Requests that wait", waiting.to_string()),
        ("vllm:num_requests_running", "Requests in the batch", running.to_string()),
        ("vllm:kv_cache_usage_perc", "Share of the fullest key/value cache in use, from 0 to 1", used.to_string()),
    ] {
        // Writing into a string cannot fail.
        _ = writeln!(text, "# HELP {name} {help}.\n# TYPE {name} gauge\n{name} {value}");
    }
    text.push_str(END);
}
