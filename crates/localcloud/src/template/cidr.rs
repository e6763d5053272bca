//! `Fn::Cidr`: an IPv4 range cut into equal parts.

use std::net::Ipv4Addr;

/// The first `count` parts of `range` that have `bits` bits of addresses each.
pub(super) fn split(range: &str, count: u32, bits: u32) -> Result<Vec<String>, String> {
    let parsed = range.split_once('/').and_then(|(address, length)| {
        Some((address.parse::<Ipv4Addr>().ok()?, length.parse::<u32>().ok().filter(|it| *it <= 32)?))
    });
    let (address, length) =
        parsed.ok_or_else(|| format!("{range} is not an IPv4 range such as 10.0.0.0/16"))?;
    if !(1..=256).contains(&count) {
        return Err(format!("the count {count} is not between 1 and 256"));
    }
    if bits > 32 - length || u64::from(count) << bits > 1_u64 << (32 - length) {
        return Err(format!("{range} has no room for {count} parts of {bits} bits each"));
    }
    // In 64 bits, since a /0 has more addresses than 32 bits count.
    let base = u64::from(u32::from(address)) >> (32 - length) << (32 - length);
    let part = |index: u32| {
        let start = base + (u64::from(index) << bits);
        format!("{}/{}", Ipv4Addr::from(u32::try_from(start).unwrap_or(u32::MAX)), 32 - bits)
    };
    Ok((0..count).map(part).collect())
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_range_is_cut_from_its_start() {
        assert_eq!(split("10.64.0.0/16", 2, 11).unwrap(), ["10.64.0.0/21", "10.64.8.0/21"]);
        assert_eq!(split("10.64.3.7/16", 1, 8).unwrap(), ["10.64.0.0/24"]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (range, count, bits) in [
            ("10.0.0.0/24", 2, 8),
            ("10.0.0.0/24", 1, 9),
            ("10.0.0.0/33", 1, 1),
            ("ten", 1, 1),
            ("10.0.0.0/8", 0, 1),
        ] {
            assert!(split(range, count, bits).is_err(), "{range} {count} {bits}");
        }
        assert_eq!(split("0.0.0.0/0", 2, 31).unwrap(), ["0.0.0.0/1", "128.0.0.0/1"]);
    }
}
