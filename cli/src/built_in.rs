//! The template and the default pipelines, which the program contains, so that it works without a checkout.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use tempfile::TempDir;

use crate::{
    args::InitArguments,
    output::{failed, print},
};

/// The files, by their paths beside each other.
const FILES: [(&str, &str); 3] = [
    (TEMPLATE, include_str!("../../template.yaml")),
    ("pipelines/pipelines.toml", include_str!("../../pipelines/pipelines.toml")),
    ("pipelines/commands/states.py", include_str!("../../pipelines/commands/states.py")),
];

const TEMPLATE: &str = "template.yaml";

/// A template, with what lies beside it.
#[derive(Debug)]
pub(crate) struct TemplateFile {
    path: PathBuf,
    /// Holds the files of the program, and is deleted with this.
    own: Option<TempDir>,
}

impl TemplateFile {
    /// The template that is named; otherwise the one of this folder, and where there is none, the program's own.
    ///
    /// # Errors
    /// When there is no room for the program's own.
    pub(crate) fn find(named: Option<&Path>) -> anyhow::Result<Self> {
        match named {
            Some(path) => return Ok(Self { path: path.to_owned(), own: None }),
            None if Path::new(TEMPLATE).exists() => return Ok(Self { path: TEMPLATE.into(), own: None }),
            None => {}
        }
        let write = || {
            let folder = tempfile::tempdir()?;
            for (name, text) in FILES {
                write_new(&folder.path().join(name), text)?;
            }
            io::Result::Ok(folder)
        };
        let folder = write()
            .context("cannot write the template that this command contains into a temporary folder")?;
        Ok(Self { path: folder.path().join(TEMPLATE), own: Some(folder) })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The name of a file beside it, as a person knows it.
    pub(crate) fn shown(&self, file: &str) -> String {
        let inside = self.own.as_ref().and_then(|folder| Path::new(file).strip_prefix(folder.path()).ok());
        inside.map_or_else(|| file.to_owned(), |name| format!("{} of this command", name.display()))
    }
}

/// Writes the files into a folder, where none of them is yet. A file that is there stays as it is.
pub(crate) fn init(arguments: &InitArguments) -> ExitCode {
    let mut written = false;
    for (name, text) in FILES {
        let path = arguments.folder.join(name);
        let said = match write_new(&path, text) {
            Ok(()) => {
                written = true;
                format!("wrote {}\n", path.display())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                format!("{} is there already, and stays as it is\n", path.display())
            }
            Err(error) => {
                return failed(
                    &anyhow::Error::new(error).context(format!("cannot write {}", path.display())),
                );
            }
        };
        if let Err(error) = print(&said) {
            return failed(&error);
        }
    }
    if written {
        let pipelines = arguments.folder.join(FILES[1].0);
        let enter = match arguments.folder.as_path() {
            here if here == Path::new(".") => String::new(),
            folder => format!("cd {}\n", folder.display()),
        };
        let next = format!(
            "\nEdit {}, then check it and try it on a file:\n{enter}tidemill check\ntidemill run FILE\n",
            pipelines.display()
        );
        if let Err(error) = print(&next) {
            return failed(&error);
        }
    }
    ExitCode::SUCCESS
}

/// Writes a file that is not there yet, and the folders above it.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::File::create_new(path)?;
    io::Write::write_all(&mut file, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_written_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let arguments = InitArguments { folder: folder.path().join("new") };
        init(&arguments);
        let template = arguments.folder.join(TEMPLATE);
        fs::write(&template, "mine").expect("it is there");
        init(&arguments);
        assert_eq!(fs::read_to_string(&template).expect("it is there"), "mine");
        let pipelines =
            fs::read_to_string(arguments.folder.join("pipelines/pipelines.toml")).expect("it is there");
        assert_eq!(pipelines, FILES[1].1);
    }
}
