//! What a test makes go wrong. The [`crate::frontend`] asks here about every call, so the services' modules stay
//! honest and only the road to them is bad. The exceptions are answers that fail in part, which only the service
//! itself can shape: they reach it as [`Partial`] on the call's [`Caller`](crate::wire::Caller).
//!
//! Chances are drawn from `fastrand`: a seeded test meets the same faults in each run.

mod call;
mod delivery;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};

pub(crate) use self::delivery::happens;
pub use self::{call::Call, delivery::Delivery};
use crate::wire::ApiError;
pub use crate::wire::Partial;

/// Marks an answer that never arrives: the server or the connector breaks the connection instead.
#[derive(Debug, Clone, Copy)]
pub struct Lost;

type Predicate = Arc<dyn Fn(&Value) -> bool + Send + Sync>;

/// Which calls go wrong, and how.
///
/// ```
/// use aws_sdk_sqs::Client;
/// use localcloud::{
///     Cloud,
///     faults::{Call, Rule},
/// };
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
/// # runtime.block_on(async {
/// # let folder = tempfile::tempdir()?;
/// # let template = folder.path().join("template.yaml");
/// std::fs::write(&template, "Resources: { Jobs: { Type: AWS::SQS::Queue } }\nOutputs: { Url: { Value: !Ref Jobs } }")?;
/// let cloud = Cloud::builder(template).start().await?;
/// cloud.faults().on(Rule::new("sqs", "SendMessage", Call::Throttle).first(1));
///
/// // The SDK retries a throttled call, so the message arrives once.
/// let client = Client::new(&cloud.sdk_config());
/// client.send_message().queue_url(&cloud.outputs()["Url"]).message_body("work").send().await?;
/// assert_eq!(cloud.faults().fired(), 1);
/// let received = client.receive_message().queue_url(&cloud.outputs()["Url"]).send().await?;
/// assert_eq!(received.messages().len(), 1);
/// # cloud.shutdown().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Rule {
    service: String,
    operation: String,
    fault: Call,
    when: Option<Predicate>,
    chance: f64,
    /// The first and last matching call it applies to, counted from 1.
    turns: (u64, u64),
}

impl Rule {
    /// Every call of `operation` of `service` (as in credential scopes: `s3`, `dynamodb`, ...); `*` is any.
    #[must_use]
    pub fn new(service: &str, operation: &str, fault: Call) -> Self {
        Self {
            service: service.to_owned(),
            operation: operation.to_owned(),
            fault,
            when: None,
            chance: 1.0,
            turns: (1, u64::MAX),
        }
    }

    /// Only calls whose JSON input satisfies `predicate`. S3's input has `Bucket`, `Key` and the query's members.
    #[must_use]
    pub fn when(mut self, predicate: impl Fn(&Value) -> bool + Send + Sync + 'static) -> Self {
        self.when = Some(Arc::new(predicate));
        self
    }

    /// Only the `n`-th call that matches, counted from 1.
    #[must_use]
    pub fn nth(mut self, n: u64) -> Self {
        self.turns = (n, n);
        self
    }

    /// Only the first `n` calls that match.
    #[must_use]
    pub fn first(mut self, n: u64) -> Self {
        self.turns = (1, n);
        self
    }

    /// Only with this chance, between 0 and 1.
    #[must_use]
    pub fn chance(mut self, chance: f64) -> Self {
        self.chance = chance;
        self
    }

    /// How much longer the calls take that meet it; zero for any other fault.
    #[must_use]
    pub fn delay(&self) -> Duration {
        match self.fault {
            Call::Delay(delay) => delay,
            _ => Duration::ZERO,
        }
    }

    fn matches(&self, service: &str, operation: &str, input: &Value) -> bool {
        (self.service == "*" || self.service == service)
            && (self.operation == "*" || self.operation == operation)
            && self.when.as_ref().is_none_or(|when| when(input))
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("service", &self.service)
            .field("operation", &self.operation)
            .field("fault", &self.fault)
            .field("chance", &self.chance)
            .field("turns", &self.turns)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    /// Each rule, with the number of calls it has matched.
    rules: Vec<(Rule, u64)>,
    fired: u64,
    observer: Option<Observer>,
}

/// Is called for each call, with its service, operation and JSON input.
type Observer = Box<dyn Fn(&str, &str, &Value) + Send>;

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("rules", &self.rules)
            .field("fired", &self.fired)
            .finish_non_exhaustive()
    }
}

/// The rules in force. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<State>>);

/// What one call meets.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Met {
    pub(crate) delay: Duration,
    pub(crate) fault: Option<Call>,
}

impl Faults {
    /// Puts a rule in force, behind those there are: the first that applies to a call decides.
    pub fn on(&self, rule: Rule) {
        self.lock().rules.push((rule, 0));
    }

    /// Tells `observer` of each call from now on, before a rule decides: its service, operation and JSON input.
    pub fn observe(&self, observer: impl Fn(&str, &str, &Value) + Send + 'static) {
        self.lock().observer = Some(Box::new(observer));
    }

    /// Ends all rules.
    pub fn clear(&self) {
        self.lock().rules.clear();
    }

    /// How often anything has gone wrong so far.
    #[must_use]
    pub fn fired(&self) -> u64 {
        self.lock().fired
    }

    /// What this call meets. Every matching rule counts the call, also those that come too late to decide.
    pub(crate) fn meet(&self, service: &str, operation: &str, input: &Value) -> Met {
        let mut state = self.lock();
        if let Some(observer) = &state.observer {
            observer(service, operation, input);
        }
        let mut met = Met::default();
        let mut fired = 0;
        for (rule, seen) in &mut state.rules {
            if !rule.matches(service, operation, input) {
                continue;
            }
            *seen += 1;
            let due = (rule.turns.0..=rule.turns.1).contains(seen);
            // Drawn only where a chance was asked for, so that other rules do not shift a seeded sequence.
            if !due || (rule.chance < 1.0 && fastrand::f64() >= rule.chance) {
                continue;
            }
            match &rule.fault {
                Call::Delay(delay) => met.delay += *delay,
                _ if met.fault.is_some() => continue,
                fault => met.fault = Some(fault.clone()),
            }
            fired += 1;
        }
        state.fired += fired;
        met
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How DynamoDB says that it cancelled the transaction in `input`.
pub(crate) fn cancelled_transaction(code: &str, input: &Value) -> ApiError {
    let actions = input["TransactItems"].as_array().map_or(1, Vec::len).max(1);
    let codes: Vec<&str> = (0..actions).map(|action| if action == 0 { code } else { "None" }).collect();
    let reasons: Vec<Value> = codes
        .iter()
        .map(|code| match *code {
            "None" => json!({ "Code": "None" }),
            "TransactionConflict" => {
                json!({ "Code": code, "Message": "Transaction is ongoing for the item" })
            }
            code => json!({ "Code": code, "Message": "Throughput exceeds the current capacity of your table or index." }),
        })
        .collect();
    ApiError::client(
        "TransactionCanceledException",
        format!(
            "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
            codes.join(", ")
        ),
    )
    .with_detail(json!({ "CancellationReasons": reasons }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slow() -> Call {
        Call::Delay(Duration::from_secs(3))
    }

    #[test]
    fn only_the_nth_matching_call_fails() {
        let faults = Faults::default();
        faults.on(Rule::new("sqs", "SendMessage", Call::LoseAnswer).nth(2));
        let met: Vec<bool> =
            (0..3).map(|_| faults.meet("sqs", "SendMessage", &Value::Null).fault.is_some()).collect();
        assert_eq!(met, [false, true, false]);
        assert_eq!(faults.meet("sqs", "DeleteMessage", &Value::Null), Met::default());
        assert_eq!(faults.fired(), 1);
    }

    #[test]
    fn a_predicate_sees_the_input_and_delays_add_up() {
        let faults = Faults::default();
        faults.on(Rule::new("dynamodb", "*", slow()));
        faults.on(Rule::new("*", "PutItem", slow()));
        faults.on(Rule::new("*", "*", Call::Throttle).when(|input| input["TableName"] == "ledger"));
        let met = faults.meet("dynamodb", "PutItem", &json!({ "TableName": "ledger" }));
        assert_eq!(met, Met { delay: Duration::from_secs(6), fault: Some(Call::Throttle) });
        let met = faults.meet("dynamodb", "PutItem", &json!({ "TableName": "records" }));
        assert_eq!(met.fault, None);
    }

    #[test]
    fn a_seed_repeats_the_same_faults() {
        let run = || {
            fastrand::seed(7);
            let faults = Faults::default();
            faults.on(Rule::new("s3", "GetObject", Call::Throttle).chance(0.3));
            (0..50).map(|_| faults.meet("s3", "GetObject", &Value::Null).fault.is_some()).collect::<Vec<_>>()
        };
        let once = run();
        assert_eq!(once, run());
        assert!(once.contains(&true) && once.contains(&false));
    }

    #[test]
    fn a_cancelled_transaction_has_one_reason_per_action() {
        let error = cancelled_transaction("TransactionConflict", &json!({ "TransactItems": [{}, {}, {}] }));
        assert_eq!(error.detail["CancellationReasons"].as_array().map(Vec::len), Some(3));
        assert!(error.message.ends_with("[TransactionConflict, None, None]"));
    }
}
