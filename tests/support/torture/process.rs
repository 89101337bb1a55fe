//! A command that may not end by itself.

use std::process::{Child, Command, Output};
use std::time::Duration;

/// However disturbed: a command that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub fn kill(id: u32) {
    let id = i32::try_from(id).expect("the number of a process");
    // SAFETY: a plain system call. The process is this one's child and was not waited for yet.
    unsafe { libc::kill(id, libc::SIGKILL) };
}

/// Waits for a command; one that hangs is an error, with what it printed.
pub async fn wait(child: Child) -> Result<Output, String> {
    let id = child.id();
    let mut output = tokio::task::spawn_blocking(move || child.wait_with_output());
    if let Ok(output) = tokio::time::timeout(PATIENCE, &mut output).await {
        return output.expect("no panic").map_err(|error| error.to_string());
    }
    kill(id);
    let output = output.await.expect("no panic").map_err(|error| error.to_string())?;
    Err(format!("it does not end: {}", said(&output)))
}

/// Runs a command that has to end well, and gives what it printed.
pub async fn succeed(what: &str, mut command: Command) -> Result<String, String> {
    let output = wait(command.spawn().expect("llmhost starts")).await?;
    let words = said(&output);
    if output.status.success() { Ok(words) } else { Err(format!("{what} failed: {words}")) }
}
