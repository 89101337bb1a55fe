//! A clock that goes on while the machine sleeps. [`std::time::Instant`] stops then, and a laptop
//! that wakes up would take a lease for its own that ran out hours ago.

use std::ops::Add;
use std::time::Duration;

/// Where the system's own clock for this has that name; elsewhere the usual one goes on.
#[cfg(any(target_os = "linux", target_os = "android"))]
const CLOCK: libc::clockid_t = libc::CLOCK_BOOTTIME;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;

/// A moment, as time since the machine was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(Duration);

impl Moment {
    pub(super) fn now() -> Self {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the system writes the time into this one place, which outlives the call.
        let failed = unsafe { libc::clock_gettime(CLOCK, &raw mut time) };
        assert_eq!(failed, 0, "every system that this is built for has the clock");
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        Self(Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default()))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_clock_that_counts_sleep() {
        let Ok(text) = std::fs::read_to_string("/proc/uptime") else { return };
        let uptime: f64 = text.split(' ').next().and_then(|text| text.parse().ok()).expect("a number");
        let Moment(now) = Moment::now();
        assert!((now.as_secs_f64() - uptime).abs() < 60.0, "{now:?} and {uptime}");
        assert!(Moment::now() >= Moment(now) && Moment(now) + Duration::from_secs(1) > Moment(now));
    }
}
