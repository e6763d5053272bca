//! One run of a command: feed its input, read its standard error, and return its output as a stream. The stream ends only
//! if the run succeeded; otherwise it breaks off with an error.

use std::{io, pin::pin, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use domain::{
    bad_input,
    job::{Change, Job},
    pipelines::Command,
    verdict::Kind,
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
    stderr::StderrReader,
};
use crate::run_job::{
    job_exit::{JobExit, OutputBroken},
    job_progress::JobProgress,
};

/// How many bytes are read of a pipe, or of the object, at once: the capacity of a pipe.
const PIECE_BYTES: usize = 64 << 10;

/// How many pieces of the output may wait for their reader. When they do, the command has to wait.
const PIECES_AHEAD: usize = 4;

/// How long the last lines on standard error of an ended command may take to arrive.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Everything a run needs, by value, since it runs on a task of its own.
struct Plan {
    job: Job,
    command: Command,
    environment: std::collections::BTreeMap<String, String>,
    limit_bytes: u64,
    progress: Arc<JobProgress>,
    running: tokio_util::task::TaskTracker,
}

impl Commands {
    /// Starts the command after the first bytes of the object have arrived, so it never starts for an object that was
    /// deleted. Returns its output; a failure is an [`io::Error`] that wraps [`OutputBroken`]. Dropping the output ends the
    /// command.
    pub(crate) async fn run(
        &self,
        job: &Job,
        command: &Command,
        mut source: impl AsyncRead + Send + Unpin + 'static,
        limit_bytes: u64,
        progress: &Arc<JobProgress>,
    ) -> Result<impl AsyncRead + Send + Unpin + 'static, JobExit> {
        if job.object.key.contains('\0') {
            let message = "the object's key contains a NUL character, which cannot be passed to a command: upload the object under another key";
            return Err(JobExit::new(Change::Fail, Kind::BadInput, message));
        }
        let mut first = BytesMut::with_capacity(PIECE_BYTES);
        source.read_buf(&mut first).await.map_err(readers::ReadError::Source)?;
        let plan = Plan {
            job: job.clone(),
            command: command.clone(),
            environment: self.inherited.environment(job, command),
            limit_bytes,
            progress: progress.clone(),
            running: self.running.clone(),
        };
        let (send, receive) = mpsc::channel(PIECES_AHEAD);
        let run = self.running.spawn(async move {
            if let Err(exit) = run(plan, first.freeze(), source, &send).await {
                // The send fails only if the reader is gone.
                drop(send.send(Err(io::Error::other(OutputBroken(exit)))).await);
            }
        });
        let run = AbortOnDropHandle::new(run);
        let pieces = stream::unfold(Some((receive, run)), |state| async move {
            let (mut receive, run) = state?;
            match receive.recv().await {
                Some(piece) => Some((piece, Some((receive, run)))),
                // The channel also closes when the run panics. That must not look like the end of the output.
                None => run.await.err().map(|panic| (Err(io::Error::other(panic)), None)),
            }
        });
        // A reader may poll again after the end.
        Ok(StreamReader::new(Box::pin(futures::StreamExt::fuse(pieces))))
    }
}

/// Runs the command from start to end. On `Ok`, its whole output has been sent.
async fn run(
    plan: Plan,
    first: Bytes,
    source: impl AsyncRead + Unpin,
    send: &mpsc::Sender<io::Result<Bytes>>,
) -> Result<(), JobExit> {
    let Plan { job, command, environment, limit_bytes, progress, running } = plan;
    let program = &command.words[0];
    let (mut group, pipes) =
        Group::spawn(&command.words, environment, running).map_err(|error| not_started(program, &error))?;
    let id = &job.id;
    info!(job.id = %id, program, memory.limit_bytes = limit_bytes, "started the command {program} for job {id}");
    let watch = Watch::start(group.family(), limit_bytes);
    let Pipes { stdin, stdout, stderr } = pipes;
    let mut lines = StderrReader::new(id, &progress);
    let ended = {
        let mut reading = pin!(lines.read(stderr));
        let ending = async {
            let ended = async {
                group
                    .wait()
                    .await
                    .map_err(|error| internal("failed to wait for the end of the command", &error))
            };
            let judged = async {
                let status = ended.await?;
                if status.success() { Ok(status) } else { Err(Stopped::Exited(status)) }
            };
            let fed = async { feed(first, source, stdin).await.map_err(Stopped::Failed) };
            let collected =
                async { collect(stdout, command.output_bytes, send).await.map_err(Stopped::Failed) };
            tokio::try_join!(judged, fed, collected).map(|_| ())
        };
        let mut ending = pin!(ending);
        let (mut all_read, mut ended) = (false, None);
        while ended.is_none() {
            tokio::select! {
                biased;
                () = &mut reading, if !all_read => all_read = true,
                result = &mut ending => ended = Some(result),
            }
        }
        if !all_read {
            // Its last lines may still arrive; but a process that left the group may keep the pipe open for ever.
            drop(timeout(LAST_LINES, reading).await);
        }
        ended.unwrap_or(Ok(()))
    };
    if let Some(used) = watch.over() {
        let [used, limit] = [used, limit_bytes].map(|bytes| bytes >> 20);
        let message = format!("the command used {used} MiB of memory; its limit in this task is {limit} MiB");
        return Err(JobExit::new(Change::Requeue, Kind::OutOfMemory, message));
    }
    match ended {
        Ok(()) => {
            info!(job.id = %id, program, "the command {program} succeeded for job {id}");
            Ok(())
        }
        Err(Stopped::Exited(status)) => {
            info!(job.id = %id, program, %status, "the command {program} ended for job {id}: {status}");
            exit_status::judge(status, lines.last())
        }
        Err(Stopped::Failed(exit)) => Err(exit),
    }
}

/// Why a run failed.
enum Stopped {
    /// The command exited, not with 0.
    Exited(std::process::ExitStatus),
    /// Something else failed.
    Failed(JobExit),
}

impl From<JobExit> for Stopped {
    fn from(exit: JobExit) -> Self {
        Self::Failed(exit)
    }
}

/// Writes the object's bytes to the command as fast as it reads them. A command may stop reading early. If it reads all,
/// the run succeeds only after the last byte is verified against what S3 stored.
async fn feed(
    first: Bytes,
    mut source: impl AsyncRead + Unpin,
    mut stdin: ChildStdin,
) -> Result<(), JobExit> {
    let mut piece = BytesMut::from(first);
    while !piece.is_empty() {
        match stdin.write_all(&piece).await {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(internal("failed to write the object to the command", &error)),
        }
        piece.clear();
        piece.reserve(PIECE_BYTES);
        source.read_buf(&mut piece).await.map_err(readers::ReadError::Source)?;
    }
    Ok(())
}

/// Passes on what the command prints, up to `most_bytes`.
async fn collect(
    mut stdout: ChildStdout,
    most_bytes: u64,
    send: &mpsc::Sender<io::Result<Bytes>>,
) -> Result<(), JobExit> {
    let (mut piece, mut sum) = (BytesMut::new(), 0_u64);
    loop {
        piece.reserve(PIECE_BYTES);
        let read = stdout.read_buf(&mut piece).await;
        let read = read.map_err(|error| internal("failed to read the output of the command", &error))?;
        if read == 0 {
            return Ok(());
        }
        sum += read as u64;
        if sum > most_bytes {
            let message = format!(
                "the command printed more than {most_bytes} bytes: have it print less, or raise output_bytes of its pipeline"
            );
            return Err(JobExit::new(Change::Fail, bad_input::Reason::OutputTooLarge, message));
        }
        if send.send(Ok(piece.split().freeze())).await.is_err() {
            return Err(JobExit::new(
                Change::Requeue,
                Kind::InternalError,
                "the reader of the command's output is gone",
            ));
        }
    }
}

fn not_started(program: &str, error: &io::Error) -> JobExit {
    use rustix::io::Errno;
    let message = format!("cannot start {program}: {error}");
    let lacking = [Errno::AGAIN, Errno::NOMEM].map(Errno::raw_os_error);
    if error.raw_os_error().is_some_and(|code| lacking.contains(&code)) {
        return JobExit::new(Change::Requeue, Kind::TryAgain, message);
    }
    JobExit::new(
        Change::Requeue,
        Kind::Misconfigured,
        format!("{message}; it must be an executable of the worker's image"),
    )
}

fn internal(message: &str, error: &io::Error) -> JobExit {
    JobExit::new(Change::Requeue, Kind::InternalError, format!("{message}: {error}"))
}
