//! `tidemill env`: the variables by which AWS clients find a local cloud that runs.

use aws::{SdkConfig, stack::Deployed};
use serde_json::json;

use crate::{
    args::EnvArguments,
    endpoint::{self, IN_THE_WAY, PORTS, variables},
    output::{print, print_document},
    upload,
};

/// Prints them.
pub(crate) async fn run(arguments: &EnvArguments) -> anyhow::Result<u8> {
    let found = match arguments.port {
        Some(port) => is_ours(port).await.then_some(port),
        None => first_of_ours().await,
    };
    let port = found.ok_or_else(|| none_runs(arguments.port))?;
    let variables = variables(&endpoint::url(port));
    if arguments.json {
        let members = variables.map(|(name, value)| (name.to_owned(), value.into()));
        print_document(&json!(members.into_iter().collect::<serde_json::Map<_, _>>()))?;
    } else {
        print(&shell(&variables))?;
    }
    Ok(0)
}

/// As a shell reads them. None of the values needs quotes.
fn shell(variables: &[(&'static str, String)]) -> String {
    let mut text = format!("unset {}\n", IN_THE_WAY.join(" "));
    for (name, value) in variables {
        text += &format!("export {name}={value}\n");
    }
    text
}

async fn first_of_ours() -> Option<u16> {
    for port in PORTS {
        if is_ours(port).await {
            return Some(port);
        }
    }
    None
}

/// Whether the program that listens on a port, if there is one, has the stack: another local cloud has not.
async fn is_ours(port: u16) -> bool {
    if !endpoint::is_taken(port) {
        return false;
    }
    let config: SdkConfig = upload::config(&endpoint::url(port)).await;
    Deployed::find(&config, "tidemill").await.is_ok()
}

fn none_runs(port: Option<u16>) -> anyhow::Error {
    match port {
        Some(port) => {
            anyhow::anyhow!("no local cloud runs on port {port}; start one with `tidemill up --port {port}`")
        }
        None => anyhow::anyhow!(
            "no local cloud runs on the ports {} to {}; start one with `tidemill up`, or name its port with --port",
            PORTS.start(),
            PORTS.end()
        ),
    }
}
