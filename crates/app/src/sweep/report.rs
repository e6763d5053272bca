//! Writes the report of each hour and mails its digest.

use aws::objects::Writing;
use domain::{
    mail, object,
    schedule_runs::ScheduleRuns,
    sweep::{
        HOUR, Progress,
        report::{Open, Summary, SweepStats, lines_key, summary_key},
    },
};
use tracing::info;

use super::{
    StepError, Sweep,
    settled::{HourReport, HourReports},
};
use crate::item_failures::ItemFailures;

impl Sweep {
    /// Writes the reports of the hours that are over, oldest first, and mails their digests. An hour counts as reported
    /// when both are done. If the process is killed before that, the next sweep writes the same lines again and may mail
    /// the digest a second time.
    pub(super) async fn report(
        &self,
        reports: HourReports,
        open: Open,
        stats: &mut SweepStats,
    ) -> Result<(), StepError> {
        let HourReports { mut progress, hours, .. } = reports;
        let last = hours.len().saturating_sub(1);
        let mut failures = ItemFailures::default();
        let runs = self.fleet.get_document::<ScheduleRuns>().await?.unwrap_or_default();
        for (index, counted) in hours.into_iter().enumerate() {
            let (open, stats) = if index == last { (open, stats.clone()) } else { Default::default() };
            let HourReport { counts, lines } = counted;
            let summary = counts.finish(open, stats).with_runs(&runs);
            self.report_hour(summary, lines, &mut progress, &mut failures).await?;
        }
        Ok(failures.finish()?)
    }

    async fn report_hour(
        &self,
        summary: Summary,
        lines: Option<Writing>,
        progress: &mut Progress,
        failures: &mut ItemFailures,
    ) -> Result<(), StepError> {
        let hour = summary.hour;
        info!(hour = %hour, summary = %serde_json::json!(summary), dry_run = self.dry_run, "report of the hour {hour}");
        if self.dry_run {
            return Ok(());
        }
        if let Some(lines) = lines {
            lines.finish().await?;
        }
        let mut file = self.objects.create(&self.bucket, &summary_key(&self.reports_prefix, hour));
        file.write(summary.to_json().as_bytes()).await?;
        file.finish().await?;
        if self.notify_on.digest() && !summary.is_quiet() {
            let report = object::uri(&self.bucket, &lines_key(&self.reports_prefix, hour));
            match self.mailer.send(&mail::digest(&summary, &report)).await {
                // A digest that SNS will never accept must not hold up those that follow: its report is in S3.
                Err(error) if !error.is_retryable() => {
                    _ = failures.record::<(), _>(format!("digest of {hour}"), Err(error))
                }
                sent => sent?,
            }
        }
        progress.reported_until = hour.checked_add(HOUR).unwrap_or(hour);
        self.fleet.put_document(progress).await?;
        Ok(())
    }
}
