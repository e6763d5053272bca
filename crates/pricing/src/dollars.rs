//! Amounts of money, exact to the picodollar: a single SQS call costs 400,000 of them, so that sums of millions of tiny
//! parts come out exact.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An amount of money. Sums stop at 18 million dollars and do not wrap.
///
/// Stored as a whole number of nanodollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "u64", into = "u64")]
pub struct Dollars {
    pico: u64,
}

/// One dollar.
const DOLLAR: u64 = 1_000_000_000_000;

impl Dollars {
    /// Nothing.
    pub const ZERO: Self = Self { pico: 0 };

    /// The largest amount.
    pub const MAX: Self = Self { pico: u64::MAX };

    /// Billionths of a dollar, rounded up: what costs something is never shown as free.
    #[must_use]
    pub fn nanodollars(self) -> u64 {
        self.pico.div_ceil(1_000)
    }

    /// Millionths of a dollar, rounded up.
    #[must_use]
    pub fn microdollars(self) -> u64 {
        self.pico.div_ceil(1_000_000)
    }

    /// An amount in billionths of a dollar.
    #[must_use]
    pub const fn of_nanodollars(nano: u64) -> Self {
        Self { pico: nano.saturating_mul(1_000) }
    }

    /// As a float, to be drawn or divided; never to be summed.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "sixteen digits of a dollar are enough for a chart")]
    pub fn as_f64(self) -> f64 {
        self.pico as f64 / DOLLAR as f64
    }

    /// `price`, in picodollars, times `count`.
    pub(crate) fn times(price: u64, count: u64) -> Self {
        Self { pico: price.saturating_mul(count) }
    }

    /// `price` times `count` in parts of `unit`, rounded up.
    pub(crate) fn share(price: u64, count: u128, unit: u128) -> Self {
        let pico = u128::from(price).saturating_mul(count).div_ceil(unit);
        Self { pico: u64::try_from(pico).unwrap_or(u64::MAX) }
    }
}

impl From<u64> for Dollars {
    fn from(nanodollars: u64) -> Self {
        Self::of_nanodollars(nanodollars)
    }
}

impl From<Dollars> for u64 {
    fn from(amount: Dollars) -> Self {
        amount.nanodollars()
    }
}

/// Why a text is no amount of dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a dollar sign and a number of dollars with at most nine places are expected")]
pub struct NotDollars;

impl FromStr for Dollars {
    type Err = NotDollars;

    /// Reads `$1`, `$0.50` or `$1000`, exactly.
    fn from_str(text: &str) -> Result<Self, NotDollars> {
        const PLACES: usize = 9;
        let amount = text.strip_prefix('$').ok_or(NotDollars)?;
        let (whole, part) = amount.split_once('.').unwrap_or((amount, "0"));
        let is_figures = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_figures(whole) || !is_figures(part) || part.len() > PLACES {
            return Err(NotDollars);
        }
        let nano = format!("{whole}{part:0<PLACES$}").parse().map_err(|_| NotDollars)?;
        // Sums stop at the largest amount; a bound must not.
        if nano > u64::MAX / 1_000 { Err(NotDollars) } else { Ok(Self::of_nanodollars(nano)) }
    }
}

impl Add for Dollars {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { pico: self.pico.saturating_add(other.pico) }
    }
}

impl Sum for Dollars {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Dollars {
    /// Cents from a dollar up; below, as many places as show two figures, and never zero for something.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: u32 = match self.pico {
            0 | DOLLAR.. => 2,
            pico => (13 - pico.ilog10()).min(9),
        };
        let unit = DOLLAR / 10_u64.pow(places);
        let rounded = (self.pico / unit).saturating_add(u64::from(self.pico % unit >= unit.div_ceil(2)));
        let (whole, part) = (rounded / 10_u64.pow(places), rounded % 10_u64.pow(places));
        let width = places as usize;
        if rounded == 0 && self.pico > 0 {
            return f.pad("under $0.000000001");
        }
        f.pad(&format!("${whole}.{part:0width$}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_amounts_are_shown_with_two_figures_and_never_as_nothing() {
        let shown = |pico| Dollars { pico }.to_string();
        let table = [
            (0, "$0.00"),
            (DOLLAR, "$1.00"),
            (12 * DOLLAR + DOLLAR / 2, "$12.50"),
            (DOLLAR / 10, "$0.10"),
            (DOLLAR / 2, "$0.50"),
            (205_709_000, "$0.00021"),
            (400_000, "$0.00000040"),
            (1_000, "$0.000000001"),
            (1, "under $0.000000001"),
        ];
        for (pico, text) in table {
            assert_eq!(shown(pico), text, "{pico}");
        }
        assert_eq!(Dollars { pico: 1 }.nanodollars(), 1);
    }

    #[test]
    fn an_amount_is_read_exactly_or_not_at_all() {
        for (text, nano) in [
            ("$1", 1_000_000_000),
            ("$0.50", 500_000_000),
            ("$12.345678901", 12_345_678_901),
            ("$18446744", 18_446_744_000_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Dollars::of_nanodollars(nano)), "{text}");
        }
        for text in ["1", "$", "$-1", "$1.", "$.5", "$1,000", "$1.0000000001", "$18446745", "1 EUR", "$ 1"] {
            assert_eq!(text.parse::<Dollars>(), Err(NotDollars), "{text}");
        }
    }
}
