//! The files to upload, and their keys.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

/// A file and the key it is uploaded under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Upload {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its key, the watched prefix included.
    pub(crate) key: String,
    /// Its size.
    pub(crate) bytes: u64,
}

/// The files of some inputs.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// Those that can be uploaded, in the order of their keys; at least one.
    pub(crate) uploads: Vec<Upload>,
    /// Why others cannot be: each fails alone.
    pub(crate) problems: Vec<FilesError>,
    /// How many were left out because they are hidden.
    pub(crate) hidden: usize,
}

/// Why a file cannot be uploaded, or an input has none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilesError {
    /// A file or folder cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Neither a file nor a folder.
    #[error("{0} is neither a file nor a folder")]
    Special(String),
    /// A folder without files.
    #[error("{0} contains no files")]
    Empty(String),
    /// S3 keys are text.
    #[error("the name of {0} is not UTF-8, as S3 keys must be; rename it")]
    NotText(String),
    /// S3 keys have an end.
    #[error("the key of {path} would be {bytes} bytes long, and S3 allows 1,024; shorten its path")]
    TooLong {
        /// The file.
        path: String,
        /// Its key's length.
        bytes: usize,
    },
    /// Two files, one key.
    #[error("{first} and {second} would both be uploaded as {key}; upload them in two runs, or rename one")]
    Twice {
        /// The key.
        key: String,
        /// One file.
        first: String,
        /// The other.
        second: String,
    },
    /// Standard input ended with an error, or there is no room for it.
    #[error("cannot read standard input")]
    StandardInput(#[source] io::Error),
}

/// S3's longest key (S3 user guide, "Naming Amazon S3 objects").
const LONGEST_KEY: usize = 1_024;

/// The input that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// Files that desktops leave in folders, beside those whose names begin with a dot.
const OF_DESKTOPS: [&str; 3] = ["Thumbs.db", "ehthumbs.db", "desktop.ini"];

/// Whether a file of this name in a folder is not meant as data.
pub(crate) fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || OF_DESKTOPS.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Inputs, with standard input read to its end into a file.
#[derive(Debug)]
pub(crate) struct Inputs {
    paths: Vec<PathBuf>,
    /// Holds what standard input said, and is deleted with this.
    _spool: Option<TempDir>,
}

impl Inputs {
    /// Reads standard input if it is among the inputs; its file has this name. A command calls it before it listens to
    /// signals, so that Ctrl-C ends a wait for input.
    pub(crate) fn gather(paths: &[PathBuf], name: &str) -> Result<Self, FilesError> {
        let is_stdin = |path: &PathBuf| path.as_os_str() == STANDARD_INPUT;
        if !paths.iter().any(is_stdin) {
            return Ok(Self { paths: paths.to_owned(), _spool: None });
        }
        let folder = tempfile::tempdir().map_err(FilesError::StandardInput)?;
        let file = folder.path().join(name);
        let spool = || io::copy(&mut io::stdin().lock(), &mut fs::File::create(&file)?);
        spool().map_err(FilesError::StandardInput)?;
        let path = |path: &PathBuf| if is_stdin(path) { file.clone() } else { path.clone() };
        Ok(Self { paths: paths.iter().map(path).collect(), _spool: Some(folder) })
    }

    /// Every file of these inputs, in the order of their keys.
    ///
    /// # Errors
    /// When an input is not there, has no files, or no file of all of them can be uploaded.
    pub(crate) fn collect(&self, prefix: &str) -> Result<Collected, FilesError> {
        collect(&self.paths, prefix)
    }
}

fn collect(inputs: &[PathBuf], prefix: &str) -> Result<Collected, FilesError> {
    let mut search = Search::default();
    for input in inputs {
        let about = metadata(input)?;
        if about.is_dir() {
            let before = search.found();
            search.folder(input, prefix)?;
            if search.found() == before {
                return Err(FilesError::Empty(shown(input)));
            }
        } else {
            // A file that is named is meant, hidden or not.
            let name = input.file_name().unwrap_or(input.as_os_str());
            match name.to_str() {
                Some(name) => search.add(input.clone(), format!("{prefix}{name}"))?,
                None => search.problems.push(FilesError::NotText(shown(input))),
            }
        }
    }
    if search.uploads.is_empty() && !search.problems.is_empty() {
        return Err(search.problems.swap_remove(0));
    }
    let Search { uploads, problems, hidden } = search;
    Ok(Collected { uploads: uploads.into_values().collect(), problems, hidden })
}

/// What was found so far.
#[derive(Debug, Default)]
struct Search {
    uploads: BTreeMap<String, Upload>,
    problems: Vec<FilesError>,
    hidden: usize,
}

impl Search {
    fn found(&self) -> usize {
        self.uploads.len() + self.problems.len()
    }

    /// Adds the files of a folder. One that cannot be uploaded is a problem, and the others are added.
    fn folder(&mut self, path: &Path, prefix: &str) -> Result<(), FilesError> {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(source) => {
                self.problems.push(FilesError::Unreadable { path: shown(path), source });
                return Ok(());
            }
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry.path(),
                Err(source) => {
                    self.problems.push(FilesError::Unreadable { path: shown(path), source });
                    continue;
                }
            };
            let Some(name) = entry.file_name().and_then(|name| name.to_str()) else {
                self.problems.push(FilesError::NotText(shown(&entry)));
                continue;
            };
            if is_hidden(name) {
                self.hidden += 1;
                continue;
            }
            let key = format!("{prefix}{name}");
            match metadata(&entry) {
                Ok(about) if about.is_dir() => self.folder(&entry, &format!("{key}/"))?,
                Ok(_) => self.add(entry, key)?,
                Err(error) => self.problems.push(error),
            }
        }
        Ok(())
    }

    /// Adds a file, or the reason why it cannot be uploaded.
    ///
    /// # Errors
    /// When another file has its key already: which of them is meant is for a person to say.
    fn add(&mut self, path: PathBuf, key: String) -> Result<(), FilesError> {
        let upload = match upload(path, key) {
            Ok(upload) => upload,
            Err(error) => {
                self.problems.push(error);
                return Ok(());
            }
        };
        match self.uploads.insert(upload.key.clone(), upload.clone()) {
            Some(other) if other.path != upload.path => Err(FilesError::Twice {
                key: upload.key,
                first: shown(&other.path),
                second: shown(&upload.path),
            }),
            _ => Ok(()),
        }
    }
}

fn upload(path: PathBuf, key: String) -> Result<Upload, FilesError> {
    let about = metadata(&path)?;
    if !about.is_file() {
        return Err(FilesError::Special(shown(&path)));
    }
    if key.len() > LONGEST_KEY {
        return Err(FilesError::TooLong { path: shown(&path), bytes: key.len() });
    }
    // Opened now, so that a missing permission is reported before anything starts.
    fs::File::open(&path).map_err(|source| FilesError::Unreadable { path: shown(&path), source })?;
    Ok(Upload { path, key, bytes: about.len() })
}

fn metadata(path: &Path) -> Result<fs::Metadata, FilesError> {
    fs::metadata(path).map_err(|source| FilesError::Unreadable { path: shown(path), source })
}

/// A path as it is put in a message: names may hold line breaks and worse.
fn shown(path: &Path) -> String {
    format!("{path:?}")
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    use super::*;

    fn keys(inputs: &[PathBuf]) -> Vec<String> {
        let collected = collect(inputs, "uploads/").expect("they are there");
        collected.uploads.into_iter().map(|upload| upload.key).collect()
    }

    #[test]
    fn a_folder_gives_paths_below_it_and_a_file_its_name() {
        let root = tempfile::tempdir().expect("a folder");
        let odd = "d/a b+c%20 \"ü\"\n.csv";
        fs::create_dir(root.path().join("d")).expect("a folder");
        fs::write(root.path().join(odd), "x").expect("a file");
        fs::write(root.path().join("e.csv"), "x").expect("a file");
        assert_eq!(keys(&[root.path().to_owned()]), [format!("uploads/{odd}"), "uploads/e.csv".into()]);
        assert_eq!(keys(&[root.path().join("e.csv"), root.path().join("e.csv")]), ["uploads/e.csv"]);
    }

    #[test]
    fn hidden_files_are_left_out_unless_they_are_named() {
        let root = tempfile::tempdir().expect("a folder");
        for name in [".DS_Store", "Thumbs.db", "desktop.ini", "a.csv"] {
            fs::write(root.path().join(name), "x").expect("a file");
        }
        fs::create_dir(root.path().join(".git")).expect("a folder");
        let collected = collect(&[root.path().to_owned()], "").expect("one is there");
        assert_eq!((collected.uploads.len(), collected.hidden), (1, 4));
        assert_eq!(keys(&[root.path().join(".DS_Store")]), ["uploads/.DS_Store"]);
        fs::remove_file(root.path().join("a.csv")).expect("it was there");
        assert!(collect(&[root.path().to_owned()], "").is_err(), "only hidden ones are left");
    }

    #[test]
    fn a_bad_name_fails_alone() {
        let root = tempfile::tempdir().expect("a folder");
        fs::write(root.path().join("good.csv"), "x").expect("a file");
        fs::write(root.path().join(OsStr::from_bytes(b"caf\xe9.csv")), "x").expect("a file");
        std::os::unix::fs::symlink("nowhere", root.path().join("dangling")).expect("a link");
        let collected = collect(&[root.path().to_owned()], "").expect("one is good");
        let problems: Vec<String> =
            collected.problems.iter().map(|problem| telemetry::causes(problem)).collect();
        assert_eq!((collected.uploads.len(), problems.len()), (1, 2), "{problems:?}");
        assert!(problems.iter().any(|words| words.contains("caf\\xE9.csv\" is not UTF-8")), "{problems:?}");
        assert!(problems.iter().any(|words| words.contains("dangling\": No such file")), "{problems:?}");
        let alone = collect(&[root.path().join("dangling")], "").expect_err("it is the only one");
        assert!(alone.to_string().contains("cannot read"));
    }

    #[test]
    fn an_error_names_the_file_that_cannot_be_uploaded() {
        let root = tempfile::tempdir().expect("a folder");
        let error = |inputs: &[PathBuf]| collect(inputs, "").expect_err("it cannot").to_string();
        assert!(error(&[root.path().join("missing")]).contains("missing"));
        assert!(error(&[root.path().to_owned()]).contains("contains no files"));
        for folder in ["x", "y"] {
            fs::create_dir(root.path().join(folder)).expect("a folder");
            fs::write(root.path().join(folder).join("same.csv"), "").expect("a file");
        }
        let clash = error(&[root.path().join("x"), root.path().join("y")]);
        assert!(clash.contains("would both be uploaded as same.csv"), "{clash}");
    }
}
