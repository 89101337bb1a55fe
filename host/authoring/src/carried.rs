//! What the binary carries, so that a project can be made where nothing else of llmhost is.

include!(concat!(env!("OUT_DIR"), "/carried.rs"));
