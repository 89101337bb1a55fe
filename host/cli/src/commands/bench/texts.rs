//! Answers to texts, with guessed tokens and without.

use std::time::{Duration, Instant};

use llmhost_inference::engine::Prompt;
use llmhost_inference::model::Message;
use llmhost_inference::{Engine, Event, Request, RequestError};
use serde::Serialize;

/// Each text is answered so often by each engine, in turn: other programs run, too.
const ROUNDS: usize = 5;

const ARTICLE: &str = "The river Elbe rises in the Giant Mountains in the north of the Czech Republic and flows through Bohemia \
and Germany into the North Sea at Cuxhaven. It is 1,094 kilometres long. Its largest tributaries are the Vltava, the Saale, the \
Havel and the Mulde. Dresden, Magdeburg and Hamburg are the largest cities on the river. Ships go from the North Sea to \
Hamburg, which has the largest port of Germany, and barges continue to the Czech Republic. In August 2002 the river rose to 9.40 \
metres in Dresden, and the flood did great damage.";

const CODE: &str = "def read_settings(path):\n    with open(path) as file:\n        lines = file.readlines()\n    settings = {}\n\
    for line in lines:\n        line = line.strip()\n        if not line or line.startswith('#'):\n            continue\n        \
name, value = line.split('=', 1)\n        settings[name.strip()] = value.strip()\n    return settings\n\n\ndef \
write_settings(path, settings):\n    with open(path, 'w') as file:\n        for name, value in sorted(settings.items()):\n            \
file.write(f'{name} = {value}\\n')\n";

/// What is asked, and whether answers repeat what was said.
fn questions() -> [(&'static str, String); 6] {
    [
        ("summary", format!("Quote the three most important sentences of this text word for word.\n\n{ARTICLE}")),
        ("copy", format!("Correct the spelling of this text and change nothing else.\n\n{ARTICLE}")),
        ("edit", format!("Rename the variable `lines` to `rows` in this program. Write the whole program.\n\n{CODE}")),
        ("chat", "What should I see in Hamburg in two days?".to_owned()),
        ("story", "Tell me a short story about a lighthouse keeper and a storm.".to_owned()),
        ("explain", "Explain how a refrigerator works.".to_owned()),
    ]
}

/// One line of the table.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    text: &'static str,
    answer_tokens: usize,
    /// Tokens a second from the first on, the middle of the rounds.
    without: f64,
    with: f64,
    /// The middle of the rounds' ratios.
    ratio: f64,
    /// Guessed tokens of all rounds, and those that were right.
    proposed: u64,
    accepted: u64,
    /// Those of the draft model.
    drafted: u64,
    draft_accepted: u64,
    /// Whether all answers were the same.
    same: bool,
}

impl Row {
    pub(super) const HEAD: &str =
        "text     tokens  without/s   with/s  ratio  guessed    right  drafted    right  same answer\n";

    pub(super) fn line(&self) -> String {
        let Self { text, answer_tokens, without, with, ratio, proposed, accepted, drafted, draft_accepted, same } =
            self;
        let same = if *same { "yes" } else { "no" };
        format!(
            "{text:8} {answer_tokens:6} {without:10.1} {with:8.1} {ratio:5.2}x {proposed:8} {accepted:8} {drafted:8} \
             {draft_accepted:8}  {same}\n"
        )
    }
}

/// Asks every question of both engines.
pub(super) async fn measure(with: &Engine, without: &Engine, length: usize) -> Result<Vec<Row>, RequestError> {
    let mut rows = Vec::new();
    for (text, question) in questions() {
        let before = with.stats();
        let (mut fast, mut slow, mut ratios, mut answers) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (one, tokens) = rate(without, &question, length).await?;
            answers.push(tokens);
            let (other, tokens) = rate(with, &question, length).await?;
            answers.push(tokens);
            slow.push(one);
            fast.push(other);
            ratios.push(other / one);
        }
        let now = with.stats();
        rows.push(Row {
            text,
            answer_tokens: answers.first().map_or(0, Vec::len),
            without: middle(slow),
            with: middle(fast),
            ratio: middle(ratios),
            proposed: now.proposed_tokens - before.proposed_tokens,
            accepted: now.accepted_tokens - before.accepted_tokens,
            drafted: now.draft_proposed_tokens - before.draft_proposed_tokens,
            draft_accepted: now.draft_accepted_tokens - before.draft_accepted_tokens,
            same: answers.windows(2).all(|two| two[0] == two[1]),
        });
    }
    Ok(rows)
}

/// Tokens a second behind the first one, and the tokens.
async fn rate(engine: &Engine, question: &str, length: usize) -> Result<(f64, Vec<u32>), RequestError> {
    let prompt = match &engine.model().chat {
        Some(template) => template.render(&[Message::new("user", question)], &serde_json::Value::Null).ok(),
        None => None,
    };
    let prompt = prompt.map_or_else(|| Prompt::Text(question.to_owned()), Prompt::Rendered);
    let mut stream = engine.generate(Request { max_tokens: Some(length), ..Request::new(prompt) })?;
    let (mut first, mut last, mut tokens) = (None, Duration::ZERO, Vec::new());
    let began = Instant::now();
    while let Some(event) = stream.next().await {
        match event {
            Event::Token { id, .. } => {
                last = began.elapsed();
                first.get_or_insert(last);
                tokens.push(id);
            }
            Event::Done { .. } => break,
            Event::Failed(error) => return Err(error),
        }
    }
    let seconds = (last - first.unwrap_or_default()).as_secs_f64();
    Ok((tokens.len().saturating_sub(1) as f64 / seconds.max(f64::EPSILON), tokens))
}

fn middle(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(0.0)
}
