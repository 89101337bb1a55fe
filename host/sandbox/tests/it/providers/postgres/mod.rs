//! The provider `postgres` at a real PostgreSQL: TCP, TLS with a stated CA, SCRAM, and the kinds.

use llmhost_engine::plan::Action;
use llmhost_engine::run::{self, Cancel, Event, Events, Found};

#[allow(unreachable_pub, reason = "the tests of the command line use it, too")]
#[path = "../../../../../../tests/support/postgres.rs"]
mod server;
mod world;

use super::scene::{KEY, PASSWORD};
use super::{problems, walk};
use server::{ADMIN, other_ca};
use world::World;

const ROLE: (&str, &str, &str) =
    ("role", "role", r#"name = "app", login = true, connection_limit = 5, password = "${secrets.password}""#);
const DATABASE: (&str, &str, &str) =
    ("database", "database", r#"name = "shop", owner = "${role.outputs.name}", connection_limit = 7"#);

#[tokio::test(flavor = "multi_thread")]
async fn roles_and_databases_are_made_kept_changed_replaced_and_deleted() {
    let world = World::new().await;
    let (scene, postgres) = (&world.scene, &world.postgres);
    let file = world.file(&[ROLE, DATABASE]);
    let report = scene.made(&file).await;
    let roles = "SELECT rolname, rolcanlogin, rolsuper, rolconnlimit FROM pg_roles WHERE rolname !~ '^(pg_|the admin)'";
    assert_eq!(postgres.does(roles), "app|t|f|5");
    let databases = "SELECT datname, pg_get_userbyid(datdba), datconnlimit FROM pg_database WHERE datname !~ '^(template|postgres)'";
    assert_eq!(postgres.does(databases), "shop|app|7");
    // The role logs in with its password, and with no other one.
    assert_eq!(postgres.psql_as("app", PASSWORD, "shop", "SELECT current_user").unwrap(), "app");
    assert!(
        postgres.psql_as("app", "another", "shop", "SELECT 1").unwrap_err().contains("password authentication failed")
    );

    // Again: nothing is changed.
    let plan = scene.plan(&file).await.unwrap();
    assert!(plan.resources.values().all(|planned| planned.action == Action::Keep), "{plan:?}");
    let before = postgres.log().len();
    scene.made(&file).await;
    assert!(!postgres.log()[before..].contains("ALTER") && !postgres.log()[before..].contains("CREATE"));

    // Drift is seen and corrected.
    postgres.does("ALTER ROLE app CREATEDB CONNECTION LIMIT 1");
    postgres.does("ALTER DATABASE shop OWNER TO \"the admin\"");
    let engine = scene.engine(&file).await.unwrap();
    let drift = run::drift_from(engine.pipeline(), engine.registry(), &scene.state(), 4).await.unwrap();
    let mut fields: Vec<String> = Vec::new();
    for one in &drift {
        match &one.found {
            Found::Changed { fields: changed } => fields.extend(changed.iter().map(|field| field.path.clone())),
            other => panic!("{other:?}"),
        }
    }
    fields.sort();
    assert_eq!(fields, ["connection_limit", "createdb", "owner"]);

    // In place: only what differs.
    let changed = file.replace("connection_limit = 5", "connection_limit = 6, createdb = true");
    scene.made(&changed).await;
    assert_eq!(postgres.does("SELECT rolcreatedb, rolconnlimit FROM pg_roles WHERE rolname = 'app'"), "t|6");

    // Another name is another resource.
    let renamed = changed.replace("\"shop\"", "\"store\"");
    scene.made(&renamed).await;
    assert!(postgres.does(databases).starts_with("store|"));

    // The password is nowhere; nor are verifiers in what the host keeps.
    let all = walk(scene.folder.path());
    let log = postgres.log();
    for value in [KEY, PASSWORD] {
        assert!(!all.contains(value) && !log.contains(value) && !format!("{report:?}").contains(value), "{value}");
    }
    assert!(log.contains("PASSWORD 'SCRAM-SHA-256$4096:") && !all.contains("SCRAM-SHA-256$"));
    assert!(log.contains("SSL enabled"), "the sessions have TLS");

    scene.made(&world.file(&[])).await;
    assert_eq!((postgres.does(databases), postgres.does(roles)), (String::new(), String::new()));
    assert!(scene.state().resources.is_empty());
    assert_eq!(postgres.does("SELECT count(*) FROM pg_shdescription WHERE description LIKE 'llmhost:%'"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn memberships_and_grants_follow_the_file() {
    let world = World::new().await;
    let (scene, postgres) = (&world.scene, &world.postgres);
    postgres.does("CREATE ROLE readers; CREATE ROLE writers; CREATE ROLE other");
    postgres.does("CREATE DATABASE shop");
    let role = |groups: &str| format!("name = \"app\", member_of = {groups}");
    let grant = |privileges: &str| {
        format!("role = \"${{role.outputs.name}}\", database = \"shop\", privileges = {privileges}, grantable = true")
    };
    let schema = "role = \"${role.outputs.name}\", database = \"shop\", schema = \"public\", privileges = [\"USAGE\", \"CREATE\"]";
    let steps = |groups: &str, privileges: &str| {
        world.file(&[
            ("role", "role", &role(groups)),
            ("grant", "grant", &grant(privileges)),
            ("schema", "grant", schema),
        ])
    };
    let file = steps(r#"["writers", "readers"]"#, r#"["TEMPORARY", "CONNECT"]"#);
    scene.made(&file).await;
    let groups = "SELECT string_agg(g.rolname, ',' ORDER BY g.rolname) FROM pg_auth_members m JOIN pg_roles g ON g.oid = roleid \
                  JOIN pg_roles u ON u.oid = member WHERE u.rolname = 'app'";
    assert_eq!(postgres.does(groups), "readers,writers");
    let acl = "SELECT string_agg(privilege_type || is_grantable, ',' ORDER BY privilege_type) FROM pg_database, aclexplode(datacl) a \
               WHERE datname = 'shop' AND grantee = 'app'::regrole";
    assert_eq!(postgres.does(acl), "CONNECTtrue,TEMPORARYtrue");
    let in_shop = "SELECT has_schema_privilege('app', 'public', 'CREATE'), array_to_string(nspacl, ';') ~ 'app=UC/' FROM \
                   pg_namespace WHERE nspname = 'public'";
    assert_eq!(postgres.psql_as(ADMIN, KEY, "shop", in_shop).unwrap(), "t|t");
    let plan = scene.plan(&file).await.unwrap();
    assert!(plan.resources.values().all(|planned| planned.action == Action::Keep), "{plan:?}");

    scene.made(&steps(r#"["readers"]"#, r#"["CONNECT", "CREATE"]"#)).await;
    assert_eq!((postgres.does(groups).as_str(), postgres.does(acl).as_str()), ("readers", "CONNECTtrue,CREATEtrue"));
    // What was granted by somebody else is not taken over.
    let others = "SELECT string_agg(privilege_type, ',') FROM pg_database, aclexplode(datacl) a WHERE datname = 'shop' AND \
                  grantee = 'other'::regrole";
    postgres.does("GRANT CONNECT ON DATABASE shop TO other");
    let words = world
        .refused(&world.file(&[("g", "grant", r#"role = "other", database = "shop", privileges = ["CONNECT"]"#)]))
        .await;
    assert!(words.contains("the role 'other' already has CONNECT on DATABASE \"shop\""), "{words}");
    scene.made(&world.file(&[])).await;
    assert_eq!(postgres.does("SELECT count(*) FROM pg_roles WHERE rolname = 'app'"), "0");
    assert_eq!(postgres.does(others), "CONNECT");
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_names_are_names() {
    let world = World::new().await;
    let (scene, postgres) = (&world.scene, &world.postgres);
    for name in ["a\"; DROP TABLE x; --", "it's", "back\\slash", "Größe mit Leerzeichen", "$$", "%s 日本"] {
        let spec = format!("name = {}", serde_json::Value::from(name));
        let file = world.file(&[
            ("role", "role", &spec),
            ("database", "database", &format!("{spec}, owner = \"${{role.outputs.name}}\"")),
        ]);
        scene.made(&file).await;
        let found = postgres.does("SELECT rolname FROM pg_roles WHERE rolname !~ '^(pg_|the admin)'");
        assert_eq!(found, name);
        let found = postgres.does(
            "SELECT datname || '=' || pg_get_userbyid(datdba) FROM pg_database WHERE datname !~ '^(template|postgres)'",
        );
        assert_eq!(found, format!("{name}={name}"));
        let plan = scene.plan(&file).await.unwrap();
        assert!(plan.resources.values().all(|planned| planned.action == Action::Keep), "{plan:?}");
        scene.made(&world.file(&[])).await;
    }
    for (name, part) in [("a\\u0000b", "NUL"), (&"ü".repeat(40), "has 80 bytes"), ("pg_mine", "reserved")] {
        let words = world.refused(&world.file(&[("role", "role", &format!("name = \"{name}\""))])).await;
        assert!(words.contains(part), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_somebody_elses_is_never_taken_over() {
    let world = World::new().await;
    let (scene, postgres) = (&world.scene, &world.postgres);
    postgres.does("CREATE ROLE app");
    postgres.does("CREATE DATABASE shop");
    for (step, part) in [
        (("r", "role", "name = \"app\""), "role \"app\" already exists"),
        (("d", "database", "name = \"shop\""), "the database 'shop' already exists"),
    ] {
        let words = world.refused(&world.file(&[step])).await;
        assert!(words.contains(part) && words.contains("Another resource has this name"), "{words}");
        assert!(scene.state().resources.values().all(|left| left.pending.is_none()), "nothing was made");
    }
    assert_eq!(postgres.does("SELECT count(*) FROM pg_database WHERE datname LIKE 'llmhost-%'"), "0");
    // An owner that is not there: what was made for it is gone again.
    let words = world.refused(&world.file(&[("d", "database", "name = \"new\", owner = \"nobody\"")])).await;
    assert!(words.contains("role \"nobody\" does not exist"), "{words}");
    assert_eq!(postgres.does("SELECT count(*) FROM pg_database WHERE datname ~ '^(llmhost-|new)'"), "0");

    // Somebody made one anew under the name of ours: it is another one, and stays.
    let file = world.file(&[("d", "database", "name = \"mine\"")]);
    scene.made(&file).await;
    postgres.does("DROP DATABASE mine");
    postgres.does("CREATE DATABASE mine");
    scene.made(&world.file(&[])).await;
    assert_eq!(postgres.does("SELECT count(*) FROM pg_database WHERE datname = 'mine'"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_leaves_is_found() {
    let world = World::new().await;
    let (scene, postgres) = (&world.scene, &world.postgres);
    let file = world.file(&[("d", "database", "name = \"shop\"")]);
    // The server gives up on each statement that takes a while, so nobody knows what was done.
    postgres.does("ALTER ROLE \"the admin\" SET statement_timeout = 1");
    let words = world.refused(&file).await;
    assert!(words.contains("57014") || words.contains("statement timeout"), "{words}");
    let pending: Vec<_> = scene.state().resources.values().filter_map(|left| left.pending.clone()).collect();
    assert_eq!(pending.len(), 1, "the intent stays");
    postgres.does("SET statement_timeout = 0; ALTER ROLE \"the admin\" RESET statement_timeout");
    // As a run leaves it that ends between the two.
    let token = &pending[0].intent.token;
    postgres.does(&format!("CREATE DATABASE \"llmhost-{token}\""));
    let oid = postgres.does(&format!("SELECT oid FROM pg_database WHERE datname = 'llmhost-{token}'"));
    scene.made(&file).await;
    assert_eq!(postgres.does("SELECT oid FROM pg_database WHERE datname = 'shop'"), oid, "it is the one that was made");
    assert_eq!(postgres.does("SELECT count(*) FROM pg_database WHERE datname LIKE 'llmhost-%'"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_on_a_role_or_uses_a_database_is_named() {
    let world = World::new().await;
    let (scene, postgres) = (&world.scene, &world.postgres);
    let file = world.file(&[ROLE, DATABASE]);
    scene.made(&file).await;
    postgres.psql_as("app", PASSWORD, "shop", "CREATE SCHEMA mine").unwrap();
    postgres.does("CREATE DATABASE other OWNER app");
    let words = world.refused(&world.file(&[])).await;
    assert!(words.contains("Not deleted: owner of database other"), "{words}");
    postgres.does("DROP DATABASE other");
    scene.made(&world.file(&[])).await;

    // A database with sessions goes by force alone.
    let database = |force: bool| world.file(&[("d", "database", &format!("name = \"busy\", force = {force}"))]);
    scene.made(&database(false)).await;
    let mut session = postgres.session("busy", "SELECT pg_sleep(600)");
    while postgres.does("SELECT count(*) FROM pg_stat_activity WHERE datname = 'busy'") == "0" {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let words = world.refused(&world.file(&[])).await;
    assert!(words.contains("is being accessed by other users") && words.contains("force = true"), "{words}");
    scene.made(&database(true)).await;
    scene.made(&world.file(&[])).await;
    assert_eq!(postgres.does("SELECT count(*) FROM pg_database WHERE datname = 'busy'"), "0");
    session.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_believed_by_its_certificate_and_a_user_by_the_password() {
    let world = World::new().await;
    let (scene, port) = (&world.scene, world.postgres.port);
    let file = world.file(&[ROLE]);
    let ca = |text: &str| std::fs::write(scene.folder.path().join("ca.pem"), text).unwrap();
    for (from, to, part) in [
        (
            "password = \"${secrets.key}\" }",
            "password = \"${secrets.password}\" }",
            "password authentication failed for user",
        ),
        ("password = \"${secrets.key}\" }", "password = \"wrong\" }", "password authentication failed for user"),
        (", password = \"${secrets.key}\" }", " }", "the server asks for the password of 'the admin'"),
        ("allow = [\"tcp:localhost", "allow = [\"tcp:127.0.0.1", "grant does not cover a connection to localhost"),
        ("ca    = \"ca.pem\"\n", "", "is not signed by a trusted CA"),
    ] {
        assert!(file.contains(from), "{from}");
        let words = world.refused(&file.replacen(from, to, 1)).await;
        assert!(words.contains(part), "{part} in {words}");
    }
    ca(&other_ca());
    let words = world.refused(&file).await;
    assert!(words.contains("is not signed by a trusted CA"), "{words}");
    ca(&world.postgres.ca);
    // What cannot be a CA or a grant is told where it stands.
    for (from, to, part) in [
        ("ca    = \"ca.pem\"", "ca    = \"gone.pem\"", "cannot read gone.pem, the ca of [providers.db]"),
        ("ca    = \"ca.pem\"", "ca    = \"pipeline.toml\"", "'ca' contains no usable certificates"),
        ("ca    = \"ca.pem\"", "ca    = 7", "ca of [providers.db] must be a string"),
        ("tcp:localhost", "tcp:*.localhost", "a connection is granted to one host"),
        ("tcp:localhost", "tcp:169.254.169.254", "is never allowed"),
        (
            &format!("allow = [\"tcp:localhost:{port}\"]"),
            "allow = []",
            "makes TCP connections, and nothing is granted to it",
        ),
    ] {
        assert!(file.contains(from), "{from}");
        let Err(found) = scene.engine(&file.replacen(from, to, 1)).await else { panic!("{to} is refused") };
        assert!(found.problems.iter().all(|problem| problem.span.is_some()), "{:?}", found.problems);
        let words = problems(Err(found));
        assert!(words.contains(part), "{part} in {words}");
    }
    // Without TLS, where the file says so.
    let open =
        file.replace("password = \"${secrets.key}\" }", "password = \"${secrets.key}\", sslmode = \"disable\" }");
    scene.made(&open).await;
    assert!(world.postgres.psql_as("app", PASSWORD, "postgres", "SELECT 1").is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_stopped_ends_a_read() {
    let world = World::new().await;
    let (scene, postgres) = (&world.scene, &world.postgres);
    let file = world.file(&[("role", "role", "name = \"app\"")]);
    // A lock that makes the server wait, and with it the provider.
    let mut lock = postgres.session("postgres", "BEGIN; LOCK TABLE pg_authid IN EXCLUSIVE MODE; SELECT pg_sleep(600)");
    while postgres
        .does("SELECT count(*) FROM pg_locks WHERE relation = 'pg_authid'::regclass AND mode = 'ExclusiveLock'")
        == "0"
    {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let cancel = Cancel::default();
    let stop = cancel.clone();
    let events = Events::new(move |event| {
        if let Event::OperationStarted { .. } = event {
            let stop = stop.clone();
            std::thread::spawn(move || {
                std::thread::sleep(std::time::Duration::from_millis(1500));
                stop.cancel();
            });
        }
    });
    let began = std::time::Instant::now();
    let report = scene.run_until(&file, events, cancel).await;
    assert!(report.interrupted && report.failures.is_empty(), "{report:?}");
    assert!(began.elapsed() < std::time::Duration::from_secs(40), "a read alone may take 60 s");
    assert!(scene.state().resources.values().any(|left| left.pending.is_some()));
    postgres.does("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()");
    lock.wait().unwrap();
    scene.made(&file).await;
    assert_eq!(postgres.does("SELECT count(*) FROM pg_roles WHERE rolname = 'app'"), "1");
}
