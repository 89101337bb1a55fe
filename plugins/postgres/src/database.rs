//! `database`.
//!
//! `CREATE DATABASE` cannot be part of a transaction, so it cannot be one with the comment that carries the token. But a
//! rename can be: so a database is made under a name that holds the token, `llmhost-TOKEN`, which nobody else has. Then
//! rename, comment and owner are one transaction. What a crash leaves is told by one of the two, and a database of
//! somebody else has neither: it is never taken over.

use llmhost_plugin::provider::{Created, Error, ErrorClass, Kind, Observed};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::role::{column, mark, no_limit, oid};
use crate::session::Session;
use crate::sql;

/// A database of the server.
pub struct Database;

/// What a database is to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// The role that owns it; without one, the provider's user.
    pub owner: Option<String>,
    /// Its encoding, such as UTF8; without one, that of the template.
    pub encoding: Option<String>,
    /// Its locale, such as C.UTF-8; without one, that of the template. Another one than the template's takes template0.
    pub locale: Option<String>,
    /// The database that it is a copy of; without one, template1.
    pub template: Option<String>,
    /// How many sessions may use it at a time; -1 for any number.
    #[serde(default = "no_limit")]
    #[schemars(range(min = -1))]
    pub connection_limit: i32,
    /// Whether its sessions are ended when it is deleted. Without that it is not deleted as long as it has some.
    #[serde(default)]
    pub force: bool,
}

/// What a database tells.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Outputs {
    /// Its name, for specs that refer to it.
    name: String,
}

/// A database as the catalog has it.
struct There {
    oid: String,
    name: String,
    owner: String,
    encoding: String,
    collate: String,
    ctype: String,
    connection_limit: i32,
    is_marked: bool,
}

impl There {
    fn by_id(session: &mut Session, id: &str) -> Result<Option<Self>, Error> {
        Self::of(session, &format!("oid = {}", oid(id)?), "")
    }

    fn by_name(session: &mut Session, name: &str, token: &str) -> Result<Option<Self>, Error> {
        Self::of(session, &format!("datname = {}", sql::text(name)?), token)
    }

    fn of(session: &mut Session, condition: &str, token: &str) -> Result<Option<Self>, Error> {
        let rows = session.query(&format!(
            "SELECT oid, datname, pg_catalog.pg_get_userbyid(datdba), pg_catalog.pg_encoding_to_char(encoding), datcollate, \
             datctype, datconnlimit, pg_catalog.shobj_description(oid, 'pg_database') = {} FROM pg_catalog.pg_database \
             WHERE {condition}",
            sql::text(&mark(token))?
        ))?;
        Ok(rows.first().map(|row| Self {
            oid: column(row, 0),
            name: column(row, 1),
            owner: column(row, 2),
            encoding: column(row, 3),
            collate: column(row, 4),
            ctype: column(row, 5),
            connection_limit: column(row, 6).parse().unwrap_or(-1),
            is_marked: column(row, 7) == "t",
        }))
    }

    fn outputs(&self) -> Outputs {
        Outputs { name: self.name.clone() }
    }

    fn created(self) -> Created<Outputs> {
        Created { outputs: self.outputs(), id: self.oid }
    }

    /// In the form of a spec. What nobody asked for is left out: the server chose it.
    fn spec(&self, known: &Spec) -> Spec {
        let encoding = known.encoding.as_ref().map(|known| match is_same_encoding(known, &self.encoding) {
            true => known.clone(),
            false => self.encoding.clone(),
        });
        let locale = known.locale.as_ref().map(|_| match self.collate == self.ctype {
            true => self.collate.clone(),
            false => format!("{} and {}", self.collate, self.ctype),
        });
        Spec {
            name: self.name.clone(),
            owner: known.owner.as_ref().map(|_| self.owner.clone()),
            encoding,
            locale,
            template: known.template.clone(),
            connection_limit: self.connection_limit,
            force: known.force,
        }
    }
}

/// Whether two words are one encoding: `utf-8`, `UTF8`.
fn is_same_encoding(one: &str, other: &str) -> bool {
    let plain = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    plain(one) == plain(other)
}

/// What a database is called until it is whole.
fn unfinished(token: &str) -> String {
    format!("llmhost-{token}")
}

fn make(session: &mut Session, spec: &Spec, token: &str) -> Result<(), Error> {
    let mut statement = format!("CREATE DATABASE {}", sql::name(&unfinished(token))?);
    for (option, value) in [("ENCODING", &spec.encoding), ("LOCALE", &spec.locale)] {
        if let Some(value) = value {
            statement.push_str(&format!(" {option} {}", sql::text(value)?));
        }
    }
    if let Some(template) = &spec.template {
        statement.push_str(&format!(" TEMPLATE {}", sql::name(template)?));
    }
    if spec.connection_limit != no_limit() {
        statement.push_str(&format!(" CONNECTION LIMIT {}", spec.connection_limit));
    }
    match session.query(&statement) {
        // An attempt whose answer was lost made it.
        Err(error) if error.code.as_deref() == Some("42P04") => Ok(()),
        made => made.map(drop),
    }
}

/// Gives a database that was made its name, and all that makes it the pipeline's. Where that is refused, the database is
/// deleted: it is empty, and nobody knows it.
fn finish(session: &mut Session, spec: &Spec, token: &str) -> Result<There, Error> {
    let (name, made) = (sql::name(&spec.name)?, sql::name(&unfinished(token))?);
    let mut statements = vec![
        "BEGIN".to_owned(),
        format!("ALTER DATABASE {made} RENAME TO {name}"),
        format!("COMMENT ON DATABASE {name} IS {}", sql::text(&mark(token))?),
    ];
    // Last: who gives a database away may not comment on it.
    if let Some(owner) = &spec.owner {
        statements.push(format!("ALTER DATABASE {name} OWNER TO {}", sql::name(owner)?));
    }
    statements.push("COMMIT".to_owned());
    if let Err(error) = session.query(&statements.join("; ")) {
        if !matches!(error.class, ErrorClass::Unreachable | ErrorClass::Service | ErrorClass::Throttled) {
            session.query("ROLLBACK")?;
            session.query(&format!("DROP DATABASE IF EXISTS {made}"))?;
        }
        return Err(error);
    }
    let there = There::by_name(session, &spec.name, token)?;
    there.ok_or_else(|| {
        Error::new(ErrorClass::Service, format!("the database '{}' disappeared right after its creation", spec.name))
    })
}

impl Kind for Database {
    type Config = Config;
    type Spec = Spec;
    type Outputs = Outputs;
    const NAME: &'static str = "database";
    const SUMMARY: &'static str = "A database. Deleting it deletes its contents.";
    const IMMUTABLE: &'static [&'static str] = &["name", "encoding", "locale", "template"];
    const UNIQUE: &'static [&'static str] = &["name"];
    const IDENTITIES: &'static [&'static str] = &["name"];

    fn create(config: &Config, spec: &Spec, token: &str) -> Result<Created<Outputs>, Error> {
        let mut session = Session::open(config)?;
        // Before a whole database is copied in vain.
        match There::by_name(&mut session, &spec.name, token)? {
            Some(there) if there.is_marked => return Ok(there.created()),
            Some(_) => {
                let message = format!("the database '{}' already exists", spec.name);
                return Err(Error::new(ErrorClass::Conflict, message).with_code("42P04"));
            }
            None => {}
        }
        make(&mut session, spec, token)?;
        finish(&mut session, spec, token).map(There::created)
    }

    fn find(config: &Config, spec: &Spec, token: &str) -> Result<Option<Created<Outputs>>, Error> {
        let mut session = Session::open(config)?;
        if let Some(there) = There::by_name(&mut session, &spec.name, token)?.filter(|there| there.is_marked) {
            return Ok(Some(there.created()));
        }
        if There::by_name(&mut session, &unfinished(token), token)?.is_none() {
            return Ok(None);
        }
        match finish(&mut session, spec, token) {
            // Somebody else took the name meanwhile. What was made is deleted again.
            Err(error) if error.class == ErrorClass::Conflict => Ok(None),
            finished => finished.map(|there| Some(there.created())),
        }
    }

    fn read(config: &Config, id: &str, known: &Spec) -> Result<Option<Observed<Spec, Outputs>>, Error> {
        let there = There::by_id(&mut Session::open(config)?, id)?;
        Ok(there.map(|there| Observed { spec: there.spec(known), outputs: there.outputs() }))
    }

    fn update(config: &Config, id: &str, _: &Spec, new: &Spec) -> Result<Outputs, Error> {
        let mut session = Session::open(config)?;
        let there = There::by_id(&mut session, id)?;
        let there = there.ok_or_else(|| Error::not_found(format!("the database '{}' does not exist", new.name)))?;
        let name = sql::name(&there.name)?;
        let mut statements = vec!["BEGIN".to_owned()];
        if there.connection_limit != new.connection_limit {
            statements.push(format!("ALTER DATABASE {name} CONNECTION LIMIT {}", new.connection_limit));
        }
        if let Some(owner) = new.owner.as_ref().filter(|owner| **owner != there.owner) {
            statements.push(format!("ALTER DATABASE {name} OWNER TO {}", sql::name(owner)?));
        }
        statements.push("COMMIT".to_owned());
        session.query(&statements.join("; "))?;
        Ok(there.outputs())
    }

    fn delete(config: &Config, id: &str, spec: &Spec) -> Result<(), Error> {
        let mut session = Session::open(config)?;
        let Some(there) = There::by_id(&mut session, id)? else { return Ok(()) };
        let force = if spec.force { " WITH (FORCE)" } else { "" };
        session.query(&format!("DROP DATABASE {}{force}", sql::name(&there.name)?)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there() -> There {
        There {
            oid: "16384".into(),
            name: "shop".into(),
            owner: "app".into(),
            encoding: "UTF8".into(),
            collate: "C".into(),
            ctype: "C".into(),
            connection_limit: 7,
            is_marked: true,
        }
    }

    fn spec() -> Spec {
        Spec {
            name: "shop".into(),
            owner: None,
            encoding: None,
            locale: None,
            template: None,
            connection_limit: -1,
            force: true,
        }
    }

    #[test]
    fn what_the_server_chose_is_no_drift() {
        assert_eq!(there().spec(&spec()), Spec { connection_limit: 7, ..spec() });
        let known = Spec {
            owner: Some("other".into()),
            encoding: Some("utf-8".into()),
            locale: Some("C".into()),
            template: Some("template0".into()),
            ..spec()
        };
        let seen = Spec { owner: Some("app".into()), connection_limit: 7, ..known.clone() };
        assert_eq!(there().spec(&known), seen);
        let known = Spec { encoding: Some("LATIN1".into()), ..known };
        assert_eq!(there().spec(&known).encoding.as_deref(), Some("UTF8"));
        let mixed = There { ctype: "de_DE".into(), ..there() };
        assert_eq!(mixed.spec(&known).locale.as_deref(), Some("C and de_DE"));
    }
}
