//! Which plugins were used, by their digests, what they were granted, and what they import.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Lock, LockError};

/// A plugin as it was when it was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginPin {
    /// `sha256:` and the digest of the component, or of its manifest in a registry.
    pub digest: String,
    /// What the steps that use it grant it.
    #[serde(default)]
    pub grants: BTreeSet<String>,
    /// What it imports of llmhost, with versions.
    #[serde(default)]
    pub interfaces: BTreeSet<String>,
}

/// In what a plugin differs from the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluginChange {
    /// What `uses` says.
    pub uses: String,
    /// As the file has it; nothing of a new one.
    pub was: Option<PluginPin>,
    /// As it is; nothing of one that is not used any more.
    pub is: Option<PluginPin>,
}

impl PluginChange {
    /// Whether somebody has to accept it: another plugin, more grants, or other interfaces. A new plugin is taken as it
    /// is when it is first used, and fewer grants harm nobody.
    pub fn has_to_be_accepted(&self) -> bool {
        let (Some(was), Some(is)) = (&self.was, &self.is) else { return false };
        was.digest != is.digest || !is.grants.is_subset(&was.grants) || was.interfaces != is.interfaces
    }

    /// What changed, old and new.
    pub fn words(&self) -> Vec<String> {
        let list = |all: &BTreeSet<String>| match all.is_empty() {
            true => "nothing".to_owned(),
            false => all.iter().cloned().collect::<Vec<_>>().join(", "),
        };
        let (was, is) = match (&self.was, &self.is) {
            (Some(was), Some(is)) => (was, is),
            (None, Some(is)) => return vec![format!("new, with the digest {}", is.digest)],
            (_, None) => return vec!["no longer used".to_owned()],
        };
        let mut words = Vec::new();
        if was.digest != is.digest {
            words.push(format!("its digest was {} and is {}", was.digest, is.digest));
        }
        if was.grants != is.grants {
            words.push(format!("its grants were {} and are {}", list(&was.grants), list(&is.grants)));
        }
        if was.interfaces != is.interfaces {
            let (gone, new) = (&was.interfaces - &is.interfaces, &is.interfaces - &was.interfaces);
            words.push(format!("its imports had {} and have {} instead", list(&gone), list(&new)));
        }
        words
    }
}

impl Lock {
    /// The digest of a plugin in the file.
    pub fn plugin_digest(&self, uses: &str) -> Option<String> {
        Some(self.plugins().get(uses)?.digest.clone())
    }

    /// In what these plugins differ from the file.
    pub fn plugin_changes(&self, found: &BTreeMap<String, PluginPin>) -> Vec<PluginChange> {
        let known = self.plugins();
        let all: BTreeSet<&String> = known.keys().chain(found.keys()).collect();
        let differs = all.into_iter().filter(|uses| known.get(*uses) != found.get(*uses));
        let change = |uses: &String| PluginChange {
            uses: uses.clone(),
            was: known.get(uses).cloned(),
            is: found.get(uses).cloned(),
        };
        differs.map(change).collect()
    }

    /// Writes down those plugins that the file does not have yet, and says how many.
    pub fn add_plugins(&self, found: &BTreeMap<String, PluginPin>) -> Result<usize, LockError> {
        let known = self.plugins();
        let new: Vec<_> = found.iter().filter(|(uses, _)| !known.contains_key(*uses)).collect();
        if !new.is_empty() {
            // One that another process wrote meanwhile stays as that has it, and is compared next time.
            self.change(|entry| {
                for (uses, pin) in &new {
                    entry.plugins.entry((*uses).clone()).or_insert_with(|| (*pin).clone());
                }
            })?;
        }
        Ok(new.len())
    }

    /// Writes down these plugins in place of those that the file has.
    pub fn set_plugins(&self, found: &BTreeMap<String, PluginPin>) -> Result<(), LockError> {
        if self.plugins() == *found {
            return Ok(());
        }
        self.change(|entry| entry.plugins.clone_from(found))
    }

    fn plugins(&self) -> BTreeMap<String, PluginPin> {
        let document = self.document.lock().expect("no panic under this lock");
        document.pipelines.get(&self.pipeline).map(|entry| entry.plugins.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(digest: &str, grants: &[&str], interfaces: &[&str]) -> PluginPin {
        let set = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        PluginPin { digest: digest.to_owned(), grants: set(grants), interfaces: set(interfaces) }
    }

    fn found(all: &[(&str, PluginPin)]) -> BTreeMap<String, PluginPin> {
        all.iter().map(|(uses, pin)| ((*uses).to_owned(), pin.clone())).collect()
    }

    #[test]
    fn new_plugins_are_added_and_others_wait_until_they_are_accepted() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || Lock::open(folder.path(), "one").expect("read");
        let lock = open();
        lock.pin("eks.newest-version", "1.34").expect("written");
        let first = found(&[("./a.wasm", pin("sha256:1", &["s3"], &["llmhost:aws/s3@0.1.0"]))]);
        assert_eq!(lock.add_plugins(&first).expect("written"), 1);
        assert_eq!(open().plugin_changes(&first), vec![]);
        let second = found(&[
            ("./a.wasm", pin("sha256:2", &["ec2", "s3"], &["llmhost:aws/s3@0.2.0"])),
            ("./b.wasm", pin("sha256:3", &[], &[])),
        ]);
        let changes = open().plugin_changes(&second);
        assert_eq!(changes.iter().map(PluginChange::has_to_be_accepted).collect::<Vec<_>>(), [true, false]);
        assert_eq!(
            changes[0].words(),
            [
                "its digest was sha256:1 and is sha256:2",
                "its grants were s3 and are ec2, s3",
                "its imports had llmhost:aws/s3@0.1.0 and have llmhost:aws/s3@0.2.0 instead"
            ]
        );
        assert_eq!(open().add_plugins(&second).expect("written"), 1);
        assert_eq!(open().plugin_digest("./a.wasm").as_deref(), Some("sha256:1"));
        open().set_plugins(&second).expect("written");
        assert_eq!(open().plugin_changes(&second), vec![]);
        let changes = open().plugin_changes(&found(&[]));
        assert_eq!(
            changes.iter().map(PluginChange::words).collect::<Vec<_>>(),
            [["no longer used"], ["no longer used"]]
        );
        open().set_plugins(&found(&[])).expect("written");
        assert_eq!(open().fact("eks.newest-version").as_deref(), Some("1.34"));
        assert!(!std::fs::read_to_string(folder.path().join(super::super::FILE)).expect("there").contains("./a.wasm"));
    }

    #[test]
    fn fewer_grants_need_nobody() {
        let change = |was: &[&str], is: &[&str]| PluginChange {
            uses: "x".to_owned(),
            was: Some(pin("sha256:1", was, &[])),
            is: Some(pin("sha256:1", is, &[])),
        };
        assert!(!change(&["ec2", "s3"], &["s3"]).has_to_be_accepted());
        assert!(change(&["s3"], &["ec2"]).has_to_be_accepted());
    }

    #[test]
    fn two_processes_that_write_at_once_lose_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let folder = folder.path();
                scope.spawn(move || {
                    let lock = Lock::open(folder, &format!("p{number}")).expect("read");
                    lock.add_plugins(&found(&[("./a.wasm", pin("sha256:1", &[], &[]))])).expect("written");
                });
            }
        });
        let text = std::fs::read_to_string(folder.path().join(super::super::FILE)).expect("there");
        for number in 0..8 {
            assert!(text.contains(&format!("p{number}")), "{text}");
        }
    }
}
