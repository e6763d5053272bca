//! The timeline as text for a terminal of 80 columns.

use super::{
    history::{ObjectHistory, VersionHistory},
    timeline::{Line, safe},
};
use crate::{
    commands::format_job,
    output::{hanging, one_line},
};
use domain::{
    manifest::{Deleted, Manifest},
    text::count,
};

/// Formats the whole history.
pub(super) fn format(history: &ObjectHistory) -> String {
    let mut text = format!("{}\n", one_line(&history.object.to_string()));
    text += &match &history.visible {
        None => "no records are visible\n".to_owned(),
        Some(Manifest { deleted: Some(deleted), .. }) => {
            format!("no records are visible: the object was deleted at {:.0}{}\n", deleted.at, how(deleted))
        }
        Some(visible) => format!(
            "{}{} visible since {:.0}\n",
            count(visible.records, "record"),
            visible.version_id.as_deref().map(|id| format!(" of version {}", safe(id))).unwrap_or_default(),
            visible.published_at,
        ),
    };
    if history.is_cut {
        text += &format!("only the newest {} shown\n", count(history.versions.len(), "version"));
    }
    history.versions.iter().for_each(|version| text += &of_version(version));
    text
}

/// How an object was deleted, in S3's words, if they are known.
fn how(deleted: &Deleted) -> String {
    deleted.reason.as_deref().map(|reason| format!(" ({})", safe(reason))).unwrap_or_default()
}

fn of_version(history: &VersionHistory) -> String {
    let mut text = String::from("\n");
    text += &match &history.version_id {
        Some(id) => format!("version {}", safe(id)),
        None => "the only version".to_owned(),
    };
    text += &match &history.version {
        Some(version) => format!(", {}\n", count(version.size_bytes, "byte")),
        None => "\n".to_owned(),
    };
    if let Some(note) = &history.no_job {
        text += &format!("{note}\n");
    }
    let Some((job, lines, advice)) = &history.job else { return text };
    text += &format!("job {}, pipeline {}: {}\n\n", job.id, job.pipeline.name, safe(&format_job::state(job)));
    text += &columns(lines);
    if !advice.is_empty() {
        text += "\n  What to do\n";
        advice.iter().for_each(|line| text += &hanging("  ", line, WIDTH));
    }
    text
}

/// The lines in columns; a long text goes on in its own column.
pub(super) fn columns(lines: &[Line]) -> String {
    let width = lines.iter().map(|line| line.event.len()).max().unwrap_or_default();
    lines
        .iter()
        .map(|Line { at, event, text }| hanging(&format!("  {at:.0}  {event:width$}  "), text, WIDTH))
        .collect()
}

/// The width that lines are broken at.
const WIDTH: usize = 80;
