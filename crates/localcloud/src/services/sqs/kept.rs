//! What the queues hold, in a file of a data folder, so that nothing that was sent is lost by a restart.
//!
//! Each call writes what it changed in one transaction before it is answered. As with the tables, a write waits for no
//! disk: it outlives this process, however that ends, and a power cut may take the last moments.
//!
//! A start finds each queue's messages in their order. Those that were in flight can be received at once, because their
//! receivers have ended with the cloud; delayed ones wait on.

use std::{
    io,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, ErrorCode, params};

use super::message::{Message, Place};
use crate::{disk, wire::ApiError};

/// The queues' file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// SQLite cannot open it, or it is not one of its files.
    #[error("failed to open the queues in {path}")]
    Unusable {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// A newer version has written it.
    #[error("the queues in {path} were written by a newer version: use that one, or another folder")]
    Newer {
        /// The file.
        path: String,
    },
}

/// The file in a data folder.
const FILE: &str = "sqs.sqlite";

/// The version of the layout below.
const VERSION: i64 = 1;

const LAYOUT: &str = "CREATE TABLE IF NOT EXISTS messages (
    queue TEXT NOT NULL, slot INTEGER NOT NULL, message TEXT NOT NULL, PRIMARY KEY (queue, slot)
) WITHOUT ROWID";

/// The open file.
#[derive(Debug)]
pub(super) struct Kept {
    connection: Connection,
    folder: PathBuf,
}

/// A place in a queue, and the message there, if there is one still.
pub(super) type Change<'q> = (&'q str, u64, Option<&'q Message>);

impl Kept {
    /// Opens the file of this folder, or begins it.
    pub(super) fn open(folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join(FILE).display().to_string();
        let unusable = |source| OpenError::Unusable { path: path.clone(), source };
        let connection = Connection::open(&path).map_err(unusable)?;
        let version = connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
        if version.map_err(unusable)? > VERSION {
            return Err(OpenError::Newer { path });
        }
        let begin = || {
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            connection.execute(LAYOUT, [])?;
            connection.pragma_update(None, "user_version", VERSION)
        };
        begin().map_err(unusable)?;
        Ok(Self { connection, folder: folder.to_owned() })
    }

    /// The messages of a queue, in their order.
    pub(super) fn messages(&self, queue: &str) -> Result<Vec<(u64, Message)>, ApiError> {
        let read = || {
            let mut found = self
                .connection
                .prepare("SELECT slot, message FROM messages WHERE queue = ? ORDER BY slot")?;
            let rows =
                found.query_map([queue], |row| Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?)))?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        let damaged = |error: &dyn std::error::Error| {
            internal(format!("failed to read the messages of the queue {queue}: {error}"))
        };
        let rows = read().map_err(|error| damaged(&error))?;
        let message = |(slot, text): (u64, String)| {
            let message: Message = serde_json::from_str(&text).map_err(|error| damaged(&error))?;
            Ok((slot, message.without_receiver()))
        };
        rows.into_iter().map(message).collect()
    }

    /// Writes changes, all or none.
    pub(super) fn write<'q>(&mut self, changes: impl Iterator<Item = Change<'q>>) -> Result<(), ApiError> {
        let write = || {
            let transaction = self.connection.transaction()?;
            for (queue, slot, message) in changes {
                match message {
                    Some(message) => {
                        let mut put = transaction.prepare_cached("REPLACE INTO messages VALUES (?, ?, ?)")?;
                        let text = serde_json::to_string(message).map_err(io::Error::from);
                        let text =
                            text.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
                        put.execute(params![queue, slot, text])?;
                    }
                    None => {
                        let delete = "DELETE FROM messages WHERE queue = ? AND slot = ?";
                        transaction.prepare_cached(delete)?.execute(params![queue, slot])?;
                    }
                }
            }
            transaction.commit()
        };
        write().map_err(|error: rusqlite::Error| match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => disk::full(&self.folder),
            _ => internal(format!("failed to keep the queues: {error}")),
        })
    }
}

fn internal(message: String) -> ApiError {
    ApiError::client("InternalError", message).with_status(500)
}

impl Message {
    /// As a start finds it.
    fn without_receiver(mut self) -> Self {
        if matches!(self.place, Place::InFlight(_)) {
            self.place = Place::Visible;
        }
        self
    }
}
