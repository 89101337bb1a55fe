//! What the server refuses, as errors of a provider.

use llmhost_plugin::provider::{Error, ErrorClass};

/// The fields of an ErrorResponse that count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerError {
    /// SQLSTATE.
    pub code: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
}

/// A message of the server is cut here.
const MOST_CHARS: usize = 1000;

impl From<ServerError> for Error {
    fn from(error: ServerError) -> Self {
        let class = class(&error.code);
        let message = match &error.detail {
            Some(detail) => format!("{}: {}", error.message, one_line(detail)),
            None => error.message.clone(),
        };
        let told = Error::new(class, one_line(&message)).with_code(error.code.clone());
        match advice(&error) {
            Some(advice) => told.with_advice(advice),
            None => told,
        }
    }
}

/// By the classes of SQLSTATE, and by those codes that mean something else than their class.
fn class(code: &str) -> ErrorClass {
    match code {
        "42501" | "0LP01" => ErrorClass::Denied,
        // Its name is taken, it is in use, or something hangs on it.
        "42710" | "42P04" | "42P06" | "23505" | "55006" | "2BP01" | "0P000" => ErrorClass::Conflict,
        "53300" | "55P03" => ErrorClass::Throttled,
        "53100" | "53400" => ErrorClass::Quota,
        "57P01" | "57P02" | "57P03" | "57P05" => ErrorClass::Unreachable,
        _ => match code.get(..2).unwrap_or_default() {
            "28" => ErrorClass::Denied,
            "08" => ErrorClass::Unreachable,
            // Deadlocks and the like: nothing was done.
            "40" => ErrorClass::Throttled,
            // Out of memory, cancelled, a failing disk, and what the server calls an internal error: two that change the
            // same row of the catalog at a time get one.
            "53" | "57" | "58" | "F0" | "XX" => ErrorClass::Service,
            _ => ErrorClass::Invalid,
        },
    }
}

fn advice(error: &ServerError) -> Option<String> {
    let own = match error.code.as_str() {
        "28P01" | "28000" => "Check 'user' and 'password' of the provider, and pg_hba.conf of the server.",
        "42501" => "Give the provider's user this permission: use a superuser, or one with CREATEROLE and CREATEDB.",
        "53300" => "Raise max_connections of the server, or close connections, and run again.",
        "57P03" => "The server is starting or stopping; run again when it is ready.",
        "55006" => {
            "Close the connections to it, or set 'force = true' in the spec of the database and run once before it is \
             deleted."
        }
        "2BP01" => {
            let left = error.detail.as_deref().map(|detail| detail.trim().replace('\n', "; "));
            let left = left.map(|left| format!("Not deleted: {left}. ")).unwrap_or_default();
            return Some(format!(
                "{left}Delete it, or give it to another role: REASSIGN OWNED BY … TO …, then DROP OWNED BY …, in each database \
                 with such objects. Then run again."
            ));
        }
        "3D000" => "Check 'database' of the provider.",
        "25006" => "The server is a read-only standby; set 'host' to the primary.",
        _ => return error.hint.as_deref().map(one_line),
    };
    Some(own.to_owned())
}

fn one_line(text: &str) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    line.join(" ").chars().take(MOST_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_classes() {
        for (code, expected) in [
            ("42501", ErrorClass::Denied),
            ("28P01", ErrorClass::Denied),
            ("42710", ErrorClass::Conflict),
            ("42P04", ErrorClass::Conflict),
            ("2BP01", ErrorClass::Conflict),
            ("53300", ErrorClass::Throttled),
            ("40P01", ErrorClass::Throttled),
            ("53100", ErrorClass::Quota),
            ("57P03", ErrorClass::Unreachable),
            ("08006", ErrorClass::Unreachable),
            ("57014", ErrorClass::Service),
            ("XX000", ErrorClass::Service),
            ("42601", ErrorClass::Invalid),
            ("42704", ErrorClass::Invalid),
            ("22023", ErrorClass::Invalid),
            ("", ErrorClass::Invalid),
            ("é", ErrorClass::Invalid),
        ] {
            assert_eq!(class(code), expected, "{code}");
        }
    }

    #[test]
    fn what_hangs_on_a_role_is_named() {
        let error: Error = ServerError {
            code: "2BP01".into(),
            message: "role \"app\" cannot be dropped because some objects depend on it".into(),
            detail: Some("owner of database shop\nprivileges for schema public".into()),
            hint: None,
        }
        .into();
        assert!(error.message.ends_with("depend on it: owner of database shop privileges for schema public"));
        let advice = error.advice.expect("an advice");
        assert!(advice.starts_with("Not deleted: owner of database shop; privileges for schema public. Delete it"));
        let hinted = ServerError { code: "22023".into(), hint: Some("Use  template0.".into()), ..Default::default() };
        assert_eq!(Error::from(hinted).advice.as_deref(), Some("Use template0."));
    }
}
