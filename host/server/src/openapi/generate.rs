//! Chat and text completions.

use serde_json::{Value, json};

use super::schema::{
    Properties, any, constant, flag, list, map, named, number, object, post_or_stream, properties, text, whole, within,
};

const TAG: &str = "Generate";

pub(super) fn paths() -> Properties {
    properties([
        (
            "/v1/chat/completions",
            post_or_stream("chat", TAG, "The next message of a conversation.", &chat(), &chat_answer()),
        ),
        (
            "/v1/completions",
            post_or_stream("complete", TAG, "A text to continue.", &completion(), &completion_answer()),
        ),
    ])
}

/// What both take.
fn common() -> Properties {
    let texts = any(
        &[text("One."), list(text("One of them."), "Up to 16.")],
        "Texts that stop the answer; they are not part of it.",
    );
    properties([
        ("model", text("The model's name; can be omitted if the server has one model.")),
        ("max_tokens", whole("The maximum number of tokens of the answer; by default as many as fit.")),
        ("max_completion_tokens", whole("Like `max_tokens`, and overrides it.")),
        ("temperature", within("0 always chooses the most likely token.", 0.0, 2.0)),
        ("top_p", within("Only the most likely tokens whose probabilities add up to this value.", 0.0, 1.0)),
        ("top_k", whole("Only this many of the most likely tokens; 0 or -1 for all.")),
        ("min_p", within("Only tokens with at least this share of the highest probability.", 0.0, 1.0)),
        ("repetition_penalty", within("Values above 1 make repeated tokens less likely.", 0.1, 10.0)),
        ("presence_penalty", within("Subtracted from the logit of each token that was generated.", -2.0, 2.0)),
        ("frequency_penalty", within("Like presence_penalty, multiplied by the number of occurrences.", -2.0, 2.0)),
        ("seed", whole("The same seed gives the same answer.")),
        ("logit_bias", map("A map from token ids to a number that is added to the logit, -100 to 100.")),
        ("stop", texts),
        ("stop_token_ids", list(whole("A token."), "Tokens that end the answer.")),
        ("ignore_eos", flag("Whether to ignore the model's end token.")),
        ("n", whole("How many answers, 1 to 16.")),
        ("stream", flag("Whether to stream the answer.")),
        ("stream_options", map("`include_usage`: whether the last chunk has the usage.")),
        (
            "response_format",
            map("`{\"type\": \"text\"}`, `{\"type\": \"json_object\"}`, or `{\"type\": \"json_schema\", \
                 \"json_schema\": {\"schema\": …}}`, which the answer must match."),
        ),
    ])
}

fn chat() -> Value {
    let mut all = common();
    all.extend(conversation());
    all.extend(properties([
        ("logprobs", flag("Whether to return log-probabilities of the answer's tokens.")),
        ("top_logprobs", whole("With `logprobs`: the number of most likely tokens to return, up to 20.")),
    ]));
    object(all, &["messages"])
}

/// Messages, tools, and how the chat template writes them.
pub(super) fn conversation() -> Properties {
    let part = object(properties([("type", constant("text")), ("text", text("The text."))]), &["type", "text"]);
    let content = any(
        &[text("The text."), list(part, "Parts, one after another."), json!({ "type": "null" })],
        "The content; null if the message only calls tools.",
    );
    let function = properties([("name", text("Its name.")), ("arguments", text("JSON."))]);
    let call = properties([
        ("id", text("Of the call.")),
        ("type", constant("function")),
        ("function", object(function, &["name", "arguments"])),
    ]);
    let call = object(call, &["id", "type", "function"]);
    let message = properties([
        ("role", text("`system`, `developer`, `user`, `assistant`, `tool`, `function`.")),
        ("content", content),
        ("name", text("Who says it, for chat templates that write it.")),
        ("tool_calls", list(call, "The calls of an answer.")),
        ("tool_call_id", text("Which call the message answers.")),
        ("reasoning_content", text("What the assistant thought before it answered.")),
    ]);
    properties([
        ("messages", list(object(message, &["role"]), "The conversation.")),
        (
            "tools",
            list(map("A tool."), "Functions that the model can call. With `strict`, arguments match the schema."),
        ),
        (
            "tool_choice",
            any(
                &[
                    text("`auto`, `none` or `required`."),
                    map("`{\"type\": \"function\", \"function\": {\"name\": …}}`."),
                ],
                "Which tools are called.",
            ),
        ),
        ("parallel_tool_calls", flag("Whether an answer can call more than one.")),
        ("continue_final_message", flag("Whether to continue the assistant's last message; true by default.")),
        (
            "add_generation_prompt",
            flag("`true` starts a new message after the assistant's last one; `false` starts none after any other."),
        ),
        (
            "parse_special",
            flag(
                "`true` reads the names of special tokens in messages of users and results of tools as these tokens; \
                  by default they are text.",
            ),
        ),
        ("chat_template_kwargs", map("Variables of the chat template, such as `enable_thinking`.")),
        ("reasoning_effort", text("A variable of some chat templates: `low`, `medium`, `high`.")),
    ])
}

fn completion() -> Value {
    let tokens = || list(whole("A token."), "Tokens.");
    let prompt = any(
        &[text("A text."), list(text("A text."), "Texts."), tokens(), list(tokens(), "Lists of tokens.")],
        "What to continue; up to 64 of them, each with answers of its own.",
    );
    let mut all = common();
    all.extend(properties([
        ("prompt", prompt),
        ("logprobs", whole("Log-probabilities of the tokens, and of this number of alternatives, up to 20.")),
        (
            "echo",
            flag(
                "Whether to return the prompt before the answer, with `logprobs` its log-probabilities too. \
                  `max_tokens` can be 0 then.",
            ),
        ),
        (
            "suffix",
            text(
                "The text after the answer. For models with infilling tokens, such as `<|fim_prefix|>`; the prompt \
                  must be a string.",
            ),
        ),
    ]));
    object(all, &["prompt"])
}

fn answer(kind: &str, choice: Properties) -> Value {
    let whole_answer = properties([
        ("id", text("Of this answer.")),
        ("object", constant(kind)),
        ("created", whole("Seconds since 1970.")),
        ("model", text("The model's name.")),
        ("choices", list(object(choice, &["index", "finish_reason"]), "The answers.")),
        ("usage", named("Usage")),
    ]);
    object(whole_answer, &["id", "object", "created", "model", "choices"])
}

fn finish() -> Value {
    text("`stop`: the model or a stop text ended it; `length`: it reached the maximum number of tokens; `tool_calls`.")
}

fn chat_answer() -> Value {
    answer(
        "chat.completion",
        properties([
            ("index", whole("Which answer.")),
            ("message", map("The message: `role`, `content`, and its other fields.")),
            ("logprobs", json!({ "type": ["object", "null"], "description": "`content`: a list of tokens." })),
            ("finish_reason", finish()),
        ]),
    )
}

fn completion_answer() -> Value {
    let numbers = list(
        json!({ "type": ["number", "null"] }),
        "The natural logarithm of each token's probability; `null` for the first of a prompt.",
    );
    let top = list(
        json!({ "type": ["object", "null"], "additionalProperties": number("A log-probability.") }),
        "The most likely tokens at each position.",
    );
    let logprobs = properties([
        ("tokens", list(text("A token."), "The tokens.")),
        ("token_logprobs", numbers),
        ("top_logprobs", top),
        ("text_offset", list(whole("A place."), "Where each token starts in the text, in characters.")),
    ]);
    answer(
        "text_completion",
        properties([
            ("index", whole("Which answer.")),
            ("text", text("The answer; with `echo` after the prompt.")),
            ("logprobs", json!({ "anyOf": [object(logprobs, &[]), { "type": "null" }] })),
            ("finish_reason", finish()),
        ]),
    )
}
