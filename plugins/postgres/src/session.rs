//! A session of the server: TLS, authentication, queries.

use llmhost_plugin::provider::scram::Exchange;
use llmhost_plugin::provider::tcp::Connection;
use llmhost_plugin::provider::{Error, ErrorClass};

use crate::config::{Config, SslMode};
use crate::wire::{self, Authentication, Row};

const MECHANISM: &str = "SCRAM-SHA-256";

/// A session. It ends when it is dropped.
pub struct Session {
    connection: Connection,
}

impl Session {
    /// Begins a session in the database of the options.
    pub fn open(config: &Config) -> Result<Self, Error> {
        Self::open_in(config, &config.database)
    }

    /// Begins a session in a database.
    pub fn open_in(config: &Config, database: &str) -> Result<Self, Error> {
        for (what, text) in [("user", &*config.user), ("database", database)] {
            if text.is_empty() || text.contains('\0') {
                return Err(Error::invalid(format!("the {what} is empty or contains a NUL")));
            }
        }
        let mut connection = Connection::open(&config.host, config.port)?;
        if config.sslmode == SslMode::VerifyFull {
            encrypt(&mut connection)?;
        }
        let parameters = [
            ("user", &*config.user),
            ("database", database),
            ("application_name", "llmhost"),
            ("client_encoding", "UTF8"),
        ];
        connection.write(&wire::startup(&parameters))?;
        let mut session = Self { connection };
        session.authenticate(config)?;
        // Nobody's own functions and operators are called by mistake.
        session.query("SELECT pg_catalog.set_config('search_path', 'pg_catalog', false)")?;
        Ok(session)
    }

    fn authenticate(&mut self, config: &Config) -> Result<(), Error> {
        let (mut exchange, mut is_proved): (Option<Exchange>, bool) = (None, true);
        loop {
            let (kind, body) = self.message()?;
            match kind {
                b'R' => {}
                b'E' => return Err(wire::server_error(&body)?.into()),
                b'Z' => return Ok(()),
                // Notices, settings, a key for cancelling, options of the protocol that the server does not know.
                b'N' | b'S' | b'K' | b'v' => continue,
                other => return Err(unexpected(other)),
            }
            match (wire::authentication(&body)?, &exchange) {
                (Authentication::Sasl(mechanisms), None) if mechanisms.iter().any(|one| one == MECHANISM) => {
                    let Some(password) = &config.password else {
                        let message = format!("the server asks for the password of '{}'", config.user);
                        return Err(Error::new(ErrorClass::Denied, message)
                            .with_advice("Set 'password' of the provider to a secret of the pipeline file."));
                    };
                    let begun = Exchange::begin("", password)?;
                    self.connection.write(&wire::sasl_initial(MECHANISM, &begun.client_first()?))?;
                    (exchange, is_proved) = (Some(begun), false);
                }
                (Authentication::SaslContinue(first), Some(exchange)) => {
                    self.connection.write(&wire::sasl_response(&exchange.client_final(&first)?))?;
                }
                (Authentication::SaslFinal(last), Some(exchange)) => {
                    exchange.verify(&last)?;
                    is_proved = true;
                }
                // A server that let us in without proving that it knows the password is another one.
                (Authentication::Done, _) if is_proved => {}
                (Authentication::Done, _) => {
                    let message = "the server did not prove that it knows the password";
                    return Err(Error::new(ErrorClass::Denied, message).with_advice(
                        "Check that 'host' is the right server, and that nothing intercepts the connection.",
                    ));
                }
                (other, _) => return Err(refused(&other)),
            }
        }
    }

    /// Sends one statement or more, and gives the rows of the last one that has some. Several statements are one
    /// transaction, where they begin none of their own.
    pub fn query(&mut self, sql: &str) -> Result<Vec<Row>, Error> {
        if sql.contains('\0') {
            return Err(Error::invalid("a statement contains a NUL"));
        }
        self.connection.write(&wire::query(sql))?;
        let (mut rows, mut failed): (Vec<Row>, Option<Error>) = (Vec::new(), None);
        loop {
            // A server that ends the session says why, and then nothing more.
            let (kind, body) = match (self.message(), &mut failed) {
                (Ok(message), _) => message,
                (Err(_), Some(_)) => (b'Z', Vec::new()),
                (Err(broken), None) => return Err(broken),
            };
            match kind {
                b'T' => rows.clear(),
                b'D' => rows.push(wire::row(&body)?),
                b'E' => failed = Some(wire::server_error(&body)?.into()),
                b'Z' => return failed.map_or(Ok(rows), Err),
                // Done, nothing to do, notices, settings, notifications.
                b'C' | b'I' | b'N' | b'S' | b'A' => {}
                other => return Err(unexpected(other)),
            }
        }
    }

    fn message(&mut self) -> Result<(u8, Vec<u8>), Error> {
        let (kind, length) = wire::head(&self.connection.read(wire::HEAD)?)?;
        Ok((kind, self.connection.read(length)?))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Else the server's log would have an error.
        let _ = self.connection.write(&wire::terminate());
    }
}

fn encrypt(connection: &mut Connection) -> Result<(), Error> {
    connection.write(&wire::SSL_REQUEST)?;
    match connection.read(1)?[..] {
        [b'S'] => connection.start_tls(),
        [b'N'] => Err(Error::new(ErrorClass::Denied, "the server has no TLS").with_advice(
            "Enable it on the server (ssl = on), or set 'sslmode = \"disable\"' of the provider if the network is \
                trusted.",
        )),
        [b'E'] => Err(Error::new(ErrorClass::Unreachable, "the server refuses connections")),
        _ => Err(wire::nonsense("no answer to the request for TLS")),
    }
}

fn refused(asked: &Authentication) -> Error {
    let what = match asked {
        Authentication::Other(3) => "the server asks for the password in plain text",
        Authentication::Other(5) => "the server asks for the password as MD5",
        Authentication::Sasl(_) | Authentication::Other(_) => {
            "the server asks for an authentication other than SCRAM-SHA-256"
        }
        _ => return wire::nonsense("a step of an authentication that was not started"),
    };
    Error::new(ErrorClass::Denied, what).with_advice(
        "Set 'scram-sha-256' for this user in pg_hba.conf, and set its password again with password_encryption = \
         scram-sha-256.",
    )
}

fn unexpected(kind: u8) -> Error {
    wire::nonsense(&format!("an unexpected message of the type '{}'", char::from(kind).escape_default()))
}
