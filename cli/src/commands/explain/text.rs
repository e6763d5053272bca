//! The story as a person reads it.

use domain::mail::grouped;

use super::{
    OfVersion, Told,
    timeline::{Line, safe},
};
use crate::{commands::format_job, output::one_line};

/// Writes it.
pub(super) fn write(told: &Told) -> String {
    let mut text = format!("{}\n", one_line(&told.object.to_string()));
    text += &match &told.visible {
        None => "nothing of it is visible\n".to_owned(),
        Some(visible) => format!(
            "visible since {:.0}: {} records{}\n",
            visible.published_at,
            grouped(visible.records),
            visible.version_id.as_deref().map(|id| format!(" of version {}", safe(id))).unwrap_or_default()
        ),
    };
    if told.is_cut {
        text += &format!("only its newest {} versions are told of\n", told.versions.len());
    }
    told.versions.iter().for_each(|version| text += &of_version(version));
    text
}

fn of_version(told: &OfVersion) -> String {
    let mut text = String::from("\n");
    text += &match &told.version_id {
        Some(id) => format!("version {}", safe(id)),
        None => "the only version".to_owned(),
    };
    text += &match &told.version {
        Some(version) => format!(", {} bytes\n", grouped(version.size_bytes)),
        None => "\n".to_owned(),
    };
    if let Some(note) = &told.untold {
        text += &format!("{note}\n");
    }
    let Some((job, lines, advice)) = &told.job else { return text };
    text += &format!("job {}, pipeline {}: {}\n\n", job.id, job.pipeline.name, safe(&format_job::state(job)));
    text += &written(lines);
    if !advice.is_empty() {
        text += "\n  What can be done\n";
        advice.iter().for_each(|line| text += &format!("  {line}\n"));
    }
    text
}

/// The lines, in columns.
pub(super) fn written(lines: &[Line]) -> String {
    let width = lines.iter().map(|line| line.what.len()).max().unwrap_or_default();
    lines.iter().map(|Line { at, what, words }| format!("  {at:.3}  {what:width$}  {words}\n")).collect()
}
