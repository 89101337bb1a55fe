//! A state follows a pipeline that is renamed, and moves from place to place: nothing is lost at any moment,
//! and nobody goes on with the one that was left.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use llmhost_emulator::testing::RecordingProxy;
use support::{Scene, emulator, look, look_after};

const FILE: &str = "pipeline.toml";
const NETWORK: &str = "[steps.network]\nuses = \"vpc\"\nwith = { name = \"n\", azs = 1, nat = \"none\" }\n";
const BUCKET: &str = "s3://states/team/llm";

fn scene(name: &str) -> Scene {
    let scene = Scene::new();
    scene.write(FILE, format!("[pipeline]\nname = \"{name}\"\nregion = \"us-east-1\"\n{NETWORK}"));
    scene
}

fn rename(scene: &Scene, from: &str, to: &str) {
    scene.edit(FILE, &format!("name = \"{from}\""), &format!("name = \"{to}\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_of_a_pipeline_that_was_renamed_is_renamed_and_nothing_is_made_twice() {
    let (scene, emulator) = (scene("old"), emulator().await);
    let url = emulator.url();
    let before = look(url);
    scene.at(url, &["run", FILE]).status(0);
    let ids = |scene: &Scene| scene.llmhost(&["state", "list", FILE]).status(0).stdout;
    let made = ids(&scene);
    rename(&scene, "old", "new");
    // A half-made rename: nothing is begun from nothing.
    let there = look(url);
    for command in
        [["run", FILE, "--dry-run"].as_slice(), &["run", FILE], &["status", FILE], &["destroy", FILE, "--yes"]]
    {
        scene.at(url, command).status(1).says(&[
            "there is no state of 'new', but one of 'old'",
            "llmhost state mv pipeline.toml --pipeline old",
            "--state",
        ]);
    }
    assert_eq!(look(url), there);
    assert!(!scene.path(".llmhost/new").exists());

    scene
        .llmhost(&["state", "mv", FILE, "--pipeline", "old"])
        .status(0)
        .says(&[".llmhost/new", "The next run renames"]);
    assert_eq!(ids(&scene), made);
    scene.llmhost(&["run", FILE, "--dry-run"]).status(0).says(&["0 to create", "0 to replace", "0 to delete"]);
    scene.at(url, &["run", FILE]).status(0).says(&["0 changes", "moved"]);
    scene.at(url, &["run", FILE]).status(0).says(&["No changes"]);
    // Whoever still has the old name is told.
    rename(&scene, "new", "old");
    for command in ["run", "status", "destroy"] {
        scene.at(url, &[command, FILE]).status(1).says(&["was moved to", ".llmhost/new", "Nothing was changed"]);
    }
    scene.llmhost(&["state", "mv", FILE, "--pipeline", "new"]).status(0).says(&[".llmhost/old"]);
    scene.at(url, &["destroy", FILE, "--yes"]).status(0);
    assert_eq!(look(url), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_has_a_place_of_its_own_is_renamed_there() {
    let (scene, emulator) = (scene("old"), emulator().await);
    let url = emulator.url();
    look_after(url, &["make-bucket", "states"]);
    for place in ["here", BUCKET] {
        let with = |args: &[&'static str]| scene.at(url, &[args, &["--state", place]].concat());
        with(&["run", FILE]).status(0);
        rename(&scene, "old", "new");
        for command in ["run", "status", "drift", "destroy"] {
            with(&[command, FILE]).status(1).says(&[
                "belongs to the pipeline 'old', not to 'new'",
                "--pipeline",
                "state of its own",
            ]);
        }
        with(&["state", "mv", FILE, "--pipeline", "older"]).status(1).says(&["belongs to the pipeline 'old'"]);
        with(&["state", "mv", FILE, "--pipeline", "old"]).status(0).says(&["Renamed the state of 'old' to 'new'"]);
        with(&["state", "mv", FILE, "--pipeline", "old"])
            .status(1)
            .says(&["belongs to the pipeline 'new', not to 'old'"]);
        with(&["run", FILE]).status(0).says(&["0 changes", "moved"]);
        with(&["destroy", FILE, "--yes"]).status(0);
        rename(&scene, "new", "old");
        with(&["state", "mv", FILE, "--pipeline", "new"]).status(1).says(&["there is no state"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_moves_from_folder_to_folder_to_bucket_and_back() {
    let (scene, emulator) = (scene("llm"), emulator().await);
    let url = emulator.url();
    look_after(url, &["make-bucket", "states"]);
    let before = look(url);
    scene.at(url, &["run", FILE]).status(0);
    let places = [".llmhost/llm", "elsewhere", BUCKET, "s3://states/another", ".llmhost/llm"];
    for pair in places.windows(2) {
        let [from, to] = pair else { unreachable!() };
        let moved = scene.at(url, &["state", "mv", FILE, "--state", from, "--to", to]).status(0);
        let name = if to.starts_with("s3") {
            (*to).to_owned()
        } else {
            scene.path(to).canonicalize().unwrap().display().to_string()
        };
        moved.says(&["Moved the state", &name]);
        // It is not looked for there by itself, but in the usual place it is.
        assert_eq!(moved.stderr.contains("[pipeline]"), *to != ".llmhost/llm", "{}", moved.stderr);
        for command in [
            ["run", FILE].as_slice(),
            &["run", FILE, "--dry-run"],
            &["status", FILE],
            &["state", "list", FILE],
            &["drift", FILE],
            &["destroy", FILE, "--yes"],
        ] {
            let with = [command, &["--state", from]].concat();
            scene.at(url, &with).status(1).says(&["was moved to", &name, "Nothing was changed"]);
        }
        scene.at(url, &["run", FILE, "--state", to]).status(0).says(&["No changes"]);
        // The same once more says so, and undoes nothing.
        scene.at(url, &["state", "mv", FILE, "--state", from, "--to", to]).status(0);
    }
    scene.at(url, &["destroy", FILE, "--yes"]).status(0);
    assert_eq!(look(url)["network"], before["network"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_is_cut_off_anywhere_is_ended_by_the_same_command() {
    let emulator = emulator().await;
    look_after(emulator.url(), &["make-bucket", "states"]);
    let proxy = RecordingProxy::start(emulator.url()).await.unwrap();
    let url = proxy.url();
    let pairs = |number: usize| {
        [
            (format!("s{number}"), format!("s3://states/to-{number}")),
            (format!("s3://states/from-{number}"), format!("t{number}")),
        ]
    };
    for number in 0.. {
        let mut cut = 0;
        for (from, to) in pairs(number) {
            let scene = scene("llm");
            scene.at(url, &["run", FILE, "--state", &from]).status(0);
            let listed = scene.at(url, &["state", "list", FILE, "--state", &from]).status(0).stdout;
            let mut command =
                scene.command(&["state", "mv", FILE, "--state", &from, "--to", &to, "--endpoint-url", url]);
            command.env("AWS_ACCESS_KEY_ID", support::ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", support::SECRET_KEY);
            command
                .args(["--lease-seconds", "1"])
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null());
            // The process is killed at a write to the bucket, before or after it: the others are never reached.
            let child = command.spawn().unwrap();
            let process = child.id();
            proxy.at(number / 2, number % 2 == 1, move || {
                // SAFETY: the process is a child that nobody has waited for yet.
                unsafe { libc::kill(i32::try_from(process).unwrap(), libc::SIGKILL) };
            });
            let output = child.wait_with_output().unwrap();
            cut += usize::from(!proxy.clear());
            drop(output);
            // At most one place can be gone on with, and the command ends what it began.
            let whole = |place: &str| {
                let ran = scene.at(url, &["state", "list", FILE, "--state", place]);
                ran.status == 0 && ran.stdout == listed
            };
            assert!(!(whole(&from) && whole(&to)), "cut off at {number}");
            let ended = (0..40).any(|_| {
                let again =
                    scene.at(url, &["state", "mv", FILE, "--state", &from, "--to", &to, "--lease-seconds", "1"]);
                let waits = again.status != 0 && again.stderr.contains("in use by");
                assert!(again.status == 0 || waits, "{again:?}");
                if waits {
                    std::thread::sleep(std::time::Duration::from_millis(100));
                }
                again.status == 0
            });
            assert!(ended && whole(&to) && !whole(&from), "cut off at {number}");
            scene.at(url, &["destroy", FILE, "--state", &to, "--yes"]).status(0);
        }
        if cut == 0 {
            assert!(number > 4, "something was cut off");
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_moved_is_said_and_nothing_is_touched() {
    let (scene, emulator) = (scene("llm"), emulator().await);
    let url = emulator.url();
    scene.at(url, &["run", FILE, "--state", "one"]).status(0);
    scene.write("other.toml", std::fs::read_to_string(scene.path(FILE)).unwrap().replace("\"llm\"", "\"other\""));
    scene.at(url, &["run", "other.toml", "--state", "two"]).status(0);
    scene.at(url, &["run", FILE, "--state", "three"]).status(0);
    let files = || ["one", "two", "three"].map(|place| std::fs::read(scene.path(place).join("state.json")).unwrap());
    let before = files();
    for (args, status, words) in [
        (&["--state", "one", "--to", "one"][..], 2, "the state is there already"),
        (&["--state", "one", "--to", "./two/../one"], 2, "the state is there already"),
        (&["--state", "one", "--to", "two"], 1, "belongs to the pipeline 'other'"),
        (&["--state", "one", "--to", "three"], 1, "already has a state, with"),
        (&["--state", "none", "--to", "four"], 1, "there is no state of 'llm'"),
        (&["--state", "one", "--pipeline", "llm"], 2, "still has the name 'llm'"),
        (&["--state", "one", "--pipeline", "L L"], 2, "the character 'L'"),
        (&["--state", "one", "--to", "gs://x/y"], 2, "'gs://' is not supported"),
        (&["--state", "one", "--to", "four", "network", "net"], 2, "cannot be used with"),
        (&["--to", "four", "--emulate"], 2, "an emulator's state cannot be moved"),
        (&["--state", "one", "network"], 2, "TO"),
        (&[], 2, "FROM"),
    ] {
        scene.llmhost(&[&["state", "mv", FILE], args].concat()).status(status).says(&[words]);
    }
    assert_eq!(files(), before);
    assert!(!scene.path("four").exists() && !scene.path("none").exists());
}
