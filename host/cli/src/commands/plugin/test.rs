//! `llmhost plugin test`: the cases beside a plugin.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use llmhost_emulator::{Emulator, Pace};
use llmhost_engine::pipeline::Trust;
use llmhost_engine::plan::plain;
use llmhost_engine::registry::Registry;
use llmhost_engine::trace::{self, Outcome};
use llmhost_resources::{Aws, AwsSettings};
use llmhost_sandbox::Loader;
use llmhost_trial::{Case, CaseReport, Difference, Provider, Subject, Verdict};

use super::{from_anywhere, is_built_in, named};
use crate::app::{self, Console};
use crate::args::PluginTest;
use crate::commands::replay;
use crate::failure::Failure;
use crate::place;
use crate::view::style;

/// Runs the cases; ends with 1 where one fails.
pub(crate) async fn test(mut args: PluginTest) -> Result<(), Failure> {
    args.plugin = named(&args.plugin)?;
    let console = Console::new(args.json);
    let files = case_files(&args)?;
    let loader = app::loader(&console, &Trust::default())?;
    let base = std::path::absolute(Path::new(".")).map_err(|error| Failure::usage(error.to_string(), ""))?;
    let inspected = loader.inspect(&args.plugin, &base).await;
    let help = "Give the path of a component file, or a built-in plugin's name.";
    let inspected = inspected.map_err(|error| Failure::plugin(error, help))?;
    // Those of a built-in plugin come with it.
    let allow = if is_built_in(&args.plugin) { Vec::new() } else { inspected.grants };
    let emulator = match args.emulate {
        true => Some(Emulator::start(&|text| console.note(text)).await?),
        false => None,
    };
    if let Some(emulator) = &emulator {
        emulator.pace(Pace::Fast)?;
    }
    let kinds = |region: &str| kinds(region, emulator.as_ref());
    // Cases are run from the folder of the cases: what they name by a relative path is kept beside them.
    let subject = Subject {
        plugin: &from_anywhere(&args.plugin),
        base: &base,
        allow: &allow,
        loader: &loader,
        kinds: &kinds,
        provider: if emulator.is_some() { Provider::Real } else { Provider::Pretended },
    };
    let mut reports = Vec::with_capacity(files.len());
    for file in &files {
        let folder = file.parent().map(std::path::absolute).and_then(Result::ok);
        let base = folder.as_deref().unwrap_or(&base);
        let report = match file.extension().is_some_and(|ending| ending == "jsonl") {
            true => replayed(file, &loader, &args.plugin).await?,
            false => run(file, &Subject { base, ..subject }, args.update, &console).await?,
        };
        show(&report, args.json);
        reports.push(report);
    }
    if let Some(emulator) = emulator {
        emulator.stop()?;
    }
    if let Some(path) = &args.junit {
        let name = Path::new(&args.plugin).file_stem().unwrap_or_default().to_string_lossy();
        let xml = llmhost_trial::junit(&name, &reports).map_err(|reason| not_written(path, &reason))?;
        std::fs::write(path, xml).map_err(|error| not_written(path, &error.to_string()))?;
    }
    sum(&reports, args.json);
    if reports.iter().all(CaseReport::passed) { Ok(()) } else { Err(Failure::Reported) }
}

fn kinds(region: &str, emulator: Option<&Emulator>) -> Registry {
    let mut settings = AwsSettings { region: region.to_owned(), ..AwsSettings::default() };
    settings.access_key = Some(place::emulator_key());
    settings.placeholder_secrets = true;
    settings.endpoint_url = emulator.map(|emulator| emulator.url().to_owned());
    llmhost_resources::registry(Aws::new(settings).into())
}

/// The files of the cases, in the order of their names.
fn case_files(args: &PluginTest) -> Result<Vec<PathBuf>, Failure> {
    let beside = Path::new(&args.plugin).parent().unwrap_or(Path::new("")).join("cases");
    let folder = args.cases.as_ref().unwrap_or(&beside);
    let nothing = |message: String| {
        let help = "A case is a TOML file in the folder 'cases' beside the component; --cases names another folder. \
                    docs/plugins/testing.md describes the fields of a case.";
        Failure::usage(message, help)
    };
    let entries = std::fs::read_dir(folder);
    let entries =
        entries.map_err(|error| nothing(format!("the cases in {} cannot be read: {error}", folder.display())))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "toml" || ending == "jsonl"));
    files.sort();
    let name = |file: &PathBuf| file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    if let Some(unknown) = args.only.iter().find(|wanted| !files.iter().any(|file| name(file) == **wanted)) {
        let known: Vec<String> = files.iter().map(name).collect();
        let message = format!("there is no case '{unknown}' in {}", folder.display());
        return Err(Failure::usage(message, format!("Its cases are {}.", known.join(", "))));
    }
    files.retain(|file| args.only.is_empty() || args.only.contains(&name(file)));
    if files.is_empty() { Err(nothing(format!("there are no cases in {}", folder.display()))) } else { Ok(files) }
}

async fn run(file: &Path, subject: &Subject<'_>, update: bool, console: &Console) -> Result<CaseReport, Failure> {
    let broken = |message: String, help: &str| Failure::Other { message, help: help.to_owned(), status: 2 };
    let case = Case::read(file).map_err(|error| broken(error.to_string(), "Correct the case."))?;
    let on_this_side = |reason| broken(reason, "The plugin is not to blame: correct this and run again.");
    let report = llmhost_trial::run(&case, subject).await.map_err(on_this_side)?;
    if !update || report.passed() {
        return Ok(report);
    }
    llmhost_trial::update(&case, &report)
        .map_err(|error| broken(error.to_string(), "Check the folder's permissions."))?;
    console.note(&format!("{} now expects what the plugin does.", file.display()));
    let case = Case::read(file).map_err(|error| broken(error.to_string(), "Correct the case."))?;
    llmhost_trial::run(&case, subject).await.map_err(on_this_side)
}

/// A trace as a case: the plugin makes the same calls and returns the same.
async fn replayed(file: &Path, loader: &Loader, plugin: &str) -> Result<CaseReport, Failure> {
    let recording = replay::read(file)?;
    let began = std::time::Instant::now();
    let mut found = Vec::new();
    for run in &recording.runs {
        let (outcome, _) = replay::replay_one(loader, run, &recording, Some(plugin)).await?;
        if let Outcome::Departed(trace::Departure { recorded, now, changes, call }) = outcome {
            let path = format!("call {call}");
            found.push(Difference { path, expected: Some(recorded), seen: Some(now) });
            found.extend(changes.into_iter().map(|change| Difference {
                path: change.path,
                expected: change.old.map(|value| value.to_string()),
                seen: change.new.map(|value| value.to_string()),
            }));
        }
    }
    let verdict = if found.is_empty() { Verdict::Passed } else { Verdict::Failed(found) };
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(CaseReport::of_trace(name, file.to_owned(), verdict, began.elapsed()))
}

fn show(report: &CaseReport, as_json: bool) {
    if as_json {
        return app::print(&format!("{}\n", serde_json::json!({ "event": "case", "case": report })));
    }
    let (name, faint, good, bad) = (style::NAME, style::FAINT, style::GOOD, style::BAD);
    let about = report.description.as_ref().map_or_else(String::new, |text| format!(": {}", plain(text)));
    let differences = match &report.verdict {
        Verdict::Passed => return app::print(&format!("{good}ok{good:#}    {}{faint}{about}{faint:#}\n", report.name)),
        Verdict::Failed(differences) => differences,
    };
    let mut text = format!("{bad}FAIL{bad:#}  {name}{}{name:#}{about}\n", report.name);
    for Difference { path, expected, seen } in differences {
        let or_nothing = |text: &Option<String>| text.as_ref().map_or("nothing".to_owned(), |text| indented(text));
        let _ = writeln!(text, "      {}", plain(path));
        let _ = writeln!(text, "        {good}expected{good:#} {}", or_nothing(expected));
        let _ = writeln!(text, "        {bad}seen{bad:#}     {}", or_nothing(seen));
    }
    if let Some(crash) = report.crash() {
        let _ = writeln!(text, "      {}", indented(&crash.to_string()));
    }
    if !report.log.is_empty() {
        let _ = writeln!(text, "      {faint}log{faint:#}");
        report.log.iter().for_each(|line| _ = writeln!(text, "        {}", indented(line)));
    }
    app::print(&text);
}

/// Safe to print, later lines below the first.
fn indented(text: &str) -> String {
    text.lines().map(plain).collect::<Vec<_>>().join("\n                 ")
}

fn sum(reports: &[CaseReport], as_json: bool) {
    let passed = reports.iter().filter(|report| report.passed()).count();
    let failed = reports.len() - passed;
    if as_json {
        return app::print(&format!(
            "{}\n",
            serde_json::json!({ "event": "done", "passed": passed, "failed": failed })
        ));
    }
    let counted = |count: usize| if count == 1 { "1 case".to_owned() } else { format!("{count} cases") };
    app::print(&match failed {
        0 => format!("{} passed.\n", counted(passed)),
        _ => format!("{} passed, {failed} failed.\n", counted(passed)),
    });
}

fn not_written(path: &Path, reason: &str) -> Failure {
    Failure::Other {
        message: format!("cannot write {}: {reason}", path.display()),
        help: "Name a file in a folder that exists.".to_owned(),
        status: 2,
    }
}
