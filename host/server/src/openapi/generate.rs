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
            post_or_stream("complete", TAG, "A text that goes on.", &completion(), &completion_answer()),
        ),
    ])
}

/// What both take.
fn common() -> Properties {
    let texts = any(
        &[text("One."), list(text("One of them."), "Up to 16.")],
        "Texts that end the answer, and are not part of it.",
    );
    properties([
        ("model", text("The model's name; may be left out where there is one.")),
        ("max_tokens", whole("Most tokens of the answer; as many as fit where it is left out.")),
        ("max_completion_tokens", whole("As `max_tokens`, and goes before it.")),
        ("temperature", within("0 takes the likeliest token each time.", 0.0, 2.0)),
        ("top_p", within("Only the likeliest tokens that have this share together.", 0.0, 1.0)),
        ("top_k", whole("Only so many of the likeliest tokens; 0 or -1 for all.")),
        ("min_p", within("Only tokens with this share of the likeliest one's probability.", 0.0, 1.0)),
        ("repetition_penalty", within("Above 1 makes tokens less likely that were there before.", 0.1, 10.0)),
        ("presence_penalty", within("Taken from the logit of each token that was generated.", -2.0, 2.0)),
        ("frequency_penalty", within("As above, times how often it was.", -2.0, 2.0)),
        ("seed", whole("The same seed gives the same answer.")),
        ("logit_bias", map("Numbers of tokens, each with what is added to its logit, -100 to 100.")),
        ("stop", texts),
        ("stop_token_ids", list(whole("A token."), "Tokens that end the answer.")),
        ("ignore_eos", flag("Whether the model's own end counts for nothing.")),
        ("n", whole("How many answers, 1 to 16.")),
        ("stream", flag("Whether the answer comes in pieces.")),
        ("stream_options", map("`include_usage`: whether the last piece has the usage.")),
        (
            "response_format",
            map("`{\"type\": \"text\"}`, `{\"type\": \"json_object\"}`, or `{\"type\": \"json_schema\", \
                 \"json_schema\": {\"schema\": …}}`, which the answer is made to fit."),
        ),
    ])
}

fn chat() -> Value {
    let part = object(properties([("type", constant("text")), ("text", text("The text."))]), &["type", "text"]);
    let content = any(
        &[text("The text."), list(part, "Parts, one after another."), json!({ "type": "null" })],
        "What is said; none where it only calls tools.",
    );
    let message = properties([
        ("role", text("`system`, `developer`, `user`, `assistant`, `tool`, `function`.")),
        ("content", content),
    ]);
    let mut all = common();
    all.extend(properties([
        ("messages", list(object(message, &["role"]), "The conversation.")),
        ("logprobs", flag("Whether log-probabilities of the answer's tokens are given.")),
        ("top_logprobs", whole("With `logprobs`: of so many of the likeliest tokens, up to 20.")),
        ("tools", list(map("A tool."), "Functions that the model may call.")),
        ("functions", list(map("A function."), "The older form of `tools`.")),
        ("chat_template_kwargs", map("Variables of the chat template, such as `enable_thinking`.")),
        ("reasoning_effort", text("A variable of some chat templates: `low`, `medium`, `high`.")),
    ]));
    object(all, &["messages"])
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
        (
            "logprobs",
            whole("Log-probabilities of the tokens, and of so many of the likeliest in their place, up to 20."),
        ),
        (
            "echo",
            flag(
                "Whether the prompt stands in front of the answer, with `logprobs` its log-probabilities too. \
                  `max_tokens` may be 0 then.",
            ),
        ),
        (
            "suffix",
            text(
                "What stands behind the answer. For models with tokens for it, such as `<|fim_prefix|>`; the prompt \
                  must be a text.",
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
    text("`stop`: the model ended it, or a stop text did; `length`: it has as many tokens as allowed; `tool_calls`.")
}

fn chat_answer() -> Value {
    answer(
        "chat.completion",
        properties([
            ("index", whole("Which answer.")),
            ("message", map("The message: `role`, `content`, and what else it has.")),
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
        "The likeliest tokens in each place.",
    );
    let logprobs = properties([
        ("tokens", list(text("A token."), "The tokens.")),
        ("token_logprobs", numbers),
        ("top_logprobs", top),
        ("text_offset", list(whole("A place."), "Where each token begins in the text, in characters.")),
    ]);
    answer(
        "text_completion",
        properties([
            ("index", whole("Which answer.")),
            ("text", text("The answer, with `echo` behind the prompt.")),
            ("logprobs", json!({ "anyOf": [object(logprobs, &[]), { "type": "null" }] })),
            ("finish_reason", finish()),
        ]),
    )
}
