//! The account's limits, as tests set them: what a new account really has is not much (6 vCPUs, 20 calls a second).

use jiff::Timestamp;

use super::run_task::Provider;

/// A rate with a burst.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// The sustained rate.
    pub per_second: f64,
    /// How many at once after a pause.
    pub burst: f64,
}

/// The limits of the account; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// vCPUs that may run at once, counted apart for on-demand and Spot.
    pub vcpus: Option<f64>,
    /// Free addresses of each subnet.
    pub addresses: Option<usize>,
    /// Tasks launched, counted apart for on-demand and Spot.
    pub launches: Option<Rate>,
    /// RunTask calls.
    pub calls: Option<Rate>,
}

/// What is left of the rates.
#[derive(Debug, Default)]
pub(super) struct Meters {
    calls: Bucket,
    on_demand: Bucket,
    spot: Bucket,
}

impl Meters {
    /// Takes one call.
    pub(super) fn call(&mut self, limits: &Limits, now: Timestamp) -> bool {
        limits.calls.is_none_or(|rate| self.calls.take(rate, 1, now))
    }

    /// Takes `count` launches, or none of them.
    pub(super) fn launch(
        &mut self,
        limits: &Limits,
        provider: Provider,
        count: usize,
        now: Timestamp,
    ) -> bool {
        let bucket = match provider {
            Provider::OnDemand => &mut self.on_demand,
            Provider::Spot => &mut self.spot,
        };
        limits.launches.is_none_or(|rate| bucket.take(rate, count, now))
    }
}

/// A token bucket that starts full.
#[derive(Debug, Default)]
struct Bucket(Option<(f64, Timestamp)>);

impl Bucket {
    fn take(&mut self, rate: Rate, count: usize, now: Timestamp) -> bool {
        let (left, since) = self.0.unwrap_or((rate.burst, now));
        let refilled = now.duration_since(since).as_secs_f64().mul_add(rate.per_second, left).min(rate.burst);
        // At most ten tasks per call: exact as a float.
        let wanted = u8::try_from(count).map_or(f64::INFINITY, f64::from);
        let granted = refilled >= wanted;
        self.0 = Some((if granted { refilled - wanted } else { refilled }, now));
        granted
    }
}
