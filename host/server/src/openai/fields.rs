//! Fields that a request has and this server does not read.
//!
//! Whoever sends a field expects something of it. One that changes nothing passes; any other is refused
//! by name, with what to send instead where there is something.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::ApiError;

/// Fields that inform whoever runs the server, and change no answer.
const INFORMATION: &[&str] = &[
    "user",
    "metadata",
    "store",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "request_id",
    "priority",
];

/// A field of other requests: its name, the value that changes nothing, and what to do instead.
pub(super) type Other = (&'static str, Option<Neutral>, &'static str);

/// Fields that others have and that change the answer: the value that changes nothing, and what to do instead.
const OTHERS: &[Other] = &[
    ("guided_json", None, USE_SCHEMA),
    ("guided_regex", None, USE_SCHEMA),
    ("guided_choice", None, "use response_format with a json_schema whose schema is { \"enum\": [...] }"),
    ("guided_grammar", None, USE_SCHEMA),
    ("guided_decoding_backend", None, "this server has one backend; remove it"),
    ("guided_whitespace_pattern", None, "remove it"),
    ("structured_outputs", None, USE_SCHEMA),
    ("best_of", Some(Neutral::One), "use n for several answers"),
    ("use_beam_search", Some(Neutral::False), "use temperature, top_p or top_k"),
    ("length_penalty", Some(Neutral::One), "it is for beam search, which is not supported"),
    ("min_tokens", Some(Neutral::Zero), "ignore_eos with max_tokens gives answers of a fixed length"),
    (
        "prompt_logprobs",
        None,
        "logprobs gives those of the answer, and with echo in /v1/completions those of the prompt",
    ),
    ("echo", Some(Neutral::False), "the answer does not contain the prompt"),
    ("continue_final_message", Some(Neutral::False), "send the text to /v1/completions to have it continued"),
    ("add_generation_prompt", Some(Neutral::True), "the prompt always ends where the assistant starts"),
    ("add_special_tokens", None, "the model's own configuration says which tokens a prompt has"),
    ("skip_special_tokens", Some(Neutral::True), "answers do not contain special tokens"),
    ("include_stop_str_in_output", Some(Neutral::False), "answers do not contain the stop text"),
    ("truncate_prompt_tokens", None, "shorten the prompt; POST /tokenize counts its tokens"),
    ("truncation", None, "shorten the prompt; POST /tokenize counts its tokens"),
    ("bad_words", Some(Neutral::Empty), "use logit_bias of -100 for the tokens; POST /tokenize gives them"),
    ("allowed_token_ids", Some(Neutral::Empty), "use logit_bias"),
    ("chat_template", None, "the template is the model's own"),
    ("documents", Some(Neutral::Empty), "put the documents into messages"),
    ("verbosity", None, "ask for it in a message, or use max_tokens"),
    ("tools", Some(Neutral::Empty), "only /v1/chat/completions supports tools"),
    ("tool_choice", Some(Neutral::NoTools), "only /v1/chat/completions supports tools"),
    ("parallel_tool_calls", Some(Neutral::Any), "only /v1/chat/completions supports tools"),
    ("functions", Some(Neutral::Empty), USE_TOOLS),
    ("function_call", Some(Neutral::NoTools), USE_TOOLS),
    ("modalities", Some(Neutral::Text), "answers are text"),
    ("audio", None, "answers are text"),
    ("prediction", None, "remove it; it changes only the speed"),
    ("web_search_options", None, "the server does not search"),
    ("typical_p", Some(Neutral::One), "use top_p or min_p"),
    ("mirostat", Some(Neutral::Zero), "use temperature, top_p or min_p"),
    ("repeat_penalty", Some(Neutral::One), "use repetition_penalty"),
    ("n_predict", None, "use max_tokens"),
    ("grammar", None, USE_SCHEMA),
    ("json_schema", None, USE_SCHEMA),
    ("return_token_strs", Some(Neutral::False), "POST /detokenize gives the text of tokens"),
];

const USE_SCHEMA: &str = "use response_format with { \"type\": \"json_schema\", \"json_schema\": { \"schema\": ... } }";

const USE_TOOLS: &str = "use tools, each { \"type\": \"function\", \"function\": ... }, and tool_choice";

/// A value that is as good as none.
#[derive(Debug, Clone, Copy)]
pub(super) enum Neutral {
    Any,
    False,
    True,
    Zero,
    One,
    /// An empty list or object.
    Empty,
    /// `none` or `auto`, where there are no tools to choose from.
    NoTools,
    /// Text alone.
    Text,
}

impl Neutral {
    fn is(self, value: &Value) -> bool {
        match self {
            Self::Any => true,
            Self::False => *value == json!(false),
            Self::True => *value == json!(true),
            Self::Zero => value.as_f64() == Some(0.0),
            Self::One => value.as_f64() == Some(1.0),
            Self::Empty => *value == json!([]) || *value == json!({}),
            Self::NoTools => *value == json!("none") || *value == json!("auto"),
            Self::Text => *value == json!(["text"]),
        }
    }
}

/// What is left of a request when its own fields are read.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Rest(BTreeMap<String, Value>);

impl Rest {
    /// Fails by the first field that would be ignored. `own` are the fields that the request does have.
    pub(super) fn check(&self, own: &[&[&str]]) -> Result<(), ApiError> {
        self.check_with(own, &[])
    }

    /// The same for a request about whose fields there is more to say: `others` count before those of all requests.
    pub(super) fn check_with(&self, own: &[&[&str]], others: &[Other]) -> Result<(), ApiError> {
        let mut sent = self.0.iter().filter(|(_, value)| !value.is_null());
        sent.try_for_each(|(name, value)| field(name, value, own, others))
    }
}

fn field(name: &str, value: &Value, own: &[&[&str]], others: &[Other]) -> Result<(), ApiError> {
    if INFORMATION.contains(&name) {
        return Ok(());
    }
    if let Some((_, neutral, instead)) = others.iter().chain(OTHERS).find(|(known, ..)| *known == name) {
        if neutral.is_some_and(|neutral| neutral.is(value)) {
            return Ok(());
        }
        return Err(ApiError::invalid(format!("{name} is not supported; {instead}"), Some(name)));
    }
    let message = match near(name, own.iter().copied().flatten().copied()) {
        Some(near) => format!("there is no field '{name}'; did you mean '{near}'?"),
        None => format!("this request has no field '{name}'; remove it"),
    };
    Err(ApiError::invalid(message, Some(name)))
}

/// The word that is most like another one, where any is like it.
pub(crate) fn near<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let all = known.map(|known| (strsim::damerau_levenshtein(&lower.replace('-', "_"), known), known));
    all.filter(|(distance, known)| *distance <= known.len().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}
