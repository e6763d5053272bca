//! Lambda layers without `/opt`: a function's paths under it are turned into paths of this machine.
//!
//! On AWS a layer's files appear under `/opt` of the function. Here the folder that the layer would be zipped from
//! is used where it is, so an environment value such as `/opt/pipelines.toml` becomes
//! `…/pipelines/pipelines.toml`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Where layers are mounted on AWS.
const MOUNT: &str = "/opt";

/// The layers of a stack.
#[derive(Debug, Default)]
pub(super) struct Layers {
    /// A layer version's ARN to its folder.
    folders: BTreeMap<String, PathBuf>,
    /// Paths under `/opt` that every function gets another file for.
    overrides: BTreeMap<PathBuf, PathBuf>,
}

/// No layer of a function has a file that its environment names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} is {}, which is in none of its layers: {}", path.display(), shown(folders))]
pub(super) struct NotInLayers {
    /// The environment variable.
    pub variable: String,
    /// Its value.
    pub path: PathBuf,
    /// Where was looked.
    pub folders: Vec<PathBuf>,
}

fn shown(folders: &[PathBuf]) -> String {
    match folders {
        [] => "it has none".to_owned(),
        _ => folders.iter().map(|it| it.display().to_string()).collect::<Vec<_>>().join(", "),
    }
}

impl Layers {
    pub(super) fn new(overrides: BTreeMap<PathBuf, PathBuf>) -> Self {
        Self { folders: BTreeMap::new(), overrides }
    }

    pub(super) fn add(&mut self, arn: &str, folder: PathBuf) {
        self.folders.insert(arn.to_owned(), folder);
    }

    /// The value that stands for `value` on this machine: another one only for paths under `/opt`.
    pub(super) fn localise(
        &self,
        variable: &str,
        value: &str,
        layers: &[String],
    ) -> Result<String, NotInLayers> {
        let path = Path::new(value);
        let Ok(rest) = path.strip_prefix(MOUNT) else { return Ok(value.to_owned()) };
        let overridden = self.overrides.iter().find_map(|(from, to)| {
            let below = path.strip_prefix(from).ok()?;
            // Joining nothing would add a slash to the name of a file.
            Some(if below.as_os_str().is_empty() { to.clone() } else { to.join(below) })
        });
        if let Some(local) = overridden {
            return Ok(local.display().to_string());
        }
        let folders: Vec<PathBuf> = layers.iter().filter_map(|arn| self.folders.get(arn)).cloned().collect();
        // A later layer's files cover those of an earlier one.
        match folders.iter().rev().map(|folder| folder.join(rest)).find(|it| it.exists()) {
            Some(local) => Ok(local.display().to_string()),
            None => Err(NotInLayers { variable: variable.to_owned(), path: path.to_owned(), folders }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::PathBuf};

    use super::Layers;

    const HERE: &str = env!("CARGO_MANIFEST_DIR");

    fn layers(overrides: &[(&str, &str)]) -> Layers {
        let overrides = overrides.iter().map(|(from, to)| (PathBuf::from(from), PathBuf::from(to)));
        let mut layers = Layers::new(overrides.collect::<BTreeMap<_, _>>());
        layers.add("arn:one", PathBuf::from(HERE));
        layers.add("arn:two", PathBuf::from(HERE).join("src"));
        layers
    }

    #[test]
    fn a_path_under_opt_is_the_layers_file() {
        let both = ["arn:one".to_owned(), "arn:two".to_owned()];
        let local = |value| layers(&[]).localise("FILE", value, &both).unwrap();
        assert_eq!(local("/opt/Cargo.toml"), format!("{HERE}/Cargo.toml"));
        assert_eq!(local("/opt/lib.rs"), format!("{HERE}/src/lib.rs"));
        assert_eq!(local("/optional"), "/optional");
        assert_eq!(local("plain"), "plain");
    }

    #[test]
    fn a_file_in_no_layer_of_the_function_is_an_error_that_says_where_was_looked() {
        let error = layers(&[]).localise("FILE", "/opt/lib.rs", &["arn:one".to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), format!("FILE is /opt/lib.rs, which is in none of its layers: {HERE}"));
    }

    #[test]
    fn an_override_replaces_a_file_or_a_folder() {
        let file = layers(&[("/opt/pipelines.toml", "/mine/p.toml")]);
        assert_eq!(file.localise("FILE", "/opt/pipelines.toml", &[]).unwrap(), "/mine/p.toml");
        let folder = layers(&[("/opt", "/mine")]);
        assert_eq!(folder.localise("FILE", "/opt/a/b", &[]).unwrap(), "/mine/a/b");
    }
}
