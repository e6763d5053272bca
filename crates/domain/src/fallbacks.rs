//! Where a task may run instead, when Fargate has no room where it was asked for first.
//!
//! AWS's advice for a shortage is another zone's subnet, another size, or later. Here this happens automatically: each fallback
//! of the [`fallbacks`] differs from the first in one way, and only all that [`help`](Fallback::helps) against what is short
//! are tried. When none has room, the job waits.

use std::fmt;

use crate::fargate::{Size, next_size};

/// The Fargate capacity provider of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// `FARGATE`.
    OnDemand,
    /// `FARGATE_SPOT`: up to 70 % cheaper, and AWS may take it back with two minutes' warning.
    Spot,
}

impl Provider {
    /// The capacity provider's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OnDemand => "FARGATE",
            Self::Spot => "FARGATE_SPOT",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::OnDemand => Self::Spot,
            Self::Spot => Self::OnDemand,
        }
    }
}

/// What a task is launched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaunchTarget {
    /// In this subnet alone, by its target in the list; in whichever ECS chooses, when there is none.
    pub subnet: Option<usize>,
    /// By this provider.
    pub provider: Provider,
    /// Of this size; the task definition's own, when there is none.
    pub size: Option<Size>,
}

impl fmt::Display for LaunchTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.provider {
            Provider::OnDemand => f.write_str("on demand")?,
            Provider::Spot => f.write_str("Spot")?,
        }
        if let Some(size) = self.size {
            write!(f, ", {size}")?;
        }
        match self.subnet {
            Some(subnet) => write!(f, ", in subnet {} alone", subnet + 1),
            None => Ok(()),
        }
    }
}

/// In what a fallback differs from the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// In nothing: it is the first.
    First,
    /// It is in one subnet, and so in one zone, alone.
    Subnet,
    /// It is of the other provider.
    Provider,
    /// It is of the next larger size, another kind of machine's room.
    Size,
}

/// What there is too little of, by ECS's words in `failures[]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// Fargate capacity in the subnet or of the provider.
    Capacity,
    /// Addresses in a subnet.
    Addresses,
    /// vCPUs that the account may use at once; on demand and Spot are counted apart.
    Quota,
    /// Something that no other target is known to help against.
    Unknown,
}

impl Shortage {
    /// Reads ECS's words. They vary, so that only what they are known to hold is looked for.
    #[must_use]
    pub fn of(words: &str) -> Self {
        let has = |part: &str| words.contains(part);
        if has("limit on the number of vCPUs") || has("VcpuLimit") {
            Self::Quota
        } else if has("RESOURCE:ENI") || has("InsufficientFreeAddresses") {
            Self::Addresses
        } else if has("Capacity is unavailable") || has("RESOURCE:") {
            Self::Capacity
        } else {
            Self::Unknown
        }
    }
}

impl Fallback {
    /// Whether what differs can help against this shortage.
    #[must_use]
    pub fn helps(self, shortage: Shortage) -> bool {
        match (self, shortage) {
            (Self::First, _) => true,
            (_, Shortage::Unknown) => false,
            (Self::Subnet, shortage) => shortage != Shortage::Quota,
            (Self::Provider, shortage) => shortage != Shortage::Addresses,
            (Self::Size, shortage) => shortage == Shortage::Capacity,
        }
    }
}

/// The places to try, best first. `either`: the other provider is as good.
#[must_use]
pub fn fallbacks(first: LaunchTarget, either: bool, subnets: usize) -> Vec<(Fallback, LaunchTarget)> {
    let mut all = vec![(Fallback::First, first)];
    if subnets > 1 {
        all.extend(
            (0..subnets).map(|subnet| (Fallback::Subnet, LaunchTarget { subnet: Some(subnet), ..first })),
        );
    }
    if either {
        all.push((Fallback::Provider, LaunchTarget { provider: first.provider.other(), ..first }));
    }
    let larger = first.size.and_then(|size| next_size(size, Size::LARGEST));
    all.extend(larger.map(|size| (Fallback::Size, LaunchTarget { size: Some(size), ..first })));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: LaunchTarget =
        LaunchTarget { subnet: None, provider: Provider::Spot, size: Some(Size::SMALLEST) };

    /// The places tried when each is short of the same.
    fn tried(shortage: Shortage, either: bool, subnets: usize) -> Vec<String> {
        let all = fallbacks(FIRST, either, subnets);
        all.into_iter()
            .filter(|(fallback, _)| fallback.helps(shortage))
            .map(|(_, target)| target.to_string())
            .collect()
    }

    #[test]
    fn what_is_short_of_machines_is_tried_elsewhere_by_another_provider_and_in_another_size() {
        assert_eq!(
            tried(Shortage::Capacity, true, 2),
            [
                "Spot, 256 cpu / 512 MiB",
                "Spot, 256 cpu / 512 MiB, in subnet 1 alone",
                "Spot, 256 cpu / 512 MiB, in subnet 2 alone",
                "on demand, 256 cpu / 512 MiB",
                "Spot, 256 cpu / 1024 MiB",
            ]
        );
        assert_eq!(
            tried(Shortage::Capacity, false, 1).len(),
            2,
            "no other subnet, and Spot is not to be left"
        );
    }

    #[test]
    fn only_what_can_help_is_tried() {
        assert_eq!(tried(Shortage::Addresses, true, 2).len(), 3, "the subnets");
        assert_eq!(
            tried(Shortage::Quota, true, 2),
            ["Spot, 256 cpu / 512 MiB", "on demand, 256 cpu / 512 MiB"]
        );
        assert_eq!(tried(Shortage::Unknown, true, 2).len(), 1);
    }

    #[test]
    fn shortages_are_recognised_by_what_ecs_says() {
        let of = Shortage::of;
        let words = "Capacity is unavailable at this time. Please try again later or in a different availability zone";
        assert_eq!(of(words), Shortage::Capacity);
        assert_eq!(of("RESOURCE:FARGATE"), Shortage::Capacity);
        assert_eq!(of("RESOURCE:ENI InsufficientFreeAddressesInSubnet: subnet-1"), Shortage::Addresses);
        let quota = "You've reached the limit on the number of vCPUs you can run concurrently";
        assert_eq!(of(quota), Shortage::Quota);
        assert_eq!(of("something new"), Shortage::Unknown);
    }
}
