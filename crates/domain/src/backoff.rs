//! How long to wait before trying again.

use std::time::Duration;

/// The wait before retry `n` (from 0): doubles from `base` up to `cap`, of which at least half is waited;
/// `jitter`, drawn from 0 to 1, spreads the rest so that what failed together does not return together.
#[must_use]
pub fn delay(n: u32, base: Duration, cap: Duration, jitter: f64) -> Duration {
    let ceiling = base.saturating_mul(1_u32.checked_shl(n).unwrap_or(u32::MAX)).min(cap);
    ceiling.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_a_cap_and_keep_at_least_half() {
        let of = |n, jitter| delay(n, Duration::from_secs(5), Duration::from_secs(900), jitter).as_secs_f64();
        assert_eq!([of(0, 1.0), of(1, 1.0), of(3, 1.0)], [5.0, 10.0, 40.0]);
        assert_eq!(of(3, 0.0), 20.0);
        assert_eq!([of(20, 1.0), of(u32::MAX, 1.0)], [900.0, 900.0]);
    }
}
