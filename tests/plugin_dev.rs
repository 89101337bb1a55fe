//! Editing a plugin while `llmhost plugin dev` watches.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use support::Scene;

/// A command that goes on until it is ended, and its lines.
struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Watching {
    fn start(scene: &Scene, args: &[&str]) -> Self {
        let mut command = scene.command(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, lines) = channel();
        let outputs: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for output in outputs {
            let tell = tell.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _ = tell.send(line);
                }
            });
        }
        Self { child, lines }
    }

    /// Everything up to the next wait for a change.
    fn until_it_waits(&self) -> String {
        let mut all = String::new();
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(300));
            all += &(line.unwrap_or_else(|_| panic!("it does not wait for a change:\n{all}")) + "\n");
            if all.ends_with("waiting for a change\n") {
                // Of the other stream.
                std::thread::sleep(Duration::from_millis(200));
                all.extend(self.lines.try_iter().map(|line| line + "\n"));
                return all;
            }
        }
    }
}

impl Watching {
    fn is_still(&self) {
        if let Ok(line) = self.lines.recv_timeout(Duration::from_secs(2)) {
            panic!("it went on by itself: {line}");
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "'{word}' is not in:\n{text}");
    }
}

#[test]
fn an_edit_is_built_and_what_it_changes_in_the_plan_is_shown() {
    let scene = Scene::new();
    scene.llmhost(&["plugin", "new", "logs", "--lang", "javascript"]).status(0);
    let dev = Watching::start(&scene, &["plugin", "dev", "logs"]);
    has(&dev.until_it_waits(), &["+ s3.bucket/logs", "Plan: 1 to create"]);

    // What a build reads and writes is no change.
    dev.is_still();

    scene.edit("logs/plugin.js", "blockPublicAccess: true", "blockPublicAccess: true,\n      versioning: true");
    has(&dev.until_it_waits(), &["~ logs/s3.bucket/logs", "versioning: false -> true"]);
    scene.edit("logs/plugin.js", "arn: bucket.arn()", "arn: 'arn:' + bucket.arn()");
    has(&dev.until_it_waits(), &["~ outputs of logs", "arn: "]);
    // A pipeline is a part of it, and a comment changes nothing.
    scene.edit("logs/pipeline.toml", "my-logs", "other-logs");
    has(&dev.until_it_waits(), &["bucket: \"my-logs\" -> \"other-logs\""]);
    scene.edit("logs/plugin.js", "// A bucket", "// The bucket");
    has(&dev.until_it_waits(), &["The plan is unchanged."]);

    // An error is shown, and the next edit corrects it.
    scene.edit("logs/plugin.js", "defineStep({", "defineStep(");
    has(&dev.until_it_waits(), &["error: ", "plugin.js"]);
    scene.edit("logs/plugin.js", "defineStep(", "defineStep({");
    has(&dev.until_it_waits(), &["The plan is unchanged."]);
}

#[test]
fn a_folder_without_a_project_is_refused() {
    let scene = Scene::new();
    scene.llmhost(&["plugin", "dev"]).status(2).says(&["llmhost-plugin.toml", "llmhost plugin new"]);
    scene.write("empty/llmhost-plugin.toml", "name = \"a\"\nlanguage = \"javascript\"\n");
    scene.llmhost(&["plugin", "test", "empty"]).status(2).says(&["there is no", "llmhost plugin build empty"]);
}
