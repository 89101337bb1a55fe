//! The `llmhost` binary: arguments, views, exit status. The engine decides; this shows.

mod app;
mod args;
mod asked;
mod charts;
mod commands;
mod cost;
mod failure;
mod input;
mod keep;
mod looked_up;
mod masked;
mod notes;
mod others;
mod packages;
mod place;
mod private;
mod providers;
mod quoted;
mod renamed;
mod saved;
mod signals;
mod traced;
mod version;
mod view;
mod watch;

use std::io::IsTerminal;
use std::process::ExitCode;

use args::{Command, NotParsed, PipelineCommand, Plugin};
use failure::Failure;

fn main() -> ExitCode {
    view::choose_colour();
    let args::Parsed { cli, json } = match args::parse(std::env::args_os()) {
        Ok(parsed) => parsed,
        Err(NotParsed::Clap(error)) => error.exit(),
        Err(NotParsed::Failure { failure, json }) => return end(&failure, json),
    };
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_env("LLMHOST_LOG"))
        .with_writer(|| masked::Masked::new(view::Lines))
        .init();
    view::show(cli.verbose, cli.quiet);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return end(&Failure::usage(format!("cannot start: {error}"), "Check the limits of this process."), json);
        }
    };
    let result = runtime.block_on(dispatch(cli.command));
    // Whatever still runs has nothing left to say.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => end(&failure, json),
    }
}

async fn dispatch(command: Command) -> Result<(), Failure> {
    match command {
        Command::Run(args) => commands::run::run(args).await,
        Command::Destroy(args) => commands::destroy::destroy(args).await,
        Command::Lock(args) => commands::lock::lock(args).await,
        Command::Graph(args) => commands::graph::graph(args).await,
        Command::Validate(args) => commands::validate::validate(args).await,
        Command::Status(args) => commands::status::status(args).await,
        Command::Outputs(args) => commands::outputs::outputs(args).await,
        Command::Import(args) => commands::import::import(args).await,
        Command::Adopt(args) => commands::import::adopt(args).await,
        Command::State(command) => commands::state::state(command).await,
        Command::Drift(args) => commands::drift::drift(args).await,
        Command::Rehearse(args) => commands::rehearse::rehearse(args).await,
        Command::Policy(args) => commands::policy::policy(args).await,
        Command::Kubeconfig(args) => commands::kubeconfig::kubeconfig(args).await,
        Command::Token(args) => commands::token::token(args).await,
        Command::Serve(args) => commands::serve::serve(args).await,
        Command::Fetch(args) => commands::model::fetch(&args).await,
        Command::Image(args) => commands::image::image(args).await,
        Command::Generate(args) => commands::generate::generate(args).await,
        Command::Bench(args) => commands::bench::bench(args).await,
        Command::Doctor(args) => commands::doctor::doctor(args).await,
        Command::Schema(args) => commands::schema::schema(args).await,
        Command::Explain(args) => commands::explain::explain(&args).await,
        Command::Init(args) => commands::init::init(&args),
        Command::Convert(args) => commands::convert::convert(&args),
        Command::Fmt(args) => commands::fmt::fmt(&args),
        Command::Cache(command) => commands::cache::cache(&command),
        Command::Completions(args) => {
            commands::shell::completions(&args);
            Ok(())
        }
        Command::Man(args) => commands::shell::man(&args),
        Command::Plugin(Plugin::New(args)) => commands::plugin::create(args).await,
        Command::Plugin(Plugin::Wit(args)) => commands::plugin::wit(args).await,
        Command::Plugin(Plugin::Build(args)) => commands::plugin::build(args).await,
        Command::Plugin(Plugin::Dev(args)) => commands::plugin::dev(args).await,
        Command::Plugin(Plugin::Inspect { plugin, json }) => commands::plugin::inspect(&plugin, json).await,
        Command::Plugin(Plugin::Test(args)) => commands::plugin::test(args).await,
        // Its future is large, and holds that of a run.
        Command::Plugin(Plugin::Run(args)) => Box::pin(commands::plugin::run(args)).await,
        Command::Plugin(Plugin::Replay(args)) => commands::replay::replay(args).await,
        Command::Plugin(Plugin::Push(args)) => commands::publish::push(args).await,
        Command::Pipeline(PipelineCommand::Push(args)) => commands::pipeline::push(args).await,
        Command::Plugin(Plugin::Pull(args)) => commands::publish::pull(args).await,
    }
}

/// Says why the program ends, on standard error, and in lines of JSON where it was asked for those. A terminal that
/// shows both shows it once.
fn end(failure: &Failure, json: bool) -> ExitCode {
    view::screen().clear();
    if json {
        view::failure_lines(failure);
    }
    if !(json && std::io::stdout().is_terminal()) {
        view::failure(failure);
    }
    ExitCode::from(failure.status())
}
