//! Whether two tokenizers give the same texts the same numbers.

use super::Tokenizer;

impl Tokenizer {
    /// The first thing in which this vocabulary differs from `model`'s, in words; `None` where each number is the same
    /// token in both.
    pub fn difference(&self, model: &Self) -> Option<String> {
        let (own, others) = (self.vocabulary(), model.vocabulary());
        if own != others {
            return Some(format!("its tokenizer has {own} tokens and the model's has {others}"));
        }
        let ids = 0..u32::try_from(own).unwrap_or(u32::MAX);
        let different = ids.map(|id| (id, self.token(id), model.token(id))).find(|(_, own, other)| own != other);
        let shown = |token: Option<String>| token.map_or_else(|| "nothing".to_owned(), |text| format!("{text:?}"));
        different
            .map(|(id, own, other)| format!("its token {id} is {}, and the model's is {}", shown(own), shown(other)))
    }
}
