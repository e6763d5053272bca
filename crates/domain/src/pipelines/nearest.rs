//! "Did you mean": the known word nearest to one that is not known.

/// The word nearest to `found`, unless nothing is near.
pub(crate) fn nearest<'w>(found: &str, known: &[&'w str]) -> Option<&'w str> {
    // A third of the letters may differ: typing slips, not other words.
    let tolerance = (found.chars().count() / 3).max(1);
    known
        .iter()
        .map(|word| (distance(found, word), *word))
        .filter(|(far, _)| *far <= tolerance)
        .min()
        .map(|(_, word)| word)
}

/// Letters to insert, delete, exchange, or swap with their neighbour.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before = Vec::new();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for i in 0..from.len() {
        let mut next = vec![i + 1];
        for j in 0..to.len() {
            let exchanged = row[j] + usize::from(from[i] != to[j]);
            let mut least = exchanged.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && from[i] == to[j - 1] && from[i - 1] == to[j] {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let known = ["prefix", "suffix", "min_bytes", "max_bytes"];
        assert_eq!(nearest("prefx", &known), Some("prefix"));
        assert_eq!(nearest("sufix", &known), Some("suffix"));
        assert_eq!(nearest("minbytes", &known), Some("min_bytes"));
        assert_eq!(nearest("cvs", &["csv", "json"]), Some("csv"));
        assert_eq!(nearest("colour", &known), None);
        assert_eq!(nearest("", &known), None);
    }
}
