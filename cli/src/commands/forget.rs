//! `tidemill forget`: deletes the records and all traces of an object.

use app::forget::{Forget, Forgotten, UnreadReport};
use domain::text::count;
use serde_json::json;

use super::{deployment::Deployment, uri};
use crate::{
    args::ForgetArguments,
    output::{one_line, print, print_document},
};

/// Forgets the object.
pub(crate) async fn run(arguments: &ForgetArguments) -> anyhow::Result<u8> {
    let object = uri::object(&arguments.object)?;
    let deployment = Deployment::find(&arguments.target).await?;
    let object = deployment.object(object)?;
    let dead_letters = deployment.dead_letters()?;
    let fleet = deployment.fleet()?;
    let forget = Forget {
        ledger: &deployment.ledger,
        records: &deployment.records,
        fleet: &fleet,
        tables: &deployment.tables,
        objects: &deployment.objects,
        dead_letters: &dead_letters,
        rejects_prefix: deployment.output("RejectsPrefix")?,
        reports_prefix: deployment.output("ReportsPrefix")?,
        dry_run: arguments.dry_run,
    };
    let forgotten = forget.object(&object.bucket, &object.key).await?;
    let Forgotten { jobs, records, items, rejects, reports, columns, dead_letters, tables, unread } =
        forgotten;
    if arguments.target.json {
        print_document(&json!({
            "object": object.to_string(),
            "dry_run": arguments.dry_run,
            "jobs": jobs,
            "records": records,
            "items": items,
            "rejects": rejects,
            "reports": reports,
            "columns": columns,
            "dead_letters": dead_letters,
            "tables": tables,
            "unread": unread,
        }))?;
        return Ok(0);
    }
    for table in tables {
        eprintln!(
            "its items in table {table} stay, as they do not say which object wrote them (provenance = \"none\"); delete them \
             there"
        );
    }
    for UnreadReport { key, line, problem } in unread {
        let place = line.map(|line| format!("line {line} of ")).unwrap_or_default();
        eprintln!(
            "{place}report {} cannot be read and was not looked through: {}; read it, and delete it if it names the object",
            one_line(&key),
            one_line(&problem)
        );
    }
    let name = one_line(&object.to_string());
    if arguments.dry_run {
        print(&format!("would forget {name}: {} and all that they left\n", count(jobs, "job")))?;
        return Ok(0);
    }
    print(&format!(
        "forgot {name}: {}, {}, {}, {}, {}, {}, {}\nits name stays in logs and mails that were sent, and in backups of the tables\n",
        count(jobs, "job"),
        count(records, "record"),
        count(items, "item"),
        count(rejects, "rejects object"),
        count(reports, "report"),
        count(columns, "remembered column"),
        count(dead_letters, "dead letter"),
    ))?;
    Ok(0)
}
