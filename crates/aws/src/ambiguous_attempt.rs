//! Finds out whether any of the attempts that the SDK makes of one call was not answered and may have done its work.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use aws_sdk_ecs::{
    config::{ConfigBag, Intercept, RuntimeComponents, interceptors::FinalizerInterceptorContextRef},
    error::BoxError,
};

/// Watches one call. The SDK reports its last attempt only: a throttle may follow an attempt whose answer was lost and
/// which did its work. Clones watch the same call.
#[derive(Debug, Clone, Default)]
pub(super) struct AmbiguousAttempt(Arc<AtomicBool>);

impl AmbiguousAttempt {
    /// Whether an attempt so far was not answered, or with a 5xx, and may have done its work.
    pub(super) fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Intercept for AmbiguousAttempt {
    fn name(&self) -> &'static str {
        "AmbiguousAttempt"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if context.response().is_none_or(|answer| answer.status().is_server_error()) {
            self.0.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}
