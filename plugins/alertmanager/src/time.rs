//! Times: those of silences, as RFC 3339 has them, and those of HTTP.

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use llmhost_plugin::provider::Error;

/// A time of RFC 3339, with the precision that Alertmanager gives: a millisecond.
pub fn instant(field: &str, text: &str) -> Result<i64, Error> {
    let parsed: Result<Timestamp, _> = text.parse();
    parsed.map(Timestamp::as_millisecond).map_err(|error| {
        Error::invalid(format!("{field} '{text}' is not a time: {error}"))
            .with_advice("Write date, time and zone in RFC 3339 format: 2030-01-31T22:00:00Z.")
    })
}

/// The time in a header `Date`.
pub fn of_http(date: &str) -> Option<i64> {
    let parsed = rfc2822::DateTimeParser::new().parse_timestamp(date);
    parsed.ok().map(Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_instant_is_the_same_however_it_is_written() {
        let at = instant("ends_at", "2050-01-01T00:00:00+02:00").expect("a time");
        for text in ["2049-12-31T22:00:00Z", "2050-01-01T00:00:00.000+02:00", "2050-01-01T00:00:00.000999+02:00"] {
            assert_eq!(instant("ends_at", text).expect("a time"), at, "{text}");
        }
        assert_eq!(of_http("Fri, 31 Dec 2049 22:00:00 GMT"), Some(at));
        assert_eq!(of_http("yesterday"), None);
    }

    #[test]
    fn what_is_no_time_is_refused_with_an_example() {
        for text in ["2050-13-01T00:00:00Z", "2050-01-01T00:00:00", "tomorrow"] {
            let error = instant("ends_at", text).expect_err(text);
            assert!(error.message.contains("ends_at") && error.message.contains(text), "{}", error.message);
            assert!(error.advice.is_some_and(|advice| advice.contains("2030-01-31T22:00:00Z")));
        }
    }
}
