//! `strftime_now`: the date and time in UTC, by Python's format codes.

use std::time::{SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A moment by `format`; codes that Python does not know stay as they are.
pub(super) fn strftime(now: SystemTime, format: &str) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let micros = now.duration_since(UNIX_EPOCH).map_or(0, |time| time.subsec_micros());
    let (days, clock) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    // 1970-01-01 was a Thursday.
    let weekday = (days + 4) % 7;
    let day_of_year = days - days_before(year) + 1;
    let hour = clock / 3600;
    let hour_of_12 = (hour + 11) % 12 + 1;
    let (minute, second) = (clock / 60 % 60, clock % 60);
    let (iso_year, iso_week) = iso_week(year, day_of_year, weekday);
    let month_name = MONTHS[month as usize - 1];
    let day_name = DAYS[weekday as usize];
    let nested = |format: &str| strftime(now, format);
    let mut text = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        let mut code = letters.next();
        let flag = code.filter(|flag| ['-', '_', '0', '^'].contains(flag));
        if flag.is_some() {
            code = letters.next();
        }
        let padded = |number: u64, width: usize, fill: char| match flag {
            Some('-') => number.to_string(),
            Some('_') => format!("{number:>width$}"),
            Some('0') => format!("{number:0>width$}"),
            _ if fill == ' ' => format!("{number:>width$}"),
            _ => format!("{number:0>width$}"),
        };
        let two = |number: u64| padded(number, 2, '0');
        let piece = match code {
            Some('Y') => year.to_string(),
            Some('C') => two(year / 100),
            Some('y') => two(year % 100),
            Some('G') => iso_year.to_string(),
            Some('g') => two(iso_year % 100),
            Some('m') => two(month),
            Some('d') => two(day),
            Some('e') => padded(day, 2, ' '),
            Some('j') => padded(day_of_year, 3, '0'),
            Some('B') => month_name.to_owned(),
            Some('b' | 'h') => month_name[..3].to_owned(),
            Some('A') => day_name.to_owned(),
            Some('a') => day_name[..3].to_owned(),
            Some('u') => if weekday == 0 { 7 } else { weekday }.to_string(),
            Some('w') => weekday.to_string(),
            Some('U') => two((day_of_year + 6 - weekday) / 7),
            Some('W') => two((day_of_year + 6 - (weekday + 6) % 7) / 7),
            Some('V') => two(iso_week),
            Some('H') => two(hour),
            Some('k') => padded(hour, 2, ' '),
            Some('I') => two(hour_of_12),
            Some('l') => padded(hour_of_12, 2, ' '),
            Some('M') => two(minute),
            Some('S') => two(second),
            Some('f') => format!("{micros:06}"),
            Some('p') => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            Some('P') => if hour < 12 { "am" } else { "pm" }.to_owned(),
            Some('s') => seconds.to_string(),
            // Python's time of a chat template knows no zone.
            Some('z' | 'Z') => String::new(),
            Some('F') => nested("%Y-%m-%d"),
            Some('T' | 'X') => nested("%H:%M:%S"),
            Some('R') => nested("%H:%M"),
            Some('r') => nested("%I:%M:%S %p"),
            Some('D' | 'x') => nested("%m/%d/%y"),
            Some('c') => nested("%a %b %e %H:%M:%S %Y"),
            Some('n') => "\n".to_owned(),
            Some('t') => "\t".to_owned(),
            Some('%') => "%".to_owned(),
            other => ['%'].into_iter().chain(flag).chain(other).collect(),
        };
        match flag {
            Some('^') => text.push_str(&piece.to_uppercase()),
            _ => text.push_str(&piece),
        }
    }
    text
}

/// Year, month and day of a day counted from 1970-01-01 (Howard Hinnant's `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// Days from 1970-01-01 to the first day of a year.
fn days_before(year: u64) -> u64 {
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    (year - 1970) * 365 + leaps(year - 1) - leaps(1969)
}

/// The year and week by ISO 8601: a week belongs to the year of its Thursday.
fn iso_week(year: u64, day_of_year: u64, weekday: u64) -> (u64, u64) {
    let length = |year: u64| days_before(year + 1) - days_before(year);
    // Counted from the day before the year began; it may lie in the year before.
    match (day_of_year + 3).checked_sub((weekday + 6) % 7) {
        None | Some(0) => {
            let last = year.saturating_sub(1).max(1970);
            let thursday = day_of_year + 3 + length(last) - (weekday + 6) % 7;
            (last, thursday.div_ceil(7))
        }
        Some(thursday) if thursday > length(year) => (year + 1, 1),
        Some(thursday) => (year, thursday.div_ceil(7)),
    }
}
