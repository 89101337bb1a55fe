//! A PostgreSQL of the test's own: Debian's, on a free port of this machine, in a temporary folder.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// The superuser.
pub const ADMIN: &str = "the admin";

/// A server that ends with the test.
pub struct Postgres {
    child: Child,
    bin: PathBuf,
    password: String,
    pub port: u16,
    pub folder: tempfile::TempDir,
    /// The CA that signed its certificate, in PEM. It is valid for localhost and 127.0.0.1.
    pub ca: String,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Fast shutdown; killed, it would leave shared memory behind.
        let ended = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        if !ended.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

impl Postgres {
    /// A server with TLS, whose superuser [`ADMIN`] has this password, and whose log has every statement.
    pub fn start(password: &str) -> Self {
        let bin = programs();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        let ca = certificates(folder.path());
        std::fs::write(at("password"), password).expect("ours");
        give_away(folder.path());
        let mut init = as_nobody(&bin.join("initdb"), folder.path());
        init.args(["--username", ADMIN, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        init.arg("--pwfile").arg(at("password")).arg("-D").arg(at("data"));
        let output = init.output().expect("initdb starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let log = std::fs::File::create(at("server.log")).expect("ours");
        let mut server = as_nobody(&bin.join("postgres"), folder.path());
        server.arg("-D").arg(at("data")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        for (name, value) in [
            ("port", port.to_string()),
            ("listen_addresses", "127.0.0.1".to_owned()),
            ("unix_socket_directories", String::new()),
            ("ssl", "on".to_owned()),
            ("ssl_cert_file", at("server.pem").display().to_string()),
            ("ssl_key_file", at("server.key").display().to_string()),
            ("log_statement", "all".to_owned()),
            ("log_connections", "on".to_owned()),
            ("fsync", "off".to_owned()),
        ] {
            server.arg("-c").arg(format!("{name}={value}"));
        }
        let child = server.spawn().expect("postgres starts");
        let mut started = Self { child, bin, password: password.to_owned(), port, folder, ca };
        assert!(started.is_up(), "postgres does not start: {}", started.log());
        started
    }

    fn is_up(&mut self) -> bool {
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until {
            if let Ok(Some(_)) = self.child.try_wait() {
                return false;
            }
            if self.psql("SELECT 1").is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    /// What the superuser sees: rows as lines, columns with `|` between them. An error is what psql says.
    pub fn psql(&self, sql: &str) -> Result<String, String> {
        self.psql_as(ADMIN, &self.password, "postgres", sql)
    }

    /// The same as somebody else, in some database.
    pub fn psql_as(&self, user: &str, password: &str, database: &str, sql: &str) -> Result<String, String> {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", user, "-d", database])
            .args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .env("PGPASSWORD", password);
        let output = psql.output().expect("psql starts");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_owned();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// What it did without a mistake.
    #[track_caller]
    pub fn does(&self, sql: &str) -> String {
        self.psql(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// All that the server wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }
}

/// Where Debian has the newest server.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        versions.map(|entry| entry.path().join("bin")).filter(|bin| bin.join("initdb").is_file()).collect();
    found.sort();
    found.pop().expect("PostgreSQL is not installed: run cargo xtask setup, or apt-get install postgresql")
}

/// A program as the user `postgres` where we are root: a server does not run as root.
fn as_nobody(program: &Path, folder: &Path) -> Command {
    let mut command = match is_root() {
        true => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
            command
        }
        false => Command::new(program),
    };
    command.current_dir(folder).env("LC_ALL", "C");
    command
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"))
}

/// Lets the server have its folder. The log stays ours.
fn give_away(folder: &Path) {
    std::fs::set_permissions(folder.join("server.key"), std::fs::Permissions::from_mode(0o600)).expect("ours");
    if is_root() {
        let given = Command::new("chown").args(["-R", "postgres:postgres"]).arg(folder).status();
        assert!(given.is_ok_and(|status| status.success()), "the user postgres, whom Debian's package makes");
    }
}

/// Writes a key and a certificate, and gives the CA.
fn certificates(folder: &Path) -> String {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA");
    let key = KeyPair::generate().expect("a key");
    let names = ["localhost", "127.0.0.1"].map(str::to_owned);
    let certificate = CertificateParams::new(names).and_then(|params| params.signed_by(&key, &ca));
    std::fs::write(folder.join("server.pem"), certificate.expect("a certificate").pem()).expect("ours");
    std::fs::write(folder.join("server.key"), key.serialize_pem()).expect("ours");
    ca.pem()
}

/// A CA that signed nothing.
pub fn other_ca() -> String {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA").pem()
}
