//! The other end of the worker's calls, in a process of its own so that its work is not counted as the worker's:
//! S3 that has one object, and DynamoDB that has one job, takes every row, counts it and forgets it, and whose conditions are
//! always met.
//!
//! It says nothing about how fast the real services are. It is there to be no bottleneck.

use std::{
    convert::Infallible,
    io::{self, SeekFrom, Write},
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use aws::ledger::JobItem;
use bytes::Bytes;
use futures::TryStreamExt;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Frame, Incoming},
    header,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use memchr::memmem::Finder;
use serde::{Deserialize, Serialize};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
    net::TcpListener,
};
use tokio_util::io::ReaderStream;

use crate::target::OWN_TABLE;

/// What a sink is told, on its standard input.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The object's bytes.
    pub(crate) file: PathBuf,
    /// The job, as a claim leaves it.
    pub(crate) job: JobItem,
}

/// What a sink tells, on its standard output, once its input ends.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Counted {
    /// Rows that were put.
    pub(crate) rows: u64,
    /// Since 1970, of the first call for the job.
    pub(crate) claimed: Option<Duration>,
}

/// The object's etag, as events have it and as S3 has it.
pub(crate) const ETAG: &str = "00000000000000000000000000000000";
const QUOTED_ETAG: &str = "\"00000000000000000000000000000000\"";

/// The keys of the table of one's own, as DescribeTable answers.
const OWN_KEYS: &[u8] = br#"{"Table":{"AttributeDefinitions":[{"AttributeName":"order_id","AttributeType":"N"}],"KeySchema":[{"AttributeName":"order_id","KeyType":"HASH"}]}}"#;

/// How much of the file is read at once.
const READ_BYTES: usize = 256 << 10;

struct Sink {
    file: PathBuf,
    length: u64,
    /// An UpdateItem's answer: the job.
    job: Bytes,
    put: Finder<'static>,
    /// Stands in a PutItem for the table of one's own.
    own_table: Finder<'static>,
    rows: AtomicU64,
    claimed: OnceLock<Duration>,
}

type Body = Either<Full<Bytes>, http_body_util::combinators::BoxBody<Bytes, io::Error>>;

/// Runs until standard input ends. The first line out is the port, the second what was counted.
///
/// # Errors
/// When it cannot be told what to serve, or cannot listen.
pub(crate) fn main() -> anyhow::Result<()> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let Order { file, job } = serde_json::from_str(&line).context("not an order")?;
    let item: serde_dynamo::Item = serde_dynamo::to_item(&job)?;
    let sink = Arc::new(Sink {
        length: file.metadata()?.len(),
        file,
        job: serde_json::to_vec(&serde_json::json!({ "Attributes": item }))?.into(),
        put: Finder::new(br#""PutRequest""#),
        own_table: Finder::new(format!("\"TableName\":\"{OWN_TABLE}\"").as_bytes()).into_owned(),
        rows: AtomicU64::new(0),
        claimed: OnceLock::new(),
    });
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?.port());
        io::stdout().flush()?;
        let mut ended = tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink()));
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let (stream, _) = accepted?;
                    stream.set_nodelay(true)?;
                    let sink = sink.clone();
                    let service = service_fn(move |request| {
                        let sink = sink.clone();
                        async move { Ok::<_, Infallible>(sink.answer(request).await) }
                    });
                    // A connection that the worker drops is its own affair.
                    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
                }
                read = &mut ended => {
                    read??;
                    break;
                }
            }
        }
        let counted =
            Counted { rows: sink.rows.load(Ordering::Relaxed), claimed: sink.claimed.get().copied() };
        println!("{}", serde_json::to_string(&counted)?);
        Ok(())
    })
}

impl Sink {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
        let operation = target.and_then(|target| target.rsplit('.').next()).unwrap_or("GetObject").to_owned();
        match operation.as_str() {
            "GetObject" => self
                .object(&request)
                .await
                .unwrap_or_else(|error| plain(StatusCode::INTERNAL_SERVER_ERROR, error.to_string().into())),
            "BatchWriteItem" => match request.into_body().collect().await {
                Ok(body) => {
                    let rows = self.put.find_iter(&body.to_bytes()).count() as u64;
                    self.rows.fetch_add(rows, Ordering::Relaxed);
                    plain(StatusCode::OK, Bytes::from_static(b"{}"))
                }
                Err(error) => plain(StatusCode::BAD_REQUEST, error.to_string().into()),
            },
            "UpdateItem" => {
                self.claimed.get_or_init(since_1970);
                plain(StatusCode::OK, self.job.clone())
            }
            "PutItem" => match request.into_body().collect().await {
                Ok(body) => {
                    let rows = u64::from(self.own_table.find(&body.to_bytes()).is_some());
                    self.rows.fetch_add(rows, Ordering::Relaxed);
                    plain(StatusCode::OK, Bytes::from_static(b"{}"))
                }
                Err(error) => plain(StatusCode::BAD_REQUEST, error.to_string().into()),
            },
            "DescribeTable" => plain(StatusCode::OK, Bytes::from_static(OWN_KEYS)),
            "GetItem" | "TransactWriteItems" => plain(StatusCode::OK, Bytes::from_static(b"{}")),
            other => plain(StatusCode::NOT_IMPLEMENTED, format!("no {other} here").into()),
        }
    }

    async fn object(&self, request: &Request<Incoming>) -> io::Result<Response<Body>> {
        let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        if text(header::IF_MATCH).is_some_and(|etag| etag != QUOTED_ETAG) {
            return Ok(plain(StatusCode::PRECONDITION_FAILED, Bytes::new()));
        }
        let range = text(header::RANGE).and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        let from = range.and_then(|(from, _)| from.parse().ok());
        let last = range.and_then(|(_, last)| last.parse::<u64>().ok());
        let start = from.unwrap_or(0).min(self.length);
        let end = last.map_or(self.length, |last| last.saturating_add(1).clamp(start, self.length));
        let mut file = File::open(&self.file).await?;
        file.seek(SeekFrom::Start(start)).await?;
        file.set_max_buf_size(READ_BYTES);
        let chunks = ReaderStream::with_capacity(file.take(end - start), READ_BYTES).map_ok(Frame::data);
        let mut answer = Response::new(Either::Right(BodyExt::boxed(StreamBody::new(chunks))));
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_LENGTH, (end - start).into());
        headers.insert(header::ETAG, header::HeaderValue::from_static(QUOTED_ETAG));
        if from.is_some() {
            let range = format!("bytes {start}-{}/{}", end.saturating_sub(1), self.length);
            headers.insert(header::CONTENT_RANGE, range.try_into().map_err(io::Error::other)?);
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        Ok(answer)
    }
}

fn plain(status: StatusCode, body: Bytes) -> Response<Body> {
    let mut answer = Response::new(Either::Left(Full::new(body)));
    *answer.status_mut() = status;
    answer
}

/// This moment, to be compared with another process's.
pub(crate) fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
