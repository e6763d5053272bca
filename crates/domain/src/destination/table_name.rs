//! A DynamoDB table's name or ARN.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A table: by its name in the stack's account and region, or by its ARN anywhere.
///
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html>
///
/// ```
/// use domain::destination::TableName;
///
/// let arn: TableName = "arn:aws:dynamodb:eu-west-1:111122223333:table/shop".parse().unwrap();
/// assert_eq!((arn.name(), arn.region()), ("shop", Some("eu-west-1")));
/// let name: TableName = "shop".parse().unwrap();
/// assert_eq!((name.name(), name.region()), ("shop", None));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableName(String);

/// A text that names no table.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("it is neither 3 to 255 of a-z, A-Z, 0-9, _, - and . nor the ARN of a table")]
pub struct TableNameError;

impl TableName {
    /// As calls name it: DynamoDB takes an ARN wherever it takes a name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name alone.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit_once(":table/").map_or(&self.0, |(_, name)| name)
    }

    /// The region of an ARN.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.0.starts_with("arn:").then(|| self.0.split(':').nth(3))?
    }
}

impl FromStr for TableName {
    type Err = TableNameError;

    fn from_str(text: &str) -> Result<Self, TableNameError> {
        let name = match text.split(':').collect::<Vec<_>>().as_slice() {
            [name] => Some(*name),
            ["arn", partition, "dynamodb", region, account, table]
                if partition.starts_with("aws")
                    && !region.is_empty()
                    && account.len() == 12
                    && account.bytes().all(|b| b.is_ascii_digit()) =>
            {
                table.strip_prefix("table/")
            }
            _ => None,
        };
        let legal = |name: &&str| {
            (3..=255).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        };
        name.filter(legal).map(|_| Self(text.to_owned())).ok_or(TableNameError)
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TableName {
    type Error = TableNameError;

    fn try_from(text: String) -> Result<Self, TableNameError> {
        text.parse()
    }
}

impl From<TableName> for String {
    fn from(table: TableName) -> Self {
        table.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_arns_are_told_from_other_texts() {
        for good in ["abc", "My_table-1.2", "arn:aws-cn:dynamodb:cn-north-1:111122223333:table/abc"] {
            assert_eq!(good.parse::<TableName>().map(|table| table.to_string()), Ok(good.to_owned()));
        }
        for bad in [
            "",
            "ab",
            "a table",
            "arn:aws:dynamodb:eu-west-1:111122223333:table/abc/index/i",
            "arn:aws:dynamodb:eu-west-1:1111:table/abc",
            "arn:aws:s3:eu-west-1:111122223333:table/abc",
            "arn:aws:dynamodb:eu-west-1:111122223333:abc",
        ] {
            assert_eq!(bad.parse::<TableName>(), Err(TableNameError), "{bad}");
        }
    }
}
