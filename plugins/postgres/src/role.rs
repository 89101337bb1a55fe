//! `role`: who may log in, and what they may do in the whole server.
//!
//! A role's id is its OID, so that a role which somebody made anew under the same name is another one. `CREATE ROLE` and the
//! comment that carries the token are one transaction: after a crash there are both or none.

use llmhost_plugin::provider::{Created, Error, Kind, Observed, scram};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::session::Session;
use crate::sql;
use crate::wire::Row;

/// A role of the server.
pub struct Role;

/// What a role is to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Whether it may log in: a user.
    #[serde(default)]
    pub login: bool,
    /// Whether it may do everything. Takes a superuser.
    #[serde(default)]
    pub superuser: bool,
    /// Whether it may create databases.
    #[serde(default)]
    pub createdb: bool,
    /// Whether it may create roles.
    #[serde(default)]
    pub createrole: bool,
    /// Whether it has the rights of the roles that it is a member of.
    #[serde(default = "yes")]
    pub inherit: bool,
    /// Whether it may replicate the server.
    #[serde(default)]
    pub replication: bool,
    /// How many sessions it may have at a time; -1 for any number.
    #[serde(default = "no_limit")]
    #[schemars(range(min = -1))]
    pub connection_limit: i32,
    /// Its password: a secret of the pipeline file. The server is sent a SCRAM-SHA-256 verifier of it. That somebody else
    /// changed it is not seen.
    #[schemars(extend("writeOnly" = true))]
    pub password: Option<String>,
    /// Roles that it is a member of.
    #[serde(default)]
    pub member_of: Vec<String>,
}

/// What a role tells.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Outputs {
    /// Its name, for specs that refer to it.
    name: String,
}

fn yes() -> bool {
    true
}

pub(crate) fn no_limit() -> i32 {
    -1
}

/// A role as the catalog has it.
struct There {
    oid: String,
    spec: Spec,
}

const COLUMNS: &str = "SELECT oid, rolname, rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolinherit, rolreplication, \
                       rolconnlimit FROM pg_catalog.pg_roles WHERE";

impl There {
    fn by_id(session: &mut Session, id: &str) -> Result<Option<Self>, Error> {
        let oid = oid(id)?;
        Self::of(session, &format!("{COLUMNS} oid = {oid}"))
    }

    fn of(session: &mut Session, query: &str) -> Result<Option<Self>, Error> {
        let rows = session.query(query)?;
        let Some(row) = rows.first() else { return Ok(None) };
        let (oid, is) = (column(row, 0), |at| column(row, at) == "t");
        let member_of = session.query(&format!(
            "SELECT DISTINCT g.rolname FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles g ON g.oid = m.roleid \
             WHERE m.member = {oid} ORDER BY 1"
        ))?;
        let spec = Spec {
            name: column(row, 1),
            login: is(2),
            superuser: is(3),
            createdb: is(4),
            createrole: is(5),
            inherit: is(6),
            replication: is(7),
            connection_limit: column(row, 8).parse().unwrap_or(-1),
            password: None,
            member_of: member_of.iter().map(|row| column(row, 0)).collect(),
        };
        Ok(Some(Self { oid, spec }))
    }

    fn outputs(&self) -> Outputs {
        Outputs { name: self.spec.name.clone() }
    }

    fn created(self) -> Created<Outputs> {
        Created { outputs: self.outputs(), id: self.oid }
    }
}

/// A value of a row; an empty text where it has none.
pub(crate) fn column(row: &Row, at: usize) -> String {
    row.get(at).cloned().flatten().unwrap_or_default()
}

/// An id as SQL has it.
pub(crate) fn oid(id: &str) -> Result<u32, Error> {
    id.parse().map_err(|_| {
        Error::invalid(format!("'{id}' is not an id: ids are OIDs, which are numbers")).with_advice(
            "SELECT oid FROM pg_roles WHERE rolname = '…' tells it, and for databases SELECT oid FROM pg_database WHERE \
             datname = '…'.",
        )
    })
}

/// What the comment on a resource says that was made with a token.
pub(crate) fn mark(token: &str) -> String {
    format!("llmhost:{token}")
}

/// The attributes in which two roles differ, as `ALTER ROLE` takes them. Those that stay are not named: to name some, one
/// has to be a superuser.
fn differences(from: &Spec, to: &Spec) -> Vec<String> {
    let switches = [
        ("LOGIN", from.login, to.login),
        ("SUPERUSER", from.superuser, to.superuser),
        ("CREATEDB", from.createdb, to.createdb),
        ("CREATEROLE", from.createrole, to.createrole),
        ("INHERIT", from.inherit, to.inherit),
        ("REPLICATION", from.replication, to.replication),
    ];
    let switched = switches.into_iter().filter(|(_, from, to)| from != to);
    let mut all: Vec<String> =
        switched.map(|(name, _, to)| if to { name.to_owned() } else { format!("NO{name}") }).collect();
    if from.connection_limit != to.connection_limit {
        all.push(format!("CONNECTION LIMIT {}", to.connection_limit));
    }
    all
}

/// A role that was created without any option.
fn plain(name: &str) -> Spec {
    Spec {
        name: name.to_owned(),
        login: false,
        superuser: false,
        createdb: false,
        createrole: false,
        inherit: true,
        replication: false,
        connection_limit: no_limit(),
        password: None,
        member_of: Vec::new(),
    }
}

/// `PASSWORD '…'` with a verifier.
fn password(password: &str) -> Result<String, Error> {
    Ok(format!("PASSWORD {}", sql::text(&scram::verifier(password)?)?))
}

fn without(all: &[String], others: &[String]) -> Vec<String> {
    all.iter().filter(|one| !others.contains(one)).cloned().collect()
}

impl Kind for Role {
    type Config = Config;
    type Spec = Spec;
    type Outputs = Outputs;
    const NAME: &'static str = "role";
    const SUMMARY: &'static str = "A role: a user or a group.";
    const IMMUTABLE: &'static [&'static str] = &["name"];
    const UNIQUE: &'static [&'static str] = &["name"];
    const IDENTITIES: &'static [&'static str] = &["name"];

    fn create(config: &Config, spec: &Spec, token: &str) -> Result<Created<Outputs>, Error> {
        let name = sql::name(&spec.name)?;
        let mut options = differences(&plain(&spec.name), spec);
        options.extend(spec.password.as_deref().map(password).transpose()?);
        let mut statements = vec![
            "BEGIN".to_owned(),
            format!("CREATE ROLE {name} {}", options.join(" ")),
            format!("COMMENT ON ROLE {name} IS {}", sql::text(&mark(token))?),
        ];
        if !spec.member_of.is_empty() {
            statements.push(format!("GRANT {} TO {name}", sql::names(&spec.member_of)?));
        }
        statements.push(format!("SELECT oid FROM pg_catalog.pg_roles WHERE rolname = {}", sql::text(&spec.name)?));
        statements.push("COMMIT".to_owned());
        let rows = Session::open(config)?.query(&statements.join("; "))?;
        let id = rows.first().map(|row| column(row, 0)).unwrap_or_default();
        Ok(Created { id, outputs: Outputs { name: spec.name.clone() } })
    }

    fn find(config: &Config, spec: &Spec, token: &str) -> Result<Option<Created<Outputs>>, Error> {
        let query = format!(
            "{COLUMNS} rolname = {} AND pg_catalog.shobj_description(oid, 'pg_authid') = {}",
            sql::text(&spec.name)?,
            sql::text(&mark(token))?
        );
        Ok(There::of(&mut Session::open(config)?, &query)?.map(There::created))
    }

    fn read(config: &Config, id: &str, known: &Spec) -> Result<Option<Observed<Spec, Outputs>>, Error> {
        let Some(there) = There::by_id(&mut Session::open(config)?, id)? else { return Ok(None) };
        let outputs = there.outputs();
        let member_of = sql::in_known_order(&there.spec.member_of, &known.member_of);
        let spec = Spec { password: known.password.clone(), member_of, ..there.spec };
        Ok(Some(Observed { spec, outputs }))
    }

    fn update(config: &Config, id: &str, old: &Spec, new: &Spec) -> Result<Outputs, Error> {
        let mut session = Session::open(config)?;
        let there = There::by_id(&mut session, id)?;
        let there = there.ok_or_else(|| Error::not_found(format!("the role '{}' does not exist", new.name)))?;
        let name = sql::name(&there.spec.name)?;
        let mut options = differences(&there.spec, new);
        match (&new.password, &old.password) {
            // What is there cannot be compared.
            (Some(new), _) => options.push(password(new)?),
            (None, Some(_)) => options.push("PASSWORD NULL".to_owned()),
            (None, None) => {}
        }
        let mut statements = vec!["BEGIN".to_owned()];
        if !options.is_empty() {
            statements.push(format!("ALTER ROLE {name} {}", options.join(" ")));
        }
        let (joins, leaves) =
            (without(&new.member_of, &there.spec.member_of), without(&there.spec.member_of, &new.member_of));
        if !leaves.is_empty() {
            statements.push(format!("REVOKE {} FROM {name}", sql::names(&leaves)?));
        }
        if !joins.is_empty() {
            statements.push(format!("GRANT {} TO {name}", sql::names(&joins)?));
        }
        statements.push("COMMIT".to_owned());
        session.query(&statements.join("; "))?;
        Ok(there.outputs())
    }

    fn delete(config: &Config, id: &str, _: &Spec) -> Result<(), Error> {
        let mut session = Session::open(config)?;
        let Some(there) = There::by_id(&mut session, id)? else { return Ok(()) };
        session.query(&format!("DROP ROLE {}", sql::name(&there.spec.name)?)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_named() {
        let plain = plain("app");
        assert!(differences(&plain, &plain).is_empty());
        let other = Spec { login: true, inherit: false, connection_limit: 5, ..plain.clone() };
        assert_eq!(differences(&plain, &other), ["LOGIN", "NOINHERIT", "CONNECTION LIMIT 5"]);
        assert_eq!(differences(&other, &plain), ["NOLOGIN", "INHERIT", "CONNECTION LIMIT -1"]);
    }

    #[test]
    fn an_id_is_a_number() {
        assert_eq!(oid("16384").expect("a number"), 16384);
        for bad in ["", "app", "1; DROP ROLE x", "-1", "99999999999"] {
            assert!(oid(bad).is_err(), "{bad}");
        }
    }
}
