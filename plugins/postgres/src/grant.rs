//! `grant`: what a role may do in a database or in a schema.
//!
//! A grant has no place for a token. So `create` refuses where the role has some privilege there already: what it has
//! after that, a create made. `find` takes a grant for the one that was lost if the privileges are exactly those of the
//! spec.

use llmhost_plugin::provider::{Created, Error, ErrorClass, Kind, Observed};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::role::column;
use crate::session::Session;
use crate::sql;

/// Privileges of a role.
pub struct Grant;

/// Which privileges are granted, on what and to whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The role that gets them.
    #[schemars(length(min = 1, max = 63))]
    pub role: String,
    /// The database.
    #[schemars(length(min = 1, max = 63))]
    pub database: String,
    /// A schema of this database; without one, the grant is on the database.
    #[schemars(length(min = 1, max = 63))]
    pub schema: Option<String>,
    /// What it may do: CONNECT, CREATE, TEMPORARY in a database; USAGE, CREATE in a schema.
    #[schemars(length(min = 1))]
    pub privileges: Vec<Privilege>,
    /// Whether it may grant them to others.
    #[serde(default)]
    pub grantable: bool,
}

/// A privilege.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Privilege {
    /// To start a session.
    Connect,
    /// To create schemas in a database, or objects in a schema.
    Create,
    /// To create temporary tables.
    Temporary,
    /// To use what is in a schema.
    Usage,
}

impl Privilege {
    const ALL: [Self; 4] = [Self::Connect, Self::Create, Self::Temporary, Self::Usage];

    fn word(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Create => "CREATE",
            Self::Temporary => "TEMPORARY",
            Self::Usage => "USAGE",
        }
    }
}

fn words(all: &[Privilege]) -> String {
    all.iter().map(|one| one.word()).collect::<Vec<_>>().join(", ")
}

impl Spec {
    fn check(&self) -> Result<(), Error> {
        let has = |privilege: &Privilege| match self.schema {
            Some(_) => matches!(privilege, Privilege::Usage | Privilege::Create),
            None => !matches!(privilege, Privilege::Usage),
        };
        match self.privileges.iter().find(|privilege| !has(privilege)) {
            None => Ok(()),
            Some(bad) => {
                let (what, known) = match self.schema {
                    Some(_) => ("schema", "USAGE and CREATE"),
                    None => ("database", "CONNECT, CREATE and TEMPORARY"),
                };
                Err(Error::invalid(format!("a {what} has no privilege {}", bad.word()))
                    .with_advice(format!("A {what} has {known}.")))
            }
        }
    }

    /// Names it. Parts are encoded, so that no two grants have one id.
    fn id(&self) -> String {
        let part = |text: &str| {
            text.chars().fold(String::new(), |whole, c| match c {
                '/' | '%' => format!("{whole}%{:02X}", u32::from(c)),
                c if c.is_control() => format!("{whole}%{:02X}", u32::from(c)),
                c => whole + c.encode_utf8(&mut [0; 4]),
            })
        };
        let schema = self.schema.as_deref().unwrap_or_default();
        format!("{}/{}/{}", part(&self.database), part(schema), part(&self.role))
    }

    /// `DATABASE "shop"`
    fn object(&self) -> Result<String, Error> {
        Ok(match &self.schema {
            Some(schema) => format!("SCHEMA {}", sql::name(schema)?),
            None => format!("DATABASE {}", sql::name(&self.database)?),
        })
    }

    /// Privileges of a database are seen from everywhere, those of a schema in its database.
    fn session(&self, config: &Config) -> Result<Session, Error> {
        match self.schema {
            Some(_) => Session::open_in(config, &self.database),
            None => Session::open(config),
        }
    }

    fn give(&self, privileges: &[Privilege]) -> Result<String, Error> {
        let with = if self.grantable { " WITH GRANT OPTION" } else { "" };
        Ok(format!("GRANT {} ON {} TO {}{with}", words(privileges), self.object()?, sql::name(&self.role)?))
    }

    fn take(&self, what: &str, privileges: &[Privilege]) -> Result<String, Error> {
        Ok(format!("REVOKE {what}{} ON {} FROM {}", words(privileges), self.object()?, sql::name(&self.role)?))
    }
}

/// Each privilege that a role has, and whether it may grant it.
fn there(session: &mut Session, spec: &Spec) -> Result<Vec<(Privilege, bool)>, Error> {
    let (catalog, acl, owner, name, kind) = match &spec.schema {
        Some(schema) => ("pg_namespace", "nspacl", "nspowner", ("nspname", schema), "n"),
        None => ("pg_database", "datacl", "datdba", ("datname", &spec.database), "d"),
    };
    let rows = session.query(&format!(
        "SELECT a.privilege_type, pg_catalog.bool_or(a.is_grantable) FROM pg_catalog.{catalog} o, \
         pg_catalog.aclexplode(COALESCE(o.{acl}, pg_catalog.acldefault('{kind}', o.{owner}))) a \
         JOIN pg_catalog.pg_roles r ON r.oid = a.grantee WHERE o.{} = {} AND r.rolname = {} GROUP BY 1 ORDER BY 1",
        name.0,
        sql::text(name.1)?,
        sql::text(&spec.role)?
    ))?;
    let privilege = |word: String| Privilege::ALL.into_iter().find(|privilege| privilege.word() == word);
    Ok(rows.iter().filter_map(|row| Some((privilege(column(row, 0))?, column(row, 1) == "t"))).collect())
}

fn all(there: &[(Privilege, bool)]) -> Vec<Privilege> {
    there.iter().map(|(privilege, _)| *privilege).collect()
}

/// In the form of a spec, where the known one is what was granted.
fn seen(there: &[(Privilege, bool)], known: &Spec) -> Spec {
    // What is granted in part is drift, whichever was wanted.
    let grantable = match known.grantable {
        true => there.iter().all(|(_, is_grantable)| *is_grantable),
        false => there.iter().any(|(_, is_grantable)| *is_grantable),
    };
    Spec { privileges: sql::in_known_order(&all(there), &known.privileges), grantable, ..known.clone() }
}

/// Whether an error says that the database, the schema or the role is gone, and the grant with it.
fn is_gone(error: &Error) -> bool {
    matches!(error.code.as_deref(), Some("3D000" | "3F000" | "42704"))
}

impl Kind for Grant {
    type Config = Config;
    type Spec = Spec;
    type Outputs = ();
    const NAME: &'static str = "grant";
    const SUMMARY: &'static str = "Privileges of a role in a database or in a schema.";
    const IMMUTABLE: &'static [&'static str] = &["role", "database", "schema"];
    const UNIQUE: &'static [&'static str] = &["role", "database", "schema"];

    fn create(config: &Config, spec: &Spec, _: &str) -> Result<Created<()>, Error> {
        spec.check()?;
        let mut session = spec.session(config)?;
        let has = there(&mut session, spec)?;
        if !has.is_empty() {
            let message = format!("the role '{}' already has {} on {}", spec.role, words(&all(&has)), spec.object()?);
            return Err(Error::new(ErrorClass::Conflict, message).with_advice(
                "It owns it, or has a grant from elsewhere. Import the grant with 'llmhost import', or revoke it, \
                    and run again.",
            ));
        }
        session.query(&spec.give(&spec.privileges)?)?;
        Ok(Created { id: spec.id(), outputs: () })
    }

    fn find(config: &Config, spec: &Spec, _: &str) -> Result<Option<Created<()>>, Error> {
        let has = match spec.session(config).and_then(|mut session| there(&mut session, spec)) {
            Err(error) if is_gone(&error) => return Ok(None),
            has => has?,
        };
        let seen = seen(&has, spec);
        Ok((!has.is_empty() && seen == *spec).then(|| Created { id: spec.id(), outputs: () }))
    }

    fn read(config: &Config, id: &str, known: &Spec) -> Result<Option<Observed<Spec, ()>>, Error> {
        if id != known.id() {
            return Err(Error::invalid(format!("'{id}' is not the id of this grant, which is '{}'", known.id())));
        }
        let has = match known.session(config).and_then(|mut session| there(&mut session, known)) {
            Err(error) if is_gone(&error) => return Ok(None),
            has => has?,
        };
        Ok((!has.is_empty()).then(|| Observed { spec: seen(&has, known), outputs: () }))
    }

    fn update(config: &Config, _: &str, _: &Spec, new: &Spec) -> Result<(), Error> {
        new.check()?;
        let mut session = new.session(config)?;
        let has = there(&mut session, new)?;
        let mut statements = vec!["BEGIN".to_owned()];
        let extra: Vec<Privilege> = all(&has).into_iter().filter(|one| !new.privileges.contains(one)).collect();
        if !extra.is_empty() {
            statements.push(new.take("", &extra)?);
        }
        let passed_on = has.iter().filter(|(one, is_grantable)| *is_grantable && !extra.contains(one));
        let passed_on: Vec<Privilege> = passed_on.map(|(one, _)| *one).collect();
        if !new.grantable && !passed_on.is_empty() {
            statements.push(new.take("GRANT OPTION FOR ", &passed_on)?);
        }
        statements.push(new.give(&new.privileges)?);
        statements.push("COMMIT".to_owned());
        session.query(&statements.join("; ")).map(drop)
    }

    fn delete(config: &Config, _: &str, spec: &Spec) -> Result<(), Error> {
        let revoked = spec.session(config).and_then(|mut session| session.query(&spec.take("", &spec.privileges)?));
        match revoked {
            Err(error) if is_gone(&error) => Ok(()),
            revoked => revoked.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> Spec {
        Spec {
            role: "app".into(),
            database: "shop".into(),
            schema: None,
            privileges: vec![Privilege::Connect, Privilege::Temporary],
            grantable: false,
        }
    }

    #[test]
    fn no_two_grants_have_one_id() {
        assert_eq!(spec().id(), "shop//app");
        let odd = Spec { database: "a/b".into(), schema: Some("c%2F\n".into()), ..spec() };
        assert_eq!(odd.id(), "a%2Fb/c%252F%0A/app");
    }

    #[test]
    fn privileges_that_an_object_does_not_have_are_refused() {
        spec().check().expect("a database has them");
        let usage = Spec { privileges: vec![Privilege::Usage], ..spec() };
        assert_eq!(usage.check().expect_err("not of a database").message, "a database has no privilege USAGE");
        Spec { schema: Some("public".into()), ..usage }.check().expect("a schema has it");
        let connect = Spec { schema: Some("public".into()), ..spec() };
        assert_eq!(connect.check().expect_err("not of a schema").message, "a schema has no privilege CONNECT");
    }

    #[test]
    fn statements_name_what_is_meant() {
        let odd = Spec { role: "a\"b".into(), schema: Some("s".into()), grantable: true, ..spec() };
        let given = odd.give(&[Privilege::Usage]).expect("names");
        assert_eq!(given, "GRANT USAGE ON SCHEMA \"s\" TO \"a\"\"b\" WITH GRANT OPTION");
        let taken = spec().take("GRANT OPTION FOR ", &[Privilege::Connect]).expect("names");
        assert_eq!(taken, "REVOKE GRANT OPTION FOR CONNECT ON DATABASE \"shop\" FROM \"app\"");
    }

    #[test]
    fn a_grant_that_may_be_passed_on_in_part_is_drift() {
        let has = [(Privilege::Connect, true), (Privilege::Temporary, false)];
        assert!(seen(&has, &spec()).grantable);
        assert!(!seen(&has, &Spec { grantable: true, ..spec() }).grantable);
    }
}
