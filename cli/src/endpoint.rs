//! Where the local cloud listens, and the variables by which AWS clients find it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    ops::RangeInclusive,
    time::Duration,
};

use anyhow::Context;
use localcloud::wire::{OWNER_KEY, REGION, SECRET};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::output::one_line;

/// The ports that `up` tries, and on which `env` looks for it. Other local clouds have the first one too.
pub(crate) const PORTS: RangeInclusive<u16> = 4566..=4575;

/// The address of a port.
pub(crate) fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// The endpoint of a port, for `AWS_ENDPOINT_URL`.
pub(crate) fn url(port: u16) -> String {
    format!("http://{}", address(port))
}

/// Whether somebody listens on a port. On this machine the answer comes at once.
pub(crate) fn is_taken(port: u16) -> bool {
    TcpStream::connect_timeout(&address(port), Duration::from_secs(1)).is_ok()
}

/// What the local cloud at this endpoint answers to an unsigned request. It is no call of AWS, for which the SDKs' clients are,
/// and a page of a local program needs no HTTP client's redirects, encryption and pools.
///
/// # Errors
/// When nobody listens there, or who does answers with an error.
pub(crate) async fn get(endpoint: &str, path: &str) -> anyhow::Result<String> {
    let address = endpoint.strip_prefix("http://").unwrap_or(endpoint).trim_end_matches('/');
    let ask = async {
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        // Version 1.0: the connection ends with the answer.
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(MOST_BYTES).read_to_end(&mut answer).await?;
        io::Result::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = tokio::time::timeout(PATIENCE, ask)
        .await
        .context("no answer came in time")
        .and_then(|answer| answer.context("check that it is running and that AWS_ENDPOINT_URL is right"));
    let answer = answer.with_context(|| format!("cannot ask the local cloud at {}", one_line(endpoint)))?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.split(' ').nth(1) == Some("200") => Ok(body.to_owned()),
        _ => anyhow::bail!("{} is not the endpoint of a local cloud", one_line(endpoint)),
    }
}

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most bytes of an answer: of some thousand mails.
const MOST_BYTES: u64 = 64 << 20;

/// What to say of an endpoint that is not the usual one.
pub(crate) fn note(endpoint: &str) -> Option<String> {
    let usual = PORTS.start();
    (endpoint != url(*usual)).then(|| format!("port {usual} is in use, so another one was taken"))
}

/// The argument that `env` needs to find this endpoint; nothing for one that it finds alone.
pub(crate) fn argument(endpoint: &str) -> String {
    match endpoint.rsplit_once(':') {
        Some((_, port)) if endpoint != url(*PORTS.start()) => format!(" --port {port}"),
        _ => String::new(),
    }
}

/// The variables. Python's boto3 does not read `AWS_REGION`, and the other SDKs do not read `AWS_DEFAULT_REGION`.
pub(crate) fn variables(endpoint: &str) -> [(&'static str, String); 5] {
    [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", OWNER_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_REGION", REGION),
        ("AWS_DEFAULT_REGION", REGION),
    ]
    .map(|(name, value)| (name, value.to_owned()))
}

/// The variables that would lead a client past the others: a profile, and the token of other credentials.
pub(crate) const IN_THE_WAY: [&str; 3] = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_port_than_the_usual_one_is_named() {
        assert_eq!((note(&url(4566)), argument(&url(4566))), (None, String::new()));
        assert_eq!(note(&url(4567)).unwrap(), "port 4566 is in use, so another one was taken");
        assert_eq!(argument("http://127.0.0.1:4567"), " --port 4567");
    }
}
