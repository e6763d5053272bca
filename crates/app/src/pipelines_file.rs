//! The pipelines file, which the functions read from their Lambda layer.

use domain::{
    pipelines::{Pipelines, PipelinesError},
    settings::{Settings, SettingsError, variables},
};

/// Why a function that knows pipelines cannot start: its deployment is wrong.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A variable.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The pipelines file is not there.
    #[error("cannot read the pipelines file {path}")]
    Unreadable {
        /// Where it should be.
        path: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The pipelines file is wrong.
    #[error(transparent)]
    Pipelines(#[from] PipelinesError),
}

/// The pipelines in the file that `PIPELINES_FILE` names, and its text.
///
/// # Errors
/// [`StartError`] naming what is wrong.
pub fn pipelines(settings: &Settings) -> Result<(Pipelines, String), StartError> {
    let (path, text) = read(settings)?;
    Ok((Pipelines::parse(&text, &path)?, text))
}

/// Those pipelines, for routing alone ([`Pipelines::parse_routes`]).
///
/// # Errors
/// [`StartError`] naming what is wrong.
pub fn routes(settings: &Settings) -> Result<Pipelines, StartError> {
    let (path, text) = read(settings)?;
    Ok(Pipelines::parse_routes(&text, &path)?)
}

fn read(settings: &Settings) -> Result<(String, String), StartError> {
    let path = settings.get(variables::PIPELINES_FILE)?;
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok((path, text)),
        Err(source) => Err(StartError::Unreadable { path, source }),
    }
}
