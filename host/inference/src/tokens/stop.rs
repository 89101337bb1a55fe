//! Stop strings, found across token boundaries.

/// Watches a text for strings that end it.
#[derive(Debug, Clone, Default)]
pub struct StopStrings {
    stops: Vec<String>,
    /// Text that may be the beginning of a stop string.
    held: String,
}

impl StopStrings {
    /// Watches for these; empty strings stop nothing.
    pub fn new(stops: impl IntoIterator<Item = String>) -> Self {
        Self { stops: stops.into_iter().filter(|stop| !stop.is_empty()).collect(), held: String::new() }
    }

    /// Takes text and gives what is safe to show, and the stop string that was found, if one was.
    /// The stop string itself and all behind it are not shown.
    pub fn push(&mut self, text: &str) -> (String, Option<String>) {
        if self.stops.is_empty() {
            return (text.to_owned(), None);
        }
        self.held.push_str(text);
        let found = self.stops.iter().filter_map(|stop| Some((self.held.find(stop.as_str())?, stop))).min();
        if let Some((place, stop)) = found {
            let stop = stop.clone();
            self.held.truncate(place);
            return (std::mem::take(&mut self.held), Some(stop));
        }
        let keep = self.stops.iter().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        (std::mem::replace(&mut self.held, rest), None)
    }

    /// What was held back, once no more text comes.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// Bytes of the longest end of `text` that is a beginning of `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    let lengths = stop.char_indices().map(|(place, _)| place).rev();
    lengths.filter(|length| text.ends_with(&stop[..*length])).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_are_found_however_the_text_is_cut() {
        for (text, stops, shown, found) in [
            ("one two three", &["two"][..], "one ", Some("two")),
            ("one two three", &["three", "two"], "one ", Some("two")),
            ("aaab", &["aab"], "a", Some("aab")),
            ("ends with a tw", &["two"], "ends with a tw", None),
            ("日本語。終わり", &["。終"], "日本語", Some("。終")),
            ("nothing", &[], "nothing", None),
            ("nothing", &[""], "nothing", None),
            ("abcabd", &["abd", "bca"], "a", Some("bca")),
        ] {
            let letters: Vec<char> = text.chars().collect();
            for size in 1..=letters.len() {
                let mut watch = StopStrings::new(stops.iter().map(|stop| (*stop).to_owned()));
                let (mut out, mut hit) = (String::new(), None);
                for part in letters.chunks(size) {
                    let (piece, stop) = watch.push(&part.iter().collect::<String>());
                    out.push_str(&piece);
                    if stop.is_some() {
                        hit = stop;
                        break;
                    }
                }
                if hit.is_none() {
                    out.push_str(&watch.finish());
                }
                assert_eq!((out.as_str(), hit.as_deref()), (shown, found), "{text} by {size}");
            }
        }
    }
}
