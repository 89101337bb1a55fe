//! `[secrets]`: where each secret is. None of them is read here.

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::DeValue;

use super::reader::{Item, Key, Problems, Table, entries, table};
use super::values::Scope;
use crate::secret::{Secret, SecretSource};

/// Where each secret is, by its name. Files are looked for from `base`.
pub(super) fn read(
    item: Option<Item<'_>>,
    base: &Path,
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> BTreeMap<String, Secret> {
    let declared = item.and_then(|item| table("secrets", item, problems)).map(entries).unwrap_or_default();
    let declared = declared.iter().map(|(key, item)| {
        // What is wrong with one was said; whoever refers to it is right.
        let none = Secret { source: SecretSource::Env(String::new()), version: 1 };
        (key.name.to_owned(), secret(key, item, base, scope, problems).unwrap_or(none))
    });
    declared.collect()
}

fn secret(key: &Key<'_>, item: Item<'_>, base: &Path, scope: &Scope<'_>, problems: &mut Problems) -> Option<Secret> {
    const PLACES: [&str; 4] = ["env", "file", "parameter", "secrets-manager"];
    if let DeValue::String(_) = item.get_ref() {
        // Without the line: it would be in the logs then, too.
        let message =
            format!("secrets.{} holds the value itself, and everyone who can read the file can read it", key.name);
        problems.add_unseen("open-secret", message);
        problems.help(
            "write where it is stored instead, in a table: { env = \"NAME\" }, or file, parameter, secrets-manager",
        );
        return None;
    }
    let found = table(&format!("secrets.{}", key.name), item, problems)?;
    let what = format!("[secrets.{}]", key.name);
    let known = [&PLACES[..], &["version", "description"]].concat();
    let found = Table::new(&what, key.span.clone(), found, &known, problems);
    found.description(problems);
    if !key.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
        let message = format!("'{}' is not the name of a secret", key.name);
        problems.add("bad-name", key.span.clone(), message, "only letters, digits, _ and -");
    }
    let version = found.get("version").and_then(|(_, item)| scope.positive(&found.called("version"), item, problems));
    let version = version.unwrap_or(1);
    let places: Vec<&str> = PLACES.into_iter().filter(|place| found.get(place).is_some()).collect();
    let [place] = places[..] else {
        let message = format!("secret '{}' has {} places, and needs one", key.name, places.len());
        problems.add("no-place", key.span.clone(), message, "where is it?");
        problems.help(format!("say one of env = \"NAME\", {} = \"…\"", PLACES[1..].join(" = \"…\", ")));
        return None;
    };
    let (_, item) = found.get(place)?;
    let (text, span) = scope.setting(&found.called(place), item, problems)?;
    if text.is_empty() {
        problems.add("no-place", span, format!("{place} of {what} is empty"), "nothing is said here");
        return None;
    }
    let source = match place {
        "env" => SecretSource::Env(text),
        "file" => SecretSource::File(base.join(text)),
        "parameter" => SecretSource::Parameter(text),
        _ => SecretSource::SecretsManager(text),
    };
    Some(Secret { source, version })
}
