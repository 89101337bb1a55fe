//! `[pipeline]`: what holds for the whole file.

use std::collections::BTreeMap;
use std::ops::Range;

use super::environments::Environment;
use super::reader::{Item, Key, Problems, Table, entries, table};
use super::values::{Scope, plain_key};
use crate::names::StepName;
use crate::secret::shown;
use crate::tags::{self, TagError};

/// Tags that llmhost gives of its own: pipeline, address, name, and the token of a creation.
const OWN_TAGS: usize = 4;

/// What `[pipeline]` says.
#[derive(Default)]
pub(super) struct Head {
    pub(super) name: String,
    pub(super) environment: Option<String>,
    /// Whether a variable or the environment gives the name, or a part of it.
    pub(super) is_name_given: bool,
    pub(super) region: (String, Range<usize>),
    pub(super) tags: BTreeMap<String, String>,
    pub(super) state: Option<(String, Range<usize>)>,
}

/// Reads it. Variables and the environment may stand in every value.
pub(super) fn read(
    top: &Table<'_>,
    environment: Option<&Environment<'_>>,
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> Head {
    match top.get("pipeline") {
        Some((key, item)) => pipeline(key, item, environment, scope, problems),
        None => {
            problems.add("missing-key", 0..0, "the file has no [pipeline] table", "start with it");
            problems.help("start the file with [pipeline], name = \"…\" and region = \"us-east-1\"");
            Head::default()
        }
    }
}

fn pipeline(
    key: &Key<'_>,
    item: Item<'_>,
    environment: Option<&Environment<'_>>,
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> Head {
    let Some(found) = table("pipeline", item, problems) else { return Head::default() };
    let known = ["name", "region", "tags", "state"];
    let found = Table::new("[pipeline]", key.span.clone(), found, &known, problems);
    let own = environment.map(|environment| &environment.found);
    let mut needed = |key, example| {
        let (_, item) = found.need(key, example, problems)?;
        match own.and_then(|own| Some((own, own.get(key)?.1))) {
            Some((own, item)) => scope.setting(&own.called(key), item, problems),
            None => scope.setting(&found.called(key), item, problems),
        }
    };
    let (mut name, region) = (needed("name", "\"llm\""), needed("region", "\"us-east-1\""));
    // An environment has a name and a state of its own, whether the file gives them or not.
    let unnamed = environment.filter(|environment| environment.found.get("name").is_none());
    if let (Some(environment), Some((name, _))) = (unnamed, &mut name) {
        *name += &format!("-{}", environment.name);
    }
    if let Some((name, span)) = &name
        && let Err(error) = StepName::single(name)
    {
        // A long name is cut, and a part of what is not to be shown would not be recognised any more.
        let message = match shown(name) == *name {
            true => error.to_string().replace("step name", "pipeline name"),
            false => "the pipeline name holds the value of a secret variable".to_owned(),
        };
        problems.add("bad-name", span.clone(), message, &gives(scope, span, name, "not a name"));
    }
    if let Some((region, span)) = &region {
        check_region(scope, region, span, problems);
    }
    let state = match own.and_then(|own| Some((own, own.get("state")?.1))) {
        Some((own, item)) => scope.setting(&own.called("state"), item, problems),
        None => {
            let state = found.get("state").and_then(|(_, item)| scope.setting(&found.called("state"), item, problems));
            let beside = |(place, span): (String, _)| match environment.filter(|_| !place.is_empty()) {
                Some(environment) => (beside(&place, environment.name), span),
                None => (place, span),
            };
            state.map(beside)
        }
    };
    let mut tags = found.get("tags").map(|(_, item)| read_tags(item, scope, problems)).unwrap_or_default();
    if let Some((_, item)) = own.and_then(|own| own.get("tags")) {
        tags.extend(read_tags(item, scope, problems));
        check_number(tags.len(), item, problems);
        if let Some((one, other)) = tags::clash(tags.keys().map(String::as_str)) {
            let message = format!("the tags '{one}' and '{other}' differ only in case, with those of [pipeline]");
            problems.add("tags-clash", item.span(), message, "the same key to IAM");
            problems.help("IAM ignores the case of keys and refuses the second; keep one of them");
        }
    }
    let written = name.as_ref().and_then(|(_, span)| scope.source.get(span.clone())).unwrap_or_default();
    let is_name_given = environment.is_some() || written.contains("${");
    Head {
        name: name.unwrap_or_default().0,
        environment: environment.map(|one| one.name.to_owned()),
        is_name_given,
        region: region.unwrap_or_default(),
        tags,
        state,
    }
}

/// Whether a text has the form of a region; says so where it has not.
pub(super) fn check_region(scope: &Scope<'_>, region: &str, span: &Range<usize>, problems: &mut Problems) -> bool {
    if is_region(region) {
        return true;
    }
    let label = gives(scope, span, region, "not a region");
    problems.add("bad-region", span.clone(), format!("'{region}' is not a region"), &label);
    // A zone, or the name in capitals.
    let near = region.to_lowercase();
    let near = near.trim_end_matches(|c: char| c.is_ascii_lowercase());
    problems.help(match is_region(near) {
        true => format!("did you mean '{near}'?"),
        false => "a region looks like us-east-1 or eu-central-1".to_owned(),
    });
    false
}

/// The state's place of an environment, within that of the others. A bucket's region comes last.
fn beside(place: &str, environment: &str) -> String {
    let (path, query) = place.split_at(place.find('?').unwrap_or(place.len()));
    format!("{}/{environment}{query}", path.trim_end_matches('/'))
}

/// The label of a value that is wrong: what it gives, where the file has a reference.
fn gives(scope: &Scope<'_>, span: &Range<usize>, value: &str, plain: &str) -> String {
    let written = scope.source.get(span.clone()).unwrap_or_default();
    if written.contains("${") { format!("this gives '{value}'") } else { plain.to_owned() }
}

fn read_tags(item: Item<'_>, scope: &Scope<'_>, problems: &mut Problems) -> BTreeMap<String, String> {
    let Some(found) = table("tags", item, problems) else { return BTreeMap::new() };
    let all = entries(found);
    let mut read = BTreeMap::new();
    for (key, value) in &all {
        let before = problems.0.len();
        plain_key(key, "a tag's key", problems);
        if problems.0.len() > before {
            continue;
        }
        let Some((text, span)) = scope.setting(&format!("the tag '{}'", key.name), value, problems) else { continue };
        let name = key.name;
        let bad_key = tags::check_key(name).and_then(|()| tags::check_key_characters(name));
        let bad_value = || tags::check_value(name, &text).and_then(|()| tags::check_value_characters(name, &text));
        let mut refused = |error: &TagError, span: Range<usize>, label: &str| {
            problems.add("bad-tag", span, error.to_string(), label);
        };
        match (bad_key, bad_value()) {
            (Err(error), _) => refused(&error, key.span.clone(), "not a tag's key"),
            (_, Err(error)) => refused(&error, span.clone(), &gives(scope, &span, &text, "not a tag's value")),
            (Ok(()), Ok(())) => _ = read.insert(name.to_owned(), text),
        }
    }
    if let Some((one, other)) = tags::clash(all.iter().map(|(key, _)| key.name)) {
        let place = all.iter().find(|(key, _)| key.name == other).map_or(item.span(), |(key, _)| key.span.clone());
        let message = format!("the tags '{one}' and '{other}' differ only in case");
        problems.add("tags-clash", place, message, "the same key to IAM");
        problems.help("IAM ignores the case of keys and refuses the second; keep one of them");
    }
    check_number(read.len(), item, problems);
    read
}

fn check_number(number: usize, item: Item<'_>, problems: &mut Problems) {
    if number > tags::MOST - OWN_TAGS {
        let message = format!("{number} tags are too many");
        problems.add("many-tags", item.span(), message, "too many");
        let most = tags::MOST - OWN_TAGS;
        problems
            .help(format!("AWS allows {} on a resource, and {OWN_TAGS} are llmhost's: set at most {most}", tags::MOST));
    }
}

/// `us-east-1`, `us-gov-west-1`: parts of lower-case letters, then a number.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    let is_word = |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase());
    words.len() >= 2 && words.iter().all(is_word) && !number.is_empty() && number.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_has_a_place_within_the_others() {
        for (place, beside_it) in [
            ("states", "states/prod"),
            ("s3://bucket/llm/", "s3://bucket/llm/prod"),
            ("s3://bucket?region=eu-west-1", "s3://bucket/prod?region=eu-west-1"),
        ] {
            assert_eq!(beside(place, "prod"), beside_it);
        }
    }
}
