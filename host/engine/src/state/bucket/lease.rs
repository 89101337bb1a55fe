//! `lease.json`: who may begin anything.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{Answer, Object};
use crate::plan::plain;
use crate::state::{StateError, unix};

pub(super) const KEY: &str = "lease.json";
const VERSION: u32 = 1;

/// The server tells time in whole seconds: an age may be a second less than it seems, and the
/// moment it is counted from a second earlier.
const ROUNDING: Duration = Duration::from_secs(1);

/// The lease of a state, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lease {
    pub(super) llmhost_lease: u32,
    /// Grows by one with each holder.
    pub(super) term: u64,
    /// Whether somebody has it.
    pub(super) held: bool,
    /// Whether who had it last gave it back with everything written. Where not, the next holder
    /// has to make sure that nothing of theirs comes late.
    pub(super) settled: bool,
    /// Who has it, or had it last.
    pub(super) holder: Holder,
    /// Since when, in seconds of Unix time: the server's time, where it told it.
    pub(super) since: u64,
    /// How long it lasts after it was written.
    pub(super) ttl_millis: u64,
    /// How often it was renewed; no two writings are the same.
    pub(super) renewals: u64,
}

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holder {
    pub(super) command: String,
    pub(super) user: String,
    pub(super) host: String,
    pub(super) process: u32,
    /// Unique for each time that a state is opened.
    pub(super) run: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Somebody else wrote it.
        let [command, user, host] = [&self.command, &self.user, &self.host].map(|text| plain(text));
        write!(f, "llmhost {command} (process {} of {user} on {host})", self.process)
    }
}

impl Holder {
    /// This process.
    pub(super) fn this(command: &str) -> Self {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
        Self {
            command: command.to_owned(),
            user: set("USER").or_else(|| set("LOGNAME")).unwrap_or_else(|| "an unnamed user".to_owned()),
            host: host.or_else(|| set("HOSTNAME")).unwrap_or_else(|| "an unnamed host".to_owned()),
            process: std::process::id(),
            run: uuid::Uuid::new_v4().to_string(),
        }
    }
}

impl Lease {
    /// A lease from now on.
    pub(super) fn new(term: u64, holder: Holder, now: Option<SystemTime>, ttl: Duration) -> Self {
        let since = unix(now.unwrap_or_else(SystemTime::now));
        let ttl_millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        Self { llmhost_lease: VERSION, term, held: true, settled: false, holder, since, ttl_millis, renewals: 0 }
    }

    pub(super) fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl_millis)
    }

    pub(super) fn text(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).expect("a lease is plain data");
        text.push(b'\n');
        text
    }

    pub(super) fn parse(path: &str, object: &Object) -> Result<Self, StateError> {
        #[derive(Deserialize)]
        struct Versioned {
            llmhost_lease: u32,
        }
        let damaged = |error: serde_json::Error| StateError::Lease { path: path.to_owned(), reason: error.to_string() };
        let Versioned { llmhost_lease: found } = serde_json::from_slice(&object.bytes).map_err(damaged)?;
        if found > VERSION {
            return Err(StateError::Newer { path: path.to_owned(), found, known: VERSION });
        }
        serde_json::from_slice(&object.bytes).map_err(damaged)
    }
}

/// A lease as it was found.
pub(super) struct Found {
    pub(super) lease: Lease,
    /// How old it is by the server's clock alone; nothing where the server does not tell.
    age: Option<Duration>,
    now: Option<SystemTime>,
}

impl Found {
    /// What a bucket answered.
    pub(super) fn read(path: &str, answer: &Answer) -> Result<Option<Self>, StateError> {
        let Some(object) = &answer.object else { return Ok(None) };
        let lease = Lease::parse(path, object)?;
        // Both of the same clock. One that stands before its own past tells nothing.
        let age = answer.now.zip(object.written).map(|(now, then)| now.duration_since(then).unwrap_or_default());
        Ok(Some(Self { lease, age, now: answer.now }))
    }

    /// Whether somebody has it and it has not run out. A server that tells no time leaves it in
    /// force: who knows better breaks it.
    pub(super) fn is_in_force(&self) -> bool {
        self.lease.held && self.age.is_none_or(|age| age < self.lease.ttl().saturating_add(ROUNDING))
    }

    /// Tells somebody else of it.
    pub(super) fn refusal(&self, path: String) -> StateError {
        let now = unix(self.now.unwrap_or_else(SystemTime::now));
        let ends = match self.age {
            Some(age) => {
                let left = self.lease.ttl().saturating_add(ROUNDING).saturating_sub(age);
                format!("ends in {} unless it is renewed", seconds(left.as_secs().max(1)))
            }
            None => "ends when they release it".to_owned(),
        };
        let since = seconds(now.saturating_sub(self.lease.since));
        StateError::Held { path, holder: self.lease.holder.to_string(), since, ends }
    }

    /// Who has it and for how long, in words.
    pub(super) fn words(&self) -> String {
        let now = unix(self.now.unwrap_or_else(SystemTime::now));
        let since = seconds(now.saturating_sub(self.lease.since));
        let ended = if self.is_in_force() { "" } else { "; their lease has run out" };
        format!("{}, for {since}{ended}", self.lease.holder)
    }
}

/// Who holds a state, as somebody was shown it who decides about that lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    words: String,
    /// The run; nothing where the lease cannot be read.
    run: Option<String>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl Shown {
    /// What there is to be shown: nothing where nobody holds it. A lease that cannot be read stands
    /// in the way, whoever wrote it.
    pub(super) fn of(found: Result<Option<Found>, StateError>) -> Result<Option<Self>, StateError> {
        match found {
            Err(error @ StateError::Lease { .. }) => Ok(Some(Self { words: error.to_string(), run: None })),
            found => Ok(found?
                .filter(|found| found.lease.held)
                .map(|found| Self { words: found.words(), run: Some(found.lease.holder.run) })),
        }
    }

    /// Whether a lease is of the run that was shown.
    pub(super) fn is_of(&self, lease: &Lease) -> bool {
        self.run.as_ref() == Some(&lease.holder.run)
    }
}

fn seconds(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_in_force_by_the_servers_clock_alone() {
        let lease = Lease::new(3, Holder::this("run"), None, Duration::from_secs(30));
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let object = Object { bytes: lease.text(), etag: "e".into(), written: Some(at(1000)) };
        // Written, told, and whether it is in force.
        for (written, now, in_force) in [
            (Some(1000), Some(1000), true),
            (Some(1000), Some(1030), true),
            (Some(1000), Some(1031), false),
            (Some(1000), Some(900), true),
            (None, Some(5000), true),
            (Some(1000), None, true),
        ] {
            let object = Object { written: written.map(at), ..object.clone() };
            let answer = Answer { object: Some(object), now: now.map(at) };
            let found = Found::read("lease.json", &answer).expect("a lease").expect("one");
            assert_eq!(found.is_in_force(), in_force, "{written:?} {now:?}");
        }
    }

    #[test]
    fn what_is_no_lease_is_said() {
        for (text, words) in [("", "EOF"), ("{}", "missing field"), ("{\"llmhost_lease\": 9}", "version 9")] {
            let object = Object { bytes: text.into(), etag: String::new(), written: None };
            let error = Lease::parse("s3://b/lease.json", &object).expect_err(text).to_string();
            assert!(error.contains(words) && error.contains("s3://b/lease.json"), "{error}");
        }
    }
}
