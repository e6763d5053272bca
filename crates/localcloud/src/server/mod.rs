//! The cloud on a port of this machine, for whatever speaks HTTP: other processes, other languages, a browser.

use std::{io, net::SocketAddr, time::Duration};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{faults::Lost, frontend::Frontend, wire::Body};

/// How long calls in flight get to finish when the server stops. A function that waits for its next event never
/// does.
const GRACE: Duration = Duration::from_secs(2);

/// The port cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else listens there.
    #[error("{address} is already in use: end the program that listens there, or choose another port")]
    InUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// None was given.
    #[error("no address to listen on was given")]
    NoAddress,
    /// Anything else, such as a port below 1024.
    #[error("failed to listen on {address}: choose another port")]
    Refused {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// An address that is ours, before anything answers there.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Takes `address` (port 0 is any free port).
    ///
    /// # Errors
    /// When it is taken or not to be had.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let refused = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { address },
            _ => BindError::Refused { address, source },
        };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self { listener, address })
    }

    /// Takes the first of these addresses that nobody else listens on.
    ///
    /// # Errors
    /// When all are taken, or one is not to be had for another reason.
    pub async fn bind_first(addresses: &[SocketAddr]) -> Result<Self, BindError> {
        let mut taken = BindError::NoAddress;
        for address in addresses {
            match Self::bind(*address).await {
                Err(error @ BindError::InUse { .. }) => taken = error,
                other => return other,
            }
        }
        Err(taken)
    }
}

/// A listening server. It serves until [`Server::stop`] or until it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    /// Ends every connection at once.
    kill: CancellationToken,
    accepting: JoinHandle<()>,
    connections: TaskTracker,
}

impl Server {
    /// Listens on `address` (port 0 is any free port) and answers from `frontend`.
    ///
    /// # Errors
    /// When the address is taken or not to be had; nothing runs then.
    pub async fn bind(frontend: Frontend, address: SocketAddr) -> Result<Self, BindError> {
        Ok(Self::start(frontend, Listener::bind(address).await?))
    }

    /// Answers from `frontend` what comes to `listener`.
    #[must_use]
    pub fn start(frontend: Frontend, listener: Listener) -> Self {
        let Listener { listener, address } = listener;
        let stop = CancellationToken::new();
        let kill = CancellationToken::new();
        let connections = TaskTracker::new();
        let accept = accept(listener, frontend, connections.clone(), stop.clone(), kill.clone());
        Self { address, accepting: tokio::spawn(accept), stop, kill, connections }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, for `AWS_ENDPOINT_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Takes no more connections, lets calls in flight finish for two seconds, ends the others. Nothing of it is
    /// left when this returns.
    pub async fn stop(mut self) {
        self.stop.cancel();
        // It ends by the token; a panic in it has been reported by its task.
        let _ = (&mut self.accepting).await;
        self.connections.close();
        if tokio::time::timeout(GRACE, self.connections.wait()).await.is_err() {
            self.kill.cancel();
            self.connections.wait().await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        self.kill.cancel();
    }
}

async fn accept(
    listener: TcpListener,
    frontend: Frontend,
    connections: TaskTracker,
    stop: CancellationToken,
    kill: CancellationToken,
) {
    loop {
        let stream = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file handles, mostly: some come free as connections end. Accepting at once would spin.
                    tracing::warn!(%error, "failed to accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        connections.spawn(serve(stream, frontend.clone(), stop.clone(), kill.clone()));
    }
}

async fn serve(stream: TcpStream, frontend: Frontend, stop: CancellationToken, kill: CancellationToken) {
    // Without this, Nagle's algorithm and delayed acknowledgements cost small S3 answers 40 ms each.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "failed to set TCP_NODELAY");
    }
    let service = service_fn(move |request: Request<Incoming>| {
        let frontend = frontend.clone();
        async move { deliver(frontend.call(request.map(Body::from)).await) }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = &mut connection => ended,
        () = kill.cancelled() => return,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                ended = &mut connection => ended,
                () = kill.cancelled() => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// A lost answer is an error here, upon which hyper closes the connection without a word.
fn deliver(response: Response<Body>) -> Result<Response<Body>, LostAnswer> {
    match response.extensions().get::<Lost>() {
        Some(_) => Err(LostAnswer),
        None => Ok(response),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a fault lost the answer")]
struct LostAnswer;

#[cfg(test)]
mod tests;
