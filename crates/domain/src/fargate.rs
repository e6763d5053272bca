//! The task sizes Fargate sells.
//!
//! ECS refuses any other pair of cpu and memory, so a [`Size`] can only be a legal one. Owned by the
//! domain: pipelines are checked against it, launches use it, out-of-memory retries climb it.
//! Source: <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html>

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What one cpu value may be paired with: the first memory, then the others by a step. MiB.
struct Row {
    cpu: u32,
    first: u32,
    last: u32,
    step: u32,
}

/// The table, smallest first. 256 is the one row without a step: 512, 1024 and 2048 double.
const TABLE: [Row; 7] = [
    Row { cpu: 256, first: 512, last: 2_048, step: 0 },
    Row { cpu: 512, first: 1_024, last: 4_096, step: 1_024 },
    Row { cpu: 1_024, first: 2_048, last: 8_192, step: 1_024 },
    Row { cpu: 2_048, first: 4_096, last: 16_384, step: 1_024 },
    Row { cpu: 4_096, first: 8_192, last: 30_720, step: 1_024 },
    Row { cpu: 8_192, first: 16_384, last: 61_440, step: 4_096 },
    Row { cpu: 16_384, first: 32_768, last: 122_880, step: 8_192 },
];

impl Row {
    fn memories(&self) -> impl Iterator<Item = u32> + '_ {
        std::iter::successors(Some(self.first), |memory| {
            Some(if self.step == 0 { memory * 2 } else { memory + self.step })
        })
        .take_while(|memory| *memory <= self.last)
    }
}

/// A legal Fargate task size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "SizeText", into = "SizeText")]
pub struct Size {
    cpu: u32,
    memory: u32,
}

/// How a size is written down; anything may stand there, so reading it checks.
#[derive(Serialize, Deserialize)]
struct SizeText {
    cpu: u32,
    memory: u32,
}

/// A pair of cpu and memory that Fargate does not sell.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SizeError {
    /// No task has this cpu.
    #[error("no fargate task has cpu {cpu}; allowed: {}", list(&cpus()))]
    Cpu {
        /// The cpu units asked for.
        cpu: u32,
    },
    /// This cpu is not sold with this memory.
    #[error("no fargate task of cpu {cpu} has memory {memory}; allowed with cpu {cpu}: {}", memories_in_words(*.cpu))]
    Memory {
        /// The cpu units asked for.
        cpu: u32,
        /// The MiB asked for.
        memory: u32,
    },
}

impl Size {
    /// The smallest and cheapest task.
    pub const SMALLEST: Self = Self { cpu: 256, memory: 512 };
    /// The largest task.
    pub const LARGEST: Self = Self { cpu: 16_384, memory: 122_880 };

    /// Whether what needs `other` has enough here.
    #[must_use]
    pub fn holds(self, other: Self) -> bool {
        self.cpu >= other.cpu && self.memory >= other.memory
    }

    /// The size of `cpu` units (1,024 are one vCPU) and `memory` MiB, if Fargate sells it.
    ///
    /// # Errors
    /// Says what is allowed instead.
    pub fn new(cpu: u32, memory: u32) -> Result<Self, SizeError> {
        let Some(row) = TABLE.iter().find(|row| row.cpu == cpu) else {
            return Err(SizeError::Cpu { cpu });
        };
        if row.memories().any(|legal| legal == memory) {
            Ok(Self { cpu, memory })
        } else {
            Err(SizeError::Memory { cpu, memory })
        }
    }

    /// Cpu units; 1,024 are one vCPU.
    #[must_use]
    pub fn cpu(self) -> u32 {
        self.cpu
    }

    /// Memory in MiB.
    #[must_use]
    pub fn memory(self) -> u32 {
        self.memory
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cpu / {} MiB", self.cpu, self.memory)
    }
}

impl TryFrom<SizeText> for Size {
    type Error = SizeError;

    fn try_from(text: SizeText) -> Result<Self, SizeError> {
        Self::new(text.cpu, text.memory)
    }
}

impl From<Size> for SizeText {
    fn from(size: Size) -> Self {
        Self { cpu: size.cpu, memory: size.memory }
    }
}

/// Whether Fargate sells this pair.
#[must_use]
pub fn is_legal(cpu: u32, memory: u32) -> bool {
    Size::new(cpu, memory).is_ok()
}

/// The size to try after `size` ran out of memory: the next memory sold with the same cpu, or else
/// the next cpu with the least memory that is more than now. `None` when that would be above
/// `maximum` in cpu or memory.
#[must_use]
pub fn next_size(size: Size, maximum: Size) -> Option<Size> {
    TABLE
        .iter()
        .filter(|row| row.cpu >= size.cpu)
        .find_map(|row| {
            let memory = row.memories().find(|memory| *memory > size.memory)?;
            Some(Size { cpu: row.cpu, memory })
        })
        .filter(|next| next.cpu <= maximum.cpu && next.memory <= maximum.memory)
}

/// Every cpu value sold, smallest first.
#[must_use]
pub fn cpus() -> Vec<u32> {
    TABLE.iter().map(|row| row.cpu).collect()
}

/// Every memory sold with `cpu`, in MiB, smallest first; empty for a cpu nobody sells.
#[must_use]
pub fn memories(cpu: u32) -> Vec<u32> {
    TABLE.iter().filter(|row| row.cpu == cpu).flat_map(Row::memories).collect()
}

/// The memories of a cpu as a person would say them: a list when short, a range with its step when long.
fn memories_in_words(cpu: u32) -> String {
    let all = memories(cpu);
    match (all.as_slice(), TABLE.iter().find(|row| row.cpu == cpu)) {
        ([first, .., last], Some(row)) if all.len() > 8 => format!("{first} to {last} by {}", row.step),
        _ => list(&all),
    }
}

fn list(values: &[u32]) -> String {
    values.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_its_ends_and_nothing_past_them() {
        let table = [
            (256, 512, 2_048, 3),
            (512, 1_024, 4_096, 4),
            (1_024, 2_048, 8_192, 7),
            (2_048, 4_096, 16_384, 13),
            (4_096, 8_192, 30_720, 23),
            (8_192, 16_384, 61_440, 12),
            (16_384, 32_768, 122_880, 12),
        ];
        for (cpu, first, last, count) in table {
            let all = memories(cpu);
            assert_eq!((all.first(), all.last(), all.len()), (Some(&first), Some(&last), count), "{cpu}");
            assert!(is_legal(cpu, first) && is_legal(cpu, last), "{cpu}");
            assert!(!is_legal(cpu, first - 1) && !is_legal(cpu, last + 1_024), "{cpu}");
        }
        assert_eq!(cpus(), table.map(|row| row.0));
    }

    #[test]
    fn pairs_that_look_legal_and_are_not_are_refused() {
        for (cpu, memory) in [(0, 0), (256, 1_536), (300, 512), (512, 512), (8_192, 17_408), (16_384, 36_864)]
        {
            assert!(!is_legal(cpu, memory), "{cpu}/{memory}");
        }
    }

    #[test]
    fn a_refusal_lists_what_is_allowed() {
        let text = |cpu, memory| Size::new(cpu, memory).unwrap_err().to_string();
        assert_eq!(
            text(300, 512),
            "no fargate task has cpu 300; allowed: 256, 512, 1024, 2048, 4096, 8192, 16384"
        );
        assert_eq!(
            text(256, 700),
            "no fargate task of cpu 256 has memory 700; allowed with cpu 256: 512, 1024, 2048"
        );
        assert_eq!(
            text(4_096, 4_096),
            "no fargate task of cpu 4096 has memory 4096; allowed with cpu 4096: 8192 to 30720 by 1024"
        );
    }

    #[test]
    fn out_of_memory_climbs_memory_first_and_then_cpu() {
        let size = |cpu, memory| Size::new(cpu, memory).unwrap();
        let table = [
            (size(256, 512), Some(size(256, 1_024))),
            (size(256, 1_024), Some(size(256, 2_048))),
            (size(256, 2_048), Some(size(512, 3_072))),
            (size(512, 4_096), Some(size(1_024, 5_120))),
            (size(4_096, 30_720), Some(size(8_192, 32_768))),
            (size(8_192, 61_440), Some(size(16_384, 65_536))),
            (Size::LARGEST, None),
        ];
        for (from, to) in table {
            assert_eq!(next_size(from, Size::LARGEST), to, "{from}");
        }
    }

    #[test]
    fn climbing_stops_at_the_maximum() {
        let size = |cpu, memory| Size::new(cpu, memory).unwrap();
        assert_eq!(next_size(size(256, 1_024), size(256, 1_024)), None);
        assert_eq!(next_size(size(256, 2_048), size(256, 2_048)), None);
        assert_eq!(next_size(size(256, 1_024), size(512, 2_048)), Some(size(256, 2_048)));
    }

    #[test]
    fn climbing_from_the_smallest_always_grows_and_ends() {
        let mut size = Size::SMALLEST;
        let mut steps = 0;
        while let Some(next) = next_size(size, Size::LARGEST) {
            assert!(next.memory() > size.memory() && next.cpu() >= size.cpu(), "{size} -> {next}");
            (size, steps) = (next, steps + 1);
        }
        assert_eq!(size, Size::LARGEST);
        assert!(steps > 20);
    }

    #[test]
    fn the_next_size_is_the_least_that_has_more_memory_and_no_less_cpu_for_all_pairs() {
        let all: Vec<Size> = cpus()
            .into_iter()
            .flat_map(|cpu| memories(cpu).into_iter().map(move |memory| Size::new(cpu, memory).unwrap()))
            .collect();
        assert_eq!(all.len(), 74);
        for &from in &all {
            let larger = all.iter().filter(|it| it.cpu() >= from.cpu() && it.memory() > from.memory());
            let least = larger.min_by_key(|it| (it.cpu(), it.memory())).copied();
            for &maximum in &all {
                let fits = |it: &Size| it.cpu() <= maximum.cpu() && it.memory() <= maximum.memory();
                assert_eq!(next_size(from, maximum), least.filter(fits), "{from}, at most {maximum}");
            }
        }
    }

    #[test]
    fn a_stored_size_is_checked_when_read_back() {
        let size = Size::new(512, 2_048).unwrap();
        let json = serde_json::to_string(&size).unwrap();
        assert_eq!(json, r#"{"cpu":512,"memory":2048}"#);
        assert_eq!(serde_json::from_str::<Size>(&json).unwrap(), size);
        assert!(serde_json::from_str::<Size>(r#"{"cpu":512,"memory":700}"#).is_err());
    }
}
