//! A data folder is one cloud's at a time: two would write into each other's files.

use std::{
    fs::{File, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    process,
};

/// The file that is locked. It holds the number of the process that has the folder.
const FILE: &str = "lock";

/// Why a data folder cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another cloud runs on it.
    #[error(
        "the data folder {} is in use by another local cloud{}: stop that one, or choose another folder",
        folder.display(),
        holder.as_deref().map(|holder| format!(" (process {holder})")).unwrap_or_default()
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The number of its process, if it has written it.
        holder: Option<String>,
    },
    /// It cannot be made or written.
    #[error("failed to lock the data folder {}", folder.display())]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

/// A data folder that is this process's until this is dropped, or the process ends, however it does.
#[derive(Debug)]
pub(super) struct DataLock {
    _file: File,
}

impl DataLock {
    /// Takes the folder, which is made if it is not there.
    pub(super) fn take(folder: &Path) -> Result<Self, LockError> {
        let unusable = |source| LockError::Unusable { folder: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(unusable)?;
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(folder.join(FILE)).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Only for the message.
                let _ = file.read_to_string(&mut holder);
                let holder = Some(holder.trim().to_owned()).filter(|holder| !holder.is_empty());
                return Err(LockError::InUse { folder: folder.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        let note = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", process::id())
        };
        note(&mut file).map_err(unusable)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_taken_once_and_free_again_after_that() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let lock = DataLock::take(&data).unwrap();
        let error = DataLock::take(&data).unwrap_err().to_string();
        assert!(
            error.contains(&format!("in use by another local cloud (process {})", process::id())),
            "{error}"
        );
        drop(lock);
        DataLock::take(&data).unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(DataLock::take(&file).unwrap_err().to_string().contains("failed to lock the data folder"));
    }
}
