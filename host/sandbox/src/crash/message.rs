//! What a guest said of its own crash, found in the last lines that it wrote.
//!
//! Every language tells a crash in a form of its own, on standard error or by the log.

use llmhost_engine::crash::Line;

/// Where a message is cut.
const BYTES: usize = 500;

/// The message, with the place that belongs to it.
pub(super) fn find(lines: &[Line]) -> Option<String> {
    let lines: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    // Interpreters tell the fault of the program first and then panic themselves, so theirs comes first.
    let found = python(&lines).or_else(|| javascript(&lines)).or_else(|| go(&lines));
    let found = found.or_else(|| rust(&lines)).or_else(|| c(&lines))?;
    Some(found[..found.floor_char_boundary(BYTES)].to_owned())
}

/// `Traceback (most recent call last):`, frames, and the exception.
fn python(lines: &[&str]) -> Option<String> {
    let start = lines.iter().rposition(|line| line.starts_with("Traceback (most recent call last)"))?;
    let after = &lines[start + 1..];
    let end = after.iter().position(|line| !line.starts_with(' '))?;
    let place = after[..end].iter().rev().find_map(|line| {
        // `  File "/0/plugin.py", line 8, in days`
        let (file, rest) = line.trim_start().strip_prefix("File \"")?.split_once("\", line ")?;
        let number = rest.split(',').next()?;
        Some(format!("{}:{number}", file.rsplit('/').next()?))
    });
    Some(with_place(after[end], place))
}

/// `TypeError: x is undefined` and its stack, `run@plugin.js:15:10` or `at run (plugin.js:15:10)`.
fn javascript(lines: &[&str]) -> Option<String> {
    // Bindings check what is thrown; the stack that they add is their own.
    let received = |line: &&&str| line.starts_with("invalid variant tag value");
    let wrapped = lines.iter().rev().find(received).and_then(|line| {
        let (_, rest) = line.split_once("(received `")?;
        Some(rest.rsplit_once("`)").map_or(rest, |(message, _)| message).to_owned())
    });
    let is_error = |line: &&str| {
        let line = line.strip_prefix("Uncaught ").unwrap_or(line);
        let name = line.split(':').next().unwrap_or_default();
        (name.ends_with("Error") || name.ends_with("Exception")) && name.chars().all(char::is_alphanumeric)
    };
    let Some(at) = lines.iter().rposition(is_error) else { return wrapped };
    let place = lines[at + 1..].iter().map_while(|line| script(line)).find(|place| !place.contains("initializer.js"));
    Some(with_place(lines[at].strip_prefix("Uncaught ").unwrap_or(lines[at]), place))
}

/// The place of a line of a JavaScript stack.
fn script(line: &str) -> Option<String> {
    let line = line.trim();
    let place = match line.strip_prefix("at ") {
        Some(rest) => rest.rsplit('(').next()?.trim_end_matches(')'),
        None => line.rsplit_once('@')?.1,
    };
    let mut parts = place.rsplitn(3, ':');
    let is_number = |part: Option<&str>| part.is_some_and(|part| part.parse::<u32>().is_ok());
    (is_number(parts.next()) && is_number(parts.next())).then(|| place.to_owned())
}

/// `panic: message`, an empty line, `goroutine 1 [running]:`, and a function and its place in turn.
fn go(lines: &[&str]) -> Option<String> {
    let is_panic = |line: &&str| {
        let threaded =
            line.strip_prefix("thread ").and_then(|rest| rest.split_once(' ')).map_or(*line, |(_, rest)| rest);
        ["panic: ", "fatal error: "].iter().any(|start| threaded.starts_with(start))
    };
    let at = lines.iter().rposition(is_panic)?;
    let place = lines[at + 1..].iter().find_map(|line| {
        // `  /src/main.go:12 +0x1d`, after the tab became spaces.
        let place = line.strip_prefix("  ")?.trim_start().split(" +0x").next()?;
        let (file, number) = place.rsplit_once(':')?;
        let own = file.ends_with(".go") && !file.contains("/src/runtime/") && !file.contains("/src/internal/");
        (own && number.parse::<u32>().is_ok()).then(|| place.to_owned())
    });
    Some(with_place(lines[at], place))
}

/// `panicked at src/lib.rs:38:24:` and the message on the next line.
fn rust(lines: &[&str]) -> Option<String> {
    let at = lines.iter().rposition(|line| line.contains("panicked at "))?;
    let panicked = &lines[at][lines[at].find("panicked at ")?..];
    match (panicked.strip_suffix(':'), lines.get(at + 1)) {
        (Some(place), Some(message)) => Some(format!("{place}: {message}")),
        (Some(place), None) => Some(place.to_owned()),
        (None, _) => Some(panicked.to_owned()),
    }
}

/// One line that says it all: C's `assert`, an exception of C++, AssemblyScript's `abort`.
fn c(lines: &[&str]) -> Option<String> {
    let is_one = |line: &&&str| {
        let line = line.trim_start();
        ["Assertion failed", "libc++abi: ", "terminate called", "abort: ", "Uncaught ", "Fatal error", "Unhandled "]
            .iter()
            .any(|start| line.starts_with(start))
            || (line.contains(": Assertion ") && line.contains("failed"))
    };
    lines.iter().rev().find(is_one).map(|line| line.trim().to_owned())
}

fn with_place(message: &str, place: Option<String>) -> String {
    match place {
        Some(place) => format!("{message} ({place})"),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_is_understood() {
        for (wrote, message) in [
            (
                "about to\nthread 'main' panicked at src/lib.rs:38:24:\nthe flux is 42\nnote: run with `RUST_BACKTRACE=1`",
                "panicked at src/lib.rs:38:24: the flux is 42",
            ),
            (
                "Traceback (most recent call last):\n  File \"/0/plugin.py\", line 18, in run\n  File \"/0/plugin.py\", line 8, in days\n\
                 KeyError: 'days'\nthread '<unnamed>' (1) panicked at runtime/src/lib.rs:1293:29:\nPython function threw",
                "KeyError: 'days' (plugin.py:8)",
            ),
            (
                "TypeError: rule.days is undefined\nlifecycle/<@plugin.js:4:30\nrun@plugin.js:15:10\n\
                 invalid variant tag value `undefined` (received `TypeError: rule.days is undefined`) specified for `Failure`",
                "TypeError: rule.days is undefined (plugin.js:4:30)",
            ),
            (
                "invalid variant tag value `undefined` (received `TypeError: x(`) specified for `Failure`\nStack:\n  \
                 export_run@/tmp/c4/sources/initializer.js:1033:17",
                "TypeError: x(",
            ),
            ("Error: no subnet\n    at pick (plugin.js:3:9)", "Error: no subnet (plugin.js:3:9)"),
            (
                "panic: runtime error: index out of range [3] with length 0\ngoroutine 1 [running]:\nruntime.gopanic(0x1)\n  \
                 /usr/local/go/src/runtime/panic.go:860 +0x1\nmain.pick(...)\n  /src/main.go:12\nmain.run(0x1, 0x2)\n  /src/main.go:20 +0x3",
                "panic: runtime error: index out of range [3] with length 0 (/src/main.go:12)",
            ),
            ("thread 1 panic: reached unreachable code", "thread 1 panic: reached unreachable code"),
            ("Assertion failed: days > 0 (plugin.c: keep: 12)", "Assertion failed: days > 0 (plugin.c: keep: 12)"),
            ("abort: no subnet in assembly/index.ts(12:3)", "abort: no subnet in assembly/index.ts(12:3)"),
            ("abort: no subnet (assembly/plugin.ts:12:3)", "abort: no subnet (assembly/plugin.ts:12:3)"),
        ] {
            let lines: Vec<Line> =
                wrote.lines().map(|line| Line { to: "stderr".into(), text: line.to_owned() }).collect();
            assert_eq!(find(&lines).as_deref(), Some(message), "{wrote}");
        }
    }

    #[test]
    fn other_words_are_no_message() {
        let line = |text: &str| Line { to: "info".into(), text: text.into() };
        assert_eq!(find(&[line("making 3 subnets"), line("done: no errors")]), None);
        assert_eq!(find(&[line("Traceback (most recent call last):")]), None);
        assert_eq!(find(&[]), None);
    }
}
