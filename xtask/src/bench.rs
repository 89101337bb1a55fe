//! `cargo xtask bench`: how long an offline plan takes as a pipeline grows, and what applying it
//! costs in time and bytes; Terraform's plan and apply of as many `terraform_data` beside it, where
//! terraform is installed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Steps of the pipelines that are planned. The last two show whether growth is linear.
const SIZES: [usize; 5] = [25, 250, 2_500, 5_000, 10_000];
/// Terraform takes minutes and gigabytes beyond this.
const TERRAFORM_MOST: usize = 2_500;

/// Steps of the pipelines that are applied.
const APPLIED: [usize; 2] = [1_000, 10_000];
/// Terraform writes its whole state for each of them.
const TERRAFORM_MOST_APPLIED: usize = 1_000;

/// One program's median over some runs.
struct Figure {
    wall: Duration,
    /// Bytes written, by the system's account: whole pages.
    written: u64,
    /// Peak resident set of the process, in MiB.
    peak: u64,
}

/// Plans pipelines of growing size and prints the table.
pub(crate) fn run() -> Result<(), String> {
    crate::run("cargo", &["build", "--release", "--workspace", "--bin", "llmhost"])?;
    let plugins = crate::repository().join("plugins");
    let built = llmhost_plugin_build::build(&plugins, &["noop"], &crate::target().join("llmhost-plugins"));
    let noop = crate::target().join("noop.wasm");
    std::fs::write(&noop, built.map_err(|error| error.to_string())?.remove(0))
        .map_err(|error| format!("cannot write {}: {error}", noop.display()))?;
    let llmhost = crate::target().join("release/llmhost");
    table(&llmhost, &noop)?;
    println!();
    applies(&llmhost, &noop)
}

/// Every step's outputs are recorded durably, one by one.
fn applies(llmhost: &Path, noop: &Path) -> Result<(), String> {
    // Where the state lies counts: a folder in memory would make durability free.
    let folder =
        tempfile::tempdir_in(crate::target()).map_err(|error| format!("cannot make a temporary folder: {error}"))?;
    let terraform = find("terraform");
    println!("| steps | llmhost run | written | terraform apply | written | ratio |");
    println!("|---:|---:|---:|---:|---:|---:|");
    for size in APPLIED {
        let pipeline = pipeline(folder.path(), noop, size)?;
        let ours = afresh(5, &folder.path().join(".llmhost"), || {
            let mut command = Command::new(llmhost);
            command.arg("run").arg(&pipeline).arg("--yes").env("XDG_CACHE_HOME", folder.path().join("cache"));
            command
        })?;
        let theirs = match &terraform {
            Some(terraform) if size <= TERRAFORM_MOST_APPLIED => {
                let within = configuration(terraform, folder.path(), size)?;
                let apply = || {
                    let mut command = Command::new(terraform);
                    command.args(["apply", "-input=false", "-auto-approve"]).current_dir(&within);
                    command
                };
                Some(afresh(1, &within.join("terraform.tfstate"), apply)?)
            }
            _ => None,
        };
        let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
        let (wall, written) =
            theirs.as_ref().map_or(("-".into(), "-".into()), |t| (millis(t.wall), megabytes(t.written)));
        let ratio = theirs.map_or("-".into(), |t| format!("{:.0}x", t.wall.as_secs_f64() / ours.wall.as_secs_f64()));
        println!("| {size} | {} | {} | {wall} | {written} | {ratio} |", millis(ours.wall), megabytes(ours.written));
    }
    Ok(())
}

/// The median over some runs, each with nothing in the state.
fn afresh(runs: usize, state: &Path, command: impl Fn() -> Command) -> Result<Figure, String> {
    let mut figures = Vec::new();
    for _ in 0..runs {
        // It need not be there.
        let removed = if state.is_dir() { std::fs::remove_dir_all(state) } else { std::fs::remove_file(state) };
        _ = removed;
        figures.push(measure(&mut command())?);
    }
    figures.sort_by_key(|figure| figure.wall);
    Ok(figures.swap_remove(runs / 2))
}

fn table(llmhost: &Path, noop: &Path) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| format!("cannot make a temporary folder: {error}"))?;
    let terraform = find("terraform");
    println!("| steps | llmhost plan | peak | per step | terraform plan | peak | ratio |");
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    for size in SIZES {
        let pipeline = pipeline(folder.path(), noop, size)?;
        let mut command = Command::new(llmhost);
        command.arg("run").arg(&pipeline).args(["--dry-run"]).env("XDG_CACHE_HOME", folder.path().join("cache"));
        let ours = median(&mut command, if size <= 2_500 { 7 } else { 3 })?;
        let theirs = match &terraform {
            Some(terraform) if size <= TERRAFORM_MOST => Some(plan_terraform(terraform, folder.path(), size)?),
            _ => None,
        };
        let per_step = ours.wall.as_secs_f64() * 1e6 / size as f64;
        let (wall, peak) =
            theirs.as_ref().map_or(("-".into(), "-".into()), |t| (millis(t.wall), format!("{} MiB", t.peak)));
        let ratio = theirs.map_or("-".into(), |t| format!("{:.0}x", t.wall.as_secs_f64() / ours.wall.as_secs_f64()));
        println!(
            "| {size} | {} | {} MiB | {per_step:.0} µs | {wall} | {peak} | {ratio} |",
            millis(ours.wall),
            ours.peak
        );
    }
    Ok(())
}

/// A chain of ten steps wide: every step but the first ten uses an output of an earlier one.
fn pipeline(folder: &Path, noop: &Path, size: usize) -> Result<PathBuf, String> {
    let mut text = String::from("[pipeline]\nname = \"bench\"\nregion = \"us-east-1\"\n");
    for step in 0..size {
        let value = if step < 10 { format!("value {step}") } else { format!("${{s{}.value}}", step - 10) };
        let _ = write!(text, "\n[steps.s{step}]\nuses = \"{}\"\nwith = {{ value = \"{value}\" }}\n", noop.display());
    }
    write(&folder.join(format!("bench-{size}.toml")), &text)
}

fn plan_terraform(terraform: &Path, folder: &Path, size: usize) -> Result<Figure, String> {
    let folder = configuration(terraform, folder, size)?;
    let mut command = Command::new(terraform);
    command.args(["plan", "-input=false", "-lock=false"]).current_dir(&folder);
    median(&mut command, if size <= 250 { 3 } else { 1 })
}

/// As many `terraform_data`, ready to be planned.
fn configuration(terraform: &Path, folder: &Path, size: usize) -> Result<PathBuf, String> {
    let folder = folder.join(format!("terraform-{size}"));
    std::fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let mut text = String::new();
    for step in 0..size {
        let value =
            if step < 10 { format!("\"value {step}\"") } else { format!("terraform_data.s{}.output", step - 10) };
        let _ = writeln!(text, "resource \"terraform_data\" \"s{step}\" {{\n  input = {value}\n}}");
    }
    write(&folder.join("main.tf"), &text)?;
    let mut init = Command::new(terraform);
    init.arg("init").current_dir(&folder).stdout(Stdio::null()).stderr(Stdio::null());
    let init = init.status();
    if !init.is_ok_and(|status| status.success()) {
        return Err("terraform init failed".into());
    }
    Ok(folder)
}

/// Runs a command once to warm up and then some times, and takes the run with the median time.
fn median(command: &mut Command, runs: usize) -> Result<Figure, String> {
    measure(command)?;
    let mut figures = (0..runs).map(|_| measure(command)).collect::<Result<Vec<_>, _>>()?;
    figures.sort_by_key(|figure| figure.wall);
    Ok(figures.swap_remove(runs / 2))
}

fn measure(command: &mut Command) -> Result<Figure, String> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let child = command.spawn().map_err(|error| format!("cannot start {command:?}: {error}"))?;
    let (status, peak, written) = wait(child.id())?;
    let wall = began.elapsed();
    if status != 0 {
        return Err(format!("{command:?} ended with status {status}"));
    }
    Ok(Figure { wall, written, peak: peak / 1024 })
}

/// Waits for a child; gives its wait status, its peak resident set in KiB, and bytes written.
pub(crate) fn wait(pid: u32) -> Result<(i32, u64, u64), String> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| "an impossible process id".to_owned())?;
    let mut status = 0;
    // SAFETY: `rusage` is plain data, and both pointers are to locals that outlive the call.
    let (waited, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::wait4(pid, &raw mut status, 0, &raw mut usage), usage)
    };
    if waited != pid {
        return Err(format!("cannot wait for process {pid}"));
    }
    // The system counts blocks of 512 bytes, whatever the disk's are.
    let written = u64::try_from(usage.ru_oublock).unwrap_or(0) * 512;
    Ok((status, u64::try_from(usage.ru_maxrss).unwrap_or(0), written))
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn write(path: &Path, text: &str) -> Result<PathBuf, String> {
    std::fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    Ok(path.to_owned())
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
