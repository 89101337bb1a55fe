//! The messages of one authentication, in their order.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use subtle::ConstantTimeEq;

use crate::ScramError;
use crate::keys::{self, Key};

/// Fewer would make guessing the password from a proof too cheap (RFC 7677, section 4).
pub const LEAST_ITERATIONS: u32 = 4096;
/// More would keep this machine busy for a server's pleasure.
pub const MOST_ITERATIONS: u32 = 1_000_000;

const NONCE_BYTES: usize = 18;
/// Servers' messages are some hundred bytes long.
const LONGEST_MESSAGE: usize = 4 << 10;
/// No channel binding, and the client does not support any.
const GS2_HEADER: &str = "n,,";

/// One authentication: [`Exchange::client_first`], [`Exchange::client_final`], [`Exchange::verify`].
pub struct Exchange {
    password: String,
    /// Without the GS2 header.
    first: String,
    nonce: String,
    next: Next,
}

enum Next {
    First,
    Final,
    Verify { server_signature: Key },
    Nothing,
}

impl Exchange {
    /// Begins. `user` may be empty where the protocol around it names the user.
    pub fn begin(user: &str, password: String) -> Result<Self, ScramError> {
        Self::with_nonce(user, password, BASE64_STANDARD.encode(rand::random::<[u8; NONCE_BYTES]>()))
    }

    fn with_nonce(user: &str, password: String, nonce: String) -> Result<Self, ScramError> {
        if user.contains('\0') {
            return Err(ScramError::User);
        }
        let user = stringprep::saslprep(user).map_err(|_| ScramError::User)?;
        let user = user.replace('=', "=3D").replace(',', "=2C");
        Ok(Self { password, first: format!("n={user},r={nonce}"), nonce, next: Next::First })
    }

    /// The first message to the server.
    pub fn client_first(&mut self) -> Result<String, ScramError> {
        let Next::First = self.next else {
            return Err(ScramError::Order { step: "client-first", turn: "first" });
        };
        self.next = Next::Final;
        Ok(format!("{GS2_HEADER}{}", self.first))
    }

    /// The answer to the server's first message.
    pub fn client_final(&mut self, server_first: &str) -> Result<String, ScramError> {
        let Next::Final = self.next else {
            return Err(ScramError::Order { step: "client-final", turn: "after client-first" });
        };
        self.next = Next::Nothing;
        let Challenge { nonce, salt, iterations } = self.challenge(server_first)?;
        let salted = keys::salted(&self.password, &salt, iterations);
        let without_proof = format!("c={},r={nonce}", BASE64_STANDARD.encode(GS2_HEADER));
        let message = format!("{},{server_first},{without_proof}", self.first);
        let client_key = keys::client(&salted);
        let mut proof = keys::hmac(&keys::stored(&client_key), message.as_bytes());
        proof.iter_mut().zip(client_key).for_each(|(signature, key)| *signature ^= key);
        self.next = Next::Verify { server_signature: keys::hmac(&keys::server(&salted), message.as_bytes()) };
        Ok(format!("{without_proof},p={}", BASE64_STANDARD.encode(proof)))
    }

    /// Holds the server's last message against the password.
    pub fn verify(&mut self, server_final: &str) -> Result<(), ScramError> {
        let Next::Verify { server_signature } = std::mem::replace(&mut self.next, Next::Nothing) else {
            return Err(ScramError::Order { step: "verify", turn: "after client-final, once" });
        };
        let fields = fields("final", server_final)?;
        let signature = match fields[..] {
            [('e', reason), ..] => return Err(ScramError::Refused { reason: plain(reason) }),
            [('v', signature), ..] => BASE64_STANDARD.decode(signature),
            _ => return Err(unusable("final", "it has neither a signature nor an error")),
        };
        let signature = signature.map_err(|_| unusable("final", "its signature is not base64"))?;
        match signature.ct_eq(&server_signature).into() {
            true => Ok(()),
            false => Err(ScramError::Mismatch),
        }
    }

    fn challenge(&self, server_first: &str) -> Result<Challenge, ScramError> {
        let unusable = |reason: &str| unusable("first", reason);
        let fields = fields("first", server_first)?;
        // What follows is an extension, which may be left aside; one before the nonce may not.
        let [('r', nonce), ('s', salt), ('i', iterations), ..] = fields[..] else {
            return Err(match fields[..] {
                [('m', _), ..] => unusable("it asks for an unknown extension"),
                _ => unusable("it is not made of a nonce, a salt and a number of iterations"),
            });
        };
        let is_printable = |byte: u8| (0x21..=0x7e).contains(&byte);
        if nonce.len() <= self.nonce.len() || !nonce.starts_with(&self.nonce) || !nonce.bytes().all(is_printable) {
            return Err(unusable("its nonce does not continue that of this exchange"));
        }
        let salt = BASE64_STANDARD.decode(salt).map_err(|_| unusable("its salt is not base64"))?;
        if salt.is_empty() {
            return Err(unusable("its salt is empty"));
        }
        let count = iterations.parse::<u32>().ok().filter(|_| iterations.bytes().all(|byte| byte.is_ascii_digit()));
        match count {
            Some(iterations @ LEAST_ITERATIONS..=MOST_ITERATIONS) => {
                Ok(Challenge { nonce: nonce.to_owned(), salt, iterations })
            }
            Some(count) => Err(unusable(&format!(
                "it asks for {count} iterations; {LEAST_ITERATIONS} to {MOST_ITERATIONS} are allowed"
            ))),
            None => Err(unusable("its number of iterations is invalid")),
        }
    }
}

struct Challenge {
    nonce: String,
    salt: Vec<u8>,
    iterations: u32,
}

/// `r=…,s=…` as pairs.
fn fields<'a>(message: &'static str, text: &'a str) -> Result<Vec<(char, &'a str)>, ScramError> {
    if text.len() > LONGEST_MESSAGE {
        return Err(unusable(message, &format!("it is longer than {LONGEST_MESSAGE} bytes")));
    }
    let field = |field: &'a str| {
        let mut chars = field.chars();
        match (chars.next(), chars.next()) {
            (Some(name), Some('=')) if name.is_ascii_alphabetic() => Ok((name, chars.as_str())),
            _ => Err(unusable(message, "it is not made of fields like r=…")),
        }
    };
    text.split(',').map(field).collect()
}

fn unusable(message: &'static str, reason: &str) -> ScramError {
    ScramError::Message { message, reason: reason.to_owned() }
}

/// A server's text for one line of a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    fn exchange() -> Exchange {
        Exchange::with_nonce("user", "pencil".to_owned(), NONCE.to_owned()).expect("a name")
    }

    #[test]
    fn the_example_of_rfc_7677_is_spoken() {
        let mut exchange = exchange();
        assert_eq!(exchange.client_first().unwrap(), format!("n,,n=user,r={NONCE}"));
        assert_eq!(
            exchange.client_final(SERVER_FIRST).unwrap(),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        exchange.verify(SERVER_FINAL).unwrap();
        assert!(matches!(exchange.verify(SERVER_FINAL), Err(ScramError::Order { .. })), "once");
    }

    #[test]
    fn names_are_written_so_that_no_field_is_added() {
        let mut exchange = Exchange::with_nonce("a,r=b", String::new(), NONCE.to_owned()).unwrap();
        assert_eq!(exchange.client_first().unwrap(), format!("n,,n=a=2Cr=3Db,r={NONCE}"));
        assert!(matches!(Exchange::begin("a\0", String::new()), Err(ScramError::User)));
    }

    #[test]
    fn steps_out_of_turn_are_refused() {
        let order = |step: Result<(), ScramError>| assert!(matches!(step, Err(ScramError::Order { .. })), "{step:?}");
        order(exchange().client_final(SERVER_FIRST).map(drop));
        order(exchange().verify(SERVER_FINAL));
        let mut twice = exchange();
        twice.client_first().unwrap();
        order(twice.client_first().map(drop));
        // A server that was refused cannot try another challenge, nor be believed.
        assert!(twice.client_final("r=x").is_err());
        order(twice.client_final(SERVER_FIRST).map(drop));
        order(twice.verify(SERVER_FINAL));
    }

    #[test]
    fn a_challenge_that_is_none_gets_no_proof() {
        for (challenge, part) in [
            ("", "fields like"),
            ("r", "fields like"),
            ("r=é", "not made of a nonce"),
            ("é=x", "fields like"),
            ("m=ext,r=x,s=eA==,i=4096", "an unknown extension"),
            ("r=other,s=eA==,i=4096", "does not continue"),
            ("r=rOprNGfwEbeRWgbNEkqO,s=eA==,i=4096", "does not continue"),
            ("r=rOprNGfwEbeRWgbNEkqOx\u{7f},s=eA==,i=4096", "does not continue"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=?,i=4096", "salt is not base64"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096", "salt is empty"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=eA==,i=1", "asks for 1 iterations"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=eA==,i=4000000000", "asks for 4000000000 iterations"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=eA==,i=+4096", "iterations is invalid"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=eA==,i=99999999999", "iterations is invalid"),
            (&format!("r={}", "x".repeat(5000)), "longer than"),
        ] {
            let mut exchange = exchange();
            exchange.client_first().unwrap();
            let error = exchange.client_final(challenge).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("pencil"), "{challenge}: {error}");
        }
    }

    #[test]
    fn a_server_that_does_not_know_the_password_is_not_believed() {
        let ends = |server_final: &str| {
            let mut exchange = exchange();
            exchange.client_first().unwrap();
            exchange.client_final(SERVER_FIRST).unwrap();
            exchange.verify(server_final)
        };
        assert_eq!(ends("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Err(ScramError::Mismatch));
        assert_eq!(ends("v="), Err(ScramError::Mismatch));
        assert!(matches!(ends("v=?"), Err(ScramError::Message { .. })));
        assert!(matches!(ends("x=1"), Err(ScramError::Message { .. })));
        let refused = ends("e=invalid-proof\n").unwrap_err();
        assert_eq!(refused.to_string(), "the server refuses: invalid-proof ");
    }
}
