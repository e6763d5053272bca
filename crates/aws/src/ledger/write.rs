//! One conditional update being written, and its values.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use crate::{
    CallError,
    attributes::{Item, number, text, time},
};
use domain::{
    audit::AuditEntry,
    drift::Drifts,
    job::{Attempt, Change, JobId, Reason, allowed_from, settled_shard},
    reject_counts::RejectCounts,
};

/// One conditional update being written.
pub(super) struct Write {
    pub(super) update: String,
    pub(super) condition: String,
    pub(super) names: HashMap<String, String>,
    pub(super) values: Item,
    /// What it does to the job's state, if it moves it.
    pub(super) change: Option<Change>,
}

impl Write {
    pub(super) fn new(update: &str, condition: &str) -> Self {
        let write = Self {
            update: update.to_owned(),
            condition: condition.to_owned(),
            names: HashMap::new(),
            values: HashMap::new(),
            change: None,
        };
        // `state` is a reserved word of DynamoDB's expressions.
        let uses_state = write.update.contains("#state") || write.condition.contains("#state");
        if uses_state { write.name("#state", "state") } else { write }
    }

    /// Only from the states where `change` is legal; `:to` is the state it leads to.
    pub(super) fn moving(mut self, change: Change) -> Self {
        let mut from = Vec::new();
        for state in allowed_from(change) {
            let name = format!(":from_{}", state.as_str());
            self.values.insert(name.clone(), text(state.as_str()));
            from.push(name);
        }
        self.condition = format!("#state IN ({}) AND ({})", from.join(", "), self.condition);
        self.change = Some(change);
        self.name("#state", "state").value(":to", text(change.leads_to().as_str()))
    }

    /// Into the shard of jobs that settle now; `:now` is the time.
    pub(super) fn indexed_by_status(self, id: &JobId, now: Timestamp) -> Self {
        self.value(":status_shard", text(settled_shard(id.shard(), now))).value(":now", time(now))
    }

    /// The values of an attempt that has ended: only while it is the job's present attempt.
    pub(super) fn ending(self, ended: &Attempt) -> Result<Self, CallError> {
        Ok(self
            .name("#history", "history")
            .value(":ended", attempts(ended)?)
            .value(":reason", reason_value(&ended.verdict))
            .value(":attempt", number(ended.number)))
    }

    pub(super) fn name(mut self, placeholder: &str, attribute: &str) -> Self {
        self.names.insert(placeholder.to_owned(), attribute.to_owned());
        self
    }

    pub(super) fn value(mut self, placeholder: &str, value: AttributeValue) -> Self {
        self.values.insert(placeholder.to_owned(), value);
        self
    }
}

/// A list of one attempt, to be appended to the history.
pub(super) fn attempts(ended: &Attempt) -> Result<AttributeValue, CallError> {
    let attempt = || format!("note attempt {}", ended.number);
    let item = serde_dynamo::to_item(ended).map_err(|e| CallError::malformed_response(attempt(), e))?;
    Ok(AttributeValue::L(vec![AttributeValue::M(item)]))
}

/// A list of one note, to be appended to the audit.
pub(super) fn notes(note: &AuditEntry) -> Result<AttributeValue, CallError> {
    let attempt = || format!("note \"{}\"", note.kind.as_str());
    let item = serde_dynamo::to_item(note).map_err(|e| CallError::malformed_response(attempt(), e))?;
    Ok(AttributeValue::L(vec![AttributeValue::M(item)]))
}

/// How an object's columns differ from those of earlier objects.
pub(super) fn drifts_value(drifts: &Drifts) -> Result<AttributeValue, CallError> {
    let item = serde_dynamo::to_item(drifts)
        .map_err(|e| CallError::malformed_response("note the columns that changed", e))?;
    Ok(AttributeValue::M(item))
}

pub(super) fn rejects_value(rejects: &RejectCounts) -> Result<AttributeValue, CallError> {
    let item = serde_dynamo::to_item(rejects)
        .map_err(|e| CallError::malformed_response("note why rows are rejected", e))?;
    Ok(AttributeValue::M(item))
}

pub(super) fn reason_value(reason: &Reason) -> AttributeValue {
    AttributeValue::M(HashMap::from([
        ("code".to_owned(), text(&reason.code)),
        ("message".to_owned(), text(&reason.message)),
    ]))
}
