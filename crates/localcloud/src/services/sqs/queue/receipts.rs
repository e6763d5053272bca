//! Receipt handles: which message they are of, and which receive of it.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{Queue, Slot};
use crate::wire::ApiError;

impl Queue {
    pub(super) fn holds(&self, slot: Slot, nonce: u64) -> bool {
        self.messages.get(&slot).and_then(|message| message.receipt).is_some_and(|r| r.nonce == nonce)
    }

    pub(super) fn receipt_handle(&self, slot: Slot, nonce: u64) -> String {
        STANDARD.encode(format!("{}/{slot}/{nonce:016x}", self.settings.name))
    }

    pub(super) fn read_handle(&self, handle: &str) -> Result<(Slot, u64), ApiError> {
        let read = || {
            let plain = String::from_utf8(STANDARD.decode(handle).ok()?).ok()?;
            let mut parts = plain.split('/');
            let (name, slot, nonce) = (parts.next()?, parts.next()?, parts.next()?);
            let ours = name == self.settings.name && parts.next().is_none();
            ours.then_some((slot.parse().ok()?, u64::from_str_radix(nonce, 16).ok()?))
        };
        read().ok_or_else(|| {
            ApiError::client(
                "ReceiptHandleIsInvalid",
                format!("The input receipt handle \"{handle}\" is not a valid receipt handle."),
            )
        })
    }
}
