//! `/v1/responses` over a model that thinks and calls tools: what clients send, and what they get.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "../common/assistant.rs"]
mod assistant;

mod answers;
mod events;
mod kept;
mod refused;
mod server;
