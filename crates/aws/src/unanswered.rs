//! Whether any of the tries that the SDK makes of one call went without an answer.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use aws_sdk_ecs::{
    config::{ConfigBag, Intercept, RuntimeComponents, interceptors::FinalizerInterceptorContextRef},
    error::BoxError,
};

/// Watches one call. The SDK tells only of its last try: a throttle may follow a try whose answer was lost and which did
/// its work. Clones watch the same call.
#[derive(Debug, Clone, Default)]
pub(super) struct Unanswered(Arc<AtomicBool>);

impl Unanswered {
    /// Whether a try so far was not answered, or by a broken service, and may have done its work.
    pub(super) fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Intercept for Unanswered {
    fn name(&self) -> &'static str {
        "Unanswered"
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
