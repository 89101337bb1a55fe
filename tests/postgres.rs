//! Roles, databases and grants of a real PostgreSQL, by the provider `postgres`.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::path::Path;

use llmhost_emulator::Emulator;
use support::postgres::{ADMIN, Postgres, other_ca};
use support::{Ran, Scene, emulator};

const RUN: &[&str] = &["run", "pipeline.toml", "--yes"];
const REFRESH: &[&str] = &["run", "pipeline.toml", "--yes", "--refresh"];
const DRY: &[&str] = &["run", "pipeline.toml", "--dry-run"];
const DRIFT: &[&str] = &["drift", "pipeline.toml", "--exit-code"];
const DESTROY: &[&str] = &["destroy", "pipeline.toml", "--yes"];

/// Planted, so that they can be looked for where they must not be.
const ADMINS: &str = "planted-password-of-the-admin";
const APPS: &str = "planted-password-of-the-role";

const ROLES: &str = "SELECT rolname, rolcanlogin, rolconnlimit FROM pg_roles WHERE rolname !~ '^(pg_|the admin)'";
const DATABASES: &str =
    "SELECT datname, pg_get_userbyid(datdba) FROM pg_database WHERE datname !~ '^(template|postgres)'";

/// A pipeline with a role, a database of it, and a grant for a second role.
struct Shop {
    scene: Scene,
    emulator: Emulator,
    postgres: Postgres,
}

impl Shop {
    async fn open() -> Self {
        let (scene, emulator, postgres) = (Scene::new(), emulator().await, Postgres::start(ADMINS));
        let port = postgres.port;
        scene.write("ca.pem", &postgres.ca);
        scene.pipeline(&format!(
            r#"[secrets]
admin = {{ env = "ADMINS" }}
app = {{ env = "APPS" }}

[providers.db]
uses  = "postgres"
allow = ["tcp:localhost:{port}"]
ca    = "./ca.pem"
with  = {{ host = "localhost", port = {port}, user = "{ADMIN}", password = "${{secrets.admin}}" }}

[steps.roles]
uses = "resources"
[steps.roles.with.resources.app]
kind    = "db.role"
spec    = {{ name = "app", login = true, connection_limit = 5, password = "${{secrets.app}}" }}
outputs = ["name"]
[steps.roles.with.resources.reader]
kind    = "db.role"
spec    = {{ name = "reader" }}
outputs = ["name"]

[steps.shop]
uses = "resources"
with = {{ kind = "db.database", spec = {{ name = "shop", owner = "${{roles.resources.app.outputs.name}}" }}, outputs = ["name"] }}

[steps.grant]
uses = "resources"
[steps.grant.with]
kind = "db.grant"
spec = {{ role = "${{roles.resources.reader.outputs.name}}", database = "${{shop.outputs.name}}", privileges = ["CONNECT"] }}
"#
        ));
        Self { scene, emulator, postgres }
    }

    fn edit(&self, from: &str, to: &str) {
        self.scene.edit("pipeline.toml", from, to);
    }

    fn llmhost(&self, args: &[&str]) -> Ran {
        self.with_password(ADMINS, args)
    }

    fn with_password(&self, admins: &str, args: &[&str]) -> Ran {
        let mut command = self.scene.command(args);
        command.args(["--endpoint-url", self.emulator.url()]).env("ADMINS", admins).env("APPS", APPS);
        command.env("AWS_ACCESS_KEY_ID", support::ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", support::SECRET_KEY);
        command.env("LLMHOST_LOG", "debug");
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ran = Ran {
            status: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        };
        ran.does_not_say(&[ADMINS, APPS, "SCRAM-SHA-256$"]);
        ran
    }

    /// Neither a password nor a verifier is in what llmhost wrote, and no password in what the server wrote.
    fn assert_secret(&self) {
        let kept = walk(self.scene.folder.path());
        assert!(kept.contains("\"connection_limit\""), "the state is there");
        for value in [ADMINS, APPS, "SCRAM-SHA-256$"] {
            assert!(!kept.contains(value), "{value}");
        }
        let log = self.postgres.log();
        assert!(log.contains("statement: "), "the log has statements");
        assert!(!log.contains(ADMINS) && !log.contains(APPS));
    }
}

/// The text of every file in a folder.
fn walk(folder: &Path) -> String {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).fold(String::new(), |all, path| {
        all + &if path.is_dir() { walk(&path) } else { std::fs::read_to_string(&path).unwrap_or_default() }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_databases_and_grants_are_planned_made_changed_replaced_and_destroyed() {
    let shop = Shop::open().await;
    let postgres = &shop.postgres;
    shop.llmhost(DRY).status(0).says(&["+ db.role/app", "db.database", "db.grant", "4 to create"]);
    assert_eq!(postgres.does(ROLES), "", "a plan makes nothing");

    shop.llmhost(RUN).status(0).says(&["4 created"]);
    assert_eq!(postgres.does(&format!("{ROLES} ORDER BY 1")), "app|t|5\nreader|f|-1");
    assert_eq!(postgres.does(DATABASES), "shop|app");
    assert_eq!(postgres.does("SELECT has_database_privilege('reader', 'shop', 'CONNECT')"), "t");
    assert_eq!(postgres.psql_as("app", APPS, "shop", "SELECT current_user").unwrap(), "app");
    shop.llmhost(RUN).status(0).says(&["0 changes"]);
    shop.llmhost(REFRESH).status(0).says(&["0 changes"]);
    shop.llmhost(DRIFT).status(0);

    // What psql changes is seen and taken back.
    postgres.does("ALTER ROLE app CREATEDB");
    postgres.does("ALTER DATABASE shop OWNER TO \"the admin\"");
    shop.llmhost(DRIFT).status(3).says(&["db.role/app", "createdb", "owner"]);
    shop.llmhost(REFRESH).status(0).says(&["2 updated"]);
    assert_eq!(postgres.does("SELECT rolcreatedb FROM pg_roles WHERE rolname = 'app'"), "f");
    assert_eq!(postgres.does(DATABASES), "shop|app");

    // In place.
    let oid = postgres.does("SELECT 'app'::regrole::oid");
    shop.edit("connection_limit = 5", "connection_limit = 6");
    shop.llmhost(RUN).status(0).says(&["~ connection_limit: 5 -> 6", "1 updated"]);
    assert_eq!(postgres.does("SELECT rolconnlimit, oid FROM pg_roles WHERE rolname = 'app'"), format!("6|{oid}"));

    // Another name is another database.
    shop.edit("name = \"shop\"", "name = \"store\"");
    shop.llmhost(RUN).status(0).says(&["the new one is created first, then the old one is deleted"]);
    assert_eq!(postgres.does(DATABASES), "store|app");
    shop.assert_secret();

    shop.llmhost(DESTROY).status(0);
    assert_eq!((postgres.does(ROLES), postgres.does(DATABASES)), (String::new(), String::new()));
    assert_eq!(postgres.does("SELECT count(*) FROM pg_shdescription WHERE description LIKE 'llmhost:%'"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_a_wrong_ca_make_nothing() {
    let shop = Shop::open().await;
    let ran = shop.with_password("not-the-password", RUN).status(1);
    ran.says(&["password authentication failed", "Check 'user' and 'password' of the provider"]);
    shop.scene.write("ca.pem", other_ca());
    shop.llmhost(RUN).status(1).says(&["the certificate of localhost", "is not signed by a trusted CA"]);
    shop.scene.write("ca.pem", "this is no certificate");
    shop.llmhost(DRY).status(2).says(&["pipeline.toml", "'ca' contains no usable certificates", "BEGIN CERTIFICATE"]);
    shop.edit("./ca.pem", "./gone.pem");
    shop.llmhost(DRY).status(2).says(&["cannot read ./gone.pem, the ca of [providers.db]"]);
    shop.edit("./gone.pem", "./ca.pem");
    shop.scene.write("ca.pem", &shop.postgres.ca);
    shop.edit("tcp:localhost", "tcp:127.0.0.1");
    shop.llmhost(RUN).status(1).says(&["grant \"tcp:localhost:"]);
    assert_eq!(shop.postgres.does(ROLES), "");
    shop.edit("tcp:127.0.0.1", "tcp:localhost");
    shop.llmhost(RUN).status(0).says(&["4 created"]);
    shop.llmhost(DESTROY).status(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_of_a_secret_is_a_new_password() {
    let shop = Shop::open().await;
    shop.llmhost(RUN).status(0);
    let verifier = "SELECT rolpassword FROM pg_authid WHERE rolname = 'app'";
    let before = shop.postgres.does(verifier);
    assert!(before.starts_with("SCRAM-SHA-256$4096:"));
    shop.edit("app = { env = \"APPS\" }", "app = { env = \"APPS\", version = 2 }");
    shop.llmhost(RUN).status(0).says(&["1 updated"]);
    assert_ne!(shop.postgres.does(verifier), before);
    assert!(shop.postgres.psql_as("app", APPS, "shop", "SELECT 1").is_ok());
    shop.llmhost(DESTROY).status(0);
}
