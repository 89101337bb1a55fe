//! The text between two others: how models that can fill it in want to be asked.
//!
//! Such a model has marks for the three parts among its tokens. Which words they are tells the model's family, and
//! by that the order of the parts.

use super::tokenizer::{TokenizeError, Tokenizer};

/// The marks of one family of models.
#[derive(Debug)]
struct Family {
    /// In front of the text before the gap.
    prefix: &'static str,
    /// In front of the text behind the gap.
    suffix: &'static str,
    /// Where the answer begins; none where it begins behind the text before the gap.
    middle: Option<&'static str>,
    /// Other marks, by which the model ends an answer.
    ends: &'static [&'static str],
    /// Whether the tokenizer puts a space in front of each text, which the text behind the gap must not have.
    adds_space: bool,
}

const FAMILIES: [Family; 6] = [
    // Qwen2.5-Coder, CodeGemma, Granite 3.3 and later.
    Family {
        prefix: "<|fim_prefix|>",
        suffix: "<|fim_suffix|>",
        middle: Some("<|fim_middle|>"),
        ends: &["<|fim_pad|>", "<|file_sep|>", "<|file_separator|>", "<|repo_name|>", "<|endoftext|>"],
        adds_space: false,
    },
    // StarCoder, StarCoder2, Granite Code.
    Family {
        prefix: "<fim_prefix>",
        suffix: "<fim_suffix>",
        middle: Some("<fim_middle>"),
        ends: &["<fim_pad>", "<file_sep>", "<repo_name>", "<|endoftext|>"],
        adds_space: false,
    },
    // SantaCoder.
    Family {
        prefix: "<fim-prefix>",
        suffix: "<fim-suffix>",
        middle: Some("<fim-middle>"),
        ends: &["<fim-pad>", "<|endoftext|>"],
        adds_space: false,
    },
    // DeepSeek-Coder. The bars and the blank are not those of the keyboard.
    Family {
        prefix: "<｜fim▁begin｜>",
        suffix: "<｜fim▁hole｜>",
        middle: Some("<｜fim▁end｜>"),
        ends: &[],
        adds_space: false,
    },
    // CodeLlama.
    Family { prefix: "▁<PRE>", suffix: "▁<SUF>", middle: Some("▁<MID>"), ends: &["▁<EOT>"], adds_space: true },
    // Codestral: the text behind the gap comes first, and the answer goes on behind the text before it.
    Family { prefix: "[PREFIX]", suffix: "[SUFFIX]", middle: None, ends: &[], adds_space: false },
];

/// A prompt for the text in a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Infill {
    /// The prompt.
    pub tokens: Vec<u32>,
    /// Tokens that end the answer, beside those of the model.
    pub ends: Vec<u32>,
}

impl Tokenizer {
    /// The prompt for what stands between two texts; `None` where the model has no marks for it.
    pub fn infill(&self, before: &str, behind: &str) -> Result<Option<Infill>, TokenizeError> {
        let found = FAMILIES.iter().find_map(|family| {
            let middle = family.middle.map(|middle| self.id(middle));
            // A family that has a mark for the answer's beginning is known by all three.
            (middle != Some(None)).then_some((
                family,
                self.id(family.prefix)?,
                self.id(family.suffix)?,
                middle.flatten(),
            ))
        });
        let Some((family, prefix, suffix, middle)) = found else { return Ok(None) };
        let texts = [self.encode(before, false)?, self.encode_behind(behind, family.adds_space)?];
        let [before, behind] = texts;
        let parts = match middle {
            Some(middle) => [vec![prefix], before, vec![suffix], behind, vec![middle]],
            None => [vec![suffix], behind, vec![prefix], before, vec![]],
        };
        // What the model wants in front of any text, such as a token of its beginning.
        let mut tokens = self.encode("", true)?;
        tokens.extend(parts.into_iter().flatten());
        let marks = [Some(prefix), Some(suffix), middle].into_iter().flatten();
        let ends = marks.chain(family.ends.iter().filter_map(|end| self.id(end))).collect();
        Ok(Some(Infill { tokens, ends }))
    }

    /// Tokens of a text that goes on inside a line.
    fn encode_behind(&self, text: &str, adds_space: bool) -> Result<Vec<u32>, TokenizeError> {
        if !adds_space {
            return self.encode(text, false);
        }
        // The space goes in front of a letter that no text joins with, and both are taken away again.
        const APART: &str = "☺";
        let apart = self.encode(APART, false)?.len();
        Ok(self.encode(&format!("{APART}{text}"), false)?.split_off(apart))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tokenizer of single letters with these marks, and what it makes of `ab`, gap, `cd`, in its own words.
    fn asked(marks: &[&str], bos: bool, space: bool) -> Option<(Vec<String>, Vec<String>)> {
        let letters = ["a", "b", "c", "d", "▁", "☺", "<s>"];
        let vocabulary: serde_json::Map<_, _> =
            letters.iter().enumerate().map(|(id, token)| ((*token).to_owned(), id.into())).collect();
        let added = |(at, mark): (usize, &&str)| {
            serde_json::json!({ "id": at + letters.len(), "content": mark, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true })
        };
        let begin = serde_json::json!({ "type": "TemplateProcessing", "single": [
            { "SpecialToken": { "id": "<s>", "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } }],
            "pair": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 0 } }],
            "special_tokens": { "<s>": { "id": "<s>", "ids": [6], "tokens": ["<s>"] } } });
        let json = serde_json::json!({
            "version": "1.0", "truncation": null, "padding": null,
            "added_tokens": marks.iter().enumerate().map(added).collect::<Vec<_>>(),
            "normalizer": space.then(|| serde_json::json!({ "type": "Prepend", "prepend": "▁" })),
            "pre_tokenizer": null, "post_processor": bos.then_some(begin), "decoder": { "type": "Fuse" },
            "model": { "type": "BPE", "vocab": vocabulary, "merges": [], "unk_token": null },
        });
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tokenizer.json");
        std::fs::write(&path, json.to_string()).expect("written");
        let tokenizer = Tokenizer::read(&path, false).expect("a tokenizer");
        let found = tokenizer.infill("ab", "cd").expect("tokens")?;
        let words = |tokens: Vec<u32>| tokens.into_iter().filter_map(|token| tokenizer.token(token)).collect();
        Some((words(found.tokens), words(found.ends)))
    }

    #[test]
    fn each_family_is_asked_in_its_own_order() {
        for (marks, bos, space, prompt, ends) in [
            (
                &["<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|file_sep|>"][..],
                false,
                false,
                "<|fim_prefix|> a b <|fim_suffix|> c d <|fim_middle|>",
                "<|fim_prefix|> <|fim_suffix|> <|fim_middle|> <|file_sep|>",
            ),
            (
                &["<fim_prefix>", "<fim_middle>", "<fim_suffix>"],
                false,
                false,
                "<fim_prefix> a b <fim_suffix> c d <fim_middle>",
                "<fim_prefix> <fim_suffix> <fim_middle>",
            ),
            (
                &["<｜fim▁hole｜>", "<｜fim▁begin｜>", "<｜fim▁end｜>"],
                true,
                false,
                "<s> <｜fim▁begin｜> a b <｜fim▁hole｜> c d <｜fim▁end｜>",
                "<｜fim▁begin｜> <｜fim▁hole｜> <｜fim▁end｜>",
            ),
            (
                &["▁<PRE>", "▁<MID>", "▁<SUF>", "▁<EOT>"],
                true,
                true,
                "<s> ▁<PRE> ▁ a b ▁<SUF> c d ▁<MID>",
                "▁<PRE> ▁<SUF> ▁<MID> ▁<EOT>",
            ),
            (&["[SUFFIX]", "[PREFIX]"], true, false, "<s> [SUFFIX] c d [PREFIX] a b", "[PREFIX] [SUFFIX]"),
        ] {
            let (tokens, marks) = asked(marks, bos, space).expect("it has the marks");
            assert_eq!((tokens.join(" ").as_str(), marks.join(" ").as_str()), (prompt, ends));
        }
        assert_eq!(asked(&["<|fim_prefix|>", "<|fim_suffix|>"], false, false), None, "one mark is missing");
        assert_eq!(asked(&["<|im_start|>"], false, false), None);
    }
}
