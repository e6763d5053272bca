//! What was used, as AWS would count it: what a run would have cost.

use std::collections::BTreeMap;

pub(crate) use pricing::Usage;

/// How often each operation of each service was called, by service and operation.
pub type Calls = BTreeMap<(String, String), u64>;

/// How often these operations of a service were called.
pub(crate) fn count(calls: &Calls, service: &str, operations: &[&str]) -> u64 {
    let wanted =
        |(of, operation): &(String, String)| of == service && operations.contains(&operation.as_str());
    calls.iter().filter(|(call, _)| wanted(call)).map(|(_, times)| times).sum()
}
