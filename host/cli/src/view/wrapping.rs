//! Where a text may be broken to fit the terminal: between words, and never within a command.
//!
//! A command that is broken, or hyphenated, cannot be copied; nor can a path or an address.

use std::borrow::Cow;
use std::io::IsTerminal;
use std::sync::LazyLock;

use clap::CommandFactory;
use llmhost_engine::secret::shown;
use textwrap::core::Word;
use textwrap::{Options, WordSeparator, WordSplitter};

use crate::args::Cli;

/// Programs that texts tell users to run. Their names are written in lower case in commands alone.
const OTHERS: [&str; 3] = ["aws", "kubectl", "curl"];

/// The commands of llmhost: in a sentence, its name is followed by something else.
static OWN: LazyLock<Vec<String>> = LazyLock::new(|| {
    let all = Cli::command();
    all.get_subcommands().map(|command| command.get_name().to_owned()).collect()
});

/// A text for standard error, in lines that fit where that is a terminal. Masked before it is broken: half a secret would
/// not be recognised.
pub(crate) fn fitting(text: &str) -> Cow<'_, str> {
    if !std::io::stderr().is_terminal() {
        return Cow::Borrowed(text);
    }
    let options = Options::new(super::width()).break_words(false).word_splitter(WordSplitter::NoHyphenation);
    Cow::Owned(textwrap::fill(&shown(text), options.word_separator(WordSeparator::Custom(words))))
}

/// Splits a line at its spaces; a command is one word.
pub(super) fn words(line: &str) -> Box<dyn Iterator<Item = Word<'_>> + '_> {
    let mut parts: Vec<(usize, &str)> = Vec::new();
    let mut at = 0;
    for part in line.split_inclusive(' ') {
        parts.push((at, part));
        at += part.len();
    }
    let mut words = Vec::new();
    let mut next = 0;
    while let Some((start, _)) = parts.get(next) {
        let taken = command(&parts[next..]).max(1);
        next += taken;
        let end = parts.get(next).map_or(line.len(), |(end, _)| *end);
        words.push(Word::from(&line[*start..end]));
    }
    Box::new(words.into_iter())
}

/// Of how many parts the command is that begins here; 0 where none does.
fn command(parts: &[(usize, &str)]) -> usize {
    let mut texts = parts.iter().map(|(_, part)| part.trim_end_matches(' '));
    let (Some(program), Some(first)) = (texts.next(), texts.next()) else { return 0 };
    let program = program.trim_start_matches(OPENING);
    let verb = first.trim_end_matches(|c: char| ENDING.contains(&c) || CLOSING.contains(&c));
    let is_command = match program {
        "llmhost" => verb.starts_with("--") || OWN.iter().any(|own| own == verb),
        other => OTHERS.contains(&other) && verb.starts_with(|c: char| c.is_ascii_lowercase()),
    };
    if !is_command {
        return 0;
    }
    // It ends with the sentence, its clause, or what it stands in.
    let ends = |part: &&str| part.ends_with(ENDING) || part.ends_with(CLOSING) && !part.contains(['[', '(']);
    let last = parts.iter().skip(1).map(|(_, part)| part.trim_end_matches(' ')).position(|part| ends(&part));
    last.map_or(parts.len(), |last| last + 2)
}

/// What may stand before a command in a sentence.
const OPENING: [char; 3] = ['(', '\'', '`'];
/// What ends it.
const ENDING: [char; 4] = ['.', ',', ';', ':'];
const CLOSING: [char; 3] = [')', '\'', '`'];

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn a_command_is_one_word_and_a_sentence_is_many() {
        for (line, expected) in [
            (
                "rename it: llmhost state mv FILE a/b/c d/e/f. If not, wait.",
                &["rename", "it:", "llmhost state mv FILE a/b/c d/e/f.", "If", "not,", "wait."][..],
            ),
            (
                "Ask for 88 (aws ec2 x --quota-code L-1 --desired-value 88), or fewer.",
                &["Ask", "for", "88", "(aws ec2 x --quota-code L-1 --desired-value 88),", "or", "fewer."],
            ),
            ("run 'llmhost run --refresh', twice", &["run", "'llmhost run --refresh',", "twice"]),
            ("kubectl logs --previous shows", &["kubectl logs --previous shows"]),
            ("llmhost leaves what AWS made in aws", &["llmhost", "leaves", "what", "AWS", "made", "in", "aws"]),
            ("s3://one/two-three/four five-six", &["s3://one/two-three/four", "five-six"]),
            ("", &[]),
        ] {
            let found: Vec<&str> = words(line).map(|word| word.word).collect();
            assert_eq!(found, expected, "{line}");
        }
    }
}
