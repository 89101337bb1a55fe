//! `llmhost serve`: models behind HTTP.

mod loader;
mod wanted;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use llmhost_server::{Ending, LoadAt, ModelSpec, Models, Refreshed, Settings, serve_models};
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};

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

/// Serves models until it is told to stop.
pub(crate) async fn serve(args: Serve) -> Result<(), Failure> {
    let console = Console::new(false);
    let wanted = wanted::read(&args)?;
    let (api_key, admin_key) = keys(&args)?;
    let specs: Vec<ModelSpec> = wanted.iter().map(|wanted| wanted.spec.clone()).collect();
    let loader = Arc::new(loader::Models::new(wanted, args.memory.is_some(), console.clone()));
    let models = Models::new(specs.clone(), Arc::clone(&loader) as _, args.memory).map_err(|error| {
        Failure::usage(error.to_string(), "Give each model a name of its own: --model NAME=ADDRESS, or [models.NAME].")
    })?;
    let models = Arc::new(models);
    // The port before the loading: that it is taken need not be found out after minutes of that.
    let at = (args.host.as_str(), args.port);
    let listener = listen(at).await.map_err(|error| Failure::Other {
        message: format!("cannot listen on {}:{}: {error}", args.host, args.port),
        help: "Choose another --port, or stop the process that uses it.".to_owned(),
        status: 1,
    })?;
    let address = listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
    let settings = Settings {
        api_key,
        admin_key,
        allowed_origins: args.allow_origins,
        max_connections: args.max_connections,
        max_body_bytes: args.max_body_bytes,
        drain_delay: Duration::from_secs(args.drain_delay),
        drain: Duration::from_secs(args.drain_seconds),
        ..Settings::default()
    };
    let mut serving = Box::pin(serve_models(listener, Arc::clone(&models), settings, stopped(console.clone())));
    tokio::spawn(refresh(Arc::clone(&models), console.clone()));
    tokio::select! {
        ended = &mut serving => return ended.map_err(failed).and(Err(Failure::Interrupted)),
        started = models.start() => started.map_err(|(name, failure)| {
            let known = loader.failure(&name).map(|failure| if specs.len() > 1 { about(&name, failure) } else { failure });
            known.unwrap_or_else(|| {
                let help = "Raise --memory, reduce context or cache of the models, or load some at first use.".to_owned();
                Failure::Other { message: failure.to_string(), help, status: 1 }
            })
        })?,
    }
    console.note(&served(&specs, &loader, &address));
    loader.serves();
    if !serving.await.map_err(failed)? {
        console.note("Requests that did not finish in time were aborted.");
    }
    Ok(())
}

/// A failure of one of several models, with its name.
fn about(name: &str, failure: Failure) -> Failure {
    match failure {
        Failure::Other { message, help, status } => {
            Failure::Other { message: format!("'{name}': {message}"), help, status }
        }
        other => other,
    }
}

fn failed(error: std::io::Error) -> Failure {
    let help = "Start it again; if that does not help, report it.".to_owned();
    Failure::Other { message: format!("the server failed: {error}"), help, status: 1 }
}

/// What is served where.
fn served(specs: &[ModelSpec], loader: &loader::Models, address: &str) -> String {
    let (good, faint) = (style::GOOD, style::FAINT);
    let more = |spec: &ModelSpec| match spec.load {
        LoadAt::Start => loader.described(&spec.name).unwrap_or_default(),
        LoadAt::FirstUse => "loads at first use".to_owned(),
    };
    if let [one] = specs {
        return format!("{good}Serving{good:#} {} at http://{address} {faint}({}){faint:#}", one.name, more(one));
    }
    let lines = specs.iter().map(|spec| format!("\n  {} {faint}({}){faint:#}", spec.name, more(spec)));
    format!("{good}Serving{good:#} {} models at http://{address}{}", specs.len(), lines.collect::<String>())
}

/// At each SIGHUP, models whose source has other content are loaded anew.
async fn refresh(models: Arc<Models>, console: Console) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    while hangup.recv().await.is_some() {
        let outcomes = models.refresh().await;
        // What was reloaded, and what was not and why, is told as it happens.
        if outcomes.iter().all(|(_, outcome)| matches!(outcome, Ok(Refreshed::Unchanged | Refreshed::NotLoaded))) {
            console.note("No model that is loaded has changed at its source.");
        }
    }
}

/// The key of requests and that of administrators.
fn keys(args: &Serve) -> Result<(Option<String>, Option<String>), Failure> {
    let api_key = match &args.api_key_file {
        Some(path) => Some(key(path, "API key")?),
        None => std::env::var("LLMHOST_API_KEY").ok().map(|key| key.trim().to_owned()).filter(|key| !key.is_empty()),
    };
    let admin_key = args.admin_key_file.as_ref().map(|path| key(path, "admin key")).transpose()?;
    if admin_key.is_some() && api_key == admin_key {
        let help = "Clients of the models could unload them. Use different keys in the two files.";
        return Err(Failure::usage("the API key and the admin key are the same", help));
    }
    Ok((api_key, admin_key))
}

/// From a file; never from the command line, which every user of the machine can read.
fn key(path: &PathBuf, what: &str) -> Result<String, Failure> {
    let key = std::fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!("cannot read the {what} from {}: {error}", path.display()), "Check the path.")
    })?;
    match key.trim() {
        "" => Err(Failure::usage(format!("the file with the {what} is empty"), "Write a key into it.")),
        key => Ok(key.to_owned()),
    }
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
    console.note("Stopping: running requests can finish. Press Ctrl-C again to exit now.");
    tokio::spawn(async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        std::process::exit(130);
    });
    ending
}
