//! The tests of what is in clusters, on the emulated API server and on the real one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{ControlPlane, PAGE, SOURCES, VARIABLE};

/// The tests' own list: what runs, and what does not run on a real API server.
const LIST: &str = "tests/conformance/suites.json";
/// Starts the part of the page that is written here.
pub(super) const HEADING: &str = "## Tests that run on both";
/// The name of the tests in Python.
const PYTHON: &str = "python";

/// Tests that are run by one command.
struct Suite {
    name: String,
    /// The package that they belong to; the command line's own where there is none.
    package: Option<String>,
    /// Why the tests count on a real API server alone, where they do.
    real_only: Option<String>,
    /// Tests that run on the emulated API server alone, and why.
    skipped: BTreeMap<String, String>,
}

/// What became of each test.
type Results = BTreeMap<String, bool>;

/// What became of a suite's tests on either side.
struct Outcome {
    suite: Suite,
    emulated: Results,
    real: Results,
    /// What is wrong with it as a whole.
    wrong: Vec<String>,
}

/// Runs the suites of these names, or all of them, says what came of it, and writes that into the page where all
/// ran and nothing failed.
pub(super) fn run(program: &Path, python: &Path, wanted: &[String]) -> Result<(), String> {
    let mut suites = listed()?;
    if let Some(unknown) = wanted.iter().find(|name| suites.iter().all(|suite| suite.name != **name)) {
        let known: Vec<&str> = suites.iter().map(|suite| suite.name.as_str()).collect();
        return Err(format!("{LIST} has no tests '{unknown}', but {}", known.join(", ")));
    }
    let is_whole = wanted.is_empty();
    suites.retain(|suite| is_whole || wanted.contains(&suite.name));
    let mut outcomes = Vec::new();
    for suite in suites {
        println!("\n=== {}, on the emulated API server", suite.name);
        let emulated = results(&mut suite.command(python, None))?;
        println!("\n=== {}, on the real API server", suite.name);
        // Each has its own: clusters that a test leaves there burden no other.
        let plane = ControlPlane::start(program)?;
        let real = results(&mut suite.command(python, Some(&plane.url)))?;
        outcomes.push(Outcome::new(suite, emulated, real));
    }
    let wrong: Vec<&String> = outcomes.iter().flat_map(|outcome| &outcome.wrong).collect();
    println!("\n{}", summary(&outcomes));
    wrong.iter().for_each(|wrong| println!("! {wrong}"));
    if !wrong.is_empty() {
        return Err(format!("{} differences and failures", wrong.len()));
    }
    if is_whole { write_page(&outcomes) } else { Ok(()) }
}

/// The suites of the list.
fn listed() -> Result<Vec<Suite>, String> {
    let path = crate::repository().join(LIST);
    let text = fs::read_to_string(&path).map_err(|error| format!("cannot read {LIST}: {error}"))?;
    let list: Value = serde_json::from_str(&text).map_err(|error| format!("{LIST}: {error}"))?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let suite = |entry: &Value| {
        let skipped = entry["skipped"].as_object()?.iter();
        Some(Suite {
            name: text(&entry["name"])?,
            package: text(&entry["package"]),
            real_only: text(&entry["real_only"]),
            skipped: skipped.map(|(name, why)| Some((name.clone(), text(why)?))).collect::<Option<_>>()?,
        })
    };
    let suites = list.as_array().and_then(|all| all.iter().map(suite).collect::<Option<Vec<_>>>());
    suites.ok_or_else(|| format!("{LIST} must list suites, each with 'name' and 'skipped' (a reason for each test)"))
}

impl Suite {
    /// Runs the suite's tests: on the real API server where there is a control plane.
    fn command(&self, python: &Path, plane: Option<&str>) -> Command {
        let mut command = if self.name == PYTHON {
            let mut command = Command::new(python);
            command.arg(crate::repository().join(SOURCES).join("python_tests.py")).args(plane).env_remove("PYTHONPATH");
            command
        } else {
            let mut command = Command::new("cargo");
            // With the command line's package, its dependencies are those that are built already.
            command.args(["test", "--package", "llmhost"]);
            self.package.iter().for_each(|package| _ = command.args(["--package", package]));
            command.args(["--test", &self.name, "--", "--test-threads", "2"]);
            if plane.is_some() && !self.skipped.is_empty() {
                command.arg("--exact");
                self.skipped.keys().for_each(|name| _ = command.args(["--skip", name]));
            }
            command
        };
        match plane {
            Some(url) => command.env(VARIABLE, url),
            None => command.env_remove(VARIABLE),
        };
        command
    }
}

/// Runs a command, shows what it says, and gives what it says of each test.
fn results(command: &mut Command) -> Result<Results, String> {
    let failed = |error: std::io::Error| format!("cannot start the tests: {error}");
    command.current_dir(crate::repository()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let mut found = Results::new();
    for line in child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
        let line = line.map_err(failed)?;
        println!("{line}");
        found.extend(result(&line));
    }
    let status = child.wait().map_err(failed)?;
    if found.is_empty() || !status.success() && found.values().all(|is_fine| *is_fine) {
        return Err(format!("the tests could not be run ({status}); they say why above"));
    }
    Ok(found)
}

/// `test NAME ... ok`
fn result(line: &str) -> Option<(String, bool)> {
    let (name, said) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    match said {
        "ok" => Some((name.to_owned(), true)),
        "FAILED" => Some((name.to_owned(), false)),
        _ => None,
    }
}

impl Outcome {
    fn new(suite: Suite, emulated: Results, real: Results) -> Self {
        let mut wrong = Vec::new();
        let names: BTreeSet<&String> = emulated.keys().chain(real.keys()).collect();
        for name in names {
            let of = format!("{} {name}", suite.name);
            match (emulated.get(name), real.get(name), suite.skipped.contains_key(name)) {
                (Some(true), Some(true), false) | (Some(true), None, true) => {}
                (Some(true), Some(false), _) => wrong.push(format!("{of}: fails on the real API server alone")),
                (Some(false), Some(true), _) => wrong.push(format!("{of}: fails on the emulated API server alone")),
                (Some(false), ..) => wrong.push(format!("{of}: fails")),
                _ => wrong.push(format!("{of}: did not run on both")),
            }
        }
        for name in suite.skipped.keys().filter(|name| !emulated.contains_key(*name)) {
            wrong.push(format!("{} {name}: there is no such test; take it off {LIST}", suite.name));
        }
        Self { suite, emulated, real, wrong }
    }

    /// How many tests ran on both and passed.
    fn alike(&self) -> usize {
        if self.suite.real_only.is_some() { 0 } else { self.passed() }
    }

    fn passed(&self) -> usize {
        self.real.iter().filter(|(name, is_fine)| **is_fine && self.emulated.get(*name) == Some(&true)).count()
    }
}

/// What ran on both, and what did not and why.
fn summary(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    let alike: usize = outcomes.iter().map(Outcome::alike).sum();
    let skipped: usize = outcomes.iter().map(|outcome| outcome.suite.skipped.len()).sum();
    let _ = writeln!(text, "{alike} tests ran and passed on the emulated API server and on the real one:");
    for outcome in outcomes {
        let _ = writeln!(text, "  {}: {}", outcome.suite.name, outcome.alike());
    }
    for (outcome, why) in real_only(outcomes) {
        let (count, name) = (outcome.passed(), &outcome.suite.name);
        let _ = writeln!(text, "{count} tests of {name} tested the real one alone: {why}");
    }
    let _ = writeln!(text, "{skipped} tests ran on the emulated one alone:");
    for (suite, name, why) in skips(outcomes) {
        let _ = writeln!(text, "  {suite} {name}: {why}");
    }
    text
}

/// The suites that test the real API server alone, and why.
fn real_only(outcomes: &[Outcome]) -> impl Iterator<Item = (&Outcome, &str)> {
    outcomes.iter().filter_map(|outcome| Some((outcome, outcome.suite.real_only.as_deref()?)))
}

fn skips(outcomes: &[Outcome]) -> impl Iterator<Item = (&str, &str, &str)> {
    outcomes.iter().flat_map(|Outcome { suite, .. }| {
        suite.skipped.iter().map(|(name, why)| (suite.name.as_str(), name.as_str(), why.as_str()))
    })
}

/// Writes the page's part about tests.
fn write_page(outcomes: &[Outcome]) -> Result<(), String> {
    let path = crate::repository().join(PAGE);
    let page = fs::read_to_string(&path).map_err(|error| format!("cannot read {PAGE}: {error}"))?;
    let table = page.split(HEADING).next().unwrap_or_default().trim_end();
    let alike: usize = outcomes.iter().map(Outcome::alike).sum();
    let skipped = skips(outcomes).count();
    let mut text = format!(
        "{table}\n\n{HEADING}\n\n`cargo xtask conformance --tests` runs the tests that use clusters twice: with the emulated API \
         server, and with a\nreal one behind the emulated EKS. A test that fails on either side is an error. {alike} tests pass \
         on both; {skipped} run\non the emulated one alone, for the reasons below. The real one has no kubelet: a stand-in \
         makes nodes, and tells of each\npod what the name of its image says.\n\n| tests | pass on both | on the emulated one alone |\n|---|---|---|\n"
    );
    for outcome in outcomes.iter().filter(|outcome| outcome.suite.real_only.is_none()) {
        let place = match (outcome.suite.name.as_str(), &outcome.suite.package) {
            (PYTHON, _) => "the emulator's own (host/emulator/tests)".to_owned(),
            (name, None) => format!("tests/{name}.rs"),
            (name, Some(package)) => format!("{name}, of {package}"),
        };
        let _ = writeln!(text, "| {place} | {} | {} |", outcome.alike(), outcome.suite.skipped.len());
    }
    for (outcome, why) in real_only(outcomes) {
        let (count, name) = (outcome.passed(), &outcome.suite.name);
        let _ = writeln!(text, "\n{count} tests of tests/{name}.rs test the real one alone: {why}.");
    }
    if skipped > 0 {
        text.push_str("\n| test | why it does not run on the real one |\n|---|---|\n");
    }
    for (suite, name, why) in skips(outcomes) {
        let _ = writeln!(text, "| {suite}: {name} | {why} |");
    }
    fs::write(&path, text).map_err(|error| format!("cannot write {PAGE}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(all: &[(&str, bool)]) -> Results {
        all.iter().map(|(name, is_fine)| ((*name).to_owned(), *is_fine)).collect()
    }

    fn outcome(skipped: &[&str], emulated: &[(&str, bool)], real: &[(&str, bool)]) -> Outcome {
        let skipped = skipped.iter().map(|name| ((*name).to_owned(), "a reason".to_owned())).collect();
        let suite = Suite { name: "s".into(), package: None, real_only: None, skipped };
        Outcome::new(suite, results(emulated), results(real))
    }

    #[test]
    fn a_test_that_passes_on_one_side_alone_is_a_difference() {
        let fine = outcome(&["c"], &[("a", true), ("b", true), ("c", true)], &[("a", true), ("b", true)]);
        assert_eq!((fine.alike(), fine.wrong.len()), (2, 0));
        assert!(summary(&[fine]).contains("1 tests ran on the emulated one alone:\n  s c: a reason"));
        for (emulated, real, words) in [
            (true, Some(false), "fails on the real API server alone"),
            (false, Some(true), "fails on the emulated API server alone"),
            (false, Some(false), "s a: fails"),
            (true, None, "did not run on both"),
        ] {
            let real: Vec<_> = real.into_iter().map(|real| ("a", real)).collect();
            let found = outcome(&[], &[("a", emulated)], &real);
            assert!(
                found.alike() == 0 && found.wrong.len() == 1 && found.wrong[0].contains(words),
                "{:?}",
                found.wrong
            );
        }
        assert!(outcome(&["gone"], &[("a", true)], &[("a", true)]).wrong[0].contains("no such test"));
    }

    #[test]
    fn lines_of_tests_are_read_and_others_are_not() {
        assert_eq!(result("test a_b ... ok"), Some(("a_b".to_owned(), true)));
        assert_eq!(result("test Verbs.test_lists ... FAILED"), Some(("Verbs.test_lists".to_owned(), false)));
        for other in ["test a ... ignored, for a reason", "test result: ok. 1 passed", "running 2 tests"] {
            assert_eq!(result(other), None, "{other}");
        }
    }
}
