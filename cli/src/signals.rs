//! The signals that end a command: Ctrl-C and SIGTERM.

use std::io;

use futures::FutureExt;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from its creation on, so that no signal is lost before the first [`Signals::asked`].
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// The signal that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// SIGINT, which Ctrl-C sends.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Signals {
    /// Starts to listen.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Resolves with the next signal.
    pub(crate) async fn asked(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::Interrupt,
            _ = self.terminate.recv() => Asked::Terminate,
        }
    }

    /// The signal that has already come, if any.
    pub(crate) fn was_asked(&mut self) -> Option<Asked> {
        self.asked().now_or_never()
    }
}

impl Asked {
    /// The exit code that shells report for this signal: 128 plus its number.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }

    /// The message for a person.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Interrupt => "interrupted; all processes have stopped",
            Self::Terminate => "terminated; all processes have stopped",
        }
    }
}
