//! One look at a folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use super::Stamp;

/// How many files are looked at: what is known of each is held in memory.
const MOST_FILES: usize = 100_000;

/// How deep: a link may lead back to where it is.
const DEEPEST: usize = 32;

/// S3's longest key (S3 user guide, "Naming Amazon S3 objects").
const LONGEST_KEY: usize = 1_024;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The files, by their keys.
    pub(super) files: BTreeMap<String, Stamp>,
    /// What cannot be uploaded, in words.
    pub(super) problems: BTreeSet<String>,
    /// A folder could not be read: files that are missing here may be there.
    pub(super) is_partial: bool,
}

/// Every file below a folder that is not hidden. What vanishes while it is looked at is not there.
pub(super) fn scan(root: &Path, prefix: &str) -> Found {
    let mut found = Found::default();
    found.folder(root, prefix, 0);
    found
}

impl Found {
    fn folder(&mut self, path: &Path, prefix: &str, depth: usize) {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            // A folder within the watched one was removed; that one itself is missed.
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
            self.problem(format!("the name of {path:?} is not UTF-8, which S3 keys must be: rename it"));
            return;
        };
        if name.starts_with('.') {
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
                "{path:?} is too deep: only {DEEPEST} folders within each other are looked at"
            ));
        } else if about.is_dir() {
            self.folder(&path, &format!("{key}/"), depth + 1);
        } else if !about.is_file() {
            self.problem(format!("{path:?} is neither a file nor a folder"));
        } else if key.len() > LONGEST_KEY {
            let bytes = key.len();
            self.problem(format!(
                "the key of {path:?} would have {bytes} bytes, and S3 keys have 1,024 at most: shorten its path"
            ));
        } else if self.files.len() >= MOST_FILES {
            self.is_partial = true;
            self.problem(format!("there are more than {MOST_FILES} files: the others are not looked at"));
        } else if let Ok(modified) = about.modified() {
            self.files.insert(key, Stamp { bytes: about.len(), modified });
        }
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        self.is_partial = true;
        self.problem(format!("cannot read {path:?}: {error}"));
    }

    fn problem(&mut self, words: String) {
        // As many as there may be files: a folder of nothing else must not fill the memory.
        if self.problems.len() < MOST_FILES {
            self.problems.insert(words);
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
    fn what_cannot_be_read_is_told_and_a_loop_has_an_end() {
        let root = tempfile::tempdir().expect("a folder");
        let told = scan(&root.path().join("none"), "").problems;
        assert!(
            told.iter().any(|words| words.contains("none") && words.contains("No such file")),
            "{told:?}"
        );
        std::os::unix::fs::symlink(root.path(), root.path().join("loop")).expect("a link");
        std::os::unix::fs::symlink("nowhere", root.path().join("dangling")).expect("a link");
        let told = scan(root.path(), "").problems;
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told.iter().any(|words| words.contains("too deep")), "{told:?}");
    }
}
