//! `llmhost serve`: a model behind HTTP.

use std::sync::Arc;
use std::time::Duration;

use llmhost_server::{Ending, EngineBackend, Settings};
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};

use super::model;
use crate::app::Console;
use crate::args::Serve;
use crate::failure::Failure;
use crate::view::style;

/// Clients that may knock at once while the server is busy; the system may allow fewer.
const BACKLOG: u32 = 4096;

/// Listens at the first address of a name that can be listened at.
async fn listen(at: (&str, u16)) -> std::io::Result<TcpListener> {
    let mut failed = None;
    for address in tokio::net::lookup_host(at).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let listening = socket.and_then(|socket| {
            // After a restart the port may still be known from connections of the server before.
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)
        });
        match listening {
            Ok(listener) => return Ok(listener),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| std::io::Error::other("the name has no address")))
}

/// Serves a model until it is told to stop.
pub(crate) async fn serve(args: Serve) -> Result<(), Failure> {
    let console = Console::new(false);
    let api_key = api_key(&args)?;
    // The port first: that it is taken need not be found out after minutes of loading.
    let at = (args.host.as_str(), args.port);
    let listener = listen(at).await.map_err(|error| Failure::Other {
        message: format!("cannot listen at {}:{}: {error}", args.host, args.port),
        help: "Choose another --port, or end what listens there.".to_owned(),
        status: 1,
    })?;
    let mut stop = Box::pin(stopped(console.clone()));
    let engine = tokio::select! {
        loaded = model::load(&args.model, args.queue, &console) => loaded?,
        _ = &mut stop => return Err(Failure::Interrupted),
    };
    let name = args.name.clone().unwrap_or_else(|| name_of(&args.model.source.model));
    let backend = EngineBackend::new(engine.clone(), &name);
    let backend = backend.with_formats(args.tool_format.as_deref(), args.reasoning_format.as_deref());
    let backend = backend.map_err(|message| Failure::usage(message, "Correct the flag, or leave it out."))?;
    let backend = Arc::new(backend);
    let address = listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
    let (good, faint) = (style::GOOD, style::FAINT);
    let (report, stats) = (engine.report(), engine.stats());
    console.note(&format!(
        "{good}Serving{good:#} {name} at http://{address} {faint}({} by ONNX Runtime {}, {} tokens of context, {} requests at a \
         time){faint:#}",
        report.provider.as_str(),
        report.library.version,
        stats.context,
        stats.slots
    ));
    let settings = Settings {
        api_key,
        allowed_origins: args.allow_origins,
        max_connections: args.max_connections,
        max_body_bytes: args.max_body_bytes,
        drain_delay: Duration::from_secs(args.drain_delay),
        drain: Duration::from_secs(args.drain_seconds),
        ..Settings::default()
    };
    let ended = llmhost_server::serve(listener, backend, settings, stop).await;
    match ended {
        Ok(true) => Ok(()),
        Ok(false) => {
            console.note("Requests that were not done in time were cut off.");
            Ok(())
        }
        Err(error) => {
            let help = "Start it again; if that does not help, report it.".to_owned();
            Err(Failure::Other { message: format!("the server failed: {error}"), help, status: 1 })
        }
    }
}

/// The last part of an address: what people call the model.
fn name_of(address: &str) -> String {
    let last = address.trim_end_matches('/').rsplit('/').next().unwrap_or(address);
    if last.is_empty() || last == "." { "model".to_owned() } else { last.to_owned() }
}

/// From a file or the environment; never from the command line, which every user of the machine can read.
fn api_key(args: &Serve) -> Result<Option<String>, Failure> {
    let key = match &args.api_key_file {
        Some(path) => std::fs::read_to_string(path).map_err(|error| {
            Failure::usage(format!("cannot read the API key from {}: {error}", path.display()), "Check the path.")
        })?,
        None => std::env::var("LLMHOST_API_KEY").unwrap_or_default(),
    };
    let key = key.trim().to_owned();
    if key.is_empty() && args.api_key_file.is_some() {
        return Err(Failure::usage("the file with the API key is empty", "Write a key into it."));
    }
    Ok(Some(key).filter(|key| !key.is_empty()))
}

/// Ends with the first Ctrl-C or SIGTERM; the second ends the process.
///
/// SIGTERM comes from what also routes requests here, and some of these are still on their way. Who
/// presses Ctrl-C does not wait for them.
async fn stopped(console: Console) -> Ending {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    let ending = tokio::select! {
        _ = tokio::signal::ctrl_c() => Ending::AtOnce,
        _ = terminate.recv() => Ending::Delayed,
    };
    console.note("Stopping: running requests may finish. Once more to leave at once.");
    tokio::spawn(async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        std::process::exit(130);
    });
    ending
}
