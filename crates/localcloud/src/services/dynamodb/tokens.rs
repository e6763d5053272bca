//! The client tokens of transactions, which make a repeat within ten minutes the same transaction
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>).
//!
//! Kept here and not by the library, which counts the ten minutes on the machine's clock instead of the cloud's, and
//! looks at every token at every call.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use jiff::Timestamp;
use serde_json::Value;

use crate::wire::ApiError;

/// How long a token is known.
const KNOWN: Duration = Duration::from_mins(10);

/// The tokens of the last ten minutes.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    by_token: HashMap<String, Made>,
    /// In the order of their transactions, and so of their ends.
    in_order: VecDeque<(Timestamp, String)>,
}

/// A transaction that was made.
#[derive(Debug)]
struct Made {
    input: Value,
    answer: Value,
}

impl Tokens {
    /// The answer to the transaction of this token, if it was made with the same input.
    ///
    /// # Errors
    /// As DynamoDB refuses it: it was made with another input.
    pub(super) fn find(
        &mut self,
        token: &str,
        input: &Value,
        now: Timestamp,
    ) -> Result<Option<Value>, ApiError> {
        while let Some((until, _)) = self.in_order.front()
            && *until <= now
        {
            if let Some((_, token)) = self.in_order.pop_front() {
                self.by_token.remove(&token);
            }
        }
        match self.by_token.get(token) {
            None => Ok(None),
            Some(made) if made.input == *input => Ok(Some(made.answer.clone())),
            Some(_) => Err(ApiError::client(
                "IdempotentParameterMismatchException",
                "DynamoDB rejected the request because you retried a request with a different payload but with an \
                 idempotent token that was already used.",
            )),
        }
    }

    /// Keeps the token of a transaction that is made now.
    pub(super) fn keep(&mut self, token: String, input: Value, answer: Value, now: Timestamp) {
        self.in_order.push_back((now + KNOWN, token.clone()));
        self.by_token.insert(token, Made { input, answer });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_is_known_for_ten_minutes_and_for_one_input() {
        let at = |minutes: i64| Timestamp::from_second(minutes * 60).unwrap();
        let mut tokens = Tokens::default();
        let (input, answer) = (json!({ "TransactItems": [1] }), json!({ "made": true }));
        assert_eq!(tokens.find("t", &input, at(0)), Ok(None));
        tokens.keep("t".to_owned(), input.clone(), answer.clone(), at(0));
        assert_eq!(tokens.find("t", &input, at(9)), Ok(Some(answer)));
        let other = tokens.find("t", &json!({ "TransactItems": [2] }), at(9)).unwrap_err();
        assert_eq!(other.code, "IdempotentParameterMismatchException");
        assert_eq!(tokens.find("t", &input, at(10)), Ok(None));
        assert!(tokens.by_token.is_empty() && tokens.in_order.is_empty());
    }
}
