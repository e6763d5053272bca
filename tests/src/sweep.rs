//! Sweeps, as λ schedule launches them, and what they leave behind.

use domain::{document::document_id, sweep::KeptPipelines};
use serde_json::{Value, json};

use crate::{TestEnv, golden, scan::scan};

impl TestEnv {
    /// Invokes λ schedule with this event and returns its answer.
    ///
    /// # Panics
    /// When the function fails.
    pub async fn schedule(&self, event: Value) -> Value {
        let function = &self.cloud.stack().resources["ScheduleFunction"].name;
        self.cloud.services().lambda.invoke(function, event).await.expect("λ schedule")
    }

    /// Launches a sweep that is asked for this.
    ///
    /// # Panics
    /// When λ schedule fails.
    pub async fn sweep(&self, ask: Value) {
        self.schedule(json!({ "sweep": ask })).await;
    }

    /// Lets a sweep of the usual kind come by, and waits until nothing is under way.
    ///
    /// # Panics
    /// When λ schedule fails, or it does not become quiet.
    pub async fn swept(&self) {
        self.sweep(json!({})).await;
        self.quiet().await;
    }

    /// All that the three tables hold, but for the pipelines that λ schedule keeps whenever it is invoked.
    #[must_use]
    pub fn tables(&self) -> Vec<Value> {
        let dynamodb = &self.cloud.services().dynamodb;
        let tables = ["LedgerTable", "RecordsTable", "FleetTable"];
        let names = tables.map(|table| &self.cloud.stack().resources[table].name);
        let mut items: Vec<Value> = names.into_iter().flat_map(|name| scan(dynamodb, name)).collect();
        let pipelines = document_id::<KeptPipelines>();
        items.retain(|item| item["id"]["S"] != *pipelines);
        items.sort_by_key(ToString::to_string);
        items
    }

    /// Compares a text with `tests/golden/NAME.txt`, jobs and versions named by the order of their keys. With
    /// `UPDATE_GOLDEN=1` it is written instead.
    ///
    /// # Panics
    /// When they differ, with the difference.
    pub async fn golden_text(&self, name: &str, text: &str) {
        let mut text = text.replace(self.bucket(), "BUCKET");
        for (n, job) in self.jobs().await.into_iter().enumerate() {
            text = text.replace(job.id.as_str(), &format!("job-{}", n + 1));
            if let Some(version) = &job.object.version_id {
                text = text.replace(version, &format!("version-{}", n + 1));
            }
        }
        golden::compare(name, &text);
    }
}
