//! The files to upload, and their keys.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

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

/// Why the inputs cannot be uploaded. Nothing has been uploaded then.
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
}

/// S3's longest key (S3 user guide, "Naming Amazon S3 objects").
const LONGEST_KEY: usize = 1_024;

/// Every file of these inputs, in the order of their keys.
pub(crate) fn collect(inputs: &[PathBuf], prefix: &str) -> Result<Vec<Upload>, FilesError> {
    let mut uploads = BTreeMap::new();
    for input in inputs {
        let about = metadata(input)?;
        if about.is_dir() {
            let before = uploads.len();
            folder(input, prefix, &mut uploads)?;
            if uploads.len() == before {
                return Err(FilesError::Empty(shown(input)));
            }
        } else {
            let name = input.file_name().unwrap_or(input.as_os_str());
            let name = name.to_str().ok_or_else(|| FilesError::NotText(shown(input)))?;
            add(input.clone(), format!("{prefix}{name}"), &mut uploads)?;
        }
    }
    Ok(uploads.into_values().collect())
}

fn folder(path: &Path, prefix: &str, uploads: &mut BTreeMap<String, Upload>) -> Result<(), FilesError> {
    let unreadable = |source| FilesError::Unreadable { path: shown(path), source };
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?.path();
        let name = entry.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| FilesError::NotText(shown(&entry)))?;
        let key = format!("{prefix}{name}");
        if metadata(&entry)?.is_dir() {
            folder(&entry, &format!("{key}/"), uploads)?;
        } else {
            add(entry, key, uploads)?;
        }
    }
    Ok(())
}

fn add(path: PathBuf, key: String, uploads: &mut BTreeMap<String, Upload>) -> Result<(), FilesError> {
    let about = metadata(&path)?;
    if !about.is_file() {
        return Err(FilesError::Special(shown(&path)));
    }
    if key.len() > LONGEST_KEY {
        return Err(FilesError::TooLong { path: shown(&path), bytes: key.len() });
    }
    // Opened now, so that a missing permission is reported before anything starts.
    fs::File::open(&path).map_err(|source| FilesError::Unreadable { path: shown(&path), source })?;
    let upload = Upload { path, key: key.clone(), bytes: about.len() };
    match uploads.insert(key.clone(), upload.clone()) {
        Some(other) if other.path != upload.path => {
            Err(FilesError::Twice { key, first: shown(&other.path), second: shown(&upload.path) })
        }
        _ => Ok(()),
    }
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
    use super::*;

    fn keys(inputs: &[PathBuf]) -> Vec<String> {
        collect(inputs, "uploads/").expect("they are there").into_iter().map(|upload| upload.key).collect()
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
