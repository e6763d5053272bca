//! `tidemill columns`: shows the columns that a pipeline's objects had so far, and forgets them.

use domain::{
    drift::{Group, KnownColumn, KnownColumns},
    text::{count, shortened},
};
use serde_json::{Value, json};

use super::deployment::Deployment;
use crate::{
    args::ColumnsArguments,
    output::{one_line, print, print_document},
};

/// The widest name and type that are printed whole: with two dates and what separates them, a line has 80 characters.
const NAME_CHARS: usize = 28;
const TYPE_CHARS: usize = 24;

/// Prints the columns. Exit code 1 when none are known.
pub(crate) async fn run(arguments: &ColumnsArguments) -> anyhow::Result<u8> {
    let (pipeline, deployment) = (&*arguments.pipeline, Deployment::find(&arguments.target).await?);
    let fleet = deployment.fleet()?;
    let known = if arguments.forget {
        fleet.update_document_for(pipeline, "forget the columns", std::mem::take::<KnownColumns>).await?
    } else {
        fleet.get_document_for::<KnownColumns>(pipeline).await?.unwrap_or_default()
    };
    match arguments.target.json {
        true => print_document(&to_json(pipeline, &known, arguments.forget))?,
        false => print(&to_text(pipeline, &known, arguments.forget))?,
    }
    Ok(u8::from(known.groups.is_empty()))
}

fn to_text(pipeline: &str, known: &KnownColumns, is_forgotten: bool) -> String {
    let name = one_line(pipeline);
    if known.groups.is_empty() {
        return format!(
            "no columns of pipeline {name} are known: no object with columns was read since it has this name, or they \
             were forgotten\n"
        );
    }
    let mut text = match known.groups.len() {
        1 => format!("pipeline {name}\n"),
        groups => format!(
            "pipeline {name}: {groups} kinds of objects, each compared with those that have much the same columns\n"
        ),
    };
    for group in &known.groups {
        text += &group_to_text(group);
    }
    if known.is_full {
        text += "\nThere are more columns than are remembered; the others are not compared.\n";
    }
    if is_forgotten {
        text += "\nForgotten. Later objects are compared with the next one.\n";
    }
    text
}

fn group_to_text(group: &Group) -> String {
    let mut text = format!("\n{}", count(group.columns.len(), "column"));
    if let Some(first) = group.sources.first() {
        text += &format!(", first seen {:.0} in\n{}", first.at, one_line(&first.object));
    }
    text += "\n\n";
    let rows: Vec<[String; 4]> =
        group.columns.iter().map(|(name, column)| row(group, name, column)).collect();
    let titles = ["column", "type", "first seen", "last seen"].map(str::to_owned);
    let width =
        |at: usize| rows.iter().chain([&titles]).map(|row| row[at].chars().count()).max().unwrap_or_default();
    let widths = [0, 1, 2, 3].map(width);
    for row in [&titles].into_iter().chain(&rows) {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        text += &format!("  {}\n", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}

/// The name, the kinds of values, the day it was first seen and the last one. A column whose type its pipeline declares has no
/// kinds, as one without values.
fn row(group: &Group, name: &str, column: &KnownColumn) -> [String; 4] {
    let kinds = match column.kinds.to_string() {
        kinds if kinds.is_empty() => "not compared".to_owned(),
        kinds => kinds,
    };
    let optional = if column.is_optional { ", optional" } else { "" };
    let first = group.sources.get(column.first as usize);
    [
        shortened(&one_line(name), NAME_CHARS),
        shortened(&format!("{kinds}{optional}"), TYPE_CHARS),
        first.map(|source| source.at.strftime("%Y-%m-%d").to_string()).unwrap_or_default(),
        column.last_day.to_string(),
    ]
}

fn to_json(pipeline: &str, known: &KnownColumns, is_forgotten: bool) -> Value {
    json!({
        "pipeline": pipeline,
        "groups": known.groups.iter().map(group_to_json).collect::<Vec<_>>(),
        "has_more_columns": known.is_full,
        "forgotten": is_forgotten,
    })
}

fn group_to_json(group: &Group) -> Value {
    let source = |place: u32| group.sources.get(place as usize);
    let columns = group.columns.iter().map(|(name, column)| {
        json!({
            "name": name,
            "kinds": column.kinds,
            "optional": column.is_optional,
            "first_seen": source(column.first),
            "missing_in": column.missing.and_then(source),
            "changed_by": column.changed.and_then(|change| source(change.by)),
            "last_day": column.last_day,
        })
    });
    json!({ "first": group.sources.first(), "columns": columns.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use domain::drift::{Kind, Kinds, Source};
    use domain::job::Job;

    use super::*;

    fn group(names: &[&str], kinds: Kinds) -> Group {
        let at = "2026-11-21T12:00:00Z".parse().unwrap();
        let last_day = "2026-11-22".parse().unwrap();
        let (changed, missing) = (None, None);
        let column = KnownColumn { kinds, is_optional: true, first: 0, changed, missing, last_day };
        let columns: BTreeMap<String, KnownColumn> =
            names.iter().map(|name| ((*name).to_owned(), column.clone())).collect();
        Group { sources: vec![Source::of(&Job::sample("", at), at)], columns }
    }

    #[test]
    fn a_page_has_a_line_for_each_column() {
        let none = to_text("a", &KnownColumns::default(), false);
        assert!(none.starts_with("no columns of pipeline a are known"), "{none}");
        let known =
            KnownColumns { groups: vec![group(&["a\nb", "id"], Kind::Number.into())], is_full: false };
        let expected = "\
pipeline orders

2 columns, first seen 2026-11-21T12:00:00Z in
s3://b/k

  column  type              first seen  last seen
  a\\nb    number, optional  2026-11-21  2026-11-22
  id      number, optional  2026-11-21  2026-11-22

Forgotten. Later objects are compared with the next one.
";
        assert_eq!(to_text("orders", &known, true), expected);
        let json = to_json("orders", &known, true);
        assert_eq!(json["groups"][0]["columns"][1]["first_seen"]["object"], "s3://b/k");
    }

    #[test]
    fn a_line_has_80_characters_at_most() {
        let mut kinds = Kinds::from(Kind::Number);
        for kind in [Kind::Text, Kind::Boolean, Kind::List, Kind::Map] {
            kinds.insert(kind);
        }
        let groups = vec![group(&["n".repeat(300).as_str()], kinds), group(&["id"], Kinds::NONE)];
        let text = to_text("orders", &KnownColumns { groups, is_full: true }, false);
        let table: Vec<&str> = text.lines().filter(|line| line.starts_with("  ")).collect();
        assert!(table.iter().all(|line| line.chars().count() <= 80), "{text}");
        assert_eq!(table.len(), 4, "{text}");
        assert!(text.contains("  id      not compared, optional  2026-11-21  2026-11-22\n"), "{text}");
    }
}
