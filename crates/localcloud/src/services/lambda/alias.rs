//! Which of a function is meant: the function itself, or an alias of it.
//!
//! There is one version of every function here, the one that runs, and an alias is a name for it. But as on AWS, what
//! is allowed or configured for an alias is not so for the function, and the other way round: a rule that targets an
//! alias while the permission names the function fails here too.

use super::{
    Lambda, arn,
    refusal::{invalid, not_found},
    service::Inner,
};
use crate::wire::{ACCOUNT, ApiError, REGION};

/// The qualifier of a function that is not asked for by an alias.
const LATEST: &str = "$LATEST";

/// A function, and by which name of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Qualified {
    /// The function's name.
    pub(super) name: String,
    /// `$LATEST`, or an alias.
    pub(super) qualifier: String,
}

impl Qualified {
    /// Reads a function that is given by name, by ARN, or by the end of an ARN from the account on; each with or
    /// without a qualifier.
    pub(super) fn parse(function: &str) -> Result<Self, ApiError> {
        let rest = function
            .strip_prefix("arn:aws:lambda:")
            .and_then(|rest| rest.strip_prefix(REGION)?.strip_prefix(':'));
        let rest = rest.unwrap_or(function);
        let rest =
            rest.strip_prefix(ACCOUNT).and_then(|rest| rest.strip_prefix(":function:")).unwrap_or(rest);
        let (name, qualifier) = rest.split_once(':').unwrap_or((rest, LATEST));
        if name.is_empty() || qualifier.is_empty() || qualifier.contains(':') {
            return Err(not_found(function));
        }
        Ok(Self { name: name.to_owned(), qualifier: qualifier.to_owned() })
    }

    /// Its ARN, with the qualifier.
    pub(super) fn arn(&self) -> String {
        format!("{}:{}", arn::function(&self.name), self.qualifier)
    }
}

impl Inner {
    /// A function that exists, by a name that it has.
    pub(super) fn qualified(&self, function: &str) -> Result<Qualified, ApiError> {
        let asked = Qualified::parse(function)?;
        let state = self.lock();
        let known = state.functions.get(&asked.name).ok_or_else(|| not_found(&asked.name))?;
        if asked.qualifier != LATEST && !known.aliases.contains(&asked.qualifier) {
            return Err(not_found(&asked.arn()));
        }
        Ok(asked)
    }
}

impl Lambda {
    /// Gives a function one more name. To give it again changes nothing.
    ///
    /// # Errors
    /// `ResourceNotFoundException` for an unknown function; `InvalidParameterValueException` for a name that is none.
    pub fn create_alias(&self, function: &str, alias: &str) -> Result<(), ApiError> {
        let letters = |it: char| it.is_ascii_alphanumeric() || it == '-' || it == '_';
        // All digits would be a version.
        if alias.is_empty() || !alias.chars().all(letters) || alias.chars().all(|it| it.is_ascii_digit()) {
            return Err(invalid(format!(
                "{alias:?} is no name of an alias: letters, digits, - and _, and not digits only."
            )));
        }
        let name = self.inner.qualified(function)?.name;
        let mut state = self.inner.lock();
        state.functions.get_mut(&name).ok_or_else(|| not_found(&name))?.aliases.insert(alias.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_known_by_its_name_and_its_arns() {
        for given in [
            "uploads",
            "uploads:$LATEST",
            "123456789012:function:uploads",
            "arn:aws:lambda:us-east-1:123456789012:function:uploads",
            "arn:aws:lambda:us-east-1:123456789012:function:uploads:$LATEST",
        ] {
            let read = Qualified::parse(given).unwrap();
            assert_eq!((read.name.as_str(), read.qualifier.as_str()), ("uploads", LATEST), "{given}");
        }
        let read = Qualified::parse("uploads:live").unwrap();
        assert_eq!(read.arn(), "arn:aws:lambda:us-east-1:123456789012:function:uploads:live");
        for given in ["", "uploads:", "a:b:c", "arn:aws:lambda:eu-west-1:123456789012:function:uploads"] {
            assert_eq!(Qualified::parse(given).unwrap_err().status, 404, "{given}");
        }
    }
}
