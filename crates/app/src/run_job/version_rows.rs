//! The rows of a version of an object, read again for the keys of the items that they became.

use domain::{destination::KeySet, job::Job};
use readers::{ReadError, Rows};

use super::{
    drift::PipelineColumns,
    job_exit::JobExit,
    job_run::JobRun,
    own_table::{CALLS_IN_FLIGHT, OwnTable},
    reading::{ReadAs, read_options, tolerance},
    source::{self, Source},
};

/// The rows of a version, read in one way.
pub(crate) struct VersionRows {
    pub(crate) table: OwnTable,
    pub(crate) source: Source,
    pub(crate) read_as: ReadAs,
    /// How many rows there are.
    pub(crate) count: u64,
}

impl VersionRows {
    /// The rows as the version's own job may have written them: with the types that its columns have by themselves, and with
    /// those that the pipeline's other objects gave them. No item is deleted that the version did not write, so a reading
    /// too many costs calls and nothing else. Empty if the version has no items in the table of `run`'s job; `None` if it
    /// cannot be read any more.
    pub(crate) async fn open(run: JobRun<'_>, old: &Job) -> Result<Option<Vec<Self>>, JobExit> {
        let JobRun { services, job, .. } = run;
        let Some(now) = &job.pipeline.destination else { return Ok(Some(Vec::new())) };
        // Its items are in another table, or cannot be told from the application's.
        let Some(then) = old
            .pipeline
            .destination
            .as_ref()
            .filter(|then| then.table == now.table && then.provenance == now.provenance)
        else {
            return Ok(Some(Vec::new()));
        };
        let table = OwnTable::of(services, old, then).await?;
        let source = Source::new(services.objects.clone(), old.object.clone(), 0);
        let alone = read_options(&old.pipeline, None, services.memory.buffers());
        let among_others = PipelineColumns::read(JobRun { job: old, ..run }).await?.options(&alone);
        let mut readings: Vec<Self> = Vec::with_capacity(2);
        for options in [alone, among_others] {
            match readers::check(source.reader(), &options, tolerance(&old.pipeline)).await {
                Ok(checked) if readings.iter().any(|it| it.read_as.schema == checked.schema) => {}
                Ok(checked) => readings.push(Self {
                    table: table.clone(),
                    source: source.clone(),
                    read_as: ReadAs { options, schema: checked.schema },
                    count: checked.rows,
                }),
                // Nothing was written of an object that does not pass the check.
                Err(ReadError::Bad(_)) => {}
                Err(ReadError::Source(error)) => match source::read_error(error) {
                    Ok(aws::objects::ReadError::SourceDeleted(_)) => return Ok(None),
                    Ok(error) => return Err(ReadError::Source(std::io::Error::other(error)).into()),
                    Err(error) => return Err(ReadError::Source(error).into()),
                },
            }
        }
        Ok(Some(readings))
    }

    pub(crate) async fn rows(&self) -> Result<Rows, ReadError> {
        Rows::open(self.source.reader(), &self.read_as.options, Some(&self.read_as.schema)).await
    }

    /// Deletes the items whose keys are of the pass of `kept` and not in it, or all, where `condition` holds for `job`'s version.
    pub(crate) async fn delete(
        &self,
        job: &Job,
        condition: &'static str,
        kept: Option<&KeySet>,
    ) -> Result<u64, JobExit> {
        let mut rows = self.rows().await?;
        let (mut deleted, mut keys) = (0, Vec::with_capacity(CALLS_IN_FLIGHT));
        while let Some(row) = rows.next().await? {
            let Ok(record) = row.content else { continue };
            let Ok(item) = self.table.item(row.number, row.place, record) else { continue };
            let is_missing = kept.is_none_or(|kept| {
                let key = item.key_hash();
                kept.is_of_pass(&key) && !kept.has(&key)
            });
            if is_missing {
                keys.push(item.key);
            }
            if keys.len() == CALLS_IN_FLIGHT {
                deleted += self.table.delete_all(job, condition, std::mem::take(&mut keys)).await?;
            }
        }
        Ok(deleted + self.table.delete_all(job, condition, keys).await?)
    }
}
