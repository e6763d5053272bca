//! What one matcher asks of one value of the event.

use std::{cmp::Ordering, net::IpAddr};

use serde_json::{Number, Value};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Matcher {
    /// A string, number, boolean or null.
    Exactly(Value),
    Text(Text),
    /// Any value that is none of these.
    NotExactly(Vec<Value>),
    /// Any value but a string like one of these.
    NotText(Vec<Text>),
    Numeric(Range),
    Exists,
    /// `exists: false`; decided by the event as a whole, not by a value.
    Absent,
    Cidr(Network),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Text {
    Prefix(String),
    Suffix(String),
    /// These three hold lower-case text.
    PrefixIgnoringCase(String),
    SuffixIgnoringCase(String),
    IgnoringCase(String),
    Wildcard(Vec<Glyph>),
}

/// One sign of a wildcard pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Glyph {
    Any,
    Char(char),
}

/// The numbers between two bounds.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Range {
    pub(super) least: Option<Bound>,
    pub(super) most: Option<Bound>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bound {
    pub(super) number: Number,
    pub(super) included: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    pub(super) address: IpAddr,
    pub(super) prefix_bits: u32,
}

impl Matcher {
    pub(super) fn matches(&self, value: &Value) -> bool {
        match self {
            Self::Exactly(wanted) => same(wanted, value),
            Self::Text(text) => value.as_str().is_some_and(|value| text.matches(value)),
            Self::NotExactly(refused) => !refused.iter().any(|refused| same(refused, value)),
            Self::NotText(refused) => {
                value.as_str().is_none_or(|value| !refused.iter().any(|text| text.matches(value)))
            }
            Self::Numeric(range) => matches!(value, Value::Number(number) if range.contains(number)),
            Self::Exists => true,
            Self::Absent => false,
            Self::Cidr(network) => {
                value.as_str().and_then(|text| text.parse().ok()).is_some_and(|ip| network.contains(ip))
            }
        }
    }
}

impl Text {
    fn matches(&self, value: &str) -> bool {
        match self {
            Self::Prefix(prefix) => value.starts_with(prefix),
            Self::Suffix(suffix) => value.ends_with(suffix),
            Self::PrefixIgnoringCase(prefix) => value.to_lowercase().starts_with(prefix),
            Self::SuffixIgnoringCase(suffix) => value.to_lowercase().ends_with(suffix),
            Self::IgnoringCase(text) => value.to_lowercase() == *text,
            Self::Wildcard(glyphs) => wildcard_matches(glyphs, value),
        }
    }
}

impl Range {
    fn contains(&self, number: &Number) -> bool {
        let holds = |bound: &Option<Bound>, beyond: Ordering| {
            bound.as_ref().is_none_or(|bound| match compare(number, &bound.number) {
                Ordering::Equal => bound.included,
                side => side == beyond,
            })
        };
        holds(&self.least, Ordering::Greater) && holds(&self.most, Ordering::Less)
    }
}

impl Network {
    fn contains(self, ip: IpAddr) -> bool {
        match (self.address, ip) {
            (IpAddr::V4(network), IpAddr::V4(ip)) => {
                let differing = network.to_bits() ^ ip.to_bits();
                differing.leading_zeros() >= self.prefix_bits
            }
            (IpAddr::V6(network), IpAddr::V6(ip)) => {
                let differing = network.to_bits() ^ ip.to_bits();
                differing.leading_zeros() >= self.prefix_bits
            }
            _ => false,
        }
    }
}

fn same(wanted: &Value, value: &Value) -> bool {
    match (wanted, value) {
        // 300, 300.0 and 3.0e2 are one number.
        (Value::Number(wanted), Value::Number(value)) => compare(wanted, value) == Ordering::Equal,
        _ => wanted == value,
    }
}

pub(super) fn compare(a: &Number, b: &Number) -> Ordering {
    let whole = |n: &Number| n.as_i64().map(i128::from).or_else(|| n.as_u64().map(i128::from));
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        // JSON has no NaN: every two numbers compare.
        _ => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Less),
    }
}

/// Matches in one pass, going back only to the last `*`.
fn wildcard_matches(glyphs: &[Glyph], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut g) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        match glyphs.get(g) {
            Some(Glyph::Char(c)) if *c == text[at] => (at, g) = (at + 1, g + 1),
            Some(Glyph::Any) => {
                retry = Some((at, g));
                g += 1;
            }
            _ => match retry {
                // Let the last `*` take one more character.
                Some((from, star)) => {
                    retry = Some((from + 1, star));
                    (at, g) = (from + 1, star + 1);
                }
                None => return false,
            },
        }
    }
    glyphs[g..].iter().all(|glyph| *glyph == Glyph::Any)
}
