//! Being asked to end: Ctrl-C and SIGTERM.

use std::io;

use futures::FutureExt;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from its making on, so that no signal finds the process unprepared.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// The request that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// SIGINT, which Ctrl-C sends.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Signals {
    /// Begins to listen.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Resolves with the next request.
    pub(crate) async fn asked(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::Interrupt,
            _ = self.terminate.recv() => Asked::Terminate,
        }
    }

    /// Whether a request came by now.
    pub(crate) fn was_asked(&mut self) -> Option<Asked> {
        self.asked().now_or_never()
    }
}

impl Asked {
    /// The exit code that shells give to a program that this signal ended: 128 and the signal's number.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }

    /// What a person is told.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Interrupt => "interrupted; everything it had started has ended",
            Self::Terminate => "terminated; everything it had started has ended",
        }
    }
}
