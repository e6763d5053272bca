//! `tidemill stop`: cancels a job.

use anyhow::bail;
use app::cancel::{Cancel, CancelError, Cancelled};
use serde_json::json;

use super::{
    deployment::{self, Deployment},
    uri,
};
use crate::{
    args::StopArguments,
    output::{one_line, print, print_document},
};

/// Stops the job.
pub(crate) async fn run(arguments: &StopArguments) -> anyhow::Result<u8> {
    let name = uri::job(&arguments.job)?;
    let deployment = Deployment::find(&arguments.target).await?;
    let id = deployment.job_id(name).await?;
    let who = deployment.caller().await?;
    let (cluster, stops) = (deployment.cluster()?, deployment.queue("StopsQueue")?);
    let cancel = Cancel { ledger: &deployment.ledger, cluster, stops };
    let (job, cancelled) = match cancel.run(&id, &who, deployment::now).await {
        Err(CancelError::Unknown(id)) => bail!(deployment.unknown_job(&id)),
        answer => answer?,
    };
    let message = match cancelled {
        Cancelled::TaskIsStopping => "its task is stopping; the job then fails as cancelled",
        Cancelled::WhileRunning => "failed as cancelled; its worker stops working on it",
        Cancelled::BeforeStart => "failed as cancelled before a worker started it",
    };
    if arguments.target.json {
        print_document(&json!({ "job": id, "object": job.object.uri(), "message": message }))?;
    } else {
        print(&format!("{}: {message}\n", one_line(&job.object.uri())))?;
    }
    Ok(0)
}
