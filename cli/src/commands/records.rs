//! `tidemill records`: prints the visible records of an object, found through its manifest.

use std::io::{self, Write};

use super::{deployment::Deployment, uri::ObjectUri};
use crate::{
    args::RecordsArguments,
    export::{self, ExportError},
};

/// Prints them.
pub(crate) async fn run(arguments: &RecordsArguments) -> anyhow::Result<u8> {
    let object = ObjectUri::parse(&arguments.object)?;
    let deployment = Deployment::find(&arguments.target).await?;
    deployment.check_bucket(&object)?;
    let mut out = io::BufWriter::new(io::stdout());
    let written = export::of_key(&deployment.records, &object.bucket, &object.key, &mut out).await;
    let flushed = out.flush();
    let written = written.map_err(|error| match error {
        ExportError::Call(call) => anyhow::Error::new(call),
        other => other.into(),
    })?;
    flushed?;
    anyhow::ensure!(
        written.is_some(),
        "no records of {} are visible; run `tidemill explain {:?}` to see why",
        crate::output::one_line(&object.to_string()),
        object.to_string()
    );
    Ok(0)
}
