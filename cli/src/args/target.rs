//! How a deployment is found.

use clap::Args;

/// The deployment to use, found through the standard AWS environment (AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL, …).
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// Name of the stack; defaults to TIDEMILL_STACK, then to tidemill.
    #[arg(long, value_name = "NAME")]
    pub(crate) stack: Option<String>,
    /// Print JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}
