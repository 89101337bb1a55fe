//! Times and bytes as people read them.

use std::time::Duration;

/// `8s`, `3m20s`, `1h05m`.
pub(crate) fn time(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (hours, minutes, _) => format!("{hours}h{minutes:02}m"),
    }
}

/// `512 B`, `1.5 KiB`, `120 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    let (size, unit) = scaled(bytes);
    format!("{} {unit}", number(size))
}

/// `1.2 of 20 GiB`; bytes alone where it is not known how many there are.
pub(super) fn share(done: u64, total: u64) -> String {
    if total == 0 {
        return bytes(done);
    }
    match (scaled(done), scaled(total)) {
        ((done, one), (total, other)) if one == other => format!("{} of {} {one}", number(done), number(total)),
        _ => format!("{} of {}", bytes(done), bytes(total)),
    }
}

fn scaled(bytes: u64) -> (f64, &'static str) {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut size, mut unit) = (bytes as f64, 0);
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        (size, unit) = (size / 1024.0, unit + 1);
    }
    (size, UNITS[unit])
}

/// With one decimal where it is below ten and no whole number.
fn number(size: f64) -> String {
    if size < 9.95 && size.fract() != 0.0 { format!("{size:.1}") } else { format!("{size:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_bytes_have_the_unit_that_suits_them() {
        let times: Vec<_> = [0, 59, 60, 200, 3_900].map(|seconds| time(Duration::from_secs(seconds))).into();
        assert_eq!(times, ["0s", "59s", "1m00s", "3m20s", "1h05m"]);
        let sizes: Vec<_> = [0, 512, 1_536, 125_829_120, 2_147_483_648].map(bytes).into();
        assert_eq!(sizes, ["0 B", "512 B", "1.5 KiB", "120 MiB", "2 GiB"]);
        assert_eq!(share(1_288_490_188, 21_474_836_480), "1.2 of 20 GiB");
        assert_eq!(share(1_048_576, 21_474_836_480), "1 MiB of 20 GiB");
        assert_eq!(share(1_048_576, 0), "1 MiB");
    }
}
