//! Who else may invoke a function: its resource-based policy (`AWS::Lambda::Permission`).

use super::{Lambda, invalid, invoke::not_found, wire::name_of};
use crate::wire::Refusal;

/// One statement of a function's policy. It allows, or it says nothing: there is no statement that forbids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// `lambda:InvokeFunction`, or `lambda:*`.
    pub action: String,
    /// A service, such as `events.amazonaws.com`.
    pub principal: String,
    /// What the service must act for: an ARN, with `*` and `?` for what does not matter. None is anything.
    pub source_arn: Option<String>,
}

impl Permission {
    fn allows(&self, principal: &str, source_arn: &str) -> bool {
        matches!(self.action.as_str(), "lambda:InvokeFunction" | "lambda:*")
            && (self.principal == principal || self.principal == "*")
            && self
                .source_arn
                .as_ref()
                .is_none_or(|pattern| is_like(pattern.as_bytes(), source_arn.as_bytes()))
    }
}

/// Whether a text is as a pattern says, in which `*` stands for any text and `?` for any byte.
fn is_like(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    // Where to go on when the last star has to take one byte more.
    let mut star = None;
    while from < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[from] => (at, from) = (at + 1, from + 1),
            _ => {
                let Some((star_at, taken)) = star else { return false };
                star = Some((star_at, taken + 1));
                (at, from) = (star_at + 1, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

impl Lambda {
    /// Adds a statement to the policy of a function, given by name or ARN.
    ///
    /// # Errors
    /// `ResourceNotFoundException`, or `InvalidParameterValueException` for an action that is not Lambda's.
    pub fn add_permission(&self, function: &str, permission: Permission) -> Result<(), Refusal> {
        if !permission.action.starts_with("lambda:") {
            return Err(invalid(format!("{} is not an action of Lambda.", permission.action)));
        }
        let name = name_of(function)?;
        let mut state = self.inner.lock();
        state.functions.get_mut(name).ok_or_else(|| not_found(name))?.permissions.push(permission);
        Ok(())
    }

    /// Whether a service that acts for `source_arn` may invoke a function, given by name or ARN.
    ///
    /// # Errors
    /// `ResourceNotFoundException`, or `AccessDeniedException` where no statement of its policy allows it.
    pub fn authorize(&self, principal: &str, source_arn: &str, function: &str) -> Result<(), Refusal> {
        let name = name_of(function)?;
        let state = self.inner.lock();
        let policy = &state.functions.get(name).ok_or_else(|| not_found(name))?.permissions;
        if policy.iter().any(|permission| permission.allows(principal, source_arn)) {
            return Ok(());
        }
        let message = format!(
            "{principal} is not authorized to perform: lambda:InvokeFunction on resource: {} because no resource-based \
             policy allows it for {source_arn}",
            super::arn(name)
        );
        Err(Refusal::client("AccessDeniedException", message).with_status(403))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_is_for_a_principal_and_a_source() {
        let permission = |source_arn: Option<&str>| Permission {
            action: "lambda:InvokeFunction".into(),
            principal: "events.amazonaws.com".into(),
            source_arn: source_arn.map(str::to_owned),
        };
        let rule = "arn:aws:events:us-east-1:123456789012:rule/hourly";
        for (source_arn, allows) in [
            (None, true),
            (Some(rule), true),
            (Some("arn:aws:events:*:123456789012:rule/*"), true),
            (Some("arn:aws:events:us-east-?:123456789012:rule/*ly"), true),
            (Some("arn:aws:events:us-east-1:123456789012:rule/hour"), false),
            (Some("arn:aws:events:us-east-1:123456789012:rule/*s"), false),
            (Some("*"), true),
        ] {
            assert_eq!(permission(source_arn).allows("events.amazonaws.com", rule), allows, "{source_arn:?}");
        }
        assert!(!permission(None).allows("s3.amazonaws.com", rule));
        let other = Permission { action: "lambda:GetFunction".into(), ..permission(None) };
        assert!(!other.allows("events.amazonaws.com", rule));
    }
}
