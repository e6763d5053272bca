//! One scan of a folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
    time::SystemTime,
};

use crate::files::is_hidden;

/// The most files that are watched: each takes memory.
const MOST_FILES: usize = 100_000;

/// The most nested folders: a link may lead back to its own folder.
const DEEPEST: usize = 32;

/// S3's longest key (S3 user guide, "Naming Amazon S3 objects").
const LONGEST_KEY: usize = 1_024;

/// A file's size and time of change: the file has changed when they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) bytes: u64,
    pub(super) modified: SystemTime,
}

/// What a scan found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The files, by their keys.
    pub(super) files: BTreeMap<String, Stamp>,
    /// Why some files and folders cannot be uploaded.
    pub(super) problems: BTreeSet<String>,
    /// Whether something could not be read, so that files may be missing here.
    pub(super) is_partial: bool,
}

/// Finds every file in a folder that is not hidden. A file that vanishes during the scan is not found.
pub(super) fn scan(root: &Path, prefix: &str) -> Found {
    let mut found = Found::default();
    found.folder(root, prefix, 0);
    found
}

impl Found {
    fn folder(&mut self, path: &Path, prefix: &str, depth: usize) {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            // A nested folder was removed. A missing watched folder is a problem.
            Err(error) if error.kind() == io::ErrorKind::NotFound && depth > 0 => return,
            Err(error) => return self.unreadable(path, &error),
        };
        for entry in entries {
            match entry {
                Ok(entry) => self.entry(&entry, prefix, depth),
                Err(error) => self.unreadable(path, &error),
            }
        }
    }

    fn entry(&mut self, entry: &fs::DirEntry, prefix: &str, depth: usize) {
        let (name, path) = (entry.file_name(), entry.path());
        let Some(name) = name.to_str() else {
            self.problem(format!("the name of {path:?} is not UTF-8, as S3 keys must be; rename it"));
            return;
        };
        if is_hidden(name) {
            return;
        }
        let key = format!("{prefix}{name}");
        let about = match fs::metadata(&path) {
            Ok(about) => about,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.unreadable(&path, &error),
        };
        if about.is_dir() && depth >= DEEPEST {
            self.problem(format!(
                "{path:?} is nested too deep: only {DEEPEST} levels of folders are watched"
            ));
        } else if about.is_dir() {
            self.folder(&path, &format!("{key}/"), depth + 1);
        } else if !about.is_file() {
            self.problem(format!("{path:?} is neither a file nor a folder"));
        } else if key.len() > LONGEST_KEY {
            let bytes = key.len();
            self.problem(format!(
                "the key of {path:?} would be {bytes} bytes long, and S3 allows 1,024; shorten its path"
            ));
        } else if self.files.len() >= MOST_FILES {
            self.is_partial = true;
            self.problem(format!("the folder has more than {MOST_FILES} files; the others are not uploaded"));
        } else if let Ok(modified) = about.modified() {
            self.files.insert(key, Stamp { bytes: about.len(), modified });
        }
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        self.is_partial = true;
        self.problem(format!("cannot read {path:?}: {error}"));
    }

    fn problem(&mut self, message: String) {
        // Bounded as files are, so that a folder of problems does not fill the memory.
        if self.problems.len() < MOST_FILES {
            self.problems.insert(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_their_keys_and_hidden_ones_are_not() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir(root.path().join("d")).expect("a folder");
        for name in ["a.csv", "d/b c.csv", ".hidden", "d/.part"] {
            fs::write(root.path().join(name), "xy").expect("a file");
        }
        let found = scan(root.path(), "uploads/");
        assert_eq!(found.files.keys().collect::<Vec<_>>(), ["uploads/a.csv", "uploads/d/b c.csv"]);
        assert!(found.files.values().all(|stamp| stamp.bytes == 2));
        assert!(found.problems.is_empty() && !found.is_partial);
    }

    #[test]
    fn a_problem_is_reported_and_a_loop_of_links_ends() {
        let root = tempfile::tempdir().expect("a folder");
        let problems = scan(&root.path().join("none"), "").problems;
        assert!(
            problems.iter().any(|words| words.contains("none") && words.contains("No such file")),
            "{problems:?}"
        );
        std::os::unix::fs::symlink(root.path(), root.path().join("loop")).expect("a link");
        std::os::unix::fs::symlink("nowhere", root.path().join("dangling")).expect("a link");
        let problems = scan(root.path(), "").problems;
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems.iter().any(|words| words.contains("too deep")), "{problems:?}");
    }
}
