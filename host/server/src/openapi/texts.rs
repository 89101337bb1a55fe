//! Embeddings, scores, and tokens.

use serde_json::{Value, json};

use super::generate::conversation;
use super::schema::{Properties, any, constant, flag, list, map, number, object, post, properties, text, whole};

const TAG: &str = "Texts";

pub(super) fn paths() -> Properties {
    properties([
        ("/v1/embeddings", post("embed", TAG, "Vectors of texts.", &embeddings(), &embeddings_answer())),
        ("/v1/rerank", post("rerank", TAG, "Documents, sorted by relevance to a query.", &rerank(), &rerank_answer())),
        ("/v1/score", post("score", TAG, "Relevance scores of pairs of texts.", &score(), &score_answer())),
        ("/tokenize", post("tokenize", TAG, "The tokens of a text.", &tokenize(), &tokenize_answer())),
        ("/detokenize", post("detokenize", TAG, "The text of tokens.", &detokenize(), &detokenize_answer())),
    ])
}

fn model() -> Value {
    text("The model's name; can be omitted if the server has one model.")
}

fn user() -> Value {
    text("The user. It has no effect.")
}

fn usage() -> Value {
    let usage = properties([("prompt_tokens", whole("Tokens.")), ("total_tokens", whole("The same."))]);
    object(usage, &["prompt_tokens", "total_tokens"])
}

fn tokens() -> Value {
    list(whole("A token."), "Tokens.")
}

fn embeddings() -> Value {
    let input = any(
        &[text("A text."), list(text("A text."), "Texts."), tokens(), list(tokens(), "Lists of tokens.")],
        "The texts to embed, up to 2,048.",
    );
    let all = properties([
        ("model", model()),
        ("input", input),
        (
            "encoding_format",
            json!({ "enum": ["float", "base64"], "description": "Numbers, or 32-bit floats in base64." }),
        ),
        ("dimensions", whole("Return only the first dimensions, normalized to length 1.")),
        ("prompt_name", text("Which of the model's prompts to put before the texts.")),
    ]);
    object(all, &["input"])
}

fn embeddings_answer() -> Value {
    let vector = any(&[list(number("A number."), "The vector."), text("The vector in base64.")], "The vector.");
    let one = properties([("object", constant("embedding")), ("index", whole("Which text.")), ("embedding", vector)]);
    let all = properties([
        ("object", constant("list")),
        ("data", list(object(one, &["object", "index", "embedding"]), "One vector for each text.")),
        ("model", text("The model's name.")),
        ("usage", usage()),
    ]);
    object(all, &["object", "data", "model", "usage"])
}

fn rerank() -> Value {
    let document =
        any(&[text("The text."), object(properties([("text", text("The text."))]), &["text"])], "A document.");
    let all = properties([
        ("model", model()),
        ("query", text("The query.")),
        ("documents", list(document, "The documents to sort, up to 2,048.")),
        ("top_n", whole("Return only the first results.")),
        ("return_documents", flag("Whether each result contains its document.")),
        ("user", user()),
    ]);
    object(all, &["query", "documents"])
}

fn rerank_answer() -> Value {
    let one = properties([
        ("index", whole("Which document.")),
        ("relevance_score", number("Higher is more relevant.")),
        ("document", map("If requested: `text`.")),
    ]);
    let all = properties([
        ("id", text("Of this answer.")),
        ("model", text("The model's name.")),
        ("results", list(object(one, &["index", "relevance_score"]), "Sorted, the best first.")),
        ("usage", usage()),
    ]);
    object(all, &["id", "model", "results", "usage"])
}

fn score() -> Value {
    let texts = |description| any(&[text("A text."), list(text("A text."), "Texts.")], description);
    let all = properties([
        ("model", model()),
        ("text_1", texts("One text, or as many as in `text_2`.")),
        ("text_2", texts("The others.")),
        ("user", user()),
    ]);
    object(all, &["text_1", "text_2"])
}

fn score_answer() -> Value {
    let one =
        properties([("index", whole("Which pair.")), ("object", constant("score")), ("score", number("The score."))]);
    let all = properties([
        ("id", text("Of this answer.")),
        ("object", constant("list")),
        ("created", whole("Seconds since 1970.")),
        ("model", text("The model's name.")),
        ("data", list(object(one, &["index", "object", "score"]), "A score a pair.")),
        ("usage", usage()),
    ]);
    object(all, &["id", "object", "created", "model", "data", "usage"])
}

fn tokenize() -> Value {
    let mut all = conversation();
    all.extend(properties([
        ("model", model()),
        ("prompt", text("A text; either this or `messages`, which fields about tools and templates need.")),
        ("add_special_tokens", flag("Whether to add the model's special tokens around the text.")),
    ]));
    object(all, &[])
}

fn tokenize_answer() -> Value {
    let all = properties([
        ("tokens", tokens()),
        ("count", whole("How many.")),
        ("max_model_len", whole("The maximum number of tokens of prompt and answer together.")),
    ]);
    object(all, &["tokens", "count", "max_model_len"])
}

fn detokenize() -> Value {
    object(properties([("model", model()), ("tokens", tokens())]), &["tokens"])
}

fn detokenize_answer() -> Value {
    object(properties([("prompt", text("The text, special tokens included."))]), &["prompt"])
}
