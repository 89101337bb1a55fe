//! What a developer of llmhost does: `cargo xtask setup | demo | test | release | dist | sdks | examples | helm | karpenter | languages | models | aws-types | prices | pictures | matrix | fuzz | words | book | bench`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it talks to a person at a terminal")]

mod aws_types;
mod bench;
mod conformance;
mod demo;
mod dist;
mod examples;
mod fuzz;
mod helm;
mod inference;
mod karpenter;
mod languages;
mod matrix;
mod pictures;
mod prices;
mod sdks;
mod setup;
mod test;
mod torture;
mod words;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::LazyLock;

const USAGE: &str = "cargo xtask setup         install what is missing for building plugins and tests
cargo xtask demo          set up, build, and rehearse the example pipeline on the emulators
cargo xtask test          formatting, lints, every test, documentation
cargo xtask release       build llmhost as it is released: optimised, and with the helm plugin, which Go builds
cargo xtask dist          build the release, and pack it with its licences: an archive, a Debian package, their digests
cargo xtask torture       kill, spoil and repeat: every call, hundreds of instants, a thousand faulty lines
cargo xtask fuzz [--seconds SECONDS] [TARGET ...]  inputs that libFuzzer finds, for everything that reads what comes from outside
cargo xtask conformance   the emulated API server beside a real one: a table of requests, and the tests of clusters on both
cargo xtask sdks          pack what plugins are written with: a crate, an npm package, a wheel, a Go module
cargo xtask examples      build the example plugins in JavaScript, Python and Go
cargo xtask helm          build the helm plugin with Go, and test it
cargo xtask karpenter     get Karpenter's charts, for pipelines/karpenter
cargo xtask languages [LLMHOST]  the same plugin in each language, from nothing: sizes and times
cargo xtask models [NAME] make the example models, and print their folders
cargo xtask aws-types [--check]  make the table of AWS's types anew, or say whether it is what the sources give
cargo xtask prices        make the table of what EC2's instances cost anew
cargo xtask pictures      make the pictures of the documents anew, with the tests that look at pages and terminals
cargo xtask words         check the texts that users read against the glossary in CONTRIBUTING.md
cargo xtask book [--out DIR]  build the documents as a book, into target/book or DIR
cargo xtask bench         time plans of growing size, beside Terraform where it is installed
cargo xtask bench-models [TABLE]  measure models beside others' programs: batches, clients, server, llama, guidellm, cold,
                          embeddings, fetch
cargo xtask soak [MINUTES]  three models in one server, a thousand clients: memory stays, and nothing fails
cargo xtask matrix [--json FILE] [NAME]  tiny models of many architectures and exporters: answers beside others' answers
cargo xtask cuda          show on a machine with an NVIDIA GPU that models run there, test and measure them; with
                          check, go the same way on a processor";

fn main() -> ExitCode {
    let result = match std::env::args().nth(1).as_deref() {
        Some("setup") => setup::run(),
        Some("demo") => setup::run().and_then(|()| demo::run()),
        Some("test") => setup::run().and_then(|()| test::run()),
        Some("release") => helm::release(),
        Some("dist") => setup::run().and_then(|()| dist::run()),
        Some("karpenter") => karpenter::run(),
        Some("torture") => setup::run().and_then(|()| torture::run(&std::env::args().skip(2).collect::<Vec<_>>())),
        Some("fuzz") => fuzz::run(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("conformance") => {
            setup::run().and_then(|()| conformance::run(&std::env::args().skip(2).collect::<Vec<_>>()))
        }
        Some("languages") => setup::run().and_then(|()| languages::run(std::env::args().nth(2).as_deref())),
        Some("sdks") => sdks::run(),
        Some("examples") => examples::run().map(|built| built.iter().for_each(|path| println!("{}", path.display()))),
        Some("helm") => setup::run().and_then(|()| helm::run()),
        Some("aws-types") => aws_types::make(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("prices") => prices::make(),
        Some("models") => inference::make(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("bench-models") => inference::bench(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("soak") => inference::soak::run(std::env::args().nth(2).as_deref()),
        Some("matrix") => matrix::run(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("cuda") => match std::env::args().nth(2).as_deref() {
            None => inference::cuda::run(),
            Some("check") => inference::cuda::check(),
            Some(other) => Err(format!("'cargo xtask cuda' takes check, or nothing, and not '{other}'")),
        },
        Some("pictures") => setup::run().and_then(|()| pictures::make()),
        Some("words") => words::run(),
        Some("book") => book(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("bench") => setup::run().and_then(|()| bench::run()),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// Builds the book of the documents. Its program is a package of its own: this one need not compile mdBook.
fn book(args: &[String]) -> Result<(), String> {
    let begin = ["run", "--quiet", "--package", "llmhost-book", "--"];
    run("cargo", &begin.into_iter().chain(args.iter().map(String::as_str)).collect::<Vec<_>>())
}

/// The repository: the one that cargo was called in. Clones that share a target folder share this program.
fn repository() -> &'static Path {
    static HERE: LazyLock<PathBuf> = LazyLock::new(|| {
        std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into()).into()
    });
    HERE.parent().expect("xtask/ lies in the repository")
}

/// Cargo's folder for what it builds.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}

/// Runs a command in the repository, and says which when it fails.
fn run(program: &str, args: &[&str]) -> Result<(), String> {
    println!("\n$ {program} {}", args.join(" "));
    run_quietly(Command::new(program).args(args).current_dir(repository()))
}

fn run_quietly(command: &mut Command) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?} failed: {status}")),
        Err(error) => Err(format!("cannot start {command:?}: {error}")),
    }
}
