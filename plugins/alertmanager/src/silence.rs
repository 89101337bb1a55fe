//! The kind `silence`.
//!
//! Alertmanager never forgets at once: a silence that is ended, by hand or by its time, stays as expired for some days. One that
//! was ended by hand is gone, and is made again. One whose time has passed is as it was declared, also when Alertmanager has
//! forgotten it: else the next run would fail to make a silence that ends in the past.

use llmhost_plugin::provider::{Created, Error, ErrorClass, Kind, Observed};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{self, Matcher, Posted, State, There};
use crate::comment::{joined, parted};
use crate::config::Config;
use crate::time::instant;

/// The start of silences that begin at once: Alertmanager makes now of what lies in the past.
const AT_ONCE: &str = "1970-01-01T00:00:00Z";
/// A time of RFC 3339.
const TIME: &str = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$";

/// What is silenced, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// What labels an alert must have. All of them must match.
    #[schemars(length(min = 1))]
    matchers: Vec<Label>,
    /// When it starts, such as 2030-01-31T22:00:00Z. At once where it is absent or in the past.
    #[schemars(regex(pattern = TIME))]
    starts_at: Option<String>,
    /// When it ends, such as 2030-02-01T04:00:00Z.
    #[schemars(regex(pattern = TIME))]
    ends_at: String,
    /// Who made it.
    #[serde(default = "llmhost")]
    created_by: String,
    /// Why. Alertmanager gets it with a mark of llmhost's at the end, by which a lost silence is found again.
    #[serde(default)]
    comment: String,
}

fn llmhost() -> String {
    "llmhost".to_owned()
}

/// A label of an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Label {
    /// Name of the label.
    #[schemars(length(min = 1))]
    name: String,
    /// Its value, or a regular expression that the whole value must match.
    value: String,
    /// Whether value is a regular expression.
    #[serde(default)]
    regex: bool,
    /// Whether the label must match; false where it must not.
    #[serde(default = "yes")]
    equal: bool,
}

fn yes() -> bool {
    true
}

impl Label {
    fn matcher(&self) -> Matcher {
        let Self { name, value, regex, equal } = self.clone();
        Matcher { name, value, is_regex: regex, is_equal: equal }
    }

    fn of(matcher: &Matcher) -> Self {
        let Matcher { name, value, is_regex, is_equal } = matcher.clone();
        Self { name, value, regex: is_regex, equal: is_equal }
    }
}

#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Outputs {
    /// Address of the silence in Alertmanager's user interface.
    link: String,
}

/// The kind.
pub struct Silence;

impl Kind for Silence {
    type Config = Config;
    type Spec = Spec;
    type Outputs = Outputs;
    const NAME: &'static str = "silence";
    const SUMMARY: &'static str = "A silence: mutes alerts with certain labels for a time.";
    // Alertmanager makes another silence where these change. Replacing it, the new one is there before the old one ends.
    const IMMUTABLE: &'static [&'static str] = &["matchers", "starts_at"];

    fn create(config: &Config, spec: &Spec, token: &str) -> Result<Created<Outputs>, Error> {
        let starts_at = spec.starts_at.as_deref().unwrap_or(AT_ONCE);
        let matchers = spec.matchers.iter().map(Label::matcher).collect();
        let posted = posted(None, matchers, starts_at, spec, Some(token));
        let id = api::post(config, &posted).map_err(|error| explained(error, spec))?;
        Ok(Created { outputs: outputs(config, &id), id })
    }

    fn find(config: &Config, spec: &Spec, token: &str) -> Result<Option<Created<Outputs>>, Error> {
        for there in api::all(config)? {
            if parted(&there.comment).1 == Some(token) && !was_ended(&there, spec)? {
                return Ok(Some(Created { outputs: outputs(config, &there.id), id: there.id }));
            }
        }
        Ok(None)
    }

    fn read(config: &Config, id: &str, known: &Spec) -> Result<Option<Observed<Spec, Outputs>>, Error> {
        let spec = match api::get(config, id)? {
            Some(there) => observed(&there, known)?,
            None => forgotten(api::now(config)?, known)?,
        };
        Ok(spec.map(|spec| Observed { spec, outputs: outputs(config, id) }))
    }

    fn update(config: &Config, id: &str, _: &Spec, new: &Spec) -> Result<Outputs, Error> {
        let Some(there) = api::get(config, id)?.filter(|there| there.status.state != State::Expired) else {
            return Err(over(id));
        };
        let token = parted(&there.comment).1;
        let posted = posted(Some(id), there.matchers.clone(), &there.starts_at, new, token);
        let changed = api::post(config, &posted).map_err(|error| explained(error, new))?;
        if changed != id {
            // It ended just now, so Alertmanager made another one, which nothing would know of.
            api::expire(config, &changed)?;
            return Err(over(id));
        }
        Ok(outputs(config, id))
    }

    fn delete(config: &Config, id: &str, _: &Spec) -> Result<(), Error> {
        match api::get(config, id)? {
            // Forgotten; a 404 of something else is an error.
            None => api::now(config).map(|_| ()),
            Some(there) if there.status.state == State::Expired => Ok(()),
            Some(_) => api::expire(config, id),
        }
    }
}

fn outputs(config: &Config, id: &str) -> Outputs {
    Outputs { link: config.link(id) }
}

fn posted<'a>(
    id: Option<&'a str>,
    matchers: Vec<Matcher>,
    starts_at: &'a str,
    spec: &'a Spec,
    token: Option<&str>,
) -> Posted<'a> {
    let comment = token.map_or_else(|| spec.comment.clone(), |token| joined(&spec.comment, token));
    Posted { id, matchers, starts_at, ends_at: &spec.ends_at, created_by: &spec.created_by, comment }
}

/// Whether a silence was ended before its time.
fn was_ended(there: &There, known: &Spec) -> Result<bool, Error> {
    let ended = instant("endsAt", &there.ends_at)? < instant("ends_at", &known.ends_at)?;
    Ok(ended && there.status.state == State::Expired)
}

/// A silence as a spec; nothing where it was ended.
fn observed(there: &There, known: &Spec) -> Result<Option<Spec>, Error> {
    if was_ended(there, known)? {
        return Ok(None);
    }
    if there.status.state == State::Expired {
        return Ok(Some(known.clone()));
    }
    let is_end = instant("endsAt", &there.ends_at)? == instant("ends_at", &known.ends_at)?;
    Ok(Some(Spec {
        matchers: labels(&there.matchers, known),
        starts_at: start(there, known)?,
        ends_at: if is_end { known.ends_at.clone() } else { there.ends_at.clone() },
        created_by: there.created_by.clone(),
        comment: parted(&there.comment).0.to_owned(),
    }))
}

/// A silence that Alertmanager does not know. It forgets those that ended some days ago.
fn forgotten(now: Option<i64>, known: &Spec) -> Result<Option<Spec>, Error> {
    let end = instant("ends_at", &known.ends_at)?;
    Ok(now.is_some_and(|now| end <= now).then(|| known.clone()))
}

/// In the declared order, where they are the same: Alertmanager may sort them.
fn labels(there: &[Matcher], known: &Spec) -> Vec<Label> {
    let sorted = |mut matchers: Vec<Matcher>| {
        matchers.sort();
        matchers
    };
    let declared = known.matchers.iter().map(Label::matcher).collect();
    match sorted(there.to_vec()) == sorted(declared) {
        true => known.matchers.clone(),
        false => there.iter().map(Label::of).collect(),
    }
}

/// The start as it was declared, where it is that: of one in the past, Alertmanager makes the time at which it got it.
fn start(there: &There, known: &Spec) -> Result<Option<String>, Error> {
    let begins = instant("startsAt", &there.starts_at)?;
    let has_begun = there.status.state != State::Pending;
    let is_declared = match &known.starts_at {
        None => has_begun,
        Some(declared) => {
            let declared = instant("starts_at", declared)?;
            declared == begins || has_begun && declared < begins
        }
    };
    Ok(if is_declared { known.starts_at.clone() } else { Some(there.starts_at.clone()) })
}

/// What is refused most often, with what to do.
fn explained(error: Error, spec: &Spec) -> Error {
    let is_past = error.class == ErrorClass::Invalid && error.message.contains("end time can't be in the past");
    if !is_past {
        return error;
    }
    let message = format!("ends_at {} is in the past: {}", spec.ends_at, error.message);
    Error { message, ..error }.with_advice("Set a later ends_at. To end a silence now, remove it from the file.")
}

fn over(id: &str) -> Error {
    Error::invalid(format!("silence {id} has ended, and Alertmanager cannot change an expired silence"))
        .with_advice("Change starts_at too, or set it: a new silence is then created.")
}

#[cfg(test)]
mod tests;
