//! Messages of the frontend/backend protocol, version 3.0, as far as a session with simple queries needs them.

use llmhost_plugin::provider::{Error, ErrorClass};

use crate::server_error::ServerError;

/// What asks for TLS before anything else.
pub const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
/// The head of every message of the server: a type and a length.
pub const HEAD: usize = 5;

const PROTOCOL: u32 = 3 << 16;
/// Larger messages are nobody's answer to what is asked here.
const LONGEST: usize = 4 << 20;

/// The first message of a session. Texts must have no NUL in them.
pub fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = PROTOCOL.to_be_bytes().to_vec();
    for (name, value) in parameters {
        text(&mut body, name);
        text(&mut body, value);
    }
    body.push(0);
    with_length(None, &body)
}

/// Chooses a mechanism, and begins.
pub fn sasl_initial(mechanism: &str, first: &str) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, mechanism);
    body.extend_from_slice(&length(first.len()));
    body.extend_from_slice(first.as_bytes());
    with_length(Some(b'p'), &body)
}

/// Goes on with it.
pub fn sasl_response(answer: &str) -> Vec<u8> {
    with_length(Some(b'p'), answer.as_bytes())
}

/// A query. It must have no NUL in it.
pub fn query(sql: &str) -> Vec<u8> {
    let mut body = Vec::with_capacity(sql.len() + 1);
    text(&mut body, sql);
    with_length(Some(b'Q'), &body)
}

/// The end of a session.
pub fn terminate() -> Vec<u8> {
    with_length(Some(b'X'), &[])
}

fn text(to: &mut Vec<u8>, text: &str) {
    to.extend_from_slice(text.as_bytes());
    to.push(0);
}

fn length(count: usize) -> [u8; 4] {
    // What the host can be given is shorter by far.
    u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes()
}

fn with_length(kind: Option<u8>, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(body.len() + HEAD);
    message.extend(kind);
    message.extend_from_slice(&length(body.len() + 4));
    message.extend_from_slice(body);
    message
}

/// The type of a message, and how long its body is.
pub fn head(bytes: &[u8]) -> Result<(u8, usize), Error> {
    let [kind, a, b, c, d] = *bytes else { return Err(nonsense("a message without a header")) };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    match length.checked_sub(4) {
        Some(body) if body <= LONGEST => Ok((kind, body)),
        _ => Err(nonsense(&format!("a message with a length of {length}"))),
    }
}

/// A value of a row, as text.
pub type Row = Vec<Option<String>>;

/// Reads a DataRow.
pub fn row(body: &[u8]) -> Result<Row, Error> {
    let mut left = Reader(body);
    let count = left.u16()?;
    let mut row = Vec::new();
    for _ in 0..count {
        row.push(match left.u32()? {
            u32::MAX => None,
            length => Some(left.utf8(length as usize)?),
        });
    }
    Ok(row)
}

/// Reads an ErrorResponse.
pub fn server_error(body: &[u8]) -> Result<ServerError, Error> {
    let (mut error, mut left) = (ServerError::default(), Reader(body));
    loop {
        let kind = left.bytes(1)?[0];
        if kind == 0 {
            return Ok(error);
        }
        let value = left.line()?;
        match kind {
            b'C' => error.code = value,
            b'M' => error.message = value,
            b'D' => error.detail = Some(value),
            b'H' => error.hint = Some(value),
            _ => {}
        }
    }
}

/// What the server wants to know before a session begins.
#[derive(Debug, PartialEq, Eq)]
pub enum Authentication {
    Done,
    /// One of these mechanisms.
    Sasl(Vec<String>),
    SaslContinue(String),
    SaslFinal(String),
    /// Something else, by its number.
    Other(u32),
}

/// Reads an Authentication message.
pub fn authentication(body: &[u8]) -> Result<Authentication, Error> {
    let mut left = Reader(body);
    Ok(match left.u32()? {
        0 => Authentication::Done,
        10 => {
            let mut mechanisms = Vec::new();
            loop {
                match left.line()? {
                    end if end.is_empty() => break Authentication::Sasl(mechanisms),
                    mechanism => mechanisms.push(mechanism),
                }
            }
        }
        11 => Authentication::SaslContinue(left.rest()?),
        12 => Authentication::SaslFinal(left.rest()?),
        other => Authentication::Other(other),
    })
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (taken, left) = self.0.split_at_checked(count).ok_or_else(|| nonsense("a truncated message"))?;
        self.0 = left;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, Error> {
        Ok(self.bytes(2)?.iter().fold(0, |number, byte| number << 8 | u16::from(*byte)))
    }

    fn u32(&mut self) -> Result<u32, Error> {
        Ok(self.bytes(4)?.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn utf8(&mut self, count: usize) -> Result<String, Error> {
        String::from_utf8(self.bytes(count)?.to_vec()).map_err(|_| nonsense("a string that is not UTF-8"))
    }

    /// Up to a NUL. A server may say in another encoding that it refuses a session.
    fn line(&mut self) -> Result<String, Error> {
        let end = self.0.iter().position(|byte| *byte == 0);
        let end = end.ok_or_else(|| nonsense("an unterminated string"))?;
        let line = String::from_utf8_lossy(self.bytes(end)?).into_owned();
        self.bytes(1)?;
        Ok(line)
    }

    fn rest(&mut self) -> Result<String, Error> {
        self.utf8(self.0.len())
    }
}

/// The server speaks another protocol. What it did is open.
pub fn nonsense(what: &str) -> Error {
    Error::new(ErrorClass::Unreachable, format!("the server sent {what}"))
        .with_advice("Check that 'host' and 'port' belong to a PostgreSQL server.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_written_as_the_protocol_has_them() {
        assert_eq!(startup(&[("user", "a")]), b"\0\0\0\x10\0\x03\0\0user\0a\0\0");
        assert_eq!(query("SELECT 1"), b"Q\0\0\0\x0dSELECT 1\0");
        assert_eq!(sasl_initial("X", "n,,"), b"p\0\0\0\x0dX\0\0\0\0\x03n,,");
        assert_eq!(sasl_response("c=biws"), b"p\0\0\0\x0ac=biws");
        assert_eq!(terminate(), b"X\0\0\0\x04");
    }

    #[test]
    fn answers_are_read() {
        assert_eq!(head(b"D\0\0\0\x0a").expect("a head"), (b'D', 6));
        assert_eq!(
            row(b"\0\x03\0\0\0\x02ab\xff\xff\xff\xff\0\0\0\0").expect("a row"),
            [Some("ab".to_owned()), None, Some(String::new())]
        );
        let error =
            server_error(b"SERROR\0C42P04\0Mit is there\0Dreally\0Hrename\0Fdbcommands.c\0\0").expect("an error");
        assert_eq!(
            error,
            ServerError {
                code: "42P04".into(),
                message: "it is there".into(),
                detail: Some("really".into()),
                hint: Some("rename".into()),
            }
        );
        let sasl = authentication(b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0").expect("mechanisms");
        assert_eq!(sasl, Authentication::Sasl(vec!["SCRAM-SHA-256-PLUS".into(), "SCRAM-SHA-256".into()]));
        assert_eq!(authentication(b"\0\0\0\x0br=1").expect("first"), Authentication::SaslContinue("r=1".into()));
        assert_eq!(authentication(b"\0\0\0\x05salt").expect("MD5"), Authentication::Other(5));
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        for bad in [&b"HTTP/"[..], b"D\0\0\0\x03", b"D\xff\xff\xff\xff", b"D"] {
            assert!(head(bad).is_err(), "{bad:?}");
        }
        for bad in [&b""[..], b"\0", b"\0\x01\0\0\0\x09ab", b"\0\x01\0\0\0\x01\xff", b"\xff\xff"] {
            assert!(row(bad).is_err(), "{bad:?}");
        }
        assert!(server_error(b"Mno end").is_err() && server_error(b"M\0").is_err());
        assert!(authentication(b"\0\0\0\x0aSCRAM").is_err() && authentication(b"\0").is_err());
    }
}
