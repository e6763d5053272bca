//! What would become of a file.

use app::run_job::Preview;
use domain::{
    fault,
    job::{Reason, ReasonCode},
    pipelines::Pipeline,
    record::{Record, write_record_json},
};

use crate::files::Upload;

/// What would become of a file.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) upload: Upload,
    pub(super) found: Found,
}

/// What was found about a file.
#[derive(Debug)]
pub(super) enum Found {
    /// No pipeline takes it.
    Ignored,
    /// Its pipeline does not read its rows: why not.
    NotRead(Pipeline, &'static str),
    /// It was read.
    Read(Pipeline, Box<Preview>),
    /// It is refused as a whole.
    Refused(Pipeline, Reason),
}

impl Outcome {
    /// Why its job would fail.
    pub(super) fn failure(&self) -> Option<&Reason> {
        match &self.found {
            Found::Refused(_, reason) => Some(reason),
            Found::Read(_, preview) => preview.failure.as_ref(),
            Found::Ignored | Found::NotRead(..) => None,
        }
    }

    pub(super) fn fails(&self) -> bool {
        self.failure().is_some()
    }
}

/// A record as JSON text on one line, with every digit of its numbers.
pub(super) fn record_text(record: &Record) -> String {
    let mut json = Vec::new();
    // Writing to memory does not fail.
    drop(write_record_json(record, &mut json));
    String::from_utf8_lossy(&json).into_owned()
}

impl Outcome {
    /// What a person can do about a file that would fail.
    pub(super) fn advice(&self) -> Option<String> {
        let (Found::Read(pipeline, _) | Found::Refused(pipeline, _)) = &self.found else { return None };
        Some(match &self.failure()?.code {
            ReasonCode::BadInput(code) => fault::advice(*code, pipeline),
            code => code.advice(),
        })
    }
}
