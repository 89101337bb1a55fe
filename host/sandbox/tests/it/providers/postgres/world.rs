//! A pipeline with the provider, and a PostgreSQL of its own.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::server::{ADMIN, Postgres};
use crate::providers::scene::{KEY, PASSWORD, Scene};

/// The provider, and the plugin that declares its resources.
fn components() -> &'static [PathBuf; 2] {
    static BUILT: OnceLock<[PathBuf; 2]> = OnceLock::new();
    BUILT.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugins");
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins");
        std::fs::create_dir_all(&target).unwrap();
        // Each test may be a process of its own.
        let lock = std::fs::File::create(target.join("build.lock")).unwrap();
        lock.lock().unwrap();
        let names = ["postgres", "resources"];
        let built = llmhost_plugin_build::build(&workspace, &names, &target).unwrap_or_else(|error| panic!("{error}"));
        let mut built = names.iter().zip(built).map(|(name, wasm)| {
            let path = target.join(format!("{name}.component.wasm"));
            std::fs::write(&path, wasm).unwrap();
            path
        });
        [built.next().unwrap(), built.next().unwrap()]
    })
}

pub(super) struct World {
    pub(super) scene: Scene,
    pub(super) postgres: Postgres,
}

impl World {
    pub(super) async fn new() -> Self {
        let (scene, postgres) = (Scene::new().await, Postgres::start(KEY));
        std::fs::write(scene.folder.path().join("ca.pem"), &postgres.ca).unwrap();
        Self { scene, postgres }
    }

    /// A file with steps: a name, a kind and a spec each.
    pub(super) fn file(&self, steps: &[(&str, &str, &str)]) -> String {
        let ([provider, plugin], port) = (components(), self.postgres.port);
        let mut file = format!(
            r#"[pipeline]
name = "test"
region = "us-east-1"
[secrets.key]
env = "KEY"
[secrets.password]
env = "PASSWORD"
[providers.db]
uses  = "{}"
allow = ["tcp:localhost:{port}"]
ca    = "ca.pem"
with  = {{ host = "localhost", port = {port}, user = "{ADMIN}", password = "${{secrets.key}}" }}
"#,
            provider.display()
        );
        for (name, kind, spec) in steps {
            file += &format!(
                "[steps.{name}]\nuses = \"{}\"\nallow = [\"resource:db\"]\nwith = {{ kind = \"db.{kind}\", spec = {{ {spec} \
                 }}{} }}\n",
                plugin.display(),
                if *kind == "grant" { "" } else { ", outputs = [\"name\"]" },
            );
        }
        file
    }

    pub(super) async fn refused(&self, file: &str) -> String {
        let words = Scene::words(&self.scene.run(file).await);
        assert!(!words.is_empty(), "it works");
        assert!(!words.contains(KEY) && !words.contains(PASSWORD), "{words}");
        words
    }
}
