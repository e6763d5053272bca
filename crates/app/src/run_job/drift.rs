//! The columns of an object beside those of its pipeline's earlier objects: read with their types, compared, remembered.
//!
//! Columns are remembered before the first row is written, so that an object that another job checks meanwhile is read
//! with the same types. What an attempt remembered and did not publish, the next attempt of the job finds again.

use std::sync::Arc;

use domain::{
    bad_input::Reason,
    drift::{Decision, Drifts, Known, KnownColumns, Observed, Policy, Source, decide},
    job::Change,
    text::escaped,
};
use readers::{Checked, Layout, Options};
use tracing::{info, warn};

use super::{job_exit::JobExit, job_run::JobRun, reading::columns_in_object};

/// What is known of a pipeline's columns while one of its objects is read.
pub(crate) struct PipelineColumns<'a> {
    run: JobRun<'a>,
    known: Known,
}

/// Whether the types that an object was checked with are those to read it with.
pub(crate) enum Settled {
    /// They are, and its columns are remembered. Holds how they differ from those before.
    Remembered(Drifts),
    /// Some column has to be text: the object needs another check.
    CheckAgain,
}

impl<'a> PipelineColumns<'a> {
    /// Reads what is known now.
    pub(crate) async fn read(run: JobRun<'a>) -> Result<Self, JobExit> {
        let JobRun { services, job, .. } = run;
        let columns = services.fleet.get_document_for::<KnownColumns>(&job.pipeline.name).await?;
        let policy = Policy::of(&job.pipeline, &services.watched_prefix);
        let known = Known { columns: Arc::new(columns.unwrap_or_default()), policy, job: job.id.clone() };
        Ok(Self { run, known })
    }

    /// How the object is read.
    pub(crate) fn options(&self, options: &Options) -> Options {
        Options { known: Some(self.known.clone()), ..options.clone() }
    }

    /// Remembers the columns of an object that passed its check with this number of records, and gives those without a
    /// value the type they had. Durable on return; a repeat changes nothing and returns the same drifts.
    pub(crate) async fn settle(&mut self, checked: &mut Checked, records: u64) -> Result<Settled, JobExit> {
        let Decision { next, drifts, types, .. } = self.remember(&checked.observed, records).await?;
        let mut is_other = false;
        if let Layout::Delimited(_) | Layout::Sheet(..) = checked.schema.layout {
            let declared = columns_in_object(&self.run.job.pipeline);
            let observed = checked.observed.columns.iter();
            for (column, observed) in checked.schema.columns.iter_mut().zip(observed) {
                let known = types.get(&*column.name).filter(|_| !declared.contains_key(&*column.name));
                let Some(kind) = known.filter(|kind| **kind != column.kind) else { continue };
                if observed.kinds.is_empty() {
                    column.kind = *kind;
                } else {
                    is_other = true;
                }
            }
        }
        self.known.columns = Arc::new(next);
        Ok(if is_other { Settled::CheckAgain } else { Settled::Remembered(drifts) })
    }

    /// Compares the columns of the job's object, which has this number of records, with those of its pipeline, and remembers
    /// them. Durable on return; a repeat changes nothing and returns the same drifts.
    ///
    /// # Errors
    /// The object is to fail for its drifts; or the table did not answer, and its columns may be remembered.
    pub(crate) async fn remember(&self, observed: &Observed, records: u64) -> Result<Decision, JobExit> {
        let JobRun { services, job, .. } = self.run;
        let before = if records == 0 { self.visible_before().await? } else { 0 };
        let (pipeline, source) = (&job.pipeline.name, Source::of(job, services.clock.now()));
        let of = |known: &KnownColumns| {
            let policy = self.known.policy;
            decide(known, observed, policy, &source).emptying(before, known, policy)
        };
        let mut decision = of(&self.known.columns);
        // Nearly every object changes nothing. Then the document need not be read once more: if another job changes it
        // meanwhile, this object came before that one's.
        if decision.next != *self.known.columns || decision.is_rejected {
            let change = |known: &mut KnownColumns| {
                let decision = of(known);
                known.clone_from(&decision.next);
                decision
            };
            decision = services.fleet.update_document_for(pipeline, "remember the columns", change).await?;
        }
        let words = escaped(&decision.drifts.sentence());
        if decision.is_rejected {
            let message = format!(
                "the object differs from earlier objects of pipeline {pipeline}: {words}; on_drift = \"reject\" in the \
                 pipelines file fails it"
            );
            return Err(JobExit::new(Change::Fail, Reason::Drift, message));
        }
        if !decision.drifts.is_empty() {
            warn!(
                job.id = %job.id,
                pipeline,
                columns = decision.drifts.total,
                "job {}'s object differs from earlier objects of pipeline {pipeline}: {words}",
                job.id
            );
        }
        if decision.next.is_full {
            info!(job.id = %job.id, "pipeline {pipeline} has more columns than are remembered");
        }
        Ok(decision)
    }

    /// How many records of an older version of the object are visible.
    async fn visible_before(&self) -> Result<u64, JobExit> {
        let JobRun { services, job, .. } = self.run;
        let visible = services.records.manifest(&job.object.bucket, &job.object.key).await?;
        Ok(visible.map_or(0, |visible| visible.records))
    }
}
