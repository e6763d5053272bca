//! Sets of keys and of rows in bounded memory. An object with more keys than fit is read several times, and each pass looks
//! at a part of the keys.

use super::KeyHash;

/// How many keys are held at once: 16 MB of hashes.
pub const KEYS_PER_PASS: u64 = 1 << 20;

/// In how many passes the keys of this many rows are looked at.
#[must_use]
pub fn passes(rows: u64) -> u64 {
    rows.div_ceil(KEYS_PER_PASS).max(1)
}

/// The hashes of one pass's keys.
#[derive(Debug)]
pub struct KeySet {
    pass: u64,
    passes: u64,
    hashes: Vec<KeyHash>,
}

impl KeySet {
    /// An empty set for the keys of pass `pass` of `passes`.
    #[must_use]
    pub fn new(pass: u64, passes: u64) -> Self {
        Self { pass, passes: passes.max(1), hashes: Vec::new() }
    }

    /// Whether a key belongs to this pass.
    #[must_use]
    pub fn is_of_pass(&self, key: &KeyHash) -> bool {
        let beginning = key.iter().take(8).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        beginning % self.passes == self.pass
    }

    /// Adds a key, if it is of this pass. [`Self::sort`] comes before any question.
    pub fn add(&mut self, key: KeyHash) {
        if self.is_of_pass(&key) {
            self.hashes.push(key);
        }
    }

    /// Makes the set ready for questions.
    pub fn sort(&mut self) {
        self.hashes.sort_unstable();
    }

    /// Whether the key is in the set.
    #[must_use]
    pub fn has(&self, key: &KeyHash) -> bool {
        self.hashes.binary_search(key).is_ok()
    }

    /// Leaves the keys that were added more than once, each once.
    #[must_use]
    pub fn into_repeated(self) -> Self {
        let mut repeated: Vec<KeyHash> =
            self.hashes.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        repeated.dedup();
        Self { hashes: repeated, ..self }
    }

    /// How many keys it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }
}

/// Rows of an object, by their numbers: a bit for each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowSet {
    bits: Vec<u64>,
    len: u64,
}

impl RowSet {
    /// Adds a row.
    pub fn add(&mut self, row: u64) {
        let (at, bit) = Self::place(row);
        if self.bits.len() <= at {
            self.bits.resize(at + 1, 0);
        }
        if let Some(bits) = self.bits.get_mut(at) {
            self.len += u64::from(*bits & bit == 0);
            *bits |= bit;
        }
    }

    /// Adds a row, if there is one.
    pub fn extend(&mut self, row: Option<u64>) {
        row.into_iter().for_each(|row| self.add(row));
    }

    /// Whether the row is in the set.
    #[must_use]
    pub fn has(&self, row: u64) -> bool {
        let (at, bit) = Self::place(row);
        self.bits.get(at).is_some_and(|bits| bits & bit != 0)
    }

    /// How many rows it holds.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn place(row: u64) -> (usize, u64) {
        (usize::try_from(row / 64).unwrap_or(usize::MAX - 1), 1 << (row % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u64) -> KeyHash {
        let mut key = KeyHash::default();
        key[..8].copy_from_slice(&n.to_be_bytes());
        key
    }

    #[test]
    fn each_key_is_of_one_pass_and_repeated_ones_are_found() {
        let sets = (0..3).map(|pass| {
            let mut set = KeySet::new(pass, 3);
            [1, 2, 3, 4, 2, 5, 2].into_iter().for_each(|n| set.add(key(n)));
            set.sort();
            (set.len(), set.has(&key(2)), set.into_repeated().hashes)
        });
        let found: Vec<_> = sets.collect();
        assert_eq!(found, [(1, false, vec![]), (2, false, vec![]), (4, true, vec![key(2)])]);
        assert_eq!([0, 1, KEYS_PER_PASS, KEYS_PER_PASS + 1].map(passes), [1, 1, 1, 2]);
    }

    #[test]
    fn rows_are_counted_once() {
        let mut rows = RowSet::default();
        [3, 64, 3, 1_000].into_iter().for_each(|row| rows.add(row));
        assert_eq!(
            (rows.len(), rows.has(3), rows.has(64), rows.has(4), rows.has(9_999)),
            (3, true, true, false, false)
        );
    }
}
