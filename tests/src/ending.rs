//! The end of a transcript: the state that a run leaves behind.

use std::fmt::Write;

use crate::{TestEnv, golden, transcript::note};

impl TestEnv {
    /// Compares the transcript with `tests/golden/NAME.txt`. With `UPDATE_GOLDEN=1` it is written instead.
    ///
    /// # Panics
    /// When they differ, with the difference; when the plan was not to keep a transcript.
    pub async fn golden(&self, name: &str) {
        let transcript = self.transcript.as_ref().expect("Plan::with_transcript");
        transcript.add("the end");
        let mut text = transcript.lock().lines.clone();
        self.write_end(&mut text).await.expect("memory takes it");
        let written = transcript.lock();
        let versions = self.versions.lock().expect("no panic");
        for (ids, name) in [(&written.tasks, "task"), (&written.jobs, "job"), (&*versions, "version")] {
            for (n, id) in ids.iter().enumerate() {
                text = text.replace(id.as_str(), &format!("{name}-{}", n + 1));
            }
        }
        golden::compare(name, &text);
    }

    /// The state at the end.
    async fn write_end(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "\njobs")?;
        let mut keys = Vec::new();
        for job in self.jobs().await {
            note(&mut keys, &job.object.key);
            let version = job.object.version_id.as_deref().unwrap_or_default();
            let reason = job.reason().map(|it| format!(", {}: {}", it.code, it.message));
            writeln!(
                text,
                "  {} {} {version}: {}, {} records, {} rejected, attempt {}, {} counted{}",
                job.id,
                job.object.key,
                job.state().as_str(),
                job.records(),
                job.rejected(),
                job.attempt,
                job.counted_attempts,
                reason.unwrap_or_default()
            )?;
            for ended in &job.history {
                let verdict = &ended.verdict;
                writeln!(text, "    {}. {} {}: {}", ended.number, ended.task, verdict.code, verdict.message)?;
            }
        }
        writeln!(text, "\nvisible")?;
        for key in keys {
            let version = self.manifest(&key).await.and_then(|it| it.version_id);
            writeln!(text, "  {key} {}", version.as_deref().unwrap_or("nothing"))?;
            for record in self.visible(&key).await {
                writeln!(text, "    {record}")?;
            }
        }
        writeln!(text, "\nmails")?;
        for mail in self.mails() {
            writeln!(text, "  {}", mail.subject)?;
            for line in mail.body.lines() {
                writeln!(text, "{}", format!("    | {line}").trim_end())?;
            }
        }
        writeln!(text, "\ndead letters")?;
        for letter in self.dead_letters().await {
            let reason = letter.reason.as_deref().unwrap_or("given up by its queue");
            writeln!(text, "  {reason}: {}", letter.detail.as_deref().unwrap_or_default())?;
            writeln!(text, "    | {}", letter.body)?;
        }
        Ok(())
    }
}
