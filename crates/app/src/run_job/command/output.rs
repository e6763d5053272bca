//! A run of a command: its input fed, its words heard, and its output as a stream that ends well or not at all.

use std::{io, pin::pin, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use domain::{
    job::{Change, Job},
    pipelines::Command,
};
use futures::stream;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{ChildStdin, ChildStdout},
    sync::mpsc,
    time::timeout,
};
use tokio_util::{io::StreamReader, task::AbortOnDropHandle};
use tracing::info;

use super::{
    Commands, exit_status,
    memory_watch::Watch,
    process_group::{Group, Pipes},
    stderr::Words,
};
use crate::run_job::{
    job_progress::Doing,
    read_and_write::{Left, unread},
};

/// How much is read of a pipe, or of the object, at once: what a pipe holds.
const PIECE_BYTES: usize = 64 << 10;

/// How many pieces of the output are ahead of their reader. When they are, the command has to wait.
const PIECES_AHEAD: usize = 4;

/// How long the last words of a command that has ended may take to arrive.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why the output of a command has no end: how the job is to be left, on its way through whoever reads.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.reason.message)]
pub(crate) struct Broken(pub(crate) Left);

/// Everything a run needs, by value: it is a task of its own.
struct Plan {
    job: Job,
    command: Command,
    environment: std::collections::BTreeMap<String, String>,
    limit_bytes: u64,
    doing: Arc<Doing>,
    running: tokio_util::task::TaskTracker,
}

impl Commands {
    /// Starts the command on an object whose first bytes are there: one that is gone is never handed to it. Returns its
    /// output; a failure is an [`io::Error`] around [`Broken`]. Dropping it ends the command.
    pub(super) async fn run(
        &self,
        job: &Job,
        command: &Command,
        mut source: impl AsyncRead + Send + Unpin + 'static,
        limit_bytes: u64,
        doing: &Arc<Doing>,
    ) -> Result<impl AsyncRead + Send + Unpin + 'static, Left> {
        if job.object.key.contains('\0') {
            let words = "the key holds a NUL, which no command can be told: upload the object under another";
            return Err(Left::new(Change::Fail, "bad_input", words));
        }
        let mut first = BytesMut::with_capacity(PIECE_BYTES);
        source.read_buf(&mut first).await.map_err(|error| unread(readers::ReadError::Source(error)))?;
        let plan = Plan {
            job: job.clone(),
            command: command.clone(),
            environment: self.inherited.environment(job, command),
            limit_bytes,
            doing: doing.clone(),
            running: self.running.clone(),
        };
        let (send, receive) = mpsc::channel(PIECES_AHEAD);
        let run = self.running.spawn(async move {
            if let Err(left) = run(plan, first.freeze(), source, &send).await {
                // Nobody is listening any more when the send fails.
                drop(send.send(Err(io::Error::other(Broken(left)))).await);
            }
        });
        let run = AbortOnDropHandle::new(run);
        let pieces = stream::unfold(Some((receive, run)), |state| async move {
            let (mut receive, run) = state?;
            match receive.recv().await {
                Some(piece) => Some((piece, Some((receive, run)))),
                // A run that panicked is no end of the output.
                None => run.await.err().map(|panic| (Err(io::Error::other(panic)), None)),
            }
        });
        // A reader may ask again after the end.
        Ok(StreamReader::new(Box::pin(futures::StreamExt::fuse(pieces))))
    }
}

/// From the start of the command to its end. When this returns well, all of the output is sent and it is all there is.
async fn run(
    plan: Plan,
    first: Bytes,
    source: impl AsyncRead + Unpin,
    send: &mpsc::Sender<io::Result<Bytes>>,
) -> Result<(), Left> {
    let Plan { job, command, environment, limit_bytes, doing, running } = plan;
    let program = &command.words[0];
    let (mut group, pipes) =
        Group::spawn(&command.words, environment, running).map_err(|error| not_started(program, &error))?;
    info!(job.id = %job.id, program, memory.limit_bytes = limit_bytes, "the command runs");
    let watch = Watch::begin(group.id(), limit_bytes);
    let Pipes { stdin, stdout, stderr } = pipes;
    let mut words = Words::new(&job.id, &doing);
    let ended = {
        let mut hearing = pin!(words.hear(stderr));
        let ending = async {
            let ended = async {
                group.wait().await.map_err(|error| internal("the command's end is not known", &error))
            };
            let judged = async {
                let status = ended.await?;
                if status.success() { Ok(status) } else { Err(Stopped::Ended(status)) }
            };
            let fed = async { feed(first, source, stdin).await.map_err(Stopped::Left) };
            let collected =
                async { collect(stdout, command.output_bytes, send).await.map_err(Stopped::Left) };
            tokio::try_join!(judged, fed, collected).map(|_| ())
        };
        let mut ending = pin!(ending);
        let (mut heard, mut ended) = (false, None);
        while ended.is_none() {
            tokio::select! {
                () = &mut hearing, if !heard => heard = true,
                result = &mut ending => ended = Some(result),
            }
        }
        if !heard {
            // Its last words are on their way; but a process that left the group may keep the way open.
            drop(timeout(LAST_WORDS, hearing).await);
        }
        ended.unwrap_or(Ok(()))
    };
    if let Some(used) = watch.over() {
        let [used, limit] = [used, limit_bytes].map(|bytes| bytes >> 20);
        let message =
            format!("the command used {used} MiB of memory, and there are {limit} for it in this task");
        return Err(Left::new(Change::Return, "out_of_memory", message));
    }
    match ended {
        Ok(()) => {
            info!(job.id = %job.id, program, "the command is done");
            Ok(())
        }
        Err(Stopped::Ended(status)) => {
            info!(job.id = %job.id, program, %status, "the command has ended");
            exit_status::judge(status, words.last())
        }
        Err(Stopped::Left(left)) => Err(left),
    }
}

/// Why a run is not to be read to its end.
enum Stopped {
    /// The command has ended, not with 0.
    Ended(std::process::ExitStatus),
    /// Something else is wrong.
    Left(Left),
}

impl From<Left> for Stopped {
    fn from(left: Left) -> Self {
        Self::Left(left)
    }
}

/// Hands the object's bytes to the command, as fast as it takes them. One that takes no more of them has its reasons; one
/// that takes them all is not done before the last is found to be what S3 stored.
async fn feed(first: Bytes, mut source: impl AsyncRead + Unpin, mut stdin: ChildStdin) -> Result<(), Left> {
    let mut piece = BytesMut::from(first);
    while !piece.is_empty() {
        match stdin.write_all(&piece).await {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(internal("the command cannot be given its object", &error)),
        }
        piece.clear();
        piece.reserve(PIECE_BYTES);
        source.read_buf(&mut piece).await.map_err(|error| unread(readers::ReadError::Source(error)))?;
    }
    Ok(())
}

/// Passes on what the command prints, up to so many bytes.
async fn collect(
    mut stdout: ChildStdout,
    most_bytes: u64,
    send: &mpsc::Sender<io::Result<Bytes>>,
) -> Result<(), Left> {
    let (mut piece, mut sum) = (BytesMut::new(), 0_u64);
    loop {
        piece.reserve(PIECE_BYTES);
        let read = stdout.read_buf(&mut piece).await;
        let read = read.map_err(|error| internal("the command's output cannot be read", &error))?;
        if read == 0 {
            return Ok(());
        }
        sum += read as u64;
        if sum > most_bytes {
            let words = format!(
                "the command printed more than {most_bytes} bytes: have it print less, or raise output_bytes of its pipeline"
            );
            return Err(Left::new(Change::Fail, "output_too_large", words));
        }
        if send.send(Ok(piece.split().freeze())).await.is_err() {
            return Err(Left::new(Change::Return, "internal", "nobody reads the command's output any more"));
        }
    }
}

fn not_started(program: &str, error: &io::Error) -> Left {
    use rustix::io::Errno;
    let words = format!("cannot start {program}: {error}");
    let lacking = [Errno::AGAIN, Errno::NOMEM].map(Errno::raw_os_error);
    if error.raw_os_error().is_some_and(|code| lacking.contains(&code)) {
        return Left::new(Change::Return, "try_again", words);
    }
    Left::new(
        Change::Return,
        "misconfigured",
        format!("{words}; it must be an executable of the worker's image"),
    )
}

fn internal(words: &str, error: &io::Error) -> Left {
    Left::new(Change::Return, "internal", format!("{words}: {error}"))
}
