//! The long form of the tests that kill, spoil and repeat: each call, hundreds of instants, a thousand mixes of faults,
//! thousands of random histories, an hour of spoiled plugins.

use std::process::Command;

const USAGE: &str = "cargo xtask torture [--seed NUMBER]";

/// Runs all of it; the figures are on the terminal. The seed is the one to repeat it with.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let seed = match args {
        [] => 1,
        [option, seed] if option == "--seed" => seed.parse::<u64>().map_err(|_| USAGE.to_owned())?,
        _ => return Err(USAGE.to_owned()),
    };
    println!("seed {seed}");
    for (test, only) in [("properties", ""), ("torture", ""), ("it", "fuzzed::")] {
        println!("\n$ cargo test --release --workspace --test {test} {only}");
        let mut command = Command::new("cargo");
        // Optimised: thousands of lives are worth one build. Of the whole workspace, as llmhost itself is built. By
        // cargo's own runner: it has no time limit, and shows what is going on.
        command.args(["test", "--release", "--workspace", "--test", test, "--", only, "--nocapture"]);
        command
            .current_dir(crate::repository())
            .env("LLMHOST_TORTURE", "long")
            .env("LLMHOST_TORTURE_SEED", seed.to_string());
        crate::run_quietly(&mut command)?;
    }
    Ok(())
}
