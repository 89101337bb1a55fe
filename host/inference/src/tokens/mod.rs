//! Text to tokens and back.
//!
//! Back is the harder half. A token may hold a part of a character, so text is kept as bytes until
//! characters are whole; and a stop string may begin in one token and end three later, so text that
//! could be the beginning of one is held back. Both depend on the tokens alone, never on how many
//! of them arrived together.

mod infill;
mod pieces;
mod plain;
mod same;
mod stop;
mod stream;
mod tokenizer;

pub use infill::Infill;
pub use stop::StopStrings;
pub use stream::Detokenizer;
pub use tokenizer::{TokenizeError, Tokenizer};
