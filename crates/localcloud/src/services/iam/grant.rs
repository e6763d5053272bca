//! Grants: what a policy allows or denies, taken apart. A statement with three actions on two resources is six, so that
//! each can be seen used, and be left out.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use iam_rs::{Arn, Context, Decision, IAMPolicy, IAMRequest, IAMStatement, PolicyEvaluator, Principal};
use serde_json::{Map, Value, json};

/// Which grant it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantId {
    /// The logical id of the role, or of the resource whose policy it is in.
    pub holder: String,
    /// The statement's id; where it has none, its policy's name.
    pub sid: String,
    /// The action, as the policy has it.
    pub action: String,
    /// The resource, resolved; of a policy that belongs to one, whom it admits.
    pub resource: String,
}

/// A grant and how often it was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantUse {
    /// Which it is.
    pub id: GrantId,
    /// How many calls it allowed.
    pub uses: u64,
    /// The policy of AWS's own that it is in, if it is; a template can take or leave that as a whole.
    pub managed: Option<String>,
}

/// One action on one resource, under the conditions of its statement.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) id: GrantId,
    pub(super) allows: bool,
    /// AWS's own policy it is in.
    managed: Option<String>,
    /// The action in small letters, if it is one and no pattern: a quick look tells most grants apart.
    only: Option<String>,
    rule: PolicyEvaluator,
    uses: AtomicU64,
}

impl Grant {
    /// Whether it is about this request, its conditions included.
    ///
    /// What cannot be evaluated, such as a resource whose ARN is none, is not what any grant is about.
    pub(super) fn concerns(&self, request: &IAMRequest) -> bool {
        if self.only.as_ref().is_some_and(|only| !only.eq_ignore_ascii_case(&request.action)) {
            return false;
        }
        matches!(self.rule.evaluate(request), Ok(result) if result.decision != Decision::NotApplicable)
    }

    pub(super) fn count(&self) {
        self.uses.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn used(&self) -> GrantUse {
        let uses = self.uses.load(Ordering::Relaxed);
        GrantUse { id: self.id.clone(), uses, managed: self.managed.clone() }
    }
}

/// Where a document is, and so how it is read.
pub(super) struct Place<'p> {
    /// The logical id of what it belongs to.
    pub(super) holder: &'p str,
    /// What its statements are called that have no id.
    pub(super) name: &'p str,
    /// AWS's own policy, if it is one.
    pub(super) managed: Option<&'p str>,
    /// Whether it belongs to a resource and so says whom it admits; and then, as a trust or key policy, perhaps not
    /// where.
    pub(super) admits: bool,
}

/// The condition keys that requests here have. A condition on another would never hold and never fail, silently.
const KEYS: [&str; 23] = [
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalIsAWSService",
    "aws:PrincipalServiceName",
    "aws:RequestedRegion",
    "aws:ResourceAccount",
    "aws:SecureTransport",
    "aws:SourceAccount",
    "aws:SourceArn",
    "aws:SourceOwner",
    "aws:ViaAWSService",
    "cloudwatch:namespace",
    "ecs:CreateAction",
    "ecs:cluster",
    "iam:PassedToService",
    "kms:CallerAccount",
    "kms:EncryptionContext:aws:sns:topicArn",
    "kms:EncryptionContext:aws:sqs:arn",
    "kms:ViaService",
    "s3:TlsVersion",
    "s3:VersionId",
    "s3:delimiter",
    "s3:prefix",
];

/// Reads a policy document.
///
/// # Errors
/// In words, when it is no policy or says what could not be heeded.
pub(super) fn read(place: &Place<'_>, document: &Value) -> Result<Vec<Arc<Grant>>, String> {
    let statements = match &document["Statement"] {
        Value::Array(list) => list.clone(),
        one @ Value::Object(_) => vec![one.clone()],
        _ => return Err("a policy needs a Statement".to_owned()),
    };
    let mut grants = Vec::new();
    for statement in &statements {
        grants.extend(taken_apart(place, statement).map_err(|why| match statement["Sid"].as_str() {
            Some(sid) => format!("statement {sid}: {why}"),
            None => why,
        })?);
    }
    Ok(grants)
}

fn taken_apart(place: &Place<'_>, statement: &Value) -> Result<Vec<Arc<Grant>>, String> {
    const MEMBERS: [&str; 9] = [
        "Action",
        "Condition",
        "Effect",
        "NotAction",
        "NotPrincipal",
        "NotResource",
        "Principal",
        "Resource",
        "Sid",
    ];
    let members = statement.as_object().ok_or("a statement is an object")?;
    if let Some(unknown) = members.keys().find(|key| !MEMBERS.contains(&key.as_str())) {
        return Err(format!("{unknown} is no member of a statement"));
    }
    let principals = principals(place, members)?;
    let actions = either(members, "Action", "NotAction")?;
    let says_where = members.contains_key("Resource") || members.contains_key("NotResource");
    let resources = if place.admits && !says_where {
        // What a trust policy is about is what it belongs to.
        vec![Part { text: "*".to_owned(), key: "Resource", value: json!("*") }]
    } else {
        either(members, "Resource", "NotResource")?
    };
    let conditions = conditions(members)?;
    let mut grants = Vec::new();
    for action in &actions {
        for resource in &resources {
            for principal in &principals {
                for (source, condition) in &conditions {
                    let mut one = Map::from_iter([("Effect".to_owned(), statement["Effect"].clone())]);
                    one.insert(action.key.to_owned(), action.value.clone());
                    one.insert(resource.key.to_owned(), resource.value.clone());
                    one.extend(principal.as_ref().map(|it| (it.key.to_owned(), it.value.clone())));
                    one.extend(condition.clone().map(|it| ("Condition".to_owned(), it)));
                    let mut about = match principal {
                        Some(principal) if !says_where => principal.text.clone(),
                        Some(principal) if principals.len() > 1 => {
                            format!("{} from {}", resource.text, principal.text)
                        }
                        _ => resource.text.clone(),
                    };
                    if let Some(source) = source {
                        about.push_str(&format!(" for {source}"));
                    }
                    grants.push(Arc::new(grant(place, statement, action, about, one)?));
                }
            }
        }
    }
    Ok(grants)
}

fn grant(
    place: &Place<'_>,
    statement: &Value,
    action: &Part,
    about: String,
    one: Map<String, Value>,
) -> Result<Grant, String> {
    let parsed: IAMStatement = serde_json::from_value(one.into())
        .map_err(|error| format!("the statement cannot be read: {error}"))?;
    let allows = parsed.effect == iam_rs::IAMEffect::Allow;
    let is_one = action.key == "Action" && !action.text.contains(['*', '?']);
    let sid = statement["Sid"].as_str().unwrap_or(place.name);
    let mut policy = IAMPolicy::new();
    policy.statement.push(parsed);
    Ok(Grant {
        id: GrantId {
            holder: place.holder.to_owned(),
            sid: sid.to_owned(),
            action: action.text.clone(),
            resource: about,
        },
        allows,
        managed: place.managed.map(str::to_owned),
        only: is_one.then(|| action.text.to_ascii_lowercase()),
        rule: PolicyEvaluator::with_policies(vec![policy]),
        uses: AtomicU64::new(0),
    })
}

/// One of a statement's actions, resources or principals.
struct Part {
    text: String,
    key: &'static str,
    value: Value,
}

/// Each of what a statement lists, or what it excludes, as one.
fn either(members: &Map<String, Value>, key: &'static str, not: &'static str) -> Result<Vec<Part>, String> {
    match (members.get(key), members.get(not)) {
        (Some(value), None) => {
            let texts = texts(key, value)?;
            for text in &texts {
                let shaped = if key == "Action" { text.contains(':') } else { text.starts_with("arn:") };
                if !shaped && text != "*" {
                    return Err(format!("{text} is no {}", key.to_lowercase()));
                }
            }
            Ok(texts.into_iter().map(|text| Part { value: json!(text), text, key }).collect())
        }
        (None, Some(value)) => {
            let text = format!("all but {}", texts(not, value)?.join(", "));
            Ok(vec![Part { text, key: not, value: value.clone() }])
        }
        (Some(_), Some(_)) => Err(format!("a statement has {key} or {not}, and not both")),
        (None, None) => Err(format!("a statement needs {key}")),
    }
}

/// Whom a resource's policy is about; a role's own policy has nobody to name.
fn principals(place: &Place<'_>, members: &Map<String, Value>) -> Result<Vec<Option<Part>>, String> {
    let (key, given) = match (members.get("Principal"), members.get("NotPrincipal")) {
        (None, None) if !place.admits => return Ok(vec![None]),
        (None, None) => return Err("a resource's policy needs a Principal".to_owned()),
        (Some(given), None) if place.admits => ("Principal", given),
        (None, Some(given)) if place.admits => {
            let text = format!("all but {given}");
            return Ok(vec![Some(Part { text, key: "NotPrincipal", value: given.clone() })]);
        }
        _ => return Err("a role's policy has no Principal".to_owned()),
    };
    if *given == json!("*") {
        return Ok(vec![Some(Part { text: "*".to_owned(), key, value: json!("*") })]);
    }
    let kinds = given.as_object().ok_or("a Principal is * or an object")?;
    let mut parts = Vec::new();
    for (kind, ids) in kinds {
        for id in texts(kind, ids)? {
            // Everybody is everybody, however it is written.
            let value = if kind == "AWS" && id == "*" { json!("*") } else { json!({ kind.as_str(): id }) };
            parts.push(Some(Part { text: id, key, value }));
        }
    }
    Ok(parts)
}

/// The source that conditions are about, if it is one of several, and the conditions, if there are any.
type Conditions = (Option<String>, Option<Value>);

/// The conditions, once for each source where they list several: one rule of three may be unneeded.
fn conditions(members: &Map<String, Value>) -> Result<Vec<Conditions>, String> {
    let Some(given) = members.get("Condition") else { return Ok(vec![(None, None)]) };
    let meant = condition(given)?;
    let allows = members.get("Effect") == Some(&json!("Allow"));
    let Some(sources) = meant["ArnLike"]["aws:SourceArn"].as_array().filter(|_| allows) else {
        return Ok(vec![(None, Some(meant))]);
    };
    let each = sources.iter().map(|source| {
        let mut one = meant.clone();
        one["ArnLike"]["aws:SourceArn"] = source.clone();
        let text = source.as_str().ok_or_else(|| format!("aws:SourceArn is no text: {source}"))?;
        Ok((Some(text.to_owned()), Some(one)))
    });
    each.collect()
}

/// The conditions, with operators on ARNs as AWS means them: `ArnEquals` takes patterns, as `ArnLike` does.
fn condition(condition: &Value) -> Result<Value, String> {
    let operators = condition.as_object().ok_or("a Condition is an object")?;
    let mut meant = Map::new();
    for (operator, keys) in operators {
        let keys = keys.as_object().ok_or_else(|| format!("the condition {operator} is no object"))?;
        for key in keys.keys() {
            if !KEYS.iter().any(|known| known.eq_ignore_ascii_case(key)) {
                return Err(format!(
                    "the local cloud's requests have no {key}, so it cannot heed a condition on it"
                ));
            }
        }
        let name = operator.replace("ArnEquals", "ArnLike").replace("ArnNotEquals", "ArnNotLike");
        let entry = meant.entry(name).or_insert_with(|| json!({}));
        for (key, value) in keys {
            if entry.get(key).is_some() {
                return Err(format!("{key} is compared twice"));
            }
            entry[key] = value.clone();
        }
    }
    Ok(meant.into())
}

fn texts(what: &str, value: &Value) -> Result<Vec<String>, String> {
    let text = |value: &Value| {
        value.as_str().map(str::to_owned).ok_or_else(|| format!("{what} is no text: {value}"))
    };
    match value {
        Value::Array(list) if !list.is_empty() => list.iter().map(text).collect(),
        Value::Array(_) => Err(format!("{what} is an empty list")),
        one => Ok(vec![text(one)?]),
    }
}

/// A request as `iam_rs` takes it. A resource of `*` belongs to its action's service.
pub(super) fn request(
    principal: Principal,
    action: &str,
    resource: &str,
    context: Context,
) -> Option<IAMRequest> {
    let resource = match Arn::parse(resource) {
        Ok(arn) => arn,
        Err(_) if resource == "*" => Arn {
            partition: "aws".to_owned(),
            service: action.split(':').next().unwrap_or_default().to_owned(),
            region: crate::wire::REGION.to_owned(),
            account_id: crate::wire::ACCOUNT.to_owned(),
            resource: "*".to_owned(),
        },
        Err(_) => return None,
    };
    Some(IAMRequest::new_with_context(principal, action, resource, context))
}
