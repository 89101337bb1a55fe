//! Our server beside llama.cpp's, both measured by guidellm: a client that neither project wrote.

use std::path::{Path, PathBuf};
use std::process::Command;

use llmhost_example_models::Example;
use llmhost_python_env::{Environment, folder_of, once};
use serde_json::Value;

use super::llama::{Failed, llama, quietly, text};
use super::load::{llama_server, llmhost, row};
use super::peer::{Target, folder};
use super::server::{Server, free_port};
use super::threads;

/// What guidellm needs, without torch: see `guidellm_run.py`.
const PACKAGES: Environment = Environment {
    name: "guidellm",
    requirements: include_str!("../../python/guidellm.txt"),
    variable: "LLMHOST_GUIDELLM_VENV",
};
/// Installed by itself, because it asks for torch.
const PACKAGE: &str = "guidellm==0.8.1";
const MODEL: Example = Example::SmolLm2Int4;
const ROUNDS: usize = 3;
const STREAMS: usize = 32;
const REQUESTS: u64 = 64;
const PROMPT: u64 = 128;
const ANSWER: u64 = 64;
/// A figure: its name, where guidellm reports it of requests that succeeded, by what it is divided, and whether less of it
/// is better.
const FIGURES: [(&str, &str, f64, bool); 6] = [
    ("tokens/s", "/output_tokens_per_second/successful/mean", 1.0, false),
    ("first token p50, s", "/time_to_first_token_ms/successful/percentiles/p50", 1e3, true),
    ("first token p99, s", "/time_to_first_token_ms/successful/percentiles/p99", 1e3, true),
    ("between tokens p50, s", "/inter_token_latency_ms/successful/percentiles/p50", 1e3, true),
    ("between tokens p99, s", "/inter_token_latency_ms/successful/percentiles/p99", 1e3, true),
    ("request p50, s", "/request_latency/successful/percentiles/p50", 1.0, true),
];

/// The client: its interpreter, and the folder of its package.
struct Client {
    python: PathBuf,
    package: PathBuf,
}

/// Both servers, in turn.
pub(super) fn table() -> Result<(), String> {
    let target = Target::processor()?;
    let (peer, model, client) = (llama(&target)?, folder(MODEL)?, client()?);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // Which goes first changes: the second finds the machine as the first left it.
        for turn in 0..2 {
            let port = free_port()?;
            let (mut command, path, found) = match (round + turn) % 2 {
                0 => (llmhost(&target, model.as_os_str(), &port), "/readyz", &mut ours),
                _ => (llama_server(&peer, &port), "/health", &mut theirs),
            };
            let mut server = Server::launch(&mut command, &port)?;
            server.wait_for(path)?;
            found.push(client.measure(&server.address, &model)?);
        }
    }
    println!("| {STREAMS} streams, {REQUESTS} requests | llmhost | llama.cpp's server, Q4_0 | ratio |");
    println!("|---|---:|---:|---:|");
    for (at, (name, _, _, less_is_better)) in FIGURES.into_iter().enumerate() {
        row(name, &ours, &theirs, less_is_better, |figures: &Vec<f64>| figures[at]);
    }
    println!(
        "({} threads each; {PACKAGE} as the client, on the same machine; {}; prompts of {PROMPT} tokens and answers of \
         {ANSWER} by /v1/completions; medians of {ROUNDS} starts in turn; above 1.00x llmhost is better)",
        threads(),
        peer.version
    );
    Ok(())
}

/// Installs it where it is missing.
fn client() -> Result<Client, String> {
    let python = PACKAGES.python(&|text| println!("{text}")).map_err(text)?;
    let package = folder_of("guidellm-package", PACKAGE).map_err(text)?;
    let install = || {
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target"]).arg(&package).arg(PACKAGE);
        quietly(&mut pip).map_err(Failed)
    };
    once(&package, &|| package.join("guidellm").is_dir(), install).map_err(|error| error.0)?;
    Ok(Client { python, package })
}

impl Client {
    /// The figures of one run against a server.
    fn measure(&self, address: &str, model: &Path) -> Result<Vec<f64>, String> {
        let to = tempfile::tempdir().map_err(text)?;
        let mut command = Command::new(&self.python);
        command.arg(crate::repository().join("xtask/python/guidellm_run.py")).arg("run").current_dir(to.path());
        command.env("PYTHONPATH", &self.package).env("HF_HUB_OFFLINE", "1").env("HF_HOME", to.path().join("home"));
        let name = MODEL.name();
        let backend = format!("kind=openai_http,target=http://{address},model={name},request_format=/v1/completions");
        let tokenizer = format!("kind=huggingface_auto,model={}", model.display());
        let data = format!("kind=synthetic_text,prompt_tokens={PROMPT},output_tokens={ANSWER}");
        command.args(["--backend", &backend, "--tokenizer", &tokenizer, "--data", &data, "--disable-progress"]);
        command.args(["--profile", &format!("kind=concurrent,streams={STREAMS}")]);
        command.args(["--constraint", &format!("kind=max_requests,count={REQUESTS}"), "--output", "kind=json"]);
        quietly(&mut command)?;
        let report = std::fs::read(to.path().join("benchmarks.json")).map_err(text)?;
        read(&serde_json::from_slice(&report).map_err(text)?)
    }
}

/// The figures of a report, which is of no use unless every request was answered in full.
fn read(report: &Value) -> Result<Vec<f64>, String> {
    let metrics = &report["benchmarks"][0]["metrics"];
    let number = |path: &str| {
        let found = metrics.pointer(path).and_then(Value::as_f64);
        found.ok_or_else(|| format!("guidellm's report has no {path}"))
    };
    let answered = number("/request_totals/successful")?;
    let tokens = number("/output_token_count/successful/total_sum")?;
    if answered != REQUESTS as f64 || tokens != (REQUESTS * ANSWER) as f64 {
        return Err(format!("{answered} of {REQUESTS} requests were answered, with {tokens} tokens"));
    }
    FIGURES.into_iter().map(|(_, path, by, _)| Ok(number(path)? / by)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_counts_when_every_request_was_answered_in_full() {
        let percentiles = |p50: f64, p99: f64| json!({ "successful": { "percentiles": { "p50": p50, "p99": p99 } } });
        let mut report = json!({ "benchmarks": [{ "metrics": {
            "request_totals": { "successful": REQUESTS },
            "output_token_count": { "successful": { "total_sum": REQUESTS * ANSWER } },
            "output_tokens_per_second": { "successful": { "mean": 100.5 } },
            "time_to_first_token_ms": percentiles(200.0, 400.0),
            "inter_token_latency_ms": percentiles(20.0, 30.0),
            "request_latency": percentiles(2.0, 3.0),
        } }] });
        assert_eq!(read(&report), Ok(vec![100.5, 0.2, 0.4, 0.02, 0.03, 2.0]));
        report["benchmarks"][0]["metrics"]["request_totals"]["successful"] = json!(REQUESTS - 1);
        assert!(read(&report).is_err_and(|error| error.contains("63 of 64 requests")));
        assert!(read(&json!({})).is_err_and(|error| error.ends_with("has no /request_totals/successful")));
    }
}
