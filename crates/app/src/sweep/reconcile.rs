//! Finds object versions and deletions whose events were lost ([`crate::reconcile`]).

use domain::{
    pipelines::Pipelines,
    sweep::{KeptPipelines, report::SweepStats},
};

use super::{StepError, Sweep};
use crate::reconcile::{Reconcile, ReconcileError, Reconciled};

impl Sweep {
    /// Sends the versions in the sweep's range that have no job to the uploads queue.
    pub(super) async fn reconcile(&self, stats: &mut SweepStats) -> Result<(), StepError> {
        let pipelines = self.pipelines().await?;
        let reconcile = Reconcile {
            ledger: &self.ledger,
            records: &self.records,
            objects: &self.objects,
            uploads: &self.uploads,
            watched: &self.watched,
            pipelines: &pipelines,
            range: self.range,
            prefix: self.prefix.as_deref(),
            dry_run: self.dry_run,
        };
        let mut counts = Reconciled::default();
        let compared = reconcile.run(&mut counts, &mut |_, _| {}).await;
        (stats.listed, stats.ignored, stats.found) = (counts.listed, counts.ignored, counts.found);
        stats.deletions = counts.deletions;
        Ok(compared?)
    }

    /// The pipelines that λ schedule stored when it launched this sweep, or another one since.
    pub(super) async fn pipelines(&self) -> Result<Pipelines, StepError> {
        let kept = self.fleet.get_document::<KeptPipelines>().await?.ok_or(StepError::NoPipelines)?;
        Ok(Pipelines::parse(&kept.text, "pipelines.toml")?)
    }
}

impl From<ReconcileError> for StepError {
    fn from(error: ReconcileError) -> Self {
        match error {
            ReconcileError::Call(error) => error.into(),
            ReconcileError::Items(failed) => failed.into(),
        }
    }
}
