//! From a password to the keys of RFC 5802, section 3.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::LEAST_ITERATIONS;

pub(crate) type Key = [u8; 32];

/// What PostgreSQL takes itself.
const SALT_BYTES: usize = 16;

/// What a server keeps in place of a password, in PostgreSQL's form (`pg_authid.rolpassword`), with a new salt.
pub fn verifier(password: &str) -> String {
    verifier_with(password, &rand::random::<[u8; SALT_BYTES]>())
}

fn verifier_with(password: &str, salt: &[u8]) -> String {
    let salted = salted(password, salt, LEAST_ITERATIONS);
    let stored = BASE64_STANDARD.encode(stored(&client(&salted)));
    let (salt, server) = (BASE64_STANDARD.encode(salt), BASE64_STANDARD.encode(server(&salted)));
    format!("SCRAM-SHA-256${LEAST_ITERATIONS}:{salt}${stored}:{server}")
}

pub(crate) fn salted(password: &str, salt: &[u8], iterations: u32) -> Key {
    pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(prepared(password).as_bytes(), salt, iterations)
}

/// SASLprep, or the text itself where that has no form of it: a server takes any password.
fn prepared(password: &str) -> Cow<'_, str> {
    match stringprep::saslprep(password) {
        Ok(prepared) if !prepared.is_empty() => prepared,
        _ => Cow::Borrowed(password),
    }
}

pub(crate) fn client(salted: &Key) -> Key {
    hmac(salted, b"Client Key")
}

pub(crate) fn stored(client: &Key) -> Key {
    Sha256::digest(client).into()
}

pub(crate) fn server(salted: &Key) -> Key {
    hmac(salted, b"Server Key")
}

pub(crate) fn hmac(key: &Key, text: &[u8]) -> Key {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_is_the_one_that_postgresql_makes() {
        // SCRAM-SHA-256 of 'pencil' with the salt of RFC 7677, section 3.
        let salt = BASE64_STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
        assert_eq!(
            verifier_with("pencil", &salt),
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
             wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
        assert_ne!(verifier("pencil"), verifier("pencil"), "each has a salt of its own");
    }

    #[test]
    fn passwords_are_prepared_and_odd_ones_stay_as_they_are() {
        for (password, form) in [
            ("I\u{ad}X", "IX"),
            ("\u{aa}", "a"),
            ("\u{2168}", "IX"),
            ("two\u{a0}words", "two words"),
            // A control character and bidirectional text are prohibited.
            ("a\u{7}b", "a\u{7}b"),
            ("\u{627}1", "\u{627}1"),
            ("\u{ad}", "\u{ad}"),
        ] {
            assert_eq!(prepared(password), form, "{password:?}");
        }
    }
}
