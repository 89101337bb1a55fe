//! Days of the calendar, as far as the age of a table needs them.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A day, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(i64);

impl Date {
    /// Today, in UTC.
    pub fn today() -> Self {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self((seconds / 86_400) as i64)
    }

    /// How many days this is after another.
    pub fn days_after(self, other: Self) -> i64 {
        self.0 - other.0
    }
}

impl FromStr for Date {
    type Err = ();

    /// `2026-07-20`
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('-').map(|part| part.parse::<i64>().map_err(|_| ()));
        let mut next = || parts.next().unwrap_or(Err(()));
        let (year, month, day) = (next()?, next()?, next()?);
        if !(1970..10_000).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return Err(());
        }
        // Years that begin in March have their odd day at the end.
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let of_year = (153 * month + 2) / 5 + day - 1;
        Ok(Self(year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.0 + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let of_years = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * of_years + of_years / 4 - of_years / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let (year, month) = if month < 10 { (0, month + 3) } else { (1, month - 9) };
        write!(f, "{:04}-{month:02}-{day:02}", era * 400 + of_years + year)
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|()| serde::de::Error::custom(format!("'{text}' is no date")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_over_months_and_leap_years() {
        for (text, days) in [("1970-01-01", 0), ("2024-02-29", 19_782), ("2024-03-01", 19_783), ("2026-11-30", 20_787)]
        {
            let date: Date = text.parse().expect("a date");
            assert_eq!((date.0, date.to_string().as_str()), (days, text));
        }
        for wrong in ["", "2026", "2026-13-01", "x-y-z", "-1-1-1"] {
            assert_eq!(wrong.parse::<Date>(), Err(()), "{wrong}");
        }
    }
}
