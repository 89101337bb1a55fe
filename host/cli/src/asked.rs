//! The one question before something is done that costs money or cannot be undone, and what to type next.

use std::io::{BufRead, IsTerminal, Write};

use llmhost_engine::plan::Summary;
use llmhost_engine::secret::shown;

use crate::failure::Failure;
use crate::quoted::quoted;
use crate::view;

/// Asks before something is made, lost or broken. Where nobody can be asked, that is a refusal.
pub(crate) fn confirm(question: &str) -> Result<(), Failure> {
    let refuse = |message: String| Failure::Other {
        message,
        help: "Nothing was changed. If that is what you want, run again with --yes.".to_owned(),
        status: 1,
    };
    if !std::io::stdin().is_terminal() {
        return Err(refuse(format!("{question} There is no terminal to ask on, so this needs --yes.")));
    }
    let mut stderr = std::io::stderr().lock();
    // An unseen question is answered by nobody: what follows is a no.
    let _ = write!(stderr, "{question} Type 'yes': ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    match std::io::stdin().lock().read_line(&mut answer) {
        Ok(_) if answer.trim() == "yes" => Ok(()),
        _ => Err(refuse("not confirmed".to_owned())),
    }
}

/// `Create 46 resources in account 123456789012, region eu-west-1, about $0.73 an hour?`
pub(crate) fn question(
    summary: Summary,
    interruptions: usize,
    account: Option<&str>,
    region: &str,
    cost: Option<&str>,
) -> String {
    let Summary { create, update, replace, delete, .. } = summary;
    let all = [("create", create), ("update", update), ("replace", replace), ("delete", delete)];
    let mut doing: Vec<String> =
        all.iter().filter(|(_, count)| *count > 0).map(|(verb, count)| format!("{verb} {count}")).collect();
    let s = if create + update + replace + delete == 1 { "" } else { "s" };
    let last = doing.pop().unwrap_or_default();
    let doing = if doing.is_empty() { last } else { format!("{} and {last}", doing.join(", ")) };
    let doing = view::capitalized(&doing);
    let account = account.map(|account| format!(" in account {account}, region {region}")).unwrap_or_default();
    let cost = cost.map(|cost| format!(", {cost}")).unwrap_or_default();
    let interruptions = match interruptions {
        0 => String::new(),
        1 => "1 change interrupts something. ".to_owned(),
        many => format!("{many} changes interrupt something. "),
    };
    format!("{interruptions}{doing} resource{s}{account}{cost}?")
}

/// What applies a plan that was only shown: this command line without what kept it from being applied.
pub(crate) fn next_command(saved: Option<&std::path::Path>) -> String {
    match saved {
        Some(path) => format!("Run `llmhost run {}` to apply this plan.", quoted(&path.display().to_string())),
        None => format!("Run `{}` to apply.", applying(std::env::args().skip(1))),
    }
}

fn applying(args: impl Iterator<Item = String>) -> String {
    let kept = args.filter(|arg| !matches!(arg.as_str(), "--dry-run" | "--exit-code"));
    // Secrets are masked before the quotes: in quotes a value may not be found.
    let kept = kept.map(|arg| quoted(&shown(&arg)));
    let words: Vec<String> = std::iter::once("llmhost".to_owned()).chain(kept).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_applies_is_the_same_without_what_kept_it_from_applying() {
        let args = ["run", "my file.toml", "--dry-run", "--var", "a=b's", "--exit-code"].map(str::to_owned);
        assert_eq!(applying(args.into_iter()), r"llmhost run 'my file.toml' --var 'a=b'\''s'");
        assert_eq!(next_command(Some("plan.bin".as_ref())), "Run `llmhost run plan.bin` to apply this plan.");
    }

    #[test]
    fn the_command_that_applies_shows_no_secret() {
        llmhost_engine::secret::hide_variable(&"it's-planted-in-a-hint".into());
        let args = ["run", "a.toml", "--var", "key=it's-planted-in-a-hint"].map(str::to_owned);
        assert_eq!(applying(args.into_iter()), "llmhost run a.toml --var 'key=(secret)'");
    }

    #[test]
    fn a_question_without_an_answer_is_a_refusal() {
        // Tests have no terminal on standard input.
        if !std::io::stdin().is_terminal() {
            let refused = confirm("Delete 29 resources?").expect_err("nobody was asked").to_string();
            assert_eq!(refused, "Delete 29 resources? There is no terminal to ask on, so this needs --yes.");
        }
    }

    #[test]
    fn a_question_says_what_where_and_for_how_much() {
        let asked = |summary, interruptions| {
            question(summary, interruptions, Some("123456789012"), "eu-west-1", Some("about $0.73 an hour"))
        };
        assert_eq!(
            asked(Summary { create: 46, keep: 3, ..Summary::default() }, 0),
            "Create 46 resources in account 123456789012, region eu-west-1, about $0.73 an hour?"
        );
        assert_eq!(
            asked(Summary { create: 1, replace: 2, delete: 3, ..Summary::default() }, 1),
            "1 change interrupts something. Create 1, replace 2 and delete 3 resources in account 123456789012, region \
             eu-west-1, about $0.73 an hour?"
        );
        let one = Summary { update: 1, ..Summary::default() };
        assert_eq!(question(one, 0, None, "eu-west-1", None), "Update 1 resource?");
    }
}
